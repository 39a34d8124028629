//! A histogram of durations that costs a few nanoseconds a value and no allocation after the first.

/// Sub-buckets of a power of two: values are kept to about 3 %.
const SUB_BITS: u32 = 5;
const BUCKETS: usize = ((64 - SUB_BITS) << SUB_BITS) as usize + (1 << SUB_BITS);

/// Counts of durations in nanoseconds, in buckets that grow with the value (as HdrHistogram does).
#[derive(Clone, Debug)]
pub struct Latency {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Latency { counts: vec![0; BUCKETS], total: 0, max_ns: 0 }
    }
}

impl Latency {
    /// Counts one duration; below zero counts as zero.
    pub fn record(&mut self, ns: i64) {
        let ns = ns.max(0) as u64;
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// The duration that a share `q` (0 to 1) of the values does not exceed, to about 3 %; `None` without values.
    pub fn quantile_ns(&self, q: f64) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let wanted = ((q.clamp(0.0, 1.0) * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(upper(index).min(self.max_ns));
            }
        }
        Some(self.max_ns)
    }

    /// The longest; `None` without values.
    pub fn max_ns(&self) -> Option<u64> {
        (self.total != 0).then_some(self.max_ns)
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.total
    }
}

fn bucket(ns: u64) -> usize {
    if ns < 1 << SUB_BITS {
        return ns as usize;
    }
    let exponent = 63 - ns.leading_zeros();
    let sub = (ns >> (exponent - SUB_BITS)) - (1 << SUB_BITS);
    (((exponent - SUB_BITS + 1) as usize) << SUB_BITS) + sub as usize
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    let (group, sub) = (index >> SUB_BITS, (index & ((1 << SUB_BITS) - 1)) as u64);
    if group == 0 {
        return sub;
    }
    let shift = group as u32 - 1;
    (((1u64 << SUB_BITS) + sub) << shift) + ((1u64 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_of_known_values() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile_ns(0.5), None);
        (1..=1_000).for_each(|us| latency.record(us * 1_000));
        let p50 = latency.quantile_ns(0.5).unwrap();
        assert!((500_000..=516_000).contains(&p50), "{p50}");
        assert_eq!(latency.max_ns(), Some(1_000_000));
        assert_eq!(latency.quantile_ns(1.0), Some(1_000_000));
    }

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(ns in any::<u64>()) {
            let index = bucket(ns);
            prop_assert!(ns <= upper(index));
            prop_assert!(index == 0 || ns > upper(index - 1));
            prop_assert!(upper(index) - ns <= ns / 32 + 1);
        }
    }
}
