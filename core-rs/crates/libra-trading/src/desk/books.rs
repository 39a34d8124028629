//! What a desk has to tell: counts, equity over time, latency.

use std::collections::BTreeMap;

use libra_kernel::latency::Latency;

use crate::account::curve::EquityPoint;

use super::Desk;

/// Equity is noted at every fill, and so often in between.
const EQUITY_EVERY_NS: i64 = 1_000_000_000;

/// Counts of a desk.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Signals of its strategies.
    pub signals: u64,
    /// Requests refused, by code.
    pub rejections: BTreeMap<String, u64>,
    /// Reports and requests that could not be taken in: faults, not refusals.
    pub errors: u64,
    /// The last such fault.
    pub last_error: String,
}

impl Desk {
    /// The counts so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// From the market event to the order that left because of it.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Equity over time, in the order of time: the older, the coarser (see [`crate::account::curve`]).
    pub fn equity_curve(&self) -> &[EquityPoint] {
        self.equity.points()
    }

    /// Notes equity now, whatever was noted before: at the end of a run. Equity that is not known is none, and a currency
    /// begins with the first that there is of it: with a thousand contracts come a thousand currencies that nobody holds.
    pub fn note_equity(&mut self, now_ns: i64) {
        self.next_equity_ns = now_ns.saturating_add(EQUITY_EVERY_NS);
        let account = self.gate.account();
        for (index, balance) in account.balances().iter().enumerate() {
            if balance.is_blank() && !self.equity.has(balance.currency) {
                continue;
            }
            let Some(equity) = balance.equity().filter(|_| account.unmarked(index) == 0) else { continue };
            self.equity.note(EquityPoint {
                ts_ns: now_ns,
                currency: balance.currency,
                equity,
                realised: balance.realised,
                unrealised: balance.unrealised,
                fees: balance.fees,
            });
        }
    }

    pub(super) fn note_equity_at_times(&mut self, now_ns: i64) {
        if now_ns >= self.next_equity_ns {
            self.note_equity(now_ns);
        }
    }

    pub(super) fn fault(&mut self, what: impl std::fmt::Display) {
        self.tally.errors += 1;
        self.tally.last_error = what.to_string();
    }
}
