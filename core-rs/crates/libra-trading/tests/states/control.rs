//! What is done to the account from outside: the kill latch, strategies that are given up, and lies of the venue.

use libra_trading::desk::OnVanish;
use libra_trading::order::{ClientOrderId, Liquidity, OrderStatus, VenueOutcome, VenueReport};

use crate::market;
use crate::step::Lie;
use crate::truth::{Owed, name};
use crate::world::{Done, Maybe, Task, World, broken};

impl World {
    pub fn kill(&mut self) -> Done<()> {
        self.cover.note("the kill latch is set");
        // A latch of a marker, or of a signal, knows other reasons: one that it does not know is a record of its own.
        let is_known = self.knows_the_operator();
        let outside = self.call("a kill", Maybe::Kill, |desk, router, now_ns| desk.kill(router, now_ns, "operator"))?;
        if !self.knows_the_operator() {
            return broken("a kill whose reason the latch does not tell");
        }
        self.truth.killed = true;
        if self.truth.memory.full && !is_known {
            self.truth.memory.owed.push(Owed::Kill);
        }
        self.truth.memory.approvals.values_mut().for_each(|approved| approved.void = true);
        let (now_ns, open) = (self.now_ns, self.truth.open_by_intent());
        self.truth.memory.unwanted.extend(open.iter().map(|id| (*id, now_ns)));
        let expected: Vec<ClientOrderId> =
            open.into_iter().filter(|id| self.truth.cancel(now_ns, *id, false)).collect();
        self.done();
        let outside = match outside {
            Ok(outside) => outside,
            Err(error) if is_known || !self.truth.memory.full => return broken(error.to_string()),
            Err(_) => {
                self.cover.note("a kill that the log does not take");
                let cancelling = self.life().desk.cancelling();
                expected.iter().copied().filter(|id| cancelling.contains(id)).collect()
            }
        };
        self.cancel_outside(outside, expected)
    }

    fn knows_the_operator(&self) -> bool {
        self.gate().kill_reason().is_some_and(|reason| reason.contains("operator"))
    }

    pub fn stop_strategy(&mut self, strategy: u8, policy: OnVanish) -> Done<()> {
        let strategy = self.strategy(strategy);
        let of = |world: &World, id: &ClientOrderId| world.truth.asked[id].request.strategy == strategy;
        let open: Vec<_> = self.truth.open_by_intent().into_iter().filter(|id| of(self, id)).collect();
        let maybe = Maybe::Cancel(open.iter().copied().collect());
        let outside = self
            .call("a strategy given up", maybe, |desk, router, now_ns| desk.vanish(router, now_ns, strategy, policy))?;
        if !self.truth.memory.stopped.contains_key(&strategy) {
            let holds = self.truth.instruments.iter().any(|of| self.truth.holds(strategy, of.id) != 0);
            if open.is_empty() && !holds {
                self.cover.note("a strategy is no more that left nothing");
            }
            if self.truth.memory.returned.contains_key(&strategy) {
                self.cover.note("a strategy that came back is no more again");
            }
        }
        // Of one that is no more already, what it had applies again.
        let policy = *self.truth.memory.stopped.entry(strategy).or_insert(policy);
        self.truth.memory.ended.retain(|(whose, _)| *whose != strategy);
        if policy == OnVanish::Keep {
            return self.keep(&open, outside);
        }
        let now_ns = self.now_ns;
        self.truth.memory.unwanted.extend(open.iter().map(|id| (*id, now_ns)));
        let expected = open.into_iter().filter(|id| self.truth.cancel(now_ns, *id, false)).collect();
        self.done();
        self.cancel_outside(outside, expected)
    }

    /// What is kept is what the venue has: what has not left never does.
    fn keep(&mut self, open: &[ClientOrderId], outside: Vec<ClientOrderId>) -> Done<()> {
        self.cover.note("what a strategy left is kept");
        for id in open {
            if self.truth.memory.unsent.remove(id).is_none() {
                continue;
            }
            let outcome = VenueOutcome::Rejected { code: "STRATEGY_STOPPED".into(), detail: String::new() };
            if self.truth.memory.full {
                self.truth.hold_back(*id, outcome);
            } else {
                let venue_order_id = String::new();
                self.truth.take(&VenueReport { client_order_id: *id, venue_order_id, outcome, ts_venue_ns: 0 });
            }
        }
        self.done();
        self.cancel_outside(outside, Vec::new())
    }

