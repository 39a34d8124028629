//! One instrument of a synthetic market: quotes, trades and book updates that agree with each other.

use fastrand::Rng;
use libra_kernel::event::{Aggressor, Quote, Trade};
use libra_kernel::{EventType, Payload};

use super::config::SyntheticInstrument;
use super::ladder::{Ladder, Side, draw_lots};
use super::process::PriceProcess;
use crate::book::BookUpdate;
use crate::listing::Listing;

/// What an instrument does, each at its own rate. At one time they act in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    Quote,
    Trade,
    Book,
}

impl Stream {
    pub(super) const ALL: [Stream; 3] = [Stream::Quote, Stream::Trade, Stream::Book];
}

pub(super) struct Maker {
    config: SyntheticInstrument,
    rng: Rng,
    process: PriceProcess,
    priced_at_ns: i64,
    start_ns: i64,
    bids: Ladder,
    asks: Ladder,
    /// Numbers every change of the book, as a venue does.
    update_id: i64,
    /// `update_id` of the last book event; none before the snapshot.
    told_id: Option<i64>,
    /// True once an update followed the snapshot.
    joined: bool,
    trade_id: i64,
}

impl Maker {
    pub(super) fn new(config: SyntheticInstrument, seed: u64, start_ns: i64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let process = PriceProcess::new(&config);
        let bid = process.ticks() as i64 - config.spread_ticks / 2;
        let bids = Ladder::new(Side::Bid, bid, config.levels, config.level_lots, &mut rng);
        let asks = Ladder::new(Side::Ask, bid + config.spread_ticks, config.levels, config.level_lots, &mut rng);
        Maker {
            config,
            rng,
            process,
            priced_at_ns: start_ns,
            start_ns,
            bids,
            asks,
            update_id: 0,
            told_id: None,
            joined: false,
            trade_id: 0,
        }
    }

    pub(super) fn listing(&self) -> &Listing {
        &self.config.listing
    }

    /// When a stream acts first; `None` when it is switched off. Quote and book begin at the start, so that who listens
    /// knows the market from the first moment.
    pub(super) fn first_due(&mut self, stream: Stream) -> Option<i64> {
        let rate = self.rate(stream);
        match stream {
            _ if rate == 0.0 => None,
            Stream::Quote | Stream::Book => Some(self.start_ns),
            Stream::Trade => Some(self.next_due(stream, self.start_ns)),
        }
    }

    /// When a stream that acted at `ts_ns` acts again: between a half and one and a half of its mean interval later.
    pub(super) fn next_due(&mut self, stream: Stream, ts_ns: i64) -> i64 {
        let interval_ns = 1e9 / self.rate(stream) * (0.5 + self.rng.f64());
        ts_ns.saturating_add((interval_ns as i64).max(1))
    }

    fn rate(&self, stream: Stream) -> f64 {
        match stream {
            Stream::Quote => self.config.quote_rate_hz,
            Stream::Trade => self.config.trade_rate_hz,
            Stream::Book => self.config.book_rate_hz,
        }
    }

    /// Lets a stream act at `ts_ns`; what happens goes to `emit`, in order.
    pub(super) fn act(&mut self, stream: Stream, ts_ns: i64, emit: &mut impl FnMut(EventType, Payload)) {
        match stream {
            Stream::Quote => {
                self.requote(ts_ns);
                emit(EventType::Quote, self.quote(ts_ns));
            }
            Stream::Trade => {
                emit(EventType::Trade, self.trade(ts_ns));
                emit(EventType::Quote, self.quote(ts_ns));
            }
            Stream::Book => emit(EventType::OrderBook, self.book(ts_ns)),
        }
    }

    /// Prices move here and nowhere else.
    fn requote(&mut self, ts_ns: i64) {
        let rng = &mut self.rng;
        let seconds = (ts_ns - self.priced_at_ns) as f64 * 1e-9;
        self.priced_at_ns = ts_ns;
        self.process.advance(seconds, rng);
        let widest = self.config.spread_ticks * 2 - 1;
        let mut spread = self.asks.best() - self.bids.best();
        // The spread takes a step of one tick now and then, between one tick and what makes its average right.
        match rng.u32(..16) {
            0 => spread = (spread + 1).min(widest),
            1 => spread = (spread - 1).max(1),
            _ => {}
        }
        let bid = (self.process.ticks() - spread as f64 * 0.5).round() as i64;
        self.bids.move_to(bid, rng);
        self.asks.move_to(bid + spread, rng);
        let side = if rng.bool() { &mut self.bids } else { &mut self.asks };
        side.redraw(0, rng);
        let (levels, deep) = (self.config.levels, if rng.bool() { &mut self.bids } else { &mut self.asks });
        deep.redraw(rng.usize(1..levels), rng);
        self.update_id += 4;
    }

    fn quote(&self, ts_ns: i64) -> Payload {
        let (tick, lot) = (self.config.tick_size, self.config.lot_size);
        Payload::Quote(Quote {
            bid: self.bids.best() * tick,
            ask: self.asks.best() * tick,
            bid_size: self.bids.best_lots() * lot,
            ask_size: self.asks.best_lots() * lot,
            ts_venue_ns: ts_ns,
            venue_seq: self.update_id,
        })
    }

    /// A market order of someone: with a trend there are more in its direction.
    fn trade(&mut self, ts_ns: i64) -> Payload {
        let rng = &mut self.rng;
        let buyer = rng.f64() < 0.5 + 0.2 * self.process.regime().sign();
        let lots = draw_lots(self.config.trade_lots, rng);
        let (aggressor, side) =
            if buyer { (Aggressor::Buyer, &mut self.asks) } else { (Aggressor::Seller, &mut self.bids) };
        let (price, lots) = (side.best(), side.take(lots, rng));
        self.update_id += 1;
        self.trade_id += 1;
        Payload::Trade(Trade {
            price: price * self.config.tick_size,
            size: lots * self.config.lot_size,
            trade_id: self.trade_id,
            ts_venue_ns: ts_ns,
            aggressor,
        })
    }

    /// The next book event tells the whole book again.
    pub(super) fn retell(&mut self) {
        self.told_id = None;
        self.joined = false;
        self.bids.forget();
        self.asks.forget();
    }

    /// The whole book first, then what changed since the last time, linked by `previous_id` as futures are.
    fn book(&mut self, ts_ns: i64) -> Payload {
        // A deep level moves with every book event, so that there is something to tell.
        let level = self.rng.usize(1..self.config.levels);
        self.bids.redraw(level, &mut self.rng);
        self.update_id += 1;
        let (tick, lot) = (self.config.tick_size, self.config.lot_size);
        let (bids, asks) = (self.bids.tell(tick, lot), self.asks.tell(tick, lot));
        let last_id = self.update_id;
        let (first_id, previous_id) = match self.told_id {
            None => (last_id, -1),
            // Binance's rule to join a snapshot: the first update has U <= lastUpdateId <= u.
            Some(told) if !self.joined => (told, told),
            Some(told) => (told + 1, told),
        };
        self.joined = self.told_id.is_some();
        let snapshot = self.told_id.replace(last_id).is_none();
        Payload::shared(BookUpdate { snapshot, first_id, last_id, previous_id, ts_venue_ns: ts_ns, bids, asks })
    }
}
