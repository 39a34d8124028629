//! Runs, many of them: each is a function of its seed.

use std::time::Instant;

use libra_trading::order::{OrderStatus, VenueOutcome};

use crate::cover::Cover;
use crate::disk::alone;
use crate::once;
use crate::step::{Death, Kind, Step, Tail, steps};
use crate::venue::Stand;
use crate::world::{Done, End, Words, World, broken};

const STEPS: usize = 250;
const RUNS: u64 = 1_000;
const LONG_RUNS: u64 = 10_000;
const NEW_RUNS: u64 = 500;

/// What the runs of `cargo test` have to come through at least so often: a schedule that has gone stale fails.
const DEATHS: &[&str] = &[
    "before a quote",
    "in a quote",
    "before a request",
    "in a request",
    "before an approval",
    "in an approval",
    "before a last look",
    "in a last look",
    "before an order that leaves",
    "in an order that leaves",
    "between intent and send",
    "between send and answer",
    "between answer and booking",
    "before a report",
    "in a report",
    "between booking and publishing",
    "before a consumer has an event",
    "before a confirmation",
    "in a confirmation",
    "before a cancel",
    "in a cancel",
    "before a cancel leaves",
    "behind a cancel that left",
    "before a query leaves",
    "before a strategy given up",
    "in a strategy given up",
    "before a way back",
    "before a signal",
    "before a kill",
    "in a kill",
    "before a resume",
    "in a resume",
    "before a look",
    "in a look that stands",
    "before the venue's word is taken",
    "behind the venue's word",
    "in recovery",
];
const AT_LEAST: u64 = 4;
const MISHAPS: &[&str] = &[
    "a torn record",
    "zeros behind the last record",
    "an order is lost on its way",
    "an order comes too late",
    "an order is held back",
    "an order that may not leave any more",
    "an approval is not good any more",
    "an approval is from before a resume",
    "a cancel is lost on its way",
    "a query is lost on its way",
    "a report is lost on its way",
    "an answer is lost on its way",
    "an answer to a connection that is gone",
    "a message comes twice",
    "messages out of order",
    "a request comes again",
    "a request asks for something else under a known id",
    "the venue cancels an order",
    "the venue lets an order expire",
    "the venue goes out of sight",
    "the kill latch is set",
    "a day went by",
    "a day without a quote of what is held",
    "died where a day begins",
    "a write to the log fails",
    "another strategy's order is not cancelled",
    "a cancel is refused whose order did not come",
    "a repeated cancel waits for the answer",
    "a repeated cancel comes too soon behind a refusal",
    "an order is cancelled for a loss",
    "an order is cancelled again for a kill",
    "an order is cancelled again for a strategy given up",
    "a cancel is refused, and the order lives on",
    "an order's time to leave is over",
    "an order that reduces stays behind a loss",
    "a kill that the log does not take",
    "a cancel leaves before its intent stands in the log",
    "the log gets what it was owed",
    "died before the log had what it was owed",
    "a day's loss over the limit",
    "a lie: UnknownOrder",
    "a lie: Overfill",
    "a lie: FillAfterRejection",
    "a lie: NothingTraded",
    "a lie: BeyondAllIntegers",
    "a lie: Missed",
    "the venue knows an order that it missed",
    "a lie: Works",
    "a lie: Refuses",
    "what a strategy left is kept",
    "a flattening asks for an order",
    "a flattening ends for a stop",
    "what a strategy left is closed",
    "closings of several strategies are under way",
    "a closing waits for its room",
    "refused: a closing that outgrew its room",
    "a closing is held back that outgrew its room",
    "the venue's word is taken",
    "the venue's word cannot be taken yet",
    "a strategy that is flattened lost what it held",
    "what the venue's word left is closed",
    "an order works behind its end",
    "an order that worked behind its end is gone",
    "an order that works is rejected",
    "refused: a cancel came ahead",
    "refused: its strategy is no more",
    "refused: asked for before it came back",
    "an approval is from before its strategy came back",
    "a signal from before its strategy came back",
    "a signal of nobody",
    "a strategy is no more that left nothing",
    "a strategy is let in again",
    "a strategy is not let in yet",
    "a strategy that came back is no more again",
    "a signal closes by one order",
    "a signal closes by several orders",
    "refused: killed",
    "refused: asked for before a resume",
    "refused: told without the log",
    "refused: incident",
    "refused: log failed",
    "refused: draining",
    "refused: reconciling",
    "refused: loss",
    "refused: unmeasured",
    "refused: deadline",
    "refused: no quote",
    "refused: old quote",
    "refused: old quote of another",
    "refused: collar",
    "refused: size",
    "refused: notional",
    "refused: worth",
    "refused: open orders",
    "refused: position",
    "refused: funds",
    "refused: rate",
];

