//! Opening an account group: from decimals and names to the gate, the portfolio and the link of its desk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use libra_kernel::fixed::pow10;
use libra_kernel::{Name, clock};
use libra_trading::desk::{Desk, DeskConfig, Link};
use libra_trading::gate::{GateConfig, LogConfig, SyncPolicy};
use libra_trading::instrument::{Instrument, MONEY_DECIMALS};
use libra_trading::paper::{LimitFill, PaperConfig, PaperVenue};
use libra_trading::portfolio::{PortfolioConfig, Sizing};
use libra_trading::risk::{InstrumentLimits, RiskLimits};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::super::NodeCore;
use super::{AccountGroup, Summary, gate_error};
use crate::decimal;
use crate::trading::PyInstrument;

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
        if let Some(guard) = &*core.guard.borrow(py) {
            guard.watch_alarm(Arc::clone(desk.alarm()));
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
