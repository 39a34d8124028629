//! An order's way through the gate, what stops it, and what a restart finds.

use super::*;
use crate::account::PositionChange;
use crate::gate::{GateError, IncidentCode, client_order_id};
use crate::order::OrderStatus;
use crate::risk::RiskCode;

fn status(gate: &Gate, id: ClientOrderId) -> OrderStatus {
    gate.order(id).unwrap().status
}

fn cancelled() -> VenueOutcome {
    VenueOutcome::Cancelled { reason: "REQUESTED".into() }
}

#[test]
fn a_request_has_one_outcome() {
    let mut gate = gate(RiskLimits::default());
    let approval = gate.reserve(T0, &buy(1, 10)).unwrap();
    assert_eq!(gate.reserve(T0, &buy(1, 10)).unwrap(), approval);
    assert_eq!(gate.reserved(linear().id), Some((10, 0)), "held once");
    assert_eq!(gate.reserve(T0, &buy(1, 20)).unwrap_err().code, RiskCode::RequestConflict);

    let order = gate.spend(T0, &approval).unwrap();
    assert_eq!(order.status, OrderStatus::New);
    assert_eq!(order.client_order_id, client_order_id(name("main"), 1));
    assert_eq!(gate.spend(T0, &approval).unwrap_err().code, RiskCode::ApprovalInvalid);
    let again = gate.reserve(T0, &buy(1, 10)).unwrap_err();
    assert_eq!(again.to_string(), format!("DUPLICATE_REQUEST: {} is New", order.client_order_id));
    assert_eq!(gate.reserve(T0, &buy(1, 20)).unwrap_err().code, RiskCode::RequestConflict);

    let refused = gate.reserve(T0, &buy(2, 1)).unwrap_err();
    assert_eq!(gate.reserve(T0, &buy(2, 1)).unwrap_err(), refused, "the recorded refusal");
    let recorded = gate.order(client_order_id(name("main"), 2)).unwrap();
    assert_eq!((recorded.status, recorded.reason.as_str()), (OrderStatus::Rejected, "MIN_NOTIONAL"));
    assert_eq!(recorded.detail, "limit 100 USDT, value 60 USDT");
}

#[test]
fn an_order_lives_and_each_fact_counts_once() {
    let mut gate = gate(RiskLimits::default());
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    assert_eq!(gate.mark_submitted(T0, id).unwrap().len(), 1);
    assert!(gate.mark_submitted(T0, id).unwrap().is_empty());
    let accepted = VenueReport { venue_order_id: "77".into(), ..report(id, VenueOutcome::Accepted) };
    assert_eq!(gate.on_report(T0, &accepted).unwrap().len(), 1);
    assert!(gate.on_report(T0, &accepted).unwrap().is_empty());

    let events = gate.on_report(T0, &filled(id, 1, PRICE, 4)).unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.event_type().name()).collect();
    assert_eq!(kinds, ["ORDER_PARTIALLY_FILLED", "POSITION_OPENED", "BALANCE_UPDATED"]);
    assert!(gate.on_report(T0, &filled(id, 1, PRICE, 4)).unwrap().is_empty(), "the same trade");
    assert!(gate.on_report(T0, &accepted).unwrap().is_empty(), "late");
    assert_eq!(gate.reserved(linear().id), Some((6, 0)));

    let intent = gate.cancel(T0, id).unwrap();
    assert_eq!((intent.venue_order_id.as_str(), intent.repeated), ("77", false));
    assert!(gate.cancel(T0, id).unwrap().repeated);
    gate.on_report(T0, &report(id, cancelled())).unwrap();
    assert_eq!(status(&gate, id), OrderStatus::Cancelled);
    assert_eq!(gate.cancel(T0, id).unwrap_err().code, RiskCode::OrderFinal);
    assert_eq!(gate.reserved(linear().id), Some((0, 0)));

    // The cancel was faster than this execution's message: booked, and the order stays cancelled.
    let late = gate.on_report(T0, &filled(id, 2, PRICE, 3)).unwrap();
    assert!(matches!(&late[0], GateEvent::Order(order) if order.status == OrderStatus::Cancelled && order.filled == 7));
    assert!(
        matches!(&late[1], GateEvent::Position { change: PositionChange::Updated, position } if position.size == 7)
    );
    assert_eq!(gate.reserved(linear().id), Some((0, 0)));
    let stats = gate.stats();
    assert_eq!((stats.duplicates, stats.late, stats.reports, stats.incidents), (2, 1, 4, 0));
    assert_eq!(gate.fills().len(), 2);
}

