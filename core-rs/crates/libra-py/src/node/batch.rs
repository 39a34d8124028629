//! Batches of market data for an actor's handlers.
//!
//! A batch ends when no market data waits for the actor, or at its full length. What is urgent goes before it: an actor that
//! has to give way, to its own events of more urgent lanes or to others', keeps what has gathered and is *owing*; when
//! nothing urgent is left it is the first to get a turn.

use libra_kernel::router::Turn;
use libra_kernel::{Event, Lane};
use pyo3::prelude::*;

use super::{NodeCore, State};
use crate::event::PyEvent;
use crate::handlers::InFlight;
use crate::subscriptions::HandlerList;

impl State {
    /// The actor whose turn it is.
    pub fn next_turn(&mut self) -> Option<Turn> {
        while !self.owing.is_empty() && !self.router.has_more_urgent_than(Lane::MarketData) {
            let turn = self.owing.pop_front().and_then(|slot| self.router.turn_before_others(slot));
            if turn.is_some() {
                return turn;
            }
        }
        if let Some(turn) = self.router.next_turn() {
            return Some(turn);
        }
        // What may be urgent may have been taken already: then nothing is ready, and a batch is still owed.
        let slot = self.owing.pop_front()?;
        self.router.turn_before_others(slot).or_else(|| self.router.next_turn())
    }

    /// The actor may run again: it gets a turn for what waits for it, or for the batch that it owes.
    pub fn leave(&mut self, py: Python<'_>, slot: usize) {
        self.router.list_again(slot);
        self.note_owing(py, slot);
    }

    /// The actor gives way in its turn, as it does in [`State::leave`]; `is_over`: the drain's time is.
    pub fn give_way(&mut self, py: Python<'_>, turn: Turn, is_over: bool) {
        let slot = turn.id;
        self.router.give_way(turn, is_over);
        self.note_owing(py, slot);
    }

    fn note_owing(&mut self, py: Python<'_>, slot: usize) {
        let is_owing = self.router.mailbox(slot).is_empty() && self.slots[slot].subscriptions.has_gathered(py);
        if is_owing && !self.owing.contains(&slot) {
            self.owing.push_back(slot);
        }
    }
}

impl NodeCore {
    /// The next batch of an actor whose market data has been gathered to the last event, in a turn that may take from
    /// `least`.
    pub fn next_batch(&self, py: Python<'_>, slot: usize, least: Lane) -> PyResult<Option<InFlight>> {
        loop {
            let handler = {
                let mut state = self.state.borrow(py);
                if least != Lane::MarketData || state.router.mailbox(slot).lane_len(Lane::MarketData) != 0 {
                    return Ok(None);
                }
                state.slots[slot].subscriptions.next_gathering(py)
            };
            let Some(handler) = handler else { return Ok(None) };
            if let Some(batch) = handler.take_batch(py)? {
                return Ok(Some(InFlight::of_batch(py, batch)));
            }
        }
    }
}

/// An event on its way through its handlers; `None` where it has become rows of a block, which is not full.
pub fn gathered(py: Python<'_>, event: Event, handlers: HandlerList) -> PyResult<Option<InFlight>> {
    let [handler] = &*handlers else { return InFlight::new(py, event, handlers).map(Some) };
    if !handler.takes_rows() {
        return InFlight::new(py, event, handlers).map(Some);
    }
    match handler.gather_rows(py, &event, event.sequence) {
        Ok(false) => Ok(None),
        Ok(true) => Ok(handler.take_batch(py)?.map(|batch| InFlight::of_batch(py, batch))),
        // The event has no rows: its handler says so again, as a failure of the actor.
        Err(_) => Ok(Some(InFlight::rest(Py::new(py, PyEvent::from(event))?, handlers, 0))),
    }
}
