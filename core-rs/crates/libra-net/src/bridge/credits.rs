//! How much may be on its way in durable events of each lane, by number and by bytes: what decides whether a command is accepted.
//! Each lane has an outbox of its own, and so its own credit: one that is full holds up no other.
//!
//! The loop takes credit for each durable event that it hands over, the urgent thread gives it back when the event has left the
//! outbox. Facts take credit too, beyond the limit where need be, and are never refused; so a bridge that is full of facts
//! refuses commands. Cancels and answers may use a reserve of one part in eight. Whose the commands are is known to the loop alone
//! ([`shares`](super::shares)).

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use libra_kernel::{Event, EventType, Lane, Payload};

use super::mail;

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

/// What somebody asks for by an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Anything but a cancel.
    Request = 0,
    /// A cancel.
    Cancel = 1,
}

impl Asking {
    /// How many kinds there are.
    pub const KINDS: usize = 2;

    /// What is asked for by an event. None for a fact, and for the answer to a question: whoever gives that did not ask.
    #[inline]
    pub fn of(event: &Event) -> Option<Self> {
        match event.event_type {
            EventType::CancelRequest => Some(Asking::Cancel),
            EventType::OrderRequest | EventType::Signal => Some(Asking::Request),
            EventType::Message => (mail::reserve(event) == Reserve::None).then_some(Asking::Request),
            _ => None,
        }
    }
}

/// What an event takes beside what its payload carries: itself, and as much again in a frame.
const AROUND: u64 = 2 * size_of::<Event>() as u64;

/// What a durable event takes, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// How many.
    pub events: u64,
    /// How large, about: the same wherever it is asked.
    pub bytes: u64,
    /// How many of them ask for something, by its kind.
    pub asking: [u64; Asking::KINDS],
}

impl Credit {
    /// That of an event as it leaves.
    pub fn of(event: &Event) -> Self {
        let carried = match &event.payload {
            Payload::Shared(shared) => shared.carried() as u64,
            _ => 0,
        };
        let mut asking = [0; Asking::KINDS];
        if let Some(kind) = Asking::of(event) {
            asking[kind as usize] = 1;
        }
        Credit { events: 1, bytes: AROUND + carried, asking }
    }

    /// What is asked for by the one event whose credit this is.
    pub(super) fn asking(&self) -> Option<Asking> {
        [Asking::Request, Asking::Cancel].into_iter().find(|kind| self.asking[*kind as usize] != 0)
    }
}

