//! What actors say: events that are published, messages that are sent, and whose they are.

use libra_kernel::letters::Reason;
use libra_kernel::{Event, EventType, Name, Policy, clock};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::{NodeCore, State, slot_of};
use crate::enums;
use crate::event::{self, PyEvent};
use crate::payload;

/// What an actor that publishes in a storm may still say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reserve {
    None,
    Cancel,
    All,
}

#[pymethods]
impl NodeCore {
    /// From now on what an account says comes from its desk alone, as from the first account that is opened here: this is
    /// for a node whose accounts are in another one.
    fn reserve_facts(&self, py: Python<'_>) {
        self.state.borrow(py).facts_are_reserved = true;
    }

    /// Publishes an event of an actor: a child of the event that it is handling, or a root. False when a subscriber or the
    /// bridge refused it. CodecError for a payload that another node wants and that cannot be encoded: then it is not
    /// published at all.
    #[pyo3(signature = (slot, event_type, payload=None, instrument=None))]
    fn emit(
        &self,
        slot: usize,
        event_type: &Bound<'_, PyAny>,
        payload: Option<&Bound<'_, PyAny>>,
        instrument: Option<&str>,
    ) -> PyResult<bool> {
        let py = event_type.py();
        let origin = match self.origin(py, slot)? {
            None if enums::event_type_of(event_type)? == EventType::CircuitBreaker => self.pull_in_a_storm(py, slot)?,
            origin => origin,
        };
        let Some((parent, source)) = origin else { return Ok(false) };
        let mut event = event::make(parent.as_ref(), event_type, source.as_str(), payload)?;
        self.latch_at_once(py, &event);
        self.published_by_anyone(py, event.event_type)?;
        if let Some(instrument) = instrument {
            event.instrument = Name::intern(instrument);
        }
        self.encode_if_leaving(py, &event)?;
        Ok(self.publish_of(py, parent.as_ref(), event))
    }

    /// Publishes an event as it is.
    fn publish(&self, event: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (py, event) = (event.py(), kernel_event(event)?);
        self.latch_at_once(py, &event);
        self.published_by_anyone(py, event.event_type)?;
        self.encode_if_leaving(py, &event)?;
        Ok(self.publish_native(py, event))
    }

    /// Puts an event into one actor's mailbox: a message, or what is sent to one actor only. False when it was refused, or
    /// the actor is no more.
    #[pyo3(signature = (slot, event_type, source_slot, payload=None))]
    fn send(
        &self,
        slot: usize,
        event_type: &Bound<'_, PyAny>,
        source_slot: Option<usize>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let py = event_type.py();
        let (parent, source) = match source_slot {
            Some(source) => match self.origin(py, source)? {
                Some(origin) => origin,
                None => return Ok(false),
            },
            None => (None, Name::intern("outside")),
        };
        let event = event::make(parent.as_ref(), event_type, source.as_str(), payload)?;
        if !event.event_type.is_addressed() {
            self.published_by_anyone(py, event.event_type)?;
        }
        if self.simulated {
            payload::prepare(py, &event);
        }
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        let target = slot_of(&mut state.slots, slot)?;
        if target.is_gone() {
            let name = target.name;
            state.note_letter(Reason::Gone, name, Some(&event));
            self.wake(state);
            return Ok(false);
        }
        if let (Some(parent), Some(recorder)) = (&parent, state.router.recorder()) {
            recorder.caused(parent, &event);
        }
        let kept = event.clone();
        // A message to an account's own actor takes of the same room as a signal.
        let taken = state.router.mailboxes()[slot].shares(&event) && state.router.send(slot, event);
        if !taken {
            state.note_letter(Reason::Refused, kept.source, Some(&kept));
        }
        self.wake(state);
        Ok(taken)
    }
}

impl NodeCore {
    /// The event that an actor is handling, and its name: where what it makes comes from. None for an actor that is no
    /// more, whose tasks may still run, and for one that publishes in a storm: it has no say.
    pub fn origin(&self, py: Python<'_>, slot: usize) -> PyResult<Option<(Option<Event>, Name)>> {
        self.origin_of(py, slot, Reserve::None)
    }

    /// As [`NodeCore::origin`], for a cancel: it may use a reserve.
    pub fn origin_of_cancel(&self, py: Python<'_>, slot: usize) -> PyResult<Option<(Option<Event>, Name)>> {
        self.origin_of(py, slot, Reserve::Cancel)
    }

    /// As [`NodeCore::origin`], for what the node says of an actor: that is not the actor's say, whatever it publishes.
    pub fn origin_of_news(&self, py: Python<'_>, slot: usize) -> PyResult<Option<(Option<Event>, Name)>> {
        self.origin_of(py, slot, Reserve::All)
    }

