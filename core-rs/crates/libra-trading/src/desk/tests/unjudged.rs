//! Requests whose risk actor fails with them: each ends, once, and never behind an approval.

use super::*;

fn risk() -> Name {
    Name::intern(&format!("{ACCOUNT}.risk"))
}

/// The request that a signal makes, which waits for risk.
fn requested(bench: &mut Bench) -> Option<Event> {
    let signal = bench.signal(SignalType::Long);
    bench.desk.on_signal(&mut bench.router, bench.now_ns, &signal);
    bench.router.mailbox(bench.all).pop()
}

fn dies(bench: &mut Bench, actor: Name, event: &Event) -> Vec<Event> {
    bench.desk.on_dead_letter(&mut bench.router, bench.now_ns, actor, event);
    let nothing = Event::new(EventType::Signal, actor, bench.now_ns, Payload::Empty);
    bench.settle(nothing)
}

#[test]
fn a_request_that_dies_with_its_risk_handler_ends_once_and_holds_nothing() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = requested(&mut bench).unwrap();
    assert!(requested(&mut bench).is_none(), "what is on its way is enough");
    let told = dies(&mut bench, risk(), &request);
    assert_eq!(types(&told), [EventType::OrderRejected]);
    let order = order_of(&told[0]);
    assert_eq!((order.reason.as_str(), told[0].trace_id), ("RISK_FAILED", request.trace_id));
    assert!(bench.desk.gate().refused(order.client_order_id), "it stands in the log");
    assert_eq!(bench.desk.tally().rejections.get("RISK_FAILED"), Some(&1));
    assert_eq!(types(&dies(&mut bench, risk(), &request)), [], "once");
    // Should it come again, it is what it was.
    bench.desk.on_request(&mut bench.router, bench.now_ns, &request);
    let again = bench.router.mailbox(bench.all).pop().unwrap();
    assert_eq!((again.event_type, order_of(&again).reason.as_str()), (EventType::OrderRejected, "RISK_FAILED"));
    assert!(requested(&mut bench).is_some(), "its budget is free");
}

#[test]
fn a_request_whose_approval_has_gone_out_goes_on() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = requested(&mut bench).unwrap();
    bench.desk.on_request(&mut bench.router, bench.now_ns, &request);
    // The handler raises behind it.
    let events = dies(&mut bench, risk(), &request);
    assert!(types(&events).starts_with(&[EventType::OrderApproved, EventType::OrderNew]), "{:?}", types(&events));
    assert!(types(&events).contains(&EventType::OrderFilled) && !types(&events).contains(&EventType::OrderRejected));
    assert_eq!(types(&dies(&mut bench, risk(), &request)), [], "nor behind its order");
}

#[test]
fn whoever_else_fails_with_a_request_ends_nothing() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = requested(&mut bench).unwrap();
    let other = requested_elsewhere(&request);
    for (actor, event) in [(Name::intern(STRATEGY), &request), (risk(), &other)] {
        assert_eq!(types(&dies(&mut bench, actor, event)), []);
    }
    bench.desk.on_request(&mut bench.router, bench.now_ns, &request);
    assert_eq!(bench.router.mailbox(bench.all).pop().unwrap().event_type, EventType::OrderApproved);
}

/// The same of another account.
fn requested_elsewhere(request: &Event) -> Event {
    let mut asked = request.payload.downcast::<OrderRequest>().unwrap().clone();
    asked.account = Name::intern("elsewhere");
    Event::new(EventType::OrderRequest, asked.strategy, request.ts_ns, Payload::shared(asked))
}

#[test]
fn a_flattening_asks_again_when_risk_failed_with_its_order() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let signal = bench.signal(SignalType::Long);
    bench.settle(signal);
    bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Flatten);
    for _ in 0..9 {
        let request = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop())
            .find(|event| event.event_type == EventType::OrderRequest)
            .expect("it asks");
        dies(&mut bench, risk(), &request);
        bench.now_ns += 8_000_000_000;
        bench.quote(6_000_000, 6_000_010);
    }
    let nothing = Event::new(EventType::Signal, risk(), bench.now_ns, Payload::Empty);
    assert!(types(&bench.settle(nothing)).contains(&EventType::OrderFilled));
    let state: Vec<_> = bench.desk.vanished().flat_map(|(_, gone)| gone.flattening()).collect();
    assert_eq!(state, [(instrument().id, Flattening::Flat)]);
}
