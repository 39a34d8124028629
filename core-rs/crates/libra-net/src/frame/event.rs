//! One event in a frame: a header of 64 bytes and the payload.

use libra_kernel::fixed::MAX_DECIMALS;
use libra_kernel::{Event, EventType, Name, Payload, SharedPayload, Travel};

use super::cursor::Cursor;
use super::error::{EncodeError, Fault, Skip};
use super::names::NamesOut;
use super::payload;

/// The header of an event.
pub(super) const EVENT_HEADER: usize = 64;

/// False for events that stay in their process, on both sides of the wire: approvals and venues' reports belong to one
/// account's node, a timer to one actor, dead letters and what is said of a bridge to their node.
pub const fn leaves_process(event_type: EventType) -> bool {
    !matches!(event_type.travel(), Travel::Never)
}

/// The W3C trace flags of an event: what is about orders, risk or signals is always sampled, market data is left to the
/// head sampling of its gateway.
pub fn trace_flags(event: &Event) -> u8 {
    u8::from(event.is_traced())
}

/// Appends `event`, with an `encoded` payload (tag, msgpack) in place of its own where one is given.
#[inline]
pub(super) fn encode(
    event: &Event,
    encoded: Option<(&str, &[u8])>,
    to: &mut Vec<u8>,
    names: &mut NamesOut,
) -> Result<(), EncodeError> {
    if !leaves_process(event.event_type) {
        return Err(EncodeError::LocalOnly(event.event_type.name()));
    }
    let start = to.len();
    let mut head = [0; EVENT_HEADER];
    head[0..2].copy_from_slice(&(event.event_type as u16).to_le_bytes());
    head[8..16].copy_from_slice(&event.trace_id[0].to_be_bytes());
    head[16..24].copy_from_slice(&event.trace_id[1].to_be_bytes());
    head[24..32].copy_from_slice(&event.span_id.to_be_bytes());
    head[32] = trace_flags(event);
    head[33] = event.price_decimals;
    head[34] = event.size_decimals;
    head[36..38].copy_from_slice(&names.number(event.source)?.to_le_bytes());
    head[38..40].copy_from_slice(&names.number(event.instrument)?.to_le_bytes());
    head[40..48].copy_from_slice(&event.parent_span_id.to_be_bytes());
    head[48..56].copy_from_slice(&event.sequence.to_le_bytes());
    head[56..64].copy_from_slice(&event.ts_ns.to_le_bytes());
    // The market data that fits into an event goes out in one piece with its header, its length known beforehand.
    let mut inline = |encoding: u8, fields: &[u8]| {
        head[3] = encoding;
        head[4..8].copy_from_slice(&((EVENT_HEADER + fields.len()) as u32).to_le_bytes());
        to.reserve(EVENT_HEADER + fields.len());
        to.extend_from_slice(&head);
        to.extend_from_slice(fields);
        Ok(())
    };
    let shared = match (&event.payload, encoded) {
        (_, Some((tag, bytes))) => Larger::Encoded(tag, bytes),
        (Payload::Quote(quote), None) => return inline(payload::QUOTE, &payload::quote(quote)),
        (Payload::Trade(trade), None) => return inline(payload::TRADE, &payload::trade(trade)),
        (Payload::Bar(bar), None) => return inline(payload::BAR, &payload::bar(bar)),
        (Payload::Empty, None) => return inline(payload::EMPTY, &[]),
        (Payload::Shared(shared), None) => Larger::Shared(&**shared),
    };
    to.extend_from_slice(&head);
    to[start + 3] = match shared {
        Larger::Encoded(tag, bytes) => payload::encoded(tag, bytes, to)?,
        Larger::Shared(shared) => payload::shared(shared, to, names)?,
    };
    let length = to.len() - start;
    let stated = u32::try_from(length).map_err(|_| EncodeError::TooLarge(length))?;
    to[start + 4..start + 8].copy_from_slice(&stated.to_le_bytes());
    Ok(())
}

/// A payload whose length is known when it is written.
enum Larger<'a> {
    Encoded(&'a str, &'a [u8]),
    Shared(&'a dyn SharedPayload),
}

/// The length of the event that `events` begins with; `None` when it does not fit.
#[inline]
pub(super) fn length(events: &[u8]) -> Option<usize> {
    let field: &[u8; 4] = events.get(4..)?.first_chunk()?;
    let length = u32::from_le_bytes(*field) as usize;
    (length >= EVENT_HEADER && length <= events.len()).then_some(length)
}

/// The type of an event that [`length`] has cut out.
#[inline(always)]
pub(super) fn type_of(bytes: &[u8]) -> Result<EventType, Skip> {
    let number = u16::from_le_bytes(*bytes.first_chunk().ok_or(Fault::Short)?);
    let event_type = EventType::from_number(number).ok_or(Skip::UnknownType(number))?;
    if !leaves_process(event_type) {
        return Err(Skip::LocalOnly(event_type.name()));
    }
    Ok(event_type)
}

/// Reads an event that [`length`] has cut out. `minor` is the minor version of who wrote it.
#[inline]
pub(super) fn decode(bytes: &[u8], names: &[(&'static str, Name)], minor: u8) -> Result<Event, Skip> {
    decode_to(bytes, names, minor, |event| event)
}

/// As [`decode`], and gives the event to `then`. What that does with it is compiled into each kind of payload: so the event comes to
/// be in the place where `then` puts it, and is not gathered in another one before, which costs more than reading it.
#[inline(always)]
pub(super) fn decode_to<R>(
    bytes: &[u8],
    names: &[(&'static str, Name)],
    minor: u8,
    then: impl FnOnce(Event) -> R,
) -> Result<R, Skip> {
    let event_type = type_of(bytes)?;
    let (head, rest) = bytes.split_first_chunk::<EVENT_HEADER>().ok_or(Fault::Short)?;
    let name = |at: usize| {
        let index = usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        names.get(index).map(|entry| entry.1).ok_or(Fault::Name)
    };
    let (source, instrument) = (name(36)?, name(38)?);
    // Whoever rescales or prints takes it that ten to the power of them fits.
    if head[33].max(head[34]) > MAX_DECIMALS {
        return Err(Fault::Value.into());
    }
    payload::decode_to(head[3], Cursor::new(rest, names, minor), |payload| {
        then(Event {
            event_type,
            price_decimals: head[33],
            size_decimals: head[34],
            trace_flags: head[32] & Event::SAMPLED,
            sequence: u64::from_le_bytes(eight(head, 48)),
            source,
            instrument,
            ts_ns: i64::from_le_bytes(eight(head, 56)),
            trace_id: [u64::from_be_bytes(eight(head, 8)), u64::from_be_bytes(eight(head, 16))],
            span_id: u64::from_be_bytes(eight(head, 24)),
            parent_span_id: u64::from_be_bytes(eight(head, 40)),
            payload,
        })
    })
}

#[inline(always)]
fn eight(head: &[u8; EVENT_HEADER], at: usize) -> [u8; 8] {
    let mut field = [0; 8];
    field.copy_from_slice(&head[at..at + 8]);
    field
}
