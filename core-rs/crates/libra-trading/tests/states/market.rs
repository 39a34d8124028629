//! What the runs trade, with what, and within which limits.

use libra_kernel::Name;
use libra_trading::instrument::{Instrument, Money};
use libra_trading::risk::{InstrumentLimits, RiskLimits};

use crate::samples;
use crate::truth::{SECOND, name};

pub const ACCOUNT: &str = "states";
pub const T0: i64 = 1_700_000_000_000_000_000;
pub const PRICE: i64 = 6_000_000;

pub use crate::samples::money;

/// A contract and its asset: what settles in quote currency, and what moves both.
pub fn instruments() -> Vec<Instrument> {
    vec![samples::contract("BTC", "states"), samples::asset("BTC", "states")]
}

pub fn opening() -> Vec<(Name, Money)> {
    vec![(name("USDT"), money(4_000)), (name("BTC"), money(1) / 20)]
}

/// Three, or a node of ten and one beside it.
pub fn strategies(seed: u64) -> Vec<Name> {
    let others = (4..=11).map(|number| name(&format!("strategy-{number}")));
    let few = ["first", "second", "third"].map(name).into_iter();
    few.chain(others.take(if seed.is_multiple_of(4) { 8 } else { 0 })).collect()
}

/// Limits differ from life to life.
pub fn limits(which: u8) -> RiskLimits {
    let most = |size: i64| InstrumentLimits { max_position: Some(size), ..InstrumentLimits::default() };
    match which % 4 {
        0 => RiskLimits::default(),
        1 => RiskLimits {
            default: InstrumentLimits {
                max_order_size: Some(1_500),
                max_order_notional: Some(money(2_000)),
                ..InstrumentLimits::default()
            },
            instruments: vec![(instruments()[0].id, most(90))],
            max_open_orders: Some(6),
            max_orders_per_second: Some(8),
            ..RiskLimits::default()
        },
        2 => {
            RiskLimits { max_daily_loss: Some(money(4)), max_quote_age_ns: Some(20 * SECOND), ..RiskLimits::default() }
        }
        _ => RiskLimits {
            default: most(2_000),
            price_collar_bps: Some(1),
            max_orders_per_second: Some(3),
            ..RiskLimits::default()
        },
    }
}
