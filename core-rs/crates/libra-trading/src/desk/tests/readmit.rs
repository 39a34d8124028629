//! A strategy that was taken for gone trades again on an operator's word, once what its policy says is done.

use super::accepted::accept;
use super::vanish::trade;
use super::*;

fn strategy() -> Name {
    Name::intern(STRATEGY)
}

fn vanish(bench: &mut Bench, policy: OnVanish) {
    bench.desk.vanish(&mut bench.router, bench.now_ns, strategy(), policy);
}

fn go_on(bench: &mut Bench) {
    bench.now_ns += 1_000_000_000;
    bench.quote(6_000_000, 6_000_010);
    let nothing = Event::new(EventType::Signal, strategy(), bench.now_ns, Payload::Empty);
    bench.settle(nothing);
}

#[test]
fn who_is_let_in_again_trades_as_before() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.readmit(&bench.router, strategy()), Err("it is not gone".to_owned()));
    vanish(&mut bench, OnVanish::Keep);
    let request = bench.request(10);
    assert_eq!(order_of(&bench.submit(request)[0]).reason, "STRATEGY_STOPPED");
    assert_eq!(bench.desk.readmit(&bench.router, strategy()), Ok(()));
    let request = bench.request(10);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted));
    assert_eq!(bench.desk.vanished().count(), 0);
}

#[test]
fn its_orders_are_cancelled_first() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    vanish(&mut bench, OnVanish::Cancel);
    let told = bench.desk.readmit(&bench.router, strategy());
    assert_eq!(told, Err("1 of its orders are open, and are being cancelled".to_owned()));
    let report = VenueReport {
        client_order_id: id,
        venue_order_id: "v".into(),
        outcome: VenueOutcome::Cancelled { reason: String::new() },
        ts_venue_ns: bench.now_ns,
    };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
    assert_eq!(bench.desk.readmit(&bench.router, strategy()), Ok(()));
}

#[test]
fn its_position_is_closed_first() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    vanish(&mut bench, OnVanish::Flatten);
    // The request that closes it is on its way: let in now, it would be the strategy's own.
    assert_eq!(bench.desk.readmit(&bench.router, strategy()), Err(format!("its {} is being flattened", btc().id)));
    go_on(&mut bench);
    assert_eq!(bench.desk.portfolio().position(strategy(), btc().id), 0);
    assert_eq!(bench.desk.readmit(&bench.router, strategy()), Ok(()));
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    go_on(&mut bench);
    assert_eq!(bench.desk.portfolio().position(strategy(), btc().id), 20, "nothing closes it any more");
}

#[test]
fn what_waits_to_be_closed_is_waited_for_and_what_was_given_up_is_not() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    bench.desk.gate.set_reconciling(true);
    vanish(&mut bench, OnVanish::Flatten);
    go_on(&mut bench);
    let told = bench.desk.readmit(&bench.router, strategy()).unwrap_err();
    assert!(told.starts_with(&format!("its {} waits to be flattened: RECONCILING", btc().id)), "{told}");
    bench.desk.kill(&mut bench.router, bench.now_ns, "test").unwrap();
    bench.desk.gate.set_reconciling(false);
    (0..3).for_each(|_| go_on(&mut bench));
    assert!(matches!(bench.desk.flattening(strategy()).next(), Some((_, Flattening::GivenUp(..)))));
    assert_eq!(bench.desk.readmit(&bench.router, strategy()), Ok(()));
    assert_eq!(bench.desk.portfolio().position(strategy(), btc().id), 20, "and it holds what it held");
}

#[test]
fn a_closing_request_that_nobody_has_judged_is_waited_for_though_nothing_is_held() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    vanish(&mut bench, OnVanish::Flatten);
    // The venue had closed it before; what was asked for would open a position now, in the strategy's name.
    accept(&mut bench, 0);
    assert_eq!(bench.desk.portfolio().position(strategy(), btc().id), 0);
    assert_eq!(bench.desk.readmit(&bench.router, strategy()), Err(format!("its {} is being flattened", btc().id)));
    (0..3).for_each(|_| go_on(&mut bench));
    assert_eq!(bench.desk.gate().account().position(btc().id).unwrap().size, 0);
    assert_eq!(bench.desk.readmit(&bench.router, strategy()), Ok(()));
}

