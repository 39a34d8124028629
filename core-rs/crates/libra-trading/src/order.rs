//! Orders: what is asked for, what became of it, and what a venue says about it.

use std::any::Any;
use std::fmt;

use libra_kernel::digest::Digest;
use libra_kernel::{EventType, Name, SharedPayload};

use crate::instrument::Money;

/// The deadline of what was asked on a node whose clock counts for nothing: long over, and said so.
pub const CLOCK_IS_OFF_NS: i64 = 1;

/// Buy or sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderSide {
    /// Buy.
    Buy = 0,
    /// Sell.
    Sell = 1,
}

impl OrderSide {
    /// 1 for a buy, -1 for a sell.
    pub const fn sign(self) -> i64 {
        match self {
            OrderSide::Buy => 1,
            OrderSide::Sell => -1,
        }
    }
}

/// How an order is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OrderType {
    /// At whatever the market gives.
    Market = 0,
    /// At a price or better.
    Limit = 1,
}

/// How long an order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimeInForce {
    /// Until cancelled.
    Gtc = 0,
    /// What fills at once, the rest is cancelled.
    Ioc = 1,
    /// All at once or nothing.
    Fok = 2,
    /// Rests, or is rejected where it would take: post-only.
    PostOnly = 3,
}

/// The life cycle of an order:
///
/// | from | to |
/// | --- | --- |
/// | `New` (its intent stands in the log) | `Submitted`, `Rejected`, `Expired` |
/// | `Submitted` (left for the venue) | `Accepted`, any final state, `PartiallyFilled` |
/// | `Accepted` | `PartiallyFilled`, `Filled`, `Cancelled`, `Expired` |
/// | `PartiallyFilled` | `PartiallyFilled`, `Filled`, `Cancelled`, `Expired` |
///
/// `Filled`, `Cancelled`, `Expired` and `Rejected` are final. A late message that would go back is not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum OrderStatus {
    /// Known here, not sent.
    New = 0,
    /// Sent, not answered.
    Submitted = 1,
    /// Works at the venue.
    Accepted = 2,
    /// Works, and part of it was executed.
    PartiallyFilled = 3,
    /// Executed whole.
    Filled = 4,
    /// Cancelled; a part may have been executed before.
    Cancelled = 5,
    /// Out of time; a part may have been executed before.
    Expired = 6,
    /// Refused, by the gate or by the venue; nothing of it was executed.
    Rejected = 7,
}

impl OrderStatus {
    /// Every status, at the place of its number.
    pub const ALL: [OrderStatus; 8] = [
        OrderStatus::New,
        OrderStatus::Submitted,
        OrderStatus::Accepted,
        OrderStatus::PartiallyFilled,
        OrderStatus::Filled,
        OrderStatus::Cancelled,
        OrderStatus::Expired,
        OrderStatus::Rejected,
    ];

    /// True when nothing more can happen to the order.
    pub const fn is_final(self) -> bool {
        matches!(self, OrderStatus::Filled | OrderStatus::Cancelled | OrderStatus::Expired | OrderStatus::Rejected)
    }

    /// The type of the event that tells of the order's arrival in this state.
    pub const fn event_type(self) -> EventType {
        match self {
            OrderStatus::New => EventType::OrderNew,
            OrderStatus::Submitted => EventType::OrderSubmitted,
            OrderStatus::Accepted => EventType::OrderAccepted,
            OrderStatus::PartiallyFilled => EventType::OrderPartiallyFilled,
            OrderStatus::Filled => EventType::OrderFilled,
            OrderStatus::Cancelled => EventType::OrderCancelled,
            OrderStatus::Expired => EventType::OrderExpired,
            OrderStatus::Rejected => EventType::OrderRejected,
        }
    }
}

/// Our id of an order at the venue: derived from its request's id, unique for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientOrderId(pub u128);

impl fmt::Display for ClientOrderId {
    /// `L` and 32 hexadecimal digits: 33 of the 36 characters that venues allow.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{:032x}", self.0)
    }
}

impl fmt::Debug for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ClientOrderId {
    /// Reads the text form back.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('L')?;
        if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return None;
        }
        u128::from_str_radix(digits, 16).ok().map(ClientOrderId)
    }
}

/// A request to place an order, before any check: the payload of `ORDER_REQUEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    /// Its id. The same id asked twice is the same request, and gets the first outcome.
    pub request_id: u128,
    /// The signal that it came from, 0 for none.
    pub signal_id: u128,
    /// The account group that it is for.
    pub account: Name,
    /// Who asks.
    pub strategy: Name,
    /// What to trade.
    pub instrument: Name,
    /// Buy or sell.
    pub side: OrderSide,
    /// Market or limit.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// Size, in the instrument's size units.
    pub size: i64,
    /// Limit price in the instrument's price units; 0 for a market order.
    pub price: i64,
    /// Behind this time it must not leave any more, nanoseconds since the epoch; 0 for never.
    pub deadline_ns: i64,
    /// When the market event that led to it was received, nanoseconds since the epoch, 0 where unknown.
    pub ts_origin_ns: i64,
}

/// A request to cancel an order: the payload of `CANCEL_REQUEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelRequest {
    /// The account group that it is for.
    pub account: Name,
    /// Who asks.
    pub strategy: Name,
    /// What to cancel.
    pub client_order_id: ClientOrderId,
}

/// Maker or taker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Liquidity {
    /// Rested in the book.
    Maker = 0,
    /// Took from the book.
    Taker = 1,
}

