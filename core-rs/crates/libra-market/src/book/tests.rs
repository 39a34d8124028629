//! The rules of frames one by one, then random frames against a model of two trees.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn levels(pairs: &[(i64, i64)]) -> Vec<Level> {
    pairs.iter().map(|&(price, size)| Level { price, size }).collect()
}

fn snapshot(id: i64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> BookUpdate {
    BookUpdate {
        snapshot: true,
        first_id: id,
        last_id: id,
        previous_id: -1,
        ts_venue_ns: 0,
        bids: levels(bids),
        asks: levels(asks),
    }
}

fn delta(first: i64, last: i64, previous: i64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> BookUpdate {
    BookUpdate { snapshot: false, first_id: first, last_id: last, previous_id: previous, ..snapshot(0, bids, asks) }
}

fn synced(id: i64) -> L2Book {
    let mut book = L2Book::new();
    assert_eq!(book.apply(&snapshot(id, &[(99, 5), (98, 1)], &[(101, 4), (103, 2)])), BookOutcome::Applied);
    book
}

#[test]
fn levels_come_best_first() {
    let mut book = synced(10);
    assert_eq!(book.apply(&delta(11, 12, -1, &[(100, 7), (98, 0)], &[(101, 0), (102, 9)])), BookOutcome::Applied);
    assert_eq!(book.bids().collect::<Vec<_>>(), levels(&[(100, 7), (99, 5)]));
    assert_eq!(book.asks().collect::<Vec<_>>(), levels(&[(102, 9), (103, 2)]));
    assert_eq!(book.asks_above(102).collect::<Vec<_>>(), levels(&[(103, 2)]));
    assert_eq!(book.bids_below(100).collect::<Vec<_>>(), levels(&[(99, 5)]));
    assert_eq!((book.bid_size(99), book.ask_size(102), book.ask_size(101)), (5, 9, 0));
    assert_eq!((book.best_bid(), book.best_ask()), (levels(&[(100, 7)]).pop(), levels(&[(102, 9)]).pop()));
}

#[test]
fn spot_follows_its_rules() {
    let mut book = synced(10);
    assert_eq!(book.apply(&delta(5, 10, -1, &[(1, 1)], &[])), BookOutcome::Stale);
    assert_eq!(book.apply(&delta(8, 12, -1, &[(97, 1)], &[])), BookOutcome::Applied);
    assert_eq!(book.apply(&delta(11, 12, -1, &[(96, 1)], &[])), BookOutcome::Stale);
    assert_eq!(book.apply(&delta(13, 13, -1, &[(95, 1)], &[])), BookOutcome::Applied);
    assert_eq!(book.apply(&delta(15, 16, -1, &[], &[])), BookOutcome::Gap);
    assert!(!book.is_synced() && book.best_bid().is_none() && book.last_id() == 0);
    let mut late = synced(10);
    assert_eq!(late.apply(&delta(12, 13, -1, &[], &[])), BookOutcome::Gap);
}

#[test]
fn futures_follow_theirs() {
    let mut book = synced(10);
    assert_eq!(book.apply(&delta(7, 9, 5, &[], &[])), BookOutcome::Stale);
    assert_eq!(book.apply(&delta(9, 15, 8, &[(97, 1)], &[])), BookOutcome::Applied);
    assert_eq!(book.apply(&delta(20, 25, 15, &[], &[])), BookOutcome::Applied);
    assert_eq!(book.apply(&delta(30, 35, 26, &[], &[])), BookOutcome::Gap);
    // The ids of one symbol have holes: what follows the snapshot at once may begin behind L + 1.
    assert_eq!(synced(10).apply(&delta(14, 20, 10, &[], &[])), BookOutcome::Applied);
    assert_eq!(synced(10).apply(&delta(14, 20, 11, &[], &[])), BookOutcome::Gap);
    // A delta that ends exactly at the snapshot is its first.
    assert_eq!(synced(10).apply(&delta(8, 10, 7, &[], &[])), BookOutcome::Applied);
}

#[test]
fn deltas_before_a_snapshot_wait_for_it() {
    let mut book = L2Book::new();
    for update in [
        delta(1, 5, 0, &[(50, 1)], &[]),
        delta(6, 12, 5, &[(97, 3)], &[]),
        delta(14, 16, 12, &[(97, 0), (96, 2)], &[(102, 1)]),
    ] {
        assert_eq!(book.apply(&update), BookOutcome::NotSynced);
    }
    assert_eq!(book.best_bid(), None);
    assert_eq!(book.apply(&snapshot(10, &[(99, 5)], &[(101, 4)])), BookOutcome::Applied);
    assert_eq!(book.bids().collect::<Vec<_>>(), levels(&[(99, 5), (96, 2)]));
    assert_eq!(book.asks().collect::<Vec<_>>(), levels(&[(101, 4), (102, 1)]));
    assert_eq!(book.last_id(), 16);
}

#[test]
fn after_a_gap_a_newer_snapshot_syncs_with_what_waited() {
    let mut book = synced(10);
    assert_eq!(book.apply(&delta(20, 25, 19, &[(95, 1)], &[])), BookOutcome::Gap);
    assert_eq!(book.apply(&delta(26, 30, 25, &[(94, 1)], &[])), BookOutcome::NotSynced);
    assert_eq!(book.apply(&snapshot(15, &[(99, 5)], &[(101, 4)])), BookOutcome::Gap);
    assert_eq!(book.apply(&snapshot(22, &[(99, 5)], &[(101, 4)])), BookOutcome::Applied);
    assert_eq!(book.bids().collect::<Vec<_>>(), levels(&[(99, 5), (95, 1), (94, 1)]));
    assert_eq!(book.apply(&snapshot(21, &[(1, 1)], &[])), BookOutcome::Stale);
    assert_eq!(book.apply(&snapshot(40, &[(98, 5)], &[(101, 4)])), BookOutcome::Applied);
    assert_eq!(book.bids().collect::<Vec<_>>(), levels(&[(98, 5)]));
}

#[test]
fn a_crossed_book_is_dropped() {
    let mut book = synced(10);
    assert_eq!(book.apply(&delta(11, 11, -1, &[(101, 1)], &[])), BookOutcome::Crossed);
    assert!(!book.is_synced());
    assert_eq!(book.apply(&snapshot(20, &[(101, 1)], &[(101, 1)])), BookOutcome::Crossed);
    assert_eq!(book.apply(&snapshot(20, &[(100, 1)], &[(101, 1)])), BookOutcome::Applied);
}

#[test]
fn what_waits_is_bounded() {
    let mut book = L2Book::new();
    for id in 1..=1_000 {
        assert_eq!(book.apply(&delta(id, id, -1, &[(10, id)], &[])), BookOutcome::NotSynced);
    }
    assert_eq!(book.waiting.len(), MAX_WAITING);
    let wide: Vec<(i64, i64)> = (0..10_000).map(|price| (price, 1)).collect();
    book.apply(&delta(1_001, 1_001, -1, &wide, &[]));
    book.apply(&delta(1_002, 1_002, -1, &wide, &[]));
    assert_eq!((book.waiting.len(), book.waiting_levels), (1, 10_000));
    assert_eq!(book.apply(&snapshot(500, &[], &[])), BookOutcome::Gap);
    book.clear();
    assert_eq!((book.waiting.len(), book.waiting_levels), (0, 0));
}

proptest! {
    #[test]
    fn a_book_holds_what_two_trees_hold(
        frames in prop::collection::vec(
            (prop::collection::vec((900i64..1_000, 0i64..4), 0..30), prop::collection::vec((1_001i64..1_100, 0i64..4), 0..30)),
            1..40,
        ),
        futures in any::<bool>(),
        start in 0usize..5,
    ) {
        let mut book = L2Book::new();
        let (mut bids, mut asks) = (BTreeMap::new(), BTreeMap::new());
        for (at, (frame_bids, frame_asks)) in frames.iter().enumerate() {
            let id = at as i64 + 1;
            let set = |tree: &mut BTreeMap<i64, i64>, changes: &[(i64, i64)]| {
                for &(price, size) in changes {
                    if size == 0 { tree.remove(&price); } else { tree.insert(price, size); }
                }
            };
            set(&mut bids, frame_bids);
            set(&mut asks, frame_asks);
            let update = delta(id, id, if futures { id - 1 } else { -1 }, frame_bids, frame_asks);
            let outcome = book.apply(&update);
            prop_assert_eq!(outcome, if at <= start { BookOutcome::NotSynced } else { BookOutcome::Applied });
            if at == start {
                // The snapshot is of the time two frames ago, or of the beginning: what waited brings it up to date.
                let old = start.saturating_sub(1);
                let (mut old_bids, mut old_asks) = (BTreeMap::new(), BTreeMap::new());
                for (frame_bids, frame_asks) in &frames[..old] {
                    set(&mut old_bids, frame_bids);
                    set(&mut old_asks, frame_asks);
                }
                let pairs = |tree: &BTreeMap<i64, i64>| tree.iter().map(|(p, s)| (*p, *s)).collect::<Vec<_>>();
                prop_assert_eq!(book.apply(&snapshot(old as i64, &pairs(&old_bids), &pairs(&old_asks))), BookOutcome::Applied);
            }
            if at >= start {
                let want_bids: Vec<Level> = bids.iter().rev().map(|(p, s)| Level { price: *p, size: *s }).collect();
                let want_asks: Vec<Level> = asks.iter().map(|(p, s)| Level { price: *p, size: *s }).collect();
                prop_assert_eq!(book.bids().collect::<Vec<_>>(), want_bids);
                prop_assert_eq!(book.asks().collect::<Vec<_>>(), want_asks);
                prop_assert_eq!(book.bid_size(950), bids.get(&950).copied().unwrap_or(0));
                prop_assert_eq!(
                    book.asks_above(1_050).collect::<Vec<_>>(),
                    asks.range(1_051..).map(|(p, s)| Level { price: *p, size: *s }).collect::<Vec<_>>()
                );
            }
        }
    }

    #[test]
    fn no_frame_panics_and_a_synced_book_is_never_crossed(
        frames in prop::collection::vec(
            (any::<bool>(), any::<i64>(), any::<i64>(), -1i64..5, prop::collection::vec((any::<i64>(), any::<i64>()), 0..4)),
            0..20,
        ),
    ) {
        let mut book = L2Book::new();
        for (is_snapshot, first, last, previous, pairs) in frames {
            let half = pairs.len() / 2;
            let mut update = delta(first, last, previous, &pairs[..half], &pairs[half..]);
            update.snapshot = is_snapshot;
            book.apply(&update);
            if let (Some(bid), Some(ask)) = (book.best_bid(), book.best_ask()) {
                prop_assert!(book.is_synced() && bid.price < ask.price);
            }
        }
    }
}
