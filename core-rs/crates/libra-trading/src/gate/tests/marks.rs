//! Quotes that are too old: what is held at them stops every order that could increase a position.

use super::*;
use crate::risk::{InstrumentLimits, RiskCode};

/// A contract beside the one that is held, another, and one that settles in another currency.
fn ether() -> Instrument {
    crate::samples::contract("ETH", "binanceusdm")
}

fn other() -> Instrument {
    crate::samples::contract("SOL", "binanceusdm")
}

fn in_euros() -> Instrument {
    let (quote, settle) = (name("EUR"), name("EUR"));
    Instrument { id: name("XRP/EUR:EUR@x"), symbol: name("XRP/EUR:EUR"), quote, settle, ..other() }
}

fn aged() -> RiskLimits {
    RiskLimits { max_quote_age_ns: Some(5 * SECOND), ..RiskLimits::default() }
}

fn daily() -> RiskLimits {
    RiskLimits { max_daily_loss: Some(money(5_000)), ..aged() }
}

fn gross() -> RiskLimits {
    RiskLimits { max_gross_exposure: Some(money(1_000_000)), ..aged() }
}

fn open(limits: RiskLimits) -> Gate {
    let instruments = vec![linear(), ether(), other(), in_euros()];
    Gate::open(GateConfig { instruments, ..config(limits) }, T0).unwrap().0
}

fn see(gate: &mut Gate, instrument: &Instrument, ts_ns: i64, now_ns: i64) {
    gate.on_quote(instrument.id, PRICE, PRICE + 10, ts_ns, now_ns);
}

fn of(instrument: &Instrument, request: OrderRequest) -> OrderRequest {
    OrderRequest { instrument: instrument.id, ..request }
}

fn fill(gate: &mut Gate, now_ns: i64, request: &OrderRequest) {
    let id = place(gate, now_ns, request).unwrap();
    gate.on_report(now_ns, &filled(id, 1, PRICE, request.size)).unwrap();
}

/// Holds 0.1 BTC, quoted at T0 for the last time; the others are quoted six seconds later.
fn held(limits: RiskLimits) -> (Gate, i64) {
    let mut gate = open(limits);
    let later = T0 + 6 * SECOND;
    see(&mut gate, &linear(), T0, T0);
    fill(&mut gate, T0, &buy(1, 100));
    [ether(), other(), in_euros()].iter().for_each(|instrument| see(&mut gate, instrument, later, later));
    (gate, later)
}

fn code(outcome: Result<impl Sized, Rejection>) -> Option<RiskCode> {
    outcome.err().map(|refused| refused.code)
}

#[test]
fn an_old_quote_of_what_is_held_stops_orders_in_other_instruments_and_is_named() {
    let (mut gate, later) = held(daily());
    let refused = gate.reserve(later, &of(&ether(), buy(2, 10))).unwrap_err();
    assert_eq!((refused.code, &*refused.limit, &*refused.value), (RiskCode::StaleMarket, "5 s", "6 s"));
    assert_eq!(refused.detail, "BTC/USDT:USDT, which is held or has open orders, is valued at it");
    see(&mut gate, &linear(), later, later);
    assert_eq!(code(gate.reserve(later, &of(&ether(), buy(3, 10)))), None);
}

#[test]
fn every_limit_that_needs_the_mark_asks_for_its_age_and_no_other_does() {
    let own = InstrumentLimits { max_concentration_bps: Some(1_000_000), ..InstrumentLimits::default() };
    let with = [
        gross(),
        daily(),
        RiskLimits { max_net_exposure: Some(money(1_000_000)), ..aged() },
        RiskLimits { max_leverage_bps: Some(1_000_000), ..aged() },
        RiskLimits { max_drawdown_bps: Some(9_000), ..aged() },
        RiskLimits { default: own, ..aged() },
    ];
    for limits in with {
        let (mut gate, later) = held(limits.clone());
        assert_eq!(code(gate.reserve(later, &of(&ether(), buy(2, 10)))), Some(RiskCode::StaleMarket), "{limits:?}");
        let (mut gate, later) = held(RiskLimits { max_quote_age_ns: None, ..limits.clone() });
        assert_eq!(code(gate.reserve(later, &of(&ether(), buy(2, 10)))), None, "{limits:?}");
    }
    let (mut gate, later) = held(aged());
    assert_eq!(code(gate.reserve(later, &of(&ether(), buy(2, 10)))), None);
}

