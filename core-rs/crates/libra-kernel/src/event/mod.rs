//! An event: an immutable fact of 128 bytes, a 64-byte header and 64 bytes of payload.
//!
//! - [`kind`] — the event types, each with its lane and with what a full queue does to it;
//! - [`market`] — the payloads that fit into an event: quote, trade, bar;
//! - [`encoded`] — a payload on its way between processes;
//! - this file — the event itself and the seam for larger payloads.

mod encoded;
mod kind;
mod market;
#[cfg(test)]
pub(crate) mod owned;

use std::any::Any;
use std::sync::Arc;

pub use encoded::Encoded;
pub use kind::{EventType, Lane, Policy, Travel};
pub use market::{Aggressor, Bar, Quote, Trade};

use crate::digest::Digest;
use crate::fixed::{self, DecimalError};
use crate::ids::{self, TraceId};
use crate::name::Name;

/// A payload too large for the event itself, or one that only a higher crate understands.
pub trait SharedPayload: Any + Send + Sync {
    /// What this payload is, for logs and for the codec: a short, stable word such as `order`.
    fn kind(&self) -> &'static str;

    /// Adds the payload to the digest of a run: every field that a handler can see, in a fixed order.
    fn digest(&self, digest: &mut Digest);

    /// True for a payload that replaces all state before it, such as a whole order book.
    fn is_snapshot(&self) -> bool {
        false
    }

    /// Whose it is, where it is one actor's: of an order the strategy that asked for it. None for what is everybody's, and
    /// where nobody knows.
    fn owner(&self) -> Name {
        Name::NONE
    }

    /// Bytes that it holds beside itself, about: texts, and what is encoded.
    fn carried(&self) -> usize {
        0
    }

    /// What takes its place where the event leaves the process.
    fn leaving(&self) -> Leaving {
        Leaving::AsItIs
    }

    /// The payload as `Any`, to get its type back.
    fn as_any(&self) -> &dyn Any;
}

/// How a payload leaves the process.
pub enum Leaving {
    /// Native data: whoever encodes frames knows it.
    AsItIs,
    /// As this, which native threads may hold.
    As(Payload),
    /// Not at all: it is an object of this process, and was not encoded.
    Stays,
}

/// What an event carries.
#[derive(Clone, Default)]
pub enum Payload {
    /// Nothing; Python sees `{}`.
    #[default]
    Empty,
    /// Best bid and offer.
    Quote(Quote),
    /// A trade of the market.
    Trade(Trade),
    /// Open, high, low, close, volume.
    Bar(Bar),
    /// Anything larger, shared by every queue that holds the event.
    Shared(Arc<dyn SharedPayload>),
}

impl Payload {
    /// Wraps a larger payload.
    pub fn shared(payload: impl SharedPayload) -> Self {
        Payload::Shared(Arc::new(payload))
    }

    /// Whose it is: [`SharedPayload::owner`].
    #[inline]
    pub fn owner(&self) -> Name {
        match self {
            Payload::Shared(shared) => shared.owner(),
            _ => Name::NONE,
        }
    }

    /// The shared payload as a `T`, if it is one.
    pub fn downcast<T: SharedPayload>(&self) -> Option<&T> {
        match self {
            Payload::Shared(shared) => shared.as_any().downcast_ref(),
            _ => None,
        }
    }
}

/// An event. It never changes after it was accepted; a queue keeps its own copy with the sequence it gave.
#[repr(C)]
pub struct Event {
    /// What happened.
    pub event_type: EventType,
    /// Decimals of the payload's prices.
    pub price_decimals: u8,
    /// Decimals of the payload's sizes.
    pub size_decimals: u8,
    /// The W3C trace flags of market data: [`Event::SAMPLED`], or 0. What rides another lane is always sampled, whatever
    /// stands here.
    pub trace_flags: u8,
    /// The place in the process's order (`bus_seq`), 0 before acceptance.
    pub sequence: u64,
    /// Who says so.
    pub source: Name,
    /// The instrument that it is about, or none.
    pub instrument: Name,
    /// When this process learned of it, on its clock: nanoseconds since the epoch.
    pub ts_ns: i64,
    /// The W3C trace that this event belongs to.
    pub trace_id: TraceId,
    /// Its own span.
    pub span_id: u64,
    /// The span of what caused it, 0 for a root.
    pub parent_span_id: u64,
    /// What it carries.
    pub payload: Payload,
}

const _: () = assert!(std::mem::size_of::<Event>() == 128);

