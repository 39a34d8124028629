//! How a limit is divided among the strategies of an account, so that none uses up what is another's.
//!
//! Of n strategies each has a part of its own, half of the limit divided by n, which no other can use; the rest is for
//! whoever comes first. So one that asks without end takes the rest and its own part, and every other still has its own.
//!
//! - One strategy alone has the whole limit: all of it is the rest, which nobody else asks for.
//! - A part is rounded down, and is one at least while there are no more strategies than the limit counts. Where there
//!   are more, nobody has a part.
//! - Whoever is none of them (an order that was found at the venue, a strategy that has left the profile) has no part and
//!   is no one more to divide by: what it has counts in the rest.
//!
//! [`Parts`] does so for what stands at a time, like open orders; [`super::rate`] for what is sent within a time.

use libra_kernel::Name;

use super::code::{Rejection, RiskCode};

/// What each of so many strategies has of a limit for itself, and what is left for all.
pub(crate) fn shares(limit: u32, strategies: usize) -> (u32, u32) {
    let share = match u32::try_from(strategies).unwrap_or(u32::MAX) {
        0 | 1 => 0,
        count if count > limit => 0,
        count => (limit / 2 / count).max(1),
    };
    (share, limit - share * if share == 0 { 0 } else { strategies as u32 })
}

/// The strategies that share, each with its place.
#[derive(Clone, Debug, Default)]
pub struct Sharers {
    /// By [`Name::index`], the place plus one.
    places: Vec<u32>,
    count: usize,
}

impl Sharers {
    /// Those of a profile.
    pub fn new(strategies: &[Name]) -> Self {
        let mut sharers = Sharers::default();
        for strategy in strategies {
            if sharers.find(*strategy).is_none() {
                sharers.add(*strategy);
            }
        }
        sharers
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The place of one of them.
    #[inline]
    pub fn find(&self, strategy: Name) -> Option<usize> {
        match self.places.get(strategy.index()) {
            Some(&place) if place > 0 => Some(place as usize - 1),
            _ => None,
        }
    }

    /// The place of anybody: all that are none of them have one together, behind the others.
    #[inline]
    pub fn place(&self, strategy: Name) -> usize {
        self.find(strategy).unwrap_or(self.count)
    }

    /// One more, with the last place.
    pub fn add(&mut self, strategy: Name) -> usize {
        if self.places.len() <= strategy.index() {
            self.places.resize(strategy.index() + 1, 0);
        }
        self.count += 1;
        self.places[strategy.index()] = self.count as u32;
        self.count - 1
    }
}

/// What a place has, and how much of that is its own part.
#[derive(Clone, Copy, Debug, Default)]
struct Own {
    count: u32,
    part: u32,
}

impl Own {
    #[inline]
    fn beyond(self) -> u32 {
        self.count.saturating_sub(self.part)
    }
}

/// How much of something each strategy has at a time, against a limit that they share.
#[derive(Clone, Debug)]
pub struct Parts {
    limit: Option<u32>,
    share: u32,
    rest: u32,
    /// By place; whoever has none, all together, at the last one.
    own: Vec<Own>,
    /// What is counted in the rest.
    beyond: u32,
}

/// Without a limit.
impl Default for Parts {
    fn default() -> Self {
        Parts { limit: None, share: 0, rest: u32::MAX, own: Vec::new(), beyond: 0 }
    }
}

impl Parts {
    /// Divides a limit, `None` for none, among so many. What is counted stays counted.
    pub fn divide(&mut self, limit: Option<u32>, sharers: usize) {
        self.limit = limit;
        (self.share, self.rest) = limit.map_or((0, u32::MAX), |limit| shares(limit, sharers));
        // Whoever comes has a place by now, so that counting allocates nothing.
        self.own.resize(self.own.len().max(sharers + 1), Own::default());
        for (place, own) in self.own.iter_mut().enumerate() {
            own.part = if place < sharers { self.share } else { 0 };
        }
        self.beyond = self.own.iter().map(|own| own.beyond()).sum();
    }

    /// How much a place has.
    #[inline]
    pub fn of(&self, place: usize) -> u32 {
        self.own.get(place).map_or(0, |own| own.count)
    }

    /// All of it.
    pub fn total(&self) -> u32 {
        self.own.iter().map(|own| own.count).sum()
    }

    #[inline]
    fn part(&self, place: usize) -> u32 {
        self.own.get(place).map_or(0, |own| own.part)
    }

    /// One more of a place, one less, or as many as before. `None`, and nothing changed, where a count does not fit.
    #[inline]
    pub fn add(&mut self, place: usize, more: i32) -> Option<()> {
        if place >= self.own.len() {
            self.make_room(place);
        }
        let own = &mut self.own[place];
        let before = own.beyond();
        own.count = own.count.checked_add_signed(more)?;
        self.beyond = self.beyond - before + own.beyond();
        Some(())
    }

    #[cold]
    fn make_room(&mut self, place: usize) {
        self.own.resize(place + 1, Own::default());
    }

    /// True where one more of a place fits into its part or into the rest.
    #[inline]
    pub fn has_room(&self, place: usize) -> bool {
        self.beyond < self.rest || self.of(place) < self.part(place)
    }

    /// Refuses one more of a place that fits into neither. What `reduces` is let through beyond both, up to twice the limit
    /// of one place: see [`super::check`].
    pub fn check(&self, place: usize, reduces: bool, code: RiskCode) -> Result<(), Rejection> {
        let most = self.limit.unwrap_or(0).saturating_mul(2);
        let passes = self.has_room(place) || (reduces && self.of(place) < most);
        if passes { Ok(()) } else { Err(self.refused(place, code)) }
    }

