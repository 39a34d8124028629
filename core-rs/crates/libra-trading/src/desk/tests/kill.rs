//! The kill switch at each place where an order may wait, and an alarm that no loop has answered yet.

use std::path::PathBuf;

use super::*;
use crate::risk::RiskCode;

const KILLED: &str = "KILL_SWITCH";

/// A folder of its own for a log, gone when the test is over.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("libra-kill-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn log(&self) -> LogConfig {
        LogConfig::File { path: self.0.join("gate.log"), sync: SyncPolicy::None }
    }

    pub fn marker(&self) -> PathBuf {
        self.0.join("gate.log.killed")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn told(bench: &mut Bench) -> Vec<Event> {
    std::iter::from_fn(|| bench.router.mailbox(bench.all).pop()).collect()
}

/// Orders whose last word was a rejection by the kill switch.
fn refused(events: &[Event]) -> Vec<ClientOrderId> {
    let orders = events.iter().filter(|event| event.event_type == EventType::OrderRejected).map(order_of);
    orders.filter(|order| order.reason == KILLED).map(|order| order.client_order_id).collect()
}

fn asked(bench: &Bench, request: &OrderRequest) -> Event {
    Event::new(EventType::OrderRequest, request.strategy, bench.now_ns, Payload::shared(request.clone()))
}

fn approved(bench: &mut Bench, request: &OrderRequest) -> Event {
    let event = asked(bench, request);
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    let approved = told(bench).pop().unwrap();
    assert_eq!(approved.event_type, EventType::OrderApproved);
    approved
}

#[test]
fn an_alarm_alone_stops_the_gate_at_its_last_moment() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let event = approved(&mut bench, &request);
    let approval = &event.payload.downcast::<payload::Approved>().unwrap().approval;
    bench.desk.alarm().raise();
    // Not by way of the desk, which would latch the account first.
    let refusal = bench.desk.gate.spend(bench.now_ns, approval).unwrap_err();
    assert_eq!(refusal.code.as_str(), KILLED);
    let another = bench.request(10);
    assert_eq!(bench.desk.gate.reserve(bench.now_ns, &another).unwrap_err().code.as_str(), KILLED);
}

/// The command sends the signal, then asks: the latch tells of who asked, whichever of the two the loop sees first.
#[test]
fn a_kill_that_overtakes_its_own_signal_is_told_as_one() {
    let mut bench = Bench::new(paper(0));
    bench.desk.alarm().raise();
    bench.desk.kill(&mut bench.router, bench.now_ns, "libra kill-switch by ops").unwrap();
    bench.desk.heed_alarm(&mut bench.router, bench.now_ns);
    assert_eq!(bench.desk.gate().kill_reason(), Some("libra kill-switch by ops"));
    assert!(!bench.desk.alarm().is_raised());
}

#[test]
fn whatever_waits_when_the_alarm_is_raised_is_refused_and_told() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let resting = bench.request(10);
    let open = order_of(&bench.submit(resting)[1]).client_order_id;
    let (waiting_for_risk, waiting_for_execution) = (bench.request(10), bench.request(10));
    let event = approved(&mut bench, &waiting_for_execution);
    let signal = bench.signal(SignalType::Long);
    bench.desk.alarm().raise();

    let request = asked(&bench, &waiting_for_risk);
    bench.desk.on_request(&mut bench.router, bench.now_ns, &request);
    assert!(bench.desk.gate().is_killed(), "the first who comes by latches the account in its log");
    assert!(!bench.desk.alarm().is_raised());
    bench.desk.on_approved(&mut bench.router, bench.now_ns, &event);
    let mut events = told(&mut bench);
    events.extend(bench.settle(signal));
    let account = Name::intern(ACCOUNT);
    let id = |request: &OrderRequest| crate::gate::client_order_id(account, request.request_id);
    let refused = refused(&events);
    assert!(refused.contains(&id(&waiting_for_risk)) && refused.contains(&id(&waiting_for_execution)));
    assert_eq!(refused.len(), 3, "the signal's order, too");
    assert!(!types(&events).contains(&EventType::OrderNew));
    assert!(types(&events).contains(&EventType::CircuitBreaker));
    assert_eq!(bench.desk.gate().order(open).unwrap().status, OrderStatus::Cancelled);
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
}

