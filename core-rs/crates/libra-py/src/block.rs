//! Blocks: many events of one type as rows of one NumPy structured array.
//!
//! A row is what [`Kind::fields`] lists, in native byte order. Rows are copied from events into a buffer, and the buffer
//! into an immutable `bytes` object that the array is a view of: so a block owns its memory, and no loop of Python runs.

use libra_kernel::event::Aggressor;
use libra_kernel::ids::TraceId;
use libra_kernel::{Event, EventType, Name, Payload};
use libra_market::book::{BookUpdate, Level};
use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

use crate::enums;
use crate::event::PyEvent;

/// The event types that have rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Quote,
    Trade,
    Bar,
    Book,
}

/// A field: its name, NumPy's word for its type, and where in the row it lies.
type Field = (&'static str, &'static str, usize);

/// Bytes of what every row begins with.
const HEAD: usize = 32;
/// Bytes of the longest row.
const LONGEST: usize = HEAD + 48;

const HEAD_FIELDS: [Field; 5] = [
    ("sequence", "u8", 0),
    ("ts_ns", "i8", 8),
    ("instrument", "u4", 24),
    ("price_decimals", "u1", 28),
    ("size_decimals", "u1", 29),
];
const TS_VENUE: Field = ("ts_venue_ns", "i8", 16);

impl Kind {
    /// The rows of an event type, if it has them.
    pub fn of(event_type: EventType) -> Option<Self> {
        match event_type {
            EventType::Quote => Some(Kind::Quote),
            EventType::Trade => Some(Kind::Trade),
            EventType::Bar => Some(Kind::Bar),
            EventType::OrderBook => Some(Kind::Book),
            _ => None,
        }
    }

    fn event_type(self) -> EventType {
        match self {
            Kind::Quote => EventType::Quote,
            Kind::Trade => EventType::Trade,
            Kind::Bar => EventType::Bar,
            Kind::Book => EventType::OrderBook,
        }
    }

    /// The fields beside [`HEAD_FIELDS`], and the bytes of a row.
    fn fields(self) -> (&'static [Field], usize) {
        match self {
            Kind::Quote => (
                &[
                    TS_VENUE,
                    ("bid", "i8", HEAD),
                    ("ask", "i8", HEAD + 8),
                    ("bid_size", "i8", HEAD + 16),
                    ("ask_size", "i8", HEAD + 24),
                    ("venue_seq", "i8", HEAD + 32),
                ],
                HEAD + 40,
            ),
            Kind::Trade => (
                &[
                    TS_VENUE,
                    ("side", "i1", 30),
                    ("price", "i8", HEAD),
                    ("size", "i8", HEAD + 8),
                    ("trade_id", "i8", HEAD + 16),
                ],
                HEAD + 24,
            ),
            Kind::Bar => (
                &[
                    ("ts_open_ns", "i8", 16),
                    ("open", "i8", HEAD),
                    ("high", "i8", HEAD + 8),
                    ("low", "i8", HEAD + 16),
                    ("close", "i8", HEAD + 24),
                    ("volume", "i8", HEAD + 32),
                    ("interval_ms", "i8", HEAD + 40),
                ],
                HEAD + 48,
            ),
            Kind::Book => (
                &[
                    TS_VENUE,
                    ("side", "i1", 30),
                    ("is_snapshot", "?", 31),
                    ("price", "i8", HEAD),
                    ("size", "i8", HEAD + 8),
                    ("first_id", "i8", HEAD + 16),
                    ("last_id", "i8", HEAD + 24),
                    ("previous_id", "i8", HEAD + 32),
                ],
                HEAD + 40,
            ),
        }
    }
}

/// What NumPy is needed for.
struct Numpy {
    frombuffer: Py<PyAny>,
    /// By [`Kind`].
    dtypes: [Py<PyAny>; 4],
}

static NUMPY: PyOnceLock<Numpy> = PyOnceLock::new();