#[test]
fn what_cannot_be_stops_new_orders() {
    for (size, rejected, code) in [(11, false, IncidentCode::Overfill), (10, true, IncidentCode::FillAfterRejection)] {
        let mut gate = gate(RiskLimits::default());
        let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
        if rejected {
            let no = VenueOutcome::Rejected { code: "-2010".into(), detail: "no".into() };
            gate.on_report(T0, &report(id, no)).unwrap();
        }
        let events = gate.on_report(T0, &filled(id, 1, PRICE, size)).unwrap();
        assert!(matches!(events.last(), Some(GateEvent::Incident(incident)) if incident.code == code));
        assert_eq!(gate.account().position(linear().id).unwrap().size, size, "booked: the venue is the truth");
        assert_eq!(gate.reserve(T0, &buy(2, 10)).unwrap_err().code, RiskCode::Incident);
        gate.resume(T0).unwrap();
        gate.reserve(T0, &buy(3, 10)).unwrap();
    }
}

#[test]
fn an_order_that_only_the_venue_knows_stops_new_orders() {
    let mut gate = gate(RiskLimits::default());
    let stranger = ClientOrderId(5);
    assert!(gate.on_report(T0, &report(stranger, cancelled())).unwrap().is_empty());
    let events = gate.on_report(T0, &filled(stranger, 1, PRICE, 10)).unwrap();
    assert!(matches!(&events[..], [GateEvent::Incident(incident)] if incident.code == IncidentCode::UnknownOrder));
    assert!(matches!(&events[..], [GateEvent::Incident(incident)] if gate.incident() == Some(incident)));
    assert!(gate.on_report(T0, &filled(stranger, 1, PRICE, 10)).unwrap().is_empty());
    assert_eq!(gate.stats().unknown_orders, 3);
    assert_eq!(gate.reserve(T0, &buy(1, 10)).unwrap_err().code, RiskCode::Incident);
    assert!(matches!(gate.on_report(T0, &filled(stranger, 2, 0, 1)), Err(GateError::InvalidReport(_))));
}

#[test]
fn an_approval_is_tested_again_when_it_is_spent() {
    let mut gate = gate(RiskLimits::default());
    let approvals: Vec<_> = (1..=3).map(|id| gate.reserve(T0, &buy(id, 10)).unwrap()).collect();
    assert_eq!(gate.spend(T0 + SECOND + 1, &approvals[0]).unwrap_err().code, RiskCode::Expired);
    gate.kill(T0, "operator").1.unwrap();
    let killed = gate.spend(T0, &approvals[1]).unwrap_err();
    assert_eq!(killed.to_string(), "KILL_SWITCH: operator");
    assert_eq!(gate.reserve(T0, &buy(2, 10)).unwrap_err(), killed, "recorded");
    gate.resume(T0).unwrap();
    assert_eq!(
        gate.spend(T0, &approvals[2]).unwrap_err().code,
        RiskCode::KillSwitch,
        "a resume is for what comes behind it"
    );
    let approvals: Vec<_> = [7, 4].map(|id| gate.reserve(T0, &buy(id, 10)).unwrap()).into();
    gate.set_limits(RiskLimits { max_open_orders: Some(5), ..RiskLimits::default() }).unwrap();
    assert_eq!(gate.spend(T0, &approvals[0]).unwrap_err().code, RiskCode::LimitsChanged);
    // Asked anew under the new limits, the unspent reservation is replaced, not doubled.
    let renewed = gate.reserve(T0, &buy(4, 10)).unwrap();
    assert_eq!(gate.reserved(linear().id), Some((10, 0)));
    assert_eq!(gate.spend(T0, &approvals[1]).unwrap_err().code, RiskCode::ApprovalInvalid);
    gate.spend(T0, &renewed).unwrap();
    gate.reserve(T0, &buy(5, 10)).unwrap();
    gate.stop_new_orders("drain");
    assert_eq!(gate.reserve(T0, &buy(6, 10)).unwrap_err().to_string(), "STOPPING: drain");
    assert_eq!(gate.on_time(T0 + SECOND + 1).len(), 1);
    assert_eq!((gate.outstanding(), gate.reserved(linear().id)), (0, Some((10, 0))));
}

