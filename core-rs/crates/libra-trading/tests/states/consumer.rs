//! Who reads what the account publishes, outlives the process, and drops what it holds already: every fact has to reach
//! it, and none may contradict another.

use std::collections::{BTreeMap, BTreeSet};

use libra_trading::order::{ClientOrderId, Order, OrderStatus};

use crate::truth::Truth;

/// The key that a consumer drops doubles by.
type Key = (ClientOrderId, OrderStatus, i64);

#[derive(Default)]
pub struct Consumer {
    facts: BTreeMap<Key, (i128, i128, String)>,
    trades: BTreeSet<(ClientOrderId, u64)>,
    pub doubles: u64,
}

impl Consumer {
    /// Takes in an order event.
    pub fn see(&mut self, order: &Order) -> Result<(), String> {
        let key = (order.client_order_id, order.status, order.filled);
        let fact = (order.filled_notional, order.fees, order.reason.clone());
        match self.facts.get(&key) {
            Some(known) if *known == fact => self.doubles += 1,
            Some(known) => return Err(format!("{key:?} was {known:?} and is {fact:?}")),
            None => drop(self.facts.insert(key, fact)),
        }
        if let Some(fill) = &order.last_fill {
            self.trades.insert((order.client_order_id, fill.trade_id));
        }
        Ok(())
    }

    /// An order has one end at most.
    pub fn ends_once(&self, id: ClientOrderId) -> bool {
        let from = (id, OrderStatus::New, i64::MIN);
        let ends: BTreeSet<OrderStatus> = (self.facts.range(from..))
            .take_while(|((of, ..), _)| *of == id)
            .map(|((_, status, _), _)| *status)
            .filter(|status| status.is_final())
            .collect();
        ends.len() <= 1
    }

    /// With nothing waiting for it, it holds everything.
    pub fn holds_all(&self, truth: &Truth) -> Result<(), String> {
        for (id, asked) in &truth.asked {
            let Some(outcome) = asked.outcome.as_ref() else { continue };
            let key = (*id, outcome.status, truth.filled(*id));
            if !self.facts.contains_key(&key) {
                return Err(format!("no consumer was told of {key:?}"));
            }
            if !self.ends_once(*id) {
                return Err(format!("{id} was told to have ended twice"));
            }
        }
        match truth.rows.iter().find(|row| !self.trades.contains(&(row.order, row.trade))) {
            Some(row) => Err(format!("no consumer was told of {row:?}")),
            None => Ok(()),
        }
    }
}
