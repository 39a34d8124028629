//! The way of an order through a desk.

use libra_kernel::clock::monotonic_ns;
use libra_kernel::router::Router;
use libra_kernel::{Event, EventType, Name, Payload};

use crate::gate::{Approval, GateError, GateEvent, expired};
use crate::order::{ClientOrderId, Order, OrderRequest, OrderStatus, VenueOutcome, VenueReport};
use crate::portfolio::SizingContext;
use crate::risk::{Rejection, RiskCode};
use crate::signal::Signal;

use super::payload::Approved;
use super::readmit::while_gone;
use super::{Cause, Desk, Link, Unsent};

impl Desk {
    /// A market event, before it fans out: the venue's view and the gate's are never older than what a strategy sees. Its
    /// time is that of whoever received it, maybe on another host; days, deadlines, windows and a paper venue go by `now_ns`.
    pub fn on_market(&mut self, router: &mut Router, now_ns: i64, event: &Event) {
        self.heed_alarm(router, now_ns);
        self.link.on_market(now_ns, event);
        match &event.payload {
            Payload::Quote(quote) => {
                let ts_ns = event.ts_ns;
                self.portfolio.on_quote(event.instrument, quote.bid, quote.ask, ts_ns.min(now_ns));
                if let Some(breach) = self.gate.on_quote(event.instrument, quote.bid, quote.ask, ts_ns, now_ns) {
                    self.publish_all(router, now_ns, vec![GateEvent::Breach(breach)]);
                }
            }
            Payload::Trade(trade) => self.gate.on_trade(event.instrument, trade.size, event.ts_ns, now_ns),
            _ => {}
        }
        self.note_equity_at_times(now_ns);
        self.advance(router, now_ns);
    }

    /// When [`Desk::advance`] has something to do next: a venue in simulated time, an order whose time to leave is over, a
    /// cancel that is asked for again, or has waited its time for its order, or the next try of a flattening.
    pub fn next_due_ns(&self) -> Option<i64> {
        let over =
            self.unsent.keys().filter_map(|id| self.leaves_by_ns(*id)).min().map(|by_ns| by_ns.saturating_add(1));
        let early = self.early_cancels.next_due_ns();
        let own = [self.next_unwanted_ns(), self.next_stray_ns(), self.next_flattening_ns(), early];
        [self.link.next_due_ns(), over].into_iter().chain(own).flatten().min()
    }

    /// Takes in what the venue has to say up to now, and lets go of approvals out of time.
    pub fn advance(&mut self, router: &mut Router, now_ns: i64) {
        self.heed_alarm(router, now_ns);
        self.let_lapse(router, now_ns);
        self.forget_early_cancels(router, now_ns);
        self.book_again(router, now_ns);
        self.end_unsent(router, now_ns);
        let mut reports = std::mem::take(&mut self.reports);
        self.link.advance(now_ns, &mut reports);
        for report in reports.drain(..) {
            self.on_report(router, now_ns, &report);
        }
        self.reports = reports;
        self.pursue_strays(now_ns);
        self.pursue_unwanted(router, now_ns);
        self.pursue_flattening(router, now_ns);
    }

    /// Whoever asked learns of every approval that ran out of time, before anything behind it is confirmed.
    fn let_lapse(&mut self, router: &mut Router, now_ns: i64) {
        for order in self.gate.on_time(now_ns) {
            self.count_rejection(RiskCode::Expired);
            self.publish_order(router, now_ns, self.sources.risk, order);
        }
    }

