//! What the threads tell the node: connections, gaps, nodes that come and go.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use libra_kernel::digest::Digest;
use libra_kernel::{EventType, SharedPayload};

use crate::durable::Run;

/// News that wait beyond this many displace the oldest.
const KEPT: usize = 1_024;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewsKind {
    /// The server is there.
    Connected,
    /// The server is gone.
    Disconnected,
    /// Events of a channel are missing.
    GapOpened,
    /// They have been read again.
    GapRepaired,
    /// They will never come.
    GapLost,
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
    /// A setting of the server that endangers what is promised.
    ServerFinding,
}

impl NewsKind {
    /// A stable word for it.
    pub const fn name(self) -> &'static str {
        match self {
            NewsKind::Connected => "connected",
            NewsKind::Disconnected => "disconnected",
            NewsKind::GapOpened => "gap_opened",
            NewsKind::GapRepaired => "gap_repaired",
            NewsKind::GapLost => "gap_lost",
            NewsKind::SnapshotWanted => "snapshot_wanted",
            NewsKind::SnapshotLoaded => "snapshot_loaded",
            NewsKind::Fenced => "fenced",
            NewsKind::OutboxFull => "outbox_full",
            NewsKind::Overflow => "overflow",
            NewsKind::NodeUp => "node_up",
            NewsKind::NodeDown => "node_down",
            NewsKind::NodeLeft => "node_left",
            NewsKind::ServerFinding => "server_finding",
        }
    }

    /// The event that tells it.
    pub const fn event_type(self) -> EventType {
        match self {
            NewsKind::Connected | NewsKind::ServerFinding => EventType::BridgeConnected,
            NewsKind::Disconnected | NewsKind::Fenced => EventType::BridgeDisconnected,
            NewsKind::GapOpened | NewsKind::GapRepaired | NewsKind::GapLost => EventType::BridgeGap,
            NewsKind::SnapshotWanted | NewsKind::SnapshotLoaded => EventType::BridgeGap,
            NewsKind::OutboxFull | NewsKind::Overflow => EventType::BridgeOverflow,
            NewsKind::NodeUp => EventType::NodeUp,
            NewsKind::NodeDown | NewsKind::NodeLeft => EventType::NodeDown,
        }
    }
}

/// A piece of news; the payload of the event that tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What happened.
    pub kind: NewsKind,
    /// The node that it is about, or empty.
    pub node: Box<str>,
    /// The channel that it is about, or empty.
    pub channel: Box<str>,
    /// How many events it concerns.
    pub count: u64,
    /// Which those are, where it is known.
    pub run: Option<Run>,
    /// More, for a reader.
    pub detail: Box<str>,
}

impl News {
    /// News without particulars.
    pub fn new(kind: NewsKind) -> Self {
        News { kind, node: "".into(), channel: "".into(), count: 0, run: None, detail: "".into() }
    }

    /// The same, about a node.
    pub fn of_node(kind: NewsKind, node: &str) -> Self {
        News { node: node.into(), ..News::new(kind) }
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
        if let Some(Run { epoch, first, last }) = self.run {
            [epoch, first, last].into_iter().for_each(|number| digest.u64(number));
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// News on their way to the loop.
#[derive(Debug, Default)]
pub(super) struct Board {
    has_news: AtomicBool,
    waiting: Mutex<(VecDeque<News>, u64)>,
}

impl Board {
    pub(super) fn put(&self, news: News) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.0.len() == KEPT {
            waiting.0.pop_front();
            waiting.1 += 1;
        }
        waiting.0.push_back(news);
        self.has_news.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Acquire)
    }

    /// All that wait, the oldest first.
    pub(super) fn take(&self) -> VecDeque<News> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.has_news.store(false, Ordering::Relaxed);
        std::mem::take(&mut waiting.0)
    }

    /// News that were displaced.
    pub(super) fn lost(&self) -> u64 {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
