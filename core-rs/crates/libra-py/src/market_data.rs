//! `Quote`, `Trade`, `Bar` and `BookDelta` as Python sees them: decimals at the edge, integers within reach.

use std::ops::Deref;
use std::sync::Arc;

use libra_kernel::event::{Aggressor, Bar, Quote, Trade};
use libra_kernel::fixed::MAX_DECIMALS;
use libra_kernel::{Event, Name, Payload, SharedPayload};
use libra_market::book::{BookUpdate, Level};
use libra_market::indicator::Sma;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::decimal;
use crate::payload::Header;

/// Instrument, decimals of price and size, and receive time: how the numbers of `to_units` begin.
type Head = (&'static str, u8, u8, i64);

/// What all market data has beside its numbers.
#[derive(Clone, Copy)]
struct Meta {
    instrument: Name,
    price_decimals: u8,
    size_decimals: u8,
    ts_ns: i64,
}

impl Meta {
    fn of(event: &Event) -> Self {
        Meta {
            instrument: event.instrument,
            price_decimals: event.price_decimals,
            size_decimals: event.size_decimals,
            ts_ns: event.ts_ns,
        }
    }

    /// What came from outside: decimals within what fixed-point numbers can have.
    fn checked(instrument: &str, price_decimals: u8, size_decimals: u8, ts_ns: i64) -> PyResult<Self> {
        if price_decimals.max(size_decimals) > MAX_DECIMALS {
            return Err(PyValueError::new_err(format!("a number has at most {MAX_DECIMALS} decimals")));
        }
        Ok(Meta { instrument: Name::intern(instrument), price_decimals, size_decimals, ts_ns })
    }

    fn header(&self) -> Header {
        Header { instrument: self.instrument, price_decimals: self.price_decimals, size_decimals: self.size_decimals }
    }

    fn head(&self) -> Head {
        (self.instrument.as_str(), self.price_decimals, self.size_decimals, self.ts_ns)
    }

    fn symbol(&self) -> &'static str {
        let text = self.instrument.as_str();
        text.split_once('@').map_or(text, |(symbol, _)| symbol)
    }
}

fn float(units: i64, decimals: u8) -> f64 {
    units as f64 / libra_kernel::fixed::pow10(decimals) as f64
}

macro_rules! market_class {
    ($class:ident, $name:literal, $inner:ty, { $($body:tt)* }) => {
        #[pyclass(frozen, immutable_type, name = $name, module = "libra.model")]
        pub struct $class {
            meta: Meta,
            inner: $inner,
        }

        #[pymethods]
        impl $class {
            $($body)*

            #[getter]
            fn instrument(&self) -> &'static str {
                self.meta.instrument.as_str()
            }

            #[getter]
            fn symbol(&self) -> &'static str {
                self.meta.symbol()
            }

            #[getter]
            fn ts_ns(&self) -> i64 {
                self.meta.ts_ns
            }

            #[getter]
            fn ts_venue_ns(&self) -> i64 {
                self.inner.ts_venue_ns
            }

            #[getter]
            fn price_decimals(&self) -> u8 {
                self.meta.price_decimals
            }

            #[getter]
            fn size_decimals(&self) -> u8 {
                self.meta.size_decimals
            }
        }
    };
}

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

/// A bar has no time of the venue but its opening.
struct TimedBar {
    bar: Bar,
    ts_venue_ns: i64,
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

fn aggressor_of(text: Option<&str>) -> PyResult<Aggressor> {
    match text {
        None => Ok(Aggressor::Unknown),
        Some("buyer") => Ok(Aggressor::Buyer),
        Some("seller") => Ok(Aggressor::Seller),
        Some(other) => Err(PyValueError::new_err(format!("aggressor is buyer, seller or None, not {other:?}"))),
    }
}

/// Head, whether it is a snapshot, ids and the venue's time, bids, asks.
type BookUnits = (Head, bool, [i64; 4], Vec<(i64, i64)>, Vec<(i64, i64)>);

/// A book update shared with the queues that hold its event.
struct SharedBook(Arc<dyn SharedPayload>);

impl Deref for SharedBook {
    type Target = BookUpdate;

