//! The words of a receiver: its limits, what it is given, what it wants done, what it counts.

use super::passed::Passed;
use crate::ids::Position;

/// Bounds and times of a receiver; times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverLimits {
    /// Most events handed over that are not applied yet.
    pub unapplied: u64,
    /// Most frames held while the stream is read.
    pub held: usize,
    /// Most entries in one read; the driver bounds its bytes too.
    pub count: u32,
    /// An acknowledgement is sent when so many more events are applied.
    pub ack_every: u64,
    /// And after this time when fewer are.
    pub ack_after: u64,
    /// How long a beacon's word may be ahead of the frames, which come another way.
    pub beacon_patience: u64,
    /// How long to wait before a read that found nothing, or an acknowledgement that failed, is tried again.
    pub retry_after: u64,
    /// How long to wait for a snapshot before it is asked for again.
    pub ask_again: u64,
    /// How long a living publisher is asked for a place that the server lost before this group begins without: one of an earlier version, or
    /// whose profile has this group no more, knows none.
    pub place_patience: u64,
}

impl Default for ReceiverLimits {
    fn default() -> Self {
        ReceiverLimits {
            // More than the facts with which a mailbox counts as one that nobody empties: so that actor is given up, and what
            // waits for it is applied.
            unapplied: 65_536,
            held: 1_024,
            count: 256,
            ack_every: 256,
            ack_after: 5_000_000,
            beacon_patience: 20_000_000,
            retry_after: 100_000_000,
            ask_again: 1_000_000_000,
            place_patience: 10_000_000_000,
        }
    }
}

/// Why events will not be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Their frame stands in the stream and cannot be decoded.
    Undecodable,
    /// They are below what the stream keeps, their publisher's life is over, and no later one of it is there to make a snapshot.
    Trimmed,
    /// They were appended, the server lost them, and a later life of their publisher has begun.
    ServerLost,
    /// The publisher's life is over, and the server may lack its end: it is another process than the one that this life
    /// opened the channel on, or has less of it than we have.
    Torn,
}

/// What a receiver wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery<F> {
    /// Call `read`, and tell by [`super::Receiver::read`] or [`super::Receiver::read_failed`].
    Read {
        /// Behind which position.
        after: Position,
        /// How many entries at most.
        count: u32,
    },
    /// Call `ack`, and tell by [`super::Receiver::acknowledged`].
    Ack {
        /// What is applied.
        upto: Position,
    },
    /// Say to the publisher that a snapshot is needed; from the beginning of all: that this group's place was lost.
    AskSnapshot {
        /// Where this group is.
        at: Position,
    },
    /// Say to the publisher that a later life of it was heard of: [`super::Sender::heard_of`].
    Fence {
        /// That life.
        epoch: u64,
    },
    /// To the node: handle the events of a frame in order, but for those it had; then [`super::Receiver::applied`].
    Events {
        /// The publisher's life.
        epoch: u64,
        /// The frame's first event.
        first: u64,
        /// Its last.
        last: u64,
        /// How many at its beginning were handed over before.
        skip: u64,
        /// The frame.
        frame: F,
    },
    /// To the node: the publisher has begun a new life, and everything of the one before was handed over; then
    /// [`super::Receiver::applied`] with its beginning.
    Life {
        /// The place before its first event.
        begins: Position,
    },
    /// To the node: put this snapshot in the place of all events up to its stamp, `passed.upto`; then
    /// [`super::Receiver::applied`].
    Snapshot {
        /// The events that it stands for.
        passed: Passed,
        /// Whether there were such events; otherwise there may have been.
        certain: bool,
        /// What the publisher made.
        snapshot: F,
    },
    /// To the node: `GAP_LOST`. These events will not come; then [`super::Receiver::applied`] with `passed.upto`, when the node
    /// has reconciled.
    Lost {
        /// The events.
        passed: Passed,
        /// Why.
        why: Why,
        /// Whether there were such events; otherwise there may have been.
        certain: bool,
    },
    /// To the node: events are missing, or are no longer; new orders that depend on this channel wait meanwhile.
    Gap {
        /// Whether they are missing.
        open: bool,
    },
}

/// An entry of the stream, or what could be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<F> {
    /// The publisher's life, by the entry's id.
    pub epoch: u64,
    /// Its last event, by the entry's id.
    pub last: u64,
    /// The rest.
    pub what: Received<F>,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received<F> {
    /// A frame, and its first event.
    Frame {
        /// `channel_seq` of its first event.
        first: u64,
        /// The frame.
        frame: F,
    },
    /// A life of the publisher begins here.
    Life {
        /// The end of the life before, as far as the server had it (field `l`).
        before: Position,
        /// The server may have had less than there was (field `t`).
        torn: bool,
    },
    /// A frame that cannot be decoded.
    Bad,
}

/// The bounds of a channel when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The last event appended, or seq 0 of the life that opened it.
    pub top: Position,
    /// Everything above this up to `top` is in the stream.
    pub floor: Position,
}

/// What a receiver counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Events handed over.
    pub events: u64,
    /// Frames that had been there.
    pub doubled: u64,
    /// Frames of a life that was over.
    pub fenced: u64,
    /// Frames that found no place while the stream was read; they are read too.
    pub overflowed: u64,
    /// Reads asked for.
    pub reads: u64,
    /// Gaps opened.
    pub gaps: u64,
    /// Snapshots installed.
    pub snapshots: u64,
    /// Events that snapshots stood for.
    pub replaced: u64,
    /// Times that `Lost` was said.
    pub lost: u64,
    /// Events that are known to have been among what it was said of.
    pub lost_events: u64,
    /// Frames and words that no publisher or node of ours can have said.
    pub foreign: u64,
}
