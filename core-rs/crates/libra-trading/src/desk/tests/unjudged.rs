//! Requests whose risk actor fails with them: each ends, once, and never behind an approval. Cancels whose execution actor
//! fails with them: each is refused aloud, once, unless it has left.

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
    let state = flattenings(&bench);
    assert_eq!(state, [(instrument().id, Flattening::Flat)]);
}

/// An account with an order that has left, resting or without an answer yet.
fn with_an_order(link: Link) -> (Bench, ClientOrderId) {
    let mut bench = Bench::new(link);
    bench.quote(6_000_000, 6_000_010);
    let mut request = bench.request(10);
    (request.order_type, request.price) = (OrderType::Limit, 5_900_000);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    (bench, id)
}

/// A cancel of it, which waits for execution.
fn asked_to_cancel(bench: &mut Bench, client_order_id: ClientOrderId) -> Event {
    let cancel = CancelRequest { account: bench.desk.name, strategy: Name::intern(STRATEGY), client_order_id };
    Event::new(EventType::CancelRequest, cancel.strategy, bench.now_ns, Payload::shared(cancel))
}

#[test]
fn a_cancel_that_dies_with_its_execution_handler_is_refused_aloud_and_may_be_asked_again() {
    let (mut bench, resting) = with_an_order(paper(0));
    let execution = Name::intern(&format!("{ACCOUNT}.execution"));
    let cancel = asked_to_cancel(&mut bench, resting);
    assert_eq!(types(&dies(&mut bench, risk(), &cancel)), [], "it is execution's");
    let told = dies(&mut bench, execution, &cancel);
    assert_eq!(types(&told), [EventType::OrderCancelRejected]);
    let notice = told[0].payload.downcast::<payload::Notice>().unwrap();
    assert_eq!((notice.code.as_str(), told[0].trace_id), (resting.to_string().as_str(), cancel.trace_id));
    assert!(notice.detail.starts_with("EXECUTION_FAILED"), "{}", notice.detail);
    assert_eq!(bench.desk.tally().rejections.get("EXECUTION_FAILED"), Some(&1));
    bench.router.publish(cancel.clone());
    let nothing = Event::new(EventType::Signal, risk(), bench.now_ns, Payload::Empty);
    assert!(types(&bench.settle(nothing)).contains(&EventType::OrderCancelled), "asked again it goes");
    // The handler raised behind it.
    assert_eq!(types(&dies(&mut bench, execution, &cancel)), [], "it is over");
}

#[test]
fn a_cancel_that_has_left_is_not_refused_when_its_handler_fails_behind_it() {
    let (mut bench, resting) = with_an_order(Link::External);
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, resting));
    let execution = Name::intern(&format!("{ACCOUNT}.execution"));
    let cancel = asked_to_cancel(&mut bench, resting);
    let outside = bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &cancel);
    assert_eq!(outside, Some(resting));
    while bench.router.mailbox(bench.all).pop().is_some() {}
    assert_eq!(types(&dies(&mut bench, execution, &cancel)), [], "the venue has been asked");
}
