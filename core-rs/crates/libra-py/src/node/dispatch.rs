//! The loop that calls the handlers of a node's actors.
//!
//! Urgent lanes (RISK, ORDERS) of all actors come first, as far as the router's `fairness` lets them. An actor whose handler
//! suspends is left to its own task, which goes on with it through [`NodeCore::resume`]; its later events wait, whatever their
//! kind, and the other actors run on.

use std::time::{Duration, Instant};

use libra_kernel::recent::Step as Noted;
use libra_kernel::router::Turn;
use libra_kernel::{Event, Lane, Name, clock, forks};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use super::context::Inside;
use super::timing::fired_timer;
use super::{NodeCore, State, batch};
use crate::ends;
use crate::event::PyEvent;
use crate::forks::leave;
use crate::handlers::{InFlight, Step};
use crate::subscriptions::HandlerList;

const LOOK_AT_CLOCK_EVERY: usize = 16;

/// When a drain gives the loop back.
pub struct Budget {
    events: usize,
    start: Instant,
    time: Duration,
    used: usize,
    /// How many events are handled before the clock is looked at: soon, for handlers that are slow, but not after the only
    /// event of a drain.
    look_at: usize,
}

impl Budget {
    pub fn new(events: usize, time: Duration) -> Self {
        Budget { events, start: Instant::now(), time, used: 0, look_at: events.min(2) }
    }

    #[inline]
    pub fn is_spent(&mut self) -> bool {
        self.used >= self.look_at && self.look()
    }

    /// Another actor's turn begins: how quick the one before was says nothing of its handlers.
    #[inline]
    fn turn_begins(&mut self) {
        self.look_at = self.look_at.min(self.used + 2);
    }

    /// Looks at both limits; once it is spent, it stays so.
    #[cold]
    fn look(&mut self) -> bool {
        let is_spent = self.used >= self.events || self.start.elapsed() >= self.time;
        if !is_spent {
            self.look_at = (2 * self.used + 1).min(self.used + LOOK_AT_CLOCK_EVERY).min(self.events);
        }
        is_spent
    }
}

/// The slot of an actor and what its task has to await.
pub type Suspended = (usize, Py<PyAny>);

/// How one event went.
enum Outcome {
    Done,
    Suspended(Py<PyAny>),
}

#[pymethods]
impl NodeCore {
    /// Runs handlers until nothing waits or the budget (events, microseconds) is spent. Gives the number of events, and
    /// what the tasks of actors with suspended handlers have to await, as (slot, awaitable).
    fn drain(&self, py: Python<'_>, events: usize, time_us: u64) -> PyResult<(usize, Vec<Suspended>)> {
        self.leave_fork(py, None);
        let mut budget = Budget::new(events, Duration::from_micros(time_us));
        self.drain_ready(py, &mut budget)?;
        while let Some(whose) = ends::overdue() {
            self.fail_overdue(py, whose)?;
        }
        let mut state = self.state.borrow(py);
        state.report_applied();
        Ok((budget.used, std::mem::take(&mut state.suspended)))
    }

    /// The suspended handler of an actor has ended: goes on with the actor alone, for so many events and while nothing
    /// urgent waits for others. Gives what to await next, or None when the node's own loop has the actor back.
    fn resume(&self, py: Python<'_>, slot: usize, events: usize) -> PyResult<Option<Py<PyAny>>> {
        self.leave_fork(py, None);
        let mut flight = {
            let mut state = self.state.borrow(py);
            state.draining = true;
            state.slots[slot].flight.take()
        };
        let (mut used, mut inside) = (0, None);
        let result = loop {
            if let Some(flight) = flight.take() {
                match self.run_flight(py, slot, flight, &mut inside) {
                    Ok(Outcome::Done) => {}
                    Ok(Outcome::Suspended(awaitable)) => break Ok(Some(awaitable)),
                    Err(error) => break Err(error),
                }
            }
            let mut state = self.state.borrow(py);
            let place = &state.slots[slot];
            if used >= events || place.paused || place.gone || urgent_elsewhere(&mut state, slot) {
                break Ok(None);
            }
            let Some((event, handlers)) = next_event(&mut state, slot, Lane::MarketData, None) else { break Ok(None) };
            drop(state);
            flight = Some(InFlight::new(py, event, handlers)?);
            used += 1;
        };
        let mut state = self.state.borrow(py);
        state.draining = false;
        state.report_applied();
        if !matches!(result, Ok(Some(_))) {
            state.slots[slot].suspended = false;
            state.leave(py, slot);
            self.waker.notify();
        }
        result
    }

