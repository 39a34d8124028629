//! What can be seen of the engine between inputs.

use super::engine::Engine;
use super::order::{AccountId, OrderId, Working};
use super::slab::Place;
use crate::order::OrderSide;

/// What rests at a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLevel {
    /// The price.
    pub price: i64,
    /// The sum of what is left of its orders.
    pub quantity: i64,
}

/// The first levels of both sides, and the last change that is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Updates with a larger id come on top of it.
    pub last_update_id: u64,
    /// From the highest on.
    pub bids: Vec<BookLevel>,
    /// From the lowest on.
    pub asks: Vec<BookLevel>,
}

impl Engine {
    /// The best level of a side.
    #[inline]
    pub fn best(&self, side: OrderSide) -> Option<BookLevel> {
        let best = self.ladders.best(Place::book(side));
        best.map(|level| BookLevel { price: level.price, quantity: level.total })
    }

    /// All levels of a side, from the best on.
    pub fn levels(&self, side: OrderSide) -> impl Iterator<Item = BookLevel> + '_ {
        let levels = self.ladders.levels(Place::book(side));
        levels.map(|level| BookLevel { price: level.price, quantity: level.total })
    }

    /// Fills `into` with the first `levels` of each side. Its memory is used again.
    pub fn snapshot(&self, levels: usize, into: &mut Snapshot) {
        into.last_update_id = self.update_id;
        for (side, to) in [(OrderSide::Buy, &mut into.bids), (OrderSide::Sell, &mut into.asks)] {
            to.clear();
            to.extend(self.levels(side).take(levels));
        }
    }

    /// The orders of one side of the book in the order in which they would trade.
    pub fn queue(&self, side: OrderSide) -> impl Iterator<Item = Working> + '_ {
        let levels = self.ladders.levels(Place::book(side));
        levels.flat_map(|level| {
            self.ladders.queue(&self.orders, level).map(|slot| self.orders[slot].working(level.price))
        })
    }

    /// An open order.
    pub fn order(&self, id: OrderId) -> Option<Working> {
        self.ids.get(id, &self.orders).map(|slot| self.working(slot))
    }

    /// The open orders of an account: those that rest and may only reduce, then all others, each in the order in which
    /// they came to where they are.
    pub fn orders_of(&self, account: AccountId) -> impl Iterator<Item = Working> + '_ {
        let slots = [true, false].map(|shrinks| self.accounts.slots(&self.orders, account.0, shrinks));
        slots.into_iter().flatten().map(|slot| self.working(slot))
    }

    fn working(&self, slot: u32) -> Working {
        let order = &self.orders[slot];
        order.working(self.ladders.level_of(order).price)
    }

    /// How many orders are open, in the book or waiting.
    pub fn open_orders(&self) -> u32 {
        self.orders.len()
    }

    /// An account's position, long above zero.
    pub fn position(&self, account: AccountId) -> i128 {
        self.accounts.position(account.0)
    }

    /// The price of the last trade.
    pub fn last_price(&self) -> Option<i64> {
        self.last
    }

    /// The mark price as it was fed in.
    pub fn mark_price(&self) -> Option<i64> {
        self.mark
    }

    /// The time of the last input.
    pub fn now_ns(&self) -> i64 {
        self.now_ns
    }

    /// The number of the last output.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The number of the last change of the book.
    pub fn last_update_id(&self) -> u64 {
        self.update_id
    }

    /// The number of the last trade.
    pub fn last_trade_id(&self) -> u64 {
        self.trade_id
    }
}
