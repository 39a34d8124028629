//! The gateway's part, as the gateway actor does it: what it sends, what it is told, what it asks about.

use std::collections::BTreeSet;

use libra_trading::order::{ClientOrderId, OrderStatus, VenueOutcome, VenueReport};

use crate::truth::{Effect, WINDOW};
use crate::venue::Stand;
use crate::world::{Bytes, Done, Maybe, Task, Words, World, broken};

impl World {
    pub fn send(&mut self, which: u8) -> Done<()> {
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

    pub fn send_order(&mut self, id: ClientOrderId) -> Done<()> {
        let now_ns = self.now_ns;
        let intended_ns = self.truth.memory.unsent.get(&id).copied();
        let in_time = intended_ns.is_some_and(|intended_ns| !self.truth.is_late(now_ns, id, intended_ns));
        if self.life().desk.send_by_ns(now_ns, id).is_some() != in_time {
            return broken(format!("{id} is in time to leave: {in_time}, and should be: {}", !in_time));
        }
        if intended_ns.is_none() {
            // One of an earlier process, or one that was held back.
            self.cover.note("an order that may not leave any more");
            return Ok(());
        }
        let failed = self.truth.memory.log_failed;
        let may =
            self.call("a last look", Maybe::HeldBack(id), |desk, router, now_ns| desk.may_send(router, now_ns, id))?;
        if self.truth.is_flattening(id) && self.truth.outgrown(&self.truth.asked[&id].request) {
            self.cover.note("a closing is held back that outgrew its room");
        }
        let expected = self.truth.last_look(self.now_ns, id, failed);
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

    pub fn arrive(&mut self, which: u8, roll: u8) {
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
            Bytes::Cancel(id) => {
                if self.venue.on_cancel(self.now_ns, id, roll) {
                    self.cover.note("a cancel is refused, and the order lives on");
                }
            }
            Bytes::Query(id, session) => {
                let answer = self.venue.answer(self.now_ns, id);
                self.words.push(Words::Answer(session, id, answer));
            }
        }
        self.carry();
    }

    /// What the venue said goes on its way.
    pub fn carry(&mut self) {
        self.words.extend(self.venue.said.drain(..).map(Words::Report));
    }

    pub fn resting(&self) -> Vec<ClientOrderId> {
        let resting = self.venue.orders.iter().filter(|(_, order)| order.stand == Stand::Rests);
        resting.map(|(id, _)| *id).collect()
    }

    pub fn trade(&mut self, which: u8, part: u8, ticks: i8, other_fee: bool) {
        let Some(id) = Self::pick(which, &self.resting()) else { return };
        let request = &self.venue.orders[&id].request;
        let price = request.price + 10 * i64::from(ticks);
        let size = (request.size * i64::from(part) / 160).max(1);
        let of = self.truth.instrument(request.instrument).clone();
        self.venue.execute(self.now_ns, id, &of, price, size, other_fee);
        self.carry();
    }

    pub fn tell(&mut self, which: u8, again: bool) -> Done<()> {
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
    pub fn on_stream(&mut self, report: VenueReport) -> Done<()> {
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
        } else if !self.book(&report)? {
            self.life().to_ask.insert(id);
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
        let (rows, before) = (self.truth.rows.len(), self.truth.dollars());
        let full = self.truth.memory.full;
        let effect = if full { self.truth.clone().take(report) } else { self.truth.take(report) };
        if effect == Effect::Taken && matches!(report.outcome, VenueOutcome::Filled { .. }) {
            self.truth.turn_day(self.now_ns, before);
            self.truth.begin_day(self.truth.dollars());
        }
        self.done();
        self.cover.fills += (self.truth.rows.len() - rows) as u64;
        if self.truth.rows.len() > rows && self.truth.is_flattening(id) {
            self.cover.note("what a strategy left is closed");
            let instrument = self.truth.asked[&id].request.instrument;
            if self.truth.moves.iter().any(|moved| moved.instrument == instrument) {
                self.cover.note("what the venue's word left is closed");
            }
        }
        let expected = match effect {
            Effect::None => true,
            Effect::Taken => !full,
            Effect::Seen => {
                self.cover.note(match report.outcome {
                    VenueOutcome::Accepted if self.truth.strays.contains(&id) => "an order works behind its end",
                    VenueOutcome::Rejected { .. } if self.truth.is_open(id) => "an order that works is rejected",
                    _ if self.truth.is_open(id) => "the venue knows an order that it missed",
                    _ => "an order that worked behind its end is gone",
                });
                !full
            }
            Effect::Impossible => false,
        };
        if taken != expected {
            return broken(format!("{report:?} was taken in: {taken}"));
        }
        self.watch_losses(self.truth.rows.len() > rows)?;
        if effect == Effect::Taken && !full && matches!(report.outcome, VenueOutcome::Filled { .. }) {
            self.pursue_unwanted();
        }
        self.point("between booking and publishing")?;
        Ok(taken)
    }

    pub fn on_answer(&mut self, id: ClientOrderId, mut reports: Vec<VenueReport>) -> Done<()> {
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

    pub fn query_all(&mut self) {
        let now_ns = self.now_ns;
        let life = self.life();
        for id in life.to_ask.clone() {
            // What has not left yet, the venue cannot know.
            if life.desk.send_by_ns(now_ns, id).is_some() {
                life.to_ask.remove(&id);
            } else if !life.tasks.contains(&Task::Query(id)) {
                life.tasks.push(Task::Query(id));
            }
        }
    }

    /// New orders may leave once everything that was open is answered.
    pub fn settle_up(&mut self) {
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
                self.truth.memory.unwanted.insert(id, self.now_ns);
                self.truth.cancel(self.now_ns, id, false);
            }
            self.done();
            self.life().to_cancel.extend(outside);
        }
        self.reconcile()
    }

    pub fn reconcile(&mut self) -> Done<()> {
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
        let asked = |id: &&ClientOrderId| {
            self.truth.strays.contains(id) || self.truth.outcome(**id).is_some_and(|order| order.cancel_pending)
        };
        match cancelling.iter().find(|id| !asked(id)) {
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
}
