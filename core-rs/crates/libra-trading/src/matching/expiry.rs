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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::tests::btc;
    use crate::matching::{AccountId, Engine, Limits, NewOrder};
    use crate::order::OrderSide;

    #[test]
    fn what_ended_before_its_time_is_not_kept_for_ever() {
        let mut engine = Engine::new(&btc(), Limits::default()).unwrap();
        let mut out = Vec::new();
        let order = |id| {
            let order = NewOrder::limit(OrderId(id), AccountId(0), OrderSide::Buy, 1_000, 10);
            NewOrder { expires_ns: Some(1_000_000), ..order }
        };
        engine.submit(&order(0), 0, &mut out).unwrap();
        for id in 1..1_000 {
            engine.submit(&order(id), 0, &mut out).unwrap();
            engine.cancel(AccountId(0), OrderId(id), 0, &mut out).unwrap();
            // One that stays is noted anew whenever it loses its place.
            engine.amend(AccountId(0), OrderId(0), 1_000, 10 + id as i64, 0, &mut out).unwrap();
            assert!(engine.expiry.notes.len() <= FEW + 5, "{}", engine.expiry.notes.len());
        }
        engine.advance(1_000_000, &mut out).unwrap();
        assert_eq!((engine.open_orders(), engine.expiry.notes.len(), engine.expiry.open), (0, 0, 0));
    }
}