/// A run: the steps, and then everything settles.
fn run(seed: u64, steps: &[Step]) -> Result<Cover, String> {
    let _turn = alone();
    let mut world = World::new(seed);
    let all = (|| {
        world.start()?;
        for step in steps {
            world.take(*step)?;
        }
        settle(&mut world)
    })();
    match all {
        Ok(()) => Ok(std::mem::take(&mut world.cover)),
        Err(End::Broken(what)) => Err(what),
        Err(End::Died) => Err("it died where nobody was to start it again".to_owned()),
    }
}

/// The venue stops losing things, everything is asked for once more and ends, and both books are the same.
fn settle(world: &mut World) -> Done<()> {
    world.armed = None;
    // What only this process held against new orders goes with it.
    world.armed = Some(Death { point: 0, cut: 0, tail: Tail::Nothing, again: 0, limits: 0 });
    world.take(Step::Confirm)?;
    if world.armed.is_some() {
        world.take(Step::Quote { spot: false, ticks: 0 })?;
    }
    world.take(Step::Kill)?;
    let fills: Vec<_> = world.venue.orders.values().flat_map(|order| order.fills.clone()).collect();
    world.words.extend(fills.into_iter().map(Words::Report));
    for round in 0.. {
        if round == 60 {
            let silent = world.truth.asked.iter().filter(|(_, asked)| asked.outcome.is_none());
            let silent: Vec<_> = silent.map(|(id, _)| *id).collect();
            let (open, strays) = (world.truth.open(), &world.truth.strays);
            return broken(format!(
                "it does not settle: open {open:?}, without an outcome {silent:?}, strays {strays:?}"
            ));
        }
        for step in [Step::Handle { events: 255 }, Step::Quote { spot: round % 2 == 0, ticks: 0 }, Step::Look] {
            world.take(step)?;
        }
        while !(world.life().tasks.is_empty() && world.out.is_empty() && world.words.is_empty()) {
            for step in [Step::Send { which: 0 }, Step::Arrive { which: 0, roll: 1 }, Step::Tell { which: 0 }] {
                world.take(step)?;
            }
        }
        world.take(Step::Wait { ms: 3_000 })?;
        let silent: Vec<_> = world.truth.asked.values().filter(|asked| asked.outcome.is_none()).collect();
        if world.truth.open().is_empty() && silent.is_empty() && world.truth.strays.is_empty() {
            break;
        }
        for request in silent.into_iter().map(|asked| asked.request.clone()).collect::<Vec<_>>() {
            world.ask(request)?;
        }
    }
    while world.handle()? {}
    world.take(Step::Confirm)?;
    books_agree(world)
}

fn books_agree(world: &World) -> Done<()> {
    for (id, theirs) in &world.venue.orders {
        let asked = &world.truth.asked[id];
        let Some(ours) = &asked.outcome else { return broken(format!("{id} is lost")) };
        if asked.left != 1 {
            return broken(format!("{id} came to the venue and left {} times", asked.left));
        }
        if world.lied.contains(id) {
            continue;
        }
        let stand = match theirs.stand {
            Stand::Rests => return broken(format!("{id} still rests")),
            Stand::Filled => OrderStatus::Filled,
            Stand::Cancelled => OrderStatus::Cancelled,
            Stand::Expired => OrderStatus::Expired,
            Stand::Refused => OrderStatus::Rejected,
        };
        if ours.refused || (ours.status, world.truth.filled(*id)) != (stand, theirs.filled()) {
            return broken(format!("{id}: {ours:?}, and at the venue {theirs:?}"));
        }
        let trades = theirs.fills.iter().filter_map(|fill| match fill.outcome {
            VenueOutcome::Filled { trade_id, .. } => Some(trade_id),
            _ => None,
        });
        if !trades.eq(ours.trades.iter().copied()) {
            return broken(format!("{id}: other trades than at the venue"));
        }
    }
    for (id, asked) in &world.truth.asked {
        let at_venue = world.venue.orders.contains_key(id) || world.lied.contains(id);
        if !at_venue && (world.truth.filled(*id) != 0 || world.truth.is_open(*id)) {
            return broken(format!("{id} is not at the venue: {asked:?}"));
        }
    }
    Ok(())
}

