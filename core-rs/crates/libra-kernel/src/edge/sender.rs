//! The producer's end of an edge.

use std::sync::Arc;

use super::counters::EdgeCounters;
use super::ending::Ending;
use super::ring::Outlet;
use crate::event::{Event, EventType, Lane};
use crate::mailbox::{Capacity, LaneStats, Mailbox, Offer};
use crate::name::Name;
use crate::wake::Waker;

/// The producer's end: owned by one native thread.
pub struct EdgeSender {
    urgent: Outlet,
    market: Outlet,
    overflow: Mailbox,
    ending: Arc<Ending<Event>>,
    counters: Arc<EdgeCounters>,
    waker: Arc<Waker>,
}

impl EdgeSender {
    pub(super) fn new(
        urgent: Outlet,
        market: Outlet,
        capacity: usize,
        ending: Arc<Ending<Event>>,
        counters: Arc<EdgeCounters>,
        waker: Arc<Waker>,
    ) -> Self {
        let overflow = Mailbox::new(Capacity::PerLane(capacity));
        EdgeSender { urgent, market, overflow, ending, counters, waker }
    }

    /// Hands an event over, or keeps it until there is room. False when it was refused.
    #[inline]
    pub fn send(&mut self, event: Event) -> bool {
        let taken = self.put(event);
        self.waker.notify();
        taken
    }

    /// As [`EdgeSender::send`], but the consumer is shown the event, and woken, by [`EdgeSender::wake`] at the latest: whoever calls
    /// this calls that before it does anything else that may take its time. For a producer that makes its events one by one and
    /// finds several: each is made in its place of the ring, and the ring's ends are left alone meanwhile.
    #[inline(always)]
    pub fn stage(&mut self, event_type: EventType, event: Event) -> bool {
        debug_assert_eq!(event_type, event.event_type);
        let is_plain = event_type.lane() == Lane::MarketData && event_type != EventType::OrderBook;
        if !is_plain || !self.overflow.is_empty() || !self.market.has_room() {
            return self.put(event);
        }
        self.counters.count_offered(event_type);
        self.market.stage(event);
        true
    }

    /// Shows the consumer what was staged, and wakes it where it sleeps.
    #[inline]
    pub fn wake(&mut self) {
        self.market.show();
        self.waker.notify();
    }

    /// Hands several events over, as [`EdgeSender::send`] does one after the other, and gives how many were taken. Cheaper
    /// for more than a few: they are published together, and the consumer is woken once.
    pub fn send_many(&mut self, events: impl IntoIterator<Item = Event>) -> usize {
        let mut events = events.into_iter();
        let mut taken = 0;
        loop {
            // What waits at this end comes first.
            let without_room = if self.flush() { self.fill(&mut events, &mut taken) } else { events.next() };
            let Some(event) = without_room else { break };
            taken += usize::from(self.put(event));
        }
        self.waker.notify();
        taken
    }

    /// Writes events into the rings and publishes them together. Gives the first that found no room.
    fn fill(&mut self, events: &mut impl Iterator<Item = Event>, taken: &mut usize) -> Option<Event> {
        /// Publishes what was written, also when the iterator panics.
        struct Publish<'a> {
            urgent: (&'a mut Outlet, usize),
            market: (&'a mut Outlet, usize),
        }

        impl Drop for Publish<'_> {
            fn drop(&mut self) {
                for (ring, filled) in [&mut self.urgent, &mut self.market] {
                    // SAFETY: so many of its places were written below, from the first on.
                    unsafe { ring.publish(*filled) };
                }
            }
        }

        let mut publish = Publish { urgent: (&mut self.urgent, 0), market: (&mut self.market, 0) };
        let Publish { urgent, market } = &mut publish;
        let (mut urgent, mut market) = ((urgent.0.places(), &mut urgent.1), (market.0.places(), &mut market.1));
        for event in events {
            let event_type = event.type_in_place();
            let (places, filled) = if event_type.lane() == Lane::MarketData { &mut market } else { &mut urgent };
            if event_type == EventType::OrderBook && self.overflow.has_broken_book(event.instrument) {
                return Some(event);
            }
            let Some(place) = places.next() else { return Some(event) };
            self.counters.count_offered(event_type);
            place.write(event);
            **filled += 1;
            *taken += 1;
        }
        None
    }

