//! What a frame is, and of which of Binance's three venues: told from the frame alone, never from a file's name.

use super::fields::{Field, Fields};
use crate::venue::VenueKind;

/// The kinds of frames that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Best bid and offer (`bookTicker`).
    Quote,
    /// A trade (`trade`).
    Trade,
    /// Changed levels of a book (`depthUpdate`).
    Depth,
    /// A book from the REST interface.
    Snapshot,
}

/// The kind of a frame: by `e`; without one (spot quotes, snapshots) by its fields; at last by the stream's name.
/// `None` for a kind that is not read.
pub(super) fn frame_kind(fields: &Fields<'_, '_>) -> Option<FrameKind> {
    if fields.has(Field::Kind) {
        return match fields.text(Field::Kind)? {
            "bookTicker" => Some(FrameKind::Quote),
            "trade" => Some(FrameKind::Trade),
            "depthUpdate" => Some(FrameKind::Depth),
            _ => None,
        };
    }
    // Streams such as "btcusdt@depth20@100ms": the top of a book again and again, not the book.
    let channel = fields.text(Field::Stream).and_then(|stream| stream.split('@').nth(1)).unwrap_or_default();
    let partial_depth = channel.strip_prefix("depth").is_some_and(|rest| !rest.is_empty());
    if fields.has(Field::SnapshotId) && !partial_depth {
        return Some(FrameKind::Snapshot);
    }
    let quote = [Field::Bid, Field::BidSize, Field::Ask, Field::AskSize].into_iter().filter(|f| fields.has(*f)).count();
    match channel {
        "bookTicker" => Some(FrameKind::Quote),
        "trade" => Some(FrameKind::Trade),
        "depth" => Some(FrameKind::Depth),
        // Three of the four are a quote that lost a field, which is to be counted as malformed and not as unknown.
        _ if fields.has(Field::Symbol) && quote >= 3 => Some(FrameKind::Quote),
        _ => None,
    }
}

/// The venue of a frame that names a symbol.
pub(super) fn venue_kind(kind: FrameKind, symbol: &str, fields: &Fields<'_, '_>) -> VenueKind {
    if is_coinm_symbol(symbol) || fields.text(Field::Pair).is_some_and(|pair| pair.ends_with("USD")) {
        return VenueKind::BinanceCoinm;
    }
    let futures = symbol.contains('_')
        || match kind {
            FrameKind::Quote => fields.has(Field::Kind),
            FrameKind::Trade => fields.has(Field::TradeKind) && !fields.has(Field::SpotTrade),
            FrameKind::Depth => fields.has(Field::PreviousId),
            FrameKind::Snapshot => fields.has(Field::EventTime) || fields.has(Field::TransactionTime),
        };
    if futures { VenueKind::BinanceUsdm } else { VenueKind::BinanceSpot }
}

/// `BTCUSD_PERP`, `BTCUSD_240927`: COIN-M is quoted in US dollars, USD-M in what stands for them (`BTCUSDT_240927`).
fn is_coinm_symbol(symbol: &str) -> bool {
    symbol.split_once('_').is_some_and(|(pair, _)| pair.ends_with("USD") && !pair.ends_with("FDUSD"))
}

#[cfg(test)]
mod tests {
    use super::is_coinm_symbol;

    #[test]
    fn coinm_symbols_are_told_from_usdm_ones() {
        assert!(is_coinm_symbol("BTCUSD_PERP") && is_coinm_symbol("ETHUSD_240927"));
        assert!(!is_coinm_symbol("BTCUSDT") && !is_coinm_symbol("BTCUSDT_240927") && !is_coinm_symbol("BTCUSD"));
    }
}
