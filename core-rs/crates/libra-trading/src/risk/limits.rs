//! What an account may do at most. `None` is unlimited.

use libra_kernel::Name;
use libra_kernel::fixed::pow10;
use thiserror::Error;

use crate::instrument::{Instrument, MONEY_DECIMALS, Money};

use super::keys::LimitKey;

/// Trades of the last minute are what a share of the volume is taken of, where nothing else is said.
const VOLUME_WINDOW_NS: i64 = 60_000_000_000;

/// Limits that may differ from instrument to instrument. Sizes are in size units of the instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstrumentLimits {
    /// Largest position, long or short, open orders on that side included.
    pub max_position: Option<i64>,
    /// Largest worth of the same.
    pub max_position_notional: Option<Money>,
    /// Largest single order.
    pub max_order_size: Option<i64>,
    /// Largest worth of a single order.
    pub max_order_notional: Option<Money>,
    /// Orders of the instrument that are open or approved at the same time.
    pub max_orders: Option<u32>,
    /// Largest share of the traded volume, in basis points: executed within the window, open, and the order itself.
    pub max_participation_bps: Option<u32>,
    /// Largest exposure to the instrument as a share of the equity, in basis points.
    pub max_concentration_bps: Option<u32>,
}

impl InstrumentLimits {
    /// These limits where they are set, `base` where they are not.
    pub fn or(self, base: InstrumentLimits) -> InstrumentLimits {
        InstrumentLimits {
            max_position: self.max_position.or(base.max_position),
            max_position_notional: self.max_position_notional.or(base.max_position_notional),
            max_order_size: self.max_order_size.or(base.max_order_size),
            max_order_notional: self.max_order_notional.or(base.max_order_notional),
            max_orders: self.max_orders.or(base.max_orders),
            max_participation_bps: self.max_participation_bps.or(base.max_participation_bps),
            max_concentration_bps: self.max_concentration_bps.or(base.max_concentration_bps),
        }
    }

    /// `size` cut to what one order of the instrument may be at that price (0 where it is not known), with a hundredth of its worth
    /// as room for the next quote.
    pub(crate) fn one_order(&self, instrument: &Instrument, price: i64, size: i64) -> i64 {
        let size = size.min(instrument.max_size).min(self.max_order_size.unwrap_or(i64::MAX));
        let (Some(most), Some(worth)) = (self.max_order_notional, instrument.notional(price, size)) else {
            return size;
        };
        let most = (most / 100).saturating_mul(99);
        if worth <= most {
            return size;
        }
        // The limit is the smaller one, so what is left of the size is smaller, too.
        let part = most.checked_mul(i128::from(size)).map(|wide| wide / worth);
        part.and_then(|part| i64::try_from(part).ok()).unwrap_or(0)
    }

    /// The value of a key, `None` also for one that no instrument has.
    pub fn get(&self, key: LimitKey) -> Option<i128> {
        match key {
            LimitKey::MaxPosition => self.max_position.map(i128::from),
            LimitKey::MaxPositionNotional => self.max_position_notional,
            LimitKey::MaxOrderSize => self.max_order_size.map(i128::from),
            LimitKey::MaxOrderNotional => self.max_order_notional,
            LimitKey::MaxOrdersPerInstrument => self.max_orders.map(i128::from),
            LimitKey::MaxParticipation => self.max_participation_bps.map(i128::from),
            LimitKey::MaxConcentration => self.max_concentration_bps.map(i128::from),
            _ => None,
        }
    }

    /// Sets a key. A value that does not fit becomes the largest that does; a key that no instrument has is left.
    pub fn set(&mut self, key: LimitKey, value: Option<i128>) {
        match key {
            LimitKey::MaxPosition => self.max_position = value.map(long),
            LimitKey::MaxPositionNotional => self.max_position_notional = value,
            LimitKey::MaxOrderSize => self.max_order_size = value.map(long),
            LimitKey::MaxOrderNotional => self.max_order_notional = value,
            LimitKey::MaxOrdersPerInstrument => self.max_orders = value.map(short),
            LimitKey::MaxParticipation => self.max_participation_bps = value.map(short),
            LimitKey::MaxConcentration => self.max_concentration_bps = value.map(short),
            _ => {}
        }
    }
}

