//! Python's `Event`: a frozen view of the kernel's.

use libra_kernel::{Event, Name, Payload, clock, ids};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::{PyDateTime, PyString, PyTzInfo};

use crate::enums;
use crate::gil::GilOnce;
use crate::names;
use crate::payload::{self, PyPayload};

/// An event as Python holds it. A bus that takes one up gives its handlers another view of it, with the bus's number; or
/// the object itself, where nobody but the queue holds it any more.
#[pyclass(frozen, immutable_type, name = "Event", module = "libra.core.events")]
pub struct PyEvent {
    /// The payload as a Python object, once it was asked for. It goes before what it was made of: the end of that object is
    /// its publisher's.
    payload: GilOnce<Py<PyAny>>,
    /// The event; a view's base has it.
    own: Option<Event>,
    /// The object that this is a view of: itself no view.
    base: Option<Py<PyEvent>>,
    /// The number that this view shows; the event's own is of no interest.
    pub sequence: u64,
    /// `payload` is all of the event's payload, and was there from the start; it becomes a payload of the kernel only where
    /// a node needs one.
    is_object: bool,
}

/// The object of a view that is over, to be used again. Nobody sees it meanwhile.
pub struct Spare(Py<PyEvent>);

impl From<Event> for PyEvent {
    fn from(event: Event) -> Self {
        PyEvent { sequence: event.sequence, own: Some(event), base: None, payload: GilOnce::new(), is_object: false }
    }
}

impl PyEvent {
    fn view(base: Py<PyEvent>, sequence: u64) -> Self {
        PyEvent { own: None, base: Some(base), sequence, payload: GilOnce::new(), is_object: false }
    }

    /// What has the event: the base of a view.
    #[inline]
    fn base(&self) -> &PyEvent {
        self.base.as_ref().map_or(self, |base| base.get())
    }

    /// The event without its number and without a payload that is a Python object.
    #[inline]
    pub fn event(&self) -> &Event {
        self.base().own.as_ref().expect("only a view has no event of its own")
    }

    /// The event for the kernel: with its number, and with its payload whatever that is.
    pub fn to_kernel(&self, py: Python<'_>) -> Event {
        let mut event = self.event().clone();
        event.sequence = self.sequence;
        if let Some(object) = self.python_payload(py) {
            event.payload = Payload::shared(PyPayload::new(object.clone_ref(py), event.source));
        }
        event
    }

    pub fn payload_object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let Some(object) = self.python_payload(py) {
            return Ok(object.clone_ref(py));
        }
        Ok(self.payload.get_or_try_init(py, || payload::to_python(py, self.event()))?.clone_ref(py))
    }

    fn python_payload<'a>(&'a self, py: Python<'a>) -> Option<&'a Py<PyAny>> {
        let base = self.base();
        if base.is_object { base.payload.get(py) } else { None }
    }

    /// What a bus's handlers see of a published object: its event with the number that the bus gave it.
    ///
    /// An object that nobody else holds any more is numbered itself: nobody is left who could see it change. Else they see
    /// a view, in the memory of `spare` where there is one.
    #[inline]
    pub fn numbered(
        py: Python<'_>,
        mut object: Py<PyEvent>,
        sequence: u64,
        spare: &mut Option<Spare>,
    ) -> PyResult<Py<PyEvent>> {
        if let Some(inside) = exclusive(py, &mut object) {
            inside.sequence = sequence;
            if !inside.is_object {
                // Handlers see the event's own numbers, its time among them, not what its maker put in.
                drop(inside.payload.take());
            }
            return Ok(object);
        }
        let base = object.get().base.as_ref().map(|base| base.clone_ref(py)).unwrap_or(object);
        if let Some(Spare(mut spare)) = spare.take()
            && let Some(inside) = exclusive(py, &mut spare)
        {
            (inside.base, inside.sequence) = (Some(base), sequence);
            return Ok(spare);
        }
        Py::new(py, PyEvent::view(base, sequence))
    }

    /// Lets go of an object when its handlers have run; where it was a view that nobody kept, its memory stays. It may run
    /// Python: a payload may end.
    #[inline]
    pub fn retire(py: Python<'_>, mut object: Py<PyEvent>, spare: &mut Option<Spare>) {
        if spare.is_none()
            && let Some(inside) = exclusive(py, &mut object)
            && let Some(base) = inside.base.take()
        {
            let payload = inside.payload.take();
            *spare = Some(Spare(object));
            drop((payload, base));
        }
    }
}

