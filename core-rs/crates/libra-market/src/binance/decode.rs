//! Fields to quotes, trades and book updates, in units of the instrument's decimals.

use libra_kernel::event::{Aggressor, Quote, Trade};

use super::error::FrameError;
use super::fields::{Field, Fields};
use super::number::{infer_decimals, parse_units};
use crate::book::{BookUpdate, Level};

/// Decimals of prices and of sizes.
pub(super) type Decimals = (u8, u8);

/// Best bid and offer. A side is either empty, price and size 0, or both are positive.
pub(super) fn quote(fields: &Fields<'_, '_>, decimals: Decimals) -> Result<Quote, FrameError> {
    let (bid, bid_size) = quote_side(fields, decimals, Field::Bid, Field::BidSize)?;
    let (ask, ask_size) = quote_side(fields, decimals, Field::Ask, Field::AskSize)?;
    Ok(Quote {
        bid,
        ask,
        bid_size,
        ask_size,
        ts_venue_ns: venue_time_ns(fields)?,
        venue_seq: fields.integer(Field::LastId)?.unwrap_or(0),
    })
}

fn quote_side(
    fields: &Fields<'_, '_>,
    decimals: Decimals,
    price_field: Field,
    size_field: Field,
) -> Result<(i64, i64), FrameError> {
    let price = number(price_field.name(), fields.need_text(price_field)?, decimals.0)?;
    let size = number(size_field.name(), fields.need_text(size_field)?, decimals.1)?;
    match (price, size) {
        (0, 0) | (1.., 1..) => Ok((price, size)),
        (..=0, _) => Err(FrameError::Value { field: price_field.name(), value: price }),
        _ => Err(FrameError::Value { field: size_field.name(), value: size }),
    }
}

/// A trade; `None` when price and size are 0, which futures send as `"X":"NA"` for an entry that is no trade.
pub(super) fn trade(fields: &Fields<'_, '_>, decimals: Decimals) -> Result<Option<Trade>, FrameError> {
    let price = number(Field::Price.name(), fields.need_text(Field::Price)?, decimals.0)?;
    let size = number(Field::Size.name(), fields.need_text(Field::Size)?, decimals.1)?;
    if price == 0 && size == 0 && fields.has(Field::TradeKind) {
        return Ok(None);
    }
    for (field, value) in [(Field::Price, price), (Field::Size, size)] {
        if value <= 0 {
            return Err(FrameError::Value { field: field.name(), value });
        }
    }
    let aggressor = match fields.truth(Field::BuyerIsMaker)? {
        Some(true) => Aggressor::Seller,
        Some(false) => Aggressor::Buyer,
        None => return Err(FrameError::Missing(Field::BuyerIsMaker.name())),
    };
    let trade_id = fields.need_integer(Field::TradeId)?;
    Ok(Some(Trade { price, size, trade_id, ts_venue_ns: venue_time_ns(fields)?, aggressor }))
}

/// Changed levels of a book.
pub(super) fn depth(fields: &Fields<'_, '_>, decimals: Decimals) -> Result<BookUpdate, FrameError> {
    let (first_id, last_id) = (fields.need_integer(Field::FirstId)?, fields.need_integer(Field::LastId)?);
    if first_id > last_id {
        return Err(FrameError::Ids { first: first_id, last: last_id });
    }
    Ok(BookUpdate {
        snapshot: false,
        first_id,
        last_id,
        previous_id: fields.integer(Field::PreviousId)?.unwrap_or(-1),
        ts_venue_ns: venue_time_ns(fields)?,
        bids: side(fields, Field::Bid, decimals, 0)?,
        asks: side(fields, Field::Ask, decimals, 0)?,
    })
}

/// A whole book.
pub(super) fn snapshot(fields: &Fields<'_, '_>, decimals: Decimals) -> Result<BookUpdate, FrameError> {
    let id = fields.need_integer(Field::SnapshotId)?;
    Ok(BookUpdate {
        snapshot: true,
        first_id: id,
        last_id: id,
        previous_id: -1,
        ts_venue_ns: venue_time_ns(fields)?,
        bids: side(fields, Field::Bids, decimals, 1)?,
        asks: side(fields, Field::Asks, decimals, 1)?,
    })
}

fn side(fields: &Fields<'_, '_>, field: Field, decimals: Decimals, min_size: i64) -> Result<Vec<Level>, FrameError> {
    let levels = fields.levels(field)?;
    let mut side = Vec::with_capacity(levels.size_hint().0);
    for level in levels {
        let (price, size) = level?;
        let price = number(field.name(), price, decimals.0)?;
        let size = number(field.name(), size, decimals.1)?;
        if price <= 0 || size < min_size {
            return Err(FrameError::Value { field: field.name(), value: if price <= 0 { price } else { size } });
        }
        side.push(Level { price, size });
    }
    Ok(side)
}

#[inline]
fn number(field: &'static str, text: &str, decimals: u8) -> Result<i64, FrameError> {
    parse_units(text.as_bytes(), decimals).map_err(|reason| {
        let text = text.chars().take(40).collect();
        FrameError::Number { field, text, decimals, reason }
    })
}

/// Microseconds begin here: as milliseconds it would be the year 5138.
const FIRST_MICROSECOND_TIME: i64 = 100_000_000_000_000;

/// When it happened (`T`), else when the frame was made (`E`), else 0. Binance sends milliseconds, or microseconds to
/// those who ask for them.
fn venue_time_ns(fields: &Fields<'_, '_>) -> Result<i64, FrameError> {
    let field = if fields.has(Field::TransactionTime) { Field::TransactionTime } else { Field::EventTime };
    let Some(time) = fields.integer(field)? else { return Ok(0) };
    let unit_ns = if time < FIRST_MICROSECOND_TIME { 1_000_000 } else { 1_000 };
    time.checked_mul(unit_ns).ok_or(FrameError::Value { field: field.name(), value: time })
}

/// The decimals for a symbol that nobody listed, from the first frame that names it.
pub(super) fn decimals_of(fields: &Fields<'_, '_>) -> Decimals {
    let side = |field| fields.levels(field).into_iter().flatten().flatten();
    let levels = || [Field::Bid, Field::Ask, Field::Bids, Field::Asks].into_iter().flat_map(side);
    let plain = |keys: [Field; 3]| keys.into_iter().filter_map(|field| fields.text(field));
    (
        infer_decimals(plain([Field::Bid, Field::Ask, Field::Price]).chain(levels().map(|(price, _)| price))),
        infer_decimals(plain([Field::BidSize, Field::AskSize, Field::Size]).chain(levels().map(|(_, size)| size))),
    )
}
