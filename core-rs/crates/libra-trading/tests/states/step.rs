//! What a run consists of: plain steps, made from a seed beforehand. Which order or message a step means is decided by
//! its number when it is its turn, so steps may be taken out of a run and the rest still means something.

use fastrand::Rng;
use libra_trading::desk::OnVanish;

/// The kinds of orders that strategies ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Limit,
    PostOnly,
    Market,
    Ioc,
    Fok,
}

/// Lies of the venue, each an incident or an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    UnknownOrder,
    Overfill,
    FillAfterRejection,
    NothingTraded,
    BeyondAllIntegers,
    /// A query of an order finds nothing, wherever the order is: a replica that lags.
    Missed,
    /// An order that is rejected works.
    Works,
    /// An order that works is rejected.
    Refuses,
}

/// What the venue says of a position, beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It was liquidated.
    Nothing,
    /// Half of it is left.
    Half,
    /// So much more, maybe on the other side.
    More(i8),
}

/// What the death of the process leaves behind the last whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    Nothing,
    /// A power cut: the file's length was on the disk, its bytes were not.
    Zeros(u8),
}

/// When and how the process dies: at the `point`-th place from now on.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    pub point: u8,
    /// In the middle of an append: how far, in 65,536ths of what the call appended.
    pub cut: u16,
    pub tail: Tail,
    /// How often it dies again while it recovers.
    pub again: u8,
    /// The limits that it is started with next.
    pub limits: u8,
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The market moves, and the account sees it.
    Quote {
        spot: bool,
        ticks: i8,
    },
    /// A strategy asks for an order.
    Request {
        spot: bool,
        buy: bool,
        kind: Kind,
        size: u16,
        ticks: i8,
        ttl_ms: u16,
        strategy: u8,
    },
    /// A strategy asks for the same again, or for something else under the same id.
    Repeat {
        which: u8,
        other: bool,
    },
    /// A strategy asks for a cancel.
    Cancel {
        which: u8,
        /// Another than the order's.
        stranger: bool,
    },
    /// A cancel that overtakes its order's request.
    CancelAhead,
    /// Waiting events are handled.
    Handle {
        events: u8,
    },
    /// The gateway lets go of an order, a cancel or a query whose turn it is.
    Send {
        which: u8,
    },
    /// The bytes of an order, a cancel or a query arrive at the venue.
    Arrive {
        which: u8,
        roll: u8,
    },
    /// They never do.
    LoseOut {
        which: u8,
    },
    /// An order that rests is executed.
    Trade {
        which: u8,
        part: u8,
        ticks: i8,
        rebate: bool,
    },
    /// The venue ends an order by itself.
    VenueEnds {
        which: u8,
        expired: bool,
    },
    /// A message of the venue arrives, whichever.
    Tell {
        which: u8,
    },
    /// The same, and it will come again.
    TellTwice {
        which: u8,
    },
    /// It never arrives.
    LoseIn {
        which: u8,
    },
    /// A moment in which nothing is lost: what waits is handled, sent, answered and told.
    Flow {
        roll: u8,
    },
    /// The gateway looks for what was not answered.
    Look,
    /// The venue goes out of sight and comes back.
    Reconnect,
    /// Consumers are asked whether they hold everything.
    Confirm,
    Wait {
        ms: u32,
    },
    Kill,
    Resume,
    /// Two looks show another position than ours, and an operator takes the venue's word for it.
    Accept {
        to: Word,
    },
    StopStrategy {
        strategy: u8,
        policy: OnVanish,
    },
    /// Several strategies are no more at once, and are flattened.
    StopNode {
        first: u8,
        count: u8,
    },
    /// One that was no more comes back.
    LetIn {
        strategy: u8,
    },
    /// A strategy says that what it holds is to be closed, by an order that may rest where there are ticks.
    Signal {
        spot: bool,
        which: u8,
        ticks: Option<i8>,
    },
    Drain,
    /// The log's disk takes nothing more, or records again. `room` is what is left of it: less than any record.
    Disk {
        full: bool,
        room: u8,
    },
    Lie {
        lie: Lie,
        which: u8,
    },
    Die(Death),
}

const DAY_MS: u32 = 86_400_000;

