//! What a wake-up costs on this machine, with nothing of Libra in it: a thread that writes an eventfd at a steady rate, and
//! one that sleeps in `poll` on it.
//!
//! `cargo run --release -p libra-kernel --example bare_wake -- RATE SECONDS` prints one JSON object: nanoseconds from just
//! before the write to just after `poll`, as p50, p99 and p99.9. The writer sleeps between writes, as a feed does.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libra_kernel::clock::wall_ns;
use libra_kernel::latency::Latency;

/// The time of the write that the reader has not seen yet; the end is told by `i64::MAX`.
static WRITTEN_NS: AtomicI64 = AtomicI64::new(0);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rate: f64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1_000.0);
    let seconds: f64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(2.0);
    // SAFETY: eventfd takes no pointers, and the descriptor is nobody else's.
    let event_fd = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_NONBLOCK)) };
    let fd = event_fd.as_raw_fd();
    let writer = thread::spawn(move || {
        let (started, every) = (Instant::now(), Duration::from_secs_f64(1.0 / rate));
        let mut due = started;
        while started.elapsed().as_secs_f64() < seconds {
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                thread::park_timeout(left);
            }
            due += every;
            // What the reader has not seen yet is the older one.
            let _ = WRITTEN_NS.compare_exchange(0, wall_ns(), Ordering::SeqCst, Ordering::SeqCst);
            write(fd);
        }
        WRITTEN_NS.store(i64::MAX, Ordering::SeqCst);
        write(fd);
    });
    let mut latency = Latency::default();
    loop {
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        unsafe { libc::poll(&mut poll, 1, -1) };
        let now_ns = wall_ns();
        let mut count = 0u64;
        // SAFETY: the descriptor is open and the buffer has the eight bytes.
        unsafe { libc::read(fd, (&raw mut count).cast(), 8) };
        match WRITTEN_NS.swap(0, Ordering::SeqCst) {
            0 => {}
            i64::MAX => break,
            written_ns => latency.record(now_ns - written_ns),
        }
    }
    writer.join().expect("the writer does not panic");
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| latency.quantile_ns(q).unwrap_or(0));
    println!("{{\"count\": {}, \"p50\": {p50}, \"p99\": {p99}, \"p999\": {p999}}}", latency.count());
}

fn write(fd: i32) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: the descriptor is open and the buffer has the eight bytes.
    unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
}
