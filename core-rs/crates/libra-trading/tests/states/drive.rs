//! The steps of a run: events are handled as the actors handle them, and the gateway does what the gateway actor does.

use std::collections::BTreeSet;

use libra_kernel::{Event, EventType, Name, Payload};
use libra_trading::desk::payload::{Approved, Notice};
use libra_trading::gate::client_order_id;
use libra_trading::order::{CancelRequest, ClientOrderId, Order, OrderRequest, OrderStatus};

use crate::market::ACCOUNT;
use crate::step::Step;
use crate::truth::name;
use crate::venue::Stand;
use crate::world::{Bytes, Done, End, Maybe, Task, Words, World, broken};

/// Cancels that came ahead are kept for so long.
const EARLY_NS: i64 = 60_000_000_000;

/// What is refused for want of a log stands in none: the next process knows nothing of it. Behind a write that failed a
/// refusal may stand in the log, with one of these texts.
const IN_THE_LOG: [&str; 3] =
    ["an earlier write failed", "held back before it left", "refused before, when the log took nothing"];

fn is_recorded(order: &Order) -> bool {
    match order.reason.as_str() {
        "LOG_FAILED" => IN_THE_LOG.contains(&order.detail.as_str()),
        reason => reason != "APPROVAL_INVALID",
    }
}

impl World {
    /// Takes one step, lets the process die and live again where it has to, and looks at everything.
    pub fn take(&mut self, step: Step) -> Done<()> {
        self.cover.steps += 1;
        match self.step(step) {
            Err(End::Died) => self.start()?,
            other => other?,
        }
        self.compare("after the step")?;
        let life = self.life.as_ref().expect("a step is taken by a living process");
        self.truth.compare_portfolio(&life.desk).or_else(broken)?;
        self.told()
    }

    /// With nothing waiting in the mailbox, consumers know everything.
    fn told(&mut self) -> Done<()> {
        let inbox = self.life().inbox;
        if !self.life().router.mailbox(inbox).is_empty() {
            return Ok(());
        }
        self.consumer.holds_all(&self.truth).or_else(broken)
    }

    fn step(&mut self, step: Step) -> Done<()> {
        match step {
            Step::Quote { spot, ticks } => self.quote(spot, ticks),
            Step::Request { .. } => self.request(step),
            Step::Repeat { which, other } => {
                let all: Vec<OrderRequest> = self.truth.asked.values().map(|asked| asked.request.clone()).collect();
                let Some(mut request) = Self::pick(which, &all) else { return Ok(()) };
                self.cover.note("a request comes again");
                request.size += i64::from(other);
                self.ask(request)
            }
            Step::Cancel { which, stranger } => match self.pick_order(which) {
                Some(id) => {
                    let owner = self.truth.asked[&id].request.strategy;
                    let other = self.truth.strategies.iter().copied().find(|strategy| *strategy != owner);
                    self.ask_to_cancel(id, other.filter(|_| stranger).unwrap_or(owner))
                }
                None => Ok(()),
            },
            Step::CancelAhead => {
                let id = client_order_id(name(ACCOUNT), self.next_request);
                self.ask_to_cancel(id, self.strategy(0))
            }
            Step::Handle { events } => (0..events).try_for_each(|_| self.handle().map(drop)),
            Step::Send { which } => self.send(which),
            Step::Arrive { which, roll } => {
                self.arrive(which, roll);
                Ok(())
            }
            Step::LoseOut { which } => {
                if !self.out.is_empty() {
                    let index = usize::from(which) % self.out.len();
                    let what = match self.out.remove(index) {
                        Bytes::Order(..) => "an order is lost on its way",
                        Bytes::Cancel(_) => "a cancel is lost on its way",
                        Bytes::Query(..) => "a query is lost on its way",
                    };
                    self.cover.note(what);
                }
                Ok(())
            }
            Step::Trade { which, part, ticks, rebate } => {
                self.trade(which, part, ticks, rebate);
                Ok(())
            }
            Step::VenueEnds { which, expired } => {
                let resting: Vec<ClientOrderId> = self.resting();
                if let Some(id) = Self::pick(which, &resting) {
                    self.cover.note(if expired {
                        "the venue lets an order expire"
                    } else {
                        "the venue cancels an order"
                    });
                    self.venue.end(self.now_ns, id, if expired { Stand::Expired } else { Stand::Cancelled });
                    self.carry();
                }
                Ok(())
            }
            Step::Tell { which } => self.tell(which, false),
            Step::TellTwice { which } => self.tell(which, true),
            Step::LoseIn { which } => {
                if !self.words.is_empty() {
                    let index = usize::from(which) % self.words.len();
                    let what = match self.words.remove(index) {
                        Words::Report(_) => "a report is lost on its way",
                        Words::Answer(..) => "an answer is lost on its way",
                    };
                    self.cover.note(what);
                }
                Ok(())
            }
            Step::Flow { roll } => self.flow(roll),
            Step::Look => self.look(),
            Step::Reconnect => {
                self.cover.note("the venue goes out of sight");
                self.life().desk.begin_reconciling();
                self.truth.memory.reconciling = true;
                self.session += 1;
                self.reconcile()
            }
            Step::Confirm => self.confirm(),
            Step::Wait { ms } => {
                self.wait(ms);
                Ok(())
            }
            Step::Kill => self.kill(),
            Step::Resume => self.resume(),
            Step::Accept { to } => self.accept_venue(to),
            Step::StopStrategy { strategy, policy } => self.stop_strategy(strategy, policy),
            Step::LetIn { strategy } => self.let_in(strategy),
            Step::Signal { spot, which, ticks } => self.signal(spot, which, ticks),
            Step::StopNode { first, count } => (0..count)
                .try_for_each(|at| self.stop_strategy(first.wrapping_add(at), libra_trading::desk::OnVanish::Flatten)),
            Step::Drain => {
                self.life().desk.stop_new_orders("drained");
                self.truth.memory.draining = true;
                Ok(())
            }
            Step::Disk { full, room } => {
                (self.truth.memory.full, self.room) = (full, room);
                Ok(())
            }
            Step::Lie { lie, which } => self.lie(lie, which),
            Step::Die(death) => {
                self.armed.get_or_insert(death);
                Ok(())
            }
        }
    }

