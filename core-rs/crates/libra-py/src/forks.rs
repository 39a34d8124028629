//! Children that somebody's code forks: what they do not get of ours, and how one ends that comes back to a node.

use std::os::fd::{AsRawFd, RawFd};

use libra_kernel::forks::{self, Private};
use libra_kernel::guard::say;
use pyo3::exceptions::{PySystemExit, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::gil::GilCell;

/// Somebody else's descriptor.
struct Borrowed(RawFd);

impl AsRawFd for Borrowed {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// A descriptor that forked children do not inherit; to be released before it is closed.
#[pyclass(frozen, module = "libra_core", name = "PrivateDescriptor")]
struct PyPrivate(GilCell<Option<Private<Borrowed>>>);

#[pymethods]
impl PyPrivate {
    #[new]
    fn new(descriptor: RawFd) -> PyResult<Self> {
        if descriptor < 0 {
            return Err(PyValueError::new_err("no open descriptor"));
        }
        Ok(PyPrivate(GilCell::new(Some(Private::new(Borrowed(descriptor))))))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(&self, py: Python<'_>, _args: &Bound<'_, PyTuple>) {
        self.release(py);
    }

    /// It is as any other from now on.
    fn release(&self, py: Python<'_>) {
        self.0.borrow(py).take();
    }
}

/// In forked children this signal does what the system does by default, whatever handler it has here.
#[pyfunction]
fn end_forks_by(signal: i32) -> PyResult<()> {
    if !(1..64).contains(&signal) {
        return Err(PyValueError::new_err("no such signal"));
    }
    forks::end_by(signal);
    Ok(())
}

/// Ends a forked child whose code has come back to the node that is its parent's, by ``error`` or without one: as an
/// interpreter ends, but for what others have registered for its exit, which is the parent's to do.
#[pyfunction]
#[pyo3(signature = (error=None))]
fn end_fork(py: Python<'_>, error: Option<Bound<'_, PyAny>>) {
    leave(py, error.map(PyErr::from_value));
}

pub fn leave(py: Python<'_>, error: Option<PyErr>) -> ! {
    let code = match error {
        None => {
            say(
                "libra: a process that a strategy has forked came back to the node, which is not its own: it is ended\n",
            );
            1
        }
        Some(error) => exit_code(py, error),
    };
    for stream in ["stdout", "stderr"] {
        // What nobody reads is lost, as always.
        let _ = py.import("sys").and_then(|sys| sys.getattr(stream)).and_then(|stream| stream.call_method0("flush"));
    }
    // SAFETY: the end of the process without running anyone's exit code.
    unsafe { libc::_exit(code) }
}

/// The code by which an interpreter ends, which says why where that is not `SystemExit`'s number.
fn exit_code(py: Python<'_>, error: PyErr) -> i32 {
    if !error.is_instance_of::<PySystemExit>(py) {
        error.display(py);
        return 1;
    }
    match error.value(py).getattr("code") {
        Ok(code) if code.is_none() => 0,
        Ok(code) => code.extract().unwrap_or_else(|_| {
            say(&format!("{code}\n"));
            1
        }),
        Err(_) => 1,
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyPrivate>()?;
    module.add_function(wrap_pyfunction!(end_forks_by, module)?)?;
    module.add_function(wrap_pyfunction!(end_fork, module)?)
}
