//! A log that takes nothing any more, while the market and the strategies go on.

use super::kill::Folder;
use super::*;
use crate::gate::GateError;

fn broken(folder: &Folder) -> (Bench, ClientOrderId) {
    let (mut bench, _) = Bench::open(config(paper(0), folder.log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let open = order_of(&bench.submit(request)[1]).client_order_id;
    assert_eq!(bench.desk.gate().order(open).unwrap().status, OrderStatus::Accepted);
    bench.desk.gate.break_log();
    (bench, open)
}

#[test]
fn a_fill_that_the_log_does_not_take_is_kept_and_stops_new_orders() {
    let folder = Folder::new("fill-not-taken");
    let (mut bench, open) = broken(&folder);
    // Through the limit price: the venue fills the order, and will not say so again.
    bench.quote(5_980_000, 5_980_010);
    assert_eq!(bench.desk.unbooked.len(), 1);
    assert_eq!(bench.desk.unbooked[0].client_order_id, open);
    assert!(bench.desk.gate().is_reconciling() && bench.desk.gate().fills().is_empty());
    let errors = bench.desk.tally().errors;
    bench.quote(5_980_000, 5_980_010);
    assert_eq!(bench.desk.unbooked.len(), 1, "tried again, and kept again");
    assert!(bench.desk.tally().errors > errors);
    assert!(!bench.desk.reconcile_with_paper(&mut bench.router, bench.now_ns));
}

/// The log takes nothing for a moment, and meanwhile an order is in flight to a paper venue: a resume opens the account.
#[test]
fn an_order_in_flight_behind_a_full_disk_does_not_shut_the_account() {
    let folder = Folder::new("in-flight");
    let (mut bench, _) = Bench::open(config(paper(10_000_000), folder.log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    let first = bench.request(10);
    bench.submit(first);
    bench.now_ns += 15_000_000;
    let second = bench.request(10);
    bench.submit(second);
    bench.desk.gate.break_log();
    // The first one's answer is here, the second one's is not.
    bench.now_ns += 6_000_000;
    bench.desk.advance(&mut bench.router, bench.now_ns);
    assert!(bench.desk.gate.log_failed() && bench.desk.gate.is_reconciling());
    bench.desk.gate.mend_log();
    bench.now_ns += 1_000_000;
    bench.desk.advance(&mut bench.router, bench.now_ns);
    assert_eq!((bench.desk.unbooked.len(), bench.desk.unanswered().len()), (0, 1));
    bench.desk.resume(&mut bench.router, bench.now_ns, "ops").unwrap();
    assert_eq!(bench.desk.gate().standstill().unwrap().code.as_str(), "RECONCILING", "the second one's fate is open");
    bench.now_ns += 100_000_000;
    bench.desk.advance(&mut bench.router, bench.now_ns);
    assert_eq!(bench.desk.unanswered(), []);
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.gate().standstill(), None);
    // What begins to reconcile for another reason is not ended by this one.
    bench.desk.begin_reconciling();
    bench.quote(6_000_000, 6_000_010);
    assert!(bench.desk.gate().is_reconciling());
}

#[test]
fn a_request_that_the_log_does_not_take_is_refused_and_told() {
    let folder = Folder::new("request-not-taken");
    let (mut bench, _) = broken(&folder);
    let held = bench.desk.gate().reserved(btc().id);
    for _ in 0..2 {
        let request = OrderRequest { size: 0, ..bench.request(10) };
        let events = bench.submit(request.clone());
        assert_eq!(types(&events), [EventType::OrderRejected]);
        let told = order_of(&events[0]);
        assert_eq!((told.status, told.reason.as_str(), &told.request), (OrderStatus::Rejected, "LOG_FAILED", &request));
        assert_eq!((told.filled, told.ts_ns), (0, bench.now_ns));
    }
    let request = bench.request(10);
    assert_eq!(order_of(&bench.submit(request)[0]).reason, "LOG_FAILED");
    assert_eq!(bench.desk.gate().reserved(btc().id), held, "and holds nothing");
    assert_eq!(bench.desk.tally.rejections["LOG_FAILED"], 3);
    assert!(bench.desk.causes.len() <= 1, "of the one that is open");
}

#[test]
fn what_the_log_does_not_take_is_not_confirmed_and_each_time_a_fault() {
    let folder = Folder::new("not-confirmed");
    let (mut bench, open) = broken(&folder);
    bench.desk.confirm();
    assert_eq!(bench.desk.tally().errors, 1);
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, ClientOrderId(7));
    assert_eq!(bench.desk.tally().errors, 2, "of an order that nobody knows");
    assert!(matches!(bench.desk.flush(), Err(GateError::Log(_))));
    drop(bench);
    let (bench, recovered) = Bench::open(config(paper(0), folder.log(), RiskLimits::default()), 2);
    assert!(!recovered.unconfirmed.is_empty(), "so it is published again");
    assert_eq!(bench.desk.gate().order(open).unwrap().status, OrderStatus::Accepted);
}

#[test]
fn an_operators_change_of_limits_is_published_and_holds() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let lower = [("max_order_size".to_owned(), Some("0.005".to_owned()))];
    let change = |bench: &mut Bench| {
        bench.desk.change_limits(&mut bench.router, bench.now_ns, "ops", &lower, false).unwrap().map(|it| it.version)
    };
    assert_eq!((change(&mut bench), change(&mut bench)), (Some(2), None));
    let told = bench.router.mailbox(bench.all).pop().unwrap();
    assert_eq!(told.event_type, EventType::RiskLimitsChanged);
    let notice = told.payload.downcast::<payload::Notice>().unwrap();
    assert_eq!((notice.code.as_str(), notice.detail.contains("ops")), ("LIMITS_CHANGED", true));
    let request = bench.request(10);
    assert_eq!(order_of(&bench.submit(request)[0]).reason, "ORDER_SIZE_LIMIT");
    assert!(bench.desk.change_limits(&mut bench.router, bench.now_ns, "ops", &[], false).unwrap().is_none());
}
