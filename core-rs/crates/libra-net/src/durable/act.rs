//! The words of a sender: its limits, what it wants done, what the server answers, what it counts.

use crate::ids::Position;

/// Bounds and times of a sender; times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct SenderLimits {
    /// Most events held.
    pub events: u64,
    /// Most bytes of frames held.
    pub bytes: usize,
    /// Most append calls without a reply.
    pub window: usize,
    /// Most frames in one append call.
    pub batch: usize,
    /// Most bytes of frames in one append call, unless one frame alone has more.
    pub batch_bytes: usize,
    /// A group that owes something and acknowledges nothing more for so long is not waited for any more; after half of that the
    /// node is told.
    pub stale_after: u64,
    /// The stream is trimmed when this many more events are acknowledged by all.
    pub trim_every: u64,
    /// And after this time when fewer are.
    pub trim_after: u64,
    /// How long to wait when the server refused for a reason of its own (no memory, not a master).
    pub retry_after: u64,
    /// How long without a word of those waited for until their acknowledgements are read, since the message may be lost.
    pub read_acks_after: u64,
}

impl Default for SenderLimits {
    fn default() -> Self {
        SenderLimits {
            events: 65_536,
            bytes: 64 << 20,
            window: 32,
            batch: 16,
            batch_bytes: 256 << 10,
            stale_after: 300_000_000_000,
            trim_every: 4_096,
            trim_after: 1_000_000_000,
            retry_after: 100_000_000,
            read_acks_after: 1_000_000_000,
        }
    }
}

/// What a sender wants done. The first six are calls to the server, on one connection and in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Call `open` with [`super::Sender::acknowledgements`], and tell by [`Reply::Opened`].
    Open {
        /// The newest event that was ever confirmed.
        confirmed: u64,
    },
    /// Call `append` with [`super::Sender::frames`] of these, and tell by [`Reply::Appended`].
    Append {
        /// The first event.
        first: u64,
        /// The last.
        last: u64,
    },
    /// Call `trim`, and tell by [`Reply::Trimmed`].
    Trim {
        /// What need not be kept.
        upto: Position,
        /// Whether the server is to hold it back to what [`super::Sender::waited_for`] acknowledged. Otherwise what lies below is
        /// not held any more either, and the channel goes on behind it.
        waiting: bool,
    },
    /// Read the hash of acknowledgements, and tell by [`Reply::Acknowledged`].
    ReadAcknowledged,
    /// Publish [`super::Sender::frames`] of these once more: somebody cannot read them, since the stream has a hole.
    Repeat {
        /// The first event.
        first: u64,
        /// The last.
        last: u64,
    },
    /// Call `mend`, and tell by [`Reply::Trimmed`]: what the stream lacks behind this place is held by nobody.
    Mend {
        /// Where a group cannot go on.
        at: Position,
        /// What comes behind this one is held here, and the floor must not pass over it.
        upto: u64,
    },
    /// To the node: facts were cut, since the outbox was full.
    Cut {
        /// The first event that is gone.
        first: u64,
        /// The last.
        last: u64,
        /// How many of the frames asked for something: whoever asked learns nothing more.
        commands: u64,
    },
    /// To the node: this group owes something, and has acknowledged nothing for half of the time that it has.
    Behind {
        /// Its place among the declared ones.
        group: usize,
    },
    /// To the node: facts were cut that this group had not, and while no acknowledgement could come. It hears which they are,
    /// and what is left is kept for it.
    CutOff {
        /// Its place among the declared ones.
        group: usize,
    },
    /// To the node: this group is not waited for any more, and comes back by snapshot.
    GivenUp {
        /// Its place among the declared ones.
        group: usize,
    },
    /// To the node: make a snapshot of what this channel tells, for this group; then [`super::Sender::snapshot_made`].
    SnapshotWanted {
        /// Its place among the declared ones.
        group: usize,
    },
    /// To the node: the server had lost events that it had confirmed. They are sent again.
    ServerLost {
        /// What it had confirmed.
        confirmed: u64,
        /// What it has.
        top: u64,
    },
    /// To the node: another one publishes under this name with a later epoch. This sender is over. The node calls `raise` with
    /// that epoch, so that whoever claims next is above it on this server too.
    Fenced {
        /// The later epoch, where it is known.
        by: u64,
    },
}

impl Act {
    /// Whether it is a call to the server, which is worth nothing on another connection. The others tell the node something.
    pub fn is_call(&self) -> bool {
        use Act::{Append, Mend, Open, ReadAcknowledged, Repeat, Trim};
        matches!(self, Open { .. } | Append { .. } | Trim { .. } | ReadAcknowledged | Repeat { .. } | Mend { .. })
    }
}

/// Why the server refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has less than what the frame follows.
    #[error("the server's copy of the channel ends at {top}, before what was appended")]
    Gap {
        /// What it has.
        top: u64,
    },
    /// It knows nothing of the channel in this epoch: it came back empty or older.
    #[error("the server does not know this channel: it came back empty or with older data")]
    Incarnation,
    /// A later epoch of the publisher was there.
    #[error("another node publishes under this name, with the later epoch {by}")]
    Fenced {
        /// That epoch.
        by: u64,
    },
    /// Anything else: no memory, not a master, loading.
    #[error("the server refused for a reason of its own")]
    Failed,
}

/// What `open` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The newest event of our epoch in the stream; 0 when there is none.
    pub top: u64,
    /// Nothing at or below this is promised to be in the stream.
    pub floor: Position,
    /// What the groups acknowledged, by name.
    pub acknowledged: Vec<(String, Position)>,
}

/// A reply of the server to a call of a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To `open`.
    Opened(Result<Opened, Refusal>),
    /// To `append`; frames that were there already count as appended.
    Appended(Result<(), Refusal>),
    /// To `trim` or `mend`, with the floor that it left.
    Trimmed(Result<Position, Refusal>),
    /// To the reading of the acknowledgements, by name.
    Acknowledged(Result<Vec<(String, Position)>, Refusal>),
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The outbox is full.
    #[error("the outbox is full: the peers or Redis have been away for too long")]
    Full,
    /// It would not fit an empty outbox.
    #[error("the frame is larger than the whole outbox")]
    TooLarge,
    /// It does not begin at [`super::Sender::next_seq`], or ends before it begins.
    #[error("the frame does not follow what was offered before")]
    OutOfOrder,
    /// A later epoch of this publisher was there.
    #[error("another node publishes under this name, with a later epoch")]
    Fenced,
}

/// What a sender counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderStats {
    /// Events offered and taken.
    pub offered: u64,
    /// Frames refused.
    pub refused: u64,
    /// Events cut.
    pub cut: u64,
    /// Events said again over a hole of the stream.
    pub repeated: u64,
    /// Append calls.
    pub calls: u64,
    /// Times that the server had lost something.
    pub server_lost: u64,
    /// Replies that were refusals.
    pub refusals: u64,
}
