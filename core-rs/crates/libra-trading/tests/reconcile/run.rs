//! What happens in a run, from its seed, and what has to be true at its end.

use std::collections::{BTreeMap, BTreeSet};

use libra_trading::order::OrderSide;
use libra_trading::reconcile::FlowKind;

use crate::samples::money;
use crate::world::{Outcome, World};

const STEPS: usize = 500;
const RUNS: u64 = 400;
const LONG_RUNS: u64 = 10_000;

/// What the runs of `cargo test` have to come through: a schedule that has gone stale fails.
const HAS_TO_HAPPEN: &[&str] = &[
    "a difference is looked at again",
    "a difference stands",
    "a look without findings",
    "a missed execution is booked",
    "a missed flow is booked",
    "a record of a look was torn",
    "a report comes twice",
    "a report is lost",
    "a rounding is booked",
    "a word of an order that nobody knows",
    "an account is opened",
    "an execution is not in the picture yet",
    "an incident",
    "an order is adopted",
    "an order is lost on its way",
    "an order is open on one side",
    "died in a look",
    "died in a look that booked",
    "money that nobody trades is taken over",
    "something foreign is seen",
    "the log is lost",
    "the venue's word is taken",
];

fn step(world: &mut World, trades_by_hand: bool) -> Outcome {
    world.venue.now_ns += world.random.i64(1..3_000_000_000);
    world.quote();
    let side = if world.random.bool() { OrderSide::Buy } else { OrderSide::Sell };
    let size = world.random.i64(1..40);
    match world.random.u32(0..1_000) {
        0..150 => world.order(side, size, size % 13 == 0)?,
        150..330 => {
            let open: Vec<u64> = world.venue.orders.iter().filter(|(_, o)| o.open).map(|(n, _)| *n).collect();
            let of_ours = |n: &&u64| trades_by_hand || world.venue.orders[*n].ours.is_some();
            let chosen = open.iter().filter(of_ours).nth(size as usize % 5).copied();
            let fee = money(1) / 7 * i128::from(size % 4);
            if let Some(report) = chosen.and_then(|number| world.venue.execute(number, size, fee)) {
                world.say(vec![report]);
            }
        }
        330..360 => {
            let open: Vec<u64> = world.venue.orders.iter().filter(|(_, o)| o.open).map(|(n, _)| *n).collect();
            if let Some(number) = open.get(size as usize % (open.len() + 1)) {
                world.venue.cancel(*number);
                let ours = world.venue.orders[number].ours;
                let told = ours.map(|id| world.venue.query(id)).unwrap_or_default();
                world.say(told);
            }
        }
        360..375 => _ = world.venue.place(None, side, 6_000_000 + size, size),
        375..380 => world.venue.apart += i128::from(size),
        380..400 => {
            let kind = FlowKind::ALL[size as usize % 5];
            world.venue.flow(kind, money(1) / 3 * i128::from(side.sign() * size));
        }
        400..590 => world.hear()?,
        590..660 => world.ask()?,
        660..960 => {
            let dies = world.random.u8(0..25) == 0;
            world.fetch(dies)?;
        }
        960..975 => world.connect(),
        975..983 => world.die()?,
        983..985 => {
            world.note("the log is lost");
            world.lose_log()?;
        }
        _ => world.accept()?,
    }
    Ok(())
}

/// The venue falls silent, everything is asked for, and both books are the same.
fn settle(world: &mut World) -> Outcome {
    let open: Vec<u64> = world.venue.orders.keys().copied().collect();
    open.into_iter().for_each(|number| world.venue.cancel(number));
    world.connect();
    for _ in 0..40 {
        world.venue.now_ns += 20_000_000_000;
        world.quote();
        while !world.words.is_empty() {
            world.hear()?;
        }
        world.ask()?;
        for _ in 0..6 {
            world.fetch(false)?;
        }
        world.accept()?;
        let standing = world.gate().incident().is_some() || world.gate().open_orders().next().is_some();
        if !standing && !world.waits_for_apart() && world.looks.is_settled() && !world.gate().is_reconciling() {
            return agree(world);
        }
    }
    let last = world.looks.last().cloned();
    Err(format!("it does not settle: {last:?}, open {:?}", world.gate().open_orders().collect::<Vec<_>>()))
}

fn agree(world: &mut World) -> Outcome {
    let (ours, theirs) = (world.books(), (i128::from(world.venue.size) * 1_000_000_000, world.venue.wallet));
    if ours != theirs {
        return Err(format!("ours {ours:?} is not theirs {theirs:?}"));
    }
    let apart = world.gate().account().balance(libra_kernel::Name::intern("LDUSDT")).map_or(0, |balance| balance.total);
    if apart != world.venue.apart {
        return Err(format!("ours {apart} of what nobody trades is not theirs {}", world.venue.apart));
    }
    world.accounts_for_all()?;
    let fills: Vec<_> = world.gate().fills().iter().map(|fill| (fill.client_order_id, fill.trade_id)).collect();
    let once: BTreeSet<_> = fills.iter().copied().collect();
    if once.len() != fills.len() {
        return Err("an execution was booked twice".to_owned());
    }
    let opened_ns = world.opened_ns;
    let behind = world.venue.trades.iter().filter(|trade| trade.ts_venue_ns > opened_ns);
    let theirs: BTreeSet<_> = behind.filter_map(|trade| Some((trade.client_order_id?, trade.trade_id))).collect();
    if once != theirs {
        let (more, less) = (once.difference(&theirs).count(), theirs.difference(&once).count());
        return Err(format!("{more} executions are booked that the venue has not, {less} of it are not booked"));
    }
    Ok(())
}

fn run(seed: u64) -> Result<BTreeMap<&'static str, u64>, String> {
    let mut world = World::new(seed)?;
    // Every other run has nobody who trades by hand: there no incident may ever come up.
    for _ in 0..STEPS {
        step(&mut world, seed % 2 == 1)?;
    }
    settle(&mut world)?;
    Ok(std::mem::take(&mut world.happened))
}

/// Seeds that found something: an order with executions before the opening and behind it, which was over when it was found.
const KEPT: [u64; 1] = [5498];

#[test]
fn both_books_are_the_same_in_the_end() {
    let runs = if std::env::var_os("LIBRA_LONG").is_some() { LONG_RUNS } else { RUNS };
    let mut happened: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in (0..runs).chain(KEPT) {
        match run(seed) {
            Ok(of_run) => of_run.into_iter().for_each(|(what, count)| *happened.entry(what).or_default() += count),
            Err(what) => panic!(
                "seed {seed}: {what}\nagain: LIBRA_SEED={seed} cargo test --manifest-path core-rs/Cargo.toml \
                 -p libra-trading --test reconcile one_seed -- --nocapture"
            ),
        }
    }
    for what in HAS_TO_HAPPEN {
        assert!(happened.get(what).is_some_and(|count| *count > 0), "never happened: {what}; {happened:#?}");
    }
}

#[test]
fn one_seed() {
    let Some(seed) = std::env::var("LIBRA_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    match run(seed) {
        Ok(happened) => println!("{happened:#?}"),
        Err(what) => panic!("{what}"),
    }
}
