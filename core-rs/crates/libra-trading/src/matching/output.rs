//! What the engine says: numbered outputs, written to the caller's sink while an input is worked on.

use super::order::{AccountId, OrderId};
use crate::order::OrderSide;

/// Takes what the engine says. A `Vec<Output>` that is cleared between inputs allocates nothing once it is large enough.
pub trait Sink {
    /// Takes one output.
    fn take(&mut self, output: &Output);
}

impl Sink for Vec<Output> {
    #[inline]
    fn take(&mut self, output: &Output) {
        self.push(*output);
    }
}

/// An event and its number. Numbers begin at 1 and have no gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its place among all outputs of the engine.
    pub sequence: u64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An order was taken. It rests, waits, trades or ends by what follows.
    Accepted {
        /// The order.
        order: OrderId,
        /// Whose it is.
        account: AccountId,
        /// All of it: less than was asked for where a reduce-only order was clipped, none for an amount of quote currency.
        quantity: Option<i64>,
    },
    /// A sound order that the state of the market or of its account does not allow. It never was one.
    Rejected {
        /// The order.
        order: OrderId,
        /// Whose it would have been.
        account: AccountId,
        /// Why.
        reason: RejectReason,
    },
    /// Two orders traded.
    Trade(Trade),
    /// A waiting order has reached its trigger and enters the market by what follows.
    Triggered {
        /// The order.
        order: OrderId,
        /// Whose it is.
        account: AccountId,
        /// Its trigger.
        price: i64,
    },
    /// An order was changed.
    Amended {
        /// The order.
        order: OrderId,
        /// Whose it is.
        account: AccountId,
        /// Its limit now.
        price: i64,
        /// All of it now, with what was executed.
        quantity: i64,
        /// Whether it kept its place in the queue.
        kept: bool,
        /// Who wanted it.
        cause: AmendCause,
    },
    /// An order ended otherwise than by being filled.
    Ended {
        /// The order.
        order: OrderId,
        /// Whose it was.
        account: AccountId,
        /// Why.
        reason: EndReason,
        /// What was not executed; 0 for an amount of quote currency.
        left: i64,
    },
    /// The aggregate quantity at a price of the book is another one now.
    Level(LevelUpdate),
}

/// Two orders that traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its number: 1, 2, 3...
    pub id: u64,
    /// The maker's price.
    pub price: i64,
    /// How much.
    pub quantity: i64,
    /// Who came.
    pub taker: OrderId,
    /// Who rested.
    pub maker: OrderId,
    /// The taker's account.
    pub taker_account: AccountId,
    /// The maker's account.
    pub maker_account: AccountId,
    /// What the taker still wants; filled at 0. None for an amount of quote currency, which always ends by an `Ended`.
    pub taker_left: Option<i64>,
    /// What the maker still wants; filled at 0.
    pub maker_left: i64,
    /// The side that rested.
    pub maker_side: OrderSide,
}

/// A level of the book after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelUpdate {
    /// Its number among the changes of the book: 1, 2, 3... For a batch of them Binance's `U` is the first and `u` the last;
    /// `pu` of USD-M is the `u` of the batch before.
    pub update_id: u64,
    /// Of the bids (`Buy`) or asks.
    pub side: OrderSide,
    /// The level.
    pub price: i64,
    /// What rests there now, 0 where nothing does.
    pub quantity: i64,
}

/// Why a sound order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// A post-only order would have traded.
    WouldTake,
    /// Its trigger is reached already.
    WouldTrigger,
    /// There is no position that a reduce-only order could make smaller.
    ReduceOnly,
}

/// Why an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// It was cancelled.
    Cancelled,
    /// Another one took its place.
    Replaced,
    /// Its time was over.
    Expired,
    /// It was changed to no more than had been executed.
    AmendedAway,
    /// A market order found nothing to trade with any more.
    NoLiquidity,
    /// No lot can be had any more for what is left of the quote currency: such an order is filled.
    Spent,
    /// The rest of an immediate-or-cancel order.
    ImmediateOrCancel,
    /// All of it could not be had at once.
    FillOrKill,
    /// It would have traded with its own account.
    SelfTrade,
    /// There is no position any more that it could make smaller.
    ReduceOnly,
    /// Post-only, and it would have traded when it was triggered or changed.
    WouldTake,
}

/// Who changed an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmendCause {
    /// Its owner.
    Owner,
    /// The position, of which a reduce-only order never is larger.
    ReduceOnly,
}
