//! How a producer that ends hands over what its rings had no room for.
//!
//! The producer fills `left`, then sets `closed` with `Release`, and never touches the edge again. A consumer that reads
//! `closed` with `Acquire` therefore sees all that ever went into the rings, and all that was left. What was left comes
//! behind the rings; a consumer that found a ring empty *before* it read `closed` looks into it once more, since the
//! producer may have filled it in between.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::atomic::{Flag, Lock};

/// The end of a ring that the consumer reads from.
pub(super) trait Ring<T> {
    /// True when an event can be read.
    fn has_event(&mut self) -> bool;
    /// Reads the first event, and counts it: there has to be one.
    fn read(&mut self) -> T;
    /// Counts an event that came past the ring.
    fn count(&mut self, event: &T);
}

/// See the module.
pub(super) struct Ending<T, F = AtomicBool, L = Mutex<VecDeque<T>>> {
    closed: F,
    left: L,
    of: PhantomData<fn(T)>,
}

impl<T, F: Flag, L: Lock<VecDeque<T>>> Ending<T, F, L> {
    /// A producer that goes on.
    pub(super) fn new() -> Self {
        Ending { closed: F::new(false), left: L::new(VecDeque::new()), of: PhantomData }
    }

    /// The producer leaves these, the urgent ones first.
    pub(super) fn leave(&self, events: impl Iterator<Item = T>) {
        self.left.with(|left| left.extend(events));
    }

    /// The producer is gone.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// True when the producer is gone.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// True when nothing was left, or all of it has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.left.with(|left| left.is_empty())
    }

    /// The next event: of the urgent ring, of what was left for it, of the market ring, of what was left for that.
    #[inline(always)]
    pub(super) fn next<R: Ring<T>>(&self, urgent: &mut R, market: &mut R, is_urgent: impl Fn(&T) -> bool) -> Option<T> {
        if urgent.has_event() {
            return Some(urgent.read());
        }
        if self.is_closed() {
            return self.next_of_all(urgent, market, is_urgent);
        }
        if market.has_event() { Some(market.read()) } else { None }
    }

    /// The producer is gone: the rings are looked at as they stand now.
    #[cold]
    fn next_of_all<R: Ring<T>>(&self, urgent: &mut R, market: &mut R, is_urgent: impl Fn(&T) -> bool) -> Option<T> {
        if urgent.has_event() {
            return Some(urgent.read());
        }
        if let Some(event) = self.take_if(is_urgent) {
            urgent.count(&event);
            return Some(event);
        }
        if market.has_event() {
            return Some(market.read());
        }
        let event = self.take_if(|_| true)?;
        market.count(&event);
        Some(event)
    }

    fn take_if(&self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        self.left.with(|left| left.front().is_some_and(wanted).then(|| left.pop_front()).flatten())
    }
}