    /// A suspended handler raised, and its actor's task reports it as any other failure: the rest of the event's
    /// handlers do not run.
    fn drop_flight(&self, py: Python<'_>, slot: usize) {
        let (flight, current) = {
            let mut state = self.state.borrow(py);
            let place = &mut state.slots[slot];
            let (flight, current) = (place.flight.take(), place.current.take());
            if let Some(flight) = &flight {
                state.note_handled(slot, flight, Noted::Failed);
                state.report_applied();
            }
            (flight, current)
        };
        drop((flight, current));
    }

    /// Ends a child that somebody's code has forked where it comes back to the node, by ``error`` or without one; does
    /// nothing in the node's own process.
    #[pyo3(signature = (error=None))]
    pub fn leave_fork(&self, py: Python<'_>, error: Option<Bound<'_, PyAny>>) {
        if self.is_fork() {
            leave(py, error.map(PyErr::from_value));
        }
    }

    /// True while some actor's handler is suspended on anything but the node's clock, or has not begun.
    fn is_suspended(&self, py: Python<'_>) -> bool {
        self.state.borrow(py).is_suspended()
    }
}

impl NodeCore {
    /// Runs handlers of all actors that may run, until nothing waits or the budget is spent.
    pub fn drain_ready(&self, py: Python<'_>, budget: &mut Budget) -> PyResult<()> {
        self.state.borrow(py).draining = true;
        let result = self.drain_turns(py, budget);
        let garbage = {
            let mut state = self.state.borrow(py);
            state.draining = false;
            std::mem::take(&mut state.garbage)
        };
        drop(garbage);
        result
    }

    fn drain_turns(&self, py: Python<'_>, budget: &mut Budget) -> PyResult<()> {
        // Between two turns ahead of others the clock is read once. How long they take decides nothing in a simulated run.
        let mut read = Some(budget.start);
        while !budget.is_spent() {
            let Some(turn) = self.state.borrow(py).next_turn() else { return Ok(()) };
            let (slot, is_charged) = (turn.id, turn.overtakes() && !self.simulated);
            let since = is_charged.then(|| read.unwrap_or_else(Instant::now));
            budget.turn_begins();
            self.run_turn(py, turn, budget)?;
            read = since.map(|since| {
                let now = Instant::now();
                let took_us = u64::try_from((now - since).as_micros()).unwrap_or(u64::MAX);
                self.state.borrow(py).router.charge(slot, took_us);
                now
            });
        }
        Ok(())
    }

    fn run_turn(&self, py: Python<'_>, mut turn: Turn, budget: &mut Budget) -> PyResult<()> {
        let slot = turn.id;
        let mut inside = None;
        loop {
            let next = {
                let mut state = self.state.borrow(py);
                if !state.slots[slot].may_run() {
                    // It is listed again when it may.
                    return Ok(());
                }
                let time_is_over = !self.simulated && budget.is_spent();
                if time_is_over || !state.router.may_go_on(&turn) {
                    state.give_way(py, turn, time_is_over);
                    return Ok(());
                }
                next_event(&mut state, slot, turn.least, Some(&mut turn))
            };
            let flight = match next {
                Some((event, handlers)) => batch::gathered(py, event, handlers)?,
                None => {
                    let Some(flight) = self.next_batch(py, slot, turn.least)? else { return Ok(()) };
                    self.state.borrow(py).router.note_given(&mut turn);
                    Some(flight)
                }
            };
            budget.used += 1;
            let Some(flight) = flight else { continue };
            if let Outcome::Suspended(awaitable) = self.run_flight(py, slot, flight, &mut inside)? {
                let mut state = self.state.borrow(py);
                state.slots[slot].suspended = true;
                state.suspended.push((slot, awaitable));
                return Ok(());
            }
        }
    }

