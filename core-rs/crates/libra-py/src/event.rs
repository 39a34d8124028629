//! Python's `Event`: a frozen view of the kernel's.

use libra_kernel::{Event, Name, clock, ids};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::{PyDateTime, PyString, PyTzInfo};

use crate::enums;
use crate::gil::GilOnce;
use crate::names;
use crate::payload;

#[pyclass(frozen, immutable_type, name = "Event", module = "libra.core.events")]
pub struct PyEvent {
    pub event: Event,
    payload: GilOnce<Py<PyAny>>,
}

impl From<Event> for PyEvent {
    fn from(event: Event) -> Self {
        PyEvent { event, payload: GilOnce::new() }
    }
}

impl PyEvent {
    /// An event that was made from a Python payload keeps the object, so that it need not be made again.
    fn with_payload(event: Event, object: Option<&Bound<'_, PyAny>>) -> Self {
        let payload = match object.filter(|object| !object.is_none()) {
            Some(object) => GilOnce::with(object.clone().unbind()),
            None => GilOnce::new(),
        };
        PyEvent { event, payload }
    }

    /// An object for `event`: `spare`, where there is one and nobody else holds it, else a new one.
    #[inline]
    pub fn renew(py: Python<'_>, spare: Option<Py<PyEvent>>, event: Event) -> PyResult<Py<PyEvent>> {
        if let Some(mut spare) = spare
            && let Some(inside) = exclusive(py, &mut spare)
        {
            *inside = PyEvent::from(event);
            return Ok(spare);
        }
        Py::new(py, PyEvent::from(event))
    }

    /// Lets go of the payload and gives the object back, if nobody else holds it. It may run Python: a payload may end.
    #[inline]
    pub fn retire(py: Python<'_>, mut object: Py<PyEvent>) -> Option<Py<PyEvent>> {
        let inside = exclusive(py, &mut object)?;
        let gone = (std::mem::take(&mut inside.event.payload), inside.payload.take());
        drop(gone);
        Some(object)
    }

    pub fn payload_object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.payload.get_or_try_init(py, || payload::to_python(py, &self.event))?.clone_ref(py))
    }
}

/// The inside of an object that only the caller holds: a bus uses the memory of an event again that nobody kept, and it
/// is frozen for everyone who sees it. `None` where somebody else holds it.
#[inline]
fn exclusive<'a>(_py: Python<'_>, object: &'a mut Py<PyEvent>) -> Option<&'a mut PyEvent> {
    // SAFETY: the object is live. The GIL is held, so nobody takes a reference meanwhile.
    if unsafe { ffi::Py_REFCNT(object.as_ptr()) } != 1 {
        return None;
    }
    let address = std::ptr::from_ref(object.get()).addr();
    // SAFETY: `get` says where in the object the value lies, and PyO3 keeps it in an `UnsafeCell`. The only reference is
    // borrowed for as long as the result lives, and there is no way around it: the class has no weak references and is
    // unknown to the garbage collector.
    Some(unsafe { &mut *object.as_ptr().cast::<PyEvent>().with_addr(address) })
}

/// A new event from a Python caller's words; a child of `parent` where there is one.
pub fn make(
    parent: Option<&Event>,
    event_type: &Bound<'_, PyAny>,
    source: &str,
    object: Option<&Bound<'_, PyAny>>,
) -> PyResult<Event> {
    make_from(parent, event_type, Name::intern(source), object)
}

#[inline]
fn make_from(
    parent: Option<&Event>,
    event_type: &Bound<'_, PyAny>,
    source: Name,
    object: Option<&Bound<'_, PyAny>>,
) -> PyResult<Event> {
    let event_type = enums::event_type_of(event_type)?;
    let (payload, header) = payload::from_python(object)?;
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
    fn create(
        event_type: &Bound<'_, PyAny>,
        source: &Bound<'_, PyString>,
        payload: Option<&Bound<'_, PyAny>>,
        parent_trace_id: Option<&str>,
    ) -> PyResult<Self> {
        let mut event = make_from(None, event_type, names::intern(source)?, payload)?;
        if let Some(text) = parent_trace_id {
            event.trace_id = ids::parse_trace_hex(text).ok_or_else(|| {
                PyValueError::new_err(format!("parent_trace_id must be 32 hexadecimal digits, not all zero: {text:?}"))
            })?;
        }
        Ok(PyEvent::with_payload(event, payload))
    }

    #[pyo3(signature = (event_type, source, payload=None))]
    fn child_event(
        &self,
        event_type: &Bound<'_, PyAny>,
        source: &Bound<'_, PyString>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        Ok(PyEvent::with_payload(make_from(Some(&self.event), event_type, names::intern(source)?, payload)?, payload))
    }

    fn with_sequence(&self, py: Python<'_>, sequence: u64) -> Self {
        let mut event = self.event.clone();
        event.sequence = sequence;
        let payload = match self.payload.get(py) {
            Some(object) => GilOnce::with(object.clone_ref(py)),
            None => GilOnce::new(),
        };
        PyEvent { event, payload }
    }

    #[getter]
    fn event_type(&self, py: Python<'_>) -> Py<PyAny> {
        enums::event_type_member(py, self.event.event_type)
    }

    #[getter]
    fn priority(&self, py: Python<'_>) -> Py<PyAny> {
        enums::lane_member(py, self.event.lane())
    }

    #[getter]
    fn source(&self) -> &'static str {
        self.event.source.as_str()
    }

    #[getter]
    fn instrument(&self) -> Option<&'static str> {
        (!self.event.instrument.is_none()).then(|| self.event.instrument.as_str())
    }

    #[getter]
    fn payload(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.payload_object(py)
    }

    #[getter]
    fn sequence(&self) -> u64 {
        self.event.sequence
    }

    #[getter]
    fn ts_ns(&self) -> i64 {
        self.event.ts_ns
    }

    #[getter]
    fn timestamp<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        utc_datetime(py, self.event.ts_ns)
    }

    #[getter]
    fn trace_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        hex(py, &ids::trace_hex(self.event.trace_id))
    }

    #[getter]
    fn span_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        hex(py, &ids::span_hex(self.event.span_id))
    }

    #[getter]
    fn parent_span_id<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        (self.event.parent_span_id != 0).then(|| hex(py, &ids::span_hex(self.event.parent_span_id)))
    }

    fn __richcmp__(&self, py: Python<'_>, other: &Bound<'_, PyAny>, op: CompareOp) -> PyResult<Py<PyAny>> {
        let Ok(other) = other.cast::<PyEvent>() else { return Ok(py.NotImplemented()) };
        let (a, b) = (&self.event, &other.get().event);
        let result = match op {
            CompareOp::Eq => identity(a) == identity(b),
            CompareOp::Ne => identity(a) != identity(b),
            _ => op.matches((a.lane(), a.sequence).cmp(&(b.lane(), b.sequence))),
        };
        Ok(result.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __hash__(&self) -> u64 {
        self.event.trace_id[1] ^ self.event.span_id.rotate_left(21)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "Event({}, source={:?}, payload={}, trace_id={:?}, sequence={})",
            self.event.event_type.name(),
            self.event.source.as_str(),
            self.payload_object(py)?.bind(py).repr()?,
            self.trace_id(py).to_string(),
            self.event.sequence,
        ))
    }
}

/// What makes two views the same event: everything that a copy with another sequence does not share.
fn identity(event: &Event) -> (u16, ids::TraceId, u64, u64, i64) {
    (event.event_type as u16, event.trace_id, event.span_id, event.sequence, event.ts_ns)
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
