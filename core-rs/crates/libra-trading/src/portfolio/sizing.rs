//! How large a position a signal means.

use libra_kernel::fixed::{DecimalError, parse_units_wide, pow10};

use super::request::SkipReason;
use crate::instrument::{Instrument, MONEY_DECIMALS, Money};
use crate::risk::InstrumentLimits;

/// Parts that a signal's strength is counted in.
const STRENGTH_PARTS: i128 = 1_000_000;

/// A rule for the size of a whole position. All round down to the instrument's lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizing {
    /// This size, in contracts or in the base currency, in units of 10^-[`MONEY_DECIMALS`] so that one setting serves
    /// instruments of different decimals.
    FixedSize(i128),
    /// As much as this is worth at the mark price.
    FixedNotional(Money),
    /// As much as this share of the equity is worth at the mark price, in basis points.
    PercentEquity(u32),
    /// As much as gives the position this volatility.
    VolatilityTarget(VolatilityTarget),
}

/// A position whose volatility is a share of the equity: notional = target x equity / sigma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolatilityTarget {
    /// Annualised volatility of the position as a share of the equity, in basis points.
    pub target_bps: u32,
    /// A position worth less is not asked for.
    pub min_notional: Money,
    /// A position is worth no more.
    pub max_notional: Option<Money>,
}

impl VolatilityTarget {
    /// What the position is worth at a volatility of `sigma`. Only sigma is a float: the factor is cut to millionths.
    fn worth(self, equity: Money, sigma: Option<f64>) -> Result<Money, SkipReason> {
        if equity <= 0 {
            return Err(SkipReason::NoEquity);
        }
        let sigma = sigma.filter(|sigma| sigma.is_finite() && *sigma > 0.0).ok_or(SkipReason::NoVolatility)?;
        let parts = (f64::from(self.target_bps) * 100.0 / sigma).floor();
        if parts > MOST_PARTS {
            // A market that hardly moves would want more than any account has.
            return self.max_notional.ok_or(SkipReason::Overflow);
        }
        let worth = equity.checked_mul(parts as i128).ok_or(SkipReason::Overflow)? / 1_000_000;
        let worth = self.max_notional.map_or(worth, |most| worth.min(most));
        if worth < self.min_notional { Err(SkipReason::BelowMinNotional) } else { Ok(worth) }
    }
}

/// The largest factor of the equity, in millionths: a million times.
const MOST_PARTS: f64 = 1e12;

impl Sizing {
    /// A fixed size from decimal text such as `0.01`.
    pub fn fixed_size(text: &str) -> Result<Self, DecimalError> {
        parse_units_wide(text.as_bytes(), MONEY_DECIMALS).map(Sizing::FixedSize)
    }

    /// A fixed notional from decimal text such as `2500`.
    pub fn fixed_notional(text: &str) -> Result<Self, DecimalError> {
        parse_units_wide(text.as_bytes(), MONEY_DECIMALS).map(Sizing::FixedNotional)
    }

    /// The size of the position that a signal of `strength` means, in the instrument's size units, rounded down to its
    /// lot; 0 where it is less than a lot.
    pub(super) fn target(
        self,
        instrument: &Instrument,
        price: i64,
        equity: Money,
        strength: f64,
        sigma: Option<f64>,
        limits: &InstrumentLimits,
    ) -> Result<i64, SkipReason> {
        // NaN is in no range.
        if !(0.0..=1.0).contains(&strength) {
            return Err(SkipReason::BadStrength);
        }
        let worth = match self {
            Sizing::FixedSize(_) => 0,
            Sizing::FixedNotional(money) => money,
            Sizing::PercentEquity(_) if equity <= 0 => return Err(SkipReason::NoEquity),
            Sizing::PercentEquity(bps) => equity.checked_mul(i128::from(bps)).ok_or(SkipReason::Overflow)? / 10_000,
            Sizing::VolatilityTarget(rule) => rule.worth(equity, sigma)?,
        };
        let size = match self {
            Sizing::FixedSize(size) => size / pow10(MONEY_DECIMALS.saturating_sub(instrument.size_decimals)),
            _ if price <= 0 => return Err(SkipReason::NoPrice),
            _ => worth / instrument.notional(price, 1).filter(|one| *one > 0).ok_or(SkipReason::Overflow)?,
        };
        let size =
            if matches!(self, Sizing::VolatilityTarget(_)) { within(size, instrument, price, limits)? } else { size };
        let parts = (strength * STRENGTH_PARTS as f64).round() as i128;
        let scaled = size.max(0).checked_mul(parts).ok_or(SkipReason::Overflow)? / STRENGTH_PARTS;
        let lots = scaled / i128::from(instrument.lot_size.max(1));
        i64::try_from(lots * i128::from(instrument.lot_size.max(1))).map_err(|_| SkipReason::Overflow)
    }
}

/// A size cut to what the limits let one order build up.
fn within(size: i128, instrument: &Instrument, price: i64, limits: &InstrumentLimits) -> Result<i128, SkipReason> {
    let one = instrument.notional(price, 1).filter(|one| *one > 0).ok_or(SkipReason::Overflow)?;
    let sizes = [limits.max_position, limits.max_order_size].into_iter().flatten().map(i128::from);
    let worths = [limits.max_position_notional, limits.max_order_notional].into_iter().flatten().map(|most| most / one);
    Ok(sizes.chain(worths).fold(size, i128::min))
}
