//! What one strategy's storm of resting orders, a changed rate and an adopted order leave the others.

use super::*;
use crate::reconcile::compare::Orphan;
use crate::risk::{InstrumentLimits, RiskCode};

/// Limits on the numbers of open orders: of the account, of an instrument.
fn counts(all: u32, of_instrument: u32) -> RiskLimits {
    let default = InstrumentLimits { max_orders: Some(of_instrument), ..Default::default() };
    RiskLimits { default, max_open_orders: Some(all), ..RiskLimits::default() }
}

fn shared(limits: RiskLimits) -> GateConfig {
    GateConfig { strategies: vec![name("storm"), name("calm")], ..config(limits) }
}

fn of_two(limits: RiskLimits) -> Gate {
    let (mut gate, _) = Gate::open(shared(limits), T0).unwrap();
    quote(&mut gate, T0);
    gate
}

fn of(strategy: &str, request: OrderRequest) -> OrderRequest {
    OrderRequest { strategy: name(strategy), ..request }
}

/// A percent below the market.
fn bid(strategy: &str, request_id: u128) -> OrderRequest {
    of(strategy, limit(request_id, OrderSide::Buy, 10, PRICE / 100 * 99))
}

/// Rests bids while it may; gives how many that were.
fn storm(gate: &mut Gate, strategy: &str, from: u128) -> usize {
    (from..from + 100).take_while(|id| place(gate, T0, &bid(strategy, *id)).is_ok()).count()
}

fn refused(gate: &mut Gate, request: &OrderRequest) -> String {
    gate.reserve(T0, request).unwrap_err().to_string()
}

#[test]
fn one_that_rests_orders_without_end_leaves_the_other_its_part() {
    let cases = [(counts(20, 100), "OPEN_ORDERS_LIMIT"), (counts(100, 20), "INSTRUMENT_ORDERS_LIMIT")];
    for (limits, code) in cases {
        let mut gate = of_two(limits.clone());
        assert_eq!(storm(&mut gate, "storm", 1_000), 15, "{code}");
        let limit = "limit 20 orders, 5 of them its own and 10 for all";
        let value = "value 16 of its own, 10 taken of those for all";
        assert_eq!(refused(&mut gate, &bid("storm", 1)), format!("{code}: {limit}, {value}"));
        let trades = |gate: &mut Gate, side, id| {
            let order = of("calm", limit_at_the_market(id, side));
            trade(gate, &order, PRICE);
        };
        for id in 100..120 {
            trades(&mut gate, if id % 2 == 0 { OrderSide::Buy } else { OrderSide::Sell }, id);
        }
        assert_eq!(storm(&mut gate, "calm", 2_000), 5, "{code}");
        let value = "value 6 of its own, 10 taken of those for all";
        assert_eq!(refused(&mut gate, &bid("calm", 2)), format!("{code}: {limit}, {value}"));
        // Whoever ends an order has its room again.
        let id = gate.open_orders_of(name("calm")).next().unwrap().client_order_id;
        gate.on_report(T0, &report(id, VenueOutcome::Cancelled { reason: String::new() })).unwrap();
        assert_eq!((storm(&mut gate, "storm", 3_000), storm(&mut gate, "calm", 4_000)), (0, 1), "{code}");
    }
}

fn limit_at_the_market(id: u128, side: OrderSide) -> OrderRequest {
    limit(id, side, 10, PRICE)
}

#[test]
fn parts_are_the_same_behind_a_restart_and_approvals_count_in_them() {
    let file = TempLog::new();
    let open = |limits| {
        let config = GateConfig { strategies: vec![name("storm"), name("calm")], ..file.config(limits) };
        let (mut gate, _) = Gate::open(config, T0).unwrap();
        gate.set_reconciling(false);
        quote(&mut gate, T0);
        gate
    };
    let mut gate = open(counts(20, 20));
    assert_eq!(storm(&mut gate, "storm", 1_000), 15);
    let approval = gate.reserve(T0, &bid("calm", 1)).unwrap();
    assert_eq!(storm(&mut gate, "calm", 2_000), 4);
    gate.release(T0, &approval, Rejection::new(RiskCode::Stopping, "")).unwrap();
    assert_eq!(storm(&mut gate, "calm", 3_000), 1);
    drop(gate);
    let mut gate = open(counts(20, 20));
    assert_eq!((storm(&mut gate, "storm", 4_000), storm(&mut gate, "calm", 5_000)), (0, 0));
    // Lowered, every part is smaller, and raised again as large as it was.
    gate.set_limits(counts(24, 24)).unwrap();
    assert_eq!((storm(&mut gate, "storm", 6_000), storm(&mut gate, "calm", 7_000)), (3, 1));
    gate.set_limits(counts(4, 4)).unwrap();
    assert_eq!((storm(&mut gate, "storm", 8_000), storm(&mut gate, "calm", 9_000)), (0, 0));
}