#[test]
fn an_order_on_its_way_to_a_paper_venue_is_recalled() {
    let mut bench = Bench::new(paper(5_000_000));
    bench.quote(6_000_000, 6_000_010);
    let mut request = bench.request(10);
    (request.order_type, request.time_in_force, request.price) = (OrderType::Market, TimeInForce::Ioc, 0);
    let id = crate::gate::client_order_id(Name::intern(ACCOUNT), request.request_id);
    bench.submit(request);
    assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::Submitted);
    bench.desk.kill(&mut bench.router, bench.now_ns, "the test").unwrap();
    let events = told(&mut bench);
    assert_eq!(refused(&events), [id]);
    // Taken back before it is over: what was recalled must not arrive.
    bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
    bench.now_ns += 20_000_000;
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.gate().fills().len(), 0);
    assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::Rejected);
}

#[test]
fn a_paper_venue_takes_no_order_while_the_alarm_is_raised() {
    let link = paper(5_000_000);
    let Link::Paper(venue) = &link else { panic!("a paper venue") };
    let venue = Arc::clone(venue);
    let mut bench = Bench::new(link);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = crate::gate::client_order_id(Name::intern(ACCOUNT), request.request_id);
    bench.submit(request);
    // The loop hangs; the thread that feeds the venue goes on.
    bench.desk.alarm().raise();
    let mut reports = Vec::new();
    venue.lock().unwrap().advance(bench.now_ns + 10_000_000, &mut reports);
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!(report.client_order_id, id);
    assert!(matches!(&report.outcome, VenueOutcome::Rejected { code, .. } if code == KILLED), "{report:?}");
    assert!(venue.lock().unwrap().open_orders().is_empty());
}

#[test]
fn an_order_that_waits_to_be_sent_does_not_leave_behind_an_alarm() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = crate::gate::client_order_id(Name::intern(ACCOUNT), request.request_id);
    bench.submit(request);
    bench.desk.alarm().raise();
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    assert_eq!(refused(&told(&mut bench)), [id]);
    bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, id), "and never later");
}

#[test]
fn an_alarm_that_no_loop_answered_is_the_latch_of_the_next_process() {
    let folder = Folder::new("next-process");
    let config = || config(paper(0), folder.log(), RiskLimits::default());
    let (bench, _) = Bench::open(config(), 1);
    bench.desk.alarm().raise();
    bench.desk.alarm().mark().unwrap();
    drop(bench);
    assert!(folder.marker().exists());

    let (bench, recovered) = Bench::open(config(), 2);
    assert!(recovered.killed && bench.desk.gate().is_killed());
    assert!(bench.desk.gate().kill_reason().unwrap().contains("an earlier process"));
    assert_eq!(recovered.unconfirmed.len(), 1, "whoever listens learns of it");
    assert!(!folder.marker().exists(), "it stands in the log now");
    drop(bench);
    let (mut bench, recovered) = Bench::open(config(), 3);
    assert!(recovered.killed);
    bench.desk.resume(&mut bench.router, 4, "the test").unwrap();
    drop(bench);
    let (bench, recovered) = Bench::open(config(), 5);
    assert!(!recovered.killed && !bench.desk.gate().is_killed());
}