    pub fn cancel_outside(&mut self, outside: Vec<ClientOrderId>, expected: Vec<ClientOrderId>) -> Done<()> {
        if outside != expected {
            return broken(format!("cancels for the venue: {outside:?}, and they should be {expected:?}"));
        }
        if self.truth.memory.full && !outside.is_empty() {
            self.cover.note("a cancel leaves before its intent stands in the log");
        }
        self.life().tasks.extend(outside.into_iter().map(Task::Cancel));
        Ok(())
    }

    pub fn resume(&mut self) -> Done<()> {
        let before = self.life().router.sequence();
        let resumed =
            self.call("a resume", Maybe::Resume, |desk, router, now_ns| desk.resume(router, now_ns, "the test"))?;
        if self.truth.memory.full {
            self.done();
            return if resumed.is_ok() { broken("a resume that the log did not take") } else { Ok(()) };
        }
        resumed.or_else(|error| broken(error.to_string()))?;
        self.resumed(before);
        self.done();
        self.watch_losses(false)
    }

    /// `before` is the router's last event until then.
    pub fn resumed(&mut self, before: u64) {
        if self.truth.killed {
            self.truth.memory.waited = before;
        }
        (self.truth.killed, self.truth.incident) = (false, false);
        self.truth.turn_day(self.now_ns, self.truth.dollars());
    }

    // Lies ------------------------------------------------------------------------------------------------------------

    pub fn lie(&mut self, lie: Lie, which: u8) -> Done<()> {
        let rejected = |world: &World| {
            let asked = world.truth.asked.iter();
            let rejected =
                asked.filter(|(_, asked)| asked.outcome.as_ref().is_some_and(|o| o.status == OrderStatus::Rejected));
            rejected.map(|(id, _)| *id).collect::<Vec<_>>()
        };
        let id = match lie {
            Lie::UnknownOrder => Some(ClientOrderId(u128::from(which))),
            Lie::FillAfterRejection | Lie::Works => Self::pick(which, &rejected(self)),
            _ => Self::pick(which, &self.truth.open()),
        };
        let Some(id) = id else { return Ok(()) };
        self.cover.note(&format!("a lie: {lie:?}"));
        let no = || VenueOutcome::Rejected { code: "-2010".into(), detail: "no".into() };
        match lie {
            Lie::Missed => return self.pretend(id, VenueOutcome::NotFound),
            Lie::Works => return self.pretend(id, VenueOutcome::Accepted),
            Lie::Refuses if self.truth.outcome(id).is_some_and(|order| order.status >= OrderStatus::Accepted) => {
                return self.pretend(id, no());
            }
            Lie::Refuses => return Ok(()),
            _ => {}
        }
        let request = self.truth.asked.get(&id).map(|asked| asked.request.clone());
        self.venue.trades += 1;
        let (price, size) = match lie {
            Lie::NothingTraded => (market::PRICE, 0),
            Lie::BeyondAllIntegers => (i64::MAX, i64::MAX),
            Lie::Overfill => (market::PRICE, request.as_ref().map_or(1, |request| request.size + 1)),
            _ => (market::PRICE, request.as_ref().map_or(1, |request| request.size)),
        };
        self.lied.insert(id);
        let outcome = VenueOutcome::Filled {
            trade_id: self.venue.trades,
            price,
            size,
            fee: 7,
            fee_currency: name("USDT"),
            liquidity: Liquidity::Taker,
        };
        let report =
            VenueReport { client_order_id: id, venue_order_id: String::new(), outcome, ts_venue_ns: self.now_ns };
        self.book(&report).map(drop)
    }
    fn pretend(&mut self, id: ClientOrderId, outcome: VenueOutcome) -> Done<()> {
        let open = self.truth.is_open(id);
        let booked = self.book(&VenueReport {
            client_order_id: id,
            venue_order_id: String::new(),
            outcome,
            ts_venue_ns: self.now_ns,
        });
        if open && (booked.is_err() || !self.truth.is_open(id)) {
            // A second one agreed, or the next process may find in the log that it did.
            self.lied.insert(id);
        }
        booked.map(drop)
    }
}
