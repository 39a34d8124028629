//! A mailbox: four lanes of waiting events, owned by the thread that dispatches them.
//!
//! - [`lane`] — one lane: a queue that can conflate, drop the oldest or drop a book, by the event type's policy;
//! - [`sharing`] — whose turn it is in a lane where everybody asks: an account's;
//! - this file — the four lanes together: what a bare bus and every actor of a node has.
//!
//! There is no lock here. Events from other threads come through an [`edge`](crate::edge), and are put into mailboxes
//! by the thread that owns them; so one lane is one linearised queue.

mod lane;
mod sharing;

pub use lane::{ASKED, CANCELS_ASKED, LaneStats, Offer};

use crate::event::{Event, Lane, Offered};
use crate::name::Name;
use lane::LaneQueue;

/// So many events of more urgent lanes go before the first event of a lane; then that one is owed its turn.
pub const PASSES: u16 = 256;

/// How much a mailbox holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// A bare bus: in every lane an event is refused when so many wait in all lanes together.
    Shared(usize),
    /// A node's mailbox: so many in each lane, beyond that the policy of the event's type.
    PerLane(usize),
    /// A simulated run: nothing is ever refused, conflated or dropped.
    Unbounded,
}

/// Four lanes: priority between them, first-in-first-out within one (where it is [shared](Mailbox::share), of each source).
///
/// The priority is strict for [`PASSES`] events in a row. After so many that went before some less urgent event, each less
/// urgent lane in which something waits gives one, the more urgent first: whoever floods a lane starves no other.
pub struct Mailbox {
    lanes: [LaneQueue; 4],
    capacity: Capacity,
    waiting: usize,
    /// Events taken in a row while something less urgent waited.
    passes: u16,
    /// Lanes that are owed one event each, a bit each.
    owed: u8,
    /// Events that it was given ahead of others' turns since its own last one: see the router's `fairness`.
    pub(crate) overtaken: u32,
    /// The router has this mailbox on its list of those with work; of those with RISK; of those with ORDERS.
    pub(crate) listed: bool,
    pub(crate) listed_risk: bool,
    pub(crate) listed_urgent: bool,
}

impl Mailbox {
    /// An empty mailbox. Lanes take memory as they fill, and give it back when they have long needed less.
    pub fn new(capacity: Capacity) -> Self {
        Mailbox {
            lanes: std::array::from_fn(|_| LaneQueue::default()),
            capacity,
            waiting: 0,
            passes: 0,
            owed: 0,
            overtaken: 0,
            listed: false,
            listed_risk: false,
            listed_urgent: false,
        }
    }

    /// Puts `event` at the end of its lane, or does what its policy says when there is no room.
    #[inline]
    pub fn offer(&mut self, event: impl Offered) -> Offer {
        let lane = &mut self.lanes[event.event().lane() as usize];
        let before = lane.len();
        let offer = match self.capacity {
            Capacity::Unbounded => lane.push(event),
            Capacity::Shared(limit) if self.waiting < limit => lane.push(event),
            Capacity::Shared(_) => lane.refuse(),
            Capacity::PerLane(limit) => lane.offer(event, limit),
        };
        self.waiting = self.waiting + lane.len() - before;
        offer
    }

    /// Takes the first event of the most urgent lane that has one.
    #[inline]
    pub fn pop(&mut self) -> Option<Event> {
        self.pop_up_to(Lane::MarketData)
    }

    /// Takes the first event of the most urgent lane that has one, but from no lane less urgent than `least`.
    #[inline]
    pub fn pop_up_to(&mut self, least: Lane) -> Option<Event> {
        if self.waiting == 0 {
            return None;
        }
        let first = if self.owed == 0 { 0 } else { self.owed_lane(least) };
        for index in first..=least as usize {
            let left = match self.lanes[index].len() {
                0 => continue,
                waiting => waiting - 1,
            };
            self.waiting -= 1;
            // But for what is owed, more urgent lanes are empty: what is left waits here or in less urgent ones.
            if self.waiting != left {
                self.pass_over(index);
            } else if self.passes != 0 {
                self.passes = 0;
            }
            return self.lanes[index].pop();
        }
        None
    }

