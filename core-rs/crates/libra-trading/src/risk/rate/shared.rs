//! A window of the account that its strategies share: see [`crate::risk::parts`] for how.
//!
//! - What is sent counts in the sender's part, and in the rest while that part is full. Both are exact windows of their
//!   own, so no second holds more than the limit; and the answer depends on nothing but times and senders.
//! - A cancel counts like an order and cannot be refused. Cancels may fill the rest beyond its size, never another's part.
//! - Whoever has no part sends in the rest; where there is one strategy, of what that one has.
//! - Where the parts change, what was sent counts as if they had been these all the time.

use super::{NEVER_NS, RateWindow, Rejection, RiskCode, stretch};
use crate::risk::parts::shares;

/// Whose it is, of those who have no place.
const OUTSIDE: u32 = u32::MAX;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct SharedWindow {
    limit: Option<u32>,
    window_ns: i64,
    /// All of them. It says more than the parts only after these were divided anew.
    total: RateWindow,
    /// Whose each of them is, in its places.
    owners: Vec<u32>,
    rest: RateWindow,
    /// By the strategy's place.
    parts: Vec<RateWindow>,
}

impl SharedWindow {
    pub fn new(limit: Option<u32>, window_ns: i64) -> Self {
        let total = RateWindow::new(limit, window_ns);
        let (owners, rest) = (vec![OUTSIDE; total.times.len()], RateWindow::new(limit, window_ns));
        SharedWindow { limit, window_ns, total, owners, rest, parts: Vec::new() }
    }

    /// The limit, when one more of anybody would pass it.
    #[inline]
    pub fn total_exceeded(&self, now_ns: i64) -> Option<usize> {
        self.total.exceeded(now_ns)
    }

    /// True when the strategy's part is full, and the rest as well.
    #[inline]
    pub fn part_exceeded(&self, now_ns: i64, place: usize) -> bool {
        self.limit.is_some() && self.parts[place].is_full(now_ns) && self.rest.is_full(now_ns)
    }

    /// How many more of the strategy have room in the total and in its own part, `most` at most, at `now_ns` and any time
    /// behind it.
    pub fn room(&self, now_ns: i64, place: usize, most: usize) -> usize {
        if self.limit.is_none() {
            return most;
        }
        let own = self.parts[place].room(now_ns, most);
        self.total.room_or(now_ns, own)
    }

    /// True when one more of somebody without a part finds no room in what is for all.
    pub fn outside_exceeded(&self, now_ns: i64) -> bool {
        self.limit.is_some() && self.common().is_full(now_ns)
    }

    /// What is whoever's comes first. One strategy alone has no more of its own than that.
    fn common(&self) -> &RateWindow {
        if self.parts.len() == 1 { &self.parts[0] } else { &self.rest }
    }

    /// Counts several of a strategy, each of which had room in its part.
    pub fn record_all(&mut self, times: &[i64], place: usize) {
        let (next, kept) = (self.total.next, self.total.times.len());
        if self.total.may_forget(times) {
            return times.iter().for_each(|at_ns| self.record(*at_ns, Some(place)));
        }
        let to_end = times.len().min(kept - next);
        self.owners[next..][..to_end].fill(place as u32);
        self.owners[..times.len() - to_end].fill(place as u32);
        self.total.put_all(times);
        let part = &mut self.parts[place];
        if times.len() <= part.times.len() {
            part.put_all(times);
        }
    }

    /// Counts one of a strategy, or of somebody without a place.
    #[inline]
    pub fn record(&mut self, now_ns: i64, place: Option<usize>) {
        if let Some(length) = self.total.needs(now_ns) {
            self.keep_more(length);
        }
        if let Some(owner) = self.owners.get_mut(self.total.next) {
            *owner = place.map_or(OUTSIDE, |place| place as u32);
            self.total.record(now_ns);
            self.assign(now_ns, place);
        }
    }

