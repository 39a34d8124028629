//! What is taken over from the venue is booked once, as a whole, or not at all; and what of it stands in the account's
//! history.

use super::reconcile::{SYMBOL, Venue, opened, usdt};
use super::*;
use crate::gate::{GateError, IncidentCode};
use crate::journal::Projection;
use crate::reconcile::compare::Orphan;
use crate::reconcile::{
    AcceptError, Adjustment, BalanceLine, Difference, FlowKind, PositionLine, Subject, VenueFlow, VenuePosition,
};

fn orphan(id: u128, size: i64, price: i64) -> Orphan {
    Orphan {
        client_order_id: ClientOrderId(id),
        venue_order_id: "v7".into(),
        instrument: linear().id,
        side: OrderSide::Buy,
        order_type: OrderType::Limit,
        price,
        size,
    }
}

fn transfer(key: &str, amount: Money) -> VenueFlow {
    let (kind, currency, symbol) = (FlowKind::Transfer, name("USDT"), Name::NONE);
    VenueFlow { key: key.into(), kind, currency, amount, symbol, ts_venue_ns: T0 + 50 * SECOND }
}

fn opening(usdt: Money) -> Adjustment {
    let line = BalanceLine { currency: name("USDT"), total: usdt, realised: 0, capital: usdt };
    Adjustment { balances: vec![line], ..Adjustment::default() }
}

/// What stands in the log, and what the account makes of it.
fn books(gate: &Gate) -> (u64, String, Option<(i64, i64)>) {
    (gate.sequence(), gate.state_digest(), gate.reserved(linear().id))
}

#[test]
fn an_order_is_adopted_once_and_holds_once() {
    let (mut gate, venue) = opened();
    gate.adopt(venue.now_ns, &orphan(7, 10, PRICE)).unwrap();
    let before = books(&gate);
    assert_eq!(before.2, Some((10, 0)));
    let again = gate.adopt(venue.now_ns, &orphan(7, 10, PRICE));
    assert!(matches!(again, Err(GateError::DoesNotFit("an order that is known"))), "{again:?}");
    // Nor is one that the account has sent, or refused.
    let sent = place(&mut gate, venue.now_ns, &buy(1, 10)).unwrap();
    gate.reserve(venue.now_ns, &buy(2, 0)).unwrap_err();
    let refused = crate::gate::client_order_id(name("main"), 2);
    let before = books(&gate);
    for known in [sent, refused] {
        assert!(matches!(gate.adopt(venue.now_ns, &orphan(known.0, 10, PRICE)), Err(GateError::DoesNotFit(_))));
    }
    assert_eq!(books(&gate), before);
    assert_eq!((gate.open_orders().count(), gate.log_failed()), (2, false));
}

#[test]
fn an_order_that_can_be_none_is_not_adopted() {
    let (mut gate, venue) = opened();
    let before = books(&gate);
    for (size, price) in [(0, PRICE), (-1, PRICE), (10, -1)] {
        let done = gate.adopt(venue.now_ns, &orphan(7, size, price));
        assert!(matches!(done, Err(GateError::InvalidReport(ClientOrderId(7)))), "{size} at {price}: {done:?}");
    }
    let unknown = Orphan { instrument: name("NOPE@x"), ..orphan(7, 10, PRICE) };
    assert!(matches!(
        gate.adopt(venue.now_ns, &unknown),
        Err(GateError::DoesNotFit("an order of an unknown instrument"))
    ));
    assert_eq!((books(&gate), gate.order(ClientOrderId(7))), (before, None));
}

#[test]
fn a_flow_that_is_told_again_moves_nothing() {
    let (mut gate, venue) = opened();
    assert_eq!(gate.book_flow(venue.now_ns, &transfer("w-1", money(5))).unwrap().len(), 1);
    let before = (books(&gate), gate.flows());
    assert_eq!(gate.book_flow(venue.now_ns, &transfer("w-1", money(5))).unwrap(), []);
    // By its key, whatever else is said of it.
    assert_eq!(gate.book_flow(venue.now_ns, &transfer("w-1", money(6))).unwrap(), []);
    assert_eq!(((books(&gate), gate.flows()), usdt(&gate).total), (before, money(10_005)));
}

#[test]
fn an_account_is_opened_once() {
    let (mut gate, venue) = opened();
    let before = books(&gate);
    let again = gate.open_as_venue(venue.now_ns, venue.now_ns, opening(money(5)));
    assert!(matches!(again, Err(GateError::DoesNotFit("an opening"))), "{again:?}");
    assert_eq!((books(&gate), usdt(&gate).total, gate.log_failed()), (before, money(10_000), false));
}

