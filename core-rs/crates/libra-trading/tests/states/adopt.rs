//! After a death in the middle of a call: what the call may have brought into the log, and nothing else, is taken over
//! from what was found. Everything it had not touched has to be there as it was.

use std::collections::BTreeSet;

use libra_trading::gate::CANCEL_ANSWER_NS;
use libra_trading::order::{ClientOrderId, OrderStatus, VenueOutcome, VenueReport};

use crate::truth::{Effect, Memory, Owed, Truth};
use crate::world::{Done, Maybe, World, broken};

impl Truth {
    /// True within a second of an earlier cancel: a strategy's next one is no message then, whether that may still be
    /// answered or was refused.
    pub fn cancelled_just_now(&self, now_ns: i64, id: ClientOrderId) -> bool {
        let Some(outcome) = self.outcome(id) else { return false };
        let asked_ns = self.memory.cancelled.get(&id).copied().unwrap_or(outcome.cancel_ns);
        self.is_open(id) && asked_ns <= now_ns && now_ns < asked_ns + CANCEL_ANSWER_NS
    }

    /// A cancel is asked for. True when it has to go to the venue; one that never left ends here.
    pub fn cancel(&mut self, now_ns: i64, id: ClientOrderId, for_loss: bool) -> bool {
        if !self.is_open(id) {
            return false;
        }
        let (killed, unsent) = (self.killed || for_loss, self.memory.unsent.remove(&id).is_some());
        let outcome = self.asked.get_mut(&id).and_then(|asked| asked.outcome.as_mut()).expect("it is open");
        let repeated = std::mem::replace(&mut outcome.cancel_pending, true);
        if !repeated && !self.memory.full {
            outcome.cancel_ns = now_ns;
        }
        self.memory.cancelled.insert(id, now_ns);
        if self.memory.full && !repeated {
            self.memory.owed.push(Owed::Cancel(id, now_ns));
        }
        if !unsent {
            return true;
        }
        if self.memory.full {
            let outcome = match killed {
                true => VenueOutcome::Rejected { code: "KILL_SWITCH".into(), detail: String::new() },
                false => VenueOutcome::Cancelled { reason: "REQUESTED".into() },
            };
            self.hold_back(id, outcome);
            return false;
        }
        outcome.cancel_pending = false;
        // The venue may have told a lie about it, and then it is not for us to say that it was refused.
        let refused = killed && outcome.status < OrderStatus::Accepted;
        if !killed || refused {
            outcome.status = if refused { OrderStatus::Rejected } else { OrderStatus::Cancelled };
            outcome.not_found_ns = None;
        } else {
            outcome.cancel_pending = true;
        }
        false
    }

    /// The log has got what it was owed: intents to cancel stand there with the time at which they were made.
    pub fn pay(&mut self, owed: &[Owed]) {
        for owed in owed {
            if let Owed::Cancel(id, at_ns) = owed
                && let Some(outcome) = self.asked.get_mut(id).and_then(|asked| asked.outcome.as_mut())
            {
                outcome.cancel_ns = *at_ns;
            }
        }
    }

    /// An order that never leaves, while the log does not take what became of it.
    pub fn hold_back(&mut self, client_order_id: ClientOrderId, outcome: VenueOutcome) {
        let report = VenueReport { client_order_id, venue_order_id: String::new(), outcome, ts_venue_ns: 0 };
        if self.clone().take(&report) == Effect::Taken {
            self.memory.unbooked.push(report);
        }
    }

    /// The log takes records again, and what was kept for it is in it.
    pub fn book_again(&mut self) {
        for report in std::mem::take(&mut self.memory.unbooked) {
            self.take(&report);
        }
    }

