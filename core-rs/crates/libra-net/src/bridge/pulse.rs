//! Whether the node's loop comes round: the urgent thread asks, and the loop answers when it takes in what arrived.
//!
//! The threads of a node live on when its loop does not, so their beacons alone would say that a node lives of which no handler
//! runs any more. A loop that sleeps is woken for it, once a beacon.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// See the module.
#[derive(Debug, Default)]
pub struct Pulse {
    /// Written by the thread alone.
    asked: AtomicU64,
    /// Written by the loop alone: what was asked when it came round last; 0 before it first does.
    answered: AtomicU64,
    /// The thread waits for the answer, and is to be woken.
    is_awaited: AtomicBool,
}

impl Pulse {
    /// The thread asks; it wakes the loop then.
    pub(super) fn ask(&self) {
        self.asked.store(self.asked.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// The loop has come round. True when the thread waits to hear of it.
    #[inline]
    pub(super) fn answer(&self) -> bool {
        let asked = self.asked.load(Ordering::Acquire);
        if self.answered.load(Ordering::Relaxed) == asked {
            return false;
        }
        // In one order with what `awaits` does: the thread sees the answer, or is seen to wait.
        self.answered.store(asked, Ordering::SeqCst);
        self.is_awaited.load(Ordering::SeqCst) && self.is_awaited.swap(false, Ordering::SeqCst)
    }

    /// True while the loop has come round since it was asked last, or never has: a node that only begins does not hang.
    pub(super) fn beats(&self) -> bool {
        let answered = self.answered.load(Ordering::SeqCst);
        answered == 0 || answered == self.asked.load(Ordering::Relaxed)
    }

    /// The thread wants to be woken by the answer.
    pub(super) fn awaits(&self) {
        self.is_awaited.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_does_not_come_round_is_seen_and_its_return_is_told_once() {
        let pulse = Pulse::default();
        pulse.ask();
        assert!(pulse.beats(), "it has not begun");
        assert!(!pulse.answer() && pulse.beats());
        pulse.ask();
        assert!(!pulse.beats());
        pulse.awaits();
        assert!(pulse.answer() && pulse.beats());
        assert!(!pulse.answer());
        pulse.ask();
        assert!(!pulse.beats() && !pulse.answer() && pulse.beats());
    }
}
