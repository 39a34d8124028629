//! What comes along beside the way of an order: other accounts' events, the market's trades, full queues.

use libra_kernel::event::Trade;

use super::*;
use crate::risk::InstrumentLimits;

fn strategy() -> Name {
    Name::intern(STRATEGY)
}

pub(super) fn all_of(bench: &mut Bench) -> Vec<Event> {
    std::iter::from_fn(|| bench.router.mailbox(bench.all).pop()).collect()
}

/// A mailbox for one type of event that has no room.
fn full(bench: &mut Bench, event_type: EventType) -> MailboxId {
    let full = bench.router.add_mailbox(Capacity::Shared(1));
    bench.router.subscribe(full, event_type, Name::NONE);
    let filler = Event::new(event_type, strategy(), bench.now_ns, Payload::Empty);
    while bench.router.publish(filler.clone()) {}
    all_of(bench);
    full
}

#[test]
fn what_is_for_another_account_is_left_alone() {
    let mut other = Bench::new(paper(0));
    other.quote(6_000_000, 6_000_010);
    let signal = other.signal(SignalType::Long);
    let mut events = other.settle(signal);
    let id = other.desk.gate().orders().next().unwrap().client_order_id;
    let cancel = CancelRequest { account: other.desk.name, strategy: strategy(), client_order_id: id };
    events.push(Event::new(EventType::CancelRequest, strategy(), other.now_ns, Payload::shared(cancel)));
    assert!(types(&events).contains(&EventType::OrderApproved));

    let mut mine = config(paper(0), LogConfig::Memory, RiskLimits::default());
    mine.gate.account = Name::intern("desk-test-2");
    mine.portfolio.account = mine.gate.account;
    let (mut bench, _) = Bench::open(mine, 1);
    bench.quote(6_000_000, 6_000_010);
    let sequence = bench.desk.gate().sequence();
    for event in &events {
        let (desk, router, now_ns) = (&mut bench.desk, &mut bench.router, bench.now_ns);
        desk.on_request(router, now_ns, event);
        desk.on_approved(router, now_ns, event);
        assert_eq!(desk.on_cancel_request(router, now_ns, event), None);
    }
    assert!(all_of(&mut bench).is_empty());
    assert_eq!((bench.desk.gate().sequence(), bench.desk.gate().stats().requests), (sequence, 0));
    assert!(bench.desk.portfolio().positions().is_empty() && bench.desk.tally.rejections.is_empty());
    assert_eq!(bench.desk.early_cancels.len(), 0);
}

#[test]
fn the_markets_trades_are_what_a_share_of_the_volume_is_taken_of() {
    let own = InstrumentLimits { max_participation_bps: Some(1_000), ..Default::default() };
    let limits = RiskLimits { default: own, ..RiskLimits::default() };
    let (mut bench, _) = Bench::open(config(paper(0), LogConfig::Memory, limits), 1);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    assert_eq!(order_of(&bench.submit(request)[0]).reason, "NO_VOLUME");
    let payload = Payload::Trade(Trade { price: 6_000_000, size: 200, ..Trade::default() });
    let market = Name::intern("market");
    let event = Event::market(EventType::Trade, market, btc().id, (2, 3), bench.now_ns, payload);
    bench.desk.on_market(&mut bench.router, bench.now_ns, &event);
    let request = bench.request(10);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted));
    let request = bench.request(11);
    assert_eq!(order_of(&bench.submit(request)[0]).reason, "PARTICIPATION_LIMIT");
}

#[test]
fn a_signal_for_an_instrument_that_is_not_listed_is_counted_and_asks_for_nothing() {
    let mut bench = Bench::new(paper(0));
    let signal = bench.signal(SignalType::Long);
    let unlisted = Name::intern("NIX/USDT@x");
    let signal = Signal { instrument: unlisted, ..signal.payload.downcast::<Signal>().unwrap().clone() };
    let event = Event::new(EventType::Signal, strategy(), bench.now_ns, Payload::shared(signal));
    assert_eq!(types(&bench.settle(event)), [EventType::OrderRequestRejected]);
    assert_eq!(bench.desk.tally.rejections["UNKNOWN_INSTRUMENT"], 1);
}