impl Clone for Event {
    /// In one piece, not field by field.
    #[inline]
    fn clone(&self) -> Self {
        const fn is_plain<T: Copy>() {}
        const { (is_plain::<(EventType, Name, TraceId)>(), is_plain::<(Quote, Trade, Bar)>()) };
        match &self.payload {
            Payload::Shared(shared) => std::mem::forget(Arc::clone(shared)),
            Payload::Empty | Payload::Quote(_) | Payload::Trade(_) | Payload::Bar(_) => {}
        }
        // SAFETY: an event is plain but for a shared payload, of which the copy has a count of its own by now.
        unsafe { std::ptr::read(self) }
    }
}

/// An event that is offered to a queue. Of a reference the copy is made where it stays: one that is made and then moved on costs
/// more than its making.
pub trait Offered {
    /// What is offered.
    fn event(&self) -> &Event;

    /// What the queue keeps.
    fn into_event(self) -> Event;
}

impl Offered for Event {
    #[inline]
    fn event(&self) -> &Event {
        self
    }

    #[inline]
    fn into_event(self) -> Event {
        self
    }
}

impl Offered for &Event {
    #[inline]
    fn event(&self) -> &Event {
        self
    }

    #[inline]
    fn into_event(self) -> Event {
        self.clone()
    }
}

impl Event {
    /// Bit 0 of the W3C trace flags: the trace is followed.
    pub const SAMPLED: u8 = 1;

    /// A root event: a new trace and a new span.
    #[inline(always)]
    pub fn new(event_type: EventType, source: Name, ts_ns: i64, payload: Payload) -> Self {
        Event {
            event_type,
            price_decimals: 0,
            size_decimals: 0,
            trace_flags: 0,
            sequence: 0,
            source,
            instrument: Name::NONE,
            ts_ns,
            trace_id: ids::trace_id(),
            span_id: ids::span_id(),
            parent_span_id: 0,
            payload,
        }
    }

    /// A market data event of an instrument.
    pub fn market(
        event_type: EventType,
        source: Name,
        instrument: Name,
        decimals: (u8, u8),
        ts_ns: i64,
        payload: Payload,
    ) -> Self {
        let mut event = Event::new(event_type, source, ts_ns, payload);
        event.instrument = instrument;
        (event.price_decimals, event.size_decimals) = decimals;
        event
    }

    /// An event that this one caused: the same trace, a new span under this one's, the same instrument.
    #[inline]
    pub fn child(&self, event_type: EventType, source: Name, ts_ns: i64, payload: Payload) -> Self {
        Event {
            event_type,
            price_decimals: self.price_decimals,
            size_decimals: self.size_decimals,
            trace_flags: self.trace_flags,
            sequence: 0,
            source,
            instrument: self.instrument,
            ts_ns,
            trace_id: self.trace_id,
            span_id: ids::span_id(),
            parent_span_id: self.span_id,
            payload,
        }
    }

