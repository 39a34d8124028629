//! An edge: the way of events from one native thread to the thread that owns the mailboxes.
//!
//! Two single-producer rings, one for the urgent lanes and one for market data, so that a fill never waits behind quotes.
//! When a ring is full the producer keeps what does not fit in a mailbox of its own, under the same policies as any
//! mailbox, and everything later goes behind it: order within a lane holds, and a consumer that stands still costs its
//! producer nothing but conflation.
//!
//! A producer that ends hands over what still waits at its end, past the rings: the consumer finds it behind them. So a
//! fill outlives the thread that brought it, even where the consumer stands still and waits for that thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd};

use crate::event::{Event, EventType, Lane};
use crate::mailbox::{Capacity, LaneStats, Mailbox, Offer};
use crate::name::Name;
use crate::wake::Waker;

/// Counters of an edge, written by its producer and read by anyone.
#[derive(Default)]
pub struct EdgeCounters {
    /// Events offered, by type number: each event once at its source.
    offered: Vec<AtomicU64>,
    /// Of each lane: dropped, conflated and refused before the ring.
    lost: [[AtomicU64; 3]; 4],
    closed: AtomicBool,
}

impl EdgeCounters {
    fn new() -> Self {
        let types = EventType::ALL.iter().map(|t| *t as usize).max().unwrap_or(0) + 1;
        EdgeCounters { offered: (0..types).map(|_| AtomicU64::new(0)).collect(), ..Self::default() }
    }

    /// Events of a type that the producer offered.
    pub fn offered(&self, event_type: EventType) -> u64 {
        self.offered[event_type as usize].load(Ordering::Relaxed)
    }

    /// Events of a lane that were dropped and conflated before they reached the ring.
    pub fn lost(&self, lane: Lane) -> (u64, u64) {
        let [dropped, conflated, refused] = &self.lost[lane as usize];
        (dropped.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed), conflated.load(Ordering::Relaxed))
    }

    /// True when the producer is gone.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// What the producer left when it ended, the urgent lanes first. Filled before `closed` is set, and never after.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<VecDeque<Event>>>);

impl Left {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The producer's end: owned by one native thread.
pub struct EdgeSender {
    urgent: HeapProd<Event>,
    market: HeapProd<Event>,
    overflow: Mailbox,
    left: Left,
    counters: Arc<EdgeCounters>,
    waker: Arc<Waker>,
}

/// The consumer's end: owned by the thread that owns the mailboxes.
pub struct EdgeReceiver {
    urgent: HeapCons<Event>,
    market: HeapCons<Event>,
    left: Left,
    counters: Arc<EdgeCounters>,
    /// Events taken out, by type number.
    popped: Vec<u64>,
}

/// An edge whose rings hold `capacity` events each.
pub fn edge(capacity: usize, waker: Arc<Waker>) -> (EdgeSender, EdgeReceiver) {
    let (urgent_in, urgent_out) = HeapRb::new(capacity).split();
    let (market_in, market_out) = HeapRb::new(capacity).split();
    let counters = Arc::new(EdgeCounters::new());
    let left = Left::default();
    let sender = EdgeSender {
        urgent: urgent_in,
        market: market_in,
        overflow: Mailbox::new(Capacity::PerLane(capacity)),
        left: left.clone(),
        counters: counters.clone(),
        waker,
    };
    let popped = vec![0; counters.offered.len()];
    (sender, EdgeReceiver { urgent: urgent_out, market: market_out, left, counters, popped })
}

impl EdgeSender {
    /// Hands an event over, or keeps it until there is room. False when it was refused.
    pub fn send(&mut self, event: Event) -> bool {
        let offered = &self.counters.offered[event.event_type as usize];
        // This is the only writer, so adding needs no locked instruction.
        offered.store(offered.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let lane = event.lane();
        self.flush();
        let event = if self.overflow.lane_len(lane) != 0 {
            Some(event)
        } else if lane == Lane::MarketData {
            self.market.try_push(event).err()
        } else {
            self.urgent.try_push(event).err()
        };
        let taken = event.is_none_or(|event| self.keep(event));
        self.waker.notify();
        taken
    }

    /// Hands over what waits at this end; true when nothing waits any more. A producer with nothing to send calls it
    /// from time to time.
    pub fn flush(&mut self) -> bool {
        if self.overflow.is_empty() {
            return true;
        }
        let mut moved = false;
        while !self.urgent.is_full() {
            let Some(event) = self.overflow.pop_up_to(Lane::Signals) else { break };
            moved |= self.urgent.try_push(event).is_ok();
        }
        // Urgent events that found no room must not be taken out by the plain pop.
        while !self.market.is_full() && !self.overflow.has_up_to(Lane::Signals) {
            let Some(event) = self.overflow.pop() else { break };
            moved |= self.market.try_push(event).is_ok();
        }
        if moved {
            self.waker.notify();
        }
        self.overflow.is_empty()
    }

    /// Instruments whose book was dropped at this end since the last call.
    pub fn take_lost_books(&mut self) -> Vec<Name> {
        self.overflow.take_lost_books()
    }

    /// The counters, for whoever reports them.
    pub fn counters(&self) -> Arc<EdgeCounters> {
        self.counters.clone()
    }

    fn keep(&mut self, event: Event) -> bool {
        let lane = event.lane();
        let taken = self.overflow.offer(event) != Offer::Refused;
        self.count_lost(lane);
        taken
    }

    fn count_lost(&self, lane: Lane) {
        let LaneStats { dropped, conflated, refused, .. } = self.overflow.stats(lane);
        for (counter, value) in self.counters.lost[lane as usize].iter().zip([dropped, conflated, refused]) {
            counter.store(value, Ordering::Relaxed);
        }
    }
}

impl Drop for EdgeSender {
    /// Hands over all that waits; where the consumer is gone it counts as dropped.
    fn drop(&mut self) {
        if !self.flush() {
            if self.urgent.read_is_held() {
                self.left.lock().extend(std::iter::from_fn(|| self.overflow.pop()));
            } else {
                while self.overflow.take_dropped().is_some() {}
                Lane::ALL.iter().for_each(|lane| self.count_lost(*lane));
            }
        }
        self.counters.closed.store(true, Ordering::Release);
        self.waker.notify();
    }
}

impl EdgeReceiver {
    /// Takes the next event, urgent ones first.
    pub fn pop(&mut self) -> Option<Event> {
        let event = self.next()?;
        self.popped[event.event_type as usize] += 1;
        Some(event)
    }

