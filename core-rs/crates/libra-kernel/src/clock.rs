//! Time: nanoseconds since the Unix epoch, from the wall or from a simulation.
//!
//! Every thread has a current clock, the wall by default. A simulated node sets it while it runs, so that whatever makes
//! an event on that thread gets the simulation's time without being handed a clock.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

thread_local! {
    /// `i64::MIN` stands for the wall clock.
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

/// Puts this thread back on the wall clock.
pub fn set_live() {
    SIMULATED_NS.with(|cell| cell.set(i64::MIN));
}

/// The wall clock, whatever the thread's current clock is.
#[inline]
pub fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A clock that never goes back, for durations: nanoseconds since an arbitrary start of this process.
pub fn monotonic_ns() -> i64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    i64::try_from(start.elapsed().as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