/// Every answer of the first loss is known to the gate: none of them is one to what is asked for at the second.
#[test]
fn who_is_lost_a_second_time_is_flattened() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    trade(&mut bench, strategy(), OrderSide::Buy, 20);
    for times in 0..3 {
        bench.desk.kill(&mut bench.router, bench.now_ns, "test").unwrap();
        vanish(&mut bench, OnVanish::Flatten);
        go_on(&mut bench);
        let state = bench.desk.flattening(strategy()).next();
        assert!(
            matches!(&state, Some((_, Flattening::GivenUp(code, _))) if code == "KILL_SWITCH"),
            "{times}: {state:?}"
        );
        bench.desk.resume(&mut bench.router, bench.now_ns, "test").unwrap();
        assert_eq!(bench.desk.readmit(&bench.router, strategy()), Ok(()));
        go_on(&mut bench);
    }
    assert_eq!(bench.desk.portfolio().position(strategy(), btc().id), 20, "an operator let it in with what it holds");
    vanish(&mut bench, OnVanish::Flatten);
    go_on(&mut bench);
    assert_eq!(bench.desk.portfolio().position(strategy(), btc().id), 0);
    assert_eq!(bench.desk.flattening(strategy()).collect::<Vec<_>>(), [(btc().id, Flattening::Flat)]);
}

#[test]
fn what_it_asked_for_while_it_was_gone_ends_refused_however_fast_it_is_let_in() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    // Approved before, and not handled when it was lost.
    let request = bench.request(10);
    let event = Event::new(EventType::OrderRequest, strategy(), bench.now_ns, Payload::shared(request));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    vanish(&mut bench, OnVanish::Cancel);
    let request = bench.request(10);
    let event = Event::new(EventType::OrderRequest, strategy(), bench.now_ns, Payload::shared(request));
    assert!(bench.router.publish(event));
    let signal = bench.signal(SignalType::Long);
    assert!(bench.router.publish(signal));
    assert_eq!(bench.desk.readmit(&bench.router, strategy()), Ok(()));
    // As its portfolio, its risk and its execution actor come to them.
    let mut seen = Vec::new();
    while let Some(event) = bench.router.mailbox(bench.all).pop() {
        let (router, now_ns) = (&mut bench.router, bench.now_ns);
        match event.event_type {
            EventType::Signal => bench.desk.on_signal(router, now_ns, &event),
            EventType::OrderRequest => bench.desk.on_request(router, now_ns, &event),
            EventType::OrderApproved => bench.desk.on_approved(router, now_ns, &event),
            _ => {}
        }
        seen.push(event);
    }
    let refused: Vec<&str> = seen
        .iter()
        .filter(|event| event.event_type == EventType::OrderRejected)
        .map(|it| &*order_of(it).reason)
        .collect();
    assert_eq!(refused, ["STRATEGY_STOPPED"; 2], "{:?}", types(&seen));
    let told = |event: &&Event| event.event_type == EventType::OrderRequestRejected;
    assert_eq!(seen.iter().filter(told).count(), 1, "{:?}", types(&seen));
    assert_eq!(
        (
            bench.desk.gate().orders().filter(|order| order.status == OrderStatus::New).count(),
            bench.desk.gate().outstanding()
        ),
        (0, 0)
    );
    // What it asks for now is judged as anybody's.
    let request = bench.request(10);
    let event = Event::new(EventType::OrderRequest, strategy(), bench.now_ns, Payload::shared(request));
    assert!(bench.router.publish(event));
    let event = bench.router.mailbox(bench.all).pop().unwrap();
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    assert_eq!(bench.desk.gate().outstanding(), 1);
}
