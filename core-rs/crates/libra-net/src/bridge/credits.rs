//! How many durable events may be on their way: what decides whether a command is accepted.
//!
//! The loop takes one for each durable event that it hands over, the urgent thread gives it back when the event has left the
//! outbox. Facts take credit too, beyond the limit where need be, and are never refused; so a bridge that is full of facts
//! refuses commands. Cancels may use a reserve of one part in eight.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of the limit, so much more is there for cancels.
const CANCEL_RESERVE: u64 = 8;

/// See the module.
#[derive(Debug)]
pub struct Credits {
    limit: u64,
    /// Written by the loop alone.
    taken: AtomicU64,
    /// Written by the urgent thread alone. It never exceeds `taken`.
    given_back: AtomicU64,
}

impl Credits {
    pub(super) fn new(limit: u64) -> Self {
        Credits { limit, taken: AtomicU64::new(0), given_back: AtomicU64::new(0) }
    }

    /// Durable events on their way.
    pub fn in_use(&self) -> u64 {
        // Given back is read first: whoever gives back has seen what was taken.
        let given_back = self.given_back.load(Ordering::Acquire);
        self.taken.load(Ordering::Relaxed).saturating_sub(given_back)
    }

    /// How many may be on their way before commands are refused.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// True when a command may leave.
    pub fn has_room(&self, is_cancel: bool) -> bool {
        let reserve = if is_cancel { (self.limit / CANCEL_RESERVE).max(1) } else { 0 };
        self.in_use() < self.limit + reserve
    }

    /// The loop hands a durable event over.
    pub(super) fn take(&self) {
        // The only writer: adding needs no locked instruction.
        self.taken.store(self.taken.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// So many durable events have left the outbox: applied by all, or cut and told. The urgent thread alone calls it, for events
    /// that it has received.
    pub fn give_back(&self, count: u64) {
        self.given_back.store(self.given_back.load(Ordering::Relaxed) + count, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_use_up_what_commands_need_and_cancels_have_a_reserve() {
        let credits = Credits::new(16);
        (0..16).for_each(|_| credits.take());
        assert!(!credits.has_room(false) && credits.has_room(true));
        (0..2).for_each(|_| credits.take());
        assert!(!credits.has_room(true));
        credits.give_back(3);
        assert!(credits.has_room(false));
        assert_eq!(credits.in_use(), 15);
    }
}