    /// May the bytes leave now? One that may not ends here.
    pub fn last_look(&mut self, now_ns: i64, id: ClientOrderId, log_failed: bool) -> bool {
        let Some(intended_ns) = self.memory.unsent.remove(&id) else { return false };
        let stopped = self.killed || self.incident || log_failed || self.memory.reconciling;
        let late = self.is_late(now_ns, id, intended_ns);
        let held_back = stopped || late || (self.is_flattening(id) && self.outgrown(&self.asked[&id].request));
        let asked = self.asked.get_mut(&id).expect("it was asked");
        let outcome = asked.outcome.as_mut().expect("it has an intent");
        if outcome.status != OrderStatus::New {
            return false;
        }
        if held_back && self.memory.full {
            self.hold_back(id, VenueOutcome::Rejected { code: "HELD_BACK".into(), detail: String::new() });
            return false;
        }
        if held_back {
            outcome.status = OrderStatus::Rejected;
            outcome.cancel_pending = false;
            outcome.not_found_ns = None;
            return false;
        }
        true
    }

    /// Orders that the gateway has not begun to send in time end.
    pub fn end_unsent(&mut self, now_ns: i64) -> usize {
        let unsent: Vec<(ClientOrderId, i64)> = self.memory.unsent.iter().map(|(id, at)| (*id, *at)).collect();
        let over = unsent.into_iter().filter(|(id, intended_ns)| self.is_late(now_ns, *id, *intended_ns));
        let over: Vec<ClientOrderId> = over.map(|(id, _)| id).collect();
        for id in &over {
            self.last_look(now_ns, *id, false);
        }
        over.len()
    }

    pub fn is_late(&self, now_ns: i64, id: ClientOrderId, intended_ns: i64) -> bool {
        let deadline_ns = self.asked[&id].request.deadline_ns;
        now_ns > intended_ns + crate::truth::WINDOW / 2 || (deadline_ns > 0 && now_ns > deadline_ns)
    }

    pub fn submitted(&mut self, id: ClientOrderId) {
        if self.memory.full {
            return;
        }
        let outcome = self.asked.get_mut(&id).and_then(|asked| asked.outcome.as_mut()).expect("it has an intent");
        if outcome.status == OrderStatus::New {
            outcome.status = OrderStatus::Submitted;
        }
    }
}

