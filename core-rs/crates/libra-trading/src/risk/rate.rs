//! At most so many orders and messages within a time: sliding windows over the times of the last ones, in integers.
//!
//! A window is exact: no second, wherever it begins, holds more than the limit. (A token bucket lets twice as many pass
//! around a refill.) A cancel is a message to the venue and counts as one, but is never refused: it takes risk away.
//!
//! [`shared`] divides the account's windows among its strategies, so that none uses up what is another's.

mod ahead;
mod shared;

use libra_kernel::Name;

use super::code::{Rejection, RiskCode};
use super::limits::RiskLimits;
use ahead::Ahead;
use shared::SharedWindow;

const SECOND_NS: i64 = 1_000_000_000;
/// The longest window.
pub(crate) const MINUTE_NS: i64 = 60 * SECOND_NS;

/// A sliding window over the last `limit` times. It allocates once.
#[derive(Clone, Debug)]
pub struct RateWindow {
    /// Times of the last ones; `next` is the oldest.
    times: Vec<i64>,
    next: usize,
    /// The last moment at which the oldest of them is within the window: one more passes the limit up to then.
    full_until_ns: i64,
    window_ns: i64,
}

/// Below every clock reading by more than any window.
const NEVER_NS: i64 = i64::MIN / 2;

impl RateWindow {
    /// A window of at most `limit` within `window_ns`, `None` for no limit.
    pub fn new(limit: Option<u32>, window_ns: i64) -> Self {
        RateWindow { times: vec![NEVER_NS; limit.unwrap_or(0) as usize], next: 0, full_until_ns: NEVER_NS, window_ns }
    }

    /// Another limit from now on; what was counted within the window stays counted.
    pub fn set_limit(&mut self, limit: Option<u32>) {
        let mut window = RateWindow::new(limit, self.window_ns);
        let length = self.times.len();
        for index in length.saturating_sub(window.times.len())..length {
            window.record(self.times[(self.next + index) % length]);
        }
        *self = window;
    }

    /// The limit, when one more at `now_ns` would pass it.
    #[inline]
    pub fn exceeded(&self, now_ns: i64) -> Option<usize> {
        (now_ns <= self.full_until_ns && !self.times.is_empty()).then_some(self.times.len())
    }

    /// True when it has no room at `now_ns`; one of size nothing never has.
    #[inline]
    fn is_full(&self, now_ns: i64) -> bool {
        now_ns <= self.full_until_ns || self.times.is_empty()
    }

    /// The times that it holds, the oldest first.
    fn times(&self) -> impl Iterator<Item = i64> {
        self.times[self.next..].iter().chain(&self.times[..self.next]).copied()
    }

    /// Counts one.
    #[inline]
    pub fn record(&mut self, now_ns: i64) {
        if let Some(oldest) = self.times.get_mut(self.next) {
            *oldest = now_ns;
            self.next = if self.next + 1 == self.times.len() { 0 } else { self.next + 1 };
            self.note();
        }
    }

    /// The oldest is another one.
    fn note(&mut self) {
        // A window is a nanosecond at least. A sum that does not fit is later than any time.
        self.full_until_ns = self.times[self.next].saturating_add(self.window_ns - 1);
    }

    /// Counts several, in the order of `times`.
    fn record_all(&mut self, times: &[i64]) {
        if times.len() > self.times.len() {
            return times.iter().for_each(|at_ns| self.record(*at_ns));
        }
        let (to_end, from_start) = times.split_at(times.len().min(self.times.len() - self.next));
        self.times[self.next..][..to_end.len()].copy_from_slice(to_end);
        self.times[..from_start.len()].copy_from_slice(from_start);
        if !times.is_empty() {
            self.next = (self.next + times.len()) % self.times.len();
            self.note();
        }
    }

    /// How many more have room, `most` at most, at `now_ns` and any time behind it.
    fn room(&self, now_ns: i64, most: usize) -> usize {
        let has_left = |at_ns: &i64| now_ns > at_ns.saturating_add(self.window_ns - 1);
        let oldest = self.times[self.next..].iter().chain(&self.times[..self.next]);
        oldest.take(most).take_while(|at_ns| has_left(at_ns)).count()
    }

    /// The same; all of `most` where nothing is counted, for want of a limit.
    fn room_or(&self, now_ns: i64, most: usize) -> usize {
        if self.times.is_empty() { most } else { self.room(now_ns, most) }
    }
}

/// All windows of an account.
#[derive(Clone, Debug)]
pub struct Rates {
    second: SharedWindow,
    minute: SharedWindow,
    messages: SharedWindow,
    per_strategy: Option<u32>,
    strategies: Vec<RateWindow>,
    /// By [`Name::index`], the place in `strategies` plus one.
    places: Vec<u32>,
    /// Orders that stand in no window yet: every other question is asked when they do.
    ahead: Ahead,
}