#[test]
fn a_lapsed_approval_is_a_refusal_for_good() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let (lapsed, spent) = (gate.reserve(T0, &buy(1, 10)).unwrap(), gate.reserve(T0, &buy(2, 10)).unwrap());
    let late = T0 + SECOND + 1;
    assert_eq!(gate.spend(late, &spent).unwrap_err().code, RiskCode::Expired);
    // Another request is the first to notice; whoever asked still learns of it, once.
    assert!(gate.reserve(late, &buy(3, 1)).is_err());
    let told = gate.on_time(late);
    assert_eq!(told.iter().map(|order| order.client_order_id).collect::<Vec<_>>(), [lapsed.client_order_id()]);
    assert_eq!((told[0].status, told[0].reason.as_str()), (OrderStatus::Rejected, "EXPIRED"));
    assert!(gate.on_time(late).is_empty());
    assert_eq!(gate.spend(late, &lapsed).unwrap_err().code, RiskCode::ApprovalInvalid);
    assert_eq!((gate.outstanding(), gate.reserved(linear().id), gate.stats().lapsed), (0, Some((0, 0)), 1));
    let digest = gate.state_digest();
    let refused = gate.reserve(late, &buy(1, 10)).unwrap_err();
    assert_eq!(refused.code, RiskCode::Expired);
    drop(gate);
    let (mut gate, _) = file.open(RiskLimits::default(), late);
    assert_eq!(gate.state_digest(), digest);
    assert_eq!(gate.reserve(late, &buy(1, 10)).unwrap_err(), refused, "in another process too");
}

#[test]
fn an_approval_does_not_lapse_unrecorded() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let approval = gate.reserve(T0, &buy(1, 10)).unwrap();
    let other = gate.reserve(T0, &buy(2, 10)).unwrap();
    gate.log.break_writes();
    for _ in 0..2 {
        assert!(gate.on_time(T0 + SECOND + 1).is_empty());
        assert!(gate.holds(&approval) && gate.holds(&other), "they wait for a log that can be written");
        assert_eq!(gate.reserved(linear().id), Some((20, 0)));
    }
    assert_eq!(gate.spend(T0 + SECOND + 1, &approval).unwrap_err().code, RiskCode::LogFailed);
}

#[test]
fn many_approvals_lapse_together_and_those_in_time_stay() {
    let mut gate = gate(RiskLimits::default());
    let late: Vec<_> = (0..500).map(|id| gate.reserve(T0, &buy(id, 10)).unwrap()).collect();
    let in_time: Vec<_> = (500..520).map(|id| gate.reserve(T0 + SECOND, &buy(id, 10)).unwrap()).collect();
    gate.spend(T0, &late[7]).unwrap();
    let told: Vec<_> = gate.on_time(T0 + SECOND + 1).iter().map(|order| order.request.request_id).collect();
    assert_eq!(told, (0..500).filter(|id| *id != 7).collect::<Vec<_>>(), "each once, in their order");
    assert!(in_time.iter().all(|approval| gate.holds(approval)));
    assert_eq!((gate.outstanding(), gate.reserved(linear().id)), (20, Some((210, 0))));
    assert!(gate.on_time(T0 + 2 * SECOND).is_empty());
    assert_eq!(gate.on_time(T0 + 2 * SECOND + 1).len(), 20);
    assert_eq!(gate.reserved(linear().id), Some((10, 0)), "the one that was spent");
}

