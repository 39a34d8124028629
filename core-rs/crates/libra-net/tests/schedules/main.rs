//! Random schedules for the durable channel: publishers, groups, servers and connections that fail, each run a function of
//! its seed.
//!
//! # What has to hold after every step
//!
//! An event is *owed* when its append was confirmed and executed before a later life of its publisher opened the channel
//! on any server. `truth.rs` writes down what happened, beside the machines and without them.
//!
//! 1. **Once and in order.** What a group applies goes on from what it applied last; nothing comes twice or late. Only a group
//!    that forgot its position begins again, at what Redis knows of it, and never ahead of what it once had; nor behind what a living
//!    publisher that is connected knows it to have acknowledged, though the server lost that by itself.
//! 2. **Nothing goes missing in silence.** A group never passes an owed event, unless it was told: by `Lost` or a snapshot. A
//!    telling is about all that was gone by then, of higher epochs too (an emptied server lets a slow clock claim a lower one).
//! 3. **Recoverable.** An owed event that a declared group has not applied stands in the stream above the floor, or in a living
//!    sender's outbox; unless a fault took it away (the server lost data and the publisher died), or the sender has given the
//!    group up and said so: only who owed something that was appended, for long enough while it could acknowledge, or had not what an
//!    outbox cut and the server had.
//!    A snapshot stands only for what neither the stream of the publisher's server nor its outbox has.
//! 4. **`Lost` is true.** It is said only when the life is over, by what happened and not by what anybody believes, and a server lost data or
//!    the floor passed; or when the frame cannot be decoded. What a living publisher holds is never called lost for certain.
//!    What is passed over, by a word or a snapshot, is counted by its numbers: no number that was never published, and all of
//!    those of one life.
//! 5. **Fencing.** A server takes nothing of a life after a later one opened the channel there (the model does it; 1 would
//!    break); a group applies nothing of a life after it applied something of a later one. A late claim ends nobody whom it did not
//!    know of.
//! 6. **Acknowledged is applied.** No acknowledgement reaches a server that is ahead of what the group applied.
//! 7. **Bounded.** Outbox, held frames, events handed over and not applied stay within their limits.
//! 8. **Quiescence.** When the faults stop, every group has everything of the living publishers within bounded time, and all
//!    outboxes are empty.
//!
//! `LIBRA_SEED=7 cargo test -p libra-net --test schedules one_seed -- --nocapture` runs one seed and prints what happened;
//! `LIBRA_LONG=1` runs ten thousand.

mod real;
mod server;
mod truth;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use libra_net::durable::Refusal;
use libra_net::ids::Position;
use real::{Process, Real};
use server::{Answer, Call, Frame, Key, Model, Server};
use world::{Done, Faults, NAMES, World};

const STEPS: usize = 1_500;
const RUNS: u64 = 600;
const LONG_RUNS: u64 = 10_000;
/// Of schedules in which single actors stand still: time passes slowly there.
const ACTOR_RUNS: u64 = 40;
const ACTOR_STEPS: usize = 8_000;

/// Seeds that found something once.
const REGRESSIONS: &[u64] = &[1661, 1694, 3588, 4749, 4970, 5456, 5829, 12445];

/// What the runs of `cargo test` have to come through at least so often: a schedule that has gone stale fails.
const AT_LEAST: u64 = 5;
const COVER: &[&str] = &[
    "a call fenced",
    "a call of a connection that was given up",
    "a claim of the dead",
    "a claim that was run and not answered",
    "a command refused",
    "a cut",
    "a failover",
    "a gap",
    "a gap at the server",
    "a gap closed",
    "a hole that is said again",
    "a hole that nobody can fill",
    "a group given up",
    "a group given up that lives and applies nothing",
    "a group that hung goes on",
    "a group that is kept what was not cut",
    "a group restarted",
    "a group that forgot",
    "a publisher killed",
    "a sender fenced",
    "a server that lost something",
    "a server that took nothing for longer than a group is waited for",
    "a skip",
    "a snapshot",
    "a late claim refused",
    "an incarnation refused",
    "lost: by the server",
    "lost: perhaps trimmed",
    "lost: torn",
    "lost: trimmed",
    "lost: undecodable",
    "somebody deleted entries",
    "the server forgot everything",
    "the server lost a key",
    "the server restarted",
    "two publishers with one name",
];

fn run(world: &mut World, steps: usize) -> Done {
    for _ in 0..steps {
        world.step()?;
    }
    world.settle()
}

