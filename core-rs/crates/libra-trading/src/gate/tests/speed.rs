//! What a reservation costs. Run by hand: `cargo test --release -p libra-trading speed -- --ignored --nocapture`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

use super::*;
use crate::risk::InstrumentLimits;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts this thread's allocations.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn all_limits() -> RiskLimits {
    RiskLimits {
        default: InstrumentLimits {
            max_position: Some(1_000_000),
            max_position_notional: Some(money(100_000_000)),
            max_order_size: Some(1_000),
            max_order_notional: Some(money(1_000_000)),
        },
        max_open_orders: Some(1_000),
        price_collar_bps: Some(500),
        max_daily_loss: Some(money(1_000)),
        max_drawdown_bps: Some(1_000),
        max_orders_per_second: Some(10_000),
        max_quote_age_ns: Some(SECOND),
        ..RiskLimits::default()
    }
}

/// Reserves and releases `count` requests, a microsecond's worth of the rate limit apart.
fn run(gate: &mut Gate, first: u128, count: u128) {
    let mut request = buy(0, 10);
    for id in first..first + count {
        request.request_id = id;
        let now_ns = T0 + (id as i64) * 200_000;
        gate.on_quote(request.instrument, PRICE, PRICE + 10, now_ns);
        let approval = black_box(gate.reserve(now_ns, black_box(&request))).unwrap();
        gate.release(&approval);
    }
}

#[test]
fn an_approval_allocates_nothing() {
    let mut gate = gate(all_limits());
    run(&mut gate, 10_000, 100);
    let before = ALLOCATIONS.with(Cell::get);
    run(&mut gate, 20_000, 1_000);
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
}

#[test]
#[ignore = "a measurement"]
fn reserve_in_nanoseconds() {
    for orders in [0u128, 100_000] {
        let mut limits = all_limits();
        limits.max_open_orders = None;
        limits.default = InstrumentLimits { max_position: Some(i64::MAX), ..Default::default() };
        limits.max_orders_per_second = Some(100_000);
        let mut gate = gate(limits);
        for id in 1..=orders {
            let now_ns = T0 + id as i64 * 10_000;
            quote(&mut gate, now_ns);
            let order = place(&mut gate, now_ns, &buy(id, 10)).unwrap();
            gate.on_report(now_ns, &report(order, VenueOutcome::Cancelled { reason: String::new() })).unwrap();
        }
        let count = 2_000_000u128;
        let first = orders + 1_000_000;
        run(&mut gate, first, 100_000);
        let first = first + 100_000;
        let start = Instant::now();
        run(&mut gate, first, count);
        let all = start.elapsed().as_nanos() as f64 / count as f64;

        let mut request = buy(0, 10);
        let first = first + count;
        let start = Instant::now();
        let mut refusals = 0;
        for id in first..first + count {
            request.request_id = id;
            gate.on_quote(request.instrument, PRICE, PRICE + 10, T0 + id as i64 * 200_000);
            refusals += u64::from(gate.release(&Approval {
                client_order_id: ClientOrderId(id),
                content_hash: 0,
                limits_version: 0,
                epoch: 0,
                deadline_ns: 0,
            }));
        }
        let rest = start.elapsed().as_nanos() as f64 / count as f64;
        assert_eq!(refusals, 0);
        println!("{orders} orders known: quote + reserve + release {all:.0} ns, quote + empty release {rest:.0} ns");
    }
}
