//! An account group's desk, as its Python actors use it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use libra_kernel::fixed::pow10;
use libra_kernel::router::Router;
use libra_kernel::{Lane, Name, clock, ids};
use libra_trading::account::Balance;
use libra_trading::desk::{Desk, DeskConfig, Link};
use libra_trading::gate::{GateConfig, LogConfig, Recovered, SyncPolicy};
use libra_trading::instrument::{Instrument, MONEY_DECIMALS};
use libra_trading::order::{CancelRequest, ClientOrderId, Fill, Order, OrderRequest, OrderType};
use libra_trading::paper::{LimitFill, PaperConfig, PaperVenue};
use libra_trading::portfolio::{PortfolioConfig, Sizing};
use libra_trading::risk::{InstrumentLimits, RiskLimits};
use libra_trading::signal::Signal;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::{NodeCore, State};
use crate::decimal;
use crate::event::PyEvent;
use crate::handlers::InFlight;
use crate::trading::{self, PyFill, PyInstrument, PyOrder, PyOrderReport, money};

/// The handle that an account's actors hold.
#[pyclass(frozen, module = "libra_core")]
pub struct AccountGroup {
    core: Py<NodeCore>,
    desk: usize,
    name: Name,
    recovered: Summary,
}

/// Instrument, best bid and best ask.
type TopOfBook = (&'static str, Py<PyAny>, Py<PyAny>);

/// What was found when the account's log was opened.
struct Summary {
    epoch: u64,
    records: u64,
    torn: bool,
    killed: bool,
    unanswered: Vec<ClientOrderId>,
    open: Vec<ClientOrderId>,
    cancelling: Vec<ClientOrderId>,
}

impl From<&Recovered> for Summary {
    fn from(recovered: &Recovered) -> Self {
        let ids = |orders: &[Arc<Order>]| orders.iter().map(|order| order.client_order_id).collect();
        Summary {
            epoch: recovered.epoch,
            records: recovered.records,
            torn: recovered.torn.is_some(),
            killed: recovered.killed,
            unanswered: ids(&recovered.unanswered),
            open: ids(&recovered.open),
            cancelling: recovered.cancelling.clone(),
        }
    }
}

/// Limits of one instrument, or the default ones, as decimals.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Limits<'py> {
    max_position: Option<Bound<'py, PyAny>>,
    max_position_notional: Option<Bound<'py, PyAny>>,
    max_order_size: Option<Bound<'py, PyAny>>,
    max_order_notional: Option<Bound<'py, PyAny>>,
}

#[pymethods]
impl NodeCore {
    /// Makes a paper venue for an account, before its group is opened.
    #[pyo3(signature = (account, instruments, *, venue, latency_ns, slippage_ticks, fill_on_touch, stale_after_ns, seed))]
    #[allow(clippy::too_many_arguments, reason = "a venue behaves in that many ways")]
    fn add_paper_venue(
        &self,
        py: Python<'_>,
        account: &str,
        instruments: Vec<Bound<'_, PyInstrument>>,
        venue: &str,
        latency_ns: i64,
        slippage_ticks: i64,
        fill_on_touch: bool,
        stale_after_ns: i64,
        seed: u64,
    ) {
        let account = Name::intern(account);
        let config = PaperConfig {
            latency_out_ns: latency_ns,
            latency_in_ns: latency_ns,
            slippage_ticks,
            limit_fill: if fill_on_touch { LimitFill::OnTouch } else { LimitFill::OnTradeThrough },
            stale_after_ns,
            seed,
            ..PaperConfig::new(Name::intern(venue), account)
        };
        let instruments = instruments.iter().map(|instrument| instrument.get().inner.clone()).collect();
        let venue = Arc::new(Mutex::new(PaperVenue::new(config, instruments)));
        self.state.borrow(py).venues.push((account, venue));
    }

