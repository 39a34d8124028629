//! What a flattening waits for, and what ends it: each trouble lasts longer than a few tries, then a minute of a good market.

use super::*;
use crate::desk::control::Asker;
use crate::order::Liquidity;

pub(super) const OTHER: &str = "flatten-other";
pub(super) const GOOD: (i64, i64) = (6_000_000, 6_000_010);

/// A market that moves second by second.
pub(super) fn go_on(bench: &mut Bench, seconds: i64, (bid, ask): (i64, i64)) {
    for _ in 0..seconds {
        bench.now_ns += 1_000_000_000;
        bench.quote(bid, ask);
        bench.settle(Event::new(EventType::Signal, Name::intern(STRATEGY), bench.now_ns, Payload::Empty));
    }
}

pub(super) fn flatten(bench: &mut Bench) {
    bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Flatten);
}

/// A strategy that bought 20 on paper, beside another one.
pub(super) fn holder(limits: RiskLimits) -> Bench {
    let mut config = config(paper(0), LogConfig::Memory, limits);
    config.strategies.push(Name::intern(OTHER));
    let (mut bench, _) = Bench::open(config, 1);
    bench.quote(GOOD.0, GOOD.1);
    buy(&mut bench, STRATEGY);
    bench
}

fn buy(bench: &mut Bench, strategy: &str) {
    let mut request = bench.request(20);
    (request.strategy, request.price) = (Name::intern(strategy), 0);
    (request.order_type, request.time_in_force) = (OrderType::Market, TimeInForce::Ioc);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderFilled));
}

/// An order of the other strategy that works until it is cancelled.
pub(super) fn rest(bench: &mut Bench, side: OrderSide, size: i64, price: i64) -> ClientOrderId {
    let mut request = bench.request(size);
    (request.strategy, request.side, request.price) = (Name::intern(OTHER), side, price);
    let events = bench.submit(request);
    order_of(events.iter().find(|event| event.event_type == EventType::OrderAccepted).unwrap()).client_order_id
}

pub(super) fn state(bench: &Bench) -> Flattening {
    let mut all = flattenings(bench).into_iter();
    let (_, state) = all.next().expect("it was flattened");
    assert_eq!(all.next(), None);
    state
}

pub(super) fn waits_for(bench: &Bench, code: &str) {
    let state = state(bench);
    assert!(matches!(&state, Flattening::Waiting(known, _) if known == code), "{state:?}");
}

#[test]
fn a_wide_spread_is_waited_for() {
    let mut bench = holder(RiskLimits { price_collar_bps: Some(100), ..RiskLimits::default() });
    let wide = (5_000_000, 6_000_010);
    bench.quote(wide.0, wide.1);
    flatten(&mut bench);
    go_on(&mut bench, 10, wide);
    waits_for(&bench, "PRICE_COLLAR");
    go_on(&mut bench, 60, GOOD);
    assert_eq!(state(&bench), Flattening::Flat);
}

#[test]
fn room_that_another_strategys_order_takes_is_waited_for() {
    let of_each = |most| {
        let own = crate::risk::InstrumentLimits { max_position: Some(most), ..Default::default() };
        RiskLimits { default: own, ..RiskLimits::default() }
    };
    // Sells of 40 work against 20 held: with 20 more the account could be 40 short.
    let mut bench = holder(of_each(20));
    let working = rest(&mut bench, OrderSide::Sell, 40, 6_100_000);
    flatten(&mut bench);
    bench.desk.gate.set_limits(of_each(19)).unwrap();
    go_on(&mut bench, 10, GOOD);
    waits_for(&bench, "POSITION_LIMIT");
    bench.desk.cancel(&mut bench.router, bench.now_ns, working, Asker::Account);
    go_on(&mut bench, 60, GOOD);
    assert_eq!(state(&bench), Flattening::Flat);
}

#[test]
fn no_number_of_open_orders_keeps_a_closing_from_leaving() {
    let own = crate::risk::InstrumentLimits { max_orders: Some(1), ..Default::default() };
    for limits in [
        RiskLimits { max_open_orders: Some(1), ..RiskLimits::default() },
        RiskLimits { default: own, ..RiskLimits::default() },
    ] {
        let mut bench = holder(limits);
        // Not on its own side, where it would hold what is closed.
        rest(&mut bench, OrderSide::Buy, 40, 5_900_000);
        flatten(&mut bench);
        go_on(&mut bench, 10, GOOD);
        assert_eq!(state(&bench), Flattening::Flat);
    }
}

