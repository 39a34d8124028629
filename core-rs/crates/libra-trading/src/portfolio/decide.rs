//! The portfolio: what a signal asks for, given what its strategy holds and what is on its way.
//!
//! | signal | the strategy's position goes to | by |
//! | --- | --- | --- |
//! | `LONG` | +target | buys only: what is short is closed first, what is beyond the target stays |
//! | `SHORT` | -target | sells only, likewise; on spot, or without `allow_short`, to flat |
//! | `CLOSE_LONG` | flat, when it is long | sells no more than it holds |
//! | `CLOSE_SHORT` | flat, when it is short | buys no more than it is short |
//! | `HOLD` | stays | - |
//!
//! Strength scales the target; a close is always whole, in as many orders (up to `MOST_PIECES`) as the limits of one order ask for. A reversal is two requests, the closing one first: risk may
//! refuse the opening one and still let the position be closed. Without a price or equity to size by, the closing one
//! goes alone. Buys count against what is on its way as if every pending buy fills and no pending sell does, sells the other
//! way round: so neither is a target passed nor a position flipped, whichever of them fill. Orders of the strategy's own
//! earlier signals that work in the opposite direction are asked to be cancelled.

use std::collections::{HashMap, VecDeque};

use libra_kernel::Name;

use super::config::{PortfolioConfig, SizingContext};
use super::ledger::Ledger;
use super::request::{Decision, Leg, SkipReason, Skipped, closing_sizes, limit_price, order_size, piece_id};
use super::sizing::Sizing;
use super::volatility::Volatility;
use crate::gate::PositionMove;
use crate::instrument::ContractKind;
use crate::order::{CancelRequest, Fill, Order, OrderRequest, OrderSide, OrderType, TimeInForce};
use crate::signal::{Signal, SignalType};

/// Signals whose outcome is remembered. One that comes again later is decided anew, with the same request ids.
const MAX_REMEMBERED: usize = 8_192;

/// Sizes the signals of all strategies that trade one account.
#[derive(Clone, Debug)]
pub struct Portfolio {
    config: PortfolioConfig,
    ledger: Ledger,
    decided: HashMap<u128, Decision>,
    decided_order: VecDeque<u128>,
    skipped: [u64; SkipReason::ALL.len()],
    volatilities: HashMap<Name, Volatility>,
}

impl Portfolio {
    /// A portfolio without positions.
    pub fn new(config: PortfolioConfig) -> Self {
        Portfolio {
            config,
            ledger: Ledger::default(),
            decided: HashMap::new(),
            decided_order: VecDeque::new(),
            skipped: [0; SkipReason::ALL.len()],
            volatilities: HashMap::new(),
        }
    }

    /// What a signal leads to. The requests count as on their way from here on: each has to end in an order handed to
    /// [`on_order`](Self::on_order), a rejected one for example, or in [`on_refused`](Self::on_refused). A signal that
    /// comes again gets the same decision.
    pub fn on_signal(&mut self, now_ns: i64, signal: &Signal, context: &SizingContext<'_>) -> Decision {
        // One that was decided in time is not late when it comes again.
        if let Some(decision) = self.decided.get(&signal.id) {
            return decision.clone();
        }
        if signal.deadline_ns > 0 && now_ns > signal.deadline_ns {
            return self.count(Decision::skip(Leg::Open, SkipReason::Expired));
        }
        let decision = self.decide(signal, context);
        for request in &decision.requests {
            self.ledger.on_request(request);
        }
        self.decided.insert(signal.id, decision.clone());
        self.decided_order.push_back(signal.id);
        if self.decided_order.len() > MAX_REMEMBERED {
            self.decided_order.pop_front().map(|oldest| self.decided.remove(&oldest));
        }
        self.count(decision)
    }

    /// Takes in a quote: what volatility is estimated by, where a rule sizes by it.
    #[inline]
    pub fn on_quote(&mut self, instrument: Name, bid: i64, ask: i64, ts_ns: i64) {
        if let Some(config) = self.config.volatility
            && 0 < bid
            && bid <= ask
        {
            let estimate = self.volatilities.entry(instrument).or_insert_with(|| Volatility::new(config));
            estimate.update(ts_ns, (i128::from(bid) + i128::from(ask)) as f64);
        }
    }

    /// The annualised volatility of an instrument, where a rule sizes by it and it is known.
    pub fn volatility(&self, instrument: Name) -> Option<f64> {
        self.volatilities.get(&instrument)?.annualised()
    }

