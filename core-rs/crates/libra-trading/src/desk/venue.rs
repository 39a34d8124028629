//! The link between a desk and its venue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use libra_kernel::Event;

use crate::gate::{Gate, Recovered};
use crate::order::{ClientOrderId, Order, VenueReport};
use crate::paper::PaperVenue;

/// Where a desk's orders go.
pub enum Link {
    /// A paper venue that this desk shows the market to: simulated runs, and markets that come from Python.
    Paper(Arc<Mutex<PaperVenue>>),
    /// A paper venue that a native thread shows the market to, before an event fans out; its reports come through the
    /// thread's edge. The thread sleeps until the venue's next due time, so it is woken when an order changes that.
    Threaded(Arc<Mutex<PaperVenue>>, Thread),
    /// A gateway outside: it sends what `ORDER_NEW` carries, and reports.
    External,
}

impl Link {
    fn lock(venue: &Mutex<PaperVenue>) -> MutexGuard<'_, PaperVenue> {
        // A venue that panicked half-way has said so; what it says from then on is still booked as a venue's word.
        venue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an order; false when a gateway outside does that.
    pub(super) fn submit(&self, now_ns: i64, order: &Order) -> bool {
        match self {
            Link::Paper(venue) => Link::lock(venue).submit(now_ns, order),
            Link::Threaded(venue, thread) => {
                Link::lock(venue).submit(now_ns, order);
                thread.unpark();
            }
            Link::External => return false,
        }
        true
    }

    pub(super) fn cancel(&self, now_ns: i64, id: ClientOrderId) -> bool {
        match self {
            Link::Paper(venue) => Link::lock(venue).cancel(now_ns, id),
            Link::Threaded(venue, thread) => {
                Link::lock(venue).cancel(now_ns, id);
                thread.unpark();
            }
            Link::External => return false,
        }
        true
    }

    pub(super) fn on_market(&self, event: &Event) {
        if let Link::Paper(venue) = self {
            Link::lock(venue).on_market(event);
        }
    }

    pub(super) fn next_due_ns(&self) -> Option<i64> {
        match self {
            Link::Paper(venue) => Link::lock(venue).next_due_ns(),
            _ => None,
        }
    }

    pub(super) fn advance(&self, now_ns: i64, out: &mut Vec<VenueReport>) {
        if let Link::Paper(venue) = self {
            Link::lock(venue).advance(now_ns, out);
        }
    }

    /// Gives a paper venue the orders that the log says are open; true when there is nothing left to reconcile.
    pub(super) fn restore(&self, gate: &Gate, recovered: &Recovered) -> bool {
        let (Link::Paper(venue) | Link::Threaded(venue, _)) = self else { return false };
        let mut venue = Link::lock(venue);
        for order in recovered.open.iter().chain(&recovered.unanswered) {
            let known = gate.order(order.client_order_id).unwrap_or(order);
            venue.adopt(known, known.filled);
        }
        true
    }
}
