//! Instruments, orders, fills, positions, balances and signals as Python sees them: frozen views with decimals.
//!
//! - [`enums`] — sides, types, states and kinds as `StrEnum`s;
//! - [`instrument`], [`order`], [`fill`] — what is traded, and how;
//! - [`asked`] — signals and requests; [`told`] — positions, balances, notices;
//! - [`report`] — what a gateway says about an order; [`venue`] — and about the whole account;
//! - this file — which of them an event carries.

mod asked;
mod enums;
mod fill;
mod instrument;
mod order;
mod report;
mod told;
pub mod venue;

use libra_kernel::timers::TimerFired;
use libra_kernel::{Event, Name, Payload};
use libra_trading::account::Balance;
use libra_trading::desk::payload::{Approved, Notice, PositionReport};
use libra_trading::instrument::{MONEY_DECIMALS, Money};
use libra_trading::order::{CancelRequest, Order, OrderRequest};
use libra_trading::signal::Signal;
use pyo3::prelude::*;

use crate::decimal;
use asked::{PyCancelRequest, PyOrderRequest, PySignal};
pub use enums::{side, signal_type, status_name, time_in_force};
pub use fill::PyFill;
pub use instrument::PyInstrument;
pub use order::PyOrder;
pub use report::PyOrderReport;
use told::{PyBalance, PyNotice, PyPosition};

pub fn money(py: Python<'_>, amount: Money) -> PyResult<Py<PyAny>> {
    decimal::to_python_short(py, amount, MONEY_DECIMALS)
}

fn symbol_of(instrument: Name) -> &'static str {
    let text = instrument.as_str();
    text.split_once('@').map_or(text, |(symbol, _)| symbol)
}

/// The Python object of an event of the order path, if that is what it carries.
pub fn to_python(py: Python<'_>, event: &Event) -> Option<PyResult<Py<PyAny>>> {
    let Payload::Shared(shared) = &event.payload else { return None };
    let decimals = (event.price_decimals, event.size_decimals);
    let any = shared.as_any();
    if any.is::<Order>() {
        return Some(Py::new(py, PyOrder { inner: shared.clone(), decimals }).map(Py::into_any));
    }
    if let Some(signal) = any.downcast_ref::<Signal>() {
        let inner = signal.clone();
        return Some(Py::new(py, PySignal { inner, price_decimals: decimals.0 }).map(Py::into_any));
    }
    if let Some(request) = any.downcast_ref::<OrderRequest>() {
        let request = PyOrderRequest { inner: request.clone(), decimals, order_id: None };
        return Some(Py::new(py, request).map(Py::into_any));
    }
    if let Some(approved) = any.downcast_ref::<Approved>() {
        let order_id = Some(approved.approval.client_order_id());
        let request = PyOrderRequest { inner: approved.request.clone(), decimals, order_id };
        return Some(Py::new(py, request).map(Py::into_any));
    }
    if let Some(cancel) = any.downcast_ref::<CancelRequest>() {
        return Some(Py::new(py, PyCancelRequest { inner: cancel.clone() }).map(Py::into_any));
    }
    if any.is::<PositionReport>() {
        let position = PyPosition { report: shared.clone(), size_decimals: decimals.1 };
        return Some(Py::new(py, position).map(Py::into_any));
    }
    if let Some(balance) = any.downcast_ref::<Balance>() {
        return Some(Py::new(py, PyBalance { inner: *balance }).map(Py::into_any));
    }
    if let Some(notice) = any.downcast_ref::<Notice>() {
        let told = PyNotice {
            account: notice.account.as_str(),
            strategy: (notice.strategy != Name::NONE).then(|| notice.strategy.as_str()),
            code: notice.code.clone(),
            detail: notice.detail.clone(),
        };
        return Some(Py::new(py, told).map(Py::into_any));
    }
    let timer = any.downcast_ref::<TimerFired>()?;
    Some(timer.id.into_pyobject(py).map(|id| id.into_any().unbind()).map_err(PyErr::from))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    enums::register(module)?;
    enums::register_codes(module)?;
    module.add_class::<PyInstrument>()?;
    module.add_class::<PySignal>()?;
    module.add_class::<PyFill>()?;
    module.add_class::<PyOrder>()?;
    module.add_class::<PyOrderRequest>()?;
    module.add_class::<PyCancelRequest>()?;
    module.add_class::<PyPosition>()?;
    module.add_class::<PyBalance>()?;
    module.add_class::<PyNotice>()?;
    module.add_class::<PyOrderReport>()
}
