//! The rules of the engine, one by one, on an exchange of one instrument.

mod books;
mod changes;
mod positions;
mod refusals;
mod trading;
mod triggers;

use libra_trading::instrument::Instrument;
use libra_trading::matching::*;
use libra_trading::order::{OrderSide, TimeInForce};

use super::samples::{asset, contract};
use OrderSide::{Buy, Sell};

const A: AccountId = AccountId(0);
const B: AccountId = AccountId(1);
const C: AccountId = AccountId(2);

/// An engine, and its outputs of the last input.
struct Market {
    engine: Engine,
    out: Vec<Output>,
    now_ns: i64,
}

type Done = Result<(), MatchError>;

impl Market {
    fn new() -> Market {
        Market::of(&contract("BTC", "sim"))
    }

    fn spot() -> Market {
        Market::of(&asset("BTC", "sim"))
    }

    fn of(instrument: &Instrument) -> Market {
        Market { engine: Engine::new(instrument, Limits::default()).unwrap(), out: Vec::new(), now_ns: 0 }
    }

    fn try_do(&mut self, act: impl FnOnce(&mut Engine, i64, &mut Vec<Output>) -> Done) -> Done {
        self.out.clear();
        self.now_ns += 1;
        act(&mut self.engine, self.now_ns, &mut self.out)
    }

    fn submit(&mut self, order: NewOrder) -> Done {
        self.try_do(|engine, now_ns, out| engine.submit(&order, now_ns, out))
    }

    fn rests(&mut self, id: u64, account: AccountId, side: OrderSide, price: i64, quantity: i64) {
        self.submit(limit(id, account, side, price, quantity)).unwrap();
        assert!(self.engine.order(OrderId(id)).is_some());
    }

    fn position(&mut self, account: AccountId, position: i64) {
        self.try_do(|engine, now_ns, out| engine.set_position(account, position, now_ns, out)).unwrap();
    }

    fn amend(&mut self, id: u64, account: AccountId, price: i64, quantity: i64) -> Done {
        self.try_do(|engine, now_ns, out| engine.amend(account, OrderId(id), price, quantity, now_ns, out))
    }

    fn mark(&mut self, price: i64) -> Done {
        self.try_do(|engine, now_ns, out| engine.set_mark(price, now_ns, out))
    }

    /// `(taker, maker, price, quantity)` of the trades of the last input.
    fn trades(&self) -> Vec<(u64, u64, i64, i64)> {
        let trade = |output: &Output| match output.event {
            Event::Trade(trade) => Some((trade.taker.0, trade.maker.0, trade.price, trade.quantity)),
            _ => None,
        };
        self.out.iter().filter_map(trade).collect()
    }

    /// Who ended by the last input, why, and with what left.
    fn ended(&self) -> Vec<(u64, EndReason, i64)> {
        let end = |output: &Output| match output.event {
            Event::Ended { order, reason, left, .. } => Some((order.0, reason, left)),
            _ => None,
        };
        self.out.iter().filter_map(end).collect()
    }

    fn rejected(&self) -> Option<RejectReason> {
        let [Output { event: Event::Rejected { reason, .. }, .. }] = self.out[..] else { return None };
        Some(reason)
    }

    fn left(&self, id: u64) -> Option<i64> {
        self.engine.order(OrderId(id)).map(|order| order.quantity - order.filled)
    }

    fn queue(&self, side: OrderSide) -> Vec<u64> {
        self.engine.queue(side).map(|order| order.id.0).collect()
    }
}

fn limit(id: u64, account: AccountId, side: OrderSide, price: i64, quantity: i64) -> NewOrder {
    NewOrder::limit(OrderId(id), account, side, price, quantity)
}

fn market(id: u64, account: AccountId, side: OrderSide, quantity: i64) -> NewOrder {
    NewOrder::market(OrderId(id), account, side, Amount::Quantity(quantity))
}

fn stop(order: NewOrder, price: i64) -> NewOrder {
    NewOrder { trigger: Some(Trigger { price, by: TriggerBy::Last, condition: Condition::Stop }), ..order }
}

fn within(time_in_force: TimeInForce, order: NewOrder) -> NewOrder {
    NewOrder { time_in_force, ..order }
}

fn reducing(order: NewOrder) -> NewOrder {
    NewOrder { reduce_only: true, ..order }
}
