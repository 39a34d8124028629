//! What each strategy holds and what is on its way, from orders and fills.
//!
//! Orders and fills arrive as separate events, and after a restart some arrive again. So a fill is what moves a position,
//! once by its trade id, and an order says only how much more of it may still fill: its whole size while it lives, what
//! it had executed once it is final. What the order said and no fill has shown yet stays on its way.
//!
//! Of a request that was refused nothing stays, and of an order that is over with all its fills what it had executed. A venue
//! may execute that one nonetheless, or tell of it late: where the order then says more, the position moves by the difference,
//! and what comes again says no more.

use std::collections::{BTreeMap, HashMap};

use libra_kernel::Name;

use crate::gate::client_order_id;
use crate::order::{ClientOrderId, Fill, Order, OrderRequest, OrderSide, OrderStatus};

/// A strategy's holdings of one instrument.
type Key = (Name, Name);

/// An order that may still move a position.
#[derive(Clone, Debug)]
struct Tracked {
    key: Key,
    side: OrderSide,
    /// What it will have executed at most.
    at_most: i64,
    final_: bool,
    /// True when it came from a signal, and not from the strategy itself.
    from_signal: bool,
    /// Sum of the fills seen, and their trade ids.
    filled: i64,
    trade_ids: Vec<u64>,
}

/// Sizes still on their way of one strategy and instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) buys: i64,
    pub(super) sells: i64,
}

impl Pending {
    fn add(&mut self, side: OrderSide, size: i64) {
        let sum = match side {
            OrderSide::Buy => &mut self.buys,
            OrderSide::Sell => &mut self.sells,
        };
        *sum = sum.saturating_add(size);
    }
}

/// Positions and orders of all strategies of one account.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// Wider than a size, so that no sum of fills wraps.
    positions: HashMap<Key, i128>,
    /// Requests that have no order yet, by request id.
    asked: BTreeMap<u128, (Key, OrderSide, i64)>,
    orders: BTreeMap<ClientOrderId, Tracked>,
    /// Fills that came before their order.
    early: BTreeMap<ClientOrderId, Vec<Fill>>,
    /// Orders that are over, with all that they had executed: whatever says no more is old.
    done: HashMap<ClientOrderId, i64>,
}

impl Ledger {
    pub(super) fn position(&self, strategy: Name, instrument: Name) -> i128 {
        self.positions.get(&(strategy, instrument)).copied().unwrap_or(0)
    }

    /// Positions that are not flat, by the text of strategy and instrument.
    pub(super) fn positions(&self) -> Vec<(Name, Name, i128)> {
        let held = self.positions.iter().filter(|(_, size)| **size != 0);
        let mut all: Vec<_> = held.map(|(&(strategy, instrument), &size)| (strategy, instrument, size)).collect();
        all.sort_unstable_by_key(|(strategy, instrument, _)| (strategy.as_str(), instrument.as_str()));
        all
    }

    pub(super) fn pending(&self, strategy: Name, instrument: Name) -> Pending {
        self.sum_pending(|key| *key == (strategy, instrument))
    }

    /// What is on its way in an instrument, of all strategies.
    pub(super) fn pending_of_all(&self, instrument: Name) -> Pending {
        self.sum_pending(|key| key.1 == instrument)
    }

    fn sum_pending(&self, counts: impl Fn(&Key) -> bool) -> Pending {
        let mut pending = Pending::default();
        for (_, side, size) in self.asked.values().filter(|(key, ..)| counts(key)) {
            pending.add(*side, *size);
        }
        for order in self.orders.values().filter(|order| counts(&order.key)) {
            pending.add(order.side, order.at_most.saturating_sub(order.filled).max(0));
        }
        pending
    }

    /// Orders of a strategy's signals that may still fill on `side`.
    pub(super) fn open_from_signals(&self, strategy: Name, instrument: Name, side: OrderSide) -> Vec<ClientOrderId> {
        let counts = |order: &Tracked| {
            order.key == (strategy, instrument) && order.side == side && order.from_signal && !order.final_
        };
        self.orders.iter().filter(|(_, order)| counts(order)).map(|(id, _)| *id).collect()
    }

