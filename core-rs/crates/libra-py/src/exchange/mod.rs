//! `ExchangeCore`: the markets of a simulated exchange for a protocol in Python.
//!
//! Inputs come one at a time, and each gives the batch of all that was told meanwhile; `told` makes tuples of it.

mod orders;
mod told;

use std::path::PathBuf;

use libra_market::source::Source;
use libra_trading::exchange::{Exchange, ExchangeError, Told};
use libra_trading::matching::{AccountId, BookLevel, MatchError, OrderId};
use libra_trading::order::OrderSide;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;

use self::orders::OrderTerms;
use self::told::Decimals;
use crate::gil::GilCell;
use crate::node::inputs::{SyntheticSymbol, replay_source, synthetic_source};
use crate::trading::PyInstrument;

/// Price and quantity as text.
type LevelTexts = Vec<(String, String)>;

/// First, last and previous id, bids, asks.
type DepthTexts = (u64, u64, u64, LevelTexts, LevelTexts);

struct State {
    exchange: Exchange,
    decimals: Vec<Decimals>,
    told: Vec<Told>,
}

/// The markets of a simulated exchange.
#[pyclass(frozen, module = "libra_core")]
pub struct ExchangeCore {
    state: GilCell<State>,
}

#[pymethods]
impl ExchangeCore {
    #[new]
    fn new() -> Self {
        ExchangeCore {
            state: GilCell::new(State { exchange: Exchange::default(), decimals: Vec::new(), told: Vec::new() }),
        }
    }

    /// Adds a market where nobody is but users. `decimals` are those that prices and sizes have as text.
    fn add_quiet(&self, py: Python<'_>, instrument: &Bound<'_, PyInstrument>, decimals: (u8, u8)) -> PyResult<usize> {
        self.add(py, instrument, None, 0, 1, decimals)
    }

    /// Adds a market with a synthetic flow that begins at `start_ns`.
    fn add_synthetic(
        &self,
        py: Python<'_>,
        symbol: SyntheticSymbol<'_>,
        seed: u64,
        start_ns: i64,
        decimals: (u8, u8),
    ) -> PyResult<usize> {
        let levels = symbol.book_levels.saturating_mul(2);
        let instrument = symbol.instrument.clone();
        let source = synthetic_source(seed, start_ns, &[symbol], "exchange")?;
        self.add(py, &instrument, Some(source), 0, levels, decimals)
    }

    /// Adds a market whose flow is recorded; its first event happens at `start_ns`.
    fn add_replay(
        &self,
        py: Python<'_>,
        instrument: &Bound<'_, PyInstrument>,
        files: Vec<PathBuf>,
        start_ns: i64,
        decimals: (u8, u8),
    ) -> PyResult<usize> {
        let mut source = replay_source(py, files, std::slice::from_ref(instrument), "exchange")?;
        let offset_ns = source.peek_ts_ns().map_or(0, |first_ns| start_ns.saturating_sub(first_ns));
        self.add(py, instrument, Some(source), offset_ns, 10_000, decimals)
    }

