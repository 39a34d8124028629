//! `decimal.Decimal` at Python's edge, integers inside.

use libra_kernel::fixed::{self, MAX_DECIMALS};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyInt, PyString, PyType};

use crate::errors;

static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    DECIMAL.import(py, "decimal", "Decimal")
}

/// `units` of 10^-`decimals` as a `Decimal`.
pub fn to_python(py: Python<'_>, units: impl Into<i128>, decimals: u8) -> PyResult<Py<PyAny>> {
    Ok(class(py)?.call1((fixed::format_units(units.into(), decimals),))?.unbind())
}

/// As [`to_python`], without the zeros behind the last digit, as people write numbers.
pub fn to_python_short(py: Python<'_>, units: i128, decimals: u8) -> PyResult<Py<PyAny>> {
    let text = fixed::format_units(units, decimals);
    let text = if decimals == 0 { &text[..] } else { text.trim_end_matches('0').trim_end_matches('.') };
    Ok(class(py)?.call1((text,))?.unbind())
}

/// The plain decimal text of an int, a `Decimal` or a string; a float is refused, since it is not what it prints.
pub fn text_of(what: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    if value.is_instance_of::<PyFloat>() {
        return Err(PyTypeError::new_err(format!("{what}: a float is not exact, give a Decimal, a string or an int")));
    }
    if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyString>() {
        return value.str()?.extract();
    }
    if value.is_instance(class(value.py())?)? {
        return value.call_method1("__format__", ("f",))?.extract();
    }
    Err(PyTypeError::new_err(format!("{what}: not a number: {}", value.repr()?)))
}

/// `value` in units of 10^-`decimals`.
pub fn units_of(what: &str, value: &Bound<'_, PyAny>, decimals: u8) -> PyResult<i64> {
    fixed::parse_units(text_of(what, value)?.as_bytes(), decimals).map_err(|error| errors::decimal(what, error))
}

/// As [`units_of`], in `i128`.
pub fn wide_units_of(what: &str, value: &Bound<'_, PyAny>, decimals: u8) -> PyResult<i128> {
    fixed::parse_units_wide(text_of(what, value)?.as_bytes(), decimals).map_err(|error| errors::decimal(what, error))
}

/// The decimals that the most precise of `values` has.
pub fn decimals_of(what: &str, values: &[&Bound<'_, PyAny>]) -> PyResult<u8> {
    let mut most = 0;
    for value in values {
        let text = text_of(what, value)?;
        most = most.max(text.split_once('.').map_or(0, |(_, fraction)| fraction.len()));
    }
    match u8::try_from(most) {
        Ok(decimals) if decimals <= MAX_DECIMALS => Ok(decimals),
        _ => Err(PyValueError::new_err(format!("{what}: more than {MAX_DECIMALS} decimals"))),
    }
}
