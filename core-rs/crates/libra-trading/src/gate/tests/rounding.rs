//! A venue that rounds what executions realise: its wallet is taken over unit by unit, and no further.

use super::reconcile::{SYMBOL, Venue, opened, usdt};
use super::*;
use crate::gate::IncidentCode;
use crate::reconcile::compare::differences;
use crate::reconcile::{Flight, FlowKind, VenueFlow, rounding};

/// The eighth decimal.
const UNIT: Money = 10_000;

fn rounding_venue() -> (Gate, Venue) {
    let (mut gate, mut venue) = opened();
    venue.look.state.unit = UNIT;
    assert!(venue.look(&mut gate).report.settled);
    (gate, venue)
}

/// Trades so often, a size of one each, and the venue's position is as ours.
fn trades(gate: &mut Gate, venue: &mut Venue, side: OrderSide, times: i64, price: i64) {
    let n = gate.fills().len() as u128 + 1;
    let id = place(gate, venue.now_ns, &limit(n, side, times, price)).unwrap();
    for trade in 0..times {
        let report = VenueReport { ts_venue_ns: venue.now_ns, ..filled(id, n as u64 + trade as u64, price, 1) };
        gate.on_report(venue.now_ns, &report).unwrap();
    }
    shown(gate, venue, 0);
}

/// The venue shows our position, with a basis that is so much above ours.
fn shown(gate: &Gate, venue: &mut Venue, basis_above: Money) {
    let position = *gate.account().position(linear().id).unwrap();
    venue.look.state.positions.clear();
    if position.size != 0 {
        venue.holds(&format!("{}", position.size as f64 / 1_000.0), 0);
        let entry = (position.cost + basis_above) * 1_000 / Money::from(position.size);
        venue.look.state.positions[0].entry_price = Some(entry);
    }
}

fn off_by(gate: &Gate, venue: &mut Venue, amount: Money) {
    venue.has(usdt(gate).total + amount);
}

#[test]
fn a_unit_for_each_execution_is_a_rounding_and_more_is_none() {
    for (off, taken_over) in
        [(2 * UNIT, true), (3 * UNIT, true), (-3 * UNIT, true), (UNIT / 3, true), (3 * UNIT + 1, false)]
    {
        let (mut gate, mut venue) = rounding_venue();
        trades(&mut gate, &mut venue, OrderSide::Buy, 3, PRICE);
        let (total, flows) = (usdt(&gate).total, gate.flows());
        off_by(&gate, &mut venue, off);
        let first = venue.look(&mut gate);
        let second = venue.look(&mut gate);
        assert_eq!(first.report.settled, taken_over, "{off}");
        if taken_over {
            assert_eq!((first.report.roundings, second.report.roundings), (1, 0));
            assert!(matches!(first.events[..], [GateEvent::Balance(after)] if after.total == total + off));
            assert_eq!((usdt(&gate).total, usdt(&gate).realised, gate.flows()), (total + off, off, flows + 1));
            assert!(gate.incident().is_none());
        } else {
            assert_eq!((first.report.roundings, gate.flows(), usdt(&gate).total), (0, flows, total));
            assert_eq!(gate.incident().unwrap().code, IncidentCode::BalanceDiffers);
        }
    }
}

#[test]
fn without_executions_there_is_no_room() {
    for unit in [UNIT, 0] {
        let (mut gate, mut venue) = rounding_venue();
        venue.look.state.unit = unit;
        if unit == 0 {
            // Nor at a venue that books exactly.
            trades(&mut gate, &mut venue, OrderSide::Buy, 3, PRICE);
        }
        off_by(&gate, &mut venue, 1);
        venue.look(&mut gate);
        assert_eq!(venue.look(&mut gate).report.differences.len(), 1);
        assert_eq!(gate.incident().unwrap().code, IncidentCode::BalanceDiffers);
    }
}

/// An account with a log, found equal once, and five executions behind that.
fn traded_five(file: &TempLog) -> (Gate, Venue) {
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let mut venue = Venue::new(money(10_000));
    venue.look.state.unit = UNIT;
    while !venue.looks.is_settled() {
        venue.look(&mut gate);
    }
    trades(&mut gate, &mut venue, OrderSide::Buy, 5, PRICE);
    (gate, venue)
}

