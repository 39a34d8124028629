//! The volume that an instrument traded of late, and our share of it.
//!
//! Trades are summed in sixty buckets, so that a trade costs an addition and a check a subtraction for each bucket that
//! has passed. What is asked for covers between 59/60 of the window and the whole of it, the market's volume and ours over
//! the same span.

/// Buckets of a window.
const BUCKETS: usize = 60;

/// Sizes of one bucket, in the instrument's size units.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    market: i64,
    own: i64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct VolumeWindow {
    bucket_ns: i64,
    buckets: [Bucket; BUCKETS],
    /// The number of the latest bucket.
    head: i64,
    /// Where it ends: a time before it needs no division.
    head_ends_ns: i64,
    market: i128,
    own: i128,
}

impl VolumeWindow {
    /// A window of `window_ns` without a trade.
    pub fn new(window_ns: i64) -> Self {
        VolumeWindow {
            bucket_ns: (window_ns / BUCKETS as i64).max(1),
            buckets: [Bucket::default(); BUCKETS],
            head: 0,
            head_ends_ns: 0,
            market: 0,
            own: 0,
        }
    }

    /// A trade of the market.
    pub fn on_trade(&mut self, ts_ns: i64, size: i64) {
        if let Some(bucket) = self.bucket(ts_ns)
            && let Some(sum) = self.buckets[bucket].market.checked_add(size.max(0))
        {
            // Volume that does not fit is left out: the share of it only becomes larger.
            self.buckets[bucket].market = sum;
            self.market += i128::from(size.max(0));
        }
    }

    /// An execution of ours.
    pub fn on_own(&mut self, ts_ns: i64, size: i64) {
        if let Some(bucket) = self.bucket(ts_ns) {
            let before = self.buckets[bucket].own;
            self.buckets[bucket].own = before.saturating_add(size.max(0));
            self.own += i128::from(self.buckets[bucket].own - before);
        }
    }

    /// The place of a time, after what is too old has left; `None` for a time behind the window.
    fn bucket(&mut self, ts_ns: i64) -> Option<usize> {
        let number = ts_ns.div_euclid(self.bucket_ns);
        if number > self.head {
            for passed in 1..=number.saturating_sub(self.head).min(BUCKETS as i64) {
                let left = std::mem::take(&mut self.buckets[place(self.head.wrapping_add(passed))]);
                self.market -= i128::from(left.market);
                self.own -= i128::from(left.own);
            }
            self.head = number;
            self.head_ends_ns = number.saturating_add(1).saturating_mul(self.bucket_ns);
        }
        (number > self.head - BUCKETS as i64).then(|| place(number))
    }

    /// Volume of the market and of ours within the window before `now_ns`.
    #[inline]
    pub fn sums(&self, now_ns: i64) -> (i128, i128) {
        if now_ns < self.head_ends_ns {
            return (self.market, self.own);
        }
        let number = now_ns.div_euclid(self.bucket_ns);
        if number <= self.head {
            return (self.market, self.own);
        }
        let (mut market, mut own) = (self.market, self.own);
        for passed in 1..=number.saturating_sub(self.head).min(BUCKETS as i64) {
            let left = &self.buckets[place(self.head.wrapping_add(passed))];
            market -= i128::from(left.market);
            own -= i128::from(left.own);
        }
        (market, own)
    }
}

fn place(number: i64) -> usize {
    number.rem_euclid(BUCKETS as i64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_older_than_the_window_has_left() {
        let mut window = VolumeWindow::new(60_000);
        assert_eq!(window.sums(0), (0, 0));
        window.on_trade(500, 10);
        window.on_trade(30_000, 5);
        window.on_own(30_000, 2);
        assert_eq!(window.sums(59_999), (15, 2));
        assert_eq!(window.sums(60_000), (5, 2));
        assert_eq!(window.sums(90_000), (0, 0));
        window.on_trade(29_000, 1);
        assert_eq!(window.sums(30_000), (16, 2), "late, and within the window");
        window.on_trade(1_000_000, i64::MAX);
        window.on_trade(1_000_000, 1);
        window.on_trade(1, 1);
        assert_eq!(window.sums(1_000_000), (i64::MAX.into(), 0), "what does not fit, or is too old, is left out");
    }

    proptest! {
        #[test]
        fn the_sums_are_those_of_a_list(trades in proptest::collection::vec((0i64..20_000, 0i64..100, any::<bool>()), 0..100), ahead in 0i64..80_000) {
            let mut window = VolumeWindow::new(60_000);
            let (mut all, mut now) = (Vec::new(), 0);
            for (step, size, own) in trades {
                now += step;
                if own { window.on_own(now, size) } else { window.on_trade(now, size) }
                all.push((now / 1_000, size, own));
            }
            now += ahead;
            let sum = |wanted: bool| -> i128 {
                let within = all.iter().filter(|(at, _, own)| *own == wanted && *at > now / 1_000 - 60);
                within.map(|(_, size, _)| i128::from(*size)).sum()
            };
            prop_assert_eq!(window.sums(now), (sum(false), sum(true)));
        }
    }
}
