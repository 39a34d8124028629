//! The kill switch, cancelling and draining.

use std::sync::Arc;

use libra_kernel::bridge_state::{BridgeState, Losses};
use libra_kernel::router::Router;
use libra_kernel::{Event, EventType, Name, Payload};

use crate::gate::{BY_SIGNAL, CancelIntent, CancelPause, GateError, GateEvent, SET_BY, before_the_latch};
use crate::order::{CancelRequest, ClientOrderId, OrderStatus};
use crate::risk::{Breach, Rejection, RiskCode};

use super::flow::before_it_left;
use super::payload::Notice;
use super::readmit::while_gone;
use super::{Desk, Link};

/// For whom an order is cancelled.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// The strategy that owns it.
    Strategy,
    /// An operator, the kill switch, the policy for a vanished strategy.
    Account,
    /// A loss limit that is passed.
    Breach(Breach),
}

impl Desk {
    /// Execution's step for a `CANCEL_REQUEST`, which is good for orders of the strategy that it names. Gives the order that
    /// a gateway outside has to cancel at its venue.
    pub fn on_cancel_request(&mut self, router: &mut Router, now_ns: i64, event: &Event) -> Option<ClientOrderId> {
        let request = event.payload.downcast::<CancelRequest>()?;
        if request.account != self.name {
            return None;
        }
        let outside = self.cancel_for(router, now_ns, request, event);
        router.acknowledge(event);
        outside
    }

    /// Does what a cancel request asks for, in the trace of its cause.
    pub(super) fn cancel_for(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        request: &CancelRequest,
        cause: &Event,
    ) -> Option<ClientOrderId> {
        let (id, asker) = (request.client_order_id, request.strategy);
        let owner = self.gate.order(id).map(|order| order.request.strategy);
        let why = match owner.filter(|owner| *owner != asker) {
            Some(owner) => not_owner(owner, asker),
            // What the account asks for always goes; a strategy's goes once in a while.
            None => match self.gate.cancel_pause(now_ns, id) {
                None => match self.gate.cancel(now_ns, id) {
                    Ok(intent) => return self.send_cancel(router, now_ns, &intent, Asker::Strategy),
                    // It may be on its way through risk: it ends there, before it leaves.
                    Err(why)
                        if why.code == RiskCode::UnknownOrder && self.keep_early_cancel(router, now_ns, id, asker) =>
                    {
                        return None;
                    }
                    Err(why) => why,
                },
                // The venue has been asked, and its answer is this one's too.
                Some(CancelPause::Unanswered) => return None,
                Some(CancelPause::Refused) => cancel_rate(),
            },
        };
        self.tell_refused_cancel(router, now_ns, request, &why, cause);
        None
    }

    /// A cancel died with its handler, and nobody will send it: whoever asked is told so. One whose intent stands has gone out,
    /// or will be repeated.
    pub(super) fn refuse_unsent_cancel(&mut self, router: &mut Router, now_ns: i64, actor: Name, event: &Event) {
        let Some(request) = event.payload.downcast::<CancelRequest>() else { return };
        let id = request.client_order_id;
        let is_over = self.gate.order(id).is_some_and(|order| order.status.is_final());
        if request.account != self.name || is_over || self.gate.cancel_pause(now_ns, id).is_some() {
            return;
        }
        let why = Rejection::new(RiskCode::ExecutionFailed, format!("{actor} did not come to send it"));
        self.tell_refused_cancel(router, now_ns, request, &why, event);
        router.acknowledge(event);
    }

    /// In the trace of whoever asked: the order's own goes on as if nothing had been said.
    fn tell_refused_cancel(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        request: &CancelRequest,
        why: &Rejection,
        cause: &Event,
    ) {
        let (id, strategy) = (request.client_order_id, request.strategy);
        let payload = Payload::shared(self.refuse_cancel(id, strategy, why));
        router.publish(cause.child(EventType::OrderCancelRejected, self.sources.risk, now_ns, payload));
    }

