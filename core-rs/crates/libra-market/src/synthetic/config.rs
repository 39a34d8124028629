//! What can be set about a synthetic market, checked before anything runs.

use std::fmt;

use libra_kernel::Name;
use thiserror::Error;

use crate::listing::Listing;

/// A synthetic market.
#[derive(Clone, Debug)]
pub struct SyntheticConfig {
    /// The source that events name.
    pub source: Name,
    /// What the market is a function of.
    pub seed: u64,
    /// The time of the first events, nanoseconds since the epoch.
    pub start_ts_ns: i64,
    /// The instruments.
    pub instruments: Vec<SyntheticInstrument>,
}

/// One instrument of a synthetic market. See `process` for the model that the numbers belong to.
#[derive(Clone, Debug)]
pub struct SyntheticInstrument {
    /// Its name, decimals and venue.
    pub listing: Listing,
    /// The price that it starts from, in price units, a multiple of the tick.
    pub start_price: i64,
    /// The price step, in price units.
    pub tick_size: i64,
    /// The size step, in size units.
    pub lot_size: i64,
    /// Standard deviation of the price's relative change over a short time, per square root of a second.
    pub volatility: f64,
    /// How fast a deviation from the slow price dies out: by a factor e in `1 / reversion_per_s` seconds.
    pub reversion_per_s: f64,
    /// Relative drift of the slow price while a trend lasts, per second.
    pub trend_per_s: f64,
    /// How long a regime (up, flat or down) lasts on average, in seconds.
    pub regime_s: f64,
    /// Quotes a second, beside those that trades cause.
    pub quote_rate_hz: f64,
    /// Trades a second; 0 for none.
    pub trade_rate_hz: f64,
    /// Book updates a second; 0 for no book at all.
    pub book_rate_hz: f64,
    /// The spread's average, in ticks.
    pub spread_ticks: i64,
    /// Levels a side of the book.
    pub levels: usize,
    /// The median size of a level, in lots.
    pub level_lots: i64,
    /// The median size of a trade, in lots.
    pub trade_lots: i64,
}

impl SyntheticInstrument {
    /// A lively instrument: the averages of its last 10 and 30 mid prices cross about 1.8 times a second when taken from
    /// every quote, 0.7 times when taken every 100 ms.
    pub fn new(listing: Listing, start_price: i64, tick_size: i64, lot_size: i64) -> Self {
        SyntheticInstrument {
            listing,
            start_price,
            tick_size,
            lot_size,
            volatility: 0.000_3,
            reversion_per_s: 5.0,
            trend_per_s: 0.000_02,
            regime_s: 3.0,
            quote_rate_hz: 25.0,
            trade_rate_hz: 5.0,
            book_rate_hz: 10.0,
            spread_ticks: 2,
            levels: 20,
            level_lots: 400,
            trade_lots: 20,
        }
    }
}

/// One field that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The instrument, or none where the market itself is meant.
    pub instrument: Name,
    /// The field.
    pub field: &'static str,
    /// What it has to be.
    pub wanted: &'static str,
}

/// All that is wrong with the configuration of a synthetic market.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct SyntheticError(pub Vec<FieldError>);

impl fmt::Display for SyntheticError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, FieldError { instrument, field, wanted }) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}synthetic market, {instrument}: {field} has to be {wanted}")?;
        }
        Ok(())
    }
}

/// Sizes are drawn up to this multiple of their median.
pub(super) const MAX_SIZE_MULTIPLE: i64 = 64;

/// More a second than this and an interval would be no longer than the clock's step.
const MAX_RATE_HZ: f64 = 1e6;

/// Larger prices and sizes, in ticks and lots, have no exact `f64`.
const MAX_STEPS: i64 = 1 << 50;

impl SyntheticConfig {
    pub(super) fn check(&self) -> Result<(), SyntheticError> {
        let mut errors = Vec::new();
        let mut wrong = |instrument, field, wanted| errors.push(FieldError { instrument, field, wanted });
        if self.instruments.is_empty() {
            wrong(Name::NONE, "instruments", "at least one");
        }
        if self.start_ts_ns < 0 {
            wrong(Name::NONE, "start_ts_ns", "at or after the epoch");
        }
        for (i, instrument) in self.instruments.iter().enumerate() {
            let name = instrument.listing.instrument;
            if self.instruments[..i].iter().any(|other| other.listing.instrument == name) {
                wrong(name, "instrument", "listed once");
            }
            for (field, wanted) in instrument.wrong_fields() {
                wrong(name, field, wanted);
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(SyntheticError(errors)) }
    }
}

impl SyntheticInstrument {
    fn wrong_fields(&self) -> Vec<(&'static str, &'static str)> {
        let within = |value: f64, low: f64, high: f64| value >= low && value <= high;
        let levels_fit = (2..=1_000).contains(&self.levels);
        let tick = self.tick_size.max(1);
        // The price may halve and still has to leave room for the spread and all bids; see `process`.
        let lowest = self.spread_ticks.saturating_add(self.levels as i64).saturating_mul(8).saturating_mul(tick);
        let lots_fit = |lots: i64| {
            (1..=MAX_STEPS).contains(&lots)
                && lots.checked_mul(MAX_SIZE_MULTIPLE).and_then(|most| most.checked_mul(self.lot_size)).is_some()
        };
        let checks = [
            (self.tick_size > 0, "tick_size", "above zero"),
            (self.lot_size > 0, "lot_size", "above zero"),
            (self.start_price % tick == 0, "start_price", "a multiple of tick_size"),
            (self.start_price >= lowest, "start_price", "at least 8 x (levels + spread_ticks) ticks"),
            (
                self.start_price / tick <= MAX_STEPS && self.start_price < i64::MAX / 4,
                "start_price",
                "below 2^50 ticks",
            ),
            (within(self.volatility, 1e-9, 0.05), "volatility", "between 1e-9 and 0.05"),
            (within(self.reversion_per_s, 0.001, 1_000.0), "reversion_per_s", "between 0.001 and 1000"),
            (within(self.trend_per_s, 0.0, 0.05), "trend_per_s", "between 0 and 0.05"),
            (within(self.regime_s, 0.01, 1e6), "regime_s", "between 0.01 and 1e6"),
            (within(self.quote_rate_hz, 0.1, MAX_RATE_HZ), "quote_rate_hz", "between 0.1 and 1e6"),
            (
                self.trade_rate_hz == 0.0 || within(self.trade_rate_hz, 1e-4, MAX_RATE_HZ),
                "trade_rate_hz",
                "0, or up to 1e6",
            ),
            (
                self.book_rate_hz == 0.0 || within(self.book_rate_hz, 1e-4, MAX_RATE_HZ),
                "book_rate_hz",
                "0, or up to 1e6",
            ),
            ((1..=10_000).contains(&self.spread_ticks), "spread_ticks", "between 1 and 10000"),
            (levels_fit, "levels", "between 2 and 1000"),
            (lots_fit(self.level_lots), "level_lots", "above zero, and 64 times it has to fit a size"),
            (lots_fit(self.trade_lots), "trade_lots", "above zero, and 64 times it has to fit a size"),
        ];
        checks.into_iter().filter(|(holds, ..)| !holds).map(|(_, field, wanted)| (field, wanted)).collect()
    }
}
