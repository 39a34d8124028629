//! Spot, where the venue takes its fee of what was bought: what is there can be sold, and is.

use super::late::fill;
use super::*;

const OTHER: &str = "inventory-other";
const SIZE: i64 = 8_333;
const FEE: i64 = 9;

fn spot() -> Instrument {
    crate::samples::asset("BTC", "binance")
}

/// A desk of an account that trades spot.
fn bench() -> Bench {
    let mut config = config(Link::External, LogConfig::Memory, RiskLimits::default());
    config.gate.instruments = vec![spot()];
    config.strategies.push(Name::intern(OTHER));
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.set_reconciled();
    quote(&mut bench);
    bench
}

fn quote(bench: &mut Bench) {
    bench.now_ns += 1_000_000_000;
    let quote = Quote { bid: 6_000_000, ask: 6_000_010, bid_size: 50_000, ask_size: 50_000, ..Quote::default() };
    let (of, source) = (spot(), Name::intern("market"));
    let decimals = (of.price_decimals, of.size_decimals);
    let event = Event::market(EventType::Quote, source, of.id, decimals, bench.now_ns, Payload::Quote(quote));
    bench.desk.on_market(&mut bench.router, bench.now_ns, &event);
}

fn opinion(bench: &mut Bench, signal_type: SignalType) -> Vec<Event> {
    let mut event = bench.signal(signal_type);
    let mut signal = event.payload.downcast::<Signal>().unwrap().clone();
    signal.instrument = spot().id;
    event.payload = Payload::shared(signal);
    bench.settle(event)
}

/// Buys, and the venue takes `FEE` units of it and half a unit as its fee.
fn bought(bench: &mut Bench) {
    let events = opinion(bench, SignalType::Long);
    let order = events.iter().find(|event| event.event_type == EventType::OrderNew).map(order_of).unwrap();
    assert_eq!(order.request.size, SIZE);
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, order.client_order_id));
    let unit = crate::account::base_amount(&spot(), 1).unwrap();
    bench.hear(&fill(order.client_order_id, 1, SIZE, unit * i128::from(FEE) + unit / 2, "BTC"));
    assert_eq!(bench.desk.gate().account().position(spot().id).unwrap().size, SIZE);
    assert_eq!(bench.desk.gate().account().sellable(spot().id), Some(SIZE - FEE - 1));
}

fn sold(events: &[Event]) -> Vec<(OrderSide, i64)> {
    let sent = events.iter().filter(|event| event.event_type == EventType::OrderNew);
    sent.map(|event| (order_of(event).request.side, order_of(event).request.size)).collect()
}

#[test]
fn a_signal_closes_what_is_there() {
    let mut bench = bench();
    bought(&mut bench);
    let events = opinion(&mut bench, SignalType::CloseLong);
    assert_eq!(sold(&events), [(OrderSide::Sell, SIZE - FEE - 1)]);
    // What is being sold is not sold again.
    let events = opinion(&mut bench, SignalType::CloseLong);
    assert_eq!(sold(&events), []);
}

#[test]
fn flattening_sells_what_is_there_and_tells_what_is_not() {
    let mut bench = bench();
    bought(&mut bench);
    bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Flatten);
    quote(&mut bench);
    let nothing = super::late::nothing(&bench);
    let events = bench.settle(nothing);
    assert_eq!(sold(&events), [(OrderSide::Sell, SIZE - FEE - 1)]);
    let order = events.iter().find(|event| event.event_type == EventType::OrderNew).map(order_of).unwrap();
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, order.client_order_id));
    bench.hear(&fill(order.client_order_id, 2, order.request.size, 0, "USDT"));
    quote(&mut bench);
    let state = flattenings(&bench);
    let why = "what is left is not there to sell: the venue took fees of it";
    assert_eq!(state, [(spot().id, Flattening::GivenUp("CANNOT_FLATTEN".to_owned(), why.to_owned()))]);
}

/// A limit order of the other strategy, at its venue until that says more.
fn rest(bench: &mut Bench, instrument: Name, side: OrderSide, size: i64, price: i64) -> ClientOrderId {
    let strategy = Name::intern(OTHER);
    let request = OrderRequest { strategy, instrument, side, price, ..bench.request(size) };
    let events = bench.submit(request);
    let new = |event: &&Event| event.event_type == EventType::OrderNew && order_of(event).request.strategy == strategy;
    let order = order_of(events.iter().find(new).expect("an intent")).clone();
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, order.client_order_id));
    order.client_order_id
}

/// A market that goes on second by second; gives what is sent meanwhile, which the venue executes.
fn go_on(bench: &mut Bench, seconds: usize) -> Vec<(OrderSide, i64)> {
    let mut all = Vec::new();
    for _ in 0..seconds {
        quote(bench);
        let nothing = super::late::nothing(bench);
        let events = bench.settle(nothing);
        for event in events.iter().filter(|event| event.event_type == EventType::OrderNew) {
            let order = order_of(event);
            assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, order.client_order_id));
            bench.hear(&fill(order.client_order_id, 7, order.request.size, 0, "USDT"));
        }
        all.extend(sold(&events));
    }
    all
}

