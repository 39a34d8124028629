//! The steps that an account's actors take: one call each, decided by the desk.

use libra_kernel::Lane;
use libra_kernel::Name;
use libra_kernel::router::Router;
use libra_trading::desk::Desk;
use pyo3::prelude::*;

use super::super::State;
use super::{AccountGroup, gate_error, parse_id};
use crate::event::PyEvent;
use crate::handlers::InFlight;
use crate::trading::PyOrderReport;

#[pymethods]
impl AccountGroup {
    /// The portfolio's step for a SIGNAL.
    fn on_signal(&self, event: &Bound<'_, PyEvent>) {
        self.with(event.py(), |desk, router, now_ns| desk.on_signal(router, now_ns, event.get().event()));
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
        Ok(self.with(py, |desk, _, now_ns| desk.send_by_ns(now_ns, id)))
    }

    /// True for an order that has not begun to leave, and that can only make a contract's position smaller unless what is
    /// being cancelled on its side is filled nonetheless: its gateway tells the venue.
    fn only_reduces(&self, py: Python<'_>, order_id: &str) -> PyResult<bool> {
        let id = parse_id(order_id)?;
        Ok(self.with(py, |desk, _, _| desk.only_reduces(id)))
    }

    /// The clock of a venue outside minus ours, as it was just measured, nanoseconds.
    fn tell_venue_clock(&self, py: Python<'_>, ahead_ns: i64) {
        self.with(py, |desk, _, now_ns| desk.tell_venue_clock(now_ns, ahead_ns));
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

    /// Cancels what is open, of one strategy or of all: ids of orders that a gateway outside has to cancel.
    #[pyo3(signature = (strategy=None))]
    fn cancel_all(&self, py: Python<'_>, strategy: Option<&str>) -> Vec<String> {
        let strategy = strategy.map(Name::intern);
        let ids = self.with(py, |desk, router, now_ns| desk.cancel_all(router, now_ns, strategy));
        ids.iter().map(ToString::to_string).collect()
    }

    /// An actor of its own has failed: stops new orders and cancels what is open until it is gone. Ids as of `cancel_all`.
    fn abandon(&self, py: Python<'_>, reason: &str) -> Vec<String> {
        let ids = self.with(py, |desk, router, now_ns| desk.abandon(router, now_ns, reason));
        ids.iter().map(ToString::to_string).collect()
    }

    /// The actor that had failed is there again: new orders may leave.
    fn attend(&self, py: Python<'_>) {
        self.with(py, |desk, router, _| desk.attend(router));
    }

    fn stop_new_orders(&self, py: Python<'_>, reason: &str) {
        self.with(py, |desk, _, _| desk.stop_new_orders(reason));
    }

    /// Ids of orders that a gateway outside was asked to cancel, here or by an earlier process, and that are not final.
    fn cancelling(&self, py: Python<'_>) -> Vec<String> {
        self.with(py, |desk, _, _| desk.cancelling()).iter().map(ToString::to_string).collect()
    }

    /// How many cancels have no answer: at any venue.
    #[getter]
    fn cancels_pending(&self, py: Python<'_>) -> usize {
        self.with(py, |desk, _, _| desk.gate().cancels_pending())
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
}

/// True when no actor has an event of the urgent lanes, in which facts travel, before it or under way.
fn facts_are_handled(state: &mut State) -> bool {
    (0..state.slots.len()).all(|id| {
        let slot = &state.slots[id];
        let under_way = |flight: &InFlight| flight.event.get().event().lane() <= Lane::Orders;
        slot.gone || (!slot.flight.as_ref().is_some_and(under_way) && !state.router.mailbox(id).has_up_to(Lane::Orders))
    })
}
