//! An order that waits for its turn while limits change: what they say of it by then, and what they cannot say is a no.

use super::*;
use crate::risk::RiskCode;

/// Prices and sizes of it are worth more than money holds.
fn huge(id: &str) -> Instrument {
    Instrument { id: name(id), symbol: name(id), max_size: i64::MAX, min_notional: 0, ..linear() }
}

const CHEAP: i64 = 10;
const DEAR: i64 = i64::MAX / 10 * 10;

/// A gate with two such instruments at a price of next to nothing, limited together by all that money holds.
fn two() -> Gate {
    let limits = RiskLimits { max_gross_exposure: Some(Money::MAX), ..RiskLimits::default() };
    let config = GateConfig { instruments: vec![huge("A@x"), huge("B@x")], ..config(limits) };
    let (mut gate, _) = Gate::open(config, T0).unwrap();
    for id in ["A@x", "B@x"] {
        gate.on_quote(name(id), CHEAP, CHEAP, T0, T0);
    }
    gate
}

fn of(id: &str, request_id: u128, side: OrderSide, size: i64) -> OrderRequest {
    OrderRequest { instrument: name(id), ..limit(request_id, side, size, CHEAP) }
}

fn why(gate: &Gate, id: ClientOrderId) -> Option<(RiskCode, String)> {
    gate.passes_limits(T0, &gate.order(id).unwrap()).map(|why| (why.code, why.explanation()))
}

#[test]
fn exposures_that_money_does_not_hold_by_now_let_nothing_leave() {
    let mut gate = two();
    // Long of the one, short of the other: what both are worth together grows, what they win and lose does not.
    trade(&mut gate, &of("A@x", 1, OrderSide::Sell, 1_500_000_000_000), CHEAP);
    trade(&mut gate, &of("B@x", 2, OrderSide::Buy, 1_500_000_000_000), CHEAP);
    let waits = place(&mut gate, T0, &of("A@x", 3, OrderSide::Buy, 10)).unwrap();
    assert_eq!(why(&gate, waits), None);
    for id in ["B@x", "A@x"] {
        gate.on_quote(name(id), DEAR, DEAR, T0, T0);
    }
    assert_eq!(why(&gate, waits), Some((RiskCode::Overflow, "exposure".to_owned())));
}

#[test]
fn of_an_instrument_that_the_account_does_not_know_nothing_leaves() {
    let mut mine = gate(RiskLimits::default());
    let id = place(&mut mine, T0, &buy(1, 10)).unwrap();
    assert_eq!(why(&mine, id), None);
    let order = mine.order(id).unwrap();
    let other = two().passes_limits(T0, &order).unwrap();
    assert_eq!((other.code, other.explanation()), (RiskCode::UnknownInstrument, linear().id.to_string()));
}
