//! The bare message bus: four lanes, subscriptions and dispatch. Its asyncio side is `libra.core.message_bus`.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_ulong};

use libra_kernel::wake::Waker;
use libra_kernel::{EventType, Name};
use pyo3::Borrowed;
use pyo3::exceptions::{PyOSError, PyOverflowError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::type_object::PyTypeInfo;
use pyo3::types::{PyDict, PyType};

use crate::block;
use crate::done::done;
use crate::drain::Drain;
use crate::enums;
use crate::event::{PyEvent, Spare};
use crate::gil::GilCell;
use crate::handlers::{InFlight, Style, Wanted, callable};
use crate::queue::{Queue, Waiting};
use crate::subscriptions::Subscriptions;

pub struct State {
    pub queue: Queue,
    pub subscriptions: Subscriptions,
    /// The event whose handlers are suspended.
    pub flight: Option<InFlight>,
    /// The last event of a batch whose handler is suspended.
    pub batch: Option<Py<PyEvent>>,
    /// An event object that nobody holds any more, to be used again.
    pub spare: Option<Spare>,
    /// The loop sleeps: whoever publishes next wakes it. Every producer of a bare bus holds the GIL, so a plain flag does.
    parked: bool,
    /// What wakes the loop from its own thread, and that thread.
    wake: Option<(c_ulong, Py<PyAny>)>,
    pub accepting: bool,
    /// Events that were accepted; the number of the last one.
    published: u64,
    pub dispatched: u64,
    errors: u64,
}

#[pyclass(frozen, subclass, module = "libra_core")]
pub struct BusCore {
    pub state: GilCell<State>,
    waker: Waker,
}

#[pymethods]
impl BusCore {
    #[new]
    #[pyo3(signature = (*, max_queue_size=100_000, max_handlers_per_type=100))]
    fn new(
        #[pyo3(from_py_with = max_queue_size)] max_queue_size: usize,
        #[pyo3(from_py_with = max_handlers_per_type)] max_handlers_per_type: usize,
    ) -> PyResult<Self> {
        let waker = Waker::new().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let state = State {
            queue: Queue::new(max_queue_size),
            subscriptions: Subscriptions::new(max_handlers_per_type),
            flight: None,
            batch: None,
            spare: None,
            parked: false,
            wake: None,
            accepting: true,
            published: 0,
            dispatched: 0,
            errors: 0,
        };
        Ok(BusCore { state: GilCell::new(state), waker })
    }

    #[pyo3(signature = (event_type, handler, filter_fn=None, *, instruments=Vec::new(), batch=None))]
    fn subscribe(
        &self,
        py: Python<'_>,
        event_type: &Bound<'_, PyAny>,
        handler: &Bound<'_, PyAny>,
        filter_fn: Option<Py<PyAny>>,
        instruments: Vec<String>,
        batch: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let call = callable(handler)?;
        let event_type = enums::event_type_of(event_type)?;
        let style = batch_style(py, event_type, batch)?.unwrap_or(Style::Event);
        let wanted = Wanted {
            event_type,
            call,
            filter: filter_fn,
            instruments: instruments.iter().map(|name| Name::intern(name)).collect(),
            own: false,
            style,
        };
        self.state.borrow(py).subscriptions.subscribe(wanted)
    }

    fn unsubscribe(&self, py: Python<'_>, subscription_id: &str) -> bool {
        let handler = self.state.borrow(py).subscriptions.unsubscribe(py, subscription_id);
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
                let handler = self.state.borrow(py).subscriptions.unsubscribe(py, &id);
                found |= handler.is_some();
            }
        }
        Ok(found)
    }

    #[getter]
    fn queue_size(&self, py: Python<'_>) -> usize {
        self.state.borrow(py).queue.len()
    }

    #[getter]
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (published, dispatched, pending, errors, handlers) = {
            let state = self.state.borrow(py);
            (state.published, state.dispatched, state.queue.len(), state.errors, state.subscriptions.len())
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

    /// The loop of this thread runs the bus from now on: `wake` wakes it. None when it has ended.
    fn _wake_by(&self, py: Python<'_>, wake: Option<Py<PyAny>>) {
        // SAFETY: it has no preconditions.
        let thread = unsafe { ffi::PyThread_get_thread_ident() };
        let wake = wake.map(|wake| (thread, wake));
        let previous = std::mem::replace(&mut self.state.briefly(py).wake, wake);
        drop(previous);
    }

    /// True when the loop may sleep: nothing waits, and whoever publishes next wakes it.
    fn _park(&self, py: Python<'_>) -> bool {
        let mut state = self.state.borrow(py);
        state.parked = self.waker.park(|| state.queue.len() == 0);
        state.parked
    }

    fn _unpark(&self, py: Python<'_>) {
        self.state.borrow(py).parked = false;
        self.waker.unpark();
    }

    fn _count_error(&self, py: Python<'_>) {
        self.state.borrow(py).errors += 1;
    }

    /// Throws away what waits and what batch handlers have gathered; gives the number of events.
    fn _abandon(&self, py: Python<'_>) -> usize {
        // What is taken out is dropped outside the borrow: the end of a payload may run Python.
        let (waiting, (_objects, gathered), _flight) = {
            let mut state = self.state.borrow(py);
            let gathered = state.subscriptions.take_gathered(py);
            (state.queue.take_all(), gathered, (state.flight.take(), state.batch.take()))
        };
        waiting.len() + gathered.into_iter().collect::<BTreeSet<u64>>().len()
    }

    /// An iterator that runs sync handlers and yields what async ones want awaited, for at most one budget of events.
    fn _drain(slf: Bound<'_, Self>) -> Drain {
        Drain::new(slf.py(), slf.unbind())
    }

    /// The event whose handlers are running.
    fn _current(&self, py: Python<'_>) -> Option<Py<PyEvent>> {
        let state = self.state.borrow(py);
        state.flight.as_ref().map(|flight| &flight.event).or(state.batch.as_ref()).map(|event| event.clone_ref(py))
    }

    /// Handlers often belong to what owns the bus, and what waits may lead there: the garbage collector has to see that cycle.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.state.peek() {
            Some(state) => {
                if let Some((_, wake)) = &state.wake {
                    visit.call(wake)?;
                }
                state.queue.traverse(&visit)?;
                state.subscriptions.traverse(&visit)
            }
            None => Ok(()),
        }
    }

    fn __clear__(&self) {
        let held = Python::attach(|py| {
            let mut state = self.state.borrow(py);
            (state.subscriptions.take_all(py), state.wake.take(), state.queue.take_all())
        });
        drop(held);
    }
}

