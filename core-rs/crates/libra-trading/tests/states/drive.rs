//! The steps of a run: events are handled as the actors handle them, and the gateway does what the gateway actor does.

use std::collections::BTreeSet;

use libra_kernel::{Event, EventType, Payload};
use libra_trading::desk::OnVanish;
use libra_trading::desk::payload::Approved;
use libra_trading::gate::client_order_id;
use libra_trading::order::{CancelRequest, ClientOrderId, Order, OrderRequest, OrderStatus, VenueOutcome, VenueReport};

use crate::market::{self, ACCOUNT};
use crate::step::{Lie, Step};
use crate::truth::{Effect, WINDOW, name};
use crate::venue::Stand;
use crate::world::{Bytes, Done, End, Maybe, Task, Words, World, broken};

/// Cancels that came ahead are kept for so long.
const EARLY_NS: i64 = 60_000_000_000;

impl World {
    /// Takes one step, lets the process die and live again where it has to, and looks at everything.
    pub fn take(&mut self, step: Step) -> Done<()> {
        self.cover.steps += 1;
        match self.step(step) {
            Err(End::Died) => self.start()?,
            other => other?,
        }
        self.compare("after the step")?;
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
            Step::Cancel { which } => match self.pick_order(which) {
                Some(id) => self.ask_to_cancel(id),
                None => Ok(()),
            },
            Step::CancelAhead => self.ask_to_cancel(client_order_id(name(ACCOUNT), self.next_request)),
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
            Step::StopStrategy { strategy } => self.stop_strategy(strategy),
            Step::Drain => {
                self.life().desk.stop_new_orders("drained");
                self.truth.memory.draining = true;
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

    fn ask_to_cancel(&mut self, client_order_id: ClientOrderId) -> Done<()> {
        let (account, strategy) = (name(ACCOUNT), market::strategies()[0]);
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
            _ => {
                self.point("before a consumer has an event")?;
                if let Some(order) = event.payload.downcast::<Order>() {
                    self.consumer.see(order).or_else(broken)?;
                    if order.status == OrderStatus::New {
                        self.life().tasks.push(Task::Order(order.client_order_id));
                    }
                }
                self.life().desk.on_order_event(&event);
            }
        }
        Ok(true)
    }

    fn on_request(&mut self, event: &Event) -> Done<()> {
        let Some(request) = event.payload.downcast::<OrderRequest>() else { return Ok(()) };
        let id = client_order_id(name(ACCOUNT), request.request_id);
        self.met(id, "request");
        self.call("a request", Maybe::Request(id), |desk, router, now_ns| desk.on_request(router, now_ns, event))?;
        self.truth.lapse(self.now_ns);
        let approved = self.truth.memory.approvals.contains_key(&id);
        if self.truth.outcome(id).is_none() {
            if !approved {
                // The first content that reaches the gate is the content.
                self.truth.asked.get_mut(&id).expect("it was asked").request = request.clone();
            }
            let same = self.truth.asked[&id].request == *request;
            let refusal = if approved { None } else { self.truth.refusal(self.now_ns, request) };
            if let Some(why) = refusal {
                self.cover.note(&format!("refused: {why}"));
                self.truth.refuse(id);
            } else if same {
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
        if self.truth.memory.stopped.contains(&request.strategy) {
            self.cover.note("refused: its strategy was given up");
            return true;
        }
        let Some(asked_ns) = self.truth.memory.early.remove(&id) else { return false };
        // Once it is old it may be forgotten or not.
        let old = self.now_ns > asked_ns + EARLY_NS;
        let ended = if old { self.gate().order(id).is_some() } else { true };
        if ended {
            self.cover.note("refused: a cancel came ahead");
        }
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
            } else if self.truth.stopped().is_some() || self.now_ns > held.deadline_ns {
                self.cover.note("an approval is not good any more");
                self.truth.refuse(id);
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
            self.truth.memory.early.retain(|_, asked_ns| now_ns <= *asked_ns + EARLY_NS);
            self.truth.memory.early.insert(id, now_ns);
        }
        let expected = self.truth.cancel(id);
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

    // The gateway -----------------------------------------------------------------------------------------------------

    fn send(&mut self, which: u8) -> Done<()> {
        if self.life().tasks.is_empty() {
            return Ok(());
        }
        let index = usize::from(which) % self.life().tasks.len();
        match self.life().tasks.remove(index) {
            Task::Order(id) => self.send_order(id),
            Task::Cancel(id) => {
                self.point("before a cancel leaves")?;
                self.out.push(Bytes::Cancel(id));
                self.point("behind a cancel that left")
            }
            Task::Query(id) => {
                self.point("before a query leaves")?;
                self.out.push(Bytes::Query(id, self.session));
                Ok(())
            }
        }
    }

    fn send_order(&mut self, id: ClientOrderId) -> Done<()> {
        if self.life().desk.send_by_ns(id).is_none() {
            // One of an earlier process, or one that was held back.
            self.cover.note("an order that may not leave any more");
            if self.truth.memory.unsent.contains_key(&id) {
                return broken(format!("{id} should leave and may not"));
            }
            return Ok(());
        }
        let may =
            self.call("a last look", Maybe::HeldBack(id), |desk, router, now_ns| desk.may_send(router, now_ns, id))?;
        let expected = self.truth.last_look(self.now_ns, id);
        self.done();
        if may != expected {
            return broken(format!("{id} may leave: {may}, and should: {expected}"));
        }
        if !may {
            self.cover.note("an order is held back");
            return Ok(());
        }
        self.call("an order that leaves", Maybe::Submitted(id), |desk, router, now_ns| {
            desk.on_submitted(router, now_ns, id);
        })?;
        self.truth.submitted(id);
        self.done();
        self.point("between intent and send")?;
        let asked = self.truth.asked.get_mut(&id).expect("it was asked");
        (asked.left, asked.left_ns) = (asked.left + 1, self.now_ns);
        let request = asked.request.clone();
        if asked.left > 1 {
            return broken(format!("{id} was sent twice"));
        }
        if let Some(why) = self.truth.stopped().filter(|why| *why == "killed" || *why == "incident") {
            return broken(format!("{id} left while {why}"));
        }
        self.cover.sent += 1;
        self.out.push(Bytes::Order(id, Box::new(request), self.now_ns + WINDOW / 2));
        self.point("between send and answer")
    }

    fn arrive(&mut self, which: u8, roll: u8) {
        if self.out.is_empty() {
            return;
        }
        let index = usize::from(which) % self.out.len();
        match self.out.remove(index) {
            Bytes::Order(_, _, until_ns) if self.now_ns > until_ns => self.cover.note("an order comes too late"),
            Bytes::Order(id, request, _) => {
                let price = self.prices[&(request.instrument != self.truth.instruments[0].id)];
                let of = self.truth.instrument(request.instrument).clone();
                self.venue.on_order(self.now_ns, id, &request, &of, (price, price + 10), roll);
            }
            Bytes::Cancel(id) => self.venue.on_cancel(self.now_ns, id),
            Bytes::Query(id, session) => {
                let answer = self.venue.answer(self.now_ns, id);
                self.words.push(Words::Answer(session, id, answer));
            }
        }
        self.carry();
    }

    /// What the venue said goes on its way.
    fn carry(&mut self) {
        self.words.extend(self.venue.said.drain(..).map(Words::Report));
    }

    fn resting(&self) -> Vec<ClientOrderId> {
        let resting = self.venue.orders.iter().filter(|(_, order)| order.stand == Stand::Rests);
        resting.map(|(id, _)| *id).collect()
    }

    fn trade(&mut self, which: u8, part: u8, ticks: i8, other_fee: bool) {
        let Some(id) = Self::pick(which, &self.resting()) else { return };
        let request = &self.venue.orders[&id].request;
        let price = request.price + 10 * i64::from(ticks);
        let size = (request.size * i64::from(part) / 160).max(1);
        let of = self.truth.instrument(request.instrument).clone();
        self.venue.execute(self.now_ns, id, &of, price, size, other_fee);
        self.carry();
    }

    fn tell(&mut self, which: u8, again: bool) -> Done<()> {
        if self.words.is_empty() {
            return Ok(());
        }
        let index = usize::from(which) % self.words.len();
        if index > 0 {
            self.cover.note("messages out of order");
        }
        let words = self.words[index].clone();
        if again {
            self.cover.note("a message comes twice");
        } else {
            self.words.remove(index);
        }
        match words {
            Words::Report(report) => self.on_stream(report),
            Words::Answer(session, id, reports) if session == self.session => self.on_answer(id, reports),
            Words::Answer(..) => {
                self.cover.note("an answer to a connection that is gone");
                Ok(())
            }
        }
    }

    /// A report of the stream.
    fn on_stream(&mut self, report: VenueReport) -> Done<()> {
        let id = report.client_order_id;
        let ends = matches!(report.outcome, VenueOutcome::Cancelled { .. } | VenueOutcome::Expired);
        if self.careful && ends && self.truth.is_open(id) {
            // Its last executions may still be on their way: a query gives both at once.
            self.life().ended.insert(id);
            self.life().to_ask.insert(id);
        } else if matches!(report.outcome, VenueOutcome::CancelRejected { .. })
            && self.truth.outcome(id).is_none_or(|outcome| outcome.status < OrderStatus::Accepted)
        {
            // It may have overtaken the order.
            self.life().to_cancel.insert(id);
            self.life().to_ask.insert(id);
        } else {
            self.book(&report)?;
        }
        self.query_all();
        Ok(())
    }

    /// Append, book, publish; what the account has to make of it is what the truth makes of it.
    pub fn book(&mut self, report: &VenueReport) -> Done<bool> {
        let id = report.client_order_id;
        let text = format!("{:?}", report.outcome);
        let kind = text.split([' ', '{']).next().unwrap_or_default().to_owned();
        self.met(id, &format!("venue: {kind}"));
        self.point("between answer and booking")?;
        let maybe = Maybe::Report(Box::new(report.clone()));
        let taken = self.call("a report", maybe, |desk, router, now_ns| desk.on_report(router, now_ns, report))?;
        let rows = self.truth.rows.len();
        let effect = self.truth.take(report);
        self.done();
        self.cover.fills += (self.truth.rows.len() - rows) as u64;
        if taken != (effect != Effect::Impossible) {
            return broken(format!("{report:?} was taken in: {taken}"));
        }
        self.watch_losses(self.truth.rows.len() > rows)?;
        self.point("between booking and publishing")?;
        Ok(taken)
    }

    fn on_answer(&mut self, id: ClientOrderId, mut reports: Vec<VenueReport>) -> Done<()> {
        reports.sort_by_key(|report| matches!(report.outcome, VenueOutcome::Cancelled { .. } | VenueOutcome::Expired));
        for report in &reports {
            if !self.book(report)? {
                return Ok(());
            }
        }
        let known = reports.iter().any(|report| report.outcome != VenueOutcome::NotFound);
        let open = self.truth.is_open(id);
        let life = self.life();
        if !open {
            life.ended.remove(&id);
            life.to_ask.remove(&id);
        } else if known && !life.ended.contains(&id) {
            life.to_ask.remove(&id);
        }
        if known && life.to_cancel.remove(&id) && life.desk.cancelling().contains(&id) {
            life.tasks.push(Task::Cancel(id));
        }
        self.settle_up();
        Ok(())
    }

    fn query_all(&mut self) {
        let life = self.life();
        for id in life.to_ask.clone() {
            // What has not left yet, the venue cannot know.
            if life.desk.send_by_ns(id).is_some() {
                life.to_ask.remove(&id);
            } else if !life.tasks.contains(&Task::Query(id)) {
                life.tasks.push(Task::Query(id));
            }
        }
    }

    /// New orders may leave once everything that was open is answered.
    fn settle_up(&mut self) {
        let life = self.life();
        if life.to_ask.is_empty() && life.desk.unanswered().is_empty() {
            life.desk.set_reconciled();
            self.truth.memory.reconciling = false;
        }
    }

    /// A new process: it connects, repeats the cancels that it owes, and asks about everything that is open.
    pub fn begin(&mut self) -> Done<()> {
        self.point("before it asks about anything")?;
        if self.truth.killed {
            let open = self.truth.open();
            let maybe = Maybe::Cancel(open.iter().copied().collect());
            let outside =
                self.call("a recovery's cancels", maybe, |desk, router, now_ns| desk.cancel_all(router, now_ns, None))?;
            for id in open {
                self.truth.cancel(id);
            }
            self.done();
            self.life().to_cancel.extend(outside);
        }
        self.reconcile()
    }

    fn reconcile(&mut self) -> Done<()> {
        let open = self.truth.open();
        self.life().to_ask.extend(open);
        self.query_all();
        self.settle_up();
        Ok(())
    }

    /// Looks for what was not answered.
    pub fn look(&mut self) -> Done<()> {
        let life = self.life();
        let unanswered = life.desk.unanswered();
        let cancelling: BTreeSet<ClientOrderId> = life.desk.cancelling().into_iter().collect();
        life.to_ask.extend(unanswered);
        life.to_cancel = cancelling.clone();
        life.to_ask.extend(cancelling.iter().copied());
        self.query_all();
        self.settle_up();
        match cancelling.iter().find(|id| !self.truth.outcome(**id).is_some_and(|order| order.cancel_pending)) {
            Some(id) => broken(format!("{id} is to be cancelled and nobody asked for it")),
            None => Ok(()),
        }
    }

    pub fn confirm(&mut self) -> Done<()> {
        let inbox = self.life().inbox;
        if !self.life().router.mailbox(inbox).is_empty() {
            return Ok(());
        }
        self.call("a confirmation", Maybe::Nothing, |desk, _, _| desk.confirm())
    }

    // Control ---------------------------------------------------------------------------------------------------------

    pub fn kill(&mut self) -> Done<()> {
        self.cover.note("the kill latch is set");
        let outside = self.call("a kill", Maybe::Kill, |desk, router, now_ns| desk.kill(router, now_ns, "operator"))?;
        self.truth.killed = true;
        let expected: Vec<ClientOrderId> = self.truth.open().into_iter().filter(|id| self.truth.cancel(*id)).collect();
        self.done();
        self.cancel_outside(outside.or_else(|error| broken(error.to_string()))?, expected)
    }

    fn stop_strategy(&mut self, strategy: u8) -> Done<()> {
        let strategy = market::strategies()[usize::from(strategy) % 3];
        let of = |world: &World, id: &ClientOrderId| world.truth.asked[id].request.strategy == strategy;
        let open: Vec<_> = self.truth.open().into_iter().filter(|id| of(self, id)).collect();
        let maybe = Maybe::Cancel(open.iter().copied().collect());
        let outside = self.call("a strategy given up", maybe, |desk, router, now_ns| {
            desk.vanish(router, now_ns, strategy, OnVanish::Cancel)
        })?;
        self.truth.memory.stopped.insert(strategy);
        let expected = open.into_iter().filter(|id| self.truth.cancel(*id)).collect();
        self.done();
        self.cancel_outside(outside, expected)
    }

    fn cancel_outside(&mut self, mut outside: Vec<ClientOrderId>, expected: Vec<ClientOrderId>) -> Done<()> {
        outside.sort_unstable();
        if outside != expected {
            return broken(format!("cancels for the venue: {outside:?}, and they should be {expected:?}"));
        }
        self.life().tasks.extend(outside.into_iter().map(Task::Cancel));
        Ok(())
    }

    pub fn resume(&mut self) -> Done<()> {
        let resumed =
            self.call("a resume", Maybe::Resume, |desk, router, now_ns| desk.resume(router, now_ns, "the test"))?;
        resumed.or_else(|error| broken(error.to_string()))?;
        (self.truth.killed, self.truth.incident) = (false, false);
        self.done();
        Ok(())
    }

    // Lies ------------------------------------------------------------------------------------------------------------

    fn lie(&mut self, lie: Lie, which: u8) -> Done<()> {
        let rejected = |world: &World| {
            let asked = world.truth.asked.iter();
            let rejected =
                asked.filter(|(_, asked)| asked.outcome.as_ref().is_some_and(|o| o.status == OrderStatus::Rejected));
            rejected.map(|(id, _)| *id).collect::<Vec<_>>()
        };
        let id = match lie {
            Lie::UnknownOrder => Some(ClientOrderId(u128::from(which))),
            Lie::FillAfterRejection => Self::pick(which, &rejected(self)),
            _ => Self::pick(which, &self.truth.open()),
        };
        let Some(id) = id else { return Ok(()) };
        let request = self.truth.asked.get(&id).map(|asked| asked.request.clone());
        self.venue.trades += 1;
        let (price, size) = match lie {
            Lie::NothingTraded => (market::PRICE, 0),
            Lie::BeyondAllIntegers => (i64::MAX, i64::MAX),
            Lie::Overfill => (market::PRICE, request.as_ref().map_or(1, |request| request.size + 1)),
            _ => (market::PRICE, request.as_ref().map_or(1, |request| request.size)),
        };
        self.cover.note(&format!("a lie: {lie:?}"));
        self.lied.insert(id);
        let outcome = VenueOutcome::Filled {
            trade_id: self.venue.trades,
            price,
            size,
            fee: 7,
            fee_currency: name("USDT"),
            liquidity: libra_trading::order::Liquidity::Taker,
        };
        let report =
            VenueReport { client_order_id: id, venue_order_id: String::new(), outcome, ts_venue_ns: self.now_ns };
        self.book(&report).map(drop)
    }
}
