//! The bare message bus: four lanes, subscriptions and dispatch. Its asyncio side is `libra.core.message_bus`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use libra_kernel::mailbox::{Capacity, Mailbox, Offer};
use libra_kernel::wake::Waker;
use libra_kernel::{Event, Name};
use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::enums;
use crate::event::PyEvent;
use crate::gil::GilCell;
use crate::handlers::{InFlight, Step, Style, Subscriptions, Wanted, is_plain_exception};

/// A drain gives the loop back after so many events...
const DRAIN_EVENTS: usize = 256;
/// ...or after so long, looked at every few events.
const DRAIN_TIME: Duration = Duration::from_micros(250);
const LOOK_AT_CLOCK_EVERY: usize = 32;

struct State {
    mailbox: Mailbox,
    subscriptions: Subscriptions,
    flight: Option<InFlight>,
    /// Handlers are running: an event that is published now needs no wake-up.
    draining: bool,
    accepting: bool,
    sequence: u64,
    published: u64,
    dispatched: u64,
    errors: u64,
}

#[pyclass(frozen, subclass, module = "libra_core")]
pub struct BusCore {
    state: GilCell<State>,
    waker: Arc<Waker>,
}

#[pymethods]
impl BusCore {
    #[new]
    #[pyo3(signature = (*, max_queue_size=100_000, max_handlers_per_type=100))]
    fn new(max_queue_size: usize, max_handlers_per_type: usize) -> PyResult<Self> {
        if max_queue_size == 0 || max_handlers_per_type == 0 {
            return Err(PyValueError::new_err("max_queue_size and max_handlers_per_type have to be at least 1"));
        }
        let waker = Waker::new().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let state = State {
            mailbox: Mailbox::new(Capacity::Shared(max_queue_size)),
            subscriptions: Subscriptions::new(max_handlers_per_type),
            flight: None,
            draining: false,
            accepting: true,
            sequence: 0,
            published: 0,
            dispatched: 0,
            errors: 0,
        };
        Ok(BusCore { state: GilCell::new(state), waker: Arc::new(waker) })
    }

    /// Publishes without awaiting: False when the queue is full or the bus is stopping.
    fn emit(&self, py: Python<'_>, event: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(event) = event.cast::<PyEvent>() else {
            return Err(PyTypeError::new_err(format!("an Event is published, not {}", event.repr()?)));
        };
        let mut event = event.get().event.clone();
        let mut state = self.state.borrow(py);
        if !state.accepting {
            return Ok(false);
        }
        event.sequence = state.sequence + 1;
        if state.mailbox.offer(event) == Offer::Refused {
            return Ok(false);
        }
        state.sequence += 1;
        state.published += 1;
        let awake = state.draining;
        drop(state);
        if !awake {
            self.waker.notify();
        }
        Ok(true)
    }

    #[pyo3(signature = (event_type, handler, filter_fn=None, *, instruments=Vec::new(), batch=false))]
    fn subscribe(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        handler: &Bound<'_, PyAny>,
        filter_fn: Option<Py<PyAny>>,
        instruments: Vec<String>,
        batch: bool,
    ) -> PyResult<String> {
        if !handler.is_callable() {
            return Err(PyTypeError::new_err(format!("a handler has to be callable, not {}", handler.repr()?)));
        }
        let wanted = Wanted {
            event_type: enums::event_type_of(event_type)?,
            call: handler.clone().unbind(),
            filter: filter_fn,
            instruments: instruments.iter().map(|name| Name::intern(name)).collect(),
            style: if batch { Style::Batch } else { Style::Event },
        };
        self.state.borrow(py).subscriptions.subscribe(wanted)
    }

    fn unsubscribe(&self, py: Python<'_>, subscription_id: &str) -> bool {
        let handler = self.state.borrow(py).subscriptions.unsubscribe(subscription_id);
        handler.is_some()
    }

    /// Takes out every subscription of `handler` to `event_type`.
    fn unsubscribe_handler(&self, event_type: &Bound<'_, PyAny>, handler: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = handler.py();
        let candidates = self.state.borrow(py).subscriptions.ids_of(py, enums::event_type_of(event_type)?);
        let mut found = false;
        for (id, call) in candidates {
            // Two bound methods of one object are equal, not identical.
            if call.bind(py).eq(handler)? {
                let handler = self.state.borrow(py).subscriptions.unsubscribe(&id);
                found |= handler.is_some();
            }
        }
        Ok(found)
    }

    #[getter]
    fn queue_size(&self, py: Python<'_>) -> usize {
        self.state.borrow(py).mailbox.len()
    }

    #[getter]
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (published, dispatched, pending, errors, handlers) = {
            let state = self.state.borrow(py);
            (state.published, state.dispatched, state.mailbox.len(), state.errors, state.subscriptions.len())
        };
        let stats = PyDict::new(py);
        stats.set_item("published", published)?;
        stats.set_item("dispatched", dispatched)?;
        stats.set_item("pending", pending)?;
        stats.set_item("errors", errors)?;
        stats.set_item("handlers", handlers)?;
        Ok(stats)
    }

    /// The descriptor that becomes readable when the bus has work and its loop sleeps.
    fn _fileno(&self) -> i32 {
        self.waker.fd()
    }

    /// Takes events in (True), or refuses them from now on (False).
    fn _accept(&self, py: Python<'_>, accepting: bool) {
        self.state.borrow(py).accepting = accepting;
        self.waker.signal();
    }

    fn _accepts(&self, py: Python<'_>) -> bool {
        self.state.borrow(py).accepting
    }

    /// True when the loop may sleep: nothing waits, and whoever publishes next wakes it.
    fn _park(&self, py: Python<'_>) -> bool {
        self.waker.park(|| self.state.borrow(py).mailbox.is_empty())
    }

    fn _unpark(&self) {
        self.waker.unpark();
    }

    fn _count_error(&self, py: Python<'_>) {
        self.state.borrow(py).errors += 1;
    }

    /// Throws away what waits; gives the number of events.
    fn _abandon(&self, py: Python<'_>) -> usize {
        let (flight, events) = {
            let mut state = self.state.borrow(py);
            let events: Vec<Event> = std::iter::from_fn(|| state.mailbox.pop()).collect();
            (state.flight.take(), events)
        };
        drop(flight);
        events.len()
    }

    /// An iterator that runs sync handlers and yields what async ones want awaited, for at most one budget of events.
    fn _drain(slf: Py<Self>) -> Drain {
        Drain { bus: slf, started: Instant::now(), events: GilCell::new(0) }
    }

    /// The event whose handlers are running.
    fn _current(&self, py: Python<'_>) -> Option<Py<PyEvent>> {
        self.state.borrow(py).flight.as_ref().map(|flight| flight.event.clone_ref(py))
    }
}

