//! `Trade`.

use libra_kernel::Name;
use libra_kernel::event::{Aggressor, Trade};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::{Head, Meta, float};
use crate::decimal;

market_class!(PyTrade, "Trade", Trade, {
    #[new]
    #[pyo3(signature = (instrument, price, size, *, aggressor=None, trade_id=0, ts_venue_ns=0))]
    fn new(
        instrument: &str,
        price: &Bound<'_, PyAny>,
        size: &Bound<'_, PyAny>,
        aggressor: Option<&str>,
        trade_id: i64,
        ts_venue_ns: i64,
    ) -> PyResult<Self> {
        let price_decimals = decimal::decimals_of("price", &[price])?;
        let size_decimals = decimal::decimals_of("size", &[size])?;
        let meta = Meta { instrument: Name::intern(instrument), price_decimals, size_decimals, ts_ns: 0 };
        let aggressor = aggressor_of(aggressor)?;
        let inner = Trade {
            price: decimal::units_of("price", price, price_decimals)?,
            size: decimal::units_of("size", size, size_decimals)?,
            trade_id,
            ts_venue_ns,
            aggressor,
        };
        Ok(PyTrade { meta, inner })
    }

    /// The trade that `to_units` was asked of.
    #[staticmethod]
    #[pyo3(signature = (head, units, aggressor))]
    fn from_units(head: (String, u8, u8, i64), units: [i64; 4], aggressor: Option<&str>) -> PyResult<Self> {
        let meta = Meta::checked(&head.0, head.1, head.2, head.3)?;
        let [price, size, trade_id, ts_venue_ns] = units;
        let aggressor = aggressor_of(aggressor)?;
        Ok(PyTrade { meta, inner: Trade { price, size, trade_id, ts_venue_ns, aggressor } })
    }

    /// All of it as text and integers, exactly.
    fn to_units(&self) -> (Head, [i64; 4], Option<&'static str>) {
        let t = &self.inner;
        (self.meta.head(), [t.price, t.size, t.trade_id, t.ts_venue_ns], self.aggressor())
    }

    #[getter]
    fn price(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.price, self.meta.price_decimals)
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.size, self.meta.size_decimals)
    }

    #[getter]
    fn price_float(&self) -> f64 {
        float(self.inner.price, self.meta.price_decimals)
    }

    #[getter]
    fn price_units(&self) -> i64 {
        self.inner.price
    }

    #[getter]
    fn size_units(&self) -> i64 {
        self.inner.size
    }

    #[getter]
    fn trade_id(&self) -> i64 {
        self.inner.trade_id
    }

    #[getter]
    fn aggressor(&self) -> Option<&'static str> {
        match self.inner.aggressor {
            Aggressor::Unknown => None,
            Aggressor::Buyer => Some("buyer"),
            Aggressor::Seller => Some("seller"),
        }
    }

    fn __repr__(&self) -> String {
        let price = libra_kernel::fixed::format_units(self.inner.price.into(), self.meta.price_decimals);
        let size = libra_kernel::fixed::format_units(self.inner.size.into(), self.meta.size_decimals);
        format!("Trade({:?}, {size} at {price})", self.meta.instrument.as_str())
    }
});

fn aggressor_of(text: Option<&str>) -> PyResult<Aggressor> {
    match text {
        None => Ok(Aggressor::Unknown),
        Some("buyer") => Ok(Aggressor::Buyer),
        Some("seller") => Ok(Aggressor::Seller),
        Some(other) => Err(PyValueError::new_err(format!("aggressor is buyer, seller or None, not {other:?}"))),
    }
}
