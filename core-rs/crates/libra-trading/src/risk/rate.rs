//! At most so many orders and messages within a time: sliding windows over the times of the last ones, in integers.
//!
//! A window is exact: no second, wherever it begins, holds more than the limit. (A token bucket lets twice as many pass
//! around a refill.) A cancel is a message to the venue and counts as one, but is never refused: it takes risk away.
//!
//! [`shared`] divides the account's windows among its strategies, so that none uses up what is another's. Where a profile
//! names them, they are all that share: the cancel of an order that was found at the venue, and what a strategy left that is
//! in the profile no more, count in the rest.

mod ahead;
mod shared;

use libra_kernel::Name;

use super::code::{Rejection, RiskCode};
use super::keys::LimitKey;
use super::limits::RiskLimits;
use super::parts::Sharers;
use ahead::Ahead;
use shared::SharedWindow;

const SECOND_NS: i64 = 1_000_000_000;
/// The longest window.
pub(crate) const MINUTE_NS: i64 = 60 * SECOND_NS;

/// A sliding window over the last `limit` times. It allocates when it gets a limit that is larger than any before, and where
/// what cannot be refused passes the limit.
#[derive(Clone, Debug)]
pub struct RateWindow {
    /// Times of the last ones, the oldest at `next`: as many as the largest limit that was ever set, and as lie within the
    /// window, so that a limit that is raised, or set again, counts what a lower one had no need of.
    times: Vec<i64>,
    next: usize,
    /// So many more have to come until the times are in the order of their places again, for sure: a clock may step back.
    unordered: usize,
    /// 0 for none.
    limit: usize,
    /// The last moment at which the oldest of the last `limit` is within the window: one more passes the limit up to then.
    full_until_ns: i64,
    window_ns: i64,
}

/// Below every clock reading by more than any window.
const NEVER_NS: i64 = i64::MIN / 2;
/// No window keeps more times than this for what passes its limit.
const MOST_KEPT: usize = LimitKey::MaxOrdersPerMinute.most() as usize;

/// Makes room for more in a ring, at its old end, which is first from then on.
fn stretch<T: Clone>(ring: &mut Vec<T>, next: usize, length: usize, nothing: T) {
    ring.rotate_left(next);
    let more = length.saturating_sub(ring.len());
    ring.splice(0..0, std::iter::repeat_n(nothing, more));
}

impl RateWindow {
    /// A window of at most `limit` within `window_ns`, `None` for no limit.
    pub fn new(limit: Option<u32>, window_ns: i64) -> Self {
        let mut window =
            RateWindow { times: Vec::new(), next: 0, unordered: 0, limit: 0, full_until_ns: NEVER_NS, window_ns };
        window.set_limit(limit);
        window
    }

    /// Another limit from now on; what was counted within the window stays counted, whatever the limits in between.
    pub fn set_limit(&mut self, limit: Option<u32>) {
        self.limit = limit.unwrap_or(0) as usize;
        if self.limit > self.times.len() {
            self.stretch(self.limit);
        }
        self.note();
    }

    fn stretch(&mut self, length: usize) {
        if self.unordered > 0 {
            // What is out of order stays so much longer.
            self.unordered += length.saturating_sub(self.times.len());
        }
        stretch(&mut self.times, self.next, length, NEVER_NS);
        self.next = 0;
    }

    /// How many it has to keep where one more comes at `now_ns`: more than now, when it would forget one of its window.
    #[inline]
    fn needs(&self, now_ns: i64) -> Option<usize> {
        let kept = self.times.len();
        let oldest = *self.times.get(self.next)?;
        let forgets = now_ns <= oldest.saturating_add(self.window_ns - 1) && kept < MOST_KEPT;
        forgets.then(|| (kept * 2).min(MOST_KEPT))
    }

    /// The limit, when one more at `now_ns` would pass it.
    #[inline]
    pub fn exceeded(&self, now_ns: i64) -> Option<usize> {
        (now_ns <= self.full_until_ns && self.limit != 0).then_some(self.limit)
    }