#[test]
fn what_only_reduces_is_not_refused_for_how_many_orders_rest() {
    for limits in [counts(20, 100), counts(100, 20)] {
        let mut gate = of_two(limits);
        trade(&mut gate, &of("storm", buy(1, 300)), PRICE);
        assert_eq!(storm(&mut gate, "storm", 1_000), 15);
        let close = |id, size| of("storm", sell(id, size));
        assert!(refused(&mut gate, &close(2, 301)).contains("ORDERS_LIMIT"), "it would turn the position");
        // No more of them than there is position: with what is open that way.
        place(&mut gate, T0, &close(3, 50)).unwrap();
        assert!(refused(&mut gate, &close(4, 251)).contains("ORDERS_LIMIT"));
        // And no more than twice the limit in all.
        let lots = (10..110).take_while(|id| place(&mut gate, T0, &close(*id, 10)).is_ok()).count();
        assert_eq!(lots, 40 - 15 - 1);
        assert!(refused(&mut gate, &close(5, 10)).contains("ORDERS_LIMIT"));
        assert_eq!(storm(&mut gate, "calm", 2_000), 5, "and the other has its part all the same");
    }
}

#[test]
fn one_that_has_nothing_open_may_always_close() {
    // More strategies than the limit counts: nobody has a part.
    let mut gate = of_two(counts(1, 1));
    trade(&mut gate, &of("calm", buy(1, 20)), PRICE);
    place(&mut gate, T0, &of("storm", limit(2, OrderSide::Sell, 40, PRICE * 11 / 10))).unwrap();
    assert!(refused(&mut gate, &of("calm", buy(3, 10))).starts_with("OPEN_ORDERS_LIMIT"));
    assert!(refused(&mut gate, &of("calm", sell(4, 21))).starts_with("OPEN_ORDERS_LIMIT"), "that would be more");
    place(&mut gate, T0, &of("calm", sell(5, 20))).unwrap();
    assert!(refused(&mut gate, &of("calm", sell(6, 20))).starts_with("OPEN_ORDERS_LIMIT"), "one, not two");
}

fn orphan(id: u128) -> Orphan {
    Orphan {
        client_order_id: ClientOrderId(id),
        venue_order_id: "v".into(),
        instrument: linear().id,
        side: OrderSide::Buy,
        order_type: OrderType::Limit,
        size: 10,
        price: PRICE,
    }
}

#[test]
fn adopted_orders_take_of_what_is_for_all() {
    let mut gate = of_two(counts(20, 20));
    for id in 0..12 {
        gate.adopt(T0, &orphan(10_000 + id)).unwrap();
    }
    assert_eq!((storm(&mut gate, "storm", 1_000), storm(&mut gate, "calm", 2_000)), (5, 5));
}

#[test]
fn a_minutes_limit_that_is_lowered_and_raised_lets_no_more_pass() {
    let mut gate = gate(RiskLimits { max_orders_per_minute: Some(100), ..RiskLimits::default() });
    let set = |gate: &mut Gate, now, value: &str| {
        let term = ("max_orders_per_minute".to_owned(), Some(value.to_owned()));
        gate.change_limits(now, "ops", &[term], true).unwrap();
    };
    let mut next = 0u128;
    let mut sent = |gate: &mut Gate, now: i64| {
        quote(gate, now);
        let mut passed = 0;
        while passed < 300 {
            next += 1;
            let Ok(approval) = gate.reserve(now, &buy(next, 10)) else { break };
            gate.release(now, &approval, Rejection::new(RiskCode::Stopping, "")).unwrap();
            passed += 1;
        }
        passed
    };
    assert_eq!(sent(&mut gate, T0), 100);
    set(&mut gate, T0 + SECOND, "1");
    set(&mut gate, T0 + 2 * SECOND, "100");
    assert_eq!(sent(&mut gate, T0 + 3 * SECOND), 0);
    assert_eq!(sent(&mut gate, T0 + 60 * SECOND), 100);
}

#[test]
fn the_cancel_of_an_adopted_order_takes_no_part_of_the_only_strategys_rate() {
    let limits = RiskLimits { max_orders_per_second: Some(20), ..RiskLimits::default() };
    let (mut gate, _) = Gate::open(GateConfig { strategies: vec![name("sma")], ..config(limits) }, T0).unwrap();
    gate.adopt(T0, &orphan(77)).unwrap();
    gate.cancel(T0, ClientOrderId(77)).unwrap();
    let now = T0 + 3_600 * SECOND;
    quote(&mut gate, now);
    assert_eq!((1..60).take_while(|id| place(&mut gate, now, &buy(*id, 10)).is_ok()).count(), 20);
}