fn check(seed: u64) -> World {
    let mut world = World::new(seed, Faults::All, Box::new(Model::new(NAMES, 1)));
    if let Err(what) = run(&mut world, STEPS) {
        panic!(
            "seed {seed}: {what}\nagain: LIBRA_SEED={seed} cargo test --manifest-path core-rs/Cargo.toml -p libra-net \
             --test schedules one_seed -- --nocapture"
        );
    }
    world
}

fn runs() -> u64 {
    let long = std::env::var("LIBRA_LONG").is_ok_and(|value| value != "0");
    if long { LONG_RUNS } else { RUNS }
}

/// How often these come about in a fifth of the runs, in worlds that `set` changes.
fn count<const N: usize>(set: impl Fn(&mut World), wanted: [&str; N]) -> [u64; N] {
    let mut counts = [0; N];
    for seed in 0..runs() / 5 {
        let mut world = World::new(seed, Faults::All, Box::new(Model::new(NAMES, 1)));
        set(&mut world);
        run(&mut world, STEPS).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        for (count, what) in counts.iter_mut().zip(wanted) {
            *count += world.cover.get(what).copied().unwrap_or_default();
        }
    }
    counts
}

#[test]
fn one_seed() {
    let Some(seed) = std::env::var("LIBRA_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    let mut world = World::new(seed, Faults::All, Box::new(Model::new(NAMES, 1)));
    world.log = Some(Vec::new());
    let outcome = run(&mut world, STEPS);
    world.log.iter().flatten().for_each(|line| println!("{line}"));
    outcome.unwrap_or_else(|what| panic!("seed {seed}: {what}"));
}

#[test]
fn what_failed_once() {
    REGRESSIONS.iter().for_each(|seed| drop(check(*seed)));
}

/// Publishers that had more to say before they had a life than they may hold.
#[test]
fn what_was_cut_before_a_life_had_its_channel_is_told_as_any_other_loss() {
    let [early] = count(|world| world.cuts_early = true, ["a cut before the channel"]);
    assert!(early > RUNS / 10, "only {early} times");
}

/// Nothing in the stream says that events are missing, and the group knows that there were some.
#[test]
fn what_a_group_knew_of_is_lost_for_certain_also_over_lives_that_said_nothing() {
    let wanted = ["lives without a word", "lost: known, up to a life"];
    let [quiet, lost] = count(|world| world.has_quiet_lives = true, wanted);
    assert!(quiet > RUNS / 5 && lost > RUNS / 20, "only {quiet} and {lost} times");
}

/// Single actors stand still for longer than anybody waits for a group: no group is given up, and each actor has all that is its.
#[test]
fn an_actor_that_stands_still_costs_its_node_nothing() {
    let mut cover: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..ACTOR_RUNS {
        let mut world = World::new(seed, Faults::Actors, Box::new(Model::new(NAMES, 1)));
        let outcome = run(&mut world, ACTOR_STEPS).and_then(|()| world.check_actors());
        outcome.unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        world.cover.iter().for_each(|(what, times)| *cover.entry(what).or_default() += times);
    }
    for what in ["an actor excused", "an actor that was excused goes on"] {
        let times = cover.get(what).copied().unwrap_or_default();
        assert!(times >= AT_LEAST, "{what}: only {times} times");
    }
}

/// The acknowledgements are lost by themselves, again and again, and groups forget how far they had come: nothing is applied again that the
/// living publisher knows to be applied.
#[test]
fn who_forgets_its_place_while_the_server_does_goes_on_where_it_was() {
    let mut waited = 0;
    for seed in 0..runs() / 2 {
        let mut world = World::new(seed, Faults::Some, Box::new(Model::new(NAMES, 1)));
        world.loses_places = true;
        run(&mut world, STEPS).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        waited += world.cover.get("a group that waits for its place").copied().unwrap_or_default();
    }
    assert!(waited > runs() / 2, "only {waited} times");
}

/// The server comes back older, again and again, and groups forget how far they had come: none is given again what its living publisher knows
/// it to have applied, also where it is back before that publisher.
#[test]
fn who_forgets_its_place_before_a_server_that_came_back_older_goes_on_where_it_was() {
    let mut waited = 0;
    for seed in 0..runs() / 2 {
        let faults = if seed % 2 == 0 { Faults::Some } else { Faults::All };
        let mut world = World::new(seed, faults, Box::new(Model::new(NAMES, 1)));
        world.comes_back_older = true;
        run(&mut world, STEPS).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        waited += world.cover.get("a group that waits for its place").copied().unwrap_or_default();
    }
    assert!(waited > runs() / 2, "only {waited} times");
}

#[test]
fn many_seeds() {
    let (runs, began) = (runs(), Instant::now());
    let mut cover: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut published, mut applied) = (0, 0);
    for seed in 0..runs {
        let world = check(seed);
        published += world.sources.iter().map(|source| source.events.len()).sum::<usize>();
        applied += world.ledgers.iter().map(|ledger| ledger.applied).sum::<u64>();
        world.cover.iter().for_each(|(what, times)| *cover.entry(what).or_default() += times);
    }
    cover.iter().for_each(|(what, times)| println!("{times:>8}  {what}"));
    println!("{runs} runs, {published} events published, {applied} applied, {:.1} s", began.elapsed().as_secs_f64());
    for what in COVER {
        let times = cover.get(what).copied().unwrap_or_default();
        assert!(times >= AT_LEAST, "{what}: only {times} times in {runs} runs");
    }
}