#[test]
fn refusals_are_counted_for_ever_and_kept_for_a_while() {
    use crate::gate::refusals::{KEEP_NS, MAX_KNOWN, MAX_RECENT};
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let order = place(&mut gate, T0, &buy(1_000_000, 10)).unwrap();
    let many = MAX_RECENT as u128 + 500;
    let deadline_ns = T0 + 2 * KEEP_NS;
    gate.reserve(T0, &OrderRequest { deadline_ns, ..buy(many, 1) }).unwrap_err();
    for id in 0..many {
        assert_eq!(gate.reserve(T0, &buy(id, 1)).unwrap_err().code, RiskCode::MinNotional);
    }
    assert_eq!(gate.orders().count(), MAX_RECENT + 1, "an order is kept whatever its age");
    assert_eq!(gate.orders().next().unwrap().client_order_id, order);
    assert_eq!(gate.orders().last().unwrap().request.request_id, many - 1);
    assert_eq!((gate.rejected_requests(), gate.refusals_by_code()["MIN_NOTIONAL"]), (many as u64 + 1, many as u64 + 1));
    let counts = [(OrderStatus::New, 1), (OrderStatus::Rejected, many as u64 + 1)];
    assert_eq!(gate.order_counts().into_iter().collect::<Vec<_>>(), counts);
    // Known by its code, and by what it asked for.
    assert_eq!(gate.reserve(T0, &buy(0, 1)).unwrap_err().to_string(), "MIN_NOTIONAL: refused before");
    assert_eq!(gate.reserve(T0, &buy(0, 10)).unwrap_err().code, RiskCode::RequestConflict);
    assert_eq!(gate.cancel(T0, client_order_id(name("main"), 0)).unwrap_err().code, RiskCode::OrderFinal);

    // An hour later one with a later deadline still is, and what came behind it.
    let late = T0 + KEEP_NS + 1;
    quote(&mut gate, late);
    gate.reserve(late, &buy(many + 1, 1)).unwrap_err();
    assert!(gate.knows(client_order_id(name("main"), 0)));
    let digest = gate.state_digest();
    drop(gate);
    let (mut gate, _) = file.open(RiskLimits::default(), late);
    assert_eq!((gate.state_digest(), gate.rejected_requests()), (digest, many as u64 + 2));
    assert_eq!(gate.reserve(late, &buy(0, 1)).unwrap_err().to_string(), "MIN_NOTIONAL: refused before");

    // Behind the deadline it is forgotten, and refused by its deadline.
    gate.set_reconciling(false);
    let later = deadline_ns + 1;
    quote(&mut gate, later);
    gate.reserve(later, &buy(many + 2, 1)).unwrap_err();
    assert!(!gate.knows(client_order_id(name("main"), many)) && !gate.knows(client_order_id(name("main"), 0)));
    let again = OrderRequest { deadline_ns, ..buy(many, 1) };
    assert_eq!(gate.reserve(later, &again).unwrap_err().code, RiskCode::Expired);
    let digest = gate.state_digest();
    drop(gate);
    assert_eq!(file.open(RiskLimits::default(), later).0.state_digest(), digest);

    let mut gate = self::gate(RiskLimits::default());
    for id in 0..MAX_KNOWN as u128 + 1 {
        gate.reserve(T0, &buy(id, 1)).unwrap_err();
    }
    let known = |id| gate.knows(client_order_id(name("main"), id));
    assert!(!known(0) && known(1) && known(MAX_KNOWN as u128));
}

#[test]
fn an_execution_of_a_refused_request_is_booked_and_stops_new_orders() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    gate.reserve(T0, &buy(1, 1)).unwrap_err();
    let id = client_order_id(name("main"), 1);
    for outcome in [cancelled(), VenueOutcome::NotFound] {
        assert!(gate.on_report(T0, &report(id, outcome)).unwrap().is_empty());
    }
    let events = gate.on_report(T0, &filled(id, 1, PRICE, 1)).unwrap();
    let incident = events.last().unwrap();
    assert!(matches!(incident, GateEvent::Incident(incident) if incident.code == IncidentCode::FillAfterRejection));
    assert!(gate.on_report(T0, &filled(id, 1, PRICE, 1)).unwrap().is_empty(), "once");
    assert_eq!(gate.account().position(linear().id).unwrap().size, 1);
    assert_eq!(gate.reserve(T0, &buy(1, 1)).unwrap_err().code, RiskCode::MinNotional, "its outcome stays");
    assert_eq!((gate.orders().count(), gate.order_counts()[&OrderStatus::Rejected]), (1, 1));
    let digest = gate.state_digest();
    drop(gate);
    assert_eq!(file.open(RiskLimits::default(), T0).0.state_digest(), digest);
}

