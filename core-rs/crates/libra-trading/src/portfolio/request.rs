//! What a decision is made of: its requests' ids and sizes, and the reasons why there is none.

use libra_kernel::Name;
use xxhash_rust::xxh3::xxh3_128;

use crate::instrument::{Instrument, MONEY_DECIMALS};
use crate::order::{CancelRequest, OrderRequest};
use crate::risk::InstrumentLimits;

/// A signal's orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Leg {
    /// Brings a position to flat.
    Close = 0,
    /// Builds one up, or does both in one order where the closing part alone is below the venue's minimum.
    Open = 1,
}

/// The id of the request that a signal makes for an instrument and a leg: a pure function of the three, so a signal
/// that comes again, even after a restart, asks for the same orders and not for more. Never 0.
pub fn request_id(signal_id: u128, instrument: Name, leg: Leg) -> u128 {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(b"libra.request.1");
    bytes.extend_from_slice(&signal_id.to_le_bytes());
    bytes.push(leg as u8);
    bytes.extend_from_slice(instrument.as_str().as_bytes());
    xxh3_128(&bytes).max(1)
}

/// The same for the order of that number among those which a leg is cut into.
pub(super) fn piece_id(signal_id: u128, instrument: Name, leg: Leg, piece: u16) -> u128 {
    let whole = request_id(signal_id, instrument, leg);
    match piece {
        0 => whole,
        piece => {
            let mut bytes = Vec::with_capacity(40);
            bytes.extend_from_slice(b"libra.request.piece.1");
            bytes.extend_from_slice(&whole.to_le_bytes());
            bytes.extend_from_slice(&piece.to_le_bytes());
            xxh3_128(&bytes).max(1)
        }
    }
}

/// Why a signal, or a part of it, led to no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum SkipReason {
    /// `HOLD`.
    Hold = 0,
    /// The signal's deadline is over.
    Expired = 1,
    /// The strategy holds the target already, or orders that lead there are on their way.
    AtTarget = 2,
    /// There is nothing to close.
    Flat = 3,
    /// The target is less than one lot.
    BelowLot = 4,
    /// Less than the smallest order.
    BelowMinSize = 5,
    /// Worth less than the smallest order.
    BelowMinNotional = 6,
    /// No mark price.
    NoPrice = 7,
    /// Equity is not above zero.
    NoEquity = 8,
    /// Strength is not between 0 and 1.
    BadStrength = 9,
    /// The instrument is not tradable, inverse, or not the signal's.
    BadInstrument = 10,
    /// A number does not fit.
    Overflow = 11,
    /// A spot sale of more than the account holds was cut, to nothing.
    NoInventory = 12,
    /// Volatility is not known yet, or prices do not move.
    NoVolatility = 13,
}

impl SkipReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [SkipReason; 14] = [
        SkipReason::Hold,
        SkipReason::Expired,
        SkipReason::AtTarget,
        SkipReason::Flat,
        SkipReason::BelowLot,
        SkipReason::BelowMinSize,
        SkipReason::BelowMinNotional,
        SkipReason::NoPrice,
        SkipReason::NoEquity,
        SkipReason::BadStrength,
        SkipReason::BadInstrument,
        SkipReason::Overflow,
        SkipReason::NoInventory,
        SkipReason::NoVolatility,
    ];

    /// The code that users see.
    pub const fn code(self) -> &'static str {
        match self {
            SkipReason::Hold => "HOLD",
            SkipReason::Expired => "EXPIRED",
            SkipReason::AtTarget => "AT_TARGET",
            SkipReason::Flat => "FLAT",
            SkipReason::BelowLot => "BELOW_LOT",
            SkipReason::BelowMinSize => "BELOW_MIN_SIZE",
            SkipReason::BelowMinNotional => "BELOW_MIN_NOTIONAL",
            SkipReason::NoPrice => "NO_PRICE",
            SkipReason::NoEquity => "NO_EQUITY",
            SkipReason::BadStrength => "BAD_STRENGTH",
            SkipReason::BadInstrument => "BAD_INSTRUMENT",
            SkipReason::Overflow => "OVERFLOW",
            SkipReason::NoInventory => "NO_INVENTORY",
            SkipReason::NoVolatility => "NO_VOLATILITY",
        }
    }
}

