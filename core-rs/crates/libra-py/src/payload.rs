//! Payloads between Python and the kernel, and the codec for those that are Python objects.
//!
//! A native payload (a quote, an order...) becomes the kernel's own; any other object travels by reference. It is encoded
//! only where it leaves the process, by `libra.core.codec`, or where a run is hashed: as msgpack by msgspec, in a
//! deterministic order of keys. What came from another process stays encoded until a handler looks at it.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use libra_kernel::digest::Digest;
use libra_kernel::edge::edge;
use libra_kernel::mailbox::{Capacity, Mailbox};
use libra_kernel::wake::Waker;
use libra_kernel::{Encoded, Event, EventType, Leaving, Name, Payload, SharedPayload};
use libra_net::bridge::mail;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::bridge;
use crate::gil::GilOnce;
use crate::node::letters;
use crate::{gil, market_data, trading};

/// So many characters of what an object says of itself leave in its place.
const MOST_SAID: usize = 1_000;

/// Any Python object as a payload. It may be dropped on a native thread: PyO3 then keeps the reference until a Python
/// thread comes by, and Python is not touched there. Dropped inside a borrow of native state, its release waits for the
/// end of the borrow.
pub struct PyPayload {
    /// There from the start, or decoded from `wire` when it was first asked for.
    object: GilOnce<Py<PyAny>>,
    /// Who has published it.
    whose: Name,
    /// What other processes get, or what came from one: an [`Encoded`].
    wire: OnceLock<Arc<dyn SharedPayload>>,
    /// What a digest takes in: made by [`prepare`] before a borrow, since encoding runs Python.
    encoded: OnceLock<Vec<u8>>,
}

impl PyPayload {
    pub fn new(object: Py<PyAny>, whose: Name) -> Self {
        PyPayload { object: GilOnce::with(object), whose, wire: OnceLock::new(), encoded: OnceLock::new() }
    }

    /// What came from another process; none for a message, which its receiver opens, and for native payloads.
    pub fn arrived(payload: &Arc<dyn SharedPayload>) -> Option<Self> {
        let encoded = payload.as_any().downcast_ref::<Encoded>()?;
        (encoded.tag() != mail::TAG).then(|| PyPayload {
            object: GilOnce::new(),
            whose: Name::NONE,
            wire: OnceLock::from(payload.clone()),
            encoded: OnceLock::new(),
        })
    }

    /// The object: decoded once, for all who look. CodecError where this process cannot.
    pub fn object(&self, py: Python<'_>) -> PyResult<&Py<PyAny>> {
        self.object.get_or_try_init(py, || {
            let encoded = self.wire.get().and_then(|wire| wire.as_any().downcast_ref::<Encoded>());
            match encoded {
                Some(encoded) => decode(py, encoded.tag(), encoded.data()),
                None => Ok(PyDict::new(py).into_any().unbind()),
            }
        })
    }

    /// Makes it fit to leave the process. CodecError where it would not come back as what it is.
    pub fn encode(&self, py: Python<'_>) -> PyResult<()> {
        let (tag, data) = encode_tagged(py, self.object(py)?.bind(py))?;
        let _ = self.wire.set(Arc::new(Encoded::new(tag, data)));
        Ok(())
    }

    /// As [`PyPayload::encode`]; where that fails the object leaves as what it says of itself, or as the name of its class.
    pub fn encode_or_describe(&self, py: Python<'_>) -> PyResult<()> {
        let Err(error) = self.encode(py) else { return Ok(()) };
        let object = self.object(py)?.bind(py);
        let said = object.repr().map(|text| text.to_string_lossy().chars().take(MOST_SAID).collect::<String>());
        let said = said.or_else(|_| Ok::<_, PyErr>(object.get_type().name()?.to_string()))?;
        let (tag, data) = encode_tagged(py, PyString::new(py, &said).as_any()).map_err(|_| error)?;
        let _ = self.wire.set(Arc::new(Encoded::new(tag, data)));
        Ok(())
    }
}

impl Drop for PyPayload {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            gil::bury(object, self.whose);
        }
    }
}