/// NumPy is loaded when the first block is asked for: it is no dependency of what works without. ImportError where it is
/// missing.
fn numpy(py: Python<'_>) -> PyResult<&Numpy> {
    NUMPY.get_or_try_init(py, || {
        let numpy = py.import("numpy").map_err(|cause| {
            let error = PyImportError::new_err("blocks need NumPy, which is not installed: install libra[numpy]");
            error.set_cause(py, Some(cause));
            error
        })?;
        let dtype = |kind: Kind| -> PyResult<Py<PyAny>> {
            let (own, size) = kind.fields();
            let fields: Vec<Field> = HEAD_FIELDS.iter().chain(own).copied().collect();
            let layout = PyDict::new(py);
            layout.set_item("names", fields.iter().map(|field| field.0).collect::<Vec<_>>())?;
            layout.set_item("formats", fields.iter().map(|field| field.1).collect::<Vec<_>>())?;
            layout.set_item("offsets", fields.iter().map(|field| field.2).collect::<Vec<_>>())?;
            layout.set_item("itemsize", size)?;
            Ok(numpy.getattr("dtype")?.call1((layout,))?.unbind())
        };
        let dtypes = [dtype(Kind::Quote)?, dtype(Kind::Trade)?, dtype(Kind::Bar)?, dtype(Kind::Book)?];
        Ok(Numpy { frombuffer: numpy.getattr("frombuffer")?.unbind(), dtypes })
    })
}

/// The rows of an event type that a subscriber asks for. TypeError where it has none, ImportError without NumPy.
pub fn wanted(py: Python<'_>, event_type: EventType) -> PyResult<Kind> {
    let kind = Kind::of(event_type).ok_or_else(|| {
        PyTypeError::new_err(format!(
            "{} has no blocks: QUOTE, TRADE, BAR and ORDER_BOOK have; batch=True gives a list of any events",
            event_type.name()
        ))
    })?;
    numpy(py).map(|_| kind)
}

/// Rows on their way into a block.
pub struct Rows {
    kind: Kind,
    bytes: Vec<u8>,
    events: usize,
    last: Option<Origin>,
}

/// Of the last event, what a failure of the handler is told with.
#[derive(Clone, Copy)]
struct Origin {
    source: Name,
    instrument: Name,
    ts_ns: i64,
    trace_flags: u8,
    trace_id: TraceId,
    span_id: u64,
    parent_span_id: u64,
    sequence: u64,
}

impl Rows {
    pub fn new(kind: Kind) -> Self {
        Rows { kind, bytes: Vec::new(), events: 0, last: None }
    }

    /// Events that have gathered. (A change of a book has a row a level.)
    #[inline]
    pub fn events(&self) -> usize {
        self.events
    }

