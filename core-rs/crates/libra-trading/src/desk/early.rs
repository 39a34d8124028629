//! Cancels that overtook their orders.
//!
//! A cancel may be here while its order is still on its way through risk. It is kept until the order comes, which then
//! ends before it leaves, or for [`KEEP_NS`]; it ends only an order of the strategy that asked. Anyone may ask to cancel any
//! id, so not more than [`MOST`] are kept, and of these each strategy has a part of its own ([`Parts`]): one that asks for ids
//! that nobody knows does not let another's order go that was taken back. One that finds no room is refused at once, and one
//! whose time is over is refused then: whoever asked has to know that the order may leave. Those of an order that risk refuses
//! go with it.

use std::collections::{BTreeMap, BTreeSet};

use libra_kernel::Name;

use crate::order::ClientOrderId;
use crate::risk::parts::{Parts, Sharers};

/// An order that is not known yet, and who wants it cancelled.
type Asked = (ClientOrderId, Name);

/// How long a cancel waits for its order: longer than a request lives between strategy and gate.
pub(super) const KEEP_NS: i64 = 60_000_000_000;
/// Of a storm that nobody knows so many are let go of at a time: whoever else the account has waits for no more.
const MOST_AT_ONCE: usize = 256;
/// How many wait at most.
pub(super) const MOST: u32 = 10_000;

/// See the module.
#[derive(Default)]
pub(super) struct EarlyCancels {
    until: BTreeMap<Asked, i64>,
    by_age: BTreeSet<(i64, Asked)>,
    sharers: Sharers,
    parts: Parts,
}

impl EarlyCancels {
    /// Room for the cancels of these strategies.
    pub fn new(strategies: &[Name]) -> Self {
        let sharers = Sharers::new(strategies);
        let mut parts = Parts::default();
        parts.divide(Some(MOST), sharers.count());
        EarlyCancels { sharers, parts, ..EarlyCancels::default() }
    }

    fn count(&mut self, strategy: Name, more: i32) {
        let _fits = self.parts.add(self.sharers.place(strategy), more);
        debug_assert!(_fits.is_some());
    }

