//! What may be traded: decimals, steps, limits, fees and the contract's kind.

use libra_kernel::Name;
use libra_kernel::fixed::{self, pow10};
use thiserror::Error;

/// Decimals of every amount of money in Libra. A product of price, size and contract size of an instrument that may be
/// traded has at most as many, so a notional is exact.
pub const MONEY_DECIMALS: u8 = 12;

/// Decimals of a fee rate: 0.0004 is `40_000`.
pub const RATE_DECIMALS: u8 = 8;

/// An amount of money of some currency, in units of 10^-[`MONEY_DECIMALS`].
pub type Money = i128;

/// What settles a trade of the instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractKind {
    /// The asset itself against the quote currency.
    Spot,
    /// A contract whose P&L is in the quote currency.
    Linear,
    /// A contract whose P&L is in the base currency. Market data only for now.
    Inverse,
}

/// An instrument. Prices and sizes of its events, orders and fills are in units of its own decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// `SYMBOL@VENUE`, the name that events carry.
    pub id: Name,
    /// CCXT notation: `BTC/USDT`, `BTC/USDT:USDT`.
    pub symbol: Name,
    /// `binance`, `binanceusdm`, `binancecoinm`, `synthetic`...
    pub venue: Name,
    /// The venue's own symbol, upper case: `BTCUSDT`.
    pub venue_symbol: Name,
    /// Base currency.
    pub base: Name,
    /// Quote currency.
    pub quote: Name,
    /// The currency that P&L and fees are in.
    pub settle: Name,
    /// Spot, linear or inverse.
    pub kind: ContractKind,
    /// Decimals of prices.
    pub price_decimals: u8,
    /// Decimals of sizes.
    pub size_decimals: u8,
    /// Smallest price step, in price units.
    pub tick_size: i64,
    /// Smallest size step, in size units.
    pub lot_size: i64,
    /// Smallest order, in size units.
    pub min_size: i64,
    /// Largest order, in size units.
    pub max_size: i64,
    /// Smallest order value.
    pub min_notional: Money,
    /// How much of the base one contract is, in units of 10^-`contract_decimals`; 1 for spot.
    pub contract_size: i64,
    /// Decimals of `contract_size`.
    pub contract_decimals: u8,
    /// Fee rate of a maker, in units of 10^-[`RATE_DECIMALS`]; negative for a rebate.
    pub maker_fee: i64,
    /// Fee rate of a taker.
    pub taker_fee: i64,
    /// Decimals that the venue rounds a fee to, half away from zero.
    pub fee_decimals: u8,
    /// False for an instrument that was inferred from data: market data only.
    pub tradable: bool,
}

/// What one unit of price times one of size is worth: 64 bits of contract size times 10^[`MONEY_DECIMALS`] at most, so it
/// always fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    worth: i128,
    /// The same where it fits, else nothing.
    narrow: i64,
}

impl Scale {
    fn new(worth: i128) -> Self {
        Scale { worth, narrow: i64::try_from(worth).unwrap_or(0) }
    }

    /// Price times size as money, exact; `None` when it does not fit.
    #[inline]
    pub fn notional(self, price: i64, size: i64) -> Option<Money> {
        match price.checked_mul(size) {
            // Two factors of 64 bits each: their product always fits.
            Some(product) if self.narrow != 0 => Some(i128::from(product) * i128::from(self.narrow)),
            _ => self.wide_notional(price, size),
        }
    }

    #[cold]
    fn wide_notional(self, price: i64, size: i64) -> Option<Money> {
        (i128::from(price) * i128::from(size)).checked_mul(self.worth)
    }
}

/// Why an instrument's definition makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InstrumentError {
    /// A field that has to be positive is not.
    #[error("{symbol}: {field} has to be above zero")]
    NotPositive {
        /// The instrument.
        symbol: Name,
        /// The field.
        field: &'static str,
    },
    /// The notional would not be exact.
    #[error("{symbol}: price, size and contract size have {sum} decimals together, more than {MONEY_DECIMALS}")]
    TooManyDecimals {
        /// The instrument.
        symbol: Name,
        /// Decimals of the product.
        sum: u8,
    },
}

impl Instrument {
    /// Checks what the arithmetic of a tradable instrument relies on.
    pub fn validate(&self) -> Result<(), InstrumentError> {
        let symbol = self.symbol;
        let positive = [
            ("tick_size", self.tick_size),
            ("lot_size", self.lot_size),
            ("max_size", self.max_size),
            ("contract_size", self.contract_size),
        ];
        for (field, value) in positive {
            if value <= 0 {
                return Err(InstrumentError::NotPositive { symbol, field });
            }
        }
        let sum = self.price_decimals.saturating_add(self.size_decimals).saturating_add(self.contract_decimals);
        if self.tradable && sum > MONEY_DECIMALS {
            return Err(InstrumentError::TooManyDecimals { symbol, sum });
        }
        Ok(())
    }

    /// Price times size times contract size of a linear or spot instrument, exact; `None` when it does not fit or the
    /// instrument is inverse.
    #[inline]
    pub fn notional(&self, price: i64, size: i64) -> Option<Money> {
        self.scale()?.notional(price, size)
    }

    /// What makes money of prices times sizes, for more than one of them; `None` where [`Instrument::notional`] has none.
    #[inline]
    pub(crate) fn scale(&self) -> Option<Scale> {
        if self.kind == ContractKind::Inverse {
            return None;
        }
        let sum = self.price_decimals.checked_add(self.size_decimals)?.checked_add(self.contract_decimals)?;
        Some(Scale::new(i128::from(self.contract_size) * pow10(MONEY_DECIMALS.checked_sub(sum)?)))
    }

    /// What sizes are counted in: the base currency, or contracts where one is not one of the base.
    pub fn size_unit(&self) -> &'static str {
        if self.contract_size == 1 && self.contract_decimals == 0 { self.base.as_str() } else { "contracts" }
    }

    /// The fee on `notional` at `rate`, rounded once to the venue's fee decimals, half away from zero.
    pub fn fee(&self, notional: Money, rate: i64) -> Option<Money> {
        let step = pow10(MONEY_DECIMALS - self.fee_decimals.min(MONEY_DECIMALS));
        let exact = notional.abs().checked_mul(i128::from(rate))?;
        fixed::div_round_half_up(exact, pow10(RATE_DECIMALS).checked_mul(step)?)?.checked_mul(step)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// BTCUSDT of USD-M futures.
    pub(crate) fn btc() -> Instrument {
        crate::samples::contract("BTC", "binanceusdm")
    }

    #[test]
    fn a_notional_is_exact_and_a_fee_is_rounded_once() {
        let btc = btc();
        btc.validate().unwrap();
        let notional = btc.notional(6_180_030, 6).unwrap(); // 61800.30 x 0.006
        assert_eq!(notional, 370_801_800_000_000); // 370.8018
        assert_eq!(btc.fee(notional, btc.taker_fee), Some(185_400_900_000)); // 0.18540090
        assert_eq!(btc.notional(i64::MAX, i64::MAX), None);
    }
}