    fn flow(&mut self, roll: u8) -> Done<()> {
        for spot in [false, true] {
            self.quote(spot, 0)?;
        }
        while self.handle()? {}
        for _ in 0..self.life().tasks.len() {
            self.send(0)?;
        }
        (0..self.out.len()).for_each(|_| self.arrive(0, roll));
        (0..self.words.len()).try_for_each(|_| self.tell(0, false))?;
        while self.handle()? {}
        Ok(())
    }

    fn ask_to_cancel(&mut self, client_order_id: ClientOrderId, strategy: Name) -> Done<()> {
        let account = name(ACCOUNT);
        let payload = Payload::shared(CancelRequest { account, strategy, client_order_id });
        let event = Event::new(EventType::CancelRequest, strategy, self.now_ns, payload);
        self.life().router.publish(event);
        Ok(())
    }

    // Events ----------------------------------------------------------------------------------------------------------

    /// The next event that waits; false when none does.
    pub fn handle(&mut self) -> Done<bool> {
        let inbox = self.life().inbox;
        let Some(event) = self.life().router.mailbox(inbox).pop() else { return Ok(false) };
        match event.event_type {
            EventType::OrderRequest => self.on_request(&event)?,
            EventType::OrderApproved => self.on_approved(&event)?,
            EventType::CancelRequest => self.on_cancel(&event)?,
            EventType::Signal => self.on_signal(&event)?,
            _ => {
                self.point("before a consumer has an event")?;
                let order = event.payload.downcast::<Order>();
                if let Some(order) = order.filter(|order| is_recorded(order)) {
                    self.consumer.see(order).or_else(broken)?;
                    if order.status == OrderStatus::New {
                        self.life().tasks.push(Task::Order(order.client_order_id));
                    }
                }
                if event.event_type == EventType::OrderRequestRejected {
                    self.cover.note("a request asks for something else under a known id");
                }
                if event.event_type == EventType::OrderCancelRejected {
                    self.hear_of_cancel(&event)?;
                }
            }
        }
        Ok(true)
    }

    /// A refused cancel has somebody whom it is told to.
    fn hear_of_cancel(&mut self, event: &Event) -> Done<()> {
        let notice = event.payload.downcast::<Notice>().filter(|notice| !notice.strategy.is_none());
        let Some(notice) = notice else { return broken("a refused cancel is told to nobody by name") };
        if notice.detail.starts_with("UNKNOWN_ORDER") {
            self.cover.note("a cancel is refused whose order did not come");
        }
        Ok(())
    }

