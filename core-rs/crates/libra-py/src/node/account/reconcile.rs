//! Looks at the venue of an account, as its gateway's actor takes them, and what an operator does about them.

use libra_trading::reconcile::{AcceptError, Difference, Foreign, LookReport};
use libra_trading::risk::code::format_money;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{AccountGroup, gate_error, parse_id};
use crate::trading::venue;

/// Code, symbol or currency, ours, theirs, difference.
type DifferenceRow = (&'static str, &'static str, String, String, String);

#[pymethods]
impl AccountGroup {
    /// The gateway can take looks: from now on new orders wait for them behind each (re)connect. The venue's histories may lag
    /// behind its positions and balances by so much: what they may explain is no incident before.
    #[pyo3(signature = (*, patience_s = 0.0))]
    fn require_looks(&self, py: Python<'_>, patience_s: f64) {
        let patience_ns = (patience_s * 1e9) as i64;
        self.with(py, |desk, _, _| desk.require_looks(patience_ns));
    }

    /// True while new orders wait for a look that decides.
    #[getter]
    fn waits_for_look(&self, py: Python<'_>) -> bool {
        self.with(py, |desk, _, _| !desk.looks().is_settled())
    }

    /// True when the next look should not wait for its time.
    #[getter]
    fn wants_look(&self, py: Python<'_>) -> bool {
        self.with(py, |desk, _, _| desk.looks().is_wanted())
    }

    /// True for the id of an order, a request or a refusal of this account.
    fn knows(&self, py: Python<'_>, order_id: &str) -> PyResult<bool> {
        let id = parse_id(order_id)?;
        Ok(self.with(py, |desk, _, _| desk.gate().knows(id)))
    }

    /// A look begins; gives the venue's time from which executions and flows are to be asked for.
    fn begin_look(&self, py: Python<'_>) -> i64 {
        self.with(py, |desk, _, now_ns| desk.begin_look(now_ns))
    }

    /// A look could not be taken.
    fn fail_look(&self, py: Python<'_>) {
        self.with(py, |desk, _, _| desk.fail_look());
    }

    /// Takes a look in: appends, books, publishes. Gives ids to be asked about one by one, what is foreign and new (symbol and
    /// the venue's id), and ids that were adopted.
    #[allow(clippy::type_complexity, reason = "rows for Python")]
    fn take_look(
        &self,
        py: Python<'_>,
        orders: Vec<Bound<'_, PyAny>>,
        executions: Vec<Bound<'_, PyAny>>,
        flows: Vec<Bound<'_, PyAny>>,
        state: &Bound<'_, PyAny>,
    ) -> PyResult<(Vec<String>, Vec<(&'static str, String)>)> {
        // Reading the rows runs Python code, so not while the desk is borrowed.
        let account = self.with(py, |desk, _, _| desk.gate().account().clone());
        let look = venue::look(&account, &orders, &executions, &flows, state)?;
        let taken = self.with(py, |desk, router, now_ns| desk.take_look(router, now_ns, &look)).map_err(gate_error)?;
        let foreign = |foreign: &Foreign| match foreign {
            Foreign::Order(order) => (order.symbol.as_str(), format!("order {}", order.venue_order_id)),
            Foreign::Execution(execution) => (execution.symbol.as_str(), format!("execution {}", execution.trade_id)),
        };
        let ask = taken.ask.iter().map(ToString::to_string).collect();
        Ok((ask, taken.foreign.iter().map(foreign).collect()))
    }

    /// Money that came or went beside executions: append, book, publish, once by its key. False when the log did not take it, and
    /// it has to be told again.
    fn on_flow(&self, flow: &Bound<'_, PyAny>) -> PyResult<bool> {
        let read = venue::flow(flow)?;
        Ok(self.with(flow.py(), |desk, router, now_ns| desk.on_flow(router, now_ns, &read)))
    }

    /// What the last look came to, or None before there was one: `at_ns`, `duration_ns`, counts (`missed_executions`,
    /// `missed_flows`, `roundings`, `adopted`, `unsettled`, `foreign`, `racing`), `opened`, `settled`, and as rows
    /// `undecided`, `differences` and `apart`.
    fn last_look<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let last: Option<LookReport> = self.with(py, |desk, _, _| desk.looks().last().cloned());
        let Some(last) = last else { return Ok(None) };
        let dict = PyDict::new(py);
        dict.set_item("at_ns", last.at_ns)?;
        dict.set_item("duration_ns", last.duration_ns)?;
        for (name, count) in [
            ("missed_executions", last.missed_executions),
            ("missed_flows", last.missed_flows),
            ("roundings", last.roundings),
            ("adopted", last.adopted),
            ("unsettled", last.unsettled),
            ("foreign", last.foreign),
            ("racing", last.racing),
        ] {
            dict.set_item(name, count)?;
        }
        dict.set_item("opened", last.opened)?;
        dict.set_item("settled", last.settled)?;
        dict.set_item("undecided", rows(&last.undecided))?;
        dict.set_item("differences", rows(&last.differences))?;
        dict.set_item("apart", rows(&last.apart))?;
        Ok(Some(dict))
    }

    /// Takes the venue's word for the differences that stand and resumes; who does it and why goes into the log. Raises
    /// ValueError where there is nothing to take, or not now, or where something has stopped the account since somebody saw
    /// `stops`: nothing is changed then. A loss limit that the word itself passes is no error: the account stands stopped by it.
    #[pyo3(signature = (reason, stops=None))]
    fn accept_venue(&self, py: Python<'_>, reason: &str, stops: Option<u64>) -> PyResult<()> {
        let taken = self.with(py, |desk, router, now_ns| desk.accept_venue(router, now_ns, reason, stops));
        match taken {
            Ok(_) => Ok(()),
            Err(AcceptError::Gate(error)) => Err(gate_error(error)),
            Err(error @ AcceptError::NotResumed(_)) => Err(PyOSError::new_err(error.to_string())),
            Err(error) => Err(PyValueError::new_err(error.to_string())),
        }
    }
}

fn rows(differences: &[Difference]) -> Vec<DifferenceRow> {
    let row = |difference: &Difference| {
        let Difference { subject, ours, theirs } = *difference;
        let amount = difference.amount().map_or_else(String::new, format_money);
        (subject.code(), subject.name().as_str(), format_money(ours), format_money(theirs), amount)
    };
    differences.iter().map(row).collect()
}
