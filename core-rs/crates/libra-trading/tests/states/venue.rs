//! A modelled venue: what it was sent, what it did, what it said. It outlives every process of ours, and nobody but it
//! decides what was executed.

use std::collections::BTreeMap;

use libra_trading::instrument::{Instrument, Money};
use libra_trading::order::{
    ClientOrderId, Liquidity, OrderRequest, OrderSide, OrderType, TimeInForce, VenueOutcome, VenueReport,
};

use crate::truth::name;

/// Where an order stands at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    Rests,
    Filled,
    Cancelled,
    Expired,
    Refused,
}

/// An order as the venue has it.
#[derive(Clone, Debug)]
pub struct VenueOrder {
    pub request: OrderRequest,
    pub venue_id: String,
    pub stand: Stand,
    pub fills: Vec<VenueReport>,
}

impl VenueOrder {
    pub fn filled(&self) -> i64 {
        self.fills.iter().map(|fill| if let VenueOutcome::Filled { size, .. } = fill.outcome { size } else { 0 }).sum()
    }
}

/// See the module. `said` is what it says and nobody has taken away yet.
#[derive(Default)]
pub struct Venue {
    pub orders: BTreeMap<ClientOrderId, VenueOrder>,
    pub said: Vec<VenueReport>,
    pub trades: u64,
}

impl Venue {
    fn say(&mut self, now_ns: i64, id: ClientOrderId, outcome: VenueOutcome) -> VenueReport {
        let venue_order_id = self.orders.get(&id).map(|order| order.venue_id.clone()).unwrap_or_default();
        let report = VenueReport { client_order_id: id, venue_order_id, outcome, ts_venue_ns: now_ns };
        self.said.push(report.clone());
        report
    }

    /// An order's bytes arrive. `roll` decides what becomes of it at once.
    pub fn on_order(
        &mut self,
        now_ns: i64,
        id: ClientOrderId,
        request: &OrderRequest,
        of: &Instrument,
        market: (i64, i64),
        roll: u8,
    ) {
        let venue_id = format!("v{}", self.orders.len() + 1);
        let order = VenueOrder { request: request.clone(), venue_id, stand: Stand::Rests, fills: Vec::new() };
        assert!(self.orders.insert(id, order).is_none(), "{id} came to the venue twice");
        if roll.is_multiple_of(16) {
            self.end(now_ns, id, Stand::Refused);
            return;
        }
        self.say(now_ns, id, VenueOutcome::Accepted);
        let takes = match (request.order_type, request.time_in_force) {
            (OrderType::Market, _) | (_, TimeInForce::Ioc) => [0, 1, 2, 2][usize::from(roll / 16 % 4)],
            (_, TimeInForce::Fok) => [0, 2][usize::from(roll / 16 % 2)],
            (_, TimeInForce::PostOnly) => 0,
            (_, TimeInForce::Gtc) => [0, 0, 0, 1][usize::from(roll / 16 % 4)],
        };
        let price = match request.order_type {
            OrderType::Limit => request.price,
            OrderType::Market if request.side == OrderSide::Buy => market.1,
            OrderType::Market => market.0,
        };
        match takes {
            1 => self.execute(now_ns, id, of, price, (request.size / 2).max(1), roll % 8 == 1),
            2 => {
                let half = request.size / 2;
                if half > 0 && roll.is_multiple_of(2) {
                    self.execute(now_ns, id, of, price, half, false);
                }
                self.execute(now_ns, id, of, price, request.size, roll % 8 == 1);
            }
            _ => {}
        }
        if request.time_in_force != TimeInForce::Gtc && request.time_in_force != TimeInForce::PostOnly {
            self.end(now_ns, id, Stand::Cancelled);
        }
    }

    /// Executes up to `size` of an order that rests.
    pub fn execute(&mut self, now_ns: i64, id: ClientOrderId, of: &Instrument, price: i64, size: i64, other_fee: bool) {
        let Some(order) = self.orders.get(&id).filter(|order| order.stand == Stand::Rests) else { return };
        let left = order.request.size - order.filled();
        let size = size.min(left);
        if size <= 0 {
            return;
        }
        self.trades += 1;
        let notional = of.notional(price, size).expect("prices and sizes of a run are small");
        let (rate, liquidity) = if self.trades.is_multiple_of(3) {
            (-of.maker_fee, Liquidity::Maker)
        } else {
            (of.taker_fee, Liquidity::Taker)
        };
        let (fee, fee_currency): (Money, _) = match other_fee {
            true => (Money::from(self.trades) * 1_000_003, name("BNB")),
            false => (of.fee(notional, rate).expect("a small fee"), of.quote),
        };
        let outcome = VenueOutcome::Filled { trade_id: self.trades, price, size, fee, fee_currency, liquidity };
        let report = self.say(now_ns, id, outcome);
        let order = self.orders.get_mut(&id).expect("it rests");
        order.fills.push(report);
        if size == left {
            order.stand = Stand::Filled;
        }
    }

    /// Ends an order that rests, whatever of it was executed before.
    pub fn end(&mut self, now_ns: i64, id: ClientOrderId, stand: Stand) {
        let Some(order) = self.orders.get_mut(&id).filter(|order| order.stand == Stand::Rests) else { return };
        order.stand = stand;
        let outcome = outcome_of(stand);
        self.say(now_ns, id, outcome);
    }

    /// A cancel arrives. True when it is refused although the order rests; `roll` decides.
    pub fn on_cancel(&mut self, now_ns: i64, id: ClientOrderId, roll: u8) -> bool {
        let rests = self.orders.get(&id).is_some_and(|order| order.stand == Stand::Rests);
        let busy = roll % 4 == 3;
        if rests && !busy {
            self.end(now_ns, id, Stand::Cancelled);
        } else {
            let detail = if rests { "too many messages" } else { "nothing to cancel" };
            self.say(now_ns, id, VenueOutcome::CancelRejected { detail: detail.into() });
        }
        rests && busy
    }

    /// What it answers to a query: the order, its end, and all its executions; executions come before the end.
    pub fn answer(&self, now_ns: i64, id: ClientOrderId) -> Vec<VenueReport> {
        let report = |venue_order_id: &str, outcome| VenueReport {
            client_order_id: id,
            venue_order_id: venue_order_id.to_owned(),
            outcome,
            ts_venue_ns: now_ns,
        };
        let Some(order) = self.orders.get(&id) else { return vec![report("", VenueOutcome::NotFound)] };
        if order.stand == Stand::Refused {
            return vec![report(&order.venue_id, outcome_of(Stand::Refused))];
        }
        let mut answer = vec![report(&order.venue_id, VenueOutcome::Accepted)];
        answer.extend(order.fills.iter().cloned());
        if matches!(order.stand, Stand::Cancelled | Stand::Expired) {
            answer.push(report(&order.venue_id, outcome_of(order.stand)));
        }
        answer
    }
}

fn outcome_of(stand: Stand) -> VenueOutcome {
    match stand {
        Stand::Refused => VenueOutcome::Rejected { code: "-2010".into(), detail: "no".into() },
        Stand::Expired => VenueOutcome::Expired,
        _ => VenueOutcome::Cancelled { reason: "REQUESTED".into() },
    }
}
