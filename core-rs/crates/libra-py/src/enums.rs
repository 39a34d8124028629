//! Python's `EventType` and `Priority`, made from the kernel's table so that there is one list of each.

use libra_kernel::{EventType, Lane};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

struct Members {
    class: Py<PyAny>,
    /// Members by their number.
    by_number: Vec<Option<Py<PyAny>>>,
}

static EVENT_TYPES: PyOnceLock<Members> = PyOnceLock::new();
static PRIORITIES: PyOnceLock<Members> = PyOnceLock::new();

fn int_enum(py: Python<'_>, name: &str, members: &[(&str, u16)]) -> PyResult<Members> {
    let pairs = PyList::new(py, members)?;
    let options = PyDict::new(py);
    options.set_item("module", "libra_core")?;
    let class = py.import("enum")?.getattr("IntEnum")?.call((name, pairs), Some(&options))?;
    let size = members.iter().map(|(_, number)| *number as usize + 1).max().unwrap_or(0);
    let mut by_number: Vec<Option<Py<PyAny>>> = (0..size).map(|_| None).collect();
    for (member, number) in members {
        by_number[*number as usize] = Some(class.getattr(*member)?.unbind());
    }
    Ok(Members { class: class.unbind(), by_number })
}

fn event_types(py: Python<'_>) -> &Members {
    EVENT_TYPES.get(py).expect("set when the module was loaded")
}

/// The Python member of an event type.
pub fn event_type_member(py: Python<'_>, event_type: EventType) -> Py<PyAny> {
    let member = event_types(py).by_number[event_type as usize].as_ref();
    member.expect("every type has a member").clone_ref(py)
}

/// The Python member of a lane.
pub fn lane_member(py: Python<'_>, lane: Lane) -> Py<PyAny> {
    let members = PRIORITIES.get(py).expect("set when the module was loaded");
    members.by_number[lane as usize].as_ref().expect("every lane has a member").clone_ref(py)
}

/// An event type given by a Python caller.
pub fn event_type_of(value: &Bound<'_, PyAny>) -> PyResult<EventType> {
    let py = value.py();
    // SAFETY: the object is live; a member of an IntEnum is an int, and small enough for a C long.
    let number = unsafe {
        let is_member = ffi::Py_TYPE(value.as_ptr()).cast() == event_types(py).class.as_ptr();
        if is_member { ffi::PyLong_AsLong(value.as_ptr()) } else { 0 }
    };
    if let Some(event_type) = u16::try_from(number).ok().and_then(EventType::from_number) {
        return Ok(event_type);
    }
    Err(PyTypeError::new_err(format!("event_type must be an EventType, not {}", value.repr()?)))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let types: Vec<(&str, u16)> = EventType::ALL.iter().map(|t| (t.name(), *t as u16)).collect();
    let event_types = EVENT_TYPES.get_or_try_init(py, || int_enum(py, "EventType", &types))?;
    let lanes: Vec<(&str, u16)> = Lane::ALL.iter().map(|lane| (lane.name(), *lane as u16)).collect();
    let priorities = PRIORITIES.get_or_try_init(py, || int_enum(py, "Priority", &lanes))?;
    let map = PyDict::new(py);
    for &event_type in EventType::ALL {
        map.set_item(event_type_member(py, event_type), lane_member(py, event_type.lane()))?;
    }
    let read_only = py.import("types")?.getattr("MappingProxyType")?.call1((map,))?;
    module.add("EventType", &event_types.class)?;
    module.add("Priority", &priorities.class)?;
    module.add("EVENT_PRIORITY_MAP", read_only)
}