/// The functions that the server runs, against what the schedules take them to be.
#[test]
fn the_model_answers_as_valkey_does() {
    if let Some(process) = Process::start() {
        answers_as_the_model(&process);
    }
}

/// And on the oldest server that is supported, where one is installed.
#[test]
fn the_functions_work_alike_on_redis() {
    let Some(process) = Process::redis() else { return };
    answers_as_the_model(&process);
    keeps_the_newest(&process);
    ends_alike(&process, [(Faults::None, 0..1), (Faults::Some, 100..104)]);
}

fn answers_as_the_model(process: &Process) {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut real, mut model) = (Real::new(process, 1, 1), Model::new(1, 1));
        // Behind which entry somebody has just deleted some.
        let mut hole: Option<Position> = None;
        for step in 0..400 {
            let call = match hole.take().filter(|_| rng.bool()) {
                Some(at) => Call::Mend { name: 0, epoch: at.epoch, at, upto: at.seq + rng.u64(0..12) },
                None => real::random_call(&mut rng, &model.look(0)),
            };
            let (mut from_real, mut from_model) = (Vec::new(), Vec::new());
            let answers = (real.call(&call, &mut from_real), model.call(&call, &mut from_model));
            assert_eq!(answers.0, answers.1, "seed {seed}, step {step}: {call:?}");
            assert_eq!(from_real, from_model, "seed {seed}, step {step}: {call:?}");
            if step % 20 == 0 {
                assert_eq!(real.look(0), model.look(0), "seed {seed}, step {step}: {call:?}");
            }
            if rng.u8(0..40) == 0 {
                let look = model.look(0);
                let gone = real::some_entries(&mut rng, &look);
                real.delete(0, &gone);
                model.delete(0, &gone);
                let ids = look.entries.iter().map(|(id, _)| *id);
                hole = ids.take_while(|id| Some(id) != gone.first()).last();
            }
            if rng.u8(0..150) == 0 {
                real.forget();
                model.forget();
            }
            if rng.u8(0..100) == 0 {
                let key = [Key::Stream, Key::Bounds, Key::Acknowledged, Key::Epochs][rng.usize(0..4)];
                real.lose(0, key);
                model.lose(0, key);
            }
            if rng.u8(0..150) == 0 {
                let run = rng.u64(1..4);
                real.becomes(run);
                model = model.copy(run).expect("a copy");
            }
        }
    }
}

#[test]
fn the_server_keeps_the_newest_of_a_latest_value() {
    if let Some(process) = Process::start() {
        keeps_the_newest(&process);
    }
}

fn keeps_the_newest(process: &Process) {
    let mut real = Real::new(process, 1, 1);
    assert_eq!(real.latest("btc", "1760000000000-2", b"b"), 0);
    assert_eq!(real.latest("btc", "1760000000000-1", b"a"), -1);
    assert_eq!(real.latest("btc", "1760000000000-2", b"b"), -1);
    assert_eq!(real.latest("btc", "1760000000001-1", b"c 9-9 "), 0);
    assert_eq!(real.latest("btc", "1760000000000-3", b"d"), -1);
    assert_eq!(real.latest_value("btc"), b"1760000000001-1 c 9-9 ");
}

