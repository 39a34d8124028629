//! How rows call things: sides, states and kinds by the names that users of the library know, ids and symbols as text.

use libra_kernel::Name;

use crate::account::Account;
use crate::instrument::ContractKind;
use crate::order::{Liquidity, OrderSide, OrderStatus, OrderType, TimeInForce, VenueOutcome};

pub(super) const fn side(side: OrderSide) -> &'static str {
    match side {
        OrderSide::Buy => "BUY",
        OrderSide::Sell => "SELL",
    }
}

pub(super) const fn order_type(order_type: OrderType) -> &'static str {
    match order_type {
        OrderType::Market => "MARKET",
        OrderType::Limit => "LIMIT",
    }
}

pub(super) const fn time_in_force(time: TimeInForce) -> &'static str {
    match time {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
        TimeInForce::PostOnly => "POST_ONLY",
    }
}

pub(super) const fn status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::New => "NEW",
        OrderStatus::Submitted => "SUBMITTED",
        OrderStatus::Accepted => "ACCEPTED",
        OrderStatus::PartiallyFilled => "PARTIALLY_FILLED",
        OrderStatus::Filled => "FILLED",
        OrderStatus::Cancelled => "CANCELLED",
        OrderStatus::Expired => "EXPIRED",
        OrderStatus::Rejected => "REJECTED",
    }
}

pub(super) const fn liquidity(liquidity: Liquidity) -> &'static str {
    match liquidity {
        Liquidity::Maker => "MAKER",
        Liquidity::Taker => "TAKER",
    }
}

pub(super) const fn contract_kind(kind: ContractKind) -> &'static str {
    match kind {
        ContractKind::Spot => "SPOT",
        ContractKind::Linear => "LINEAR",
        ContractKind::Inverse => "INVERSE",
    }
}

pub(super) const fn outcome(outcome: &VenueOutcome) -> &'static str {
    match outcome {
        VenueOutcome::Accepted => "accepted",
        VenueOutcome::Rejected { .. } => "rejected",
        VenueOutcome::Filled { .. } => "filled",
        VenueOutcome::Cancelled { .. } => "cancelled",
        VenueOutcome::Expired => "expired",
        VenueOutcome::CancelRejected { .. } => "cancel_rejected",
        VenueOutcome::NotFound => "not_found",
    }
}

/// An id of a request or a signal.
pub(super) fn hex(id: u128) -> String {
    format!("{id:032x}")
}

/// An instrument without its venue.
pub(super) fn symbol(account: &Account, instrument: Name) -> &'static str {
    let text = instrument.as_str();
    account.instrument(instrument).map_or(text, |known| known.symbol.as_str())
}

/// Decimals of prices and sizes; of an instrument that was never defined both are counted in whole units.
pub(super) fn decimals(account: &Account, instrument: Name) -> (u8, u8) {
    account.instrument(instrument).map_or((0, 0), |known| (known.price_decimals, known.size_decimals))
}
