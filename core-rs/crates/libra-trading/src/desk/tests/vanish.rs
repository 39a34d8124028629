//! What a strategy that is no more leaves behind, under each policy, beside another one that trades on unharmed.

use super::*;

const OTHER: &str = "desk-other";

fn strategy() -> Name {
    Name::intern(STRATEGY)
}

fn other() -> Name {
    Name::intern(OTHER)
}

/// A market order of a strategy, filled at once.
pub(super) fn trade(bench: &mut Bench, strategy: Name, side: OrderSide, size: i64) {
    let mut request = bench.request(size);
    (request.strategy, request.side, request.price) = (strategy, side, 0);
    (request.order_type, request.time_in_force) = (OrderType::Market, TimeInForce::Ioc);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderFilled));
}

fn rest(bench: &mut Bench, strategy: Name) -> ClientOrderId {
    let mut request = bench.request(10);
    request.strategy = strategy;
    let events = bench.submit(request);
    assert!(types(&events).contains(&EventType::OrderAccepted));
    order_of(&events[1]).client_order_id
}

fn vanish(bench: &mut Bench, policy: OnVanish) -> Vec<Event> {
    let outside = bench.desk.vanish(&mut bench.router, bench.now_ns, strategy(), policy);
    assert_eq!(outside, [], "a paper venue cancels by itself");
    go_on(bench)
}

/// Everything that follows, over a few seconds of quotes.
fn go_on(bench: &mut Bench) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in 0..8 {
        bench.now_ns += 1_000_000_000;
        bench.quote(6_000_000, 6_000_010);
        let nothing = Event::new(EventType::Signal, strategy(), bench.now_ns, Payload::Empty);
        events.extend(bench.settle(nothing));
    }
    events
}

fn net(bench: &Bench, strategy: Name) -> i64 {
    let fills = bench.desk.gate().fills().iter().filter(|fill| fill.strategy == strategy);
    fills.map(|fill| fill.size * fill.side.sign()).sum()
}

fn position(bench: &Bench) -> i64 {
    bench.desk.gate().account().position(instrument().id).map_or(0, |position| position.size)
}

fn state(bench: &Bench) -> Vec<(Name, Flattening)> {
    flattenings(bench)
}

fn status(bench: &Bench, id: ClientOrderId) -> OrderStatus {
    bench.desk.gate().order(id).unwrap().status
}

fn bench(limits: RiskLimits) -> Bench {
    let mut config = config(paper(0), LogConfig::Memory, limits);
    config.strategies.push(other());
    let (mut bench, _) = Bench::open(config, 1);
    bench.quote(6_000_000, 6_000_010);
    bench
}

#[test]
fn keep_leaves_its_orders_and_lets_nothing_more_leave() {
    let mut bench = bench(RiskLimits::default());
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    let (mine, others) = (rest(&mut bench, strategy()), rest(&mut bench, other()));
    vanish(&mut bench, OnVanish::Keep);
    assert_eq!((status(&bench, mine), status(&bench, others)), (OrderStatus::Accepted, OrderStatus::Accepted));
    assert_eq!((net(&bench, strategy()), state(&bench)), (20, vec![]));
    let request = bench.request(10);
    assert_eq!(order_of(&bench.submit(request)[0]).reason, "STRATEGY_STOPPED");
    rest(&mut bench, other());
    // Nor does it end with those of another one.
    bench.desk.vanish(&mut bench.router, bench.now_ns, other(), OnVanish::Cancel);
    go_on(&mut bench);
    assert_eq!((status(&bench, mine), status(&bench, others)), (OrderStatus::Accepted, OrderStatus::Cancelled));
}

#[test]
fn cancel_ends_its_orders_and_keeps_its_position() {
    let mut bench = bench(RiskLimits::default());
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    let (mine, others) = (rest(&mut bench, strategy()), rest(&mut bench, other()));
    vanish(&mut bench, OnVanish::Cancel);
    assert_eq!((status(&bench, mine), status(&bench, others)), (OrderStatus::Cancelled, OrderStatus::Accepted));
    assert_eq!((net(&bench, strategy()), position(&bench), state(&bench)), (20, 20, vec![]));
}

