//! The link between a desk and its venue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use libra_kernel::Event;
use libra_kernel::alarm::Alarm;

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

    /// Tells a paper venue what stops it without a word of the loop.
    pub(super) fn set_alarm(&self, alarm: &Arc<Alarm>) {
        if let Link::Paper(venue) | Link::Threaded(venue, _) = self {
            Link::lock(venue).set_alarm(Arc::clone(alarm));
        }
    }

    /// Takes back from a paper venue what has not arrived there.
    pub(super) fn recall(&self, now_ns: i64) -> Vec<VenueReport> {
        match self {
            Link::Paper(venue) | Link::Threaded(venue, _) => Link::lock(venue).recall(now_ns),
            Link::External => Vec::new(),
        }
    }

    pub(super) fn on_market(&self, now_ns: i64, event: &Event) {
        if let Link::Paper(venue) = self {
            Link::lock(venue).on_market(now_ns, event);
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

    /// Gives a paper venue everything that the log knows: it lived in the process that died.
    pub(super) fn restore(&self, gate: &Gate) {
        let (Link::Paper(venue) | Link::Threaded(venue, _)) = self else { return };
        let mut venue = Link::lock(venue);
        for order in gate.orders() {
            venue.adopt(&order, order.filled);
        }
        // A fill is booked once by its trade id: one that came again would be a fill lost.
        if let Some(last) = gate.fills().iter().map(|fill| fill.trade_id).max() {
            venue.continue_trade_ids_after(last);
        }
    }

    /// Sends what an earlier process wanted cancelled to a paper venue once more: it was on its way there, in that process. Its
    /// intent stands in the log, so the order counts as being cancelled, and nobody else would. An order that had not
    /// arrived there never does.
    pub(super) fn cancel_again(&self, now_ns: i64, found: &Recovered) {
        let arrived = |id: &&ClientOrderId| found.open.iter().any(|order| order.client_order_id == **id);
        for id in found.cancelling.iter().filter(arrived) {
            self.cancel(now_ns, *id);
        }
    }

    /// Asks a paper venue about an order; nothing from a gateway outside, which is asked in its own way.
    pub(super) fn query(&self, id: ClientOrderId) -> Vec<VenueReport> {
        match self {
            Link::Paper(venue) | Link::Threaded(venue, _) => Link::lock(venue).query(id),
            Link::External => Vec::new(),
        }
    }
}
