//! An operator takes the venue's word: the numbers of the adjustment that makes both books equal.
//!
//! - A contract's position gets the venue's size and its entry price as basis; where its settle currency differs, so does one of
//!   the same size.
//! - What differs in a balance is P&L, so that a loss counts for the day. A transfer is no accepted difference: the venue tells
//!   of it as a flow.
//! - Of spot the venue has balances only. What is missing of a base currency is taken out of the one long position in it,
//!   with its share of the basis; what came on top, where the quote currency paid for it, becomes part of that position, with
//!   what was paid as its basis. So a trade made by hand leaves the equity where the market has it. The rest of a base currency is
//!   capital.

use libra_kernel::Name;
use libra_kernel::fixed::{div_round_half_up, pow10};
use thiserror::Error;

use crate::account::{Account, base_amount};
use crate::gate::{Gate, GateError};
use crate::instrument::{ContractKind, Instrument, MONEY_DECIMALS, Money};

use super::compare::{Difference, Subject, contract_of};
use super::venue::{VenuePosition, VenueState};

/// A position as it is from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionLine {
    /// Which.
    pub instrument: Name,
    /// Its size.
    pub size: i64,
    /// Its basis.
    pub cost: Money,
}

/// What a balance moves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceLine {
    /// Which.
    pub currency: Name,
    /// The total.
    pub total: Money,
    /// P&L of it.
    pub realised: Money,
    /// Capital of it.
    pub capital: Money,
}

/// What makes our books equal the venue's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// Positions of the account.
    pub positions: Vec<PositionLine>,
    /// Balances.
    pub balances: Vec<BalanceLine>,
    /// Positions in symbols that are not the account's, in base units.
    pub elsewhere: Vec<(Name, Money)>,
}

