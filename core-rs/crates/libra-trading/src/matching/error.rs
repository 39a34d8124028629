//! Why an input was refused. Nothing but time has passed then: of orders that were due it is told that they expired, and
//! all else is as it was.

use thiserror::Error;

use super::order::OrderId;
use crate::instrument::InstrumentError;

/// Why an input was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MatchError {
    /// Inputs come in the order of their times. Not even time has passed.
    #[error("time went back from {from_ns} to {to_ns}")]
    TimeWentBack {
        /// The time of the last input.
        from_ns: i64,
        /// That of this one.
        to_ns: i64,
    },
    /// A price or trigger is not above zero, or no whole number of ticks.
    #[error("{0} is no price here")]
    Price(i64),
    /// A quantity is out of range, or no whole number of lots.
    #[error("{0} is no quantity here")]
    Quantity(i64),
    /// An amount of quote currency is not above zero.
    #[error("{0} is no amount of quote currency")]
    QuoteAmount(i128),
    /// Fields that do not go together.
    #[error("{0}")]
    Combination(&'static str),
    /// It would be over before it begins.
    #[error("{0} ns has passed already")]
    Expiry(i64),
    /// An open order has this id.
    #[error("order {} is open already", .0.0)]
    DuplicateId(OrderId),
    /// The account has no open order of this id.
    #[error("the account has no open order {}", .0.0)]
    UnknownOrder(OrderId),
    /// A waiting order cannot be changed.
    #[error("order {} waits for its trigger and cannot be changed", .0.0)]
    NotInBook(OrderId),
    /// The order is as it was to become.
    #[error("order {} is like that already", .0.0)]
    NoChange(OrderId),
    /// Account numbers have a limit, `Limits::accounts`.
    #[error("account {0} is beyond the limit")]
    Account(u32),
    /// Open orders have a limit, `Limits::open_orders`.
    #[error("too many open orders")]
    TooManyOrders,
    /// All open quantity has to fit an `i64`.
    #[error("the open quantity would not fit")]
    Volume,
    /// The instrument's definition makes no sense.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
    /// The instrument cannot be traded here.
    #[error("{0} cannot be matched: inverse, market data only, or amounts that do not fit")]
    Untradable(libra_kernel::Name),
}