fn long(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn short(value: i128) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Limits of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskLimits {
    /// Limits of every instrument.
    pub default: InstrumentLimits,
    /// Limits of some instruments: what is set here replaces the default.
    pub instruments: Vec<(Name, InstrumentLimits)>,
    /// Largest position of any instrument that has no other, in 10^-[`MONEY_DECIMALS`], whatever its decimals.
    pub max_position: Option<i128>,
    /// Largest order of any instrument that has no other, likewise.
    pub max_order_size: Option<i128>,
    /// Sum of the exposures to all instruments of a settle currency, long and short alike.
    pub max_gross_exposure: Option<Money>,
    /// The same with shorts set off against longs, either way.
    pub max_net_exposure: Option<Money>,
    /// Gross exposure as a multiple of the equity, in basis points: 10,000 is once.
    pub max_leverage_bps: Option<u32>,
    /// Orders that are open or approved at the same time.
    pub max_open_orders: Option<u32>,
    /// How far the price of an order may be from the middle of the market, either way, in basis points.
    pub price_collar_bps: Option<u32>,
    /// Loss of a UTC day, unrealised included, of each settle currency.
    pub max_daily_loss: Option<Money>,
    /// Fall of equity below its peak in basis points, of each settle currency.
    pub max_drawdown_bps: Option<u32>,
    /// Orders approved within any second.
    pub max_orders_per_second: Option<u32>,
    /// Orders approved within any minute.
    pub max_orders_per_minute: Option<u32>,
    /// Orders approved and cancels within any second. Cancels count, and are never refused for it.
    pub max_messages_per_second: Option<u32>,
    /// The same of a single strategy.
    pub max_strategy_messages_per_second: Option<u32>,
    /// Age of the quotes that an order is checked against: its own instrument's, and those of what is held.
    pub max_quote_age_ns: Option<i64>,
    /// How far back trades count as volume. Not a limit: it stays as it was at the opening.
    pub volume_window_ns: i64,
    /// Spot orders may only use what the account holds: no short sale, no debt.
    pub spot_inventory: bool,
}

impl Default for RiskLimits {
    fn default() -> Self {
        RiskLimits {
            default: InstrumentLimits::default(),
            instruments: Vec::new(),
            max_position: None,
            max_order_size: None,
            max_gross_exposure: None,
            max_net_exposure: None,
            max_leverage_bps: None,
            max_open_orders: None,
            price_collar_bps: None,
            max_daily_loss: None,
            max_drawdown_bps: None,
            max_orders_per_second: None,
            max_orders_per_minute: None,
            max_messages_per_second: None,
            max_strategy_messages_per_second: None,
            max_quote_age_ns: None,
            volume_window_ns: VOLUME_WINDOW_NS,
            spot_inventory: true,
        }
    }
}

/// Everything that is wrong with a set of limits, one line each.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", problems.join("; "))]
pub struct LimitsError {
    /// Each names the limit and what it has to be.
    pub problems: Vec<String>,
}

impl RiskLimits {
    /// Finds all limits that make no sense.
    pub fn validate(&self) -> Result<(), LimitsError> {
        let mut problems = Vec::new();
        let mut check = |prefix: &str, key: LimitKey, value: Option<i128>| match value {
            Some(value) if value <= 0 => {
                problems.push(format!("{prefix}{} has to be above zero, is {value}", key.as_str()));
            }
            Some(value) if value > key.most() => {
                problems.push(format!("{prefix}{} has to be at most {}, is {value}", key.as_str(), key.most()));
            }
            _ => {}
        };
        for &key in LimitKey::ALL {
            check("", key, self.default.get(key));
            check("", key, self.get(key));
            for (name, own) in &self.instruments {
                check(&format!("{name}: "), key, own.get(key));
            }
        }
        for (index, (name, _)) in self.instruments.iter().enumerate() {
            if self.instruments[..index].iter().any(|(earlier, _)| earlier == name) {
                problems.push(format!("{name} has two sets of limits"));
            }
        }
        if self.volume_window_ns < 1_000_000_000 {
            problems.push(format!("volume_window_ns has to be a second or more, is {}", self.volume_window_ns));
        }
        if problems.is_empty() { Ok(()) } else { Err(LimitsError { problems }) }
    }

    /// The limits of one instrument.
    pub fn of(&self, instrument: &Instrument) -> InstrumentLimits {
        let step = pow10(MONEY_DECIMALS.saturating_sub(instrument.size_decimals));
        let all = InstrumentLimits {
            max_position: self.max_position.map(|size| long(size / step)),
            max_order_size: self.max_order_size.map(|size| long(size / step)),
            ..InstrumentLimits::default()
        };
        self.own(instrument.id).or(self.default).or(all)
    }

    /// What is set for one instrument alone.
    pub fn own(&self, instrument: Name) -> InstrumentLimits {
        let own = self.instruments.iter().find(|(name, _)| *name == instrument);
        own.map_or_else(InstrumentLimits::default, |(_, limits)| *limits)
    }

    /// What is set for one instrument alone, to be changed.
    pub fn own_mut(&mut self, instrument: Name) -> &mut InstrumentLimits {
        let index = self.instruments.iter().position(|(name, _)| *name == instrument).unwrap_or_else(|| {
            self.instruments.push((instrument, InstrumentLimits::default()));
            self.instruments.len() - 1
        });
        &mut self.instruments[index].1
    }

    /// An instrument's sizes are of `to` decimals and were of `from`: its limits keep their values. One that is finer than the
    /// new decimals is rounded down, to nothing maybe, which lets no order pass: never more than was allowed.
    pub(crate) fn rescale(&mut self, instrument: Name, from: u8, to: u8) {
        let all = self.default;
        for key in [LimitKey::MaxPosition, LimitKey::MaxOrderSize] {
            let own = self.own(instrument).get(key).or(all.get(key));
            if let Some(units) = own.filter(|_| from != to) {
                // An i64 of at most 18 decimals: it fits, and what is beyond an i64 then is no limit to any size.
                let units = units.saturating_mul(pow10(to)) / pow10(from);
                self.own_mut(instrument).set(key, Some(units));
            }
        }
    }

    /// The value that a key has for the whole account.
    pub fn get(&self, key: LimitKey) -> Option<i128> {
        match key {
            LimitKey::MaxPosition => self.max_position,
            LimitKey::MaxOrderSize => self.max_order_size,
            LimitKey::MaxGrossExposure => self.max_gross_exposure,
            LimitKey::MaxNetExposure => self.max_net_exposure,
            LimitKey::MaxLeverage => self.max_leverage_bps.map(i128::from),
            LimitKey::MaxOpenOrders => self.max_open_orders.map(i128::from),
            LimitKey::PriceCollar => self.price_collar_bps.map(i128::from),
            LimitKey::MaxDailyLoss => self.max_daily_loss,
            LimitKey::MaxDrawdown => self.max_drawdown_bps.map(i128::from),
            LimitKey::MaxOrdersPerSecond => self.max_orders_per_second.map(i128::from),
            LimitKey::MaxOrdersPerMinute => self.max_orders_per_minute.map(i128::from),
            LimitKey::MaxMessagesPerSecond => self.max_messages_per_second.map(i128::from),
            LimitKey::MaxStrategyMessagesPerSecond => self.max_strategy_messages_per_second.map(i128::from),
            LimitKey::MaxQuoteAge => self.max_quote_age_ns.map(i128::from),
            LimitKey::MaxPositionNotional
            | LimitKey::MaxOrderNotional
            | LimitKey::MaxOrdersPerInstrument
            | LimitKey::MaxParticipation
            | LimitKey::MaxConcentration => self.default.get(key),
        }
    }

    /// Sets a key for the whole account. A value that does not fit becomes the largest that does.
    pub fn set(&mut self, key: LimitKey, value: Option<i128>) {
        match key {
            LimitKey::MaxPosition => self.max_position = value,
            LimitKey::MaxOrderSize => self.max_order_size = value,
            LimitKey::MaxGrossExposure => self.max_gross_exposure = value,
            LimitKey::MaxNetExposure => self.max_net_exposure = value,
            LimitKey::MaxLeverage => self.max_leverage_bps = value.map(short),
            LimitKey::MaxOpenOrders => self.max_open_orders = value.map(short),
            LimitKey::PriceCollar => self.price_collar_bps = value.map(short),
            LimitKey::MaxDailyLoss => self.max_daily_loss = value,
            LimitKey::MaxDrawdown => self.max_drawdown_bps = value.map(short),
            LimitKey::MaxOrdersPerSecond => self.max_orders_per_second = value.map(short),
            LimitKey::MaxOrdersPerMinute => self.max_orders_per_minute = value.map(short),
            LimitKey::MaxMessagesPerSecond => self.max_messages_per_second = value.map(short),
            LimitKey::MaxStrategyMessagesPerSecond => self.max_strategy_messages_per_second = value.map(short),
            LimitKey::MaxQuoteAge => self.max_quote_age_ns = value.map(long),
            LimitKey::MaxPositionNotional
            | LimitKey::MaxOrderNotional
            | LimitKey::MaxOrdersPerInstrument
            | LimitKey::MaxParticipation
            | LimitKey::MaxConcentration => self.default.set(key, value),
        }
    }

    /// True where a limit of all instruments together, or of one against the equity, is set.
    pub fn needs_exposures(&self) -> bool {
        self.max_gross_exposure.is_some()
            || self.max_net_exposure.is_some()
            || self.max_leverage_bps.is_some()
            || self.default.max_concentration_bps.is_some()
            || self.instruments.iter().any(|(_, own)| own.max_concentration_bps.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::tests::btc;

    #[test]
    fn all_mistakes_are_found_at_once() {
        let btc = Name::intern("BTC/USDT");
        let limits = RiskLimits {
            default: InstrumentLimits { max_position: Some(-1), ..Default::default() },
            instruments: vec![
                (btc, InstrumentLimits { max_order_size: Some(0), ..Default::default() }),
                (btc, InstrumentLimits::default()),
            ],
            max_drawdown_bps: Some(10_001),
            max_orders_per_second: Some(0),
            volume_window_ns: 0,
            ..Default::default()
        };
        let problems = limits.validate().unwrap_err().problems;
        assert_eq!(problems.len(), 6, "{problems:?}");
        assert!(problems[1].contains("BTC/USDT: max_order_size"));
        RiskLimits::default().validate().unwrap();
    }

    #[test]
    fn an_override_replaces_only_what_it_sets() {
        let eth = Instrument { id: Name::intern("ETH/USDT"), ..btc() };
        let limits = RiskLimits {
            default: InstrumentLimits { max_position: Some(10), max_order_size: Some(5), ..Default::default() },
            instruments: vec![(btc().id, InstrumentLimits { max_position: Some(20), ..Default::default() })],
            ..Default::default()
        };
        assert_eq!(limits.of(&btc()).max_position, Some(20));
        assert_eq!(limits.of(&btc()).max_order_size, Some(5));
        assert_eq!(limits.of(&eth).max_position, Some(10));
    }

    #[test]
    fn a_size_for_all_meets_the_decimals_of_each() {
        let fine = Instrument { id: Name::intern("FINE@x"), size_decimals: 5, ..btc() };
        let limits = RiskLimits { max_order_size: Some(1_234_567_000_000), ..Default::default() };
        assert_eq!(limits.of(&btc()).max_order_size, Some(1_234), "rounded down");
        assert_eq!(limits.of(&fine).max_order_size, Some(123_456));
    }

    #[test]
    fn every_key_reads_what_it_sets() {
        let mut limits = RiskLimits::default();
        for (index, &key) in LimitKey::ALL.iter().enumerate() {
            let value = Some(index as i128 + 1);
            limits.set(key, value);
            limits.own_mut(btc().id).set(key, value);
            assert_eq!(limits.own(btc().id).get(key), value.filter(|_| key.is_per_instrument()));
        }
        for (index, &key) in LimitKey::ALL.iter().enumerate() {
            assert_eq!(limits.get(key), Some(index as i128 + 1), "{key:?}");
            limits.set(key, None);
            assert_eq!(limits.get(key), None);
        }
    }
}
