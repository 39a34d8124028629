//! The way of notes to whoever exports them: a bounded queue with one writer and one reader.
//!
//! The writer never waits. What finds no room is counted, and a frame's notes go whole or not at all, so that whoever reads
//! can take a frame for complete when the next note is of another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::note::Note;

/// The writer's end.
pub struct Outlet {
    notes: HeapProd<Note>,
    dropped: Arc<AtomicU64>,
}

/// The reader's end.
pub struct Intake {
    notes: HeapCons<Note>,
    dropped: Arc<AtomicU64>,
}

/// Makes the two ends of a queue of so many notes (at least one).
pub fn outlet(capacity: usize) -> (Outlet, Intake) {
    let (to, from) = HeapRb::new(capacity.max(1)).split();
    let dropped = Arc::new(AtomicU64::new(0));
    (Outlet { notes: to, dropped: dropped.clone() }, Intake { notes: from, dropped })
}

impl Outlet {
    /// Hands notes over, all or none of them.
    #[inline]
    pub fn put(&mut self, notes: &[Note]) {
        if self.notes.vacant_len() < notes.len() {
            // Relaxed: a count that orders nothing.
            self.dropped.fetch_add(notes.len() as u64, Ordering::Relaxed);
        } else {
            self.notes.push_slice(notes);
        }
    }
}

impl Intake {
    /// Takes up to `most` notes out, the oldest first.
    pub fn take(&mut self, most: usize, into: &mut Vec<Note>) {
        into.extend(self.notes.pop_iter().take(most));
    }

    /// Notes that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventType, Payload};
    use crate::name::Name;
    use crate::recent::Step;

    fn notes(count: u64) -> Vec<Note> {
        let event = Event::new(EventType::Signal, Name::intern("test"), 1, Payload::Empty);
        (0..count).map(|sequence| Note::new(Step::Sent, &event, sequence, 1, 1)).collect()
    }

    #[test]
    fn what_finds_no_room_is_counted_and_goes_whole_or_not_at_all() {
        let (mut to, mut from) = outlet(4);
        to.put(&notes(3));
        to.put(&notes(2));
        let mut taken = Vec::new();
        from.take(2, &mut taken);
        assert_eq!(taken.iter().map(|note| note.sequence).collect::<Vec<_>>(), [0, 1]);
        to.put(&notes(3));
        from.take(9, &mut taken);
        assert_eq!(taken.iter().map(|note| note.sequence).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        assert_eq!(from.dropped(), 2);
    }
}
