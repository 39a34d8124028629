//! How a portfolio sizes, and what it has to be told for it.

use libra_kernel::Name;

use super::sizing::Sizing;
use super::volatility::VolatilityConfig;
use crate::instrument::{Instrument, Money};
use crate::risk::InstrumentLimits;

/// The configuration of a portfolio.
#[derive(Clone, Debug, PartialEq)]
pub struct PortfolioConfig {
    /// The account group that it sizes for.
    pub account: Name,
    /// How large a position is.
    pub sizing: Sizing,
    /// How large it is in single instruments.
    pub overrides: Vec<(Name, Sizing)>,
    /// Whether `SHORT` may sell what is not held; never on spot.
    pub allow_short: bool,
    /// How volatility is estimated, where a rule sizes by it.
    pub volatility: Option<VolatilityConfig>,
}

/// What a decision needs to know besides the signal.
#[derive(Clone, Copy, Debug)]
pub struct SizingContext<'a> {
    /// The signal's instrument.
    pub instrument: &'a Instrument,
    /// The price that positions are valued at, in price units; 0 for none.
    pub mark_price: i64,
    /// The last quote, 0 where there is none: what an order may be at most is a matter of what it would trade at.
    pub bid: i64,
    /// See `bid`.
    pub ask: i64,
    /// The account's equity, in the instrument's settle currency.
    pub equity: Money,
    /// What the account holds of the instrument, all strategies together, and on spot no more than what of the base is there
    /// (a venue may have taken fees of it): spot never sells more.
    pub account_position: i64,
    /// When the market event behind the signal was received; 0 where unknown.
    pub ts_origin_ns: i64,
    /// The limits in force: a size that is worked out of volatility is cut to them, and what closes is cut into orders that pass.
    pub limits: InstrumentLimits,
}
