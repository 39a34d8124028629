//! Every rule refuses with its code, the limit and the value, and lets pass what just fits.

use super::*;
use crate::risk::{InstrumentLimits, RiskCode};

fn refused(gate: &mut Gate, request: &OrderRequest) -> String {
    gate.reserve(T0, request).unwrap_err().to_string()
}

fn default(default: InstrumentLimits) -> RiskLimits {
    RiskLimits { default, ..RiskLimits::default() }
}

#[test]
fn the_form_of_an_order() {
    let mut gate = gate(RiskLimits::default());
    let coarse = Instrument { id: name("COARSE@x"), lot_size: 5, min_size: 10, max_size: 100, ..linear() };
    gate.set_instrument(coarse.clone()).unwrap();
    gate.set_instrument(Instrument { id: name("INFERRED@x"), tradable: false, ..linear() }).unwrap();
    gate.on_quote(coarse.id, PRICE, PRICE, T0, T0);
    let of = |request: OrderRequest| OrderRequest { instrument: name("COARSE@x"), ..request };
    let market = |request: OrderRequest| OrderRequest { order_type: OrderType::Market, ..request };
    let cases = [
        (OrderRequest { account: name("other"), ..buy(1, 10) }, "WRONG_ACCOUNT: other"),
        (OrderRequest { instrument: name("NOPE@x"), ..buy(2, 10) }, "UNKNOWN_INSTRUMENT: NOPE@x"),
        (OrderRequest { instrument: name("INFERRED@x"), ..buy(3, 10) }, "NOT_TRADABLE: BTC/USDT:USDT"),
        (buy(4, 0), "INVALID_ORDER: the size has to be above zero"),
        (buy(5, i64::MIN), "INVALID_ORDER: the size has to be above zero"),
        (limit(6, OrderSide::Buy, 10, 0), "INVALID_ORDER: a limit order needs a price above zero"),
        (market(buy(7, 10)), "INVALID_ORDER: a market order has no price"),
        (
            OrderRequest { time_in_force: TimeInForce::PostOnly, price: 0, ..market(buy(8, 10)) },
            "INVALID_ORDER: a market order cannot rest",
        ),
        (of(buy(9, 5)), "MIN_SIZE: limit 0.010 BTC, value 0.005 BTC"),
        (of(buy(10, 12)), "LOT_SIZE: limit 0.005 BTC, value 0.012 BTC"),
        (of(buy(11, 105)), "ORDER_SIZE_LIMIT: limit 0.100 BTC, value 0.105 BTC"),
        (limit(12, OrderSide::Buy, 10, PRICE + 1), "TICK_SIZE: limit 0.10 USDT, value 60000.01 USDT"),
        (buy(13, 1), "MIN_NOTIONAL: limit 100 USDT, value 60 USDT"),
        (
            OrderRequest { deadline_ns: T0 - 1, ..buy(14, 10) },
            "EXPIRED: limit 1699999999999999999 ns, value 1700000000000000000 ns",
        ),
        (limit(15, OrderSide::Buy, 1_000_000, i64::MAX / 10 * 10), "pass"),
    ];
    for (request, text) in cases {
        let outcome = gate.reserve(T0, &request).map_or_else(|r| r.to_string(), |_| "pass".to_owned());
        assert_eq!(outcome, text);
    }
    gate.reserve(T0, &OrderRequest { deadline_ns: T0, ..of(buy(20, 100)) }).unwrap();
}

#[test]
fn the_market_has_to_be_there_fresh_and_near() {
    let limits = RiskLimits { max_quote_age_ns: Some(SECOND), price_collar_bps: Some(100), ..RiskLimits::default() };
    let (mut gate, _) = Gate::open(config(limits), T0).unwrap();
    assert_eq!(refused(&mut gate, &buy(1, 10)), "NO_MARKET: BTC/USDT:USDT");
    gate.on_quote(linear().id, PRICE + 10, PRICE, T0, T0);
    assert_eq!(refused(&mut gate, &buy(2, 10)), "NO_MARKET: BTC/USDT:USDT", "a crossed market is none");
    gate.on_quote(linear().id, PRICE, PRICE + 10, T0 - SECOND - 1, T0 - SECOND - 1);
    assert_eq!(refused(&mut gate, &buy(3, 10)), "STALE_MARKET: limit 1 s, value 1.000000001 s");
    quote(&mut gate, T0 - SECOND);
    gate.reserve(T0, &buy(4, 10)).unwrap();
    assert_eq!(refused(&mut gate, &limit(5, OrderSide::Buy, 10, 6_060_010)), "PRICE_COLLAR: limit 1 %, value 1.0001 %");
    assert_eq!(
        refused(&mut gate, &limit(6, OrderSide::Sell, 10, 5_000_000)),
        "PRICE_COLLAR: limit 1 %, value 16.6668 %"
    );
    gate.reserve(T0, &limit(7, OrderSide::Buy, 10, 6_060_000)).unwrap();
}

#[test]
fn positions_count_open_orders_and_approvals_as_filled() {
    let mut gate = gate(default(InstrumentLimits { max_position: Some(100), ..Default::default() }));
    trade(&mut gate, &buy(1, 40), PRICE);
    place(&mut gate, T0, &buy(2, 30)).unwrap();
    let approval = gate.reserve(T0, &buy(3, 30)).unwrap();
    assert_eq!(refused(&mut gate, &buy(4, 10)), "POSITION_LIMIT: limit 0.100 BTC, value 0.110 BTC");
    assert_eq!(gate.reserved(linear().id), Some((60, 0)));
    assert_eq!(refused(&mut gate, &sell(5, 141)), "POSITION_LIMIT: limit 0.100 BTC, value 0.101 BTC");
    gate.reserve(T0, &sell(6, 140)).unwrap();
    let why = || Rejection::new(RiskCode::Stopping, "queue");
    assert_eq!(gate.release(T0, &approval, why()), Some(why()));
    assert_eq!(gate.release(T0, &approval, why()), None);
    assert_eq!(refused(&mut gate, &buy(3, 30)), "STOPPING: queue", "for good");
    gate.reserve(T0, &buy(7, 30)).unwrap();
}

