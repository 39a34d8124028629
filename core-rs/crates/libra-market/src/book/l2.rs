//! The L2 book: which frames may be applied to it, in Binance's rules, and what it holds.
//!
//! A book is synced from a snapshot on, as long as every delta follows the one before. Deltas that come before the
//! snapshot wait in a bounded buffer: a snapshot asked for over REST is older than the deltas that arrived meanwhile.
//!
//! | | spot (`previous_id` < 0) | futures (`previous_id` = `pu` >= 0) |
//! | --- | --- | --- |
//! | dropped as older than the snapshot `L` | `u <= L` | `u < L` |
//! | first after the snapshot | `U <= L + 1` | `U <= L`, or `pu <= L`: nothing lies between the two |
//! | each further one | `U == u of the one before + 1` | `pu == u of the one before` |
//!
//! Source: Binance, "How to manage a local order book correctly", spot and USD-M futures.

use std::collections::VecDeque;

use super::side::{Side, ask_key, ask_level, bid_key, bid_level};
use super::{BookUpdate, Level};

/// Deltas kept while there is no snapshot: at 10 to 20 frames a second more than ten seconds.
const MAX_WAITING: usize = 256;
/// Levels in them all together: 256 KiB.
const MAX_WAITING_LEVELS: usize = 16_384;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookOutcome {
    /// The book holds it.
    Applied,
    /// It is older than what the book holds; nothing changed.
    Stale,
    /// Something between the book and the frame is missing: the book is empty until the next snapshot.
    Gap,
    /// There is no snapshot yet. The delta waits for one.
    NotSynced,
    /// The best bid is not below the best ask any more: the book is empty until the next snapshot.
    Crossed,
}

/// An order book by price level.
#[derive(Clone, Debug, Default)]
pub struct L2Book {
    bids: Side,
    asks: Side,
    synced: bool,
    /// True from a snapshot until the first delta behind it.
    awaits_first: bool,
    /// `lastUpdateId` of the snapshot, then `u` of the last delta.
    last_id: i64,
    waiting: VecDeque<BookUpdate>,
    waiting_levels: usize,
}

impl L2Book {
    /// An empty book without a snapshot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in one frame. A snapshot also applies the deltas that waited for it and gives their outcome: `Gap` where it
    /// is too old for them, and then they wait on for a newer one.
    pub fn apply(&mut self, update: &BookUpdate) -> BookOutcome {
        if update.snapshot {
            return self.apply_snapshot(update);
        }
        if !self.synced {
            self.wait(update);
            return BookOutcome::NotSynced;
        }
        let outcome = self.apply_delta(update);
        if outcome == BookOutcome::Gap {
            self.wait(update);
        }
        outcome
    }

    /// True while the book is the venue's, as of its last frame.
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// The last update id that it holds; 0 while it is not synced.
    pub fn last_id(&self) -> i64 {
        if self.synced { self.last_id } else { 0 }
    }

    /// The highest bid.
    pub fn best_bid(&self) -> Option<Level> {
        self.bids.best().map(bid_level)
    }

    /// The lowest ask.
    pub fn best_ask(&self) -> Option<Level> {
        self.asks.best().map(ask_level)
    }

    /// Bids, the highest first.
    pub fn bids(&self) -> impl Iterator<Item = Level> + '_ {
        self.bids.iter().map(bid_level)
    }

    /// Asks, the lowest first.
    pub fn asks(&self) -> impl Iterator<Item = Level> + '_ {
        self.asks.iter().map(ask_level)
    }

    /// Bids below `price`, the highest first.
    pub fn bids_below(&self, price: i64) -> impl Iterator<Item = Level> + '_ {
        self.bids.iter_below(bid_key(price)).map(bid_level)
    }

    /// Asks above `price`, the lowest first.
    pub fn asks_above(&self, price: i64) -> impl Iterator<Item = Level> + '_ {
        self.asks.iter_below(ask_key(price)).map(ask_level)
    }

    /// The size bid at exactly `price`, 0 where there is no level.
    pub fn bid_size(&self, price: i64) -> i64 {
        self.bids.size(bid_key(price))
    }

    /// The size asked at exactly `price`, 0 where there is no level.
    pub fn ask_size(&self, price: i64) -> i64 {
        self.asks.size(ask_key(price))
    }

    /// How many levels it holds: bids, asks.
    pub fn depth(&self) -> (usize, usize) {
        (self.bids.len(), self.asks.len())
    }

    /// Forgets everything, waiting deltas too: after a reconnect nothing before it counts.
    pub fn clear(&mut self) {
        self.drop_levels();
        self.waiting.clear();
        self.waiting_levels = 0;
    }

    fn drop_levels(&mut self) {
        self.bids.clear();
        self.asks.clear();
        self.synced = false;
        self.awaits_first = false;
        self.last_id = 0;
    }

    fn apply_snapshot(&mut self, update: &BookUpdate) -> BookOutcome {
        if self.synced && update.last_id < self.last_id {
            return BookOutcome::Stale;
        }
        self.drop_levels();
        self.set_levels(update);
        self.synced = true;
        self.awaits_first = true;
        self.last_id = update.last_id;
        if self.is_crossed() {
            self.drop_levels();
            return BookOutcome::Crossed;
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_levels = 0;
        for (at, delta) in waiting.iter().enumerate() {
            match self.apply_delta(delta) {
                BookOutcome::Applied | BookOutcome::Stale => {}
                outcome => {
                    waiting.iter().skip(at).for_each(|rest| self.wait(rest));
                    return outcome;
                }
            }
        }
        BookOutcome::Applied
    }

    fn apply_delta(&mut self, update: &BookUpdate) -> BookOutcome {
        let futures = update.previous_id >= 0;
        let (first, last, held) = (update.first_id, update.last_id, self.last_id);
        let follows = if self.awaits_first {
            if last < held || (!futures && last == held) {
                return BookOutcome::Stale;
            }
            if futures { first <= held || update.previous_id <= held } else { first <= held.saturating_add(1) }
        } else {
            if last <= held {
                return BookOutcome::Stale;
            }
            if futures { update.previous_id == held } else { first == held.saturating_add(1) }
        };
        if !follows {
            self.drop_levels();
            return BookOutcome::Gap;
        }
        self.set_levels(update);
        self.awaits_first = false;
        self.last_id = last;
        if self.is_crossed() {
            self.drop_levels();
            return BookOutcome::Crossed;
        }
        BookOutcome::Applied
    }

    fn set_levels(&mut self, update: &BookUpdate) {
        for level in &update.bids {
            self.bids.set(bid_key(level.price), level.size);
        }
        for level in &update.asks {
            self.asks.set(ask_key(level.price), level.size);
        }
    }

    fn is_crossed(&self) -> bool {
        matches!((self.best_bid(), self.best_ask()), (Some(bid), Some(ask)) if bid.price >= ask.price)
    }

    /// Keeps a delta for the snapshot to come; where there is no room the oldest go, and a snapshot older than what is
    /// left then shows as a gap.
    fn wait(&mut self, update: &BookUpdate) {
        let levels = |update: &BookUpdate| update.bids.len() + update.asks.len();
        self.waiting_levels += levels(update);
        self.waiting.push_back(update.clone());
        while self.waiting.len() > MAX_WAITING || (self.waiting_levels > MAX_WAITING_LEVELS && self.waiting.len() > 1) {
            if let Some(oldest) = self.waiting.pop_front() {
                self.waiting_levels -= levels(&oldest);
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
