//! Trading: an order against the other side of the book, best price first, at one price first come first.

use super::engine::Engine;
use super::enter::{accepts, opposite};
use super::order::{AccountId, SelfTrade};
use super::output::{EndReason, Event, Sink, Trade};
use super::slab::{Order, Place};
use crate::instrument::Money;

/// Why an order trades no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It has all that it wanted.
    Filled,
    /// Nothing is left that it may trade with.
    Dry,
    /// The next one is of its own account.
    SelfTrade,
}

impl Engine {
    /// Trades until the order has what it wants, by quantity or, where there is a `budget`, by quote currency.
    ///
    /// Each level is told once, when the order has left it. A fill may take other orders out of the book, which may only
    /// reduce a position that is smaller now: so the best is looked up anew each time.
    pub(super) fn sweep(&mut self, order: &mut Order, mut budget: Option<Money>, sink: &mut impl Sink) -> Stop {
        let side = opposite(order.side);
        let mut untold = None;
        let stop = loop {
            if order.left() == 0 {
                break Stop::Filled;
            }
            let Some(level) = self.ladders.best(Place::book(side)) else { break Stop::Dry };
            let (price, slot) = (level.price, level.head);
            if !accepts(order, price) {
                break Stop::Dry;
            }
            let mut wanted = order.left();
            if let Some(budget) = budget {
                let affordable = budget / (self.rules.unit * Money::from(price));
                wanted = i64::try_from(affordable).unwrap_or(i64::MAX).min(wanted);
                wanted -= wanted % self.rules.lot;
                if wanted == 0 {
                    break Stop::Filled;
                }
            }
            let maker = self.orders[slot];
            if maker.account == order.account && order.self_trade != SelfTrade::Allow {
                if order.self_trade != SelfTrade::ExpireTaker {
                    self.end(slot, EndReason::SelfTrade, sink);
                    untold = None;
                }
                if order.self_trade != SelfTrade::ExpireMaker {
                    break Stop::SelfTrade;
                }
                continue;
            }
            let quantity = wanted.min(maker.left());
            if let Some(budget) = &mut budget {
                // No more than was found to be affordable.
                *budget -= self.rules.unit * Money::from(price) * Money::from(quantity);
            }
            let total = self.trade(order, slot, price, quantity, budget.is_some(), sink);
            if total == 0 {
                self.tell_level(side, price, 0, sink);
            }
            untold = (total != 0).then_some(price);
            for account in [maker.account, order.account] {
                self.cut_to_position(account, sink);
            }
        };
        if let Some(price) = untold {
            // What was cut meanwhile has told its level; one that is gone is told.
            if let Some(total) =
                self.ladders.best(Place::book(side)).filter(|level| level.price == price).map(|l| l.total)
            {
                self.tell_level(side, price, total, sink);
            }
        }
        stop
    }

    /// One trade. Gives what is left at its price.
    fn trade(
        &mut self,
        taker: &mut Order,
        slot: u32,
        price: i64,
        quantity: i64,
        by_quote: bool,
        sink: &mut impl Sink,
    ) -> i64 {
        let maker = self.orders[slot];
        taker.filled += quantity;
        let maker_left = maker.left() - quantity;
        let total = if maker_left == 0 {
            self.take_out(slot)
        } else {
            self.orders[slot].filled += quantity;
            self.open -= quantity;
            self.ladders.shrink(&maker, quantity)
        };
        self.accounts.trade(maker.account, maker.side, quantity);
        self.accounts.trade(taker.account, taker.side, quantity);
        self.last = Some(price);
        let (low, high) = self.reached.unwrap_or((price, price));
        self.reached = Some((low.min(price), high.max(price)));
        self.trade_id += 1;
        let trade = Trade {
            id: self.trade_id,
            price,
            quantity,
            taker: taker.id,
            maker: maker.id,
            taker_account: AccountId(taker.account),
            maker_account: AccountId(maker.account),
            taker_left: (!by_quote).then(|| taker.left()),
            maker_left,
            maker_side: maker.side,
        };
        self.tell(Event::Trade(trade), sink);
        total
    }

    /// Whether all of the order could be had at once, tried without doing it.
    pub(super) fn is_fillable(&mut self, order: &Order) -> bool {
        let side = opposite(order.side);
        let place = Place::book(side);
        let mut wanted = order.left();
        if order.self_trade == SelfTrade::Allow && self.shrinking[side as usize] == 0 {
            for level in self.ladders.levels(place).take_while(|level| accepts(order, level.price)) {
                wanted -= level.total.min(wanted);
                if wanted == 0 {
                    return true;
                }
            }
            return false;
        }
        let mut tried = std::mem::take(&mut self.tried);
        let fillable = self.try_orders(order, &mut tried);
        tried.clear();
        self.tried = tried;
        fillable
    }

    /// As [`Engine::is_fillable`], order by order: `tried` is given the makers' positions as they would become, by which
    /// those that may only reduce are cut. All makers are on one side, so their positions only go one way, and the taker's
    /// own goes away from what would cut its orders there.
    fn try_orders(&self, order: &Order, tried: &mut Vec<(u32, i128)>) -> bool {
        let side = opposite(order.side);
        let mut wanted = order.left();
        for level in self.ladders.levels(Place::book(side)).take_while(|level| accepts(order, level.price)) {
            for slot in self.ladders.queue(&self.orders, level) {
                let maker = &self.orders[slot];
                let own = maker.account == order.account;
                match order.self_trade {
                    SelfTrade::ExpireMaker if own => continue,
                    SelfTrade::ExpireTaker | SelfTrade::ExpireBoth if own => return false,
                    _ => {}
                }
                let mut here = maker.left().min(wanted);
                if self.shrinking[side as usize] != 0 && !own {
                    let at = tried.iter().position(|known| known.0 == maker.account).unwrap_or_else(|| {
                        tried.push((maker.account, self.room(maker.account, side)));
                        tried.len() - 1
                    });
                    let room = &mut tried[at].1;
                    if maker.reduce_only {
                        here = i64::try_from((*room).max(0)).unwrap_or(i64::MAX).min(here);
                    }
                    *room -= i128::from(here);
                }
                wanted -= here;
                if wanted == 0 {
                    return true;
                }
            }
        }
        false
    }
}