    /// Opens an account group: its gate takes the log and replays it. Raises OSError for a log that cannot be had,
    /// ValueError for limits or instruments that make no sense.
    #[pyo3(signature = (
        account, instruments, strategies, *, balances, sizing, sizing_overrides, allow_short, limits, limit_overrides,
        max_open_orders=None, price_collar_bps=None, max_daily_loss=None, max_drawdown_bps=None,
        max_orders_per_second=None, max_quote_age_ns=None, validity_window_ns=None, log_path=None,
        sync_every_record=false,
    ))]
    #[allow(clippy::too_many_arguments, reason = "an account has that many terms, all given by keyword")]
    fn open_account(
        slf: Bound<'_, Self>,
        account: &str,
        instruments: Vec<Bound<'_, PyInstrument>>,
        strategies: Vec<String>,
        balances: Vec<(String, Bound<'_, PyAny>)>,
        sizing: (String, Bound<'_, PyAny>),
        sizing_overrides: Vec<(String, Bound<'_, PyAny>)>,
        allow_short: bool,
        limits: Limits<'_>,
        limit_overrides: Vec<(String, Limits<'_>)>,
        max_open_orders: Option<u32>,
        price_collar_bps: Option<u32>,
        max_daily_loss: Option<Bound<'_, PyAny>>,
        max_drawdown_bps: Option<u32>,
        max_orders_per_second: Option<u32>,
        max_quote_age_ns: Option<i64>,
        validity_window_ns: Option<i64>,
        log_path: Option<PathBuf>,
        sync_every_record: bool,
    ) -> PyResult<AccountGroup> {
        let py = slf.py();
        let account = Name::intern(account);
        let instruments: Vec<Instrument> = instruments.iter().map(|i| i.get().inner.clone()).collect();
        let amount = |what: &str, value: &Bound<'_, PyAny>| decimal::wide_units_of(what, value, MONEY_DECIMALS);
        let opening: PyResult<Vec<_>> =
            balances.iter().map(|(currency, value)| Ok((Name::intern(currency), amount("balance", value)?))).collect();
        let rule = |value: &Bound<'_, PyAny>| sizing_rule(&sizing.0, value);
        let overrides: PyResult<Vec<_>> =
            sizing_overrides.iter().map(|(id, value)| Ok((Name::intern(id), rule(value)?))).collect();
        let limit_sets: PyResult<Vec<_>> = limit_overrides
            .iter()
            .map(|(id, limits)| {
                let instrument = instruments.iter().find(|instrument| instrument.id.as_str() == id);
                Ok((Name::intern(id), instrument_limits(limits, instrument)?))
            })
            .collect();
        // A size limit of all instruments is text until it meets an instrument's decimals.
        let mut all_limits = limit_sets?;
        for instrument in &instruments {
            let base = instrument_limits(&limits, Some(instrument))?;
            match all_limits.iter_mut().find(|(id, _)| *id == instrument.id) {
                Some((_, own)) => *own = own.or(base),
                None => all_limits.push((instrument.id, base)),
            }
        }
        let defaults = GateConfig::new(account);
        let gate = GateConfig {
            limits: RiskLimits {
                instruments: all_limits,
                max_open_orders,
                price_collar_bps,
                max_daily_loss: max_daily_loss.map(|value| amount("max_daily_loss", &value)).transpose()?,
                max_drawdown_bps,
                max_orders_per_second,
                max_quote_age_ns,
                ..RiskLimits::default()
            },
            instruments,
            opening: opening?,
            log: match log_path {
                Some(path) => {
                    let sync = if sync_every_record { SyncPolicy::EveryRecord } else { SyncPolicy::None };
                    LogConfig::File { path, sync }
                }
                None => LogConfig::Memory,
            },
            validity_window_ns: validity_window_ns.unwrap_or(defaults.validity_window_ns),
            ..defaults
        };
        let portfolio = PortfolioConfig { account, sizing: rule(&sizing.1)?, overrides: overrides?, allow_short };
        let core = slf.get();
        let mut state = core.state.borrow(py);
        let venue = state.venues.iter().find(|(of, _)| *of == account).map(|(_, venue)| Arc::clone(venue));
        let link = match (venue, state.feed.as_ref().and_then(|feed| feed.thread())) {
            (Some(venue), Some(thread)) => Link::Threaded(venue, thread.clone()),
            (Some(venue), None) => Link::Paper(venue),
            (None, _) => Link::External,
        };
        let strategies = strategies.iter().map(|name| Name::intern(name)).collect();
        let config = DeskConfig { gate, portfolio, strategies, link };
        let (desk, recovered) = Desk::open(config, clock::now_ns()).map_err(gate_error)?;
        if let (Some(fd), Some(guard)) = (desk.gate().log_fd().map_err(gate_error)?, &*core.guard.borrow(py)) {
            guard.watch_log(fd);
        }
        state.desks.push(desk);
        let group = AccountGroup {
            desk: state.desks.len() - 1,
            name: account,
            recovered: Summary::from(&recovered),
            core: slf.clone().unbind(),
        };
        let again = recovered.unconfirmed.into_iter().map(|(_, event)| event).collect();
        state.again.push((group.desk, again));
        Ok(group)
    }

    /// Publishes what the consumers of an earlier process had not confirmed: when the actors are there.
    fn publish_unconfirmed(&self, py: Python<'_>) -> usize {
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        let mut count = 0;
        for (desk, events) in std::mem::take(&mut state.again) {
            count += events.len();
            state.desks[desk].publish_again(&mut state.router, clock::now_ns(), events);
        }
        self.wake(state);
        count
    }

    /// A strategy's opinion: a SIGNAL. False when it was refused.
    #[pyo3(signature = (slot, instrument, signal_type, strength, price, ttl_ns, reason))]
    #[allow(clippy::too_many_arguments, reason = "a signal says that much")]
    fn emit_signal(
        &self,
        py: Python<'_>,
        slot: usize,
        instrument: &str,
        signal_type: &str,
        strength: f64,
        price: Option<Bound<'_, PyAny>>,
        ttl_ns: i64,
        reason: &str,
    ) -> PyResult<bool> {
        if !(0.0..=1.0).contains(&strength) {
            return Err(PyValueError::new_err(format!("strength lies between 0 and 1, not {strength}")));
        }
        let signal_type = trading::signal_type(py, signal_type)?;
        let decimals = self.decimals_of(py, instrument);
        let price = match price {
            Some(price) => decimal::units_of("price", &price, decimals.0)?,
            None => 0,
        };
        let Some((parent, source)) = self.origin(py, slot)? else { return Ok(false) };
        let now_ns = clock::now_ns();
        let signal = Signal {
            id: ids::business_id(),
            strategy: source,
            instrument: Name::intern(instrument),
            signal_type,
            strength,
            price,
            deadline_ns: if ttl_ns > 0 { now_ns.saturating_add(ttl_ns) } else { 0 },
            reason: reason.to_owned(),
        };
        let payload = libra_kernel::Payload::shared(signal);
        let mut event = child_or_root(parent.as_ref(), libra_kernel::EventType::Signal, source, now_ns, payload);
        event.instrument = Name::intern(instrument);
        (event.price_decimals, event.size_decimals) = decimals;
        Ok(self.publish_native(py, event))
    }

    /// A request for an order: an ORDER_REQUEST. Gives its id, or None when it was refused.
    #[pyo3(signature = (slot, account, instrument, side, size, price, time_in_force, ttl_ns, request_id))]
    #[allow(clippy::too_many_arguments, reason = "an order says that much")]
    fn emit_order_request(
        &self,
        py: Python<'_>,
        slot: usize,
        account: &str,
        instrument: &str,
        side: &str,
        size: &Bound<'_, PyAny>,
        price: Option<Bound<'_, PyAny>>,
        time_in_force: &str,
        ttl_ns: i64,
        request_id: Option<u128>,
    ) -> PyResult<Option<String>> {
        let decimals = self.decimals_of(py, instrument);
        let Some((parent, source)) = self.origin(py, slot)? else { return Ok(None) };
        let now_ns = clock::now_ns();
        let account = Name::intern(account);
        let request = OrderRequest {
            request_id: request_id.unwrap_or_else(ids::business_id),
            signal_id: 0,
            account,
            strategy: source,
            instrument: Name::intern(instrument),
            side: trading::side(py, side)?,
            order_type: if price.is_some() { OrderType::Limit } else { OrderType::Market },
            time_in_force: trading::time_in_force(py, time_in_force)?,
            size: decimal::units_of("size", size, decimals.1)?,
            price: match price {
                Some(price) => decimal::units_of("price", &price, decimals.0)?,
                None => 0,
            },
            deadline_ns: if ttl_ns > 0 { now_ns.saturating_add(ttl_ns) } else { 0 },
            ts_origin_ns: parent.as_ref().map_or(0, |event| event.ts_ns),
        };
        let id = libra_trading::gate::client_order_id(account, request.request_id);
        let payload = libra_kernel::Payload::shared(request);
        let event_type = libra_kernel::EventType::OrderRequest;
        let mut event = child_or_root(parent.as_ref(), event_type, source, now_ns, payload);
        event.instrument = Name::intern(instrument);
        (event.price_decimals, event.size_decimals) = decimals;
        Ok(self.publish_native(py, event).then(|| id.to_string()))
    }

    /// A request to cancel an order: a CANCEL_REQUEST. False when it was refused.
    fn emit_cancel_request(&self, py: Python<'_>, slot: usize, account: &str, order_id: &str) -> PyResult<bool> {
        let Some((parent, source)) = self.origin(py, slot)? else { return Ok(false) };
        let cancel =
            CancelRequest { account: Name::intern(account), strategy: source, client_order_id: parse_id(order_id)? };
        let payload = libra_kernel::Payload::shared(cancel);
        let event_type = libra_kernel::EventType::CancelRequest;
        let event = child_or_root(parent.as_ref(), event_type, source, clock::now_ns(), payload);
        Ok(self.publish_native(py, event))
    }
}

impl NodeCore {
    /// Decimals of a listed instrument; eight each for any other.
    fn decimals_of(&self, py: Python<'_>, instrument: &str) -> (u8, u8) {
        self.state.borrow(py).listed.get(&Name::intern(instrument)).copied().unwrap_or((8, 8))
    }
}

#[pymethods]
impl AccountGroup {
    #[getter]
    fn name(&self) -> &'static str {
        self.name.as_str()
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.recovered.epoch
    }

    /// What was found in the log: records, torn, killed, unanswered, open, cancelling.
    #[getter]
    fn recovered<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = &self.recovered;
        let texts = |ids: &[ClientOrderId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let dict = PyDict::new(py);
        dict.set_item("records", found.records)?;
        dict.set_item("torn", found.torn)?;
        dict.set_item("killed", found.killed)?;
        dict.set_item("unanswered", texts(&found.unanswered))?;
        dict.set_item("open", texts(&found.open))?;
        dict.set_item("cancelling", texts(&found.cancelling))?;
        Ok(dict)
    }

    /// The portfolio's step for a SIGNAL.
    fn on_signal(&self, event: &Bound<'_, PyEvent>) {
        self.with(event.py(), |desk, router, now_ns| desk.on_signal(router, now_ns, event.get().event()));
    }

    /// The portfolio learns what became of an order.
    fn on_order(&self, event: &Bound<'_, PyEvent>) {
        self.with(event.py(), |desk, _, _| desk.on_order_event(event.get().event()));
    }

    /// Risk's step for an ORDER_REQUEST.
    fn on_request(&self, event: &Bound<'_, PyEvent>) {
        self.with(event.py(), |desk, router, now_ns| desk.on_request(router, now_ns, event.get().event()));
    }

    /// Execution's step for an ORDER_APPROVED.
    fn on_approved(&self, event: &Bound<'_, PyEvent>) {
        self.with(event.py(), |desk, router, now_ns| desk.on_approved(router, now_ns, event.get().event()));
    }

    /// Execution's step for a CANCEL_REQUEST: the id of an order that a gateway outside has to cancel, or None.
    fn on_cancel(&self, event: &Bound<'_, PyEvent>) -> Option<String> {
        let cancel =
            |desk: &mut Desk, router: &mut Router, now_ns| desk.on_cancel_request(router, now_ns, event.get().event());
        self.with(event.py(), cancel).map(|id| id.to_string())
    }

    /// The last look before an order's bytes leave for a gateway outside.
    fn may_send(&self, py: Python<'_>, order_id: &str) -> PyResult<bool> {
        let id = parse_id(order_id)?;
        Ok(self.with(py, |desk, router, now_ns| desk.may_send(router, now_ns, id)))
    }

    /// The last moment at which an order's bytes may leave for a gateway outside, nanoseconds since the epoch; None for
    /// one that may not leave any more.
    fn send_by_ns(&self, py: Python<'_>, order_id: &str) -> PyResult<Option<i64>> {
        let id = parse_id(order_id)?;
        Ok(self.with(py, |desk, _, _| desk.send_by_ns(id)))
    }

    /// An order's bytes left for a gateway outside.
    fn on_submitted(&self, py: Python<'_>, order_id: &str) -> PyResult<()> {
        let id = parse_id(order_id)?;
        self.with(py, |desk, router, now_ns| desk.on_submitted(router, now_ns, id));
        Ok(())
    }

    /// What a gateway outside says of an order: append, book, publish. False when it has to be asked for again.
    fn on_report(&self, report: &Bound<'_, PyOrderReport>) -> PyResult<bool> {
        let py = report.py();
        let id = report.get().client_order_id();
        let instrument = self.with(py, |desk, _, _| {
            let order = desk.gate().order(id)?;
            desk.gate().account().instrument(order.request.instrument).cloned()
        });
        let report = report.get().report(py, instrument.as_ref())?;
        Ok(self.with(py, |desk, router, now_ns| desk.on_report(router, now_ns, &report)))
    }

    /// Sets the kill latch and cancels what is open: ids of orders that a gateway outside has to cancel.
    fn kill(&self, py: Python<'_>, reason: &str) -> PyResult<Vec<String>> {
        let ids = self.with(py, |desk, router, now_ns| desk.kill(router, now_ns, reason));
        Ok(ids.map_err(gate_error)?.iter().map(ToString::to_string).collect())
    }

    /// Takes the kill latch back.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |desk, router, now_ns| desk.resume(router, now_ns)).map_err(gate_error)
    }

    /// A strategy was given up: nothing of it leaves any more, what is open is cancelled. Ids of orders that a gateway
    /// outside has to cancel.
    fn stop_strategy(&self, py: Python<'_>, strategy: &str) -> Vec<String> {
        let strategy = Name::intern(strategy);
        let ids = self.with(py, |desk, router, now_ns| desk.stop_strategy(router, now_ns, strategy));
        ids.iter().map(ToString::to_string).collect()
    }

    /// Cancels what is open, of one strategy or of all: ids of orders that a gateway outside has to cancel.
    #[pyo3(signature = (strategy=None))]
    fn cancel_all(&self, py: Python<'_>, strategy: Option<&str>) -> Vec<String> {
        let strategy = strategy.map(Name::intern);
        let ids = self.with(py, |desk, router, now_ns| desk.cancel_all(router, now_ns, strategy));
        ids.iter().map(ToString::to_string).collect()
    }

    fn stop_new_orders(&self, py: Python<'_>, reason: &str) {
        self.with(py, |desk, _, _| desk.stop_new_orders(reason));
    }

    /// Ids of orders that a gateway outside was asked to cancel, here or by an earlier process, and that are not final.
    fn cancelling(&self, py: Python<'_>) -> Vec<String> {
        self.with(py, |desk, _, _| desk.cancelling()).iter().map(ToString::to_string).collect()
    }

    /// The venue is out of sight: new orders are refused until `set_reconciled`.
    fn begin_reconciling(&self, py: Python<'_>) {
        self.with(py, |desk, _, _| desk.begin_reconciling());
    }

    /// Orders are reconciled with the venue: new ones may leave.
    fn set_reconciled(&self, py: Python<'_>) {
        self.with(py, |desk, _, _| desk.set_reconciled());
    }

    /// Reconciles with a paper venue; True when new orders may leave.
    fn reconcile_with_paper(&self, py: Python<'_>) -> bool {
        self.with(py, |desk, router, now_ns| desk.reconcile_with_paper(router, now_ns))
    }

    #[getter]
    fn is_reconciling(&self, py: Python<'_>) -> bool {
        self.with(py, |desk, _, _| desk.gate().is_reconciling())
    }

    #[getter]
    fn is_killed(&self, py: Python<'_>) -> bool {
        self.with(py, |desk, _, _| desk.gate().is_killed())
    }

    /// Loss limits that are passed now, as (code, explanation).
    fn breaches(&self, py: Python<'_>) -> Vec<(&'static str, String)> {
        self.with(py, |desk, _, _| {
            let breaches = desk.gate().breaches().iter();
            breaches.map(|breach| (breach.code.as_str(), breach.rejection().explanation())).collect()
        })
    }

    /// Ids of orders that were sent and never answered.
    fn unanswered(&self, py: Python<'_>) -> Vec<String> {
        self.with(py, |desk, _, _| desk.unanswered()).iter().map(ToString::to_string).collect()
    }

    /// Tells the log what its consumers hold: everything published so far, unless some of it still waits for an actor
    /// that is suspended or about to be started again. Then nothing is confirmed yet, and False is given.
    fn confirm(&self, py: Python<'_>) -> bool {
        let mut state = self.core.get().state.borrow(py);
        let handled = facts_are_handled(&mut state);
        if handled {
            state.desks[self.desk].confirm();
        }
        handled
    }

    /// Forces the log to the disk.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |desk, _, _| desk.flush()).map_err(gate_error)
    }

    fn note_equity(&self, py: Python<'_>) {
        self.with(py, |desk, _, now_ns| desk.note_equity(now_ns));
    }

    /// An order, or None.
    fn order(&self, py: Python<'_>, order_id: &str) -> PyResult<Option<PyOrder>> {
        let id = parse_id(order_id)?;
        Ok(self.with(py, |desk, _, _| desk.gate().order(id).map(|order| view(desk, order))))
    }

    /// All orders, and the last 1,000 refused requests, in the order of the log.
    fn orders(&self, py: Python<'_>) -> Vec<PyOrder> {
        self.with(py, |desk, _, _| desk.gate().orders().map(|order| view(desk, order)).collect())
    }

    /// Orders that are not final.
    fn open_orders(&self, py: Python<'_>) -> Vec<PyOrder> {
        self.with(py, |desk, _, _| desk.gate().open_orders().map(|order| view(desk, order)).collect())
    }

    /// The last `count` orders.
    fn last_orders(&self, py: Python<'_>, count: usize) -> Vec<PyOrder> {
        self.with(py, |desk, _, _| {
            let total = desk.gate().orders().count();
            desk.gate().orders().skip(total.saturating_sub(count)).map(|order| view(desk, order)).collect()
        })
    }

    /// All fills, in the order of booking.
    fn fills(&self, py: Python<'_>) -> Vec<PyFill> {
        self.with(py, |desk, _, _| {
            let fill = |fill: &Fill| PyFill { inner: fill.clone(), decimals: decimals(desk, fill.instrument) };
            desk.gate().fills().iter().map(fill).collect()
        })
    }

    #[getter]
    fn fill_count(&self, py: Python<'_>) -> usize {
        self.with(py, |desk, _, _| desk.gate().fills().len())
    }

    /// Positions that were ever open: (instrument, size, cost, realised, unrealised, fees, trades) each.
    fn positions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = self.with(py, |desk, _, _| {
            let account = desk.gate().account();
            let positions = account.positions().map(|position| {
                (*position, account.unrealised(position.instrument), decimals(desk, position.instrument).1)
            });
            positions.collect::<Vec<_>>()
        });
        let list = PyList::empty(py);
        for (position, unrealised, size_decimals) in rows {
            let row = PyDict::new(py);
            row.set_item("account", self.name.as_str())?;
            row.set_item("instrument", position.instrument.as_str())?;
            row.set_item("size", decimal::to_python(py, position.size, size_decimals)?)?;
            row.set_item("cost", money(py, position.cost)?)?;
            row.set_item("realised", money(py, position.realised)?)?;
            row.set_item("unrealised", money(py, unrealised)?)?;
            row.set_item("fees", money(py, position.fees)?)?;
            row.set_item("trades", position.trades)?;
            list.append(row)?;
        }
        Ok(list)
    }

    /// Balances: (currency, opening, total, realised, unrealised, fees, equity) each.
    fn balances<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows: Vec<Balance> = self.with(py, |desk, _, _| desk.gate().account().balances().to_vec());
        let list = PyList::empty(py);
        for balance in rows {
            let row = PyDict::new(py);
            row.set_item("currency", balance.currency.as_str())?;
            row.set_item("opening", money(py, balance.opening)?)?;
            row.set_item("total", money(py, balance.total)?)?;
            row.set_item("realised", money(py, balance.realised)?)?;
            row.set_item("unrealised", money(py, balance.unrealised)?)?;
            row.set_item("fees", money(py, balance.fees)?)?;
            let equity = balance.equity().map(|equity| money(py, equity)).transpose()?;
            row.set_item("equity", equity)?;
            list.append(row)?;
        }
        Ok(list)
    }

    /// The last quotes of its instruments: (instrument, bid, ask) each, those without a market left out.
    fn markets(&self, py: Python<'_>) -> PyResult<Vec<TopOfBook>> {
        let rows = self.with(py, |desk, _, _| {
            let instruments = desk.gate().account().instruments();
            let markets = instruments.filter_map(|i| Some((i.id, i.price_decimals, desk.gate().market(i.id)?)));
            markets.filter(|(_, _, market)| market.ts_ns != 0).collect::<Vec<_>>()
        });
        let quote = |(id, decimals, market): (Name, u8, libra_trading::risk::Market)| {
            let (bid, ask) =
                (decimal::to_python(py, market.bid, decimals)?, decimal::to_python(py, market.ask, decimals)?);
            Ok((id.as_str(), bid, ask))
        };
        rows.into_iter().map(quote).collect()
    }

    /// Equity over time: (ts_ns, currency, equity, realised, unrealised, fees) each.
    fn equity_curve<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let points = self.with(py, |desk, _, _| desk.equity_curve().to_vec());
        let list = PyList::empty(py);
        for point in points {
            list.append((
                point.ts_ns,
                point.currency.as_str(),
                money(py, point.equity)?,
                money(py, point.realised)?,
                money(py, point.unrealised)?,
                money(py, point.fees)?,
            ))?;
        }
        Ok(list)
    }

    /// Counts: signals, errors, last_error, rejections by code, skipped signals by reason.
    fn tally<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (tally, skipped) = self.with(py, |desk, _, _| {
            let skipped: Vec<_> = desk.portfolio().skipped().map(|(reason, n)| (reason.code(), n)).collect();
            (desk.tally().clone(), skipped)
        });
        let dict = PyDict::new(py);
        dict.set_item("signals", tally.signals)?;
        dict.set_item("errors", tally.errors)?;
        dict.set_item("last_error", tally.last_error)?;
        dict.set_item("rejections", tally.rejections)?;
        dict.set_item("skipped", skipped.into_iter().collect::<std::collections::BTreeMap<_, _>>())?;
        Ok(dict)
    }

    /// Tick to order in nanoseconds: (p50, p99, max), or None without an order.
    fn latency_ns(&self, py: Python<'_>) -> Option<(u64, u64, u64)> {
        self.with(py, |desk, _, _| {
            let latency = desk.latency();
            Some((latency.quantile_ns(0.5)?, latency.quantile_ns(0.99)?, latency.max_ns()?))
        })
    }

    /// The state of orders: name to count, refused requests among them.
    fn order_states(&self, py: Python<'_>) -> std::collections::BTreeMap<&'static str, u64> {
        self.with(py, |desk, _, _| {
            let counts = desk.gate().order_counts().into_iter();
            counts.map(|(status, count)| (trading::status_name(status), count)).collect()
        })
    }

    /// A digest of the account's history, equal after a restart.
    fn state_digest(&self, py: Python<'_>) -> String {
        self.with(py, |desk, _, _| desk.gate().state_digest())
    }
}