    /// The portfolio's step: an opinion becomes the requests that bring the strategy's position where it wants it.
    pub fn on_signal(&mut self, router: &mut Router, now_ns: i64, event: &Event) {
        let Some(signal) = event.payload.downcast::<Signal>() else { return };
        if !self.strategies.contains(&signal.strategy) {
            return;
        }
        self.tally.signals += 1;
        if self.vanished.contains_key(&signal.strategy) {
            let why = Rejection::new(RiskCode::StrategyStopped, signal.strategy.as_str());
            return self.refuse_signal(router, now_ns, event, signal, &why);
        }
        if self.was_gone(event, signal.strategy) {
            return self.refuse_signal(router, now_ns, event, signal, &while_gone());
        }
        let Some(settle) = self.gate.account().instrument(signal.instrument).map(|instrument| instrument.settle) else {
            let why = Rejection::new(RiskCode::UnknownInstrument, signal.instrument.as_str());
            return self.refuse_signal(router, now_ns, event, signal, &why);
        };
        // None before every position has a quote, or has an old one: a size of it would be made up.
        let equity = self.gate.known_equity(now_ns, settle).unwrap_or(0);
        let Some(instrument) = self.gate.account().instrument(signal.instrument) else { return };
        let market = self.gate.market(signal.instrument).unwrap_or_default();
        let context = SizingContext {
            instrument,
            mark_price: market.bid.midpoint(market.ask),
            bid: market.bid,
            ask: market.ask,
            equity,
            account_position: self.inventory(signal.instrument),
            ts_origin_ns: market.ts_ns,
            limits: self.gate.limits().of(instrument),
        };
        let decision = self.portfolio.on_signal(now_ns, signal, &context);
        if decision.is_late() {
            self.tell_refused_signal(router, now_ns, event, signal, &expired(signal.deadline_ns, now_ns));
        }
        for cancel in decision.cancels {
            let payload = Payload::shared(cancel.clone());
            let child = event.child(EventType::CancelRequest, self.sources.portfolio, now_ns, payload);
            if !router.publish(child) {
                // Nobody would ask again: it goes without its event, and a gateway outside finds it in `cancelling`.
                self.cancel_for(router, now_ns, &cancel, event);
            }
        }
        for request in decision.requests {
            if let Some(why) = self.why_it_waited(event, request.strategy)
                && self.refuse_waiting(router, now_ns, event, &request, why)
            {
                continue;
            }
            let request_id = request.request_id;
            let payload = Payload::shared(request);
            if !router.publish(event.child(EventType::OrderRequest, self.sources.portfolio, now_ns, payload)) {
                self.portfolio.on_refused(request_id);
                let why = Rejection::new(RiskCode::QueueFull, format!("{}'s queue is full", self.sources.risk));
                self.refuse_signal(router, now_ns, event, signal, &why);
            }
        }
    }

    /// What the account holds of an instrument; on spot no more than what of the base is there, open sales included.
    fn inventory(&self, instrument: Name) -> i64 {
        let account = self.gate.account();
        let position = account.position(instrument).map_or(0, |position| position.size);
        let selling = self.gate.reserved(instrument).map_or(0, |(_, sells)| sells);
        account.sellable(instrument).map_or(position, |free| position.min(free.saturating_add(selling)))
    }

    /// Risk's step: the gate reserves, or the request is rejected.
    pub fn on_request(&mut self, router: &mut Router, now_ns: i64, event: &Event) {
        let Some(request) = event.payload.downcast::<OrderRequest>() else { return };
        if request.account != self.name {
            return;
        }
        self.heed_alarm(router, now_ns);
        self.let_lapse(router, now_ns);
        if let Some(why) = self.why_it_waited(event, request.strategy)
            && self.refuse_waiting(router, now_ns, event, request, why)
        {
            return router.acknowledge(event);
        }
        match self.gate.reserve(now_ns, request) {
            Ok(approval) => {
                // A refusal here is as final as any: it goes into the log with the reservation.
                let why = match router.is_pressed(self.name) {
                    true => {
                        Some(Rejection::new(RiskCode::Pressure, "an actor of the account is behind with its facts"))
                    }
                    false => self.ended_early(router, now_ns, &approval, request),
                };
                if let Some(why) = why {
                    if let Some(why) = self.gate.release(now_ns, &approval, why) {
                        self.reject(router, now_ns, event, request, &why);
                    }
                    return router.acknowledge(event);
                }
                let id = approval.client_order_id();
                let approved = Approved { request: request.clone(), approval: approval.clone() };
                let child = event.child(EventType::OrderApproved, self.sources.risk, now_ns, Payload::shared(approved));
                self.causes.insert(id, Cause { trace_id: child.trace_id, span_id: child.span_id });
                if !router.publish(child) {
                    let why = Rejection::new(RiskCode::QueueFull, format!("{id}: execution's queue is full"));
                    if let Some(rejection) = self.gate.release(now_ns, &approval, why) {
                        self.reject(router, now_ns, event, request, &rejection);
                        router.acknowledge(event);
                    }
                }
            }
            Err(rejection) => {
                match rejection.code {
                    RiskCode::RequestConflict => self.refuse_conflict(router, now_ns, event, request, &rejection),
                    _ => self.reject(router, now_ns, event, request, &rejection),
                }
                router.acknowledge(event);
            }
        }
    }

