//! A storm of requests that are refused: what it costs the log, and what a restart still knows.

use super::*;
use crate::risk::RiskCode;

fn config_with(file: &TempLog, per_second: u32) -> GateConfig {
    GateConfig { refusals_per_second: per_second, ..file.config(rated()) }
}

/// Two orders a second.
fn rated() -> RiskLimits {
    RiskLimits { max_orders_per_second: Some(2), ..RiskLimits::default() }
}

fn of(request_id: u128, strategy: &str) -> OrderRequest {
    OrderRequest { strategy: name(strategy), ..buy(request_id, 10) }
}

fn refused(gate: &mut Gate, now_ns: i64, request: &OrderRequest) -> Rejection {
    gate.reserve(now_ns, request).unwrap_err()
}

#[test]
fn a_storm_has_a_few_records_a_second_and_every_request_its_full_answer() {
    let file = TempLog::new();
    let (mut gate, _) = Gate::open(config_with(&file, 20), T0).unwrap();
    quote(&mut gate, T0);
    for id in 1..=2 {
        gate.reserve(T0, &of(id, "storm")).unwrap();
    }
    let before = gate.sequence();
    for id in 3..=902 {
        let why = refused(&mut gate, T0, &of(id, "storm"));
        assert_eq!((why.code, why.limit.is_empty(), why.value.is_empty()), (RiskCode::OrderRate, false, false), "{id}");
    }
    assert_eq!((gate.sequence() - before, gate.rejected_requests()), (20, 20));
    // Another strategy's refusals have records of their own all the while.
    refused(&mut gate, T0, &of(2_000, "calm"));
    assert_eq!(gate.sequence() - before, 21);
    let _ = gate.on_time(T0 + SECOND - 1);
    assert_eq!(gate.sequence() - before, 21);
    let _ = gate.on_time(T0 + SECOND);
    // With what lapsed meanwhile: the two approvals.
    assert_eq!((gate.sequence() - before, gate.rejected_requests()), (22, 901));
    assert_eq!(gate.refusals_by_code()["ORDER_RATE"], 901);
    // No more than a thousand wait.
    for id in 3_000..5_000 {
        refused(&mut gate, T0 + SECOND, &OrderRequest { size: 0, ..of(id, "storm") });
    }
    assert!(gate.rejected_requests() >= 901 + 20 + 1_000);
}

#[test]
fn what_was_refused_in_a_storm_stays_refused_here_and_after_a_restart() {
    let file = TempLog::new();
    let (mut gate, _) = Gate::open(config_with(&file, 5), T0).unwrap();
    quote(&mut gate, T0);
    assert!((1..=2).all(|id| gate.reserve(T0, &of(id, "storm")).is_ok()));
    (3..=100).for_each(|id| drop(refused(&mut gate, T0, &of(id, "storm"))));
    let id = crate::gate::client_order_id(name("main"), 100);
    assert!(gate.refused(id) && gate.knows(id) && gate.order(id).is_none());
    assert_eq!(gate.cancel(T0, id).unwrap_err().code, RiskCode::OrderFinal);
    assert_eq!(refused(&mut gate, T0, &of(100, "storm")).to_string(), "ORDER_RATE: refused before");
    assert_eq!(refused(&mut gate, T0, &OrderRequest { size: 20, ..of(100, "storm") }).code, RiskCode::RequestConflict);
    gate.flush().unwrap();
    let counts = gate.order_counts();
    let digest = gate.state.digest();
    drop(gate);
    let (mut gate, _) = Gate::open(config_with(&file, 5), T0 + 10 * SECOND).unwrap();
    quote(&mut gate, T0 + 10 * SECOND);
    assert_eq!((gate.state.digest(), gate.order_counts()), (digest, counts));
    for id in 3..=100 {
        assert_eq!(refused(&mut gate, T0 + 10 * SECOND, &of(id, "storm")).code, RiskCode::OrderRate, "{id}");
    }
    assert!(gate.reserve(T0 + 10 * SECOND, &of(101, "storm")).is_ok(), "one that never came");
}

#[test]
fn what_was_gathered_when_the_log_fails_stays_refused() {
    let file = TempLog::new();
    let (mut gate, _) = Gate::open(config_with(&file, 5), T0).unwrap();
    quote(&mut gate, T0);
    assert!((1..=2).all(|id| gate.reserve(T0, &of(id, "storm")).is_ok()));
    (3..=50).for_each(|id| drop(refused(&mut gate, T0, &of(id, "storm"))));
    gate.break_log();
    let _ = gate.flush();
    assert_eq!(gate.refuses_all().map(|why| why.code), Some(RiskCode::LogFailed));
    gate.mend_log();
    gate.resume(T0).unwrap();
    for id in 3..=50 {
        assert!(gate.reserve(T0 + 10 * SECOND, &of(id, "storm")).is_err(), "{id}");
    }
    assert!(gate.reserve(T0 + 10 * SECOND, &of(51, "storm")).is_ok());
}

#[test]
fn refusals_and_confirmations_wait_for_the_next_record_that_is_forced_to_the_disk() {
    use crate::gate::record::Record;
    let rejection = Rejection::new(RiskCode::OrderRate, "");
    let refused = Record::Refused { now_ns: T0, strategy: name("sma"), code: RiskCode::OrderRate, ids: vec![1, 2] };
    for record in
        [Record::Rejected { now_ns: T0, request: buy(1, 10), rejection }, refused, Record::Confirmed { sequence: 1 }]
    {
        assert!(!record.needs_sync(), "{record:?}");
    }
    for record in [
        Record::Intent { now_ns: T0, request: buy(1, 10), hold_price: 0, window_end_ns: 0 },
        Record::Submitted { now_ns: T0, client_order_id: ClientOrderId(1) },
        Record::CancelIntent { now_ns: T0, client_order_id: ClientOrderId(1) },
        Record::Kill { now_ns: T0, reason: String::new() },
        Record::Resume { now_ns: T0 },
    ] {
        assert!(record.needs_sync(), "{record:?}");
    }
}