fn flatten(bench: &mut Bench) {
    bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Flatten);
}

fn state(bench: &Bench) -> Flattening {
    let all = flattenings(bench);
    let [(_, state)] = &all[..] else { panic!("{all:?}") };
    state.clone()
}

fn cancelled() -> VenueOutcome {
    VenueOutcome::Cancelled { reason: "REQUESTED".to_owned() }
}

#[test]
fn what_another_strategys_order_sells_is_waited_for_however_long() {
    let mut bench = bench();
    bought(&mut bench);
    let working = rest(&mut bench, spot().id, OrderSide::Sell, SIZE - FEE - 1, 6_500_000);
    flatten(&mut bench);
    assert_eq!(go_on(&mut bench, 60), []);
    assert!(matches!(state(&bench), Flattening::Waiting(code, _) if code == "SPOT_INVENTORY"), "{:?}", state(&bench));
    assert!(bench.desk.next_due_ns().is_some(), "a market that falls silent does not end the wait");
    bench.hear(&super::late::said(working, cancelled()));
    assert_eq!(go_on(&mut bench, 20), [(OrderSide::Sell, SIZE - FEE - 1)]);
    assert!(matches!(state(&bench), Flattening::GivenUp(..)), "what the venue took as its fee is not there");
}

#[test]
fn what_is_free_is_sold_and_the_rest_once_it_is() {
    let mut bench = bench();
    bought(&mut bench);
    let working = rest(&mut bench, spot().id, OrderSide::Sell, 5_000, 6_500_000);
    flatten(&mut bench);
    assert_eq!(go_on(&mut bench, 20), [(OrderSide::Sell, SIZE - FEE - 1 - 5_000)]);
    assert!(matches!(state(&bench), Flattening::Waiting(..)), "{:?}", state(&bench));
    bench.hear(&super::late::said(working, cancelled()));
    assert_eq!(go_on(&mut bench, 20), [(OrderSide::Sell, 5_000)]);
}

#[test]
fn what_another_strategy_has_sold_is_not_there_and_that_is_told() {
    let mut bench = bench();
    bought(&mut bench);
    let working = rest(&mut bench, spot().id, OrderSide::Sell, SIZE - FEE - 1, 6_500_000);
    flatten(&mut bench);
    go_on(&mut bench, 10);
    bench.hear(&fill(working, 3, SIZE - FEE - 1, 0, "USDT"));
    assert_eq!(go_on(&mut bench, 20), []);
    assert!(matches!(state(&bench), Flattening::GivenUp(code, _) if code == "CANNOT_FLATTEN"), "{:?}", state(&bench));
}

#[test]
fn an_order_that_takes_the_base_between_the_size_and_its_check_is_waited_for() {
    let mut bench = bench();
    bought(&mut bench);
    flatten(&mut bench);
    // Sized and asked for, and not yet with risk: the other strategy's request is ahead of it there.
    rest(&mut bench, spot().id, OrderSide::Sell, SIZE - FEE - 1, 6_500_000);
    go_on(&mut bench, 40);
    assert!(matches!(state(&bench), Flattening::Waiting(code, _) if code == "SPOT_INVENTORY"), "{:?}", state(&bench));
}

#[test]
fn money_that_another_strategys_order_holds_is_waited_for() {
    let mut config = config(Link::External, LogConfig::Memory, RiskLimits::default());
    let ether = crate::samples::asset("ETH", "binance");
    config.gate.instruments = vec![spot(), ether.clone()];
    config.gate.opening.push((Name::intern("BTC"), 1_000_000_000_000));
    config.strategies.push(Name::intern(OTHER));
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.set_reconciled();
    quote(&mut bench);
    let instrument = spot().id;
    let request = OrderRequest { instrument, side: OrderSide::Sell, price: 6_000_000, ..bench.request(8_000) };
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.hear(&fill(id, 1, 8_000, 0, "USDT"));
    // 102,000 of 104,800; buying back takes 4,800 and a fee.
    let quote = Quote { bid: 6_000_000, ask: 6_000_010, bid_size: 50_000, ask_size: 50_000, ..Quote::default() };
    let source = Name::intern("market");
    let quoted = Event::market(EventType::Quote, source, ether.id, (2, 5), bench.now_ns, Payload::Quote(quote));
    bench.desk.on_market(&mut bench.router, bench.now_ns, &quoted);
    let working = rest(&mut bench, ether.id, OrderSide::Buy, 170_000, 6_000_000);
    flatten(&mut bench);
    assert_eq!(go_on(&mut bench, 60), []);
    let waits = |state| matches!(state, Flattening::Waiting(code, _) if code == "INSUFFICIENT_BALANCE");
    assert!(waits(state(&bench)), "{:?}", state(&bench));
    bench.hear(&super::late::said(working, cancelled()));
    assert_eq!(go_on(&mut bench, 20), [(OrderSide::Buy, 8_000)]);
    assert_eq!(state(&bench), Flattening::Flat);
}
