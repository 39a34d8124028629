//! The guards of a durable channel, one at a time; `schedules` drives them all together.

mod cut_off;
mod receiver;
mod sender;
mod waited_for;

use libra_net::ids::Position;

const MS: u64 = 1_000_000;

fn at(epoch: u64, seq: u64) -> Position {
    Position::new(epoch, seq)
}
