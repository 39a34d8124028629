//! The market data that fits into an event. Prices and sizes are in units of the event's decimals.

use crate::digest::Digest;

/// Best bid and offer. A side that is empty has price 0 and size 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// Best bid price.
    pub bid: i64,
    /// Best ask price.
    pub ask: i64,
    /// Size at the best bid.
    pub bid_size: i64,
    /// Size at the best ask.
    pub ask_size: i64,
    /// The venue's time, nanoseconds since the epoch, 0 where it sends none.
    pub ts_venue_ns: i64,
    /// The venue's own sequence (`venue_seq`), 0 where it sends none.
    pub venue_seq: i64,
}

/// Who took liquidity in a trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Aggressor {
    /// The venue does not say.
    #[default]
    Unknown = 0,
    /// The buyer.
    Buyer = 1,
    /// The seller.
    Seller = 2,
}

/// A trade of the market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trade {
    /// Price.
    pub price: i64,
    /// Size.
    pub size: i64,
    /// The venue's id of the trade.
    pub trade_id: i64,
    /// The venue's time, nanoseconds since the epoch, 0 where it sends none.
    pub ts_venue_ns: i64,
    /// Who took liquidity.
    pub aggressor: Aggressor,
}

/// Open, high, low, close and volume of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// First price.
    pub open: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Last price.
    pub close: i64,
    /// Sum of sizes.
    pub volume: i64,
    /// Start of the interval, nanoseconds since the epoch.
    pub ts_open_ns: i64,
    /// Length of the interval in milliseconds.
    pub interval_ms: u32,
}

impl Quote {
    pub(super) fn digest(&self, digest: &mut Digest) {
        digest.u64(1);
        for value in [self.bid, self.ask, self.bid_size, self.ask_size, self.ts_venue_ns, self.venue_seq] {
            digest.i64(value);
        }
    }
}

impl Trade {
    pub(super) fn digest(&self, digest: &mut Digest) {
        digest.u64(2);
        for value in [self.price, self.size, self.trade_id, self.ts_venue_ns, self.aggressor as i64] {
            digest.i64(value);
        }
    }
}

impl Bar {
    pub(super) fn digest(&self, digest: &mut Digest) {
        digest.u64(3);
        for value in
            [self.open, self.high, self.low, self.close, self.volume, self.ts_open_ns, i64::from(self.interval_ms)]
        {
            digest.i64(value);
        }
    }
}
