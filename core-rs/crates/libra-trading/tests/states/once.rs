//! Runs that found something once, as the steps that remained of them: what a seed means changes with the schedule.

use libra_trading::desk::OnVanish;

use crate::step::{Death, Kind, Lie, Step, Tail};

/// Each with its seed.
pub fn runs() -> Vec<(u64, Vec<Step>)> {
    vec![
        (1, contradicted()),
        (1, untold()),
        (1, asked_again_while_killed()),
        (1038, dies_behind_a_second_miss()),
        (1395, lost_and_executed()),
        (1426, a_fill_told_again()),
        (2319, refused_behind_a_miss()),
        (1_795_406_179, killed_again_behind_a_marker()),
        (7638, a_day_begins_on_a_full_disk()),
    ]
}

const QUOTE: Step = Step::Quote { spot: false, ticks: 0 };
const HANDLE: Step = Step::Handle { events: 9 };

fn ask(buy: bool) -> Step {
    Step::Request { spot: false, buy, kind: Kind::Market, size: 28, ticks: 0, ttl_ms: 0, strategy: 1 }
}

/// An order waits for its gateway while the venue contradicts the account: it left all the same.
fn contradicted() -> Vec<Step> {
    let lie = Step::Lie { lie: Lie::UnknownOrder, which: 5 };
    vec![QUOTE, ask(true), Step::Handle { events: 5 }, lie, Step::Send { which: 0 }]
}

/// An approval is found out of time by another request, and what follows is confirmed before the market moves: after a
/// death nobody was told of the refusal.
fn untold() -> Vec<Step> {
    let dies = Step::Die(Death { point: 0, cut: 0, tail: Tail::Nothing, again: 0, limits: 0 });
    let before = [QUOTE, ask(true), ask(false), Step::Handle { events: 1 }, Step::Wait { ms: 1_500 }];
    let behind = [HANDLE, Step::Send { which: 0 }, HANDLE, Step::Confirm, dies, Step::Confirm];
    [&before[..], &behind[..]].concat()
}

/// A request that was approved before the kill switch comes again while it is set: it is refused there and then.
fn asked_again_while_killed() -> Vec<Step> {
    let (handle, again) = (Step::Handle { events: 1 }, Step::Repeat { which: 0, other: false });
    vec![QUOTE, ask(true), again, handle, Step::Kill, HANDLE]
}

/// The process dies behind the second word of a venue that misses an order.
fn dies_behind_a_second_miss() -> Vec<Step> {
    vec![
        Step::StopStrategy { strategy: 2, policy: OnVanish::Cancel },
        Step::Request { spot: false, buy: true, kind: Kind::Limit, size: 39, ticks: -17, ttl_ms: 0, strategy: 0 },
        Step::Flow { roll: 98 },
        Step::Die(Death { point: 36, cut: 55507, tail: Tail::Zeros(69), again: 0, limits: 65 }),
        Step::Quote { spot: false, ticks: 1 },
        Step::Wait { ms: 86400000 },
        Step::Flow { roll: 83 },
        Step::Cancel { which: 27, stranger: false },
        Step::Flow { roll: 223 },
        Step::Request { spot: true, buy: false, kind: Kind::Limit, size: 19, ticks: 89, ttl_ms: 0, strategy: 0 },
        Step::Quote { spot: false, ticks: -18 },
        Step::Trade { which: 13, part: 141, ticks: -2, rebate: false },
        Step::Quote { spot: false, ticks: -3 },
        Step::Tell { which: 152 },
        Step::Handle { events: 1 },
        Step::Lie { lie: Lie::Missed, which: 178 },
        Step::Wait { ms: 11000 },
        Step::Lie { lie: Lie::Missed, which: 178 },
    ]
}

/// An order that was taken for lost is executed as a whole, and then heard of as accepted.
fn lost_and_executed() -> Vec<Step> {
    vec![
        Step::Flow { roll: 73 },
        Step::Request { spot: false, buy: true, kind: Kind::Limit, size: 36, ticks: -51, ttl_ms: 0, strategy: 2 },
        Step::Die(Death { point: 22, cut: 48451, tail: Tail::Nothing, again: 1, limits: 50 }),
        Step::Flow { roll: 94 },
        Step::Trade { which: 24, part: 254, ticks: -3, rebate: false },
        Step::Request { spot: true, buy: false, kind: Kind::Fok, size: 59, ticks: 16, ttl_ms: 0, strategy: 1 },
        Step::Handle { events: 3 },
        Step::Wait { ms: 45530 },
        Step::Lie { lie: Lie::Missed, which: 195 },
        Step::Wait { ms: 11000 },
        Step::Lie { lie: Lie::Missed, which: 195 },
        Step::Flow { roll: 228 },
    ]
}

