//! An execution as Python sees it.

use libra_kernel::fixed::format_units;
use libra_trading::order::Fill;
use pyo3::prelude::*;

use super::enums::{LIQUIDITY, SIDES, of};
use super::{money, symbol_of};
use crate::decimal;

/// A fill with the decimals of its instrument.
#[pyclass(frozen, immutable_type, name = "Fill", module = "libra.model")]
pub struct PyFill {
    pub inner: Fill,
    pub decimals: (u8, u8),
}

#[pymethods]
impl PyFill {
    #[getter]
    fn order_id(&self) -> String {
        self.inner.client_order_id.to_string()
    }

    #[getter]
    fn trade_id(&self) -> u64 {
        self.inner.trade_id
    }

    #[getter]
    fn instrument(&self) -> &'static str {
        self.inner.instrument.as_str()
    }

    #[getter]
    fn symbol(&self) -> &'static str {
        symbol_of(self.inner.instrument)
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.inner.strategy.as_str()
    }

    #[getter]
    fn side(&self, py: Python<'_>) -> Py<PyAny> {
        of(&SIDES, py).member(py, self.inner.side as usize)
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.price, self.decimals.0)
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.size, self.decimals.1)
    }

    #[getter]
    fn fee(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.inner.fee)
    }

    #[getter]
    fn fee_currency(&self) -> &'static str {
        self.inner.fee_currency.as_str()
    }

    #[getter]
    fn liquidity(&self, py: Python<'_>) -> Py<PyAny> {
        of(&LIQUIDITY, py).member(py, self.inner.liquidity as usize)
    }

    #[getter]
    fn ts_venue_ns(&self) -> i64 {
        self.inner.ts_venue_ns
    }

    fn __repr__(&self) -> String {
        let size = format_units(self.inner.size.into(), self.decimals.1);
        let price = format_units(self.inner.price.into(), self.decimals.0);
        format!("Fill({:?} {} {size} at {price})", self.inner.side, self.symbol())
    }
}
