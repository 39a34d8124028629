//! Subscriptions, and the loop that calls Python handlers: shared by the bare bus and by every actor's mailbox.
//!
//! The handlers of a type are an immutable list, replaced as a whole when it changes; so a handler may subscribe and
//! unsubscribe while an event is on its way through the old list. One that was taken out meanwhile is not called any more,
//! one that came in sees the next event.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libra_kernel::{Event, EventType, Name};
use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyType};

use crate::event::PyEvent;
use crate::gil::GilCell;

/// What a handler is called with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Event,
    Payload,
    /// A list of events, when the queue is empty or the list is long.
    Batch,
}

/// A batch handler gets at most so many events at once.
const BATCH: usize = 256;

pub struct Handler {
    event_type: EventType,
    call: Py<PyAny>,
    filter: Option<Py<PyAny>>,
    instruments: Box<[Name]>,
    style: Style,
    active: AtomicBool,
    batch: GilCell<Vec<Py<PyEvent>>>,
}

/// The handlers of one event type, as they were when an event was taken up.
pub type HandlerList = Arc<[Arc<Handler>]>;

/// The last event of a batch, and what came of handing the batch over.
pub type Handed = (Py<PyEvent>, PyResult<Option<Py<PyAny>>>);

/// A list of handlers, with what tells whether it is still the right one: so that a run of events of one type does not
/// count references up and down for each.
pub struct Known {
    event_type: EventType,
    version: u64,
    pub handlers: HandlerList,
}

impl Known {
    #[inline]
    pub fn is_current(&self, event_type: EventType, subscriptions: &Subscriptions) -> bool {
        self.event_type == event_type && self.version == subscriptions.version
    }
}

/// Handlers by event type.
pub struct Subscriptions {
    by_type: Vec<HandlerList>,
    by_id: HashMap<String, Arc<Handler>>,
    batches: Arc<[Arc<Handler>]>,
    max_per_type: usize,
    /// Counts changes of the lists.
    version: u64,
}

/// What a subscriber asks for.
pub struct Wanted {
    pub event_type: EventType,
    pub call: Py<PyAny>,
    pub filter: Option<Py<PyAny>>,
    pub instruments: Vec<Name>,
    pub style: Style,
}

impl Subscriptions {
    pub fn new(max_per_type: usize) -> Self {
        let types = EventType::ALL.iter().map(|t| *t as usize).max().unwrap_or(0) + 1;
        let empty: HandlerList = Arc::new([]);
        Subscriptions {
            by_type: vec![empty.clone(); types],
            by_id: HashMap::new(),
            batches: empty,
            max_per_type,
            version: 0,
        }
    }

    pub fn subscribe(&mut self, wanted: Wanted) -> PyResult<String> {
        let list = &mut self.by_type[wanted.event_type as usize];
        if list.len() >= self.max_per_type {
            return Err(PyRuntimeError::new_err(format!(
                "Max handlers ({}) reached for {}",
                self.max_per_type,
                wanted.event_type.name()
            )));
        }
        let handler = Arc::new(Handler {
            event_type: wanted.event_type,
            call: wanted.call,
            filter: wanted.filter,
            instruments: wanted.instruments.into_boxed_slice(),
            style: wanted.style,
            active: AtomicBool::new(true),
            batch: GilCell::new(Vec::new()),
        });
        *list = list.iter().chain([&handler]).cloned().collect();
        self.version += 1;
        if handler.style == Style::Batch {
            self.batches = self.batches.iter().chain([&handler]).cloned().collect();
        }
        let id = uuid4();
        self.by_id.insert(id.clone(), handler);
        Ok(id)
    }

    /// Takes a subscription out. What it gives has to be dropped outside a borrow: the end of a handler may run Python.
    #[must_use]
    pub fn unsubscribe(&mut self, id: &str) -> Option<Arc<Handler>> {
        let handler = self.by_id.remove(id)?;
        self.take_out(&handler);
        Some(handler)
    }

