//! What the threads tell the node: connections, gaps, nodes that come and go.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use libra_kernel::digest::Digest;
use libra_kernel::{EventType, SharedPayload};

use crate::durable::Run;

/// News that wait beyond this many displace the oldest of which nobody acts.
const KEPT: usize = 1_024;

/// Runs of events that one piece of news lists at most.
const LISTED: usize = 64;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewsKind {
    /// The server is there.
    Connected,
    /// The server is gone.
    Disconnected,
    /// There is no connection, and none before somebody changes something.
    ServerRefuses,
    /// Events of a channel are missing.
    GapOpened,
    /// They have been read again.
    GapRepaired,
    /// They will never come.
    GapLost,
    /// Some may have been lost with the server, and nobody can tell: none is known to be missing.
    GapSuspected,
    /// A consumer needs a snapshot.
    SnapshotWanted,
    /// It was loaded.
    SnapshotLoaded,
    /// Another life of this publisher writes: this one must not any more.
    Fenced,
    /// What waits to leave has reached its limit.
    OutboxFull,
    /// Facts were cut from what waits to leave.
    Overflow,
    /// Another node is there.
    NodeUp,
    /// Another node is no more, and did not say so.
    NodeDown,
    /// Another node has left in order.
    NodeLeft,
    /// A life of another node of which nothing had come here gave way to its next: nothing ends with it but what an account's log has.
    NodeReplaced,
    /// Another node was not heard, in all the time that it may need to be: the same.
    NodeMissing,
    /// Another node owes acknowledgements and gives none, so that it will not be waited for much longer.
    NodeBehind,
    /// Facts were cut that another node could not have had, since no server was there, or none that took them: it misses these, and is
    /// kept the rest.
    NodeCutOff,
    /// Nobody is there who could answer what is asked of accounts: so much of it came back, and more is refused.
    Unanswered,
    /// Another node's profile has another value where all need the same.
    NodeDiffers,
    /// Another node's clock is far from this one's.
    ClockDiffers,
    /// An actor of this node held back for too long what its others have applied: what it has is acknowledged without it. The
    /// news name it as messages do, `NODE/ACTOR`.
    ActorExcused,
    /// This node's loop did not come round for so long that others took it for dead.
    LoopStoodStill,
    /// A setting of the server that endangers what is promised.
    ServerFinding,
    /// One that is good to know of.
    ServerNote,
}

impl NewsKind {
    /// A stable word for it.
    pub const fn name(self) -> &'static str {
        match self {
            NewsKind::Connected => "connected",
            NewsKind::Disconnected => "disconnected",
            NewsKind::ServerRefuses => "server_refuses",
            NewsKind::GapOpened => "gap_opened",
            NewsKind::GapRepaired => "gap_repaired",
            NewsKind::GapLost => "gap_lost",
            NewsKind::GapSuspected => "gap_suspected",
            NewsKind::SnapshotWanted => "snapshot_wanted",
            NewsKind::SnapshotLoaded => "snapshot_loaded",
            NewsKind::Fenced => "fenced",
            NewsKind::OutboxFull => "outbox_full",
            NewsKind::Overflow => "overflow",
            NewsKind::NodeUp => "node_up",
            NewsKind::NodeDown => "node_down",
            NewsKind::NodeLeft => "node_left",
            NewsKind::NodeReplaced => "node_replaced",
            NewsKind::NodeMissing => "node_missing",
            NewsKind::NodeBehind => "node_behind",
            NewsKind::NodeCutOff => "node_cut_off",
            NewsKind::Unanswered => "unanswered",
            NewsKind::NodeDiffers => "node_differs",
            NewsKind::ClockDiffers => "clock_differs",
            NewsKind::ActorExcused => "actor_excused",
            NewsKind::LoopStoodStill => "loop_stood_still",
            NewsKind::ServerFinding => "server_finding",
            NewsKind::ServerNote => "server_note",
        }
    }

    /// True for what somebody acts on, and so has to learn.
    const fn has_to_come(self) -> bool {
        matches!(
            self,
            NewsKind::Fenced
                | NewsKind::NodeDown
                | NewsKind::NodeReplaced
                | NewsKind::NodeMissing
                | NewsKind::GapLost
                | NewsKind::GapSuspected
                | NewsKind::ActorExcused
        )
    }

    /// The event that tells it.
    pub const fn event_type(self) -> EventType {
        match self {
            NewsKind::Connected | NewsKind::ServerFinding | NewsKind::ServerNote => EventType::BridgeConnected,
            NewsKind::NodeDiffers | NewsKind::ClockDiffers => EventType::BridgeConnected,
            NewsKind::Disconnected | NewsKind::ServerRefuses => EventType::BridgeDisconnected,
            NewsKind::Fenced | NewsKind::LoopStoodStill => EventType::BridgeDisconnected,
            NewsKind::GapOpened | NewsKind::GapRepaired | NewsKind::GapLost => EventType::BridgeGap,
            NewsKind::GapSuspected | NewsKind::SnapshotWanted | NewsKind::SnapshotLoaded => EventType::BridgeGap,
            NewsKind::OutboxFull | NewsKind::Overflow | NewsKind::NodeCutOff => EventType::BridgeOverflow,
            NewsKind::NodeBehind | NewsKind::ActorExcused | NewsKind::Unanswered => EventType::BridgeOverflow,
            NewsKind::NodeUp => EventType::NodeUp,
            NewsKind::NodeDown | NewsKind::NodeLeft => EventType::NodeDown,
            NewsKind::NodeReplaced | NewsKind::NodeMissing => EventType::NodeDown,
        }
    }
}