/// The steps of a seed.
pub fn steps(seed: u64, count: usize) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    let mut steps = Vec::with_capacity(count);
    let mut mended_at = None;
    while steps.len() < count {
        let step = step(&mut rng);
        // What is rare is rarely met by a death of its own.
        if matches!(step, Step::Kill | Step::Resume | Step::StopStrategy { .. } | Step::Confirm) && rng.u8(0..8) == 0 {
            let point = rng.u8(0..2);
            steps.push(Step::Die(Death { point, ..death(&mut rng) }));
        }
        if matches!(step, Step::Accept { .. }) {
            // Nothing of before is on its way, or the venue's word could not be taken.
            steps.push(Step::Flow { roll: rng.u8(..) });
            if rng.u8(0..3) == 0 {
                // Behind the quotes that it begins with: in a look, between them, or behind the word.
                steps.push(Step::Die(Death { point: rng.u8(4..10), ..death(&mut rng) }));
            }
        }
        match step {
            Step::StopNode { first, count } => steps.extend(node(&mut rng, first, count)),
            _ => steps.push(step),
        }
        if matches!(step, Step::Accept { .. }) && rng.bool() {
            let stop = Step::StopStrategy { strategy: rng.u8(..), policy: OnVanish::Flatten };
            let behind = [Step::Flow { roll: rng.u8(..) }, stop, Step::Flow { roll: 35 }, Step::Flow { roll: 35 }];
            steps.extend(if rng.bool() { &behind[..] } else { &behind[1..] });
        }
        if let Step::StopStrategy { strategy, .. } = step
            && rng.u8(0..3) == 0
        {
            steps.extend(back(&mut rng, strategy));
        }
        if matches!(step, Step::Die(_)) && rng.u8(0..6) == 0 {
            steps.extend(unmeasured(&mut rng));
        }
        // The first that happens on a new day.
        if matches!(step, Step::Wait { ms: DAY_MS }) && rng.u8(0..3) > 0 {
            let cut = if rng.bool() { u16::MAX } else { rng.u16(..) };
            steps.push(Step::Die(Death { point: rng.u8(0..2), cut, ..death(&mut rng) }));
            steps.push(Step::Quote { spot: rng.u8(0..4) == 0, ticks: rng.i8(-30..=30) });
        }
        if matches!(step, Step::Kill) && rng.u8(0..3) == 0 {
            // An operator is faster than the actors whose mail waits.
            steps.extend([Step::Resume, Step::Flow { roll: rng.u8(..) }]);
        } else if matches!(step, Step::Kill | Step::StopStrategy { .. }) && rng.bool() {
            // The venue refuses the cancels, and by the next quote they are due again.
            let (spot, ticks) = (rng.bool(), 0);
            steps.extend([Step::Flow { roll: 3 }, Step::Wait { ms: 5_500 }, Step::Quote { spot, ticks }, Step::Look]);
        }
        if matches!(step, Step::Lie { lie: Lie::Missed, .. }) {
            // Once its window is over, and then the gateway asks again.
            steps.extend([Step::Wait { ms: 11_000 }, step, Step::Reconnect, Step::Flow { roll: 9 }]);
        }
        if mended_at.is_some_and(|at| steps.len() >= at) {
            mended_at = None;
            steps.push(Step::Disk { full: false, room: 0 });
            if rng.u8(0..4) > 0 {
                steps.push(Step::Resume);
            }
        }
        if matches!(step, Step::Disk { full: true, .. }) {
            mended_at = Some(steps.len() + rng.usize(1..40));
            // What has to be done while it is full comes at once, or the process dies with it.
            match rng.u8(0..4) {
                0 => steps.push(Step::Kill),
                1 => steps.extend([Step::Cancel { which: rng.u8(..), stranger: false }, Step::Handle { events: 7 }]),
                2 => steps.push(Step::Die(death(&mut rng))),
                _ => {}
            }
        }
    }
    steps
}

