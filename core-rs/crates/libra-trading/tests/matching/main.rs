//! The matching engine against a slow one that is plainly right, for random sequences of all inputs; `LIBRA_LONG=1` runs
//! thousands of them.
//!
//! - `reference` — the slow engine;
//! - `inputs` — random inputs, usual ones and those at the ends of what fits;
//! - `ledger` — what holds of the outputs by themselves;
//! - `cases` — the rules one by one, by name.

mod cases;
mod inputs;
mod ledger;
mod reference;
#[path = "../samples/mod.rs"]
mod samples;

use inputs::{Step, extreme, narrow, spread, steps, usual, wide};
use ledger::Ledger;
use libra_trading::instrument::Instrument;
use libra_trading::matching::*;
use libra_trading::order::OrderSide;
use proptest::prelude::*;
use proptest::test_runner::Config;
use reference::Reference;

const LIMITS: Limits = Limits { accounts: 5, open_orders: 12, reserve: 2 };

/// A fraction of the cases where each of them takes longer.
fn config(fraction: u32) -> Config {
    let long = std::env::var("LIBRA_LONG").is_ok_and(|value| value != "0");
    Config { cases: if long { 20_000 } else { 400 } / fraction, failure_persistence: None, ..Config::default() }
}

/// Both engines do the same, and the ledger agrees after each step. All that can be seen is compared after every so many.
fn run(instrument: &Instrument, limits: Limits, steps: &[Step], every: usize) {
    let mut engine = Engine::new(instrument, limits).unwrap();
    let (mut reference, mut ledger) = (Reference::new(instrument, limits), Ledger::default());
    let mut again = engine.clone();
    let (mut out, mut out_again) = (Vec::new(), Vec::new());
    for (step, (at_ns, aim, input)) in steps.iter().enumerate() {
        let input = input.aimed(*aim, &engine, LIMITS.accounts);
        out.clear();
        let done = input.to_engine(&mut engine, *at_ns, &mut out);
        assert_eq!(done, input.to_reference(&mut reference, *at_ns), "{input:?}");
        let events = out.iter().map(|output| output.event).filter(|event| !matches!(event, Event::Level(_)));
        assert_eq!(events.collect::<Vec<_>>(), std::mem::take(&mut reference.events), "{input:?}");
        for output in &out {
            ledger.note(output);
        }
        if step % every == 0 {
            ledger.compare(&engine);
            same(&engine, &reference);
        }
        out_again.clear();
        assert_eq!(done, input.to_engine(&mut again, *at_ns, &mut out_again));
        assert_eq!(out, out_again, "the same inputs give the same outputs");
    }
}

/// What can be seen of both.
fn same(engine: &Engine, reference: &Reference) {
    for side in [OrderSide::Buy, OrderSide::Sell] {
        assert_eq!(engine.queue(side).collect::<Vec<_>>(), reference.queue(side), "first come first");
    }
    for account in (0..LIMITS.accounts).map(AccountId) {
        assert_eq!(engine.orders_of(account).collect::<Vec<_>>(), reference.orders_of(account));
        let position = reference.positions.get(&account.0).copied().unwrap_or(0);
        assert_eq!(engine.position(account), position);
        // One by one they are held to the position.
        for order in engine.orders_of(account).filter(|order| order.reduce_only && order.trigger.is_none()) {
            let left = i128::from(order.quantity - order.filled) * i128::from(order.side.sign());
            assert!(left.signum() == -position.signum() && left.abs() <= position.abs(), "{order:?} of {position}");
        }
    }
    assert_eq!(engine.open_orders() as usize, reference.open_orders());
    assert_eq!((engine.last_price(), engine.mark_price()), reference.prices());
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn it_does_what_the_slow_one_does(spot in prop::bool::weighted(0.3), steps in steps(&usual(), 120)) {
        run(&narrow(spot), LIMITS, &steps, 1);
    }

    #[test]
    fn the_ends_of_what_fits_break_nothing(spot in prop::bool::weighted(0.3), steps in steps(&extreme(), 60)) {
        run(&wide(spot), LIMITS, &steps, 1);
    }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn a_book_of_many_levels_is_no_other(steps in steps(&spread(), 2_000)) {
        let limits = Limits { open_orders: 1 << 20, ..LIMITS };
        run(&Instrument { tick_size: 1, ..narrow(false) }, limits, &steps, 100);
    }
}
