//! Our connection against the `redis` crate, through a real Valkey, in one run.
//!
//! `cargo run --release -p libra-net --example resp_rate -- ROUNDS` prints one JSON object. Frames of 10 KB and single
//! events of 80 bytes are published as fast as they go, from one thread to another, over a Unix socket; small messages
//! are then sent about every millisecond to a reader that sleeps. The ways take turns; figures are medians of the rounds.
//! `place` encodes a frame where it is sent from, `copy` copies it there, `gather` hands header and frame to `writev`.

mod ours;
mod peer;
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/server/valkey.rs"]
mod valkey;

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// The channel that everything is published to.
pub const CHANNEL: &str = "libra:bench:MARKET_DATA:0";

/// Bytes of answers and frames that may be on their way: enough to keep the server busy.
pub const WINDOW: usize = 256 * 1024;

/// A way to publish.
type Publish = fn(&std::path::Path, usize, usize);
/// A way to subscribe: says when it is ready, and gives each payload to the function until that has had enough.
type Subscribe = fn(&std::path::Path, &dyn Fn(), &mut dyn FnMut(&[u8]) -> bool);

fn main() {
    let rounds: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(3);
    let Some(server) = valkey::Valkey::start("client-output-buffer-limit pubsub 0 0 0") else { return };
    let socket = server.scratch.join("s");
    let ways: [(&str, Publish, Subscribe); 4] = [
        ("place", ours::publish_in_place, ours::subscribe),
        ("copy", ours::publish_copied, ours::subscribe),
        ("gather", ours::publish_gathered, ours::subscribe),
        ("redis_crate", peer::publish, peer::subscribe),
    ];
    let mut parts = vec![format!("\"rounds\": {rounds}")];
    for (what, size, count) in [("frames_10kb", 10_288, 100_000), ("events_80b", 80, 1_000_000)] {
        let mut rates = vec![Vec::new(); ways.len()];
        for _ in 0..rounds {
            for (index, (_, publish, subscribe)) in ways.iter().enumerate() {
                rates[index].push(rate(&socket, *publish, *subscribe, size, count));
            }
        }
        let rates: Vec<f64> = rates.into_iter().map(|mut rates| at(&mut rates, 0.5)).collect();
        parts.extend(ways.iter().zip(&rates).map(|((name, ..), rate)| format!("\"{what}_{name}_per_s\": {rate:.0}")));
        parts.push(format!("\"{what}_ratio\": {:.2}", rates[0] / rates[3]));
        parts.push(format!("\"{what}_copy_ratio\": {:.2}", rates[1] / rates[3]));
    }
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.extend(latency_us(&socket, ours::publish_paced, ours::subscribe));
        peers.extend(latency_us(&socket, peer::publish_paced, peer::subscribe));
    }
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
        let (our, peer) = (at(&mut ours, quantile), at(&mut peers, quantile));
        parts.push(format!("\"latency_{name}_us\": {our:.1}, \"latency_{name}_redis_crate_us\": {peer:.1}"));
        parts.push(format!("\"latency_{name}_ratio\": {:.2}", our / peer));
    }
    println!("{{{}}}", parts.join(", "));
}

/// Messages a second from the first to the last that the subscriber had.
fn rate(socket: &std::path::Path, publish: Publish, subscribe: Subscribe, size: usize, count: usize) -> f64 {
    let (mut left, mut begun, mut ended) = (count, None, None);
    run(socket, publish, subscribe, (size, count), &mut |payload| {
        assert_eq!(payload.len(), size);
        begun.get_or_insert_with(Instant::now);
        left -= 1;
        ended = Some(Instant::now());
        left > 0
    });
    let took = begun.zip(ended).map(|(begun, ended)| ended - begun).expect("messages came");
    (count - 1) as f64 / took.as_secs_f64()
}

/// Microseconds from just before sending to just after receiving.
fn latency_us(socket: &std::path::Path, publish: Publish, subscribe: Subscribe) -> Vec<f64> {
    const COUNT: usize = 1_500;
    let mut times = Vec::with_capacity(COUNT);
    run(socket, publish, subscribe, (80, COUNT), &mut |payload| {
        let sent = u64::from_le_bytes(payload[..8].try_into().expect("eight bytes"));
        times.push((now_ns() - sent) as f64 / 1e3);
        times.len() < COUNT
    });
    times.split_off(100)
}

fn run(
    socket: &std::path::Path,
    publish: Publish,
    subscribe: Subscribe,
    (size, count): (usize, usize),
    take: &mut dyn FnMut(&[u8]) -> bool,
) {
    let (ready, is_ready) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            is_ready.recv().expect("the subscriber is there");
            publish(socket, size, count);
        });
        subscribe(socket, &|| ready.send(()).expect("the publisher waits"), take);
    });
}

/// The value at a quantile.
fn at(values: &mut [f64], quantile: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * quantile).round() as usize]
}

/// Nanoseconds since the program began.
pub fn now_ns() -> u64 {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Sleeps about a millisecond, never quite the same.
pub fn pause(random: &mut fastrand::Rng) {
    thread::sleep(Duration::from_micros(random.u64(500..1500)));
}
