//! What became of the events that a producer offered.
//!
//! One writer, any readers. An event is counted as offered before it can be seen anywhere else: before the ring publishes
//! it, and before `lost` counts it with `Release`. So a reader that looks at what was taken out and lost first, and at what
//! was offered last, never finds more of the former; what is left is in the edge.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::atomic::Count;
use crate::event::{EventType, Lane};

/// Counters of an edge, written by its producer and read by anyone.
pub struct EdgeCounters {
    tally: Tally<AtomicU64, { EventType::NUMBERS }>,
}

impl EdgeCounters {
    pub(super) fn new() -> Self {
        EdgeCounters { tally: Tally::new() }
    }

    #[inline]
    pub(super) fn count_offered(&self, event_type: EventType) {
        self.tally.offer(event_type as usize);
    }

    pub(super) fn set_lost(&self, lane: Lane, dropped: u64, conflated: u64) {
        self.tally.set_lost(lane as usize, dropped, conflated);
    }

    /// Events of a type that the producer offered.
    pub fn offered(&self, event_type: EventType) -> u64 {
        self.tally.offered(event_type as usize)
    }

    /// Events of a lane that were (dropped or refused, conflated) before they reached the ring.
    pub fn lost(&self, lane: Lane) -> (u64, u64) {
        self.tally.lost(lane as usize)
    }
}

/// The counters over numbers of types and lanes.
pub(super) struct Tally<C, const TYPES: usize> {
    offered: [C; TYPES],
    /// Of each lane: dropped or refused, and conflated.
    lost: [[C; 2]; 4],
}

impl<C: Count, const TYPES: usize> Tally<C, TYPES> {
    pub(super) fn new() -> Self {
        let zero = |_| C::new(0);
        Tally { offered: std::array::from_fn(zero), lost: std::array::from_fn(|_| std::array::from_fn(zero)) }
    }

    #[inline]
    pub(super) fn offer(&self, number: usize) {
        let offered = &self.offered[number];
        // This is the only writer, so adding needs no locked instruction.
        offered.store(offered.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(super) fn set_lost(&self, lane: usize, dropped: u64, conflated: u64) {
        // Whoever sees the loss sees the offer.
        self.lost[lane][0].store(dropped, Ordering::Release);
        self.lost[lane][1].store(conflated, Ordering::Release);
    }

    pub(super) fn offered(&self, number: usize) -> u64 {
        self.offered[number].load(Ordering::Relaxed)
    }

    pub(super) fn lost(&self, lane: usize) -> (u64, u64) {
        let [dropped, conflated] = &self.lost[lane];
        (dropped.load(Ordering::Acquire), conflated.load(Ordering::Acquire))
    }
}
