//! Where a node's market data comes from: recorded files, a synthetic market, or Python.

use std::path::PathBuf;

use libra_kernel::fixed::DecimalError;
use libra_kernel::{Event, Name, Payload, clock};
use libra_market::book::BookUpdate;
use libra_market::listing::{Listing, Listings};
use libra_market::replay::{ReplayOptions, ReplaySource};
use libra_market::source::{Problem, Source, SourceCounters};
use libra_market::synthetic::{SyntheticConfig, SyntheticInstrument, SyntheticMarket};
use libra_market::venue::VenueKind;
use libra_trading::session::Feed;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{NodeCore, State};
use crate::decimal;
use crate::errors;
use crate::event::PyEvent;
use crate::trading::PyInstrument;

/// The median trade is this part of the median level.
const TRADE_OF_LEVEL: i64 = 20;

/// One symbol of a synthetic market, as its profile words it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct SyntheticSymbol<'py> {
    pub instrument: Bound<'py, PyInstrument>,
    start_price: Bound<'py, PyAny>,
    volatility_bps: f64,
    spread_ticks: i64,
    quote_rate_hz: f64,
    trade_rate_hz: f64,
    book_rate_hz: f64,
    pub book_levels: usize,
    level_size: Bound<'py, PyAny>,
}

#[pymethods]
impl NodeCore {
    /// Adds recorded files as a source. Raises ValueError with a line for each file that cannot be read.
    #[pyo3(signature = (files, instruments, source="replay"))]
    fn add_replay(
        &self,
        py: Python<'_>,
        files: Vec<PathBuf>,
        instruments: Vec<Bound<'_, PyInstrument>>,
        source: &str,
    ) -> PyResult<()> {
        let replay = replay_source(py, files, &instruments, source)?;
        self.state.borrow(py).inputs.add(replay);
        Ok(())
    }

    /// Adds a synthetic market as a source; it begins at `start_ns`.
    #[pyo3(signature = (seed, start_ns, symbols, source="synthetic"))]
    fn add_synthetic(
        &self,
        py: Python<'_>,
        seed: u64,
        start_ns: i64,
        symbols: Vec<SyntheticSymbol<'_>>,
        source: &str,
    ) -> PyResult<()> {
        let market = synthetic_source(seed, start_ns, &symbols, source)?;
        self.state.borrow(py).inputs.add(market);
        Ok(())
    }

    /// The instruments that the node lists: market data from Python is brought into their decimals.
    fn list_instruments(&self, py: Python<'_>, instruments: Vec<Bound<'_, PyInstrument>>) {
        let mut state = self.state.borrow(py);
        for instrument in instruments {
            let instrument = &instrument.get().inner;
            state.listed.insert(instrument.id, (instrument.price_decimals, instrument.size_decimals));
        }
    }

    /// A market event that came from Python, about `instrument`: accounts see it, then it fans out. False when a
    /// subscriber refused it; ValueError for a price or size that the instrument's decimals cannot express.
    fn publish_market(&self, event: &Bound<'_, PyAny>, instrument: &str) -> PyResult<bool> {
        let Ok(event) = event.cast::<PyEvent>() else {
            return Err(PyTypeError::new_err(format!("an Event is published, not {}", event.repr()?)));
        };
        let py = event.py();
        let mut event = event.get().to_kernel(py);
        event.instrument = Name::intern(instrument);
        self.encode_if_leaving(py, &event)?;
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        let event = state.in_listed_decimals(event).map_err(|error| errors::decimal(instrument, error))?;
        let now_ns = clock::now_ns();
        for desk in &mut state.desks {
            desk.on_market(&mut state.router, now_ns, &event);
        }
        let taken = state.router.publish(event);
        self.wake(state);
        Ok(taken)
    }

    /// What the sources have read, summed over them.
    fn source_counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters = {
            let mut state = self.state.borrow(py);
            let own: Vec<SourceCounters> = state.inputs.sources().iter().map(|source| source.counters()).collect();
            let fed = state.feed.as_ref().map(Feed::counters).unwrap_or_default();
            own.into_iter().chain(fed).fold(SourceCounters::default(), SourceCounters::plus)
        };
        counters_to_python(py, counters)
    }

    /// Problems of the sources since the last call, as (place, message, fatal).
    fn source_problems(&self, py: Python<'_>) -> Vec<(String, String, bool)> {
        let mut state = self.state.borrow(py);
        let own = state.inputs.sources().iter_mut().flat_map(|source| source.take_problems());
        let mut problems: Vec<Problem> = own.collect();
        if let Some(feed) = &state.feed {
            problems.extend(feed.take_problems());
        }
        problems.into_iter().map(|problem| (problem.place, problem.message, problem.fatal)).collect()
    }
}