impl AccountGroup {
    /// Borrows the desk and the router, and wakes the loop afterwards: something may be published.
    fn with<R>(&self, py: Python<'_>, f: impl FnOnce(&mut Desk, &mut Router, i64) -> R) -> R {
        let core = self.core.get();
        let mut state = core.state.borrow(py);
        let state = &mut *state;
        let result = f(&mut state.desks[self.desk], &mut state.router, clock::now_ns());
        core.wake(state);
        result
    }
}

/// True when no actor has an event of the urgent lanes, in which facts travel, before it or under way.
fn facts_are_handled(state: &mut State) -> bool {
    (0..state.slots.len()).all(|id| {
        let slot = &state.slots[id];
        let under_way = |flight: &InFlight| flight.event.get().event().lane() <= Lane::Orders;
        slot.gone || (!slot.flight.as_ref().is_some_and(under_way) && !state.router.mailbox(id).has_up_to(Lane::Orders))
    })
}

fn view(desk: &Desk, order: &Arc<Order>) -> PyOrder {
    PyOrder { inner: order.clone(), decimals: decimals(desk, order.request.instrument) }
}

fn decimals(desk: &Desk, instrument: Name) -> (u8, u8) {
    let known = desk.gate().account().instrument(instrument);
    known.map_or((0, 0), |instrument| (instrument.price_decimals, instrument.size_decimals))
}

