//! Rust errors as Python exceptions: one place where the one becomes the other.

use libra_kernel::fixed::DecimalError;
use pyo3::PyErr;
use pyo3::exceptions::{PyOverflowError, PyValueError};

/// A bad decimal of `what`.
pub fn decimal(what: &str, error: DecimalError) -> PyErr {
    match error {
        DecimalError::Overflow => PyOverflowError::new_err(format!("{what}: {error}")),
        _ => PyValueError::new_err(format!("{what}: {error}")),
    }
}
