//! What an account holds: positions, balances, P&L and equity, booked fill by fill in exact integers.
//!
//! - [`position`] — one instrument's size and basis, and how a fill changes it;
//! - [`curve`] — equity over time;
//! - [`balance`] — one currency's balance, P&L, equity, peak and day;
//! - [`outside`] — what changes it and is no fill;
//! - this file — the account: which fill goes to which position and which currencies.
//!
//! Data goes one way: the order gate books a fill here after it stands in the log, and marks positions with quotes.
//! Nothing here decides whether an order may leave.

pub mod balance;
pub mod curve;
pub mod outside;
pub mod position;

use libra_kernel::Name;
use libra_kernel::fixed::pow10;
use thiserror::Error;

pub use balance::Balance;
pub use position::{Position, PositionChange};

use crate::instrument::{ContractKind, Instrument, MONEY_DECIMALS, Money};
use crate::order::{Fill, OrderSide};

/// Why a fill cannot be booked. Nothing is changed when it is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BookingError {
    /// A size, a notional or a sum does not fit its integer.
    #[error("does not fit the account's integers")]
    Overflow,
    /// The instrument was never defined here.
    #[error("unknown instrument")]
    UnknownInstrument,
    /// An inverse contract: market data only.
    #[error("the instrument's kind cannot be booked")]
    NotBookable,
    /// A definition that other positions or orders rely on would change its meaning.
    #[error("decimals, kind or currencies of an instrument in use cannot change")]
    InUse,
}

/// One instrument of the account.
#[derive(Clone, Debug)]
struct Book {
    instrument: Instrument,
    position: Position,
    /// The position's P&L at the last mark; part of the settle currency's sum.
    unrealised: Money,
    /// The last bid and ask of this process. A replay has none: what the log holds is no market of today.
    marks: Option<(i64, i64)>,
    base: usize,
    quote: usize,
    settle: usize,
}

/// What the account knows of a currency beside its balance.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    /// Open positions that settle in it and have no quote of this process.
    unmarked: u32,
    /// P&L is kept in it.
    settles: bool,
}

/// What booking a fill changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The position after the fill; a reversal closes one and opens another.
    pub changes: Vec<(PositionChange, Position)>,
    /// The currencies whose balance moved, as indexes into [`Account::balances`].
    pub currencies: Vec<usize>,
}

/// Positions and balances of one account. Instruments and currencies keep the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Account {
    books: Vec<Book>,
    /// By [`Name::index`], the slot in `books` plus one.
    slots: Vec<u32>,
    balances: Vec<Balance>,
    /// By the balance's index.
    sights: Vec<Sight>,
    /// The UTC day that losses are counted from.
    day: i64,
}

impl Account {
    /// An account without instruments and balances.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what the account starts with of a currency.
    pub fn set_opening(&mut self, currency: Name, amount: Money) -> Result<(), BookingError> {
        let index = self.currency(currency);
        self.balances[index].open(amount).ok_or(BookingError::Overflow)
    }

    /// Defines an instrument, or defines it anew: only steps, limits and fees of one that was traded may change.
    pub fn set_instrument(&mut self, instrument: Instrument) -> Result<usize, BookingError> {
        if let Some(slot) = self.slot(instrument.id) {
            let book = &mut self.books[slot];
            if book.position.trades > 0 && !same_arithmetic(&book.instrument, &instrument) {
                return Err(BookingError::InUse);
            }
            book.instrument = instrument;
            let (base, quote, settle) = (book.instrument.base, book.instrument.quote, book.instrument.settle);
            let indexes = (self.currency(base), self.currency(quote), self.currency(settle));
            let book = &mut self.books[slot];
            (book.base, book.quote, book.settle) = indexes;
            self.sights[indexes.2].settles = true;
            return Ok(slot);
        }
        let (base, quote, settle) =
            (self.currency(instrument.base), self.currency(instrument.quote), self.currency(instrument.settle));
        self.sights[settle].settles = true;
        let slot = self.books.len();
        let index = instrument.id.index();
        if self.slots.len() <= index {
            self.slots.resize(index + 1, 0);
        }
        self.slots[index] = slot as u32 + 1;
        let position = Position::flat(instrument.id);
        self.books.push(Book { instrument, position, unrealised: 0, marks: None, base, quote, settle });
        Ok(slot)
    }

    /// The place of an instrument, stable for the life of the account.
    #[inline]
    pub fn slot(&self, instrument: Name) -> Option<usize> {
        match self.slots.get(instrument.index()) {
            Some(&slot) if slot > 0 => Some(slot as usize - 1),
            _ => None,
        }
    }

    /// The instrument at `slot`.
    #[inline]
    pub fn instrument_at(&self, slot: usize) -> &Instrument {
        &self.books[slot].instrument
    }

    /// The position at `slot`.
    #[inline]
    pub fn position_at(&self, slot: usize) -> &Position {
        &self.books[slot].position
    }