/// A piece of news; the payload of the event that tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What happened.
    pub kind: NewsKind,
    /// The node or the actor that it is about, or empty.
    pub node: Box<str>,
    /// The channel that it is about, or empty.
    pub channel: Box<str>,
    /// How many events it concerns.
    pub count: u64,
    /// Which those are, as far as it is known; the first of them where they are more than are listed.
    pub runs: Vec<Run>,
    /// More, for a reader.
    pub detail: Box<str>,
}

impl News {
    /// News without particulars.
    pub fn new(kind: NewsKind) -> Self {
        News { kind, node: "".into(), channel: "".into(), count: 0, runs: Vec::new(), detail: "".into() }
    }

    /// The same, about a node.
    pub fn of_node(kind: NewsKind, node: &str) -> Self {
        News { node: node.into(), ..News::new(kind) }
    }
}

impl News {
    /// Stands for an earlier piece of news too: with the events of both, in the order in which they were told.
    fn take_up(&mut self, before: News) {
        self.count = self.count.saturating_add(before.count);
        for run in std::mem::replace(&mut self.runs, before.runs) {
            if let Some(last) = self.runs.last_mut()
                && (last.epoch, last.last.checked_add(1)) == (run.epoch, Some(run.first))
            {
                last.last = run.last;
            } else if self.runs.len() < LISTED {
                self.runs.push(run);
            } else {
                break;
            }
        }
    }

    /// True for news that the later of the two makes up for. What was found out is told by its words alone.
    fn is_like(&self, other: &News) -> bool {
        let same = self.kind == other.kind && self.node == other.node && self.channel == other.channel;
        let by_words = matches!(self.kind, NewsKind::ServerFinding | NewsKind::ServerNote);
        same && (!by_words || self.detail == other.detail)
    }
}

