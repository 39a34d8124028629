use proptest::prelude::*;

use super::*;
use crate::event::owned::Owned;
use crate::event::{EventType, Payload, SharedPayload};

struct Book {
    snapshot: bool,
}

impl SharedPayload for Book {
    fn kind(&self) -> &'static str {
        "book"
    }
    fn digest(&self, _digest: &mut crate::digest::Digest) {}
    fn is_snapshot(&self) -> bool {
        self.snapshot
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn event(event_type: EventType, instrument: &str, tag: i64) -> Event {
    let mut event = Event::new(event_type, Name::intern("test"), tag, Payload::Empty);
    event.instrument = Name::intern(instrument);
    event
}

fn book(instrument: &str, tag: i64, snapshot: bool) -> Event {
    let mut event = event(EventType::OrderBook, instrument, tag);
    event.payload = Payload::shared(Book { snapshot });
    event
}

fn tags(mailbox: &mut Mailbox) -> Vec<i64> {
    std::iter::from_fn(|| mailbox.pop()).map(|event| event.ts_ns).collect()
}

#[test]
fn a_full_lane_conflates_quotes_in_place() {
    let mut mailbox = Mailbox::new(Capacity::PerLane(3));
    for (tag, instrument) in [(1, "a"), (2, "b"), (3, "a")] {
        assert_eq!(mailbox.offer(event(EventType::Quote, instrument, tag)), Offer::Queued);
    }
    assert_eq!(mailbox.offer(event(EventType::Quote, "b", 4)), Offer::Conflated);
    assert_eq!(mailbox.offer(event(EventType::Quote, "a", 5)), Offer::Conflated);
    assert_eq!(tags(&mut mailbox), [1, 4, 5]);
    let stats = mailbox.stats(Lane::MarketData);
    assert_eq!((stats.accepted, stats.dispatched, stats.conflated, stats.dropped), (5, 3, 2, 0));
}

#[test]
fn a_full_lane_drops_the_oldest_trade_and_keeps_quotes() {
    let mut mailbox = Mailbox::new(Capacity::PerLane(3));
    mailbox.offer(event(EventType::Quote, "a", 1));
    mailbox.offer(event(EventType::Trade, "a", 2));
    mailbox.offer(event(EventType::Trade, "a", 3));
    assert_eq!(mailbox.offer(event(EventType::Trade, "a", 4)), Offer::DroppedOldest);
    assert_eq!(mailbox.len(), 3);
    assert_eq!(tags(&mut mailbox), [1, 3, 4]);
}

#[test]
fn a_dropped_book_waits_for_its_snapshot() {
    let mut mailbox = Mailbox::new(Capacity::PerLane(2));
    mailbox.offer(book("a", 1, false));
    mailbox.offer(book("a", 2, false));
    assert_eq!(mailbox.offer(book("a", 3, false)), Offer::DroppedBook);
    assert_eq!(mailbox.take_lost_books(), [Name::intern("a")]);
    assert_eq!(mailbox.offer(book("a", 4, false)), Offer::DroppedBook, "a delta after a hole is never applied");
    assert_eq!(mailbox.offer(book("b", 5, false)), Offer::Queued);
    assert_eq!(mailbox.offer(book("a", 6, true)), Offer::Queued);
    assert_eq!(mailbox.pop().map(|e| e.ts_ns), Some(5));
    assert_eq!(mailbox.offer(book("a", 7, false)), Offer::Queued);
    assert_eq!(tags(&mut mailbox), [6, 7]);
}

/// The most slots that the market-data lane may have: twice what waits, and a few.
fn slots_are_bounded(mailbox: &Mailbox) -> bool {
    mailbox.lanes[Lane::MarketData as usize].slots() <= 2 * mailbox.lane_len(Lane::MarketData) + 65
}

#[test]
fn a_lane_gives_memory_back_after_a_burst_and_allocates_nothing_in_a_steady_state() {
    let mut mailbox = Mailbox::new(Capacity::Unbounded);
    let room = |mailbox: &Mailbox| mailbox.lanes[Lane::MarketData as usize].room();
    assert_eq!(room(&mailbox), 0, "nothing up front");
    for tag in 0..100_000 {
        mailbox.offer(event(EventType::Trade, "a", tag));
    }
    let burst = room(&mailbox);
    assert!(burst >= 100_000);
    while mailbox.pop().is_some() {}
    assert_eq!(room(&mailbox), burst, "the next burst may come at once");
    let mut steady = |waves: i64, size: i64| -> Vec<usize> {
        let wave = |wave: i64| {
            for tag in wave * size..(wave + 1) * size {
                mailbox.offer(event(EventType::Trade, "a", tag));
            }
            let out = tags(&mut mailbox);
            assert_eq!(out, (wave * size..(wave + 1) * size).collect::<Vec<_>>());
            room(&mailbox)
        };
        (0..waves).map(wave).collect()
    };
    let rooms = steady(3_000, 40);
    assert!(rooms[2_999] < 512, "{} slots for 40 events", rooms[2_999]);
    let later = steady(5_000, 40);
    assert!(later.iter().all(|room| *room == rooms[2_999]), "a steady load moves nothing");
    let few = steady(3_000, 1);
    assert!(steady(5_000, 1).iter().all(|room| *room == few[2_999]), "nor does a small one");
    assert!(steady(10, 60).iter().all(|room| *room == few[2_999]), "nor one that grows within what is kept");
}

#[test]
fn a_lane_that_nobody_empties_takes_no_more_memory() {
    let mut mailbox = Mailbox::new(Capacity::PerLane(1_000));
    for tag in 0..100_000 {
        mailbox.offer(event(EventType::Trade, "a", tag));
        assert!(slots_are_bounded(&mailbox));
    }
    assert_eq!(mailbox.stats(Lane::MarketData).dropped, 99_000);
    assert_eq!(tags(&mut mailbox), (99_000..100_000).collect::<Vec<_>>());
}

#[test]
fn a_quote_in_front_does_not_keep_holes() {
    let mut mailbox = Mailbox::new(Capacity::PerLane(100));
    mailbox.offer(event(EventType::Quote, "a", -3));
    for tag in 0..20_000 {
        mailbox.offer(event(EventType::Trade, "a", tag));
        assert!(slots_are_bounded(&mailbox));
    }
    assert_eq!(mailbox.offer(event(EventType::Quote, "a", -2)), Offer::Conflated, "found again after a closing up");
    let expected: Vec<i64> = std::iter::once(-2).chain(19_901..20_000).collect();
    assert_eq!(tags(&mut mailbox), expected);
}

#[test]
fn dropped_books_leave_no_holes() {
    let mut mailbox = Mailbox::new(Capacity::PerLane(50));
    mailbox.offer(event(EventType::Quote, "a", -1));
    for tag in 0..20_000 {
        // Every book is a snapshot: each overflow throws the waiting ones away and takes this one.
        mailbox.offer(book("a", tag, true));
        assert!(slots_are_bounded(&mailbox));
    }
    let out = tags(&mut mailbox);
    assert_eq!((out.first(), out.last()), (Some(&-1), Some(&19_999)));
    assert!(out.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn facts_are_never_refused_and_commands_are() {
    let mut mailbox = Mailbox::new(Capacity::PerLane(8));
    for tag in 0..6 {
        mailbox.offer(event(EventType::OrderFilled, "a", tag));
    }
    assert!(!mailbox.is_pressed());
    mailbox.offer(event(EventType::OrderFilled, "a", 6));
    assert!(mailbox.is_pressed());
    mailbox.offer(event(EventType::OrderRequest, "a", 7));
    assert_eq!(mailbox.offer(event(EventType::OrderRequest, "a", 8)), Offer::Refused);
    assert_eq!(mailbox.offer(event(EventType::CancelRequest, "a", 9)), Offer::Queued, "a slot is kept for cancels");
    assert_eq!(mailbox.offer(event(EventType::CancelRequest, "a", 10)), Offer::Refused);
    assert!(!mailbox.is_stale());
    assert_eq!(mailbox.offer(event(EventType::OrderFilled, "a", 11)), Offer::Queued);
    assert!(mailbox.is_stale());
    assert_eq!(tags(&mut mailbox), [0, 1, 2, 3, 4, 5, 6, 7, 9, 11]);
}

fn any_type() -> impl Strategy<Value = EventType> {
    proptest::sample::select(EventType::ALL.to_vec())
}

proptest! {
    /// Against a model: strict priority, first in first out in a lane, nothing lost and nothing twice.
    #[test]
    fn an_unfilled_mailbox_is_four_queues(steps in proptest::collection::vec(proptest::option::of(any_type()), 0..300)) {
        let mut mailbox = Mailbox::new(Capacity::Shared(1_000));
        let mut model: [std::collections::VecDeque<i64>; 4] = Default::default();
        for (tag, step) in steps.into_iter().enumerate() {
            match step {
                Some(event_type) => {
                    prop_assert_eq!(mailbox.offer(event(event_type, "a", tag as i64)), Offer::Queued);
                    model[event_type.lane() as usize].push_back(tag as i64);
                }
                None => {
                    let expected = model.iter_mut().find_map(|lane| lane.pop_front());
                    prop_assert_eq!(mailbox.pop().map(|e| e.ts_ns), expected);
                }
            }
            prop_assert_eq!(mailbox.len(), model.iter().map(|lane| lane.len()).sum::<usize>());
        }
        let rest: Vec<i64> = model.into_iter().flatten().collect();
        prop_assert_eq!(tags(&mut mailbox), rest);
    }

    #[test]
    fn a_shared_limit_refuses_in_every_lane(types in proptest::collection::vec(any_type(), 0..40), limit in 1usize..20) {
        let mut mailbox = Mailbox::new(Capacity::Shared(limit));
        let taken = types.iter().filter(|t| mailbox.offer(event(**t, "a", 0)) == Offer::Queued).count();
        prop_assert_eq!(taken, types.len().min(limit));
        prop_assert_eq!(mailbox.len(), taken);
    }

    /// Under overload every event is accounted for, facts are never lost, and what comes out of a lane is in order.
    #[test]
    fn an_overfull_mailbox_accounts_for_everything(
        steps in proptest::collection::vec(proptest::option::weighted(0.8, (any_type(), 0u8..3)), 0..400),
        limit in 1usize..12,
        is_shared in any::<bool>(),
    ) {
        let mut mailbox = if is_shared { shared(limit) } else { Mailbox::new(Capacity::PerLane(limit)) };
        let (mut facts, mut offered, mut out) = (Vec::new(), 0u64, Vec::new());
        for (tag, step) in steps.into_iter().enumerate() {
            match step {
                Some((event_type, instrument)) => {
                    offered += 1;
                    if event_type.policy() == crate::event::Policy::Never {
                        facts.push(tag as i64);
                    }
                    let mut offered = event(event_type, &instrument.to_string(), tag as i64);
                    if event_type == EventType::OrderBook {
                        offered.payload = Payload::shared(Book { snapshot: tag % 3 == 0 });
                    }
                    mailbox.offer(offered);
                }
                None => out.extend(mailbox.pop()),
            }
        }
        let waiting = mailbox.len() as u64;
        let mut total = LaneStats::default();
        for lane in Lane::ALL {
            let stats = mailbox.stats(lane);
            total.accepted += stats.accepted;
            total.dispatched += stats.dispatched;
            total.dropped += stats.dropped;
            total.conflated += stats.conflated;
            total.refused += stats.refused;
        }
        prop_assert_eq!(total.accepted + total.refused, offered);
        prop_assert_eq!(total.accepted, total.dispatched + total.dropped + total.conflated + waiting);
        out.extend(std::iter::from_fn(|| mailbox.pop()));
        let mut seen: Vec<i64> = out.iter().filter(|e| e.event_type.policy() == crate::event::Policy::Never).map(|e| e.ts_ns).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, facts, "no fact is lost or doubled");
        prop_assert!(mailbox.is_empty());
    }

    /// Against a model without positions: what a long overload leaves, and in which order, whenever it is closed up.
    #[test]
    fn closing_up_changes_nothing(
        steps in proptest::collection::vec(proptest::option::weighted(0.95, (any::<bool>(), 0u8..3)), 0..2_000),
        limit in 1usize..20,
    ) {
        let mut mailbox = Mailbox::new(Capacity::PerLane(limit));
        let mut model: Vec<(bool, u8, i64)> = Vec::new();
        for (tag, step) in steps.into_iter().enumerate() {
            let tag = tag as i64;
            let Some((is_quote, instrument)) = step else {
                let expected = if model.is_empty() { None } else { Some(model.remove(0).2) };
                prop_assert_eq!(mailbox.pop().map(|e| e.ts_ns), expected);
                continue;
            };
            let kind = if is_quote { EventType::Quote } else { EventType::Trade };
            mailbox.offer(event(kind, &instrument.to_string(), tag));
            if model.len() >= limit {
                let same = model.iter().rposition(|(quote, of, _)| is_quote && *quote && *of == instrument);
                if let Some(at) = same {
                    model[at].2 = tag;
                    continue;
                }
                if let Some(at) = model.iter().position(|(quote, ..)| !quote) {
                    model.remove(at);
                }
            }
            model.push((is_quote, instrument, tag));
            prop_assert!(mailbox.lanes[Lane::MarketData as usize].slots() <= 2 * (limit + 3) + 65);
        }
        prop_assert_eq!(tags(&mut mailbox), model.into_iter().map(|(.., tag)| tag).collect::<Vec<_>>());
    }
}

fn asked_by(source: usize, event_type: EventType, tag: i64) -> Event {
    Event::new(event_type, Name::intern(&format!("source-{source}")), tag, Payload::Empty)
}

fn shared(limit: usize) -> Mailbox {
    let mut mailbox = Mailbox::new(Capacity::PerLane(limit));
    mailbox.share();
    mailbox
}

fn ask_for(mailbox: &mut Mailbox, source: usize, tags: std::ops::Range<i64>) {
    for tag in tags {
        assert_eq!(mailbox.offer(asked_by(source, EventType::OrderRequest, tag)), Offer::Queued);
    }
}

#[test]
fn whoever_asks_for_much_waits_behind_itself_alone() {
    let mut mailbox = shared(100_000);
    ask_for(&mut mailbox, 0, 0..10_000);
    mailbox.offer(asked_by(1, EventType::OrderRequest, -1));
    mailbox.offer(asked_by(1, EventType::CancelRequest, -2));
    mailbox.offer(asked_by(2, EventType::OrderFilled, -3));
    assert_eq!(mailbox.oldest(Lane::Orders).map(|event| event.ts_ns), Some(0));
    let began: Vec<i64> = (0..5).filter_map(|_| mailbox.pop()).map(|event| event.ts_ns).collect();
    assert_eq!(began, [0, -1, -3, 1, -2], "one of each in turn, and facts are owed none");
    assert_eq!(mailbox.oldest(Lane::Orders).map(|event| event.ts_ns), Some(2));
    // A source that has asked for nothing for long has saved up no turns.
    (0..5_000).for_each(|_| drop(mailbox.pop()));
    ask_for(&mut mailbox, 1, -12..-9);
    let then: Vec<i64> = (0..6).filter_map(|_| mailbox.pop()).map(|event| event.ts_ns).collect();
    assert_eq!(then.iter().filter(|tag| **tag < 0).count(), 3, "{then:?}");
    assert!(then.windows(2).all(|pair| (pair[0] < 0) != (pair[1] < 0)), "{then:?}");
}

#[test]
fn what_comes_of_a_request_is_its_strategys_and_a_fact_is_of_who_tells_it() {
    let mut mailbox = shared(100);
    let of_first = |event_type, tag| {
        let mut event = asked_by(9, event_type, tag);
        event.payload = Payload::shared(Owned(Name::intern("source-0")));
        event
    };
    ask_for(&mut mailbox, 0, 0..2);
    mailbox.offer(asked_by(0, EventType::CancelRequest, 2));
    mailbox.offer(of_first(EventType::OrderApproved, 3));
    ask_for(&mut mailbox, 1, 4..6);
    mailbox.offer(of_first(EventType::OrderFilled, 7));
    assert_eq!(tags(&mut mailbox), [0, 4, 7, 1, 5, 2, 3], "its cancel goes before its approval, the fact before both");
}

#[test]
fn a_lane_that_ran_empty_owes_nobody_a_turn() {
    let mut mailbox = shared(100);
    ask_for(&mut mailbox, 0, 0..1);
    assert_eq!(tags(&mut mailbox), [0]);
    ask_for(&mut mailbox, 0, 1..2);
    ask_for(&mut mailbox, 1, 2..3);
    assert_eq!(tags(&mut mailbox), [1, 2], "as they came");
}

#[test]
fn a_shared_lane_takes_no_more_memory_for_one_that_waits_long() {
    let mut mailbox = shared(100_000);
    let lane = |mailbox: &Mailbox| mailbox.lanes[Lane::Orders as usize].slots();
    ask_for(&mut mailbox, 0, 0..1_000);
    // Facts go before its turn for ever: what they leave behind is closed up.
    for tag in 0..50_000 {
        mailbox.offer(asked_by(1, EventType::OrderFilled, -1 - tag));
        mailbox.pop();
        assert!(lane(&mailbox) <= 2 * mailbox.len() + 65);
    }
    let left: Vec<i64> = tags(&mut mailbox).into_iter().filter(|tag| *tag >= 0).collect();
    assert!(left.windows(2).all(|pair| pair[0] + 1 == pair[1]) && left.last() == Some(&999));
    assert_eq!(lane(&mailbox), 0);
}

#[test]
fn a_position_that_waits_is_replaced_where_it_waits_in_a_shared_lane_too() {
    let mut mailbox = shared(3);
    mailbox.offer(asked_by(0, EventType::OrderRequest, 1));
    mailbox.offer(asked_by(1, EventType::PositionUpdated, 2));
    mailbox.offer(asked_by(0, EventType::OrderRequest, 3));
    assert_eq!(mailbox.offer(asked_by(1, EventType::PositionUpdated, 4)), Offer::Conflated);
    assert_eq!(mailbox.offer(asked_by(2, EventType::BalanceUpdated, 5)), Offer::Queued);
    assert_eq!(tags(&mut mailbox), [1, 4, 5, 3]);
}

proptest! {
    /// What one source publishes leaves in its order, nothing is lost or doubled, and a command that is its source's first
    /// waits for at most two of each other source.
    #[test]
    fn sources_take_turns(
        steps in proptest::collection::vec(proptest::option::weighted(0.6, (0usize..5, any::<bool>(), 1usize..20)), 0..200),
    ) {
        let mut mailbox = shared(100_000);
        let mut waiting: Vec<std::collections::VecDeque<(i64, bool)>> = vec![Default::default(); 5];
        // By source: the commands of others that left while its first waited.
        let mut waited = [[0u32; 5]; 5];
        let (mut tag, mut left) = (0, 0);
        let rounds = steps.len() + 20_000;
        for step in steps.into_iter().chain(std::iter::repeat(None)).take(rounds) {
            if let Some((source, is_command, count)) = step {
                for _ in 0..count {
                    let event_type = if is_command { EventType::OrderRequest } else { EventType::OrderFilled };
                    if waiting[source].is_empty() {
                        waited[source] = [0; 5];
                    }
                    mailbox.offer(asked_by(source, event_type, tag));
                    waiting[source].push_back((tag, is_command));
                    tag += 1;
                }
                continue;
            }
            let Some(event) = mailbox.pop() else {
                prop_assert!(waiting.iter().all(|source| source.is_empty()));
                if left == tag { break } else { continue }
            };
            left += 1;
            let source = (0..5).find(|source| event.source == Name::intern(&format!("source-{source}"))).unwrap();
            let Some((expected, is_command)) = waiting[source].pop_front() else { panic!("twice") };
            prop_assert_eq!(event.ts_ns, expected);
            waited[source] = [0; 5];
            for other in (0..5).filter(|other| *other != source && is_command) {
                waited[other][source] += 1;
                prop_assert!(waiting[other].is_empty() || waited[other][source] <= 2, "{} waits for {}: {:?}", other, source, waited);
            }
        }
        prop_assert_eq!(left, tag);
    }
}
