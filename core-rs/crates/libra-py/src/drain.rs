//! Dispatch of the bare bus: an iterator that runs sync handlers itself and yields what async ones want awaited.
//!
//! It is iterated by the bus's own task. So an async handler's first step can be taken here as well: it runs inside that
//! task, `current_task`, `timeout` and `TaskGroup` see nothing unusual, and a handler that never suspends costs the loop
//! nothing. One that does suspend is handed to the task as an awaitable which begins with what the handler awaits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::bus::BusCore;
use crate::event::{PyEvent, Spare};
use crate::gil::GilCell;
use crate::handlers::{Handler, InFlight, Step, is_plain_exception, run_handlers};
use crate::queue::Waiting;
use crate::subscriptions::{HandlerList, Known};

/// A drain gives the loop back after so many events...
const DRAIN_EVENTS: usize = 256;
/// ...or after so long. The clock is looked at after 1, 2, 4... events, so that slow handlers are noticed early...
const DRAIN_TIME: Duration = Duration::from_micros(250);
/// ...and then every so many.
const LOOK_AT_CLOCK_EVERY: usize = 32;

/// An event that becomes rows of a block costs a fraction of one that is handed to a handler.
const ROW_WEIGHT: usize = 1;
const EVENT_WEIGHT: usize = 16;

#[pyclass(frozen)]
pub struct Drain {
    bus: Py<BusCore>,
    budget: GilCell<Budget>,
}

#[derive(Clone, Copy)]
struct Budget {
    /// A drain ends when a handler stops the bus: how much time is left after that is for the task to say.
    was_accepting: bool,
    started: Instant,
    spent: usize,
    next_look: usize,
}

impl Budget {
    #[inline]
    fn is_spent(&mut self) -> bool {
        if self.spent < self.next_look {
            return false;
        }
        if self.spent >= DRAIN_EVENTS * EVENT_WEIGHT {
            return true;
        }
        self.next_look = self.spent + (self.spent + EVENT_WEIGHT).min(LOOK_AT_CLOCK_EVERY * EVENT_WEIGHT);
        self.next_look = self.next_look.min(DRAIN_EVENTS * EVENT_WEIGHT);
        self.started.elapsed() >= DRAIN_TIME
    }
}

/// What a run of events has in common.
struct Run {
    budget: Budget,
    /// The handlers of the event before: mostly those of the next one too.
    known: Option<Known>,
    spare: Option<Spare>,
}

#[pymethods]
impl Drain {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let (interrupted, batch, spare) = {
            let mut state = self.bus.get().state.briefly(py);
            (state.flight.take(), state.batch.take(), state.spare.take())
        };
        drop(batch);
        let mut run = Run { budget: *self.budget.briefly(py), known: None, spare };
        let result = self.run(py, &mut run, interrupted);
        *self.budget.briefly(py) = run.budget;
        let previous = std::mem::replace(&mut self.bus.get().state.briefly(py).spare, run.spare);
        drop(previous);
        result
    }
}

impl Drain {
    pub fn new(py: Python<'_>, bus: Py<BusCore>) -> Self {
        let was_accepting = bus.get().state.briefly(py).accepting;
        let budget = Budget { was_accepting, started: Instant::now(), spent: 0, next_look: EVENT_WEIGHT };
        Drain { bus, budget: GilCell::new(budget) }
    }

    fn run(&self, py: Python<'_>, run: &mut Run, interrupted: Option<InFlight>) -> PyResult<Option<Py<PyAny>>> {
        if let Some(flight) = interrupted
            && let Some(awaitable) = self.handle(py, flight.event, &flight.handlers, flight.next, &mut run.spare)?
        {
            return Ok(Some(awaitable));
        }
        while let Some(waiting) = self.next(py, run) {
            let Some(known) = &run.known else { break };
            let awaitable = match &*known.handlers {
                [] => None,
                [handler] if handler.takes_rows() => self.gather(py, waiting, handler)?,
                _ => {
                    let object = PyEvent::numbered(py, waiting.object, waiting.sequence, &mut run.spare)?;
                    self.handle(py, object, &known.handlers, 0, &mut run.spare)?
                }
            };
            if awaitable.is_some() {
                return Ok(awaitable);
            }
        }
        self.finish_batches(py)
    }

