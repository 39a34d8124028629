//! Cancels that come before their orders, and those that come too late.

use super::super::early;
use super::*;
use crate::gate::{LogConfig, client_order_id};
use crate::risk::RiskCode;

/// Execution's step for a cancel.
fn cancel(bench: &mut Bench, client_order_id: ClientOrderId) {
    let cancel = CancelRequest { account: bench.desk.name, strategy: Name::intern(STRATEGY), client_order_id };
    let event = Event::new(EventType::CancelRequest, cancel.strategy, bench.now_ns, Payload::shared(cancel));
    assert_eq!(bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event), None, "no venue knows of it");
}

#[test]
fn a_cancel_that_overtakes_its_order_ends_it_before_it_leaves() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = crate::gate::client_order_id(Name::intern(ACCOUNT), request.request_id);
    let cancel = CancelRequest { account: Name::intern(ACCOUNT), strategy: request.strategy, client_order_id: id };
    let event = Event::new(EventType::CancelRequest, cancel.strategy, bench.now_ns, Payload::shared(cancel));
    bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event);
    let events = bench.submit(request);
    assert_eq!(types(&events), [EventType::OrderRejected]);
    assert_eq!(order_of(&events[0]).reason, "CANCELLED_EARLY");
    let request = bench.request(10);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted), "others are not held back");
}

#[test]
fn a_cancel_waits_a_minute_for_its_order_and_no_longer() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let (soon, late) = (bench.request(100), bench.request(100));
    for request in [&soon, &late] {
        let id = client_order_id(bench.desk.name, request.request_id);
        cancel(&mut bench, id);
    }
    assert_eq!(bench.desk.early_cancels.len(), 2);
    bench.now_ns += early::KEEP_NS - 1_000_000;
    bench.quote(6_000_000, 6_000_010);
    bench.submit(soon.clone());
    let id = |request: &OrderRequest| client_order_id(Name::intern(ACCOUNT), request.request_id);
    assert_eq!(bench.desk.gate.order(id(&soon)).unwrap().reason, "CANCELLED_EARLY");
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.early_cancels.len(), 0, "the market alone lets it be forgotten");
    bench.submit(late.clone());
    assert_eq!(bench.desk.gate.order(id(&late)).unwrap().status, OrderStatus::New);
}

#[test]
fn a_cancel_that_finds_no_room_to_wait_is_answered() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    for id in 0..u128::from(early::MOST) {
        cancel(&mut bench, ClientOrderId(id));
    }
    while let Some(event) = bench.router.mailbox(bench.all).pop() {
        assert_ne!(event.event_type, EventType::OrderCancelRejected, "there is room");
    }
    cancel(&mut bench, ClientOrderId(u128::MAX));
    let answer = bench.router.mailbox(bench.all).pop().unwrap();
    assert_eq!(answer.event_type, EventType::OrderCancelRejected);
    assert!(answer.payload.downcast::<payload::Notice>().unwrap().detail.starts_with("UNKNOWN_ORDER"));
    assert_eq!(bench.desk.early_cancels.len(), early::MOST as usize);
}

#[test]
fn ids_that_nobody_knows_leave_room_for_the_order_that_another_one_takes_back() {
    let storm = Name::intern("desk-storm");
    let mut config = config(paper(0), LogConfig::Memory, RiskLimits::default());
    config.strategies.push(storm);
    let (mut bench, _) = Bench::open(config, 1);
    bench.quote(6_000_000, 6_000_010);
    for id in 0..u128::from(early::MOST) {
        let cancel = CancelRequest { account: bench.desk.name, strategy: storm, client_order_id: ClientOrderId(id) };
        let event = Event::new(EventType::CancelRequest, storm, bench.now_ns, Payload::shared(cancel));
        bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event);
    }
    bench.settle(Event::new(EventType::Signal, storm, bench.now_ns, Payload::Empty));
    bench.now_ns += early::KEEP_NS / 2;
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = client_order_id(bench.desk.name, request.request_id);
    cancel(&mut bench, id);
    bench.submit(request);
    assert_eq!(bench.desk.gate.order(id).unwrap().reason, "CANCELLED_EARLY");
}

#[test]
fn a_cancel_that_cannot_be_taken_is_answered() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let signal = bench.signal(SignalType::Long);
    let id = order_of(&bench.settle(signal)[2]).client_order_id;
    let cancel =
        CancelRequest { account: Name::intern(ACCOUNT), strategy: Name::intern(STRATEGY), client_order_id: id };
    let event = Event::new(EventType::CancelRequest, cancel.strategy, bench.now_ns, Payload::shared(cancel));
    bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event);
    let answer = bench.router.mailbox(bench.all).pop().unwrap();
    assert_eq!(answer.event_type, EventType::OrderCancelRejected);
    assert!(answer.payload.downcast::<payload::Notice>().unwrap().detail.starts_with("ORDER_FINAL"));
}

