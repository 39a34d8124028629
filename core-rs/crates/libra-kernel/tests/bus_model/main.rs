//! Random runs of producers on threads of their own, edges, the router and mailboxes against a slow oracle: nothing lost,
//! doubled or out of order, whatever is published, subscribed, stopped or full, and whoever publishes while handling.
//!
//! A run is named by its seed, which decides what every thread does; how the threads interleave is the machine's. A failure
//! prints the seed. `LIBRA_LONG=1` makes more and longer runs.
//!
//! - [`producer`] — what a thread publishes; [`oracle`] — what must come out; this file — the consumer, and the runs.

mod oracle;
mod producer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fastrand::Rng;
use libra_kernel::edge::{EdgeReceiver, edge};
use libra_kernel::mailbox::{Capacity, Offer};
use libra_kernel::router::{MailboxId, Router};
use libra_kernel::wake::Waker;
use libra_kernel::{Event, EventType, Name};

use oracle::Oracle;
use producer::{Script, TYPES};

/// Mailbox 0 wants everything and never stops: what must arrive, must arrive there.
const WITNESS: MailboxId = 0;
const MAILBOXES: usize = 4;

struct Consumer {
    rng: Rng,
    router: Router,
    edges: Vec<EdgeReceiver>,
    oracle: Oracle,
    waker: Arc<Waker>,
    /// Publishes what handlers publish.
    handlers: Script,
    parked: u64,
}

impl Consumer {
    fn run(&mut self) {
        loop {
            self.waker.unpark();
            let worked = self.ingest() + self.dispatch();
            if self.rng.u32(..8) == 0 {
                self.change_subscriptions();
            }
            if worked != 0 {
                continue;
            }
            if self.edges.iter().all(|edge| edge.is_closed() && edge.is_empty()) && self.is_drained() {
                return;
            }
            let (edges, router) = (&self.edges, &self.router);
            if self.waker.park(|| edges.iter().all(EdgeReceiver::is_empty) && is_drained(router)) {
                self.parked += 1;
                self.sleep();
            }
        }
    }

    /// A loop that sleeps: it is woken while a producer lives, or has just been.
    fn sleep(&self) {
        let mut poll = libc::pollfd { fd: self.waker.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        let woken = unsafe { libc::poll(&mut poll, 1, 20_000) } == 1;
        assert!(woken, "asleep for 20 s, and a producer has ended meanwhile or lives: a wake-up is lost");
    }

    fn ingest(&mut self) -> usize {
        let mut events = Vec::new();
        for edge in &mut self.edges {
            let most = self.rng.usize(..64);
            if self.rng.bool() {
                edge.receive(most, |event| events.push(event));
            } else {
                events.extend(std::iter::from_fn(|| edge.pop()).take(most));
            }
        }
        let count = events.len();
        for event in events {
            self.oracle.comes_out_of_edge(&event);
            self.publish(event);
        }
        count
    }

    fn publish(&mut self, event: Event) {
        let known = event.clone();
        let taken = self.router.deliver(event);
        self.oracle.published(&known, taken);
    }

    /// Turns of the mailboxes, each of a random length, as a node's drain makes them.
    fn dispatch(&mut self) -> usize {
        let mut count = 0;
        for _ in 0..self.rng.usize(..6) {
            let Some(mut turn) = self.router.next_turn() else { break };
            let id = turn.id;
            for _ in 0..self.rng.usize(1..20) {
                let Some(event) = self.router.mailbox(id).pop_up_to(turn.least) else { break };
                self.router.note_given(&mut turn);
                self.oracle.dispatched(id, &event);
                count += 1;
                // A handler that publishes, sometimes to itself.
                if self.rng.u32(..10) == 0 {
                    let caused = self.handlers.next();
                    self.publish(caused);
                }
                if !self.router.may_go_on(&turn) {
                    break;
                }
            }
            self.router.give_way(turn, self.rng.bool());
        }
        count
    }

    fn change_subscriptions(&mut self) {
        let id = self.rng.usize(1..MAILBOXES);
        let event_type = TYPES[self.rng.usize(..TYPES.len())];
        let instrument = self.handlers.any_instrument(&mut self.rng);
        match self.rng.u32(..8) {
            0..4 => {
                self.router.subscribe(id, event_type, instrument);
                self.oracle.subscribed(id, event_type, instrument);
            }
            4..7 => {
                self.router.unsubscribe(id, event_type, instrument);
                self.oracle.unsubscribed(id, event_type, instrument);
            }
            _ => {
                // The actor stops: what waits for it is thrown away.
                for (event_type, instrument) in self.oracle.stopped(id) {
                    self.router.unsubscribe(id, event_type, instrument);
                }
                while let Some(event) = self.router.mailbox(id).take_dropped() {
                    self.oracle.thrown_away(id, &event);
                }
            }
        }
    }

    fn is_drained(&self) -> bool {
        is_drained(&self.router)
    }
}

fn is_drained(router: &Router) -> bool {
    router.mailboxes().iter().all(|mailbox| mailbox.is_empty())
}

/// Tells the producers when the consumer has failed, so that they end too.
struct OnPanic<'a>(&'a AtomicBool);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        self.0.store(thread::panicking(), Ordering::Relaxed);
    }
}

