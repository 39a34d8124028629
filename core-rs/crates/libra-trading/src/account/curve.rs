//! Equity over time, in bounded memory: the older, the coarser.
//!
//! | older than | what is kept of each currency |
//! | --- | --- |
//! | - | every note |
//! | an hour | of each minute the last note, the highest and the lowest |
//! | a day | the same of each ten minutes |
//! | thirty days | the same of each hour |
//!
//! What is kept is exact and stands at its time, so the curve's extremes, and what it fell from one to the other, stay. With
//! a note a second that is 20,000 notes a currency and 72 for each further day. Notes are thinned when twice as many as
//! were left the last time have come, so a note costs the same however long the account lives, and a curve of less than
//! [`THIN_FROM`] notes is whole.

use std::collections::{HashMap, HashSet};

use libra_kernel::Name;

use crate::instrument::Money;

const MINUTE_NS: i64 = 60_000_000_000;
const HOUR_NS: i64 = 60 * MINUTE_NS;
const DAY_NS: i64 = 24 * HOUR_NS;

/// Notes older than the first are thinned to the second, the oldest first. Each span divides those above it, so what is
/// kept of a long one was kept of the short ones in it.
const SPANS: [(i64, i64); 3] = [(30 * DAY_NS, HOUR_NS), (DAY_NS, 10 * MINUTE_NS), (HOUR_NS, MINUTE_NS)];

/// Fewer notes are never thinned.
pub const THIN_FROM: usize = 16_384;

/// One currency of an account at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EquityPoint {
    /// When, on the account's clock.
    pub ts_ns: i64,
    /// The currency.
    pub currency: Name,
    /// Opening + realised - fees + unrealised.
    pub equity: Money,
    /// Realised P&L before fees.
    pub realised: Money,
    /// P&L of open positions at the last quotes.
    pub unrealised: Money,
    /// Fees.
    pub fees: Money,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct EquityCurve {
    points: Vec<EquityPoint>,
    /// Those that were noted, whatever of them is kept.
    currencies: HashSet<Name>,
    thin_at: usize,
}

impl Default for EquityCurve {
    fn default() -> Self {
        EquityCurve { points: Vec::new(), currencies: HashSet::new(), thin_at: THIN_FROM }
    }
}

impl EquityCurve {
    /// What is kept, in the order in which it was noted.
    pub fn points(&self) -> &[EquityPoint] {
        &self.points
    }

    /// True for a currency of which something was noted.
    pub fn has(&self, currency: Name) -> bool {
        self.currencies.contains(&currency)
    }

    /// Adds a note.
    pub fn note(&mut self, point: EquityPoint) {
        self.currencies.insert(point.currency);
        self.points.push(point);
        if self.points.len() >= self.thin_at {
            self.thin(point.ts_ns);
            self.thin_at = (2 * self.points.len()).max(THIN_FROM);
        }
    }

