//! Native markets and a paper venue for gateways in Python: what a node uses inside, one call at a time.

use std::collections::HashMap;
use std::path::PathBuf;

use libra_kernel::fixed::rescale;
use libra_kernel::{Event, EventType, Name};
use libra_market::source::{Source, SourceCounters};
use libra_trading::account::Account;
use libra_trading::instrument::{Instrument, MONEY_DECIMALS};
use libra_trading::order::{ClientOrderId, Fill, Order, OrderRequest, VenueOutcome, VenueReport};
use libra_trading::paper::{LimitFill, PaperConfig, PaperVenue};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::gil::GilCell;
use crate::node::inputs::{SyntheticSymbol, counters_to_python, replay_source, synthetic_source};
use crate::trading::{PyInstrument, PyOrder, PyOrderReport, money};
use crate::{decimal, errors, market_data};

/// A stream of market data: recorded files or a synthetic market, in the order of its times.
#[pyclass(frozen, module = "libra_core")]
pub struct MarketStream {
    source: GilCell<Box<dyn Source>>,
}

#[pymethods]
impl MarketStream {
    /// Recorded files. ValueError with a line for each that cannot be read.
    #[staticmethod]
    fn replay(py: Python<'_>, files: Vec<PathBuf>, instruments: Vec<Bound<'_, PyInstrument>>) -> PyResult<Self> {
        Ok(MarketStream { source: GilCell::new(replay_source(py, files, &instruments, "replay")?) })
    }

    /// A synthetic market.
    #[staticmethod]
    fn synthetic(seed: u64, start_ns: i64, symbols: Vec<SyntheticSymbol<'_>>) -> PyResult<Self> {
        Ok(MarketStream { source: GilCell::new(synthetic_source(seed, start_ns, &symbols, "synthetic")?) })
    }

    /// When the next item is due, nanoseconds since the epoch; None at the end.
    fn peek_ts_ns(&self, py: Python<'_>) -> Option<i64> {
        self.source.borrow(py).peek_ts_ns()
    }

    /// The next quote, trade or book update; None at the end.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let event = self.source.borrow(py).next();
        event.and_then(|event| market_data::to_python(py, &event)).transpose()
    }

    /// What was read so far.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters: SourceCounters = self.source.borrow(py).counters();
        counters_to_python(py, counters)
    }

    /// Problems since the last call, as (place, message, fatal).
    fn problems(&self, py: Python<'_>) -> Vec<(String, String, bool)> {
        let problems = self.source.borrow(py).take_problems();
        problems.into_iter().map(|problem| (problem.place, problem.message, problem.fatal)).collect()
    }
}

struct Paper {
    venue: PaperVenue,
    account: Account,
    instruments: HashMap<Name, Instrument>,
    orders: HashMap<ClientOrderId, OrderRequest>,
    reports: Vec<VenueReport>,
}

/// A paper venue with the account that trades on it.
#[pyclass(frozen, module = "libra_core")]
pub struct PaperCore {
    paper: GilCell<Paper>,
}

