//! Timers of a node's actors, on its clock: a heap of due times, taken from in the order of (time, sequence).
//!
//! Of a timer with an interval one event waits at most: while its actor has not taken that, further ones are only counted.
//! An actor that hangs finds one of each when it goes on, and not an hour of them.
//!
//! A timer that is taken back leaves its due time in the heap, where nobody finds it until then. So that one that is set
//! anew with every quote takes no memory for each, the heap is cleared of them when they outnumber the timers.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::digest::Digest;
use crate::event::SharedPayload;
use crate::router::MailboxId;

/// What a timer does when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakes {
    /// It puts a `TIMER` event into a mailbox.
    Mailbox(MailboxId),
    /// It wakes a handler of this actor that is suspended on the clock, beside the mailbox.
    Sleeper(MailboxId),
}

/// The payload of a `TIMER` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerFired {
    /// The timer's id.
    pub id: u64,
    /// When it was due.
    pub due_ns: i64,
    /// How often an interval timer was due since the event before and made none: nobody looked, or that event waited.
    pub missed: u64,
}

impl SharedPayload for TimerFired {
    fn kind(&self) -> &'static str {
        "timer"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.u64(self.id);
        digest.i64(self.due_ns);
        if self.missed > 0 {
            digest.u64(self.missed);
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Due times that may stand in the heap without a timer, whatever the number of timers.
const FEW_STALE: usize = 64;

struct Timer {
    wakes: Wakes,
    due_ns: i64,
    interval_ns: i64,
    /// Its last event has not been taken out of the mailbox.
    waits: bool,
    /// Ticks since then.
    missed: u64,
}

/// All timers of a node.
#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(i64, u64, u64)>>,
    live: HashMap<u64, Timer>,
    next_id: u64,
    next_sequence: u64,
}

impl Timers {
    /// A timer due at `due_ns`, and every `interval_ns` after it where that is above zero. Gives its id.
    pub fn set(&mut self, due_ns: i64, interval_ns: i64, wakes: Wakes) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.live.insert(id, Timer { wakes, due_ns, interval_ns, waits: false, missed: 0 });
        self.arm(due_ns, id);
        id
    }

    /// Takes a timer back; false when it is gone already.
    pub fn cancel(&mut self, id: u64) -> bool {
        let was_there = self.live.remove(&id).is_some();
        self.clear_stale();
        was_there
    }

    /// Takes back all timers of an actor.
    pub fn cancel_all_of(&mut self, mailbox: MailboxId) {
        self.live.retain(|_, timer| timer.wakes != Wakes::Mailbox(mailbox) && timer.wakes != Wakes::Sleeper(mailbox));
        self.clear_stale();
    }

    /// When the next timer is due.
    pub fn next_due_ns(&mut self) -> Option<i64> {
        loop {
            let Reverse((due_ns, _, id)) = *self.heap.peek()?;
            match self.live.get(&id) {
                Some(timer) if timer.due_ns == due_ns => return Some(due_ns),
                _ => self.heap.pop(),
            };
        }
    }

    /// Takes the first timer that is due at `now_ns` and has no event waiting. One with an interval is set again; what it missed
    /// is counted.
    pub fn pop_due(&mut self, now_ns: i64) -> Option<(TimerFired, Wakes)> {
        loop {
            let due_ns = self.next_due_ns().filter(|due_ns| *due_ns <= now_ns)?;
            let Reverse((_, _, id)) = self.heap.pop()?;
            let timer = self.live.get_mut(&id)?;
            let wakes = timer.wakes;
            if timer.interval_ns == 0 {
                self.live.remove(&id);
                return Some((TimerFired { id, due_ns, missed: 0 }, wakes));
            }
            let passed = (now_ns - due_ns) / timer.interval_ns;
            let next_ns = due_ns.saturating_add(timer.interval_ns.saturating_mul(passed + 1));
            timer.due_ns = next_ns;
            let missed = timer.missed.saturating_add(passed.unsigned_abs());
            let waits = std::mem::replace(&mut timer.waits, true);
            timer.missed = if waits { missed.saturating_add(1) } else { 0 };
            self.arm(next_ns, id);
            if !waits {
                return Some((TimerFired { id, due_ns, missed }, wakes));
            }
        }
    }

    /// An actor takes the event of a timer out of its mailbox: the next one may come.
    pub fn taken(&mut self, id: u64) {
        if let Some(timer) = self.live.get_mut(&id) {
            timer.waits = false;
        }
    }

    /// Takes the due times of timers that are gone out of the heap, when they are more than the others: so each is paid for
    /// by the taking back that made it.
    fn clear_stale(&mut self) {
        if self.heap.len() > 2 * self.live.len() + FEW_STALE {
            let live = &self.live;
            self.heap.retain(|Reverse((due_ns, _, id))| live.get(id).is_some_and(|timer| timer.due_ns == *due_ns));
        }
    }

