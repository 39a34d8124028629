//! What an `ORDER_BOOK` event carries, and the L2 book that it updates.
//!
//! - this file — [`BookUpdate`], one frame of a venue;
//! - `l2` — [`L2Book`]: when a frame may be applied (snapshots, sequence rules, gaps);
//! - `side` — one side's levels in order of price; its storage may be changed without reading further.
//!
//! Frames go in, best prices and levels come out; nothing here knows a venue's text format.

mod l2;
mod side;

pub use l2::{BookOutcome, L2Book};

use std::any::Any;

use libra_kernel::SharedPayload;
use libra_kernel::digest::Digest;
use libra_kernel::fixed::{DecimalError, rescale};

/// A price level: price and total size there, in units of the event's decimals. Size 0 removes the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Price.
    pub price: i64,
    /// Size at the price.
    pub size: i64,
}

/// A change of an order book, or a snapshot of it: one frame of the venue, in the venue's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookUpdate {
    /// True for a snapshot, which replaces the book; false for a delta.
    pub snapshot: bool,
    /// First update id of the frame (`U`); in a snapshot `lastUpdateId`.
    pub first_id: i64,
    /// Last update id of the frame (`u`); in a snapshot `lastUpdateId`.
    pub last_id: i64,
    /// Last update id of the frame before (`pu`), -1 where the venue sends none.
    pub previous_id: i64,
    /// The venue's time, nanoseconds since the epoch, 0 where it sends none.
    pub ts_venue_ns: i64,
    /// Bids, as the venue lists them.
    pub bids: Vec<Level>,
    /// Asks, as the venue lists them.
    pub asks: Vec<Level>,
}

impl BookUpdate {
    /// The update with prices and sizes in other decimals, each pair (price, size): exact, or an error.
    pub fn rescaled(&self, from: (u8, u8), to: (u8, u8)) -> Result<BookUpdate, DecimalError> {
        let mut update = self.clone();
        for level in update.bids.iter_mut().chain(&mut update.asks) {
            rescale(&mut level.price, from.0, to.0)?;
            rescale(&mut level.size, from.1, to.1)?;
        }
        Ok(update)
    }
}

impl SharedPayload for BookUpdate {
    fn kind(&self) -> &'static str {
        "book"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.u64(u64::from(self.snapshot));
        for value in [self.first_id, self.last_id, self.previous_id, self.ts_venue_ns] {
            digest.i64(value);
        }
        for side in [&self.bids, &self.asks] {
            digest.u64(side.len() as u64);
            for level in side {
                digest.i64(level.price);
                digest.i64(level.size);
            }
        }
    }

    fn is_snapshot(&self) -> bool {
        self.snapshot
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
