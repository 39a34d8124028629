//! How far another node's clock is from ours, and what that makes of the deadlines that it sets.
//!
//! A deadline stands on the clock of the node that asked. Its beacons say what that clock shows: one that was sent at `s` there and read at
//! `r` here was on its way for some time, so the other clock is ahead of ours by `s - r` *at least*, and by no more than that and the way of
//! the quickest. The largest of the last beacons is believed. Frames of events say so too, and may only raise it: they may have
//! waited in the stream.
//!
//! *A deadline is only ever made earlier.* A beacon that came late looks like a clock that is behind, so that is taken for nothing
//! which gives a request more time. Together: what was asked with `ttl` is over at most `ttl` behind its arrival, whatever its node's
//! clock shows, and at most `ttl` and one [`GRAIN_NS`] behind the moment in which it was asked.
//!
//! A clock that is set while something waits shifts nothing to a later time. Within a life live time never goes back
//! ([`libra_kernel::clock`]), and where it jumps ahead, there or here, deadlines are over sooner. A node that is started again
//! may have a clock that was set back, or another host's: so *a deadline goes by the clock of the life that set it*, which is
//! remembered for a few lives ([`Clocks`]); of a life whose clock nobody here has heard of it is over.

use std::collections::VecDeque;

use libra_kernel::{Event, Payload};
use libra_trading::order::{CLOCK_IS_OFF_NS, OrderRequest};
use libra_trading::signal::Signal;

/// Beacons that are remembered: more than a server that stood still has of a node.
const KEPT: usize = 16;

/// A clock that is behind is no late beacon once so many were heard over so long.
const SURE: (usize, i64) = (3, 2_000_000_000);

/// Deadlines are corrected by whole ones of these. Where clocks agree nothing is changed, so that a request that comes again is the same
/// to the last field, as the account's log has it.
pub(super) const GRAIN_NS: i64 = 100_000_000;

/// What is to be told of a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    #[default]
    Fine,
    /// Worth a look: more than a quarter of what is borne.
    Off,
    /// More than is borne.
    TooFar,
}

/// What is known of another node's clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Skew {
    epoch: u64,
    /// When each was heard, by our monotonic clock, and how far it was ahead.
    heard: VecDeque<(i64, i64)>,
    told: Level,
}

impl Skew {
    /// A beacon was read at `wall_ns`, which is `now_ns` on the monotonic clock. Another life may be on another host.
    pub fn hear(&mut self, epoch: u64, now_ns: i64, wall_ns: i64, sent_ns: i64) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.heard.clear();
        }
        self.heard.truncate(KEPT - 1);
        self.heard.push_front((now_ns, sent_ns.saturating_sub(wall_ns)));
    }

    /// How far its clock is ahead of ours; `None` before a beacon.
    pub fn ahead_ns(&self) -> Option<i64> {
        self.heard.iter().map(|(_, ahead_ns)| *ahead_ns).max()
    }

    /// How far off that is, where `most_ns` is borne.
    pub fn level(&self, most_ns: i64) -> Level {
        let Some(ahead_ns) = self.ahead_ns() else { return Level::Fine };
        let span_ns = self.heard.front().zip(self.heard.back()).map_or(0, |(newest, oldest)| newest.0 - oldest.0);
        let is_sure = ahead_ns > 0 || (self.heard.len() >= SURE.0 && span_ns >= SURE.1);
        match ahead_ns.saturating_abs() {
            off_ns if off_ns > most_ns && is_sure => Level::TooFar,
            off_ns if off_ns > most_ns / 4 && is_sure => Level::Off,
            _ => Level::Fine,
        }
    }

    /// The same, where it is worse than what was told last.
    pub fn news(&mut self, most_ns: i64) -> Option<Level> {
        let level = self.level(most_ns);
        let before = std::mem::replace(&mut self.told, level);
        (level > before).then_some(level)
    }

    /// What is made of its deadlines.
    pub fn clock(&self, most_ns: i64) -> Clock {
        match (self.ahead_ns(), self.level(most_ns)) {
            (_, Level::TooFar) => Clock::Off,
            (None, _) => Clock::Unknown,
            (Some(ahead_ns), _) => Clock::Ahead(ahead_ns),
        }
    }
}

/// What is made of the deadlines of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// No beacon was read.
    Unknown,
    /// By so much its clock is ahead.
    Ahead(i64),
    /// It is too far off for any.
    Off,
}

/// Lives of a node whose clocks are remembered: frames of more than these do not wait beside each other.
const LIVES: usize = 4;

/// The clocks of a node's last lives, the newest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Clocks {
    known: VecDeque<(u64, Clock)>,
}

impl Clocks {
    /// What its beacons show by now; of lives in their order.
    pub fn know(&mut self, epoch: u64, clock: Clock) {
        match self.known.front_mut() {
            Some(newest) if newest.0 == epoch => newest.1 = clock,
            _ => {
                self.known.truncate(LIVES - 1);
                self.known.push_front((epoch, clock));
            }
        }
    }

