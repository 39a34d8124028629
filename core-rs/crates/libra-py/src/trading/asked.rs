//! What is asked for: signals, order requests, cancel requests.

use libra_trading::order::{CancelRequest, ClientOrderId, OrderRequest};
use libra_trading::signal::Signal;
use pyo3::prelude::*;

use super::enums::{SIDES, SIGNALS, TIMES, TYPES, of};
use super::symbol_of;
use crate::decimal;

#[pyclass(frozen, immutable_type, name = "Signal", module = "libra.model")]
pub struct PySignal {
    pub(super) inner: Signal,
    pub(super) price_decimals: u8,
}

#[pymethods]
impl PySignal {
    #[getter]
    fn signal_id(&self) -> String {
        format!("{:032x}", self.inner.id)
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.inner.strategy.as_str()
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
    fn signal_type(&self, py: Python<'_>) -> Py<PyAny> {
        of(&SIGNALS, py).member(py, self.inner.signal_type as usize)
    }

    #[getter]
    fn strength(&self) -> f64 {
        self.inner.strength
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let price = self.inner.price;
        (price != 0).then(|| decimal::to_python(py, price, self.price_decimals)).transpose()
    }

    #[getter]
    fn deadline_ns(&self) -> i64 {
        self.inner.deadline_ns
    }

    #[getter]
    fn reason(&self) -> &str {
        &self.inner.reason
    }

    fn __repr__(&self) -> String {
        format!("Signal({:?}, {:?}, strategy={:?})", self.inner.signal_type, self.symbol(), self.strategy())
    }
}

/// What is asked for, before any check.
#[pyclass(frozen, immutable_type, name = "OrderRequest", module = "libra.model")]
pub struct PyOrderRequest {
    pub(super) inner: OrderRequest,
    pub(super) decimals: (u8, u8),
    /// The id of the order that an approved request will be.
    pub(super) order_id: Option<ClientOrderId>,
}

#[pymethods]
impl PyOrderRequest {
    #[getter]
    fn request_id(&self) -> String {
        format!("{:032x}", self.inner.request_id)
    }

    #[getter]
    fn order_id(&self) -> Option<String> {
        self.order_id.map(|id| id.to_string())
    }

    #[getter]
    fn account(&self) -> &'static str {
        self.inner.account.as_str()
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.inner.strategy.as_str()
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
    fn side(&self, py: Python<'_>) -> Py<PyAny> {
        of(&SIDES, py).member(py, self.inner.side as usize)
    }

    #[getter]
    fn order_type(&self, py: Python<'_>) -> Py<PyAny> {
        of(&TYPES, py).member(py, self.inner.order_type as usize)
    }

    #[getter]
    fn time_in_force(&self, py: Python<'_>) -> Py<PyAny> {
        of(&TIMES, py).member(py, self.inner.time_in_force as usize)
    }

    #[getter]
    fn size_units(&self) -> i64 {
        self.inner.size
    }

    #[getter]
    fn price_units(&self) -> i64 {
        self.inner.price
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.size, self.decimals.1)
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let price = self.inner.price;
        (price != 0).then(|| decimal::to_python(py, price, self.decimals.0)).transpose()
    }
}

#[pyclass(frozen, immutable_type, name = "CancelRequest", module = "libra.model")]
pub struct PyCancelRequest {
    pub(super) inner: CancelRequest,
}

#[pymethods]
impl PyCancelRequest {
    #[getter]
    fn order_id(&self) -> String {
        self.inner.client_order_id.to_string()
    }

    #[getter]
    fn account(&self) -> &'static str {
        self.inner.account.as_str()
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.inner.strategy.as_str()
    }
}
