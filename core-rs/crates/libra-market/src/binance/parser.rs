//! The bytes of one frame to what they mean.

use libra_kernel::event::{Quote, Trade};
use libra_kernel::{EventType, Payload};
use simd_json::{Buffers, Tape};

use super::decode;
use super::error::FrameError;
use super::fields::{Field, Fields};
use super::kind::{FrameKind, frame_kind, venue_kind};
use crate::book::{BookUpdate, Level};
use crate::listing::{ListingId, Listings};
use crate::venue::VenueKind;

/// What a well-formed frame says.
pub enum Frame {
    /// Market data of an instrument.
    Market(MarketFrame),
    /// A quote or snapshot whose bid is not below its ask: what it says cannot be traded on.
    Crossed {
        /// The instrument.
        listing: ListingId,
        /// Best bid, in price units.
        bid: i64,
        /// Best ask, in price units.
        ask: i64,
    },
    /// An entry of a futures trade stream without price and size: no trade took place.
    NonTrade {
        /// The instrument.
        listing: ListingId,
    },
    /// A snapshot that names no symbol, where none is known from elsewhere.
    SnapshotOfUnknown,
    /// A kind of frame that is not read, by its name where it has one.
    Unknown(String),
}

/// Market data, ready to be put into an event.
#[derive(Clone)]
pub struct MarketFrame {
    /// The instrument.
    pub listing: ListingId,
    /// `Quote`, `Trade` or `OrderBook`.
    pub event_type: EventType,
    /// A quote, a trade or a [`BookUpdate`].
    pub payload: Payload,
    /// The update ids of an `OrderBook` payload.
    pub depth: Option<DepthIds>,
}

/// The update ids of a depth frame or snapshot, as in [`BookUpdate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthIds {
    /// True for a snapshot.
    pub snapshot: bool,
    /// First update id.
    pub first: i64,
    /// Last update id.
    pub last: i64,
    /// Last update id of the frame before, -1 where the venue sends none.
    pub previous: i64,
}

/// Spare bytes that [`FrameParser::parse_padded`] needs behind a frame.
pub const FRAME_PADDING: usize = simd_json::INPUT_PADDING;

/// Reads frames one after the other, with buffers that it keeps.
pub struct FrameParser {
    buffers: Buffers,
    /// Empty between frames, so its lifetime stands for nothing: only its memory is kept.
    tape: Option<Tape<'static>>,
}

impl Default for FrameParser {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameParser {
    /// A parser with empty buffers.
    pub fn new() -> Self {
        FrameParser { buffers: Buffers::default(), tape: None }
    }

    /// Reads one frame. Its bytes are scratch afterwards: simd-json unescapes in place.
    ///
    /// A symbol that is not listed is added to `listings`. A snapshot that names no symbol is taken for `home`.
    pub fn parse(
        &mut self,
        frame: &mut [u8],
        listings: &mut Listings,
        home: Option<ListingId>,
    ) -> Result<Frame, FrameError> {
        let mut tape = self.tape.take().unwrap_or_else(Tape::null).reset();
        let parsed = simd_json::fill_tape(frame, &mut self.buffers, &mut tape);
        self.finish(parsed, tape, listings, home)
    }

    /// As [`parse`](Self::parse), for a frame `padded[..len]` with at least [`FRAME_PADDING`] bytes behind it, which may
    /// hold anything and are left as they were. Saves a copy of the frame.
    pub fn parse_padded(
        &mut self,
        padded: &mut [u8],
        len: usize,
        listings: &mut Listings,
        home: Option<ListingId>,
    ) -> Result<Frame, FrameError> {
        let mut tape = self.tape.take().unwrap_or_else(Tape::null).reset();
        let parsed = simd_json::fill_tape_padded(padded, len, &mut self.buffers, &mut tape);
        self.finish(parsed, tape, listings, home)
    }

