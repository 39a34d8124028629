//! What changes an account and is no fill: money that flows, an opening by the venue's word, an accepted difference.
//!
//! Of each settle currency, in all of them, `total = opening + realised - fees - cost of spot positions` stays true.

use libra_kernel::Name;

use crate::instrument::Money;

use super::{Account, BookingError, Position, PositionChange};

/// How a balance moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// By so much the total.
    pub total: Money,
    /// P&L of it: it counts for the day and against the peak.
    pub realised: Money,
    /// Fees of it, positive where they were paid.
    pub fees: Money,
    /// Capital of it: opening, peak and the day's start move along, so it is no profit and no loss.
    pub capital: Money,
}

impl Account {
    /// Moves a balance, all of it or nothing. Gives its index.
    pub fn shift(&mut self, currency: Name, shift: Shift) -> Result<usize, BookingError> {
        let index = self.currency(currency);
        let mut balance = self.balances[index];
        let mut moved = || -> Option<()> {
            balance.total = balance.total.checked_add(shift.total)?;
            balance.realised = balance.realised.checked_add(shift.realised)?;
            balance.fees = balance.fees.checked_add(shift.fees)?;
            for amount in [&mut balance.opening, &mut balance.peak, &mut balance.day_start] {
                *amount = amount.checked_add(shift.capital)?;
            }
            balance.equity().and(balance.available()).map(drop)
        };
        moved().ok_or(BookingError::Overflow)?;
        self.balances[index] = balance;
        Ok(index)
    }

    /// Sets a position's size and basis. What it was realised before stays; until a quote comes it is worth its basis.
    pub fn replace_position(
        &mut self,
        instrument: Name,
        size: i64,
        cost: Money,
    ) -> Result<(PositionChange, Position), BookingError> {
        let slot = self.slot(instrument).ok_or(BookingError::UnknownInstrument)?;
        let book = &self.books[slot];
        let cost = if size == 0 { 0 } else { cost };
        let trades = book.position.trades.checked_add(1).ok_or(BookingError::Overflow)?;
        let position = Position { size, cost, trades, ..book.position };
        let unrealised = match book.marks {
            Some(quote) => position.unrealised_at(&book.instrument, quote).ok_or(BookingError::Overflow)?,
            None => 0,
        };
        let (settle, before, was) = (book.settle, book.unrealised, book.position.size);
        let balance = &mut self.balances[settle];
        let sum = balance.unrealised.checked_sub(before).and_then(|sum| sum.checked_add(unrealised));
        balance.unrealised = sum.ok_or(BookingError::Overflow)?;
        let book = &mut self.books[slot];
        if book.marks.is_none() {
            let sight = &mut self.sights[settle];
            sight.unmarked = sight.unmarked + u32::from(size != 0) - u32::from(was != 0);
        }
        (book.position, book.unrealised) = (position, unrealised);
        let change = match (was, size) {
            (_, 0) => PositionChange::Closed,
            (0, _) => PositionChange::Opened,
            _ => PositionChange::Updated,
        };
        Ok((change, position))
    }

    /// The day of a currency begins when its equity is known: what an inherited position lost before is no loss of ours.
    pub(crate) fn begin_day_anew(&mut self, instrument: Name) -> Option<usize> {
        let settle = self.books[self.slot(instrument)?].settle;
        self.balances[settle].day = self.day.saturating_sub(1);
        Some(settle)
    }
}
