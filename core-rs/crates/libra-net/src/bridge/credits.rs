//! How much may be on its way in durable events, by number and by bytes: what decides whether a command is accepted.
//!
//! The loop takes credit for each durable event that it hands over, the urgent thread gives it back when the event has left the
//! outbox. Facts take credit too, beyond the limit where need be, and are never refused; so a bridge that is full of facts
//! refuses commands. Cancels may use a reserve of one part in eight.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use libra_kernel::{Encoded, Event, Payload};

/// Of the limit, so much more is there for cancels.
const CANCEL_RESERVE: u64 = 8;

/// What an event takes beside what it carries encoded: itself, and as much again in a frame.
const AROUND: u64 = 2 * size_of::<Event>() as u64;

/// What a durable event takes, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// How many.
    pub events: u64,
    /// How large, about: the same wherever it is asked.
    pub bytes: u64,
}

impl Credit {
    /// That of an event as it leaves.
    pub fn of(event: &Event) -> Self {
        let carried = match &event.payload {
            Payload::Shared(shared) => shared.as_any().downcast_ref::<Encoded>(),
            _ => None,
        };
        let carried = carried.map_or(0, |encoded| (encoded.tag().len() + encoded.data().len()) as u64);
        Credit { events: 1, bytes: AROUND + carried }
    }
}

impl AddAssign for Credit {
    fn add_assign(&mut self, more: Credit) {
        self.events += more.events;
        self.bytes += more.bytes;
    }
}

/// One of the two counts.
#[derive(Debug)]
struct Count {
    limit: u64,
    /// Written by the loop alone.
    taken: AtomicU64,
    /// Written by the urgent thread alone. It never exceeds `taken`.
    given_back: AtomicU64,
}

impl Count {
    fn new(limit: u64) -> Self {
        Count { limit, taken: AtomicU64::new(0), given_back: AtomicU64::new(0) }
    }

    fn in_use(&self) -> u64 {
        // Given back is read first: whoever gives back has seen what was taken.
        let given_back = self.given_back.load(Ordering::Acquire);
        self.taken.load(Ordering::Relaxed).saturating_sub(given_back)
    }

    fn has_room(&self, is_cancel: bool) -> bool {
        let reserve = if is_cancel { (self.limit / CANCEL_RESERVE).max(1) } else { 0 };
        self.in_use() < self.limit.saturating_add(reserve)
    }

    fn take(&self, count: u64) {
        // The only writer: adding needs no locked instruction.
        self.taken.store(self.taken.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    fn give_back(&self, count: u64) {
        self.given_back.store(self.given_back.load(Ordering::Relaxed) + count, Ordering::Release);
    }
}

/// See the module.
#[derive(Debug)]
pub struct Credits {
    events: Count,
    bytes: Count,
}

impl Credits {
    pub(super) fn new(limit: Credit) -> Self {
        Credits { events: Count::new(limit.events), bytes: Count::new(limit.bytes) }
    }

    /// Durable events on their way.
    pub fn in_use(&self) -> u64 {
        self.events.in_use()
    }

    /// Their bytes.
    pub fn bytes_in_use(&self) -> u64 {
        self.bytes.in_use()
    }

    /// How many may be on their way before commands are refused.
    pub fn limit(&self) -> u64 {
        self.events.limit
    }

    /// How many bytes.
    pub fn bytes_limit(&self) -> u64 {
        self.bytes.limit
    }

    /// True when a command may leave. The last one may be larger than what is left of the bytes.
    pub fn has_room(&self, is_cancel: bool) -> bool {
        self.events.has_room(is_cancel) && self.bytes.has_room(is_cancel)
    }

    /// The loop hands a durable event over.
    pub(super) fn take(&self, credit: Credit) {
        self.events.take(credit.events);
        self.bytes.take(credit.bytes);
    }

    /// So much has left the outbox: applied by all, or cut and told. The urgent thread alone calls it, for events that it has
    /// received.
    pub fn give_back(&self, credit: Credit) {
        self.events.give_back(credit.events);
        self.bytes.give_back(credit.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_use_up_what_commands_need_and_cancels_have_a_reserve() {
        let credits = Credits::new(Credit { events: 16, bytes: 1_000 });
        let one = Credit { events: 1, bytes: 10 };
        (0..16).for_each(|_| credits.take(one));
        assert!(!credits.has_room(false) && credits.has_room(true));
        (0..2).for_each(|_| credits.take(one));
        assert!(!credits.has_room(true));
        credits.give_back(Credit { events: 3, bytes: 30 });
        assert!(credits.has_room(false));
        assert_eq!((credits.in_use(), credits.bytes_in_use()), (15, 150));
    }

    #[test]
    fn few_large_events_use_up_the_bytes() {
        let credits = Credits::new(Credit { events: 1_000, bytes: 800 });
        let large = Credit { events: 1, bytes: 400 };
        (0..2).for_each(|_| credits.take(large));
        assert!(!credits.has_room(false) && credits.has_room(true));
        credits.take(large);
        assert!(!credits.has_room(true));
        (0..3).for_each(|_| credits.give_back(large));
        assert_eq!((credits.in_use(), credits.bytes_in_use()), (0, 0));
    }
}