    /// A request leaves: what it asks for counts from now on.
    pub(super) fn on_request(&mut self, request: &OrderRequest) {
        let id = client_order_id(request.account, request.request_id);
        if !self.orders.contains_key(&id) && !self.done.contains_key(&id) {
            let key = (request.strategy, request.instrument);
            // What asks for something else under an id on its way is refused: the first one counts.
            self.asked.entry(request.request_id).or_insert((key, request.side, request.size));
        }
    }

    /// A request was refused before it became an order.
    pub(super) fn on_refused(&mut self, request_id: u128) {
        self.asked.remove(&request_id);
    }

    pub(super) fn on_order(&mut self, order: &Order) {
        let (id, request) = (order.client_order_id, &order.request);
        self.asked.remove(&request.request_id);
        if let Some(executed) = self.done.get_mut(&id) {
            let late = order.filled.saturating_sub(*executed).max(0);
            *executed += late;
            self.move_position((request.strategy, request.instrument), request.side, late);
            return;
        }
        let final_ = order.status.is_final();
        if order.status == OrderStatus::Rejected && order.filled == 0 && !self.orders.contains_key(&id) {
            // It never was on its way, and a request that comes again is refused again.
            return;
        }
        let tracked = self.orders.entry(id).or_insert_with(|| Tracked {
            key: (request.strategy, request.instrument),
            side: request.side,
            at_most: request.size,
            final_: false,
            from_signal: request.signal_id != 0,
            filled: 0,
            trade_ids: Vec::new(),
        });
        if final_ {
            (tracked.final_, tracked.at_most) = (true, order.filled);
        }
        for fill in self.early.remove(&id).unwrap_or_default() {
            self.count_fill(&fill);
        }
        self.forget_if_done(id);
    }

    pub(super) fn on_fill(&mut self, fill: &Fill) {
        let id = fill.client_order_id;
        if self.done.contains_key(&id) {
            // Old, or its order's own event says so.
            return;
        }
        let key = (fill.strategy, fill.instrument);
        if !self.orders.contains_key(&id) {
            let early = self.early.entry(id).or_default();
            if early.iter().all(|known| known.trade_id != fill.trade_id) {
                early.push(fill.clone());
                self.move_position(key, fill.side, fill.size);
            }
            return;
        }
        let known = self.orders.get(&id).is_some_and(|order| order.trade_ids.contains(&fill.trade_id));
        if !known {
            self.move_position(key, fill.side, fill.size);
            self.count_fill(fill);
            self.forget_if_done(id);
        }
    }

    fn count_fill(&mut self, fill: &Fill) {
        if let Some(order) = self.orders.get_mut(&fill.client_order_id) {
            order.filled = order.filled.saturating_add(fill.size);
            order.trade_ids.push(fill.trade_id);
        }
    }

    fn move_position(&mut self, key: Key, side: OrderSide, size: i64) {
        *self.positions.entry(key).or_insert(0) += i128::from(side.sign()) * i128::from(size);
    }

    fn forget_if_done(&mut self, id: ClientOrderId) {
        if let Some(order) = self.orders.get(&id).filter(|order| order.final_ && order.filled >= order.at_most) {
            self.done.insert(id, order.filled);
            self.orders.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{OrderType, TimeInForce};

    #[test]
    fn the_first_request_of_an_id_is_what_is_on_its_way() {
        let name = Name::intern("ledger-test");
        let first = OrderRequest {
            request_id: 1,
            signal_id: 2,
            account: name,
            strategy: name,
            instrument: name,
            side: OrderSide::Buy,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Ioc,
            size: 5,
            price: 0,
            deadline_ns: 0,
            ts_origin_ns: 0,
        };
        let second = OrderRequest { side: OrderSide::Sell, size: 9, ..first.clone() };
        let mut ledger = Ledger::default();
        ledger.on_request(&first);
        // The gate refuses it, and the first one leaves.
        ledger.on_request(&second);
        assert_eq!(ledger.pending(name, name), Pending { buys: 5, sells: 0 });
        ledger.on_refused(1);
        assert_eq!(ledger.pending_of_all(name), Pending::default());
    }
}