    /// Counts a cancel that goes nowhere, and says why.
    fn refuse_cancel(&mut self, id: ClientOrderId, strategy: Name, why: &Rejection) -> Notice {
        self.count_rejection(why.code);
        Notice { account: self.name, strategy, code: id.to_string(), detail: why.to_string() }
    }

    fn keep_early_cancel(&mut self, router: &mut Router, now_ns: i64, id: ClientOrderId, asker: Name) -> bool {
        self.forget_early_cancels(router, now_ns);
        self.early_cancels.keep(now_ns, id, asker)
    }

    /// Whoever asked for a cancel that has waited its time, and no order came, is told so.
    #[inline]
    pub(super) fn forget_early_cancels(&mut self, router: &mut Router, now_ns: i64) {
        if self.early_cancels.next_due_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            self.tell_forgotten_cancels(router, now_ns);
        }
    }

    #[cold]
    fn tell_forgotten_cancels(&mut self, router: &mut Router, now_ns: i64) {
        for (id, asker) in self.early_cancels.forget_old(now_ns) {
            let why = Rejection::new(RiskCode::UnknownOrder, format!("{id}: no order of it came within a minute"));
            self.tell_early_refusal(router, now_ns, id, asker, &why);
        }
    }

    fn tell_early_refusal(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        id: ClientOrderId,
        asker: Name,
        why: &Rejection,
    ) {
        let payload = Payload::shared(self.refuse_cancel(id, asker, why));
        router.publish(Event::new(EventType::OrderCancelRejected, self.sources.risk, now_ns, payload));
    }

    /// An order has ended: the cancels that came ahead of it wait for nothing. Its own strategy hears of the end, others are
    /// refused.
    #[inline]
    pub(super) fn end_early_cancels(&mut self, router: &mut Router, now_ns: i64, id: ClientOrderId, owner: Name) {
        if !self.early_cancels.is_empty() {
            self.take_early_cancels(router, now_ns, id, owner);
        }
    }

    /// An order is here: takes the cancels that came ahead of it. True when its own strategy asked for one; others are
    /// refused.
    pub(super) fn take_early_cancels(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        id: ClientOrderId,
        owner: Name,
    ) -> bool {
        let mut own = false;
        for asker in self.early_cancels.take(now_ns, id) {
            if asker == owner {
                own = true;
            } else {
                self.tell_early_refusal(router, now_ns, id, asker, &not_owner(owner, asker));
            }
        }
        own
    }

    /// Cancels every open order, or those of one strategy. Gives those that a gateway outside has to cancel.
    pub fn cancel_all(&mut self, router: &mut Router, now_ns: i64, strategy: Option<Name>) -> Vec<ClientOrderId> {
        self.gate.begin_together();
        let outside = self.cancel_each(router, now_ns, strategy);
        self.force_together();
        outside
    }

    /// What was appended together goes to the disk.
    pub(super) fn force_together(&mut self) {
        if let Err(error) = self.gate.force_together() {
            self.fault(error);
        }
    }

    fn cancel_each(&mut self, router: &mut Router, now_ns: i64, strategy: Option<Name>) -> Vec<ClientOrderId> {
        let open: Vec<ClientOrderId> = (self.gate.open_orders())
            .filter(|order| strategy.is_none_or(|name| order.request.strategy == name))
            .map(|order| order.client_order_id)
            .collect();
        // Where they must not stay, they are asked for again from here on.
        self.unwanted.extend(open.iter().map(|id| (*id, now_ns)));
        open.into_iter().filter_map(|id| self.cancel(router, now_ns, id, Asker::Account)).collect()
    }

    /// Sets the kill latch, takes back what is on its way to a paper venue and cancels what is open. Gives the orders that
    /// a gateway outside has to cancel. All of that is done when it fails, too: an error means that the log has not taken it
    /// yet, and what is to be cancelled outside stands in [`Desk::cancelling`].
    pub fn kill(&mut self, router: &mut Router, now_ns: i64, reason: &str) -> Result<Vec<ClientOrderId>, GateError> {
        // Whoever asks has sent a signal before: the latch tells of him, and not of a signal that came behind him.
        self.heed_alarm(router, now_ns);
        self.latch(router, now_ns, reason)
    }

    fn latch(&mut self, router: &mut Router, now_ns: i64, reason: &str) -> Result<Vec<ClientOrderId>, GateError> {
        self.gate.begin_together();
        let (latched, logged) = self.gate.kill(now_ns, reason);
        for report in self.link.recall(now_ns) {
            self.on_report(router, now_ns, &report);
        }
        let outside = self.cancel_each(router, now_ns, None);
        let logged = logged.and(self.gate.force_together());
        self.tell_latch(router, now_ns, latched, logged).map(|()| outside)
    }

    /// The account is latched: that is published, and marked where the log has not taken it.
    fn tell_latch(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        latched: Vec<GateEvent>,
        logged: Result<(), GateError>,
    ) -> Result<(), GateError> {
        self.publish_all(router, now_ns, latched);
        if logged.is_err() {
            self.mark_latch();
        }
        logged
    }

    /// The kill switch as an event: sets the latch at once, before the event fans out. What a gateway outside has to cancel
    /// then stands in [`Desk::cancelling`]. It was pulled at `said_ns`: one that comes much later, as of an earlier run, says so.
    pub fn kill_for(&mut self, router: &mut Router, now_ns: i64, source: Name, said_ns: i64) {
        let reason = format!("{SET_BY}{source}{}", before(now_ns, said_ns));
        let done = match self.gate.is_killed() {
            false => self.kill(router, now_ns, &reason).map(drop),
            // What is open is being cancelled. It counts all the same: whoever resumes has not seen it.
            true => {
                let (latched, logged) = self.gate.kill(now_ns, &reason);
                self.tell_latch(router, now_ns, latched, logged)
            }
        };
        if let Err(error) = done {
            self.fault(error);
        }
    }

    /// How often something has stopped the account in this process: see [`Gate::stops`](crate::gate::Gate::stops). An alarm is
    /// heeded first.
    pub fn stops(&mut self, router: &mut Router, now_ns: i64) -> u64 {
        self.heed_alarm(router, now_ns);
        self.gate.stops()
    }

    /// Does what an alarm asks for, as soon as the loop is here: latches the account in its log and cancels what is open.
    /// What a gateway outside has to cancel then stands in [`Desk::cancelling`].
    #[inline]
    pub fn heed_alarm(&mut self, router: &mut Router, now_ns: i64) {
        if self.alarm.is_raised() {
            self.answer_alarm(router, now_ns);
        }
    }

    /// The log has not taken the latch: until it does, the alarm's marker beside it speaks to the next process.
    fn mark_latch(&mut self) {
        if !self.alarm.is_raised() {
            self.alarm.raise();
        }
        self.unlogged_alarm = self.alarm.count();
        if let Err(error) = self.alarm.mark() {
            self.fault(format!("neither the log nor a marker beside it takes the kill latch: {error}"));
        }
    }

    /// Appends what holds and the log has not taken. False while it does not take it.
    pub(super) fn pay_log(&mut self) -> bool {
        if self.gate.owed() > 0 {
            if self.gate.pay().is_err() {
                return false;
            }
            if self.unlogged_alarm != 0 {
                // The latch stands in the log.
                self.settle_alarm(self.unlogged_alarm);
            }
        }
        true
    }

    #[cold]
    fn answer_alarm(&mut self, router: &mut Router, now_ns: i64) {
        let count = self.alarm.count();
        if count == self.unlogged_alarm {
            return;
        }
        match self.latch(router, now_ns, BY_SIGNAL) {
            Ok(_) if self.gate.owed() > 0 => self.mark_latch(),
            Ok(_) => self.settle_alarm(count),
            // Latched in this process; for the next one the marker stays.
            Err(error) => self.fault(error),
        }
    }

    fn settle_alarm(&mut self, count: u64) {
        self.unlogged_alarm = 0;
        if let Err(error) = self.alarm.settle(count) {
            self.unlogged_alarm = count;
            self.fault(format!("the kill switch's marker beside the log cannot be removed: {error}"));
        }
    }

    /// Why what an event asks for does not leave: it was published before the kill latch was taken back, or while nobody looked
    /// after the account, or before its strategy was let in again. Numbers begin at 1; an event without one was handed over just
    /// now. One of another node has the number of its arrival here.
    #[inline]
    pub(super) fn why_it_waited(&self, event: &Event, strategy: Name) -> Option<Rejection> {
        match event.sequence.wrapping_sub(1) {
            before if before < self.latched_until => Some(before_the_latch()),
            before if before < self.unattended_until => Some(while_unattended()),
            _ if self.was_gone(event, strategy) => Some(while_gone()),
            _ => None,
        }
    }

    /// Takes the kill latch back; `reason` says who does it and why, for the log.
    pub fn resume(&mut self, router: &mut Router, now_ns: i64, reason: &str) -> Result<(), GateError> {
        self.resume_of(router, now_ns, reason, None)
    }

    /// The same, unless something has stopped the account since somebody looked, who saw `stops`: the last look, behind which
    /// what threads say stops it anew.
    pub fn resume_of(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        reason: &str,
        stops: Option<u64>,
    ) -> Result<(), GateError> {
        let losses = self.as_it_was_seen(router, now_ns, stops)?;
        self.take_back(router, now_ns, reason, losses)
    }

    /// Losses on the bridge as they are taken back; an error where something has stopped the account since somebody saw `stops`.
    pub(super) fn as_it_was_seen(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        stops: Option<u64>,
    ) -> Result<Losses, GateError> {
        let losses = self.gate.bridge_losses();
        self.heed_alarm(router, now_ns);
        match stops {
            Some(stops) if stops != self.gate.stops_with(losses) => Err(GateError::StoppedAgain),
            _ => Ok(losses),
        }
    }

    pub(super) fn take_back(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        reason: &str,
        losses: Losses,
    ) -> Result<(), GateError> {
        self.gate.note(now_ns, reason)?;
        self.look_behind_incident();
        let was_killed = self.gate.is_killed();
        let events = self.gate.resume_with(now_ns, losses)?;
        if was_killed {
            self.latched_until = router.sequence();
        }
        if self.alarm.is_raised() && self.unlogged_alarm != 0 {
            // What it asked for was done, and is now taken back in the log.
            self.settle_alarm(self.unlogged_alarm);
        }
        self.publish_all(router, now_ns, events);
        Ok(())
    }

    /// How the node's bridge stands: new orders leave only while it is sound. Cancels always do.
    pub fn set_bridge(&mut self, bridge: Arc<BridgeState>) {
        self.gate.set_bridge(bridge);
    }

    /// From now on new orders are refused; what is open goes on.
    pub fn stop_new_orders(&mut self, reason: &str) {
        self.gate.stop_new_orders(reason);
    }

    /// An actor of the account's own has failed: no new order leaves, and what is open is cancelled until it is gone. Gives the
    /// orders that a gateway outside has to cancel now; later ones stand in [`Desk::cancelling`].
    pub fn abandon(&mut self, router: &mut Router, now_ns: i64, reason: &str) -> Vec<ClientOrderId> {
        self.gate.set_unattended(Some(reason));
        self.cancel_all(router, now_ns, None)
    }

    /// The actor that had failed is there again, and an operator trusts it: new orders may leave, as far as nothing else stops
    /// them. What was asked for until now waited for that actor, and is refused.
    pub fn attend(&mut self, router: &Router) {
        if self.gate.unattended().is_some() {
            self.unattended_until = router.sequence();
        }
        self.gate.set_unattended(None);
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
        done && !self.gate.is_reconciling()
    }

    /// Orders that a gateway outside was asked to cancel, here or by an earlier process, and that are not final, or work at
    /// the venue all the same.
    pub fn cancelling(&mut self) -> Vec<ClientOrderId> {
        let gate = &self.gate;
        let open = |id| gate.order(id).is_some_and(|order| !order.status.is_final());
        self.cancelling.retain(|id| open(*id) || gate.is_stray(*id));
        self.cancelling.iter().copied().collect()
    }

    /// The venue was out of sight: new orders are refused until [`Desk::set_reconciled`].
    pub fn begin_reconciling(&mut self) {
        self.looks.begin_anew();
        self.gate.set_reconciling(true);
    }

    /// Orders are reconciled with the venue: new ones may leave, unless a look at it has left something undecided.
    pub fn set_reconciled(&mut self) {
        let silent = !matches!(self.link, Link::External);
        self.gate.set_reconciling((silent && !self.unbooked.is_empty()) || !self.looks.is_settled());
    }

    /// Forces the log to the disk.
    pub fn flush(&mut self) -> Result<(), GateError> {
        self.gate.flush()
    }

    /// Cancels an open order for the account. Gives the one that a gateway outside has to cancel.
    pub(super) fn cancel(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        id: ClientOrderId,
        asker: Asker,
    ) -> Option<ClientOrderId> {
        // The gate takes back whatever is open; one that is over needs no cancel.
        let intent = self.gate.cancel(now_ns, id).map_err(|why| self.fault(why)).ok()?;
        self.send_cancel(router, now_ns, &intent, asker)
    }

    /// A cancel leaves. Gives the order that a gateway outside has to cancel.
    fn send_cancel(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        intent: &CancelIntent,
        asker: Asker,
    ) -> Option<ClientOrderId> {
        let id = intent.client_order_id;
        if !intent.logged {
            self.fault(format!("{id}: a cancel leaves before its intent stands in the log, which takes nothing"));
        }
        if self.link.cancel(now_ns, id) {
            return None;
        }
        if self.unsent.remove(&id).is_some() {
            // The venue never heard of it; were the cancel to run ahead of it, it would be refused and the order live.
            let why = match asker {
                _ if self.gate.is_killed() => Some(before_it_left(RiskCode::KillSwitch)),
                Asker::Breach(breach) => Some(breach.rejection()),
                Asker::Strategy | Asker::Account => None,
            };
            self.hold_back(router, now_ns, id, why);
            return None;
        }
        self.cancelling.insert(id);
        Some(id)
    }
}

fn not_owner(owner: Name, asker: Name) -> Rejection {
    Rejection::limit(RiskCode::NotOwner, format!("strategy {owner}"), format!("strategy {asker}"))
}

#[cold]
fn while_unattended() -> Rejection {
    Rejection::new(RiskCode::Unattended, "it was asked for, or approved, while nobody looked after the account")
}

fn cancel_rate() -> Rejection {
    Rejection::limit(RiskCode::CancelRate, "1 cancel of the order a second", "2 cancels of the order a second")
}

/// How long before it came something was said, where that is worth a word.
fn before(now_ns: i64, said_ns: i64) -> String {
    match now_ns.saturating_sub(said_ns) / 1_000_000_000 {
        ..10 => String::new(),
        seconds @ ..120 => format!(", {seconds} s before it came here"),
        seconds @ ..7_200 => format!(", {} min before it came here", seconds / 60),
        seconds @ ..172_800 => format!(", {} h before it came here", seconds / 3_600),
        seconds => format!(", {} days before it came here", seconds / 86_400),
    }
}
