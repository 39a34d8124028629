//! What an order has to be, whatever the market is: steps, ranges, and what goes together.

use super::error::MatchError;
use super::order::{Amount, NewOrder, TriggerBy};
use crate::instrument::{ContractKind, Instrument, Money};
use crate::order::TimeInForce;

/// How much an engine may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Account numbers are below this. A row of 32 bytes is kept for each up to the largest seen.
    pub accounts: u32,
    /// Open orders at a time, at most 2^31.
    pub open_orders: u32,
    /// Open orders for which memory is taken at the beginning, some 100 bytes each.
    pub reserve: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { accounts: 1 << 20, open_orders: 1 << 24, reserve: 1_024 }
    }
}

/// The most that a slot's number and an id's tag leave room for.
pub(super) const MOST_ORDERS: u32 = 1 << 31;

#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    tick: i64,
    pub(super) lot: i64,
    min: i64,
    max: i64,
    spot: bool,
    /// The worth of one size unit at a price of one unit. Times any price it fits.
    pub(super) unit: Money,
}

impl Rules {
    pub(super) fn of(instrument: &Instrument) -> Result<Rules, MatchError> {
        instrument.validate()?;
        let unit = instrument.notional(1, 1).filter(|unit| unit.checked_mul(Money::from(i64::MAX)).is_some());
        let unit = unit.filter(|_| instrument.tradable).ok_or(MatchError::Untradable(instrument.id))?;
        Ok(Rules {
            tick: instrument.tick_size,
            lot: instrument.lot_size,
            min: instrument.min_size,
            max: instrument.max_size,
            spot: instrument.kind == ContractKind::Spot,
            unit,
        })
    }

    pub(super) fn price(&self, price: i64) -> Result<(), MatchError> {
        if price > 0 && price % self.tick == 0 { Ok(()) } else { Err(MatchError::Price(price)) }
    }

    pub(super) fn quantity(&self, quantity: i64) -> Result<(), MatchError> {
        let fits = quantity > 0 && quantity >= self.min && quantity <= self.max && quantity % self.lot == 0;
        if fits { Ok(()) } else { Err(MatchError::Quantity(quantity)) }
    }

    /// Marks are for contracts.
    pub(super) fn mark(&self, price: i64) -> Result<(), MatchError> {
        if self.spot {
            return Err(MatchError::Combination("spot has no mark price"));
        }
        if price > 0 { Ok(()) } else { Err(MatchError::Price(price)) }
    }

    /// Whether the order is sound at `now_ns`: its numbers first, then what goes together.
    pub(super) fn order(&self, order: &NewOrder, now_ns: i64) -> Result<(), MatchError> {
        if let Some(price) = order.price {
            self.price(price)?;
        }
        if let Some(trigger) = order.trigger {
            self.price(trigger.price)?;
        }
        match order.amount {
            Amount::Quantity(quantity) => self.quantity(quantity)?,
            Amount::Quote(amount) if amount <= 0 => return Err(MatchError::QuoteAmount(amount)),
            Amount::Quote(_) if order.price.is_some() || order.trigger.is_some() || !self.spot => {
                return Err(MatchError::Combination("an amount of quote currency is for market orders on spot"));
            }
            Amount::Quote(_) => {}
        }
        let combination = match order {
            NewOrder { price: None, time_in_force, .. } if *time_in_force != TimeInForce::Ioc => {
                "a market order is immediate or cancelled"
            }
            NewOrder { reduce_only: true, .. } if self.spot => "spot has no positions to reduce",
            NewOrder { trigger: Some(trigger), .. } if self.spot && trigger.by == TriggerBy::Mark => {
                "spot has no mark price"
            }
            NewOrder { expires_ns: Some(_), .. } if !stays(order) => "what does not stay has no time to end at",
            _ => "",
        };
        if !combination.is_empty() {
            return Err(MatchError::Combination(combination));
        }
        match order.expires_ns {
            Some(expires_ns) if expires_ns <= now_ns => Err(MatchError::Expiry(expires_ns)),
            _ => Ok(()),
        }
    }
}

/// Whether an order may be open when its input is done.
pub(super) fn stays(order: &NewOrder) -> bool {
    order.trigger.is_some() || matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::PostOnly)
}