    /// Ids of the subscriptions of `call` to `event_type`. Comparing may run Python code, so the lists come out first.
    pub fn ids_of(&self, py: Python<'_>, event_type: EventType) -> Vec<(String, Py<PyAny>)> {
        let mut ids: Vec<(String, Py<PyAny>)> = (self.by_id.iter())
            .filter(|(_, handler)| handler.event_type == event_type)
            .map(|(id, handler)| (id.clone(), handler.call.clone_ref(py)))
            .collect();
        ids.sort_by(|a, b| a.0.cmp(&b.0));
        ids
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The handlers of a type, with what tells later whether they are still the right ones.
    #[inline]
    pub fn known(&self, event_type: EventType) -> Known {
        Known { event_type, version: self.version, handlers: self.of(event_type) }
    }

    #[inline]
    pub fn of(&self, event_type: EventType) -> HandlerList {
        self.by_type[event_type as usize].clone()
    }

    /// Takes every subscription out, to be dropped outside a borrow.
    #[must_use]
    pub fn take_all(&mut self) -> Vec<Arc<Handler>> {
        let handlers: Vec<Arc<Handler>> = std::mem::take(&mut self.by_id).into_values().collect();
        for handler in &handlers {
            self.take_out(handler);
        }
        handlers
    }

    /// Ids of all subscriptions, in a fixed order.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.by_id.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// What no handler asks for any more, now that `gone` is out.
    pub fn no_longer_wanted(&self, gone: &Handler) -> Vec<(EventType, Name)> {
        let rest = &self.by_type[gone.event_type as usize];
        let wanted = if gone.instruments.is_empty() { &[Name::NONE][..] } else { &gone.instruments };
        let still = |instrument: &Name| {
            rest.iter().any(|handler| match instrument.is_none() {
                true => handler.instruments.is_empty(),
                false => handler.instruments.contains(instrument),
            })
        };
        wanted.iter().filter(|instrument| !still(instrument)).map(|i| (gone.event_type, *i)).collect()
    }

    /// Takes what batch handlers have gathered and not been given.
    #[must_use]
    pub fn take_gathered(&self, py: Python<'_>) -> Vec<Py<PyEvent>> {
        self.batches.iter().flat_map(|handler| std::mem::take(&mut *handler.batch.borrow(py))).collect()
    }

    /// Shows the garbage collector every handler and filter.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        for handler in self.by_id.values() {
            visit.call(&handler.call)?;
            visit.call(&handler.filter)?;
        }
        Ok(())
    }

    /// The batch handlers, whose lists have to be handed over when the queue is empty.
    pub fn batch_handlers(&self) -> Arc<[Arc<Handler>]> {
        self.batches.clone()
    }

    fn take_out(&mut self, handler: &Arc<Handler>) {
        handler.active.store(false, Ordering::Relaxed);
        self.version += 1;
        let without = |list: &HandlerList| list.iter().filter(|other| !Arc::ptr_eq(other, handler)).cloned().collect();
        let list = &mut self.by_type[handler.event_type as usize];
        *list = without(list);
        self.batches = without(&self.batches);
    }
}

/// An event on its way through its handlers.
pub struct InFlight {
    pub event: Py<PyEvent>,
    pub handlers: Known,
    next: usize,
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

impl InFlight {
    #[inline]
    pub fn new(py: Python<'_>, event: Event, handlers: HandlerList) -> PyResult<Self> {
        let handlers = Known { event_type: event.event_type, version: 0, handlers };
        Ok(InFlight::with_object(Py::new(py, PyEvent::from(event))?, handlers))
    }

    /// As `new`, for an event that has its object already.
    #[inline]
    pub fn with_object(event: Py<PyEvent>, handlers: Known) -> Self {
        InFlight { event, handlers, next: 0 }
    }

    /// Runs the handlers that are left, up to the first that suspends or raises. It may be called again after either.
    #[inline]
    pub fn run(&mut self, py: Python<'_>) -> Step {
        while let Some(handler) = self.handlers.handlers.get(self.next) {
            self.next += 1;
            match handler.call(py, &self.event) {
                Ok(None) => {}
                Ok(Some(awaitable)) => return Step::Suspended(awaitable),
                Err(error) => return Step::Raised(error),
            }
        }
        Step::Done
    }
}

impl Handler {
    /// Calls the handler, if the event passes its filters; gives what has to be awaited.
    #[inline]
    fn call(&self, py: Python<'_>, event: &Py<PyEvent>) -> PyResult<Option<Py<PyAny>>> {
        if !self.active.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if !self.instruments.is_empty() && !self.instruments.contains(&event.get().event.instrument) {
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
            Style::Batch => {
                let full = {
                    let mut batch = self.batch.borrow(py);
                    batch.push(event.clone_ref(py));
                    batch.len() >= BATCH
                };
                let handed = if full { self.hand_over(py) } else { None };
                handed.map_or(Ok(None), |(_, result)| result)
            }
        }
    }

    /// Gives a batch handler what has gathered, if something has: the last event, and what came of it.
    pub fn hand_over(&self, py: Python<'_>) -> Option<Handed> {
        let batch = std::mem::take(&mut *self.batch.borrow(py));
        let last = batch.last()?.clone_ref(py);
        if !self.active.load(Ordering::Relaxed) {
            return None;
        }
        let list = PyList::new(py, batch).map(|list| list.into_any().unbind());
        let result = list.and_then(|list| call_one(py, &self.call, &list)).and_then(|result| awaitable(py, result));
        Some((last, result))
    }
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

fn uuid4() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
