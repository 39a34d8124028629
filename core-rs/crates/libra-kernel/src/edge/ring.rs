//! The two ends of one ring: `ringbuf`'s, with what an end knows of the other kept beside it.
//!
//! An event is 128 bytes, so what an edge costs is above all how often it is copied. The ring's own `try_push` and
//! `try_pop` hand it back and forth in a `Result` and an `Option`; here a place is asked for first, and the event then
//! written into it, or read out of it, where it is wanted. What the other end has given is only ever more than what this one
//! knows, so it is asked again when that is used up, and its cache line is left alone until then. The ring finds a place by
//! dividing its count by its capacity, several times an event; an end knows its place, which is the one behind the last.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;

use ringbuf::traits::{Observer, Raw, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::ending::Ring;
use crate::event::{Event, EventType};

/// The two ends of a ring that holds so many events, at least one.
pub(super) fn ring(capacity: usize) -> (Outlet, Inlet) {
    let ring = HeapRb::new(capacity);
    // SAFETY: nobody else has the ring yet, and what its places hold is neither read nor written here.
    let places = NonNull::from(unsafe { ring.unsafe_slices_mut(0, capacity) }.0).cast();
    let (outlet, inlet) = ring.split();
    (
        Outlet {
            next: Next { places, capacity, index: outlet.write_index() },
            ring: outlet,
            room: 0,
            is_staged: false,
        },
        Inlet {
            next: Next { places, capacity, index: inlet.read_index() },
            ring: inlet,
            ready: 0,
            taken: [0; EventType::NUMBERS],
        },
    )
}

/// Where an end goes on. Only ends use places, and never by the ring, until the ring is dropped behind both of them.
struct Next {
    /// The first place of the ring, which neither moves nor ends before the ring that lies beside this.
    places: NonNull<MaybeUninit<Event>>,
    capacity: usize,
    /// The end's index as the ring counts it: to twice the capacity, and then from 0.
    index: usize,
}

// SAFETY: an end's place belongs to that end, whichever thread it is on, as the ring's indices have it; events are `Send`, and
// the ring, which is, keeps the places.
unsafe impl Send for Next where HeapRb<Event>: Send {}

impl Next {
    #[inline]
    fn offset(&self) -> usize {
        if self.index < self.capacity { self.index } else { self.index - self.capacity }
    }

    /// The next place.
    #[inline]
    fn place(&self) -> NonNull<MaybeUninit<Event>> {
        // SAFETY: the offset is below the capacity, and so many places there are.
        unsafe { self.places.add(self.offset()) }
    }

    /// The next `count` places, at most as many as there are: up to the last one, and from the first one.
    fn run(&self, count: usize) -> [(NonNull<MaybeUninit<Event>>, usize); 2] {
        let to_last = count.min(self.capacity - self.offset());
        [(self.place(), to_last), (self.places, count - to_last)]
    }

    /// The index behind so many places, at most as many as there are.
    #[inline]
    fn advance(&mut self, count: usize) -> usize {
        let index = self.index + count;
        self.index = if index < 2 * self.capacity { index } else { index - 2 * self.capacity };
        self.index
    }
}

/// The end that the producer writes into.
pub(super) struct Outlet {
    next: Next,
    ring: HeapProd<Event>,
    /// Places that are vacant, at least.
    room: usize,
    /// Events stand behind those that the ring counts, up to the next place: they are this end's still, and the ring takes their
    /// places for vacant. So they are published before it is asked for room.
    is_staged: bool,
}

impl Outlet {
    /// True when an event can be written.
    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        if self.room == 0 {
            self.show();
            self.room = self.ring.vacant_len();
        }
        self.room != 0
    }

    /// Writes an event and publishes it. The caller has seen that there is room.
    #[inline]
    pub(super) fn write(&mut self, event: Event) {
        assert!(self.room != 0, "room is asked for first");
        self.room -= 1;
        // SAFETY: this end owns the places between the write index and the read index, of which there is at least one: `room`
        // never exceeds them, since the consumer only gives places back. The place is written before it is published.
        unsafe {
            self.next.place().write(MaybeUninit::new(event));
            self.ring.set_write_index(self.next.advance(1));
        }
        // What was staged stands before it, and is published with it.
        self.is_staged = false;
    }

    /// Writes an event that [`Outlet::show`] publishes, or the next one that is published behind it. The caller has seen that there
    /// is room.
    #[inline(always)]
    pub(super) fn stage(&mut self, event: Event) {
        assert!(self.room != 0, "room is asked for first");
        self.room -= 1;
        self.is_staged = true;
        // SAFETY: as in `write`: `room` has not counted the places of what is staged since those were written.
        unsafe { self.next.place().write(MaybeUninit::new(event)) };
        self.next.advance(1);
    }

    /// Publishes what was staged.
    #[inline]
    pub(super) fn show(&mut self) {
        if std::mem::take(&mut self.is_staged) {
            // SAFETY: all places up to the next one hold events, each written when it was vacant.
            unsafe { self.ring.set_write_index(self.next.index) };
        }
    }

    /// The vacant places, for a run of events; whoever fills them says so by [`Outlet::publish`].
    pub(super) fn places(&mut self) -> impl Iterator<Item = &mut MaybeUninit<Event>> {
        self.show();
        let runs = self.next.run(self.ring.vacant_len());
        // SAFETY: vacant places are this end's until it publishes them, which it does not while they are borrowed from it; the
        // two runs have none in common.
        runs.into_iter().flat_map(|(first, count)| unsafe { slice::from_raw_parts_mut(first.as_ptr(), count) })
    }

    /// Publishes a run of events.
    ///
    /// # Safety
    /// The first `count` of [`Outlet::places`] hold an event.
    pub(super) unsafe fn publish(&mut self, count: usize) {
        self.room = 0;
        // SAFETY: the caller's promise; so many places were vacant, and only this end fills them.
        unsafe { self.ring.set_write_index(self.next.advance(count)) };
    }

    /// False when the consumer's end is gone.
    pub(super) fn has_consumer(&self) -> bool {
        self.ring.read_is_held()
    }
}

