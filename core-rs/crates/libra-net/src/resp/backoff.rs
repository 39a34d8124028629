//! How long to wait before connecting again: exponential, with jitter, short again after a connection that held.

use std::time::Duration;

/// The longest wait, where nothing else is said.
pub const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The bounds of the waits.
#[derive(Clone, Copy, Debug)]
pub struct BackoffLimits {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait of all.
    pub longest: Duration,
    /// How long a connection has to hold to count as a good one. A server that takes connections and drops them is not
    /// hammered.
    pub stable: Duration,
}

impl Default for BackoffLimits {
    fn default() -> Self {
        BackoffLimits { first: Duration::from_millis(10), longest: LONGEST_WAIT, stable: Duration::from_secs(5) }
    }
}

/// Counts failures. The clock and the randomness are the caller's.
#[derive(Debug)]
pub struct Backoff {
    limits: BackoffLimits,
    random: fastrand::Rng,
    failures: u32,
    connected_ns: Option<i64>,
}

impl Backoff {
    /// Before the first attempt.
    pub fn new(limits: BackoffLimits, random: fastrand::Rng) -> Self {
        Backoff { limits, random, failures: 0, connected_ns: None }
    }

    /// A connection stands.
    pub fn connected(&mut self, now_ns: i64) {
        self.connected_ns = Some(now_ns);
    }

    /// An attempt failed or a connection broke: how long to wait before the next. Between a half and the whole of
    /// `first * 2^failures`, so that many nodes do not come back in step.
    pub fn wait(&mut self, now_ns: i64) -> Duration {
        let held_ns = self.connected_ns.take().map_or(0, |since| now_ns.saturating_sub(since));
        if held_ns >= nanos(self.limits.stable) as i64 {
            self.failures = 0;
        }
        let doubled = nanos(self.limits.first).saturating_mul(1u64.checked_shl(self.failures).unwrap_or(u64::MAX));
        let ceiling = doubled.min(nanos(self.limits.longest));
        self.failures = (self.failures + 1).min(63);
        Duration::from_nanos(self.random.u64(ceiling / 2..=ceiling))
    }

    /// Failures since the last connection that held.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn backoff(seed: u64) -> Backoff {
        Backoff::new(BackoffLimits::default(), fastrand::Rng::with_seed(seed))
    }

    #[test]
    fn waits_grow_to_a_limit_and_never_come_in_step() {
        let mut waits = Vec::new();
        for seed in 0..50 {
            let mut backoff = backoff(seed);
            for failure in 0..100u32 {
                let ceiling = Duration::from_millis(10 << failure.min(20)).min(Duration::from_secs(2));
                let wait = backoff.wait(0);
                assert!(wait >= ceiling / 2 && wait <= ceiling, "{failure}: {wait:?}");
                if failure == 3 {
                    waits.push(wait);
                }
            }
        }
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 45, "the same seed alone gives the same wait");
        assert_eq!(backoff(7).wait(0), backoff(7).wait(0));
    }

    #[test]
    fn a_connection_that_held_starts_over_and_one_that_broke_at_once_does_not() {
        let mut backoff = backoff(1);
        for _ in 0..8 {
            backoff.wait(0);
        }
        backoff.connected(SECOND);
        backoff.wait(2 * SECOND);
        assert_eq!(backoff.failures(), 9, "a second is not enough");
        backoff.connected(3 * SECOND);
        assert!(backoff.wait(8 * SECOND) <= Duration::from_millis(10));
        backoff.wait(100 * SECOND);
        assert_eq!(backoff.failures(), 2, "time without a connection is no merit");
    }
}