    /// Refuses what waited while the account was stopped and opened again. False for a request that has its outcome, or an
    /// approval: the gate knows what became of it.
    #[cold]
    fn refuse_waiting(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        event: &Event,
        request: &OrderRequest,
        why: Rejection,
    ) -> bool {
        let Some(why) = self.gate.refuse_unjudged(now_ns, request, why) else { return false };
        self.reject(router, now_ns, event, request, &why);
        true
    }

    /// An event became a dead letter of `actor`, and nobody will bring it again. A request that the account's risk actor has
    /// not judged ends here, once: what it asked for would count as on its way for ever. A cancel that its execution actor has
    /// not sent is refused, so that whoever asked knows that the order stays.
    pub fn on_dead_letter(&mut self, router: &mut Router, now_ns: i64, actor: Name, event: &Event) {
        if event.event_type == EventType::OrderRequest && actor == self.sources.risk {
            self.end_unjudged(router, now_ns, actor, event);
        } else if event.event_type == EventType::CancelRequest && actor == self.sources.execution {
            self.refuse_unsent_cancel(router, now_ns, actor, event);
        }
    }

    fn end_unjudged(&mut self, router: &mut Router, now_ns: i64, actor: Name, event: &Event) {
        let Some(request) = event.payload.downcast::<OrderRequest>() else { return };
        if request.account != self.name {
            return;
        }
        let why = Rejection::new(RiskCode::RiskFailed, format!("{actor} did not come to judge it"));
        if let Some(why) = self.gate.refuse_unjudged(now_ns, request, why) {
            self.reject(router, now_ns, event, request, &why);
            router.acknowledge(event);
        }
    }

    /// Execution's step: the approval is spent, the intent stands in the log, and the order leaves.
    pub fn on_approved(&mut self, router: &mut Router, now_ns: i64, event: &Event) {
        let Some(approved) = event.payload.downcast::<Approved>() else { return };
        if approved.request.account != self.name {
            return;
        }
        self.heed_alarm(router, now_ns);
        let ended = self.ended_early(router, now_ns, &approved.approval, &approved.request);
        // An approval from before the kill latch is void by itself.
        if let Some(why) = ended.or_else(|| self.why_it_waited(event, approved.request.strategy)) {
            // Where it holds nothing any more, its outcome was told.
            if let Some(why) = self.gate.release(now_ns, &approved.approval, why) {
                self.reject(router, now_ns, event, &approved.request, &why);
            }
            return;
        }
        let (id, held) = (approved.approval.client_order_id(), self.gate.holds(&approved.approval));
        let order = match self.gate.spend(now_ns, &approved.approval) {
            Ok(order) => order,
            Err(rejection) => {
                // What became of a request is told once: when its approval lapsed, or by the one that replaced this one.
                if held || !self.gate.knows(id) {
                    self.reject(router, now_ns, event, &approved.request, &rejection);
                }
                return;
            }
        };
        self.causes.insert(id, Cause { trace_id: event.trace_id, span_id: event.span_id });
        router.acknowledge(event);
        self.publish_order(router, now_ns, self.sources.execution, order.clone());
        if self.link.submit(now_ns, &order) {
            self.on_submitted(router, now_ns, id);
        } else {
            let (by_ns, limits_version) = (now_ns.saturating_add(self.send_within_ns), self.gate.limits_version());
            let only_reduces = approved.approval.only_reduces();
            self.unsent.insert(id, Unsent { by_ns, limits_version, only_reduces });
        }
    }

