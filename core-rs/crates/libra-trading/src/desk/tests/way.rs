//! The way of a signal or request to its order, its refusals and cancels.

use super::*;

#[test]
fn a_signal_becomes_a_filled_order_in_one_trace() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let signal = bench.signal(SignalType::Long);
    let trace = signal.trace_id;
    let events = bench.settle(signal);
    use EventType as E;
    assert_eq!(
        types(&events),
        [
            E::OrderRequest,
            E::OrderApproved,
            E::OrderNew,
            E::OrderSubmitted,
            E::OrderAccepted,
            E::OrderFilled,
            E::PositionOpened,
            E::BalanceUpdated
        ]
    );
    let orders = events.iter().filter(|event| event.payload.downcast::<Order>().is_some());
    assert!(orders.into_iter().all(|event| event.trace_id == trace), "an order's events belong to its signal's trace");
    let filled = order_of(events.iter().find(|event| event.event_type == E::OrderFilled).unwrap());
    assert_eq!((filled.filled, filled.last_fill.as_ref().unwrap().price), (83, 6_000_010));
    assert_eq!(bench.desk.gate().account().position(instrument().id).unwrap().size, 83);
    assert_eq!(bench.desk.portfolio().position(Name::intern(STRATEGY), instrument().id), 83);
    assert!(bench.desk.causes.is_empty(), "a final order leaves nothing behind");
    // Once long, a second opinion of the same kind changes nothing.
    let again = bench.signal(SignalType::Long);
    assert_eq!(types(&bench.settle(again)), []);
}

#[test]
fn another_accounts_strategy_is_not_heard() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let mut signal = bench.signal(SignalType::Long);
    let Some(known) = signal.payload.downcast::<Signal>() else { panic!("a signal") };
    signal.payload = Payload::shared(Signal { strategy: Name::intern("someone-else"), ..known.clone() });
    assert_eq!(types(&bench.settle(signal)), []);
    assert_eq!(bench.desk.tally().signals, 0);
}

#[test]
fn a_refusal_is_an_order_event_with_its_code() {
    let limits = RiskLimits { max_orders_per_second: Some(1), ..RiskLimits::default() };
    let (mut bench, _) = Bench::open(config(paper(0), LogConfig::Memory, limits), 1);
    bench.quote(6_000_000, 6_000_010);
    let first = bench.request(10);
    let second = bench.request(10);
    bench.submit(first);
    let events = bench.submit(second.clone());
    assert_eq!(types(&events), [EventType::OrderRejected]);
    assert_eq!(order_of(&events[0]).reason, "ORDER_RATE");
    assert_eq!(bench.desk.tally().rejections["ORDER_RATE"], 1);
    // The same request again gets its recorded outcome, and is not counted as an order.
    bench.now_ns += 2_000_000_000;
    let again = bench.submit(second);
    assert_eq!(types(&again), [EventType::OrderRejected]);
    assert_eq!(order_of(&again[0]).reason, "ORDER_RATE");
    assert_eq!(bench.desk.gate().fills().len(), 0);
}

#[test]
fn a_lapsed_approval_is_told_once_and_never_sent() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let source = request.strategy;
    let asked = Event::new(EventType::OrderRequest, source, bench.now_ns, Payload::shared(request.clone()));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &asked);
    let approved = bench.router.mailbox(bench.all).pop().unwrap();
    assert_eq!(approved.event_type, EventType::OrderApproved);
    // Execution is late: the approval lapses before it comes to it.
    bench.now_ns += 1_100_000_000;
    bench.desk.advance(&mut bench.router, bench.now_ns);
    bench.desk.on_approved(&mut bench.router, bench.now_ns, &approved);
    let told: Vec<_> = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop()).collect();
    assert_eq!(types(&told), [EventType::OrderRejected]);
    assert_eq!((order_of(&told[0]).reason.as_str(), told[0].trace_id), ("EXPIRED", asked.trace_id));
    assert_eq!(bench.desk.tally().rejections["EXPIRED"], 1);
    assert!(bench.desk.causes.is_empty());
    assert_eq!(bench.desk.gate().orders().count(), 1);

    bench.quote(6_000_000, 6_000_010);
    let again = bench.submit(request);
    assert_eq!(types(&again), [EventType::OrderRejected]);
    assert_eq!(order_of(&again[0]).reason, "EXPIRED");
    assert_eq!(bench.desk.gate().open_orders().count(), 0);
}

