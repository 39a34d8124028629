//! Requests that ask for something else under an id that is known.

use super::*;
use crate::gate::client_order_id;
use crate::portfolio::{Leg, request_id};

/// Everything that is published, but for steps between actors.
fn facts(events: &[Event]) -> Vec<EventType> {
    let steps = [EventType::OrderRequest, EventType::OrderApproved];
    types(events).into_iter().filter(|event_type| !steps.contains(event_type)).collect()
}

#[test]
fn a_request_for_something_else_under_a_known_id_leaves_the_first_one_alone() {
    use EventType as E;
    // The first one waits between risk and execution, is an order, is executed: whenever the second one comes.
    for handled in 0..3 {
        let mut bench = Bench::new(paper(0));
        bench.quote(6_000_000, 6_000_010);
        let signal = bench.signal(SignalType::Long);
        bench.desk.on_signal(&mut bench.router, bench.now_ns, &signal);
        let asked = bench.router.mailbox(bench.all).pop().unwrap();
        let first = asked.payload.downcast::<OrderRequest>().unwrap().clone();
        let (strategy, id) = (first.strategy, client_order_id(bench.desk.name, first.request_id));
        let nothing = || Event::new(E::Signal, strategy, 0, Payload::Empty);
        bench.desk.on_request(&mut bench.router, bench.now_ns, &asked);
        if handled > 0 {
            let approved = bench.router.mailbox(bench.all).pop().unwrap();
            bench.desk.on_approved(&mut bench.router, bench.now_ns, &approved);
        }
        if handled > 1 {
            bench.settle(nothing());
        }
        let second = OrderRequest { size: first.size * 2, ..first.clone() };
        let again = Event::new(E::OrderRequest, strategy, bench.now_ns, Payload::shared(second.clone()));
        bench.desk.on_request(&mut bench.router, bench.now_ns, &again);
        let events = bench.settle(nothing());
        assert_eq!(facts(&events).iter().filter(|told| **told == E::OrderRequestRejected).count(), 1);
        assert!(!facts(&events).contains(&E::OrderRejected), "no end of the first one");
        let told = events.iter().find(|event| event.event_type == E::OrderRequestRejected).unwrap();
        assert_eq!((told.trace_id, told.instrument), (again.trace_id, btc().id), "whoever asked finds it by its trace");
        let notice = told.payload.downcast::<payload::Notice>().unwrap();
        assert_eq!((notice.code.as_str(), notice.detail.contains(&id.to_string())), ("REQUEST_CONFLICT", true));
        assert_eq!(bench.desk.tally.rejections["REQUEST_CONFLICT"], 1);
        // The first one came to its end, in the gate as in the portfolio, and in its own trace.
        let order = bench.desk.gate.order(id).unwrap();
        assert_eq!((order.status, order.filled, &order.request), (OrderStatus::Filled, first.size, &first));
        assert_eq!(bench.desk.portfolio.position(strategy, btc().id), first.size.into());
        assert_eq!(bench.desk.portfolio.pending(strategy, btc().id), (0, 0));
        let mut states = events.iter().filter(|event| event.payload.downcast::<Order>().is_some());
        assert!(states.all(|event| event.trace_id == signal.trace_id));
    }
}

#[test]
fn a_signals_request_under_a_refused_id_is_not_on_its_way() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let signal = bench.signal(SignalType::Long);
    let id = signal.payload.downcast::<Signal>().unwrap().id;
    let first = OrderRequest { request_id: request_id(id, btc().id, Leg::Open), ..bench.request(0) };
    let event = Event::new(EventType::OrderRequest, first.strategy, bench.now_ns, Payload::shared(first));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    // As of a refusal that is too old to be told again: the portfolio does not know of it.
    let refused = bench.router.mailbox(bench.all).pop().unwrap();
    assert_eq!(refused.event_type, EventType::OrderRejected);
    let events = bench.settle(signal);
    assert_eq!(types(&events), [EventType::OrderRequest, EventType::OrderRequestRejected]);
    assert_eq!(bench.desk.portfolio.pending(Name::intern(STRATEGY), btc().id), (0, 0));
}