/// Takes out steps for as long as the run still fails.
fn shrink(seed: u64, mut kept: Vec<Step>) -> Vec<Step> {
    let began = Instant::now();
    let mut chunk = kept.len() / 2;
    while chunk > 0 && began.elapsed().as_secs() < 20 {
        let mut at = 0;
        while at < kept.len() {
            let without: Vec<Step> = [&kept[..at], &kept[(at + chunk).min(kept.len())..]].concat();
            let fails = std::panic::catch_unwind(|| run(seed, &without).is_err()).unwrap_or(true);
            if fails { kept = without } else { at += chunk }
        }
        chunk /= 2;
    }
    kept
}

fn check(seed: u64) -> Cover {
    let all = steps(seed, STEPS);
    let outcome = std::panic::catch_unwind(|| run(seed, &all)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
    });
    match outcome {
        Ok(cover) => cover,
        Err(what) => {
            let few = shrink(seed, all);
            let still = run(seed, &few).err().unwrap_or_default();
            let lines: Vec<String> = few.iter().map(|step| format!("    {step:?}")).collect();
            panic!(
                "seed {seed}: {what}\nof which these {} steps remain ({still}):\n{}\nagain: LIBRA_SEED={seed} cargo test \
                 --manifest-path core-rs/Cargo.toml -p libra-trading --test states one_seed -- --nocapture",
                few.len(),
                lines.join("\n")
            );
        }
    }
}

#[test]
fn what_failed_once() {
    for (seed, steps) in once::runs() {
        if let Err(what) = run(seed, &steps) {
            panic!("seed {seed}, {steps:?}: {what}");
        }
    }
}

/// An account that lost more than its next process allows, and holds nothing: no quote and no fill has to tell of it.
#[test]
fn a_limit_that_was_lowered() {
    let ask = |buy| Step::Request { spot: false, buy, kind: Kind::Market, size: 90, ticks: 0, ttl_ms: 0, strategy: 1 };
    let dies = Step::Die(Death { point: 0, cut: 0, tail: Tail::Nothing, again: 0, limits: 2 });
    // Each is executed as a whole.
    let flow = Step::Flow { roll: 35 };
    let steps = [Step::Quote { spot: false, ticks: 0 }, ask(true), flow, ask(false), flow, dies, flow, ask(true), flow];
    let cover = run(1, &steps).unwrap_or_else(|what| panic!("{what}"));
    for what in ["a loss over the limit is found at the start", "refused: loss"] {
        assert_eq!(cover.happened.get(what), Some(&1), "{what}");
    }
}

#[test]
fn one_seed() {
    let Some(seed) = std::env::var("LIBRA_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    for step in steps(seed, STEPS) {
        println!("{step:?}");
    }
    println!("{}", check(seed).table());
}

/// Seeds that nobody ran before, where the environment names the first of them: each run of CI has its own.
#[test]
fn new_seeds() {
    let Some(first) = std::env::var("LIBRA_FIRST_SEED").ok() else { return };
    let first: u64 = first.parse().expect("LIBRA_FIRST_SEED is a number");
    println!("seeds {first} to {}", first + NEW_RUNS - 1);
    (first..first + NEW_RUNS).for_each(|seed| drop(check(seed)));
}

#[test]
fn many_seeds() {
    let long = std::env::var("LIBRA_LONG").is_ok_and(|value| value != "0");
    let (runs, began) = (if long { LONG_RUNS } else { RUNS }, Instant::now());
    let mut cover = Cover::default();
    (0..runs).for_each(|seed| cover.add(check(seed)));
    println!("{}", cover.table());
    println!(
        "{runs} runs, {} steps, {} lives, {} orders sent, {} fills, {} comparisons, {:.1} s",
        cover.steps,
        cover.lives,
        cover.sent,
        cover.fills,
        cover.compared,
        began.elapsed().as_secs_f64()
    );
    let deaths = DEATHS.iter().map(|place| format!("died {place}"));
    for what in deaths.chain(MISHAPS.iter().map(|what| (*what).to_owned())) {
        let count = cover.happened.get(&what).copied().unwrap_or(0);
        assert!(count >= AT_LEAST, "\"{what}\" happened {count} times in {runs} runs: the schedule has gone stale");
    }
    assert!(cover.sent > 5 * runs && cover.fills > 5 * runs, "orders hardly ever leave");
}
