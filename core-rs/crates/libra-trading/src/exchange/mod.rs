//! The markets of a simulated exchange: a matching engine each, and others who trade there.
//!
//! - this file — [`Exchange`]: markets by number, and time;
//! - `market` — one market: its engine, the inputs of users, and what is told of them;
//! - `flow` — the others: a source of market data whose book and trades become orders of two accounts;
//! - `diff` — the changes of a book since the last look, for a venue's depth stream.
//!
//! No I/O, no clock, no threads: each input brings its time, and with the same sources and inputs the same is told. Accounts
//! below [`FIRST_USER`] are the flow's. What a venue adds (balances, fees, filters, a protocol) is not here.

mod diff;
mod flow;
mod market;
#[cfg(test)]
mod tests;

use libra_market::source::Source;
use thiserror::Error;

pub use self::diff::Depth;
pub use self::market::{Market, Told};
use crate::instrument::Instrument;
use crate::matching::{AccountId, Limits, MatchError, NewOrder, OrderId};

/// Accounts from here on are users'.
pub const FIRST_USER: u32 = 2;

/// Order ids from here on are the flow's; users' are below.
pub const FLOW_ORDERS: u64 = 1 << 63;

/// Why an input was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExchangeError {
    /// There is no market of that number.
    #[error("there is no market {0}")]
    UnknownMarket(usize),
    /// An account or an id of the flow's.
    #[error("the account or the order's id is the flow's own")]
    Reserved,
    /// The engine refused it.
    #[error(transparent)]
    Match(#[from] MatchError),
}

/// Markets by number, in the order in which they were added.
#[derive(Default)]
pub struct Exchange {
    markets: Vec<Market>,
    now_ns: i64,
}

impl Exchange {
    /// Adds a market. What `source` gives is traded there, `offset_ns` later than it says; at most `levels` a side of the
    /// flow's orders rest.
    pub fn add(
        &mut self,
        instrument: &Instrument,
        source: Option<Box<dyn Source>>,
        offset_ns: i64,
        levels: usize,
    ) -> Result<usize, ExchangeError> {
        self.markets.push(Market::new(instrument, Limits::default(), source, offset_ns, levels)?);
        Ok(self.markets.len() - 1)
    }

    /// Brings all markets to `now_ns`; a time that lies behind counts as the latest. Markets are told of one after the
    /// other, each in the order of its times.
    pub fn advance(&mut self, now_ns: i64, told: &mut Vec<Told>) {
        self.now_ns = now_ns.max(self.now_ns);
        for (number, market) in self.markets.iter_mut().enumerate() {
            market.advance(number, self.now_ns, told);
        }
    }

    /// Takes a user's order, when the flow has done what was due before.
    pub fn submit(
        &mut self,
        market: usize,
        order: &NewOrder,
        now_ns: i64,
        told: &mut Vec<Told>,
    ) -> Result<(), ExchangeError> {
        check_user(order.account, order.id)?;
        self.input(market, now_ns, told, |engine, now_ns, out| engine.submit(order, now_ns, out))
    }

    /// Cancels a user's order.
    pub fn cancel(
        &mut self,
        market: usize,
        account: AccountId,
        order: OrderId,
        now_ns: i64,
        told: &mut Vec<Told>,
    ) -> Result<(), ExchangeError> {
        check_user(account, order)?;
        self.input(market, now_ns, told, |engine, now_ns, out| engine.cancel(account, order, now_ns, out))
    }

    /// Cancels a user's order and takes another in its place, behind all others at its price.
    pub fn replace(
        &mut self,
        market: usize,
        old: OrderId,
        new: &NewOrder,
        now_ns: i64,
        told: &mut Vec<Told>,
    ) -> Result<(), ExchangeError> {
        check_user(new.account, new.id)?;
        self.input(market, now_ns, told, |engine, now_ns, out| engine.replace(old, new, now_ns, out))
    }

    /// Changes price and quantity of a user's resting order; it keeps its place where only the quantity shrinks.
    #[allow(clippy::too_many_arguments, reason = "an order has that many terms")]
    pub fn amend(
        &mut self,
        market: usize,
        account: AccountId,
        order: OrderId,
        price: i64,
        quantity: i64,
        now_ns: i64,
        told: &mut Vec<Told>,
    ) -> Result<(), ExchangeError> {
        check_user(account, order)?;
        self.input(market, now_ns, told, |engine, now_ns, out| {
            engine.amend(account, order, price, quantity, now_ns, out)
        })
    }

    /// Feeds a market's mark price in.
    pub fn set_mark(
        &mut self,
        market: usize,
        price: i64,
        now_ns: i64,
        told: &mut Vec<Told>,
    ) -> Result<(), ExchangeError> {
        self.input(market, now_ns, told, |engine, now_ns, out| engine.set_mark(price, now_ns, out))
    }

    /// A market.
    pub fn market(&self, market: usize) -> Result<&Market, ExchangeError> {
        self.markets.get(market).ok_or(ExchangeError::UnknownMarket(market))
    }

    /// What changed in a market's book since the last call; none where nothing did.
    pub fn take_depth(&mut self, market: usize) -> Result<Option<Depth>, ExchangeError> {
        let market = self.markets.get_mut(market).ok_or(ExchangeError::UnknownMarket(market))?;
        Ok(market.take_depth())
    }

    /// The latest time that was brought in.
    pub fn now_ns(&self) -> i64 {
        self.now_ns
    }

    fn input(
        &mut self,
        number: usize,
        now_ns: i64,
        told: &mut Vec<Told>,
        act: impl FnOnce(&mut crate::matching::Engine, i64, &mut Vec<crate::matching::Output>) -> Result<(), MatchError>,
    ) -> Result<(), ExchangeError> {
        self.now_ns = now_ns.max(self.now_ns);
        let now_ns = self.now_ns;
        let market = self.markets.get_mut(number).ok_or(ExchangeError::UnknownMarket(number))?;
        market.advance(number, now_ns, told);
        Ok(market.input(number, now_ns, told, act)?)
    }
}

fn check_user(account: AccountId, order: OrderId) -> Result<(), ExchangeError> {
    if account.0 < FIRST_USER || order.0 >= FLOW_ORDERS { Err(ExchangeError::Reserved) } else { Ok(()) }
}
