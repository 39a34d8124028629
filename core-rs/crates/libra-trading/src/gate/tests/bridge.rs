//! New orders leave only while the node's bridge is sound; cancels always do.

use std::sync::Arc;

use libra_kernel::bridge_state::BridgeState;

use super::*;
use crate::risk::RiskCode;

fn joined() -> (Gate, Arc<BridgeState>) {
    let (mut gate, bridge) = (gate(RiskLimits::default()), Arc::new(BridgeState::default()));
    gate.set_bridge(bridge.clone());
    (gate, bridge)
}

/// The code, the limit and the value of the refusal that a new order gets; `None` for one that is approved.
fn refusal(gate: &mut Gate, id: u128) -> Option<(RiskCode, String, String)> {
    gate.reserve(T0, &buy(id, 10)).err().map(|why| (why.code, why.limit, why.value))
}

fn unsound(limit: &str, value: &str) -> Option<(RiskCode, String, String)> {
    Some((RiskCode::BridgeUnsound, limit.to_owned(), value.to_owned()))
}

#[test]
fn a_gap_and_a_full_outbox_stop_new_orders_while_they_last() {
    let (mut gate, bridge) = joined();
    bridge.set_gap(Some("ORDERS:all:other"));
    assert_eq!(refusal(&mut gate, 1), unsound("no gap", "ORDERS:all:other"));
    bridge.set_gap(None);
    assert_eq!(refusal(&mut gate, 2), None);
    bridge.set_full(Some(("RISK:all:us", 93)));
    assert_eq!(refusal(&mut gate, 3), unsound("80 %", "93 % of RISK:all:us"));
    bridge.set_full(None);
    assert_eq!(refusal(&mut gate, 4), None);
}

#[test]
fn cancels_pass_and_what_was_approved_does_not_leave() {
    let (mut gate, bridge) = joined();
    let open = place(&mut gate, T0, &buy(1, 10)).unwrap();
    let approved = gate.reserve(T0, &buy(2, 10)).unwrap();
    bridge.set_gap(Some("RISK:all:other"));
    assert_eq!(gate.spend(T0, &approved).unwrap_err().code, RiskCode::BridgeUnsound);
    assert_eq!(gate.holds_back(), Some(RiskCode::BridgeUnsound), "nor does what a gateway has not begun to send");
    assert!(gate.cancel(T0, open).is_ok());
}

#[test]
fn a_loss_stops_until_a_resume() {
    let (mut gate, bridge) = joined();
    for (id, on_risk) in [(1, true), (2, false)] {
        bridge.lose(on_risk, "3 events".into());
        assert_eq!(refusal(&mut gate, id), unsound("no loss", "3 events"));
        gate.resume(T0).unwrap();
        assert_eq!(refusal(&mut gate, id + 10), None);
    }
}

#[test]
fn a_reconciliation_makes_up_for_lost_orders_but_not_for_a_lost_kill_switch() {
    let (mut gate, bridge) = joined();
    gate.set_reconciling(true);
    bridge.lose(false, "while it went on".into());
    gate.set_reconciling(false);
    assert_eq!(refusal(&mut gate, 1), unsound("no loss", "while it went on"), "it had begun before");
    gate.set_reconciling(true);
    gate.set_reconciling(false);
    assert_eq!(refusal(&mut gate, 2), None);
    bridge.lose(true, "on risk".into());
    gate.set_reconciling(true);
    gate.set_reconciling(false);
    assert_eq!(refusal(&mut gate, 3), unsound("no loss", "on risk"));
}

#[test]
fn a_loss_behind_the_look_is_not_taken_back_with_what_was_looked_at() {
    let (mut gate, bridge) = joined();
    bridge.lose(true, "the first".into());
    let (seen, losses) = (gate.stops(), gate.bridge_losses());
    bridge.lose(false, "the second".into());
    assert!(gate.stops() > seen && gate.stops_with(losses) == seen);
    gate.resume_with(T0, losses).unwrap();
    assert_eq!(refusal(&mut gate, 1), unsound("no loss", "the second"));
    gate.resume_with(T0, gate.bridge_losses()).unwrap();
    assert_eq!(refusal(&mut gate, 2), None);
}

#[test]
fn a_fence_is_for_good_and_an_earlier_loss_is_none_of_ours() {
    let bridge = Arc::new(BridgeState::default());
    bridge.lose(true, "before".into());
    let mut gate = gate(RiskLimits::default());
    gate.set_bridge(bridge.clone());
    assert_eq!(refusal(&mut gate, 1), None);
    bridge.fence("epoch 9");
    gate.resume(T0).unwrap();
    assert_eq!(refusal(&mut gate, 2), unsound("one life", "epoch 9"));
}