    #[cold]
    fn keep_more(&mut self, length: usize) {
        stretch(&mut self.owners, self.total.next, length, OUTSIDE);
        self.total.stretch(length);
    }

    /// Counts one in its part or in the rest.
    #[inline]
    fn assign(&mut self, now_ns: i64, place: Option<usize>) {
        match place {
            Some(place) if !self.parts[place].is_full(now_ns) || self.parts.len() == 1 => {
                self.parts[place].record(now_ns)
            }
            None if self.parts.len() == 1 => self.parts[0].record(now_ns),
            _ => self.rest.record(now_ns),
        }
    }

    /// One more strategy, with the last place.
    pub fn add(&mut self) {
        self.parts.push(RateWindow::new(None, self.window_ns));
        self.divide();
    }

    /// Another limit from now on; what was counted within the window stays counted.
    pub fn set_limit(&mut self, limit: Option<u32>) {
        self.limit = limit;
        let length = limit.unwrap_or(0) as usize;
        if length > self.owners.len() {
            self.keep_more(length);
        }
        self.total.set_limit(limit);
        self.divide();
    }

    /// What a strategy is told that may send no more.
    #[cold]
    pub fn refused(&self, code: RiskCode, unit: &str) -> Rejection {
        if self.parts.len() == 1 {
            return super::refused(code, self.total.limit, unit);
        }
        let (part, rest) = (self.parts.first().map_or(0, |part| part.limit), self.rest.limit);
        let limit = format!("{} {unit}, {part} of them its own and {rest} for all", self.limit.unwrap_or(0));
        Rejection::limit(code, limit, format!("{} of its own", part + 1))
    }

    /// The same for one without a part.
    #[cold]
    pub fn refused_outside(&self, code: RiskCode, unit: &str) -> Rejection {
        let (limit, all) = (self.total.limit, self.common().limit);
        if limit == all {
            return super::refused(code, limit, unit);
        }
        Rejection::limit(code, format!("{limit} {unit}, {all} of them for all"), format!("{} of these", all + 1))
    }

    /// What each strategy has for itself, and what is left for all.
    fn shares(&self) -> (u32, u32) {
        let limit = self.limit.unwrap_or(0);
        match self.parts.len() {
            // Asked for as its own, so that it is looked ahead in.
            1 => (limit, 0),
            count => shares(limit, count),
        }
    }