    /// Keeps a cancel, from now on for its whole time where it was kept before. False when there is no room.
    pub fn keep(&mut self, now_ns: i64, id: ClientOrderId, strategy: Name) -> bool {
        let asked = (id, strategy);
        match self.until.get(&asked) {
            Some(&until_ns) => drop(self.by_age.remove(&(until_ns, asked))),
            None if !self.parts.has_room(self.sharers.place(strategy)) => return false,
            None => self.count(strategy, 1),
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

    /// Takes every cancel of an order out whose time is not over: who asked for them.
    pub fn take(&mut self, now_ns: i64, id: ClientOrderId) -> Vec<Name> {
        let of_order = self.until.range((id, Name::NONE)..).take_while(|((of, _), _)| *of == id);
        let in_time = of_order.filter(|(_, until_ns)| **until_ns >= now_ns);
        let found: Vec<(Asked, i64)> = in_time.map(|(asked, until_ns)| (*asked, *until_ns)).collect();
        for (asked, until_ns) in &found {
            self.until.remove(asked);
            self.by_age.remove(&(*until_ns, *asked));
            self.count(asked.1, -1);
        }
        found.into_iter().map(|((_, strategy), _)| strategy).collect()
    }

    /// When the first one has waited long enough.
    #[inline]
    pub fn next_due_ns(&self) -> Option<i64> {
        self.by_age.first().map(|(until_ns, _)| until_ns.saturating_add(1))
    }

    /// Lets go of those that waited long enough, the oldest first, [`MOST_AT_ONCE`] at most: who asked for what.
    pub fn forget_old(&mut self, now_ns: i64) -> Vec<Asked> {
        let old = self.by_age.iter().take_while(|(until_ns, _)| *until_ns < now_ns).take(MOST_AT_ONCE);
        let forgotten: Vec<(i64, Asked)> = old.copied().collect();
        for (until_ns, asked) in &forgotten {
            self.by_age.remove(&(*until_ns, *asked));
            self.until.remove(asked);
            self.count(asked.1, -1);
        }
        forgotten.into_iter().map(|(_, asked)| asked).collect()
    }

    /// How many are kept.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!((self.until.len(), self.parts.total() as usize), (self.by_age.len(), self.by_age.len()));
        self.until.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_kept_for_its_time_and_taken_once() {
        let mut early = EarlyCancels::new(&[]);
        let (one, two) = (ClientOrderId(1), ClientOrderId(2));
        let (mine, other) = (Name::intern("early-mine"), Name::intern("early-other"));
        assert!(early.keep(0, one, mine) && early.keep(5, two, mine) && early.keep(9, one, mine));
        assert_eq!(early.len(), 2);
        assert!(early.forget_old(5 + KEEP_NS).is_empty(), "to the end of its time");
        assert_eq!((early.len(), early.next_due_ns()), (2, Some(6 + KEEP_NS)));
        assert_eq!(early.forget_old(6 + KEEP_NS), [(two, mine)]);
        assert_eq!(early.len(), 1);
        assert_eq!(early.take(9 + KEEP_NS, one), [mine], "asked for again, it waits anew");
        assert!(early.take(9 + KEEP_NS, one).is_empty());
        assert!(early.keep(0, two, mine) && early.take(1 + KEEP_NS, two).is_empty(), "too late");
        assert_eq!(
            (early.forget_old(1 + KEEP_NS), early.len()),
            (vec![(two, mine)], 0),
            "whoever asked is still to be told"
        );
        assert!(early.keep(0, one, mine) && early.keep(0, one, other) && early.keep(0, two, other));
        let mut who = early.take(0, one);
        who.sort_unstable();
        assert_eq!((who, early.len()), (vec![mine, other], 1), "each asks for itself, and of that order");
    }

    #[test]
    fn none_beyond_the_most_is_kept() {
        let mine = Name::intern("early-mine");
        let mut early = EarlyCancels::new(&[mine]);
        for id in 0..MOST {
            assert!(early.keep(id.into(), ClientOrderId(id.into()), mine));
        }
        let late = ClientOrderId(u128::MAX);
        assert!(!early.keep(KEEP_NS, late, mine), "the oldest still waits");
        assert!(early.keep(KEEP_NS, ClientOrderId(7), mine), "one that is kept needs no room");
        assert_eq!(early.forget_old(KEEP_NS + 1), [(ClientOrderId(0), mine)]);
        assert!(early.keep(KEEP_NS + 1, late, mine));
        assert_eq!(early.len(), MOST as usize);
        let at_once = early.forget_old(3 * KEEP_NS);
        assert_eq!((at_once.len(), early.len()), (MOST_AT_ONCE, MOST as usize - MOST_AT_ONCE), "a few at a time");
    }

    #[test]
    fn one_that_cancels_what_nobody_knows_leaves_the_others_their_room() {
        let [storm, calm, stranger] = ["early-storm", "early-calm", "early-stranger"].map(Name::intern);
        let mut early = EarlyCancels::new(&[storm, calm]);
        let mut kept = |now_ns: i64, of: Name| {
            let ids = (0..2 * u128::from(MOST)).map(ClientOrderId);
            ids.filter(|id| early.keep(now_ns, *id, of)).count()
        };
        assert_eq!([kept(0, storm), kept(1, calm), kept(2, stranger)], [7_500, 2_500, 0]);
        while !early.forget_old(KEEP_NS + 1).is_empty() {}
        let mut kept = |now_ns: i64, of: Name| {
            let ids = (0..2 * u128::from(MOST)).map(ClientOrderId);
            ids.filter(|id| early.keep(now_ns, *id, of)).count()
        };
        assert_eq!(kept(KEEP_NS + 1, storm), 7_500, "those that waited long enough have left, and come again");
        assert_eq!(early.len(), MOST as usize);
        assert_eq!(early.take(KEEP_NS + 1, ClientOrderId(0)).len(), 2);
        assert!(early.keep(KEEP_NS + 1, ClientOrderId(u128::MAX), stranger), "who has no part waits in the rest");
    }
}