#[test]
fn what_was_found_equal_or_booked_leaves_no_room() {
    for used in [0, UNIT] {
        let file = TempLog::new();
        let (mut gate, mut venue) = traded_five(&file);
        off_by(&gate, &mut venue, used);
        assert!(venue.look(&mut gate).report.settled);
        // Nor in the next process: what ends the count stands in the log.
        let (digest, settled, total) = (gate.state_digest(), gate.settled_fills(name("USDT")), usdt(&gate).total);
        drop(gate);
        let (mut gate, _) = file.open(RiskLimits::default(), T0);
        assert_eq!((gate.state_digest(), gate.settled_fills(name("USDT"))), (digest, settled));
        assert_eq!((settled, usdt(&gate).total), (Some(5), total));
        off_by(&gate, &mut venue, UNIT);
        venue.look(&mut gate);
        venue.look(&mut gate);
        assert_eq!(gate.incident().unwrap().code, IncidentCode::BalanceDiffers);
    }
}

#[test]
fn a_process_that_dies_behind_a_rounding_leaves_no_room() {
    let file = TempLog::new();
    let (mut gate, mut venue) = traded_five(&file);
    off_by(&gate, &mut venue, UNIT);
    assert_eq!(rounding::room(&gate, name("USDT"), UNIT), 5 * UNIT);
    let found = differences(&gate, &venue.look.state, &Flight::default());
    let flows = rounding::flows(&gate, &venue.look.state, &found);
    assert_eq!(flows.len(), 1);
    gate.book_flow(venue.now_ns, &flows[0]).unwrap();
    drop(gate);
    let (gate, _) = file.open(RiskLimits::default(), T0);
    assert_eq!(rounding::room(&gate, name("USDT"), UNIT), 0);
}

#[test]
fn what_was_never_found_equal_has_no_room() {
    let mut gate = gate(RiskLimits::default());
    let mut venue = Venue::new(money(10_000));
    venue.look.state.unit = UNIT;
    // An account with a past, which no look has seen.
    trades(&mut gate, &mut venue, OrderSide::Buy, 3, PRICE);
    off_by(&gate, &mut venue, UNIT);
    venue.look(&mut gate);
    venue.look(&mut gate);
    assert_eq!(gate.incident().unwrap().code, IncidentCode::BalanceDiffers);
}

#[test]
fn nothing_is_rounded_while_anything_else_differs() {
    let (mut gate, mut venue) = rounding_venue();
    trades(&mut gate, &mut venue, OrderSide::Buy, 3, PRICE);
    off_by(&gate, &mut venue, UNIT);
    venue.holds("0.004", 60_000);
    let taken = venue.look(&mut gate);
    assert_eq!((taken.report.roundings, taken.report.undecided.len()), (0, 2));
    shown(&gate, &mut venue, 0);
    venue.look.state.balances.push((name("BTC"), 1));
    assert_eq!(venue.look(&mut gate).report.roundings, 0);
    venue.look.state.balances.pop();
    assert_eq!(venue.look(&mut gate).report.roundings, 1);
}

#[test]
fn executions_that_move_another_currency_make_no_room() {
    let (mut gate, mut venue) = rounding_venue();
    trades(&mut gate, &mut venue, OrderSide::Buy, 3, PRICE);
    venue.look.state.balances = vec![(name("USDT"), usdt(&gate).total), (name("BTC"), 1)];
    assert_eq!(venue.look(&mut gate).report.roundings, 0);
    venue.look(&mut gate);
    assert_eq!(gate.incident().unwrap().code, IncidentCode::BalanceDiffers);
}

/// Buys at prices that share badly, sells piece by piece: the venue cuts each share of the basis at its unit. How often
/// a look rounded, and whether each of them settled.
fn sells_piece_by_piece(keeps_entry: bool) -> usize {
    let (mut gate, mut venue) = rounding_venue();
    for (n, price) in [PRICE, PRICE + 10, PRICE + 30].into_iter().enumerate() {
        trades(&mut gate, &mut venue, OrderSide::Buy, [2, 3, 9][n], price);
    }
    off_by(&gate, &mut venue, 0);
    assert!(venue.look(&mut gate).report.settled);
    let position = *gate.account().position(linear().id).unwrap();
    let (mut wallet, mut cost, mut size) = (usdt(&gate).total, position.cost, Money::from(position.size));
    let entry = (cost, size);
    let mut roundings = 0;
    while size > 0 {
        let price = PRICE + 70;
        trades(&mut gate, &mut venue, OrderSide::Sell, 2, price);
        for _ in 0..2 {
            let share = if keeps_entry { entry.0 / entry.1 } else { cost / size };
            let share = share / UNIT * UNIT;
            (wallet, cost, size) = (wallet + linear().notional(price, 1).unwrap() - share, cost - share, size - 1);
        }
        let basis = if keeps_entry { entry.0 * size / entry.1 } else { cost };
        if let Some(position) = venue.look.state.positions.first_mut() {
            position.entry_price = Some(basis * 1_000 / size);
        }
        venue.has(wallet);
        let taken = venue.look(&mut gate);
        assert!(taken.report.settled, "{size}: {:?}", taken.report);
        assert_eq!(usdt(&gate).total, wallet);
        roundings += taken.report.roundings;
        if !keeps_entry {
            assert_eq!(gate.account().position(linear().id).unwrap().cost, cost, "the venue's own basis");
        }
    }
    assert!(gate.incident().is_none());
    roundings
}