    /// Gives each its part, and counts all that is known again.
    #[cold]
    fn divide(&mut self) {
        let (share, rest) = self.shares();
        self.parts.iter_mut().for_each(|part| *part = RateWindow::new(Some(share), self.window_ns));
        self.rest = RateWindow::new(Some(rest), self.window_ns);
        let (next, length) = (self.total.next, self.total.times.len());
        for at in (next..length).chain(0..next) {
            let (at_ns, owner) = (self.total.times[at], self.owners[at]);
            if at_ns != NEVER_NS {
                self.assign(at_ns, (owner != OUTSIDE).then_some(owner as usize));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: i64 = 1_000;

    fn shared(limit: u32, strategies: usize) -> SharedWindow {
        let mut window = SharedWindow::new(Some(limit), WINDOW);
        for _ in 0..strategies {
            window.add();
        }
        window
    }

    /// Sends while it may; gives how many that were.
    fn storm(window: &mut SharedWindow, now_ns: i64, place: usize) -> u32 {
        let mut sent = 0;
        while sent < 1_000 && !window.part_exceeded(now_ns, place) {
            window.record(now_ns, Some(place));
            sent += 1;
        }
        sent
    }

    #[test]
    fn one_that_sends_without_end_leaves_the_others_their_parts() {
        for (strategies, limit, own, all) in [
            (1, 20, 20, 0),
            (2, 20, 5, 10),
            (3, 20, 3, 11),
            (20, 20, 1, 0),
            (15, 20, 1, 5),
            (21, 20, 0, 20),
            (2, 1, 0, 1),
        ] {
            let mut window = shared(limit, strategies);
            assert_eq!(window.shares(), (own, all), "{strategies} of {limit}");
            assert_eq!(storm(&mut window, 0, 0), own + all);
            for place in 1..strategies {
                assert_eq!(storm(&mut window, WINDOW - 1, place), own, "place {place} of {strategies}");
            }
            assert_eq!(storm(&mut window, WINDOW, 0), own + all);
        }
    }

    #[test]
    fn without_a_limit_nothing_is_refused() {
        let mut window = SharedWindow::new(None, WINDOW);
        window.add();
        window.add();
        assert_eq!(storm(&mut window, 0, 0), 1_000);
        assert_eq!(window.total_exceeded(0), None);
        window.set_limit(Some(4));
        assert_eq!(
            (storm(&mut window, 0, 0), storm(&mut window, 0, 1)),
            (3, 1),
            "what went without a limit is not known"
        );
    }

    #[test]
    fn what_was_sent_counts_when_the_parts_change() {
        let mut window = shared(20, 1);
        assert_eq!(storm(&mut window, 0, 0), 20);
        window.add();
        assert_eq!(storm(&mut window, WINDOW - 1, 0), 0);
        assert_eq!(window.total_exceeded(WINDOW - 1), Some(20), "orders of the newcomer wait for the total");
        assert_eq!(storm(&mut window, WINDOW, 1), 15);
        window.set_limit(Some(8));
        assert_eq!(storm(&mut window, WINDOW + 1, 1), 0);
        assert_eq!(storm(&mut window, WINDOW + 1, 0), 2);
    }

    #[test]
    fn a_refusal_says_what_a_strategy_has() {
        let told = |strategies| shared(20, strategies).refused(RiskCode::OrderRate, "orders a second").to_string();
        assert_eq!(told(1), "ORDER_RATE: limit 20 orders a second, value 21 orders a second");
        assert_eq!(
            told(2),
            "ORDER_RATE: limit 20 orders a second, 5 of them its own and 10 for all, value 6 of its own"
        );
    }

    proptest! {
        /// Whatever the others send, and whatever cannot be refused among it: a strategy that has sent less than its part
        /// within the window may send, nobody is refused while both its part and the rest have room, and what may be
        /// refused never passes the limit.
        #[test]
        fn the_parts_agree_with_a_list(
            limit in 1u32..30, strategies in 1usize..6,
            steps in proptest::collection::vec((0i64..120, 0usize..6, prop::bool::weighted(0.2)), 1..200),
        ) {
            let mut window = shared(limit, strategies);
            let (share, rest) = window.shares();
            prop_assert!(share * strategies as u32 + rest == limit);
            // When, whose, whether it could have been refused, whether it counts in the part.
            let (mut sent, mut now): (Vec<(i64, usize, bool, bool)>, i64) = (Vec::new(), 0);
            for (step, place, forced) in steps {
                now += step;
                let place = place % strategies;
                sent.retain(|(at, ..)| now - at < WINDOW);
                let in_part = sent.iter().filter(|(_, whose, _, own)| *whose == place && *own).count() as u32;
                let in_rest = sent.iter().filter(|(_, _, _, own)| !own).count() as u32;
                let all_of_it = sent.iter().filter(|(_, whose, ..)| *whose == place).count() as u32;
                let closed = window.part_exceeded(now, place);
                prop_assert_eq!(closed, in_part >= share && in_rest >= rest);
                prop_assert!(!closed || all_of_it >= share, "its part is its own");
                if forced || !closed {
                    window.record(now, Some(place));
                    // One strategy alone has no rest: what it cannot be refused counts as its own.
                    sent.push((now, place, !forced, in_part < share || strategies == 1));
                    prop_assert!(sent.iter().any(|sent| !sent.2) || sent.len() as u32 <= limit);
                }
            }
        }
    }
}
