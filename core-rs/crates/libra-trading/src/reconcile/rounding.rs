//! What a venue's rounding makes of a wallet.
//!
//! A venue that keeps money in units rounds what each execution realises to one of them, and our books are finer. So a wallet may
//! differ by less than a unit for each execution since it last equalled the venue's, and such a difference is booked, as a
//! flow, in the look that finds it. What holds:
//!
//! 1. *No more than one unit for each execution, and each counts once*: what is booked, or found equal, ends the count. Both stand in
//!    the log, so another process counts on from there.
//! 2. *Nothing else hides behind it*: only in a look in which all else is equal, positions too, and nothing is in flight.
//!
//! Venues differ in where the rest goes. Of one that takes it out of the position's basis the basis moves along, so that it is not
//! found again when the position is closed; of one that keeps its entry price it does not. The venue's entry price
//! decides which it is.

use libra_kernel::Name;
use libra_kernel::fixed::div_round_half_up;

use crate::account::Account;
use crate::gate::Gate;
use crate::instrument::{ContractKind, Instrument, Money};
use crate::order::Fill;

use super::accept::position_line;
use super::compare::{Finding, Subject};
use super::venue::{FlowKind, VenueFlow, VenueState};

/// By how much a wallet may differ by rounding alone: nothing where it was never found equal.
pub fn room(gate: &Gate, currency: Name, unit: Money) -> Money {
    let Some(settled) = gate.settled_fills(currency) else { return 0 };
    let moved = gate.fills().since(settled).filter(|fill| moves(gate.account(), fill, currency)).count();
    unit.checked_mul(moved as Money).unwrap_or(0).max(0)
}

fn moves(account: &Account, fill: &Fill, currency: Name) -> bool {
    let traded = account.instrument(fill.instrument).is_some_and(|instrument| match instrument.kind {
        ContractKind::Spot => instrument.base == currency || instrument.quote == currency,
        _ => instrument.settle == currency,
    });
    traded || fill.fee_currency == currency
}

/// The flows that make the wallets equal; none where anything is found that rounding does not explain.
pub fn flows(gate: &Gate, state: &VenueState, found: &[Finding]) -> Vec<VenueFlow> {
    let explained = |finding: &Finding| {
        let Finding::Differs(difference) = finding else { return None };
        let Subject::Balance(currency) = difference.subject else { return None };
        let amount = difference.amount()?;
        (amount.checked_abs()? <= room(gate, currency, state.unit)).then(|| parts(gate, state, currency, amount))
    };
    let flows: Option<Vec<_>> = found.iter().map(explained).collect();
    flows.unwrap_or_default().into_iter().flatten().collect()
}

/// The amount as flows: one for each position whose basis it belongs to, one for the rest.
fn parts(gate: &Gate, state: &VenueState, currency: Name, amount: Money) -> Vec<VenueFlow> {
    let settled = gate.settled_fills(currency).unwrap_or_default();
    let traded = |id: Name| gate.fills().since(settled).any(|fill| fill.instrument == id);
    let of_currency = |i: &&Instrument| i.kind != ContractKind::Spot && i.settle == currency && traded(i.id);
    let moved: Vec<(Name, Money, Money)> = (gate.account().instruments().filter(of_currency))
        .filter_map(|instrument| {
            let (ours, theirs) = bases(gate, state, instrument)?;
            Some((instrument.symbol, ours, theirs))
        })
        .collect();
    let sum: Money = moved.iter().map(|(_, ours, theirs)| theirs.saturating_sub(*ours)).sum();
    // As far as it can be told by prices that are rounded themselves: is it in the bases?
    let in_bases = sum.saturating_sub(amount).saturating_abs() < sum.saturating_abs();
    let count = gate.fills().len();
    let flow = |symbol: Name, amount| VenueFlow {
        key: format!("rounding {currency} {count} {symbol}"),
        kind: FlowKind::Rounding,
        currency,
        amount,
        symbol,
        ts_venue_ns: state.ts_venue_ns,
    };
    let (mut flows, mut rest) = (Vec::new(), amount);
    if in_bases {
        let most = room(gate, currency, state.unit);
        for (n, (symbol, ours, theirs)) in moved.iter().enumerate() {
            // The wallet says it more exactly than a price: what is left is the last one's.
            let by = if n + 1 == moved.len() { rest } else { whole(*ours, *theirs, state.unit).clamp(-most, most) };
            rest = rest.saturating_sub(by);
            flows.extend((by != 0).then(|| flow(*symbol, by)));
        }
    }
    flows.extend((rest != 0).then(|| flow(Name::NONE, rest)));
    flows
}

/// By how much a basis that is kept in whole units is above ours.
fn whole(ours: Money, theirs: Money, unit: Money) -> Money {
    let units = div_round_half_up(theirs, unit.max(1)).and_then(|units| units.checked_mul(unit));
    units.map_or(0, |theirs| theirs.saturating_sub(ours))
}

/// The basis of an open position by our books, and by the venue's entry price where it tells one.
fn bases(gate: &Gate, state: &VenueState, instrument: &Instrument) -> Option<(Money, Money)> {
    let ours = gate.account().position(instrument.id).filter(|position| position.size != 0)?;
    let shown: Vec<_> = state.positions.iter().filter(|p| p.symbol == instrument.symbol).collect();
    if shown.is_empty() || shown.iter().any(|position| position.entry_price.is_none()) {
        return None;
    }
    let base: Money = shown.iter().map(|position| position.size).sum();
    let line = position_line(gate.account(), instrument.id, base, state).ok()??;
    Some((ours.cost, line.cost))
}
