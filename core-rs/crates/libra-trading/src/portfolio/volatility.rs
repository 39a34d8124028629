//! The volatility of an instrument's price: exponentially weighted squared log returns on a fixed grid of time.
//!
//! RiskMetrics Technical Document (J.P. Morgan/Reuters, 4th edition 1996), section 5.2:
//!
//! ```text
//! r_t   = ln(mid_t / mid_(t-1))          at the multiples of the interval
//! var_t = decay * var_(t-1) + (1 - decay) * r_t^2
//! ```
//!
//! The first returns are averaged instead, until there are enough. Of n intervals without a quote the return across them
//! counts once, as r^2 / n: silence is not calm. After too many of them the market says nothing about its risk any more,
//! and the warm-up begins anew. The same quotes give the same bits.

use std::time::Duration;

/// Silent intervals after which an estimate is worth nothing.
const MAX_SILENT: i64 = 100;

/// How volatility is estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VolatilityConfig {
    /// Length of an interval.
    pub interval: Duration,
    /// Weight of the estimate before, 0 to 1; RiskMetrics takes 0.94 for days.
    pub decay: f64,
    /// Returns before there is an estimate.
    pub warmup: u32,
}

impl VolatilityConfig {
    /// True when an estimate can come of it.
    pub fn is_valid(&self) -> bool {
        let interval_ns = self.interval.as_nanos();
        (1_000_000..=i64::MAX as u128).contains(&interval_ns) && self.decay > 0.0 && self.decay < 1.0 && self.warmup > 0
    }
}

/// The estimate of one instrument.
#[derive(Clone, Debug)]
pub struct Volatility {
    config: VolatilityConfig,
    interval_ns: i64,
    /// The interval of the last quote, and its middle.
    last: Option<(i64, f64)>,
    /// The middle at the last point of the grid that counted, and which one it was.
    point: Option<(i64, f64)>,
    returns: u32,
    variance: f64,
}

impl Volatility {
    /// No estimate yet.
    pub fn new(config: VolatilityConfig) -> Self {
        let interval_ns = i64::try_from(config.interval.as_nanos()).unwrap_or(i64::MAX).max(1);
        Volatility { config, interval_ns, last: None, point: None, returns: 0, variance: 0.0 }
    }

    /// Takes in a middle of the market, in any unit, as long as it stays the same.
    pub fn update(&mut self, ts_ns: i64, mid: f64) {
        if !(mid.is_finite() && mid > 0.0) {
            return;
        }
        let number = ts_ns.div_euclid(self.interval_ns);
        match self.last {
            // A clock that goes back has no place on the grid.
            Some((before, _)) if number < before => return,
            // The interval is over: its last quote is the price at its end.
            Some((before, price)) if number > before => {
                self.close(before, price);
                if number.saturating_sub(before) > MAX_SILENT {
                    (self.point, self.returns, self.variance) = (None, 0, 0.0);
                }
            }
            _ => {}
        }
        self.last = Some((number, mid));
    }

    fn close(&mut self, number: i64, price: f64) {
        if let Some((before, earlier)) = self.point {
            let r = (price / earlier).ln();
            let square = r * r / (number - before) as f64;
            if self.returns < self.config.warmup {
                self.returns += 1;
                self.variance += (square - self.variance) / f64::from(self.returns);
            } else {
                self.variance = self.config.decay * self.variance + (1.0 - self.config.decay) * square;
            }
        }
        self.point = Some((number, price));
    }

    /// Standard deviation of the return of a year of 365.25 days; `None` while there is no estimate, or where prices do
    /// not move at all.
    pub fn annualised(&self) -> Option<f64> {
        const YEAR_NS: f64 = 31_557_600e9;
        let sigma = (self.variance * YEAR_NS / self.interval_ns as f64).sqrt();
        (self.returns >= self.config.warmup && sigma.is_finite() && sigma > 0.0).then_some(sigma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(warmup: u32) -> VolatilityConfig {
        VolatilityConfig { interval: Duration::from_secs(1), decay: 0.9, warmup }
    }

    fn feed(estimate: &mut Volatility, quotes: &[(f64, f64)]) {
        for (seconds, mid) in quotes {
            estimate.update((seconds * 1e9) as i64, *mid);
        }
    }

    fn per_second(estimate: &Volatility) -> f64 {
        estimate.annualised().unwrap() / 31_557_600f64.sqrt()
    }

    #[test]
    fn the_last_quote_of_each_interval_counts() {
        let mut estimate = Volatility::new(config(2));
        feed(&mut estimate, &[(0.1, 5.0), (0.9, 100.0), (1.5, 7.0), (1.9, 101.0), (2.2, 99.0)]);
        assert_eq!(estimate.annualised(), None, "one return of two");
        feed(&mut estimate, &[(3.0, 98.0)]);
        let squares = [(101f64 / 100.0).ln().powi(2), (99f64 / 101.0).ln().powi(2)];
        assert!((per_second(&estimate).powi(2) - (squares[0] + squares[1]) / 2.0).abs() < 1e-15);
        feed(&mut estimate, &[(4.0, 98.0)]);
        let next = 0.9 * (squares[0] + squares[1]) / 2.0 + 0.1 * (98f64 / 99.0).ln().powi(2);
        assert!((per_second(&estimate).powi(2) - next).abs() < 1e-15);
    }

    #[test]
    fn silence_is_not_calm() {
        let mut estimate = Volatility::new(config(1));
        feed(&mut estimate, &[(0.0, 100.0), (4.0, 110.0), (5.0, 110.0)]);
        assert!((per_second(&estimate).powi(2) - 1.1f64.ln().powi(2) / 4.0).abs() < 1e-15);
        feed(&mut estimate, &[(106.0, 110.0)]);
        assert_eq!(estimate.annualised(), None, "too long to know anything");
        feed(&mut estimate, &[(107.0, 111.0), (108.0, 111.0)]);
        assert!(estimate.annualised().is_some());
    }

    #[test]
    fn what_is_no_price_is_left_out_and_what_does_not_move_has_no_volatility() {
        let mut estimate = Volatility::new(config(1));
        feed(
            &mut estimate,
            &[(0.0, 100.0), (1.0, 0.0), (1.0, f64::NAN), (1.0, 100.0), (0.5, 1.0), (2.0, 100.0), (3.0, 100.0)],
        );
        assert_eq!(estimate.annualised(), None);
        assert!(config(1).is_valid());
        assert!(!VolatilityConfig { decay: 1.0, ..config(1) }.is_valid());
        assert!(!VolatilityConfig { interval: Duration::from_nanos(1), ..config(1) }.is_valid());
        assert!(!config(0).is_valid());
    }
}
