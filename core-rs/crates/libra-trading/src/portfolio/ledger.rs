//! What each strategy holds and what is on its way, from orders, executions and the venue's word.
//!
//! An order says only how much of it may still fill: what is not executed while it lives, nothing once it is over. An execution
//! moves the position of who asked for it. Each is told here once, in the order of booking and before the next decision, since
//! the desk reads them off the account's own books: so the sum over all strategies is what the account holds.
//!
//! Where the venue's word changes what the account holds, whose it was is decided here, by the same rule in a replay: what came
//! belongs to `adopted`, which no strategy is; what left is taken from `adopted` first, then from the strategies that hold that
//! way, the largest holding first. Where all of it left, nobody holds anything: no close opens a position in a flat account.

use std::collections::{BTreeMap, HashMap, HashSet};

use libra_kernel::Name;

use crate::gate::{ADOPTED, PositionMove, client_order_id};
use crate::order::{ClientOrderId, Fill, Order, OrderRequest, OrderSide, OrderStatus};

/// A strategy's holdings of one instrument.
type Key = (Name, Name);

/// What a strategy holds of an instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holding {
    /// Wider than a size, so that no sum of fills wraps.
    size: i128,
    /// How often it has changed.
    changes: u64,
}

/// An order that may still move a position.
#[derive(Clone, Copy, Debug)]
struct Tracked {
    key: Key,
    side: OrderSide,
    /// What it may still execute.
    left: i64,
    /// True when it came from a signal, and not from the strategy itself.
    from_signal: bool,
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
    positions: HashMap<Key, Holding>,
    /// Requests that have no order yet, by request id.
    asked: BTreeMap<u128, (Key, OrderSide, i64)>,
    orders: BTreeMap<ClientOrderId, Tracked>,
    /// Orders that are over: nothing of them is on its way, whoever asks for them again.
    done: HashSet<ClientOrderId>,
    /// How often what anyone holds has changed.
    changes: u64,
}

impl Ledger {
    pub(super) fn changes_of_all(&self) -> u64 {
        self.changes
    }

    pub(super) fn position(&self, strategy: Name, instrument: Name) -> i128 {
        self.positions.get(&(strategy, instrument)).map_or(0, |holding| holding.size)
    }

    /// Positions that are not flat, by the text of strategy and instrument.
    pub(super) fn positions(&self) -> Vec<(Name, Name, i128)> {
        let held = self.positions.iter().filter(|(_, holding)| holding.size != 0);
        let mut all: Vec<_> = held.map(|(&(strategy, instrument), own)| (strategy, instrument, own.size)).collect();
        all.sort_unstable_by_key(|(strategy, instrument, _)| (strategy.as_str(), instrument.as_str()));
        all
    }

    /// How often what a strategy holds has changed, by instrument.
    pub(super) fn changes(&self, strategy: Name) -> Vec<(Name, u64)> {
        let own = self.positions.iter().filter(|((whose, _), _)| *whose == strategy);
        let mut all: Vec<_> = own.map(|((_, instrument), holding)| (*instrument, holding.changes)).collect();
        all.sort_unstable();
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
            pending.add(order.side, order.left);
        }
        pending
    }

    /// Orders of a strategy's signals that may still fill on `side`.
    pub(super) fn open_from_signals(&self, strategy: Name, instrument: Name, side: OrderSide) -> Vec<ClientOrderId> {
        let counts = |order: &Tracked| order.key == (strategy, instrument) && order.side == side && order.from_signal;
        self.orders.iter().filter(|(_, order)| counts(order)).map(|(id, _)| *id).collect()
    }

    /// A request leaves: what it asks for counts from now on.
    pub(super) fn on_request(&mut self, request: &OrderRequest) {
        let id = client_order_id(request.account, request.request_id);
        if !self.orders.contains_key(&id) && !self.done.contains(&id) {
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
        if self.done.contains(&id) {
            return;
        }
        if order.status.is_final() {
            let was_open = self.orders.remove(&id).is_some();
            // A refused request never was on its way, and one that comes again is refused again.
            if was_open || order.status != OrderStatus::Rejected || order.filled > 0 {
                self.done.insert(id);
            }
            return;
        }
        let tracked = Tracked {
            key: (request.strategy, request.instrument),
            side: request.side,
            left: request.size.saturating_sub(order.filled).max(0),
            from_signal: request.signal_id != 0,
        };
        self.orders.insert(id, tracked);
    }

    pub(super) fn on_fill(&mut self, fill: &Fill) {
        self.add((fill.strategy, fill.instrument), i128::from(fill.side.sign()) * i128::from(fill.size));
    }

    /// The venue's word changed what the account holds.
    pub(super) fn on_move(&mut self, moved: &PositionMove) {
        let (from, to) = (i128::from(moved.from), i128::from(moved.to));
        let (adopted, instrument) = (Name::intern(ADOPTED), moved.instrument);
        if from != 0 && from.signum() != to.signum() {
            // Nothing of what anyone held is there any more, also not what one strategy held against another.
            let of_it = self.positions.iter().filter(|((_, held), _)| *held == instrument);
            let all: Vec<(Key, i128)> = of_it.map(|(key, holding)| (*key, holding.size)).collect();
            all.into_iter().for_each(|(key, size)| self.add(key, -size));
            return self.add((adopted, instrument), to);
        }
        let mut gone = (from.abs() - to.abs()).max(0);
        let holds_so = |size: i128| size.signum() == from.signum();
        let of_it = self.positions.iter().filter(|((_, held), own)| *held == instrument && holds_so(own.size));
        let mut holders: Vec<(Name, i128)> = of_it.map(|((strategy, _), own)| (*strategy, own.size.abs())).collect();
        holders.sort_unstable_by_key(|(name, size)| (*name != adopted, -size, name.as_str()));
        for (strategy, size) in holders {
            let taken = gone.min(size);
            self.add((strategy, instrument), -taken * from.signum());
            gone -= taken;
        }
        let came = (to.abs() - from.abs()).max(0) - gone;
        self.add((adopted, instrument), came * if from == 0 { to.signum() } else { from.signum() });
    }

    fn add(&mut self, key: Key, size: i128) {
        if size != 0 {
            let holding = self.positions.entry(key).or_default();
            holding.size += size;
            holding.changes += 1;
            self.changes += 1;
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
