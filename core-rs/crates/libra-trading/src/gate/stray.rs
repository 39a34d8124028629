//! What contradicts the log and changes nothing of it: an incident, which stops new orders until an operator has looked.
//!
//! A *stray* is an order that was rejected here, by the gate or by the venue, or that was taken for lost, and of which the
//! venue says that it works; or one that ended any other way, and that looks and queries find open long behind that,
//! and again (its owner has made it larger, and what we asked for is executed). Its status stays, nothing is reserved for it, and it
//! is to be cancelled: until the venue says that it is over, or does not know it. An execution of it is booked as any other.

use libra_kernel::Name;

use crate::order::{ClientOrderId, OrderStatus, VenueOutcome, VenueReport};

use super::Gate;
use super::event::{GateEvent, IncidentCode};
use super::report::Verdict;
use super::state::State;

impl State {
    /// The venue works on what is over here, or has rejected what it worked on.
    pub(super) fn judge_contradiction(&self, report: &VenueReport) -> Verdict {
        let id = report.client_order_id;
        let told = match report.outcome {
            VenueOutcome::Accepted => self.strays.contains(&id),
            _ => self.disputed.contains(&id.0),
        };
        if told && self.incident.is_some() { Verdict::Conflict } else { Verdict::Dispute }
    }

    /// True for the word that a stray is not, or no longer, at the venue.
    pub(super) fn ends_stray(&self, report: &VenueReport) -> bool {
        let ends = matches!(
            report.outcome,
            VenueOutcome::Rejected { .. }
                | VenueOutcome::Cancelled { .. }
                | VenueOutcome::Expired
                | VenueOutcome::NotFound
        );
        ends && self.strays.contains(&report.client_order_id)
    }

    /// Takes in a report that was judged [`Verdict::Dispute`].
    pub(super) fn dispute(&mut self, report: &VenueReport, events: &mut Vec<GateEvent>) {
        let id = report.client_order_id;
        let order = self.order(id);
        let status = order.as_ref().map_or(OrderStatus::Rejected, |order| order.status);
        let reason = order.map_or_else(String::new, |order| order.reason.clone());
        match &report.outcome {
            VenueOutcome::Rejected { code, detail } => {
                self.disputed.insert(id.0);
                let detail = format!("the venue rejects an order that it works on: {code} {detail}");
                self.raise(IncidentCode::RejectedAfterAcceptance, id, &detail, events);
            }
            _ => {
                self.strays.insert(id);
                let detail = format!("the venue works on an order that is {status:?} here ({reason}); it is cancelled");
                self.raise(IncidentCode::AcceptedAfterEnd, id, &detail, events);
            }
        }
    }
}

impl Gate {
    /// Orders that are over here and that work at the venue as it says: to be cancelled there.
    pub fn strays(&self) -> impl Iterator<Item = ClientOrderId> {
        self.state.strays.iter().copied()
    }

    /// True for one of these.
    pub fn is_stray(&self, id: ClientOrderId) -> bool {
        self.state.strays.contains(&id)
    }

    /// Counts the cancel of a stray as a message. It needs no intent of its own: what made it one stands in the log.
    pub fn count_stray_cancel(&mut self, now_ns: i64, id: ClientOrderId) {
        let strategy = self.state.order(id).map_or(Name::NONE, |order| order.request.strategy);
        self.rates.record_message(now_ns, strategy);
    }
}