    /// The next event, with its handlers in `run.known`; `None` when nothing waits or the budget is spent.
    #[inline]
    fn next(&self, py: Python<'_>, run: &mut Run) -> Option<Waiting> {
        // What is not used any more is dropped outside the borrow: the end of a handler may run Python.
        let (waiting, _outdated) = {
            let mut state = self.bus.get().state.briefly(py);
            let is_told_to_stop = run.budget.was_accepting && !state.accepting;
            if is_told_to_stop || run.budget.is_spent() {
                return None;
            }
            let waiting = state.queue.pop()?;
            state.dispatched += 1;
            let event = waiting.object.get().event();
            let (event_type, instrument) = (event.event_type, event.instrument);
            let subscriptions = &mut state.subscriptions;
            let mut outdated = None;
            if !run.known.as_ref().is_some_and(|known| known.is_current(event_type, instrument, subscriptions)) {
                outdated = run.known.replace(subscriptions.known(event_type, instrument));
            }
            (waiting, outdated)
        };
        let is_row = run.known.as_ref().is_some_and(|known| matches!(&*known.handlers, [one] if one.takes_rows()));
        run.budget.spent += if is_row { ROW_WEIGHT } else { EVENT_WEIGHT };
        Some(waiting)
    }

    /// Runs an event's handlers from the `next`th on, up to the first that suspends: gives what has to be awaited.
    #[inline]
    fn handle(
        &self,
        py: Python<'_>,
        object: Py<PyEvent>,
        handlers: &HandlerList,
        mut next: usize,
        spare: &mut Option<Spare>,
    ) -> PyResult<Option<Py<PyAny>>> {
        loop {
            let result = match run_handlers(py, &object, handlers, &mut next) {
                Step::Done => break,
                Step::Suspended(awaitable) => first_step(py, awaitable),
                Step::Raised(error) => Err(error),
            };
            match result {
                Ok(None) => {}
                Ok(Some(awaitable)) => {
                    let flight = InFlight::rest(object, handlers.clone(), next);
                    self.bus.get().state.briefly(py).flight = Some(flight);
                    return Ok(Some(awaitable));
                }
                Err(error) => self.failed(py, error, &object)?,
            }
        }
        PyEvent::retire(py, object, spare);
        Ok(None)
    }

    /// Copies the rows of an event that nobody wants as an object.
    #[inline]
    fn gather(&self, py: Python<'_>, waiting: Waiting, handler: &Arc<Handler>) -> PyResult<Option<Py<PyAny>>> {
        match handler.gather_rows(py, waiting.object.get().event(), waiting.sequence) {
            Ok(false) => Ok(None),
            Ok(true) => self.hand_over(py, handler),
            Err(error) => {
                let event = PyEvent::numbered(py, waiting.object, waiting.sequence, &mut None)?;
                self.failed(py, error, &event).map(|()| None)
            }
        }
    }

    /// Hands a batch handler what it has gathered; gives what has to be awaited.
    fn hand_over(&self, py: Python<'_>, handler: &Arc<Handler>) -> PyResult<Option<Py<PyAny>>> {
        let Some(batch) = handler.take_batch(py)? else { return Ok(None) };
        let handed = batch.hand_over(py);
        match handed.and_then(|awaitable| awaitable.map_or(Ok(None), |awaitable| first_step(py, awaitable))) {
            Ok(None) => Ok(None),
            Ok(Some(awaitable)) => {
                self.bus.get().state.briefly(py).batch = Some(batch.last);
                Ok(Some(awaitable))
            }
            Err(error) => self.failed(py, error, &batch.last).map(|()| None),
        }
    }

    /// Hands all batch handlers what has gathered; the end of a drain.
    fn finish_batches(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        loop {
            let next = self.bus.get().state.briefly(py).subscriptions.next_gathering(py);
            let Some(handler) = next else { return Ok(None) };
            if let Some(awaitable) = self.hand_over(py, &handler)? {
                return Ok(Some(awaitable));
            }
        }
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
