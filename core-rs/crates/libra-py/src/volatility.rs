//! The estimate of volatility that sizes are worked out of, as an indicator for users.

use std::time::Duration;

use libra_trading::portfolio::{Volatility, VolatilityConfig};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

#[pyclass(name = "EwmaVolatility", module = "libra.strategies.indicators")]
pub struct PyVolatility {
    inner: Volatility,
}

#[pymethods]
impl PyVolatility {
    #[new]
    #[pyo3(signature = (interval_s, *, decay=0.94, warmup=30))]
    fn new(interval_s: f64, decay: f64, warmup: u32) -> PyResult<Self> {
        let interval = Duration::try_from_secs_f64(interval_s).unwrap_or_default();
        let config = VolatilityConfig { interval, decay, warmup };
        if !config.is_valid() {
            let text =
                "interval_s is a thousandth of a second or more, decay lies between 0 and 1, warmup is above zero";
            return Err(PyValueError::new_err(text));
        }
        Ok(PyVolatility { inner: Volatility::new(config) })
    }

    fn update(&mut self, ts_ns: i64, mid: f64) -> Option<f64> {
        self.inner.update(ts_ns, mid);
        self.inner.annualised()
    }

    #[getter]
    fn value(&self) -> Option<f64> {
        self.inner.annualised()
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyVolatility>()
}
