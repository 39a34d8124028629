//! Limits of an account, as an operator sees and changes them.

use libra_trading::gate::GateError;
use libra_trading::risk::LimitChange;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{AccountGroup, gate_error};

/// A limit, what it was, what it is.
pub(super) type Change = (String, Option<String>, Option<String>);

pub(super) fn changes(changes: &[LimitChange]) -> Vec<Change> {
    changes.iter().map(|change| (change.key.clone(), change.old.clone(), change.new.clone())).collect()
}

#[pymethods]
impl AccountGroup {
    /// Changes limits, given as text; None for no limit. Gives the time, the version and what changed, or None when every
    /// limit has its value already. A ValueError carries every problem as an argument of its own.
    #[pyo3(signature = (terms, who, confirmed))]
    fn change_limits(
        &self,
        py: Python<'_>,
        terms: Vec<(String, Option<String>)>,
        who: &str,
        confirmed: bool,
    ) -> PyResult<Option<(i64, u64, Vec<Change>)>> {
        let outcome = self.with(py, |desk, router, now_ns| desk.change_limits(router, now_ns, who, &terms, confirmed));
        match outcome {
            Ok(changed) => Ok(changed.map(|changed| (changed.now_ns, changed.version, changes(&changed.changes)))),
            Err(GateError::Limits(error)) => Err(PyValueError::new_err(PyTuple::new(py, error.problems)?.unbind())),
            Err(other) => Err(gate_error(other)),
        }
    }

    /// Every limit that is set, as a profile writes it.
    fn limits(&self, py: Python<'_>) -> Vec<(String, String)> {
        self.with(py, |desk, _, _| desk.gate().limit_terms())
    }

    #[getter]
    fn limits_version(&self, py: Python<'_>) -> u64 {
        self.with(py, |desk, _, _| desk.gate().limits_version())
    }

    /// The annualised volatility that sizes are worked out of, or None while it is not known.
    fn volatility(&self, py: Python<'_>, instrument: &str) -> Option<f64> {
        let instrument = libra_kernel::Name::intern(instrument);
        self.with(py, |desk, _, _| desk.portfolio().volatility(instrument))
    }
}
