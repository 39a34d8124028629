//! The portfolio's ledger is kept by the account's books, not by the events that tell of them.
//!
//! An event is news, and its handler may fail over it. What a strategy holds must not hang on that, so the ledger learns of
//! every order where its event is made, and of executions and accepted differences from the books themselves, in the order
//! of booking. A restart reads the same books from their beginning.

use crate::gate::ReadFills;

use super::Desk;

/// How much of the books the ledger has.
#[derive(Default)]
pub(super) struct Kept {
    fills: ReadFills,
    moves: usize,
}

impl Desk {
    /// The ledger takes in what was booked since it last did.
    pub(super) fn keep_ledger(&mut self) {
        let (fills, moves, kept) = (self.gate.fills(), self.gate.moves(), &mut self.kept);
        loop {
            let moved = moves.get(kept.moves).filter(|moved| moved.behind <= kept.fills.count());
            if let Some(moved) = moved {
                self.portfolio.on_move(moved);
                kept.moves += 1;
            } else if let Some(fill) = kept.fills.next(&fills) {
                self.portfolio.on_fill(&fill);
            } else {
                return;
            }
        }
    }
}
