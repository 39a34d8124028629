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
