//! How the matching engine should find its levels: `cargo run --release -p libra-trading --example level_index`.
//!
//! Levels that come and go in a book of a given size, near the touch as they mostly do, or anywhere: a sorted vector, a
//! `BTreeMap`, and chunks of a sorted vector (the engine's). Prints nanoseconds for one that comes or goes with a look at
//! the best, or is looked up; all three end with the same levels.

#[path = "../src/matching/prices.rs"]
#[allow(dead_code, reason = "of the engine's only what is measured is called")]
mod prices;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use prices::Prices;

const OPS: usize = 1_000_000;

/// What all of them can do.
trait Index: Default {
    fn at(&mut self, key: i64, level: u32) -> u32;
    fn remove(&mut self, key: i64);
    fn best(&self) -> Option<u32>;
    fn all(&self) -> Vec<u32>;
}

impl Index for Prices {
    fn at(&mut self, key: i64, level: u32) -> u32 {
        Prices::at(self, key, || level)
    }

    fn remove(&mut self, key: i64) {
        Prices::remove(self, key);
    }

    fn best(&self) -> Option<u32> {
        Prices::best(self)
    }

    fn all(&self) -> Vec<u32> {
        self.iter().collect()
    }
}

impl Index for BTreeMap<i64, u32> {
    fn at(&mut self, key: i64, level: u32) -> u32 {
        *self.entry(key).or_insert(level)
    }

    fn remove(&mut self, key: i64) {
        BTreeMap::remove(self, &key);
    }

    fn best(&self) -> Option<u32> {
        self.last_key_value().map(|last| *last.1)
    }

    fn all(&self) -> Vec<u32> {
        self.values().rev().copied().collect()
    }
}

/// One sorted vector, the best last, looked through from there.
#[derive(Default)]
struct Sorted(Vec<(i64, u32)>);

impl Sorted {
    fn find(&self, key: i64) -> Result<usize, usize> {
        let near = self.0.len().saturating_sub(8);
        for at in (near..self.0.len()).rev() {
            if self.0[at].0 <= key {
                return if self.0[at].0 == key { Ok(at) } else { Err(at + 1) };
            }
        }
        self.0[..near].binary_search_by_key(&key, |level| level.0)
    }
}

impl Index for Sorted {
    fn at(&mut self, key: i64, level: u32) -> u32 {
        match self.find(key) {
            Ok(at) => self.0[at].1,
            Err(at) => {
                self.0.insert(at, (key, level));
                level
            }
        }
    }

    fn remove(&mut self, key: i64) {
        if let Ok(at) = self.find(key) {
            self.0.remove(at);
        }
    }

    fn best(&self) -> Option<u32> {
        self.0.last().map(|last| last.1)
    }

    fn all(&self) -> Vec<u32> {
        self.0.iter().rev().map(|level| level.1).collect()
    }
}

/// `(key, removed)`: a level that is there goes or is looked up, one that is not comes. About half of `2 * levels` are there.
fn ops(levels: i64, near: bool) -> (Vec<i64>, Vec<(i64, bool)>) {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut there: std::collections::BTreeSet<i64> = (0..levels).map(|at| at * 2).collect();
    let start = there.iter().copied().collect();
    let ops = (0..OPS).map(|_| {
        let far = if near && rng.u8(..100) < 95 { rng.i64(0..50.min(levels)) } else { rng.i64(0..levels) };
        let key = 2 * levels - 1 - 2 * far - i64::from(rng.bool());
        let removed = there.contains(&key) && rng.u8(..4) != 0;
        if removed {
            there.remove(&key);
        } else {
            there.insert(key);
        }
        (key, removed)
    });
    let ops = ops.collect();
    (start, ops)
}

fn run<I: Index>(start: &[i64], ops: &[(i64, bool)]) -> (f64, Vec<u32>) {
    let mut best = f64::MAX;
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut index = I::default();
        for key in start {
            index.at(*key, *key as u32);
        }
        let began = Instant::now();
        for (key, removed) in ops {
            if *removed {
                index.remove(*key);
            } else {
                black_box(index.at(*key, *key as u32));
            }
            black_box(index.best());
        }
        best = best.min(began.elapsed().as_nanos() as f64 / ops.len() as f64);
        all = index.all();
    }
    (best, all)
}

fn main() {
    for near in [true, false] {
        println!("{}", if near { "95 % within 50 levels of the touch" } else { "anywhere" });
        for levels in [100, 1_000, 10_000, 100_000] {
            let (start, ops) = ops(levels, near);
            let (sorted, one) = run::<Sorted>(&start, &ops);
            let (tree, two) = run::<BTreeMap<i64, u32>>(&start, &ops);
            let (ours, three) = run::<Prices>(&start, &ops);
            assert!(one == two && two == three);
            println!(
                "{levels:7} levels: sorted vector {sorted:6.1} ns, BTreeMap {tree:6.1} ns, the engine's {ours:6.1} ns"
            );
        }
    }
}
