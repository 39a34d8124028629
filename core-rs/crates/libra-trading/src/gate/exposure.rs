//! Keeps the worst worths of all instruments together (see [`crate::risk::exposure`]) in step with what changes them.
//!
//! Marks are quotes of this process only: after a restart an open instrument is worth nothing known until its first one.

use crate::account::is_buy;
use crate::order::OrderSide;
use crate::risk::exposure::{After, Portfolio, Sums, Worth};

use super::state::State;

impl State {
    /// Whether sums are kept at all. Turned on they are made from scratch.
    pub fn track_exposures(&mut self, on: bool) {
        self.sums.clear();
        self.sums.resize(self.account.balances().len(), Sums::default());
        self.tracks_exposures = on;
        for slot in 0..self.desks.len() {
            self.desks[slot].worth = Some(Worth::default());
            self.revalue(slot);
        }
    }

    /// An instrument was quoted, reserved or traded.
    #[inline]
    pub fn revalue(&mut self, slot: usize) {
        self.see_mark(slot);
        if !self.tracks_exposures {
            return;
        }
        let desk = &mut self.desks[slot];
        let position = self.account.position_at(slot).size;
        let worth = Worth::of(desk.scale, desk.mark, position, desk.open_buy, desk.open_sell);
        if worth == desk.worth {
            return;
        }
        // Sums are made anew behind every definition of an instrument, so each settle currency has its own.
        let (_, _, settle) = self.account.currencies_at(slot);
        let sums = &mut self.sums[settle];
        match sums.replace(desk.worth, worth) {
            Some(()) => desk.worth = worth,
            // A sum that does not fit is not known, and stays so until the sums are made anew.
            None => sums.unknown = sums.unknown.saturating_add(1),
        }
    }

    /// An order of the instrument at `slot` is reserved, just as it was checked: what the check found is what
    /// [`State::revalue`] would find.
    #[inline]
    pub(super) fn take_after(&mut self, slot: usize, side: OrderSide, after: &After) {
        self.see_mark(slot);
        let (_, _, settle) = self.account.currencies_at(slot);
        let before = (self.desks[slot].worth, self.sums[settle]);
        let sums = &mut self.sums[settle];
        // The check refuses where a worth is not known.
        let Some(worth) = &mut self.desks[slot].worth else { return };
        if is_buy(side) {
            (worth.long, sums.long) = (after.end, after.sum);
        } else {
            (worth.short, sums.short) = (after.end, after.sum);
        }
        sums.gross = after.gross;
        debug_assert!(self.is_what_revalue_finds(slot, before));
    }

    /// Whether valuing all of it anew, from how it stood `before`, gives how it stands.
    fn is_what_revalue_finds(&mut self, slot: usize, before: (Option<Worth>, Sums)) -> bool {
        let (_, _, settle) = self.account.currencies_at(slot);
        let taken = (self.desks[slot].worth, self.sums[settle]);
        (self.desks[slot].worth, self.sums[settle]) = before;
        let oldest_ns = self.oldest_mark_ns;
        self.revalue(slot);
        self.oldest_mark_ns = oldest_ns;
        (self.desks[slot].worth, self.sums[settle]) == taken
    }

    /// What an order of the instrument at `slot` is tested against.
    #[inline]
    pub fn portfolio(&self, slot: usize) -> Option<Portfolio<'_>> {
        if !self.tracks_exposures {
            return None;
        }
        let (_, _, settle) = self.account.currencies_at(slot);
        Some(Portfolio {
            sums: &self.sums[settle],
            own: self.desks[slot].worth,
            equity: self.account.balances()[settle].equity(),
        })
    }

    /// The sums from scratch, to hold the ones that are kept against.
    #[cfg(test)]
    pub fn sums_from_scratch(&self) -> Vec<Sums> {
        let mut sums = vec![Sums::default(); self.account.balances().len()];
        for (slot, desk) in self.desks.iter().enumerate() {
            let position = self.account.position_at(slot).size;
            let worth =
                Worth::of(self.account.instrument_at(slot).scale(), desk.mark, position, desk.open_buy, desk.open_sell);
            let (_, _, settle) = self.account.currencies_at(slot);
            sums[settle].replace(Some(Worth::default()), worth).unwrap();
        }
        sums
    }
}
