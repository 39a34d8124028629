//! One instrument's position: a signed size and its basis, kept as (cost, quantity) so that nothing is ever rounded
//! twice.
//!
//! The basis of a short is negative: what its sales brought in. With `cost` the basis and `realised` the P&L before
//! fees, after every fill
//!
//! ```text
//! cost - realised = sum of signed notionals (buys positive, sells negative), exactly
//! ```
//!
//! A partial close takes the share `closed / size` of the cost, rounded toward zero at money's decimals; the residue
//! stays in the basis and so goes to the closing trade. A flat position has no cost.

use std::any::Any;

use libra_kernel::digest::Digest;
use libra_kernel::fixed::{div_round_half_up, pow10};
use libra_kernel::{EventType, Name, SharedPayload};

use crate::instrument::{Instrument, MONEY_DECIMALS, Money};
use crate::order::OrderSide;

/// A position, or the flat place where one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The instrument.
    pub instrument: Name,
    /// Size in size units: above zero long, below zero short.
    pub size: i64,
    /// What the open size cost; negative for a short.
    pub cost: Money,
    /// P&L of all that was closed, before fees.
    pub realised: Money,
    /// Fees paid in the settle currency; fees in other currencies stand in the balances only.
    pub fees: Money,
    /// Fills booked.
    pub trades: u64,
}

/// How a fill changed a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PositionChange {
    /// It came to be.
    Opened = 0,
    /// It grew or shrank.
    Updated = 1,
    /// It is flat.
    Closed = 2,
}

impl PositionChange {
    /// The type of the event that tells of it.
    pub const fn event_type(self) -> EventType {
        match self {
            PositionChange::Opened => EventType::PositionOpened,
            PositionChange::Updated => EventType::PositionUpdated,
            PositionChange::Closed => EventType::PositionClosed,
        }
    }
}

/// What one fill did to a position.
pub(crate) struct Step {
    /// Price x size x contract size, negative for a sell.
    pub signed_notional: Money,
    /// P&L that the fill realised.
    pub realised: Money,
    /// How the position stands afterwards.
    pub change: PositionChange,
    /// The flat position between the two halves of a reversal.
    pub closed_first: Option<Position>,
}

impl Position {
    /// No position.
    pub const fn flat(instrument: Name) -> Self {
        Position { instrument, size: 0, cost: 0, realised: 0, fees: 0, trades: 0 }
    }

    /// P&L of the open size at the price `mark`; `None` when it does not fit.
    #[inline]
    pub fn unrealised(&self, instrument: &Instrument, mark: i64) -> Option<Money> {
        if self.size == 0 {
            return Some(0);
        }
        instrument.notional(mark, self.size)?.checked_sub(self.cost)
    }

    /// P&L of leaving at a quote of (bid, ask).
    #[inline]
    pub(crate) fn unrealised_at(&self, instrument: &Instrument, (bid, ask): (i64, i64)) -> Option<Money> {
        self.unrealised(instrument, if self.size > 0 { bid } else { ask })
    }

    /// The average entry price in units of 10^-[`MONEY_DECIMALS`], rounded toward zero: for display only.
    pub fn average_price(&self, instrument: &Instrument) -> Option<Money> {
        let quantity = Money::from(self.size).checked_mul(Money::from(instrument.contract_size))?;
        let decimals = instrument.size_decimals + instrument.contract_decimals;
        if quantity == 0 || decimals > MONEY_DECIMALS {
            return None;
        }
        self.cost.checked_mul(pow10(decimals))?.checked_div(quantity)
    }

    /// The same in units of the instrument's own prices, rounded to the nearest; `None` for a flat position.
    pub fn entry_price(&self, instrument: &Instrument) -> Option<Money> {
        let finer = MONEY_DECIMALS.checked_sub(instrument.price_decimals)?;
        div_round_half_up(self.average_price(instrument)?, pow10(finer))
    }

    /// Books a fill. `None`, and nothing changed, when something does not fit.
    pub(crate) fn book(&mut self, instrument: &Instrument, side: OrderSide, price: i64, size: i64) -> Option<Step> {
        let mut next = *self;
        let sign = side.sign();
        let against = self.size.signum() == -sign;
        let closing = if against { size.min(self.size.checked_abs()?) } else { 0 };
        let opening = size.checked_sub(closing)?;
        let (mut realised, mut closed_first) = (0, None);
        next.trades = next.trades.checked_add(1)?;

        if closing > 0 {
            let open = Money::from(self.size.checked_abs()?);
            let released = if Money::from(closing) == open {
                self.cost
            } else {
                self.cost.checked_mul(Money::from(closing))?.checked_div(open)?
            };
            let traded = instrument.notional(price, sign.checked_mul(closing)?)?;
            realised = traded.checked_neg()?.checked_sub(released)?;
            next.cost = next.cost.checked_sub(released)?;
            next.realised = next.realised.checked_add(realised)?;
            next.size = next.size.checked_add(sign.checked_mul(closing)?)?;
            if opening > 0 {
                closed_first = Some(next);
            }
        }
        if opening > 0 {
            let signed = sign.checked_mul(opening)?;
            next.cost = next.cost.checked_add(instrument.notional(price, signed)?)?;
            next.size = next.size.checked_add(signed)?;
        }
        let change = match (self.size, next.size) {
            (_, 0) => PositionChange::Closed,
            (0, _) => PositionChange::Opened,
            _ if closed_first.is_some() => PositionChange::Opened,
            _ => PositionChange::Updated,
        };
        let signed_notional = instrument.notional(price, sign.checked_mul(size)?)?;
        *self = next;
        Some(Step { signed_notional, realised, change, closed_first })
    }
}

impl SharedPayload for Position {
    fn kind(&self) -> &'static str {
        "position"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.name(self.instrument);
        digest.i64(self.size);
        for amount in [self.cost, self.realised, self.fees] {
            digest.i128(amount);
        }
        digest.u64(self.trades);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
