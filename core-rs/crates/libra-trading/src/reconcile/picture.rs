//! The books as of the moment that the venue's picture shows.
//!
//! A busy account is never still: while positions and balances are fetched executions are booked, and the picture lacks the last of
//! them, or has some whose reports are on their way. Neither is a difference where it is explained exactly: the books as
//! they were when the look began, with some of what was booked since, taken in the venue's order, are the picture in every
//! position and every balance. So a look is judged with what was booked until then, and one that was not explained is
//! judged again with the next, when reports of that time have come.

use libra_kernel::Name;

use crate::account::{Account, base_amount};
use crate::gate::Gate;
use crate::instrument::{ContractKind, Money};
use crate::order::Fill;

use super::compare::{Subject, sides};
use super::rounding;
use super::venue::VenueState;

/// Of so many executions behind a look's beginning it is not tried.
const MOST: usize = 5_000;

/// The books when a look began.
#[derive(Clone)]
pub struct Before {
    account: Account,
    fills: usize,
}

impl Before {
    /// As of now.
    pub fn of(gate: &Gate) -> Before {
        Before { account: gate.account().clone(), fills: gate.fills().len() }
    }

    /// How many executions were booked by then.
    pub fn fills(&self) -> usize {
        self.fills
    }

    /// How many of the executions since then the picture lacks; `None` where that explains not all of it.
    pub fn explains(&self, gate: &Gate, state: &VenueState, traded: impl Fn(Name) -> bool) -> Option<usize> {
        let mut fills: Vec<Fill> = gate.fills().since(self.fills).take(MOST + 1).collect();
        if fills.is_empty() || fills.len() > MOST {
            return None;
        }
        let mut all = self.account.clone();
        fills.iter().try_for_each(|fill| all.book(fill).map(drop)).ok()?;
        // What was booked beside executions is in the picture, or it is not explained.
        if positions(&all) != positions(gate.account()) {
            return None;
        }
        fills.sort_by_key(|fill| (fill.ts_venue_ns, fill.trade_id));
        let mut then = self.account.clone();
        let mut fits = None;
        for shown in 0..=fills.len() {
            if shown > 0 {
                then.book(&fills[shown - 1]).ok()?;
            }
            if self.is_shown(gate, &then, &all, state, &traded) {
                fits = Some(fills.len() - shown);
            }
        }
        fits
    }

    fn is_shown(
        &self,
        gate: &Gate,
        then: &Account,
        all: &Account,
        state: &VenueState,
        traded: &impl Fn(Name) -> bool,
    ) -> bool {
        sides(gate, then, state).into_iter().all(|(subject, (ours, theirs))| match subject {
            Subject::Position(_) => ours.is_some() && ours == theirs,
            Subject::Balance(currency) if traded(currency) => {
                // What came beside executions is in it, whenever it was booked.
                let beside = total(gate.account(), currency).checked_sub(total(all, currency));
                let ours = ours.zip(beside).and_then(|(ours, beside)| ours.checked_add(beside));
                let by = ours.zip(theirs).and_then(|(ours, theirs)| theirs.checked_sub(ours)?.checked_abs());
                by.is_some_and(|by| by == 0 || by <= rounding::room(gate, currency, state.unit))
            }
            Subject::Balance(_) => true,
        })
    }
}

fn total(account: &Account, currency: Name) -> Money {
    account.balance(currency).map_or(0, |balance| balance.total)
}

fn positions(account: &Account) -> Vec<(Name, Option<Money>)> {
    let contracts = account.instruments().filter(|instrument| instrument.kind != ContractKind::Spot);
    let size = |id| account.position(id).map_or(0, |position| position.size);
    contracts.map(|instrument| (instrument.id, base_amount(instrument, size(instrument.id)))).collect()
}
