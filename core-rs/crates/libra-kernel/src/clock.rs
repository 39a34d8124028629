//! Time: nanoseconds since the Unix epoch, live or from a simulation.
//!
//! Every thread has a current clock, live time by default. A simulated node sets it while it runs, so that whatever makes
//! an event on that thread gets the simulation's time without being handed a clock.
//!
//! Live time is one for all threads of the process and never goes back. It starts as the system's wall clock and runs at
//! the monotonic clock's pace. Where the wall clock gets more than a second ahead (it was set, or the machine slept), live
//! time follows within a tenth of a second of running time. Where the wall clock is set back live time does not follow,
//! and stays ahead until the process ends: an age, a timer or an order of times that was right stays right.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::atomic::Time;

/// How far the wall clock may be ahead of live time before live time follows.
const FOLLOW_NS: i64 = 1_000_000_000;
/// The wall clock is looked at so often.
const LOOK_EVERY_NS: i64 = 100_000_000;

thread_local! {
    /// `i64::MIN` stands for live time.
    static SIMULATED_NS: Cell<i64> = const { Cell::new(i64::MIN) };
}

/// The time of this thread's current clock, in nanoseconds since the epoch.
#[inline]
pub fn now_ns() -> i64 {
    match SIMULATED_NS.with(Cell::get) {
        i64::MIN => wall_ns(),
        simulated => simulated,
    }
}

/// True while this thread runs on a simulated clock.
pub fn is_simulated() -> bool {
    SIMULATED_NS.with(Cell::get) != i64::MIN
}

/// Puts this thread on a simulated clock that shows `ns` until it is set again.
pub fn set_simulated(ns: i64) {
    SIMULATED_NS.with(|cell| cell.set(ns.max(i64::MIN + 1)));
}

/// Puts this thread back on live time.
pub fn set_live() {
    SIMULATED_NS.with(|cell| cell.set(i64::MIN));
}

/// Live time, whatever the thread's current clock is: the wall clock's, but it never goes back.
#[inline]
pub fn wall_ns() -> i64 {
    let process = process();
    process.live.at(elapsed_ns(process.start), system_ns)
}

/// A clock that never goes back, for durations: nanoseconds since an arbitrary start of this process.
pub fn monotonic_ns() -> i64 {
    elapsed_ns(process().start)
}

/// Where the process's clocks start.
struct Process {
    start: Instant,
    live: LiveTime,
}

fn process() -> &'static Process {
    static PROCESS: OnceLock<Process> = OnceLock::new();
    PROCESS.get_or_init(|| Process { start: Instant::now(), live: LiveTime::new(system_ns()) })
}

fn elapsed_ns(start: Instant) -> i64 {
    i64::try_from(start.elapsed().as_nanos()).unwrap_or(i64::MAX)
}

fn system_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Live time from two clocks: monotonic time plus an offset that only ever grows.
///
/// Relaxed ordering is enough. All offsets are values of one atomic that grows only, so a thread that got an event from
/// another has the other's offset or a later one, and its monotonic time is later too.
struct LiveTime<A = AtomicI64> {
    /// What to add to monotonic time.
    offset_ns: A,
    /// The monotonic time of the next look at the wall clock.
    next_look_ns: A,
}

impl<A: Time> LiveTime<A> {
    /// Live time that shows `wall_ns` at the monotonic time 0.
    fn new(wall_ns: i64) -> Self {
        LiveTime { offset_ns: A::new(wall_ns), next_look_ns: A::new(LOOK_EVERY_NS) }
    }