impl BusCore {
    /// True when the event waits now; `None` should the state be borrowed, which no caller from Python can bring about.
    #[inline]
    fn take_in(&self, event: Borrowed<'_, '_, PyEvent>) -> Option<bool> {
        let py = event.py();
        let mut state = self.state.try_briefly(py)?;
        if !state.accepting || state.queue.is_full() {
            return Some(false);
        }
        state.published += 1;
        let (lane, sequence) = (event.get().event().lane(), state.published);
        state.queue.push(lane, Waiting { object: event.to_owned().unbind(), sequence });
        if std::mem::take(&mut state.parked) {
            let wake = state.wake.as_ref().map(|(thread, wake)| (*thread, wake.clone_ref(py)));
            drop(state);
            self.wake_up(wake);
        }
        Some(true)
    }
}

impl BusCore {
    /// Wakes the loop that sleeps: on its own thread by a callback, which it takes up in its next turn, from others
    /// through the descriptor.
    #[cold]
    fn wake_up(&self, wake: Option<(c_ulong, Py<PyAny>)>) {
        // SAFETY: it has no preconditions.
        let here = unsafe { ffi::PyThread_get_thread_ident() };
        match wake {
            Some((thread, wake)) if thread == here => Python::attach(|py| {
                if let Err(error) = wake.call0(py) {
                    error.write_unraisable(py, None);
                }
                drop(wake);
            }),
            elsewhere => {
                self.waker.signal();
                Python::attach(|_| drop(elsewhere));
            }
        }
    }
}

#[cold]
fn no_event(given: &Bound<'_, PyAny>) -> PyErr {
    match given.repr() {
        Ok(given) => PyTypeError::new_err(format!("an Event is published, not {given}")),
        Err(error) => error,
    }
}

#[cold]
fn in_use() -> PyErr {
    PyRuntimeError::new_err("the bus is in use further up this call")
}

/// `emit` and `publish` are bound by hand, since they are called for every event: what PyO3 does for any method (counting
/// attachments, parsing arguments, catching panics) would be half of what they cost. Nothing in
/// them panics, and what they drop they drop attached.
///
/// # Safety
/// The method of `BusCore`: `bus` is a live one, as the method's descriptor has checked; `event` is any live object. The
/// interpreter holds the GIL.
unsafe extern "C" fn emit(bus: *mut ffi::PyObject, event: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as this function's own; True and False are live as long as the interpreter.
    unsafe {
        match taken(bus, event) {
            Some(true) => ffi::Py_NewRef(ffi::Py_True()),
            Some(false) => ffi::Py_NewRef(ffi::Py_False()),
            None => std::ptr::null_mut(),
        }
    }
}