#[pymethods]
impl PaperCore {
    #[new]
    #[pyo3(signature = (instruments, balances, *, latency_ns=0, slippage_ticks=0, fill_on_touch=false, seed=0))]
    fn new(
        instruments: Vec<Bound<'_, PyInstrument>>,
        balances: Vec<(String, Bound<'_, PyAny>)>,
        latency_ns: i64,
        slippage_ticks: i64,
        fill_on_touch: bool,
        seed: u64,
    ) -> PyResult<Self> {
        let instruments: Vec<Instrument> = instruments.iter().map(|i| i.get().inner.clone()).collect();
        let mut account = Account::new();
        for instrument in &instruments {
            account.set_instrument(instrument.clone()).map_err(|error| PyValueError::new_err(error.to_string()))?;
        }
        for (currency, amount) in &balances {
            let amount = decimal::wide_units_of("balance", amount, MONEY_DECIMALS)?;
            account
                .set_opening(Name::intern(currency), amount)
                .map_err(|error| PyValueError::new_err(error.to_string()))?;
        }
        let name = Name::intern("paper");
        let config = PaperConfig {
            latency_out_ns: latency_ns,
            latency_in_ns: latency_ns,
            slippage_ticks,
            limit_fill: if fill_on_touch { LimitFill::OnTouch } else { LimitFill::OnTradeThrough },
            seed,
            ..PaperConfig::new(name, Name::NONE)
        };
        let paper = Paper {
            venue: PaperVenue::new(config, instruments.clone()),
            account,
            instruments: instruments.into_iter().map(|instrument| (instrument.id, instrument)).collect(),
            orders: HashMap::new(),
            reports: Vec::new(),
        };
        Ok(PaperCore { paper: GilCell::new(paper) })
    }

    /// Shows the venue a quote, a trade or a book update, at a time.
    fn on_market(&self, item: &Bound<'_, PyAny>, ts_ns: i64) -> PyResult<()> {
        let Some((payload, header)) = market_data::native_payload(item) else {
            return Err(PyTypeError::new_err(format!("no market data: {}", item.repr()?)));
        };
        let event_type = match item.get_type().name()?.to_str()? {
            "Quote" => EventType::Quote,
            "Trade" => EventType::Trade,
            "Bar" => EventType::Bar,
            _ => EventType::OrderBook,
        };
        let decimals = (header.price_decimals, header.size_decimals);
        let event = Event::market(event_type, Name::intern("paper"), header.instrument, decimals, ts_ns, payload);
        let mut paper = self.paper.borrow(item.py());
        let paper = &mut *paper;
        let Some(instrument) = paper.instruments.get(&header.instrument) else { return Ok(()) };
        let event = event
            .rescaled(instrument.price_decimals, instrument.size_decimals)
            .map_err(|error| errors::decimal(instrument.id.as_str(), error))?;
        paper.venue.on_market(ts_ns, &event);
        if let libra_kernel::Payload::Quote(quote) = &event.payload
            && let Some(slot) = paper.account.slot(instrument.id)
        {
            paper.account.mark(slot, quote.bid, quote.ask);
        }
        Ok(())
    }

    /// Sends an order. ValueError for an instrument that the venue does not list, or steps it does not have.
    fn submit(&self, py: Python<'_>, order: &Bound<'_, PyOrder>, ts_ns: i64) -> PyResult<()> {
        let order = order.get();
        let mut native: Order = order.order().clone();
        let mut paper = self.paper.borrow(py);
        let Some(instrument) = paper.instruments.get(&native.request.instrument) else {
            return Err(PyValueError::new_err(format!("{} is not listed here", native.request.instrument)));
        };
        let wrong = |error| errors::decimal(instrument.id.as_str(), error);
        rescale(&mut native.request.price, order.decimals.0, instrument.price_decimals).map_err(wrong)?;
        rescale(&mut native.request.size, order.decimals.1, instrument.size_decimals).map_err(wrong)?;
        native.request.account = Name::NONE;
        paper.orders.entry(native.client_order_id).or_insert_with(|| native.request.clone());
        paper.venue.submit(ts_ns, &native);
        Ok(())
    }

    /// Asks to cancel an order; False for one that the venue was never sent.
    fn cancel(&self, py: Python<'_>, order_id: &str, ts_ns: i64) -> PyResult<bool> {
        let id = parse(order_id)?;
        let mut paper = self.paper.borrow(py);
        let known = paper.orders.contains_key(&id);
        if known {
            paper.venue.cancel(ts_ns, id);
        }
        Ok(known)
    }

    /// What the venue has to say up to a time.
    fn advance(&self, py: Python<'_>, ts_ns: i64) -> PyResult<Vec<PyOrderReport>> {
        let reports: Vec<(VenueReport, Option<Instrument>)> = {
            let mut paper = self.paper.borrow(py);
            let paper = &mut *paper;
            paper.venue.advance(ts_ns, &mut paper.reports);
            let reports = std::mem::take(&mut paper.reports);
            for report in &reports {
                paper.book(report)?;
            }
            reports.into_iter().map(|report| paper.with_instrument(report)).collect()
        };
        reports.into_iter().map(|(report, of)| PyOrderReport::from_native(py, report, of.as_ref())).collect()
    }

    /// Everything that the venue knows of an order.
    fn query(&self, py: Python<'_>, order_id: &str) -> PyResult<Vec<PyOrderReport>> {
        let id = parse(order_id)?;
        let reports: Vec<(VenueReport, Option<Instrument>)> = {
            let paper = self.paper.borrow(py);
            paper.venue.query(id).into_iter().map(|report| paper.with_instrument(report)).collect()
        };
        reports.into_iter().map(|(report, of)| PyOrderReport::from_native(py, report, of.as_ref())).collect()
    }

    /// When the venue has something to say next.
    fn next_due_ns(&self, py: Python<'_>) -> Option<i64> {
        self.paper.borrow(py).venue.next_due_ns()
    }

    /// Open positions, as (instrument, size).
    fn positions(&self, py: Python<'_>) -> PyResult<Vec<(&'static str, Py<PyAny>)>> {
        let rows: Vec<(Name, i64, u8)> = {
            let paper = self.paper.borrow(py);
            let open = paper.account.positions().filter(|position| position.size != 0);
            open.map(|p| (p.instrument, p.size, paper.instruments[&p.instrument].size_decimals)).collect()
        };
        let rows = rows.into_iter();
        rows.map(|(id, size, decimals)| Ok((id.as_str(), decimal::to_python(py, size, decimals)?))).collect()
    }

    /// What is there of each currency.
    fn balances(&self, py: Python<'_>) -> PyResult<Vec<(&'static str, Py<PyAny>)>> {
        let rows = self.paper.borrow(py).account.balances().to_vec();
        rows.into_iter().map(|balance| Ok((balance.currency.as_str(), money(py, balance.total)?))).collect()
    }
}

impl Paper {
    fn with_instrument(&self, report: VenueReport) -> (VenueReport, Option<Instrument>) {
        let request = self.orders.get(&report.client_order_id);
        let instrument = request.and_then(|request| self.instruments.get(&request.instrument)).cloned();
        (report, instrument)
    }

    fn book(&mut self, report: &VenueReport) -> PyResult<()> {
        let VenueOutcome::Filled { trade_id, price, size, fee, fee_currency, liquidity } = report.outcome else {
            return Ok(());
        };
        let Some(request) = self.orders.get(&report.client_order_id) else { return Ok(()) };
        let fill = Fill {
            client_order_id: report.client_order_id,
            trade_id,
            instrument: request.instrument,
            strategy: request.strategy,
            side: request.side,
            price,
            size,
            fee,
            fee_currency,
            liquidity,
            ts_venue_ns: report.ts_venue_ns,
        };
        self.account.book(&fill).map(|_| ()).map_err(|error| PyValueError::new_err(error.to_string()))
    }
}

fn parse(order_id: &str) -> PyResult<ClientOrderId> {
    ClientOrderId::parse(order_id)
        .ok_or_else(|| PyValueError::new_err(format!("not one of our order ids: {order_id:?}")))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<MarketStream>()?;
    module.add_class::<PaperCore>()
}