    /// An event of this lane was taken while something less urgent waits.
    fn pass_over(&mut self, taken: usize) {
        self.passes += 1;
        if self.passes == PASSES {
            self.passes = 0;
            // Those that are still owed come first, or the more urgent of them would be owed again and again.
            if self.owed != 0 {
                return;
            }
            for index in taken + 1..self.lanes.len() {
                self.owed |= u8::from(self.lanes[index].len() != 0) << index;
            }
        }
    }

    /// The most urgent lane that is owed an event, of those that may be taken from: it has had it then. 0 for none.
    #[cold]
    fn owed_lane(&mut self, least: Lane) -> usize {
        for index in 0..=least as usize {
            if self.owed & 1 << index != 0 {
                self.owed &= !(1 << index);
                // What it had may have been dropped meanwhile.
                if self.lanes[index].len() != 0 {
                    return index;
                }
            }
        }
        0
    }

    /// Takes the next event to throw it away: it counts as dropped.
    pub fn take_dropped(&mut self) -> Option<Event> {
        let event = self.pop()?;
        let stats = &mut self.lanes[event.lane() as usize].stats;
        stats.dispatched -= 1;
        stats.dropped += 1;
        Some(event)
    }

    /// Events that wait, in all lanes.
    #[inline]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// True when nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// True when something waits in `least` or a more urgent lane.
    pub fn has_up_to(&self, least: Lane) -> bool {
        self.waiting != 0 && self.lanes[..=least as usize].iter().any(|lane| lane.len() != 0)
    }

    /// False when [`Mailbox::offer`] would refuse the event.
    pub fn has_room_for(&self, event: &Event) -> bool {
        match self.capacity {
            Capacity::Unbounded => true,
            Capacity::Shared(limit) => self.waiting < limit,
            Capacity::PerLane(limit) => self.lanes[event.lane() as usize].has_room_for(event, limit),
        }
    }

    /// From now on nobody's commands take more than a part of the room that there is for them ([`Mailbox::shares`]), and those
    /// who ask take turns: [`sharing`]. In a simulated run, where nothing waits for its room, all stays in one row.
    pub fn share(&mut self) {
        if matches!(self.capacity, Capacity::PerLane(_)) {
            [Lane::Orders, Lane::Signals].iter().for_each(|lane| self.lanes[*lane as usize].share());
        }
    }

    /// False for a command that would be more than its source's part of a mailbox that is [shared](Mailbox::share).
    #[inline]
    pub fn shares(&self, event: &Event) -> bool {
        match self.capacity {
            Capacity::PerLane(limit) => self.lanes[event.lane() as usize].shares(event, limit),
            _ => true,
        }
    }

    /// True when a command would be refused in a lane, unless it has a reserve.
    pub fn is_full(&self, lane: Lane) -> bool {
        matches!(self.capacity, Capacity::PerLane(limit) if self.lane_len(lane) >= limit)
    }

    /// Events that wait in one lane.
    pub fn lane_len(&self, lane: Lane) -> usize {
        self.lanes[lane as usize].len()
    }

    /// The event that has waited longest in a lane.
    pub fn oldest(&self, lane: Lane) -> Option<&Event> {
        self.lanes[lane as usize].oldest()
    }

    /// True when a lane of facts is so full (80 %) that no new orders may be made.
    pub fn is_pressed(&self) -> bool {
        match self.capacity {
            Capacity::PerLane(limit) => {
                [Lane::Risk, Lane::Orders].iter().any(|lane| self.lane_len(*lane) * 5 >= limit * 4)
            }
            _ => false,
        }
    }

    /// True once a lane of facts has grown beyond its limit: the consumer has to load a snapshot. Cleared by
    /// [`Mailbox::clear_stale`].
    pub fn is_stale(&self) -> bool {
        self.lanes.iter().any(|lane| lane.stale)
    }

    /// The consumer has loaded its snapshot.
    pub fn clear_stale(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.stale = false);
    }

    /// The instruments whose book was dropped since the last call, for whoever can get a snapshot.
    pub fn take_lost_books(&mut self) -> Vec<Name> {
        self.lanes[Lane::MarketData as usize].take_lost_books()
    }

    /// True when changes of an instrument's book are dropped until the whole book comes.
    pub(crate) fn has_broken_book(&self, instrument: Name) -> bool {
        self.lanes[Lane::MarketData as usize].has_broken_book(instrument)
    }

    /// What became of the events of a lane.
    pub fn stats(&self, lane: Lane) -> LaneStats {
        self.lanes[lane as usize].stats
    }
}

#[cfg(test)]
mod tests;
