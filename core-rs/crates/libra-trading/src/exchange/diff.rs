//! What changed in a book since the last look: the last quantity of each level that changed, and the ids of the changes.

use std::collections::BTreeMap;

use crate::matching::LevelUpdate;
use crate::order::OrderSide;

/// Changes of a book, each level once. Binance's `U`, `u` and `pu` are `first_id`, `last_id` and `previous_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// The first change in it.
    pub first_id: u64,
    /// The last change in it.
    pub last_id: u64,
    /// The last change of the one before.
    pub previous_id: u64,
    /// Changed bids from the highest on: price and quantity, 0 where nothing rests any more.
    pub bids: Vec<(i64, i64)>,
    /// Changed asks from the lowest on.
    pub asks: Vec<(i64, i64)>,
}

/// Gathers changes.
#[derive(Default)]
pub(super) struct Diff {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    first_id: u64,
    last_id: u64,
}

impl Diff {
    pub(super) fn note(&mut self, level: &LevelUpdate) {
        if self.bids.is_empty() && self.asks.is_empty() {
            self.first_id = level.update_id;
        }
        let side = if level.side == OrderSide::Buy { &mut self.bids } else { &mut self.asks };
        side.insert(level.price, level.quantity);
    }

    pub(super) fn take(&mut self, last_id: u64) -> Option<Depth> {
        if self.bids.is_empty() && self.asks.is_empty() {
            return None;
        }
        let previous_id = std::mem::replace(&mut self.last_id, last_id);
        Some(Depth {
            first_id: self.first_id,
            last_id,
            previous_id,
            bids: std::mem::take(&mut self.bids).into_iter().rev().collect(),
            asks: std::mem::take(&mut self.asks).into_iter().collect(),
        })
    }
}