#[test]
fn flatten_closes_what_its_own_fills_built_and_nothing_else() {
    let mut bench = bench(RiskLimits::default());
    trade(&mut bench, strategy(), OrderSide::Buy, 30);
    trade(&mut bench, strategy(), OrderSide::Sell, 10);
    trade(&mut bench, other(), OrderSide::Buy, 50);
    let (mine, others) = (rest(&mut bench, strategy()), rest(&mut bench, other()));
    let events = vanish(&mut bench, OnVanish::Flatten);
    assert_eq!((status(&bench, mine), status(&bench, others)), (OrderStatus::Cancelled, OrderStatus::Accepted));
    assert_eq!((net(&bench, strategy()), net(&bench, other()), position(&bench)), (0, 50, 50));
    assert_eq!(state(&bench), [(instrument().id, Flattening::Flat)]);
    let requests = events.iter().filter(|event| event.event_type == EventType::OrderRequest);
    assert_eq!(requests.count(), 1, "once");
    trade(&mut bench, other(), OrderSide::Sell, 5);
    assert_eq!(position(&bench), 45);
}

#[test]
fn a_short_is_bought_back() {
    let mut bench = bench(RiskLimits::default());
    trade(&mut bench, strategy(), OrderSide::Sell, 30);
    vanish(&mut bench, OnVanish::Flatten);
    assert_eq!((net(&bench, strategy()), position(&bench)), (0, 0));
}

#[test]
fn flattening_never_opens_a_position_against_another_strategys() {
    let mut bench = bench(RiskLimits::default());
    trade(&mut bench, strategy(), OrderSide::Buy, 30);
    trade(&mut bench, other(), OrderSide::Sell, 20);
    vanish(&mut bench, OnVanish::Flatten);
    assert_eq!((net(&bench, strategy()), net(&bench, other()), position(&bench)), (20, -20, 0));
    let [(_, Flattening::GivenUp(code, detail))] = &state(&bench)[..] else { panic!("{:?}", state(&bench)) };
    assert_eq!(code, "CANNOT_FLATTEN");
    assert!(detail.contains("another strategy's position"), "{detail}");
}

#[test]
fn a_large_position_is_closed_by_orders_that_the_limits_let_through() {
    let limits = |own| RiskLimits { default: own, ..RiskLimits::default() };
    let by_size = crate::risk::InstrumentLimits { max_order_size: Some(30), ..Default::default() };
    // 60,000 a coin: 0.030 are worth 1,800.
    let worth = Some(1_800 * 1_000_000_000_000);
    let by_worth = crate::risk::InstrumentLimits { max_order_notional: worth, ..Default::default() };
    for own in [by_size, by_worth] {
        let mut bench = bench(limits(own));
        for _ in 0..4 {
            trade(&mut bench, strategy(), OrderSide::Buy, 20);
        }
        let events = vanish(&mut bench, OnVanish::Flatten);
        assert_eq!((net(&bench, strategy()), position(&bench)), (0, 0), "{own:?}");
        let orders = events.iter().filter(|event| event.event_type == EventType::OrderNew);
        assert_eq!(orders.count(), 3, "{own:?}");
        assert!(!types(&events).contains(&EventType::OrderRejected), "{own:?}");
    }
}

#[test]
fn flattening_waits_for_a_bridge_that_misses_events_however_long() {
    let mut bench = bench(RiskLimits::default());
    let bridge = std::sync::Arc::new(libra_kernel::bridge_state::BridgeState::default());
    bench.desk.set_bridge(bridge.clone());
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    bridge.set_gap(Some("ORDERS:all:gone"));
    let mut events = vanish(&mut bench, OnVanish::Flatten);
    (0..9).for_each(|_| events.extend(go_on(&mut bench)));
    assert!(!types(&events).contains(&EventType::OrderNew));
    let [(_, Flattening::Waiting(code, _))] = &state(&bench)[..] else { panic!("{:?}", state(&bench)) };
    assert_eq!(code, "BRIDGE_UNSOUND");
    bridge.set_gap(None);
    go_on(&mut bench);
    assert_eq!((net(&bench, strategy()), state(&bench)), (0, vec![(instrument().id, Flattening::Flat)]));
}

