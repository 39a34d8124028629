//! What an event costs in the router and the mailboxes, without any Python: as mailboxes and instruments grow in number.
//!
//! `cargo run --release -p libra-kernel --example router_scale [-- --quick --only all_10]` prints one JSON object: nanoseconds of CPU an
//! event, from publication to the mailbox's end, medians of repeats that take turns. `instruments_N`: N instruments of one
//! mailbox, in random order. `own_N`: N mailboxes with an instrument each. `all_N`: an event to N mailboxes, a delivery.
//! `turns_N`: commands of N sources to an account's mailbox, where they take turns; `row_N`: the same to any other. `owners_N`:
//! what is one strategy's own, with N that each want theirs of one instrument.

use std::hint::black_box;

use libra_kernel::digest::Digest;
use libra_kernel::event::{Quote, SharedPayload};
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

/// Publishes what `event` makes (of its number in a burst, and one of `count` at random) in bursts, and empties the mailboxes
/// that are ready; nanoseconds a delivery.
fn run(mut router: Router, count: usize, burst: usize, events: usize, event: impl Fn(usize, usize) -> Event) -> f64 {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut delivered = 0;
    let started = thread_ns();
    while delivered < events {
        (0..burst).for_each(|number| assert!(router.deliver(event(number, rng.usize(..count)))));
        while let Some(turn) = router.next_turn() {
            while let Some(event) = router.mailbox(turn.id).pop_up_to(turn.least) {
                black_box(event);
                delivered += 1;
            }
        }
    }
    (thread_ns() - started) as f64 / delivered as f64
}

fn run_quotes(router: Router, names: &[Name], events: usize) -> f64 {
    let source = Name::intern("bench");
    run(router, names.len(), BURST.min(names.len() * 8), events, |number, one| {
        let quote = Quote { bid: number as i64, ..Quote::default() };
        let mut event = Event::new(EventType::Quote, source, 1, Payload::Quote(quote));
        event.instrument = names[one];
        event
    })
}

fn many_instruments(count: usize, events: usize) -> f64 {
    let (mut router, names) = (Router::new(), instruments(count));
    let id = router.add_mailbox(Capacity::PerLane(65_536));
    names.iter().for_each(|name| router.subscribe(id, EventType::Quote, *name));
    run_quotes(router, &names, events)
}

fn own(count: usize, events: usize) -> f64 {
    let (mut router, names) = (Router::new(), instruments(count));
    for name in &names {
        let id = router.add_mailbox(Capacity::PerLane(65_536));
        router.subscribe(id, EventType::Quote, *name);
    }
    run_quotes(router, &names, events)
}

fn all(count: usize, events: usize) -> f64 {
    let (mut router, names) = (Router::new(), instruments(1));
    for _ in 0..count {
        let id = router.add_mailbox(Capacity::PerLane(65_536));
        router.subscribe(id, EventType::Quote, Name::NONE);
    }
    run_quotes(router, &names, events)
}

struct Owned(Name);

impl SharedPayload for Owned {
    fn kind(&self) -> &'static str {
        "owned"
    }
    fn digest(&self, _digest: &mut Digest) {}
    fn owner(&self) -> Name {
        self.0
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn requests(count: usize, events: usize, is_account: bool) -> f64 {
    let (mut router, names) = (Router::new(), instruments(count));
    let id = router.add_mailbox(Capacity::PerLane(65_536));
    router.subscribe(id, EventType::OrderRequest, Name::NONE);
    if is_account {
        router.set_account(id, Name::intern("account"));
    }
    run(router, count, BURST, events, |_, source| Event::new(EventType::OrderRequest, names[source], 1, Payload::Empty))
}

fn turns(count: usize, events: usize) -> f64 {
    requests(count, events, true)
}

fn row(count: usize, events: usize) -> f64 {
    requests(count, events, false)
}

fn owners(count: usize, events: usize) -> f64 {
    let (mut router, names) = (Router::new(), instruments(count));
    for name in &names {
        let id = router.add_mailbox(Capacity::PerLane(65_536));
        router.subscribe_own(id, EventType::OrderRejected, names[0], *name);
    }
    let payloads: Vec<Payload> = names.iter().map(|name| Payload::shared(Owned(*name))).collect();
    run(router, count, BURST, events, |_, source| {
        let mut event = Event::new(EventType::OrderRejected, names[source], 1, payloads[source].clone());
        event.instrument = names[0];
        event
    })
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (events, repeats) = if quick { (1 << 18, 5) } else { (1 << 21, 9) };
    type Case = fn(usize, usize) -> f64;
    let kinds: [(&str, Case); 6] = [
        ("instruments", many_instruments),
        ("own", own),
        ("all", all),
        ("row", row),
        ("turns", turns),
        ("owners", owners),
    ];
    let mut cases: Vec<(String, Case, usize)> = Vec::new();
    for (kind, case) in kinds {
        cases.extend(COUNTS.map(|count| (format!("{kind}_{count}"), case, count)));
    }
    let only: Option<String> = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    cases.retain(|(name, ..)| only.as_ref().is_none_or(|only| name.starts_with(only.as_str())));
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