    /// Indexes of the base, quote and settle currency of the instrument at `slot`.
    #[inline]
    pub(crate) fn currencies_at(&self, slot: usize) -> (usize, usize, usize) {
        let book = &self.books[slot];
        (book.base, book.quote, book.settle)
    }

    /// What is free of the base and of the quote currency of the instrument at `slot`; nothing where a sum does not fit.
    pub(crate) fn free_at(&self, slot: usize) -> (Money, Money) {
        let book = &self.books[slot];
        let free = |index: usize| self.balances[index].available().unwrap_or(0);
        (free(book.base), free(book.quote))
    }

    /// An instrument by its id.
    pub fn instrument(&self, id: Name) -> Option<&Instrument> {
        self.slot(id).map(|slot| &self.books[slot].instrument)
    }

    /// All instruments.
    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> {
        self.books.iter().map(|book| &book.instrument)
    }

    /// The position of an instrument, flat when it was never traded; `None` for an unknown instrument.
    pub fn position(&self, instrument: Name) -> Option<&Position> {
        self.slot(instrument).map(|slot| &self.books[slot].position)
    }

    /// Positions of all instruments that were ever traded.
    pub fn positions(&self) -> impl Iterator<Item = &Position> {
        self.books.iter().map(|book| &book.position).filter(|position| position.trades > 0)
    }

    /// How much of a spot instrument the account can sell: units of the base that are there and promised to no open order,
    /// rounded down. `None` for other instruments, which need no inventory. It may be less than the position: a venue can
    /// take its fee of the base.
    pub fn sellable(&self, instrument: Name) -> Option<i64> {
        self.sellable_beside(instrument, 0)
    }

    /// The same beside `other` of its base that is about to be promised.
    pub fn sellable_beside(&self, instrument: Name, other: Money) -> Option<i64> {
        self.of_the_base(instrument, |balance| balance.available()?.checked_sub(other))
    }

    /// The same, with what is promised to open orders: what can be sold once none of them is open.
    pub fn inventory(&self, instrument: Name) -> Option<i64> {
        self.of_the_base(instrument, |balance| Some(balance.total))
    }

    fn of_the_base(&self, instrument: Name, part: impl Fn(&Balance) -> Option<Money>) -> Option<i64> {
        let book = &self.books[self.slot(instrument)?];
        if book.instrument.kind != ContractKind::Spot {
            return None;
        }
        let unit = base_amount(&book.instrument, 1).filter(|unit| *unit > 0)?;
        let units = part(&self.balances[book.base])?.max(0) / unit;
        Some(i64::try_from(units).unwrap_or(i64::MAX))
    }

    /// True while open orders hold some of the money that a buy of a spot instrument would take.
    pub fn is_money_held(&self, instrument: Name) -> bool {
        self.slot(instrument).is_some_and(|slot| {
            let book = &self.books[slot];
            book.instrument.kind == ContractKind::Spot && self.balances[book.quote].reserved > 0
        })
    }

    /// P&L of an instrument's open position at its last mark.
    pub fn unrealised(&self, instrument: Name) -> Money {
        self.slot(instrument).map_or(0, |slot| self.books[slot].unrealised)
    }

    /// All balances.
    pub fn balances(&self) -> &[Balance] {
        &self.balances
    }

    /// The balance of a currency.
    pub fn balance(&self, currency: Name) -> Option<&Balance> {
        self.balances.iter().find(|balance| balance.currency == currency)
    }

    /// Equity of a currency at the last marks: opening + realised - fees + unrealised. Inventory that the account was
    /// opened with is not revalued. A position without a quote of this process counts at the price of its last fill: to
    /// look at, not to decide by (see [`Account::known_equity`]).
    pub fn equity(&self, currency: Name) -> Option<Money> {
        self.balance(currency)?.equity()
    }

    /// Equity of a currency, once every open position that settles in it has a quote of this process.
    pub fn known_equity(&self, currency: Name) -> Option<Money> {
        let index = self.balances.iter().position(|balance| balance.currency == currency)?;
        if self.unmarked(index) == 0 { self.balances[index].equity() } else { None }
    }

    /// Open positions that settle in the currency at `index` and have no quote of this process.
    #[inline]
    pub(crate) fn unmarked(&self, index: usize) -> u32 {
        self.sights[index].unmarked
    }

    pub(crate) fn balance_mut(&mut self, index: usize) -> &mut Balance {
        &mut self.balances[index]
    }

    /// The UTC day that losses are counted from.
    pub fn day(&self) -> i64 {
        self.day
    }

    /// A new day. Currencies that P&L is kept in follow one by one, each at its equity (see `gate/latch.rs`).
    pub(crate) fn set_day(&mut self, day: i64) {
        self.day = day;
        for (balance, sight) in self.balances.iter_mut().zip(&self.sights) {
            if !sight.settles {
                balance.day = day;
            }
        }
    }

    /// True for the currencies that P&L is kept in: the loss limits apply to these.
    #[inline]
    pub(crate) fn is_settle(&self, index: usize) -> bool {
        self.sights[index].settles
    }

