//! What the runs trade, with what, and within which limits.

use libra_kernel::Name;
use libra_trading::instrument::{ContractKind, Instrument, Money};
use libra_trading::risk::{InstrumentLimits, RiskLimits};

use crate::truth::{SECOND, name};

pub const ACCOUNT: &str = "states";
pub const T0: i64 = 1_700_000_000_000_000_000;
pub const PRICE: i64 = 6_000_000;

pub fn money(units: i64) -> Money {
    Money::from(units) * 1_000_000_000_000
}

/// A contract and its asset: what settles in quote currency, and what moves both.
pub fn instruments() -> Vec<Instrument> {
    let contract = Instrument {
        id: name("BTC/USDT:USDT@states"),
        symbol: name("BTC/USDT:USDT"),
        venue: name("states"),
        venue_symbol: name("BTCUSDT"),
        base: name("BTC"),
        quote: name("USDT"),
        settle: name("USDT"),
        kind: ContractKind::Linear,
        price_decimals: 2,
        size_decimals: 3,
        tick_size: 10,
        lot_size: 1,
        min_size: 1,
        max_size: 1_000_000,
        min_notional: money(100),
        contract_size: 1,
        contract_decimals: 0,
        maker_fee: 20_000,
        taker_fee: 50_000,
        fee_decimals: 8,
        tradable: true,
    };
    let asset = Instrument {
        id: name("BTC/USDT@states"),
        symbol: name("BTC/USDT"),
        kind: ContractKind::Spot,
        size_decimals: 5,
        ..contract.clone()
    };
    vec![contract, asset]
}

pub fn opening() -> Vec<(Name, Money)> {
    vec![(name("USDT"), money(4_000)), (name("BTC"), money(1) / 20)]
}

pub fn strategies() -> Vec<Name> {
    ["first", "second", "third"].map(name).to_vec()
}

/// Limits differ from life to life.
pub fn limits(which: u8) -> RiskLimits {
    let most = |size: i64| InstrumentLimits { max_position: Some(size), ..InstrumentLimits::default() };
    match which % 4 {
        0 => RiskLimits::default(),
        1 => RiskLimits {
            default: InstrumentLimits { max_order_size: Some(1_500), ..InstrumentLimits::default() },
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
