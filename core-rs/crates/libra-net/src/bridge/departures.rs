//! What is remembered of events that leave in frames: notes that a thread gathers for the frame it fills, and keeps in the
//! node's ring when the frame is closed.
//!
//! The ring of what left is not the loop's, which has one writer. The threads share it behind a lock that they take once a
//! frame, and only for frames with an event that is traced.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use libra_kernel::Event;
use libra_kernel::clock::wall_ns;
use libra_kernel::recent::{Note, Recorder, Step};

/// The ring of what left, where the node has one.
#[derive(Default)]
pub struct Departures {
    recorder: OnceLock<Mutex<Board>>,
}

struct Board {
    recorder: Recorder,
    frames: u32,
}

impl Departures {
    /// From now on it is remembered what leaves. Once.
    pub fn record(&self, recorder: Recorder) {
        let _ = self.recorder.set(Mutex::new(Board { recorder, frames: 0 }));
    }

    /// True when it is remembered what leaves.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.recorder.get().is_some()
    }

    /// Looks at what is remembered; `None` where nothing is.
    pub fn look<T>(&self, at: impl FnOnce(&Recorder) -> T) -> Option<T> {
        self.board().map(|board| at(&board.recorder))
    }

    fn board(&self) -> Option<MutexGuard<'_, Board>> {
        // A note is complete before the lock is left: a poisoned one hides no damage.
        self.recorder.get().map(|board| board.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The notes of a frame that is being filled.
#[derive(Default)]
pub(super) struct FrameNotes {
    departures: Option<Arc<Departures>>,
    notes: Vec<Note>,
}

impl FrameNotes {
    pub fn new(departures: &Arc<Departures>) -> Self {
        FrameNotes { departures: Some(departures.clone()), notes: Vec::new() }
    }

    /// The event stands in the frame now.
    #[inline]
    pub fn add(&mut self, event: &Event) {
        if event.is_traced() && self.departures.as_ref().is_some_and(|departures| departures.is_recording()) {
            let now_ns = wall_ns();
            self.notes.push(Note::new(Step::Sent, event, event.sequence, now_ns, now_ns));
        }
    }

    /// The frame is closed and on its way.
    #[inline]
    pub fn close(&mut self) {
        if !self.notes.is_empty() {
            self.keep();
        }
    }

    /// The frame came to nothing.
    pub fn clear(&mut self) {
        self.notes.clear();
    }

    fn keep(&mut self) {
        let now_ns = wall_ns();
        if let Some(mut board) = self.departures.as_ref().and_then(|departures| departures.board()) {
            // 0 stands for no frame.
            board.frames = board.frames.checked_add(1).unwrap_or(1);
            let frame = board.frames;
            self.notes.iter_mut().for_each(|note| (note.frame, note.end_ns) = (frame, now_ns.max(note.at_ns)));
            board.recorder.sent(&self.notes);
        }
        self.notes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libra_kernel::{EventType, Name, Payload};

    #[test]
    fn the_events_of_a_frame_are_noted_together() {
        let departures = Arc::new(Departures::default());
        let mut frame = FrameNotes::new(&departures);
        let event = |event_type| Event::new(event_type, Name::intern("test"), 1, Payload::Empty);
        frame.add(&event(EventType::Signal));
        frame.close();
        assert_eq!(departures.look(|recorder| recorder.notes().count()), None, "nobody asked for it");
        departures.record(Recorder::new(8, 0.0, None));
        for event_type in [EventType::Signal, EventType::Quote, EventType::OrderRequest] {
            frame.add(&event(event_type));
        }
        assert_eq!(departures.look(|recorder| recorder.notes().count()), Some(0), "it has not left");
        frame.close();
        frame.add(&event(EventType::Signal));
        frame.clear();
        frame.add(&event(EventType::OrderNew));
        frame.close();
        let noted = departures
            .look(|recorder| recorder.notes().map(|note| (note.step, note.event_type, note.frame)).collect::<Vec<_>>());
        let sent = |event_type, frame| (Step::Sent, event_type, frame);
        let first = [sent(EventType::Signal, 1), sent(EventType::OrderRequest, 1)];
        assert_eq!(noted.unwrap(), [first[0], first[1], sent(EventType::OrderNew, 2)]);
    }
}
