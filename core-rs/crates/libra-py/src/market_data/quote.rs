//! `Quote`.

use libra_kernel::Name;
use libra_kernel::event::Quote;
use pyo3::prelude::*;

use super::{Head, Meta};
use crate::decimal;

market_class!(PyQuote, "Quote", Quote, {
    #[new]
    #[pyo3(signature = (instrument, bid, ask, bid_size, ask_size, *, ts_venue_ns=0, venue_seq=0))]
    fn new(
        instrument: &str,
        bid: &Bound<'_, PyAny>,
        ask: &Bound<'_, PyAny>,
        bid_size: &Bound<'_, PyAny>,
        ask_size: &Bound<'_, PyAny>,
        ts_venue_ns: i64,
        venue_seq: i64,
    ) -> PyResult<Self> {
        let price_decimals = decimal::decimals_of("price", &[bid, ask])?;
        let size_decimals = decimal::decimals_of("size", &[bid_size, ask_size])?;
        let meta = Meta { instrument: Name::intern(instrument), price_decimals, size_decimals, ts_ns: 0 };
        let inner = Quote {
            bid: decimal::units_of("bid", bid, price_decimals)?,
            ask: decimal::units_of("ask", ask, price_decimals)?,
            bid_size: decimal::units_of("bid_size", bid_size, size_decimals)?,
            ask_size: decimal::units_of("ask_size", ask_size, size_decimals)?,
            ts_venue_ns,
            venue_seq,
        };
        Ok(PyQuote { meta, inner })
    }

    /// The quote that `to_units` was asked of.
    #[staticmethod]
    fn from_units(head: (String, u8, u8, i64), units: [i64; 6]) -> PyResult<Self> {
        let meta = Meta::checked(&head.0, head.1, head.2, head.3)?;
        let [bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq] = units;
        Ok(PyQuote { meta, inner: Quote { bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq } })
    }

    /// All of it as text and integers, exactly.
    fn to_units(&self) -> (Head, [i64; 6]) {
        let q = &self.inner;
        (self.meta.head(), [q.bid, q.ask, q.bid_size, q.ask_size, q.ts_venue_ns, q.venue_seq])
    }

    #[getter]
    fn bid(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.bid, self.meta.price_decimals)
    }

    #[getter]
    fn ask(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.ask, self.meta.price_decimals)
    }

    #[getter]
    fn bid_size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.bid_size, self.meta.size_decimals)
    }

    #[getter]
    fn ask_size(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        decimal::to_python(py, self.inner.ask_size, self.meta.size_decimals)
    }

    #[getter]
    fn mid(&self) -> f64 {
        (self.inner.bid as f64 + self.inner.ask as f64)
            / (2.0 * libra_kernel::fixed::pow10(self.meta.price_decimals) as f64)
    }

    #[getter]
    fn bid_units(&self) -> i64 {
        self.inner.bid
    }

    #[getter]
    fn ask_units(&self) -> i64 {
        self.inner.ask
    }

    #[getter]
    fn bid_size_units(&self) -> i64 {
        self.inner.bid_size
    }

    #[getter]
    fn ask_size_units(&self) -> i64 {
        self.inner.ask_size
    }

    #[getter]
    fn venue_seq(&self) -> i64 {
        self.inner.venue_seq
    }

    fn __repr__(&self) -> String {
        let (p, s) = (self.meta.price_decimals, self.meta.size_decimals);
        let price = |units: i64| libra_kernel::fixed::format_units(units.into(), p);
        let size = |units: i64| libra_kernel::fixed::format_units(units.into(), s);
        let q = &self.inner;
        format!(
            "Quote({:?}, {} x {} / {} x {})",
            self.meta.instrument.as_str(),
            price(q.bid),
            size(q.bid_size),
            price(q.ask),
            size(q.ask_size)
        )
    }
});
