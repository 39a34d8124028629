//! A restart is no fresh start: rates and our share of the volume go on from what the log holds.

use super::*;
use crate::gate::recent::Recent;
use crate::gate::record::Record;
use crate::gate::state::State;
use crate::risk::rate::Rates;
use crate::risk::{InstrumentLimits, RiskCode};

const MINUTE: i64 = 60 * SECOND;

fn rates() -> RiskLimits {
    RiskLimits {
        max_orders_per_second: Some(3),
        max_orders_per_minute: Some(5),
        max_messages_per_second: Some(8),
        ..RiskLimits::default()
    }
}

/// What became of a request at `now_ns`, in a process that has just been started on the log.
fn asked(file: &TempLog, limits: RiskLimits, now_ns: i64, request: &OrderRequest) -> Option<RiskCode> {
    let (mut gate, _) = file.open(limits, now_ns);
    gate.set_reconciling(false);
    gate.on_trade(linear().id, 100, now_ns, now_ns);
    place(&mut gate, now_ns, request).err().map(|refused| refused.code)
}

#[test]
fn a_strategy_that_crashes_after_every_order_keeps_to_its_rates() {
    let file = TempLog::new();
    let ask = |id: u128, now_ns: i64| asked(&file, rates(), now_ns, &buy(id, 2));
    for id in 1..=3 {
        assert_eq!(ask(id, T0 + id as i64), None);
    }
    assert_eq!(ask(4, T0 + 4), Some(RiskCode::OrderRate), "a fourth within the second");
    assert_eq!(ask(5, T0 + SECOND), Some(RiskCode::OrderRate));
    assert_eq!(ask(6, T0 + SECOND + 1), None, "the first is a second ago");
    assert_eq!(ask(7, T0 + 3 * SECOND), None);
    assert_eq!(ask(8, T0 + 6 * SECOND), Some(RiskCode::OrderRate), "a sixth within the minute");
    assert_eq!(ask(9, T0 + MINUTE), Some(RiskCode::OrderRate));
    assert_eq!(ask(10, T0 + MINUTE + 1), None, "the first of five is a minute ago");
}

#[test]
fn cancels_count_for_their_strategy() {
    let limits = RiskLimits { max_strategy_messages_per_second: Some(3), ..RiskLimits::default() };
    let file = TempLog::new();
    let (mut gate, _) = file.open(limits.clone(), T0);
    let first = place(&mut gate, T0, &buy(1, 2)).unwrap();
    let second = place(&mut gate, T0, &buy(2, 2)).unwrap();
    gate.cancel(T0, first).unwrap();
    drop(gate);
    assert_eq!(asked(&file, limits.clone(), T0 + 1, &buy(3, 2)), Some(RiskCode::StrategyMessageRate));
    let other = OrderRequest { strategy: name("calm"), ..buy(4, 2) };
    assert_eq!(asked(&file, limits.clone(), T0 + 1, &other), None, "each strategy has its own");
    let (mut gate, _) = file.open(limits.clone(), T0 + SECOND);
    gate.cancel(T0 + SECOND, second).unwrap();
    drop(gate);
    assert_eq!(asked(&file, limits, T0 + SECOND, &buy(5, 2)), None, "what was sent a second ago has left the window");
}

#[test]
fn a_clock_that_went_back_opens_no_window_and_closes_none_for_longer() {
    let file = TempLog::new();
    let ask = |id: u128, now_ns: i64| asked(&file, rates(), now_ns, &buy(id, 2));
    for id in 1..=3 {
        assert_eq!(ask(id, T0), None);
    }
    let back = T0 - 3_600 * SECOND;
    let (mut gate, _) = file.open(rates(), back);
    gate.set_reconciling(false);
    let place = |gate: &mut Gate, id: u128, now_ns: i64| place(gate, now_ns, &buy(id, 2)).err().map(|r| r.code);
    assert_eq!(place(&mut gate, 4, back), Some(RiskCode::OrderRate), "what the future holds counts as now");
    assert_eq!(place(&mut gate, 5, back + SECOND - 1), Some(RiskCode::OrderRate));
    assert_eq!(place(&mut gate, 6, back + SECOND), None, "and no longer than a window");
    drop(gate);
    assert_eq!(ask(7, i64::MIN), Some(RiskCode::OrderRate), "no clock is too strange");
    assert_eq!(ask(8, i64::MAX), None);
}

#[test]
fn our_share_of_the_volume_goes_on() {
    let limits = RiskLimits {
        default: InstrumentLimits { max_participation_bps: Some(1_000), ..InstrumentLimits::default() },
        ..RiskLimits::default()
    };
    let file = TempLog::new();
    let (mut gate, _) = file.open(limits.clone(), T0);
    gate.on_trade(linear().id, 100, T0, T0);
    let id = place(&mut gate, T0, &buy(1, 6)).unwrap();
    gate.on_report(T0, &filled(id, 1, PRICE, 6)).unwrap();
    // It does not fit the account: an incident, and no execution.
    gate.on_report(T0, &filled(id, 2, i64::MAX, i64::MAX)).unwrap();
    gate.resume(T0).unwrap();
    drop(gate);
    let ask = |id: u128, now_ns: i64, size: i64| asked(&file, limits.clone(), now_ns, &buy(id, size));
    assert_eq!(ask(2, T0 + SECOND, 5), Some(RiskCode::ParticipationLimit), "6 and 5 of 100");
    assert_eq!(ask(3, T0 - MINUTE, 5), Some(RiskCode::ParticipationLimit), "also when the clock went back");
    let (mut gate, _) = file.open(limits.clone(), T0 + SECOND);
    let no_trade = place(&mut gate, T0 + SECOND, &buy(4, 2)).unwrap_err();
    assert_eq!(no_trade.code, RiskCode::NoVolume, "the market's volume begins anew");
    drop(gate);
    assert_eq!(ask(5, T0 + MINUTE, 5), None, "what was executed has left the window");
}

#[test]
fn of_more_orders_than_any_window_counts_the_last_ones_are_known() {
    const MOST: u32 = 100_000;
    let limits = RiskLimits { max_orders_per_minute: Some(MOST), ..RiskLimits::default() };
    let mut recent = Recent::new(T0 + SECOND, SECOND);
    let mut state = State::default();
    for at_ns in [T0].into_iter().chain((0..MOST).map(|_| T0 + SECOND)) {
        let record = Record::Intent { now_ns: at_ns, request: buy(1, 1), hold_price: PRICE, window_end_ns: 0 };
        recent.note(&record, &state);
    }
    let mut rates = Rates::new(&limits);
    recent.count(&mut rates, &mut state);
    for (now_ns, is_full) in [(T0 + SECOND, true), (T0 + MINUTE + SECOND - 1, true), (T0 + MINUTE + SECOND, false)] {
        assert_eq!(rates.check(now_ns, name("sma")).is_err(), is_full, "{} s later", (now_ns - T0) / SECOND);
    }
}
