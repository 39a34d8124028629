//! Payloads on the wire: each has a number, its fields follow one behind the other.
//!
//! - [`market`] — quote, trade, bar, book;
//! - [`trading`] — orders and what is asked for them; [`account`] — positions, balances, and what is said in words;
//! - [`Encoded`] — what Python made.
//!
//! A later minor version may add fields behind the last one, never change those that are there. Numbers are never reused.

mod account;
mod encoded;
mod market;
mod trading;

use libra_kernel::{Payload, SharedPayload};
use libra_market::book::BookUpdate;
use libra_trading::account::{Balance, Position};
use libra_trading::desk::payload::{Notice, PositionReport};
use libra_trading::order::{CancelRequest, Order, OrderRequest};
use libra_trading::risk::Breach;
use libra_trading::signal::Signal;

use super::cursor::Cursor;
use super::error::{EncodeError, Skip};
use super::names::NamesOut;

pub use encoded::Encoded;
pub(super) use market::{bar, quote, trade};

pub(super) const EMPTY: u8 = 0;
pub(super) const QUOTE: u8 = 1;
pub(super) const TRADE: u8 = 2;
pub(super) const BAR: u8 = 3;
const BOOK: u8 = 4;
const ORDER_REQUEST: u8 = 16;
const CANCEL_REQUEST: u8 = 17;
const ORDER: u8 = 18;
const SIGNAL: u8 = 19;
const BREACH: u8 = 20;
const POSITION: u8 = 21;
const POSITION_REPORT: u8 = 22;
const BALANCE: u8 = 23;
const NOTICE: u8 = 24;
const ENCODED: u8 = 128;

/// Where a payload is written: the frame's bytes and its names.
struct Sink<'a> {
    to: &'a mut Vec<u8>,
    names: &'a mut NamesOut,
}

/// A larger payload that travels: its fields, in the order of docs/wire.md.
trait Wire: SharedPayload + Sized {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError>;

    /// Reads the fields; the caller sees to it that none are left.
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, super::error::Fault>;
}

/// Appends the fields of a shared payload and gives the number of its encoding.
pub(super) fn shared(payload: &dyn SharedPayload, to: &mut Vec<u8>, names: &mut NamesOut) -> Result<u8, EncodeError> {
    let mut sink = Sink { to, names };
    let any = payload.as_any();
    macro_rules! one_of {
        ($($type:ty = $number:expr),+) => {
            $(if let Some(payload) = any.downcast_ref::<$type>() {
                return payload.write(&mut sink).map(|()| $number);
            })+
        };
    }
    // The most frequent first. Whatever has no line here stays in its process: approvals, venues' reports, references to
    // Python objects.
    one_of!(
        Order = ORDER,
        BookUpdate = BOOK,
        OrderRequest = ORDER_REQUEST,
        Signal = SIGNAL,
        Encoded = ENCODED,
        PositionReport = POSITION_REPORT,
        Balance = BALANCE,
        CancelRequest = CANCEL_REQUEST,
        Notice = NOTICE,
        Position = POSITION,
        Breach = BREACH
    );
    Err(EncodeError::LocalOnly(payload.kind()))
}

/// Appends a Python payload and gives the number of its encoding.
pub(super) fn encoded(tag: &str, bytes: &[u8], to: &mut Vec<u8>) -> Result<u8, EncodeError> {
    encoded::write(tag, bytes, to).map(|()| ENCODED)
}

/// Reads the payload of encoding `number`, which must fill the cursor, and gives it to `then`, which is compiled into each kind.
#[inline(always)]
pub(super) fn decode_to<R>(number: u8, mut cursor: Cursor<'_>, then: impl FnOnce(Payload) -> R) -> Result<R, Skip> {
    macro_rules! read {
        ($payload:expr) => {{
            let payload = $payload;
            cursor.end()?;
            Ok(then(payload))
        }};
    }
    match number {
        EMPTY => read!(Payload::Empty),
        QUOTE => read!(Payload::Quote(market::read_quote(&mut cursor)?)),
        TRADE => read!(Payload::Trade(market::read_trade(&mut cursor)?)),
        BAR => read!(Payload::Bar(market::read_bar(&mut cursor)?)),
        number => read!(read_shared(number, &mut cursor)?),
    }
}

fn read_shared(number: u8, cursor: &mut Cursor<'_>) -> Result<Payload, Skip> {
    Ok(match number {
        BOOK => Payload::shared(BookUpdate::read(cursor)?),
        ORDER_REQUEST => Payload::shared(OrderRequest::read(cursor)?),
        CANCEL_REQUEST => Payload::shared(CancelRequest::read(cursor)?),
        ORDER => Payload::shared(Order::read(cursor)?),
        SIGNAL => Payload::shared(Signal::read(cursor)?),
        BREACH => Payload::shared(Breach::read(cursor)?),
        POSITION => Payload::shared(Position::read(cursor)?),
        POSITION_REPORT => Payload::shared(PositionReport::read(cursor)?),
        BALANCE => Payload::shared(Balance::read(cursor)?),
        NOTICE => Payload::shared(Notice::read(cursor)?),
        ENCODED => Payload::shared(Encoded::read(cursor)?),
        unknown => return Err(Skip::UnknownEncoding(unknown)),
    })
}
