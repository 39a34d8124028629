//! What moving an event between two queues' ends costs: bare queues of others, the kernel's edge, and a mailbox.
//!
//! `cargo run --release -p libra-kernel --example bare_ring [-- --quick]` prints one JSON object: nanoseconds an event,
//! medians of repeats that take turns. With two threads the ends sit on two cores; with one they take turns on bursts.
//!
//! - [`ends`] — the queues behind one face; [`runs`] — one thread, two threads, several producers; this file — what is run.

mod ends;
mod runs;

use libra_kernel::Name;
use libra_kernel::mailbox::{Capacity, Mailbox};

use ends::{ArrayQueueEnds, ChannelEnds, EdgeEnds, Queue, RingEnds, event};
use runs::{Batch, CAPACITY, many_producers, one_thread, one_thread_batch, two_threads};

fn mailbox(count: u64, source: Name) -> f64 {
    let mailbox = std::cell::RefCell::new(Mailbox::new(Capacity::Shared(CAPACITY)));
    let template = event(source, 0);
    let send = |tag| {
        mailbox.borrow_mut().offer(runs::made(&template, tag));
    };
    runs::turns(count, send, || mailbox.borrow_mut().pop())
}

type Case = (String, Box<dyn Fn(u64, Name) -> f64>);

/// One queue in every run that has one producer.
fn single<Q: Queue + 'static>(name: &str) -> Vec<Case> {
    vec![
        (format!("{name}_one_thread"), Box::new(one_thread::<Q>)),
        (format!("{name}_two_threads"), Box::new(|count, source| two_threads::<Q>(count, source, Batch::No))),
    ]
}

fn batched<Q: Queue + 'static>(name: &str, batch: Batch) -> Vec<Case> {
    vec![
        (format!("{name}_one_thread"), Box::new(move |count, source| one_thread_batch::<Q>(count, source, batch))),
        (format!("{name}_two_threads"), Box::new(move |count, source| two_threads::<Q>(count, source, batch))),
    ]
}

fn many<Q: Queue + 'static>(name: &str) -> Vec<Case> {
    let case = |producers: usize| -> Case {
        (
            format!("{name}_{producers}_producers"),
            Box::new(move |count, source| many_producers::<Q>(count, source, producers)),
        )
    };
    [1, 2, 4].map(case).into()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (count, repeats) = if quick { (1 << 19, 5) } else { (1 << 22, 9) };
    let source = Name::intern("bench");
    let mut cases: Vec<Case> = Vec::new();
    cases.extend(single::<RingEnds>("ring"));
    cases.extend(single::<EdgeEnds<true>>("edge"));
    cases.extend(single::<EdgeEnds<false>>("edge_fenced"));
    cases.extend(single::<ArrayQueueEnds>("array_queue"));
    cases.extend(single::<ChannelEnds>("channel"));
    cases.extend(batched::<EdgeEnds<true>>("edge_runs", Batch::Receiving));
    cases.extend(batched::<RingEnds>("ring_batch", Batch::Yes));
    cases.extend(batched::<EdgeEnds<true>>("edge_batch", Batch::Yes));
    cases.extend(many::<ArrayQueueEnds>("array_queue"));
    cases.extend(many::<ChannelEnds>("channel"));
    cases.extend(many::<EdgeEnds<true>>("edges"));
    cases.push(("mailbox".into(), Box::new(mailbox)));
    if let Some(only) = std::env::args().skip_while(|argument| argument != "--only").nth(1) {
        cases.retain(|(name, _)| *name == only);
    }
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
