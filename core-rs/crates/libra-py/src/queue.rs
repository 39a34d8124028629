//! The queue of a bare bus: published objects and their numbers, in four lanes with one limit for all of them.
//!
//! It holds the object that was published, not a copy of its event: sixteen bytes an event, no atomic count. A node's
//! mailboxes are the kernel's, whose events come from native threads too, and whose lanes conflate and drop by policy.

use std::collections::VecDeque;

use libra_kernel::Lane;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::event::PyEvent;

/// A published event that waits, with the number it was accepted under.
pub struct Waiting {
    pub object: Py<PyEvent>,
    pub sequence: u64,
}

pub struct Queue {
    lanes: [VecDeque<Waiting>; 4],
    /// A bit for each lane in which something waits.
    occupied: u8,
    len: usize,
    limit: usize,
}

impl Queue {
    /// An empty queue. Lanes take memory as they fill.
    pub fn new(limit: usize) -> Self {
        Queue { lanes: Default::default(), occupied: 0, len: 0, limit }
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    #[inline]
    pub fn push(&mut self, lane: Lane, waiting: Waiting) {
        self.lanes[lane as usize].push_back(waiting);
        self.occupied |= 1 << lane as u8;
        self.len += 1;
    }

    /// Takes the first event of the most urgent lane that has one.
    #[inline]
    pub fn pop(&mut self) -> Option<Waiting> {
        if self.len == 0 {
            return None;
        }
        let number = self.occupied.trailing_zeros() as usize;
        let lane = &mut self.lanes[number];
        let waiting = lane.pop_front();
        if lane.is_empty() {
            self.occupied &= !(1 << number);
        }
        self.len -= 1;
        waiting
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Shows the garbage collector every event.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.lanes.iter().flatten().try_for_each(|waiting| visit.call(&waiting.object))
    }

    /// Takes out all that waits.
    #[must_use]
    pub fn take_all(&mut self) -> Vec<Waiting> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}
