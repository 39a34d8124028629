//! Cancels while the log takes nothing: each leaves, the log gets it later, and a process that dies before asks.

use super::kill::Folder;
use super::*;
use crate::risk::RiskCode;

/// An account with a gateway outside: an order that works there, and one that has not left.
fn broken(folder: &Folder) -> (Bench, ClientOrderId, ClientOrderId) {
    let (mut bench, _) = Bench::open(config(Link::External, folder.log(), RiskLimits::default()), 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let [works, waits] = [(); 2].map(|()| {
        let request = bench.request(10);
        order_of(&bench.submit(request)[1]).client_order_id
    });
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, works));
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, works);
    says(&mut bench, works, VenueOutcome::Accepted);
    bench.desk.gate.break_log();
    (bench, works, waits)
}

fn says(bench: &mut Bench, id: ClientOrderId, outcome: VenueOutcome) -> bool {
    let report = VenueReport { client_order_id: id, venue_order_id: "v".into(), outcome, ts_venue_ns: bench.now_ns };
    bench.desk.on_report(&mut bench.router, bench.now_ns, &report)
}

fn told(bench: &mut Bench) -> Vec<EventType> {
    std::iter::from_fn(|| bench.router.mailbox(bench.all).pop()).map(|event| event.event_type).collect()
}

fn status(bench: &Bench, id: ClientOrderId) -> (OrderStatus, String) {
    let order = bench.desk.gate().order(id).unwrap();
    (order.status, order.reason.clone())
}

#[test]
fn a_kill_cancels_what_is_open_and_the_log_gets_it_later() {
    let folder = Folder::new("owed-kill");
    let (mut bench, works, waits) = broken(&folder);
    told(&mut bench);
    let killed = bench.desk.kill(&mut bench.router, bench.now_ns, "enough");
    assert!(killed.is_err(), "whoever asked learns that the log has not taken it");
    assert_eq!(bench.desk.cancelling(), [works], "it goes to the venue all the same");
    assert!(told(&mut bench).contains(&EventType::CircuitBreaker), "and everyone learns of the latch");
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, waits), "nor does the other one leave");
    assert_eq!(bench.desk.gate().owed(), 3, "the latch and two cancels");
    assert!(bench.desk.tally().last_error.contains("log") && folder.marker().exists());
    // The venue is faster than the disk: its word is not taken in, and not lost, since it is asked again.
    assert!(!says(&mut bench, works, VenueOutcome::Cancelled { reason: "REQUESTED".into() }));
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.gate().owed(), 3);
    assert_eq!(status(&bench, works).0, OrderStatus::Accepted);

    bench.desk.gate.mend_log();
    bench.quote(6_000_000, 6_000_010);
    assert_eq!((bench.desk.gate().owed(), bench.desk.unbooked.len()), (0, 0));
    assert!(!bench.desk.alarm().is_raised() && !folder.marker().exists(), "the log speaks for itself");
    assert_eq!(status(&bench, waits), (OrderStatus::Rejected, "KILL_SWITCH".into()));
    let digest = bench.desk.gate().state_digest();
    drop(bench);
    let (bench, recovered) = Bench::open(config(Link::External, folder.log(), RiskLimits::default()), 9);
    assert_eq!((recovered.killed, recovered.cancelling), (true, vec![works]));
    assert_eq!(bench.desk.gate().state_digest(), digest);
}

#[test]
fn what_is_owed_comes_before_what_the_venue_says() {
    let folder = Folder::new("owed-order");
    let (mut bench, works, waits) = broken(&folder);
    assert_eq!(bench.desk.cancel_all(&mut bench.router, bench.now_ns, None), [works]);
    bench.desk.gate.mend_log();
    // The next record is the venue's; the cancel that it answers has to stand before it.
    assert!(says(&mut bench, works, VenueOutcome::Cancelled { reason: "REQUESTED".into() }));
    assert_eq!(bench.desk.gate().owed(), 0);
    let digest = bench.desk.gate().state_digest();
    drop(bench);
    let (bench, recovered) = Bench::open(config(Link::External, folder.log(), RiskLimits::default()), 9);
    assert_eq!(recovered.cancelling, [waits], "the other one was answered");
    assert_eq!(status(&bench, works).0, OrderStatus::Cancelled);
    assert_eq!(bench.desk.gate().state_digest(), digest);
}