impl SharedPayload for PyPayload {
    fn kind(&self) -> &'static str {
        "object"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.blob(self.encoded.get().map_or(&[], Vec::as_slice));
    }

    fn leaving(&self) -> Leaving {
        match self.wire.get() {
            Some(wire) => Leaving::As(Payload::Shared(wire.clone())),
            None => Leaving::Stays,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The object of an event that has not been encoded for other processes, if it carries one.
#[inline]
pub fn unencoded(event: &Event) -> Option<&PyPayload> {
    event.payload.downcast::<PyPayload>().filter(|payload| payload.wire.get().is_none())
}

/// Makes an event fit for a digest: encodes a Python payload, outside of any borrow.
pub fn prepare(py: Python<'_>, event: &Event) {
    let Payload::Shared(shared) = &event.payload else { return };
    let Some(payload) = shared.as_any().downcast_ref::<PyPayload>() else { return };
    if payload.encoded.get().is_some() {
        return;
    }
    // Without an object it came from elsewhere and cannot be decoded here.
    let Ok(object) = payload.object(py).map(|object| object.bind(py)) else { return };
    let encoded = match encode(py, object) {
        Ok(bytes) => bytes.as_bytes().to_vec(),
        // What cannot be encoded is still told apart by its type.
        Err(_) => object.get_type().qualname().map_or_else(|_| Vec::new(), |name| name.to_string().into_bytes()),
    };
    let _ = payload.encoded.set(encoded);
}

/// The kernel's payload for a Python object that has one.
#[inline]
pub fn native(value: &Bound<'_, PyAny>) -> Option<(Payload, Header)> {
    // Most Python payloads are dicts: those need no look at the native classes.
    if value.is_exact_instance_of::<PyDict>() { None } else { market_data::native_payload(value) }
}

/// What a native payload says about the header of the event that carries it.
pub struct Header {
    pub instrument: libra_kernel::Name,
    pub price_decimals: u8,
    pub size_decimals: u8,
}

/// The Python object for an event's payload.
pub fn to_python(py: Python<'_>, event: &Event) -> PyResult<Py<PyAny>> {
    if let Payload::Shared(shared) = &event.payload {
        if let Some(object) = shared.as_any().downcast_ref::<PyPayload>() {
            return Ok(object.object(py)?.clone_ref(py));
        }
        if let Some(mail) = bridge::mail::to_python(py, shared) {
            return mail;
        }
    }
    if let Some(object) = (market_data::to_python(py, event).or_else(|| trading::to_python(py, event)))
        .or_else(|| letters::to_python(py, event))
        .or_else(|| bridge::news::to_python(py, event))
    {
        return object;
    }
    Ok(PyDict::new(py).into_any().unbind())
}

/// Takes objects out of a list, and sends them through an edge as payloads to a thread that Python does not know, which drops some from a full mailbox
/// and the rest with it. Nothing of ours drops a Python payload there today, so what [`PyPayload`] promises of it would
/// otherwise be seen by no test.
#[pyfunction]
fn release_on_native_thread(py: Python<'_>, list: &Bound<'_, PyList>) -> PyResult<()> {
    let objects: Vec<Py<PyAny>> = list.iter().map(Bound::unbind).collect();
    list.del_slice(0, list.len())?;
    let (mut sender, mut receiver) = edge(64, Arc::new(Waker::new()?));
    py.detach(|| {
        let consumer = std::thread::spawn(move || {
            let mut mailbox = Mailbox::new(Capacity::PerLane(64));
            while !(receiver.is_closed() && receiver.is_empty()) {
                receiver.receive(usize::MAX, |event| {
                    mailbox.offer(event);
                });
                std::thread::yield_now();
            }
        });
        let events = objects.into_iter().map(|object| {
            Event::new(EventType::Trade, Name::NONE, 0, Payload::shared(PyPayload::new(object, Name::NONE)))
        });
        sender.send_many(events);
        drop(sender);
        consumer.join().map_err(|_| PyRuntimeError::new_err("the native thread panicked"))
    })
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(release_on_native_thread, module)?)
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

static ENCODE_TAGGED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static DECODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The tag and the bytes under which an object leaves the process. It runs Python.
pub fn encode_tagged(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<(String, Vec<u8>)> {
    ENCODE_TAGGED.import(py, "libra.core.codec", "encode")?.call1((value,))?.extract()
}

/// The object that has these bytes under this tag. It runs Python.
pub fn decode(py: Python<'_>, tag: &str, data: &[u8]) -> PyResult<Py<PyAny>> {
    Ok(DECODE.import(py, "libra.core.codec", "decode")?.call1((tag, PyBytes::new(py, data)))?.unbind())
}
