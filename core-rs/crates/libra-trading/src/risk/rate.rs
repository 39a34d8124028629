//! At most so many orders within any second: a ring of the times of the last ones.

/// One second.
const WINDOW_NS: i64 = 1_000_000_000;

/// A sliding window over the last `limit` orders. It allocates once.
#[derive(Clone, Debug)]
pub struct RateWindow {
    /// Times of the last orders; `next` is the oldest.
    times: Vec<i64>,
    next: usize,
}

impl RateWindow {
    /// A window of at most `limit` orders a second, `None` for no limit.
    pub fn new(limit: Option<u32>) -> Self {
        // Below every clock reading, without an overflow when subtracted from one.
        RateWindow { times: vec![i64::MIN / 2; limit.unwrap_or(0) as usize], next: 0 }
    }

    /// The limit, and whether an order at `now_ns` would pass it.
    #[inline]
    pub fn exceeded(&self, now_ns: i64) -> Option<usize> {
        let oldest = *self.times.get(self.next)?;
        (now_ns.saturating_sub(oldest) < WINDOW_NS).then_some(self.times.len())
    }

    /// Counts an order.
    #[inline]
    pub fn record(&mut self, now_ns: i64) {
        if let Some(oldest) = self.times.get_mut(self.next) {
            *oldest = now_ns;
            self.next = if self.next + 1 == self.times.len() { 0 } else { self.next + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_holds_more_than_the_limit() {
        let mut window = RateWindow::new(Some(2));
        for (now, refused) in [(0, false), (1, false), (2, true), (999_999_999, true), (1_000_000_000, false)] {
            assert_eq!(window.exceeded(now).is_some(), refused, "at {now}");
            if !refused {
                window.record(now);
            }
        }
        assert_eq!(window.exceeded(1_000_000_000), Some(2));
        assert!(window.exceeded(1_000_000_001).is_none());
        assert!(RateWindow::new(None).exceeded(0).is_none());
    }
}
