//! The calls of Python handlers: shared by the bare bus and by every actor's mailbox. Who is called is said by
//! [`subscriptions`](crate::subscriptions).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use libra_kernel::{Event, EventType, Name};
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyType};

use crate::block::{Kind, Rows};
use crate::event::PyEvent;
use crate::gil::GilCell;
use crate::subscriptions::{Gathering, HandlerList};

/// What may be a handler. TypeError for what cannot be called: at once, not with its first event.
pub fn callable(handler: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    if !handler.is_callable() {
        return Err(PyTypeError::new_err(format!("a handler has to be callable, not {}", handler.repr()?)));
    }
    Ok(handler.clone().unbind())
}

/// What a handler is called with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Event,
    Payload,
    /// A list of events, when nothing more waits or the list is long.
    List,
    /// A NumPy block of rows, when nothing more waits or the block is long.
    Block(Kind),
}

/// A batch handler gets at most so many events at once.
pub const BATCH: usize = 256;

/// What a call looks at comes first, within the bytes of a cache line: of ten thousand handlers each call meets another.
#[repr(C)]
pub struct Handler {
    active: AtomicBool,
    pub style: Style,
    pub event_type: EventType,
    pub call: Py<PyAny>,
    pub filter: Option<Py<PyAny>>,
    batch: Box<GilCell<Batch>>,
    /// The list of those that have gathered something. (It holds handlers: they do not hold it.)
    gathering: Weak<Gathering>,
    pub instruments: Box<[Name]>,
    /// It asked for what its actor owns alone.
    pub own: bool,
    /// Its place in the order of subscription.
    pub order: u64,
}

/// What a batch handler has gathered and not been given yet.
enum Batch {
    List(Vec<Py<PyEvent>>),
    Block(Rows),
}

impl Batch {
    fn new(style: Style) -> Self {
        match style {
            Style::Block(kind) => Batch::Block(Rows::new(kind)),
            _ => Batch::List(Vec::new()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Batch::List(events) => events.is_empty(),
            Batch::Block(rows) => rows.events() == 0,
        }
    }
}

/// An event on its way through its handlers.
pub struct InFlight {
    pub event: Py<PyEvent>,
    pub handlers: HandlerList,
    pub next: usize,
    /// When its handlers began, where that is noted.
    pub began_ns: Option<i64>,
    /// A batch that ends with the event, to be handed over before its handlers run.
    batch: Option<Gathered>,
}

/// What came of running handlers.
pub enum Step {
    /// All handlers of the event have run.
    Done,
    /// An async handler was called; what it gave has to be awaited before the next handler runs.
    Suspended(Py<PyAny>),
    /// A handler raised.
    Raised(PyErr),
}

/// A batch on its way to its handler.
pub struct Gathered {
    handler: Arc<Handler>,
    /// The last event of it; of a block without its payload.
    pub last: Py<PyEvent>,
    argument: Py<PyAny>,
}

impl Gathered {
    /// Calls the handler; gives what has to be awaited.
    pub fn hand_over(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        awaitable(py, call_one(py, &self.handler.call, &self.argument)?)
    }
}

impl InFlight {
    #[inline]
    pub fn new(py: Python<'_>, event: Event, handlers: HandlerList) -> PyResult<Self> {
        Ok(InFlight::rest(Py::new(py, PyEvent::from(event))?, handlers, 0))
    }

    /// An event whose handlers have run up to the `next`th.
    pub fn rest(event: Py<PyEvent>, handlers: HandlerList, next: usize) -> Self {
        InFlight { event, handlers, next, began_ns: None, batch: None }
    }

    /// A batch, which is handed over as an event is.
    pub fn of_batch(py: Python<'_>, batch: Gathered) -> Self {
        InFlight {
            event: batch.last.clone_ref(py),
            handlers: HandlerList::default(),
            next: 0,
            began_ns: None,
            batch: Some(batch),
        }
    }

    /// Runs the handlers that are left, up to the first that suspends or raises. It may be called again after either.
    #[inline]
    pub fn run(&mut self, py: Python<'_>) -> Step {
        if let Some(batch) = self.batch.take() {
            match batch.hand_over(py) {
                Ok(None) => {}
                Ok(Some(awaitable)) => return Step::Suspended(awaitable),
                Err(error) => return Step::Raised(error),
            }
        }
        run_handlers(py, &self.event, &self.handlers, &mut self.next)
    }
}

/// Runs an event's handlers from the `next`th on, up to the first that suspends or raises. It may be called again after
/// either.
#[inline]
pub fn run_handlers(py: Python<'_>, event: &Py<PyEvent>, handlers: &HandlerList, next: &mut usize) -> Step {
    while let Some(handler) = handlers.get(*next) {
        *next += 1;
        match handler.call(py, event) {
            Ok(None) => {}
            Ok(Some(awaitable)) => return Step::Suspended(awaitable),
            Err(error) => return Step::Raised(error),
        }
    }
    Step::Done
}

impl Handler {
    pub fn new(wanted: Wanted, order: u64, gathering: Weak<Gathering>) -> Self {
        Handler {
            event_type: wanted.event_type,
            call: wanted.call,
            filter: wanted.filter,
            instruments: wanted.instruments.into_boxed_slice(),
            own: wanted.own,
            style: wanted.style,
            order,
            active: AtomicBool::new(true),
            batch: Box::new(GilCell::new(Batch::new(wanted.style))),
            gathering,
        }
    }