    /// Events of a lane, but for venue reports, that wait in the edge, at either end.
    pub fn waiting(&self, lane: Lane) -> u64 {
        let types = EventType::ALL.iter().filter(|t| t.lane() == lane && **t != EventType::VenueReport);
        let (dropped, conflated) = self.counters.lost(lane);
        let left = types.map(|t| self.counters.offered(*t).saturating_sub(self.popped[*t as usize]));
        left.sum::<u64>().saturating_sub(dropped + conflated)
    }

    fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.next_urgent().or_else(|| self.market.try_pop()) {
            return Some(event);
        }
        // What was left comes behind the ring, so one more look into it once it is known that nothing more comes.
        if !self.counters.is_closed() {
            return None;
        }
        self.next_urgent().or_else(|| self.market.try_pop()).or_else(|| self.left.lock().pop_front())
    }

    /// The next event of an urgent lane.
    fn next_urgent(&mut self) -> Option<Event> {
        if let Some(event) = self.urgent.try_pop() {
            return Some(event);
        }
        if !self.counters.is_closed() {
            return None;
        }
        self.urgent.try_pop().or_else(|| {
            let mut left = self.left.lock();
            left.front().is_some_and(|event| event.lane() != Lane::MarketData).then(|| left.pop_front()).flatten()
        })
    }

    /// True when nothing stands in the rings, nor was left behind them.
    pub fn is_empty(&self) -> bool {
        let closed = self.counters.is_closed();
        self.urgent.is_empty() && self.market.is_empty() && (!closed || self.left.lock().is_empty())
    }