/// A node whose strategies hold something, others against them or with an order on the side of what closes it, vanishes.
fn node(rng: &mut Rng, first: u8, count: u8) -> Vec<Step> {
    let (spot, buy, beside) = (rng.u8(0..4) == 0, rng.u8(0..4) > 0, first.wrapping_add(count));
    let ask = |strategy, buy, size, kind, ticks| Step::Request { spot, buy, kind, size, ticks, ttl_ms: 0, strategy };
    let all = Step::Flow { roll: 35 };
    let mut steps = Vec::new();
    for at in 0..count {
        if rng.u8(0..5) > 0 {
            let size = rng.u16(20..=40);
            steps.extend([ask(first.wrapping_add(at), buy, size, Kind::Market, 0), all, Step::Wait { ms: 400 }]);
        }
    }
    let away = if buy { 80 } else { -80 };
    for (kind, ticks) in [(Kind::Market, 0), (Kind::Limit, away)] {
        if rng.bool() {
            steps.extend([ask(beside, !buy, rng.u16(20..=60), kind, ticks), all]);
        }
    }
    // Asked for before its closings are, or behind them, and where they are by then.
    let other = ask(beside, !buy, rng.u16(5..=40), Kind::Limit, away);
    let stop = Step::StopNode { first, count };
    match rng.u8(0..4) {
        0 => steps.extend([other, stop]),
        1 => steps.extend([stop, Step::Handle { events: rng.u8(1..60) }, other, Step::Handle { events: 60 }]),
        _ => steps.push(stop),
    }
    for _ in 0..rng.u8(0..6) {
        steps.push(match rng.u8(0..6) {
            0..2 => Step::Handle { events: rng.u8(1..4) },
            2 => Step::Send { which: rng.u8(..) },
            3 => ask(rng.u8(..), !buy, rng.u16(5..=40), Kind::Limit, away),
            4 => Step::Tell { which: rng.u8(..) },
            _ => Step::Arrive { which: rng.u8(..), roll: rng.u8(..) },
        });
    }
    let flow = Step::Flow { roll: if rng.bool() { 35 } else { rng.u8(..) } };
    steps.extend([flow, Step::Wait { ms: 1_500 }, flow, Step::Wait { ms: 3_000 }, flow]);
    steps
}

/// Under a loss limit a process begins that holds something, and quotes of something else are all that it has.
fn unmeasured(rng: &mut Rng) -> Vec<Step> {
    let (spot, roll) = (rng.bool(), 35);
    let strategy = rng.u8(..);
    let ask = |spot| Step::Request { spot, buy: true, kind: Kind::Market, size: 30, ticks: 0, ttl_ms: 0, strategy };
    let asked = [!spot, spot].map(ask);
    let dies = Step::Die(Death { point: 0, cut: 0, tail: Tail::Nothing, again: 0, limits: 2 });
    let quote = Step::Quote { spot, ticks: 0 };
    let mut steps = vec![Step::Flow { roll }, asked[0], Step::Flow { roll }, Step::Wait { ms: 1_100 }, dies, quote];
    for _ in 0..4 {
        steps.extend([Step::Send { which: 0 }, Step::Arrive { which: 0, roll }, Step::Tell { which: 0 }]);
    }
    steps.extend([Step::Handle { events: 60 }, quote, asked[1], Step::Handle { events: 60 }]);
    // Known for a while, and then too old.
    steps.extend([Step::Quote { spot: !spot, ticks: 0 }, Step::Wait { ms: 21_000 }, quote, asked[1]]);
    steps.push(Step::Handle { events: 60 });
    steps
}

/// A strategy that was lost comes back, maybe ahead of what it had asked for, trades, and is lost again; at times a kill switch ended
/// what closed its position.
fn back(rng: &mut Rng, strategy: u8) -> Vec<Step> {
    let (spot, buy, all) = (rng.u8(0..4) == 0, rng.bool(), Step::Flow { roll: 35 });
    let ask = |size, kind| Step::Request { spot, buy, kind, size, ticks: 0, ttl_ms: 0, strategy };
    let (ahead, killed) = (rng.bool(), rng.u8(0..4) == 0);
    let mut steps = Vec::new();
    if killed {
        steps.extend([Step::Kill, all, Step::Wait { ms: 1_200 }, all, Step::Resume]);
    } else {
        steps.extend([all, all]);
    }
    if ahead {
        let ticks = rng.bool().then_some(0);
        steps.extend([ask(10, Kind::Limit), Step::Signal { spot, which: strategy, ticks }]);
    }
    steps.push(Step::LetIn { strategy });
    if rng.bool() {
        steps.extend([all, ask(rng.u16(20..=40), Kind::Market), all]);
    }
    if rng.bool() {
        let policy = if rng.u8(0..4) == 0 { OnVanish::Cancel } else { OnVanish::Flatten };
        steps.extend([Step::StopStrategy { strategy, policy }, all, Step::Wait { ms: 1_500 }, all]);
        steps.extend(rng.bool().then_some(Step::LetIn { strategy }));
    }
    if rng.bool() {
        // Lost and there again while what it asked for is approved, and has not left.
        let stop = Step::StopStrategy { strategy, policy: OnVanish::Cancel };
        steps.extend([ask(10, Kind::Limit), Step::Handle { events: 1 }, stop, Step::LetIn { strategy }, all]);
    }
    steps
}