    /// Calls the handler, if the event passes its filter; gives what has to be awaited.
    #[inline]
    fn call(self: &Arc<Self>, py: Python<'_>, event: &Py<PyEvent>) -> PyResult<Option<Py<PyAny>>> {
        if !self.active.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if let Some(filter) = &self.filter
            && !call_one(py, filter, event.as_any())?.bind(py).is_truthy()?
        {
            return Ok(None);
        }
        match self.style {
            Style::Event => awaitable(py, call_one(py, &self.call, event.as_any())?),
            Style::Payload => {
                let payload = event.get().payload_object(py)?;
                awaitable(py, call_one(py, &self.call, &payload)?)
            }
            Style::List | Style::Block(_) => {
                let is_full = match self.style {
                    Style::List => self.gather_object(py, event),
                    _ => self.gather_rows(py, event.get().event(), event.get().sequence)?,
                };
                match if is_full { self.take_batch(py)? } else { None } {
                    Some(gathered) => gathered.hand_over(py),
                    None => Ok(None),
                }
            }
        }
    }

    fn gather_object(self: &Arc<Self>, py: Python<'_>, event: &Py<PyEvent>) -> bool {
        let mut batch = self.batch.briefly(py);
        let Batch::List(events) = &mut *batch else { return false };
        events.push(event.clone_ref(py));
        let count = events.len();
        drop(batch);
        self.has_gathered(py, count)
    }

    /// Takes an event's rows into the block; true when that is long enough to be handed over. TypeError for a payload that
    /// has no rows.
    #[inline]
    pub fn gather_rows(self: &Arc<Self>, py: Python<'_>, event: &Event, sequence: u64) -> PyResult<bool> {
        if !self.active.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let count = {
            let mut batch = self.batch.briefly(py);
            let Batch::Block(rows) = &mut *batch else { return Ok(false) };
            rows.push(event, sequence)?;
            rows.events()
        };
        Ok(self.has_gathered(py, count))
    }

    #[inline]
    fn has_gathered(self: &Arc<Self>, py: Python<'_>, count: usize) -> bool {
        if count == 1
            && let Some(gathering) = self.gathering.upgrade()
        {
            gathering.briefly(py).push_back(self.clone());
        }
        count >= BATCH
    }

    /// Takes out what a batch handler has gathered, to be handed over: `None` where nothing has, or it is not called any
    /// more.
    pub fn take_batch(self: &Arc<Self>, py: Python<'_>) -> PyResult<Option<Gathered>> {
        let batch = std::mem::replace(&mut *self.batch.briefly(py), Batch::new(self.style));
        if let Some(gathering) = self.gathering.upgrade() {
            // Whoever calls holds the handler as well: this is not its end.
            gathering.briefly(py).retain(|other| !Arc::ptr_eq(other, self));
        }
        if batch.is_empty() || !self.active.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let (last, argument) = match batch {
            Batch::List(events) => {
                let Some(last) = events.last().map(|last| last.clone_ref(py)) else { return Ok(None) };
                (last, PyList::new(py, events)?.into_any().unbind())
            }
            Batch::Block(mut rows) => {
                let Some(last) = rows.last_event() else { return Ok(None) };
                let array = rows.to_array(py)?;
                rows.clear();
                *self.batch.briefly(py) = Batch::Block(rows);
                (Py::new(py, last)?, array)
            }
        };
        Ok(Some(Gathered { handler: self.clone(), last, argument }))
    }

    /// Takes what has gathered and will not be handed over: the numbers of its events. Objects are dropped by the caller.
    #[must_use]
    pub fn take_gathered(&self, py: Python<'_>) -> (Vec<Py<PyEvent>>, Vec<u64>) {
        match std::mem::replace(&mut *self.batch.briefly(py), Batch::new(self.style)) {
            Batch::List(events) => {
                let numbers = events.iter().map(|event| event.get().sequence).collect();
                (events, numbers)
            }
            Batch::Block(rows) => (Vec::new(), rows.sequences()),
        }
    }

    /// From now on it is not called any more.
    pub fn retire(&self) {
        self.active.store(false, Ordering::Relaxed);
    }

    /// True when an event needs no object for this handler: its rows are copied from the event itself.
    pub fn takes_rows(&self) -> bool {
        matches!(self.style, Style::Block(_)) && self.filter.is_none()
    }
}

/// What a subscriber asks for.
pub struct Wanted {
    pub event_type: EventType,
    pub call: Py<PyAny>,
    pub filter: Option<Py<PyAny>>,
    pub instruments: Vec<Name>,
    pub own: bool,
    pub style: Style,
}

/// What a handler returned, if it has to be awaited.
#[inline]
fn awaitable(py: Python<'_>, result: Py<PyAny>) -> PyResult<Option<Py<PyAny>>> {
    if result.is_none(py) {
        return Ok(None);
    }
    // As `await` itself does, it looks at the type and not into the object.
    // SAFETY: the object is live, so its type and the type's tables are.
    let can_be_awaited = unsafe {
        let methods = (*ffi::Py_TYPE(result.as_ptr())).tp_as_async;
        !methods.is_null() && (*methods).am_await.is_some()
    };
    Ok(can_be_awaited.then_some(result))
}

/// `call(argument)` by vectorcall.
#[inline]
fn call_one(py: Python<'_>, call: &Py<PyAny>, argument: &Py<PyAny>) -> PyResult<Py<PyAny>> {
    // SAFETY: both objects are live and borrowed for the call; it gives a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyObject_CallOneArg(call.as_ptr(), argument.as_ptr())) }
        .map(Bound::unbind)
}

/// True for what a bus or a supervisor deals with; false for what must end the program, such as `KeyboardInterrupt`.
/// A handler that raises `CancelledError` while it is called, not while it is awaited, met something else's cancellation.
pub fn is_plain_exception(py: Python<'_>, error: &PyErr) -> bool {
    static CANCELLED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    error.is_instance_of::<PyException>(py)
        || CANCELLED
            .import(py, "asyncio", "CancelledError")
            .is_ok_and(|cancelled| error.matches(py, cancelled).unwrap_or(false))
}