    /// True when it has no room at `now_ns`; one of size nothing never has.
    #[inline]
    fn is_full(&self, now_ns: i64) -> bool {
        now_ns <= self.full_until_ns || self.limit == 0
    }

    /// Counts one.
    #[inline]
    pub fn record(&mut self, now_ns: i64) {
        if !self.times.is_empty() {
            self.see_order(now_ns);
            self.times[self.next] = now_ns;
            self.next = self.around(self.next + 1);
            self.note();
        }
    }

    /// One comes behind the newest. What stands out of order does so until as many have come as are kept.
    #[inline]
    fn see_order(&mut self, now_ns: i64) {
        let kept = self.times.len();
        let newest = self.times[self.around(self.next + kept - 1)];
        self.unordered = if now_ns < newest { kept } else { self.unordered.saturating_sub(1) };
    }

    /// Counts one that cannot be refused, or that comes while there is no limit: none of its window is forgotten for it.
    fn record_kept(&mut self, now_ns: i64) {
        if let Some(length) = self.needs(now_ns) {
            self.stretch(length);
        }
        self.record(now_ns);
    }

    /// Where the last `limit` begin.
    #[inline]
    fn begin(&self) -> usize {
        self.around(self.next + self.times.len() - self.limit)
    }

    /// The oldest is another one.
    #[inline]
    fn note(&mut self) {
        self.full_until_ns = match self.limit {
            0 => NEVER_NS,
            // A window is a nanosecond at least. A sum that does not fit is later than any time.
            _ => self.times[self.begin()].saturating_add(self.window_ns - 1),
        };
    }

    /// True for a time that has left the window at `now_ns`. A sum that does not fit is later than any time.
    #[inline]
    fn has_left(&self, now_ns: i64, at_ns: i64) -> bool {
        now_ns > at_ns.saturating_add(self.window_ns - 1)
    }

    /// True when all of so many times, from one place on, have left the window at `now_ns`. Where they are in order, the last
    /// of them tells it.
    #[inline]
    fn have_left(&self, now_ns: i64, from: usize, count: usize) -> bool {
        if count == 0 {
            return true;
        }
        let last = self.around(from + count - 1);
        self.has_left(now_ns, self.times[last]) && (self.unordered == 0 || self.left(now_ns, from, count) == count)
    }

    /// A place around the end.
    #[inline]
    fn around(&self, place: usize) -> usize {
        if place >= self.times.len() { place - self.times.len() } else { place }
    }

    /// How many of so many times, from one place on, have left the window before one that has not.
    fn left(&self, now_ns: i64, from: usize, count: usize) -> usize {
        let (before, behind) = self.times.split_at(from);
        behind.iter().chain(before).take(count).take_while(|at_ns| self.has_left(now_ns, **at_ns)).count()
    }

    /// True where these would take the places of others that are within the window of the first of them.
    fn may_forget(&self, times: &[i64]) -> bool {
        let Some(first) = times.first() else { return false };
        times.len() > self.times.len() || !self.have_left(*first, self.next, times.len())
    }

    /// Counts several, none of them before the one ahead of it.
    fn record_all(&mut self, times: &[i64]) {
        if self.may_forget(times) {
            return times.iter().for_each(|at_ns| self.record_kept(*at_ns));
        }
        self.put_all(times);
    }

    /// The same, for no more than it keeps.
    fn put_all(&mut self, times: &[i64]) {
        let Some(first) = times.first() else { return };
        self.see_order(*first);
        self.unordered = self.unordered.saturating_sub(times.len() - 1);
        let (to_end, from_start) = times.split_at(times.len().min(self.times.len() - self.next));
        self.times[self.next..][..to_end.len()].copy_from_slice(to_end);
        self.times[..from_start.len()].copy_from_slice(from_start);
        self.next = self.around(self.next + times.len());
        self.note();
    }

