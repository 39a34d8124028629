//! What an order has to be.

use libra_trading::instrument::{ContractKind, Instrument};
use libra_trading::matching::*;
use libra_trading::order::TimeInForce;

use super::{Done, Open, Reference};

impl Reference {
    pub(super) fn owned(&self, account: AccountId, id: OrderId) -> Result<&Open, MatchError> {
        let found = self.open.iter().find(|open| open.new.id == id && open.new.account == account);
        found.ok_or(MatchError::UnknownOrder(id))
    }

    pub(super) fn check_price(&self, price: i64) -> Done {
        if price < 1 || price % self.instrument.tick_size != 0 { Err(MatchError::Price(price)) } else { Ok(()) }
    }

    pub(super) fn check_quantity(&self, quantity: i64) -> Done {
        let Instrument { lot_size, min_size, max_size, .. } = self.instrument;
        if quantity < 1 || !(min_size..=max_size).contains(&quantity) || quantity % lot_size != 0 {
            return Err(MatchError::Quantity(quantity));
        }
        Ok(())
    }

    pub(super) fn check_volume(&self, without: Option<OrderId>, more: i64) -> Done {
        let others = self.open.iter().filter(|open| Some(open.new.id) != without);
        let sum: i128 = others.map(|open| i128::from(open.left())).sum();
        if sum + i128::from(more) > i128::from(i64::MAX) { Err(MatchError::Volume) } else { Ok(()) }
    }

    pub(super) fn check(&self, new: &NewOrder, without: Option<OrderId>) -> Done {
        let spot = self.instrument.kind == ContractKind::Spot;
        if new.account.0 >= self.limits.accounts {
            return Err(MatchError::Account(new.account.0));
        }
        if self.open.iter().any(|open| open.new.id == new.id && Some(open.new.id) != without) {
            return Err(MatchError::DuplicateId(new.id));
        }
        for price in new.price.into_iter().chain(new.trigger.map(|trigger| trigger.price)) {
            self.check_price(price)?;
        }
        match new.amount {
            Amount::Quantity(quantity) => self.check_quantity(quantity)?,
            Amount::Quote(amount) => {
                if amount < 1 {
                    return Err(MatchError::QuoteAmount(amount));
                }
                if new.price.is_some() || new.trigger.is_some() || !spot {
                    return Err(MatchError::Combination("an amount of quote currency is for market orders on spot"));
                }
            }
        }
        if new.price.is_none() && new.time_in_force != TimeInForce::Ioc {
            return Err(MatchError::Combination("a market order is immediate or cancelled"));
        }
        if new.reduce_only && spot {
            return Err(MatchError::Combination("spot has no positions to reduce"));
        }
        if spot && new.trigger.is_some_and(|trigger| trigger.by == TriggerBy::Mark) {
            return Err(MatchError::Combination("spot has no mark price"));
        }
        let stays = new.trigger.is_some()
            || new.time_in_force == TimeInForce::Gtc
            || new.time_in_force == TimeInForce::PostOnly;
        if let Some(expires_ns) = new.expires_ns {
            if !stays {
                return Err(MatchError::Combination("what does not stay has no time to end at"));
            }
            if expires_ns <= self.now_ns {
                return Err(MatchError::Expiry(expires_ns));
            }
        }
        if let (true, Amount::Quantity(quantity)) = (stays, new.amount) {
            if self.open.len() - usize::from(without.is_some()) >= self.limits.open_orders as usize {
                return Err(MatchError::TooManyOrders);
            }
            self.check_volume(without, quantity)?;
        }
        Ok(())
    }
}
