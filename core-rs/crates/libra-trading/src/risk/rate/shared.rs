//! A window of the account that its strategies share. Of n strategies each has a part of its own, half of the limit
//! divided by n, which no other can use; the rest is for whoever comes first. So one that sends without end takes the
//! rest and its own part, and every other still has its own.
//!
//! - One strategy alone has the whole limit.
//! - A part is rounded down, and is one at least while there are no more strategies than the limit counts. Where there
//!   are more, nobody has a part.
//! - What is sent counts in the sender's part, and in the rest while that part is full. Both are exact windows of their
//!   own, so no second holds more than the limit; and the answer depends on nothing but times and senders.
//! - A cancel counts like an order and cannot be refused. Cancels may fill the rest beyond its size, never another's part.

use super::{RateWindow, Rejection, RiskCode};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct SharedWindow {
    limit: Option<u32>,
    window_ns: i64,
    /// All of them. It says more than the parts only after these were divided anew.
    total: RateWindow,
    rest: RateWindow,
    /// By the strategy's place.
    parts: Vec<RateWindow>,
}

impl SharedWindow {
    pub fn new(limit: Option<u32>, window_ns: i64) -> Self {
        let total = RateWindow::new(limit, window_ns);
        SharedWindow { limit, window_ns, total, rest: RateWindow::new(None, window_ns), parts: Vec::new() }
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

    /// Counts several of a strategy, each of which had room in its part.
    pub fn record_all(&mut self, times: &[i64], place: usize) {
        if self.limit.is_some() {
            self.total.record_all(times);
            self.parts[place].record_all(times);
        }
    }

    /// Counts one of a strategy.
    #[inline]
    pub fn record(&mut self, now_ns: i64, place: usize) {
        if self.limit.is_none() {
            return;
        }
        self.total.record(now_ns);
        let part = &mut self.parts[place];
        if part.is_full(now_ns) { self.rest.record(now_ns) } else { part.record(now_ns) }
    }

    /// One more strategy, with the last place.
    pub fn add(&mut self) {
        self.parts.push(RateWindow::new(None, self.window_ns));
        self.divide();
    }

    /// Another limit from now on; what was counted within the window stays counted.
    pub fn set_limit(&mut self, limit: Option<u32>) {
        self.limit = limit;
        self.total.set_limit(limit);
        self.divide();
    }

    /// What a strategy is told that may send no more.
    #[cold]
    pub fn refused(&self, code: RiskCode, unit: &str) -> Rejection {
        if self.parts.len() == 1 {
            return super::refused(code, self.total.times.len(), unit);
        }
        let (part, rest) = (self.parts.first().map_or(0, |part| part.times.len()), self.rest.times.len());
        let limit = format!("{} {unit}, {part} of them its own and {rest} for all", self.limit.unwrap_or(0));
        Rejection::limit(code, limit, format!("{} of its own", part + 1))
    }

    /// What each strategy has for itself, and what is left for all.
    fn shares(&self) -> (u32, u32) {
        let limit = self.limit.unwrap_or(0);
        let share = match u32::try_from(self.parts.len()).unwrap_or(u32::MAX) {
            0 => 0,
            1 => limit,
            count if count > limit => 0,
            count => (limit / 2 / count).max(1),
        };
        (share, limit - share * self.parts.len() as u32)
    }

    /// Gives each its part. Of what a strategy has sent the last ones stay in its part; the others count in the rest.
    #[cold]
    fn divide(&mut self) {
        let (share, rest) = self.shares();
        let mut others: Vec<i64> = self.rest.times().collect();
        for part in &mut self.parts {
            let beyond = part.times.len().saturating_sub(share as usize);
            others.extend(part.times().take(beyond));
            part.set_limit(Some(share));
        }
        others.sort_unstable();
        self.rest = RateWindow::new(Some(rest), self.window_ns);
        for at_ns in others {
            self.rest.record(at_ns);
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
            window.record(now_ns, place);
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
                    window.record(now, place);
                    sent.push((now, place, !forced, in_part < share));
                    prop_assert!(sent.iter().any(|sent| !sent.2) || sent.len() as u32 <= limit);
                }
            }
        }
    }
}