fn child_or_root(
    parent: Option<&libra_kernel::Event>,
    event_type: libra_kernel::EventType,
    source: Name,
    now_ns: i64,
    payload: libra_kernel::Payload,
) -> libra_kernel::Event {
    match parent {
        Some(parent) => parent.child(event_type, source, now_ns, payload),
        None => libra_kernel::Event::new(event_type, source, now_ns, payload),
    }
}

fn parse_id(order_id: &str) -> PyResult<ClientOrderId> {
    ClientOrderId::parse(order_id)
        .ok_or_else(|| PyValueError::new_err(format!("not one of our order ids: {order_id:?}")))
}

fn sizing_rule(kind: &str, value: &Bound<'_, PyAny>) -> PyResult<Sizing> {
    let amount = decimal::wide_units_of("sizing value", value, MONEY_DECIMALS)?;
    match kind {
        "fixed_size" => Ok(Sizing::FixedSize(amount)),
        "fixed_notional" => Ok(Sizing::FixedNotional(amount)),
        "percent_equity" => {
            let bps = amount.checked_mul(100).map(|scaled| scaled / pow10(MONEY_DECIMALS));
            let bps = bps.and_then(|bps| u32::try_from(bps).ok());
            bps.map(Sizing::PercentEquity).ok_or_else(|| PyValueError::new_err("sizing value: too large"))
        }
        other => Err(PyTypeError::new_err(format!("no such sizing: {other:?}"))),
    }
}

