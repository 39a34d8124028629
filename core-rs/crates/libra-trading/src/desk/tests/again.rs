//! Flattenings that were refused in a storm, that are cut to a share of the volume, and that begin again behind their end.

use libra_kernel::event::Trade;

use super::flatten::{GOOD, OTHER, answer, fill, flatten, go_on, holder, report, rest, state, waits_for};
use super::*;
use crate::desk::control::Asker;

fn market(bench: &mut Bench, strategy: &str, side: OrderSide, size: i64) -> Vec<Event> {
    let mut request = bench.request(size);
    (request.strategy, request.side, request.price) = (Name::intern(strategy), side, 0);
    (request.order_type, request.time_in_force) = (OrderType::Market, TimeInForce::Ioc);
    bench.submit(request)
}

fn position(bench: &Bench) -> i64 {
    bench.desk.gate().account().position(instrument().id).map_or(0, |position| position.size)
}

fn given_up(bench: &Bench, code: &str) {
    let state = state(bench);
    assert!(matches!(&state, Flattening::GivenUp(known, _) if known == code), "{state:?}");
}

#[test]
fn what_a_storming_strategy_left_is_flattened() {
    let limits = RiskLimits { max_strategy_messages_per_second: Some(5), ..RiskLimits::default() };
    let mut bench = holder(limits);
    // Refusals beyond those that are recorded one by one: of its own request no more than the code is kept.
    (0..60).for_each(|_| drop(market(&mut bench, STRATEGY, OrderSide::Buy, 10)));
    assert!(bench.desk.gate().orders().count() < 60);
    flatten(&mut bench);
    bench.settle(Event::new(EventType::Signal, Name::intern(STRATEGY), bench.now_ns, Payload::Empty));
    go_on(&mut bench, 60, GOOD);
    assert_eq!((position(&bench), state(&bench)), (0, Flattening::Flat));
}

/// Every second the market trades 100.
fn trade_on(bench: &mut Bench, seconds: usize) -> Vec<i64> {
    let mut positions = Vec::new();
    for _ in 0..seconds {
        let payload = Payload::Trade(Trade { price: GOOD.0, size: 100, ..Trade::default() });
        let source = Name::intern("market");
        let event = Event::market(EventType::Trade, source, btc().id, (2, 3), bench.now_ns, payload);
        bench.desk.on_market(&mut bench.router, bench.now_ns, &event);
        go_on(bench, 1, GOOD);
        positions.push(position(bench));
    }
    positions
}

#[test]
fn a_flattening_is_cut_to_the_share_of_the_volume_and_waits_for_room() {
    let own = crate::risk::InstrumentLimits { max_participation_bps: Some(1_000), ..Default::default() };
    let limits = RiskLimits { default: own, ..RiskLimits::default() };
    let (mut bench, _) = Bench::open(config(paper(0), LogConfig::Memory, limits), 1);
    // Of 6,000 a minute 600 are ours.
    for _ in 0..4 {
        trade_on(&mut bench, 70);
        assert!(types(&market(&mut bench, STRATEGY, OrderSide::Buy, 300)).contains(&EventType::OrderFilled));
    }
    assert_eq!(position(&bench), 1_200);
    flatten(&mut bench);
    // What was bought within the minute counts, too: half of the share is left.
    let first = trade_on(&mut bench, 10);
    assert!(first.iter().all(|position| (890..1_200).contains(position)), "{first:?}");
    waits_for(&bench, "PARTICIPATION_LIMIT");
    trade_on(&mut bench, 400);
    assert_eq!((position(&bench), state(&bench)), (0, Flattening::Flat));
}

#[test]
fn behind_a_loss_room_that_others_take_is_waited_for() {
    let limits = RiskLimits { max_daily_loss: Some(1_000_000_000_000), ..RiskLimits::default() };
    let mut bench = holder(limits);
    let fallen = (5_900_000, 5_900_010);
    bench.quote(fallen.0, fallen.1);
    assert_eq!(bench.desk.gate().breaches().len(), 1);
    flatten(&mut bench);
    // Asked for, and not yet with risk: the other strategy's request is ahead of it there, and reduces all there is.
    let working = rest(&mut bench, OrderSide::Sell, 20, 6_100_000);
    waits_for(&bench, "DAILY_LOSS");
    go_on(&mut bench, 30, fallen);
    waits_for(&bench, "POSITION_LIMIT");
    bench.desk.cancel(&mut bench.router, bench.now_ns, working, Asker::Account);
    go_on(&mut bench, 60, fallen);
    assert_eq!((position(&bench), state(&bench)), (0, Flattening::Flat));
}

#[test]
fn what_a_kill_switch_ended_begins_again_when_it_is_asked_for_again_and_not_before() {
    let mut bench = holder(RiskLimits::default());
    bench.desk.kill(&mut bench.router, bench.now_ns, "the test").unwrap();
    flatten(&mut bench);
    go_on(&mut bench, 10, GOOD);
    given_up(&bench, "KILL_SWITCH");
    bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
    go_on(&mut bench, 60, GOOD);
    given_up(&bench, "KILL_SWITCH");
    flatten(&mut bench);
    go_on(&mut bench, 10, GOOD);
    assert_eq!((position(&bench), state(&bench)), (0, Flattening::Flat));
}

#[test]
fn what_the_account_did_not_hold_is_closed_once_it_holds_it() {
    let mut bench = holder(RiskLimits::default());
    market(&mut bench, OTHER, OrderSide::Sell, 20);
    flatten(&mut bench);
    go_on(&mut bench, 10, GOOD);
    given_up(&bench, "CANNOT_FLATTEN");
    // The other one covers: what is left is all of the one that is gone.
    market(&mut bench, OTHER, OrderSide::Buy, 20);
    go_on(&mut bench, 10, GOOD);
    assert_eq!((position(&bench), state(&bench)), (0, Flattening::Flat));
}

/// A strategy at a venue outside whose order was cancelled when 20 of its 40 were executed; it is gone.
fn half_executed() -> (Bench, ClientOrderId) {
    let mut bench = Bench::new(Link::External);
    bench.quote(GOOD.0, GOOD.1);
    let request = bench.request(40);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    report(&mut bench, id, fill(1));
    report(&mut bench, id, VenueOutcome::Cancelled { reason: String::new() });
    (bench, id)
}

#[test]
fn a_fill_behind_an_end_is_closed_too() {
    let (mut bench, id) = half_executed();
    flatten(&mut bench);
    let refused = VenueOutcome::Rejected { code: "MARGIN".into(), detail: "no".into() };
    assert_eq!(answer(&mut bench, 60, &refused), 5);
    given_up(&bench, "MARGIN");
    report(&mut bench, id, fill(2));
    let mut all = fill(3);
    if let VenueOutcome::Filled { size, .. } = &mut all {
        *size = 40;
    }
    assert_eq!(answer(&mut bench, 10, &all), 1);
    assert_eq!((position(&bench), state(&bench)), (0, Flattening::Flat));
}

#[test]
fn a_fill_behind_a_kill_switch_begins_nothing() {
    for comes_late in [false, true] {
        let (mut bench, id) = half_executed();
        bench.desk.kill(&mut bench.router, bench.now_ns, "the test").unwrap();
        flatten(&mut bench);
        go_on(&mut bench, 10, GOOD);
        if !comes_late {
            report(&mut bench, id, fill(2));
        }
        bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
        if comes_late {
            report(&mut bench, id, fill(2));
        }
        assert_eq!(answer(&mut bench, 60, &fill(3)), 0);
        given_up(&bench, "KILL_SWITCH");
        assert_eq!(position(&bench), 40);
    }
}
