//! The two ends of one ring: `ringbuf`'s, with what an end knows of the other kept beside it.
//!
//! An event is 128 bytes, so what an edge costs is above all how often it is copied. The ring's own `try_push` and
//! `try_pop` hand it back and forth in a `Result` and an `Option`; here a place is asked for first, and the event then
//! written into it, or read out of it, where it is wanted. What the other end has given is only ever more than what this one
//! knows, so it is asked again when that is used up, and its cache line is left alone until then.

use std::mem::MaybeUninit;

use ringbuf::traits::{Consumer, Observer, Producer, Raw};
use ringbuf::{HeapCons, HeapProd};

use super::ending::Ring;
use crate::event::{Event, EventType};

/// The end that the producer writes into.
pub(super) struct Outlet {
    ring: HeapProd<Event>,
    /// Places that are vacant, at least.
    room: usize,
}

impl Outlet {
    pub(super) fn new(ring: HeapProd<Event>) -> Self {
        Outlet { ring, room: 0 }
    }

    /// True when an event can be written.
    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        if self.room == 0 {
            self.room = self.ring.vacant_len();
        }
        self.room != 0
    }

    /// Writes an event and publishes it. The caller has seen that there is room.
    #[inline]
    pub(super) fn write(&mut self, event: Event) {
        assert!(self.room != 0, "room is asked for first");
        self.room -= 1;
        let place = self.ring.write_index();
        // SAFETY: this end owns the places between the write index and the read index, of which there is at least one: `room`
        // never exceeds them, since the consumer only gives places back. The place is written before it is published.
        unsafe {
            self.ring.unsafe_slices_mut(place, place + 1).0.get_unchecked_mut(0).write(event);
            self.ring.advance_write_index(1);
        }
    }

    /// The vacant places, for a run of events; whoever fills them says so by [`Outlet::publish`].
    pub(super) fn places(&mut self) -> impl Iterator<Item = &mut MaybeUninit<Event>> {
        let (first, second) = self.ring.vacant_slices_mut();
        first.iter_mut().chain(second)
    }

    /// Publishes a run of events.
    ///
    /// # Safety
    /// The first `count` of [`Outlet::places`] hold an event.
    pub(super) unsafe fn publish(&mut self, count: usize) {
        self.room = 0;
        // SAFETY: the caller's promise; so many places were vacant, and only this end fills them.
        unsafe { self.ring.advance_write_index(count) };
    }

    /// False when the consumer's end is gone.
    pub(super) fn has_consumer(&self) -> bool {
        self.ring.read_is_held()
    }
}

/// The end that the consumer reads from.
pub(super) struct Inlet {
    ring: HeapCons<Event>,
    /// Events that are there, at least.
    ready: usize,
    /// Events taken out, by type number.
    taken: [u64; EventType::NUMBERS],
}

impl Inlet {
    pub(super) fn new(ring: HeapCons<Event>) -> Self {
        Inlet { ring, ready: 0, taken: [0; EventType::NUMBERS] }
    }

    /// Events of a type that were taken out.
    pub(super) fn taken(&self, event_type: EventType) -> u64 {
        self.taken[event_type as usize]
    }

    /// True when nothing stands in the ring.
    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Reads up to `most` events, and gives their places back together.
    #[inline]
    pub(super) fn read_run(&mut self, most: usize, mut take: impl FnMut(Event)) -> usize {
        /// Gives back the places of what was read, also when `take` panics.
        struct GiveBack<'a> {
            ring: &'a mut HeapCons<Event>,
            count: usize,
        }

        impl Drop for GiveBack<'_> {
            fn drop(&mut self) {
                // SAFETY: the first `count` events of the ring were moved out, in order, and are not read again.
                unsafe { self.ring.advance_read_index(self.count) };
            }
        }

        if self.ring.is_empty() {
            return 0;
        }
        // What is known to be ready may be read here.
        self.ready = 0;
        let mut back = GiveBack { ring: &mut self.ring, count: 0 };
        let (first, second) = back.ring.occupied_slices();
        let mut count = 0;
        for place in first.iter().chain(second).take(most) {
            count += 1;
            back.count = count;
            // SAFETY: the place is occupied, so it holds an event, and its owner is this end until the read index passes it.
            // It is counted before anything can unwind, so it is not read a second time.
            let event = unsafe {
                self.taken[place.assume_init_ref().event_type as usize] += 1;
                place.assume_init_read()
            };
            take(event);
        }
        count
    }
}

impl Ring<Event> for Inlet {
    #[inline]
    fn has_event(&mut self) -> bool {
        if self.ready == 0 {
            self.ready = self.ring.occupied_len();
        }
        self.ready != 0
    }

    #[inline]
    fn read(&mut self) -> Event {
        assert!(self.ready != 0, "an event is asked for first");
        self.ready -= 1;
        let place = self.ring.read_index();
        // SAFETY: this end owns the places between the read index and the write index, which hold events, and of which there
        // is at least one: `ready` never exceeds them, since the producer only adds. The event is moved out before its place
        // is given back.
        unsafe {
            // Counted where it stands: once read out, it is not touched again on its way.
            let place = self.ring.unsafe_slices(place, place + 1).0.get_unchecked(0);
            self.taken[place.assume_init_ref().event_type as usize] += 1;
            let event = place.assume_init_read();
            self.ring.advance_read_index(1);
            event
        }
    }

    fn count(&mut self, event: &Event) {
        self.taken[event.event_type as usize] += 1;
    }
}
