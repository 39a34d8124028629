//! What the matching engine costs: no allocation once its memory is there, and its time, which is measured by hand:
//! `cargo test --release -p libra-trading --test matching_speed -- --ignored --nocapture`.

#[path = "../../../libra-kernel/tests/counting/mod.rs"]
mod counting;
mod flow;
#[path = "../samples/mod.rs"]
mod samples;

use std::hint::black_box;
use std::time::Instant;

use flow::{Flow, KINDS, Op, apply};
use libra_trading::matching::Output;

/// What this thread has computed: others on the machine do not count.
fn thread_ns() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock is one that Linux and macOS have, and `time` is written to before the call ends.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

#[test]
fn a_steady_flow_allocates_nothing() {
    let mut flow = Flow::new(5_000, 1);
    let ops = flow.ops(200_000);
    let (mut engine, mut out) = (flow.engine(), Vec::new());
    let (first, second) = ops.split_at(100_000);
    let mut run = |ops: &[Op]| {
        let before = counting::allocations();
        for op in ops {
            out.clear();
            apply(&mut engine, op, &mut out);
        }
        counting::allocations() - before
    };
    run(first);
    assert_eq!(run(second), 0);
}

/// Orders a second of this thread's time in one piece, then each operation by itself on the wall. Reading the clock takes
/// some 20 to 40 ns on its own: the least of many is printed and is not taken off.
#[test]
#[ignore = "a measurement"]
fn nanoseconds() {
    const OPS: usize = 2_000_000;
    for resting in [1_000, 10_000, 100_000, 1_000_000] {
        let mut flow = Flow::new(resting, 7);
        let ops = flow.ops(OPS);
        let mut best = f64::MAX;
        for _ in 0..3 {
            let (mut engine, mut out) = (flow.engine(), Vec::<Output>::with_capacity(4_096));
            let start = thread_ns();
            for op in &ops {
                out.clear();
                apply(&mut engine, op, &mut out);
                black_box(&out);
            }
            best = best.min((thread_ns() - start) / OPS as f64);
        }
        println!("{resting} resting, {} levels: {best:.0} ns, {:.2} M orders/s", flow.levels(), 1e3 / best);
        let (mut engine, mut out) = (flow.engine(), Vec::<Output>::with_capacity(4_096));
        let mut times = [const { Vec::new() }; KINDS.len()];
        let mut outputs = [0; KINDS.len()];
        for op in &ops {
            out.clear();
            let start = Instant::now();
            apply(&mut engine, op, &mut out);
            let took = start.elapsed().as_nanos() as u32;
            times[op.kind()].push(took);
            outputs[op.kind()] += out.len();
        }
        let clock = (0..1_000).map(|_| Instant::now().elapsed().as_nanos()).min().unwrap_or(0);
        for (kind, times) in times.iter_mut().enumerate() {
            times.sort_unstable();
            let at = |percent: usize| times[(times.len() - 1) * percent / 100];
            let mean = times.iter().map(|took| f64::from(*took)).sum::<f64>() / times.len() as f64;
            println!(
                "  {:8} {:4.1} %: mean {mean:.0}, p50 {}, p99 {} ns (clock {clock}), {:.2} outputs",
                KINDS[kind],
                100.0 * times.len() as f64 / OPS as f64,
                at(50),
                at(99),
                outputs[kind] as f64 / times.len() as f64,
            );
        }
    }
}