#[test]
fn an_alarm_whose_latch_the_log_does_not_take_stands_until_it_is_resumed() {
    let folder = Folder::new("log-fails");
    let (mut bench, _) = Bench::open(config(paper(0), folder.log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    bench.desk.alarm().raise();
    bench.desk.alarm().mark().unwrap();
    bench.desk.gate.break_log();
    bench.desk.heed_alarm(&mut bench.router, bench.now_ns);
    bench.desk.heed_alarm(&mut bench.router, bench.now_ns);
    assert!(bench.desk.gate().is_killed() && bench.desk.alarm().is_raised() && folder.marker().exists());
    assert_eq!(bench.desk.tally().errors, 1, "it is told once");
    assert!(bench.desk.resume(&mut bench.router, bench.now_ns, "the test").is_err());
    assert!(folder.marker().exists());
}

#[test]
fn a_marker_that_stays_keeps_the_account_stopped() {
    let folder = Folder::new("marker-stays");
    let (mut bench, _) = Bench::open(config(paper(0), folder.log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    std::fs::create_dir(folder.marker()).unwrap();
    bench.desk.alarm().raise();
    bench.desk.heed_alarm(&mut bench.router, bench.now_ns);
    assert!(bench.desk.tally().last_error.contains("marker"));
    bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
    let request = bench.request(10);
    let events = bench.submit(request);
    assert_eq!(refused(&events).len(), 1);
    std::fs::remove_dir(folder.marker()).unwrap();
    bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
    let request = bench.request(10);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted));
}

#[test]
fn who_resumes_has_seen_every_stop_that_came_and_the_log_has_each_reason_once() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let now_ns = bench.now_ns;
    bench.desk.kill(&mut bench.router, now_ns, "ops").unwrap();
    let mine = Name::intern("mine");
    let again: [fn(&mut Bench); 6] = [
        |bench| bench.desk.alarm().raise(),
        |bench| bench.desk.kill_for(&mut bench.router, bench.now_ns, Name::intern("mine"), bench.now_ns),
        |bench| bench.desk.kill_for(&mut bench.router, bench.now_ns, Name::intern("mine"), bench.now_ns),
        |bench| bench.desk.kill(&mut bench.router, bench.now_ns, "ops").map(drop).unwrap(),
        |bench| drop(bench.desk.abandon(&mut bench.router, bench.now_ns, "an actor failed")),
        |bench| drop(bench.desk.abandon(&mut bench.router, bench.now_ns, "an actor failed")),
    ];
    for stops in again {
        let seen = bench.desk.stops(&mut bench.router, now_ns);
        assert_eq!(bench.desk.stops(&mut bench.router, now_ns), seen, "to look changes nothing");
        stops(&mut bench);
        let resumed = bench.desk.resume_of(&mut bench.router, now_ns, "ops", Some(seen));
        assert!(matches!(resumed, Err(GateError::StoppedAgain)));
        assert!(bench.desk.gate().is_killed());
        assert!(bench.desk.stops(&mut bench.router, now_ns) > seen);
    }
    let reasons = format!("set by {mine}; before: set by a signal to the process; before: ops");
    assert_eq!(bench.desk.gate().kill_reason(), Some(reasons.as_str()));
    assert_eq!(types(&told(&mut bench)), [EventType::CircuitBreaker; 3], "one for each reason");
    for other in 0..100 {
        bench.desk.kill_for(&mut bench.router, now_ns, Name::intern(&format!("other-{other}")), now_ns);
    }
    assert_eq!(told(&mut bench).len(), 61, "and not without end");
    let seen = bench.desk.stops(&mut bench.router, now_ns);
    bench.desk.resume_of(&mut bench.router, now_ns, "ops", Some(seen)).unwrap();
    assert!(!bench.desk.gate().is_killed());
    assert_eq!(bench.desk.stops(&mut bench.router, now_ns), seen, "it only rises");
}

/// A write fails, and the disk is there again.
fn fail_the_log(bench: &mut Bench) {
    bench.desk.gate.break_log();
    assert!(bench.desk.gate.note(bench.now_ns, "a full disk").is_err());
    bench.desk.gate.mend_log();
}

#[test]
fn a_log_that_failed_behind_the_look_is_not_taken_back_and_is_one_stop() {
    let folder = Folder::new("fails-behind-the-look");
    let (mut bench, _) = Bench::open(config(paper(0), folder.log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    bench.desk.kill(&mut bench.router, bench.now_ns, "ops").unwrap();
    let seen = bench.desk.stops(&mut bench.router, bench.now_ns);
    fail_the_log(&mut bench);
    let resumed = bench.desk.resume_of(&mut bench.router, bench.now_ns, "ops", Some(seen));
    assert!(matches!(resumed, Err(GateError::StoppedAgain)));
    assert!(bench.desk.gate().log_failed() && bench.desk.gate().is_killed());
    let seen = bench.desk.stops(&mut bench.router, bench.now_ns);
    bench.desk.gate.break_log();
    assert!(bench.desk.flush().is_err() && bench.desk.gate.note(bench.now_ns, "still full").is_err());
    bench.desk.gate.mend_log();
    assert_eq!(bench.desk.stops(&mut bench.router, bench.now_ns), seen, "each try of a failed log is no stop anew");
    bench.desk.resume_of(&mut bench.router, bench.now_ns, "ops", Some(seen)).unwrap();
    assert!(!bench.desk.gate().log_failed() && !bench.desk.gate().is_killed());
    bench.desk.gate.break_log();
    assert!(bench.desk.flush().is_err());
    assert!(bench.desk.stops(&mut bench.router, bench.now_ns) > seen, "and the next one is");
}

#[test]
fn a_latch_is_explained_and_taken_back_in_the_log() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    bench.desk.alarm().raise();
    bench.desk.heed_alarm(&mut bench.router, bench.now_ns);
    let (router, now_ns) = (&mut bench.router, bench.now_ns);
    bench.desk.kill(router, now_ns, "ops: a fat finger").unwrap();
    bench.desk.kill(router, now_ns, "ops: a fat finger").unwrap();
    assert_eq!(bench.desk.gate().kill_reason(), Some("ops: a fat finger"));
    // The same once more, by the signal and the word that follows it.
    bench.desk.alarm().raise();
    bench.desk.heed_alarm(&mut bench.router, now_ns);
    bench.desk.kill(&mut bench.router, now_ns, "ops: a fat finger").unwrap();
    assert_eq!(bench.desk.gate().kill_reason(), Some("ops: a fat finger"));
    assert_eq!(bench.desk.gate().standstill().unwrap().code.as_str(), KILLED);
    bench.desk.resume(&mut bench.router, now_ns, "ops: all is well").unwrap();
    assert!(bench.desk.gate().standstill().is_none());
    let told = types(&told(&mut bench));
    assert_eq!(told[..4], [EventType::CircuitBreaker; 4]);
    assert_eq!(told[4..], [EventType::TradingResumed]);
}

#[test]
fn the_kill_switch_cancels_what_is_open_and_refuses_what_comes() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let events = bench.submit(request);
    assert_eq!(types(&events).last(), Some(&EventType::OrderAccepted));
    let outside = bench.desk.kill(&mut bench.router, bench.now_ns, "enough").unwrap();
    assert!(outside.is_empty(), "a paper venue cancels by itself");
    let request = bench.request(10);
    let events = bench.submit(request);
    assert!(types(&events).contains(&EventType::CircuitBreaker));
    assert!(types(&events).contains(&EventType::OrderCancelled));
    let rejected = events.iter().find(|event| event.event_type == EventType::OrderRejected).unwrap();
    assert_eq!(order_of(rejected).reason, "KILL_SWITCH");
    bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
    let request = bench.request(10);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted));
}

