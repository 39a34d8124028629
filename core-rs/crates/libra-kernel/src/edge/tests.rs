//! Edges between real threads, full, left and closed.

use std::sync::Arc;

use super::*;
use crate::event::{EventType, Lane, Payload};
use crate::wake::Waker;
use crate::{Event, Name};

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
    assert!(receiver.is_empty() && receiver.is_closed());
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
        while !(receiver.is_closed() && receiver.is_empty()) {
            out.extend(receiver.pop().map(|event| event.ts_ns));
        }
        producer.join().unwrap();
        assert_eq!(out, (0..20).collect::<Vec<_>>());
    }
}

#[test]
fn a_consumer_that_is_about_to_sleep_hears_of_the_end() {
    let waker = Arc::new(Waker::new().unwrap());
    let (sender, receiver) = edge(4, waker.clone());
    // It begins its turn, finds the edge open, and the producer ends before it sleeps.
    waker.unpark();
    assert!(!receiver.is_closed());
    drop(sender);
    assert!(!waker.park(|| receiver.is_empty()), "it would sleep over the end");
    waker.unpark();
    assert!(receiver.is_closed() && waker.park(|| receiver.is_empty()));
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

#[test]
fn batches_keep_what_single_events_promise() {
    let (mut sender, mut receiver) = edge(8, Arc::new(Waker::new().unwrap()));
    let mix = |range: std::ops::Range<i64>| {
        range.map(|tag| event(if tag % 3 == 0 { EventType::OrderFilled } else { EventType::Trade }, tag))
    };
    assert_eq!(sender.send_many(mix(0..9)), 9);
    let mut out = Vec::new();
    assert_eq!(receiver.receive(4, |event| out.push(event.ts_ns)), 4);
    assert_eq!(out, [0, 3, 6, 1], "urgent ones first, no more than asked for");
    assert_eq!(sender.send_many(mix(9..60)), 51, "what the rings have no room for waits");
    let mut rest = Vec::new();
    while !(sender.flush() && receiver.is_empty()) {
        receiver.receive(usize::MAX, |event| rest.push(event));
    }
    assert_eq!(tags_of(&rest, EventType::OrderFilled), (9..60).step_by(3).collect::<Vec<_>>());
    let trades = tags_of(&rest, EventType::Trade);
    assert!(trades.windows(2).all(|pair| pair[0] < pair[1]) && trades.last() == Some(&59), "{trades:?}");
    let (dropped, conflated) = receiver.counters().lost(Lane::MarketData);
    assert_eq!(trades.len() as u64 + 1 + dropped + conflated, 40);
    assert_eq!(receiver.counters().offered(EventType::Trade), 40);
}

#[test]
fn what_is_staged_is_shown_together_and_in_its_place() {
    let waker = Arc::new(Waker::new().unwrap());
    let (mut sender, mut receiver) = edge(8, waker.clone());
    let stage = |sender: &mut EdgeSender, event_type, tag| assert!(sender.stage(event_type, event(event_type, tag)));
    for tag in 0..3 {
        stage(&mut sender, EventType::Trade, tag);
    }
    assert!(receiver.is_empty() && waker.park(|| receiver.is_empty()), "nothing is there yet");
    assert_eq!(receiver.counters().offered(EventType::Trade), 3);
    sender.wake();
    assert!(!waker.park(|| receiver.is_empty()), "and now it is");
    // What is published behind it shows it, and so does a ring without room; urgent events never wait.
    let mut out = Vec::new();
    let mut take = |receiver: &mut EdgeReceiver| {
        receiver.receive(usize::MAX, |event| out.push(event.ts_ns));
        std::mem::take(&mut out)
    };
    assert_eq!(take(&mut receiver), [0, 1, 2]);
    stage(&mut sender, EventType::Quote, 3);
    stage(&mut sender, EventType::OrderFilled, 4);
    assert_eq!(take(&mut receiver), [4]);
    assert!(sender.send(event(EventType::Trade, 5)));
    assert_eq!(take(&mut receiver), [3, 5]);
    stage(&mut sender, EventType::Trade, 6);
    assert_eq!(sender.send_many((7..9).map(|tag| event(EventType::Trade, tag))), 2);
    assert_eq!(take(&mut receiver), [6, 7, 8]);
    stage(&mut sender, EventType::Trade, 9);
    stage(&mut sender, EventType::OrderBook, 10);
    assert_eq!(take(&mut receiver), [9, 10], "a book may have been dropped before, and asks");
    // Twice around the ring, so that the places of what is staged are never taken for vacant.
    let mut all = Vec::new();
    for tag in 0..64 {
        stage(&mut sender, EventType::Trade, tag);
        if tag % 5 == 0 {
            sender.wake();
        }
        if tag % 8 == 7 {
            all.extend(take(&mut receiver));
        }
    }
    sender.wake();
    while !(sender.flush() && receiver.is_empty()) {
        all.extend(take(&mut receiver));
    }
    assert_eq!(all, (0..64).collect::<Vec<_>>());
    for tag in 0..6 {
        stage(&mut sender, EventType::Trade, tag);
    }
    assert_eq!(sender.send_many((6..10).map(|tag| event(EventType::Trade, tag))), 4);
    assert_eq!(take(&mut receiver), (0..8).collect::<Vec<_>>(), "a batch goes behind it, as far as there is room");
    assert!(sender.flush());
    assert_eq!(take(&mut receiver), [8, 9]);
    for tag in 0..3 {
        stage(&mut sender, EventType::Trade, tag);
    }
    drop(sender);
    assert_eq!(take(&mut receiver), [0, 1, 2], "an end hands over what was staged");
}

#[test]
fn a_batch_takes_what_a_producer_left_in_its_order() {
    let (sender, mut receiver) = crowded(Arc::new(Waker::new().unwrap()));
    drop(sender);
    let mut out = Vec::new();
    receiver.receive(usize::MAX, |event| out.push(event));
    assert_eq!(tags_of(&out, EventType::OrderFilled), (0..50).collect::<Vec<_>>());
    assert_eq!(tags_of(&out, EventType::Trade), [0, 1, 2, 3, 46, 47, 48, 49]);
    assert!(out[..50].iter().all(|event| event.event_type == EventType::OrderFilled), "urgent ones first");
    assert!(receiver.is_empty() && receiver.waiting(Lane::MarketData) == 0);
}

#[test]
fn a_panic_in_a_batch_loses_and_doubles_nothing_else() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let (mut sender, mut receiver) = edge(16, Arc::new(Waker::new().unwrap()));
    sender.send_many((0..8).map(|tag| event(EventType::OrderFilled, tag)));
    let mut out = Vec::new();
    let taken = catch_unwind(AssertUnwindSafe(|| {
        receiver.receive(8, |event| {
            assert!(event.ts_ns != 3, "a consumer that fails");
            out.push(event.ts_ns);
        })
    }));
    assert!(taken.is_err());
    receiver.receive(8, |event| out.push(event.ts_ns));
    assert_eq!(out, [0, 1, 2, 4, 5, 6, 7]);
    let sent = catch_unwind(AssertUnwindSafe(|| {
        sender.send_many((0..8).map(|tag| {
            assert!(tag != 3, "a producer that fails");
            event(EventType::OrderFilled, tag)
        }))
    }));
    assert!(sent.is_err());
    assert!(sender.send(event(EventType::OrderFilled, 9)));
    let rest: Vec<i64> = std::iter::from_fn(|| receiver.pop()).map(|event| event.ts_ns).collect();
    assert_eq!(rest, [0, 1, 2, 9]);
    assert_eq!(receiver.waiting(Lane::Orders), 0);
}

