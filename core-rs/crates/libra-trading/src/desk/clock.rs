//! The venue's clock beside ours, as its gateway measures it: what "not found" is judged by.
//!
//! An order's window ends on the venue's clock, so a "not found" has to be of a later time of that clock. It counts as of no
//! later than any reading of the last window makes it: an order that was signed by one reading may be judged by another.

use std::collections::VecDeque;

use crate::order::{VenueOutcome, VenueReport};

use super::Desk;
use super::venue::Link;

/// Readings of the venue's clock, minus ours.
#[derive(Default)]
pub(super) struct VenueClock {
    /// When each was taken; all that held at some time of the last window.
    readings: VecDeque<(i64, i64)>,
}

impl VenueClock {
    fn tell(&mut self, now_ns: i64, ahead_ns: i64, window_ns: i64) {
        self.readings.push_back((now_ns, ahead_ns));
        while self.readings.get(1).is_some_and(|(at_ns, _)| *at_ns < now_ns.saturating_sub(window_ns)) {
            self.readings.pop_front();
        }
    }

    /// The venue's time, by the reading that makes it the earliest.
    fn surely_ns(&self, now_ns: i64) -> i64 {
        now_ns.saturating_add(self.readings.iter().map(|(_, ahead_ns)| *ahead_ns).min().unwrap_or_default())
    }
}

impl Desk {
    /// The venue's clock minus ours, as its gateway has just measured it.
    pub fn tell_venue_clock(&mut self, now_ns: i64, ahead_ns: i64) {
        self.gate.set_venue_ahead(ahead_ns);
        self.venue_clock.tell(now_ns, ahead_ns, 2 * self.send_within_ns);
    }

    /// What a gateway outside says, where it is a "not found" that is dated later than it is at the venue: dated as it is.
    pub(super) fn dated(&self, now_ns: i64, report: &VenueReport) -> Option<VenueReport> {
        let surely_ns = self.venue_clock.surely_ns(now_ns);
        let early = report.outcome == VenueOutcome::NotFound && report.ts_venue_ns > surely_ns;
        (early && matches!(self.link, Link::External)).then(|| VenueReport { ts_venue_ns: surely_ns, ..report.clone() })
    }
}