/// The end that the consumer reads from.
pub(super) struct Inlet {
    next: Next,
    ring: HeapCons<Event>,
    /// Events that are there, at least.
    ready: usize,
    /// Events taken out, by type number.
    taken: [u64; EventType::NUMBERS],
}

impl Inlet {
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
            next: &'a mut Next,
            ring: &'a mut HeapCons<Event>,
            count: usize,
        }

        impl Drop for GiveBack<'_> {
            fn drop(&mut self) {
                // SAFETY: the first `count` events of the ring were moved out, in order, and are not read again.
                unsafe { self.ring.set_read_index(self.next.advance(self.count)) };
            }
        }

        if self.ring.is_empty() {
            return 0;
        }
        // What is known to be ready may be read here.
        self.ready = 0;
        let runs = self.next.run(self.ring.occupied_len().min(most));
        let mut back = GiveBack { next: &mut self.next, ring: &mut self.ring, count: 0 };
        for (first, count) in runs {
            for offset in 0..count {
                back.count += 1;
                // SAFETY: the place is one of those between the read index and the write index, so it holds an event, and its
                // owner is this end until the read index passes it. It is counted before anything can unwind, so it is not
                // read a second time.
                let event = unsafe {
                    let place = first.add(offset).cast::<Event>();
                    self.taken[place.as_ref().event_type as usize] += 1;
                    place.read()
                };
                take(event);
            }
        }
        back.count
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
        // SAFETY: this end owns the places between the read index and the write index, which hold events, and of which there
        // is at least one: `ready` never exceeds them, since the producer only adds. The event is moved out before its place
        // is given back.
        unsafe {
            // Counted where it stands: once read out, it is not touched again on its way.
            let place = self.next.place().cast::<Event>();
            self.taken[place.as_ref().event_type as usize] += 1;
            let event = place.read();
            self.ring.set_read_index(self.next.advance(1));
            event
        }
    }

    fn count(&mut self, event: &Event) {
        self.taken[event.event_type as usize] += 1;
    }
}