impl SharedPayload for News {
    fn kind(&self) -> &'static str {
        "bridge_news"
    }

    fn digest(&self, digest: &mut Digest) {
        [self.kind.name(), &self.node, &self.channel, &self.detail]
            .iter()
            .for_each(|text| digest.blob(text.as_bytes()));
        digest.u64(self.count);
        for Run { epoch, first, last } in &self.runs {
            [epoch, first, last].into_iter().for_each(|number| digest.u64(*number));
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// News on their way to somebody who looks from time to time. Of one kind about one node and channel the newest is kept, in the
/// place of the newest, with the events of all: so there are never more than there are nodes and channels to tell of, and the
/// last of a gap's openings and repairs, or of a node's deaths and returns, is the last that is read.
#[derive(Debug, Default)]
pub struct Board {
    has_news: AtomicBool,
    waiting: Mutex<(VecDeque<News>, u64)>,
}

impl Board {
    /// Adds news.
    pub fn put(&self, mut news: News) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (waiting, lost) = &mut *waiting;
        if let Some(same) = waiting.iter().position(|other| other.is_like(&news))
            && let Some(before) = waiting.remove(same)
        {
            news.take_up(before);
        } else if waiting.len() >= KEPT
            && let Some(oldest) = waiting.iter().position(|other| !other.kind.has_to_come())
        {
            waiting.remove(oldest);
            *lost += 1;
        }
        waiting.push_back(news);
        self.has_news.store(true, Ordering::Release);
    }

    /// True when [`Board::take`] has something.
    #[inline]
    pub fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Acquire)
    }

    /// All that wait, the oldest first.
    pub fn take(&self) -> VecDeque<News> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.has_news.store(false, Ordering::Relaxed);
        std::mem::take(&mut waiting.0)
    }

    /// News that were displaced.
    pub fn lost(&self) -> u64 {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_channel(kind: NewsKind, channel: &str, count: u64) -> News {
        News { channel: channel.into(), count, ..News::new(kind) }
    }

    fn finding(number: usize) -> News {
        News { detail: format!("finding {number}").into(), ..News::new(NewsKind::ServerFinding) }
    }

    #[test]
    fn of_one_kind_and_channel_the_newest_stands_for_all() {
        let board = Board::default();
        for count in 1..=5_000 {
            board.put(of_channel(NewsKind::OutboxFull, "a", 1));
            board.put(of_channel(NewsKind::GapOpened, "b", 0));
            board.put(of_channel(NewsKind::GapRepaired, "b", 0));
            board.put(of_channel(NewsKind::GapLost, "b", count));
        }
        board.put(of_channel(NewsKind::GapOpened, "b", 0));
        let told: Vec<_> = board.take().into_iter().map(|news| (news.kind, news.count)).collect();
        let sum = 5_000 * 5_001 / 2;
        assert_eq!(
            told,
            [
                (NewsKind::OutboxFull, 5_000),
                (NewsKind::GapRepaired, 0),
                (NewsKind::GapLost, sum),
                (NewsKind::GapOpened, 0)
            ],
            "what holds now is told last"
        );
        assert!(!board.has_news() && board.lost() == 0);
    }

    #[test]
    fn losses_are_told_by_all_of_their_numbers() {
        let board = Board::default();
        let lost = |epoch, first, last| News {
            runs: vec![Run { epoch, first, last }],
            ..of_channel(NewsKind::GapLost, "a", last - first + 1)
        };
        // Of one life with a hole between them, and of the next.
        let all = [(7, 11, 12), (7, 13, 13), (7, 15, 15), (8, 1, 4)];
        all.into_iter().for_each(|(epoch, first, last)| board.put(lost(epoch, first, last)));
        let told = board.take().pop_front().unwrap();
        let runs: Vec<_> = told.runs.iter().map(|run| (run.epoch, run.first, run.last)).collect();
        assert_eq!((told.count, runs), (8, vec![(7, 11, 13), (7, 15, 15), (8, 1, 4)]));
        (0..1_000).for_each(|number| board.put(lost(9, 2 * number + 1, 2 * number + 1)));
        let told = board.take().pop_front().unwrap();
        assert_eq!((told.count, told.runs.len()), (1_000, LISTED), "counted whether they are listed or not");
    }

    #[test]
    fn what_has_to_come_is_never_displaced() {
        let board = Board::default();
        board.put(News::new(NewsKind::Fenced));
        for peer in 0..KEPT {
            board.put(News::of_node(NewsKind::NodeDown, &format!("node-{peer}")));
        }
        board.put(of_channel(NewsKind::GapLost, "a", 3));
        (0..3 * KEPT).for_each(|number| board.put(finding(number)));
        let told = board.take();
        let counted = |kind| told.iter().filter(|news| news.kind == kind).count();
        assert_eq!((counted(NewsKind::Fenced), counted(NewsKind::NodeDown)), (1, KEPT));
        assert_eq!(counted(NewsKind::GapLost), 1);
        assert!(board.lost() > 0 && told.len() <= KEPT + 3, "{}", told.len());
    }
}