#[test]
fn a_late_claim_takes_the_place_of_nobody_else() {
    let Some(process) = Process::start() else { return };
    let claim = |by, found| Call::Claim { name: 0, at_least: 1_760_000_000_000, by, found };
    let (refused, first) = (Answer::Refused(Refusal::Failed), 1_760_000_000_000);
    let mut servers: [Box<dyn Server>; 2] = [Box::new(Real::new(&process, 1, 1)), Box::new(Model::new(1, 1))];
    for server in &mut servers {
        let mut ask = |call: Call| server.call(&call, &mut Vec::new());
        assert_eq!(ask(claim(1, 0)), Answer::Epoch(first));
        assert_eq!(ask(claim(1, 0)), Answer::Epoch(first), "run again, or again asked for");
        assert_eq!(ask(claim(2, 0)), refused, "of a process that died before");
        assert_eq!(ask(claim(2, first)), Answer::Epoch(first + 1), "of its successor");
        assert_eq!(ask(claim(1, first)), refused, "of the process before it");
        assert_eq!(ask(Call::Raise { name: 0, epoch: first + 9 }), Answer::Done);
        assert_eq!(ask(claim(2, first)), refused, "what was raised is not its own");
        assert_eq!(ask(Call::Claimed { name: 0 }), Answer::Epoch(first + 9));
    }
}

/// An append of version 3 that was ended behind XADD leaves a stream that has more than its bounds say.
#[test]
fn a_stream_that_is_ahead_of_its_top_is_taken_up_where_it_ends() {
    let Some(process) = Process::start() else { return };
    let (mut real, epoch) = (Real::new(&process, 1, 1), 1_760_000_000_000);
    let frame = |seq| (seq, seq, Frame { publisher: 0, epoch, first: seq, last: seq, bad: false }.bytes());
    let open = Call::Open { name: 0, epoch, confirmed: 0, acknowledged: Vec::new() };
    let floor = Position::new(epoch, 0);
    let opened = |top| Answer::Opened { top, floor, acknowledged: Vec::new() };
    let append = |seq| Call::Append { name: 0, epoch, frames: vec![frame(seq)] };
    assert_eq!(real.call(&open, &mut Vec::new()), opened(0));
    real.add_by_hand(Position::new(epoch, 1), &frame(1).2);
    assert_eq!(real.call(&append(1), &mut Vec::new()), Answer::Refused(Refusal::Incarnation));
    assert_eq!(real.call(&open, &mut Vec::new()), opened(1));
    assert_eq!(real.call(&append(2), &mut Vec::new()), Answer::Appended);
    assert_eq!(real.look(0).entries.len(), 2);
}

/// Nodes of version 3 name neither themselves nor what they found.
#[test]
fn a_node_of_the_version_before_claims_as_it_did() {
    let Some(process) = Process::start() else { return };
    let mut real = Real::new(&process, 1, 1);
    let claim = |by, found| Call::Claim { name: 0, at_least: 1_760_000_000_000, by, found };
    assert_eq!(real.call(&claim(1, 0), &mut Vec::new()), Answer::Epoch(1_760_000_000_000));
    assert_eq!(real.claim_as_before(7), 1_760_000_000_001);
    assert_eq!(real.call(&claim(1, 1_760_000_000_000), &mut Vec::new()), Answer::Refused(Refusal::Failed));
    assert_eq!(real.call(&claim(1, 1_760_000_000_001), &mut Vec::new()), Answer::Epoch(1_760_000_000_002));
}

/// Schedules with the faults that a server of the tests' own can be put through end alike on it and on the model.
#[test]
fn schedules_end_alike_on_valkey() {
    if let Some(process) = Process::start() {
        ends_alike(&process, [(Faults::None, 0..4), (Faults::Some, 100..112)]);
    }
}

fn ends_alike(process: &Process, runs: [(Faults, Range<u64>); 2]) {
    for (faults, seeds) in runs {
        for seed in seeds {
            let mut modelled = World::new(seed, faults, Box::new(Model::new(NAMES, 1)));
            let mut real = World::new(seed, faults, Box::new(Real::new(process, NAMES, 1)));
            for world in [&mut modelled, &mut real] {
                run(world, STEPS).unwrap_or_else(|what| panic!("seed {seed}, {faults:?}: {what}"));
            }
            for (of_model, of_real) in modelled.ledgers.iter().zip(&real.ledgers) {
                assert_eq!(of_model.story, of_real.story, "seed {seed}, {faults:?}");
            }
            assert_eq!(modelled.cover, real.cover, "seed {seed}, {faults:?}");
        }
    }
}
