//! Timers of actors and of handlers that sleep, on the node's clock.

use libra_kernel::timers::{TimerFired, Wakes};
use libra_kernel::{Event, EventType, clock};
use libra_trading::desk::Desk;
use pyo3::prelude::*;

use super::{NodeCore, State, slot_of};
use crate::event::PyEvent;

#[pymethods]
impl NodeCore {
    /// Sets a timer of an actor; gives its id. In simulated time it is due on the simulation's clock.
    #[pyo3(signature = (slot, delay_ns, interval_ns=0, sleeper=false))]
    fn set_timer(&self, py: Python<'_>, slot: usize, delay_ns: i64, interval_ns: i64, sleeper: bool) -> PyResult<u64> {
        let mut state = self.state.borrow(py);
        let place = slot_of(&mut state.slots, slot)?;
        if place.is_gone() {
            return Ok(0);
        }
        place.sleepers += u32::from(sleeper);
        let wakes = if sleeper { Wakes::Sleeper(slot) } else { Wakes::Mailbox(slot) };
        let due_ns = clock::now_ns().saturating_add(delay_ns.max(0));
        let id = state.timers.set(due_ns, interval_ns.max(0), wakes);
        self.wake(&state);
        Ok(id)
    }

    fn cancel_timer(&self, py: Python<'_>, id: u64) -> bool {
        self.state.borrow(py).timers.cancel(id)
    }

    /// A sleeping handler was woken by something else than its timer.
    fn cancel_sleeper(&self, py: Python<'_>, slot: usize, id: u64) -> PyResult<bool> {
        let mut state = self.state.borrow(py);
        let cancelled = state.timers.cancel(id);
        if cancelled {
            let place = slot_of(&mut state.slots, slot)?;
            place.sleepers = place.sleepers.saturating_sub(1);
        }
        Ok(cancelled)
    }

    /// Takes back all timers of an actor; its sleepers are woken by whoever put them to sleep.
    pub fn cancel_timers(&self, py: Python<'_>, slot: usize) -> PyResult<()> {
        let mut state = self.state.borrow(py);
        state.timers.cancel_all_of(slot);
        slot_of(&mut state.slots, slot)?.sleepers = 0;
        Ok(())
    }

    /// How often the interval timer of a TIMER event was due since the event before, and made none.
    #[staticmethod]
    fn missed_ticks(event: &Bound<'_, PyEvent>) -> u64 {
        fired_timer(event.get().event()).map_or(0, |fired| fired.missed)
    }

    /// Nanoseconds until the next timer is due, or None.
    fn until_timer_ns(&self, py: Python<'_>) -> Option<i64> {
        let mut state = self.state.borrow(py);
        let venues = state.desks.iter().filter_map(Desk::next_due_ns).min();
        let due_ns = state.timers.next_due_ns().into_iter().chain(venues).min()?;
        Some((due_ns - clock::now_ns()).max(0))
    }

    /// Puts due timers into mailboxes, and lets paper venues that this loop drives act; gives the ids of timers that wake
    /// a sleeper.
    fn fire_timers(&self, py: Python<'_>) -> Vec<u64> {
        let mut state = self.state.borrow(py);
        let (state, now_ns) = (&mut *state, clock::now_ns());
        for desk in &mut state.desks {
            if desk.next_due_ns().is_some_and(|due_ns| due_ns <= now_ns) {
                desk.advance(&mut state.router, now_ns);
            }
        }
        self.fire_due(state, now_ns)
    }
}

/// What a `TIMER` event is of.
#[inline]
pub(super) fn fired_timer(event: &Event) -> Option<&TimerFired> {
    if event.event_type == EventType::Timer { event.payload.downcast::<TimerFired>() } else { None }
}

impl NodeCore {
    pub fn fire_due(&self, state: &mut State, now_ns: i64) -> Vec<u64> {
        let mut sleepers = Vec::new();
        while let Some((fired, wakes)) = state.timers.pop_due(now_ns) {
            match wakes {
                Wakes::Mailbox(slot) => {
                    if state.slots[slot].gone {
                        continue;
                    }
                    let source = state.slots[slot].name;
                    let payload = libra_kernel::Payload::shared(fired);
                    state.router.send(slot, Event::new(EventType::Timer, source, now_ns, payload));
                }
                Wakes::Sleeper(slot) => {
                    state.slots[slot].sleepers = state.slots[slot].sleepers.saturating_sub(1);
                    sleepers.push(fired.id);
                }
            }
        }
        sleepers
    }
}