fn run(seed: u64, events: usize) -> u64 {
    let mut rng = Rng::with_seed(seed);
    let waker = Arc::new(if rng.bool() { Waker::new() } else { Waker::without_membarrier() }.expect("a descriptor"));
    let mut router = Router::new();
    for id in 0..MAILBOXES {
        // Also the simulated kind, which refuses, conflates and drops nothing.
        let capacity = if rng.u32(..6) == 0 { Capacity::Unbounded } else { Capacity::PerLane(rng.usize(1..40)) };
        assert_eq!(router.add_mailbox(capacity), id);
    }
    if rng.bool() {
        router.set_decisive(WITNESS);
    }
    let mut oracle = Oracle::new(MAILBOXES);
    for event_type in TYPES {
        router.subscribe(WITNESS, event_type, Name::NONE);
        oracle.subscribed(WITNESS, event_type, Name::NONE);
    }
    let (mut edges, mut scripts) = (Vec::new(), Vec::new());
    for producer in 0..rng.usize(1..5) {
        let (sender, receiver) = edge(1 << rng.u32(1..9), waker.clone());
        edges.push(receiver);
        scripts.push((sender, Script::new(&format!("producer {producer}"), rng.u64(..)), rng.usize(1..=events)));
    }
    let handlers = Script::new("handlers", rng.u64(..));
    let has_failed = &AtomicBool::new(false);
    thread::scope(|scope| {
        let _told = OnPanic(has_failed);
        let producers: Vec<_> = scripts
            .into_iter()
            .map(|(sender, script, count)| scope.spawn(move || script.play(sender, count, has_failed)))
            .collect();
        let mut consumer =
            Consumer { rng: Rng::with_seed(rng.u64(..)), router, edges, oracle, waker, handlers, parked: 0 };
        consumer.run();
        let told = producers.into_iter().map(|producer| producer.join().expect("a producer panicked")).collect();
        consumer.oracle.settle(&consumer.router, &consumer.edges, told);
        consumer.parked
    })
}

fn runs(seeds: std::ops::Range<u64>, events: usize) {
    let mut parked = 0;
    for seed in seeds {
        parked += std::panic::catch_unwind(|| run(seed, events)).unwrap_or_else(|panic| {
            eprintln!("the run with seed {seed} and up to {events} events a producer failed");
            std::panic::resume_unwind(panic)
        });
    }
    assert!(parked > 0, "the loop never slept: nothing was tried of its waking");
}

#[test]
fn random_runs_lose_double_and_reorder_nothing() {
    let long = std::env::var("LIBRA_LONG").is_ok_and(|value| value == "1");
    let (many, few) = if long { (50_000, 500) } else { (1_500, 15) };
    runs(0..many, 300);
    runs(many..many + few, 20_000);
}

/// The oracle is worth something only if it sees a fault: here one event is delivered twice.
#[test]
#[should_panic(expected = "again or out of order")]
fn the_oracle_sees_a_doubled_event() {
    let mut oracle = Oracle::new(1);
    let mut router = Router::new();
    router.add_mailbox(Capacity::PerLane(9));
    let event = Script::new("one", 1).next_of(EventType::OrderFilled);
    for _ in 0..2 {
        assert_eq!(router.mailbox(WITNESS).offer(event.clone()), Offer::Queued);
        let event = router.mailbox(WITNESS).pop().expect("just put in");
        oracle.dispatched(WITNESS, &event);
    }
}
