//! The simple moving average, as an indicator for users.

use libra_market::indicator::Sma;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A simple moving average, one value at a time.
#[pyclass(name = "Sma", module = "libra.strategies.indicators")]
pub struct PySma {
    inner: Sma,
}

#[pymethods]
impl PySma {
    #[new]
    fn new(period: usize) -> PyResult<Self> {
        let inner = Sma::new(period).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PySma { inner })
    }

    /// Takes in a value; gives the average once `period` values are in.
    fn update(&mut self, value: f64) -> Option<f64> {
        self.inner.update(value)
    }

    #[getter]
    fn value(&self) -> Option<f64> {
        self.inner.value()
    }

    #[getter]
    fn is_ready(&self) -> bool {
        self.inner.is_ready()
    }

    fn reset(&mut self) {
        self.inner.reset();
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PySma>()
}
