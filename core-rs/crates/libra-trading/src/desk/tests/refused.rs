//! Who gave a signal, or asked for a cancel, that comes to nothing is told so by name.

use super::aside::all_of;
use super::*;
use crate::desk::payload::Notice;
use crate::order::CLOCK_IS_OFF_NS;

fn signal(bench: &mut Bench, change: impl FnOnce(&mut Signal)) -> Event {
    let event = bench.signal(SignalType::Long);
    let mut signal = event.payload.downcast::<Signal>().unwrap().clone();
    change(&mut signal);
    Event { payload: Payload::shared(signal), ..event }
}

/// The one refusal among what came of `event`: code and reason.
fn refusal(bench: &mut Bench, event: Event) -> (String, String) {
    let (trace, instrument) = (event.trace_id, event.payload.downcast::<Signal>().unwrap().instrument);
    let events = bench.settle(event);
    let [told] = &events[..] else { panic!("{:?}", types(&events)) };
    assert_eq!((told.event_type, told.trace_id), (EventType::OrderRequestRejected, trace));
    assert_eq!(told.instrument, instrument);
    let notice = told.payload.downcast::<Notice>().unwrap();
    assert_eq!((notice.account, notice.strategy), (Name::intern(ACCOUNT), Name::intern(STRATEGY)));
    (notice.code.clone(), notice.detail.clone())
}

#[test]
fn a_signal_behind_its_deadline_is_refused_aloud() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let (deadline, now) = (bench.now_ns - 1, bench.now_ns);
    let late = signal(&mut bench, |signal| signal.deadline_ns = deadline);
    let (code, why) = refusal(&mut bench, late);
    assert_eq!(code, "EXPIRED");
    assert_eq!(why, format!("a signal for {}: limit {deadline} ns, value {now} ns", btc().id));
    assert_eq!(bench.desk.portfolio().skipped().map(|(_, times)| times).sum::<u64>(), 1);
    assert!(bench.desk.tally.rejections.is_empty(), "no order was refused");
    assert_eq!(bench.desk.portfolio().pending(Name::intern(STRATEGY), btc().id), (0, 0));
}

/// The bridge marks what came from a node whose clock is too far off: there is no time that it could name.
#[test]
fn what_a_clock_that_is_off_asks_for_is_refused_with_words_of_clocks() {
    let words = "no deadline of its node counts: its clock is too far from that of the account's node, or not known";
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let off = signal(&mut bench, |signal| signal.deadline_ns = CLOCK_IS_OFF_NS);
    let (code, why) = refusal(&mut bench, off);
    assert_eq!((code.as_str(), why), ("EXPIRED", format!("a signal for {}: {words}", btc().id)));
    let request = OrderRequest { deadline_ns: CLOCK_IS_OFF_NS, ..bench.request(10) };
    let events = bench.submit(request);
    assert_eq!(types(&events), [EventType::OrderRejected]);
    let refused = order_of(&events[0]);
    assert_eq!((refused.reason.as_str(), refused.detail.as_str()), ("EXPIRED", words));
    assert_eq!(bench.desk.gate().reserved(btc().id), Some((0, 0)));
}

#[test]
fn a_signal_that_was_followed_in_time_is_not_late_when_it_comes_again() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let deadline = bench.now_ns;
    let event = signal(&mut bench, |signal| signal.deadline_ns = deadline);
    assert!(types(&bench.settle(event.clone())).contains(&EventType::OrderFilled));
    bench.now_ns += 1;
    let again = types(&bench.settle(event));
    assert!(!again.contains(&EventType::OrderRequestRejected), "{again:?}");
    assert_eq!(bench.desk.portfolio().skipped().count(), 0);
}

#[test]
fn a_signal_of_a_stopped_strategy_or_for_what_is_not_listed_is_refused_aloud() {
    let mut bench = Bench::new(paper(0));
    let unlisted = signal(&mut bench, |signal| signal.instrument = Name::intern("NIX/USDT@x"));
    let (code, why) = refusal(&mut bench, unlisted);
    assert_eq!((code.as_str(), why.as_str()), ("UNKNOWN_INSTRUMENT", "a signal for NIX/USDT@x: NIX/USDT@x"));
    bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Keep);
    let stopped = bench.signal(SignalType::Long);
    assert_eq!(refusal(&mut bench, stopped).0, "STRATEGY_STOPPED");
}

#[test]
fn a_refused_cancel_names_who_asked_and_where_the_venue_refuses_whose_order_it_is() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    let whose = |bench: &mut Bench| {
        let events = all_of(bench);
        let told = events.iter().find(|event| event.event_type == EventType::OrderCancelRejected).unwrap();
        told.payload.downcast::<Notice>().unwrap().strategy
    };
    let cancel = |bench: &mut Bench, strategy| {
        let request = CancelRequest { account: Name::intern(ACCOUNT), strategy, client_order_id: id };
        let event = Event::new(EventType::CancelRequest, strategy, bench.now_ns, Payload::shared(request));
        bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event)
    };
    let stranger = Name::intern("stranger");
    assert_eq!(cancel(&mut bench, stranger), None);
    assert_eq!(whose(&mut bench), stranger);
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    assert_eq!(cancel(&mut bench, Name::intern(STRATEGY)), Some(id));
    let outcome = VenueOutcome::CancelRejected { detail: "too late".to_owned() };
    let report = VenueReport { client_order_id: id, venue_order_id: "v".into(), outcome, ts_venue_ns: bench.now_ns };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
    assert_eq!(whose(&mut bench), Name::intern(STRATEGY));
}
