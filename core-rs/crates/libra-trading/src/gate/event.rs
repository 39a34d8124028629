//! What the gate has to tell the world after a record was appended and booked.

use std::sync::Arc;

use libra_kernel::EventType;

use crate::account::{Balance, Position, PositionChange};
use crate::order::{ClientOrderId, Order};
use crate::risk::Breach;

use super::limits::LimitsChanged;

/// Something to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateEvent {
    /// An order came to a new state, or was filled further.
    Order(Arc<Order>),
    /// The venue refused a cancel.
    CancelRejected {
        /// The order.
        client_order_id: ClientOrderId,
        /// The venue's words.
        detail: String,
    },
    /// A position changed.
    Position {
        /// How.
        change: PositionChange,
        /// How it stands now.
        position: Position,
    },
    /// A balance changed.
    Balance(Balance),
    /// A loss limit was passed: no new orders.
    Breach(Breach),
    /// The venue and the account disagree.
    Incident(Incident),
    /// The kill latch was set: no new orders, open ones are to be cancelled.
    Latched {
        /// Why.
        reason: String,
    },
    /// The kill latch was taken back.
    Resumed,
    /// Limits were changed.
    Limits(LimitsChanged),
}

impl GateEvent {
    /// The type of the event that carries it.
    pub fn event_type(&self) -> EventType {
        match self {
            GateEvent::Order(order) => order.status.event_type(),
            GateEvent::CancelRejected { .. } => EventType::Message,
            GateEvent::Position { change, .. } => change.event_type(),
            GateEvent::Balance(_) => EventType::BalanceUpdated,
            GateEvent::Breach(breach) => breach.event_type(),
            GateEvent::Incident(_) => EventType::RiskLimitBreach,
            GateEvent::Latched { .. } => EventType::CircuitBreaker,
            GateEvent::Resumed => EventType::TradingResumed,
            GateEvent::Limits(_) => EventType::RiskLimitsChanged,
        }
    }
}

/// The kinds of disagreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum IncidentCode {
    /// The venue knows an order with our prefix that the log does not.
    UnknownOrder = 0,
    /// More was executed than was asked for.
    Overfill = 1,
    /// A rejected order was executed.
    FillAfterRejection = 2,
    /// An execution does not fit the account's integers.
    CannotBook = 3,
    /// The venue works on an order that is over here.
    AcceptedAfterEnd = 4,
    /// The venue has rejected an order that it had accepted.
    RejectedAfterAcceptance = 5,
    /// The venue has another position, and nothing explains it.
    PositionDiffers = 6,
    /// The venue has another balance, and nothing explains it.
    BalanceDiffers = 7,
    /// The venue works on more of an order than was asked for.
    OrderDiffers = 8,
}

impl IncidentCode {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            IncidentCode::UnknownOrder => "UNKNOWN_ORDER",
            IncidentCode::Overfill => "OVERFILL",
            IncidentCode::FillAfterRejection => "FILL_AFTER_REJECTION",
            IncidentCode::CannotBook => "CANNOT_BOOK",
            IncidentCode::AcceptedAfterEnd => "ACCEPTED_AFTER_END",
            IncidentCode::RejectedAfterAcceptance => "REJECTED_AFTER_ACCEPTANCE",
            IncidentCode::PositionDiffers => "POSITION_DIFFERS",
            IncidentCode::BalanceDiffers => "BALANCE_DIFFERS",
            IncidentCode::OrderDiffers => "ORDER_DIFFERS",
        }
    }
}

/// A disagreement between venue and account. It stops new orders until an explicit resume: what the account could come
/// to hold is not known any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// What kind.
    pub code: IncidentCode,
    /// The order; [`NO_ORDER`] where it is about none.
    pub client_order_id: ClientOrderId,
    /// For people.
    pub detail: String,
}

/// What an incident bears that is about no order.
pub const NO_ORDER: ClientOrderId = ClientOrderId(0);

impl Incident {
    /// The order, where it is about one, and what is to be said of it.
    pub fn explanation(&self) -> String {
        match self.client_order_id {
            NO_ORDER => self.detail.clone(),
            id => format!("{id}: {}", self.detail),
        }
    }
}
