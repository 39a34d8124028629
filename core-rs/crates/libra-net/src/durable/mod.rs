//! The durable channel: what one publisher appends, each consumer group applies once and in order, or is told what it
//! missed.
//!
//! - [`Sender`] — a channel at its publisher: the outbox, appends in a window, acknowledgements, trimming;
//! - [`Receiver`] — a channel at one group: order, gaps, snapshots, acknowledgements;
//! - [`library`] — the functions that Redis or Valkey runs, and the names of what they answer;
//! - [`outbox`], [`groups`] — the two halves of a sender's memory; [`Passed`] — what a receiver skips, counted.
//!
//! Both are state machines. They read no clock and touch no socket: each call brings the time (`now`, nanoseconds of a
//! monotonic clock) and a `Vec` that the caller uses again, into which the machine pushes what is to be done.
//! The promises and why they hold: `docs/wire.md`, "Durable channels". `tests/schedules` drives them through faults.
//!
//! # How a driver uses a [`Sender`]
//!
//! One sender per durable channel and life of the publisher; all calls of one sender go over one connection, in the order
//! in which they were asked for, and its replies come back in that order.
//!
//! | when | call |
//! | --- | --- |
//! | the connection is up (library loaded, run id read) | [`Sender::connected`] |
//! | it is gone | [`Sender::disconnected`] |
//! | a reply came | [`Sender::reply`] with the [`Reply`] of its kind |
//! | an [`Act::Append`] is carried out later than it was wanted | [`Sender::has_left`], before the call |
//! | an event is to be sent | [`Sender::next_seq`], encode the frame, [`Sender::offer`] |
//! | an acknowledgement was heard on the publisher's control channel | [`Sender::acknowledged`] |
//! | a group says that a later life was heard of | [`Sender::heard_of`] |
//! | a group asks for a snapshot | [`Sender::snapshot_requested`]; when made, [`Sender::snapshot_made`] gives its stamp |
//! | this side stood still, or has not read what came meanwhile | [`Sender::excuse`], before anything else |
//! | [`Sender::deadline`] has come | [`Sender::tick`] |
//!
//! # How a driver uses a [`Receiver`]
//!
//! | when | call |
//! | --- | --- |
//! | the connection for calls is up, or gone | [`Receiver::connected`], [`Receiver::disconnected`] |
//! | the subscription to the channel is confirmed, or gone | [`Receiver::subscribed`], [`Receiver::unsubscribed`] |
//! | a frame was published | [`Receiver::live`]; one that cannot be decoded: [`Receiver::undecodable`] |
//! | a read is answered | [`Receiver::read`] or [`Receiver::read_failed`] |
//! | an acknowledgement is answered | [`Receiver::acknowledged`] |
//! | the publisher's beacon: its epoch, what is confirmed appended | [`Receiver::beacon`] |
//! | its beacon is missing while Redis answers | [`Receiver::dead`] |
//! | a snapshot came | [`Receiver::snapshot`] |
//! | what was delivered is applied | [`Receiver::applied`] |
//! | [`Receiver::deadline`] has come | [`Receiver::tick`] |

mod act;
mod delivery;
pub mod groups;
pub mod library;
pub mod outbox;
mod passed;
mod receiver;
mod sender;

pub use act::{Act, Opened, Refusal, Refused, Reply, SenderLimits, SenderStats};
pub use delivery::{Bounds, Delivery, Entry, Received, ReceiverLimits, ReceiverStats, Why};
pub use passed::{Passed, Run};
pub use receiver::Receiver;
pub use sender::Sender;

use crate::ids::{LATEST, Position};

/// The latest epoch that can be.
pub const LATEST_EPOCH: u64 = LATEST;

/// What an event that is offered asks of the outbox when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Refused when seven eighths of the outbox are taken.
    Command,
    /// A command that takes something back: may use the last eighth too.
    Cancel,
    /// Never refused: the oldest are cut instead.
    Fact,
}

/// Whether someone who has applied everything up to `position` can go on with a stream that is complete above `floor`.
///
/// Who has no position yet is owed nothing from before the channel began.
pub fn reaches(position: Position, floor: Position) -> bool {
    position >= floor || (position == Position::default() && floor.seq == 0)
}

/// The least epoch that a publisher may claim: its wall clock, and above all that its consumers have ever seen of it, so that
/// it grows though Redis was emptied.
pub fn claim_at_least(wall_ms: u64, acknowledged: impl IntoIterator<Item = Position>) -> u64 {
    acknowledged.into_iter().fold(wall_ms, |least, position| least.max(position.epoch.saturating_add(1)))
}
