//! What an account tells: positions, balances, notices.

use std::sync::Arc;

use libra_kernel::SharedPayload;
use libra_kernel::fixed::{format_units, pow10};
use libra_trading::account::Balance;
use libra_trading::desk::payload::PositionReport;
use libra_trading::instrument::MONEY_DECIMALS;
use pyo3::prelude::*;

use super::{money, symbol_of};
use crate::decimal;

#[pyclass(frozen, immutable_type, name = "Position", module = "libra.model")]
pub struct PyPosition {
    pub(super) report: Arc<dyn SharedPayload>,
    pub(super) size_decimals: u8,
}

impl PyPosition {
    fn report(&self) -> &PositionReport {
        self.report.as_any().downcast_ref().expect("checked when it was wrapped")
    }
}

#[pymethods]
impl PyPosition {
    #[getter]
    fn account(&self) -> &'static str {
        self.report().account.as_str()
    }

    #[getter]
    fn instrument(&self) -> &'static str {
        self.report().position.instrument.as_str()
    }

    #[getter]
    fn symbol(&self) -> &'static str {
        symbol_of(self.report().position.instrument)
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.report().position.size, self.size_decimals)
    }

    #[getter]
    fn size_float(&self) -> f64 {
        self.report().position.size as f64 / pow10(self.size_decimals) as f64
    }

    #[getter]
    fn cost(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.report().position.cost)
    }

    #[getter]
    fn average_price(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.report().average_price.map(|price| money(py, price)).transpose()
    }

    #[getter]
    fn realised(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.report().position.realised)
    }

    #[getter]
    fn unrealised(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.report().unrealised)
    }

    #[getter]
    fn fees(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.report().position.fees)
    }

    fn __repr__(&self) -> String {
        let size = format_units(self.report().position.size.into(), self.size_decimals);
        format!("Position({:?}, {size})", self.instrument())
    }
}

#[pyclass(frozen, immutable_type, name = "Balance", module = "libra.model")]
pub struct PyBalance {
    pub(super) inner: Balance,
}

#[pymethods]
impl PyBalance {
    #[getter]
    fn currency(&self) -> &'static str {
        self.inner.currency.as_str()
    }

    #[getter]
    fn total(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.inner.total)
    }

    #[getter]
    fn available(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.inner.available().map(|amount| money(py, amount)).transpose()
    }

    #[getter]
    fn equity(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.inner.equity().map(|amount| money(py, amount)).transpose()
    }

    fn __repr__(&self) -> String {
        format!("Balance({} {})", format_units(self.inner.total, MONEY_DECIMALS), self.currency())
    }
}

/// What breaches, incidents, the kill switch and refused cancels, requests and signals say.
#[pyclass(frozen, immutable_type, name = "Notice", module = "libra.model")]
pub struct PyNotice {
    #[pyo3(get)]
    pub(super) account: &'static str,
    #[pyo3(get)]
    pub(super) strategy: Option<&'static str>,
    #[pyo3(get)]
    pub(super) code: String,
    #[pyo3(get)]
    pub(super) detail: String,
}

#[pymethods]
impl PyNotice {
    fn __repr__(&self) -> String {
        format!("Notice({:?}, {:?}, {:?})", self.account, self.code, self.detail)
    }
}
