//! Requests that close what a strategy left: none but for one that is no more and is to be flattened, with nothing of its own
//! open; none larger than what it left, and than an order may be; none behind a kill switch or a stop that refused one, before
//! somebody asks again. All that are under way are together, and with whatever else is open on their side, no larger than what
//! the account holds that way: when they are asked for, when they are approved, and when they leave. And what is to be closed does
//! not lie there with nothing under way.

use std::collections::BTreeMap;

use libra_kernel::Name;
use libra_trading::desk::{Flattening, OnVanish};
use libra_trading::gate::client_order_id;
use libra_trading::order::{ClientOrderId, OrderRequest, OrderSide, OrderType};

use crate::market::ACCOUNT;
use crate::truth::{Asked, SECOND, Truth, name, sign};
use crate::world::{Done, World, broken};

impl Truth {
    /// True for the last request that closes what its strategy left.
    pub fn is_flattening(&self, id: ClientOrderId) -> bool {
        let request = self.asked.get(&id).map(|asked| &asked.request);
        request.is_some_and(|it| self.memory.flattening.get(&(it.strategy, it.instrument)) == Some(&id))
    }

    /// Closings of an instrument's side that wait to be judged.
    fn unjudged(&self, request: &OrderRequest) -> impl Iterator<Item = (ClientOrderId, i64)> {
        let OrderRequest { instrument, side, .. } = *request;
        let last = self.memory.flattening.iter().filter(move |((_, of), _)| *of == instrument).map(|(_, id)| *id);
        let waits = move |id: &ClientOrderId| {
            let known = self.memory.approvals.contains_key(id) || self.memory.unlogged.contains(id);
            !known && self.asked[id].outcome.is_none() && self.asked[id].request.side == side
        };
        last.filter(waits).map(|id| (id, self.asked[&id].request.size))
    }

    /// What the account holds that a request closes, less all that is approved or open on its side.
    fn room(&self, request: &OrderRequest) -> i64 {
        let (buys, sells) = self.held(request.instrument);
        let open = if request.side == OrderSide::Buy { buys } else { sells };
        (-self.position(request.instrument).0 * sign(request.side)).max(0) - open
    }

    /// True for a closing among what is approved or open that may not go on.
    pub fn outgrown(&self, request: &OrderRequest) -> bool {
        let net = self.holdings(request.instrument).get(&request.strategy).copied().unwrap_or(0);
        self.room(request) < 0 || request.size > -net * sign(request.side)
    }

    /// Why a request to flatten must not be.
    fn must_not_flatten(&self, request: &OrderRequest) -> Option<&'static str> {
        let OrderRequest { strategy, instrument, side, size, .. } = *request;
        let net = self.holdings(instrument).get(&strategy).copied().unwrap_or(0);
        let most = self.limits.of(self.instrument(instrument)).max_order_size;
        let own = client_order_id(name(ACCOUNT), request.request_id);
        let others: i64 = self.unjudged(request).filter(|(id, _)| *id != own).map(|(_, size)| size).sum();
        match () {
            () if self.memory.stopped.get(&strategy) != Some(&OnVanish::Flatten) => Some("is not to be flattened"),
            () if self.open().iter().any(|id| self.asked[id].request.strategy == strategy) => Some("has open orders"),
            () if request.order_type != OrderType::Market => Some("asks for no market order"),
            () if size <= 0 || size > -net * sign(side) => Some("left less"),
            () if size + others > self.room(request) => Some("left more than the account has room for"),
            () if most.is_some_and(|most| size > most) => Some("asks for more than an order may be"),
            () if self.is_worth_too_much(request) => Some("asks for more than an order may be worth"),
            () if self.outcome(own).is_some() => Some("asks under an id that has its outcome"),
            () if self.memory.ended.contains(&(strategy, instrument)) => Some("was stopped, and nobody asked again"),
            () => None,
        }
    }
}