#[test]
fn a_position_over_a_new_limit_may_shrink() {
    let mut gate = gate(RiskLimits::default());
    trade(&mut gate, &buy(1, 50), PRICE);
    gate.set_limits(default(InstrumentLimits {
        max_position: Some(10),
        max_position_notional: Some(money(600)),
        ..Default::default()
    }))
    .unwrap();
    assert_eq!(refused(&mut gate, &buy(2, 10)), "POSITION_LIMIT: limit 0.010 BTC, value 0.060 BTC");
    gate.reserve(T0, &sell(3, 20)).unwrap();
}

#[test]
fn worths_and_sizes() {
    let mut gate = gate(RiskLimits {
        default: InstrumentLimits {
            max_position_notional: Some(money(6_000)),
            max_order_notional: Some(money(3_000)),
            ..Default::default()
        },
        instruments: vec![(spot().id, InstrumentLimits { max_order_size: Some(500), ..Default::default() })],
        max_open_orders: Some(3),
        ..RiskLimits::default()
    });
    assert_eq!(refused(&mut gate, &buy(1, 51)), "ORDER_NOTIONAL_LIMIT: limit 3000 USDT, value 3060 USDT");
    assert_eq!(refused(&mut gate, &on_spot(buy(2, 501))), "ORDER_SIZE_LIMIT: limit 0.00500 BTC, value 0.00501 BTC");
    place(&mut gate, T0, &buy(3, 50)).unwrap();
    gate.reserve(T0, &buy(4, 40)).unwrap();
    assert_eq!(refused(&mut gate, &buy(5, 20)), "POSITION_NOTIONAL_LIMIT: limit 6000 USDT, value 6600 USDT");
    gate.reserve(T0, &sell(6, 40)).unwrap();
    assert_eq!(refused(&mut gate, &sell(7, 10)), "OPEN_ORDERS_LIMIT: limit 3 orders, value 4 orders");
    // A sell below the bid would trade at the bid.
    assert_eq!(
        refused(&mut gate, &limit(8, OrderSide::Sell, 60, 4_000_000)),
        "ORDER_NOTIONAL_LIMIT: limit 3000 USDT, value 3600 USDT"
    );
}

#[test]
fn spot_uses_only_what_is_there() {
    let mut gate = gate(RiskLimits::default());
    assert_eq!(refused(&mut gate, &on_spot(sell(1, 1_000))), "SPOT_INVENTORY: limit 0 BTC, value 0.01 BTC");
    // 0.1 BTC at 60,000 and 0.05 % fee: 6,003 of 10,000.
    let id = place(&mut gate, T0, &on_spot(buy(2, 10_000))).unwrap();
    assert_eq!(gate.account().balance(name("USDT")).unwrap().reserved, money(6_003));
    assert_eq!(refused(&mut gate, &on_spot(buy(3, 7_000))), "INSUFFICIENT_BALANCE: limit 3997 USDT, value 4202.1 USDT");
    gate.on_report(T0, &filled(id, 1, PRICE, 4_000)).unwrap();
    let usdt = *gate.account().balance(name("USDT")).unwrap();
    assert_eq!((usdt.total, usdt.reserved * 10), (money(7_600), money(36_018)));
    gate.on_report(T0, &report(id, VenueOutcome::Cancelled { reason: "REQUESTED".into() })).unwrap();
    assert_eq!(gate.account().balance(name("USDT")).unwrap().reserved, 0);
    gate.reserve(T0, &on_spot(sell(4, 3_000))).unwrap();
    assert_eq!(refused(&mut gate, &on_spot(sell(5, 1_001))), "SPOT_INVENTORY: limit 0.01 BTC, value 0.01001 BTC");
    gate.reserve(T0, &on_spot(sell(6, 1_000))).unwrap();
}

#[test]
fn the_rate_of_orders() {
    let mut gate = gate(RiskLimits { max_orders_per_second: Some(2), ..RiskLimits::default() });
    gate.reserve(T0, &buy(1, 10)).unwrap();
    gate.reserve(T0 + 1, &buy(2, 10)).unwrap();
    let late = gate.reserve(T0 + 2, &buy(3, 10)).unwrap_err();
    assert_eq!(late.to_string(), "ORDER_RATE: limit 2 orders a second, value 3 orders a second");
    gate.reserve(T0 + SECOND, &buy(4, 10)).unwrap();
}

#[test]
fn a_request_that_does_not_fit_is_refused() {
    let mut gate = gate(RiskLimits::default());
    let huge = Instrument { id: name("HUGE@x"), max_size: i64::MAX, min_notional: 0, ..linear() };
    gate.set_instrument(huge.clone()).unwrap();
    gate.on_quote(huge.id, 10, 10, T0, T0);
    let of = |id, size, price| OrderRequest { instrument: huge.id, ..limit(id, OrderSide::Buy, size, price) };
    gate.reserve(T0, &of(1, i64::MAX - 1, 10)).unwrap();
    assert_eq!(gate.reserve(T0, &of(2, 2, 10)).unwrap_err().code, RiskCode::Overflow);
    assert_eq!(gate.reserve(T0, &of(3, i64::MAX, i64::MAX / 10 * 10)).unwrap_err().code, RiskCode::Overflow);
}