#[test]
fn the_latch_holds_through_a_restart_and_cancels_pass() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    assert_eq!(gate.kill(T0, "loss").0, [GateEvent::Latched { reason: "loss".into() }]);
    let reasons = "again; before: loss";
    assert_eq!(gate.kill(T0, "again").0, [GateEvent::Latched { reason: reasons.into() }]);
    for known in ["loss", "again"] {
        assert!(gate.kill(T0, known).0.is_empty(), "it stands there already");
    }
    drop(gate);
    let (mut gate, recovered) = file.open(RiskLimits::default(), T0);
    assert!(recovered.killed && gate.kill_reason() == Some(reasons));
    assert_eq!(gate.reserve(T0, &buy(2, 10)).unwrap_err().code, RiskCode::KillSwitch);
    gate.cancel(T0, id).unwrap();
    gate.resume(T0).unwrap();
    drop(gate);
    let (gate, recovered) = file.open(RiskLimits::default(), T0);
    assert!(!gate.is_killed());
    assert_eq!(recovered.cancelling, [id]);
}

#[test]
fn an_approval_of_before_the_latch_is_void_behind_a_resume() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    quote(&mut gate, T0);
    let [before, after] = [1, 2].map(|id| buy(id, 10));
    let approval = gate.reserve(T0, &before).unwrap();
    gate.kill(T0, "loss").1.unwrap();
    gate.resume(T0).unwrap();
    let refused = gate.spend(T0, &approval).unwrap_err();
    assert_eq!((refused.code, gate.stats().spent), (RiskCode::KillSwitch, 0));
    place(&mut gate, T0, &after).unwrap();
}

#[test]
fn not_found_is_final_only_behind_the_window_and_twice() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    drop(gate);
    let (mut gate, recovered) = file.open(RiskLimits::default(), T0);
    assert_eq!(recovered.unanswered.len(), 1);
    assert_eq!(gate.reserve(T0, &buy(2, 10)).unwrap_err().code, RiskCode::Reconciling);
    gate.set_reconciling(false);
    let over = T0 + 10 * SECOND;
    let not_found = |ts_venue_ns| VenueReport { ts_venue_ns, ..report(id, VenueOutcome::NotFound) };
    for ts in [T0, over, over + 1, over + 1] {
        assert!(gate.on_report(T0, &not_found(ts)).unwrap().is_empty());
        assert_eq!(gate.reserved(linear().id), Some((10, 0)), "still held");
    }
    assert_eq!(gate.stats().undecided, 3, "inside the window twice, and the same answer twice");
    let events = gate.on_report(T0, &not_found(over + 2)).unwrap();
    assert!(matches!(&events[..], [GateEvent::Order(order)]
        if order.status == OrderStatus::Rejected && order.reason == "NOT_FOUND"));
    assert_eq!(gate.reserved(linear().id), Some((0, 0)));
    assert_eq!(gate.reserve(T0, &buy(1, 10)).unwrap_err().code, RiskCode::DuplicateRequest, "never sent again");
}

#[test]
fn an_answer_in_between_starts_the_count_of_not_found_anew() {
    let mut gate = gate(RiskLimits::default());
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    let not_found = |s| VenueReport { ts_venue_ns: T0 + s * SECOND, ..report(id, VenueOutcome::NotFound) };
    gate.on_report(T0, &not_found(11)).unwrap();
    gate.on_report(T0, &report(id, VenueOutcome::Accepted)).unwrap();
    assert!(gate.on_report(T0, &not_found(12)).unwrap().is_empty());
    gate.on_report(T0, &not_found(13)).unwrap();
    assert_eq!(status(&gate, id), OrderStatus::Cancelled, "it worked once, so it is gone, not refused");
}

#[test]
fn what_the_venue_says_again_takes_a_not_found_back() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    let at = |s: i64, outcome| VenueReport { ts_venue_ns: T0 + s * SECOND, ..report(id, outcome) };
    let fill = |trade_id| filled(id, trade_id, PRICE, 2).outcome;
    let refused = || VenueOutcome::CancelRejected { detail: "busy".into() };
    gate.on_report(T0, &at(1, VenueOutcome::Accepted)).unwrap();
    // A replica of the venue that lags, each time for one answer.
    let mut now_s = 20;
    let again = [VenueOutcome::Accepted, refused(), fill(1), fill(1), VenueOutcome::Accepted];
    for outcome in again {
        assert!(gate.on_report(T0, &at(now_s, VenueOutcome::NotFound)).unwrap().is_empty());
        gate.on_report(T0, &at(now_s + 1, outcome)).unwrap();
        drop(gate);
        // A restart has not forgotten that the order was there.
        gate = file.open(RiskLimits::default(), T0).0;
        assert!(gate.on_report(T0, &at(now_s + 2, VenueOutcome::NotFound)).unwrap().is_empty());
        gate.on_report(T0, &at(now_s + 3, VenueOutcome::Accepted)).unwrap();
        now_s += 10;
    }
    assert_eq!((status(&gate, id), gate.order(id).unwrap().filled), (OrderStatus::PartiallyFilled, 2));
    assert_eq!(gate.open_orders().count(), 1);
    // What is known of an order that nobody missed is not written down again.
    let sequence = gate.sequence();
    gate.on_report(T0, &at(now_s, VenueOutcome::Accepted)).unwrap();
    gate.on_report(T0, &at(now_s, fill(1))).unwrap();
    assert_eq!(gate.sequence(), sequence);
}