impl Rates {
    /// Empty windows.
    pub fn new(limits: &RiskLimits) -> Self {
        Rates {
            second: SharedWindow::new(limits.max_orders_per_second, SECOND_NS),
            minute: SharedWindow::new(limits.max_orders_per_minute, MINUTE_NS),
            messages: SharedWindow::new(limits.max_messages_per_second, SECOND_NS),
            per_strategy: limits.max_strategy_messages_per_second,
            strategies: Vec::new(),
            places: Vec::new(),
            ahead: Ahead::new(),
        }
    }

    /// Other limits from now on.
    pub fn set_limits(&mut self, limits: &RiskLimits) {
        self.settle();
        self.second.set_limit(limits.max_orders_per_second);
        self.minute.set_limit(limits.max_orders_per_minute);
        self.messages.set_limit(limits.max_messages_per_second);
        self.per_strategy = limits.max_strategy_messages_per_second;
        for window in &mut self.strategies {
            window.set_limit(self.per_strategy);
        }
    }

    /// A strategy that trades on the account: from now on a part of each rate is its own. One that was never named gets
    /// its part with its first order.
    pub fn add_strategy(&mut self, strategy: Name) {
        if self.place(strategy).is_none() {
            self.add(strategy);
        }
    }

    /// Refuses an order that would pass a window, or what its strategy may use of it.
    #[inline]
    pub fn check(&mut self, now_ns: i64, strategy: Name) -> Result<(), Rejection> {
        if self.ahead.has_room(now_ns, strategy) { Ok(()) } else { self.check_windows(now_ns, strategy) }
    }

    /// Looks at every window, and ahead.
    #[cold]
    fn check_windows(&mut self, now_ns: i64, strategy: Name) -> Result<(), Rejection> {
        self.settle();
        self.look(now_ns, strategy)?;
        if let Some(place) = self.place(strategy) {
            let windows = [&self.second, &self.minute, &self.messages];
            let own = self.strategies[place].room_or(now_ns, self.ahead.reach());
            let room = windows.into_iter().fold(own, |room, window| window.room(now_ns, place, room));
            self.ahead.allow(now_ns, strategy, room);
        }
        Ok(())
    }

    /// Writes into their windows what is not there yet.
    fn settle(&mut self) {
        let (strategy, times) = self.ahead.end();
        if times.is_empty() {
            return;
        }
        // Only whom the windows know is allowed anything ahead.
        let Some(place) = place(&self.places, strategy) else { return };
        for window in [&mut self.second, &mut self.minute, &mut self.messages] {
            window.record_all(times, place);
        }
        self.strategies[place].record_all(times);
    }

    fn look(&self, now_ns: i64, strategy: Name) -> Result<(), Rejection> {
        let place = self.place(strategy);
        if let Some(limit) = self.second.total_exceeded(now_ns) {
            return Err(refused(RiskCode::OrderRate, limit, "orders a second"));
        }
        if let Some(limit) = self.minute.total_exceeded(now_ns) {
            return Err(refused(RiskCode::OrderRate, limit, "orders a minute"));
        }
        let Some(place) = place else {
            return match self.messages.total_exceeded(now_ns) {
                Some(limit) => Err(refused(RiskCode::MessageRate, limit, "messages a second")),
                None => Ok(()),
            };
        };
        if self.second.part_exceeded(now_ns, place) {
            return Err(self.second.refused(RiskCode::OrderRate, "orders a second"));
        }
        if self.minute.part_exceeded(now_ns, place) {
            return Err(self.minute.refused(RiskCode::OrderRate, "orders a minute"));
        }
        // Not the total: cancels of others may fill it, and what is a strategy's own is not theirs.
        if self.messages.part_exceeded(now_ns, place) {
            return Err(self.messages.refused(RiskCode::MessageRate, "messages a second"));
        }
        if let Some(limit) = self.strategies[place].exceeded(now_ns) {
            return Err(refused(RiskCode::StrategyMessageRate, limit, "messages a second"));
        }
        Ok(())
    }

    /// Counts an order.
    #[inline]
    pub fn record_order(&mut self, now_ns: i64, strategy: Name) {
        if self.ahead.has_room(now_ns, strategy) {
            return self.ahead.record(now_ns);
        }
        self.record_now(now_ns, strategy);
    }

    #[cold]
    fn record_now(&mut self, now_ns: i64, strategy: Name) {
        self.settle();
        let place = self.place(strategy).unwrap_or_else(|| self.add(strategy));
        self.second.record(now_ns, place);
        self.minute.record(now_ns, place);
        self.messages.record(now_ns, place);
        self.strategies[place].record(now_ns);
    }

