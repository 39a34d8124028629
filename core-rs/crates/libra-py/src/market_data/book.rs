//! `BookDelta`.

use std::ops::Deref;
use std::sync::Arc;

use libra_kernel::{Name, SharedPayload};
use libra_market::book::{BookUpdate, Level};
use pyo3::prelude::*;

use super::{Head, Meta};
use crate::decimal;

/// Head, whether it is a snapshot, ids and the venue's time, bids, asks.
type BookUnits = (Head, bool, [i64; 4], Vec<(i64, i64)>, Vec<(i64, i64)>);

/// A book update shared with the queues that hold its event.
pub(super) struct SharedBook(pub(super) Arc<dyn SharedPayload>);

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
