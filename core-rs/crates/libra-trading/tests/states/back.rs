//! A strategy that was no more comes back, and a signal closes what its strategy holds.
//!
//! It comes back only when nothing of the account works on what it left, and what it asked for before does not leave: neither what
//! nobody had judged, nor what was approved. A signal closes all of it that no order of its strategy closes already, in orders of
//! which none is larger, or worth more, than an order may be; one of a strategy that is no more, or was when it spoke, asks for
//! nothing.

use libra_kernel::{Event, EventType, Name, Payload};
use libra_trading::desk::{Flattening, OnVanish};
use libra_trading::gate::client_order_id;
use libra_trading::instrument::{ContractKind, Money};
use libra_trading::order::{ClientOrderId, OrderRequest, OrderSide, OrderType};
use libra_trading::signal::{Signal, SignalType};

use crate::market::ACCOUNT;
use crate::truth::{Asked, Truth, name, sign};
use crate::world::{Done, Maybe, World, broken};

/// So few units are worth an order of their own in any market of the runs.
const ENOUGH: i64 = 5;

impl Truth {
    /// May a strategy come back? `None` where it hangs on whether what it holds was given up.
    fn may_return(&self, strategy: Name) -> Option<bool> {
        let Some(policy) = self.memory.stopped.get(&strategy) else { return Some(false) };
        let is_open = self.open().iter().any(|id| self.asked[id].request.strategy == strategy);
        match policy {
            OnVanish::Keep => Some(true),
            _ if is_open => Some(false),
            OnVanish::Cancel => Some(true),
            OnVanish::Flatten if self.asks_to_close(strategy) => Some(false),
            OnVanish::Flatten => {
                let closes = self.memory.flattening.keys().any(|(whose, _)| *whose == strategy);
                let holds = self.instruments.iter().any(|of| self.holds(strategy, of.id) != 0);
                if closes || holds { None } else { Some(true) }
            }
        }
    }

    /// A closing of what it left has no answer.
    fn asks_to_close(&self, strategy: Name) -> bool {
        let own = self.memory.flattening.iter().filter(|((whose, _), _)| *whose == strategy);
        own.into_iter().any(|(_, id)| self.asked[id].outcome.is_none() && !self.memory.unlogged.contains(id))
    }

    pub fn holds(&self, strategy: Name, instrument: Name) -> i64 {
        self.holdings(instrument).get(&strategy).copied().unwrap_or(0)
    }

    /// Was an event published before its strategy came back?
    pub fn came_back_since(&self, event: &Event, strategy: Name) -> bool {
        self.memory.returned.get(&strategy).is_some_and(|until| event.sequence <= *until)
    }

    /// What an order can trade at at worst: its worth is counted by that.
    pub fn worst_price(&self, request: &OrderRequest) -> Option<i64> {
        let &(bid, ask, _) = self.memory.quotes.get(&request.instrument)?;
        Some(match (request.order_type, request.side) {
            (OrderType::Limit, OrderSide::Buy) => request.price,
            (OrderType::Limit, OrderSide::Sell) => request.price.max(bid),
            (OrderType::Market, OrderSide::Buy) => ask,
            (OrderType::Market, OrderSide::Sell) => bid,
        })
    }

    /// More than one order may be worth, where that is known.
    pub fn is_worth_too_much(&self, request: &OrderRequest) -> bool {
        let instrument = self.instrument(request.instrument);
        let worth = self.worst_price(request).and_then(|price| instrument.notional(price, request.size));
        let most: Option<Money> = self.limits.of(instrument).max_order_notional;
        worth.zip(most).is_some_and(|(worth, most)| worth > most)
    }

    /// What a strategy's own orders of a side, open or asked for by its signals, may still execute.
    fn on_its_way(&self, strategy: Name, instrument: Name, side: OrderSide) -> i64 {
        let left = |(id, asked): (&ClientOrderId, &Asked)| {
            let request = &asked.request;
            let waits = asked.outcome.is_none() && !self.memory.unlogged.contains(id);
            match () {
                () if (request.strategy, request.instrument, request.side) != (strategy, instrument, side) => 0,
                () if self.is_open(*id) => (request.size - self.filled(*id)).max(0),
                () if waits && self.memory.signalled.contains(id) => request.size,
                () => 0,
            }
        };
        self.asked.iter().map(left).sum()
    }
}