    fn deref(&self) -> &BookUpdate {
        self.0.as_any().downcast_ref().expect("checked when it was wrapped")
    }
}

market_class!(PyBookDelta, "BookDelta", SharedBook, {
    #[new]
    #[pyo3(signature = (instrument, bids, asks, *, snapshot=false, first_id=0, last_id=0, previous_id=-1, ts_venue_ns=0))]
    #[allow(clippy::too_many_arguments, reason = "a frame of a book has that many fields")]
    fn new(
        instrument: &str,
        bids: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
        asks: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)>,
        snapshot: bool,
        first_id: i64,
        last_id: i64,
        previous_id: i64,
        ts_venue_ns: i64,
    ) -> PyResult<Self> {
        let prices: Vec<&Bound<'_, PyAny>> = bids.iter().chain(&asks).map(|(price, _)| price).collect();
        let sizes: Vec<&Bound<'_, PyAny>> = bids.iter().chain(&asks).map(|(_, size)| size).collect();
        let price_decimals = decimal::decimals_of("price", &prices)?;
        let size_decimals = decimal::decimals_of("size", &sizes)?;
        let levels = |side: &[(Bound<'_, PyAny>, Bound<'_, PyAny>)]| -> PyResult<Vec<Level>> {
            side.iter()
                .map(|(price, size)| {
                    Ok(Level {
                        price: decimal::units_of("price", price, price_decimals)?,
                        size: decimal::units_of("size", size, size_decimals)?,
                    })
                })
                .collect()
        };
        let (bids, asks) = (levels(&bids)?, levels(&asks)?);
        let update = BookUpdate { snapshot, first_id, last_id, previous_id, ts_venue_ns, bids, asks };
        let meta = Meta { instrument: Name::intern(instrument), price_decimals, size_decimals, ts_ns: 0 };
        Ok(PyBookDelta { meta, inner: SharedBook(Arc::new(update)) })
    }

    /// The update that `to_units` was asked of.
    #[staticmethod]
    fn from_units(
        head: (String, u8, u8, i64),
        snapshot: bool,
        ids: [i64; 4],
        bids: Vec<(i64, i64)>,
        asks: Vec<(i64, i64)>,
    ) -> PyResult<Self> {
        let meta = Meta::checked(&head.0, head.1, head.2, head.3)?;
        let [first_id, last_id, previous_id, ts_venue_ns] = ids;
        let levels = |side: Vec<(i64, i64)>| side.into_iter().map(|(price, size)| Level { price, size }).collect();
        let (bids, asks) = (levels(bids), levels(asks));
        let update = BookUpdate { snapshot, first_id, last_id, previous_id, ts_venue_ns, bids, asks };
        Ok(PyBookDelta { meta, inner: SharedBook(Arc::new(update)) })
    }

    /// All of it as text and integers, exactly.
    fn to_units(&self) -> BookUnits {
        let b = &*self.inner;
        let ids = [b.first_id, b.last_id, b.previous_id, b.ts_venue_ns];
        (self.meta.head(), b.snapshot, ids, self.bid_units(), self.ask_units())
    }

    #[getter]
    fn is_snapshot(&self) -> bool {
        self.inner.snapshot
    }

    #[getter]
    fn first_id(&self) -> i64 {
        self.inner.first_id
    }

    #[getter]
    fn last_id(&self) -> i64 {
        self.inner.last_id
    }

    #[getter]
    fn previous_id(&self) -> i64 {
        self.inner.previous_id
    }

    #[getter]
    fn bids(&self, py: Python<'_>) -> PyResult<Vec<(Py<PyAny>, Py<PyAny>)>> {
        levels_to_python(py, &self.inner.bids, self.meta)
    }

    #[getter]
    fn asks(&self, py: Python<'_>) -> PyResult<Vec<(Py<PyAny>, Py<PyAny>)>> {
        levels_to_python(py, &self.inner.asks, self.meta)
    }

    #[getter]
    fn bid_units(&self) -> Vec<(i64, i64)> {
        self.inner.bids.iter().map(|level| (level.price, level.size)).collect()
    }

    #[getter]
    fn ask_units(&self) -> Vec<(i64, i64)> {
        self.inner.asks.iter().map(|level| (level.price, level.size)).collect()
    }
});

fn levels_to_python(py: Python<'_>, levels: &[Level], meta: Meta) -> PyResult<Vec<(Py<PyAny>, Py<PyAny>)>> {
    let decimals = |level: &Level| {
        Ok((
            decimal::to_python(py, level.price, meta.price_decimals)?,
            decimal::to_python(py, level.size, meta.size_decimals)?,
        ))
    };
    levels.iter().map(decimals).collect()
}

/// The kernel's payload of a Python market data object, if it is one.
pub fn native_payload(value: &Bound<'_, PyAny>) -> Option<(Payload, Header)> {
    if let Ok(quote) = value.cast::<PyQuote>() {
        return Some((Payload::Quote(quote.get().inner), quote.get().meta.header()));
    }
    if let Ok(trade) = value.cast::<PyTrade>() {
        return Some((Payload::Trade(trade.get().inner), trade.get().meta.header()));
    }
    if let Ok(bar) = value.cast::<PyBar>() {
        return Some((Payload::Bar(bar.get().inner.bar), bar.get().meta.header()));
    }
    let book = value.cast::<PyBookDelta>().ok()?;
    Some((Payload::Shared(book.get().inner.0.clone()), book.get().meta.header()))
}

/// The Python object of an event with market data, if that is what it carries.
pub fn to_python(py: Python<'_>, event: &Event) -> Option<PyResult<Py<PyAny>>> {
    let meta = Meta::of(event);
    Some(match &event.payload {
        Payload::Quote(quote) => Py::new(py, PyQuote { meta, inner: *quote }).map(Py::into_any),
        Payload::Trade(trade) => Py::new(py, PyTrade { meta, inner: *trade }).map(Py::into_any),
        Payload::Bar(bar) => {
            let inner = TimedBar { bar: *bar, ts_venue_ns: bar.ts_open_ns };
            Py::new(py, PyBar { meta, inner }).map(Py::into_any)
        }
        Payload::Shared(shared) => {
            shared.as_any().downcast_ref::<BookUpdate>()?;
            Py::new(py, PyBookDelta { meta, inner: SharedBook(shared.clone()) }).map(Py::into_any)
        }
        Payload::Empty => return None,
    })
}

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
    module.add_class::<PyQuote>()?;
    module.add_class::<PyTrade>()?;
    module.add_class::<PyBar>()?;
    module.add_class::<PySma>()?;
    module.add_class::<PyBookDelta>()
}
