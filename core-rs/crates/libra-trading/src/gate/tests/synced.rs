//! A record that the disk does not take, although the file does: it counts for nothing, here and after a restart.

use std::fs;

use super::*;
use crate::gate::{GateError, LogError, client_order_id};
use crate::order::OrderStatus;
use crate::reconcile::{Adjustment, FlowKind, PositionLine, VenueFlow};
use crate::risk::RiskCode;

fn base() -> RiskLimits {
    RiskLimits { max_daily_loss: Some(money(6_000)), max_open_orders: Some(10), ..RiskLimits::default() }
}

/// A gate that forces every record to the disk.
fn open(file: &TempLog, now_ns: i64) -> (Gate, Recovered) {
    let log = LogConfig::File { path: file.0.clone(), sync: SyncPolicy::EveryRecord };
    let (mut gate, recovered) = Gate::open(GateConfig { log, ..config(base()) }, now_ns).unwrap();
    quote(&mut gate, now_ns);
    (gate, recovered)
}

fn loosened(gate: &mut Gate) -> Result<(), GateError> {
    let terms = [("max_daily_loss".to_owned(), Some("20000".to_owned()))];
    gate.change_limits(T0, "ops", &terms, true).map(drop)
}

fn accepted(gate: &mut Gate) -> Result<(), GateError> {
    let positions = vec![PositionLine { instrument: linear().id, size: 0, cost: 0 }];
    gate.adjust(T0, "ops", Adjustment { positions, ..Adjustment::default() }).map(drop)
}

fn intended(gate: &mut Gate) -> Result<(), GateError> {
    // Its approval needs no log.
    let approval = gate.reserve(T0, &buy(7, 10)).unwrap();
    let refused = gate.spend(T0, &approval).unwrap_err();
    assert_eq!((refused.code, gate.reserved(linear().id)), (RiskCode::LogFailed, Some((10, 0))));
    Err(GateError::DoesNotFit("an intent"))
}

fn flowed(gate: &mut Gate) -> Result<(), GateError> {
    let (key, kind, currency) = ("1".to_owned(), FlowKind::Funding, name("USDT"));
    let flow = VenueFlow { key, kind, currency, amount: money(1), symbol: name(""), ts_venue_ns: T0 };
    gate.book_flow(T0, &flow).map(drop)
}

type Act = fn(&mut Gate) -> Result<(), GateError>;

/// What is written down before it holds, or is done.
const ALONE: [(&str, Act); 7] = [
    ("a change of limits", loosened),
    ("a difference that is accepted", accepted),
    ("a resume", |gate| gate.resume(T0).map(drop)),
    ("who resumes", |gate| gate.note(T0, "ops").map(drop)),
    ("an intent", intended),
    ("a flow", flowed),
    ("an execution", |gate| {
        let open = gate.open_orders().next().unwrap().client_order_id;
        gate.on_report(T0, &filled(open, 2, PRICE, 3)).map(drop)
    }),
];

/// A position of 100, and an order of 10 that is open.
fn begun(file: &TempLog) -> Gate {
    let (mut gate, _) = open(file, T0);
    trade(&mut gate, &buy(1, 100), PRICE);
    place(&mut gate, T0, &buy(2, 10)).unwrap();
    gate
}

#[test]
fn what_could_not_be_forced_to_the_disk_is_in_no_log() {
    for (what, act) in ALONE {
        let file = TempLog::new();
        let mut gate = begun(&file);
        let (before, digest, sequence) = (fs::read(&file.0).unwrap(), gate.state_digest(), gate.sequence());
        gate.break_syncs(false);
        act(&mut gate).expect_err(what);
        assert!(fs::read(&file.0).unwrap() == before, "{what} was taken back");
        assert_eq!(
            (gate.state_digest(), gate.sequence(), gate.log_failed()),
            (digest.clone(), sequence, true),
            "{what}"
        );
        assert!(gate.note(T0, "again").unwrap_err().to_string().contains("the log is closed"), "{what}");
        drop(gate);
        let (gate, recovered) = open(&file, T0);
        assert_eq!((gate.state_digest(), recovered.torn), (digest, None), "{what}");
        assert_eq!(recovered.unanswered.len(), 1, "{what}: the order of before, and no other");
    }
}