#[test]
fn what_fits_no_account_opens_none_and_a_later_look_does() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let mut venue = Venue::new(money(700));
    let entry_price = Some(Money::MIN + 1);
    venue.look.state.positions = vec![VenuePosition { symbol: name(SYMBOL), size: money(1), entry_price }];
    venue.look(&mut gate);
    let before = books(&gate);
    let done = venue.try_look(&mut gate);
    assert!(matches!(done, Err(GateError::DoesNotFit("an opening"))), "{done:?}");
    assert_eq!((books(&gate), gate.has_no_past(), venue.looks.is_settled()), (before, true, false));
    venue.holds("0.010", 59_000);
    while gate.has_no_past() {
        venue.look(&mut gate);
    }
    assert_eq!((usdt(&gate).total, gate.account().position(linear().id).unwrap().size), (money(700), 10));
    let digest = gate.state_digest();
    drop(gate);
    assert_eq!(file.open(RiskLimits::default(), T0).0.state_digest(), digest);
}

#[test]
fn a_venues_word_that_does_not_fit_is_not_taken_and_the_account_stays_stopped() {
    let (mut gate, mut venue) = opened();
    trade(&mut gate, &buy(1, 10), PRICE);
    quote(&mut gate, venue.now_ns);
    gate.on_quote(linear().id, PRICE + 1_000, PRICE + 1_010, venue.now_ns, venue.now_ns);
    venue.holds("0.010", 60_000);
    // With what is won by now it is more than money holds.
    venue.has(Money::MAX - 1);
    while gate.incident().is_none() {
        venue.look(&mut gate);
    }
    let before = books(&gate);
    let done = venue.looks.accept(&mut gate, venue.now_ns, "ops");
    assert!(matches!(done, Err(AcceptError::Gate(GateError::DoesNotFit("an adjustment")))), "{done:?}");
    assert_eq!((books(&gate), gate.log_failed()), (before, false));
    assert_eq!(gate.incident().unwrap().code, IncidentCode::BalanceDiffers);
    assert_eq!((usdt(&gate).total, gate.account().position(linear().id).unwrap().size), (money(10_000), 10));
}

#[test]
fn positions_elsewhere_are_in_the_digest_of_the_account() {
    let elsewhere = |size| {
        let file = TempLog::new();
        let (mut gate, _) = file.open(RiskLimits::default(), T0);
        let held = Adjustment { elsewhere: vec![(name("ETH/USDT:USDT"), money(size))], ..opening(money(5)) };
        gate.open_as_venue(T0, T0, held).unwrap();
        let digest = gate.state_digest();
        drop(gate);
        let (gate, _) = file.open(RiskLimits::default(), T0);
        assert_eq!(gate.state_digest(), digest, "a restart has them as well");
        assert_eq!(gate.positions_elsewhere().collect::<Vec<_>>(), [(name("ETH/USDT:USDT"), money(size))]);
        digest
    };
    assert_ne!(elsewhere(2), elsewhere(3));
    assert_eq!(elsewhere(2), elsewhere(2));
}

/// The account's time at the last record of a log, and the rows of money that flowed.
fn journal(file: &TempLog) -> (i64, Vec<(&'static str, String)>) {
    let batch = Projection::open(&file.0).unwrap().batch(u64::MAX, u64::MAX).unwrap().unwrap();
    (batch.ts_ns, batch.tables.finish().into_iter().filter(|(table, _)| *table == "flows").collect())
}

#[test]
fn each_is_dated_by_the_accounts_clock_in_its_journal() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let at = |second: i64| T0 + second * SECOND;
    // The venue's clock is another one.
    gate.open_as_venue(at(1), at(60), opening(money(5))).unwrap();
    assert_eq!(journal(&file).0, at(1));
    gate.adopt(at(2), &orphan(7, 10, PRICE)).unwrap();
    assert_eq!(journal(&file).0, at(2));
    let flow = transfer("w-1", money(5));
    gate.book_flow(at(3), &flow).unwrap();
    let (ts_ns, flows) = journal(&file);
    assert_eq!((ts_ns, flows.len()), (at(3), 1));
    assert!(flows[0].1.contains(&format!("{},{}", at(3), flow.ts_venue_ns)), "both times: {flows:?}");
    let subject = Subject::Position(name(SYMBOL));
    gate.differ(at(4), Difference { subject, ours: 0, theirs: 1 }).unwrap();
    assert_eq!(journal(&file).0, at(4));
    let positions = vec![PositionLine { instrument: linear().id, size: 1, cost: money(60) }];
    gate.adjust(at(5), "ops", Adjustment { positions, ..Adjustment::default() }).unwrap();
    assert_eq!(journal(&file).0, at(5));
    for (second, equal) in [(6, true), (7, false)] {
        gate.looked(at(second), at(60), equal).unwrap();
        assert_eq!(journal(&file).0, at(second));
    }
}
