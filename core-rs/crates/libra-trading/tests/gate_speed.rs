//! What a reservation costs: no allocation ever, and its time, which is measured by hand:
//! `cargo test --release -p libra-trading --test gate_speed -- --ignored --nocapture`.

#[path = "../../libra-kernel/tests/counting/mod.rs"]
mod counting;
mod samples;

use std::hint::black_box;
use std::time::{Duration, Instant};

use libra_kernel::Name;
use libra_trading::gate::{Gate, GateConfig};
use libra_trading::instrument::Instrument;
use libra_trading::order::{Liquidity, OrderRequest, OrderSide, OrderType, TimeInForce, VenueOutcome, VenueReport};
use libra_trading::risk::{InstrumentLimits, Rejection, RiskCode, RiskLimits};

use samples::{contract, money};

const T0: i64 = 1_700_000_000_000_000_000;
const PRICE: i64 = 6_000_000;
/// Between two requests, so that the limit of orders a second is not reached.
const STEP_NS: i64 = 1_000_000;

/// How many instruments the account has a position in, beside the one that is asked for.
const OTHERS: u64 = 20;

fn instrument() -> Instrument {
    contract("BTC", "binanceusdm")
}

/// Without what came with the limits over all instruments, on volume and on messages; to compare with.
fn first_limits() -> RiskLimits {
    let all = limits();
    RiskLimits {
        default: InstrumentLimits {
            max_orders: None,
            max_participation_bps: None,
            max_concentration_bps: None,
            ..all.default
        },
        max_gross_exposure: None,
        max_net_exposure: None,
        max_leverage_bps: None,
        max_orders_per_minute: None,
        max_messages_per_second: None,
        max_strategy_messages_per_second: None,
        ..all
    }
}

fn limits() -> RiskLimits {
    RiskLimits {
        default: InstrumentLimits {
            max_position: Some(1_000_000),
            max_position_notional: Some(money(100_000_000)),
            max_order_size: Some(1_000),
            max_order_notional: Some(money(1_000_000)),
            max_orders: Some(900),
            max_participation_bps: Some(1_000),
            max_concentration_bps: Some(4_000_000_000),
        },
        max_gross_exposure: Some(money(1_000_000_000)),
        max_net_exposure: Some(money(1_000_000_000)),
        max_leverage_bps: Some(4_000_000_000),
        max_open_orders: Some(1_000),
        price_collar_bps: Some(500),
        max_daily_loss: Some(money(1_000)),
        max_drawdown_bps: Some(1_000),
        max_orders_per_second: Some(10_000),
        max_orders_per_minute: Some(100_000),
        max_messages_per_second: Some(20_000),
        max_strategy_messages_per_second: Some(20_000),
        max_quote_age_ns: Some(1_000_000_000),
        ..RiskLimits::default()
    }
}

fn gate(limits: RiskLimits) -> Gate {
    let config = GateConfig {
        limits,
        instruments: std::iter::once(instrument()).chain((0..OTHERS).map(other)).collect(),
        opening: vec![(Name::intern("USDT"), money(10_000))],
        ..GateConfig::new(Name::intern("main"))
    };
    let mut gate = Gate::open(config, T0).unwrap().0;
    let start_ns = T0 - 2_000_000_000;
    gate.on_trade(instrument().id, 1_000_000_000, T0, T0);
    for index in 0..OTHERS {
        let id = other(index).id;
        gate.on_quote(id, PRICE, PRICE + 10, start_ns, start_ns);
        gate.on_trade(id, 1_000_000, start_ns, start_ns);
        let request = OrderRequest { request_id: u128::MAX - u128::from(index), instrument: id, ..request() };
        let approval = gate.reserve(start_ns, &request).unwrap();
        let client_order_id = gate.spend(start_ns, &approval).unwrap().client_order_id;
        let outcome = VenueOutcome::Filled {
            trade_id: 1,
            price: PRICE,
            size: request.size,
            fee: 0,
            fee_currency: Name::intern("USDT"),
            liquidity: Liquidity::Taker,
        };
        let report = VenueReport { client_order_id, venue_order_id: String::new(), outcome, ts_venue_ns: start_ns };
        gate.on_report(start_ns, &report).unwrap();
    }
    gate
}

fn other(index: u64) -> Instrument {
    contract(&format!("C{index}"), "binanceusdm")
}

fn request() -> OrderRequest {
    OrderRequest {
        request_id: 0,
        signal_id: 0,
        account: Name::intern("main"),
        strategy: Name::intern("sma"),
        instrument: instrument().id,
        side: OrderSide::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        size: 10,
        price: PRICE,
        deadline_ns: 0,
        ts_origin_ns: 0,
    }
}

/// How many reservations stand at a time: the clock is read once for all of them.
const BATCH: u64 = 50;