/// Of one that holds three instruments, where twice the limit leaves room for two closings.
#[test]
fn room_among_the_open_orders_is_waited_for() {
    let limits = RiskLimits { max_open_orders: Some(1), ..RiskLimits::default() };
    let mut config = config(Link::External, LogConfig::Memory, limits);
    let names = ["BTC/USDT@a", "BTC/USDT@b", "BTC/USDT@c"].map(Name::intern);
    config.gate.instruments = names.map(|id| Instrument { id, ..btc() }).into();
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.set_reconciled();
    let go_on = |bench: &mut Bench| {
        for id in names {
            let quote = Quote { bid: GOOD.0, ask: GOOD.1, bid_size: 9, ask_size: 9, ..Quote::default() };
            let event =
                Event::market(EventType::Quote, Name::intern("m"), id, (2, 3), bench.now_ns, Payload::Quote(quote));
            bench.desk.on_market(&mut bench.router, bench.now_ns, &event);
        }
        go_on(bench, 1, GOOD);
    };
    go_on(&mut bench);
    for (number, instrument) in (1..).zip(names) {
        let request = OrderRequest { instrument, ..bench.request(20) };
        let id = crate::gate::client_order_id(Name::intern(ACCOUNT), request.request_id);
        bench.submit(request);
        assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
        report(&mut bench, id, fill(number));
    }
    flatten(&mut bench);
    let open = |bench: &Bench| bench.desk.gate().open_orders().map(|order| order.client_order_id).collect::<Vec<_>>();
    let leave = |bench: &mut Bench| {
        go_on(bench);
        for id in open(bench) {
            bench.desk.may_send(&mut bench.router, bench.now_ns, id);
        }
    };
    (0..20).for_each(|_| leave(&mut bench));
    let waits = |bench: &Bench| {
        let waits = |state: &Flattening| matches!(state, Flattening::Waiting(code, _) if code == "OPEN_ORDERS_LIMIT");
        flattenings(bench).iter().filter(|(_, state)| waits(state)).count()
    };
    assert_eq!((open(&bench).len(), waits(&bench)), (2, 1));
    for number in 4..7 {
        let id = open(&bench)[0];
        report(&mut bench, id, fill(number));
        (0..70).for_each(|_| leave(&mut bench));
    }
    assert!(flattenings(&bench).iter().all(|(_, state)| *state == Flattening::Flat), "{:?}", flattenings(&bench));
}

/// A strategy at a venue outside that bought 20 and is gone, to be flattened.
fn at_a_venue() -> Bench {
    let mut bench = Bench::new(Link::External);
    bench.desk.set_reconciled();
    bench.quote(GOOD.0, GOOD.1);
    let request = bench.request(20);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    report(&mut bench, id, fill(1));
    flatten(&mut bench);
    bench
}

pub(super) fn fill(trade_id: u64) -> VenueOutcome {
    let fee_currency = Name::intern("USDT");
    VenueOutcome::Filled { trade_id, price: GOOD.0, size: 20, fee: 0, fee_currency, liquidity: Liquidity::Taker }
}

pub(super) fn report(bench: &mut Bench, client_order_id: ClientOrderId, outcome: VenueOutcome) {
    let report = VenueReport { client_order_id, venue_order_id: "v".into(), outcome, ts_venue_ns: bench.now_ns };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
}

/// The venue answers each order of so many seconds in the same way; gives how many it was asked for.
pub(super) fn answer(bench: &mut Bench, seconds: i64, outcome: &VenueOutcome) -> usize {
    let mut asked = 0;
    for _ in 0..seconds {
        go_on(bench, 1, GOOD);
        let open: Vec<_> = bench.desk.gate().open_orders().map(|order| order.client_order_id).collect();
        for id in open {
            asked += 1;
            assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
            report(bench, id, outcome.clone());
        }
    }
    asked
}

#[test]
fn an_empty_book_is_waited_for_and_asked_less_and_less_often() {
    let mut bench = at_a_venue();
    assert_eq!(answer(&mut bench, 40, &VenueOutcome::Cancelled { reason: String::new() }), 8);
    waits_for(&bench, "UNFILLED");
    assert_eq!(answer(&mut bench, 60, &fill(2)), 1);
    assert_eq!(state(&bench), Flattening::Flat);
}

#[test]
fn an_order_that_ended_unfilled_says_how() {
    let mut bench = at_a_venue();
    answer(&mut bench, 10, &VenueOutcome::Cancelled { reason: "IOC".into() });
    assert_eq!(state(&bench), Flattening::Waiting("UNFILLED".into(), "it was cancelled: IOC".into()));
}

#[test]
fn what_the_venue_refuses_is_given_up_after_a_few_tries_and_has_a_code() {
    for (said, told) in [("MARGIN", "MARGIN"), ("", "REFUSED_BY_VENUE")] {
        let mut bench = at_a_venue();
        let refused = VenueOutcome::Rejected { code: said.into(), detail: "no".into() };
        assert_eq!(answer(&mut bench, 60, &refused), 5);
        assert_eq!(state(&bench), Flattening::GivenUp(told.into(), "no".into()));
    }
}
