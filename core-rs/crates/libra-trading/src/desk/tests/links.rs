//! A desk and its venue: one that a native thread feeds, one that the desk itself feeds, one outside.

use super::*;
use libra_kernel::clock::monotonic_ns;
use libra_kernel::event::Bar;

fn shared(bench: &Bench) -> Arc<Mutex<PaperVenue>> {
    let (Link::Paper(venue) | Link::Threaded(venue, _)) = &bench.desk.link else { panic!("a paper account") };
    Arc::clone(venue)
}

#[test]
fn a_venue_with_a_thread_of_its_own_is_woken_and_answers_by_itself() {
    let account = Name::intern(ACCOUNT);
    let config = PaperConfig::new(Name::intern("paper"), account);
    let venue = Arc::new(Mutex::new(PaperVenue::new(config, vec![btc()])));
    let mut bench = Bench::new(Link::Threaded(venue, std::thread::current()));
    assert_eq!(bench.desk.name(), account);
    bench.quote(6_000_000, 6_000_010);
    // The market, too, comes to it by its thread.
    let quote = Quote { bid: 6_000_000, ask: 6_000_010, bid_size: 1, ask_size: 1, ..Quote::default() };
    let source = Name::intern("market");
    let event = Event::market(EventType::Quote, source, btc().id, (2, 3), bench.now_ns, Payload::Quote(quote));
    shared(&bench).lock().unwrap().on_market(bench.now_ns, &event);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    // Without a word of the desk this would wait for ever.
    std::thread::park();
    assert_eq!(
        bench.desk.gate().order(id).unwrap().status,
        OrderStatus::Submitted,
        "the venue's answer comes by an edge"
    );
    assert_eq!(bench.desk.next_due_ns(), None, "nor does the desk let its time pass");
    let heard = |bench: &mut Bench| {
        let mut reports = Vec::new();
        shared(bench).lock().unwrap().advance(bench.now_ns, &mut reports);
        let mut outcomes = Vec::new();
        for report in reports {
            assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
            outcomes.push(report.outcome);
        }
        outcomes
    };
    assert_eq!(heard(&mut bench), [VenueOutcome::Accepted]);
    assert!(bench.desk.cancel_all(&mut bench.router, bench.now_ns, None).is_empty(), "nobody outside has to cancel");
    std::thread::park();
    assert!(matches!(heard(&mut bench)[..], [VenueOutcome::Cancelled { .. }]));
    assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::Cancelled);
}

#[test]
fn a_desk_that_feeds_its_venue_knows_when_that_has_something_to_say() {
    let mut bench = Bench::new(paper(5));
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.next_due_ns(), None);
    let request = bench.request(10);
    bench.submit(request);
    assert_eq!(bench.desk.next_due_ns(), Some(bench.now_ns + 5));
}

#[test]
fn a_gateway_outside_is_not_asked_by_the_desk() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    let before = bench.desk.gate().stats();
    assert!(!bench.desk.reconcile_with_paper(&mut bench.router, bench.now_ns), "what it holds nobody has said");
    assert_eq!((bench.desk.gate().stats(), bench.desk.unanswered()), (before, vec![id]));
}

#[test]
fn a_market_event_that_is_neither_quote_nor_trade_lets_time_pass_all_the_same() {
    let mut bench = Bench::new(paper(5));
    bench.quote(6_000_000, 6_000_010);
    let market = bench.desk.gate().market(btc().id);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    bench.now_ns += 10;
    let payload = Payload::Bar(Bar::default());
    let bar = Event::market(EventType::Bar, Name::intern("market"), btc().id, (2, 3), bench.now_ns, payload);
    bench.desk.on_market(&mut bench.router, bench.now_ns, &bar);
    assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::Accepted);
    assert_eq!(bench.desk.gate().market(btc().id), market);
}

#[test]
fn from_the_market_event_to_the_order_that_left_is_measured() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    bench.submit(request.clone());
    assert_eq!(bench.desk.latency().count(), 0, "nothing caused it");
    let origin = OrderRequest { ts_origin_ns: bench.now_ns - 7_000, ..bench.request(10) };
    bench.submit(origin);
    let latency = bench.desk.latency();
    assert_eq!((latency.count(), latency.max_ns()), (1, Some(7_000)), "by the clock of the quote");
    // In a simulated step time stands still: the handlers' own time counts.
    bench.desk.set_input(monotonic_ns());
    let origin = OrderRequest { ts_origin_ns: 1, ..bench.request(10) };
    bench.submit(origin);
    assert_eq!(bench.desk.latency().count(), 2);
    assert!(bench.desk.latency().quantile_ns(1.0).unwrap() < bench.now_ns as u64 * 1_000_000_000);
}
