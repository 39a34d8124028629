//! How much an actor may publish: so many events a second of the node's clock, and as many at once.
//!
//! An actor whose events cause events of its own can fill a process all by itself; in simulated time, which stands still
//! while handlers run, it would hold the run for ever. What is over the allowance is refused at the sender. Cancels have a
//! reserve of one in eight, so that a storm of something else leaves room to get out of the market.

const NS: i128 = 1_000_000_000;
/// The part of the allowance that cancels may use beyond it.
const CANCEL_RESERVE: i64 = 8;

/// What an actor has left.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    per_second: i64,
    left: i64,
    refilled_ns: i64,
}

impl Allowance {
    /// So many events a second, and at once; 0 for no limit.
    pub fn new(per_second: u32) -> Self {
        Allowance { per_second: i64::from(per_second), left: 0, refilled_ns: i64::MIN }
    }

    /// Takes one; false when nothing is left. The clock is only read when it has to be.
    #[inline]
    pub fn take(&mut self, is_cancel: bool, now_ns: impl FnOnce() -> i64) -> bool {
        if self.left <= 0 && self.per_second != 0 {
            self.refill(now_ns());
            let least = if is_cancel { -(self.per_second / CANCEL_RESERVE).max(1) } else { 0 };
            if self.left <= least {
                return false;
            }
        }
        self.left = self.left.saturating_sub(1);
        true
    }

    #[cold]
    fn refill(&mut self, now_ns: i64) {
        let passed_ns = i128::from(now_ns) - i128::from(self.refilled_ns);
        let gained = (passed_ns * i128::from(self.per_second) / NS).min(i128::from(self.per_second)) as i64;
        if gained > 0 {
            self.left = (self.left + gained).min(self.per_second);
            self.refilled_ns = now_ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(allowance: &mut Allowance, tries: usize, is_cancel: bool, now_ns: i64) -> usize {
        (0..tries).filter(|_| allowance.take(is_cancel, || now_ns)).count()
    }

    #[test]
    fn at_one_instant_it_ends_and_time_brings_it_back() {
        let mut allowance = Allowance::new(1_000);
        assert_eq!(taken(&mut allowance, 5_000, false, 7), 1_000);
        assert_eq!(taken(&mut allowance, 5_000, false, 7), 0);
        assert_eq!(taken(&mut allowance, 5_000, false, 7 + 10_000_000), 10);
        assert_eq!(taken(&mut allowance, 5_000, false, i64::MAX), 1_000);
    }

    #[test]
    fn cancels_have_a_reserve_that_ends_too() {
        let mut allowance = Allowance::new(800);
        assert_eq!(taken(&mut allowance, 5_000, false, 0), 800);
        assert_eq!(taken(&mut allowance, 5_000, true, 0), 100);
        assert_eq!(taken(&mut allowance, 5_000, false, 0), 0);
        // The reserve is paid back first.
        assert_eq!(taken(&mut allowance, 5_000, false, 250_000_000), 100);
    }

    #[test]
    fn small_steps_of_time_are_not_lost() {
        let mut allowance = Allowance::new(10);
        assert_eq!(taken(&mut allowance, 50, false, 0), 10);
        let step = 30_000_000;
        let got: usize = (1..=100).map(|n| taken(&mut allowance, 5, false, n * step)).sum();
        assert!((24..=30).contains(&got), "{got}");
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(taken(&mut Allowance::new(0), 1_000_000, false, 0), 1_000_000);
    }
}