#[test]
fn a_request_that_execution_cannot_take_is_refused_for_good() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let full = bench.router.add_mailbox(Capacity::Shared(1));
    bench.router.subscribe(full, EventType::OrderApproved, Name::NONE);
    let second = bench.request(10);
    let filler = Event::new(EventType::OrderApproved, second.strategy, bench.now_ns, Payload::Empty);
    while bench.router.publish(filler.clone()) {}
    while bench.router.mailbox(bench.all).pop().is_some() {}
    let ask = |bench: &mut Bench| {
        let event = Event::new(EventType::OrderRequest, second.strategy, bench.now_ns, Payload::shared(second.clone()));
        bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
        let events = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop());
        events
            .filter(|event| event.event_type == EventType::OrderRejected)
            .map(|e| order_of(&e).reason.clone())
            .collect()
    };
    let reasons: Vec<String> = ask(&mut bench);
    assert_eq!(reasons, ["QUEUE_FULL"]);
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
    while bench.router.mailbox(full).pop().is_some() {}
    assert_eq!(ask(&mut bench), ["QUEUE_FULL"]);
    assert_eq!(bench.desk.gate().stats().approved, 1);
    assert_eq!(bench.desk.gate().orders().count(), 1);
}

#[test]
fn a_full_queue_of_facts_stops_new_orders_of_its_own_account_alone() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    // A strategy that takes nothing out of its mailbox, and an actor of another account: they hold up nobody here.
    for account in [Name::NONE, Name::intern("desk-another")] {
        let stuck = bench.router.add_mailbox(Capacity::PerLane(1));
        bench.router.set_account(stuck, account);
        bench.router.subscribe(stuck, EventType::OrderAccepted, Name::NONE);
    }
    let slow = bench.router.add_mailbox(Capacity::PerLane(5));
    bench.router.set_account(slow, Name::intern(ACCOUNT));
    bench.router.subscribe(slow, EventType::OrderAccepted, Name::NONE);
    for _ in 0..4 {
        let request = bench.request(10);
        bench.submit(request);
    }
    let request = bench.request(10);
    let events = bench.submit(request);
    assert_eq!(order_of(&events[0]).reason, "PRESSURE");
    while bench.router.mailbox(slow).pop().is_some() {}
    let request = bench.request(10);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted));
}

#[test]
fn equity_adds_up_at_every_note() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    for signal_type in [SignalType::Long, SignalType::Short, SignalType::CloseShort] {
        let signal = bench.signal(signal_type);
        bench.settle(signal);
        bench.quote(6_000_500, 6_000_510);
    }
    let opening = 100_000 * 1_000_000_000_000;
    let curve = bench.desk.equity_curve();
    assert!(curve.len() >= 4);
    assert!(curve.iter().all(|point| point.currency == Name::intern("USDT")), "nobody holds the contract's base");
    for point in curve.iter().filter(|point| point.currency == Name::intern("USDT")) {
        assert_eq!(point.equity, opening + point.realised + point.unrealised - point.fees);
    }
}

#[test]
fn nothing_of_a_strategy_that_was_given_up_leaves() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let open = order_of(&bench.submit(request)[1]).client_order_id;
    let (asked, approved) = (bench.request(10), bench.request(10));
    let strategy = asked.strategy;
    let event = Event::new(EventType::OrderRequest, strategy, bench.now_ns, Payload::shared(approved));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    bench.desk.vanish(&mut bench.router, bench.now_ns, strategy, OnVanish::Cancel);
    let mut events = bench.submit(asked);
    let signal = bench.signal(SignalType::Long);
    events.extend(bench.settle(signal));
    assert!(!types(&events).contains(&EventType::OrderNew), "{:?}", types(&events));
    let rejected = events.iter().filter(|event| event.event_type == EventType::OrderRejected);
    assert!(rejected.clone().all(|event| order_of(event).reason == "STRATEGY_STOPPED"));
    assert_eq!(rejected.count(), 2);
    assert_eq!(bench.desk.gate().order(open).unwrap().status, OrderStatus::Cancelled);
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
}

/// Its price has risen, or an operator has lowered the limit: no order of the whole may leave.
#[test]
fn a_signal_closes_what_is_worth_more_than_one_order_may_be() {
    for (side, close, other) in [
        (OrderSide::Buy, SignalType::CloseLong, SignalType::Short),
        (OrderSide::Sell, SignalType::CloseShort, SignalType::Long),
    ] {
        for signal in [close, other] {
            let mut bench = Bench::new(paper(0));
            bench.quote(6_000_000, 6_000_010);
            super::vanish::trade(&mut bench, Name::intern(STRATEGY), side, 20);
            // 0.020 at 60,000 are worth 1,200.
            let terms = [("max_order_notional".to_owned(), Some("1000".to_owned()))];
            bench.desk.change_limits(&mut bench.router, bench.now_ns, "ops", &terms, false).unwrap();
            bench.quote(6_000_000, 6_000_010);
            let signal = bench.signal(signal);
            let events = bench.settle(signal);
            let sent: Vec<i64> = (events.iter().filter(|event| event.event_type == EventType::OrderFilled))
                .map(|event| order_of(event).request.size)
                .collect();
            assert_eq!(sent, [10, 10], "{:?}", types(&events));
            assert_eq!(bench.desk.portfolio().position(Name::intern(STRATEGY), btc().id), 0);
        }
    }
}