#[test]
fn the_rest_of_a_rounding_is_where_the_venue_has_it() {
    assert!(sells_piece_by_piece(false) > 0);
    assert!(sells_piece_by_piece(true) > 0);
}

#[test]
fn executions_booked_late_and_rounded_are_brought_into_order_first() {
    let (mut gate, mut venue) = rounding_venue();
    let sides = [OrderSide::Buy, OrderSide::Sell, OrderSide::Buy];
    let ids: Vec<_> = (sides.into_iter().zip([60_000, 60_600, 59_400]).enumerate())
        .map(|(n, (side, price))| place(&mut gate, T0, &limit(n as u128 + 1, side, 10, price * 100)).unwrap())
        .collect();
    let told = |n: usize, size, price: i64| VenueReport {
        ts_venue_ns: venue.now_ns + n as i64,
        ..filled(ids[n], n as u64, price * 100, size)
    };
    // The venue's order is 0, 1, 2.
    for (n, size, price) in [(0, 10, 60_000), (2, 10, 59_400), (1, 5, 60_600)] {
        gate.on_report(venue.now_ns, &told(n, size, price)).unwrap();
    }
    gate.on_report(T0, &report(ids[1], VenueOutcome::Cancelled { reason: String::new() })).unwrap();
    venue.holds("0.015", 59_600);
    venue.has(money(10_003) - 2 * UNIT);
    let taken = venue.look(&mut gate);
    assert!(taken.report.settled, "{:?}", taken.report);
    assert_eq!((taken.report.roundings, usdt(&gate).total), (1, money(10_003) - 2 * UNIT));
    assert_eq!(gate.account().position(linear().id).unwrap().cost, money(894));
    assert!(gate.incident().is_none());
}

#[test]
fn two_positions_keep_the_basis_that_the_venue_has_of_each() {
    let (mut gate, mut venue) = rounding_venue();
    assert_eq!(linear().symbol, name(SYMBOL));
    trades(&mut gate, &mut venue, OrderSide::Buy, 2, PRICE);
    let (total, cost) = (usdt(&gate).total, gate.account().position(linear().id).unwrap().cost);
    // A part of it is in the basis, as far as the venue's entry price shows.
    off_by(&gate, &mut venue, -UNIT);
    shown(&gate, &mut venue, -UNIT);
    assert!(venue.look(&mut gate).report.settled);
    assert_eq!(gate.account().position(linear().id).unwrap().cost, cost - UNIT);
    assert_eq!(usdt(&gate).total, total - UNIT);
    let equity = usdt(&gate).equity();
    assert_eq!(equity, Some(total + linear().notional(PRICE, 2).unwrap() - cost), "nothing was won or lost by it");
}

#[test]
fn a_gateway_tells_of_no_roundings() {
    assert_eq!(FlowKind::parse("rounding"), None);
    assert_eq!(FlowKind::Rounding.as_str(), "rounding");
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    trade(&mut gate, &buy(1, 10), PRICE);
    let flow = VenueFlow {
        key: "k".into(),
        kind: FlowKind::Rounding,
        currency: name("USDT"),
        amount: 5,
        symbol: name(SYMBOL),
        ts_venue_ns: T0,
    };
    let events = gate.book_flow(T0, &flow).unwrap();
    assert!(matches!(events[..], [GateEvent::Balance(_), GateEvent::Position { .. }]));
    let digest = gate.state_digest();
    drop(gate);
    assert_eq!(file.open(RiskLimits::default(), T0).0.state_digest(), digest);
}
