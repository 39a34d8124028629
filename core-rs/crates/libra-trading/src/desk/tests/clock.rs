//! Whose time is it, and what is known of today: market events of other clocks, and signals before the first quotes.

use super::*;

const DAY_NS: i64 = 86_400_000_000_000;
const UNIT: i128 = 1_000_000_000_000;

fn quote_at(ts_ns: i64, bid: i64) -> Event {
    let quote = Quote { bid, ask: bid + 10, bid_size: 5_000, ask_size: 5_000, ..Quote::default() };
    let source = Name::intern("market");
    Event::market(EventType::Quote, source, btc().id, (2, 3), ts_ns, Payload::Quote(quote))
}

#[test]
fn a_market_event_dated_tomorrow_begins_no_day() {
    let limits = RiskLimits { max_daily_loss: Some(50 * UNIT), ..RiskLimits::default() };
    let (mut bench, _) = Bench::open(config(paper(0), LogConfig::Memory, limits), 1);
    bench.quote(6_000_000, 6_000_010);
    let signal = bench.signal(SignalType::Long);
    bench.settle(signal);
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.gate().account().position(btc().id).unwrap().size, 83);
    bench.quote(5_900_000, 5_900_010);
    assert_eq!(bench.desk.gate().breaches().len(), 1);
    let now_ns = bench.now_ns;
    bench.desk.on_market(&mut bench.router, now_ns, &quote_at(now_ns + DAY_NS, 5_900_000));
    assert_eq!(bench.desk.gate().breaches().len(), 1, "the day is the account's, not the quote's");
    bench.desk.on_market(&mut bench.router, now_ns + DAY_NS, &quote_at(now_ns, 5_900_000));
    assert!(bench.desk.gate().breaches().is_empty());
}

#[test]
fn a_market_event_dated_tomorrow_lets_no_approval_lapse() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let strategy = request.strategy;
    let asked = Event::new(EventType::OrderRequest, strategy, bench.now_ns, Payload::shared(request));
    let (now_ns, router) = (bench.now_ns, &mut bench.router);
    bench.desk.on_request(router, now_ns, &asked);
    bench.desk.on_market(router, now_ns, &quote_at(now_ns + DAY_NS, 6_000_000));
    assert_eq!((bench.desk.gate().outstanding(), bench.desk.gate().stats().lapsed), (1, 0));
    bench.desk.on_market(router, now_ns + DAY_NS, &quote_at(now_ns, 6_000_000));
    assert_eq!((bench.desk.gate().outstanding(), bench.desk.gate().stats().lapsed), (0, 1));
}

/// What the venue of a bench has to do next, and what it says of the only order.
fn venue_of(bench: &Bench, id: ClientOrderId) -> (Option<i64>, VenueReport) {
    let Link::Paper(venue) = &bench.desk.link else { panic!("a paper account") };
    let venue = venue.lock().unwrap();
    (venue.next_due_ns(), venue.query(id).pop().unwrap())
}

#[test]
fn a_market_event_of_another_clock_moves_the_paper_venues_by_nothing() {
    const LATENCY_NS: i64 = 1_000_000_000;
    for dated in [DAY_NS, i64::MAX / 2, -DAY_NS] {
        let mut bench = Bench::new(paper(LATENCY_NS));
        bench.now_ns = 10 * DAY_NS;
        bench.quote(6_000_000, 6_000_010);
        let request = OrderRequest { price: 6_000_010, ..bench.request(10) };
        let id = order_of(&bench.submit(request)[1]).client_order_id;
        let sent_ns = bench.now_ns;
        assert_eq!(venue_of(&bench, id).0, Some(sent_ns + LATENCY_NS));
        // Dated tomorrow, in some hundred years, or yesterday: for all that, it comes half a second after the order went.
        let half_ns = sent_ns + LATENCY_NS / 2;
        bench.desk.on_market(&mut bench.router, half_ns, &quote_at(sent_ns + dated, 6_000_000));
        let (due_ns, told) = venue_of(&bench, id);
        assert_eq!(due_ns, Some(sent_ns + LATENCY_NS), "the order is on its way");
        assert_eq!((told.outcome, told.ts_venue_ns), (VenueOutcome::NotFound, half_ns), "dated {dated} from now");
        // It arrives in its time, and fills at once.
        let there_ns = sent_ns + LATENCY_NS + 1;
        bench.desk.on_market(&mut bench.router, there_ns, &quote_at(sent_ns - dated, 6_000_000));
        let (due_ns, told) = venue_of(&bench, id);
        assert!(matches!(told.outcome, VenueOutcome::Filled { .. }), "{told:?}");
        assert_eq!((told.ts_venue_ns, due_ns), (sent_ns + LATENCY_NS, Some(sent_ns + 2 * LATENCY_NS)));
        bench.desk.advance(&mut bench.router, sent_ns + 2 * LATENCY_NS);
        assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::Filled);
    }
}

#[test]
fn before_the_first_quotes_no_size_is_taken_from_an_equity_that_nobody_knows() {
    let file = std::env::temp_dir().join(format!("libra-desk-clock-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let eth = Instrument { id: Name::intern("ETH/USDT:USDT.binance"), base: Name::intern("ETH"), ..btc() };
    let open = |now_ns| {
        let log = LogConfig::File { path: file.clone(), sync: SyncPolicy::None };
        let mut config = config(paper(0), log, RiskLimits::default());
        config.link = Link::External;
        config.gate.instruments.push(eth.clone());
        config.portfolio.sizing = Sizing::PercentEquity(1_000);
        let (mut bench, _) = Bench::open(config, now_ns);
        bench.desk.set_reconciled();
        bench
    };
    let mut bench = open(1);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(100);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let (fee_currency, liquidity) = (Name::intern("USDT"), crate::order::Liquidity::Taker);
    let outcome = VenueOutcome::Filled { trade_id: 1, price: 6_000_000, size: 100, fee: 0, fee_currency, liquidity };
    let report = VenueReport { client_order_id: id, venue_order_id: "v".into(), outcome, ts_venue_ns: bench.now_ns };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
    let now_ns = bench.now_ns;
    drop(bench);

    let mut bench = open(now_ns);
    bench.now_ns = now_ns;
    let on_eth = |bench: &mut Bench| {
        let quote = Event { instrument: eth.id, ..quote_at(bench.now_ns, 300_000) };
        bench.desk.on_market(&mut bench.router, bench.now_ns, &quote);
        let mut signal = bench.signal(SignalType::Long);
        let mut of_eth = signal.payload.downcast::<Signal>().unwrap().clone();
        of_eth.instrument = eth.id;
        signal.payload = Payload::shared(of_eth);
        let (now_ns, router) = (bench.now_ns, &mut bench.router);
        bench.desk.on_signal(router, now_ns, &signal);
        let events = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop());
        events.filter(|event| event.event_type == EventType::OrderRequest).count()
    };
    assert_eq!(on_eth(&mut bench), 0);
    let noted = |bench: &mut Bench| {
        bench.desk.note_equity(bench.now_ns);
        bench.desk.equity_curve().iter().filter(|point| point.currency.as_str() == "USDT").count()
    };
    assert_eq!(noted(&mut bench), 0, "nor is it drawn");
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(noted(&mut bench), 1);
    assert_eq!(on_eth(&mut bench), 1);
    drop(bench);
    let _ = std::fs::remove_file(&file);
}
