//! An actor's place, as its life cycle moves on: added, held while a hook is awaited, paused, and gone.

use libra_kernel::letters::{self, Reason};
use libra_kernel::{Event, EventType, Lane, Name};
use pyo3::prelude::*;

use super::slot::Slot;
use super::{NodeCore, slot_of};
use crate::event::PyEvent;

#[pymethods]
impl NodeCore {
    /// Adds an actor; gives the number of its slot. One that is `decisive` decides whether a command (a signal, a request)
    /// is taken; an observer without room only misses it. One of an `account`'s own stops its new orders while it cannot
    /// keep up with facts.
    #[pyo3(signature = (name, *, decisive=false, account=None))]
    fn add_actor(&self, py: Python<'_>, name: &str, decisive: bool, account: Option<&str>) -> usize {
        let mut state = self.state.borrow(py);
        let capacity = state.lane_capacity;
        let id = state.router.add_mailbox(capacity);
        if decisive {
            state.router.set_decisive(id);
        }
        if let Some(account) = account {
            state.router.set_account(id, Name::intern(account));
        }
        let limit = state.publish_limit;
        state.slots.push(Slot::new(Name::intern(name), limit));
        id
    }

    /// Actors of no account whose mailbox is so full of facts that they do not keep up, or that stand still and hold up a lane,
    /// since their mailbox is full of commands; each with how many of these wait.
    fn overfull(&self, py: Python<'_>) -> Vec<(usize, usize)> {
        let state = self.state.borrow(py);
        let urgent = [Lane::Risk, Lane::Orders, Lane::Signals];
        let waiting = |id: usize| urgent.map(|lane| state.router.mailboxes()[id].lane_len(lane)).iter().sum();
        state.router.overfull().map(|id| (id, waiting(id))).collect()
    }

    /// An async hook outside the mailbox (a start, a stop) runs in the actor's task: its events wait until
    /// [`NodeCore::resume`].
    ///
    /// False, and nothing done, when a handler is suspended there already.
    fn hold(&self, py: Python<'_>, slot: usize) -> PyResult<bool> {
        let mut state = self.state.borrow(py);
        let place = slot_of(&mut state.slots, slot)?;
        let free = !place.suspended;
        place.suspended = true;
        Ok(free)
    }

    /// Actors that are added from now on may publish so many events a second; 0 for no limit.
    fn set_publish_limit(&self, py: Python<'_>, per_second: u32) {
        self.state.borrow(py).publish_limit = per_second;
    }

    /// True while an async hook of an actor is under way, or about to be.
    fn is_held(&self, py: Python<'_>, slot: usize) -> PyResult<bool> {
        Ok(slot_of(&mut self.state.borrow(py).slots, slot)?.suspended)
    }

    /// Lets an actor run, or not: while it is paused, its mailbox only takes in.
    fn set_paused(&self, py: Python<'_>, slot: usize, paused: bool) -> PyResult<()> {
        let mut state = self.state.borrow(py);
        slot_of(&mut state.slots, slot)?.paused = paused;
        if !paused {
            state.leave(py, slot);
            self.wake(&state);
        }
        Ok(())
    }

    /// The actor is no more: its timers end, what waits for it is thrown away; gives the messages among that.
    fn remove_actor(&self, py: Python<'_>, slot: usize) -> PyResult<Vec<Py<PyAny>>> {
        self.unsubscribe_all(py, slot)?;
        self.cancel_timers(py, slot)?;
        let (events, flight) = {
            let mut state = self.state.borrow(py);
            let state = &mut *state;
            let place = slot_of(&mut state.slots, slot)?;
            place.gone = true;
            let (name, flight) = (place.name, place.flight.take());
            state.router.mailbox_gone(slot);
            let events: Vec<Event> = std::iter::from_fn(|| state.router.mailbox(slot).take_dropped()).collect();
            for event in events.iter().filter(|event| letters::is_missed(event)) {
                state.note_letter(Reason::Left, name, Some(event));
            }
            state.report_applied();
            (events, flight)
        };
        drop(flight);
        let messages = events.iter().filter(|event| event.event_type == EventType::Message);
        messages.map(|event| crate::payload::to_python(py, event)).collect()
    }

    /// The event that an actor is handling.
    fn current(&self, py: Python<'_>, slot: usize) -> PyResult<Option<Py<PyEvent>>> {
        Ok(slot_of(&mut self.state.borrow(py).slots, slot)?.current.as_ref().map(|event| event.clone_ref(py)))
    }

    /// Events that wait for an actor, all lanes.
    fn waiting(&self, py: Python<'_>, slot: usize) -> PyResult<usize> {
        let mut state = self.state.borrow(py);
        slot_of(&mut state.slots, slot)?;
        Ok(state.router.mailbox(slot).len())
    }
}