/// # Safety
/// As `emit`.
unsafe extern "C" fn publish(bus: *mut ffi::PyObject, event: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as this function's own. What `done` gives is handed on.
    unsafe {
        let Some(taken) = taken(bus, event) else { return std::ptr::null_mut() };
        match done(Python::assume_attached(), taken) {
            Ok(awaitable) => awaitable.into_ptr(),
            Err(error) => {
                Python::attach(|py| error.restore(py));
                std::ptr::null_mut()
            }
        }
    }
}

/// True when the event waits now, false when it was refused; `None` with an exception set.
///
/// # Safety
/// As `emit`.
#[inline]
unsafe fn taken(bus: *mut ffi::PyObject, event: *mut ffi::PyObject) -> Option<bool> {
    // SAFETY: see `emit`; the event is cast only where it is one (the class has no subclasses).
    unsafe {
        let py = Python::assume_attached();
        if ffi::Py_TYPE(event) != PyEvent::type_object_raw(py) {
            Python::attach(|py| no_event(&Bound::from_borrowed_ptr(py, event)).restore(py));
            return None;
        }
        let bus = Borrowed::from_ptr(py, bus).cast_unchecked::<BusCore>();
        let taken = bus.get().take_in(Borrowed::from_ptr(py, event).cast_unchecked::<PyEvent>());
        if taken.is_none() {
            Python::attach(|py| in_use().restore(py));
        }
        taken
    }
}

fn max_queue_size(given: &Bound<'_, PyAny>) -> PyResult<usize> {
    limit("max_queue_size", given)
}

fn max_handlers_per_type(given: &Bound<'_, PyAny>) -> PyResult<usize> {
    limit("max_handlers_per_type", given)
}

/// A limit of a bus. TypeError for what is no integer.
fn limit(name: &str, given: &Bound<'_, PyAny>) -> PyResult<usize> {
    match given.extract::<usize>() {
        Ok(limit) if limit != 0 => Ok(limit),
        Err(error) if !error.is_instance_of::<PyOverflowError>(given.py()) => Err(error),
        // Also what no machine word holds, negative numbers among it.
        _ => Err(PyValueError::new_err(format!(
            "{name} is how many there may be: from 1 to {}, not {}",
            usize::MAX,
            given.repr()?
        ))),
    }
}

/// Makes `emit` and `publish` methods of the class.
fn bind_by_hand(class: &Bound<'_, PyType>) -> PyResult<()> {
    let method = |name: &'static CStr, call, doc: &'static CStr| {
        // The descriptor keeps a pointer to it: it lives as long as that, which is for ever.
        let definition = Box::leak(Box::new(ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: call },
            ml_flags: ffi::METH_O,
            ml_doc: doc.as_ptr(),
        }));
        // SAFETY: the class is live, the definition static, and the functions have the signature of METH_O.
        unsafe {
            let descriptor = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
            Bound::from_owned_ptr_or_err(class.py(), descriptor)
        }
    };
    let doc = c"emit($self, event, /)\n--\n\n\
        Put an event into its lane at once, without awaiting; False when the bus is full or stopping.";
    class.setattr("emit", method(c"emit", emit, doc)?)?;
    let doc = c"publish($self, event, /)\n--\n\n\
        Put an event into its lane; False when the bus is full or stopping. Before `start` it waits there.\n\n\
        The event is in its lane when the call returns: what is left to be awaited is the answer.";
    class.setattr("publish", method(c"publish", publish, doc)?)
}

/// What `batch` of a subscription asks for: a list of events (True) or a NumPy block; `None` where it asks for neither.
pub fn batch_style(py: Python<'_>, event_type: EventType, batch: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Style>> {
    let Some(batch) = batch.filter(|batch| !batch.is_none()) else { return Ok(None) };
    if let Ok(is_list) = batch.extract::<bool>() {
        return Ok(is_list.then_some(Style::List));
    }
    if batch.extract::<&str>().is_ok_and(|word| word == "block") {
        return block::wanted(py, event_type).map(|kind| Some(Style::Block(kind)));
    }
    Err(PyTypeError::new_err(format!("batch is True, False or \"block\", not {}", batch.repr()?)))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BusCore>()?;
    bind_by_hand(&module.py().get_type::<BusCore>())
}
