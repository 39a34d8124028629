//! Limits by the names that a profile gives them: one table for opening an account, for changing a limit while it
//! trades, for the log and for what is shown.
//!
//! Every limit is a "no more than", and `None` is no limit: so of two values the smaller is the stricter one, whatever
//! the key. A value stands in the smallest step of its [`Unit`].

use libra_kernel::fixed::{DecimalError, format_units, parse_units_wide, pow10};

use crate::instrument::MONEY_DECIMALS;

/// What a limit is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Base currency, or contracts: in 10^-[`MONEY_DECIMALS`] for all instruments, in size units for a single one.
    Size,
    /// Money of the quote or settle currency.
    Money,
    /// Percent, in hundredths: basis points.
    Percent,
    /// A plain factor, in ten-thousandths.
    Factor,
    /// A number of things.
    Count,
    /// Milliseconds, in nanoseconds.
    Millis,
}

macro_rules! limit_keys {
    ($($variant:ident = $name:literal, $unit:ident, $per_instrument:literal;)+) => {
        /// The name of a limit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum LimitKey {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl LimitKey {
            /// Every limit.
            pub const ALL: &'static [LimitKey] = &[$(LimitKey::$variant),+];

            /// The name in a profile.
            pub const fn as_str(self) -> &'static str {
                match self { $(LimitKey::$variant => $name,)+ }
            }

            /// What it is counted in.
            pub const fn unit(self) -> Unit {
                match self { $(LimitKey::$variant => Unit::$unit,)+ }
            }

            /// True for a limit that an instrument may have a value of its own of.
            pub const fn is_per_instrument(self) -> bool {
                match self { $(LimitKey::$variant => $per_instrument,)+ }
            }
        }
    };
}

limit_keys! {
    MaxPosition = "max_position", Size, true;
    MaxPositionNotional = "max_position_notional", Money, true;
    MaxOrderSize = "max_order_size", Size, true;
    MaxOrderNotional = "max_order_notional", Money, true;
    MaxOrdersPerInstrument = "max_orders_per_instrument", Count, true;
    MaxParticipation = "max_participation_pct", Percent, true;
    MaxConcentration = "max_concentration_pct", Percent, true;
    MaxGrossExposure = "max_gross_exposure", Money, false;
    MaxNetExposure = "max_net_exposure", Money, false;
    MaxLeverage = "max_leverage", Factor, false;
    MaxOpenOrders = "max_open_orders", Count, false;
    PriceCollar = "price_collar_pct", Percent, false;
    MaxDailyLoss = "max_daily_loss", Money, false;
    MaxDrawdown = "max_drawdown_pct", Percent, false;
    MaxOrdersPerSecond = "max_orders_per_second", Count, false;
    MaxOrdersPerMinute = "max_orders_per_minute", Count, false;
    MaxMessagesPerSecond = "max_messages_per_second", Count, false;
    MaxStrategyMessagesPerSecond = "max_strategy_messages_per_second", Count, false;
    MaxQuoteAge = "max_quote_age_ms", Millis, false;
}

const NANOS_PER_MILLI: i128 = 1_000_000;

impl LimitKey {
    /// The key of a name.
    pub fn parse(name: &str) -> Option<LimitKey> {
        Self::ALL.iter().copied().find(|key| key.as_str() == name)
    }

    /// Reads a value as a profile writes it. A size is rounded down to `size_decimals`: never more than was allowed.
    pub fn read(self, text: &str, size_decimals: u8) -> Result<i128, String> {
        let decimals = match self.unit() {
            Unit::Size | Unit::Money => MONEY_DECIMALS,
            Unit::Percent => 2,
            Unit::Factor => 4,
            Unit::Count | Unit::Millis => 0,
        };
        let value = parse_units_wide(text.as_bytes(), decimals).map_err(|error| match error {
            DecimalError::TooPrecise if decimals == 0 => format!("has to be a whole number, is {text}"),
            DecimalError::TooPrecise => format!("has more than {decimals} decimals: {text}"),
            DecimalError::Overflow => format!("does not fit: {text}"),
            DecimalError::Malformed => format!("is no number: {text:?}"),
        })?;
        if value <= 0 {
            return Err(format!("has to be above zero, is {text}"));
        }
        let value = match self.unit() {
            Unit::Size => value / pow10(MONEY_DECIMALS.saturating_sub(size_decimals)),
            Unit::Millis => value.checked_mul(NANOS_PER_MILLI).ok_or_else(|| format!("does not fit: {text}"))?,
            _ => value,
        };
        if value == 0 {
            return Err(format!("is less than the smallest size of the instrument: {text}"));
        }
        if value > self.most() {
            return Err(format!("has to be at most {}, is {text}", self.write(self.most(), size_decimals)));
        }
        Ok(value)
    }