/// The inside of an object that only the caller holds. `None` where somebody else holds it too.
#[inline]
fn exclusive<'a>(_py: Python<'_>, object: &'a mut Py<PyEvent>) -> Option<&'a mut PyEvent> {
    // SAFETY: the object is live. The GIL is held, so nobody takes a reference meanwhile.
    if unsafe { ffi::Py_REFCNT(object.as_ptr()) } != 1 {
        return None;
    }
    let address = std::ptr::from_ref(object.get()).addr();
    // SAFETY: `get` says where in the object the value lies, and PyO3 keeps it in an `UnsafeCell`. The only reference is
    // borrowed for as long as the result lives, and there is no way around it: the class has no weak references, and
    // the garbage collector looks only when objects are made or dropped, which nobody does while he uses the result.
    Some(unsafe { &mut *object.as_ptr().cast::<PyEvent>().with_addr(address) })
}

/// A new event from a Python caller's words, for the kernel; a child of `parent` where there is one.
pub fn make(
    parent: Option<&Event>,
    event_type: &Bound<'_, PyAny>,
    source: &str,
    object: Option<&Bound<'_, PyAny>>,
) -> PyResult<Event> {
    let object = object.filter(|object| !object.is_none());
    let mut event = make_native(parent, event_type, Name::intern(source), object)?;
    if let (Payload::Empty, Some(object)) = (&event.payload, object) {
        event.payload = Payload::shared(PyPayload::new(object.clone().unbind(), event.source));
    }
    Ok(event)
}