/// A leg that led to no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which one.
    pub leg: Leg,
    /// Why.
    pub reason: SkipReason,
}

/// What a signal leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Orders to cancel, before the requests.
    pub cancels: Vec<CancelRequest>,
    /// Orders to place, in order.
    pub requests: Vec<OrderRequest>,
    /// What led to none.
    pub skipped: Vec<Skipped>,
}

impl Decision {
    pub(super) fn skip(leg: Leg, reason: SkipReason) -> Self {
        Decision { skipped: vec![Skipped { leg, reason }], ..Decision::default() }
    }

    /// The signal's deadline was over before anything was decided.
    pub fn is_late(&self) -> bool {
        self.skipped.iter().any(|skipped| skipped.reason == SkipReason::Expired)
    }
}

/// Orders that one signal closes a position with, at most.
pub(super) const MOST_PIECES: i64 = 32;

/// `size` cut to the instrument's largest order and rounded down to its lot, or why it is too small to send. What is cut
/// off is asked for by the next signal that still wants it.
pub(super) fn order_size(instrument: &Instrument, size: i64, price: i64) -> Result<i64, SkipReason> {
    let lot = instrument.lot_size.max(1);
    let size = size.min(instrument.max_size) / lot * lot;
    if size <= 0 {
        return Err(SkipReason::BelowLot);
    }
    if size < instrument.min_size {
        return Err(SkipReason::BelowMinSize);
    }
    // Without a price the value is not known; a close must not wait for one, and risk refuses what has no price.
    if price > 0 && instrument.notional(price, size).ok_or(SkipReason::Overflow)? < instrument.min_notional {
        return Err(SkipReason::BelowMinNotional);
    }
    Ok(size)
}

/// The orders that work off `close` together: one where one order may be as large, else as many as it takes, of about the same
/// size, so that none is too small; [`MOST_PIECES`] at most. `worst` is what an order's worth is counted by. What they leave is
/// asked for by the next signal that still wants it.
pub(super) fn closing_sizes(
    instrument: &Instrument,
    limits: &InstrumentLimits,
    close: i64,
    price: i64,
    worst: i64,
) -> Result<Vec<i64>, SkipReason> {
    let fits = |size: i64| order_size(instrument, size, price);
    let lot = instrument.lot_size.max(1);
    let (lots, most) = (close / lot, limits.one_order(instrument, worst, close) / lot);
    if lots <= most || fits(most * lot).is_err() {
        // Where no order may be as small as it has to be, risk says which limit is in the way.
        return Ok(vec![fits(close)?]);
    }
    let count = lots / most + i64::from(lots % most > 0);
    let even = |piece: i64| (lots / count + i64::from(piece < lots % count)) * lot;
    if count <= MOST_PIECES && fits(even(count - 1)).is_ok() {
        return Ok((0..count).map(even).collect());
    }
    let whole = (lots / most).min(MOST_PIECES);
    let rest = Some((lots - whole * most).min(most) * lot).filter(|rest| whole < MOST_PIECES && fits(*rest).is_ok());
    Ok((0..whole).map(|_| most * lot).chain(rest).collect())
}

/// A limit price on the instrument's tick, never worse for us than asked for.
pub(super) fn limit_price(instrument: &Instrument, price: i64, buys: bool) -> Option<i64> {
    let tick = instrument.tick_size.max(1);
    let down = price - price.rem_euclid(tick);
    if buys || down == price { Some(down) } else { down.checked_add(tick) }
}

const _: () = assert!(MONEY_DECIMALS >= 8, "a fixed size has to hold the decimals of any instrument");