impl World {
    pub fn adopt(&mut self, maybe: &Maybe, before: &Memory, cancelling: &[ClientOrderId]) -> Done<()> {
        let found = |world: &World, id: ClientOrderId| world.gate().order(id).map(|order| order.status);
        // What was owed is the first that the log gets. The rest of it is forgotten, but for the latch: that has a marker
        // beside the log.
        let paid = self.appended.min(before.owed.len());
        let appended = self.appended - paid;
        self.truth.pay(&before.owed[..paid]);
        for owed in &before.owed[paid..] {
            match owed {
                Owed::Kill => {}
                Owed::Loss => self.truth.lost_day = None,
                Owed::Cancel(id, _) => {
                    if let Some(outcome) = self.truth.asked.get_mut(id).and_then(|asked| asked.outcome.as_mut()) {
                        outcome.cancel_pending = false;
                    }
                }
            }
            self.cover.note("died before the log had what it was owed");
        }
        for report in &before.unbooked {
            let ended = found(self, report.client_order_id).is_some_and(OrderStatus::is_final);
            if ended && self.truth.is_open(report.client_order_id) {
                self.truth.take(report);
            }
        }
        let open = self.truth.open();
        let insists = self.truth.killed || !before.stopped.is_empty() || !self.gate().breaches().is_empty();
        let touched: BTreeSet<ClientOrderId> = match maybe {
            Maybe::Cancel(ids) => ids.clone(),
            Maybe::Kill => open.iter().copied().collect(),
            Maybe::Quote => open.iter().copied().collect(),
            Maybe::Report(_) if insists => open.iter().copied().collect(),
            Maybe::HeldBack(id) | Maybe::Submitted(id) | Maybe::Request(id) | Maybe::Approved(id) => [*id].into(),
            _ => BTreeSet::new(),
        };
        // Approvals that were out of time, refused on the way.
        for (id, approved) in &before.approvals {
            let lapses = matches!(maybe, Maybe::Quote | Maybe::Request(_)) && self.now_ns > approved.deadline_ns;
            if lapses && self.truth.outcome(*id).is_none() && found(self, *id) == Some(OrderStatus::Rejected) {
                self.truth.refuse(*id);
            }
        }
        if let Maybe::Request(id) | Maybe::Approved(id) = maybe
            && self.truth.outcome(*id).is_none()
        {
            match found(self, *id) {
                None => {}
                Some(OrderStatus::Rejected) => {
                    // The content is the one that reached the gate.
                    let request = self.gate().order(*id).expect("it was found").request.clone();
                    self.truth.asked.get_mut(id).expect("it was asked").request = request;
                    self.truth.refuse(*id);
                }
                Some(OrderStatus::New) if before.approvals.contains_key(id) && matches!(maybe, Maybe::Approved(_)) => {
                    let approved = before.approvals[id];
                    let reconciling = std::mem::replace(&mut self.truth.memory.reconciling, before.reconciling);
                    let stopped = self.truth.stopped().is_some() || before.draining || before.log_failed || {
                        let request = &self.truth.asked[id].request;
                        self.truth.loses(*id, request)
                    };
                    self.truth.memory.reconciling = reconciling;
                    if stopped || self.now_ns > approved.deadline_ns {
                        return broken(format!("an intent of {id} that must not be"));
                    }
                    self.truth.memory.approvals.insert(*id, approved);
                    self.truth.intend(self.now_ns, *id);
                    self.truth.memory.unsent.clear();
                }
                Some(other) => return broken(format!("{id} came out of nothing as {other:?}")),
            }
        }
        for id in &touched {
            let status = found(self, *id);
            let unsent = before.unsent.contains_key(id);
            let Some(outcome) = self.truth.asked.get_mut(id).and_then(|asked| asked.outcome.as_mut()) else { continue };
            let step = match (outcome.status, status) {
                (OrderStatus::New, Some(OrderStatus::Submitted)) => matches!(maybe, Maybe::Submitted(_)),
                (old, Some(OrderStatus::Rejected | OrderStatus::Cancelled)) => unsent && !old.is_final(),
                _ => false,
            };
            if let (true, Some(status)) = (step, status) {
                outcome.status = status;
                outcome.not_found_ns = None;
            }
            outcome.cancel_pending &= !outcome.status.is_final();
            let cancels = match maybe {
                Maybe::Cancel(_) | Maybe::Kill => true,
                Maybe::Quote | Maybe::Report(_) => insists,
                _ => false,
            };
            if cancels && !outcome.status.is_final() {
                let newly = !outcome.cancel_pending && cancelling.contains(id);
                if newly {
                    (outcome.cancel_pending, outcome.cancel_ns) = (true, self.now_ns);
                }
            }
        }
        // These begin with the record that says it; before a resume stand who asked for it, and from where losses count.
        match maybe {
            Maybe::Kill if appended >= 1 => self.truth.killed = true,
            Maybe::Differs if appended >= 1 => self.truth.incident = true,
            Maybe::Resume if appended >= 3 => (self.truth.killed, self.truth.incident) = (false, false),
            Maybe::Report(report) if appended >= 1 => drop(self.truth.take(report)),
            _ => {}
        }
        self.truth.killed |= self.marked;
        let owed: Vec<ClientOrderId> = {
            let owed = self.truth.asked.iter().filter(|(_, a)| a.outcome.as_ref().is_some_and(|o| o.cancel_pending));
            owed.map(|(id, _)| *id).collect()
        };
        let mut cancelling = cancelling.to_vec();
        cancelling.sort_unstable();
        if owed != cancelling {
            return broken(format!("cancels that are owed: {cancelling:?}, and they should be {owed:?} ({maybe:?})"));
        }
        Ok(())
    }
}