#[pyclass(frozen)]
pub struct Drain {
    bus: Py<BusCore>,
    started: Instant,
    events: GilCell<usize>,
}

#[pymethods]
impl Drain {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let bus = self.bus.get();
        let interrupted = bus.state.borrow(py).flight.take();
        let result = self.run(py, interrupted);
        bus.state.borrow(py).draining = false;
        result
    }
}

impl Drain {
    fn run(&self, py: Python<'_>, mut interrupted: Option<InFlight>) -> PyResult<Option<Py<PyAny>>> {
        let state = &self.bus.get().state;
        loop {
            let mut flight = match interrupted.take() {
                Some(flight) => flight,
                None => {
                    let mut state = state.borrow(py);
                    state.draining = true;
                    let mut events = self.events.borrow(py);
                    if *events >= DRAIN_EVENTS
                        || (*events % LOOK_AT_CLOCK_EVERY == LOOK_AT_CLOCK_EVERY - 1
                            && self.started.elapsed() >= DRAIN_TIME)
                    {
                        drop((state, events));
                        return self.finish_batches(py);
                    }
                    let Some(event) = state.mailbox.pop() else {
                        drop((state, events));
                        return self.finish_batches(py);
                    };
                    *events += 1;
                    state.dispatched += 1;
                    let handlers = state.subscriptions.of(event.event_type);
                    drop((state, events));
                    if handlers.is_empty() {
                        // A payload may be a Python object, whose finaliser may come back here: dropped outside a borrow.
                        drop(event);
                        continue;
                    }
                    InFlight::new(py, event, handlers)?
                }
            };
            match flight.run(py) {
                Step::Done => {}
                Step::Suspended(awaitable) => {
                    state.borrow(py).flight = Some(flight);
                    return Ok(Some(awaitable));
                }
                Step::Raised(error) => {
                    self.failed(py, error, Some(&flight.event))?;
                    interrupted = Some(flight);
                }
            }
        }
    }

    /// Hands the batch handlers what has gathered; the end of a drain.
    fn finish_batches(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let batches = self.bus.get().state.borrow(py).subscriptions.batch_handlers();
        for handler in batches.iter() {
            match handler.hand_over(py) {
                Ok(None) => {}
                Ok(Some(awaitable)) => return Ok(Some(awaitable)),
                Err(error) => self.failed(py, error, None)?,
            }
        }
        Ok(None)
    }

    fn failed(&self, py: Python<'_>, error: PyErr, event: Option<&Py<PyEvent>>) -> PyResult<()> {
        if !is_plain_exception(py, &error) {
            return Err(error);
        }
        let event = event.map(|event| event.clone_ref(py));
        self.bus.bind(py).call_method1("_failed", (error.into_value(py), event)).map(|_| ())
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BusCore>()
}
