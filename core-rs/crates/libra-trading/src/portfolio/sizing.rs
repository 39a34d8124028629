//! How large a position a signal means.

use libra_kernel::fixed::{DecimalError, parse_units_wide, pow10};

use super::request::SkipReason;
use crate::instrument::{Instrument, MONEY_DECIMALS, Money};

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
}

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
        };
        let size = match self {
            Sizing::FixedSize(size) => size / pow10(MONEY_DECIMALS.saturating_sub(instrument.size_decimals)),
            _ if price <= 0 => return Err(SkipReason::NoPrice),
            _ => worth / instrument.notional(price, 1).filter(|one| *one > 0).ok_or(SkipReason::Overflow)?,
        };
        let parts = (strength * STRENGTH_PARTS as f64).round() as i128;
        let scaled = size.max(0).checked_mul(parts).ok_or(SkipReason::Overflow)? / STRENGTH_PARTS;
        let lots = scaled / i128::from(instrument.lot_size.max(1));
        i64::try_from(lots * i128::from(instrument.lot_size.max(1))).map_err(|_| SkipReason::Overflow)
    }
}
