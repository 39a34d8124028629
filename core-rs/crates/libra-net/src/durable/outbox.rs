//! What a sender holds: frames, from the oldest that somebody still waits for to the newest.

use std::collections::VecDeque;
use std::sync::Arc;

/// A frame and the events in it.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// `channel_seq` of its first event.
    pub first: u64,
    /// And of its last.
    pub last: u64,
    /// As it was made, to be sent byte for byte however often.
    pub frame: Arc<[u8]>,
    /// It asks for something, so whoever offered it wants to know when it is cut.
    pub command: bool,
}

impl Outgoing {
    /// How many events it has.
    pub fn events(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// Frames without a hole between them, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<Outgoing>,
    base: u64,
    last: u64,
    bytes: usize,
}

impl Outbox {
    /// Nothing at or below this is held.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The newest event that was ever put in; 0 before the first.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Events held.
    pub fn events(&self) -> u64 {
        self.last - self.base
    }

    /// Bytes of frames held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a frame behind the others. The caller has checked that it begins at `last() + 1`.
    pub(super) fn push(&mut self, outgoing: Outgoing) {
        debug_assert_eq!(outgoing.first, self.last + 1);
        self.last = outgoing.last;
        self.bytes += outgoing.frame.len();
        self.frames.push_back(outgoing);
    }

    /// Before the first frame: so many events are not held, and never were. Later ones come behind them.
    pub(super) fn begin_behind(&mut self, events: u64) {
        debug_assert_eq!(self.last, 0);
        (self.base, self.last) = (events, events);
    }

    /// Takes out the oldest frame.
    pub(super) fn pop(&mut self) -> Option<Outgoing> {
        let oldest = self.frames.pop_front()?;
        self.base = oldest.last;
        self.bytes -= oldest.frame.len();
        Some(oldest)
    }

    /// Takes out all frames that lie wholly at or below `seq`.
    pub(super) fn release(&mut self, seq: u64) {
        while self.frames.front().is_some_and(|oldest| oldest.last <= seq) {
            self.pop();
        }
    }

    /// The frames from the one with event `first` on that end at or below `upto`, in order.
    pub fn holds(&self, first: u64, upto: u64) -> impl Iterator<Item = &Outgoing> {
        let from = self.frames.partition_point(|outgoing| outgoing.last < first);
        self.frames.range(from..).take_while(move |outgoing| outgoing.last <= upto)
    }

    /// The frames that begin above `after` and end at or below `upto`, in order.
    pub fn frames(&self, after: u64, upto: u64) -> impl Iterator<Item = &Outgoing> {
        let from = self.frames.partition_point(|outgoing| outgoing.first <= after);
        self.frames.range(from..).take_while(move |outgoing| outgoing.last <= upto)
    }
}
