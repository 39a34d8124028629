//! An order that is over here and works at its venue is cancelled there, again and again, until it is gone.

use super::late::{nothing, said};
use super::*;
use crate::gate::IncidentCode;

const SECOND: i64 = 1_000_000_000;

/// A desk with a log of its own, and an order that its venue rejected and then accepted.
fn contradicted(file: &std::path::Path) -> (Bench, ClientOrderId, Vec<Event>) {
    let log = LogConfig::File { path: file.to_owned(), sync: SyncPolicy::None };
    let (mut bench, _) = Bench::open(config(Link::External, log, RiskLimits::default()), 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.hear(&said(id, VenueOutcome::Rejected { code: "-1".into(), detail: "no".into() }));
    assert_eq!(bench.desk.cancelling(), []);
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &said(id, VenueOutcome::Accepted)));
    assert_eq!(bench.desk.cancelling(), [id], "when its event is handled, the gateway is asked");
    assert_eq!(bench.desk.cancels_under_way(), 1);
    let nothing = nothing(&bench);
    let events = bench.settle(nothing);
    (bench, id, events)
}

#[test]
fn what_works_behind_its_end_is_told_and_cancelled_until_it_is_gone() {
    let file = std::env::temp_dir().join(format!("libra-desk-stray-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let (mut bench, id, events) = contradicted(&file);
    assert_eq!(types(&events), [EventType::RiskLimitBreach]);
    let notice = events[0].payload.downcast::<payload::Notice>().unwrap();
    assert_eq!(notice.code, IncidentCode::AcceptedAfterEnd.as_str());
    assert_eq!(notice.detail, format!("{id}: the venue works on an order that is Rejected here (-1); it is cancelled"));
    assert_eq!(bench.desk.cancelling(), [id]);
    let request = bench.request(10);
    assert_eq!(order_of(&bench.submit(request)[0]).reason, "INCIDENT", "no new order leaves");

    // The venue refuses the cancel: it is asked again, five seconds later.
    bench.hear(&said(id, VenueOutcome::CancelRejected { detail: "busy".into() }));
    assert_eq!(bench.desk.cancelling(), []);
    let again_ns = bench.now_ns + 5 * SECOND;
    assert_eq!(bench.desk.next_due_ns(), Some(again_ns));
    bench.desk.advance(&mut bench.router, again_ns - 1);
    assert_eq!(bench.desk.cancelling(), []);
    bench.desk.advance(&mut bench.router, again_ns);
    assert_eq!(bench.desk.cancelling(), [id]);
    drop(bench);

    // The next process goes on with it, and an operator's resume does not end it.
    let log = LogConfig::File { path: file.clone(), sync: SyncPolicy::None };
    let (mut bench, _) = Bench::open(config(Link::External, log, RiskLimits::default()), again_ns);
    assert_eq!(bench.desk.cancelling(), [id]);
    bench.desk.resume(&mut bench.router, again_ns, "looked at it").unwrap();
    assert_eq!(bench.desk.cancelling(), [id]);
    bench.hear(&said(id, VenueOutcome::Cancelled { reason: "REQUESTED".into() }));
    assert_eq!((bench.desk.cancelling(), bench.desk.next_due_ns()), (vec![], None));
    assert_eq!(bench.desk.cancels_under_way(), 0);
    drop(bench);
    let _ = std::fs::remove_file(&file);
}

#[test]
fn what_was_executed_as_a_whole_behind_its_end_does_not_work_there() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.hear(&said(id, VenueOutcome::Rejected { code: "-1".into(), detail: "no".into() }));
    bench.hear(&super::late::fill(id, 1, 10, 0, "USDT"));
    // Heard late: were it taken for one that works, no word of the venue would ever end it.
    bench.hear(&said(id, VenueOutcome::Accepted));
    assert_eq!((bench.desk.cancelling(), bench.desk.next_due_ns()), (vec![], None));
    assert_eq!(bench.desk.cancels_under_way(), 0);
}