struct Book {
    whole: bool,
}

impl crate::SharedPayload for Book {
    fn kind(&self) -> &'static str {
        "book"
    }
    fn digest(&self, _: &mut crate::digest::Digest) {}
    fn is_snapshot(&self) -> bool {
        self.whole
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[test]
fn a_book_dropped_at_the_sender_waits_for_its_snapshot_though_there_is_room_again() {
    let book = |tag, whole| Event { payload: Payload::shared(Book { whole }), ..event(EventType::OrderBook, tag) };
    for batch in [false, true] {
        let (mut sender, mut receiver) = edge(2, Arc::new(Waker::new().unwrap()));
        let send = |sender: &mut EdgeSender, event: Event| match batch {
            true => assert_eq!(sender.send_many([event]), 1),
            false => assert!(sender.send(event)),
        };
        (0..5).for_each(|tag| send(&mut sender, book(tag, false)));
        assert_eq!(sender.take_lost_books().len(), 1, "two in the ring, two at the sender, and one too many");
        let mut out: Vec<i64> = std::iter::from_fn(|| receiver.pop()).map(|event| event.ts_ns).collect();
        assert_eq!(out, [0, 1]);
        assert!(sender.flush(), "there is room again");
        send(&mut sender, book(5, false));
        assert!(receiver.pop().is_none(), "a change after a gap");
        send(&mut sender, book(6, true));
        send(&mut sender, book(7, false));
        out.extend(std::iter::from_fn(|| receiver.pop()).map(|event| event.ts_ns));
        assert_eq!(out, [0, 1, 6, 7]);
        assert_eq!(receiver.counters().lost(Lane::MarketData), (4, 0));
    }
}