impl State {
    /// A market event with its amounts in the decimals that this node lists for its instrument: exact, or an error.
    pub fn in_listed_decimals(&self, event: Event) -> Result<Event, DecimalError> {
        let listed = self.listed.get(&event.instrument);
        let Some(&(price_decimals, size_decimals)) =
            listed.filter(|listed| **listed != (event.price_decimals, event.size_decimals))
        else {
            return Ok(event);
        };
        match event.payload.downcast::<BookUpdate>() {
            Some(update) => {
                let scaled =
                    update.rescaled((event.price_decimals, event.size_decimals), (price_decimals, size_decimals))?;
                Ok(Event { payload: Payload::shared(scaled), price_decimals, size_decimals, ..event })
            }
            None => event.rescaled(price_decimals, size_decimals),
        }
    }
}

/// Source counters as a dict.
pub fn counters_to_python<'py>(py: Python<'py>, counters: SourceCounters) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let SourceCounters {
        frames,
        quotes,
        trades,
        books,
        malformed,
        unknown,
        crossed,
        non_trades,
        out_of_order,
        depth_gaps,
        depth_repeats,
        unsynced_books,
        truncated_files,
        unlisted,
    } = counters;
    for (name, value) in [
        ("frames", frames),
        ("quotes", quotes),
        ("trades", trades),
        ("books", books),
        ("malformed", malformed),
        ("unknown", unknown),
        ("crossed", crossed),
        ("non_trades", non_trades),
        ("out_of_order", out_of_order),
        ("depth_gaps", depth_gaps),
        ("depth_repeats", depth_repeats),
        ("unsynced_books", unsynced_books),
        ("truncated_files", truncated_files),
        ("unlisted", unlisted),
    ] {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}

/// Recorded files as a source.
pub fn replay_source(
    py: Python<'_>,
    files: Vec<PathBuf>,
    instruments: &[Bound<'_, PyInstrument>],
    source: &str,
) -> PyResult<Box<dyn Source>> {
    let listings = instruments.iter().filter_map(|instrument| {
        let instrument = &instrument.get().inner;
        let venue = VenueKind::from_name(instrument.venue.as_str())?;
        let (price, size) = (instrument.price_decimals, instrument.size_decimals);
        Some(Listing::new(instrument.symbol.as_str(), venue, instrument.venue_symbol.as_str(), price, size))
    });
    let listings = Listings::new(listings).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let options = ReplayOptions { source: Name::intern(source), ..ReplayOptions::default() };
    let replay = py.detach(|| ReplaySource::open(&files, listings, options));
    Ok(Box::new(replay.map_err(|error| PyValueError::new_err(error.to_string()))?))
}

/// A synthetic market as a source.
pub fn synthetic_source(
    seed: u64,
    start_ns: i64,
    symbols: &[SyntheticSymbol<'_>],
    source: &str,
) -> PyResult<Box<dyn Source>> {
    let instruments: PyResult<Vec<SyntheticInstrument>> = symbols.iter().map(synthetic_instrument).collect();
    let config =
        SyntheticConfig { seed, start_ts_ns: start_ns, source: Name::intern(source), instruments: instruments? };
    let market = SyntheticMarket::new(config).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Box::new(market))
}

fn synthetic_instrument(symbol: &SyntheticSymbol<'_>) -> PyResult<SyntheticInstrument> {
    let instrument = &symbol.instrument.get().inner;
    let (price_decimals, size_decimals) = (instrument.price_decimals, instrument.size_decimals);
    let name = instrument.symbol.as_str();
    let venue_symbol = instrument.venue_symbol.as_str();
    let listing = Listing::new(name, VenueKind::Synthetic, venue_symbol, price_decimals, size_decimals);
    let start_price = decimal::units_of("start_price", &symbol.start_price, price_decimals)?;
    let level_lots = decimal::units_of("level_size", &symbol.level_size, size_decimals)? / instrument.lot_size;
    Ok(SyntheticInstrument {
        volatility: symbol.volatility_bps / 10_000.0,
        spread_ticks: symbol.spread_ticks,
        quote_rate_hz: symbol.quote_rate_hz,
        trade_rate_hz: symbol.trade_rate_hz,
        book_rate_hz: symbol.book_rate_hz,
        levels: symbol.book_levels,
        level_lots: level_lots.max(1),
        trade_lots: (level_lots / TRADE_OF_LEVEL).max(1),
        ..SyntheticInstrument::new(listing, start_price, instrument.tick_size, instrument.lot_size)
    })
}
