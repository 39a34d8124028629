//! Spot, where the venue takes its fee of what was bought: what is there can be sold, and is.

use super::late::fill;
use super::*;

const SIZE: i64 = 8_333;
const FEE: i64 = 9;

fn spot() -> Instrument {
    crate::samples::asset("BTC", "binance")
}

/// A desk of an account that trades spot.
fn bench() -> Bench {
    let mut config = config(Link::External, LogConfig::Memory, RiskLimits::default());
    config.gate.instruments = vec![spot()];
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
    let state: Vec<_> = bench.desk.vanished().flat_map(|(_, gone)| gone.flattening()).collect();
    let why = "what is left is not there to sell: the venue took fees of it";
    assert_eq!(state, [(spot().id, Flattening::GivenUp("CANNOT_FLATTEN".to_owned(), why.to_owned()))]);
}
