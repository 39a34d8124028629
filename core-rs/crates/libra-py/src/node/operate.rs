//! What an operator asks of an account group: where it stands, taking the kill latch back, the end of a strategy.

use libra_kernel::Name;
use libra_kernel::clock;
use libra_kernel::fixed::format_units;
use libra_trading::desk::{Flattening, OnVanish, Stranger};
use libra_trading::gate::OnBreach;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::account::{AccountGroup, gate_error};
use super::{NodeCore, State};

#[pymethods]
impl AccountGroup {
    /// How often something has stopped the account in this process: it only rises.
    fn stops(&self, py: Python<'_>) -> u64 {
        self.with(py, |desk, router, now_ns| desk.stops(router, now_ns))
    }

    /// Takes the kill latch back; who does it and why goes into the log. ValueError where something has stopped the account since
    /// somebody saw `stops`.
    #[pyo3(signature = (reason, stops=None))]
    fn resume(&self, py: Python<'_>, reason: &str, stops: Option<u64>) -> PyResult<()> {
        self.with(py, |desk, router, now_ns| desk.resume_of(router, now_ns, reason, stops)).map_err(gate_error)
    }

    /// A strategy is no more: nothing of it leaves, and what it left is kept, cancelled or flattened. Ids of orders that a
    /// gateway outside has to cancel.
    fn vanish(&self, py: Python<'_>, strategy: &str, policy: &str) -> PyResult<Vec<String>> {
        let policy = match policy {
            "keep" => OnVanish::Keep,
            "cancel" => OnVanish::Cancel,
            "flatten" => OnVanish::Flatten,
            other => return Err(PyValueError::new_err(format!("no such policy: {other:?}"))),
        };
        let strategy = Name::intern(strategy);
        let ids = self.with(py, |desk, router, now_ns| desk.vanish(router, now_ns, strategy, policy));
        Ok(ids.iter().map(ToString::to_string).collect())
    }

    /// Takes in a strategy again that is no more. ValueError with why not.
    fn readmit(&self, py: Python<'_>, strategy: &str) -> PyResult<()> {
        let strategy = Name::intern(strategy);
        self.with(py, |desk, router, _| desk.readmit(router, strategy)).map_err(PyValueError::new_err)
    }

    /// How many orders of a strategy are open, and whether it holds something.
    fn left_by(&self, py: Python<'_>, strategy: &str) -> (usize, bool) {
        let strategy = Name::intern(strategy);
        self.with(py, |desk, _, _| desk.left_by(strategy))
    }

    /// Strategies that the account does not know any more, with what its log says they left: (strategy, open orders,
    /// [(instrument, net size)]).
    #[allow(clippy::type_complexity, reason = "rows for Python")]
    fn strangers(&self, py: Python<'_>) -> Vec<(&'static str, usize, Vec<(&'static str, String)>)> {
        self.with(py, |desk, _, _| {
            let account = desk.gate().account();
            let decimals = |id| account.instrument(id).map_or(0, |instrument| instrument.size_decimals);
            let net = |(id, net): (&Name, &i128)| (id.as_str(), format_units(*net, decimals(*id)));
            let row = |(strategy, left): (Name, Stranger)| {
                (strategy.as_str(), left.open_orders, left.nets.iter().map(net).collect())
            };
            desk.strangers().into_iter().map(row).collect()
        })
    }

    /// Strategies that are no more: (strategy, policy, [(instrument, state, code, detail)]), the state of a flattening
    /// being `working`, `waiting`, `flat` or `given up`.
    #[allow(clippy::type_complexity, reason = "rows for Python")]
    fn vanished(
        &self,
        py: Python<'_>,
    ) -> Vec<(&'static str, &'static str, Vec<(&'static str, &'static str, String, String)>)> {
        self.with(py, |desk, _, _| {
            let row = |(instrument, state): (Name, Flattening)| match state {
                Flattening::Working => (instrument.as_str(), "working", String::new(), String::new()),
                Flattening::Waiting(code, detail) => (instrument.as_str(), "waiting", code, detail),
                Flattening::Flat => (instrument.as_str(), "flat", String::new(), String::new()),
                Flattening::GivenUp(code, detail) => (instrument.as_str(), "given up", code, detail),
            };
            desk.vanished()
                .map(|(strategy, gone)| {
                    let policy = match gone.policy {
                        OnVanish::Keep => "keep",
                        OnVanish::Cancel => "cancel",
                        OnVanish::Flatten => "flatten",
                    };
                    (strategy.as_str(), policy, desk.flattening(strategy).map(row).collect())
                })
                .collect()
        })
    }

    /// Where the account stands: `killed` (why, or None), `unattended` (which of its actors failed, or None), `stopped` (code and explanation of what refuses every new order,
    /// or None), `on_breach` (what passes behind a loss), `incident`, `log_failed`, `open_orders`, `cancelling` (how many of them), `limits_version`.
    fn standing<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let standing = self.with(py, |desk, _, _| {
            let gate = desk.gate();
            Standing {
                killed: gate.kill_reason().map(Into::into),
                unattended: gate.unattended().map(Into::into),
                stopped: gate.standstill().map(|why| (why.code.as_str(), why.explanation())),
                on_breach: gate.on_breach(),
                incident: gate.incident().map(|incident| (incident.code.as_str(), incident.detail.clone())),
                log_failed: gate.log_failed(),
                open_orders: gate.open_orders().count(),
                cancelling: desk.cancels_under_way(),
                limits_version: gate.limits_version(),
            }
        });
        let on_breach = match standing.on_breach {
            OnBreach::ReduceOnly => "reduce_only",
            OnBreach::Halt => "halt",
        };
        let dict = PyDict::new(py);
        dict.set_item("killed", standing.killed)?;
        dict.set_item("unattended", standing.unattended)?;
        dict.set_item("stopped", standing.stopped)?;
        dict.set_item("on_breach", on_breach)?;
        dict.set_item("incident", standing.incident)?;
        dict.set_item("log_failed", standing.log_failed)?;
        dict.set_item("open_orders", standing.open_orders)?;
        dict.set_item("cancelling", standing.cancelling)?;
        dict.set_item("limits_version", standing.limits_version)?;
        Ok(dict)
    }
}

/// What `standing` tells, taken in one look. Nothing of Python is made meanwhile: that may collect garbage, which runs Python
/// code, and the thread that runs next must not find the node borrowed.
struct Standing {
    killed: Option<String>,
    unattended: Option<String>,
    stopped: Option<(&'static str, String)>,
    on_breach: OnBreach,
    incident: Option<(&'static str, String)>,
    log_failed: bool,
    open_orders: usize,
    cancelling: usize,
    limits_version: u64,
}

impl NodeCore {
    /// A signal may have pulled the kill switch: every account answers it before anything else.
    #[inline]
    pub fn heed_alarms(&self, state: &mut State) {
        if state.desks.iter().any(|desk| desk.alarm().is_raised()) {
            for desk in &mut state.desks {
                desk.heed_alarm(&mut state.router, clock::now_ns());
            }
        }
    }
}