#[test]
fn orders_that_reduce_pass_and_those_in_another_currency() {
    for limits in [daily(), gross()] {
        let mut gate = open(limits);
        let later = T0 + 6 * SECOND;
        for instrument in [linear(), ether()] {
            see(&mut gate, &instrument, T0, T0);
        }
        fill(&mut gate, T0, &buy(1, 100));
        fill(&mut gate, T0, &of(&ether(), buy(2, 100)));
        see(&mut gate, &ether(), later, later);
        see(&mut gate, &in_euros(), later, later);
        let stale = Some(RiskCode::StaleMarket);
        assert_eq!(code(place(&mut gate, later, &of(&ether(), sell(3, 60)))), None);
        assert_eq!(
            code(gate.reserve(later, &of(&ether(), sell(4, 60)))),
            stale,
            "with the one before it turns it over"
        );
        assert_eq!(code(gate.reserve(later, &of(&ether(), sell(5, 40)))), None);
        assert_eq!(code(gate.reserve(later, &of(&in_euros(), buy(6, 10)))), None);
        assert_eq!(code(gate.reserve(later, &sell(7, 10))), stale, "its own quote is too old");
    }
}

#[test]
fn what_was_approved_before_the_quote_grew_old_does_not_leave() {
    let (mut gate, later) = held(daily());
    let before = T0 + 5 * SECOND;
    see(&mut gate, &ether(), before, before);
    let approval = gate.reserve(before, &of(&ether(), buy(2, 10))).unwrap();
    assert_eq!(code(gate.spend(before + 1, &approval)), Some(RiskCode::StaleMarket));
    see(&mut gate, &linear(), later, later);
    see(&mut gate, &ether(), later, later);
    assert_eq!(code(place(&mut gate, later, &of(&ether(), buy(3, 10)))), None);
}

/// Somebody has looked at all marks; then something comes to be held at a quote that is older than all of them.
#[test]
fn what_comes_to_be_held_at_an_older_quote_is_seen() {
    for until in ["approved", "sent", "filled"] {
        let mut gate = open(gross());
        see(&mut gate, &other(), T0, T0);
        // So late that an approval has not lapsed when its quote is too old.
        let next = T0 + 4 * SECOND + SECOND / 2;
        see(&mut gate, &linear(), next, next);
        fill(&mut gate, next, &buy(1, 100));
        see(&mut gate, &ether(), next, next);
        assert_eq!(code(gate.reserve(next, &of(&ether(), buy(2, 10)))), None);
        let request = of(&other(), buy(3, 10));
        match until {
            "filled" => fill(&mut gate, next, &request),
            "sent" => drop(place(&mut gate, next, &request).unwrap()),
            _ => drop(gate.reserve(next, &request).unwrap()),
        }
        let later = T0 + 5 * SECOND + 1;
        see(&mut gate, &ether(), later, later);
        let refused = gate.reserve(later, &of(&ether(), buy(4, 10))).unwrap_err();
        assert_eq!(refused.code, RiskCode::StaleMarket, "{until}");
        assert!(refused.detail.starts_with("SOL/USDT:USDT"), "{refused}");
    }
}

#[test]
fn what_was_young_when_somebody_looked_grows_old_all_the_same() {
    let mut gate = open(daily());
    see(&mut gate, &linear(), T0, T0);
    fill(&mut gate, T0, &buy(1, 100));
    // Nothing of it is held, but it makes the first one look.
    see(&mut gate, &other(), T0 - 10 * SECOND, T0);
    for (seconds, expected) in [(4, None), (5, None), (6, Some(RiskCode::StaleMarket))] {
        let now_ns = T0 + seconds * SECOND;
        see(&mut gate, &ether(), now_ns, now_ns);
        let request = of(&ether(), buy(seconds as u128, 10));
        assert_eq!(code(gate.reserve(now_ns, &request)), expected, "{seconds}");
    }
}

