//! Payloads between Python and the kernel, and the codec for those that are Python objects.
//!
//! A native payload (a quote, an order...) becomes the kernel's own; any other object travels by reference. It is encoded
//! only where it leaves the process, or where a run is hashed: as msgpack by msgspec, in a deterministic order of keys.

use std::any::Any;

use libra_kernel::digest::Digest;
use libra_kernel::{Event, Payload, SharedPayload};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

use crate::{gil, market_data, trading};

/// Any Python object as a payload. It may be dropped on a native thread: PyO3 then keeps the reference until a Python
/// thread comes by, and Python is not touched there. Dropped inside a borrow of native state, its release waits for the
/// end of the borrow.
pub struct PyPayload(Option<Py<PyAny>>);

impl PyPayload {
    pub fn new(object: Py<PyAny>) -> Self {
        PyPayload(Some(object))
    }

    pub fn object(&self) -> &Py<PyAny> {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl Drop for PyPayload {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            gil::bury(object);
        }
    }
}

impl SharedPayload for PyPayload {
    fn kind(&self) -> &'static str {
        "object"
    }

    fn digest(&self, digest: &mut Digest) {
        // Only simulated runs are hashed, and they run on the loop's thread, which holds the GIL already.
        Python::attach(|py| match encode(py, self.object().bind(py)) {
            Ok(bytes) => digest.blob(bytes.as_bytes()),
            // What cannot be encoded is still told apart by its type.
            Err(_) => {
                let name =
                    self.object().bind(py).get_type().qualname().map_or_else(|_| String::new(), |n| n.to_string());
                digest.blob(name.as_bytes());
            }
        });
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The kernel's payload for a Python object.
pub fn from_python(value: Option<&Bound<'_, PyAny>>) -> PyResult<(Payload, Option<Header>)> {
    let Some(value) = value.filter(|value| !value.is_none()) else { return Ok((Payload::Empty, None)) };
    if let Some((payload, header)) = market_data::native_payload(value) {
        return Ok((payload, Some(header)));
    }
    Ok((Payload::shared(PyPayload::new(value.clone().unbind())), None))
}

/// What a native payload says about the header of the event that carries it.
pub struct Header {
    pub instrument: libra_kernel::Name,
    pub price_decimals: u8,
    pub size_decimals: u8,
}

/// The Python object for an event's payload.
pub fn to_python(py: Python<'_>, event: &Event) -> PyResult<Py<PyAny>> {
    if let Payload::Shared(shared) = &event.payload
        && let Some(object) = shared.as_any().downcast_ref::<PyPayload>()
    {
        return Ok(object.object().clone_ref(py));
    }
    if let Some(object) = market_data::to_python(py, event).or_else(|| trading::to_python(py, event)) {
        return object;
    }
    Ok(PyDict::new(py).into_any().unbind())
}

static ENCODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// msgpack of a Python payload.
pub fn encode<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let encode = ENCODE.get_or_try_init(py, || {
        let options = PyDict::new(py);
        options.set_item("order", "deterministic")?;
        let encoder = py.import("msgspec.msgpack")?.getattr("Encoder")?.call((), Some(&options))?;
        PyResult::Ok(encoder.getattr("encode")?.unbind())
    })?;
    Ok(encode.bind(py).call1((value,))?.cast_into::<PyBytes>()?)
}