#[test]
fn the_kill_switch_holds_back_an_order_that_has_not_left() {
    let mut bench = Bench::new(Link::External);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    bench.desk.kill(&mut bench.router, bench.now_ns, "enough").unwrap();
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let order = bench.desk.gate().order(id).unwrap();
    assert_eq!((order.status, order.reason.as_str()), (OrderStatus::Rejected, "KILL_SWITCH"));
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
}

#[test]
fn an_approval_that_waits_cannot_leave_once_the_kill_switch_is_an_event() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let source = request.strategy;
    let event = Event::new(EventType::OrderRequest, source, bench.now_ns, Payload::shared(request));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    bench.desk.kill_for(&mut bench.router, bench.now_ns, source, bench.now_ns);
    let nothing = Event::new(EventType::Signal, source, bench.now_ns, Payload::Empty);
    let events = bench.settle(nothing);
    assert!(!types(&events).contains(&EventType::OrderNew), "{:?}", types(&events));
    let rejected = events.iter().find(|event| event.event_type == EventType::OrderRejected).unwrap();
    assert_eq!(order_of(rejected).reason, "KILL_SWITCH");
}

#[test]
fn a_kill_switch_that_comes_late_says_how_late_and_one_that_changes_nothing_counts() {
    let mut bench = Bench::new(paper(0));
    let (who, second) = (Name::intern("mine"), 1_000_000_000);
    for (late_s, told) in [
        (-5, ""),
        (0, ""),
        (9, ""),
        (10, ", 10 s before it came here"),
        (119, ", 119 s before it came here"),
        (120, ", 2 min before it came here"),
        (7_200, ", 2 h before it came here"),
        (172_800, ", 2 days before it came here"),
    ] {
        let (now_ns, stops) = (bench.now_ns, bench.desk.gate().stops());
        bench.desk.kill_for(&mut bench.router, now_ns, who, now_ns - late_s * second);
        assert_eq!(bench.desk.gate().kill_reason(), Some(format!("set by mine{told}").as_str()));
        bench.desk.kill_for(&mut bench.router, now_ns, who, now_ns - late_s * second);
        assert_eq!(bench.desk.gate().stops(), stops + 2, "one that changes nothing too");
        bench.desk.resume(&mut bench.router, now_ns, "the test").unwrap();
    }
}

