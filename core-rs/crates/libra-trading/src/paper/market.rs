//! What the venue shows of one instrument: the newest top of the book, the levels behind it, and how much of each our
//! own orders have taken already.
//!
//! Quotes and book frames arrive on streams of their own, a book frame up to 100 ms late. The newer of the two gives
//! the top; levels behind it come from the book as long as it is synced and not too old. What we take is remembered by
//! price until the venue shows that level with another size, because the recorded market does not know of our orders.

use std::collections::BTreeMap;

use libra_kernel::event::Quote;
use libra_market::book::{BookOutcome, BookUpdate, L2Book, Level};

use crate::order::OrderSide;

/// Taken levels remembered a side. Where no book shows the levels behind the top, those that the market has left would
/// stay for ever.
const MAX_TAKEN: usize = 256;

/// What we took of a level since the venue showed it with this size.
#[derive(Clone, Copy, Debug)]
struct Taken {
    shown: i64,
    size: i64,
}

/// One instrument's market.
#[derive(Debug, Default)]
pub(super) struct MarketView {
    quote: Quote,
    quote_ns: i64,
    has_quote: bool,
    book: L2Book,
    book_ns: i64,
    /// By price, for what a buy takes (asks) and what a sell takes (bids).
    taken: [BTreeMap<i64, Taken>; 2],
    /// When anything was last heard of the instrument; `i64::MIN` for never.
    pub(super) last_ns: i64,
}

impl MarketView {
    pub(super) fn new() -> Self {
        MarketView { last_ns: i64::MIN, ..MarketView::default() }
    }

    pub(super) fn on_quote(&mut self, quote: &Quote, ts_ns: i64) {
        let before = self.quote;
        (self.quote, self.quote_ns, self.has_quote) = (*quote, ts_ns, true);
        for (side, was, is) in [
            (OrderSide::Buy, (before.ask, before.ask_size), (quote.ask, quote.ask_size)),
            (OrderSide::Sell, (before.bid, before.bid_size), (quote.bid, quote.bid_size)),
        ] {
            if was != is && !self.taken[side as usize].is_empty() {
                let taken = &mut self.taken[side as usize];
                // Levels better than the new top are gone from the market.
                taken.retain(|price, _| !is_better(side, *price, is.0));
                forget_if_changed(taken, is.0, is.1);
            }
        }
    }

    pub(super) fn on_book(&mut self, update: &BookUpdate, ts_ns: i64) -> BookOutcome {
        let outcome = self.book.apply(update);
        if outcome != BookOutcome::Applied {
            return outcome;
        }
        self.book_ns = ts_ns;
        let fresh = self.book_is_newest();
        for side in [OrderSide::Buy, OrderSide::Sell] {
            let taken = &mut self.taken[side as usize];
            if taken.is_empty() {
                continue;
            }
            let top = if side == OrderSide::Buy { self.quote.ask } else { self.quote.bid };
            // While the quote is newer, what the book says of the top and of what lies before it is old news.
            let old_news = |price: i64| !fresh && (price == top || is_better(side, price, top));
            let book = &self.book;
            taken.retain(|&price, entry| {
                let now = if side == OrderSide::Buy { book.ask_size(price) } else { book.bid_size(price) };
                old_news(price) || now == entry.shown
            });
        }
        outcome
    }

    /// True when the book says at least as much about the top as the quote does: it came later, and where both carry
    /// the venue's ids it is not behind by them either.
    fn book_is_newest(&self) -> bool {
        let behind_by_id =
            self.quote.venue_seq > 0 && self.book.last_id() > 0 && self.book.last_id() < self.quote.venue_seq;
        self.book.is_synced() && (!self.has_quote || (self.book_ns >= self.quote_ns && !behind_by_id))
    }

    /// True when the levels behind the top come from the book.
    pub(super) fn has_depth(&self, max_book_lag_ns: i64) -> bool {
        self.book_is_newest()
            || (self.book.is_synced()
                && max_book_lag_ns > 0
                && self.quote_ns.saturating_sub(self.book_ns) <= max_book_lag_ns)
    }

    /// The top that an order of this side would take from, whatever we took of it already.
    pub(super) fn top(&self, side: OrderSide) -> Option<Level> {
        let level = match (self.book_is_newest(), side) {
            (true, OrderSide::Buy) => self.book.best_ask(),
            (true, OrderSide::Sell) => self.book.best_bid(),
            (false, OrderSide::Buy) => Some(Level { price: self.quote.ask, size: self.quote.ask_size }),
            (false, OrderSide::Sell) => Some(Level { price: self.quote.bid, size: self.quote.bid_size }),
        };
        level.filter(|level| level.price > 0 && level.size > 0)
    }

    /// What is shown and not taken yet for an order of `side`, the best first, no worse than `limit`, until `size` is
    /// covered: `(price, shown, available)`.
    pub(super) fn available(&self, side: OrderSide, limit: Option<i64>, size: i64, lag_ns: i64) -> Vec<Offer> {
        let mut offers = Vec::new();
        let Some(top) = self.top(side) else { return offers };
        let mut left = size;
        let mut add = |level: Level| {
            if left <= 0 || level.price <= 0 || limit.is_some_and(|limit| is_better(side, limit, level.price)) {
                return false;
            }
            let size = self.left_of(side, level).min(left);
            if size > 0 {
                offers.push(Offer { price: level.price, shown: level.size, size });
                left -= size;
            }
            true
        };
        if add(top) && self.has_depth(lag_ns) {
            match side {
                OrderSide::Buy => self.book.asks_above(top.price).all(&mut add),
                OrderSide::Sell => self.book.bids_below(top.price).all(&mut add),
            };
        }
        offers
    }

    /// What is left of a level as it is shown now.
    pub(super) fn left_of(&self, side: OrderSide, level: Level) -> i64 {
        let taken = self.taken[side as usize].get(&level.price).map_or(0, |taken| taken.size);
        level.size.saturating_sub(taken).max(0)
    }

    /// Remembers that an order of `side` took `size` at `price`.
    pub(super) fn take(&mut self, side: OrderSide, price: i64, shown: i64, size: i64) {
        let taken = &mut self.taken[side as usize];
        let entry = taken.entry(price).or_insert(Taken { shown, size: 0 });
        entry.shown = shown;
        entry.size = entry.size.saturating_add(size);
        if taken.len() > MAX_TAKEN {
            match side {
                OrderSide::Buy => taken.pop_last(),
                OrderSide::Sell => taken.pop_first(),
            };
        }
    }
}

/// A part of what is shown that an order may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) price: i64,
    pub(super) shown: i64,
    pub(super) size: i64,
}

/// True when `price` is strictly better for an order of `side` than `other`.
pub(super) fn is_better(side: OrderSide, price: i64, other: i64) -> bool {
    match side {
        OrderSide::Buy => price < other,
        OrderSide::Sell => price > other,
    }
}

fn forget_if_changed(taken: &mut BTreeMap<i64, Taken>, price: i64, shown: i64) {
    if taken.get(&price).is_some_and(|entry| entry.shown != shown) {
        taken.remove(&price);
    }
}
