//! The protocol between a loop that wants to sleep and those that bring it work.
//!
//! The *consumer*, before it sleeps, clears the descriptor, sets `parked`, passes the heavy fence and looks into its queues
//! once more. A *producer* puts its event into a queue, passes the light fence and reads `parked`; if it is set, it takes it
//! down and writes the descriptor. The two fences together (see [`super::fence`]) keep both from missing the other: either
//! the producer reads `parked` as set and writes, or the consumer's last look finds the event. Of several producers exactly
//! one writes (the swap).
//!
//! A *signal* comes without an event (a stop, work left behind) and whether or not the loop sleeps. It sets `signalled`
//! before it writes, because the loop may clear the descriptor on its way to sleep: then it finds `signalled` after that,
//! and stays awake for one more turn. A turn that begins takes the flag down, since it looks at all there is.

use std::sync::atomic::Ordering;

use crate::atomic::Flag;

/// What the protocol stands on: a machine, or a model of one.
pub(super) trait Ground {
    type Flag: Flag;

    /// Passed by a producer between its event and its look at the flag.
    fn light_fence(&self);

    /// Passed by the consumer between the flag and its last look. False when nothing can be promised.
    fn heavy_fence(&self) -> bool;

    /// Makes the descriptor readable.
    fn write(&self);

    /// Makes the descriptor unreadable.
    fn clear(&self);
}

/// See the module.
pub(super) struct Parking<G: Ground> {
    pub(super) ground: G,
    parked: G::Flag,
    signalled: G::Flag,
}

impl<G: Ground> Parking<G> {
    /// A loop that is awake.
    pub(super) fn new(ground: G) -> Self {
        Parking { ground, parked: G::Flag::new(false), signalled: G::Flag::new(false) }
    }

    /// A producer has put something into a queue.
    #[inline]
    pub(super) fn notify(&self) {
        self.ground.light_fence();
        // The relaxed read keeps the flag's cache line shared while the loop is awake; the swap picks one writer.
        if self.parked.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if self.parked.swap(false, Ordering::SeqCst) {
            self.ground.write();
        }
    }

    /// Something is to be looked at, and no queue tells.
    pub(super) fn signal(&self) {
        self.signalled.swap(true, Ordering::AcqRel);
        self.ground.write();
    }

    /// The consumer wants to sleep. False where it must not.
    pub(super) fn park(&self, is_empty: impl FnOnce() -> bool) -> bool {
        self.ground.clear();
        self.parked.store(true, Ordering::SeqCst);
        // Without its fence the consumer may miss an event, and its producer the flag: it stays awake, at the price of a
        // core, and loses nothing.
        if self.ground.heavy_fence() && !self.signalled.swap(false, Ordering::AcqRel) && is_empty() {
            return true;
        }
        // Where a producer took the flag down first it has written, or will: one needless wake-up is harmless.
        self.parked.store(false, Ordering::SeqCst);
        false
    }

    /// The consumer begins a turn, woken or not.
    pub(super) fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
        // A swap, not a store: what the signal's sender wrote before it is seen in this turn.
        self.signalled.swap(false, Ordering::AcqRel);
    }
}
