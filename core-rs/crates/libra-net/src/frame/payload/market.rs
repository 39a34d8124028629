//! Market data: 48, 33, 52 bytes, and books.

use libra_kernel::event::{Aggressor, Bar, Quote, Trade};
use libra_market::book::{BookUpdate, Level};

use super::super::cursor::Cursor;
use super::super::error::{EncodeError, Fault};
use super::{Sink, Wire};

fn put<const N: usize>(fields: &mut [u8], values: [i64; N]) {
    for (place, value) in fields.chunks_exact_mut(8).zip(values) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

#[inline(always)]
pub fn quote(quote: &Quote) -> [u8; 48] {
    let mut fields = [0; 48];
    let Quote { bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq } = *quote;
    put(&mut fields, [bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq]);
    fields
}

#[inline(always)]
pub fn read_quote(cursor: &mut Cursor<'_>) -> Result<Quote, Fault> {
    let [bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq] = read(cursor.array::<48>()?);
    Ok(Quote { bid, ask, bid_size, ask_size, ts_venue_ns, venue_seq })
}

#[inline(always)]
pub fn trade(trade: &Trade) -> [u8; 33] {
    let mut fields = [0; 33];
    put(&mut fields[..32], [trade.price, trade.size, trade.trade_id, trade.ts_venue_ns]);
    fields[32] = trade.aggressor as u8;
    fields
}

#[inline(always)]
pub fn read_trade(cursor: &mut Cursor<'_>) -> Result<Trade, Fault> {
    let [price, size, trade_id, ts_venue_ns] = read(cursor.array::<32>()?);
    let aggressor = match cursor.u8()? {
        0 => Aggressor::Unknown,
        1 => Aggressor::Buyer,
        2 => Aggressor::Seller,
        _ => return Err(Fault::Value),
    };
    Ok(Trade { price, size, trade_id, ts_venue_ns, aggressor })
}

#[inline(always)]
pub fn bar(bar: &Bar) -> [u8; 52] {
    let mut fields = [0; 52];
    put(&mut fields[..48], [bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ts_open_ns]);
    fields[48..].copy_from_slice(&bar.interval_ms.to_le_bytes());
    fields
}

#[inline(always)]
pub fn read_bar(cursor: &mut Cursor<'_>) -> Result<Bar, Fault> {
    let [open, high, low, close, volume, ts_open_ns] = read(cursor.array::<48>()?);
    Ok(Bar { open, high, low, close, volume, ts_open_ns, interval_ms: cursor.u32()? })
}

#[inline(always)]
fn read<const BYTES: usize, const N: usize>(fields: [u8; BYTES]) -> [i64; N] {
    const { assert!(BYTES == 8 * N) };
    let mut values = [0; N];
    for (value, field) in values.iter_mut().zip(fields.as_chunks::<8>().0) {
        *value = i64::from_le_bytes(*field);
    }
    values
}

impl Wire for BookUpdate {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        let to = &mut *sink.to;
        to.push(u8::from(self.snapshot));
        for value in [self.first_id, self.last_id, self.previous_id, self.ts_venue_ns] {
            to.extend_from_slice(&value.to_le_bytes());
        }
        for side in [&self.bids, &self.asks] {
            let count = u32::try_from(side.len()).map_err(|_| EncodeError::ListTooLong(side.len()))?;
            to.extend_from_slice(&count.to_le_bytes());
        }
        for level in self.bids.iter().chain(&self.asks) {
            to.extend_from_slice(&level.price.to_le_bytes());
            to.extend_from_slice(&level.size.to_le_bytes());
        }
        Ok(())
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let snapshot = cursor.flag()?;
        let [first_id, last_id, previous_id, ts_venue_ns] = read(cursor.array::<32>()?);
        let (bids, asks) = (cursor.u32()?, cursor.u32()?);
        let (bids, asks) = (side(cursor, bids)?, side(cursor, asks)?);
        Ok(BookUpdate { snapshot, first_id, last_id, previous_id, ts_venue_ns, bids, asks })
    }
}

/// So many levels, taken out of the cursor before anything is allocated for them.
fn side(cursor: &mut Cursor<'_>, count: u32) -> Result<Vec<Level>, Fault> {
    let length = (count as usize).checked_mul(16).ok_or(Fault::Short)?;
    let levels = cursor.bytes(length)?.as_chunks::<16>().0;
    Ok(levels
        .iter()
        .map(|field| {
            let [price, size] = read(*field);
            Level { price, size }
        })
        .collect())
}