#[test]
fn a_strategys_cancel_leaves_once_and_the_next_process_asks() {
    let folder = Folder::new("owed-death");
    let (mut bench, works, _) = broken(&folder);
    let cancel = CancelRequest { account: bench.desk.name, strategy: Name::intern(STRATEGY), client_order_id: works };
    let event = Event::new(EventType::CancelRequest, cancel.strategy, bench.now_ns, Payload::shared(cancel));
    assert_eq!(bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event), Some(works));
    assert!(!told(&mut bench).contains(&EventType::OrderCancelRejected));
    // Asked for again, later, it is heard again, and owed once.
    let later = bench.now_ns + crate::gate::CANCEL_ANSWER_NS;
    assert_eq!(bench.desk.on_cancel_request(&mut bench.router, later, &event), Some(works));
    assert_eq!((bench.desk.gate().owed(), bench.desk.gate().stats().cancels), (1, 1));
    let another = bench.request(10);
    assert_eq!(bench.desk.gate.reserve(bench.now_ns, &another).unwrap_err().code, RiskCode::LogFailed);
    drop(bench);
    let (mut bench, recovered) = Bench::open(config(Link::External, folder.log(), RiskLimits::default()), 9);
    assert!(recovered.cancelling.is_empty() && bench.desk.gate().is_reconciling());
    assert_eq!(recovered.open.iter().map(|order| order.client_order_id).collect::<Vec<_>>(), [works]);
    // It is asked about, and never sent again.
    assert!(!bench.desk.may_send(&mut bench.router, 9, works));
    assert!(says(&mut bench, works, VenueOutcome::Cancelled { reason: "REQUESTED".into() }));
    assert_eq!(status(&bench, works).0, OrderStatus::Cancelled);
}

#[test]
fn a_paper_venue_is_told_and_its_word_is_booked_later() {
    let folder = Folder::new("owed-paper");
    let (mut bench, _) = Bench::open(config(paper(0), folder.log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let open = order_of(&bench.submit(request)[1]).client_order_id;
    bench.desk.gate.break_log();
    assert!(bench.desk.kill(&mut bench.router, bench.now_ns, "enough").is_err());
    // Through its price: had it not been cancelled, it would be filled.
    bench.quote(5_980_000, 5_980_010);
    assert_eq!(bench.desk.unbooked.len(), 1);
    bench.desk.gate.mend_log();
    bench.quote(5_980_000, 5_980_010);
    assert_eq!(status(&bench, open).0, OrderStatus::Cancelled);
    assert!(bench.desk.gate().fills().is_empty() && bench.desk.gate().is_killed());
}

#[test]
fn a_latch_that_the_log_never_took_is_the_next_processs() {
    let folder = Folder::new("owed-latch");
    let (mut bench, works, _) = broken(&folder);
    bench.desk.kill_for(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), bench.now_ns);
    // A signal changes nothing, nor does one more, which is no reason of its own: what the log lacks, the marker says.
    for _ in 0..2 {
        bench.desk.alarm().raise();
        bench.desk.heed_alarm(&mut bench.router, bench.now_ns);
        assert!(folder.marker().exists());
    }
    assert!(bench.desk.kill(&mut bench.router, bench.now_ns, "again").is_err(), "nor does it take another reason");
    assert!(bench.desk.cancelling().contains(&works));
    assert!(folder.marker().exists());
    drop(bench);
    let (bench, recovered) = Bench::open(config(Link::External, folder.log(), RiskLimits::default()), 9);
    assert!(recovered.killed && bench.desk.gate().is_killed());
    assert!(!folder.marker().exists(), "it stands in the log now");
}

#[test]
fn a_latch_that_neither_the_log_nor_a_marker_takes_is_told_and_holds() {
    let folder = Folder::new("owed-nowhere");
    let (mut bench, works, _) = broken(&folder);
    // A directory in the marker's place: it cannot be opened for writing.
    std::fs::create_dir(folder.marker()).unwrap();
    assert!(bench.desk.kill(&mut bench.router, bench.now_ns, "enough").is_err());
    assert!(bench.desk.gate().is_killed());
    assert_eq!(bench.desk.cancelling(), [works]);
    let told = &bench.desk.tally().last_error;
    assert!(told.starts_with("neither the log nor a marker beside it takes the kill latch: "), "{told}");
}