    /// Brings all markets to `now_ns`.
    fn advance<'py>(&self, py: Python<'py>, now_ns: i64) -> PyResult<Bound<'py, PyList>> {
        self.run(py, |exchange, told| {
            exchange.advance(now_ns, told);
            Ok(())
        })
    }

    /// Takes an order. ValueError where its terms make no sense.
    fn submit<'py>(
        &self,
        py: Python<'py>,
        market: usize,
        order: OrderTerms,
        now_ns: i64,
    ) -> PyResult<Bound<'py, PyList>> {
        let order = order.into_order()?;
        self.run(py, |exchange, told| exchange.submit(market, &order, now_ns, told))
    }

    /// Cancels an order. KeyError where the account has no open one of this id.
    fn cancel<'py>(
        &self,
        py: Python<'py>,
        market: usize,
        account: u32,
        order: u64,
        now_ns: i64,
    ) -> PyResult<Bound<'py, PyList>> {
        self.run(py, |exchange, told| exchange.cancel(market, AccountId(account), OrderId(order), now_ns, told))
    }

    /// Cancels an order and takes another in its place.
    fn replace<'py>(
        &self,
        py: Python<'py>,
        market: usize,
        old: u64,
        order: OrderTerms,
        now_ns: i64,
    ) -> PyResult<Bound<'py, PyList>> {
        let order = order.into_order()?;
        self.run(py, |exchange, told| exchange.replace(market, OrderId(old), &order, now_ns, told))
    }

    /// Changes price and quantity of a resting order.
    #[allow(clippy::too_many_arguments, reason = "an order has that many terms")]
    fn amend<'py>(
        &self,
        py: Python<'py>,
        market: usize,
        account: u32,
        order: u64,
        price: i64,
        quantity: i64,
        now_ns: i64,
    ) -> PyResult<Bound<'py, PyList>> {
        let (account, order) = (AccountId(account), OrderId(order));
        self.run(py, |exchange, told| exchange.amend(market, account, order, price, quantity, now_ns, told))
    }

    /// Feeds a mark price in.
    fn set_mark<'py>(&self, py: Python<'py>, market: usize, price: i64, now_ns: i64) -> PyResult<Bound<'py, PyList>> {
        self.run(py, |exchange, told| exchange.set_mark(market, price, now_ns, told))
    }

    /// What changed in the book since the last call; None where nothing did.
    fn take_depth(&self, py: Python<'_>, market: usize) -> PyResult<Option<DepthTexts>> {
        let mut state = self.state.borrow(py);
        let State { exchange, decimals, .. } = &mut *state;
        let Some(depth) = exchange.take_depth(market).map_err(to_python)? else { return Ok(None) };
        let decimals = decimals[market];
        let texts = |levels: &[(i64, i64)]| -> LevelTexts {
            levels.iter().map(|(price, size)| (decimals.price(*price), decimals.size(*size))).collect()
        };
        Ok(Some((depth.first_id, depth.last_id, depth.previous_id, texts(&depth.bids), texts(&depth.asks))))
    }

    /// The last change's id and the best levels of both sides.
    fn depth(&self, py: Python<'_>, market: usize, levels: usize) -> PyResult<(u64, LevelTexts, LevelTexts)> {
        let state = self.state.borrow(py);
        let decimals = state.decimals.get(market).copied();
        let engine = state.exchange.market(market).map_err(to_python)?.engine();
        let decimals = decimals.ok_or_else(|| to_python(ExchangeError::UnknownMarket(market)))?;
        let texts = |side| -> LevelTexts {
            let text = |level: BookLevel| (decimals.price(level.price), decimals.size(level.quantity));
            engine.levels(side).take(levels).map(text).collect()
        };
        Ok((engine.last_update_id(), texts(OrderSide::Buy), texts(OrderSide::Sell)))
    }

    /// The best bid and ask in price units, each None where nobody is.
    fn best(&self, py: Python<'_>, market: usize) -> PyResult<(Option<i64>, Option<i64>)> {
        let state = self.state.borrow(py);
        let engine = state.exchange.market(market).map_err(to_python)?.engine();
        let price = |side| engine.best(side).map(|level| level.price);
        Ok((price(OrderSide::Buy), price(OrderSide::Sell)))
    }

    /// What is offered to an order that takes: prices and sizes in units, from the best on.
    fn levels(&self, py: Python<'_>, market: usize, bids: bool, levels: usize) -> PyResult<Vec<(i64, i64)>> {
        let state = self.state.borrow(py);
        let engine = state.exchange.market(market).map_err(to_python)?.engine();
        let side = if bids { OrderSide::Buy } else { OrderSide::Sell };
        Ok(engine.levels(side).take(levels).map(|level| (level.price, level.quantity)).collect())
    }

    /// An account's position, in size units.
    fn position(&self, py: Python<'_>, market: usize, account: u32) -> PyResult<i128> {
        let state = self.state.borrow(py);
        Ok(state.exchange.market(market).map_err(to_python)?.engine().position(AccountId(account)))
    }

    /// How many of the flow's orders a market did not take.
    fn refused(&self, py: Python<'_>, market: usize) -> PyResult<u64> {
        Ok(self.state.borrow(py).exchange.market(market).map_err(to_python)?.refused())
    }
}

impl ExchangeCore {
    fn add(
        &self,
        py: Python<'_>,
        instrument: &Bound<'_, PyInstrument>,
        source: Option<Box<dyn Source>>,
        offset_ns: i64,
        levels: usize,
        texts: (u8, u8),
    ) -> PyResult<usize> {
        let instrument = &instrument.get().inner;
        let decimals = Decimals::new(instrument, texts)?;
        let mut state = self.state.borrow(py);
        let number = state.exchange.add(instrument, source, offset_ns, levels).map_err(to_python)?;
        state.decimals.push(decimals);
        Ok(number)
    }

    fn run<'py>(
        &self,
        py: Python<'py>,
        act: impl FnOnce(&mut Exchange, &mut Vec<Told>) -> Result<(), ExchangeError>,
    ) -> PyResult<Bound<'py, PyList>> {
        // The batch is taken out of the cell: making Python objects may run Python code.
        let (done, batch, decimals) = {
            let mut state = self.state.borrow(py);
            let State { exchange, told, decimals } = &mut *state;
            let done = act(exchange, told);
            (done, std::mem::take(told), decimals.clone())
        };
        if let Err(error) = done {
            // What was told meanwhile is kept for the next call.
            self.state.borrow(py).told = batch;
            return Err(to_python(error));
        }
        let list = PyList::empty(py);
        for told in &batch {
            list.append(told::to_python(py, told, &decimals)?)?;
        }
        Ok(list)
    }
}

fn to_python(error: ExchangeError) -> PyErr {
    match error {
        ExchangeError::UnknownMarket(_) | ExchangeError::Match(MatchError::UnknownOrder(_)) => {
            PyKeyError::new_err(error.to_string())
        }
        _ => PyValueError::new_err(error.to_string()),
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ExchangeCore>()
}