    fn currency(&mut self, currency: Name) -> usize {
        match self.balances.iter().position(|balance| balance.currency == currency) {
            Some(index) => index,
            None => {
                self.balances.push(Balance { day: self.day, ..Balance::new(currency) });
                self.sights.push(Sight::default());
                self.balances.len() - 1
            }
        }
    }

    /// Books a fill: position, basis, realised P&L, fees and balances, all of it or nothing.
    pub fn book(&mut self, fill: &Fill) -> Result<Booked, BookingError> {
        let slot = self.slot(fill.instrument).ok_or(BookingError::UnknownInstrument)?;
        let fee_index = self.currency(fill.fee_currency);
        let book = &self.books[slot];
        let instrument = &book.instrument;
        if instrument.kind == ContractKind::Inverse {
            return Err(BookingError::NotBookable);
        }
        let mut position = book.position;
        let step = position.book(instrument, fill.side, fill.price, fill.size).ok_or(BookingError::Overflow)?;
        if fill.fee_currency == instrument.settle {
            position.fees = position.fees.checked_add(fill.fee).ok_or(BookingError::Overflow)?;
        }
        let value = book.marks.unwrap_or((fill.price, fill.price));
        let unrealised = position.unrealised_at(instrument, value).ok_or(BookingError::Overflow)?;
        let (settle, base, quote, before) = (book.settle, book.base, book.quote, book.unrealised);

        // Worked on a copy, so that a sum that does not fit leaves nothing half booked.
        let mut balances = self.balances.clone();
        let mut currencies = Vec::with_capacity(3);
        let mut add = |index: usize, amount: Money| -> Option<()> {
            balances[index].total = balances[index].total.checked_add(amount)?;
            if !currencies.contains(&index) {
                currencies.push(index);
            }
            Some(())
        };
        let moved = match instrument.kind {
            ContractKind::Spot => base_amount(instrument, fill.size).and_then(|amount| {
                let sign = Money::from(fill.side.sign());
                add(base, sign.checked_mul(amount)?)?;
                add(quote, step.signed_notional.checked_neg()?)
            }),
            _ => add(settle, step.realised),
        };
        moved.and_then(|()| add(fee_index, fill.fee.checked_neg()?)).ok_or(BookingError::Overflow)?;
        let mut sums = || -> Option<()> {
            balances[fee_index].fees = balances[fee_index].fees.checked_add(fill.fee)?;
            let settled = &mut balances[settle];
            settled.realised = settled.realised.checked_add(step.realised)?;
            settled.unrealised = settled.unrealised.checked_sub(before)?.checked_add(unrealised)?;
            settled.equity().map(|_| ())
        };
        sums().ok_or(BookingError::Overflow)?;

        self.balances = balances;
        let book = &mut self.books[slot];
        let mut changes = Vec::with_capacity(2);
        if let Some(mut closed) = step.closed_first {
            closed.fees = position.fees;
            changes.push((PositionChange::Closed, closed));
        }
        changes.push((step.change, position));
        if book.marks.is_none() {
            let sight = &mut self.sights[settle];
            sight.unmarked = sight.unmarked + u32::from(position.size != 0) - u32::from(book.position.size != 0);
        }
        book.position = position;
        book.unrealised = unrealised;
        Ok(Booked { changes, currencies })
    }

    /// Marks the position at `slot` with a quote: a long is worth what the bid pays, a short costs the ask. Returns the
    /// settle currency's index when a position is open there. A quote that makes sums which do not fit is none.
    #[inline]
    pub fn mark(&mut self, slot: usize, bid: i64, ask: i64) -> Option<usize> {
        let book = &mut self.books[slot];
        if book.position.size == 0 {
            book.marks = Some((bid, ask));
            return None;
        }
        let unrealised = book.position.unrealised_at(&book.instrument, (bid, ask))?;
        let balance = &mut self.balances[book.settle];
        balance.unrealised = balance.unrealised.checked_sub(book.unrealised)?.checked_add(unrealised)?;
        book.unrealised = unrealised;
        if book.marks.replace((bid, ask)).is_none() {
            self.sights[book.settle].unmarked -= 1;
        }
        Some(book.settle)
    }
}

/// `size` of a spot instrument as an amount of its base currency.
pub(crate) fn base_amount(instrument: &Instrument, size: i64) -> Option<Money> {
    let decimals = instrument.size_decimals.checked_add(instrument.contract_decimals)?;
    Money::from(size)
        .checked_mul(Money::from(instrument.contract_size))?
        .checked_mul(pow10(MONEY_DECIMALS.checked_sub(decimals)?))
}

/// True when prices, sizes and money of `a` mean the same in `b`.
pub(crate) fn same_arithmetic(a: &Instrument, b: &Instrument) -> bool {
    let of = |i: &Instrument| {
        (
            (i.kind, i.price_decimals, i.size_decimals),
            (i.contract_size, i.contract_decimals),
            (i.base, i.quote, i.settle),
        )
    };
    of(a) == of(b)
}

/// True for a buy.
pub(crate) fn is_buy(side: OrderSide) -> bool {
    side == OrderSide::Buy
}

#[cfg(test)]
mod tests;
