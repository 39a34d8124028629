//! How long a frame was on its way: between making and taking it, on two clocks.

use libra_kernel::clock::wall_ns;

/// What says that it is older was not on its way for so long: even a group that was away for a day reads the stream's frames.
const LONGEST_NS: i64 = 86_400_000_000_000;

/// The lag of the last frame. What a publisher says of its clock is not believed where it cannot be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lag {
    ns: i64,
    skewed: u64,
}

impl Lag {
    /// A frame came that was made then. One from the future, or from too long ago, tells of clocks that differ.
    pub fn take(&mut self, sent_ns: i64) {
        self.take_at(wall_ns(), sent_ns);
    }

    pub fn take_at(&mut self, now_ns: i64, sent_ns: i64) {
        match now_ns.checked_sub(sent_ns) {
            Some(lag) if (0..=LONGEST_NS).contains(&lag) => self.ns = lag,
            _ => self.skewed = self.skewed.saturating_add(1),
        }
    }

    /// In microseconds.
    pub fn us(&self) -> i64 {
        self.ns / 1_000
    }

    /// How many frames came from a clock that cannot be right, or from ours that is not.
    pub fn skewed(&self) -> u64 {
        self.skewed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_is_counted_and_no_lag() {
        let (now, mut lag) = (1_760_000_000_000_000_000, Lag::default());
        lag.take_at(now, now - 2_000_000);
        assert_eq!((lag.us(), lag.skewed()), (2_000, 0));
        for (times, sent) in (1..).zip([now + 1, i64::MAX, i64::MIN, 0, now - LONGEST_NS - 1]) {
            lag.take_at(now, sent);
            assert_eq!((lag.us(), lag.skewed()), (2_000, times), "{sent}");
        }
        lag.take_at(now, now - LONGEST_NS);
        assert_eq!((lag.us(), lag.skewed()), (LONGEST_NS / 1_000, 5));
    }
}