fn death(rng: &mut Rng) -> Death {
    Death {
        point: rng.u8(0..40),
        cut: rng.u16(..),
        tail: if rng.u8(0..4) == 0 { Tail::Zeros(rng.u8(1..80)) } else { Tail::Nothing },
        again: if rng.u8(0..4) == 0 { rng.u8(1..3) } else { 0 },
        limits: rng.u8(..),
    }
}

fn step(rng: &mut Rng) -> Step {
    let which = rng.u8(..);
    match rng.u32(0..1_000) {
        0..110 => Step::Quote { spot: rng.bool(), ticks: rng.i8(-30..=30) },
        110..220 => Step::Request {
            spot: rng.u8(0..3) == 0,
            buy: rng.bool(),
            kind: match rng.u8(0..10) {
                0..5 => Kind::Limit,
                5 => Kind::PostOnly,
                6..8 => Kind::Market,
                8 => Kind::Ioc,
                _ => Kind::Fok,
            },
            size: rng.u16(1..=60),
            ticks: rng.i8(-90..=90),
            ttl_ms: if rng.u8(0..4) == 0 { rng.u16(1..3_000) } else { 0 },
            strategy: rng.u8(..),
        },
        220..240 => Step::Repeat { which, other: rng.u8(0..4) == 0 },
        240..270 => Step::Cancel { which, stranger: rng.u8(0..5) == 0 },
        270..274 => Step::CancelAhead,
        274..420 => Step::Handle { events: rng.u8(1..8) },
        420..510 => Step::Send { which },
        510..600 => Step::Arrive { which, roll: rng.u8(..) },
        600..612 => Step::LoseOut { which },
        612..690 => Step::Trade { which, part: rng.u8(..), ticks: rng.i8(-5..=5), rebate: rng.u8(0..5) == 0 },
        690..700 => Step::VenueEnds { which, expired: rng.bool() },
        700..790 => Step::Tell { which },
        790..810 => Step::TellTwice { which },
        810..826 => Step::LoseIn { which },
        826..846 => Step::Look,
        846..849 => Step::Reconnect,
        849..874 => Step::Confirm,
        874..910 => Step::Wait { ms: wait_ms(rng) },
        910..912 => Step::Kill,
        912..920 => Step::Resume,
        920..922 => Step::StopNode { first: rng.u8(..), count: rng.u8(2..=10) },
        922..925 => Step::StopStrategy {
            strategy: rng.u8(..),
            policy: match rng.u8(0..4) {
                0 => OnVanish::Keep,
                1 => OnVanish::Cancel,
                _ => OnVanish::Flatten,
            },
        },
        925..926 if rng.bool() => Step::Drain,
        926..929 => Step::Lie {
            lie: match rng.u8(0..9) {
                0 => Lie::UnknownOrder,
                1 => Lie::Overfill,
                2 => Lie::FillAfterRejection,
                3 => Lie::NothingTraded,
                4 => Lie::BeyondAllIntegers,
                5 => Lie::Works,
                6 => Lie::Refuses,
                _ => Lie::Missed,
            },
            which,
        },
        929..944 => Step::Die(death(rng)),
        945..952 => Step::Accept {
            to: match rng.u8(0..4) {
                0 | 1 => Word::Nothing,
                2 => Word::Half,
                _ => Word::More(rng.i8(-60..=60)),
            },
        },
        944..945 => Step::Disk { full: true, room: rng.u8(0..17) },
        952..957 => Step::LetIn { strategy: rng.u8(..) },
        957..970 => {
            Step::Signal { spot: rng.u8(0..3) == 0, which, ticks: (rng.u8(0..3) == 0).then(|| rng.i8(-60..=60)) }
        }
        _ => Step::Flow { roll: rng.u8(..) },
    }
}

/// Mostly as long as an answer takes, at times as long as an approval, a window, a day.
fn wait_ms(rng: &mut Rng) -> u32 {
    match rng.u8(0..10) {
        0..4 => rng.u32(1..200),
        4..8 => rng.u32(200..2_500),
        8 => rng.u32(5_000..12_000),
        _ if rng.u8(0..4) == 0 => DAY_MS,
        _ => rng.u32(12_000..90_000),
    }
}