    /// The newest life whose beacons were read.
    pub fn newest(&self) -> Option<u64> {
        self.known.front().map(|(epoch, _)| *epoch)
    }

    pub fn of(&self, epoch: u64) -> Clock {
        self.known.iter().find(|(known, _)| *known == epoch).map_or(Clock::Unknown, |(_, clock)| *clock)
    }
}

/// How a node judges the deadlines of others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// How far off a clock may be.
    pub most_ns: i64,
    /// Where a clock is not known, a deadline of it is over.
    pub is_strict: bool,
}

impl Deadlines {
    /// A deadline on our clock, in a frame that was sent at `sent_ns` and taken in at `wall_ns`.
    fn judge(self, clock: Clock, wall_ns: i64, sent_ns: i64, deadline_ns: i64) -> i64 {
        // What was sent in our future comes from a clock that is ahead at least so far.
        let at_least_ns = sent_ns.saturating_sub(wall_ns);
        let ahead_ns = match clock {
            Clock::Off => return CLOCK_IS_OFF_NS,
            Clock::Unknown if self.is_strict => return CLOCK_IS_OFF_NS,
            Clock::Unknown => at_least_ns,
            Clock::Ahead(ahead_ns) => ahead_ns.max(at_least_ns),
        };
        if ahead_ns > self.most_ns {
            return CLOCK_IS_OFF_NS;
        }
        // Never below what a deadline can be: 0 means that there is none.
        deadline_ns.saturating_sub(ahead_ns.max(0) / GRAIN_NS * GRAIN_NS).max(CLOCK_IS_OFF_NS)
    }

