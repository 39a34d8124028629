//! The others in a market: a source of market data, made up or recorded, whose book is held by orders of one account and
//! whose trades are made by another.
//!
//! A level of the source's book is one order of [`MAKER`], changed when the level changes. A trade of the source is an order
//! of [`TAKER`] that takes what it took, at its price or better: where a user stands before the flow, the user trades. A
//! quote that has no book beside it moves the best levels alone. The flow never trades with itself: before a level is set,
//! the maker's own orders that it would meet are cancelled.

use std::collections::{BTreeMap, BTreeSet};

use libra_kernel::event::{Aggressor, Quote, Trade as MarketTrade};
use libra_kernel::{Event as MarketEvent, Payload};
use libra_market::book::{BookUpdate, Level};
use libra_market::source::Source;

use super::FLOW_ORDERS;
use crate::instrument::Instrument;
use crate::matching::{AccountId, Engine, NewOrder, OrderId, Output, Trade};
use crate::order::{OrderSide, TimeInForce};

/// Whose orders are the source's book.
pub(super) const MAKER: AccountId = AccountId(0);
/// Whose orders are the source's trades.
pub(super) const TAKER: AccountId = AccountId(1);

/// The maker's orders of one side, by price.
type Orders = BTreeMap<i64, OrderId>;

pub(super) struct Flow {
    source: Box<dyn Source>,
    offset_ns: i64,
    decimals: (u8, u8),
    lot: i64,
    least: i64,
    most: i64,
    levels: usize,
    bids: Orders,
    asks: Orders,
    next_id: u64,
    refused: u64,
}

