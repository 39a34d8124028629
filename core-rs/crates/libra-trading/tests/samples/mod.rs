//! Instruments that tests trade: the one place that spells them out, for the tests inside the crate and those beside it.

use libra_kernel::Name;
use libra_kernel::fixed::pow10;
use libra_trading::instrument::{ContractKind, Instrument, MONEY_DECIMALS, Money};

/// Whole units of a currency.
pub fn money(units: i64) -> Money {
    Money::from(units) * pow10(MONEY_DECIMALS)
}

/// A linear contract with the steps of Binance's BTCUSDT: two price decimals (tick 0.10), three size decimals.
pub fn contract(base: &str, venue: &str) -> Instrument {
    let name = Name::intern;
    Instrument {
        id: name(&format!("{base}/USDT:USDT@{venue}")),
        symbol: name(&format!("{base}/USDT:USDT")),
        venue: name(venue),
        venue_symbol: name(&format!("{base}USDT")),
        base: name(base),
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
    }
}

/// The asset itself: spot, in five size decimals.
#[allow(dead_code, reason = "not every test trades both")]
pub fn asset(base: &str, venue: &str) -> Instrument {
    Instrument {
        id: Name::intern(&format!("{base}/USDT@{venue}")),
        symbol: Name::intern(&format!("{base}/USDT")),
        kind: ContractKind::Spot,
        size_decimals: 5,
        ..contract(base, venue)
    }
}