    /// An event of another node with its deadline on our clock, if it has one.
    pub fn correct(self, clock: Clock, wall_ns: i64, sent_ns: i64, event: &mut Event) {
        let judged = |deadline_ns| self.judge(clock, wall_ns, sent_ns, deadline_ns);
        let Payload::Shared(shared) = &event.payload else { return };
        if let Some(request) = shared.as_any().downcast_ref::<OrderRequest>() {
            let deadline_ns = judged(request.deadline_ns);
            if request.deadline_ns != 0 && deadline_ns != request.deadline_ns {
                event.payload = Payload::shared(OrderRequest { deadline_ns, ..request.clone() });
            }
        } else if let Some(signal) = shared.as_any().downcast_ref::<Signal>() {
            let deadline_ns = judged(signal.deadline_ns);
            if signal.deadline_ns != 0 && deadline_ns != signal.deadline_ns {
                event.payload = Payload::shared(Signal { deadline_ns, ..signal.clone() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libra_kernel::{EventType, Name};
    use libra_trading::order::{OrderSide, OrderType, TimeInForce};
    use libra_trading::signal::SignalType;

    const MS: i64 = 1_000_000;
    const S: i64 = 1_000 * MS;
    const NOW: i64 = 1_760_000_000 * S;
    const MOST: i64 = 2 * S;
    const DEADLINES: Deadlines = Deadlines { most_ns: MOST, is_strict: true };

    /// Beacons that came a second apart, with how far each looked ahead in ms.
    fn heard(ahead_ms: &[i64]) -> Skew {
        let mut skew = Skew::default();
        for (second, ahead_ms) in (0..).zip(ahead_ms) {
            skew.hear(7, second * S, NOW + second * S, NOW + second * S + ahead_ms * MS);
        }
        skew
    }

    #[test]
    fn the_quickest_of_the_last_beacons_is_believed() {
        let mut skew = heard(&[299, -5_000, 300, -8_000, 250]);
        assert_eq!(skew.ahead_ns(), Some(300 * MS), "the others were longer on their way");
        (0..KEPT as i64).for_each(|second| skew.hear(7, second * S, NOW, NOW + 10 * MS));
        assert_eq!(skew.ahead_ns(), Some(10 * MS), "its clock was set back");
        skew.hear(8, 0, NOW, NOW - 40 * MS);
        assert_eq!(skew.ahead_ns(), Some(-40 * MS), "another life, perhaps on another host");
        assert_eq!(Skew::default().ahead_ns(), None);
    }

    #[test]
    fn a_clock_is_off_where_it_is_sure_and_told_of_once() {
        for (ahead_ms, level) in [
            (&[400][..], Level::Fine),
            (&[501], Level::Off),
            (&[2_001], Level::TooFar),
            (&[1 << 42], Level::TooFar),
            (&[-9_000, -9_000], Level::Fine),
            (&[-9_000, -9_000, -9_000], Level::TooFar),
            (&[-600, -700, -600], Level::Off),
            (&[-9_000, -9_000, -9_000, -3], Level::Fine),
        ] {
            assert_eq!(heard(ahead_ms).level(MOST), level, "{ahead_ms:?}");
        }
        let mut skew = heard(&[600]);
        assert_eq!((skew.news(MOST), skew.news(MOST)), (Some(Level::Off), None));
        skew.hear(7, S, NOW, NOW + 3 * S);
        assert_eq!((skew.news(MOST), skew.news(MOST)), (Some(Level::TooFar), None));
        skew.hear(8, S, NOW, NOW);
        assert_eq!(skew.news(MOST), None, "it is well again");
        skew.hear(8, S, NOW, NOW + 3 * S);
        assert_eq!(skew.news(MOST), Some(Level::TooFar));
    }

    #[test]
    fn each_life_has_its_clock() {
        let mut clocks = Clocks::default();
        assert_eq!((clocks.newest(), clocks.of(7)), (None, Clock::Unknown));
        clocks.know(7, Clock::Ahead(5));
        clocks.know(7, Clock::Off);
        clocks.know(9, Clock::Ahead(1));
        assert_eq!([7, 8, 9].map(|epoch| clocks.of(epoch)), [Clock::Off, Clock::Unknown, Clock::Ahead(1)]);
        (10..10 + LIVES as u64).for_each(|epoch| clocks.know(epoch, Clock::Ahead(2)));
        assert_eq!((clocks.newest(), clocks.of(9), clocks.known.len()), (Some(13), Clock::Unknown, LIVES));
    }

    fn request(deadline_ns: i64) -> Event {
        let name = Name::intern;
        let request = OrderRequest {
            request_id: 5,
            signal_id: 0,
            account: name("a"),
            strategy: name("s"),
            instrument: name("BTC"),
            side: OrderSide::Buy,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Ioc,
            size: 1,
            price: 0,
            deadline_ns,
            ts_origin_ns: 0,
        };
        Event::new(EventType::OrderRequest, name("s"), NOW, Payload::shared(request))
    }

    fn signal(deadline_ns: i64) -> Event {
        let name = Name::intern;
        let (signal_type, reason) = (SignalType::Long, String::new());
        let (strategy, instrument) = (name("s"), name("BTC"));
        let signal = Signal { id: 5, strategy, instrument, signal_type, strength: 1.0, price: 0, deadline_ns, reason };
        Event::new(EventType::Signal, name("s"), NOW, Payload::shared(signal))
    }

    fn deadline_of(event: &Event) -> i64 {
        let Payload::Shared(shared) = &event.payload else { panic!("{event:?}") };
        let request = shared.as_any().downcast_ref::<OrderRequest>().map(|request| request.deadline_ns);
        request.or_else(|| shared.as_any().downcast_ref::<Signal>().map(|signal| signal.deadline_ns)).unwrap()
    }

    /// What becomes of a deadline that lies `after` us, in a frame that was sent at `sent`.
    fn judged(clock: Clock, sent: i64, after: i64) -> i64 {
        let deadlines = [request, signal].map(|asked| {
            let mut event = asked(NOW + after);
            DEADLINES.correct(clock, NOW, NOW + sent, &mut event);
            deadline_of(&event)
        });
        assert_eq!(deadlines[0], deadlines[1]);
        if deadlines[0] == CLOCK_IS_OFF_NS { CLOCK_IS_OFF_NS } else { deadlines[0] - NOW }
    }

    #[test]
    fn a_deadline_is_made_earlier_by_what_the_clock_is_ahead_and_never_later() {
        assert_eq!(judged(Clock::Ahead(1_990 * MS), 1_900 * MS, 5 * S), 3_100 * MS);
        assert_eq!(judged(Clock::Ahead(99 * MS), 0, 5 * S), 5 * S, "as it was asked");
        assert_eq!(judged(Clock::Ahead(-9 * S), -9 * S, 5 * S), 5 * S);
        assert_eq!(judged(Clock::Ahead(0), 1_500 * MS, 5 * S), 3_500 * MS, "its clock was set since its beacon");
        assert_eq!(judged(Clock::Ahead(0), -8 * S, -3 * S), -3 * S, "it waited in the stream");
    }

    #[test]
    fn of_a_clock_that_is_too_far_off_or_that_nobody_knows_every_deadline_is_over() {
        assert_eq!(judged(Clock::Off, 0, 5 * S), CLOCK_IS_OFF_NS);
        assert_eq!(judged(Clock::Unknown, 0, 5 * S), CLOCK_IS_OFF_NS);
        assert_eq!(judged(Clock::Ahead(0), MOST + 1, 5 * S), CLOCK_IS_OFF_NS, "it was set a moment ago");
        for asked in [request, signal] {
            let mut event = asked(0);
            DEADLINES.correct(Clock::Off, NOW, NOW, &mut event);
            assert_eq!(deadline_of(&event), 0, "what has none needs no clock");
        }
        let mut event = request(NOW + 5 * S);
        Deadlines { is_strict: false, ..DEADLINES }.correct(Clock::Unknown, NOW, NOW + S, &mut event);
        assert_eq!(deadline_of(&event), NOW + 4 * S, "a node without accounts is not strict");
    }
}
