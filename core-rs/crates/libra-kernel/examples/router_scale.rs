//! What an event costs in the router and the mailboxes, without any Python: as mailboxes and instruments grow in number.
//!
//! `cargo run --release -p libra-kernel --example router_scale [-- --quick]` prints one JSON object: nanoseconds of CPU an
//! event, from publication to the mailbox's end, medians of repeats that take turns. `instruments_N`: N instruments of one
//! mailbox, in random order. `own_N`: N mailboxes with an instrument each. `all_N`: an event to N mailboxes, a delivery.

use std::hint::black_box;

use libra_kernel::event::Quote;
use libra_kernel::mailbox::Capacity;
use libra_kernel::router::Router;
use libra_kernel::{Event, EventType, Name, Payload};

const BURST: usize = 256;
const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];

/// Nanoseconds that this thread has run.
fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: one valid timespec. The clock is there wherever this builds.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn instruments(count: usize) -> Vec<Name> {
    (0..count).map(|n| Name::intern(&format!("SYM{n}/USDT"))).collect()
}

/// Publishes in bursts and empties the mailboxes that are ready; nanoseconds a delivery.
fn run(mut router: Router, names: &[Name], events: usize) -> f64 {
    let source = Name::intern("bench");
    let mut rng = fastrand::Rng::with_seed(1);
    let mut delivered = 0;
    let started = thread_ns();
    while delivered < events {
        for tag in 0..BURST.min(names.len() * 8) {
            let quote = Quote { bid: tag as i64, ..Quote::default() };
            let mut event = Event::new(EventType::Quote, source, 1, Payload::Quote(quote));
            event.instrument = names[rng.usize(..names.len())];
            router.deliver(event);
        }
        while let Some(turn) = router.next_turn() {
            while let Some(event) = router.mailbox(turn.id).pop_up_to(turn.least) {
                black_box(event);
                delivered += 1;
            }
        }
    }
    (thread_ns() - started) as f64 / delivered as f64
}

fn many_instruments(count: usize, events: usize) -> f64 {
    let (mut router, names) = (Router::new(), instruments(count));
    let id = router.add_mailbox(Capacity::PerLane(65_536));
    names.iter().for_each(|name| router.subscribe(id, EventType::Quote, *name));
    run(router, &names, events)
}

fn own(count: usize, events: usize) -> f64 {
    let (mut router, names) = (Router::new(), instruments(count));
    for name in &names {
        let id = router.add_mailbox(Capacity::PerLane(65_536));
        router.subscribe(id, EventType::Quote, *name);
    }
    run(router, &names, events)
}

fn all(count: usize, events: usize) -> f64 {
    let (mut router, names) = (Router::new(), instruments(1));
    for _ in 0..count {
        let id = router.add_mailbox(Capacity::PerLane(65_536));
        router.subscribe(id, EventType::Quote, Name::NONE);
    }
    run(router, &names, events)
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (events, repeats) = if quick { (1 << 18, 5) } else { (1 << 21, 9) };
    type Case = (String, fn(usize, usize) -> f64, usize);
    let mut cases: Vec<Case> = Vec::new();
    cases.extend(COUNTS.map(|count| (format!("instruments_{count}"), many_instruments as _, count)));
    cases.extend(COUNTS.map(|count| (format!("own_{count}"), own as _, count)));
    cases.extend(COUNTS.map(|count| (format!("all_{count}"), all as _, count)));
    let mut results: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    for _ in 0..repeats {
        for ((_, case, count), results) in cases.iter().zip(&mut results) {
            results.push(case(*count, events));
        }
    }
    let fields: Vec<String> = (cases.iter().zip(&mut results))
        .map(|((name, ..), values)| {
            values.sort_by(f64::total_cmp);
            format!("\"{name}\": {:.2}", values[values.len() / 2])
        })
        .collect();
    println!("{{{}}}", fields.join(", "));
}