#[test]
fn an_order_that_works_behind_its_end_is_an_incident_until_it_is_gone() {
    let no = || VenueOutcome::Rejected { code: "-2010".into(), detail: "no".into() };
    // Rejected by the venue; taken for lost before and behind its acceptance; refused by the gate.
    for (way, gone) in [(0, no()), (1, cancelled()), (2, VenueOutcome::Expired), (3, VenueOutcome::NotFound)] {
        let file = TempLog::new();
        let (mut gate, _) = file.open(RiskLimits::default(), T0);
        let id = match way {
            3 => {
                gate.reserve(T0, &buy(1, 1)).unwrap_err();
                client_order_id(name("main"), 1)
            }
            _ => place(&mut gate, T0, &buy(1, 10)).unwrap(),
        };
        let at = |s: i64, outcome| VenueReport { ts_venue_ns: T0 + s * SECOND, ..report(id, outcome) };
        let before = match way {
            0 => vec![no()],
            1 => vec![VenueOutcome::NotFound, VenueOutcome::NotFound],
            2 => vec![VenueOutcome::Accepted, VenueOutcome::NotFound, VenueOutcome::NotFound],
            _ => vec![],
        };
        for (s, outcome) in before.into_iter().enumerate() {
            gate.on_report(T0, &at(20 + s as i64, outcome)).unwrap();
        }
        let status = gate.order(id).unwrap().status;
        let told = gate.on_report(T0, &at(30, VenueOutcome::Accepted)).unwrap();
        assert!(matches!(&told[..], [GateEvent::Incident(incident)]
            if incident.code == IncidentCode::AcceptedAfterEnd && incident.client_order_id == id));
        assert!(gate.on_report(T0, &at(31, VenueOutcome::Accepted)).unwrap().is_empty(), "told once");
        assert_eq!((gate.stats().conflicts, gate.stats().incidents), (2, 1));
        assert_eq!((gate.order(id).unwrap().status, gate.reserved(linear().id)), (status, Some((0, 0))));
        assert_eq!(gate.reserve(T0, &buy(2, 10)).unwrap_err().code, RiskCode::Incident);
        let digest = gate.state_digest();
        drop(gate);
        let (mut gate, _) = file.open(RiskLimits::default(), T0);
        assert_eq!(gate.state_digest(), digest);
        assert_eq!(gate.strays().collect::<Vec<_>>(), [id], "the next process cancels it");

        gate.resume(T0).unwrap();
        assert!(gate.is_stray(id));
        assert_eq!(gate.on_report(T0, &at(32, VenueOutcome::Accepted)).unwrap().len(), 1, "it still works there");
        gate.on_report(T0, &at(33, gone)).unwrap();
        assert!(!gate.is_stray(id));
        drop(gate);
        assert_eq!(file.open(RiskLimits::default(), T0).0.strays().count(), 0);
    }
}

#[test]
fn a_stray_that_is_executed_whole_is_gone() {
    let mut gate = gate(RiskLimits::default());
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    for (s, outcome) in [(20, VenueOutcome::NotFound), (21, VenueOutcome::NotFound), (22, VenueOutcome::Accepted)] {
        gate.on_report(T0, &VenueReport { ts_venue_ns: T0 + s * SECOND, ..report(id, outcome) }).unwrap();
    }
    gate.on_report(T0, &filled(id, 1, PRICE, 4)).unwrap();
    assert!(gate.is_stray(id));
    gate.on_report(T0, &filled(id, 2, PRICE, 6)).unwrap();
    assert!(!gate.is_stray(id));
    assert_eq!(gate.account().position(linear().id).unwrap().size, 10);
}

