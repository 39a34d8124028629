//! What a log concluded of "not found" stands, whatever the rule of the build or the profile that reads it.

use super::*;
use crate::gate::log::Log;
use crate::gate::record::Record;
use crate::order::OrderStatus;

fn not_found(id: ClientOrderId, s: i64) -> VenueReport {
    VenueReport { ts_venue_ns: T0 + s * SECOND, ..report(id, VenueOutcome::NotFound) }
}

/// A log with one open order, whose "not found" answers another build took in by rules of its own.
fn written(log: &TempLog, answers: impl Fn(ClientOrderId) -> Vec<Record>) -> ClientOrderId {
    let (mut gate, _) = log.open(RiskLimits::default(), T0);
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    for record in answers(id) {
        gate.commit(record).unwrap();
    }
    id
}

fn found(log: &TempLog, validity_window_ns: i64) -> (Gate, Recovered) {
    let config = GateConfig { validity_window_ns, ..log.config(RiskLimits::default()) };
    Gate::open(config, T0).unwrap()
}

const HOUR_NS: i64 = 3_600 * SECOND;

#[test]
fn an_order_that_was_released_stays_released() {
    let log = TempLog::new();
    let record = |id, s, ends| Record::NotFound { now_ns: T0, report: not_found(id, s), ends };
    // An hour apart, and within the order's window: today's rule would wait for another answer.
    let id = written(&log, |id| vec![record(id, 1, false), record(id, 3_601, true)]);
    for window_ns in [SECOND, HOUR_NS] {
        let (gate, recovered) = found(&log, window_ns);
        assert_eq!(gate.order(id).unwrap().status, OrderStatus::Rejected);
        assert_eq!((recovered.unanswered.len(), gate.reserved(linear().id)), (0, Some((0, 0))));
    }
}

#[test]
fn an_order_that_was_not_is_asked_about_again() {
    let log = TempLog::new();
    let record = |id, s| Record::NotFound { now_ns: T0, report: not_found(id, s), ends: false };
    // Today's rule would have taken the second one for the end.
    let id = written(&log, |id| vec![record(id, 20), record(id, 30)]);
    for window_ns in [SECOND, HOUR_NS] {
        let (gate, recovered) = found(&log, window_ns);
        let unanswered: Vec<_> = recovered.unanswered.iter().map(|order| order.client_order_id).collect();
        assert_eq!((unanswered, gate.reserved(linear().id)), (vec![id], Some((10, 0))));
    }
    let (mut gate, _) = found(&log, SECOND);
    assert_eq!(gate.on_report(T0, &not_found(id, 40)).unwrap().len(), 1, "which goes by today's rule");
    drop(gate);
    assert_eq!(found(&log, HOUR_NS).0.order(id).unwrap().status, OrderStatus::Rejected);
}

#[test]
fn a_log_of_before_goes_by_the_rule_of_then() {
    for (second_s, status) in [(320, OrderStatus::Rejected), (321, OrderStatus::New)] {
        let log = TempLog::new();
        let record = |id, s| Record::Report { now_ns: T0, report: not_found(id, s) };
        let id = written(&log, |id| vec![record(id, 20), record(id, second_s)]);
        assert_eq!(found(&log, HOUR_NS).0.order(id).unwrap().status, status);
    }
}

#[test]
fn what_it_came_to_is_written_down() {
    let log = TempLog::new();
    let (mut gate, _) = log.open(RiskLimits::default(), T0);
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    let mut conclusions = Vec::new();
    for s in [20, 3_620, 3_700] {
        gate.on_report(T0, &not_found(id, s)).unwrap();
        conclusions.push(gate.order(id).unwrap().status.is_final());
    }
    drop(gate);
    let mut written = Vec::new();
    let read = Log::open(&log.config(RiskLimits::default()).log, |_, record| {
        match record {
            Record::NotFound { ends, .. } => written.push(ends),
            other => assert_ne!(other.number(), 8, "its kind says nothing of what it came to"),
        }
        Ok(())
    });
    assert!(read.is_ok());
    assert_eq!(written, conclusions);
    assert_eq!(conclusions, [false, false, true]);
}