    /// Takes in a new state of an order of the account.
    pub fn on_order(&mut self, order: &Order) {
        self.ledger.on_order(order);
    }

    /// Takes in an execution that the account booked: each once, in the order of booking.
    pub fn on_fill(&mut self, fill: &Fill) {
        self.ledger.on_fill(fill);
    }

    /// Takes in that the venue's word changed what the account holds, in its place among the executions.
    pub fn on_move(&mut self, moved: &PositionMove) {
        self.ledger.on_move(moved);
    }

    /// A request was refused before it became an order: nothing of it is on its way.
    pub fn on_refused(&mut self, request_id: u128) {
        self.ledger.on_refused(request_id);
    }

    /// What a strategy holds of an instrument, signed.
    pub fn position(&self, strategy: Name, instrument: Name) -> i128 {
        self.ledger.position(strategy, instrument)
    }

    /// All positions that are not flat: strategy, instrument, signed size, in the order of the names' text.
    pub fn positions(&self) -> Vec<(Name, Name, i128)> {
        self.ledger.positions()
    }

    /// How often what a strategy holds has changed, by instrument, in the order of the instruments.
    pub fn changes(&self, strategy: Name) -> Vec<(Name, u64)> {
        self.ledger.changes(strategy)
    }

    /// How often what any strategy holds has changed, in any instrument.
    pub fn changes_of_all(&self) -> u64 {
        self.ledger.changes_of_all()
    }

    /// What a strategy has on its way in an instrument: sizes of buys and of sells.
    pub fn pending(&self, strategy: Name, instrument: Name) -> (i64, i64) {
        let pending = self.ledger.pending(strategy, instrument);
        (pending.buys, pending.sells)
    }

