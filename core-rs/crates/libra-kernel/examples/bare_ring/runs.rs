//! How a queue is run: its ends in turns on one thread, on two, or several producers against one consumer.

use std::hint::{black_box, spin_loop};
use std::thread;
use std::time::Instant;

use libra_kernel::{Event, Name};

use super::ends::{Queue, event};

/// Events that a queue holds.
pub const CAPACITY: usize = 16_384;
const BURST: u64 = 256;

/// Whether a run sends and receives one by one or in bursts.
#[derive(Clone, Copy, PartialEq)]
pub enum Batch {
    /// One call an event.
    No,
    /// One call a burst.
    Yes,
    /// Sent one by one, received in bursts: how a node's feed and its loop use an edge.
    Receiving,
}

/// Spins for a moment, then lets others run: the cores may be shared.
#[derive(Default)]
struct Wait(u32);

impl Wait {
    fn a_little(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(128) { thread::yield_now() } else { spin_loop() }
    }
}

/// Nanoseconds that this thread has run: what else the machine does is not counted.
fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: one valid timespec. The clock is there wherever this builds.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// An event as it comes from elsewhere: it stands in memory, made by code that knows nothing of the queue.
#[inline(always)]
pub fn made(template: &Event, tag: u64) -> Event {
    black_box(Event { sequence: tag, ..template.clone() })
}

/// Runs `send` and `receive` in turns on this thread.
pub fn turns(count: u64, mut send: impl FnMut(u64), mut receive: impl FnMut() -> Option<Event>) -> f64 {
    let started = thread_ns();
    for burst in 0..count / BURST {
        for tag in 0..BURST {
            send(burst * BURST + tag);
        }
        for tag in 0..BURST {
            let event = receive().expect("what was sent is there");
            assert_eq!(black_box(event).sequence, burst * BURST + tag);
        }
    }
    (thread_ns() - started) as f64 / count as f64
}

/// Both ends in turns, an event a call.
pub fn one_thread<Q: Queue>(count: u64, source: Name) -> f64 {
    let (mut senders, mut receiver) = Q::open(CAPACITY, 1);
    let template = event(source, 0);
    let send = |tag| assert!(Q::send(&mut senders[0], made(&template, tag)).is_ok());
    turns(count, send, || Q::receive(&mut receiver))
}

/// Both ends in turns, a burst a call at both or at the receiving one.
pub fn one_thread_batch<Q: Queue>(count: u64, source: Name, batch: Batch) -> f64 {
    let (mut senders, mut receiver) = Q::open(CAPACITY, 1);
    let template = event(source, 0);
    let started = thread_ns();
    let mut next = 0;
    for burst in 0..count / BURST {
        let mut events = (0..BURST).map(|tag| made(&template, burst * BURST + tag));
        if batch == Batch::Yes {
            assert_eq!(Q::send_many(&mut senders[0], &mut events), BURST as usize);
        } else {
            events.for_each(|event| assert!(Q::send(&mut senders[0], event).is_ok()));
        }
        let taken = Q::receive_many(&mut receiver, BURST as usize, &mut |event| {
            assert_eq!(black_box(event).sequence, next);
            next += 1;
        });
        assert_eq!(taken, BURST as usize);
    }
    (thread_ns() - started) as f64 / count as f64
}

fn produce<Q: Queue>(sender: &mut Q::Sender, count: u64, source: Name, batch: Batch) {
    let template = event(source, 0);
    let mut tag = 0;
    let mut wait = Wait::default();
    while tag < count {
        let sent = if batch == Batch::Yes {
            let end = (tag + BURST).min(count);
            let mut events = (tag..end).map(|tag| made(&template, tag));
            Q::send_many(sender, &mut events)
        } else {
            usize::from(Q::send(sender, made(&template, tag)).is_ok())
        };
        tag += sent as u64;
        if sent == 0 {
            wait.a_little();
        }
    }
}

/// The ends on two threads; the clock runs from the first to the last event received.
pub fn two_threads<Q: Queue>(count: u64, source: Name, batch: Batch) -> f64 {
    let (mut senders, mut receiver) = Q::open(CAPACITY, 1);
    let mut sender = senders.remove(0);
    thread::scope(|scope| {
        scope.spawn(move || {
            produce::<Q>(&mut sender, count, source, batch);
        });
        let mut started = None;
        let (mut next, mut wait) = (0, Wait::default());
        while next < count {
            let mut take = |event| {
                assert_eq!(black_box::<Event>(event).sequence, next);
                next += 1;
            };
            let taken = match batch {
                Batch::Yes | Batch::Receiving => Q::receive_many(&mut receiver, BURST as usize, &mut take),
                Batch::No => Q::receive(&mut receiver).map(take).map_or(0, |()| 1),
            };
            if taken == 0 {
                wait.a_little();
            } else if started.is_none() {
                started = Some(Instant::now());
            }
        }
        started.map_or(0.0, |started| started.elapsed().as_nanos() as f64 / count as f64)
    })
}

/// Several producers on threads of their own, which share `count` events, against this one.
pub fn many_producers<Q: Queue>(count: u64, source: Name, producers: usize) -> f64 {
    let (senders, mut receiver) = Q::open(CAPACITY, producers);
    let each = count / producers as u64;
    thread::scope(|scope| {
        for mut sender in senders {
            scope.spawn(move || {
                produce::<Q>(&mut sender, each, source, Batch::No);
                // A sender that leaves would change what is measured for the others.
                sender
            });
        }
        let mut started = None;
        let (mut taken, mut wait) = (0, Wait::default());
        while taken < each * producers as u64 {
            match Q::receive(&mut receiver) {
                Some(event) => {
                    black_box(event);
                    taken += 1;
                    started.get_or_insert_with(Instant::now);
                }
                None => wait.a_little(),
            }
        }
        started.map_or(0.0, |started| started.elapsed().as_nanos() as f64 / taken as f64)
    })
}