    fn arm(&mut self, due_ns: i64, id: u64) {
        self.next_sequence += 1;
        self.heap.push(Reverse((due_ns, self.next_sequence, id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(timers: &mut Timers, now_ns: i64) -> Vec<(u64, i64)> {
        all(timers, now_ns).into_iter().map(|fired| (fired.id, fired.due_ns)).collect()
    }

    /// What is due, each taken at once.
    fn all(timers: &mut Timers, now_ns: i64) -> Vec<TimerFired> {
        let mut all = Vec::new();
        while let Some((fired, _)) = timers.pop_due(now_ns) {
            timers.taken(fired.id);
            all.push(fired);
        }
        all
    }

    #[test]
    fn timers_fire_in_the_order_of_time_and_setting() {
        let mut timers = Timers::default();
        let wakes = Wakes::Mailbox(0);
        let (late, a, b) = (timers.set(20, 0, wakes), timers.set(10, 0, wakes), timers.set(10, 0, wakes));
        assert_eq!(timers.next_due_ns(), Some(10));
        assert_eq!(fired(&mut timers, 9), []);
        assert_eq!(fired(&mut timers, 30), [(a, 10), (b, 10), (late, 20)]);
        assert_eq!(timers.next_due_ns(), None);
    }

    #[test]
    fn an_interval_goes_on_and_skips_what_it_missed() {
        let mut timers = Timers::default();
        let id = timers.set(10, 10, Wakes::Mailbox(0));
        assert_eq!(fired(&mut timers, 10), [(id, 10)]);
        assert_eq!(all(&mut timers, 55), [TimerFired { id, due_ns: 20, missed: 3 }]);
        assert_eq!(timers.next_due_ns(), Some(60));
        assert_eq!(all(&mut timers, 60), [TimerFired { id, due_ns: 60, missed: 0 }]);
        assert!(timers.cancel(id));
        assert!(!timers.cancel(id));
        assert_eq!(timers.next_due_ns(), None);
    }

    #[test]
    fn of_an_interval_one_event_waits_at_most_and_the_next_tells_of_the_others() {
        let mut timers = Timers::default();
        let (id, once) = (timers.set(10, 10, Wakes::Mailbox(0)), timers.set(15, 0, Wakes::Mailbox(0)));
        let first = std::iter::from_fn(|| timers.pop_due(12)).map(|(fired, _)| fired).collect::<Vec<_>>();
        assert_eq!(first, [TimerFired { id, due_ns: 10, missed: 0 }]);
        // Nobody takes it, for a thousand ticks: looked at one by one, and some passed over.
        let meanwhile: Vec<_> = (13..=5_010).chain([10_009]).filter_map(|now_ns| timers.pop_due(now_ns)).collect();
        assert_eq!(meanwhile.len(), 1);
        assert_eq!(meanwhile[0].0, TimerFired { id: once, due_ns: 15, missed: 0 });
        assert_eq!(timers.next_due_ns(), Some(10_010));
        timers.taken(id);
        timers.taken(once);
        assert_eq!(all(&mut timers, 10_010), [TimerFired { id, due_ns: 10_010, missed: 999 }]);
        assert_eq!(all(&mut timers, 10_020), [TimerFired { id, due_ns: 10_020, missed: 0 }]);
    }

    #[test]
    fn a_timer_that_is_set_anew_all_the_time_takes_no_memory() {
        let mut timers = Timers::default();
        let wakes = Wakes::Mailbox(0);
        let (first, every) = (timers.set(50, 0, wakes), timers.set(30, 30, wakes));
        let mut last = timers.set(1_000_000, 0, wakes);
        for n in 0..10_000 {
            assert!(timers.cancel(last));
            last = timers.set(1_000_000 + n, 0, wakes);
            assert!(timers.heap.len() <= 2 * timers.live.len() + FEW_STALE + 1, "{} due times", timers.heap.len());
        }
        assert_eq!(fired(&mut timers, 60), [(every, 30), (first, 50)], "the others stay");
        timers.cancel_all_of(0);
        assert!(timers.heap.len() <= FEW_STALE && timers.next_due_ns().is_none());
    }

    #[test]
    fn an_actor_takes_its_timers_along() {
        let mut timers = Timers::default();
        timers.set(1, 0, Wakes::Mailbox(1));
        timers.set(2, 0, Wakes::Sleeper(1));
        let other = timers.set(3, 0, Wakes::Mailbox(2));
        timers.cancel_all_of(1);
        assert_eq!(fired(&mut timers, 9), [(other, 3)]);
    }
}
