//! Dispatch of the bare bus: an iterator that runs sync handlers itself and yields what async ones want awaited.
//!
//! It is iterated by the bus's own task. So an async handler's first step can be taken here as well: it runs inside that
//! task, `current_task`, `timeout` and `TaskGroup` see nothing unusual, and a handler that never suspends costs the loop
//! nothing. One that does suspend is handed to the task as an awaitable which begins with what the handler awaits.

use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::bus::BusCore;
use crate::event::PyEvent;
use crate::gil::GilCell;
use crate::handlers::{InFlight, Known, Step, is_plain_exception};

/// A drain gives the loop back after so many events...
const DRAIN_EVENTS: usize = 256;
/// ...or after so long. The clock is looked at after 1, 2, 4... events, so that slow handlers are noticed early...
const DRAIN_TIME: Duration = Duration::from_micros(250);
/// ...and then every so many.
const LOOK_AT_CLOCK_EVERY: usize = 32;

#[pyclass(frozen)]
pub struct Drain {
    bus: Py<BusCore>,
    budget: GilCell<Budget>,
}

struct Budget {
    /// A drain ends when a handler stops the bus: how much time is left after that is for the task to say.
    was_accepting: bool,
    started: Instant,
    events: usize,
    next_look: usize,
}

impl Budget {
    #[inline]
    fn is_spent(&mut self) -> bool {
        if self.events >= DRAIN_EVENTS {
            return true;
        }
        if self.events < self.next_look {
            return false;
        }
        self.next_look += self.next_look.min(LOOK_AT_CLOCK_EVERY);
        self.started.elapsed() >= DRAIN_TIME
    }
}

#[pymethods]
impl Drain {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let (interrupted, batch) = {
            let mut state = self.bus.get().state.borrow(py);
            (state.flight.take(), state.batch.take())
        };
        drop(batch);
        self.run(py, interrupted)
    }
}

impl Drain {
    pub fn new(py: Python<'_>, bus: Py<BusCore>) -> Self {
        let was_accepting = bus.get().state.borrow(py).accepting;
        let budget = Budget { was_accepting, started: Instant::now(), events: 0, next_look: 1 };
        Drain { bus, budget: GilCell::new(budget) }
    }

    fn run(&self, py: Python<'_>, mut interrupted: Option<InFlight>) -> PyResult<Option<Py<PyAny>>> {
        let state = &self.bus.get().state;
        // The handlers of the event before: mostly those of the next one too.
        let mut known = None;
        loop {
            let mut flight = match interrupted.take() {
                Some(flight) => flight,
                None => match self.next(py, &mut known)? {
                    Some(flight) => flight,
                    None => return self.finish_batches(py),
                },
            };
            let result = match flight.run(py) {
                Step::Done => {
                    known = Some(flight.handlers);
                    let spare = PyEvent::retire(py, flight.event);
                    if spare.is_some() {
                        state.borrow(py).spare = spare;
                    }
                    continue;
                }
                Step::Suspended(awaitable) => first_step(py, awaitable),
                Step::Raised(error) => Err(error),
            };
            match result {
                Ok(None) => {}
                Ok(Some(awaitable)) => {
                    state.borrow(py).flight = Some(flight);
                    return Ok(Some(awaitable));
                }
                Err(error) => self.failed(py, error, &flight.event)?,
            }
            interrupted = Some(flight);
        }
    }

    /// The next event that somebody handles; `None` when nothing waits or the budget is spent.
    #[inline]
    fn next(&self, py: Python<'_>, known: &mut Option<Known>) -> PyResult<Option<InFlight>> {
        let bus = self.bus.get();
        loop {
            // What is not used any more is dropped outside the borrow: the end of a payload or a handler may run Python.
            let (event, handlers, spare, _outdated) = {
                let (mut state, mut budget) = (bus.state.borrow(py), self.budget.borrow(py));
                let is_told_to_stop = budget.was_accepting && !state.accepting;
                if is_told_to_stop || budget.is_spent() {
                    return Ok(None);
                }
                let Some(event) = state.mailbox.pop() else { return Ok(None) };
                budget.events += 1;
                state.dispatched += 1;
                let (handlers, outdated) = match known.take() {
                    Some(known) if known.is_current(event.event_type, &state.subscriptions) => (known, None),
                    outdated => (state.subscriptions.known(event.event_type), outdated),
                };
                (event, handlers, state.spare.take(), outdated)
            };
            if !handlers.handlers.is_empty() {
                let object = PyEvent::renew(py, spare, event)?;
                return Ok(Some(InFlight::with_object(object, handlers)));
            }
            *known = Some(handlers);
            drop(event);
            bus.state.borrow(py).spare = spare;
        }
    }