fn instrument_limits(limits: &Limits<'_>, instrument: Option<&Instrument>) -> PyResult<InstrumentLimits> {
    let size_decimals = instrument.map_or(0, |instrument| instrument.size_decimals);
    // A limit finer than the instrument's own steps is rounded down: never more than was allowed.
    let size = |what: &str, value: &Option<Bound<'_, PyAny>>| -> PyResult<Option<i64>> {
        let Some(value) = value else { return Ok(None) };
        let wide = decimal::wide_units_of(what, value, MONEY_DECIMALS)?;
        let units = wide / pow10(MONEY_DECIMALS.saturating_sub(size_decimals));
        Ok(Some(i64::try_from(units).unwrap_or(i64::MAX)))
    };
    let worth = |what: &str, value: &Option<Bound<'_, PyAny>>| {
        value.as_ref().map(|value| decimal::wide_units_of(what, value, MONEY_DECIMALS)).transpose()
    };
    Ok(InstrumentLimits {
        max_position: size("max_position", &limits.max_position)?,
        max_position_notional: worth("max_position_notional", &limits.max_position_notional)?,
        max_order_size: size("max_order_size", &limits.max_order_size)?,
        max_order_notional: worth("max_order_notional", &limits.max_order_notional)?,
    })
}

fn gate_error(error: libra_trading::gate::GateError) -> PyErr {
    use libra_trading::gate::GateError;
    match error {
        GateError::Log(error) => PyOSError::new_err(error.to_string()),
        GateError::Limits(_) | GateError::Instrument(_) | GateError::Definition { .. } | GateError::Config(_) => {
            PyValueError::new_err(error.to_string())
        }
        other => PyRuntimeError::new_err(other.to_string()),
    }
}
