//! Python strings as interned names: an event's source is mostly one of a few string objects, again and again.

use libra_kernel::Name;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::gil::GilCell;

/// Strings seen lately, by their address. A slot keeps its string alive, so an address means one string only.
type Seen = [Option<(Py<PyString>, Name)>; SLOTS];

const SLOTS: usize = 64;

static SEEN: PyOnceLock<GilCell<Seen>> = PyOnceLock::new();

/// The name of a Python string.
#[inline]
pub fn intern(text: &Bound<'_, PyString>) -> PyResult<Name> {
    let py = text.py();
    let seen = SEEN.get_or_init(py, || GilCell::new([const { None }; SLOTS]));
    // Objects begin at multiples of sixteen bytes.
    let slot = (text.as_ptr().addr() >> 4) % SLOTS;
    if let Some((known, name)) = &seen.borrow(py)[slot]
        && known.is(text)
    {
        return Ok(*name);
    }
    let name = Name::intern(text.to_str()?);
    // A subclass of str may have a finaliser; only plain strings are kept.
    if text.is_exact_instance_of::<PyString>() {
        let previous = seen.borrow(py)[slot].replace((text.clone().unbind(), name));
        drop(previous);
    }
    Ok(name)
}
