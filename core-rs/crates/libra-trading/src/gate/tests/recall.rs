//! Words of the log that an account cannot read any more: they shut what they are about, and nothing else.

use super::*;
use crate::risk::{LimitChange, RiskCode, Term};

fn term(key: &str, value: &str) -> [Term; 1] {
    [(key.to_owned(), Some(value.to_owned()))]
}

fn of_linear(limit: &str) -> String {
    format!("instruments.{}.{limit}", linear().id)
}

fn code(outcome: Result<impl Sized, Rejection>) -> Option<RiskCode> {
    outcome.err().map(|refused| refused.code)
}

/// The account whose log says `limit`, opened with a linear instrument of one decimal less.
fn coarser(limit: &str) -> (TempLog, Gate, Recovered) {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    gate.change_limits(T0, "ops", &term(&of_linear(limit), "0.001"), false).unwrap();
    drop(gate);
    let (gate, recovered) = again(&file);
    (file, gate, recovered)
}

fn again(file: &TempLog) -> (Gate, Recovered) {
    let mut config = file.config(RiskLimits::default());
    config.instruments[0].size_decimals -= 1;
    let (mut gate, recovered) = Gate::open(config, T0).unwrap();
    quote(&mut gate, T0);
    (gate, recovered)
}

#[test]
fn a_limit_finer_than_its_instrument_shuts_the_instrument_and_no_more() {
    for (limit, refusal) in [("max_order_size", RiskCode::OrderSizeLimit), ("max_position", RiskCode::PositionLimit)] {
        let (_file, mut gate, recovered) = coarser(limit);
        let told = LimitChange { key: of_linear(limit), old: None, new: Some("0".into()) };
        assert_eq!(recovered.limits, [told]);
        assert_eq!(code(gate.reserve(T0, &buy(1, 10))), Some(refusal));
        assert_eq!(code(gate.reserve(T0, &sell(2, 10))), Some(refusal));
        assert_eq!(code(gate.reserve(T0, &on_spot(buy(3, 1_000)))), None);
    }
}

#[test]
fn it_is_opened_by_a_limit_that_can_be_read_and_holds_up_no_other() {
    let (file, mut gate, _) = coarser("max_order_size");
    gate.change_limits(T0, "ops", &term("max_open_orders", "5"), false).unwrap();
    let wider = term(&of_linear("max_order_size"), "0.1");
    assert!(gate.change_limits(T0, "ops", &wider, false).is_err(), "it loosens");
    gate.change_limits(T0, "ops", &wider, true).unwrap();
    assert_eq!(code(gate.reserve(T0, &buy(1, 10))), None);
    drop(gate);
    let (mut gate, _) = again(&file);
    assert_eq!(code(gate.reserve(T0, &buy(2, 10))), None, "and stays so");
}

#[test]
fn a_word_about_nothing_that_is_known_lets_nothing_leave() {
    let limits = RiskLimits::default();
    let words = |key, value| term(key, value).into_iter().collect();
    for key in ["max_nonsense", "instruments.GONE/USDT@x.max_order_size"] {
        let found = crate::risk::change::recall(&limits, &words(key, "1"), &[linear()]);
        assert_eq!(found.max_open_orders, Some(0), "{key}");
    }
    let found = crate::risk::change::recall(&limits, &words("max_orders_per_second", "many"), &[linear()]);
    assert_eq!((found.max_open_orders, found.max_orders_per_second), (Some(0), None));
}

#[test]
fn a_word_that_cannot_be_read_shuts_the_account_whatever_other_words_there_are() {
    let unreadable = [("instruments.GONE/USDT@x.max_order_size", "1"), ("max_orders_per_second", "many")];
    for (key, value) in unreadable {
        for most in [Some("50"), None] {
            let mut words: std::collections::BTreeMap<_, _> = term(key, value).into_iter().collect();
            // On either side of it in the order of the words.
            words.insert("max_open_orders".to_owned(), most.map(str::to_owned));
            let found = crate::risk::change::recall(&RiskLimits::default(), &words, &[linear()]);
            assert_eq!(found.max_open_orders, Some(0), "{key} beside {most:?}");
        }
    }
}
