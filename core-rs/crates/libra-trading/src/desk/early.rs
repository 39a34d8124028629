//! Cancels that overtook their orders.
//!
//! A cancel may be here while its order is still on its way through risk. It is kept until the order comes, which then
//! ends before it leaves, or for [`KEEP_NS`]; anyone may ask to cancel any id, so not more than [`MOST`] are kept. One that
//! finds no room is refused at once: whoever asked has to know that the order may leave.

use std::collections::{BTreeMap, BTreeSet};

use crate::order::ClientOrderId;

/// How long a cancel waits for its order: longer than a request lives between strategy and gate.
pub(super) const KEEP_NS: i64 = 60_000_000_000;
/// How many wait at most.
pub(super) const MOST: usize = 10_000;

/// See the module.
#[derive(Default)]
pub(super) struct EarlyCancels {
    until: BTreeMap<ClientOrderId, i64>,
    by_age: BTreeSet<(i64, ClientOrderId)>,
}

impl EarlyCancels {
    /// Keeps a cancel, from now on for its whole time where it was kept before. False when there is no room.
    pub fn keep(&mut self, now_ns: i64, id: ClientOrderId) -> bool {
        self.forget_old(now_ns);
        match self.until.get(&id) {
            Some(&until_ns) => drop(self.by_age.remove(&(until_ns, id))),
            None if self.until.len() >= MOST => return false,
            None => {}
        }
        let until_ns = now_ns.saturating_add(KEEP_NS);
        self.until.insert(id, until_ns);
        self.by_age.insert((until_ns, id));
        true
    }

    /// Takes the cancel of an order out; false when none is kept.
    pub fn take(&mut self, now_ns: i64, id: ClientOrderId) -> bool {
        self.forget_old(now_ns);
        let Some(until_ns) = self.until.remove(&id) else { return false };
        self.by_age.remove(&(until_ns, id))
    }

    /// Lets go of those that waited long enough.
    #[inline]
    pub fn forget_old(&mut self, now_ns: i64) {
        while let Some(&(until_ns, id)) = self.by_age.first()
            && until_ns < now_ns
        {
            self.by_age.pop_first();
            self.until.remove(&id);
        }
    }

    /// How many are kept.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.until.len(), self.by_age.len());
        self.until.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_kept_for_its_time_and_taken_once() {
        let mut early = EarlyCancels::default();
        let (one, two) = (ClientOrderId(1), ClientOrderId(2));
        assert!(early.keep(0, one) && early.keep(5, two) && early.keep(9, one));
        assert_eq!(early.len(), 2);
        early.forget_old(5 + KEEP_NS);
        assert_eq!(early.len(), 2, "to the end of its time");
        early.forget_old(6 + KEEP_NS);
        assert_eq!(early.len(), 1);
        assert!(early.take(9 + KEEP_NS, one), "asked for again, it waits anew");
        assert!(!early.take(9 + KEEP_NS, one));
        assert!(early.keep(0, two) && !early.take(1 + KEEP_NS, two), "too late");
        assert_eq!(early.len(), 0);
    }

    #[test]
    fn none_beyond_the_most_is_kept() {
        let mut early = EarlyCancels::default();
        for id in 0..MOST {
            assert!(early.keep(id as i64, ClientOrderId(id as u128)));
        }
        let late = ClientOrderId(u128::MAX);
        assert!(!early.keep(KEEP_NS, late), "the oldest still waits");
        assert!(early.keep(KEEP_NS, ClientOrderId(7)), "one that is kept needs no room");
        assert!(early.keep(KEEP_NS + 1, late));
        assert_eq!(early.len(), MOST);
    }
}
