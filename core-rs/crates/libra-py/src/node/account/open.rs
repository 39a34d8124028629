//! Opening an account group: from decimals and names to the gate, the portfolio and the link of its desk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libra_kernel::fixed::pow10;
use libra_kernel::{Name, clock};
use libra_trading::desk::{Desk, DeskConfig, Link};
use libra_trading::gate::{GateConfig, LogConfig, OnBreach, SyncPolicy};
use libra_trading::instrument::{Instrument, MONEY_DECIMALS};
use libra_trading::paper::{LimitFill, PaperConfig, PaperVenue};
use libra_trading::portfolio::{PortfolioConfig, Sizing, VolatilityConfig, VolatilityTarget};
use libra_trading::risk::RiskLimits;
use libra_trading::risk::change::apply;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::super::NodeCore;
use super::{AccountGroup, Summary, gate_error};
use crate::decimal;
use crate::trading::PyInstrument;

/// How volatility is estimated, and what a position that is sized by it may be worth.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct VolatilityTerms<'py> {
    interval_ns: u64,
    decay: f64,
    warmup: u32,
    min_notional: Bound<'py, PyAny>,
    max_notional: Option<Bound<'py, PyAny>>,
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
        account, instruments, strategies, *, balances, sizing, sizing_overrides, allow_short, limits,
        volume_window_ns=None, volatility=None, validity_window_ns=None, on_breach="reduce_only", log_path=None,
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
        limits: Vec<(String, Bound<'_, PyAny>)>,
        volume_window_ns: Option<i64>,
        volatility: Option<VolatilityTerms<'_>>,
        validity_window_ns: Option<i64>,
        on_breach: &str,
        log_path: Option<PathBuf>,
        sync_every_record: bool,
    ) -> PyResult<AccountGroup> {
        let py = slf.py();
        let account = Name::intern(account);
        let instruments: Vec<Instrument> = instruments.iter().map(|i| i.get().inner.clone()).collect();
        let amount = |what: &str, value: &Bound<'_, PyAny>| decimal::wide_units_of(what, value, MONEY_DECIMALS);
        let opening: PyResult<Vec<_>> =
            balances.iter().map(|(currency, value)| Ok((Name::intern(currency), amount("balance", value)?))).collect();
        let rule = |value: &Bound<'_, PyAny>| sizing_rule(&sizing.0, value, volatility.as_ref());
        let overrides: PyResult<Vec<_>> =
            sizing_overrides.iter().map(|(id, value)| Ok((Name::intern(id), rule(value)?))).collect();
        let terms: PyResult<Vec<_>> =
            limits.iter().map(|(key, value)| Ok((key.clone(), Some(decimal::text_of(key, value)?)))).collect();
        let unlimited = RiskLimits {
            volume_window_ns: volume_window_ns.unwrap_or(RiskLimits::default().volume_window_ns),
            ..RiskLimits::default()
        };
        let (limits, _) = apply(&unlimited, &terms?, &instruments).map_err(|error| gate_error(error.into()))?;
        let defaults = GateConfig::new(account);
        let gate = GateConfig {
            limits,
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
            on_breach: match on_breach {
                "reduce_only" => OnBreach::ReduceOnly,
                "halt" => OnBreach::Halt,
                other => return Err(PyValueError::new_err(format!("no such policy: {other:?}"))),
            },
            ..defaults
        };
        let portfolio = PortfolioConfig {
            account,
            sizing: rule(&sizing.1)?,
            overrides: overrides?,
            allow_short,
            volatility: volatility.as_ref().map(VolatilityTerms::config).transpose()?,
        };
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
        let (mut desk, recovered) = Desk::open(config, clock::now_ns()).map_err(gate_error)?;
        if let Some(bridge) = &state.bridge {
            desk.set_bridge(Arc::clone(&bridge.shared.state));
            bridge.shared.own_accounts.add(desk.name());
        }
        if let (Some(fd), Some(guard)) = (desk.gate().log_fd().map_err(gate_error)?, &*core.guard.borrow(py)) {
            guard.watch_log(fd);
        }
        if let Some(guard) = &*core.guard.borrow(py) {
            guard.watch_alarm(Arc::clone(desk.alarm()));
        }
        state.desks.push(desk);
        state.facts_are_reserved = true;
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

    /// Publishes what the consumers of an earlier process had not confirmed, when the actors are there, and says to other
    /// nodes how each account stands.
    fn publish_unconfirmed(&self, py: Python<'_>) -> usize {
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        let mut count = 0;
        for (desk, events) in std::mem::take(&mut state.again) {
            count += events.len();
            state.desks[desk].publish_again(&mut state.router, clock::now_ns(), events);
            state.desks[desk].say_standing(&mut state.router, clock::now_ns());
        }
        self.wake(state);
        count
    }
}

impl VolatilityTerms<'_> {
    fn config(&self) -> PyResult<VolatilityConfig> {
        let interval = Duration::from_nanos(self.interval_ns);
        let config = VolatilityConfig { interval, decay: self.decay, warmup: self.warmup };
        if config.is_valid() { Ok(config) } else { Err(PyValueError::new_err("sizing: no volatility comes of this")) }
    }

    fn target(&self, target_bps: u32) -> PyResult<VolatilityTarget> {
        let money = |what: &str, value: &Bound<'_, PyAny>| decimal::wide_units_of(what, value, MONEY_DECIMALS);
        Ok(VolatilityTarget {
            target_bps,
            min_notional: money("min_notional", &self.min_notional)?,
            max_notional: self.max_notional.as_ref().map(|value| money("max_notional", value)).transpose()?,
        })
    }
}

fn sizing_rule(kind: &str, value: &Bound<'_, PyAny>, volatility: Option<&VolatilityTerms<'_>>) -> PyResult<Sizing> {
    let amount = decimal::wide_units_of("sizing value", value, MONEY_DECIMALS)?;
    let bps = || {
        let bps = amount.checked_mul(100).map(|scaled| scaled / pow10(MONEY_DECIMALS));
        let bps = bps.and_then(|bps| u32::try_from(bps).ok());
        bps.ok_or_else(|| PyValueError::new_err("sizing value: too large"))
    };
    match (kind, volatility) {
        ("fixed_size", _) => Ok(Sizing::FixedSize(amount)),
        ("fixed_notional", _) => Ok(Sizing::FixedNotional(amount)),
        ("percent_equity", _) => Ok(Sizing::PercentEquity(bps()?)),
        ("volatility_target", Some(terms)) => Ok(Sizing::VolatilityTarget(terms.target(bps()?)?)),
        (other, _) => Err(PyTypeError::new_err(format!("no such sizing: {other:?}"))),
    }
}