    /// True for a limit that every account has to have: without it one mistake could spend everything. A profile without
    /// it is refused (`REQUIRED_LIMITS`, `libra/config/checks.py`), and no change takes it away.
    pub const fn is_required(self) -> bool {
        matches!(self, LimitKey::MaxPositionNotional | LimitKey::MaxOrderNotional)
    }

    /// The largest value that makes sense and fits.
    pub const fn most(self) -> i128 {
        match self {
            // A fall by more than everything is none, and no price lies further below the middle.
            LimitKey::MaxDrawdown | LimitKey::MaxParticipation | LimitKey::PriceCollar => 10_000,
            // More would be a window of megabytes, and no venue takes as many.
            LimitKey::MaxOrdersPerSecond
            | LimitKey::MaxOrdersPerMinute
            | LimitKey::MaxMessagesPerSecond
            | LimitKey::MaxStrategyMessagesPerSecond => 100_000,
            _ => match self.unit() {
                Unit::Money => i128::MAX,
                Unit::Size | Unit::Millis => i64::MAX as i128,
                Unit::Percent | Unit::Factor | Unit::Count => u32::MAX as i128,
            },
        }
    }

    /// A value as a profile writes it.
    pub fn write(self, value: i128, size_decimals: u8) -> String {
        let text = match self.unit() {
            Unit::Size => format_units(value, size_decimals),
            Unit::Money => format_units(value, MONEY_DECIMALS),
            Unit::Percent => format_units(value, 2),
            Unit::Factor => format_units(value, 4),
            Unit::Count => return value.to_string(),
            Unit::Millis => format_units(value, 6),
        };
        trim(&text).to_owned()
    }
}

/// A decimal without the zeros behind its last digit.
pub(crate) fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_read_back() {
        for &key in LimitKey::ALL {
            assert_eq!(LimitKey::parse(key.as_str()), Some(key));
        }
        assert_eq!(LimitKey::parse("max_nothing"), None);
    }

    #[test]
    fn values_come_back_as_they_were_written() {
        for (key, text, units) in [
            (LimitKey::MaxOrderSize, "0.125", 125),
            (LimitKey::MaxDailyLoss, "100.5", 100_500_000_000_000),
            (LimitKey::MaxDrawdown, "12.25", 1_225),
            (LimitKey::MaxLeverage, "2.5", 25_000),
            (LimitKey::MaxOpenOrders, "100", 100),
            (LimitKey::MaxQuoteAge, "250", 250_000_000),
        ] {
            assert_eq!(key.read(text, 3), Ok(units));
            assert_eq!(key.write(units, 3), text);
        }
        assert_eq!(LimitKey::MaxOrderSize.read("0.1259", 3), Ok(125), "never more than was allowed");
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (key, text, why) in [
            (LimitKey::MaxDrawdown, "0", "has to be above zero, is 0"),
            (LimitKey::MaxDrawdown, "-1", "has to be above zero, is -1"),
            (LimitKey::MaxDrawdown, "100.01", "has to be at most 100, is 100.01"),
            (LimitKey::PriceCollar, "100.01", "has to be at most 100, is 100.01"),
            (LimitKey::MaxDrawdown, "0.125", "has more than 2 decimals: 0.125"),
            (LimitKey::MaxOpenOrders, "1.5", "has to be a whole number, is 1.5"),
            (LimitKey::MaxOpenOrders, "many", "is no number: \"many\""),
            (LimitKey::MaxOrderSize, "0.0009", "is less than the smallest size of the instrument: 0.0009"),
            (LimitKey::MaxOrdersPerMinute, "100001", "has to be at most 100000, is 100001"),
            (LimitKey::MaxQuoteAge, "99999999999999999999999999999999999", "does not fit"),
            (LimitKey::MaxDailyLoss, "999999999999999999999999999999999999999999", "does not fit"),
        ] {
            let told = key.read(text, 3).unwrap_err();
            assert!(told.starts_with(why), "{told}");
        }
    }
}