#[test]
fn a_rejection_of_what_works_is_an_incident_and_the_order_stays() {
    let mut gate = gate(RiskLimits::default());
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    let no = || report(id, VenueOutcome::Rejected { code: "-2010".into(), detail: "no".into() });
    gate.on_report(T0, &report(id, VenueOutcome::Accepted)).unwrap();
    let told = gate.on_report(T0, &no()).unwrap();
    assert!(matches!(&told[..], [GateEvent::Incident(incident)]
        if incident.code == IncidentCode::RejectedAfterAcceptance && incident.detail.ends_with("-2010 no")));
    assert!(gate.on_report(T0, &no()).unwrap().is_empty(), "told once");
    assert_eq!((status(&gate, id), gate.reserved(linear().id)), (OrderStatus::Accepted, Some((10, 0))));
    assert_eq!((gate.open_orders().count(), gate.strays().count()), (1, 0));
    gate.resume(T0).unwrap();
    assert_eq!(gate.on_report(T0, &no()).unwrap().len(), 1, "it says so still");
    gate.on_report(T0, &filled(id, 1, PRICE, 10)).unwrap();
    assert!(gate.on_report(T0, &no()).unwrap().is_empty(), "of an order that is over it is late");
}

#[test]
fn two_not_founds_of_different_hours_do_not_agree() {
    let mut gate = gate(RiskLimits::default());
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    let not_found = |s| VenueReport { ts_venue_ns: T0 + s * SECOND, ..report(id, VenueOutcome::NotFound) };
    for s in [20, 3_620, 3_921] {
        assert!(gate.on_report(T0, &not_found(s)).unwrap().is_empty());
        assert_eq!(gate.reserved(linear().id), Some((10, 0)), "still held");
    }
    assert_eq!(gate.on_report(T0, &not_found(3_921 + 300)).unwrap().len(), 1);
    assert_eq!(status(&gate, id), OrderStatus::Rejected);
}

#[test]
fn unconfirmed_events_are_handed_out_again() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    gate.confirm(gate.sequence()).unwrap();
    let events = gate.on_report(T0, &filled(id, 1, PRICE, 10)).unwrap();
    let sequence = gate.sequence();
    drop(gate);
    let (mut gate, recovered) = file.open(RiskLimits::default(), T0);
    let (sequences, again): (Vec<_>, Vec<_>) = recovered.unconfirmed.into_iter().unzip();
    assert_eq!(again[..2], events[..2]);
    assert!(sequences.iter().all(|at| *at == sequence));
    gate.confirm(sequence).unwrap();
    drop(gate);
    assert!(file.open(RiskLimits::default(), T0).1.unconfirmed.is_empty());
}

#[test]
fn a_daily_loss_holds_until_the_next_day_restart_or_not() {
    let limits = || RiskLimits { max_daily_loss: Some(money(100)), ..RiskLimits::default() };
    let file = TempLog::new();
    let (mut gate, _) = file.open(limits(), T0);
    trade(&mut gate, &buy(1, 100), PRICE); // 0.1 BTC: a dollar costs ten cents
    assert_eq!(gate.on_quote(linear().id, PRICE - 100_000, PRICE, T0, T0), None, "100 is the limit, not over it");
    let breach = gate.on_quote(linear().id, PRICE - 100_010, PRICE, T0, T0).unwrap();
    assert_eq!((breach.code, breach.value), (RiskCode::DailyLoss, money(10_001) / 100));
    assert_eq!(gate.on_quote(linear().id, PRICE - 100_020, PRICE, T0, T0), None, "told once");
    quote(&mut gate, T0);
    let refused = gate.reserve(T0, &buy(2, 10)).unwrap_err();
    assert_eq!(refused.to_string(), "DAILY_LOSS: limit 100 USDT, value 100.01 USDT");
    gate.resume(T0).unwrap();
    drop(gate);
    let (mut gate, _) = file.open(limits(), T0);
    assert_eq!(gate.reserve(T0, &buy(3, 10)).unwrap_err().code, RiskCode::DailyLoss);
    let tomorrow = T0 + 86_400 * SECOND;
    quote(&mut gate, tomorrow);
    gate.reserve(tomorrow, &buy(4, 10)).unwrap();
}

