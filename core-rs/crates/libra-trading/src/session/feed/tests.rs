//! A feed whose sources lag, panic or never stop, and one that is stopped with a consumer that stands still.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use libra_kernel::Lane;
use libra_kernel::edge::{EdgeReceiver, edge};
use libra_kernel::wake::Waker;

use super::*;

/// A source that a test tells what to do.
#[derive(Default)]
struct Script {
    /// Events left.
    left: u64,
    event_type: Option<EventType>,
    panics_at: Option<u64>,
    given: u64,
    snapshots: Arc<AtomicU64>,
}

impl Source for Script {
    fn peek_ts_ns(&mut self) -> Option<i64> {
        (self.given < self.left).then_some(1)
    }

    fn next(&mut self) -> Option<Event> {
        assert_ne!(Some(self.given), self.panics_at, "the {}th event is bad", self.given);
        self.given += 1;
        let event_type = self.event_type.unwrap_or(EventType::Trade);
        Some(Event::new(event_type, Name::intern("script"), self.given as i64, Payload::Empty))
    }

    fn request_snapshot(&mut self, _instrument: Name) -> bool {
        self.snapshots.fetch_add(1, Ordering::SeqCst);
        true
    }

    fn counters(&self) -> SourceCounters {
        SourceCounters { frames: self.given, ..SourceCounters::default() }
    }

    fn take_problems(&mut self) -> Vec<Problem> {
        Vec::new()
    }
}

fn spawn(scripts: Vec<Script>, capacity: usize) -> (Feed, EdgeReceiver) {
    let (sender, receiver) = edge(capacity, Arc::new(Waker::new().unwrap()));
    let sources = scripts.into_iter().map(|script| Box::new(script) as Box<dyn Source>).collect();
    (Feed::spawn(sources, Vec::new(), sender).unwrap(), receiver)
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_source_that_lags_still_gets_its_requests_and_tells_its_counters() {
    let snapshots = Arc::new(AtomicU64::new(0));
    let (mut feed, _receiver) =
        spawn(vec![Script { left: u64::MAX, snapshots: snapshots.clone(), ..Script::default() }], 16);
    wait_for("counters", || feed.counters().first().is_some_and(|counters| counters.frames > 0));
    let before = feed.counters()[0].frames;
    feed.request_snapshots(vec![Name::intern("book")]);
    wait_for("the request", || snapshots.load(Ordering::SeqCst) == 1);
    wait_for("later counters", || feed.counters()[0].frames > before);
    assert!(!feed.has_ended() && !feed.has_failed());
    feed.stop();
    assert!(!feed.has_ended() && !feed.has_failed(), "a stop is neither");
}

#[test]
fn a_panic_in_a_source_ends_the_feed_and_is_told() {
    let quiet = Script::default();
    let bad = Script { left: 10, panics_at: Some(7), event_type: Some(EventType::OrderFilled), ..Script::default() };
    let (mut feed, mut receiver) = spawn(vec![quiet, bad], 4);
    wait_for("the end", || feed.has_ended());
    assert!(feed.has_failed());
    let problems = feed.take_problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].fatal && problems[0].place == "feed, source 2", "{problems:?}");
    assert!(problems[0].message.contains("the 7th event is bad"), "{problems:?}");
    assert_eq!(feed.counters()[1].frames, 7);
    assert_eq!(std::iter::from_fn(|| receiver.pop()).count(), 7, "what it gave before is there");
    assert!(receiver.is_empty());
    feed.stop();
    assert!(feed.has_failed() && feed.take_problems().is_empty());
}

#[test]
fn a_stop_hands_over_what_waits_for_a_consumer_that_stands_still() {
    let fills = Script { left: 500, event_type: Some(EventType::OrderFilled), ..Script::default() };
    let (mut feed, mut receiver) = spawn(vec![fills], 8);
    wait_for("all fills", || feed.counters().first().is_some_and(|counters| counters.frames == 500));
    assert!(!feed.has_ended(), "most of them wait in front of the edge");
    feed.stop();
    let fills: Vec<Event> = std::iter::from_fn(|| receiver.pop()).collect();
    assert_eq!(fills.len(), 500);
    assert!(fills.iter().all(|event| event.event_type == EventType::OrderFilled));
    assert_eq!(feed.edge_counters().lost(Lane::Orders), (0, 0));
}

#[test]
fn a_stop_without_a_consumer_counts_what_is_lost() {
    let fills = Script { left: 500, event_type: Some(EventType::OrderFilled), ..Script::default() };
    let (mut feed, receiver) = spawn(vec![fills], 8);
    wait_for("all fills", || feed.counters().first().is_some_and(|counters| counters.frames == 500));
    drop(receiver);
    feed.stop();
    let (dropped, _) = feed.edge_counters().lost(Lane::Orders);
    assert_eq!(dropped, 492, "all but what went into the ring of eight");
}

#[test]
fn a_feed_has_ended_when_all_it_gave_stands_in_the_edge() {
    let (feed, mut receiver) =
        spawn(vec![Script { left: 20, event_type: Some(EventType::OrderFilled), ..Script::default() }], 8);
    let mut taken = 0;
    wait_for("the end", || {
        let ended = feed.has_ended();
        taken += usize::from(receiver.pop().is_some());
        ended && receiver.is_empty()
    });
    assert_eq!(taken, 20);
    assert!(!feed.has_failed());
}
