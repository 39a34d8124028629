//! How an order enters the market: by itself, from its trigger, or once more when it was changed.

use super::engine::Engine;
use super::order::{AccountId, Amount, NewOrder, Trigger, TriggerBy};
use super::output::{EndReason, Event, RejectReason, Sink};
use super::slab::{NIL, Order, Place};
use super::sweep::Stop;
use crate::instrument::Money;
use crate::order::{OrderSide, TimeInForce};

impl Engine {
    /// Takes an order that was checked.
    pub(super) fn enter(&mut self, new: &NewOrder, sink: &mut impl Sink) {
        self.accounts.know(new.account.0);
        let (quantity, budget) = match new.amount {
            Amount::Quantity(quantity) => (quantity, None),
            Amount::Quote(amount) => (i64::MAX, Some(amount)),
        };
        let mut order = Order {
            id: new.id,
            price: new.price.unwrap_or(0),
            quantity,
            filled: 0,
            expires_ns: new.expires_ns.unwrap_or(i64::MAX),
            account: new.account.0,
            level: NIL,
            next: NIL,
            previous: NIL,
            side: new.side,
            place: Place::book(new.side),
            time_in_force: new.time_in_force,
            self_trade: new.self_trade,
            reduce_only: new.reduce_only,
            market: new.price.is_none(),
        };
        let refused = match new.trigger {
            Some(trigger) => self.is_reached(&trigger, new.side).then_some(RejectReason::WouldTrigger),
            None if !self.cut_order(&mut order) => Some(RejectReason::ReduceOnly),
            None => self.would_take(&order).then_some(RejectReason::WouldTake),
        };
        if let Some(reason) = refused {
            return self.tell(Event::Rejected { order: new.id, account: new.account, reason }, sink);
        }
        let quantity = budget.is_none().then_some(order.quantity);
        self.tell(Event::Accepted { order: new.id, account: new.account, quantity }, sink);
        match new.trigger {
            Some(trigger) => {
                order.place = waits_at(&trigger, new.side);
                self.put(order, trigger.price);
            }
            None => self.execute(order, budget, sink),
        }
    }

    /// Cuts an order that may only reduce to the position. False where it may do nothing.
    pub(super) fn cut_order(&self, order: &mut Order) -> bool {
        if order.reduce_only {
            let room = self.room(order.account, order.side);
            if room <= 0 {
                return false;
            }
            if i128::from(order.left()) > room {
                order.quantity = order.filled + room as i64;
            }
        }
        true
    }

    /// How much an order of `side` may reduce the account's position by.
    pub(super) fn room(&self, account: u32, side: OrderSide) -> i128 {
        -self.accounts.position(account) * i128::from(side.sign())
    }

    /// Whether the order may not trade and would.
    pub(super) fn would_take(&self, order: &Order) -> bool {
        let best = self.ladders.best(Place::book(opposite(order.side)));
        order.time_in_force == TimeInForce::PostOnly && best.is_some_and(|level| accepts(order, level.price))
    }

    /// Trades what can be traded, and leaves the rest where it belongs. The order stands nowhere.
    pub(super) fn execute(&mut self, mut order: Order, budget: Option<Money>, sink: &mut impl Sink) {
        if self.would_take(&order) {
            return self.tell_end(&order, EndReason::WouldTake, order.left(), sink);
        }
        if order.time_in_force == TimeInForce::Fok && !self.is_fillable(&order) {
            return self.tell_end(&order, EndReason::FillOrKill, order.left(), sink);
        }
        let stop = self.sweep(&mut order, budget, sink);
        let reason = match stop {
            Stop::Filled if budget.is_none() => return,
            Stop::Filled => EndReason::Spent,
            Stop::SelfTrade => EndReason::SelfTrade,
            Stop::Dry if order.market => EndReason::NoLiquidity,
            Stop::Dry if order.time_in_force == TimeInForce::Ioc => EndReason::ImmediateOrCancel,
            Stop::Dry => {
                let total = self.put(order, order.price);
                return self.tell_level(order.side, order.price, total, sink);
            }
        };
        let left = if budget.is_some() { 0 } else { order.left() };
        self.tell_end(&order, reason, left, sink);
    }

    /// Whether a trigger is reached by the price as it stands; one that is not known yet reaches nothing.
    fn is_reached(&self, trigger: &Trigger, side: OrderSide) -> bool {
        let price = if trigger.by == TriggerBy::Last { self.last } else { self.mark };
        price.is_some_and(|price| if trigger.rises(side) { price >= trigger.price } else { price <= trigger.price })
    }

    /// Orders whose triggers the prices from `low` to `high` have reached are taken out of their ladders, to enter the
    /// market one by one: rising ones from the lowest, then falling ones from the highest, at one trigger in the order in
    /// which they came.
    pub(super) fn gather(&mut self, falls: Place, rises: Place, low: i64, high: i64) {
        for place in [rises, falls] {
            while let Some(level) = self.ladders.best(place) {
                if if place == rises { level.price > high } else { level.price < low } {
                    break;
                }
                let (slot, trigger) = (level.head, level.price);
                self.due.push((self.orders[slot], trigger));
                self.take_out(slot);
            }
        }
    }

    /// Lets triggered orders enter, and those that these trigger, until there is none. Each can trigger once only.
    pub(super) fn settle(&mut self, sink: &mut impl Sink) {
        let mut next = 0;
        loop {
            if let Some((low, high)) = self.reached.take() {
                self.gather(Place::LastFalls, Place::LastRises, low, high);
            }
            let Some((mut order, price)) = self.due.get(next).copied() else { break };
            next += 1;
            self.tell(Event::Triggered { order: order.id, account: AccountId(order.account), price }, sink);
            order.place = Place::book(order.side);
            let wanted = order.quantity;
            if !self.cut_order(&mut order) {
                self.tell_end(&order, EndReason::ReduceOnly, order.left(), sink);
                continue;
            }
            if order.quantity != wanted {
                self.tell_cut(&order, sink);
            }
            self.execute(order, None, sink);
        }
        self.due.clear();
    }
}

/// Whether the order may trade at `price`.
#[inline]
pub(super) fn accepts(order: &Order, price: i64) -> bool {
    order.market || if order.side == OrderSide::Buy { price <= order.price } else { price >= order.price }
}

pub(super) fn opposite(side: OrderSide) -> OrderSide {
    if side == OrderSide::Buy { OrderSide::Sell } else { OrderSide::Buy }
}

fn waits_at(trigger: &Trigger, side: OrderSide) -> Place {
    match (trigger.by, trigger.rises(side)) {
        (TriggerBy::Last, false) => Place::LastFalls,
        (TriggerBy::Last, true) => Place::LastRises,
        (TriggerBy::Mark, false) => Place::MarkFalls,
        (TriggerBy::Mark, true) => Place::MarkRises,
    }
}