impl Flow {
    pub(super) fn new(instrument: &Instrument, source: Box<dyn Source>, offset_ns: i64, levels: usize) -> Flow {
        Flow {
            source,
            offset_ns,
            decimals: (instrument.price_decimals, instrument.size_decimals),
            lot: instrument.lot_size,
            least: instrument.min_size.max(instrument.lot_size),
            most: instrument.max_size,
            levels: levels.max(1),
            bids: Orders::new(),
            asks: Orders::new(),
            next_id: FLOW_ORDERS,
            refused: 0,
        }
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// When it acts next; none at its end.
    pub(super) fn next_ns(&mut self) -> Option<i64> {
        self.source.peek_ts_ns().map(|ts_ns| ts_ns.saturating_add(self.offset_ns))
    }

    /// Does the next thing, at `ts_ns`.
    pub(super) fn act(&mut self, engine: &mut Engine, ts_ns: i64, out: &mut Vec<Output>) {
        let Some(event) = self.source.next() else { return };
        // What is more precise than the instrument cannot be traded here.
        let Some(event) = self.in_our_decimals(event) else {
            self.refused += 1;
            return;
        };
        match &event.payload {
            Payload::Quote(quote) => self.on_quote(quote, engine, ts_ns, out),
            Payload::Trade(trade) => self.on_market_trade(trade, engine, ts_ns, out),
            payload => {
                if let Some(update) = payload.downcast::<BookUpdate>() {
                    self.on_book(update, engine, ts_ns, out);
                }
            }
        }
    }

    /// Forgets an order of the maker that is filled.
    pub(super) fn on_trade(&mut self, trade: &Trade) {
        let gone = if trade.maker_account == MAKER && trade.maker_left == 0 {
            Some((trade.maker_side, trade.price, trade.maker))
        } else {
            None
        };
        if let Some((side, price, id)) = gone
            && self.side(side).get(&price) == Some(&id)
        {
            self.side(side).remove(&price);
        }
    }

    fn in_our_decimals(&self, event: MarketEvent) -> Option<MarketEvent> {
        let (price, size) = self.decimals;
        let theirs = (event.price_decimals, event.size_decimals);
        if theirs == self.decimals {
            return Some(event);
        }
        match event.payload.downcast::<BookUpdate>() {
            Some(update) => {
                let payload = Payload::shared(update.rescaled(theirs, self.decimals).ok()?);
                Some(MarketEvent { payload, ..event })
            }
            None => event.rescaled(price, size).ok(),
        }
    }

    fn on_quote(&mut self, quote: &Quote, engine: &mut Engine, ts_ns: i64, out: &mut Vec<Output>) {
        self.clear_beyond(OrderSide::Buy, quote.bid, engine, ts_ns, out);
        self.clear_beyond(OrderSide::Sell, quote.ask, engine, ts_ns, out);
        self.set(OrderSide::Buy, quote.bid, quote.bid_size, engine, ts_ns, out);
        self.set(OrderSide::Sell, quote.ask, quote.ask_size, engine, ts_ns, out);
        self.trim(engine, ts_ns, out);
    }

    fn on_book(&mut self, update: &BookUpdate, engine: &mut Engine, ts_ns: i64, out: &mut Vec<Output>) {
        let both = [(OrderSide::Buy, &update.bids), (OrderSide::Sell, &update.asks)];
        for (side, levels) in both {
            let told: BTreeSet<i64> = levels.iter().filter(|level| level.size > 0).map(|level| level.price).collect();
            let gone: Vec<i64> = if update.snapshot {
                self.side(side).keys().filter(|price| !told.contains(price)).copied().collect()
            } else {
                levels.iter().filter(|level| level.size == 0).map(|level| level.price).collect()
            };
            for price in gone {
                self.clear(side, price, engine, ts_ns, out);
            }
        }
        for (side, levels) in both {
            for Level { price, size } in levels.iter().filter(|level| level.size > 0) {
                self.set(side, *price, *size, engine, ts_ns, out);
            }
        }
        self.trim(engine, ts_ns, out);
    }

    fn on_market_trade(&mut self, trade: &MarketTrade, engine: &mut Engine, ts_ns: i64, out: &mut Vec<Output>) {
        let side = match trade.aggressor {
            Aggressor::Buyer => OrderSide::Buy,
            Aggressor::Seller => OrderSide::Sell,
            Aggressor::Unknown => return,
        };
        let quantity = self.quantity(trade.size);
        if quantity == 0 {
            return;
        }
        let order = NewOrder {
            time_in_force: TimeInForce::Ioc,
            ..NewOrder::limit(self.id(), TAKER, side, trade.price, quantity)
        };
        self.refused += u64::from(engine.submit(&order, ts_ns, out).is_err());
    }

    /// Makes the maker's order at a price one of `size`.
    fn set(&mut self, side: OrderSide, price: i64, size: i64, engine: &mut Engine, ts_ns: i64, out: &mut Vec<Output>) {
        let quantity = self.quantity(size);
        if quantity == 0 {
            return self.clear(side, price, engine, ts_ns, out);
        }
        // What the maker has on the other side at this price or beyond is older, and has to go.
        self.clear_met(side, price, engine, ts_ns, out);
        if let Some(id) = self.side(side).get(&price).copied() {
            if let Some(working) = engine.order(id) {
                let whole = working.filled.saturating_add(quantity);
                if whole <= self.most {
                    if whole != working.quantity {
                        self.refused += u64::from(engine.amend(MAKER, id, price, whole, ts_ns, out).is_err());
                    }
                    return;
                }
            }
            self.clear(side, price, engine, ts_ns, out);
        }
        let id = self.id();
        if engine.submit(&NewOrder::limit(id, MAKER, side, price, quantity), ts_ns, out).is_err() {
            self.refused += 1;
        } else if engine.order(id).is_some() {
            self.side(side).insert(price, id);
        }
    }

    fn clear(&mut self, side: OrderSide, price: i64, engine: &mut Engine, ts_ns: i64, out: &mut Vec<Output>) {
        if let Some(id) = self.side(side).remove(&price) {
            // It may have been filled within the same step, which is told afterwards.
            if engine.order(id).is_some() {
                self.refused += u64::from(engine.cancel(MAKER, id, ts_ns, out).is_err());
            }
        }
    }

    /// Clears what is better than the best level.
    fn clear_beyond(&mut self, side: OrderSide, best: i64, engine: &mut Engine, ts_ns: i64, out: &mut Vec<Output>) {
        while let Some(price) = self.best(side).filter(|price| is_better(side, *price, best)) {
            self.clear(side, price, engine, ts_ns, out);
        }
    }

    /// Clears what an order of `side` at `price` would meet.
    fn clear_met(&mut self, side: OrderSide, price: i64, engine: &mut Engine, ts_ns: i64, out: &mut Vec<Output>) {
        let other = if side == OrderSide::Buy { OrderSide::Sell } else { OrderSide::Buy };
        while let Some(met) = self.best(other).filter(|met| *met == price || is_better(other, *met, price)) {
            self.clear(other, met, engine, ts_ns, out);
        }
    }

    /// Clears the worst levels where there are too many: a quote may leave levels that no book tells of.
    fn trim(&mut self, engine: &mut Engine, ts_ns: i64, out: &mut Vec<Output>) {
        for side in [OrderSide::Buy, OrderSide::Sell] {
            while self.side(side).len() > self.levels
                && let Some(price) = self.worst(side)
            {
                self.clear(side, price, engine, ts_ns, out);
            }
        }
    }

    fn side(&mut self, side: OrderSide) -> &mut Orders {
        if side == OrderSide::Buy { &mut self.bids } else { &mut self.asks }
    }

    fn best(&mut self, side: OrderSide) -> Option<i64> {
        let orders = self.side(side);
        let first = if side == OrderSide::Buy { orders.last_key_value() } else { orders.first_key_value() };
        first.map(|(price, _)| *price)
    }

    fn worst(&mut self, side: OrderSide) -> Option<i64> {
        let orders = self.side(side);
        let last = if side == OrderSide::Buy { orders.first_key_value() } else { orders.last_key_value() };
        last.map(|(price, _)| *price)
    }

    /// A size as the instrument allows it, 0 where it is too small.
    fn quantity(&self, size: i64) -> i64 {
        let size = size.min(self.most);
        let whole = size - size % self.lot;
        if whole < self.least { 0 } else { whole }
    }

    fn id(&mut self) -> OrderId {
        self.next_id += 1;
        OrderId(self.next_id)
    }
}

/// Whether `price` is better for its side than `than`.
fn is_better(side: OrderSide, price: i64, than: i64) -> bool {
    if side == OrderSide::Buy { price > than } else { price < than }
}
