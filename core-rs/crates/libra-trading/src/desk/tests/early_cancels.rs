//! A cancel that comes to nothing is told to who asked for it, and to nobody else.

use super::super::early;
use super::aside::all_of;
use super::*;
use crate::gate::client_order_id;
use crate::risk::InstrumentLimits;

/// A bench, and the mailboxes of two strategies that hear of their own refused cancels.
fn two(limits: RiskLimits) -> (Bench, [Name; 2], [MailboxId; 2]) {
    let names = [STRATEGY, "desk-calm"].map(Name::intern);
    let mut config = config(Link::External, LogConfig::Memory, limits);
    config.strategies = names.to_vec();
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.gate.set_reconciling(false);
    bench.quote(6_000_000, 6_000_010);
    let boxes = names.map(|name| {
        let id = bench.router.add_mailbox(Capacity::Unbounded);
        bench.router.subscribe_own(id, EventType::OrderCancelRejected, Name::NONE, name);
        id
    });
    (bench, names, boxes)
}

fn ask(bench: &mut Bench, strategy: Name, client_order_id: ClientOrderId) -> Event {
    let cancel = CancelRequest { account: bench.desk.name, strategy, client_order_id };
    let event = Event::new(EventType::CancelRequest, strategy, bench.now_ns, Payload::shared(cancel));
    assert_eq!(bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event), None);
    event
}

/// What a mailbox was handed: whose each refusal is, of which order, and its code.
fn heard(bench: &mut Bench, id: MailboxId) -> Vec<(Name, String, String)> {
    let events = std::iter::from_fn(|| bench.router.mailbox(id).pop());
    let notices = events.map(|event| {
        let notice = event.payload.downcast::<payload::Notice>().unwrap();
        let (code, _) = notice.detail.split_once(':').unwrap();
        (notice.strategy, notice.code.clone(), code.to_owned())
    });
    notices.collect()
}

fn unknown(of: Name, id: u128) -> (Name, String, String) {
    (of, ClientOrderId(id).to_string(), "UNKNOWN_ORDER".to_owned())
}

#[test]
fn one_without_room_is_told_to_who_asked_alone_and_in_its_trace() {
    let (mut bench, [storm, calm], boxes) = two(RiskLimits::default());
    let mut room = 0;
    let refused = loop {
        let event = ask(&mut bench, storm, ClientOrderId(room));
        if let Some(told) = all_of(&mut bench).pop() {
            assert_eq!(told.trace_id, event.trace_id);
            break room;
        }
        room += 1;
    };
    assert_eq!(room, 7_500);
    assert_eq!(heard(&mut bench, boxes[0]), [unknown(storm, refused)]);
    assert_eq!(heard(&mut bench, boxes[1]), [], "who did not ask");
    ask(&mut bench, calm, ClientOrderId(refused));
    assert_eq!(bench.desk.early_cancels.len(), 7_501);
    assert_eq!(bench.desk.tally.rejections["UNKNOWN_ORDER"], 1);
}

#[test]
fn one_of_an_order_that_was_refused_is_told_also_where_the_log_has_its_code_alone() {
    let own = InstrumentLimits { max_order_size: Some(1), ..Default::default() };
    let (mut bench, [mine, _], boxes) = two(RiskLimits { default: own, ..RiskLimits::default() });
    let ids: Vec<ClientOrderId> = (0..60)
        .map(|_| {
            let request = bench.request(10);
            let id = client_order_id(bench.desk.name, request.request_id);
            bench.submit(request);
            id
        })
        .collect();
    assert!(bench.desk.gate.order(ids[0]).is_some() && bench.desk.gate.order(ids[59]).is_none());
    for id in [ids[0], ids[59]] {
        ask(&mut bench, mine, id);
        assert_eq!(heard(&mut bench, boxes[0]), [(mine, id.to_string(), "ORDER_FINAL".to_owned())]);
    }
    assert_eq!(heard(&mut bench, boxes[1]), []);
}

