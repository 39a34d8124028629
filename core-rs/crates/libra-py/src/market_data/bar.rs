//! `Bar`.

use libra_kernel::Name;
use libra_kernel::event::Bar;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::{Head, Meta, float};
use crate::decimal;

/// A bar has no time of the venue but its opening.
pub(super) struct TimedBar {
    pub(super) bar: Bar,
    pub(super) ts_venue_ns: i64,
}

market_class!(PyBar, "Bar", TimedBar, {
    #[new]
    #[pyo3(signature = (instrument, open, high, low, close, volume, *, ts_open_ns=0, interval_ms=0))]
    #[allow(clippy::too_many_arguments, reason = "a bar has that many numbers")]
    fn new(
        instrument: &str,
        open: &Bound<'_, PyAny>,
        high: &Bound<'_, PyAny>,
        low: &Bound<'_, PyAny>,
        close: &Bound<'_, PyAny>,
        volume: &Bound<'_, PyAny>,
        ts_open_ns: i64,
        interval_ms: u32,
    ) -> PyResult<Self> {
        let price_decimals = decimal::decimals_of("price", &[open, high, low, close])?;
        let size_decimals = decimal::decimals_of("volume", &[volume])?;
        let meta = Meta { instrument: Name::intern(instrument), price_decimals, size_decimals, ts_ns: 0 };
        let bar = Bar {
            open: decimal::units_of("open", open, price_decimals)?,
            high: decimal::units_of("high", high, price_decimals)?,
            low: decimal::units_of("low", low, price_decimals)?,
            close: decimal::units_of("close", close, price_decimals)?,
            volume: decimal::units_of("volume", volume, size_decimals)?,
            ts_open_ns,
            interval_ms,
        };
        PyBar::checked(meta, bar)
    }

    /// The bar that `to_units` was asked of.
    #[staticmethod]
    fn from_units(head: (String, u8, u8, i64), units: [i64; 6], interval_ms: u32) -> PyResult<Self> {
        let meta = Meta::checked(&head.0, head.1, head.2, head.3)?;
        let [open, high, low, close, volume, ts_open_ns] = units;
        PyBar::checked(meta, Bar { open, high, low, close, volume, ts_open_ns, interval_ms })
    }

    /// All of it as text and integers, exactly.
    fn to_units(&self) -> (Head, [i64; 6], u32) {
        let b = &self.inner.bar;
        (self.meta.head(), [b.open, b.high, b.low, b.close, b.volume, b.ts_open_ns], b.interval_ms)
    }

    #[getter]
    fn open(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.bar.open, self.meta.price_decimals)
    }

    #[getter]
    fn high(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.bar.high, self.meta.price_decimals)
    }

    #[getter]
    fn low(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.bar.low, self.meta.price_decimals)
    }

    #[getter]
    fn close(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.bar.close, self.meta.price_decimals)
    }

    #[getter]
    fn volume(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.bar.volume, self.meta.size_decimals)
    }

    #[getter]
    fn close_float(&self) -> f64 {
        float(self.inner.bar.close, self.meta.price_decimals)
    }

    #[getter]
    fn ts_open_ns(&self) -> i64 {
        self.inner.bar.ts_open_ns
    }

    #[getter]
    fn interval_ms(&self) -> u32 {
        self.inner.bar.interval_ms
    }
});

impl PyBar {
    fn checked(meta: Meta, bar: Bar) -> PyResult<Self> {
        if bar.low > bar.open.min(bar.close) || bar.high < bar.open.max(bar.close) {
            return Err(PyValueError::new_err("a bar's open and close lie between its low and its high"));
        }
        Ok(PyBar { meta, inner: TimedBar { bar, ts_venue_ns: bar.ts_open_ns } })
    }
}