#[test]
fn a_change_of_limits_that_was_refused_does_not_hold_after_a_restart() {
    let file = TempLog::new();
    let mut gate = begun(&file);
    gate.change_limits(T0, "ops", &[("max_open_orders".to_owned(), Some("5".to_owned()))], false).unwrap();
    gate.break_syncs(false);
    let lowered = [("max_open_orders".to_owned(), Some("3".to_owned()))];
    gate.change_limits(T0, "ops", &lowered, false).unwrap_err();
    loosened(&mut gate).unwrap_err();
    drop(gate);
    let (gate, _) = open(&file, T0);
    assert_eq!((gate.limits().max_open_orders, gate.limits().max_daily_loss), (Some(5), Some(money(6_000))));
}

/// The request of an intent that failed is refused in this process and new to the next one, which knows no order of it.
#[test]
fn an_order_whose_intent_could_not_be_forced_to_the_disk_never_was() {
    let file = TempLog::new();
    let mut gate = begun(&file);
    gate.break_syncs(false);
    intended(&mut gate).unwrap_err();
    assert_eq!(gate.reserve(T0, &buy(7, 10)).unwrap_err().code, RiskCode::LogFailed);
    drop(gate);
    let (mut gate, _) = open(&file, T0);
    assert!(!gate.knows(client_order_id(name("main"), 7)));
    gate.set_reconciling(false);
    place(&mut gate, T0, &buy(7, 10)).unwrap();
}

/// What takes risk away holds all the same, and the log does not say that it had it.
#[test]
fn a_kill_and_a_cancel_hold_and_are_owed() {
    let file = TempLog::new();
    let mut gate = begun(&file);
    let open_order = gate.open_orders().next().unwrap().client_order_id;
    let before = fs::read(&file.0).unwrap();
    gate.break_syncs(false);
    assert!(gate.kill(T0, "x").1.is_err() && gate.is_killed());
    assert!(!gate.cancel(T0, open_order).unwrap().logged);
    assert_eq!((gate.owed(), gate.cancels_pending()), (2, 1));
    drop(gate);
    assert!(fs::read(&file.0).unwrap() == before);
    let (gate, recovered) = open(&file, T0);
    assert_eq!((gate.is_killed(), recovered.cancelling.len()), (false, 0));
}

#[test]
fn what_can_neither_be_forced_to_the_disk_nor_be_taken_back_is_said_to_be_in_doubt() {
    let file = TempLog::new();
    let mut gate = begun(&file);
    let approval = gate.reserve(T0, &buy(7, 10)).unwrap();
    gate.break_syncs(true);
    let refused = gate.spend(T0, &approval).unwrap_err();
    assert_eq!(refused.code, RiskCode::LogFailed);
    assert!(refused.detail.contains("the next process may find it"), "{refused}");
    assert!(matches!(loosened(&mut gate), Err(GateError::Log(LogError::Closed { .. }))), "nothing comes behind it");
    drop(gate);
    // It is there, was never sent, and the venue says so: nobody waits for it for ever.
    let (mut gate, recovered) = open(&file, T0 + SECOND);
    let id = client_order_id(name("main"), 7);
    assert!(recovered.unanswered.iter().any(|order| order.client_order_id == id));
    for behind in [60, 61] {
        let missing = VenueReport { ts_venue_ns: T0 + behind * SECOND, ..report(id, VenueOutcome::NotFound) };
        gate.on_report(T0 + behind * SECOND, &missing).unwrap();
    }
    assert_eq!(gate.order(id).unwrap().status, OrderStatus::Rejected);
}

/// Refusals ride with the next record: where that fails they stay, and it goes alone.
#[test]
fn what_rode_with_a_record_that_failed_stays() {
    let file = TempLog::new();
    let mut gate = begun(&file);
    gate.break_syncs(false);
    let refused = OrderRequest { size: 0, ..buy(8, 10) };
    gate.reserve(T0, &refused).unwrap_err();
    let length = fs::metadata(&file.0).unwrap().len();
    gate.note(T0, "x").unwrap_err();
    assert_eq!(fs::metadata(&file.0).unwrap().len(), length);
    drop(gate);
    assert_eq!(open(&file, T0).0.rejected_requests(), 1);
}