#[test]
fn one_whose_order_does_not_come_is_told_when_its_minute_is_over() {
    let (mut bench, [mine, calm], boxes) = two(RiskLimits::default());
    ask(&mut bench, mine, ClientOrderId(1));
    bench.now_ns += 1_000_000;
    ask(&mut bench, calm, ClientOrderId(2));
    let last_ns = bench.now_ns - 1_000_000 + early::KEEP_NS;
    assert_eq!(bench.desk.next_due_ns(), Some(last_ns + 1), "also where no market moves");
    bench.desk.advance(&mut bench.router, last_ns);
    assert_eq!(heard(&mut bench, boxes[0]), [], "to the end of its time");
    bench.desk.advance(&mut bench.router, last_ns + 1);
    assert_eq!((heard(&mut bench, boxes[0]), heard(&mut bench, boxes[1])), (vec![unknown(mine, 1)], vec![]));
    bench.now_ns = last_ns + 1_000_001;
    ask(&mut bench, mine, ClientOrderId(3));
    assert_eq!(heard(&mut bench, boxes[1]), [unknown(calm, 2)], "whoever asks for the next one lets it go, too");
    assert_eq!(bench.desk.early_cancels.len(), 1);
}

#[test]
fn a_storm_that_nobody_knows_is_told_a_part_at_a_time_and_whole() {
    let (mut bench, [storm, _], boxes) = two(RiskLimits::default());
    (0..1_000).for_each(|id| drop(ask(&mut bench, storm, ClientOrderId(id))));
    let over_ns = bench.now_ns + early::KEEP_NS + 1;
    let mut told = Vec::new();
    while bench.desk.next_due_ns().is_some_and(|due_ns| due_ns <= over_ns) {
        bench.desk.advance(&mut bench.router, over_ns);
        let more = heard(&mut bench, boxes[0]);
        assert!((1..=256).contains(&more.len()), "{} at once", more.len());
        told.extend(more);
    }
    assert_eq!(told, (0..1_000).map(|id| unknown(storm, id)).collect::<Vec<_>>());
    assert_eq!(bench.desk.early_cancels.len(), 0);
}

#[test]
fn those_of_an_order_that_risk_refuses_wait_no_more() {
    let own = InstrumentLimits { max_order_size: Some(1), ..Default::default() };
    let (mut bench, [mine, stranger], boxes) = two(RiskLimits { default: own, ..RiskLimits::default() });
    let request = bench.request(10);
    let id = client_order_id(bench.desk.name, request.request_id);
    ask(&mut bench, mine, id);
    ask(&mut bench, stranger, id);
    assert_eq!(bench.desk.early_cancels.len(), 2);
    let events = bench.submit(request);
    assert_eq!(types(&events), [EventType::OrderRejected, EventType::OrderCancelRejected]);
    assert_eq!(order_of(&events[0]).reason, "ORDER_SIZE_LIMIT");
    assert_eq!(bench.desk.early_cancels.len(), 0, "their room is free");
    assert_eq!(heard(&mut bench, boxes[0]), [], "the end of the order is its answer");
    assert_eq!(heard(&mut bench, boxes[1]), [(stranger, id.to_string(), "NOT_OWNER".to_owned())]);
}

#[test]
fn one_of_an_approval_that_lapses_waits_no_more() {
    let (mut bench, [mine, _], boxes) = two(RiskLimits::default());
    let mut request = bench.request(100);
    request.deadline_ns = bench.now_ns + 5_000_000_000;
    let id = client_order_id(bench.desk.name, request.request_id);
    let event = Event::new(EventType::OrderRequest, mine, bench.now_ns, Payload::shared(request));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    assert_eq!(types(&all_of(&mut bench)), [EventType::OrderApproved]);
    ask(&mut bench, mine, id);
    bench.now_ns += 10_000_000_000;
    bench.desk.advance(&mut bench.router, bench.now_ns);
    let ended = all_of(&mut bench);
    assert_eq!((types(&ended), bench.desk.early_cancels.len()), (vec![EventType::OrderRejected], 0));
    assert_eq!(heard(&mut bench, boxes[0]), []);
}
