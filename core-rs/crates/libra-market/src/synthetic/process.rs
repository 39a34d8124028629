//! The model of the price: a quick deviation around a slow price that drifts by turns.
//!
//! `price = slow + deviation`, in ticks, after E. Schwartz and J. E. Smith, "Short-Term Variations and Long-Term Dynamics
//! in Commodity Prices", Management Science 46(7), 2000 (there for logarithms; here, over minutes, for the price itself):
//!
//! - `slow` is a Brownian motion with drift, `d slow = trend dt + s1 dW1`; the trend is up, flat or down by turns (a regime
//!   switch as in J. D. Hamilton, Econometrica 57(2), 1989), each for a while drawn between half and one and a half of
//!   `regime_s`. It is reflected at half and twice the start price, so an endless run stays in range;
//! - `deviation` is the process of G. E. Uhlenbeck and L. S. Ornstein, Physical Review 36, 1930:
//!   `d x = -reversion x dt + s2 dW2`. Its pull back within a fraction of a second is what makes averages cross often.
//!
//! Both are stepped by Euler and Maruyama (P. E. Kloeden and E. Platen, "Numerical Solution of Stochastic Differential
//! Equations", 1992, chapter 9.1). A fiftieth of the variance is the slow price's, the
//! rest the deviation's: with more, averages over seconds would see the slow price alone and hardly cross.

use fastrand::Rng;

use super::config::SyntheticInstrument;

const SLOW_SHARE_OF_VARIANCE: f64 = 0.02;

/// The longest step, as a share of the time in which a deviation dies out: Euler's method is only stable below 1.
const MAX_STEP: f64 = 0.25;

/// Which way the slow price drifts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Regime {
    Up,
    Flat,
    Down,
}

impl Regime {
    /// -1, 0 or 1.
    pub(super) fn sign(self) -> f64 {
        match self {
            Regime::Up => 1.0,
            Regime::Flat => 0.0,
            Regime::Down => -1.0,
        }
    }
}

pub(super) struct PriceProcess {
    start: f64,
    slow: f64,
    deviation: f64,
    regime: Regime,
    regime_left_s: f64,
    regime_s: f64,
    /// In ticks, per second and per square root of a second.
    trend: f64,
    slow_volatility: f64,
    deviation_volatility: f64,
    reversion: f64,
}

impl PriceProcess {
    pub(super) fn new(instrument: &SyntheticInstrument) -> Self {
        let start = (instrument.start_price / instrument.tick_size) as f64;
        let volatility = start * instrument.volatility;
        PriceProcess {
            start,
            slow: start,
            deviation: 0.0,
            regime: Regime::Flat,
            regime_left_s: 0.0,
            regime_s: instrument.regime_s,
            trend: start * instrument.trend_per_s,
            slow_volatility: volatility * SLOW_SHARE_OF_VARIANCE.sqrt(),
            deviation_volatility: volatility * (1.0 - SLOW_SHARE_OF_VARIANCE).sqrt(),
            reversion: instrument.reversion_per_s,
        }
    }

    /// The price in ticks, between a quarter and two and a quarter of the start.
    pub(super) fn ticks(&self) -> f64 {
        self.slow + self.deviation
    }

    pub(super) fn regime(&self) -> Regime {
        self.regime
    }

    /// Goes on by `seconds`.
    pub(super) fn advance(&mut self, seconds: f64, rng: &mut Rng) {
        let steps = (seconds * self.reversion / MAX_STEP).ceil().max(1.0);
        for _ in 0..steps as u32 {
            self.step(seconds / steps, rng);
        }
    }

    fn step(&mut self, seconds: f64, rng: &mut Rng) {
        self.regime_left_s -= seconds;
        if self.regime_left_s <= 0.0 {
            self.regime = match (self.regime, rng.bool()) {
                (Regime::Up, true) | (Regime::Down, true) => Regime::Flat,
                (Regime::Up, false) | (Regime::Flat, false) => Regime::Down,
                (Regime::Down, false) | (Regime::Flat, true) => Regime::Up,
            };
            self.regime_left_s = self.regime_s * (0.5 + rng.f64());
        }
        let root = seconds.sqrt();
        self.slow += self.regime.sign() * self.trend * seconds + self.slow_volatility * root * normal(rng);
        let (low, high) = (self.start * 0.5, self.start * 2.0);
        if self.slow < low {
            self.slow = (low + (low - self.slow)).min(high);
        } else if self.slow > high {
            self.slow = (high - (self.slow - high)).max(low);
        }
        self.deviation += -self.reversion * self.deviation * seconds + self.deviation_volatility * root * normal(rng);
        self.deviation = self.deviation.clamp(-self.start * 0.25, self.start * 0.25);
    }
}

/// A number that is nearly normal, mean 0 and variance 1: the sum of twelve uniform ones less six (Irwin-Hall). Unlike the
/// exact ways it needs no logarithm, whose last bit differs between machines.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Listing;
    use crate::venue::VenueKind;

    #[test]
    fn short_changes_have_the_volatility_asked_for() {
        let listing = Listing::new("BTC/USDT", VenueKind::Synthetic, "BTCUSDT", 2, 5);
        let instrument = SyntheticInstrument::new(listing, 6_000_000, 10, 1);
        let mut process = PriceProcess::new(&instrument);
        let mut rng = Rng::with_seed(1);
        let (step, steps) = (0.001, 200_000);
        let mut squares = 0.0;
        for _ in 0..steps {
            let before = process.ticks();
            process.advance(step, &mut rng);
            squares += (process.ticks() / before - 1.0).powi(2);
        }
        let measured = (squares / (step * f64::from(steps))).sqrt();
        assert!((measured / instrument.volatility - 1.0).abs() < 0.03, "{measured}");
    }

    #[test]
    fn the_price_stays_in_range_for_ever() {
        let listing = Listing::new("WILD/USDT", VenueKind::Synthetic, "WILDUSDT", 2, 5);
        let wild = SyntheticInstrument {
            volatility: 0.05,
            trend_per_s: 0.05,
            ..SyntheticInstrument::new(listing, 10_000, 1, 1)
        };
        let mut process = PriceProcess::new(&wild);
        let mut rng = Rng::with_seed(2);
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        for i in 0..300_000 {
            process.advance(if i % 1_000 == 0 { 60.0 } else { 0.1 }, &mut rng);
            (low, high) = (low.min(process.ticks()), high.max(process.ticks()));
        }
        assert!(low >= 2_500.0 && high <= 22_500.0, "{low} {high}");
        assert!(low < 6_000.0 && high > 15_000.0, "{low} {high}: it moves");
    }
}