    fn on_request(&mut self, event: &Event) -> Done<()> {
        let Some(request) = event.payload.downcast::<OrderRequest>() else { return Ok(()) };
        let id = client_order_id(name(ACCOUNT), request.request_id);
        self.met(id, "request");
        let failed = self.truth.memory.log_failed || (self.truth.memory.full && self.truth.is_due(self.now_ns));
        self.call("a request", Maybe::Request(id), |desk, router, now_ns| desk.on_request(router, now_ns, event))?;
        self.truth.lapse(self.now_ns);
        let approved = self.truth.memory.approvals.contains_key(&id);
        if self.truth.outcome(id).is_none() {
            let unlogged = self.truth.memory.unlogged.contains(&id);
            if !approved && !unlogged {
                // The first content that reaches the gate is the content.
                self.truth.asked.get_mut(&id).expect("it was asked").request = request.clone();
            }
            let same = self.truth.asked[&id].request == *request;
            // It was judged before its own refusal may have failed to be written.
            let fails = std::mem::replace(&mut self.truth.memory.log_failed, failed);
            let void = self.truth.memory.approvals.get(&id).is_some_and(|approved| approved.void);
            let refusal = match (approved, unlogged) {
                (true, _) if void => same.then_some("its approval is from before a resume"),
                (true, _) => None,
                // Told before that it is refused, so it is, also by a process that could approve it now.
                (_, true) => same.then_some("told without the log"),
                _ if event.sequence <= self.truth.memory.waited => Some("asked for before a resume"),
                _ if self.truth.came_back_since(event, request.strategy) => Some("asked for before it came back"),
                _ => self.truth.refusal(self.now_ns, id, request),
            };
            self.truth.memory.log_failed = fails;
            if let Some(why) = refusal {
                self.cover.note(&format!("refused: {why}"));
                self.end_flattening(id, request, why.contains("resume"));
                self.truth.refuse(id);
            } else if same && !unlogged {
                if !approved {
                    self.truth.approve(self.now_ns, id);
                }
                if self.ended_early(id, request) {
                    self.truth.refuse(id);
                }
            }
        }
        self.done();
        Ok(())
    }

    /// The strategy was given up, or a cancel was faster.
    fn ended_early(&mut self, id: ClientOrderId, request: &OrderRequest) -> bool {
        if self.truth.memory.stopped.contains_key(&request.strategy) && !self.truth.is_flattening(id) {
            self.cover.note("refused: its strategy is no more");
            return true;
        }
        if self.truth.is_flattening(id) && self.truth.outgrown(request) {
            self.cover.note("refused: a closing that outgrew its room");
            return true;
        }
        let Some(asked_ns) = self.truth.memory.early.remove(&(id, request.strategy)) else { return false };
        let ended = self.now_ns <= asked_ns + EARLY_NS;
        self.cover.note(if ended { "refused: a cancel came ahead" } else { "a cancel came too far ahead" });
        ended
    }

    fn on_approved(&mut self, event: &Event) -> Done<()> {
        let Some(approved) = event.payload.downcast::<Approved>() else { return Ok(()) };
        let id = approved.approval.client_order_id();
        self.met(id, "approval is spent");
        self.call("an approval", Maybe::Approved(id), |desk, router, now_ns| desk.on_approved(router, now_ns, event))?;
        if let Some(held) = self.truth.memory.approvals.get(&id).copied() {
            if self.ended_early(id, &approved.request) {
                self.truth.refuse(id);
            } else if self.truth.came_back_since(event, approved.request.strategy) {
                self.cover.note("an approval is from before its strategy came back");
                self.truth.refuse(id);
            } else if self.truth.stopped().is_some()
                || held.void
                || self.now_ns > held.deadline_ns
                || self.truth.loses(id, &approved.request)
                || self.truth.unmeasured(self.now_ns, id, &approved.request)
            {
                self.cover.note("an approval is not good any more");
                self.end_flattening(id, &approved.request, held.void);
                if held.void && self.truth.stopped().is_none() {
                    self.cover.note("an approval is from before a resume");
                }
                self.truth.refuse(id);
            } else if self.truth.memory.full {
                return broken(format!("the disk is full and no write of {id} failed"));
            } else {
                self.truth.intend(self.now_ns, id);
            }
        }
        self.done();
        Ok(())
    }

    fn on_cancel(&mut self, event: &Event) -> Done<()> {
        let Some(request) = event.payload.downcast::<CancelRequest>() else { return Ok(()) };
        let id = request.client_order_id;
        self.met(id, "cancel is asked for");
        let maybe = Maybe::Cancel(BTreeSet::from([id]));
        let outside =
            self.call("a cancel", maybe, |desk, router, now_ns| desk.on_cancel_request(router, now_ns, event))?;
        if self.truth.outcome(id).is_none() {
            let now_ns = self.now_ns;
            self.truth.memory.early.insert((id, request.strategy), now_ns);
        }
        let owner = self.truth.asked.get(&id).map(|asked| asked.request.strategy);
        let stranger = self.truth.outcome(id).is_some() && owner != Some(request.strategy);
        if stranger {
            self.cover.note("another strategy's order is not cancelled");
        }
        let now_ns = self.now_ns;
        let waits = !stranger && self.truth.cancelled_just_now(now_ns, id);
        if waits {
            let pending = self.truth.outcome(id).is_some_and(|outcome| outcome.cancel_pending);
            let why = if pending { "waits for the answer" } else { "comes too soon behind a refusal" };
            self.cover.note(&format!("a repeated cancel {why}"));
        }
        let expected = !stranger && !waits && self.truth.cancel(now_ns, id, false);
        self.done();
        if outside != expected.then_some(id) {
            return broken(format!(
                "a cancel of {id} goes to the venue: {}, and has to: {expected}",
                outside.is_some()
            ));
        }
        self.life().tasks.extend(outside.map(Task::Cancel));
        Ok(())
    }
}