/// Why nothing can be accepted.
#[derive(Debug, Error)]
pub enum AcceptError {
    /// There is no difference that two looks agree on.
    #[error("nothing to accept: no difference stands that two looks in a row have shown")]
    Nothing,
    /// Something was booked since the venue was looked at.
    #[error("the account has moved since the venue was looked at; it is looked at again, try in a moment")]
    Moved,
    /// An amount is not one of the account's units, or fits no integer.
    #[error("{0}: the venue's amount does not fit the account's units")]
    DoesNotFit(Name),
    /// It is taken, and the log did not take the resume behind it.
    #[error("the venue's word is taken, but not the resume behind it: {0}")]
    NotResumed(GateError),
    /// The gate could not write or book it.
    #[error(transparent)]
    Gate(#[from] GateError),
}

/// The adjustment for these differences.
pub fn adjustment(gate: &Gate, differences: &[Difference], state: &VenueState) -> Result<Adjustment, AcceptError> {
    let account = gate.account();
    let mut adjustment = Adjustment::default();
    for difference in differences {
        match difference.subject {
            Subject::Position(symbol) => match contract_of(account, symbol) {
                Some(id) => adjustment.positions.extend(position_line(account, id, difference.theirs, state)?),
                None => adjustment.elsewhere.push((symbol, difference.theirs)),
            },
            Subject::Balance(currency) => {
                let total = difference.amount().ok_or(AcceptError::DoesNotFit(currency))?;
                adjustment.balances.push(BalanceLine { currency, total, realised: total, capital: 0 });
            }
        }
    }
    let settled: Vec<Name> = adjustment.balances.iter().map(|line| line.currency).collect();
    for instrument in account.instruments().filter(|instrument| settled.contains(&instrument.settle)) {
        adjustment.positions.extend(other_basis(account, instrument, &adjustment, state)?);
    }
    for at in 0..adjustment.balances.len() {
        trade_by_hand(account, &mut adjustment, at);
    }
    Ok(adjustment)
}

/// A contract's position that is as large as the venue's, where its basis is not: what was bought and sold again by hand
/// leaves no other trace, and the next P&L would differ by it.
fn other_basis(
    account: &Account,
    instrument: &Instrument,
    adjustment: &Adjustment,
    state: &VenueState,
) -> Result<Option<PositionLine>, AcceptError> {
    let Some(position) = account.position(instrument.id).filter(|position| position.size != 0) else { return Ok(None) };
    let priced = |shown: &VenuePosition| shown.symbol == instrument.symbol && shown.entry_price.is_some();
    let taken = adjustment.positions.iter().any(|line| line.instrument == instrument.id);
    if instrument.kind == ContractKind::Spot || taken || !state.positions.iter().any(priced) {
        return Ok(None);
    }
    let Some(base) = base_amount(instrument, position.size) else { return Ok(None) };
    Ok(position_line(account, instrument.id, base, state)?.filter(|line| line.cost != position.cost))
}

/// The line of a contract's position, in its own units.
pub(super) fn position_line(
    account: &Account,
    id: Name,
    base: Money,
    state: &VenueState,
) -> Result<Option<PositionLine>, AcceptError> {
    let Some(instrument) = account.instrument(id) else { return Ok(None) };
    let symbol = instrument.symbol;
    let line = || {
        let unit = base_amount(instrument, 1).filter(|unit| *unit > 0 && base % unit == 0)?;
        let size = i64::try_from(base / unit).ok()?;
        let mut cost: Money = 0;
        for position in state.positions.iter().filter(|position| position.symbol == symbol) {
            cost = cost.checked_add(basis(instrument, position)?)?;
        }
        Some(PositionLine { instrument: id, size, cost })
    };
    line().map(Some).ok_or(AcceptError::DoesNotFit(symbol))
}

/// Entry price times size, rounded once; without a price the basis is unknown and counts as nothing.
fn basis(instrument: &Instrument, position: &VenuePosition) -> Option<Money> {
    debug_assert!(instrument.kind != ContractKind::Spot);
    let Some(price) = position.entry_price else { return Some(0) };
    // Twelve decimals each: the product is cut to whole and fraction so that it fits.
    let one = pow10(MONEY_DECIMALS);
    let (whole, fraction) = (position.size / one, position.size % one);
    let part = div_round_half_up(price.checked_mul(fraction)?, one)?;
    price.checked_mul(whole)?.checked_add(part)
}

/// Spot: what moved of a base currency goes with the one position in it, and what the quote currency paid with its basis.
fn trade_by_hand(account: &Account, adjustment: &mut Adjustment, at: usize) {
    let BalanceLine { currency: base, total, .. } = adjustment.balances[at];
    let mut of_base = account.instruments().filter(|i| i.kind == ContractKind::Spot && i.base == base);
    let Some(instrument) = of_base.next() else { return };
    if account.instruments().any(|i| i.settle == base) {
        return;
    }
    // Nobody keeps P&L in it.
    let line = &mut adjustment.balances[at];
    (line.realised, line.capital) = (0, total);
    if of_base.next().is_some() {
        return;
    }
    let quote = adjustment.balances.iter().position(|line| line.currency == instrument.quote);
    // Of what it paid, only what no other position has taken yet.
    let paid = quote.map_or(0, |quote| adjustment.balances[quote].realised);
    if let Some((line, released)) = moved_position(account, instrument, total, paid) {
        adjustment.positions.push(line);
        if let Some(quote) = quote {
            let line = &mut adjustment.balances[quote];
            line.realised = line.realised.saturating_add(released);
        } else if released != 0 {
            // Given away for nothing: its basis is lost.
            let lost = BalanceLine { currency: instrument.quote, total: 0, realised: released, capital: 0 };
            adjustment.balances.push(lost);
        }
    }
}

/// The position after `came` of the base came (or went) for what the quote moved by; and by what its basis grew.
fn moved_position(
    account: &Account,
    instrument: &Instrument,
    came: Money,
    paid: Money,
) -> Option<(PositionLine, Money)> {
    let position = account.position(instrument.id)?;
    let unit = base_amount(instrument, 1).filter(|unit| *unit > 0)?;
    let units = i64::try_from(came / unit).ok()?;
    let (size, cost) = if came < 0 {
        // No more than is there; what is finer than a unit stays.
        let gone = units.checked_neg()?.min(position.size.max(0));
        let share = if gone == 0 {
            0
        } else {
            position.cost.checked_mul(Money::from(gone))?.checked_div(Money::from(position.size))?
        };
        (position.size.checked_sub(gone)?, position.cost.checked_sub(share)?)
    } else if paid < 0 {
        (position.size.checked_add(units)?, position.cost.checked_sub(paid)?)
    } else {
        return None;
    };
    let grown = cost.checked_sub(position.cost)?;
    (size != position.size).then_some((PositionLine { instrument: instrument.id, size, cost }, grown))
}