/// Behind a kill switch a fill is told again, when the next cancel is due.
fn a_fill_told_again() -> Vec<Step> {
    vec![
        Step::Flow { roll: 102 },
        Step::Request { spot: false, buy: true, kind: Kind::Limit, size: 46, ticks: -42, ttl_ms: 0, strategy: 0 },
        Step::Handle { events: 4 },
        Step::Die(Death { point: 35, cut: 8790, tail: Tail::Nothing, again: 2, limits: 115 }),
        Step::Request { spot: true, buy: true, kind: Kind::Fok, size: 6, ticks: -24, ttl_ms: 1913, strategy: 1 },
        Step::Request { spot: false, buy: true, kind: Kind::Limit, size: 51, ticks: -51, ttl_ms: 0, strategy: 2 },
        Step::Request { spot: false, buy: false, kind: Kind::Limit, size: 17, ticks: -57, ttl_ms: 2992, strategy: 0 },
        Step::Send { which: 76 },
        Step::Repeat { which: 113, other: false },
        Step::Handle { events: 2 },
        Step::Look,
        Step::Kill,
        Step::Flow { roll: 3 },
        Step::Wait { ms: 5500 },
        Step::Flow { roll: 7 },
        Step::Send { which: 197 },
        Step::Trade { which: 254, part: 16, ticks: -2, rebate: false },
        Step::Cancel { which: 187, stranger: false },
        Step::Flow { roll: 227 },
        Step::Quote { spot: false, ticks: -12 },
    ]
}

/// A cancel is refused, on a full disk, behind an order that was missed twice.
fn refused_behind_a_miss() -> Vec<Step> {
    vec![
        Step::Flow { roll: 65 },
        Step::Die(Death { point: 32, cut: 13062, tail: Tail::Zeros(38), again: 2, limits: 46 }),
        Step::Request { spot: false, buy: true, kind: Kind::Ioc, size: 29, ticks: -55, ttl_ms: 0, strategy: 0 },
        Step::Handle { events: 7 },
        Step::Quote { spot: false, ticks: 25 },
        Step::Send { which: 61 },
        Step::Repeat { which: 150, other: true },
        Step::Quote { spot: false, ticks: -10 },
        Step::Wait { ms: 86400000 },
        Step::Look,
        Step::Flow { roll: 46 },
        Step::Flow { roll: 244 },
        Step::Quote { spot: true, ticks: -10 },
        Step::Send { which: 18 },
        Step::Kill,
        Step::Arrive { which: 138, roll: 225 },
        Step::Tell { which: 142 },
        Step::Disk { full: true, room: 12 },
        Step::Flow { roll: 187 },
    ]
}

/// On a disk that is full again: a latch that a marker kept gets the reason of the next kill.
fn killed_again_behind_a_marker() -> Vec<Step> {
    vec![
        Step::Disk { full: true, room: 12 },
        Step::Kill,
        Step::Die(Death { point: 1, cut: 26912, tail: Tail::Nothing, again: 0, limits: 250 }),
        Step::Quote { spot: false, ticks: -7 },
        Step::Disk { full: true, room: 9 },
        Step::Kill,
    ]
}

/// A disk that is full where a day begins, with money that comes then.
fn a_day_begins_on_a_full_disk() -> Vec<Step> {
    vec![
        Step::Request { spot: false, buy: false, kind: Kind::Ioc, size: 14, ticks: 73, ttl_ms: 0, strategy: 35 },
        Step::Flow { roll: 97 },
        Step::Wait { ms: 86400000 },
        Step::Die(Death { point: 0, cut: 44197, tail: Tail::Nothing, again: 0, limits: 182 }),
        Step::Confirm,
        Step::Disk { full: true, room: 11 },
        Step::Flow { roll: 123 },
        Step::Disk { full: false, room: 0 },
        Step::Quote { spot: true, ticks: -20 },
    ]
}
