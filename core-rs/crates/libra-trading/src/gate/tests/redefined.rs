//! An instrument that is defined anew with other decimals: what was said by value stays, what was seen in its units goes.

use super::*;
use crate::risk::RiskCode;

/// The definition with other decimals, its smallest order and its step the same.
fn of_decimals(size_decimals: u8) -> Instrument {
    let (lot_size, min_size) = if size_decimals == 4 { (10, 10) } else { (1, 1) };
    Instrument { size_decimals, lot_size, min_size, max_size: 1_000_000, ..linear() }
}

fn sized(gate: &mut Gate, request: u128, size: i64) -> Result<(), RiskCode> {
    let approval = gate.reserve(T0, &buy(request, size)).map_err(|refusal| refusal.code)?;
    gate.release(T0, &approval, Rejection::new(RiskCode::QueueFull, "the test")).unwrap();
    Ok(())
}

#[test]
fn limits_keep_their_values_when_their_instrument_gets_other_decimals() {
    let log = TempLog::new();
    let own = |size: &str| vec![(format!("instruments.{}.max_order_size", linear().id), Some(size.to_owned()))];
    let (mut gate, _) = log.open(RiskLimits::default(), T0);
    gate.change_limits(T0, "ops", &own("0.02"), true).unwrap();
    assert_eq!((sized(&mut gate, 1, 20), sized(&mut gate, 2, 21)), (Ok(()), Err(RiskCode::OrderSizeLimit)));
    gate.set_instrument(of_decimals(4)).unwrap();
    assert_eq!(sized(&mut gate, 3, 100), Err(RiskCode::NoMarket), "the last quote was of another definition");
    quote(&mut gate, T0);
    assert_eq!(gate.limit_terms(), [(own("")[0].0.clone(), "0.02".to_owned())]);
    assert_eq!((sized(&mut gate, 4, 200), sized(&mut gate, 5, 210)), (Ok(()), Err(RiskCode::OrderSizeLimit)));
    // Another process, whose profile has the old decimals, and one that has coarser ones.
    drop(gate);
    let (mut gate, _) = log.open(RiskLimits::default(), T0);
    assert_eq!((sized(&mut gate, 6, 20), sized(&mut gate, 7, 21)), (Ok(()), Err(RiskCode::OrderSizeLimit)));
    gate.set_instrument(of_decimals(1)).unwrap();
    quote(&mut gate, T0);
    assert_eq!(sized(&mut gate, 8, 1), Err(RiskCode::OrderSizeLimit), "0.02 is less than any order now");
}

#[test]
fn limits_of_all_instruments_keep_their_values_for_one_that_gets_other_decimals() {
    let all = crate::risk::InstrumentLimits { max_position: Some(20), ..Default::default() };
    let mut gate = gate(RiskLimits { default: all, ..RiskLimits::default() });
    gate.set_instrument(of_decimals(4)).unwrap();
    quote(&mut gate, T0);
    assert_eq!((sized(&mut gate, 1, 200), sized(&mut gate, 2, 210)), (Ok(()), Err(RiskCode::PositionLimit)));
    assert_eq!(gate.limits().default.max_position, Some(20), "the others' units are what they were");
}

#[test]
fn an_order_is_worth_what_the_definition_of_today_says() {
    let price = buy(1, 20).price;
    let most = linear().notional(price, 20).unwrap();
    let all = crate::risk::InstrumentLimits { max_order_notional: Some(most), ..Default::default() };
    let mut gate = gate(RiskLimits { default: all, ..RiskLimits::default() });
    quote(&mut gate, T0);
    assert_eq!((sized(&mut gate, 1, 20), sized(&mut gate, 2, 21)), (Ok(()), Err(RiskCode::OrderNotionalLimit)));
    gate.set_instrument(of_decimals(4)).unwrap();
    quote(&mut gate, T0);
    assert_eq!((sized(&mut gate, 3, 200), sized(&mut gate, 4, 210)), (Ok(()), Err(RiskCode::OrderNotionalLimit)));
}