#[test]
fn a_cancel_that_is_repeated_goes_to_the_venue_once_until_it_had_time_to_answer() {
    use crate::gate::CANCEL_ANSWER_NS;
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    let began = bench.desk.may_send(&mut bench.router, bench.now_ns, id);
    assert!(began, "the gateway has it");
    let ask = |bench: &mut Bench, now_ns: i64| {
        let request = CancelRequest { account: bench.desk.name, strategy: Name::intern(STRATEGY), client_order_id: id };
        let event = Event::new(EventType::CancelRequest, request.strategy, now_ns, Payload::shared(request));
        bench.desk.on_cancel_request(&mut bench.router, now_ns, &event)
    };
    let start = bench.now_ns;
    assert_eq!(ask(&mut bench, start), Some(id));
    for now_ns in [start, start + 1, start + CANCEL_ANSWER_NS - 1] {
        assert_eq!(ask(&mut bench, now_ns), None, "the first one is on its way");
    }
    assert_eq!(ask(&mut bench, start + CANCEL_ANSWER_NS), Some(id), "the venue is silent");
    assert_eq!(ask(&mut bench, start + CANCEL_ANSWER_NS + 1), None, "that one counts anew");
    assert_eq!(ask(&mut bench, start - 1), Some(id), "a clock that went back holds nothing up");
    let all = bench.desk.cancel_all(&mut bench.router, start, None);
    assert_eq!(all, [id], "an operator's goes at once");
}

#[test]
fn a_cancel_that_the_venue_refused_goes_again_a_second_behind_it() {
    use crate::gate::CANCEL_ANSWER_NS;
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let refuse = |bench: &mut Bench, now_ns: i64| {
        let outcome = VenueOutcome::CancelRejected { detail: "too many messages".to_owned() };
        let report = VenueReport { client_order_id: id, venue_order_id: "v".into(), outcome, ts_venue_ns: now_ns };
        assert!(bench.desk.on_report(&mut bench.router, now_ns, &report));
        assert_eq!(bench.desk.gate.cancels_pending(), 0);
    };
    // A strategy that cancels whenever it is told that a cancel was refused.
    let asks = |bench: &mut Bench, now_ns: i64| {
        while bench.router.mailbox(bench.all).pop().is_some() {}
        let request = CancelRequest { account: bench.desk.name, strategy: Name::intern(STRATEGY), client_order_id: id };
        let event = Event::new(EventType::CancelRequest, request.strategy, now_ns, Payload::shared(request));
        let outside = bench.desk.on_cancel_request(&mut bench.router, now_ns, &event);
        let told: Vec<String> = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop())
            .inspect(|told| assert_eq!(told.trace_id, event.trace_id, "in the trace of whoever asked"))
            .map(|told| why(&told))
            .collect();
        (outside, told)
    };
    let start = bench.now_ns;
    assert_eq!(asks(&mut bench, start), (Some(id), vec![]));
    assert_eq!(asks(&mut bench, start + 1), (None, vec![]), "one is on its way");
    refuse(&mut bench, start + 2);
    const TOO_SOON: &str = "CANCEL_RATE: limit 1 cancel of the order a second, value 2 cancels of the order a second";
    for now_ns in start + 2..start + 50 {
        assert_eq!(asks(&mut bench, now_ns), (None, vec![TOO_SOON.to_owned()]));
    }
    assert_eq!(bench.desk.tally.rejections["CANCEL_RATE"], 48);
    assert_eq!(bench.desk.gate.stats().cancels, 1, "the venue heard one");
    assert_eq!(asks(&mut bench, start + CANCEL_ANSWER_NS - 1).0, None);
    assert_eq!(asks(&mut bench, start + CANCEL_ANSWER_NS), (Some(id), vec![]), "and then it may be asked again");
    refuse(&mut bench, start + CANCEL_ANSWER_NS + 1);
    let all = bench.desk.cancel_all(&mut bench.router, start + CANCEL_ANSWER_NS + 2, None);
    assert_eq!(all, [id], "an operator's goes at once");
    refuse(&mut bench, start + CANCEL_ANSWER_NS + 3);
    let killed = bench.desk.kill(&mut bench.router, start + CANCEL_ANSWER_NS + 4, "test").unwrap();
    assert_eq!(killed, [id], "and so does the kill switch's");
}

