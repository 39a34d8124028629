//! One currency of an account: what is there, what is promised to open orders, P&L, equity, its peak and its day.

use std::any::Any;

use libra_kernel::digest::Digest;
use libra_kernel::{Name, SharedPayload};

use crate::instrument::Money;

/// Nanoseconds of a day; days are counted in UTC.
pub const DAY_NS: i64 = 86_400_000_000_000;

/// The number of the UTC day that a time falls on.
pub const fn utc_day(ts_ns: i64) -> i64 {
    ts_ns.div_euclid(DAY_NS)
}

/// One currency's balance and P&L.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The currency.
    pub currency: Name,
    /// What the account was opened with.
    pub opening: Money,
    /// What is there: opening and all that fills and fees moved.
    pub total: Money,
    /// What open orders and approvals of spot instruments may still take.
    pub reserved: Money,
    /// Realised P&L of the instruments that settle in it, before fees.
    pub realised: Money,
    /// Fees paid in it; rebates count negative.
    pub fees: Money,
    /// P&L of open positions that settle in it, at the last marks.
    pub unrealised: Money,
    /// Highest equity seen.
    pub peak: Money,
    /// The UTC day that `day_start` belongs to.
    pub day: i64,
    /// Equity when the day began.
    pub day_start: Money,
}

impl Balance {
    pub(crate) const fn new(currency: Name) -> Self {
        Balance {
            currency,
            opening: 0,
            total: 0,
            reserved: 0,
            realised: 0,
            fees: 0,
            unrealised: 0,
            peak: 0,
            day: 0,
            day_start: 0,
        }
    }

    pub(crate) fn open(&mut self, amount: Money) -> Option<()> {
        self.total = self.total.checked_sub(self.opening)?.checked_add(amount)?;
        self.opening = amount;
        self.peak = self.equity()?;
        self.day_start = self.peak;
        Some(())
    }

    /// Opening + realised - fees + unrealised.
    #[inline]
    pub fn equity(&self) -> Option<Money> {
        self.opening.checked_add(self.realised)?.checked_sub(self.fees)?.checked_add(self.unrealised)
    }

    /// True where nothing of it was ever there or moved, as of the base currency of a contract.
    #[inline]
    pub fn is_blank(&self) -> bool {
        (self.opening | self.total | self.realised | self.fees | self.unrealised) == 0
    }

    /// What is not promised to open orders.
    #[inline]
    pub fn available(&self) -> Option<Money> {
        self.total.checked_sub(self.reserved)
    }

    /// P&L since the UTC day began, unrealised included.
    pub fn day_pnl(&self) -> Option<Money> {
        self.equity()?.checked_sub(self.day_start)
    }

    /// How far equity is below its peak, in basis points of the peak, rounded down. A peak of nothing leaves no measure:
    /// any loss from there counts as the whole. What is more than a number can say is the most that it can.
    pub fn drawdown_bps(&self) -> Option<i64> {
        let fall = self.peak.checked_sub(self.equity()?)?;
        if fall <= 0 {
            return Some(0);
        }
        if self.peak <= 0 {
            return Some(10_000);
        }
        // Of a fall for which there is no ten-thousandfold, the last digits of the peak are of no weight.
        let bps = match fall.checked_mul(10_000) {
            Some(wide) => wide / self.peak,
            None => fall / (self.peak / 10_000).max(1),
        };
        Some(i64::try_from(bps).unwrap_or(i64::MAX))
    }
}

impl SharedPayload for Balance {
    fn kind(&self) -> &'static str {
        "balance"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.name(self.currency);
        for amount in [self.opening, self.total, self.reserved, self.realised, self.fees, self.unrealised, self.peak] {
            digest.i128(amount);
        }
        digest.i64(self.day);
        digest.i128(self.day_start);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fall_is_measured_however_small_its_peak_and_however_large_it_is() {
        let bps = |peak: Money, fall: Money| {
            let balance = Balance { peak, realised: peak - fall, ..Balance::new(Name::intern("USDT")) };
            balance.drawdown_bps()
        };
        assert_eq!(bps(1_000, 75), Some(750));
        assert_eq!(bps(1, 1_000_000_000_000_000), Some(i64::MAX), "of one part of 10^12 of the money");
        assert_eq!(bps(0, 1), Some(10_000));
        let most = 100_000_000_000_000_000_000_000_000_000_000_000_000;
        assert_eq!((bps(most, most / 100), bps(5_000, most)), (Some(100), Some(i64::MAX)));
        assert_eq!(bps(7, -1), Some(0));
    }
}
