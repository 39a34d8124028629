//! How much may be on its way in durable events of each lane, by number and by bytes: what decides whether a command is accepted.
//! Each lane has an outbox of its own, and so its own credit: one that is full holds up no other.
//!
//! The loop takes credit for each durable event that it hands over, the urgent thread gives it back when the event has left the
//! outbox. Facts take credit too, beyond the limit where need be, and are never refused; so a bridge that is full of facts
//! refuses commands. Cancels and answers may use a reserve of one part in eight.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use libra_kernel::{Encoded, Event, Lane, Payload};

/// Of the limit, one part in so many more is there as a reserve, and as much again.
const RESERVE: u64 = 8;

/// What an event may use beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// Nothing: a command.
    None = 0,
    /// The reserve: a cancel, and the answer to an ask.
    One = 1,
    /// Twice the reserve: the word that there will be no answer, which is short.
    Two = 2,
}

/// What an event takes beside what it carries encoded: itself, and as much again in a frame.
const AROUND: u64 = 2 * size_of::<Event>() as u64;

/// What a durable event takes, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// How many.
    pub events: u64,
    /// How large, about: the same wherever it is asked.
    pub bytes: u64,
}

impl Credit {
    /// That of an event as it leaves.
    pub fn of(event: &Event) -> Self {
        let carried = match &event.payload {
            Payload::Shared(shared) => shared.as_any().downcast_ref::<Encoded>(),
            _ => None,
        };
        let carried = carried.map_or(0, |encoded| (encoded.tag().len() + encoded.data().len()) as u64);
        Credit { events: 1, bytes: AROUND + carried }
    }
}

impl AddAssign for Credit {
    fn add_assign(&mut self, more: Credit) {
        self.events += more.events;
        self.bytes += more.bytes;
    }
}

/// One of the two counts.
#[derive(Debug)]
struct Count {
    limit: u64,
    /// Written by the loop alone.
    taken: AtomicU64,
    /// Written by the urgent thread alone. It never exceeds `taken`.
    given_back: AtomicU64,
}

impl Count {
    fn new(limit: u64) -> Self {
        Count { limit, taken: AtomicU64::new(0), given_back: AtomicU64::new(0) }
    }

    fn in_use(&self) -> u64 {
        // Given back is read first: whoever gives back has seen what was taken.
        let given_back = self.given_back.load(Ordering::Acquire);
        self.taken.load(Ordering::Relaxed).saturating_sub(given_back)
    }

    fn has_room(&self, reserve: Reserve) -> bool {
        let reserve = (self.limit / RESERVE).max(1).saturating_mul(reserve as u64);
        self.in_use() < self.limit.saturating_add(reserve)
    }

    fn take(&self, count: u64) {
        // The only writer: adding needs no locked instruction.
        self.taken.store(self.taken.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    fn give_back(&self, count: u64) {
        self.given_back.store(self.given_back.load(Ordering::Relaxed) + count, Ordering::Release);
    }
}

/// Lanes that carry durable events: the urgent ones.
const LANES: usize = 3;

#[derive(Debug)]
struct OfLane {
    events: Count,
    bytes: Count,
}

/// See the module.
#[derive(Debug)]
pub struct Credits {
    lanes: [OfLane; LANES],
}

impl Credits {
    /// The limit is that of each lane.
    pub(super) fn new(limit: Credit) -> Self {
        let of_lane = |_| OfLane { events: Count::new(limit.events), bytes: Count::new(limit.bytes) };
        Credits { lanes: std::array::from_fn(of_lane) }
    }

    /// Durable events on their way, in all lanes.
    pub fn in_use(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.events.in_use()).sum()
    }

    /// Their bytes.
    pub fn bytes_in_use(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.bytes.in_use()).sum()
    }

    /// Durable events of a lane that are on their way.
    pub fn in_use_of(&self, lane: Lane) -> u64 {
        self.lanes.get(lane as usize).map_or(0, |lane| lane.events.in_use())
    }

    /// How many of a lane may be on their way before its commands are refused.
    pub fn limit(&self) -> u64 {
        self.lanes[0].events.limit
    }

    /// How many bytes.
    pub fn bytes_limit(&self) -> u64 {
        self.lanes[0].bytes.limit
    }

    /// True when what may be refused may leave by a lane. The last one may be larger than what is left of the bytes.
    pub fn has_room(&self, lane: Lane, reserve: Reserve) -> bool {
        let of_lane = self.lanes.get(lane as usize);
        of_lane.is_none_or(|lane| lane.events.has_room(reserve) && lane.bytes.has_room(reserve))
    }

    /// The loop hands a durable event over.
    pub(super) fn take(&self, lane: Lane, credit: Credit) {
        if let Some(lane) = self.lanes.get(lane as usize) {
            lane.events.take(credit.events);
            lane.bytes.take(credit.bytes);
        }
    }

    /// So much has left the outbox of a lane: applied by all, or cut and told. The urgent thread alone calls it, for events that it
    /// has received.
    pub fn give_back(&self, lane: Lane, credit: Credit) {
        if let Some(lane) = self.lanes.get(lane as usize) {
            lane.events.give_back(credit.events);
            lane.bytes.give_back(credit.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_use_up_what_commands_need_and_cancels_have_a_reserve() {
        let credits = Credits::new(Credit { events: 16, bytes: 1_000 });
        let (orders, one) = (Lane::Orders, Credit { events: 1, bytes: 10 });
        (0..16).for_each(|_| credits.take(orders, one));
        assert!(!credits.has_room(orders, Reserve::None) && credits.has_room(orders, Reserve::One));
        (0..2).for_each(|_| credits.take(orders, one));
        assert!(!credits.has_room(orders, Reserve::One) && credits.has_room(orders, Reserve::Two));
        credits.give_back(orders, Credit { events: 3, bytes: 30 });
        assert!(credits.has_room(orders, Reserve::None));
        assert_eq!((credits.in_use(), credits.bytes_in_use()), (15, 150));
    }

    #[test]
    fn a_lane_that_is_full_leaves_the_others_theirs() {
        let credits = Credits::new(Credit { events: 16, bytes: 1_000 });
        credits.take(Lane::Signals, Credit { events: 16, bytes: 1_000 });
        assert!(!credits.has_room(Lane::Signals, Reserve::None));
        assert!(credits.has_room(Lane::Orders, Reserve::None) && credits.has_room(Lane::Risk, Reserve::None));
        credits.take(Lane::Orders, Credit { events: 1, bytes: 10 });
        credits.give_back(Lane::Signals, Credit { events: 16, bytes: 1_000 });
        assert_eq!((credits.in_use(), credits.bytes_in_use()), (1, 10));
        assert_eq!((credits.in_use_of(Lane::Orders), credits.in_use_of(Lane::Signals)), (1, 0));
    }

    #[test]
    fn few_large_events_use_up_the_bytes() {
        let credits = Credits::new(Credit { events: 1_000, bytes: 800 });
        let (orders, large) = (Lane::Orders, Credit { events: 1, bytes: 400 });
        (0..2).for_each(|_| credits.take(orders, large));
        assert!(!credits.has_room(orders, Reserve::None) && credits.has_room(orders, Reserve::One));
        credits.take(orders, large);
        assert!(!credits.has_room(orders, Reserve::One) && !credits.has_room(orders, Reserve::Two));
        (0..3).for_each(|_| credits.give_back(orders, large));
        assert_eq!((credits.in_use(), credits.bytes_in_use()), (0, 0));
    }
}