    /// May an order that a gateway outside is about to send still leave? The last look at the kill latch, incidents,
    /// the log, the clock, the venue's being in sight, and at limits that changed while it waited; an order that may not leave
    /// is rejected here and now. It says yes once an order, and never to one of an earlier process: that one is queried.
    pub fn may_send(&mut self, router: &mut Router, now_ns: i64, id: ClientOrderId) -> bool {
        self.heed_alarm(router, now_ns);
        let Some(unsent) = self.unsent.remove(&id) else { return false };
        let Some(order) = self.gate.order(id) else { return false };
        if order.status != OrderStatus::New {
            return false;
        }
        let late = now_ns > within_deadline(unsent.by_ns, &order);
        let other_limits = unsent.limits_version != self.gate.limits_version();
        let stopped = self.gate.holds_back().or(late.then_some(RiskCode::Expired)).map(before_it_left);
        let passed = || if other_limits { self.gate.passes_limits(now_ns, &order) } else { None };
        let why = stopped.or_else(passed);
        let Some(why) = why.or_else(|| self.outgrown(&order.request)) else { return true };
        self.hold_back(router, now_ns, id, Some(why));
        false
    }

    /// The last moment at which the bytes of an order of this process may leave; `None` for one that may not any more.
    pub fn send_by_ns(&self, now_ns: i64, id: ClientOrderId) -> Option<i64> {
        self.leaves_by_ns(id).filter(|by_ns| now_ns <= *by_ns)
    }

    /// True for an order that has not begun to leave, and that can only make a contract's position smaller: it was approved
    /// as such, or would have been without what is being cancelled on its side by now. What the account does not know of may
    /// have closed that, the fill that a cancel comes too late for, too: the venue is told, so that it turns nothing.
    pub fn only_reduces(&self, id: ClientOrderId) -> bool {
        let Some(unsent) = self.unsent.get(&id) else { return false };
        unsent.only_reduces || self.gate.order(id).is_some_and(|order| self.gate.reduces_beside_cancels(&order))
    }

    fn leaves_by_ns(&self, id: ClientOrderId) -> Option<i64> {
        let unsent = self.unsent.get(&id)?;
        Some(within_deadline(unsent.by_ns, self.gate.order(id)?.as_ref()))
    }

    /// Ends orders whose time to leave is over although their gateway never began to send them.
    fn end_unsent(&mut self, router: &mut Router, now_ns: i64) {
        if self.unsent.is_empty() {
            return;
        }
        let over = |id: &ClientOrderId| self.leaves_by_ns(*id).is_none_or(|by_ns| now_ns > by_ns);
        let over: Vec<ClientOrderId> = self.unsent.keys().copied().filter(over).collect();
        self.gate.begin_together();
        for id in over {
            self.unsent.remove(&id);
            // What a venue says of an order that never left is judged by the gate.
            if self.gate.order(id).is_some_and(|order| order.status == OrderStatus::New) {
                self.hold_back(router, now_ns, id, Some(before_it_left(RiskCode::Expired)));
            }
        }
        self.force_together();
    }

    /// Ends an order that has not left and never will: rejected as risk rejects, or cancelled as was asked for.
    pub(super) fn hold_back(&mut self, router: &mut Router, now_ns: i64, id: ClientOrderId, why: Option<Rejection>) {
        let outcome = match why {
            Some(why) => VenueOutcome::Rejected { code: why.code.as_str().to_owned(), detail: why.explanation() },
            None => VenueOutcome::Cancelled { reason: "REQUESTED".to_owned() },
        };
        let report = VenueReport { client_order_id: id, venue_order_id: String::new(), outcome, ts_venue_ns: now_ns };
        self.book_own(router, now_ns, report);
    }

    /// What nobody will say again: until the log takes it, it is kept.
    fn book_own(&mut self, router: &mut Router, now_ns: i64, report: VenueReport) {
        // What a paper account cannot book it keeps, whoever says it.
        if !self.on_report(router, now_ns, &report) && matches!(self.link, Link::External) {
            self.unbooked.push(report);
        }
    }

    /// An order's bytes left.
    pub fn on_submitted(&mut self, router: &mut Router, now_ns: i64, id: ClientOrderId) {
        self.note_latency(now_ns, id);
        match self.gate.mark_submitted(now_ns, id) {
            Ok(events) => self.publish_all(router, now_ns, events),
            Err(error) => self.fault(error),
        }
    }