/// A new event as Python holds it.
#[inline(always)]
fn make_python(
    parent: Option<&Event>,
    event_type: &Bound<'_, PyAny>,
    source: &Bound<'_, PyString>,
    object: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyEvent> {
    let object = object.filter(|object| !object.is_none());
    let event = make_native(parent, event_type, names::intern(source)?, object)?;
    let Some(object) = object else { return Ok(PyEvent::from(event)) };
    let is_object = matches!(event.payload, Payload::Empty);
    let payload = GilOnce::with(object.clone().unbind());
    Ok(PyEvent { own: Some(event), base: None, sequence: 0, payload, is_object })
}

/// A new event with what is native of `object`: a payload stays empty where none of it is.
#[inline(always)]
fn make_native(
    parent: Option<&Event>,
    event_type: &Bound<'_, PyAny>,
    source: Name,
    object: Option<&Bound<'_, PyAny>>,
) -> PyResult<Event> {
    let event_type = enums::event_type_of(event_type)?;
    let (payload, header) = match object.and_then(payload::native) {
        Some((payload, header)) => (payload, Some(header)),
        None => (Payload::Empty, None),
    };
    let mut event = match parent {
        Some(parent) => parent.child(event_type, source, clock::now_ns(), payload),
        None => Event::new(event_type, source, clock::now_ns(), payload),
    };
    if let Some(header) = header {
        event.instrument = header.instrument;
        event.price_decimals = header.price_decimals;
        event.size_decimals = header.size_decimals;
    }
    Ok(event)
}

#[pymethods]
impl PyEvent {
    #[staticmethod]
    #[pyo3(signature = (event_type, source, payload=None, parent_trace_id=None))]
    #[inline]
    fn create(
        event_type: &Bound<'_, PyAny>,
        source: &Bound<'_, PyString>,
        payload: Option<&Bound<'_, PyAny>>,
        parent_trace_id: Option<&str>,
    ) -> PyResult<Self> {
        let mut made = make_python(None, event_type, source, payload)?;
        if let (Some(text), Some(event)) = (parent_trace_id, &mut made.own) {
            event.trace_id = ids::parse_trace_hex(text).ok_or_else(|| {
                PyValueError::new_err(format!("parent_trace_id must be 32 hexadecimal digits, not all zero: {text:?}"))
            })?;
        }
        Ok(made)
    }

    #[pyo3(signature = (event_type, source, payload=None))]
    fn child_event(
        &self,
        event_type: &Bound<'_, PyAny>,
        source: &Bound<'_, PyString>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        make_python(Some(self.event()), event_type, source, payload)
    }

    fn with_sequence(slf: Bound<'_, Self>, sequence: u64) -> Self {
        let py = slf.py();
        let base = slf.get().base.as_ref().map(|base| base.clone_ref(py));
        PyEvent::view(base.unwrap_or_else(|| slf.unbind()), sequence)
    }

    #[getter]
    fn event_type(&self, py: Python<'_>) -> Py<PyAny> {
        enums::event_type_member(py, self.event().event_type)
    }

    #[getter]
    fn priority(&self, py: Python<'_>) -> Py<PyAny> {
        enums::lane_member(py, self.event().lane())
    }

    #[getter]
    fn source(&self) -> &'static str {
        self.event().source.as_str()
    }

    #[getter]
    fn instrument(&self) -> Option<&'static str> {
        (!self.event().instrument.is_none()).then(|| self.event().instrument.as_str())
    }

    #[getter]
    fn payload(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.payload_object(py)
    }

    #[getter]
    fn sequence(&self) -> u64 {
        self.sequence
    }

    #[getter]
    fn ts_ns(&self) -> i64 {
        self.event().ts_ns
    }

    #[getter]
    fn timestamp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        utc_datetime(py, self.event().ts_ns)
    }

    #[getter]
    fn trace_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        hex(py, &ids::trace_hex(self.event().trace_id))
    }

    #[getter]
    fn span_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        hex(py, &ids::span_hex(self.event().span_id))
    }

    #[getter]
    fn parent_span_id<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        (self.event().parent_span_id != 0).then(|| hex(py, &ids::span_hex(self.event().parent_span_id)))
    }

    fn __richcmp__(&self, py: Python<'_>, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Py<PyAny>> {
        let Ok(other) = other.cast::<PyEvent>() else { return Ok(py.NotImplemented()) };
        let (a, b) = (self, other.get());
        let result = match op {
            CompareOp::Eq => identity(a) == identity(b),
            CompareOp::Ne => identity(a) != identity(b),
            _ => op.matches((a.event().lane(), a.sequence).cmp(&(b.event().lane(), b.sequence))),
        };
        Ok(result.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    /// Who keeps an event may be what its payload leads to: the garbage collector has to see that cycle. As with a tuple
    /// there is nothing to clear, since an event never changes: whatever closed the cycle afterwards can be cleared. What a
    /// kernel's event holds is not shown: several objects may share that one reference.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.base)?;
        self.payload.peek().map_or(Ok(()), |payload| visit.call(payload))
    }

    fn __hash__(&self) -> u64 {
        self.event().trace_id[1] ^ self.event().span_id.rotate_left(21)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "Event({}, source={:?}, payload={}, trace_id={:?}, sequence={})",
            self.event().event_type.name(),
            self.event().source.as_str(),
            self.payload_object(py)?.bind(py).repr()?,
            self.trace_id(py).to_string(),
            self.sequence,
        ))
    }
}

/// What makes two views the same event: everything that a copy with another sequence does not share.
fn identity(view: &PyEvent) -> (u16, ids::TraceId, u64, u64, i64) {
    let event = view.event();
    (event.event_type as u16, event.trace_id, event.span_id, view.sequence, event.ts_ns)
}

fn hex<'py>(py: Python<'py>, digits: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, std::str::from_utf8(digits).expect("hexadecimal digits are ASCII"))
}

/// An aware datetime, to the microsecond (Python's resolution), rounded down.
pub fn utc_datetime(py: Python<'_>, ts_ns: i64) -> PyResult<Bound<'_, PyDateTime>> {
    let (days, ns_of_day) = (ts_ns.div_euclid(86_400_000_000_000), ts_ns.rem_euclid(86_400_000_000_000));
    let (year, month, day) = civil_from_days(days);
    let us = ns_of_day / 1_000;
    let (hour, minute, second) = (us / 3_600_000_000, us / 60_000_000 % 60, us / 1_000_000 % 60);
    let utc = PyTzInfo::utc(py)?.to_owned();
    let (month, day, hour, minute, second) = (month as u8, day as u8, hour as u8, minute as u8, second as u8);
    PyDateTime::new(py, year as i32, month, day, hour, minute, second, (us % 1_000_000) as u32, Some(&utc))
}

/// Year, month and day of a count of days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[pyfunction]
fn seed_ids(seed: u64) {
    ids::seed(seed);
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyEvent>()?;
    module.add_function(wrap_pyfunction!(seed_ids, module)?)
}
