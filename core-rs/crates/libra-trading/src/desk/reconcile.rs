//! Looks at the venue outside, as the account's gateway brings them, and taking the venue's word.

use libra_kernel::EventType;
use libra_kernel::router::Router;

use crate::gate::{GateError, GateEvent};
use crate::order::{VenueOutcome, VenueReport};
use crate::reconcile::{AcceptError, Adjustment, Looks, Taken, VenueFlow, VenueLook};

use super::Desk;

/// The code under which foreign orders and executions are told.
const FOREIGN: &str = "FOREIGN_ORDER";

/// The code under which orders are told that the venue has with other terms than they were sent with.
const AMENDED: &str = "AMENDED_ORDER";

/// The code under which balances are told that the account trades nothing in, and that moved by no flow.
const UNTRADED: &str = "UNTRADED_BALANCE";

impl Desk {
    /// The gateway outside can take looks: from now on new orders wait for them behind each (re)connect.
    /// What a history may explain is waited for, for `patience_ns`.
    pub fn require_looks(&mut self, patience_ns: i64) {
        self.looks.require(patience_ns);
        self.begin_reconciling();
    }

    /// Looks at the venue so far.
    pub fn looks(&self) -> &Looks {
        &self.looks
    }

    /// A look begins. Gives the venue's time from which executions and flows are to be asked for.
    pub fn begin_look(&mut self, now_ns: i64) -> i64 {
        self.looks.begin(&self.gate, now_ns);
        self.looks.since_ns(&self.gate)
    }

    /// A look could not be taken: another one is due.
    pub fn fail_look(&mut self) {
        self.looks.fail();
    }

    /// Takes a look in: appends, books, publishes. What has to be asked about one by one is given back. What was booked by a
    /// look that then failed is published all the same.
    pub fn take_look(&mut self, router: &mut Router, now_ns: i64, look: &VenueLook) -> Result<Taken, GateError> {
        self.heed_alarm(router, now_ns);
        let unsent = &self.unsent;
        let mut taken = Taken::default();
        let done = self.looks.take(&mut self.gate, now_ns, look, |id| unsent.contains_key(&id), &mut taken);
        if let Err(error) = &done {
            self.fault(error);
            self.looks.fail();
        }
        let events = std::mem::take(&mut taken.events);
        if !events.is_empty() {
            self.note_equity(now_ns);
        }
        self.publish_all(router, now_ns, events);
        for foreign in &taken.foreign {
            self.notice(router, now_ns, EventType::RiskLimitBreach, FOREIGN, foreign.to_string());
        }
        for amendment in &taken.amended {
            self.notice(router, now_ns, EventType::RiskLimitBreach, AMENDED, amendment.to_string());
        }
        for difference in &taken.report.apart {
            self.notice(router, now_ns, EventType::RiskLimitBreach, UNTRADED, difference.to_string());
        }
        self.pursue_strays(now_ns);
        self.pursue_unwanted(router, now_ns);
        self.pursue_flattening(router, now_ns);
        done.map(|()| taken)
    }

    /// What the venue says of an order that is over here and that a look found open: where looks and answers go on to say
    /// that it works, it is a stray.
    pub(super) fn judge_lingering(&mut self, now_ns: i64, report: &VenueReport) -> Result<Vec<GateEvent>, GateError> {
        let id = report.client_order_id;
        let works = match report.outcome {
            VenueOutcome::Accepted => true,
            VenueOutcome::Filled { .. } | VenueOutcome::CancelRejected { .. } => return Ok(Vec::new()),
            _ => false,
        };
        if self.gate.is_stray(id) || !self.looks.is_found_working(id, works) {
            return Ok(Vec::new());
        }
        let over = self.gate.order(id).filter(|order| order.status.is_final());
        over.map_or(Ok(Vec::new()), |order| {
            let detail = format!("the venue works on an order that is {:?} here; it is cancelled", order.status);
            self.gate.order_differs(now_ns, id, &detail)
        })
    }

    /// Money that came or went beside executions, as a gateway tells of it outside of looks: booked once, by its key. False when
    /// it was not taken in and has to be told again.
    pub fn on_flow(&mut self, router: &mut Router, now_ns: i64, flow: &VenueFlow) -> bool {
        match self.gate.book_flow(now_ns, flow) {
            Ok(events) => {
                if !events.is_empty() {
                    self.note_equity(now_ns);
                }
                self.publish_all(router, now_ns, events);
                self.pursue_unwanted(router, now_ns);
                true
            }
            Err(error) => {
                self.fault(error);
                false
            }
        }
    }

    /// Takes the venue's word for the differences that stand, and resumes; `reason` says who does it and why, for the log.
    /// As with [`Desk::resume_of`], not where something has stopped the account since somebody saw `stops`: then nothing is
    /// booked. A loss limit that the word itself passes is measured behind the resume, and stops the account anew.
    pub fn accept_venue(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        reason: &str,
        stops: Option<u64>,
    ) -> Result<Adjustment, AcceptError> {
        let losses = self.as_it_was_seen(router, now_ns, stops)?;
        let (adjustment, events) = self.looks.accept(&mut self.gate, now_ns, reason)?;
        self.publish_all(router, now_ns, events);
        self.note_equity(now_ns);
        let resumed = self.take_back(router, now_ns, reason, losses);
        let breaches = self.gate.watch_all(now_ns);
        self.publish_all(router, now_ns, breaches);
        resumed.map_err(AcceptError::NotResumed)?;
        Ok(adjustment)
    }

    /// What an operator resumes behind an incident has to stand a look before orders leave.
    pub(super) fn look_behind_incident(&mut self) {
        if self.looks.is_required() && self.gate.incident().is_some() {
            self.begin_reconciling();
        }
    }
}
