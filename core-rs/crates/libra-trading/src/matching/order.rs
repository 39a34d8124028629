//! What may be asked of the engine, and how an order that works is seen.

use crate::instrument::Money;
use crate::order::{OrderSide, TimeInForce};

/// An order's id, chosen by who submits. No two open orders of an engine have the same; one that has ended is free again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(pub u64);

/// An account: a small number, since the engine keeps a row for each up to the largest that it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u32);

/// How much is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// In size units, whole lots.
    Quantity(i64),
    /// Of the quote currency: what a buy may spend, what a sell is to bring, in whole lots and never more. Only for a
    /// market order on spot (`quoteOrderQty` at Binance).
    Quote(Money),
}

/// Which price a trigger watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerBy {
    /// That of the last trade of this engine.
    Last,
    /// The mark price that is fed in. Not for spot.
    Mark,
}

/// On which side of the market a trigger waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A buy waits for the price to rise to the trigger, a sell for it to fall there.
    Stop,
    /// The other way round.
    TakeProfit,
}

/// What an order waits for before it enters the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The order is triggered when this is reached.
    pub price: i64,
    /// By which price.
    pub by: TriggerBy,
    /// From which side.
    pub condition: Condition,
}

impl Trigger {
    /// Whether an order of `side` waits for the price to rise.
    pub fn rises(&self, side: OrderSide) -> bool {
        (self.condition == Condition::Stop) == (side == OrderSide::Buy)
    }
}

/// What happens where an order would trade with one of its own account. The taker's mode counts, as at Binance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SelfTrade {
    /// They trade.
    Allow = 0,
    /// The rest of the taker ends.
    ExpireTaker = 1,
    /// The maker ends, and the taker goes on.
    ExpireMaker = 2,
    /// Both end.
    ExpireBoth = 3,
}

/// An order as it is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Its id.
    pub id: OrderId,
    /// Whose it is.
    pub account: AccountId,
    /// Buy or sell.
    pub side: OrderSide,
    /// How much.
    pub amount: Amount,
    /// The limit; none for a market order.
    pub price: Option<i64>,
    /// What it waits for, if anything.
    pub trigger: Option<Trigger>,
    /// `Ioc` for a market order.
    pub time_in_force: TimeInForce,
    /// It may make the account's position smaller and nothing else. Not for spot.
    pub reduce_only: bool,
    /// Against trades with itself.
    pub self_trade: SelfTrade,
    /// When it ends by itself (GTD): only for what rests in the book or waits for a trigger.
    pub expires_ns: Option<i64>,
}

impl NewOrder {
    /// A limit order that is good till cancelled.
    pub fn limit(id: OrderId, account: AccountId, side: OrderSide, price: i64, quantity: i64) -> NewOrder {
        NewOrder {
            price: Some(price),
            time_in_force: TimeInForce::Gtc,
            ..NewOrder::market(id, account, side, Amount::Quantity(quantity))
        }
    }

    /// A market order.
    pub fn market(id: OrderId, account: AccountId, side: OrderSide, amount: Amount) -> NewOrder {
        NewOrder {
            id,
            account,
            side,
            amount,
            price: None,
            trigger: None,
            time_in_force: TimeInForce::Ioc,
            reduce_only: false,
            self_trade: SelfTrade::Allow,
            expires_ns: None,
        }
    }
}

/// An open order, as it stands in the book or waits for its trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Working {
    /// Its id.
    pub id: OrderId,
    /// Whose it is.
    pub account: AccountId,
    /// Buy or sell.
    pub side: OrderSide,
    /// The limit; none for a stop that will be a market order.
    pub price: Option<i64>,
    /// All of it, with what was executed.
    pub quantity: i64,
    /// What was executed.
    pub filled: i64,
    /// The price that it waits for, while it does.
    pub trigger: Option<i64>,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Whether it may only reduce.
    pub reduce_only: bool,
    /// Against trades with itself.
    pub self_trade: SelfTrade,
    /// When it ends by itself.
    pub expires_ns: Option<i64>,
}