    /// The kill switch, pulled by an actor that publishes in a storm: it is set here, and told once a second, which is when
    /// there is an origin for its event.
    fn pull_in_a_storm(&self, py: Python<'_>, slot: usize) -> PyResult<Option<(Option<Event>, Name)>> {
        let Some((parent, source)) = self.origin_of(py, slot, Reserve::All)? else { return Ok(None) };
        let mut state = self.state.borrow(py);
        state.latch_all(source, clock::now_ns());
        let may_tell = slot_of(&mut state.slots, slot)?.may_tell_kill(clock::now_ns());
        Ok(may_tell.then_some((parent, source)))
    }

    /// Where this is the kill switch: latches every account before the event fans out, so that what waits in a mailbox comes too
    /// late to leave; and before its payload is encoded, which runs anybody's code.
    #[inline]
    fn latch_at_once(&self, py: Python<'_>, event: &Event) {
        if event.event_type == EventType::CircuitBreaker {
            self.state.borrow(py).latch_all(event.source, event.ts_ns);
        }
    }

    /// Refuses what its receivers believe for where it comes from: what a node says of itself, by its
    /// [`NodeVoice`](super::voice::NodeVoice), and what [`NodeCore::said_by_nodes`] refuses.
    fn published_by_anyone(&self, py: Python<'_>, event_type: EventType) -> PyResult<()> {
        if event_type.is_node_news() {
            let name = event_type.name();
            return Err(PyValueError::new_err(format!("{name} is news of the node, which it alone publishes")));
        }
        self.said_by_nodes(py, event_type)
    }

    /// Refuses what not even a node publishes: what it sends to one actor, and what only an account's desk says, which does so
    /// natively.
    pub fn said_by_nodes(&self, py: Python<'_>, event_type: EventType) -> PyResult<()> {
        let why = if event_type.is_addressed() {
            "is sent to one actor by its node: nobody publishes it"
        } else if event_type.is_account_fact() && self.state.borrow(py).facts_are_reserved {
            "is a fact of an account, which its order gate alone publishes: submit, cancel or signal instead"
        } else {
            return Ok(());
        };
        Err(PyValueError::new_err(format!("{} {why}", event_type.name())))
    }

    fn origin_of(&self, py: Python<'_>, slot: usize, reserve: Reserve) -> PyResult<Option<(Option<Event>, Name)>> {
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        let place = slot_of(&mut state.slots, slot)?;
        if place.is_gone() {
            return Ok(None);
        }
        let (current, name) = (place.current.as_ref().map(|event| event.get().event().clone()), place.name);
        if reserve != Reserve::All && !place.allowance.take(reserve == Reserve::Cancel, clock::now_ns) {
            state.note_storm(name, current.as_ref());
            self.wake(state);
            return Ok(None);
        }
        Ok(Some((current, name)))
    }

    /// Publishes what an actor says while it handles `parent`.
    pub fn publish_of(&self, py: Python<'_>, parent: Option<&Event>, event: Event) -> bool {
        if let (Some(parent), Some(recorder)) = (parent, self.state.borrow(py).router.recorder()) {
            recorder.caused(parent, &event);
        }
        self.publish_native(py, event)
    }

    pub fn publish_native(&self, py: Python<'_>, event: Event) -> bool {
        if self.simulated {
            payload::prepare(py, &event);
        }
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        let kept = (event.event_type.policy() == Policy::Refuse).then(|| event.clone());
        let taken = state.router.ask(event);
        if let (false, Some(refused)) = (taken, &kept) {
            state.note_letter(Reason::Refused, refused.source, Some(refused));
        }
        self.wake(state);
        taken
    }

    /// Wakes the loop, unless it is the one that is publishing.
    pub fn wake(&self, state: &State) {
        if !state.draining {
            self.waker.notify();
        }
    }
}

impl State {
    /// Sets the kill latch of every account here; `source` is who pulled the switch.
    pub fn latch_all(&mut self, source: Name, said_ns: i64) {
        for desk in &mut self.desks {
            desk.kill_for(&mut self.router, clock::now_ns(), source, said_ns);
        }
    }
}

/// An event of Python as one of the kernel.
pub fn kernel_event(event: &Bound<'_, PyAny>) -> PyResult<Event> {
    match event.cast::<PyEvent>() {
        Ok(event) => Ok(event.get().to_kernel(event.py())),
        Err(_) => Err(PyTypeError::new_err(format!("an Event is published, not {}", event.repr()?))),
    }
}