/// Quotes and reserves under ids `ids`, and then gives back what was reserved. Gives what the quotes and reservations
/// took: allocations and time. A release is a refusal and goes to the log, which is not measured.
fn reserve(gate: &mut Gate, ids: std::ops::Range<u64>) -> (u64, Duration) {
    let mut request = request();
    let (mut allocations, mut time) = (0, Duration::ZERO);
    let mut approvals = Vec::with_capacity(BATCH as usize);
    for first in ids.step_by(BATCH as usize) {
        quote_others(gate, T0 + first as i64 * STEP_NS);
        let (before, start) = (counting::allocations(), Instant::now());
        for id in first..first + BATCH {
            request.request_id = id.into();
            let now_ns = T0 + id as i64 * STEP_NS;
            gate.on_quote(request.instrument, PRICE, PRICE + 10, now_ns, now_ns);
            gate.on_trade(request.instrument, 1_000_000, now_ns, now_ns);
            approvals.push(black_box(gate.reserve(now_ns, black_box(&request))).unwrap());
        }
        time += start.elapsed();
        allocations += counting::allocations() - before;
        let now_ns = T0 + (first + BATCH) as i64 * STEP_NS;
        for approval in approvals.drain(..) {
            assert!(gate.release(now_ns, &approval, Rejection::new(RiskCode::Stopping, "")).is_some());
        }
    }
    (allocations, time)
}

#[test]
fn an_approval_allocates_nothing() {
    let mut gate = gate(limits());
    reserve(&mut gate, 0..1_000);
    let (allocations, _) = reserve(&mut gate, 1_000..3_000);
    assert_eq!(allocations, 0);
}

/// What else is held goes on being quoted, or nothing more could be bought.
fn quote_others(gate: &mut Gate, now_ns: i64) {
    for index in 0..OTHERS {
        gate.on_quote(other(index).id, PRICE, PRICE + 10, now_ns, now_ns);
    }
}

/// A gate that knows `orders` orders; the next request's id.
fn with_orders(limits: RiskLimits, orders: u64) -> Gate {
    let mut gate = gate(limits);
    for id in 0..orders {
        let now_ns = T0 + id as i64 * STEP_NS;
        let request = OrderRequest { request_id: id.into(), ..request() };
        if id % 500 == 0 {
            quote_others(&mut gate, now_ns);
        }
        gate.on_quote(request.instrument, PRICE, PRICE + 10, now_ns, now_ns);
        gate.on_trade(request.instrument, 1_000_000, now_ns, now_ns);
        let approval = gate.reserve(now_ns, &request).unwrap();
        let order = gate.spend(now_ns, &approval).unwrap();
        let outcome = VenueOutcome::Cancelled { reason: String::new() };
        let client_order_id = order.client_order_id;
        let report = VenueReport { client_order_id, venue_order_id: String::new(), outcome, ts_venue_ns: now_ns };
        gate.on_report(now_ns, &report).unwrap();
    }
    gate
}

/// Quotes and trades alone, as between two reservations.
fn market(gate: &mut Gate, ids: std::ops::Range<u64>) -> Duration {
    let start = Instant::now();
    for id in ids {
        let now_ns = T0 + id as i64 * STEP_NS;
        gate.on_quote(black_box(instrument_id()), PRICE, PRICE + 10, now_ns, now_ns);
        gate.on_trade(black_box(instrument_id()), 1_000_000, now_ns, now_ns);
    }
    start.elapsed()
}

/// Gates are made anew before the refused requests that the measurement leaves behind slow it down. Of what is subtracted
/// the least of all rounds counts, as of what it is taken from: the least of the differences would be the round in which
/// the market alone was disturbed most.
#[test]
#[ignore = "a measurement"]
fn nanoseconds() {
    const COUNT: u64 = 5_000;
    for (orders, rounds) in [(0u64, 400), (100_000, 20)] {
        let (mut reserving, mut quoting) = ([Duration::MAX; 2], [Duration::MAX; 2]);
        for _ in 0..rounds {
            for (which, limits) in [limits(), first_limits()].into_iter().enumerate() {
                let mut gate = with_orders(limits, orders);
                let first = orders + 1_000;
                reserve(&mut gate, orders..first);
                let (_, all) = reserve(&mut gate, first..first + COUNT);
                reserving[which] = reserving[which].min(all);
                quoting[which] = quoting[which].min(market(&mut gate, first + COUNT..first + 2 * COUNT));
            }
        }
        let each = |time: Duration| time.as_nanos() as f64 / COUNT as f64;
        let [all, few] = [0, 1].map(|which| each(reserving[which]) - each(quoting[which]));
        println!(
            "{orders} orders known, the least of {rounds} rounds of {COUNT}: a reservation under all limits {all:.0} ns, \
             under those on one order and one instrument {few:.0} ns, ratio {:.2} (a quote and a trade, taken off: {:.0} \
             and {:.0} ns)",
            all / few,
            each(quoting[0]),
            each(quoting[1]),
        );
    }
}

fn instrument_id() -> Name {
    thread_local! {
        static ID: Name = instrument().id;
    }
    ID.with(|id| *id)
}
