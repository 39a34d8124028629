//! Dead letters, as Python sees them.

use libra_kernel::letters::{Letter, Reason};
use libra_kernel::{Event, EventType, Name, Payload, clock, ids};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::{NodeCore, State, slot_of};
use crate::enums;
use crate::event::PyEvent;

/// What could not be delivered, or was not handled to its end: the payload of a `DEAD_LETTER` event.
#[pyclass(frozen, immutable_type, module = "libra_core")]
pub struct DeadLetter {
    letter: Letter,
}

#[pymethods]
impl DeadLetter {
    /// `GONE`, `LEFT`, `RAISED`, `CANCELLED`, `REFUSED` or `STORM`.
    #[getter]
    fn reason(&self) -> &'static str {
        self.letter.reason.name()
    }

    #[getter]
    fn ts_ns(&self) -> i64 {
        self.letter.ts_ns
    }

    #[getter]
    fn actor(&self) -> &'static str {
        self.letter.actor.as_str()
    }

    #[getter]
    fn event_type(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.letter.event_type.map(|event_type| enums::event_type_member(py, event_type))
    }

    #[getter]
    fn source(&self) -> &'static str {
        self.letter.source.as_str()
    }

    #[getter]
    fn instrument(&self) -> Option<&'static str> {
        Some(self.letter.instrument).filter(|name| !name.is_none()).map(Name::as_str)
    }

    #[getter]
    fn sequence(&self) -> u64 {
        self.letter.sequence
    }

    #[getter]
    fn trace_id(&self) -> String {
        String::from_utf8_lossy(&ids::trace_hex(self.letter.trace_id)).into_owned()
    }

    #[getter]
    fn span_id(&self) -> String {
        String::from_utf8_lossy(&ids::span_hex(self.letter.span_id)).into_owned()
    }

    fn __repr__(&self) -> String {
        let what = self.letter.event_type.map_or("an event", EventType::name);
        format!("DeadLetter({}: {what} from {:?}, actor {:?})", self.reason(), self.source(), self.actor())
    }
}

/// The payload of a `DEAD_LETTER` event as Python sees it, if it is one.
pub fn to_python(py: Python<'_>, event: &Event) -> Option<PyResult<Py<PyAny>>> {
    let letter = *event.payload.downcast::<Letter>()?;
    Some(Py::new(py, DeadLetter { letter }).map(Py::into_any))
}

#[pymethods]
impl NodeCore {
    /// An event was not handled to its end by the actor of this slot.
    fn note_dead(&self, py: Python<'_>, slot: usize, reason: &str, event: &PyEvent) -> PyResult<()> {
        let reason = (Reason::ALL.into_iter().find(|known| known.name() == reason))
            .ok_or_else(|| PyValueError::new_err(format!("no reason of a dead letter: {reason:?}")))?;
        let mut state = self.state.borrow(py);
        let name = slot_of(&mut state.slots, slot)?.name;
        state.note_letter(reason, name, Some(event.event()));
        self.wake(&state);
        Ok(())
    }

    /// The last dead letters, the oldest first.
    fn dead_letters(&self, py: Python<'_>) -> Vec<DeadLetter> {
        self.state.borrow(py).letters.last().map(|letter| DeadLetter { letter: *letter }).collect()
    }

    /// How many dead letters there were, as (reason, actor, number).
    fn dead_letter_counts(&self, py: Python<'_>) -> Vec<(&'static str, &'static str, u64)> {
        let state = self.state.borrow(py);
        state.letters.counts().map(|(reason, actor, count)| (reason.name(), actor.as_str(), count)).collect()
    }

    /// How many dead letters there were.
    #[getter]
    fn dead_letter_total(&self, py: Python<'_>) -> u64 {
        self.state.borrow(py).letters.total()
    }
}

impl State {
    /// Counts and keeps a dead letter, and tells those that want to know. A dead letter that was itself about one is only
    /// counted.
    pub fn note_letter(&mut self, reason: Reason, actor: Name, event: Option<&Event>) {
        let now_ns = clock::now_ns();
        let letter = match event {
            Some(event) => Letter::of(reason, now_ns, actor, event),
            None => nameless(reason, now_ns, actor),
        };
        self.letters.put(letter);
        if letter.event_type == Some(EventType::DeadLetter) {
            return;
        }
        if let Some(event) = event {
            for desk in &mut self.desks {
                desk.on_dead_letter(&mut self.router, now_ns, actor, event);
            }
        }
        let payload = Payload::shared(letter);
        let told = match event {
            Some(event) => event.child(EventType::DeadLetter, actor, now_ns, payload),
            None => Event::new(EventType::DeadLetter, actor, now_ns, payload),
        };
        self.router.publish(told);
    }

    /// An actor wanted to publish something while it handled `cause`, and may not.
    pub fn note_storm(&mut self, actor: Name, cause: Option<&Event>) {
        let now_ns = clock::now_ns();
        let mut letter = nameless(Reason::Storm, now_ns, actor);
        if let Some(cause) = cause {
            (letter.trace_id, letter.span_id, letter.instrument) = (cause.trace_id, cause.span_id, cause.instrument);
        }
        // Not published: it would be part of the storm.
        self.letters.put(letter);
    }
}

/// The letter of an event that was never made.
fn nameless(reason: Reason, ts_ns: i64, actor: Name) -> Letter {
    Letter {
        reason,
        ts_ns,
        actor,
        event_type: None,
        source: actor,
        instrument: Name::NONE,
        sequence: 0,
        trace_id: [0; 2],
        span_id: 0,
    }
}
