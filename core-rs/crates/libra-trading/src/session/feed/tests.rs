//! A feed whose sources lag, panic or never stop, and one that is stopped with a consumer that stands still.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use libra_kernel::Lane;
use libra_kernel::edge::{EdgeReceiver, edge};
use libra_kernel::heartbeat::Listener;
use libra_kernel::wake::Waker;

use super::*;
use crate::instrument::tests::btc;
use crate::order::ClientOrderId;
use crate::paper::PaperConfig;

/// A source that a test tells what to do.
#[derive(Default)]
struct Script {
    /// Events left.
    left: u64,
    event_type: Option<EventType>,
    panics_at: Option<u64>,
    /// So often it panics there, then it is well again.
    panics_left: u64,
    /// It hangs where it would panic, until it is let go.
    hangs: Option<Arc<AtomicBool>>,
    given: u64,
    /// The same, for a test to read at any moment.
    seen: Arc<AtomicU64>,
    snapshots: Arc<AtomicU64>,
}

impl Source for Script {
    fn peek_ts_ns(&mut self) -> Option<i64> {
        (self.given < self.left).then_some(1)
    }

    fn next(&mut self) -> Option<Event> {
        if self.panics_at == Some(self.given) {
            if let Some(let_go) = &self.hangs {
                while !let_go.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            } else if self.panics_left > 0 {
                self.panics_left -= 1;
                panic!("the {}th event is bad", self.given);
            }
        }
        self.given += 1;
        self.seen.store(self.given, Ordering::SeqCst);
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
    spawn_for(Arc::new(Waker::new().unwrap()), scripts, capacity)
}

fn spawn_for(waker: Arc<Waker>, scripts: Vec<Script>, capacity: usize) -> (Feed, EdgeReceiver) {
    let (sender, receiver) = edge(capacity, waker);
    let sources = scripts.into_iter().map(|script| Box::new(script) as Box<dyn Source>).collect();
    let policy = NativePolicy { backoff: Duration::from_millis(1), ..NativePolicy::default() };
    (Feed::spawn(sources, Vec::new(), sender, policy).unwrap(), receiver)
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

fn bad(panics_left: u64) -> Script {
    Script { left: 10, panics_at: Some(7), panics_left, event_type: Some(EventType::OrderFilled), ..Script::default() }
}

#[test]
fn a_source_that_panics_once_is_asked_again_where_it_stood_and_nothing_is_lost() {
    let quiet = Script { left: 5, event_type: Some(EventType::OrderFilled), ..Script::default() };
    let (mut feed, mut receiver) = spawn(vec![quiet, bad(2)], 4);
    let mut fills = Vec::new();
    wait_for("the end", || {
        let ended = feed.has_ended();
        fills.extend(std::iter::from_fn(|| receiver.pop()));
        ended && receiver.is_empty()
    });
    assert!(!feed.has_failed());
    assert_eq!((fills.len(), feed.restarts()), (15, 2));
    let problems = feed.take_problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|problem| !problem.fatal && problem.place == "feed, source 2"), "{problems:?}");
    assert!(problems[1].message.contains("after 2 ms (restart 2): the 7th event is bad"), "{problems:?}");
    assert!(feed.heartbeat().is_some());
    feed.stop();
    assert!(feed.heartbeat().is_none());
}

#[test]
fn a_source_that_always_panics_ends_the_feed_and_is_told() {
    let (mut feed, mut receiver) = spawn(vec![Script::default(), bad(u64::MAX)], 4);
    wait_for("the end", || feed.has_ended());
    assert!(feed.has_failed());
    let problems = feed.take_problems();
    let fatal: Vec<&Problem> = problems.iter().filter(|problem| problem.fatal).collect();
    assert_eq!((problems.len(), fatal.len(), feed.restarts()), (4, 1, 3), "{problems:?}");
    assert_eq!(fatal[0].place, "feed, source 2");
    assert!(fatal[0].message.contains("the 7th event is bad"), "{problems:?}");
    assert_eq!(feed.counters()[1].frames, 7);
    assert_eq!(std::iter::from_fn(|| receiver.pop()).count(), 7, "what it gave before is there");
    assert!(receiver.is_empty());
    feed.stop();
    assert!(feed.has_failed() && feed.take_problems().is_empty());
}