#[test]
fn a_kill_switch_as_an_event_latches_though_the_log_does_not_take_it() {
    let folder = Folder::new("event-log-fails");
    let (mut bench, _) = Bench::open(config(paper(0), folder.log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    bench.desk.gate.break_log();
    for _ in 0..2 {
        bench.desk.kill_for(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), bench.now_ns);
    }
    assert!(bench.desk.gate().is_killed());
    assert_eq!(bench.desk.tally().errors, 1, "it is told once");
    let request = bench.request(10);
    assert_eq!(bench.desk.gate.reserve(bench.now_ns, &request).unwrap_err().code, RiskCode::LogFailed);
}

#[test]
fn a_fill_that_is_told_again_is_no_reason_to_cancel_sooner() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let filled = super::late::fill(id, 1, 4, 0, "USDT");
    bench.hear(&filled);
    bench.desk.kill(&mut bench.router, bench.now_ns, "enough").unwrap();
    let refused = VenueOutcome::CancelRejected { detail: "busy".into() };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &super::late::said(id, refused)));
    bench.now_ns += 6_000_000_000;
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &filled));
    assert_eq!(bench.desk.cancelling(), [], "what was known is known");
    bench.desk.advance(&mut bench.router, bench.now_ns);
    assert_eq!(bench.desk.cancelling(), [id], "the clock asks");
}

/// A request and its approval; the kill switch has been set and taken back since.
fn approved_before_the_latch() -> (Bench, OrderRequest, Event) {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let event = approved(&mut bench, &request);
    bench.desk.kill(&mut bench.router, bench.now_ns, "stop").unwrap();
    bench.desk.resume(&mut bench.router, bench.now_ns, "go on").unwrap();
    told(&mut bench);
    (bench, request, event)
}

#[test]
fn an_approval_given_before_the_kill_switch_does_not_leave_behind_a_resume() {
    let (mut bench, _, event) = approved_before_the_latch();
    bench.desk.on_approved(&mut bench.router, bench.now_ns, &event);
    let after = told(&mut bench);
    assert_eq!((types(&after), refused(&after).len()), (vec![EventType::OrderRejected], 1));
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
}

#[test]
fn a_request_that_comes_again_does_not_bring_an_approval_over_the_kill_switch() {
    let (mut bench, request, event) = approved_before_the_latch();
    let other = asked(&bench, &OrderRequest { size: 11, ..request.clone() });
    bench.desk.on_request(&mut bench.router, bench.now_ns, &other);
    assert_eq!(types(&told(&mut bench)), [EventType::OrderRequestRejected], "it is no outcome of the first one");
    let again = asked(&bench, &request);
    bench.desk.on_request(&mut bench.router, bench.now_ns, &again);
    assert_eq!(refused(&told(&mut bench)).len(), 1);
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
    bench.desk.on_approved(&mut bench.router, bench.now_ns, &event);
    assert_eq!(types(&told(&mut bench)), [], "what became of it was told");
}

