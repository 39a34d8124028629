//! An account group's desk, as its Python actors use it.
//!
//! - [`open`] — from a profile's terms to an opened account;
//! - [`emit`] — what strategies ask for;
//! - [`limits`] — its limits, and their change;
//! - [`reconcile`] — looks at its venue;
//! - [`steps`] — what its actors do with it; [`look`] — what may be asked of it;
//! - this file — the handle that they hold.

mod emit;
mod limits;
mod look;
mod open;
mod reconcile;
mod steps;

use std::sync::Arc;

use libra_kernel::router::Router;
use libra_kernel::{Name, clock};
use libra_trading::desk::Desk;
use libra_trading::gate::{GateError, Recovered};
use libra_trading::order::{ClientOrderId, Order};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use super::NodeCore;

/// The handle that an account's actors hold.
#[pyclass(frozen, module = "libra_core")]
pub struct AccountGroup {
    core: Py<NodeCore>,
    desk: usize,
    name: Name,
    recovered: Summary,
}

/// What was found when the account's log was opened.
struct Summary {
    epoch: u64,
    records: u64,
    torn: bool,
    killed: bool,
    unanswered: Vec<ClientOrderId>,
    open: Vec<ClientOrderId>,
    cancelling: Vec<ClientOrderId>,
    limits: Vec<limits::Change>,
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
            limits: limits::changes(&recovered.limits),
        }
    }
}

impl AccountGroup {
    /// Borrows the desk and the router, and wakes the loop afterwards: something may be published.
    pub(super) fn with<R>(&self, py: Python<'_>, f: impl FnOnce(&mut Desk, &mut Router, i64) -> R) -> R {
        let core = self.core.get();
        let mut state = core.state.borrow(py);
        let state = &mut *state;
        let result = f(&mut state.desks[self.desk], &mut state.router, clock::now_ns());
        core.wake(state);
        result
    }
}

fn parse_id(order_id: &str) -> PyResult<ClientOrderId> {
    ClientOrderId::parse(order_id)
        .ok_or_else(|| PyValueError::new_err(format!("not one of our order ids: {order_id:?}")))
}

pub(super) fn gate_error(error: GateError) -> PyErr {
    match error {
        GateError::Log(error) => PyOSError::new_err(error.to_string()),
        GateError::StoppedAgain
        | GateError::Limits(_)
        | GateError::Instrument(_)
        | GateError::Definition { .. }
        | GateError::Config(_) => PyValueError::new_err(error.to_string()),
        other => PyRuntimeError::new_err(other.to_string()),
    }
}