#[test]
fn a_signal_to_the_other_side_cancels_what_the_last_one_left_resting() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let at = |bench: &mut Bench, signal_type, price| {
        let signal = bench.signal(signal_type);
        let signal = Signal { price, ..signal.payload.downcast::<Signal>().unwrap().clone() };
        Event::new(EventType::Signal, strategy(), bench.now_ns, Payload::shared(signal))
    };
    let long = at(&mut bench, SignalType::Long, 5_990_000);
    assert!(types(&bench.settle(long)).contains(&EventType::OrderAccepted));
    let resting = bench.desk.gate().open_orders().next().unwrap().client_order_id;
    let short = at(&mut bench, SignalType::Short, 0);
    let events = bench.settle(short.clone());
    let [cancel] = &events.iter().filter(|event| event.event_type == EventType::CancelRequest).collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", types(&events))
    };
    assert_eq!(cancel.payload.downcast::<CancelRequest>().unwrap().client_order_id, resting);
    assert_eq!(cancel.trace_id, short.trace_id);
    assert_eq!(bench.desk.gate().order(resting).unwrap().status, OrderStatus::Cancelled);
}

#[test]
fn a_request_that_risk_has_no_room_for_is_not_on_its_way() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let risk = full(&mut bench, EventType::OrderRequest);
    let signal = bench.signal(SignalType::Long);
    assert_eq!(types(&bench.settle(signal)), [EventType::OrderRequestRejected]);
    assert_eq!(bench.desk.tally.rejections["QUEUE_FULL"], 1);
    assert_eq!(bench.desk.portfolio().pending(strategy(), btc().id), (0, 0));
    while bench.router.mailbox(risk).pop().is_some() {}
    let signal = bench.signal(SignalType::Long);
    assert!(types(&bench.settle(signal)).contains(&EventType::OrderFilled));
}

#[test]
fn flattening_that_risk_has_no_room_for_is_tried_again() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let signal = bench.signal(SignalType::Long);
    bench.settle(signal);
    let held = bench.desk.portfolio().position(strategy(), btc().id);
    assert!(held > 0);
    let risk = full(&mut bench, EventType::OrderRequest);
    bench.desk.vanish(&mut bench.router, bench.now_ns, strategy(), OnVanish::Flatten);
    while bench.router.mailbox(risk).pop().is_some() {}
    bench.desk.advance(&mut bench.router, bench.now_ns + 900_000_000);
    assert!(all_of(&mut bench).is_empty(), "not at once");
    bench.now_ns += 1_000_000_000;
    bench.quote(6_000_000, 6_000_010);
    let nothing = Event::new(EventType::Signal, strategy(), bench.now_ns, Payload::Empty);
    bench.settle(nothing);
    assert_eq!(bench.desk.portfolio().position(strategy(), btc().id), 0);
}

#[test]
fn a_rest_below_the_smallest_order_is_left_and_told() {
    let mut mine = config(paper(0), LogConfig::Memory, RiskLimits::default());
    mine.gate.instruments = vec![Instrument { min_size: 10, ..btc() }];
    let (mut bench, _) = Bench::open(mine, 1);
    bench.quote(6_000_000, 6_000_010);
    let request = OrderRequest { order_type: OrderType::Market, price: 0, ..bench.request(15) };
    let market = OrderRequest { time_in_force: TimeInForce::Ioc, ..request };
    bench.submit(market.clone());
    let (sell, request_id) = (OrderSide::Sell, libra_kernel::ids::business_id());
    bench.submit(OrderRequest { side: sell, size: 10, request_id, ..market });
    bench.desk.vanish(&mut bench.router, bench.now_ns, strategy(), OnVanish::Flatten);
    let [(_, Flattening::GivenUp(code, detail))] = &flattenings(&bench)[..] else { panic!("it goes on") };
    assert_eq!((code.as_str(), detail.contains("smallest order")), ("CANNOT_FLATTEN", true));
}

#[test]
fn a_cancel_that_execution_has_no_room_for_goes_without_its_event() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let long = bench.signal(SignalType::Long);
    let long = Signal { price: 5_990_000, ..long.payload.downcast::<Signal>().unwrap().clone() };
    let long = Event::new(EventType::Signal, strategy(), bench.now_ns, Payload::shared(long));
    assert!(types(&bench.settle(long)).contains(&EventType::OrderAccepted));
    let resting = bench.desk.gate().open_orders().next().unwrap().client_order_id;
    full(&mut bench, EventType::CancelRequest);
    let short = bench.signal(SignalType::Short);
    let events = bench.settle(short);
    assert!(!types(&events).contains(&EventType::CancelRequest), "{:?}", types(&events));
    assert_eq!(bench.desk.gate().order(resting).unwrap().status, OrderStatus::Cancelled);
}