#[test]
fn what_was_asked_for_before_a_resume_is_refused_and_what_is_asked_behind_it_leaves() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let publish = |bench: &mut Bench, event: Event| {
        assert!(bench.router.publish(event));
        told(bench).pop().unwrap()
    };
    let (before, during, behind) = (bench.request(10), bench.request(10), bench.request(10));
    let event = asked(&bench, &before);
    let before = publish(&mut bench, event);
    let event = bench.signal(SignalType::Long);
    let signal = publish(&mut bench, event);
    bench.desk.kill(&mut bench.router, bench.now_ns, "stop").unwrap();
    let event = asked(&bench, &during);
    let during = publish(&mut bench, event);
    bench.desk.resume(&mut bench.router, bench.now_ns, "go on").unwrap();
    told(&mut bench);
    for waiting in [before, during] {
        bench.desk.on_request(&mut bench.router, bench.now_ns, &waiting);
    }
    assert_eq!(refused(&told(&mut bench)).len(), 2);
    let events = bench.settle(signal);
    assert_eq!(
        (types(&events), refused(&events).len()),
        (vec![EventType::OrderRejected], 1),
        "its order, to who asked"
    );
    assert_eq!(bench.desk.portfolio().pending(Name::intern(STRATEGY), instrument().id), (0, 0));
    let event = asked(&bench, &behind);
    let behind = publish(&mut bench, event);
    bench.desk.on_request(&mut bench.router, bench.now_ns, &behind);
    assert_eq!(types(&told(&mut bench)), [EventType::OrderApproved]);
    // An operator resumes what no kill switch stopped: nobody takes back what waits.
    let event = bench.signal(SignalType::Long);
    let signal = publish(&mut bench, event);
    bench.desk.resume(&mut bench.router, bench.now_ns, "again").unwrap();
    assert!(types(&bench.settle(signal)).contains(&EventType::OrderNew));
}

/// "While it waits for its next start, requests wait with it, and are refused then."
#[test]
fn what_was_asked_for_while_nobody_looked_after_the_account_is_refused() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let publish = |bench: &mut Bench, event: Event| {
        assert!(bench.router.publish(event));
        told(bench).pop().unwrap()
    };
    // One approved before, a signal and a request of before, one of behind the failure.
    let event = asked(&bench, &bench.request(10));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    let approved = told(&mut bench).pop().unwrap();
    let event = bench.signal(SignalType::Long);
    let signal = publish(&mut bench, event);
    let event = asked(&bench, &bench.request(10));
    let before = publish(&mut bench, event);
    bench.desk.abandon(&mut bench.router, bench.now_ns, "its risk failed");
    let event = asked(&bench, &bench.request(10));
    let during = publish(&mut bench, event);
    bench.desk.resume(&mut bench.router, bench.now_ns, "ops").unwrap();
    bench.desk.attend(&bench.router);
    told(&mut bench);
    bench.desk.on_approved(&mut bench.router, bench.now_ns, &approved);
    for waiting in [before, during] {
        bench.desk.on_request(&mut bench.router, bench.now_ns, &waiting);
    }
    let mut events = told(&mut bench);
    events.extend(bench.settle(signal));
    let reasons: Vec<&str> = events.iter().map(|event| order_of(event).reason.as_str()).collect();
    assert_eq!(reasons, ["UNATTENDED"; 4], "each to who asked");
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
    assert_eq!(bench.desk.portfolio().pending(Name::intern(STRATEGY), instrument().id), (0, 0));
    // What is asked for behind it leaves; and who looks after an account that needs nobody takes nothing back.
    let event = asked(&bench, &bench.request(10));
    let behind = publish(&mut bench, event);
    bench.desk.attend(&bench.router);
    bench.desk.on_request(&mut bench.router, bench.now_ns, &behind);
    assert_eq!(types(&told(&mut bench)), [EventType::OrderApproved]);
}