    fn thin(&mut self, now_ns: i64) {
        // By currency and span: the places of the lowest, the highest and the last note.
        let mut groups: HashMap<(Name, i64, i64), [usize; 3]> = HashMap::new();
        let mut keep = vec![false; self.points.len()];
        for (place, point) in self.points.iter().enumerate() {
            let age_ns = now_ns.saturating_sub(point.ts_ns);
            let Some((_, span_ns)) = SPANS.iter().find(|(older_than_ns, _)| age_ns > *older_than_ns) else {
                keep[place] = true;
                continue;
            };
            let group = (point.currency, *span_ns, point.ts_ns.div_euclid(*span_ns));
            let [lowest, highest, last] = groups.entry(group).or_insert([place; 3]);
            if point.equity < self.points[*lowest].equity {
                *lowest = place;
            }
            if point.equity > self.points[*highest].equity {
                *highest = place;
            }
            *last = place;
        }
        for place in groups.into_values().flatten() {
            keep[place] = true;
        }
        let mut keep = keep.into_iter();
        self.points.retain(|_| keep.next().unwrap_or(true));
        self.points.shrink_to(2 * self.points.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;
    const T0: i64 = 1_700_000_000 * SECOND_NS;

    #[test]
    fn it_knows_what_was_noted() {
        let (_, curve) = walk(3);
        assert!(curve.has(Name::intern("USDT")) && !curve.has(Name::intern("BTC")));
    }

    /// A walk of one currency, a note a second, and what is kept of it.
    fn walk(seconds: i64) -> (Vec<EquityPoint>, EquityCurve) {
        let (mut all, mut curve, mut equity) = (Vec::new(), EquityCurve::default(), 1_000_000);
        let mut random = fastrand::Rng::with_seed(7);
        for second in 0..seconds {
            equity += random.i128(-100..=100);
            let currency = Name::intern("USDT");
            let ts_ns = T0 + second * SECOND_NS;
            let point = EquityPoint { ts_ns, currency, equity, realised: second.into(), unrealised: 1, fees: 2 };
            all.push(point);
            curve.note(point);
        }
        (all, curve)
    }

    /// The deepest fall from a point to a later one.
    fn fall(points: &[EquityPoint]) -> Money {
        let (mut peak, mut deepest) = (Money::MIN, 0);
        for point in points {
            peak = peak.max(point.equity);
            deepest = deepest.max(peak - point.equity);
        }
        deepest
    }

    #[test]
    fn a_short_curve_is_whole() {
        let (all, curve) = walk(THIN_FROM as i64 - 1);
        assert_eq!(curve.points(), all);
    }

    #[test]
    fn a_long_curve_keeps_its_ends_its_extremes_and_its_fall_in_little_memory() {
        let (all, mut curve) = walk(70 * 86_400);
        let now_ns = all[all.len() - 1].ts_ns;
        assert!(curve.points().len() < 60_000, "{} notes, without being asked to", curve.points().len());
        curve.thin(now_ns);
        let points = curve.points();
        let older = |than_ns: i64| points.partition_point(|point| now_ns - point.ts_ns > than_ns);
        assert_eq!(points[older(HOUR_NS)..], all[all.len() - 3_601..], "the last hour is whole");
        for (older_ns, from_ns, span_ns) in
            [(HOUR_NS, DAY_NS, MINUTE_NS), (DAY_NS, 30 * DAY_NS, 10 * MINUTE_NS), (30 * DAY_NS, 70 * DAY_NS, HOUR_NS)]
        {
            let kept = older(older_ns) - older(from_ns);
            let spans = ((from_ns - older_ns) / span_ns) as usize + 1;
            assert!((spans..=3 * spans).contains(&kept), "{kept} of {spans} spans");
        }
        let mut of_all = all.iter();
        assert!(points.iter().all(|point| of_all.any(|noted| noted == point)), "exact, and in their order");
        assert_eq!(points.last(), all.last());
        let ends = |points: &[EquityPoint]| {
            let equities = || points.iter().map(|point| point.equity);
            (equities().min(), equities().max())
        };
        assert_eq!(ends(points), ends(&all));
        assert_eq!(fall(points), fall(&all));
        assert!(curve.points.capacity() < 60_000, "{} of {} notes", curve.points.capacity(), all.len());
    }

    #[test]
    fn currencies_are_kept_apart_and_a_clock_that_goes_back_loses_nothing() {
        let point = |currency: &str, ts_ns: i64, equity: Money| EquityPoint {
            ts_ns,
            currency: Name::intern(currency),
            equity,
            realised: 0,
            unrealised: 0,
            fees: 0,
        };
        let mut curve = EquityCurve::default();
        for point in [
            point("USDT", T0, 5),
            point("BTC", T0, 1),
            point("USDT", T0 + 1, 4),
            point("USDT", T0 + 2, 6),
            point("BTC", T0 + 2, 1),
            point("USDT", T0 + 3, 5),
        ] {
            curve.note(point);
        }
        curve.thin(i64::MIN);
        assert_eq!(curve.points().len(), 6);
        curve.thin(T0 + 2 * HOUR_NS);
        let left: Vec<_> = curve.points().iter().map(|p| (p.currency.as_str(), p.ts_ns - T0, p.equity)).collect();
        assert_eq!(left, [("BTC", 0, 1), ("USDT", 1, 4), ("USDT", 2, 6), ("BTC", 2, 1), ("USDT", 3, 5)]);
        curve.thin(T0 + 2 * HOUR_NS);
        assert_eq!(curve.points().len(), 5, "what was thinned stays");
    }
}