/// A position that is taken over from the venue.
#[test]
fn what_the_venues_word_brings_is_held_at_its_quote() {
    let mut gate = open(daily());
    see(&mut gate, &other(), T0, T0);
    let later = T0 + 6 * SECOND;
    see(&mut gate, &linear(), later, later);
    see(&mut gate, &ether(), later, later);
    fill(&mut gate, later, &buy(1, 100));
    assert_eq!(code(gate.reserve(later, &of(&ether(), buy(2, 10)))), None);
    let slot = gate.state.account.slot(other().id).unwrap();
    gate.state.account.replace_position(other().id, 10, money(1)).unwrap();
    gate.state.revalue(slot);
    assert_eq!(code(gate.reserve(later, &of(&ether(), buy(3, 10)))), Some(RiskCode::StaleMarket));
}

#[test]
fn open_orders_count_where_a_limit_is_over_all_instruments() {
    for (limits, expected) in [(gross(), Some(RiskCode::StaleMarket)), (daily(), None)] {
        let mut gate = open(limits);
        see(&mut gate, &linear(), T0, T0);
        place(&mut gate, T0, &buy(1, 100)).unwrap();
        let later = T0 + 6 * SECOND;
        see(&mut gate, &ether(), later, later);
        assert_eq!(code(gate.reserve(later, &of(&ether(), buy(2, 10)))), expected);
    }
}

#[test]
fn a_quote_of_the_future_has_no_age() {
    let (mut gate, later) = held(daily());
    see(&mut gate, &linear(), later + SECOND, later);
    assert_eq!(code(gate.reserve(later, &of(&ether(), buy(2, 10)))), None, "clocks differ by so much");
    see(&mut gate, &linear(), later + SECOND + 1, later);
    let refused = gate.reserve(later, &of(&ether(), buy(3, 10))).unwrap_err();
    assert_eq!((refused.code, &*refused.value), (RiskCode::StaleMarket, "-1.000000001 s"));
}

#[test]
fn a_quote_of_one_side_makes_no_mark_younger() {
    let (mut gate, later) = held(daily());
    gate.on_quote(linear().id, 0, PRICE, later, later);
    assert_eq!(code(gate.reserve(later, &of(&ether(), buy(2, 10)))), Some(RiskCode::StaleMarket));
}

#[test]
fn the_oldest_of_several_is_named() {
    let mut gate = open(daily());
    for (instrument, id, ts_ns) in [(linear(), 1, T0 + SECOND), (other(), 2, T0), (ether(), 3, T0 + 2 * SECOND)] {
        see(&mut gate, &instrument, ts_ns, ts_ns);
        fill(&mut gate, T0 + 2 * SECOND, &of(&instrument, buy(id, 10)));
    }
    let later = T0 + 60 * SECOND;
    see(&mut gate, &ether(), later, later);
    let refused = gate.reserve(later, &of(&ether(), buy(4, 10))).unwrap_err();
    assert_eq!((&*refused.value, refused.detail.starts_with("SOL/USDT:USDT")), ("60 s", true), "{refused}");
}

#[test]
fn nothing_is_sized_by_an_equity_at_old_quotes() {
    let (mut gate, later) = held(gross());
    let usdt = name("USDT");
    assert_eq!(gate.known_equity(T0 + 5 * SECOND, usdt).map(|equity| equity > 0), Some(true));
    assert_eq!(gate.known_equity(later, usdt), None);
    assert_eq!(gate.known_equity(later, name("EUR")), Some(0), "nothing of it is held");
    see(&mut gate, &linear(), later, later);
    assert!(gate.known_equity(later, usdt).is_some());
    let (mut gate, later) = held(RiskLimits::default());
    assert!(gate.known_equity(later + 3_600 * SECOND, usdt).is_some(), "no limit says what is old");
    // What is open and not held is worth nothing yet.
    let mut gate = open(gross());
    see(&mut gate, &linear(), T0, T0);
    place(&mut gate, T0, &buy(1, 100)).unwrap();
    assert!(gate.known_equity(later, usdt).is_some());
}

/// What falls while the feed of another position is dead is measured, with the last quote of that one.
#[test]
fn a_loss_beside_an_old_quote_is_noticed() {
    let mut gate = open(RiskLimits { max_daily_loss: Some(money(100)), ..aged() });
    for (instrument, id) in [(linear(), 1), (ether(), 2)] {
        see(&mut gate, &instrument, T0, T0);
        fill(&mut gate, T0, &of(&instrument, buy(id, 10)));
    }
    let later = T0 + 60 * SECOND;
    let breach = gate.on_quote(ether().id, PRICE - 2_000_000, PRICE - 1_999_990, later, later).unwrap();
    assert_eq!(breach.code, RiskCode::DailyLoss);
}
