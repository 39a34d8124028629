//! Cancels that overtook their orders.
//!
//! A cancel may be here while its order is still on its way through risk. It is kept until the order comes, which then
//! ends before it leaves, or for [`KEEP_NS`]; it ends only an order of the strategy that asked. Anyone may ask to cancel any
//! id, so not more than [`MOST`] are kept. One that finds no room is refused at once: whoever asked has to know that the
//! order may leave.

use std::collections::{BTreeMap, BTreeSet};

use libra_kernel::Name;

use crate::order::ClientOrderId;

/// An order that is not known yet, and who wants it cancelled.
type Asked = (ClientOrderId, Name);

/// How long a cancel waits for its order: longer than a request lives between strategy and gate.
pub(super) const KEEP_NS: i64 = 60_000_000_000;
/// How many wait at most.
pub(super) const MOST: usize = 10_000;

/// See the module.
#[derive(Default)]
pub(super) struct EarlyCancels {
    until: BTreeMap<Asked, i64>,
    by_age: BTreeSet<(i64, Asked)>,
}

impl EarlyCancels {
    /// Keeps a cancel, from now on for its whole time where it was kept before. False when there is no room.
    pub fn keep(&mut self, now_ns: i64, id: ClientOrderId, strategy: Name) -> bool {
        self.forget_old(now_ns);
        let asked = (id, strategy);
        match self.until.get(&asked) {
            Some(&until_ns) => drop(self.by_age.remove(&(until_ns, asked))),
            None if self.until.len() >= MOST => return false,
            None => {}
        }
        let until_ns = now_ns.saturating_add(KEEP_NS);
        self.until.insert(asked, until_ns);
        self.by_age.insert((until_ns, asked));
        true
    }

    /// True when none waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// Takes every cancel of an order out: who asked for them.
    pub fn take(&mut self, now_ns: i64, id: ClientOrderId) -> Vec<Name> {
        self.forget_old(now_ns);
        if self.until.is_empty() {
            return Vec::new();
        }
        let of_order = self.until.range((id, Name::NONE)..).take_while(|((of, _), _)| *of == id);
        let found: Vec<(Asked, i64)> = of_order.map(|(asked, until_ns)| (*asked, *until_ns)).collect();
        for (asked, until_ns) in &found {
            self.until.remove(asked);
            self.by_age.remove(&(*until_ns, *asked));
        }
        found.into_iter().map(|((_, strategy), _)| strategy).collect()
    }

    /// Lets go of those that waited long enough.
    #[inline]
    pub fn forget_old(&mut self, now_ns: i64) {
        while let Some(&(until_ns, asked)) = self.by_age.first()
            && until_ns < now_ns
        {
            self.by_age.pop_first();
            self.until.remove(&asked);
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
        let (mine, other) = (Name::intern("early-mine"), Name::intern("early-other"));
        assert!(early.keep(0, one, mine) && early.keep(5, two, mine) && early.keep(9, one, mine));
        assert_eq!(early.len(), 2);
        early.forget_old(5 + KEEP_NS);
        assert_eq!(early.len(), 2, "to the end of its time");
        early.forget_old(6 + KEEP_NS);
        assert_eq!(early.len(), 1);
        assert_eq!(early.take(9 + KEEP_NS, one), [mine], "asked for again, it waits anew");
        assert!(early.take(9 + KEEP_NS, one).is_empty());
        assert!(early.keep(0, two, mine) && early.take(1 + KEEP_NS, two).is_empty(), "too late");
        assert_eq!(early.len(), 0);
        assert!(early.keep(0, one, mine) && early.keep(0, one, other) && early.keep(0, two, other));
        let mut who = early.take(0, one);
        who.sort_unstable();
        assert_eq!((who, early.len()), (vec![mine, other], 1), "each asks for itself, and of that order");
    }

    #[test]
    fn none_beyond_the_most_is_kept() {
        let mut early = EarlyCancels::default();
        let mine = Name::intern("early-mine");
        for id in 0..MOST {
            assert!(early.keep(id as i64, ClientOrderId(id as u128), mine));
        }
        let late = ClientOrderId(u128::MAX);
        assert!(!early.keep(KEEP_NS, late, mine), "the oldest still waits");
        assert!(early.keep(KEEP_NS, ClientOrderId(7), mine), "one that is kept needs no room");
        assert!(early.keep(KEEP_NS + 1, late, mine));
        assert_eq!(early.len(), MOST);
    }
}