#[test]
fn a_panic_outside_a_source_ends_the_feed_at_once() {
    let (sender, _receiver) = edge(4, Arc::new(Waker::new().unwrap()));
    let status = Arc::new(Mutex::new(Status::default()));
    let mut player = Player {
        sources: vec![Box::new(Script::default())],
        venues: Vec::new(),
        edge: sender,
        status: status.clone(),
        plays: Arc::new(Mutex::new(true)),
        reports: Vec::new(),
        asked: None,
    };
    assert!(!player.recover("in a venue"));
    player.asked = Some(0);
    assert!(player.recover("in a source"));
    player.asked = None;
    player.give_up("in a venue");
    let status = status.lock().unwrap();
    assert!(status.failed && status.ended && status.problems[0].fatal && status.problems[0].place == "feed");
}

#[test]
fn a_source_that_hangs_misses_its_heartbeat() {
    let let_go = Arc::new(AtomicBool::new(false));
    let hanging = Script { hangs: Some(let_go.clone()), ..bad(0) };
    let (mut feed, _receiver) = spawn(vec![hanging], 64);
    let mut listener = Listener::new(feed.heartbeat().unwrap());
    // The listener's time is made up: a look counts for a second, and the limit is a thousand of them.
    let mut silent = None;
    wait_for("silence", || {
        silent = listener.listen(1_000_000_000, 1_000_000_000_000);
        silent.is_some()
    });
    assert_eq!(silent.as_deref(), Some("libra-feed"));
    let_go.store(true, Ordering::SeqCst);
    wait_for("the end", || feed.has_ended());
    assert_eq!(listener.listen(1_000_000_000, 1_000_000_000_000), None, "it lives again");
    feed.stop();
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

#[test]
fn the_end_wakes_a_loop_that_has_looked_for_it_and_is_about_to_sleep() {
    for script in [Script { left: 3, ..Script::default() }, bad(u64::MAX), Script::default()] {
        let waker = Arc::new(Waker::new().unwrap());
        let (feed, mut receiver) = spawn_for(waker.clone(), vec![script], 16);
        // It stays awake until then, so nothing that stands in the edge has to wake it.
        wait_for("the end", || {
            while receiver.pop().is_some() {}
            feed.has_ended()
        });
        if waker.park(|| receiver.is_empty()) {
            let mut poll = libc::pollfd { fd: waker.fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid pollfd.
            assert_eq!(unsafe { libc::poll(&mut poll, 1, 2_000) }, 1, "asleep over the end");
        }
    }
}

#[test]
fn without_its_sources_it_still_answers_for_its_venues() {
    let account = Name::intern("feed-account");
    let venue = PaperVenue::new(PaperConfig::new(Name::intern("paper"), account), vec![btc()]);
    let venue = Arc::new(Mutex::new(venue));
    let (sender, mut receiver) = edge(1_024, Arc::new(Waker::new().unwrap()));
    let seen = Arc::new(AtomicU64::new(0));
    let endless: Box<dyn Source> = Box::new(Script { left: u64::MAX, seen: seen.clone(), ..Script::default() });
    let venues = vec![(account, venue.clone())];
    let mut feed = Feed::spawn(vec![endless], venues, sender, NativePolicy::default()).unwrap();
    wait_for("trades", || receiver.pop().is_some());
    feed.stop_sources();
    let last = seen.load(Ordering::SeqCst);
    venue.lock().unwrap().cancel(wall_ns(), ClientOrderId(5));
    wait_for("the answer", || {
        std::iter::from_fn(|| receiver.pop()).any(|event| event.event_type == EventType::VenueReport)
    });
    feed.stop();
    assert_eq!(seen.load(Ordering::SeqCst), last, "not one more");
    assert!(!feed.has_ended() && !feed.has_failed());
}