impl World {
    /// An operator lets a strategy in again: that one, or where it is not gone one that is.
    pub fn let_in(&mut self, strategy: u8) -> Done<()> {
        let gone: Vec<Name> = self.truth.memory.stopped.keys().copied().collect();
        let named = self.strategy(strategy);
        let strategy = if gone.contains(&named) { named } else { Self::pick(strategy, &gone).unwrap_or(named) };
        let expected = self.truth.may_return(strategy);
        let left: Vec<(Name, Flattening)> = self.life().desk.flattening(strategy).collect();
        let before = self.life().router.sequence();
        let told = self.call("a way back", Maybe::Nothing, |desk, router, _| desk.readmit(router, strategy))?;
        if expected.is_some_and(|expected| told.is_ok() != expected) {
            return broken(format!("{strategy} is let in again: {told:?}, and should be: {expected:?}"));
        }
        if told.is_err() {
            self.cover.note("a strategy is not let in yet");
            self.done();
            return Ok(());
        }
        let policy = self.truth.memory.stopped.remove(&strategy);
        for of in self.truth.instruments.iter().filter(|_| policy == Some(OnVanish::Flatten)) {
            let state = left.iter().find(|(id, _)| *id == of.id).map(|(_, state)| state);
            if self.truth.holds(strategy, of.id) != 0 && !matches!(state, Some(Flattening::GivenUp(..))) {
                return broken(format!("{strategy} is let in again while its {} is {state:?}", of.id));
            }
        }
        self.cover.note("a strategy is let in again");
        let memory = &mut self.truth.memory;
        memory.ended.retain(|(whose, _)| *whose != strategy);
        memory.flattening.retain(|(whose, _), _| *whose != strategy);
        memory.returned.insert(strategy, before);
        self.done();
        Ok(())
    }

    /// A strategy that holds something says that it is to be closed; with a price, by an order that may rest.
    pub fn signal(&mut self, spot: bool, which: u8, ticks: Option<i8>) -> Done<()> {
        let instrument = self.truth.instruments[usize::from(spot)].id;
        let known = &self.truth.strategies;
        let held = self.truth.holdings(instrument).into_iter().filter(|(who, size)| *size != 0 && known.contains(who));
        let (held, named) = (held.collect::<Vec<_>>(), self.strategy(which));
        let named = held.iter().find(|(who, _)| *who == named).copied();
        let Some((strategy, size)) = named.or_else(|| Self::pick(which, &held)) else { return Ok(()) };
        let signal = Signal {
            id: (1 << 100) + self.next_request,
            strategy,
            instrument,
            signal_type: if size > 0 { SignalType::CloseLong } else { SignalType::CloseShort },
            strength: 1.0,
            price: ticks.map_or(0, |ticks| self.prices[&spot] + 10 * i64::from(ticks)),
            deadline_ns: 0,
            reason: String::new(),
        };
        self.next_request += 1;
        let event = Event::new(EventType::Signal, strategy, self.now_ns, Payload::shared(signal));
        self.life().router.publish(event);
        Ok(())
    }

    pub fn on_signal(&mut self, event: &Event) -> Done<()> {
        let Some(signal) = event.payload.downcast::<Signal>() else { return Ok(()) };
        if event.sequence <= self.truth.memory.waited {
            // Its requests are refused where they are made, and nobody here would learn of their ids.
            return Ok(());
        }
        let (strategy, instrument) = (signal.strategy, signal.instrument);
        let side = if signal.signal_type == SignalType::CloseLong { OrderSide::Sell } else { OrderSide::Buy };
        let net = -self.truth.holds(strategy, instrument) * sign(side);
        let wants = (net - self.truth.on_its_way(strategy, instrument, side)).max(0);
        let stopped = self.truth.memory.stopped.contains_key(&strategy);
        let late = self.truth.came_back_since(event, strategy);
        self.call("a signal", Maybe::Nothing, |desk, router, now_ns| desk.on_signal(router, now_ns, event))?;
        self.done();
        let asked = std::mem::take(&mut self.signalled);
        let all: i64 = asked.iter().map(|request| request.size).sum();
        if stopped || late {
            self.cover.note(if late { "a signal from before its strategy came back" } else { "a signal of nobody" });
            return if all == 0 { Ok(()) } else { broken(format!("{strategy} is no more, and asks for {asked:?}")) };
        }
        let of = self.truth.instrument(instrument);
        let quoted = self.truth.memory.quotes.contains_key(&instrument);
        let must = quoted && of.kind != ContractKind::Spot && wants >= ENOUGH;
        if all > wants || (must && all < wants) {
            return broken(format!(
                "of {wants} that {strategy} holds of {instrument} a signal closes {all}: {asked:?}"
            ));
        }
        let own = self.truth.limits.of(of);
        let too_large = |it: &&OrderRequest| own.max_order_size.is_some_and(|most| it.size > most);
        if let Some(request) = asked.iter().find(|it| too_large(it) || self.truth.is_worth_too_much(it)) {
            return broken(format!("no order may be as large as a signal asks for: {request:?}"));
        }
        match asked.len() {
            0 => {}
            1 => self.cover.note("a signal closes by one order"),
            _ => self.cover.note("a signal closes by several orders"),
        }
        Ok(())
    }

    /// What a signal asks for.
    pub fn see_signalled(&mut self, request: &OrderRequest) {
        let id = client_order_id(name(ACCOUNT), request.request_id);
        self.truth.memory.signalled.insert(id);
        let first = Asked { request: request.clone(), outcome: None, left: 0, left_ns: 0 };
        self.truth.asked.entry(id).or_insert(first);
        self.signalled.push(request.clone());
    }
}