    /// Hands over what waits at this end; true when nothing waits any more. A producer with nothing to send calls it
    /// from time to time.
    pub fn flush(&mut self) -> bool {
        if self.overflow.is_empty() {
            return true;
        }
        if self.move_overflow() {
            self.waker.notify();
        }
        self.overflow.is_empty()
    }

    /// True while something waits at this end: [`EdgeSender::flush`] is to be called again.
    pub fn is_waiting(&self) -> bool {
        !self.overflow.is_empty()
    }

    /// False when [`EdgeSender::send`] would refuse the event now.
    pub fn has_room_for(&self, event: &Event) -> bool {
        // What finds the ring full is kept here, and what is kept has no more room than this.
        self.overflow.has_room_for(event)
    }

    /// Instruments whose book was dropped at this end since the last call.
    pub fn take_lost_books(&mut self) -> Vec<Name> {
        self.overflow.take_lost_books()
    }

    /// What wakes the consumer, for a producer that tells it something which stands in no queue.
    pub fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// The counters, for whoever reports them.
    pub fn counters(&self) -> Arc<EdgeCounters> {
        self.counters.clone()
    }

    #[inline(always)]
    fn put(&mut self, event: Event) -> bool {
        let event_type = event.type_in_place();
        self.counters.count_offered(event_type);
        let lane = event_type.lane();
        if !self.overflow.is_empty() {
            self.move_overflow();
            if self.overflow.lane_len(lane) != 0 {
                return self.keep(event);
            }
        }
        // A book that was dropped here is not whole again because there is room: the mailbox knows what it waits for.
        if event_type == EventType::OrderBook && self.overflow.has_broken_book(event.instrument) {
            let taken = self.keep(event);
            self.move_overflow();
            return taken;
        }
        let ring = if lane == Lane::MarketData { &mut self.market } else { &mut self.urgent };
        if !ring.has_room() {
            return self.keep(event);
        }
        ring.write(event);
        true
    }

    /// Moves what waits at this end into the rings, as far as there is room. True when something was moved.
    #[cold]
    fn move_overflow(&mut self) -> bool {
        let mut moved = false;
        while self.urgent.has_room() {
            let Some(event) = self.overflow.pop_up_to(Lane::Signals) else { break };
            self.urgent.write(event);
            moved = true;
        }
        // Urgent events that found no room must not be taken out by the plain pop.
        while self.market.has_room() && !self.overflow.has_up_to(Lane::Signals) {
            let Some(event) = self.overflow.pop() else { break };
            self.market.write(event);
            moved = true;
        }
        moved
    }

    #[cold]
    fn keep(&mut self, event: Event) -> bool {
        let lane = event.lane();
        let taken = self.overflow.offer(event) != Offer::Refused;
        self.count_lost(lane);
        taken
    }

    fn count_lost(&self, lane: Lane) {
        let LaneStats { dropped, conflated, refused, .. } = self.overflow.stats(lane);
        self.counters.set_lost(lane, dropped + refused, conflated);
    }
}

impl Drop for EdgeSender {
    /// Hands over all that waits; where the consumer is gone it counts as dropped.
    fn drop(&mut self) {
        self.market.show();
        if !self.flush() {
            if self.urgent.has_consumer() {
                self.ending.leave(std::iter::from_fn(|| self.overflow.pop()));
            } else {
                while self.overflow.take_dropped().is_some() {}
                Lane::ALL.iter().for_each(|lane| self.count_lost(*lane));
            }
        }
        self.ending.close();
        // No queue tells of an end: a consumer that has looked for one already must not go to sleep over it.
        self.waker.signal();
    }
}