    /// The counters, for whoever reports them.
    pub fn counters(&self) -> &Arc<EdgeCounters> {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Payload;

    fn event(event_type: EventType, tag: i64) -> Event {
        Event::new(event_type, Name::intern("edge"), tag, Payload::Empty)
    }

    #[test]
    fn everything_crosses_in_order() {
        const COUNT: i64 = 50_000;
        let waker = Arc::new(Waker::new().unwrap());
        let (mut sender, mut receiver) = edge(64, waker);
        let producer = std::thread::spawn(move || {
            for tag in 0..COUNT {
                sender.send(event(EventType::OrderFilled, tag));
            }
            while !sender.flush() {
                std::thread::yield_now();
            }
        });
        let mut next = 0;
        while next < COUNT {
            match receiver.pop() {
                Some(event) => {
                    assert_eq!(event.ts_ns, next);
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        producer.join().unwrap();
        assert!(receiver.is_empty() && receiver.counters().is_closed());
        assert_eq!(receiver.counters().offered(EventType::OrderFilled), COUNT as u64);
    }

    #[test]
    fn a_consumer_that_stands_still_costs_market_data_only() {
        let waker = Arc::new(Waker::new().unwrap());
        let (mut sender, mut receiver) = edge(4, waker);
        for tag in 0..100 {
            assert!(sender.send(event(EventType::Quote, tag)));
            assert!(sender.send(event(EventType::OrderFilled, tag)));
        }
        let mut out = Vec::new();
        loop {
            out.extend(std::iter::from_fn(|| receiver.pop()));
            if sender.flush() && receiver.is_empty() {
                break;
            }
        }
        let fills: Vec<i64> = out.iter().filter(|e| e.event_type == EventType::OrderFilled).map(|e| e.ts_ns).collect();
        assert_eq!(fills, (0..100).collect::<Vec<_>>());
        let quotes: Vec<i64> = out.iter().filter(|e| e.event_type == EventType::Quote).map(|e| e.ts_ns).collect();
        assert!(quotes.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(quotes.last(), Some(&99), "the latest quote always arrives");
        let (dropped, conflated) = receiver.counters().lost(Lane::MarketData);
        assert_eq!(quotes.len() as u64 + dropped + conflated, 100);
    }

    fn crowded(waker: Arc<Waker>) -> (EdgeSender, EdgeReceiver) {
        let (mut sender, receiver) = edge(4, waker);
        for tag in 0..50 {
            sender.send(event(EventType::Trade, tag));
            sender.send(event(EventType::OrderFilled, tag));
        }
        (sender, receiver)
    }

    fn tags_of(events: &[Event], event_type: EventType) -> Vec<i64> {
        events.iter().filter(|event| event.event_type == event_type).map(|event| event.ts_ns).collect()
    }

    #[test]
    fn what_waits_at_the_end_of_a_producer_is_handed_over() {
        let (sender, mut receiver) = crowded(Arc::new(Waker::new().unwrap()));
        drop(sender);
        assert!(!receiver.is_empty());
        let out: Vec<Event> = std::iter::from_fn(|| receiver.pop()).collect();
        assert_eq!(tags_of(&out, EventType::OrderFilled), (0..50).collect::<Vec<_>>());
        assert_eq!(tags_of(&out, EventType::Trade), [0, 1, 2, 3, 46, 47, 48, 49]);
        assert!(out[..50].iter().all(|event| event.event_type == EventType::OrderFilled), "urgent ones first");
        assert_eq!(receiver.counters().lost(Lane::MarketData), (42, 0));
        assert!(receiver.is_empty());
    }

    #[test]
    fn what_waits_for_a_consumer_that_is_gone_counts_as_dropped() {
        let (sender, receiver) = crowded(Arc::new(Waker::new().unwrap()));
        let counters = sender.counters();
        drop(receiver);
        assert_eq!(counters.lost(Lane::Orders), (0, 0));
        drop(sender);
        assert_eq!(counters.lost(Lane::Orders), (46, 0));
        assert_eq!(counters.lost(Lane::MarketData), (46, 0));
    }

    #[test]
    fn a_consumer_that_races_the_end_loses_nothing() {
        for _ in 0..200 {
            let (mut sender, mut receiver) = edge(2, Arc::new(Waker::new().unwrap()));
            let producer = std::thread::spawn(move || {
                (0..20).for_each(|tag| assert!(sender.send(event(EventType::OrderFilled, tag))));
            });
            let mut out = Vec::new();
            while !(receiver.counters().is_closed() && receiver.is_empty()) {
                out.extend(receiver.pop().map(|event| event.ts_ns));
            }
            producer.join().unwrap();
            assert_eq!(out, (0..20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_event_is_accounted_for_when_a_producer_leaves() {
        let (mut sender, mut receiver) = edge(4, Arc::new(Waker::new().unwrap()));
        for tag in 0..100 {
            sender.send(event(EventType::Trade, tag));
        }
        let accounted = |receiver: &EdgeReceiver, taken: u64| {
            let (dropped, conflated) = receiver.counters().lost(Lane::MarketData);
            taken + dropped + conflated + receiver.waiting(Lane::MarketData)
        };
        assert_eq!(receiver.waiting(Lane::MarketData), 8, "four in the ring, four at the producer's end");
        assert_eq!(accounted(&receiver, 0), 100);
        receiver.pop().unwrap();
        drop(sender);
        assert_eq!(receiver.waiting(Lane::MarketData), 7, "what was left comes along");
        assert_eq!(accounted(&receiver, 1), 100);
        let rest = std::iter::from_fn(|| receiver.pop()).count() as u64;
        assert_eq!(accounted(&receiver, 1 + rest), 100);
        assert_eq!(receiver.waiting(Lane::MarketData), 0);
    }
}
