//! Cancels that were on their way to a paper venue when the process died, and the venue with it.

use super::kill::Folder;
use super::*;
use crate::desk::control::Asker;

/// There, and back.
const WAY_NS: i64 = 5_000_000;

/// An account that died while the cancel of an order that works was on its way, and of one that had not arrived; the log's last
/// record before the next process.
fn died(folder: &Folder) -> (ClientOrderId, ClientOrderId, u64) {
    let (mut bench, _) = Bench::open(config(paper(WAY_NS), folder.log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    let works = ask(&mut bench, 10);
    (0..20).for_each(|_| bench.quote(6_000_000, 6_000_010));
    assert_eq!(status(&bench, works), OrderStatus::Accepted);
    let lost = ask(&mut bench, 11);
    for id in [works, lost] {
        assert_eq!(bench.desk.cancel(&mut bench.router, bench.now_ns, id, Asker::Strategy), None);
    }
    (works, lost, bench.desk.gate().sequence())
}

fn ask(bench: &mut Bench, size: i64) -> ClientOrderId {
    let request = bench.request(size);
    let events = bench.submit(request);
    order_of(events.iter().rfind(|event| event.event_type == EventType::OrderNew).unwrap()).client_order_id
}

fn again(folder: &Folder, link: Link) -> Bench {
    let (bench, recovered) = Bench::open(config(link, folder.log(), RiskLimits::default()), 1_000_000_000);
    assert_eq!(recovered.cancelling.len(), 2);
    bench
}

fn status(bench: &Bench, id: ClientOrderId) -> OrderStatus {
    bench.desk.gate().order(id).unwrap().status
}

/// Asks the venue, as execution does at its start, and lets its market go on.
fn go_on(bench: &mut Bench, seconds: i64, price: i64) -> Vec<Event> {
    let mut seen = Vec::new();
    for _ in 0..seconds {
        bench.now_ns += 1_000_000_000;
        bench.desk.reconcile_with_paper(&mut bench.router, bench.now_ns);
        bench.quote(price, price + 10);
        seen.extend(bench.settle(Event::new(EventType::Signal, Name::NONE, bench.now_ns, Payload::Empty)));
    }
    seen
}

#[test]
fn a_cancel_that_died_on_its_way_goes_again_once() {
    let folder = Folder::new("cancels-again");
    let (works, lost, before) = died(&folder);
    let mut bench = again(&folder, paper(WAY_NS));
    let opened = bench.desk.gate().sequence();
    assert_eq!(opened, before + 1, "no second intent: the epoch alone");
    assert_eq!(bench.desk.next_due_ns(), Some(1_000_000_000 + WAY_NS), "on its way");
    let told = types(&go_on(&mut bench, 30, 6_000_000));
    assert_eq!((status(&bench, works), status(&bench, lost)), (OrderStatus::Cancelled, OrderStatus::Rejected));
    assert_eq!(told.iter().filter(|told| **told == EventType::OrderCancelled).count(), 1);
    assert!(!told.contains(&EventType::OrderCancelRejected), "nor is the venue asked for what it never had");
    assert_eq!((bench.desk.cancels_under_way(), bench.desk.next_due_ns()), (0, None));
}

#[test]
fn a_venue_with_a_thread_of_its_own_is_asked_again_and_woken() {
    let folder = Folder::new("cancels-again-threaded");
    let (works, ..) = died(&folder);
    let paper = PaperConfig::new(Name::intern("paper"), Name::intern(ACCOUNT));
    let venue = Arc::new(Mutex::new(PaperVenue::new(paper, vec![btc()])));
    let mut bench = again(&folder, Link::Threaded(Arc::clone(&venue), std::thread::current()));
    assert!(venue.lock().unwrap().next_due_ns().is_some(), "on its way");
    // Nobody else wakes it.
    std::thread::park();
    let mut reports = Vec::new();
    venue.lock().unwrap().advance(bench.now_ns, &mut reports);
    assert_eq!(reports.len(), 1);
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &reports[0]));
    assert_eq!(status(&bench, works), OrderStatus::Cancelled);
}

/// Behind a passed loss limit a pending cancel is not asked for: this one used to be pending for ever.
#[test]
fn what_was_being_cancelled_does_not_fill_behind_a_loss_limit_that_is_passed_later() {
    let folder = Folder::new("cancels-again-breach");
    let (works, ..) = died(&folder);
    let mut bench = again(&folder, paper(WAY_NS));
    go_on(&mut bench, 30, 6_000_000);
    let mut request = bench.request(100);
    (request.price, request.order_type, request.time_in_force) = (0, OrderType::Market, TimeInForce::Ioc);
    bench.submit(request);
    go_on(&mut bench, 1, 6_000_000);
    let limits = RiskLimits { max_daily_loss: Some(1_000_000_000_000), ..RiskLimits::default() };
    bench.desk.gate.set_limits(limits).unwrap();
    go_on(&mut bench, 10, 5_995_000);
    assert!(!bench.desk.gate().breaches().is_empty());
    let before = bench.desk.gate().account().position(btc().id).unwrap().size;
    // The market comes to where it was.
    go_on(&mut bench, 5, 5_985_000);
    let behind = bench.desk.gate().account().position(btc().id).unwrap().size;
    assert_eq!((behind, status(&bench, works)), (before, OrderStatus::Cancelled));
}
