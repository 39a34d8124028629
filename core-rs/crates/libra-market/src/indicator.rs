//! Streaming indicators: fed a value at a time, they give a value at a time.

use thiserror::Error;

/// Why an indicator cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IndicatorError {
    /// The window holds nothing.
    #[error("a window needs at least one value")]
    EmptyWindow,
    /// The window would not fit into memory.
    #[error("a window of {0} values is too long, at most {MAX_WINDOW}")]
    WindowTooLong(usize),
}

/// The longest window of an indicator, in values.
pub const MAX_WINDOW: usize = 1 << 24;

/// Simple moving average: the mean of the last `n` values, `(x[t-n+1] + ... + x[t]) / n` (TA-Lib's `SMA`).
///
/// The usual running sum (add the new value, subtract the one that leaves) gathers rounding errors for ever and keeps
/// what a huge or infinite value once did to it. Here nothing is ever subtracted: the window is split where a lap of the
/// ring began. The sums of the older part, from each place to its end, were made when the lap began; the newer part has a
/// running sum that starts at zero with each lap. The mean is the sum of the two over `n`, so each value is the result of
/// at most `n` additions of values of the window itself, however long the stream is, and a NaN is gone when it leaves the
/// window. An update costs one addition and, spread over a lap, another one.
#[derive(Clone, Debug)]
pub struct Sma {
    /// The newer part, `ring[..filled]`.
    ring: Vec<f64>,
    /// `older[i]` is the sum of what the last lap held from place `i` to its end.
    older: Vec<f64>,
    filled: usize,
    newer_sum: f64,
    /// True once a whole lap is behind.
    lapped: bool,
    value: Option<f64>,
}

impl Sma {
    /// An average over `n` values.
    pub fn new(n: usize) -> Result<Self, IndicatorError> {
        if n == 0 {
            return Err(IndicatorError::EmptyWindow);
        }
        if n > MAX_WINDOW {
            return Err(IndicatorError::WindowTooLong(n));
        }
        Ok(Sma { ring: vec![0.0; n], older: vec![0.0; n], filled: 0, newer_sum: 0.0, lapped: false, value: None })
    }

    /// Takes in a value; the average once `n` values are in.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        let n = self.ring.len();
        self.ring[self.filled] = value;
        self.newer_sum += value;
        self.filled += 1;
        if self.filled == n {
            self.value = Some(self.newer_sum / n as f64);
            self.begin_lap();
        } else if self.lapped {
            self.value = Some((self.older[self.filled] + self.newer_sum) / n as f64);
        }
        self.value
    }

    fn begin_lap(&mut self) {
        let mut sum = 0.0;
        for (place, &value) in self.older.iter_mut().zip(&self.ring).rev() {
            sum += value;
            *place = sum;
        }
        (self.filled, self.newer_sum, self.lapped) = (0, 0.0, true);
    }

    /// The current average, `None` before `n` values are in.
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// True once `n` values are in.
    pub fn is_ready(&self) -> bool {
        self.value.is_some()
    }

    /// The number of values that it averages over.
    pub fn window(&self) -> usize {
        self.ring.len()
    }

    /// Forgets all values.
    pub fn reset(&mut self) {
        (self.filled, self.newer_sum, self.lapped, self.value) = (0, 0.0, false, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_averages_the_last_n() {
        let mut sma = Sma::new(3).unwrap();
        let got: Vec<_> = [1.0, 2.0, 3.0, 4.0, 5.0, 60.0, 7.0].into_iter().map(|x| sma.update(x)).collect();
        assert_eq!(got, [None, None, Some(2.0), Some(3.0), Some(4.0), Some(23.0), Some(24.0)]);
        sma.reset();
        assert!(!sma.is_ready() && sma.value().is_none());
        assert_eq!(sma.update(1.0), None);
    }

    #[test]
    fn impossible_windows_are_refused() {
        assert_eq!(Sma::new(0).err(), Some(IndicatorError::EmptyWindow));
        assert_eq!(Sma::new(usize::MAX).err(), Some(IndicatorError::WindowTooLong(usize::MAX)));
    }

    #[test]
    fn ten_million_updates_do_not_drift() {
        let (n, updates) = (30, 10_000_000u64);
        let mut sma = Sma::new(n).unwrap();
        // 0.1 has no exact double: a running sum would drift on it.
        let sample = |i: u64| 60_000.0 + 0.1 * ((i * 7_919) % 1_000) as f64;
        for i in 0..updates {
            sma.update(sample(i));
        }
        let exact = 60_000.0
            + (updates - n as u64..updates).map(|i| ((i * 7_919) % 1_000) as f64).sum::<f64>() * 0.1 / n as f64;
        let relative = (sma.value().unwrap() - exact).abs() / exact;
        assert!(relative < 8.0 * f64::EPSILON, "off by {relative:e}");
    }

    #[test]
    fn what_left_the_window_leaves_no_trace() {
        let mut sma = Sma::new(4).unwrap();
        for poison in [1e300, f64::INFINITY, f64::NAN] {
            sma.update(poison);
            for _ in 0..4 {
                sma.update(0.1);
            }
            assert_eq!(sma.value(), Some(0.1));
        }
    }

    proptest! {
        #[test]
        fn it_equals_the_plain_mean(n in 1usize..40, values in proptest::collection::vec(-1e6f64..1e6, 0..200)) {
            let mut sma = Sma::new(n).unwrap();
            for (i, &value) in values.iter().enumerate() {
                let got = sma.update(value);
                if i + 1 < n {
                    prop_assert_eq!(got, None);
                } else {
                    let window = &values[i + 1 - n..=i];
                    let plain = window.iter().sum::<f64>() / n as f64;
                    // n additions of values up to 1e6 may round n times.
                    let room = n as f64 * 1e6 * f64::EPSILON;
                    prop_assert!((got.unwrap() - plain).abs() <= room, "{:?} {}", got, plain);
                }
            }
        }
    }
}
