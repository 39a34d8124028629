//! The kill switch, cancelling and draining.

use libra_kernel::router::Router;
use libra_kernel::{Event, Name};

use crate::gate::GateError;
use crate::order::{CancelRequest, ClientOrderId, OrderStatus};

use super::Desk;

impl Desk {
    /// Execution's step for a `CANCEL_REQUEST`. Gives the order that a gateway outside has to cancel at its venue.
    pub fn on_cancel_request(&mut self, router: &mut Router, now_ns: i64, event: &Event) -> Option<ClientOrderId> {
        let request = event.payload.downcast::<CancelRequest>()?;
        if request.account != self.name {
            return None;
        }
        let outside = self.cancel(now_ns, request.client_order_id);
        router.acknowledge(event);
        outside
    }

    /// Cancels every open order, or those of one strategy. Gives those that a gateway outside has to cancel.
    pub fn cancel_all(&mut self, now_ns: i64, strategy: Option<Name>) -> Vec<ClientOrderId> {
        let open: Vec<ClientOrderId> = (self.gate.open_orders())
            .filter(|order| strategy.is_none_or(|name| order.request.strategy == name))
            .map(|order| order.client_order_id)
            .collect();
        open.into_iter().filter_map(|id| self.cancel(now_ns, id)).collect()
    }

    /// Sets the kill latch and cancels what is open. Gives the orders that a gateway outside has to cancel.
    pub fn kill(&mut self, router: &mut Router, now_ns: i64, reason: &str) -> Result<Vec<ClientOrderId>, GateError> {
        let latched = self.gate.kill(now_ns, reason);
        let outside = self.cancel_all(now_ns, None);
        self.publish_all(router, now_ns, latched?);
        Ok(outside)
    }

    /// Takes the kill latch back.
    pub fn resume(&mut self, router: &mut Router, now_ns: i64) -> Result<(), GateError> {
        let events = self.gate.resume(now_ns)?;
        self.publish_all(router, now_ns, events);
        Ok(())
    }

    /// From now on new orders are refused; what is open goes on.
    pub fn stop_new_orders(&mut self, reason: &str) {
        self.gate.stop_new_orders(reason);
    }

    /// Orders whose fate at the venue is not known: sent before a restart and never answered.
    pub fn unanswered(&self) -> Vec<ClientOrderId> {
        let open = self.gate.open_orders();
        open.filter(|order| order.status < OrderStatus::Accepted).map(|order| order.client_order_id).collect()
    }

    /// Asks a paper venue about every order that is not final, and lets new orders leave once all are answered. True
    /// when they are. (Of an order that the venue does not know the gate decides when its window is over.)
    pub fn reconcile_with_paper(&mut self, router: &mut Router, now_ns: i64) -> bool {
        let open: Vec<ClientOrderId> = self.gate.open_orders().map(|order| order.client_order_id).collect();
        for id in open {
            for mut report in self.link.query(id) {
                report.ts_venue_ns = report.ts_venue_ns.max(now_ns);
                self.on_report(router, now_ns, &report);
            }
        }
        let done = self.unanswered().is_empty();
        if done {
            self.set_reconciled();
        }
        done
    }

    /// Orders are reconciled with the venue: new ones may leave.
    pub fn set_reconciled(&mut self) {
        self.gate.set_reconciling(false);
    }

    /// Forces the log to the disk.
    pub fn flush(&mut self) -> Result<(), GateError> {
        self.gate.flush()
    }

    fn cancel(&mut self, now_ns: i64, id: ClientOrderId) -> Option<ClientOrderId> {
        match self.gate.cancel(now_ns, id) {
            Ok(_) if self.link.cancel(now_ns, id) => None,
            Ok(_) => Some(id),
            // The order is final or unknown: what was asked for is so already.
            Err(rejection) => {
                *self.tally.rejections.entry(rejection.code.as_str().into()).or_default() += 1;
                None
            }
        }
    }
}