#[test]
fn a_restart_does_not_forget_when_a_cancel_was_refused() {
    use crate::gate::{CANCEL_ANSWER_NS, CancelPause};
    let file = std::env::temp_dir().join(format!("libra-desk-cancels-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let open = |now_ns| {
        let log = LogConfig::File { path: file.clone(), sync: SyncPolicy::None };
        let (mut bench, _) = Bench::open(config(Link::External, log, RiskLimits::default()), now_ns);
        bench.desk.set_reconciled();
        bench
    };
    let mut bench = open(1);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let asked_ns = bench.now_ns;
    assert_eq!(bench.desk.gate.cancel_pause(asked_ns, id), None, "nobody has asked, however early the clock stands");
    bench.desk.cancel_all(&mut bench.router, asked_ns, None);
    let outcome = VenueOutcome::CancelRejected { detail: "busy".to_owned() };
    let report = VenueReport { client_order_id: id, venue_order_id: "v".into(), outcome, ts_venue_ns: asked_ns };
    assert!(bench.desk.on_report(&mut bench.router, asked_ns, &report));
    drop(bench);
    let bench = open(asked_ns + 1);
    assert_eq!(bench.desk.gate.cancel_pause(asked_ns + 1, id), Some(CancelPause::Refused));
    assert_eq!(bench.desk.gate.cancel_pause(asked_ns + CANCEL_ANSWER_NS, id), None);
    drop(bench);
    let _ = std::fs::remove_file(&file);
}

#[test]
fn a_storm_of_cancels_of_one_order_is_one_message() {
    let limits = RiskLimits { max_messages_per_second: Some(3), ..RiskLimits::default() };
    let (mut bench, _) = Bench::open(config(paper(1_000_000), LogConfig::Memory, limits), 1);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = client_order_id(Name::intern(ACCOUNT), request.request_id);
    bench.submit(request);
    for _ in 0..60 {
        cancel(&mut bench, id);
    }
    let another = bench.request(10);
    bench.desk.gate.reserve(bench.now_ns, &another).unwrap();
    let fourth = bench.request(10);
    assert_eq!(bench.desk.gate.reserve(bench.now_ns, &fourth).unwrap_err().code, RiskCode::MessageRate);
}

#[test]
fn every_strategy_of_the_desk_has_a_part_of_the_rates_from_the_start() {
    let limits = RiskLimits { max_orders_per_second: Some(8), ..RiskLimits::default() };
    let mut config = config(paper(0), LogConfig::Memory, limits);
    let calm = Name::intern("calm");
    config.strategies.push(calm);
    let (mut bench, _) = Bench::open(config, 1);
    bench.quote(6_000_000, 6_000_010);
    let taken = |bench: &mut Bench, strategy: Name| {
        let ask = |_: &usize| {
            let request = OrderRequest { strategy, ..bench.request(10) };
            bench.desk.gate.reserve(bench.now_ns, &request).is_ok()
        };
        (0..20).filter(ask).count()
    };
    assert_eq!(taken(&mut bench, Name::intern(STRATEGY)), 6, "its own two, and the four of all");
    assert_eq!(taken(&mut bench, calm), 2, "which nobody else could take");
}

fn stranger_asks(bench: &mut Bench, client_order_id: ClientOrderId) -> (Option<ClientOrderId>, Vec<Event>) {
    let cancel = CancelRequest { account: bench.desk.name, strategy: Name::intern("stranger"), client_order_id };
    let event = Event::new(EventType::CancelRequest, cancel.strategy, bench.now_ns, Payload::shared(cancel));
    let outside = bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event);
    let told: Vec<Event> = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop()).collect();
    assert!(told.iter().all(|told| told.trace_id == event.trace_id), "in the trace of whoever asked");
    (outside, told)
}

fn why(event: &Event) -> String {
    assert_eq!(event.event_type, EventType::OrderCancelRejected);
    event.payload.downcast::<payload::Notice>().unwrap().detail.clone()
}

const NOT_OWNER: &str = "NOT_OWNER: limit strategy desk-strategy, value strategy stranger";

#[test]
fn an_order_is_cancelled_by_its_own_strategy_and_by_the_account() {
    for link in [Link::External, paper(0)] {
        let mut bench = Bench::new(link);
        bench.quote(6_000_000, 6_000_010);
        let request = bench.request(10);
        let id = order_of(&bench.submit(request)[1]).client_order_id;
        let before = bench.desk.gate().order(id).unwrap().status;
        let (outside, told) = stranger_asks(&mut bench, id);
        assert_eq!((outside, told.iter().map(why).collect::<Vec<_>>()), (None, vec![NOT_OWNER.to_owned()]));
        assert_eq!(bench.desk.gate().order(id).unwrap().status, before);
        assert_eq!((bench.desk.gate().cancels_pending(), bench.desk.tally.rejections["NOT_OWNER"]), (0, 1));
        bench.desk.cancel_all(&mut bench.router, bench.now_ns, None);
        bench.desk.advance(&mut bench.router, bench.now_ns);
        assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::Cancelled, "an operator may");
    }
}

#[test]
fn a_cancel_that_comes_ahead_ends_an_order_of_its_strategy_only() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let (goes, ends) = (bench.request(100), bench.request(100));
    let id = |request: &OrderRequest| client_order_id(Name::intern(ACCOUNT), request.request_id);
    for request in [&goes, &ends] {
        assert_eq!(stranger_asks(&mut bench, id(request)).1.len(), 0, "nobody knows yet whose it will be");
    }
    cancel(&mut bench, id(&ends));
    let events = bench.submit(goes.clone());
    assert_eq!(bench.desk.gate.order(id(&goes)).unwrap().status, OrderStatus::New);
    let refused = events.iter().find(|event| event.event_type == EventType::OrderCancelRejected).unwrap();
    assert_eq!(why(refused), NOT_OWNER);
    bench.submit(ends.clone());
    assert_eq!(bench.desk.gate.order(id(&ends)).unwrap().reason, "CANCELLED_EARLY");
    assert_eq!(bench.desk.early_cancels.len(), 0);
}