    /// The event with the prices and sizes of its quote, trade or bar in other decimals: exact, or an error. Larger
    /// payloads are left to the crate that knows them.
    pub fn rescaled(mut self, price_decimals: u8, size_decimals: u8) -> Result<Event, DecimalError> {
        let (from_price, from_size) = (self.price_decimals, self.size_decimals);
        let price = |units: &mut i64| fixed::rescale(units, from_price, price_decimals);
        let size = |units: &mut i64| fixed::rescale(units, from_size, size_decimals);
        match &mut self.payload {
            Payload::Quote(quote) => {
                price(&mut quote.bid)?;
                price(&mut quote.ask)?;
                size(&mut quote.bid_size)?;
                size(&mut quote.ask_size)?;
            }
            Payload::Trade(trade) => {
                price(&mut trade.price)?;
                size(&mut trade.size)?;
            }
            Payload::Bar(bar) => {
                for units in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
                    price(units)?;
                }
                size(&mut bar.volume)?;
            }
            Payload::Empty | Payload::Shared(_) => return Ok(self),
        }
        (self.price_decimals, self.size_decimals) = (price_decimals, size_decimals);
        Ok(self)
    }

    /// Its type, for whoever moves it on: keeps the event in one piece. An optimiser that sees the type being looked at
    /// takes it out of the event and copies the rest from an odd place, in words that do not match those that were just
    /// written; each such copy waits for the stores before it (three copies: 25 ns of a queue's 45).
    #[inline(always)]
    pub(crate) fn type_in_place(&self) -> EventType {
        std::hint::black_box(self).event_type
    }

    /// The lane that it rides.
    #[inline]
    pub fn lane(&self) -> Lane {
        self.event_type.lane()
    }

    /// True when what becomes of it is noted and exported: it is urgent, or market data whose trace is sampled.
    #[inline]
    pub fn is_traced(&self) -> bool {
        self.event_type.lane() != Lane::MarketData || self.trace_flags & Event::SAMPLED != 0
    }

    /// Adds the event to the digest of a run, its sequence included.
    pub fn digest(&self, digest: &mut Digest) {
        digest.u64(self.event_type as u64);
        digest.u64(u64::from(self.price_decimals) << 8 | u64::from(self.size_decimals));
        digest.u64(self.sequence);
        digest.name(self.source);
        digest.name(self.instrument);
        digest.i64(self.ts_ns);
        digest.u64(self.trace_id[0]);
        digest.u64(self.trace_id[1]);
        digest.u64(self.span_id);
        digest.u64(self.parent_span_id);
        match &self.payload {
            Payload::Empty => digest.u64(0),
            Payload::Quote(quote) => quote.digest(digest),
            Payload::Trade(trade) => trade.digest(digest),
            Payload::Bar(bar) => bar.digest(digest),
            Payload::Shared(shared) => {
                digest.blob(shared.kind().as_bytes());
                shared.digest(digest);
            }
        }
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("type", &self.event_type)
            .field("source", &self.source)
            .field("instrument", &self.instrument)
            .field("ts_ns", &self.ts_ns)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::owned::Owned;
    use super::*;

    #[test]
    fn a_copy_holds_its_payload_by_itself() {
        let large = Arc::new(Owned(Name::NONE));
        let source = Name::intern("test");
        let event = Event::new(EventType::Signal, source, 1, Payload::Shared(large.clone()));
        let copies = [event.clone(), event.clone()];
        assert_eq!(Arc::strong_count(&large), 4);
        drop(event);
        assert!(copies.iter().all(|copy| copy.payload.downcast::<Owned>().is_some()));
        drop(copies);
        assert_eq!(Arc::strong_count(&large), 1);
        let quote = Quote { bid: 1, ask: 2, bid_size: 3, ask_size: 4, ..Quote::default() };
        let event = Event::new(EventType::Quote, source, 7, Payload::Quote(quote));
        let copy = event.clone();
        assert!(matches!(copy.payload, Payload::Quote(copied) if copied == quote));
        let told = |event: &Event| (event.event_type, event.source, event.ts_ns, event.trace_id, event.span_id);
        assert_eq!(told(&copy), told(&event));
    }

    #[test]
    fn a_child_keeps_the_trace_and_knows_its_parent() {
        let source = Name::intern("test");
        let root = Event::new(EventType::Quote, source, 1, Payload::Empty);
        let child = root.child(EventType::Signal, source, 2, Payload::Empty);
        assert_eq!(child.trace_id, root.trace_id);
        assert_eq!(child.parent_span_id, root.span_id);
        assert_ne!(child.span_id, root.span_id);
        assert_eq!(root.parent_span_id, 0);
    }

    #[test]
    fn rescaling_is_exact_or_an_error() {
        let quote = Quote { bid: 1_005, ask: 1_010, bid_size: 2, ask_size: 3, ..Quote::default() };
        let (source, instrument) = (Name::intern("test"), Name::intern("x"));
        let event = Event::market(EventType::Quote, source, instrument, (1, 0), 1, Payload::Quote(quote));
        let finer = event.clone().rescaled(3, 2).unwrap();
        let Payload::Quote(quote) = finer.payload else { panic!("still a quote") };
        assert_eq!((quote.bid, quote.ask_size, finer.price_decimals), (100_500, 300, 3));
        assert_eq!(event.clone().rescaled(0, 0).unwrap_err(), DecimalError::TooPrecise);
        assert_eq!(event.rescaled(18, 0).unwrap_err(), DecimalError::Overflow);
    }

    #[test]
    fn the_digest_sees_one_price() {
        let quote = |bid| {
            let mut event = Event::new(
                EventType::Quote,
                Name::intern("test"),
                1,
                Payload::Quote(Quote { bid, ..Quote::default() }),
            );
            (event.trace_id, event.span_id) = ([1, 2], 3);
            let mut digest = Digest::new();
            event.digest(&mut digest);
            digest.hex()
        };
        assert_eq!(quote(100), quote(100));
        assert_ne!(quote(100), quote(101));
    }
}