    #[cold]
    fn refused(&self, place: usize, code: RiskCode) -> Rejection {
        let (limit, rest) = (self.limit.unwrap_or(0), self.rest);
        if self.share == 0 {
            return Rejection::limit(
                code,
                format!("{limit} orders"),
                format!("{} orders", u64::from(self.total()) + 1),
            );
        }
        let own = u64::from(self.of(place)) + 1;
        let limit = format!("{limit} orders, {} of them its own and {rest} for all", self.part(place));
        Rejection::limit(code, limit, format!("{own} of its own, {} taken of those for all", self.beyond))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODE: RiskCode = RiskCode::OpenOrdersLimit;

    fn parts(limit: u32, sharers: usize) -> Parts {
        let mut parts = Parts::default();
        parts.divide(Some(limit), sharers);
        parts
    }

    /// Takes while it may; gives how many that were.
    fn storm(parts: &mut Parts, place: usize, reduces: bool) -> u32 {
        let mut taken = 0;
        while taken < 1_000 && parts.check(place, reduces, CODE).is_ok() {
            parts.add(place, 1).unwrap();
            taken += 1;
        }
        taken
    }

    #[test]
    fn one_that_takes_without_end_leaves_the_others_their_parts() {
        for (sharers, limit, own, all) in [
            (1, 20, 0, 20),
            (2, 20, 5, 10),
            (3, 20, 3, 11),
            (20, 20, 1, 0),
            (15, 20, 1, 5),
            (21, 20, 0, 20),
            (2, 1, 0, 1),
        ] {
            assert_eq!(shares(limit, sharers), (own, all), "{sharers} of {limit}");
            let mut parts = parts(limit, sharers);
            assert_eq!(storm(&mut parts, 0, false), own + all);
            for place in 1..sharers {
                assert_eq!(storm(&mut parts, place, false), own, "place {place} of {sharers}");
            }
        }
    }

    #[test]
    fn strangers_have_no_part_together_and_leave_the_others_theirs() {
        let mut parts = parts(20, 2);
        assert_eq!(storm(&mut parts, 2, false), 10);
        assert_eq!([storm(&mut parts, 0, false), storm(&mut parts, 1, false)], [5, 5]);
    }

    #[test]
    fn what_reduces_passes_up_to_twice_the_limit_and_takes_nobodys_part() {
        let mut parts = parts(20, 2);
        assert_eq!([storm(&mut parts, 0, false), storm(&mut parts, 0, true)], [15, 25]);
        assert_eq!([storm(&mut parts, 1, false), storm(&mut parts, 1, true)], [5, 35]);
        let mut shut = super::tests::parts(0, 2);
        assert_eq!(storm(&mut shut, 0, true), 0, "a limit that shuts everything shuts this");
    }

    #[test]
    fn a_refusal_says_what_a_strategy_has() {
        let told = |sharers, place| {
            let mut parts = parts(20, sharers);
            storm(&mut parts, 0, false);
            storm(&mut parts, place, false);
            parts.check(place, false, CODE).unwrap_err().to_string()
        };
        assert_eq!(told(1, 0), "OPEN_ORDERS_LIMIT: limit 20 orders, value 21 orders");
        let limit = "OPEN_ORDERS_LIMIT: limit 20 orders, 5 of them its own and 10 for all";
        assert_eq!(told(2, 1), format!("{limit}, value 6 of its own, 10 taken of those for all"));
        assert!(
            told(2, 2).ends_with("0 of them its own and 10 for all, value 1 of its own, 10 taken of those for all")
        );
    }

    proptest! {
        /// What is kept step by step is what a list says, whatever comes, goes and is divided anew: nobody whose part has
        /// room is refused, and what may be refused never passes the limit.
        #[test]
        fn the_counts_agree_with_a_list(
            limits in proptest::collection::vec(0u32..12, 1..4), sharers in 0usize..5,
            steps in proptest::collection::vec((0usize..6, 0u8..8), 1..200),
        ) {
            let (mut limit, mut counts) = (limits[0], parts(limits[0], sharers));
            let (mut list, mut free): (Vec<usize>, bool) = (Vec::new(), true);
            for (number, (place, what)) in steps.into_iter().enumerate() {
                let place = place.min(sharers);
                let (share, rest) = shares(limit, sharers);
                let of = |list: &[usize], place| list.iter().filter(|at| **at == place).count() as u32;
                let part = |place| if place < sharers { share } else { 0 };
                let beyond: u32 = (0..=sharers).map(|place| of(&list, place).saturating_sub(part(place))).sum();
                prop_assert_eq!((counts.total(), counts.of(place)), (list.len() as u32, of(&list, place)));
                prop_assert_eq!(counts.has_room(place), of(&list, place) < part(place) || beyond < rest);
                match what {
                    0 => {
                        limit = limits[number % limits.len()];
                        counts.divide(Some(limit), sharers);
                        free = false;
                    }
                    1 | 2 => if let Some(at) = list.iter().position(|at| *at == place) {
                        list.remove(at);
                        counts.add(place, -1).unwrap();
                    },
                    _ => if counts.has_room(place) {
                        list.push(place);
                        counts.add(place, 1).unwrap();
                        prop_assert!(!free || list.len() as u32 <= limit);
                    },
                }
            }
        }
    }
}
