//! `Quote`, `Trade`, `Bar` and `BookDelta` as Python sees them: decimals at the edge, integers within reach.

use libra_kernel::fixed::MAX_DECIMALS;
use libra_kernel::{Event, Name, Payload};
use libra_market::book::BookUpdate;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::payload::Header;
use bar::{PyBar, TimedBar};
use book::{PyBookDelta, SharedBook};
use quote::PyQuote;
use trade::PyTrade;

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

/// A class of market data: its own constructors and getters, and those that all have.
macro_rules! market_class {
    ($class:ident, $name:literal, $inner:ty, { $($body:tt)* }) => {
        #[pyclass(frozen, immutable_type, name = $name, module = "libra.model")]
        pub struct $class {
            pub(super) meta: Meta,
            pub(super) inner: $inner,
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

// Behind the macro, which they use.
mod bar;
mod book;
mod quote;
mod trade;

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

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyQuote>()?;
    module.add_class::<PyTrade>()?;
    module.add_class::<PyBar>()?;
    module.add_class::<PyBookDelta>()
}