    /// Live time at a monotonic time. `wall_ns` is only asked when it is time to look.
    fn at(&self, monotonic_ns: i64, wall_ns: impl FnOnce() -> i64) -> i64 {
        if monotonic_ns >= self.next_look_ns.load(Ordering::Relaxed) {
            self.next_look_ns.store(monotonic_ns.saturating_add(LOOK_EVERY_NS), Ordering::Relaxed);
            let wanted_ns = wall_ns().saturating_sub(monotonic_ns);
            if wanted_ns.saturating_sub(self.offset_ns.load(Ordering::Relaxed)) > FOLLOW_NS {
                self.offset_ns.fetch_max(wanted_ns, Ordering::Relaxed);
            }
        }
        monotonic_ns.saturating_add(self.offset_ns.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 1_700_000_000 * SECOND;

    #[test]
    fn live_time_does_not_follow_a_wall_clock_that_is_set_back() {
        let live: LiveTime = LiveTime::new(START);
        assert_eq!(live.at(SECOND, || START + SECOND), START + SECOND);
        let half_an_hour_back = || START - 1_800 * SECOND;
        assert_eq!(live.at(2 * SECOND, half_an_hour_back), START + 2 * SECOND);
        assert_eq!(live.at(4 * SECOND, || START + 4 * SECOND), START + 4 * SECOND);
    }

    #[test]
    fn live_time_follows_a_wall_clock_that_is_set_forward() {
        let live: LiveTime = LiveTime::new(START);
        assert_eq!(live.at(SECOND, || START + 2 * SECOND), START + SECOND, "a second is not worth a jump");
        let hour = 3_600 * SECOND;
        assert_eq!(live.at(2 * SECOND, || START + 2 * SECOND + hour), START + 2 * SECOND + hour);
        assert_eq!(live.at(3 * SECOND, || START + 3 * SECOND), START + 3 * SECOND + hour, "and not back again");
    }

    #[test]
    fn the_wall_clock_is_looked_at_ten_times_a_second() {
        let live: LiveTime = LiveTime::new(START);
        let mut looks = 0;
        for step in 0..2_000 {
            let monotonic_ns = step * 1_000_000;
            live.at(monotonic_ns, || {
                looks += 1;
                START + monotonic_ns
            });
        }
        assert_eq!(looks, 19);
    }

    proptest::proptest! {
        /// Whatever the wall clock shows, extremes too.
        #[test]
        fn live_time_never_goes_back(steps in proptest::collection::vec((0..3 * SECOND, proptest::num::i64::ANY), 1..100)) {
            let live: LiveTime = LiveTime::new(START);
            let (mut monotonic_ns, mut last_ns) = (0, START);
            for (step_ns, wall_ns) in steps {
                monotonic_ns += step_ns;
                let now_ns = live.at(monotonic_ns, || wall_ns);
                proptest::prop_assert!(now_ns >= last_ns);
                last_ns = now_ns;
            }
        }
    }

    #[test]
    fn threads_share_one_live_time() {
        let first_ns = wall_ns();
        let second_ns = std::thread::spawn(wall_ns).join().unwrap();
        assert!(first_ns <= second_ns && second_ns <= wall_ns());
        assert!((wall_ns() - system_ns()).abs() < 2 * SECOND);
    }

    /// Two threads find the wall clock ahead, by different amounts, and one gets an event from the other.
    #[test]
    fn a_thread_never_sees_a_time_before_that_of_its_cause() {
        use loom::sync::Arc;
        use loom::sync::atomic as loomed;
        loom::model(|| {
            let live = Arc::new(LiveTime::<loomed::AtomicI64>::new(0));
            let told = Arc::new(loomed::AtomicI64::new(0));
            let source = {
                let (live, told) = (live.clone(), told.clone());
                loom::thread::spawn(move || told.store(live.at(LOOK_EVERY_NS, || 9 * SECOND), Ordering::Release))
            };
            let before_ns = live.at(LOOK_EVERY_NS, || 5 * SECOND);
            let cause_ns = told.load(Ordering::Acquire);
            assert!(live.at(LOOK_EVERY_NS + 1, || 0) > cause_ns.max(before_ns));
            source.join().unwrap();
        });
    }

    #[test]
    fn simulated_time_is_per_thread() {
        set_simulated(42);
        assert_eq!(now_ns(), 42);
        let other = std::thread::spawn(now_ns).join().unwrap();
        assert!(other > 1_600_000_000_000_000_000);
        set_live();
        assert!(now_ns() > 42 && !is_simulated());
    }
}