    /// What a venue says: append, book, publish. False when it was not taken in and has to be asked for again.
    pub fn on_report(&mut self, router: &mut Router, now_ns: i64, report: &VenueReport) -> bool {
        if matches!(&report.outcome, VenueOutcome::Rejected { code, .. } if code == "DUPLICATE") {
            // Only the message was refused; the order that it repeated stands as it is.
            self.fault(format!("{}: the venue knows this order already", report.client_order_id));
            return true;
        }
        let dated = self.dated(now_ns, report);
        let taken = self.gate.on_report(now_ns, dated.as_ref().unwrap_or(report)).and_then(|mut events| {
            events.extend(self.judge_lingering(now_ns, report)?);
            Ok(events)
        });
        match taken {
            Ok(events) => {
                if matches!(report.outcome, VenueOutcome::CancelRejected { .. }) {
                    self.cancelling.remove(&report.client_order_id);
                }
                // One that was told before changes nothing.
                let filled = matches!(report.outcome, VenueOutcome::Filled { .. }) && !events.is_empty();
                if filled {
                    self.note_equity(now_ns);
                }
                self.publish_all(router, now_ns, events);
                self.pursue_strays(now_ns);
                if filled {
                    self.pursue_unwanted(router, now_ns);
                }
                self.pursue_flattening(router, now_ns);
                true
            }
            Err(error) => {
                if matches!(error, GateError::Log(_)) && !matches!(self.link, Link::External) {
                    // The venue will not say it again. What the account holds is not known until it is booked.
                    self.unbooked.push(report.clone());
                    self.waits_for_log = true;
                    self.gate.set_reconciling(true);
                }
                self.fault(error);
                false
            }
        }
    }

    /// Tries what the log could not take; once all of it is booked and every order is answered, however much later, new
    /// orders may leave again.
    fn book_again(&mut self, router: &mut Router, now_ns: i64) {
        if !self.pay_log() || (self.unbooked.is_empty() && !self.waits_for_log) {
            return;
        }
        for report in std::mem::take(&mut self.unbooked) {
            // One that fails again is kept again, in its order.
            self.book_own(router, now_ns, report);
        }
        if self.waits_for_log && self.unbooked.is_empty() && self.unanswered().is_empty() {
            self.waits_for_log = false;
            self.set_reconciled();
        }
    }

    /// Why an approved order ends before it leaves: its strategy is no more, or a cancel was faster.
    fn ended_early(
        &mut self,
        router: &mut Router,
        now_ns: i64,
        approval: &Approval,
        request: &OrderRequest,
    ) -> Option<Rejection> {
        if self.vanished.is_empty() && self.early_cancels.is_empty() {
            return None;
        }
        if self.vanished.contains_key(&request.strategy) && !self.is_flattening(request) {
            return Some(Rejection::new(RiskCode::StrategyStopped, request.strategy.as_str()));
        }
        if let Some(outgrown) = self.outgrown(request) {
            return Some(outgrown);
        }
        let id = approval.client_order_id();
        let cancelled = self.take_early_cancels(router, now_ns, id, request.strategy);
        cancelled.then(|| Rejection::new(RiskCode::CancelledEarly, id.to_string()))
    }

    fn note_latency(&mut self, now_ns: i64, id: ClientOrderId) {
        if self.input_ns != 0 {
            self.latency.record(monotonic_ns() - self.input_ns);
        } else if let Some(order) = self.gate.order(id)
            && order.request.ts_origin_ns > 0
        {
            self.latency.record(now_ns - order.request.ts_origin_ns);
        }
    }
}

/// Where no limit says it better.
pub(super) fn before_it_left(code: RiskCode) -> Rejection {
    Rejection::new(code, "held back before it left")
}

/// The last moment at which an order may leave, by the gate's window and by its own deadline.
fn within_deadline(send_by_ns: i64, order: &Order) -> i64 {
    match order.request.deadline_ns {
        0 => send_by_ns,
        deadline_ns => send_by_ns.min(deadline_ns),
    }
}