    /// Runs the handlers of one event that are left. A failure is the supervisor's, and ends the event.
    ///
    /// `inside` is the actor's context: entered for the first event of a turn, and left behind its last, or where Python code
    /// of the node's own runs.
    fn run_flight<'py>(
        &self,
        py: Python<'py>,
        slot: usize,
        mut flight: InFlight,
        inside: &mut Option<Inside<'py>>,
    ) -> PyResult<Outcome> {
        let (name, context) = {
            let mut state = self.state.borrow(py);
            let is_noted = state.router.recorder().is_some() && flight.event.get().event().is_traced();
            if is_noted && flight.began_ns.is_none() {
                flight.began_ns = Some(clock::now_ns());
            }
            let place = &mut state.slots[slot];
            place.current = Some(flight.event.clone_ref(py));
            let context = inside.is_none().then(|| place.context(py));
            (place.name, context)
        };
        if let Some(context) = context {
            *inside = Some(Inside::enter(py, context));
        }
        self.note_running(py, name);
        let step = flight.run(py);
        if self.is_fork() {
            leave(py, if let Step::Raised(error) = step { Some(error) } else { None });
        }
        self.note_running(py, Name::NONE);
        match step {
            Step::Done => {
                let current = self.state.borrow(py).note_handled(slot, &flight, Noted::Handled);
                drop(current);
                Ok(Outcome::Done)
            }
            Step::Suspended(awaitable) => {
                self.state.borrow(py).slots[slot].flight = Some(flight);
                Ok(Outcome::Suspended(awaitable))
            }
            Step::Raised(error) => {
                *inside = None;
                let current = self.state.borrow(py).note_handled(slot, &flight, Noted::Failed);
                drop(current);
                // Nothing else ends the program: a handler that raises SystemExit or CancelledError has failed. So has one
                // that raises KeyboardInterrupt where no Ctrl-C can: the guard takes those.
                if error.is_instance_of::<PyKeyboardInterrupt>(py) && !self.state.borrow(py).takes_interrupts {
                    return Err(error);
                }
                let on_failure = self.state.borrow(py).on_failure.as_ref().map(|call| call.clone_ref(py));
                match on_failure {
                    Some(call) => {
                        call.call1(py, (slot, error.into_value(py), &flight.event))?;
                        Ok(Outcome::Done)
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// What an actor has published did not end in time: a failure of it like any other, or it would hold up the others for
    /// that time again and again.
    #[cold]
    fn fail_overdue(&self, py: Python<'_>, whose: Name) -> PyResult<()> {
        let (slot, on_failure) = {
            let state = self.state.borrow(py);
            let slot = state.slots.iter().position(|slot| slot.name == whose && !slot.gone);
            (slot, state.on_failure.as_ref().map(|call| call.clone_ref(py)))
        };
        let interruption = self.interruption.borrow(py).clone();
        if let (Some(slot), Some(call), Some(interruption)) = (slot, on_failure, interruption) {
            let error = interruption.error(py, "the end of something that it has published did not return")?;
            call.call1(py, (slot, error, py.None()))?;
        }
        Ok(())
    }

    /// True in a child that somebody's code has forked: nothing of this node goes on there.
    #[inline]
    pub fn is_fork(&self) -> bool {
        self.life != forks::life()
    }

    #[inline]
    pub fn note_running(&self, py: Python<'_>, name: Name) {
        if let Some(guard) = &*self.guard.borrow(py) {
            guard.set_running(name);
        }
        // What was to end the turn before must not reach the next one.
        if name.is_none() {
            let set = self.interruption.borrow(py).as_ref().filter(|interruption| interruption.is_set()).cloned();
            if let Some(interruption) = set {
                interruption.take_back(py);
            }
        }
    }
}

/// True when some other actor may have something urgent, and this one has not.
fn urgent_elsewhere(state: &mut State, slot: usize) -> bool {
    state.router.has_more_urgent_than(Lane::Signals) && !state.router.mailbox(slot).has_up_to(Lane::Orders)
}

/// The next event of a slot that has handlers, in a turn of the router where it is one; events nobody handles any more are
/// taken out silently.
#[inline]
fn next_event(state: &mut State, slot: usize, least: Lane, turn: Option<&mut Turn>) -> Option<(Event, HandlerList)> {
    loop {
        let event = state.router.mailbox(slot).pop_up_to(least)?;
        if let Some(fired) = fired_timer(&event) {
            state.timers.taken(fired.id);
        }
        let handlers = state.slots[slot].subscriptions.of(event.event_type, event.instrument);
        if !handlers.is_empty() {
            if let Some(turn) = turn {
                state.router.note_given(turn);
            }
            return Some((event, handlers));
        }
        state.router.handled(slot, event.lane(), event.sequence);
        state.garbage.push(event);
    }
}

impl State {
    /// The handlers of an actor are done with an event, well or not. Gives what it was handling, to be dropped outside the
    /// borrow.
    #[inline]
    fn note_handled(&mut self, slot: usize, flight: &InFlight, how: Noted) -> Option<Py<PyEvent>> {
        let event = flight.event.get();
        if let (Some(began_ns), Some(recorder)) = (flight.began_ns, self.router.recorder()) {
            recorder.handled(how, event.event(), event.sequence, self.slots[slot].name, began_ns);
        }
        if self.router.is_tracking() {
            self.router.handled(slot, event.event().lane(), event.sequence);
        }
        self.slots[slot].current.take()
    }
}