    /// How often each reason kept a signal from an order.
    pub fn skipped(&self) -> impl Iterator<Item = (SkipReason, u64)> + '_ {
        SkipReason::ALL.into_iter().zip(self.skipped).filter(|(_, times)| *times > 0)
    }

    fn count(&mut self, decision: Decision) -> Decision {
        for skipped in &decision.skipped {
            self.skipped[skipped.reason as usize] += 1;
        }
        decision
    }

    fn decide(&self, signal: &Signal, context: &SizingContext<'_>) -> Decision {
        let instrument = context.instrument;
        if signal.signal_type == SignalType::Hold {
            return Decision::skip(Leg::Open, SkipReason::Hold);
        }
        let trades = instrument.tradable && instrument.kind != ContractKind::Inverse;
        if signal.instrument != instrument.id || !trades || instrument.validate().is_err() {
            return Decision::skip(Leg::Open, SkipReason::BadInstrument);
        }
        let may_short = self.config.allow_short && instrument.kind != ContractKind::Spot;
        let (side, opens) = match signal.signal_type {
            SignalType::Long => (OrderSide::Buy, true),
            SignalType::Short => (OrderSide::Sell, may_short),
            SignalType::CloseLong => (OrderSide::Sell, false),
            SignalType::CloseShort | SignalType::Hold => (OrderSide::Buy, false),
        };
        let price = if signal.price > 0 { signal.price } else { context.mark_price };
        let sized = if opens {
            let sigma = self.volatility(instrument.id);
            let rule = self.sizing_of(instrument.id);
            rule.target(instrument, price, context.equity, signal.strength, sigma, &context.limits)
        } else {
            Ok(0)
        };
        if sized == Err(SkipReason::BadStrength) {
            return Decision::skip(Leg::Open, SkipReason::BadStrength);
        }
        let mut decision = Decision { cancels: self.cancels(signal, side), ..Decision::default() };
        let pending = self.ledger.pending(signal.strategy, instrument.id);
        let on_its_way = if side == OrderSide::Buy { pending.buys } else { pending.sells };
        // Seen from the side that trades: negative is what a close works off, positive what is held of the target.
        let position = self.ledger.position(signal.strategy, instrument.id) * i128::from(side.sign());
        let reached = position + i128::from(on_its_way);
        let (target, size_error) = match sized {
            Ok(target) => (i128::from(target), None),
            Err(reason) => (0, Some(reason)),
        };
        let close = (-reached).max(0);
        let open = (target - reached.max(0)).max(0);
        let nothing = match (opens, size_error) {
            (_, Some(reason)) => reason,
            (false, _) => SkipReason::Flat,
            (true, _) if target == 0 => SkipReason::BelowLot,
            (true, _) => SkipReason::AtTarget,
        };
        let close = self.inventory(context, side, close, &mut decision);
        let cut = |size: i128| {
            let size = i64::try_from(size).map_err(|_| SkipReason::Overflow)?;
            order_size(instrument, size, price)
        };
        let closing = |size: i128| {
            let size = i64::try_from(size).map_err(|_| SkipReason::Overflow)?;
            closing_sizes(instrument, &context.limits, size, price, worst_price(context, signal.price, side))
        };
        let mut place = |leg: Leg, sizes: Result<Vec<i64>, SkipReason>| {
            let requests = sizes.and_then(|sizes| {
                let pieces =
                    (0..).zip(sizes).map(|(piece, size)| self.request(signal, context, (leg, piece), side, size));
                pieces.collect::<Option<Vec<OrderRequest>>>().ok_or(SkipReason::Overflow)
            });
            match requests {
                Ok(requests) => decision.requests.extend(requests),
                Err(reason) => decision.skipped.push(Skipped { leg, reason }),
            }
        };
        let one = |size: i128| cut(size).map(|size| vec![size]);
        match (close > 0, open > 0) {
            // Too little to close by itself goes along with what opens.
            (true, true) if cut(close).is_err() && cut(close + open).is_ok() => place(Leg::Open, one(close + open)),
            (true, true) => {
                place(Leg::Close, closing(close));
                place(Leg::Open, one(open));
            }
            (true, false) => {
                place(Leg::Close, closing(close));
                if let Some(reason) = size_error {
                    decision.skipped.push(Skipped { leg: Leg::Open, reason });
                }
            }
            (false, true) => place(Leg::Open, one(open)),
            (false, false) if decision.skipped.is_empty() => {
                let leg = if opens { Leg::Open } else { Leg::Close };
                decision.skipped.push(Skipped { leg, reason: nothing });
            }
            (false, false) => {}
        }
        decision
    }

    /// What of a closing size spot can sell: no more than the account holds and nobody sells yet.
    fn inventory(&self, context: &SizingContext<'_>, side: OrderSide, close: i128, decision: &mut Decision) -> i128 {
        if context.instrument.kind != ContractKind::Spot || side == OrderSide::Buy || close == 0 {
            return close;
        }
        let selling = self.ledger.pending_of_all(context.instrument.id).sells;
        let free = (i128::from(context.account_position) - i128::from(selling)).max(0);
        if free == 0 {
            decision.skipped.push(Skipped { leg: Leg::Close, reason: SkipReason::NoInventory });
        }
        close.min(free)
    }

    fn sizing_of(&self, instrument: Name) -> Sizing {
        let own = self.config.overrides.iter().find(|(name, _)| *name == instrument);
        own.map_or(self.config.sizing, |(_, sizing)| *sizing)
    }

    fn cancels(&self, signal: &Signal, side: OrderSide) -> Vec<CancelRequest> {
        let opposite = if side == OrderSide::Buy { OrderSide::Sell } else { OrderSide::Buy };
        let cancel = |client_order_id| CancelRequest {
            account: self.config.account,
            strategy: signal.strategy,
            client_order_id,
        };
        let open = self.ledger.open_from_signals(signal.strategy, signal.instrument, opposite);
        open.into_iter().map(cancel).collect()
    }

    fn request(
        &self,
        signal: &Signal,
        context: &SizingContext<'_>,
        (leg, piece): (Leg, u16),
        side: OrderSide,
        size: i64,
    ) -> Option<OrderRequest> {
        let (order_type, time_in_force, price) = if signal.price > 0 {
            let price = limit_price(context.instrument, signal.price, side == OrderSide::Buy)?;
            (OrderType::Limit, TimeInForce::Gtc, price)
        } else {
            (OrderType::Market, TimeInForce::Ioc, 0)
        };
        Some(OrderRequest {
            request_id: piece_id(signal.id, signal.instrument, leg, piece),
            signal_id: signal.id,
            account: self.config.account,
            strategy: signal.strategy,
            instrument: signal.instrument,
            side,
            order_type,
            time_in_force,
            size,
            price,
            deadline_ns: signal.deadline_ns,
            ts_origin_ns: context.ts_origin_ns,
        })
    }
}

/// The worst that an order can trade at, as far as the market tells: what risk takes its worth by.
fn worst_price(context: &SizingContext<'_>, limit: i64, side: OrderSide) -> i64 {
    match (limit > 0, side) {
        (true, OrderSide::Buy) => limit,
        (true, OrderSide::Sell) => limit.max(context.bid),
        (false, OrderSide::Buy) => context.ask,
        (false, OrderSide::Sell) => context.bid,
    }
}
