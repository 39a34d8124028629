//! What an account may do at most. `None` is unlimited.

use libra_kernel::Name;
use thiserror::Error;

use crate::instrument::Money;

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
}

impl InstrumentLimits {
    /// These limits where they are set, `base` where they are not.
    pub fn or(self, base: InstrumentLimits) -> InstrumentLimits {
        InstrumentLimits {
            max_position: self.max_position.or(base.max_position),
            max_position_notional: self.max_position_notional.or(base.max_position_notional),
            max_order_size: self.max_order_size.or(base.max_order_size),
            max_order_notional: self.max_order_notional.or(base.max_order_notional),
        }
    }
}

/// Limits of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskLimits {
    /// Limits of every instrument.
    pub default: InstrumentLimits,
    /// Limits of some instruments: what is set here replaces the default.
    pub instruments: Vec<(Name, InstrumentLimits)>,
    /// Orders that are open or approved at the same time.
    pub max_open_orders: Option<u32>,
    /// How far a limit price may be from the middle of the market, either way, in basis points.
    pub price_collar_bps: Option<u32>,
    /// Loss of a UTC day, unrealised included, of each settle currency.
    pub max_daily_loss: Option<Money>,
    /// Fall of equity below its peak in basis points, of each settle currency.
    pub max_drawdown_bps: Option<u32>,
    /// Orders approved within any second.
    pub max_orders_per_second: Option<u32>,
    /// Age of the quote that an order is checked against.
    pub max_quote_age_ns: Option<i64>,
    /// Spot orders may only use what the account holds: no short sale, no debt.
    pub spot_inventory: bool,
}

impl Default for RiskLimits {
    fn default() -> Self {
        RiskLimits {
            default: InstrumentLimits::default(),
            instruments: Vec::new(),
            max_open_orders: None,
            price_collar_bps: None,
            max_daily_loss: None,
            max_drawdown_bps: None,
            max_orders_per_second: None,
            max_quote_age_ns: None,
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

/// More would be a window of megabytes, and no venue takes as many.
const MOST_ORDERS_PER_SECOND: i128 = 100_000;

impl RiskLimits {
    /// Finds all limits that make no sense.
    pub fn validate(&self) -> Result<(), LimitsError> {
        let mut problems = Vec::new();
        let mut check = |name: String, value: Option<i128>, most: i128| match value {
            Some(value) if value <= 0 => problems.push(format!("{name} has to be above zero, is {value}")),
            Some(value) if value > most => problems.push(format!("{name} has to be at most {most}, is {value}")),
            _ => {}
        };
        let sets = std::iter::once((String::new(), self.default))
            .chain(self.instruments.iter().map(|(name, limits)| (format!("{name}: "), *limits)));
        for (prefix, limits) in sets {
            check(format!("{prefix}max_position"), limits.max_position.map(i128::from), i128::MAX);
            check(format!("{prefix}max_position_notional"), limits.max_position_notional, i128::MAX);
            check(format!("{prefix}max_order_size"), limits.max_order_size.map(i128::from), i128::MAX);
            check(format!("{prefix}max_order_notional"), limits.max_order_notional, i128::MAX);
        }
        check("max_open_orders".into(), self.max_open_orders.map(i128::from), i128::MAX);
        check("price_collar_bps".into(), self.price_collar_bps.map(i128::from), i128::MAX);
        check("max_daily_loss".into(), self.max_daily_loss, i128::MAX);
        check("max_drawdown_bps".into(), self.max_drawdown_bps.map(i128::from), 10_000);
        check("max_orders_per_second".into(), self.max_orders_per_second.map(i128::from), MOST_ORDERS_PER_SECOND);
        check("max_quote_age_ns".into(), self.max_quote_age_ns.map(i128::from), i128::MAX);
        for (index, (name, _)) in self.instruments.iter().enumerate() {
            if self.instruments[..index].iter().any(|(earlier, _)| earlier == name) {
                problems.push(format!("{name} has two sets of limits"));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(LimitsError { problems }) }
    }

    /// The limits of one instrument.
    pub fn of(&self, instrument: Name) -> InstrumentLimits {
        match self.instruments.iter().find(|(name, _)| *name == instrument) {
            Some((_, limits)) => limits.or(self.default),
            None => self.default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ..Default::default()
        };
        let problems = limits.validate().unwrap_err().problems;
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(problems[1].contains("BTC/USDT: max_order_size"));
        RiskLimits::default().validate().unwrap();
    }

    #[test]
    fn an_override_replaces_only_what_it_sets() {
        let btc = Name::intern("BTC/USDT");
        let limits = RiskLimits {
            default: InstrumentLimits { max_position: Some(10), max_order_size: Some(5), ..Default::default() },
            instruments: vec![(btc, InstrumentLimits { max_position: Some(20), ..Default::default() })],
            ..Default::default()
        };
        assert_eq!(limits.of(btc).max_position, Some(20));
        assert_eq!(limits.of(btc).max_order_size, Some(5));
        assert_eq!(limits.of(Name::intern("ETH/USDT")).max_position, Some(10));
    }
}