impl AddAssign for Credit {
    fn add_assign(&mut self, more: Credit) {
        self.events += more.events;
        self.bytes += more.bytes;
        self.asking.iter_mut().zip(more.asking).for_each(|(sum, more)| *sum += more);
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

    fn free(&self, reserve: Reserve) -> u64 {
        let reserve = (self.limit / RESERVE).max(1).saturating_mul(reserve as u64);
        self.limit.saturating_add(reserve).saturating_sub(self.in_use())
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
pub(super) const LANES: usize = 3;

#[derive(Debug)]
struct OfLane {
    events: Count,
    bytes: Count,
    /// What was asked for and has come back, by its kind. Written by the urgent thread alone.
    came_back: [AtomicU64; Asking::KINDS],
}

/// See the module.
#[derive(Debug)]
pub struct Credits {
    lanes: [OfLane; LANES],
}

impl Credits {
    /// The limits are those of each lane.
    pub(super) fn new(events: u64, bytes: u64) -> Self {
        let of_lane =
            |_| OfLane { events: Count::new(events), bytes: Count::new(bytes), came_back: Default::default() };
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

    /// What is left of a lane, in events and bytes, for what may use so much beyond the limit.
    #[inline]
    pub(super) fn free(&self, lane: Lane, reserve: Reserve) -> (u64, u64) {
        let of_lane = self.lanes.get(lane as usize);
        of_lane.map_or((u64::MAX, u64::MAX), |lane| (lane.events.free(reserve), lane.bytes.free(reserve)))
    }

    /// How much of what was asked for in a lane has come back since the beginning, by its kind.
    #[inline]
    pub(super) fn came_back(&self, lane: Lane) -> [u64; Asking::KINDS] {
        let of_lane = self.lanes.get(lane as usize);
        of_lane.map_or([0; Asking::KINDS], |lane| lane.came_back.each_ref().map(|count| count.load(Ordering::Relaxed)))
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
            for (count, more) in lane.came_back.iter().zip(credit.asking).filter(|(_, more)| *more > 0) {
                // The only writer: adding needs no locked instruction.
                count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use libra_kernel::Name;
    use libra_trading::desk::payload::Notice;
    use libra_trading::signal::{Signal, SignalType};

    use super::*;

    fn credit(events: u64, bytes: u64) -> Credit {
        Credit { events, bytes, ..Credit::default() }
    }

    fn has_room(credits: &Credits, lane: Lane, reserve: Reserve) -> bool {
        let (events, bytes) = credits.free(lane, reserve);
        events > 0 && bytes > 0
    }

    #[test]
    fn facts_use_up_what_commands_need_and_cancels_have_a_reserve() {
        let credits = Credits::new(16, 1_000);
        let (orders, one) = (Lane::Orders, credit(1, 10));
        (0..16).for_each(|_| credits.take(orders, one));
        assert!(!has_room(&credits, orders, Reserve::None) && has_room(&credits, orders, Reserve::One));
        (0..2).for_each(|_| credits.take(orders, one));
        assert!(!has_room(&credits, orders, Reserve::One) && has_room(&credits, orders, Reserve::Two));
        credits.give_back(orders, credit(3, 30));
        assert!(has_room(&credits, orders, Reserve::None));
        assert_eq!((credits.in_use(), credits.bytes_in_use()), (15, 150));
    }

    #[test]
    fn a_lane_that_is_full_leaves_the_others_theirs() {
        let credits = Credits::new(16, 1_000);
        credits.take(Lane::Signals, credit(16, 1_000));
        assert!(!has_room(&credits, Lane::Signals, Reserve::None));
        assert!(has_room(&credits, Lane::Orders, Reserve::None) && has_room(&credits, Lane::Risk, Reserve::None));
        credits.take(Lane::Orders, credit(1, 10));
        credits.give_back(Lane::Signals, credit(16, 1_000));
        assert_eq!((credits.in_use(), credits.bytes_in_use()), (1, 10));
        assert_eq!((credits.in_use_of(Lane::Orders), credits.in_use_of(Lane::Signals)), (1, 0));
    }

    #[test]
    fn the_words_of_a_native_payload_are_bytes_too() {
        let said = |reason: String| {
            let (strategy, instrument) = (Name::intern("a"), Name::intern("x"));
            let signal = Signal {
                id: 1,
                strategy,
                instrument,
                signal_type: SignalType::Long,
                strength: 1.0,
                price: 0,
                deadline_ns: 0,
                reason,
            };
            Credit::of(&Event::new(EventType::Signal, strategy, 1, Payload::shared(signal))).bytes
        };
        let notice = |detail: String| {
            let notice = Notice { account: Name::NONE, strategy: Name::NONE, code: String::from("CODE"), detail };
            Credit::of(&Event::new(EventType::CircuitBreaker, Name::NONE, 1, Payload::shared(notice))).bytes
        };
        assert_eq!(said("x".repeat(20_000)) - said(String::new()), 20_000);
        assert_eq!(notice("x".repeat(20_000)) - notice(String::new()), 20_000);
    }

    #[test]
    fn few_large_events_use_up_the_bytes() {
        let credits = Credits::new(1_000, 800);
        let (orders, large) = (Lane::Orders, credit(1, 400));
        (0..2).for_each(|_| credits.take(orders, large));
        assert!(!has_room(&credits, orders, Reserve::None) && has_room(&credits, orders, Reserve::One));
        credits.take(orders, large);
        assert!(!has_room(&credits, orders, Reserve::One) && !has_room(&credits, orders, Reserve::Two));
        (0..3).for_each(|_| credits.give_back(orders, large));
        assert_eq!((credits.in_use(), credits.bytes_in_use()), (0, 0));
    }
}