impl World {
    /// What was asked for since the last call, and by whom.
    pub fn see_flattenings(&mut self) {
        let portfolio = Name::intern(&format!("{ACCOUNT}.portfolio"));
        let Some(life) = &mut self.life else { return };
        let (mut seen, mut signalled) = (Vec::new(), Vec::new());
        while let Some(event) = life.router.mailbox(life.requests).pop() {
            let signals = |request: &&OrderRequest| request.signal_id != 0;
            if event.source != portfolio {
            } else if let Some(request) = event.payload.downcast::<OrderRequest>().filter(signals) {
                signalled.push(request.clone());
            } else {
                seen.extend(event.payload.downcast::<OrderRequest>().cloned());
            }
        }
        signalled.iter().for_each(|request| self.see_signalled(request));
        for request in seen {
            if let Some(why) = self.truth.must_not_flatten(&request) {
                self.wrong = Some(format!("{request:?}: {} {why}", request.strategy));
            }
            let id = client_order_id(name(ACCOUNT), request.request_id);
            self.cover.note("a flattening asks for an order");
            if self.truth.unjudged(&request).any(|(other, _)| other != id) {
                self.cover.note("closings of several strategies are under way");
            }
            self.truth.memory.flattening.insert((request.strategy, request.instrument), id);
            // Asked for again it may be smaller, and the first may still be judged.
            let again = |asked: &mut Asked| {
                if asked.outcome.is_none() {
                    asked.request.size = asked.request.size.max(request.size);
                }
            };
            let first = Asked { request: request.clone(), outcome: None, left: 0, left_ns: 0 };
            self.truth.asked.entry(id).and_modify(again).or_insert(first);
        }
        self.see_who_waits();
    }

    fn see_who_waits(&mut self) {
        let Some(life) = self.life.as_ref().filter(|_| !self.truth.memory.stopped.is_empty()) else { return };
        let mut states = self.truth.memory.stopped.keys().flat_map(|strategy| life.desk.flattening(*strategy));
        let words = "other orders, or other closings, hold what it would close";
        if states.any(|(_, state)| matches!(state, Flattening::Waiting(_, detail) if detail == words)) {
            self.cover.note("a closing waits for its room");
        }
    }

    /// Behind a quote nothing that is to be closed rests for long, but where it waits, or was given up.
    pub fn see_who_rests(&mut self) -> Done<()> {
        let Some(life) = self.life.as_ref() else { return Ok(()) };
        let (truth, now_ns) = (&self.truth, self.now_ns);
        let mut idle = BTreeMap::new();
        for (&strategy, _) in truth.memory.stopped.iter().filter(|(_, policy)| **policy == OnVanish::Flatten) {
            if truth.open().iter().any(|id| truth.asked[id].request.strategy == strategy) {
                continue;
            }
            let states: BTreeMap<Name, Flattening> = life.desk.flattening(strategy).collect();
            for of in truth.instruments.iter().filter(|of| truth.holds(strategy, of.id) != 0) {
                let key = (strategy, of.id);
                let last = truth.memory.flattening.get(&key).copied();
                let waits = |id| truth.outcome(id).is_none() && !truth.memory.unlogged.contains(&id);
                if last.is_some_and(waits)
                    || !matches!(states.get(&of.id), None | Some(Flattening::Working | Flattening::Flat))
                {
                    continue;
                }
                let since = truth.memory.idle.get(&key).filter(|(id, _)| *id == last).map_or(now_ns, |(_, at)| *at);
                if now_ns > since + 2 * SECOND {
                    return broken(format!("{strategy} left {}, and nothing closes it: {states:?}", of.id));
                }
                idle.insert(key, (last, since));
            }
        }
        self.truth.memory.idle = idle;
        Ok(())
    }

    /// A request is refused: by a stop it ends the flattening for good.
    pub fn end_flattening(&mut self, id: ClientOrderId, request: &OrderRequest, waited: bool) {
        let stops = ["killed", "incident", "log failed", "draining"];
        let stopped = waited || self.truth.stopped().is_some_and(|why| stops.contains(&why));
        if stopped && self.truth.is_flattening(id) {
            self.cover.note("a flattening ends for a stop");
            self.truth.memory.ended.insert((request.strategy, request.instrument));
        }
    }
}