    /// Appends the rows of an event. TypeError where its payload is not the one of its type.
    #[inline]
    pub fn push(&mut self, event: &Event, sequence: u64) -> PyResult<()> {
        match (self.kind, &event.payload) {
            (Kind::Quote, Payload::Quote(quote)) => {
                let numbers = [quote.bid, quote.ask, quote.bid_size, quote.ask_size, quote.venue_seq];
                self.append(&head(event, sequence, quote.ts_venue_ns, 0, false), &numbers);
            }
            (Kind::Trade, Payload::Trade(trade)) => {
                let side = match trade.aggressor {
                    Aggressor::Buyer => 1,
                    Aggressor::Seller => -1,
                    Aggressor::Unknown => 0,
                };
                let numbers = [trade.price, trade.size, trade.trade_id];
                self.append(&head(event, sequence, trade.ts_venue_ns, side, false), &numbers);
            }
            (Kind::Bar, Payload::Bar(bar)) => {
                let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume, i64::from(bar.interval_ms)];
                self.append(&head(event, sequence, bar.ts_open_ns, 0, false), &numbers);
            }
            (Kind::Book, payload) => {
                let update: &BookUpdate = payload.downcast().ok_or_else(|| unfit(event))?;
                self.push_book(event, sequence, update);
            }
            _ => return Err(unfit(event)),
        }
        self.events += 1;
        self.last = Some(Origin {
            source: event.source,
            instrument: event.instrument,
            ts_ns: event.ts_ns,
            trace_flags: event.trace_flags,
            trace_id: event.trace_id,
            span_id: event.span_id,
            parent_span_id: event.parent_span_id,
            sequence,
        });
        Ok(())
    }

    fn push_book(&mut self, event: &Event, sequence: u64, update: &BookUpdate) {
        let mut row = |side: i8, level: Level| {
            let numbers = [level.price, level.size, update.first_id, update.last_id, update.previous_id];
            self.append(&head(event, sequence, update.ts_venue_ns, side, update.snapshot), &numbers);
        };
        update.bids.iter().for_each(|level| row(1, *level));
        update.asks.iter().for_each(|level| row(-1, *level));
        if update.bids.is_empty() && update.asks.is_empty() {
            // Its ids count all the same: without a row they would be missing from the chain.
            row(0, Level { price: 0, size: 0 });
        }
    }

    #[inline]
    fn append<const N: usize>(&mut self, head: &[u8; HEAD], numbers: &[i64; N]) {
        let mut row = [0; LONGEST];
        row[..HEAD].copy_from_slice(head);
        for (place, number) in row[HEAD..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        self.bytes.extend_from_slice(&row[..HEAD + 8 * N]);
    }

    /// The numbers of the events.
    pub fn sequences(&self) -> Vec<u64> {
        let rows = self.bytes.chunks_exact(self.kind.fields().1);
        let mut numbers: Vec<u64> = rows.filter_map(|row| Some(u64::from_ne_bytes(*row.first_chunk()?))).collect();
        numbers.dedup();
        numbers
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        (self.events, self.last) = (0, None);
    }

    /// What a failure of the handler is told with: the last event, without its payload.
    pub fn last_event(&self) -> Option<PyEvent> {
        let last = self.last?;
        Some(PyEvent::from(Event {
            event_type: self.kind.event_type(),
            price_decimals: 0,
            size_decimals: 0,
            trace_flags: last.trace_flags,
            sequence: last.sequence,
            source: last.source,
            instrument: last.instrument,
            ts_ns: last.ts_ns,
            trace_id: last.trace_id,
            span_id: last.span_id,
            parent_span_id: last.parent_span_id,
            payload: Payload::Empty,
        }))
    }

    /// The block.
    pub fn to_array(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let numpy = numpy(py)?;
        let bytes = PyBytes::new(py, &self.bytes);
        numpy.frombuffer.call1(py, (bytes, &numpy.dtypes[self.kind as usize]))
    }
}

fn unfit(event: &Event) -> PyErr {
    PyTypeError::new_err(format!("this {} has no native payload, and so no row in a block", event.event_type.name()))
}

#[inline]
fn head(event: &Event, sequence: u64, ts_venue_ns: i64, side: i8, flag: bool) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&sequence.to_ne_bytes());
    head[8..16].copy_from_slice(&event.ts_ns.to_ne_bytes());
    head[16..24].copy_from_slice(&ts_venue_ns.to_ne_bytes());
    head[24..28].copy_from_slice(&(event.instrument.index() as u32).to_ne_bytes());
    head[28..].copy_from_slice(&[event.price_decimals, event.size_decimals, side as u8, u8::from(flag)]);
    head
}

/// The dtype of the blocks of an event type.
#[pyfunction]
fn block_dtype(event_type: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = event_type.py();
    let kind = wanted(py, enums::event_type_of(event_type)?)?;
    Ok(numpy(py)?.dtypes[kind as usize].clone_ref(py))
}

/// The instrument of a number in a block; None for a number that no instrument has.
#[pyfunction]
fn instrument_of(number: usize) -> Option<&'static str> {
    Name::at(number).filter(|name| !name.is_none()).map(Name::as_str)
}

/// The number that stands for an instrument in the blocks of this process.
#[pyfunction]
fn instrument_number(instrument: &str) -> usize {
    Name::intern(instrument).index()
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(block_dtype, module)?)?;
    module.add_function(wrap_pyfunction!(instrument_of, module)?)?;
    module.add_function(wrap_pyfunction!(instrument_number, module)?)
}