#[test]
fn the_kill_switch_refuses_flattening_for_good_and_that_is_told() {
    let mut bench = bench(RiskLimits::default());
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    bench.desk.kill(&mut bench.router, bench.now_ns, "the test").unwrap();
    let events = vanish(&mut bench, OnVanish::Flatten);
    assert!(!types(&events).contains(&EventType::OrderNew));
    let refusals = events.iter().filter(|event| event.event_type == EventType::OrderRejected);
    assert_eq!(refusals.map(|event| order_of(event).reason.as_str()).collect::<Vec<_>>(), ["KILL_SWITCH"]);
    let [(_, Flattening::GivenUp(code, _))] = &state(&bench)[..] else { panic!("{:?}", state(&bench)) };
    assert_eq!(code, "KILL_SWITCH");
    bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
    assert_eq!(types(&go_on(&mut bench)), [EventType::TradingResumed], "a resume lets nothing loose");
    assert_eq!(net(&bench, strategy()), 20);
}

#[test]
fn a_refusal_that_the_log_does_not_take_ends_flattening_and_a_resume_lets_nothing_loose() {
    let folder = super::kill::Folder::new("flatten-not-taken");
    let (mut bench, _) = Bench::open(config(paper(0), folder.log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    bench.desk.gate.break_log();
    let events = vanish(&mut bench, OnVanish::Flatten);
    let refused = events.iter().find(|event| event.event_type == EventType::OrderRejected).unwrap();
    assert_eq!(order_of(refused).reason, "LOG_FAILED");
    let [(_, Flattening::GivenUp(code, _))] = &state(&bench)[..] else { panic!("{:?}", state(&bench)) };
    assert_eq!(code, "LOG_FAILED");
    bench.desk.gate.mend_log();
    bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
    assert_eq!(types(&go_on(&mut bench)), [EventType::TradingResumed]);
    assert_eq!((net(&bench, strategy()), bench.desk.gate().open_orders().count()), (20, 0));
}

/// A strategy on a gateway outside that holds 10 and is gone, to be flattened.
fn gone_at_a_venue(limits: RiskLimits) -> Bench {
    let (mut bench, _) = Bench::open(config(Link::External, LogConfig::Memory, limits), 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = crate::gate::client_order_id(Name::intern(ACCOUNT), request.request_id);
    bench.submit(request);
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let outcome = VenueOutcome::Filled {
        trade_id: 1,
        price: 5_990_000,
        size: 10,
        fee: 0,
        fee_currency: Name::intern("USDT"),
        liquidity: crate::order::Liquidity::Maker,
    };
    let report = VenueReport { client_order_id: id, venue_order_id: "v1".into(), outcome, ts_venue_ns: 5 };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
    bench.desk.vanish(&mut bench.router, bench.now_ns, strategy(), OnVanish::Flatten);
    bench
}

/// What its own clock brings, without a market, until so many seconds are over: each time at which it asked.
fn wait_s(bench: &mut Bench, seconds: i64) -> Vec<(i64, String)> {
    let (start_ns, mut asked) = (bench.now_ns, Vec::new());
    loop {
        let nothing = Event::new(EventType::Signal, strategy(), bench.now_ns, Payload::Empty);
        bench.desk.advance(&mut bench.router, bench.now_ns);
        for event in bench.settle(nothing) {
            match event.event_type {
                EventType::OrderRejected => {
                    asked.push(((bench.now_ns - start_ns) / 1_000_000_000, order_of(&event).reason.clone()));
                }
                EventType::OrderNew => asked.push(((bench.now_ns - start_ns) / 1_000_000_000, "SENT".into())),
                _ => {}
            }
        }
        match bench.desk.next_due_ns() {
            Some(due_ns) if due_ns <= start_ns + seconds * 1_000_000_000 => bench.now_ns = due_ns,
            _ => return asked,
        }
    }
}

#[test]
fn flattening_outlives_a_venue_that_is_out_of_sight_and_asks_less_and_less_often() {
    let mut bench = gone_at_a_venue(RiskLimits::default());
    bench.desk.begin_reconciling();
    let asked = wait_s(&mut bench, 40);
    assert_eq!(asked.iter().map(|(at_s, _)| *at_s).collect::<Vec<_>>(), [0, 1, 3, 7, 15, 23, 31, 39]);
    assert!(asked.iter().all(|(_, reason)| reason == "RECONCILING"), "{asked:?}");
    let [(_, Flattening::Waiting(code, _))] = &state(&bench)[..] else { panic!("{:?}", state(&bench)) };
    assert_eq!(code, "RECONCILING");
    bench.desk.set_reconciled();
    bench.now_ns += 8_000_000_000;
    assert_eq!(wait_s(&mut bench, 0), [(0, "SENT".into())]);
    assert_eq!(state(&bench), [(instrument().id, Flattening::Working)]);
}

#[test]
fn neither_pressure_nor_a_stale_market_ends_flattening() {
    let limits = RiskLimits { max_quote_age_ns: Some(3_000_000_000), ..RiskLimits::default() };
    let mut bench = gone_at_a_venue(limits);
    let slow = bench.router.add_mailbox(Capacity::PerLane(1));
    bench.router.set_account(slow, Name::intern(ACCOUNT));
    bench.router.send(slow, Event::new(EventType::OrderFilled, strategy(), bench.now_ns, Payload::Empty));
    let asked = wait_s(&mut bench, 2);
    assert_eq!(asked, [(0, "PRESSURE".into()), (1, "PRESSURE".into())]);
    while bench.router.mailbox(slow).pop().is_some() {}
    bench.now_ns += 10_000_000_000;
    let asked = wait_s(&mut bench, 60);
    assert!(asked.len() > 5 && asked.iter().all(|(_, reason)| reason == "STALE_MARKET"), "{asked:?}");
    bench.quote(6_000_000, 6_000_010);
    bench.now_ns += 1;
    // The quote alone asks nothing before the wait is over.
    bench.now_ns += 8_000_000_000;
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(wait_s(&mut bench, 0), [(0, "SENT".into())]);
}

#[test]
fn a_request_that_nobody_handled_is_made_again_under_its_id() {
    let mut bench = bench(RiskLimits::default());
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    bench.desk.vanish(&mut bench.router, bench.now_ns, strategy(), OnVanish::Flatten);
    let first = bench.router.mailbox(bench.all).pop().unwrap();
    let id_of = |event: &Event| event.payload.downcast::<OrderRequest>().unwrap().request_id;
    bench.desk.advance(&mut bench.router, bench.now_ns + 4_000_000_000);
    assert!(bench.router.mailbox(bench.all).pop().is_none());
    bench.desk.advance(&mut bench.router, bench.now_ns + 6_000_000_000);
    let second = bench.router.mailbox(bench.all).pop().unwrap();
    assert_eq!(id_of(&first), id_of(&second));
    // Both are handled after all: one order.
    bench.now_ns += 6_000_000_000;
    bench.quote(6_000_000, 6_000_010);
    for event in [&first, &second] {
        bench.desk.on_request(&mut bench.router, bench.now_ns, event);
    }
    let nothing = Event::new(EventType::Signal, strategy(), bench.now_ns, Payload::Empty);
    bench.settle(nothing);
    assert_eq!((net(&bench, strategy()), position(&bench)), (0, 0));
    assert_eq!(bench.desk.gate().fills().len(), 2);
}

#[test]
fn a_fill_that_comes_late_is_closed_too() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = crate::gate::client_order_id(Name::intern(ACCOUNT), request.request_id);
    bench.submit(request);
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let outside = bench.desk.vanish(&mut bench.router, bench.now_ns, strategy(), OnVanish::Flatten);
    assert_eq!(outside, [id]);
    let report =
        |outcome| VenueReport { client_order_id: id, venue_order_id: "v1".into(), outcome, ts_venue_ns: bench.now_ns };
    let cancelled = report(VenueOutcome::Cancelled { reason: "REQUESTED".into() });
    let filled = report(VenueOutcome::Filled {
        trade_id: 1,
        price: 5_990_000,
        size: 4,
        fee: 0,
        fee_currency: Name::intern("USDT"),
        liquidity: crate::order::Liquidity::Maker,
    });
    bench.desk.on_report(&mut bench.router, bench.now_ns, &cancelled);
    let nothing = Event::new(EventType::Signal, strategy(), bench.now_ns, Payload::Empty);
    assert!(!types(&bench.settle(nothing.clone())).contains(&EventType::OrderRequest), "it holds nothing");
    bench.desk.on_report(&mut bench.router, bench.now_ns, &filled);
    let events = bench.settle(nothing);
    let sent = order_of(events.iter().find(|event| event.event_type == EventType::OrderNew).unwrap());
    assert_eq!((sent.request.side, sent.request.size), (OrderSide::Sell, 4));
}

#[test]
fn what_a_strategy_left_that_is_in_no_profile_any_more_is_known_by_its_name() {
    let folder = super::kill::Folder::new("strangers");
    let mut first = config(paper(0), folder.log(), RiskLimits::default());
    first.strategies.push(other());
    let (mut bench, _) = Bench::open(first, 1);
    bench.quote(6_000_000, 6_000_010);
    trade(&mut bench, other(), OrderSide::Buy, 30);
    trade(&mut bench, strategy(), OrderSide::Buy, 5);
    rest(&mut bench, other());
    rest(&mut bench, strategy());
    assert!(bench.desk.strangers().is_empty(), "both are known");
    let now_ns = bench.now_ns;
    drop(bench);
    let (mut bench, _) = Bench::open(config(Link::External, folder.log(), RiskLimits::default()), now_ns);
    let nets = [(instrument().id, 30)].into();
    let left = std::collections::BTreeMap::from([(other(), Stranger { open_orders: 1, nets })]);
    assert_eq!(bench.desk.strangers(), left);
    assert_eq!(bench.desk.vanish(&mut bench.router, now_ns, other(), OnVanish::Cancel).len(), 1);
    let mut request = bench.request(10);
    request.strategy = other();
    assert_eq!(order_of(&bench.submit(request)[0]).status, OrderStatus::Rejected);
}

#[test]
fn a_strategy_that_is_back_after_a_restart_has_not_vanished() {
    let folder = std::env::temp_dir().join(format!("libra-vanish-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let log = || LogConfig::File { path: folder.join("gate.log"), sync: SyncPolicy::None };
    let (mut bench, _) = Bench::open(config(paper(0), log(), RiskLimits::default()), 1);
    bench.quote(6_000_000, 6_000_010);
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    bench.desk.kill(&mut bench.router, bench.now_ns, "the test").unwrap();
    vanish(&mut bench, OnVanish::Flatten);
    let mut now_ns = bench.now_ns;
    drop(bench);
    // Its net is known from the log; it is flattened anew only when it vanishes anew, and then by an order of its own.
    let (mut bench, _) = Bench::open(config(paper(0), log(), RiskLimits::default()), now_ns);
    now_ns += 1;
    bench.now_ns = now_ns;
    bench.desk.resume(&mut bench.router, now_ns, "the test").unwrap();
    assert_eq!((net(&bench, strategy()), state(&bench)), (20, vec![]));
    let request = bench.request(10);
    bench.quote(6_000_000, 6_000_010);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted));
    vanish(&mut bench, OnVanish::Flatten);
    assert_eq!((net(&bench, strategy()), position(&bench)), (0, 0));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_a_strategy_left_is_its_open_orders_and_whether_it_holds_something() {
    let mut bench = bench(RiskLimits::default());
    assert_eq!(bench.desk.left_by(strategy()), (0, false));
    rest(&mut bench, other());
    trade(&mut bench, other(), OrderSide::Sell, 5);
    assert_eq!(bench.desk.left_by(strategy()), (0, false), "another one's is not its own");
    let open = rest(&mut bench, strategy());
    rest(&mut bench, strategy());
    assert_eq!(bench.desk.left_by(strategy()), (2, false));
    trade(&mut bench, strategy(), OrderSide::Buy, 5);
    assert_eq!(
        (bench.desk.left_by(strategy()), position(&bench)),
        ((2, true), 0),
        "its own fills count, not the account's"
    );
    assert_eq!(bench.desk.cancel_all(&mut bench.router, bench.now_ns, Some(strategy())), []);
    go_on(&mut bench);
    assert_eq!(status(&bench, open), OrderStatus::Cancelled);
    trade(&mut bench, strategy(), OrderSide::Sell, 5);
    assert_eq!(bench.desk.left_by(strategy()), (0, false), "what it closed itself is not left");
    assert_eq!(bench.desk.left_by(other()), (1, true));
}
