//! An order as Python sees it.

use std::sync::Arc;

use libra_kernel::{Name, SharedPayload, clock, ids};
use libra_trading::order::{ClientOrderId, Order, OrderRequest, OrderStatus, OrderType};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::enums::{self, SIDES, STATES, TIMES, TYPES, of};
use super::fill::PyFill;
use super::{money, symbol_of};
use crate::decimal;

#[pyclass(frozen, immutable_type, name = "Order", module = "libra.model")]
pub struct PyOrder {
    pub inner: Arc<dyn SharedPayload>,
    pub decimals: (u8, u8),
}

impl PyOrder {
    pub fn order(&self) -> &Order {
        self.inner.as_any().downcast_ref().expect("checked when it was wrapped")
    }
}

#[pymethods]
impl PyOrder {
    /// An order that nobody has sent yet, for a gateway that is used without a node.
    #[new]
    #[pyo3(signature = (instrument, side, size, *, price=None, time_in_force=None, order_id=None))]
    fn new(
        py: Python<'_>,
        instrument: &str,
        side: &str,
        size: &Bound<'_, PyAny>,
        price: Option<Bound<'_, PyAny>>,
        time_in_force: Option<&str>,
        order_id: Option<&str>,
    ) -> PyResult<Self> {
        let price_decimals = price.as_ref().map_or(Ok(0), |price| decimal::decimals_of("price", &[price]))?;
        let size_decimals = decimal::decimals_of("size", &[size])?;
        let client_order_id = match order_id {
            Some(text) => {
                ClientOrderId::parse(text).ok_or_else(|| PyValueError::new_err(format!("not an order id: {text:?}")))?
            }
            None => ClientOrderId(ids::business_id()),
        };
        let default = if price.is_some() { "GTC" } else { "IOC" };
        let request = OrderRequest {
            request_id: client_order_id.0,
            signal_id: 0,
            account: Name::NONE,
            strategy: Name::NONE,
            instrument: Name::intern(instrument),
            side: enums::side(py, side)?,
            order_type: if price.is_some() { OrderType::Limit } else { OrderType::Market },
            time_in_force: enums::time_in_force(py, time_in_force.unwrap_or(default))?,
            size: decimal::units_of("size", size, size_decimals)?,
            price: match &price {
                Some(price) => decimal::units_of("price", price, price_decimals)?,
                None => 0,
            },
            deadline_ns: 0,
            ts_origin_ns: 0,
        };
        let order = Order {
            client_order_id,
            venue_order_id: String::new(),
            request,
            status: OrderStatus::New,
            filled: 0,
            filled_notional: 0,
            fees: 0,
            reason: String::new(),
            detail: String::new(),
            last_fill: None,
            ts_ns: clock::now_ns(),
        };
        Ok(PyOrder { inner: Arc::new(order), decimals: (price_decimals, size_decimals) })
    }

    #[getter]
    fn order_id(&self) -> String {
        self.order().client_order_id.to_string()
    }

    #[getter]
    fn venue_order_id(&self) -> &str {
        &self.order().venue_order_id
    }

    #[getter]
    fn account(&self) -> &'static str {
        self.order().request.account.as_str()
    }

    #[getter]
    fn strategy(&self) -> &'static str {
        self.order().request.strategy.as_str()
    }

    #[getter]
    fn instrument(&self) -> &'static str {
        self.order().request.instrument.as_str()
    }

    #[getter]
    fn symbol(&self) -> &'static str {
        symbol_of(self.order().request.instrument)
    }

    #[getter]
    fn side(&self, py: Python<'_>) -> Py<PyAny> {
        of(&SIDES, py).member(py, self.order().request.side as usize)
    }

    #[getter]
    fn order_type(&self, py: Python<'_>) -> Py<PyAny> {
        of(&TYPES, py).member(py, self.order().request.order_type as usize)
    }

    #[getter]
    fn time_in_force(&self, py: Python<'_>) -> Py<PyAny> {
        of(&TIMES, py).member(py, self.order().request.time_in_force as usize)
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.order().request.size, self.decimals.1)
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let price = self.order().request.price;
        (price != 0).then(|| decimal::to_python(py, price, self.decimals.0)).transpose()
    }

    #[getter]
    fn status(&self, py: Python<'_>) -> Py<PyAny> {
        of(&STATES, py).member(py, self.order().status as usize)
    }

    #[getter]
    fn filled(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.order().filled, self.decimals.1)
    }

    #[getter]
    fn remaining(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.order().request.size - self.order().filled, self.decimals.1)
    }

    #[getter]
    fn filled_notional(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.order().filled_notional)
    }

    #[getter]
    fn fees(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        money(py, self.order().fees)
    }

    #[getter]
    fn reason(&self) -> &str {
        &self.order().reason
    }

    #[getter]
    fn detail(&self) -> &str {
        &self.order().detail
    }

    #[getter]
    fn is_final(&self) -> bool {
        self.order().status.is_final()
    }

    #[getter]
    fn last_fill(&self) -> Option<PyFill> {
        let fill = self.order().last_fill.clone()?;
        Some(PyFill { inner: fill, decimals: self.decimals })
    }

    #[getter]
    fn ts_ns(&self) -> i64 {
        self.order().ts_ns
    }

    fn __repr__(&self) -> String {
        let order = self.order();
        format!("Order({}, {:?} {}, {:?})", order.client_order_id, order.request.side, self.symbol(), order.status)
    }
}