    /// Counts a message that is no order: a cancel, which is counted though it cannot be refused.
    pub fn record_message(&mut self, now_ns: i64, strategy: Name) {
        self.settle();
        let place = self.place(strategy).unwrap_or_else(|| self.add(strategy));
        self.messages.record(now_ns, place);
        self.strategies[place].record(now_ns);
    }

    #[inline]
    fn place(&self, strategy: Name) -> Option<usize> {
        place(&self.places, strategy)
    }

    #[cold]
    fn add(&mut self, strategy: Name) -> usize {
        self.settle();
        if self.places.len() <= strategy.index() {
            self.places.resize(strategy.index() + 1, 0);
        }
        for window in [&mut self.second, &mut self.minute, &mut self.messages] {
            window.add();
        }
        self.strategies.push(RateWindow::new(self.per_strategy, SECOND_NS));
        self.places[strategy.index()] = self.strategies.len() as u32;
        self.strategies.len() - 1
    }
}

fn place(places: &[u32], strategy: Name) -> Option<usize> {
    match places.get(strategy.index()) {
        Some(&place) if place > 0 => Some(place as usize - 1),
        _ => None,
    }
}

#[cold]
fn refused(code: RiskCode, limit: usize, unit: &str) -> Rejection {
    Rejection::limit(code, format!("{limit} {unit}"), format!("{} {unit}", limit + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_second_holds_more_than_the_limit() {
        let mut window = RateWindow::new(Some(2), SECOND_NS);
        for (now, refused) in [(0, false), (1, false), (2, true), (999_999_999, true), (1_000_000_000, false)] {
            assert_eq!(window.exceeded(now).is_some(), refused, "at {now}");
            if !refused {
                window.record(now);
            }
        }
        assert_eq!(window.exceeded(1_000_000_000), Some(2));
        assert!(window.exceeded(1_000_000_001).is_none());
        assert!(RateWindow::new(None, SECOND_NS).exceeded(0).is_none());
    }

    #[test]
    fn a_changed_limit_counts_what_was_there() {
        let mut window = RateWindow::new(Some(3), SECOND_NS);
        for now in [1, 2, 3] {
            window.record(now);
        }
        window.set_limit(Some(2));
        assert_eq!(window.exceeded(SECOND_NS + 1), Some(2), "the last two are within the second");
        assert_eq!(window.exceeded(SECOND_NS + 2), None);
        window.set_limit(Some(4));
        window.record(4);
        assert_eq!(window.exceeded(5), None, "three of four");
        window.record(5);
        assert_eq!(window.exceeded(6), Some(4));
    }

    #[test]
    fn a_strategy_that_cancels_in_a_storm_cannot_order() {
        let limits = RiskLimits {
            max_messages_per_second: Some(10),
            max_strategy_messages_per_second: Some(3),
            ..Default::default()
        };
        let (storm, calm) = (Name::intern("storm"), Name::intern("calm"));
        let mut rates = Rates::new(&limits);
        for _ in 0..5 {
            rates.record_message(0, storm);
        }
        let refused = rates.check(0, storm).unwrap_err();
        assert_eq!(refused.to_string(), "STRATEGY_MESSAGE_RATE: limit 3 messages a second, value 4 messages a second");
        rates.check(0, calm).unwrap();
        for _ in 0..5 {
            rates.record_message(0, storm);
        }
        assert_eq!(rates.check(0, calm).unwrap_err().code, RiskCode::MessageRate, "nobody knew of it: nothing is kept");
        rates.add_strategy(calm);
        rates.check(0, calm).unwrap();
        rates.check(SECOND_NS, storm).unwrap();
    }

    #[test]
    fn a_strategys_changed_limit_counts_what_it_has_sent() {
        let of = |most| RiskLimits { max_strategy_messages_per_second: most, ..Default::default() };
        let (mut rates, name) = (Rates::new(&of(Some(3))), Name::intern("s"));
        rates.record_message(0, name);
        rates.record_message(0, name);
        rates.check(0, name).unwrap();
        rates.set_limits(&of(Some(2)));
        assert_eq!(rates.check(0, name).unwrap_err().limit, "2 messages a second");
        rates.set_limits(&of(None));
        rates.check(0, name).unwrap();
    }

    #[test]
    fn a_newcomer_waits_for_what_was_sent_before_it() {
        let limits = RiskLimits { max_orders_per_second: Some(4), ..Default::default() };
        let (mut rates, first, second) = (Rates::new(&limits), Name::intern("s"), Name::intern("newcomer"));
        for _ in 0..4 {
            rates.check(0, first).unwrap();
            rates.record_order(0, first);
        }
        rates.add_strategy(second);
        assert_eq!(rates.check(SECOND_NS - 1, second).unwrap_err().limit, "4 orders a second");
        rates.check(SECOND_NS, second).unwrap();
    }

    #[test]
    fn a_minute_has_its_own_limit() {
        let limits = RiskLimits { max_orders_per_minute: Some(2), ..Default::default() };
        let (mut rates, name) = (Rates::new(&limits), Name::intern("s"));
        rates.record_order(0, name);
        rates.record_order(30 * SECOND_NS, name);
        assert_eq!(rates.check(60 * SECOND_NS - 1, name).unwrap_err().limit, "2 orders a minute");
        rates.check(60 * SECOND_NS, name).unwrap();
    }

    #[test]
    fn a_strategys_part_of_the_minute_is_its_own() {
        let limits = RiskLimits { max_orders_per_minute: Some(8), ..Default::default() };
        let (mut rates, storm, calm) = (Rates::new(&limits), Name::intern("storm"), Name::intern("calm"));
        rates.add_strategy(storm);
        rates.add_strategy(calm);
        for _ in 0..6 {
            rates.check(0, storm).unwrap();
            rates.record_order(0, storm);
        }
        let refused = rates.check(MINUTE_NS - 1, storm).unwrap_err();
        assert_eq!(refused.limit, "8 orders a minute, 2 of them its own and 4 for all");
        rates.check(MINUTE_NS - 1, calm).unwrap();
        rates.check(MINUTE_NS, storm).unwrap();
    }

    proptest! {
        /// Orders that are written into the windows together are refused, and stand there, as if each had been looked at
        /// and written by itself: with clocks that go back, cancels, newcomers and other limits in between.
        #[test]
        fn looking_ahead_changes_nothing(
            limits in proptest::collection::vec([proptest::option::of(0u32..120), proptest::option::of(0u32..120), proptest::option::of(0u32..120), proptest::option::of(0u32..120)], 1..4),
            steps in proptest::collection::vec((-30i64..120, 0u8..40, 0usize..3), 1..300), pace in 1i64..400_000_000,
        ) {
            let of = |[second, minute, messages, own]: [Option<u32>; 4]| RiskLimits {
                max_orders_per_second: second,
                max_orders_per_minute: minute,
                max_messages_per_second: messages,
                max_strategy_messages_per_second: own,
                ..Default::default()
            };
            let names = ["ahead-a", "ahead-b", "ahead-c"].map(Name::intern);
            let (mut ahead, mut plain, mut now) = (Rates::new(&of(limits[0])), Rates::new(&of(limits[0])), 0);
            let mut turn = 0;
            for (step, what, who) in steps {
                now += step * pace / 100;
                // Whoever has the turn keeps it for a while.
                turn = if what < 4 { who } else { turn };
                match what {
                    0 => [&mut ahead, &mut plain].into_iter().for_each(|rates| rates.record_message(now, names[who])),
                    1 => [&mut ahead, &mut plain].into_iter().for_each(|rates| rates.add_strategy(names[who])),
                    2 => [&mut ahead, &mut plain].into_iter().for_each(|rates| rates.set_limits(&of(limits[who % limits.len()]))),
                    _ => {
                        let told = ahead.check(now, names[turn]);
                        prop_assert_eq!(&told, &plain.look(now, names[turn]));
                        if told.is_ok() {
                            ahead.record_order(now, names[turn]);
                            plain.record_now(now, names[turn]);
                        }
                    }
                }
            }
            ahead.settle();
            let windows = |rates: &Rates| format!("{:?}", (&rates.second, &rates.minute, &rates.messages, &rates.strategies));
            prop_assert_eq!(windows(&ahead), windows(&plain));
        }

        /// A new limit counts what was there: the window agrees with a list of all times.
        #[test]
        fn a_window_agrees_with_a_list(steps in proptest::collection::vec((0i64..400, proptest::option::of(1u32..6)), 1..80)) {
            let (mut window, mut limit) = (RateWindow::new(Some(3), 1_000), 3u32);
            let (mut all, mut now): (VecDeque<i64>, i64) = (VecDeque::new(), 0);
            // What a window of a smaller limit forgets, a larger one later cannot know.
            let mut known = usize::MAX;
            for (step, change) in steps {
                now += step;
                if let Some(next) = change {
                    window.set_limit(Some(next));
                    known = known.min(next as usize).min(limit as usize);
                    limit = next;
                }
                let within = all.iter().filter(|at| now - **at < 1_000).count();
                let exceeded = window.exceeded(now).is_some();
                if known == usize::MAX {
                    prop_assert_eq!(exceeded, within >= limit as usize);
                }
                prop_assert!(!exceeded || within >= limit as usize, "refused without need");
                if !exceeded {
                    window.record(now);
                    all.push_back(now);
                }
            }
        }
    }
}