    /// How many more have room, `most` at most, at `now_ns` and any time behind it.
    fn room(&self, now_ns: i64, most: usize) -> usize {
        if self.limit == 0 {
            return 0;
        }
        let most = most.min(self.limit);
        if self.have_left(now_ns, self.begin(), most) { most } else { self.left(now_ns, self.begin(), most) }
    }

    /// The same; all of `most` where there is no limit.
    fn room_or(&self, now_ns: i64, most: usize) -> usize {
        if self.limit == 0 { most } else { self.room(now_ns, most) }
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
    /// Their places in `strategies`.
    places: Sharers,
    /// They are all that share, and nobody gets a place any more.
    closed: bool,
    /// Of all others together.
    outside: RateWindow,
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
            places: Sharers::default(),
            closed: false,
            outside: RateWindow::new(limits.max_strategy_messages_per_second, SECOND_NS),
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
        for window in self.strategies.iter_mut().chain([&mut self.outside]) {
            window.set_limit(self.per_strategy);
        }
    }

    /// The strategies that a profile names: a part of each rate is each one's own, and nobody else ever has one.
    pub fn share_among(&mut self, strategies: &[Name]) {
        strategies.iter().for_each(|strategy| self.add_strategy(*strategy));
        self.closed = !strategies.is_empty();
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
        let Some(place) = self.places.find(strategy) else { return };
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
            if self.closed {
                return self.look_outside(now_ns);
            }
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

    /// The rest of the same for whoever has no part: nothing but what is for all.
    #[cold]
    fn look_outside(&self, now_ns: i64) -> Result<(), Rejection> {
        let shared = [
            (&self.second, RiskCode::OrderRate, "orders a second"),
            (&self.minute, RiskCode::OrderRate, "orders a minute"),
            (&self.messages, RiskCode::MessageRate, "messages a second"),
        ];
        if let Some((window, code, unit)) = shared.into_iter().find(|(window, ..)| window.outside_exceeded(now_ns)) {
            return Err(window.refused_outside(code, unit));
        }
        match self.outside.exceeded(now_ns) {
            Some(limit) => Err(refused(RiskCode::StrategyMessageRate, limit, "messages a second")),
            None => Ok(()),
        }
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
        let place = self.place_or_add(strategy);
        self.second.record(now_ns, place);
        self.minute.record(now_ns, place);
        self.messages.record(now_ns, place);
        self.window_of(place).record_kept(now_ns);
    }

    /// Counts a message that is no order: a cancel, which is counted though it cannot be refused.
    pub fn record_message(&mut self, now_ns: i64, strategy: Name) {
        self.settle();
        let place = self.place_or_add(strategy);
        self.messages.record(now_ns, place);
        self.window_of(place).record_kept(now_ns);
    }

    #[inline]
    fn place(&self, strategy: Name) -> Option<usize> {
        self.places.find(strategy)
    }

    /// The place of one that comes for the first time, too; `None` for whoever gets none.
    fn place_or_add(&mut self, strategy: Name) -> Option<usize> {
        match self.place(strategy) {
            None if !self.closed => Some(self.add(strategy)),
            place => place,
        }
    }

    fn window_of(&mut self, place: Option<usize>) -> &mut RateWindow {
        match place {
            Some(place) => &mut self.strategies[place],
            None => &mut self.outside,
        }
    }

    #[cold]
    fn add(&mut self, strategy: Name) -> usize {
        self.settle();
        for window in [&mut self.second, &mut self.minute, &mut self.messages] {
            window.add();
        }
        self.strategies.push(RateWindow::new(self.per_strategy, SECOND_NS));
        self.places.add(strategy)
    }
}

#[cold]
fn refused(code: RiskCode, limit: usize, unit: &str) -> Rejection {
    Rejection::limit(code, format!("{limit} {unit}"), format!("{} {unit}", limit + 1))
}

#[cfg(test)]
mod tests;
