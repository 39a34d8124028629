//! An order as Python words it: a dict of its terms.

use libra_trading::matching::{AccountId, Amount, Condition, NewOrder, OrderId, SelfTrade, Trigger, TriggerBy};
use libra_trading::order::{OrderSide, TimeInForce};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The terms of an order. What is left out is as in [`NewOrder::market`].
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct OrderTerms {
    id: u64,
    account: u32,
    buy: bool,
    /// In size units, or of the quote currency where `by_quote`.
    amount: i128,
    by_quote: bool,
    price: Option<i64>,
    time_in_force: String,
    reduce_only: bool,
    self_trade: String,
    /// Trigger price, whether it is a stop (else a take-profit), whether it watches the mark price.
    trigger: Option<(i64, bool, bool)>,
    expires_ns: Option<i64>,
}

impl OrderTerms {
    pub fn into_order(self) -> PyResult<NewOrder> {
        let amount = if self.by_quote {
            Amount::Quote(self.amount)
        } else {
            let quantity = i64::try_from(self.amount);
            Amount::Quantity(quantity.map_err(|_| PyValueError::new_err("the quantity does not fit"))?)
        };
        let time_in_force = match self.time_in_force.as_str() {
            "GTC" => TimeInForce::Gtc,
            "IOC" => TimeInForce::Ioc,
            "FOK" => TimeInForce::Fok,
            "POST_ONLY" => TimeInForce::PostOnly,
            other => return Err(PyValueError::new_err(format!("no time in force: {other}"))),
        };
        let self_trade = match self.self_trade.as_str() {
            "NONE" => SelfTrade::Allow,
            "EXPIRE_TAKER" => SelfTrade::ExpireTaker,
            "EXPIRE_MAKER" => SelfTrade::ExpireMaker,
            "EXPIRE_BOTH" => SelfTrade::ExpireBoth,
            other => return Err(PyValueError::new_err(format!("no self-trade prevention mode: {other}"))),
        };
        let trigger = self.trigger.map(|(price, stop, mark)| Trigger {
            price,
            by: if mark { TriggerBy::Mark } else { TriggerBy::Last },
            condition: if stop { Condition::Stop } else { Condition::TakeProfit },
        });
        let side = if self.buy { OrderSide::Buy } else { OrderSide::Sell };
        let order = NewOrder::market(OrderId(self.id), AccountId(self.account), side, amount);
        Ok(NewOrder {
            price: self.price,
            trigger,
            time_in_force,
            reduce_only: self.reduce_only,
            self_trade,
            expires_ns: self.expires_ns,
            ..order
        })
    }
}