/// An execution of a part of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The order.
    pub client_order_id: ClientOrderId,
    /// The venue's id of the trade: with account, instrument and order it is the key that a fill is booked by, once.
    pub trade_id: u64,
    /// What was traded.
    pub instrument: Name,
    /// Who asked for it.
    pub strategy: Name,
    /// Buy or sell.
    pub side: OrderSide,
    /// Price, in the instrument's price units.
    pub price: i64,
    /// Size, in the instrument's size units.
    pub size: i64,
    /// Fee; negative for a rebate.
    pub fee: Money,
    /// The currency of the fee.
    pub fee_currency: Name,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// The venue's time, nanoseconds since the epoch.
    pub ts_venue_ns: i64,
}

/// An order as the account knows it: with [`Order::last_fill`] the payload of every `ORDER_*` event from `ORDER_NEW` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Our id at the venue.
    pub client_order_id: ClientOrderId,
    /// The venue's id, empty before it answered.
    pub venue_order_id: String,
    /// What was asked for.
    pub request: OrderRequest,
    /// Where it stands.
    pub status: OrderStatus,
    /// Executed so far, in size units.
    pub filled: i64,
    /// Sum of price x size x contract size over its fills.
    pub filled_notional: Money,
    /// Sum of its fees.
    pub fees: Money,
    /// Why it was rejected, cancelled or expired: a code such as `POSITION_LIMIT`, empty otherwise.
    pub reason: String,
    /// The limit and the value, or the venue's words.
    pub detail: String,
    /// The fill that this state came with, if it came with one.
    pub last_fill: Option<Fill>,
    /// When it came to this state, on the account's clock.
    pub ts_ns: i64,
}

/// What a venue says about an order: the only way that an order moves on after it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueReport {
    /// The order.
    pub client_order_id: ClientOrderId,
    /// The venue's id of the order, empty where it does not say.
    pub venue_order_id: String,
    /// What became of it.
    pub outcome: VenueOutcome,
    /// The venue's time, nanoseconds since the epoch.
    pub ts_venue_ns: i64,
}

/// What became of an order at its venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VenueOutcome {
    /// It works.
    Accepted,
    /// It was refused.
    Rejected {
        /// The venue's code.
        code: String,
        /// The venue's words.
        detail: String,
    },
    /// A part of it was executed.
    Filled {
        /// The venue's id of the trade.
        trade_id: u64,
        /// Price, in price units.
        price: i64,
        /// Size, in size units.
        size: i64,
        /// Fee; negative for a rebate.
        fee: Money,
        /// The currency of the fee.
        fee_currency: Name,
        /// Maker or taker.
        liquidity: Liquidity,
    },
    /// It was cancelled.
    Cancelled {
        /// Why: `REQUESTED`, `IOC`, `SELF`...
        reason: String,
    },
    /// It ran out of time.
    Expired,
    /// A cancel was refused: the order is final already, or unknown.
    CancelRejected {
        /// The venue's words.
        detail: String,
    },
    /// The venue does not know the order: the answer to a query, never final by itself.
    NotFound,
}

fn digest_request(request: &OrderRequest, digest: &mut Digest) {
    digest.i128(request.request_id as i128);
    digest.i128(request.signal_id as i128);
    digest.name(request.account);
    digest.name(request.strategy);
    digest.name(request.instrument);
    digest.u64(request.side as u64 | (request.order_type as u64) << 8 | (request.time_in_force as u64) << 16);
    for value in [request.size, request.price, request.deadline_ns] {
        digest.i64(value);
    }
}

impl SharedPayload for OrderRequest {
    fn kind(&self) -> &'static str {
        "order_request"
    }

    fn owner(&self) -> Name {
        self.strategy
    }

    fn digest(&self, digest: &mut Digest) {
        digest_request(self, digest);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl SharedPayload for CancelRequest {
    fn kind(&self) -> &'static str {
        "cancel_request"
    }

    fn owner(&self) -> Name {
        self.strategy
    }

    fn digest(&self, digest: &mut Digest) {
        digest.name(self.account);
        digest.name(self.strategy);
        digest.i128(self.client_order_id.0 as i128);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl SharedPayload for Order {
    fn kind(&self) -> &'static str {
        "order"
    }

    fn owner(&self) -> Name {
        self.request.strategy
    }

    fn digest(&self, digest: &mut Digest) {
        digest.i128(self.client_order_id.0 as i128);
        digest.blob(self.venue_order_id.as_bytes());
        digest_request(&self.request, digest);
        digest.u64(self.status as u64);
        digest.i64(self.filled);
        digest.i128(self.filled_notional);
        digest.i128(self.fees);
        digest.blob(self.reason.as_bytes());
        digest.blob(self.detail.as_bytes());
        digest.i64(self.ts_ns);
        digest.u64(u64::from(self.last_fill.is_some()));
        if let Some(fill) = &self.last_fill {
            digest.u64(fill.trade_id);
            digest.i64(fill.price);
            digest.i64(fill.size);
            digest.i128(fill.fee);
            digest.name(fill.fee_currency);
            digest.u64(fill.liquidity as u64);
            digest.i64(fill.ts_venue_ns);
        }
    }

    fn carried(&self) -> usize {
        self.venue_order_id.len() + self.reason.len() + self.detail.len()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_stands_at_the_place_of_its_number() {
        for (number, status) in OrderStatus::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, number);
        }
    }

    #[test]
    fn client_order_ids_round_trip() {
        let id = ClientOrderId(0x1234_5678_9abc_def0_u128 << 32);
        assert_eq!(ClientOrderId::parse(&id.to_string()), Some(id));
        assert_eq!(id.to_string().len(), 33);
        assert_eq!(ClientOrderId::parse("x"), None);
        assert_eq!(ClientOrderId::parse(&format!("L+{:031x}", 5)), None);
    }
}
