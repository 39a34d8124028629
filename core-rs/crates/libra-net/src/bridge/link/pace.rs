//! When market data leaves: at once while few events come, by the clock while many do.
//!
//! A frame costs a write, and wakes the server and each subscriber, however few events it holds; and a thread that is woken for
//! the first event of a burst finds nothing but that. So while events stream, the thread is woken by the clock, and whatever came
//! meanwhile leaves together. A lone event waits for nothing, and nothing ticks while few come.

/// The longest that an event waits for its frame to fill, but for what the system's timers add.
pub(super) const PATIENCE_NS: i64 = 200_000;
/// Over so long it is looked how many come.
const WINDOW_NS: i64 = 1_000_000;
/// So many events in a window are a stream.
const STREAM: u64 = 32;

/// See the module. It has no clock of its own.
#[derive(Debug, Default)]
pub(super) struct Pace {
    since_ns: i64,
    count: u64,
    is_stream: bool,
    /// When something left last.
    left_ns: i64,
}

impl Pace {
    /// So many events were taken out of the node's queue now.
    pub fn took(&mut self, now_ns: i64, events: u64) {
        self.count = self.count.saturating_add(events);
        let elapsed_ns = now_ns.saturating_sub(self.since_ns);
        if elapsed_ns >= WINDOW_NS {
            let windows = (elapsed_ns / WINDOW_NS).unsigned_abs();
            self.is_stream = self.count / windows >= STREAM;
            (self.since_ns, self.count) = (now_ns, 0);
        } else if self.count >= STREAM {
            // The window's end says whether it goes on.
            self.is_stream = true;
        }
    }

    /// True while events stream: what came leaves together, when it is time.
    pub fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// True when it is time.
    pub fn is_due(&self, now_ns: i64) -> bool {
        now_ns.saturating_sub(self.left_ns) >= PATIENCE_NS
    }

    /// What came leaves now.
    pub fn left(&mut self, now_ns: i64) {
        self.left_ns = now_ns;
    }

    /// How long to sleep until it is time, while events stream.
    pub fn nap_ns(&self, now_ns: i64) -> Option<u64> {
        let left_ns = PATIENCE_NS.saturating_sub(now_ns.saturating_sub(self.left_ns));
        u64::try_from(left_ns).ok().filter(|&nap_ns| self.is_stream && nap_ns > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: i64 = 1_000;

    #[test]
    fn few_events_are_no_stream_and_nothing_ticks() {
        let mut pace = Pace::default();
        for turn in 1..100 {
            let now_ns = turn * 200 * US;
            pace.took(now_ns, 6);
            assert!(!pace.is_stream() && pace.nap_ns(now_ns).is_none(), "30 in a millisecond, turn {turn}");
            pace.left(now_ns);
        }
    }

    #[test]
    fn a_stream_leaves_by_the_clock_and_its_end_is_noticed() {
        let (mut pace, mut now_ns) = (Pace::default(), 10_000 * US);
        pace.took(now_ns, 1_000);
        assert!(pace.is_stream() && pace.is_due(now_ns), "what comes after a pause leaves at once");
        pace.left(now_ns);
        for _ in 0..20 {
            now_ns += 150 * US;
            pace.took(now_ns, 20);
            assert!(pace.is_stream() && !pace.is_due(now_ns));
            assert_eq!(pace.nap_ns(now_ns), Some(50_000));
            now_ns += 50 * US;
            assert!(pace.is_due(now_ns) && pace.nap_ns(now_ns).is_none());
            pace.left(now_ns);
        }
        let mut naps = 0;
        while pace.is_stream() {
            naps += 1;
            now_ns += 200 * US;
            pace.took(now_ns, 0);
            pace.left(now_ns);
        }
        assert!((5..=10).contains(&naps), "within two windows, after {naps}");
    }

    #[test]
    fn a_burst_makes_a_stream_before_its_window_ends() {
        let mut pace = Pace::default();
        pace.took(5_000 * US, 0);
        pace.took(5_005 * US, 1);
        assert!(!pace.is_stream());
        pace.took(5_010 * US, 30);
        assert!(!pace.is_stream());
        pace.took(5_020 * US, 1);
        assert!(pace.is_stream());
        pace.took(6_000 * US, 0);
        assert!(pace.is_stream(), "there were 32 in that window");
        pace.took(7_000 * US, 0);
        assert!(!pace.is_stream());
    }
}