    fn finish(
        &mut self,
        parsed: simd_json::Result<()>,
        tape: Tape<'_>,
        listings: &mut Listings,
        home: Option<ListingId>,
    ) -> Result<Frame, FrameError> {
        let frame = match parsed {
            Ok(()) => read(&tape, listings, home),
            Err(error) => Err(FrameError::Json(error.to_string())),
        };
        self.tape = Some(tape.reset());
        frame
    }
}

fn read(tape: &Tape<'_>, listings: &mut Listings, home: Option<ListingId>) -> Result<Frame, FrameError> {
    let fields = Fields::of(&tape.0)?;
    let Some(kind) = frame_kind(&fields) else {
        let name = fields.text(Field::Kind).or_else(|| fields.text(Field::Stream)).unwrap_or_default();
        return Ok(Frame::Unknown(name.chars().take(40).collect()));
    };
    let Some(subject) = resolve(kind, &fields, listings, home)? else { return Ok(Frame::SnapshotOfUnknown) };
    let decimals = match subject {
        Subject::Known(id) => listings.get(id).decimals(),
        Subject::New { .. } => decode::decimals_of(&fields),
    };
    let content = decode(kind, &fields, decimals)?;
    // Only a frame that could be read adds an instrument: garbage must not decide on one's decimals.
    let listing = match subject {
        Subject::Known(id) => id,
        Subject::New { venue, symbol } => listings.infer(venue, symbol, decimals)?,
    };
    Ok(content.of(listing))
}

/// Whom a frame is about.
enum Subject<'f> {
    Known(ListingId),
    New { venue: VenueKind, symbol: &'f str },
}

/// `None` for a snapshot that belongs to nobody yet.
fn resolve<'f>(
    kind: FrameKind,
    fields: &Fields<'_, 'f>,
    listings: &Listings,
    home: Option<ListingId>,
) -> Result<Option<Subject<'f>>, FrameError> {
    let symbol = if kind == FrameKind::Snapshot {
        match fields.text(Field::Symbol).or_else(|| fields.text(Field::RestSymbol)) {
            Some(symbol) => symbol,
            None => return Ok(home.map(Subject::Known)),
        }
    } else {
        fields.need_text(Field::Symbol)?
    };
    let venue = venue_kind(kind, symbol, fields);
    let known = listings.find(venue, symbol.as_bytes());
    Ok(Some(known.map_or(Subject::New { venue, symbol }, Subject::Known)))
}

/// What a frame says, before its instrument is settled.
enum Content {
    Quote(Quote),
    Trade(Trade),
    Book(BookUpdate),
    Crossed { bid: i64, ask: i64 },
    NonTrade,
}

fn decode(kind: FrameKind, fields: &Fields<'_, '_>, decimals: (u8, u8)) -> Result<Content, FrameError> {
    Ok(match kind {
        FrameKind::Quote => match decode::quote(fields, decimals)? {
            Quote { bid, ask, .. } if bid != 0 && ask != 0 && bid >= ask => Content::Crossed { bid, ask },
            quote => Content::Quote(quote),
        },
        FrameKind::Trade => decode::trade(fields, decimals)?.map_or(Content::NonTrade, Content::Trade),
        FrameKind::Depth => Content::Book(decode::depth(fields, decimals)?),
        FrameKind::Snapshot => {
            let snapshot = decode::snapshot(fields, decimals)?;
            let price = |level: &Level| level.price;
            match (snapshot.bids.iter().map(price).max(), snapshot.asks.iter().map(price).min()) {
                (Some(bid), Some(ask)) if bid >= ask => Content::Crossed { bid, ask },
                _ => Content::Book(snapshot),
            }
        }
    })
}

impl Content {
    fn of(self, listing: ListingId) -> Frame {
        let (event_type, depth, payload) = match self {
            Content::Quote(quote) => (EventType::Quote, None, Payload::Quote(quote)),
            Content::Trade(trade) => (EventType::Trade, None, Payload::Trade(trade)),
            Content::Book(update) => {
                let depth = DepthIds {
                    snapshot: update.snapshot,
                    first: update.first_id,
                    last: update.last_id,
                    previous: update.previous_id,
                };
                (EventType::OrderBook, Some(depth), Payload::shared(update))
            }
            Content::Crossed { bid, ask } => return Frame::Crossed { listing, bid, ask },
            Content::NonTrade => return Frame::NonTrade { listing },
        };
        Frame::Market(MarketFrame { listing, event_type, payload, depth })
    }
}
