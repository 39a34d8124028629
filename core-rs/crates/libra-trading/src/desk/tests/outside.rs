//! Orders of a gateway outside, up to their last look.

use super::*;

#[test]
fn an_order_for_a_gateway_outside_may_be_sent_once() {
    let mut bench = Bench::new(Link::External);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let events = bench.submit(request);
    assert_eq!(types(&events), [EventType::OrderApproved, EventType::OrderNew]);
    let id = order_of(&events[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, id), "never twice");
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, id);
    assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::Submitted);
    assert_eq!(bench.desk.unanswered(), [id]);
}

#[test]
fn a_duplicate_at_the_venue_does_not_end_the_order() {
    let mut bench = Bench::new(Link::External);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    let outcome = VenueOutcome::Rejected { code: "DUPLICATE".into(), detail: String::new() };
    let report = VenueReport { client_order_id: id, venue_order_id: String::new(), outcome, ts_venue_ns: 5 };
    assert!(bench.desk.on_report(&mut bench.router, 5, &report));
    assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::New);
    assert_eq!(bench.desk.tally().errors, 1);
}

#[test]
fn an_order_that_waits_for_its_gateway_cannot_leave_once_the_venue_contradicts_the_account() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    let stranger = VenueReport {
        client_order_id: crate::order::ClientOrderId(5),
        venue_order_id: String::new(),
        outcome: VenueOutcome::Accepted,
        ts_venue_ns: bench.now_ns,
    };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &stranger));
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let order = bench.desk.gate().order(id).unwrap();
    assert_eq!((order.status, order.reason.as_str()), (OrderStatus::Rejected, "INCIDENT"));
}

/// An order that waits for its gateway's turn.
fn waiting(bench: &mut Bench, request: OrderRequest) -> ClientOrderId {
    let events = bench.submit(request);
    order_of(events.iter().find(|event| event.event_type == EventType::OrderNew).unwrap()).client_order_id
}

fn lower(bench: &mut Bench, key: &str, value: &str) {
    let term = (key.to_owned(), Some(value.to_owned()));
    bench.desk.change_limits(&mut bench.router, bench.now_ns, "ops", &[term], false).unwrap().unwrap();
}

fn leaves(bench: &mut Bench, id: ClientOrderId) -> Result<(), String> {
    let may = bench.desk.may_send(&mut bench.router, bench.now_ns, id);
    if may { Ok(()) } else { Err(bench.desk.gate().order(id).unwrap().reason.clone()) }
}

fn outside() -> Bench {
    let mut bench = Bench::new(Link::External);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    bench
}

#[test]
fn a_limit_lowered_while_an_order_waits_for_its_turn_holds_it_back() {
    // Of 0.1 BTC at 59,900, with the ask at 60,000.10 and an equity of 100,000: what is just enough, and what is not.
    let cases = [
        ("max_order_size", "0.1", "0.099", "ORDER_SIZE_LIMIT"),
        ("max_order_notional", "5990", "5989", "ORDER_NOTIONAL_LIMIT"),
        ("max_position", "0.1", "0.099", "POSITION_LIMIT"),
        ("max_position_notional", "5990", "5989", "POSITION_NOTIONAL_LIMIT"),
        ("max_gross_exposure", "6000.01", "6000", "GROSS_EXPOSURE_LIMIT"),
        ("max_net_exposure", "6000.01", "6000", "NET_EXPOSURE_LIMIT"),
        ("max_leverage", "0.0601", "0.06", "LEVERAGE_LIMIT"),
        ("max_concentration_pct", "6.01", "6", "CONCENTRATION_LIMIT"),
        ("price_collar_pct", "0.17", "0.16", "PRICE_COLLAR"),
    ];
    for (key, enough, too_little, code) in cases {
        // What an approval says of the same order, under the same limit.
        let mut bench = outside();
        lower(&mut bench, key, too_little);
        let request = bench.request(100);
        let refused = bench.submit(request);
        let expected = order_of(refused.last().unwrap()).clone();
        assert!(expected.detail.starts_with("limit ") && expected.detail.contains(", value "), "{}", expected.detail);
        let mut bench = outside();
        let request = bench.request(100);
        let id = waiting(&mut bench, request);
        lower(&mut bench, key, enough);
        assert_eq!(leaves(&mut bench, id), Ok(()), "{key}: the order counts once");
        let mut bench = outside();
        let request = bench.request(100);
        let id = waiting(&mut bench, request);
        lower(&mut bench, key, too_little);
        assert_eq!(leaves(&mut bench, id), Err(code.to_owned()), "{key}");
        let held_back = bench.desk.gate().order(id).unwrap();
        assert_eq!((&held_back.reason, &held_back.detail), (&expected.reason, &expected.detail), "{key}");
        assert_eq!(bench.desk.gate().reserved(btc().id), Some((0, 0)), "{key}");
    }
}

#[test]
fn of_orders_that_wait_as_many_leave_as_a_lowered_count_lets() {
    for key in ["max_open_orders", "max_orders_per_instrument"] {
        let mut bench = outside();
        let (first, second) = (bench.request(10), bench.request(10));
        let (first, second) = (waiting(&mut bench, first), waiting(&mut bench, second));
        lower(&mut bench, key, "1");
        assert!(leaves(&mut bench, first).is_err());
        assert_eq!(leaves(&mut bench, second), Ok(()));
    }
}

#[test]
fn a_rate_is_no_reason_to_hold_back_what_was_counted() {
    let mut bench = outside();
    let (first, second) = (bench.request(10), bench.request(10));
    let (first, second) = (waiting(&mut bench, first), waiting(&mut bench, second));
    lower(&mut bench, "max_orders_per_second", "1");
    assert_eq!((leaves(&mut bench, first), leaves(&mut bench, second)), (Ok(()), Ok(())));
}

#[test]
fn an_order_that_closes_leaves_behind_any_lowered_limit_of_what_is_held() {
    let mut bench = outside();
    let request = bench.request(100);
    let long = waiting(&mut bench, request);
    assert_eq!(leaves(&mut bench, long), Ok(()));
    bench.hear(&super::late::fill(long, 1, 100, 0, "USDT"));
    let request = OrderRequest { side: OrderSide::Sell, price: 6_000_000, ..bench.request(100) };
    let close = waiting(&mut bench, request);
    for (key, value) in [("max_position", "0.001"), ("max_position_notional", "1"), ("max_gross_exposure", "1")] {
        lower(&mut bench, key, value);
    }
    assert_eq!(leaves(&mut bench, close), Ok(()));
}
