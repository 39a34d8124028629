//! When orders end by themselves. One that ended before stays noted until its time comes or until such notes are the
//! greater part; a note holds of the order that has its id and its time, whichever that is by then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ids::Ids;
use super::order::OrderId;
use super::slab::Slab;

/// Fewer notes than this are not worth looking through.
const FEW: usize = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Expiry {
    notes: BinaryHeap<Reverse<(i64, OrderId)>>,
    /// How many open orders have a time.
    open: usize,
}

impl Expiry {
    /// An order with a time was opened.
    pub(super) fn note(&mut self, expires_ns: i64, id: OrderId, ids: &Ids, orders: &Slab) {
        self.open += 1;
        self.notes.push(Reverse((expires_ns, id)));
        if self.notes.len() > FEW + 2 * self.open {
            // An order that was changed is noted once more each time.
            let mut notes = std::mem::take(&mut self.notes).into_vec();
            notes.sort_unstable();
            notes.dedup();
            notes.retain(|Reverse((at_ns, id))| {
                ids.get(*id, orders).is_some_and(|slot| orders[slot].expires_ns == *at_ns)
            });
            self.notes = notes.into();
        }
    }

    /// An order with a time is open no more.
    pub(super) fn ended(&mut self) {
        self.open -= 1;
    }

    /// The next order that is over at `now_ns`: by time, then by id.
    #[inline]
    pub(super) fn due(&mut self, now_ns: i64, ids: &Ids, orders: &Slab) -> Option<u32> {
        while let Some(Reverse((expires_ns, id))) = self.notes.peek().copied() {
            if expires_ns > now_ns {
                return None;
            }
            self.notes.pop();
            let slot = ids.get(id, orders).filter(|slot| orders[*slot].expires_ns == expires_ns);
            if slot.is_some() {
                return slot;
            }
        }
        None
    }

    #[cfg(test)]
    pub(super) fn notes(&self) -> usize {
        self.notes.len()
    }
}
