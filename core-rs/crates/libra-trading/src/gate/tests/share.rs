//! Our share of the volume, where the limit on it is set, or set again, while the account trades.

use super::*;
use crate::risk::{InstrumentLimits, RiskCode, Term};

const MINUTE: i64 = 60 * SECOND;

fn share(percent: Option<&str>) -> [Term; 1] {
    [("max_participation_pct".to_owned(), percent.map(str::to_owned))]
}

fn limited() -> RiskLimits {
    let default = InstrumentLimits { max_participation_bps: Some(1_000), ..Default::default() };
    RiskLimits { default, ..RiskLimits::default() }
}

/// Bought and filled at once.
fn execute(gate: &mut Gate, id: u128, size: i64, now_ns: i64) {
    let order = place(gate, now_ns, &buy(id, size)).unwrap();
    gate.on_report(now_ns, &filled(order, 1, PRICE, size)).unwrap();
}

/// What becomes of an order of 90 after trades of 1,000.
fn asked(gate: &mut Gate, id: u128, now_ns: i64) -> Option<(RiskCode, String)> {
    gate.on_trade(linear().id, 1_000, now_ns, now_ns);
    quote(gate, now_ns);
    gate.reserve(now_ns, &buy(id, 90)).err().map(|refused| (refused.code, refused.value))
}

fn nineteen() -> Option<(RiskCode, String)> {
    Some((RiskCode::ParticipationLimit, "19 %".into()))
}

#[test]
fn a_share_that_is_limited_while_trading_is_of_what_was_executed_before() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    execute(&mut gate, 1, 100, T0);
    gate.change_limits(T0 + 1, "ops", &share(Some("10")), false).unwrap();
    assert_eq!(asked(&mut gate, 2, T0 + 2), nineteen());
    drop(gate);
    let (mut gate, _) = file.open(RiskLimits::default(), T0 + 3);
    assert_eq!(asked(&mut gate, 3, T0 + 4), nineteen(), "and a restart says the same");
}

#[test]
fn a_limit_that_is_taken_away_and_set_again_forgets_nothing() {
    let mut gate = gate(limited());
    gate.on_trade(linear().id, 1_000, T0, T0);
    execute(&mut gate, 1, 60, T0);
    gate.change_limits(T0 + 1, "ops", &share(None), true).unwrap();
    execute(&mut gate, 2, 40, T0 + 2);
    gate.change_limits(T0 + 3, "ops", &share(Some("10")), false).unwrap();
    quote(&mut gate, T0 + 4);
    let refused = gate.reserve(T0 + 4, &buy(3, 90)).unwrap_err();
    assert_eq!((refused.code, refused.value.as_str()), (RiskCode::ParticipationLimit, "19 %"));
}

#[test]
fn what_a_restart_found_without_a_limit_counts_for_one_that_comes_later() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    execute(&mut gate, 1, 100, T0);
    drop(gate);
    let (mut gate, _) = file.open(RiskLimits::default(), T0 + SECOND);
    gate.change_limits(T0 + SECOND, "ops", &share(Some("10")), false).unwrap();
    assert_eq!(asked(&mut gate, 2, T0 + SECOND + 1), nineteen());
    assert_eq!(asked(&mut gate, 3, T0 + MINUTE + SECOND), None, "until it has left the window");
}

#[test]
fn a_volume_beyond_64_bits_is_shared_exactly() {
    let mut gate = gate(limited());
    gate.set_instrument(Instrument { max_size: i64::MAX, ..linear() }).unwrap();
    // Each second has a sum of its own, which 64 bits hold; the window's does not.
    let now_ns = T0 + 2 * SECOND;
    for second in 0..3 {
        gate.on_trade(linear().id, i64::MAX, T0 + second * SECOND, now_ns);
    }
    quote(&mut gate, now_ns);
    let room = i64::try_from(3 * i128::from(i64::MAX) / 10).unwrap();
    assert_eq!(gate.volume_room(now_ns, linear().id), Some(room));
    let refused = gate.reserve(now_ns, &buy(1, room + 1)).unwrap_err();
    assert_eq!((refused.code, refused.value.as_str()), (RiskCode::ParticipationLimit, "10.01 %"), "one beyond");
    assert!(gate.reserve(now_ns, &buy(2, room)).is_ok(), "to the last unit");
    assert_eq!(gate.volume_room(now_ns, linear().id), Some(0));
}
