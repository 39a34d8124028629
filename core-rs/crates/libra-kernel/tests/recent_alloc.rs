//! What a node remembers of an event costs no allocation: not while the ring fills, and not when it is full.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use libra_kernel::recent::{Note, Recorder, Step, outlet};
use libra_kernel::{Event, EventType, Name, Payload};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts this thread's allocations.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_note_costs_no_allocation() {
    let (to, _from) = outlet(64);
    let mut recorder = Recorder::new(1_000, 1.0, Some(to));
    let (source, actor) = (Name::intern("test"), Name::intern("actor"));
    let signal = Event::new(EventType::Signal, source, 1, Payload::Empty);
    let sent = [Note::new(Step::Sent, &signal, 1, 1, 1); 3];
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..1_500 {
        let mut quote = Event::new(EventType::Quote, source, 1, Payload::Empty);
        recorder.published(&mut quote);
        recorder.received(&signal);
        recorder.handled(Step::Handled, &signal, 1, actor, 1);
        recorder.sent(&sent);
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
    assert_eq!(recorder.overwritten(), 6 * 1_500 - 1_000);
}
