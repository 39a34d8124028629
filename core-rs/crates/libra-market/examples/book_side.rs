//! What a book update costs: `cargo run --release -p libra-market --example book_side`.
//!
//! The book against two `BTreeMap`s on the same made-up frames of USD-M's shape: tens of levels a frame, most near the
//! touch, some far away, about 1,000 levels a side. Prints nanoseconds a level and the ratio; outputs are compared.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use libra_market::book::{BookUpdate, L2Book, Level};

const FRAMES: i64 = 20_000;

/// Frames around a touch that drifts.
fn frames() -> Vec<BookUpdate> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut mid = 60_000i64;
    let mut update = |id: i64, snapshot: bool| {
        mid += rng.i64(-3..=3);
        let mut side = |sign: i64| -> Vec<Level> {
            let count = if snapshot { 1_000 } else { rng.i64(5..60) };
            let level = |_| {
                let far = if snapshot || rng.u8(..) < 40 { rng.i64(1..2_000) } else { rng.i64(1..60) };
                let size = if snapshot || rng.u8(..) < 160 { rng.i64(1..5_000) } else { 0 };
                Level { price: mid + sign * far, size }
            };
            (0..count).map(level).collect()
        };
        let (mut bids, mut asks) = (side(-1), side(1));
        // What the touch has passed is removed, as a venue does.
        for passed in 0..8 {
            bids.push(Level { price: mid + passed, size: 0 });
            asks.push(Level { price: mid - passed, size: 0 });
        }
        BookUpdate { snapshot, first_id: id, last_id: id, previous_id: id - 1, ts_venue_ns: 0, bids, asks }
    };
    (0..=FRAMES).map(|id| update(id, id == 0)).collect()
}

fn set(tree: &mut BTreeMap<i64, i64>, levels: &[Level]) {
    for level in levels {
        if level.size > 0 {
            tree.insert(level.price, level.size);
        } else {
            tree.remove(&level.price);
        }
    }
}

fn main() {
    let frames = frames();
    let levels: usize = frames[1..].iter().map(|frame| frame.bids.len() + frame.asks.len()).sum();
    let mut best = [f64::MAX; 2];
    for _ in 0..5 {
        let mut book = L2Book::new();
        book.apply(&frames[0]);
        let start = Instant::now();
        for frame in &frames[1..] {
            black_box(book.apply(frame));
            black_box((book.best_bid(), book.best_ask()));
        }
        best[0] = best[0].min(start.elapsed().as_nanos() as f64 / levels as f64);
        let (mut bids, mut asks) = (BTreeMap::new(), BTreeMap::new());
        set(&mut bids, &frames[0].bids);
        set(&mut asks, &frames[0].asks);
        let start = Instant::now();
        for frame in &frames[1..] {
            set(&mut bids, &frame.bids);
            set(&mut asks, &frame.asks);
            black_box((bids.last_key_value(), asks.first_key_value()));
        }
        best[1] = best[1].min(start.elapsed().as_nanos() as f64 / levels as f64);
        let level = |(price, size): (&i64, &i64)| Level { price: *price, size: *size };
        assert!(book.is_synced() && book.bids().eq(bids.iter().rev().map(level)));
        assert!(book.asks().eq(asks.iter().map(level)));
        println!("depth {:?}", book.depth());
    }
    println!("L2Book {:.1} ns a level, BTreeMap {:.1} ns, ratio {:.2}", best[0], best[1], best[0] / best[1]);
}
