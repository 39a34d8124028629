//! What moving an event between two queues' ends costs: the bare SPSC ring, the kernel's edge, and a mailbox.
//!
//! `cargo run --release -p libra-kernel --example bare_ring [--quick]` prints one JSON object: nanoseconds an event,
//! medians of repeats that take turns. With two threads the ends sit on two cores; with one they take turns on bursts.

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use libra_kernel::edge::edge;
use libra_kernel::event::Quote;
use libra_kernel::mailbox::{Capacity, Mailbox};
use libra_kernel::wake::Waker;
use libra_kernel::{Event, EventType, Name, Payload};
use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Producer, Split};

const CAPACITY: usize = 16_384;
const BURST: u64 = 256;

fn event(source: Name, tag: u64) -> Event {
    let mut event =
        Event::new(EventType::Quote, source, 1, Payload::Quote(Quote { bid: tag as i64, ..Quote::default() }));
    event.sequence = tag;
    event
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

/// Runs `send` and `receive` in turns on this thread.
fn one_thread(count: u64, mut send: impl FnMut(u64), mut receive: impl FnMut() -> Option<Event>) -> f64 {
    let started = Instant::now();
    for burst in 0..count / BURST {
        for tag in 0..BURST {
            send(burst * BURST + tag);
        }
        for tag in 0..BURST {
            let event = receive().expect("what was sent is there");
            assert_eq!(black_box(event).sequence, burst * BURST + tag);
        }
    }
    started.elapsed().as_nanos() as f64 / count as f64
}

/// Runs `send` on another thread than `receive`; the clock runs from the first to the last event received.
fn two_threads(count: u64, send: impl FnOnce(u64) + Send, mut receive: impl FnMut() -> Option<Event>) -> f64 {
    thread::scope(|scope| {
        scope.spawn(move || send(count));
        let mut started = Instant::now();
        for tag in 0..count {
            let mut wait = Wait::default();
            let event = loop {
                match receive() {
                    Some(event) => break event,
                    None => wait.a_little(),
                }
            };
            assert_eq!(black_box(event).sequence, tag);
            if tag == 0 {
                started = Instant::now();
            }
        }
        started.elapsed().as_nanos() as f64 / count as f64
    })
}

fn bare_ring(count: u64, threads: usize, source: Name) -> f64 {
    let (mut sender, mut receiver) = HeapRb::<Event>::new(CAPACITY).split();
    let template = event(source, 0);
    if threads == 1 {
        let send = |tag| assert!(sender.try_push(Event { sequence: tag, ..template.clone() }).is_ok());
        return one_thread(count, send, || receiver.try_pop());
    }
    let send = move |count| {
        for tag in 0..count {
            let mut event = Event { sequence: tag, ..template.clone() };
            let mut wait = Wait::default();
            while let Err(back) = sender.try_push(event) {
                event = back;
                wait.a_little();
            }
        }
    };
    two_threads(count, send, || receiver.try_pop())
}

fn kernel_edge(count: u64, threads: usize, source: Name) -> f64 {
    let waker = Arc::new(Waker::new().expect("a descriptor"));
    let (mut sender, mut receiver) = edge(CAPACITY, waker);
    // An order event: with a full ring it waits at the sender, where a quote would be conflated.
    let template = Event { event_type: EventType::OrderFilled, ..event(source, 0) };
    if threads == 1 {
        let send = |tag| assert!(sender.send(Event { sequence: tag, ..template.clone() }));
        return one_thread(count, send, || receiver.pop());
    }
    let send = move |count| {
        for tag in 0..count {
            sender.send(Event { sequence: tag, ..template.clone() });
            // A producer that outruns its consumer waits here, as the bare ring's does, instead of growing its overflow.
            let mut wait = Wait::default();
            while !sender.flush() {
                wait.a_little();
            }
        }
    };
    two_threads(count, send, || receiver.pop())
}

fn mailbox(count: u64, source: Name) -> f64 {
    let mailbox = std::cell::RefCell::new(Mailbox::new(Capacity::Shared(CAPACITY)));
    let template = event(source, 0);
    let send = |tag| {
        mailbox.borrow_mut().offer(Event { sequence: tag, ..template.clone() });
    };
    one_thread(count, send, || mailbox.borrow_mut().pop())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (count, repeats) = if quick { (1 << 19, 5) } else { (1 << 22, 9) };
    let source = Name::intern("bench");
    type Case = (&'static str, fn(u64, Name) -> f64);
    let cases: [Case; 5] = [
        ("ring_one_thread", |count, source| bare_ring(count, 1, source)),
        ("edge_one_thread", |count, source| kernel_edge(count, 1, source)),
        ("ring_two_threads", |count, source| bare_ring(count, 2, source)),
        ("edge_two_threads", |count, source| kernel_edge(count, 2, source)),
        ("mailbox", mailbox),
    ];
    let mut results: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    for _ in 0..repeats {
        for ((_, case), results) in cases.iter().zip(&mut results) {
            results.push(case(count, source));
        }
    }
    let fields: Vec<String> =
        (cases.iter().zip(results)).map(|((name, _), values)| format!("\"{name}\": {:.2}", median(values))).collect();
    println!("{{{}}}", fields.join(", "));
}