#[test]
fn a_drawdown_is_measured_from_a_peak_that_restarts_remember() {
    let limits = || RiskLimits { max_drawdown_bps: Some(100), ..RiskLimits::default() };
    let file = TempLog::new();
    let (mut gate, _) = file.open(limits(), T0);
    trade(&mut gate, &buy(1, 100), PRICE);
    let usdt = |gate: &Gate| *gate.account().balance(name("USDT")).unwrap();
    gate.on_quote(linear().id, PRICE + 1_000_000, PRICE + 1_000_010, T0, T0); // equity 11,000
    assert_eq!(usdt(&gate).peak, money(11_000));
    drop(gate);
    let (mut gate, _) = Gate::open(file.config(limits()), T0).unwrap();
    gate.set_reconciling(false);
    assert_eq!(usdt(&gate).peak, money(11_000));
    let breach = gate.on_quote(linear().id, PRICE, PRICE + 10, T0, T0).unwrap();
    assert_eq!((breach.code, breach.value), (RiskCode::Drawdown, 909));
    assert_eq!(gate.reserve(T0, &buy(2, 10)).unwrap_err().to_string(), "DRAWDOWN: limit 1 %, value 9.09 %, USDT");
    gate.resume(T0).unwrap();
    assert_eq!(usdt(&gate).peak, money(10_000));
    gate.reserve(T0, &buy(3, 10)).unwrap();
}

#[test]
fn a_loss_booked_by_a_fill_is_seen_at_once() {
    let mut gate = gate(RiskLimits { max_daily_loss: Some(money(50)), ..RiskLimits::default() });
    trade(&mut gate, &buy(1, 100), PRICE);
    let events = trade(&mut gate, &sell(2, 100), PRICE - 60_000);
    assert!(matches!(events.last(), Some(GateEvent::Breach(breach)) if breach.value == money(60)));
}

#[test]
fn a_loss_stops_what_was_approved_before_it() {
    let mut gate = gate(RiskLimits { max_daily_loss: Some(money(50)), ..RiskLimits::default() });
    trade(&mut gate, &buy(1, 100), PRICE);
    let approval = gate.reserve(T0, &buy(2, 10)).unwrap();
    gate.on_quote(linear().id, PRICE - 60_000, PRICE, T0, T0).unwrap();
    assert_eq!(gate.spend(T0, &approval).unwrap_err().code, RiskCode::DailyLoss);
    assert_eq!(gate.reserved(linear().id), Some((0, 0)));
}

#[test]
fn an_instrument_in_use_keeps_its_decimals() {
    let mut gate = gate(RiskLimits::default());
    place(&mut gate, T0, &buy(1, 10)).unwrap();
    let other = Instrument { size_decimals: 4, ..linear() };
    assert!(matches!(gate.set_instrument(other), Err(GateError::Definition { .. })));
    gate.set_instrument(Instrument { taker_fee: 1, tick_size: 100, ..linear() }).unwrap();
    gate.set_instrument(Instrument { size_decimals: 4, ..spot() }).unwrap();
}

#[test]
fn an_account_keeps_its_opening_and_its_log() {
    let file = TempLog::new();
    drop(file.open(RiskLimits::default(), T0));
    let mut config = file.config(RiskLimits::default());
    config.opening = vec![(name("USDT"), money(1))];
    let (gate, recovered) = Gate::open(config.clone(), T0).unwrap();
    assert_eq!((recovered.epoch, gate.epoch()), (2, 2));
    assert_eq!(gate.account().equity(name("USDT")), Some(money(10_000)), "only a new log takes an opening balance");
    let second = Gate::open(config.clone(), T0).err().unwrap();
    assert!(second.to_string().contains("another process owns this log"));
    drop(gate);
    config.account = name("other");
    assert!(matches!(Gate::open(config, T0), Err(GateError::WrongAccount { .. })));
}

#[test]
fn strategies_find_their_open_orders() {
    let mut gate = gate(RiskLimits::default());
    for (id, strategy) in [(1, "sma"), (2, "rsi"), (3, "sma")] {
        place(&mut gate, T0, &OrderRequest { strategy: name(strategy), ..buy(id, 10) }).unwrap();
    }
    let of_sma: Vec<_> = gate.open_orders_of(name("sma")).map(|order| order.request.request_id).collect();
    assert_eq!(of_sma, [1, 3]);
    assert_eq!(gate.open_orders().count(), 3);
}