    /// Hands the batch handlers what has gathered; the end of a drain.
    fn finish_batches(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let batches = self.bus.get().state.borrow(py).subscriptions.batch_handlers();
        for handler in batches.iter() {
            let Some((last, result)) = handler.hand_over(py) else { continue };
            match result.and_then(|awaitable| awaitable.map_or(Ok(None), |awaitable| first_step(py, awaitable))) {
                Ok(None) => {}
                Ok(Some(awaitable)) => {
                    self.bus.get().state.borrow(py).batch = Some(last);
                    return Ok(Some(awaitable));
                }
                Err(error) => self.failed(py, error, &last)?,
            }
        }
        Ok(None)
    }

    fn failed(&self, py: Python<'_>, error: PyErr, event: &Py<PyEvent>) -> PyResult<()> {
        if !is_plain_exception(py, &error) {
            return Err(error);
        }
        self.bus.bind(py).call_method1("_failed", (error.into_value(py), event)).map(|_| ())
    }
}

/// Takes a coroutine's first step; gives what is left to be awaited, if it suspended.
fn first_step(py: Python<'_>, awaitable: Py<PyAny>) -> PyResult<Option<Py<PyAny>>> {
    // SAFETY: the object is live.
    if unsafe { ffi::Py_TYPE(awaitable.as_ptr()) } != &raw mut ffi::PyCoro_Type {
        return Ok(Some(awaitable));
    }
    match step(py, &awaitable)? {
        None => Ok(None),
        Some(first) => {
            let suspended = Suspended { coroutine: awaitable, first: GilCell::new(Some(first)) };
            Ok(Some(Py::new(py, suspended)?.into_any()))
        }
    }
}

/// Runs a coroutine to its next suspension; gives what it waits for, or `None` when it has ended.
fn step(py: Python<'_>, coroutine: &Py<PyAny>) -> PyResult<Option<Py<PyAny>>> {
    let mut result = std::ptr::null_mut();
    // SAFETY: a live coroutine is sent None; `result` becomes a new reference unless an exception is set.
    match unsafe { ffi::PyIter_Send(coroutine.as_ptr(), ffi::Py_None(), &mut result) } {
        // SAFETY: see above.
        ffi::PySendResult::PYGEN_NEXT => Ok(Some(unsafe { Bound::from_owned_ptr(py, result) }.unbind())),
        ffi::PySendResult::PYGEN_RETURN => {
            // SAFETY: see above; what a handler returns is of no interest.
            drop(unsafe { Bound::from_owned_ptr(py, result) });
            Ok(None)
        }
        ffi::PySendResult::PYGEN_ERROR => Err(PyErr::fetch(py)),
    }
}

/// A handler's coroutine after its first step: awaiting it goes on where the coroutine stands.
#[pyclass(frozen)]
pub struct Suspended {
    coroutine: Py<PyAny>,
    /// What the first step waits for, until the task has been given it.
    first: GilCell<Option<Py<PyAny>>>,
}

#[pymethods]
impl Suspended {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let first = self.first.borrow(py).take();
        if first.is_some() { Ok(first) } else { step(py, &self.coroutine) }
    }

    #[pyo3(signature = (*error))]
    fn throw<'py>(&self, error: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = error.py();
        let first = self.first.borrow(py).take();
        drop(first);
        self.coroutine.bind(py).call_method1("throw", error)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.coroutine.bind(py).call_method0("close").map(|_| ())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.coroutine)?;
        match self.first.peek() {
            Some(first) => visit.call(&*first),
            None => Ok(()),
        }
    }
}
