//! What a passed loss limit lets through, and what it takes from the book.

use super::*;
use crate::gate::OnBreach;
use crate::risk::RiskCode;

/// An account that is long 100 and has lost more than it may; `open` was placed before.
fn lost(on_breach: OnBreach, open: &[OrderRequest]) -> (Gate, Vec<ClientOrderId>) {
    let limits = RiskLimits { max_daily_loss: Some(money(50)), ..RiskLimits::default() };
    let (mut gate, _) = Gate::open(GateConfig { on_breach, ..config(limits) }, T0).unwrap();
    quote(&mut gate, T0);
    trade(&mut gate, &buy(1, 100), PRICE);
    let open = open.iter().map(|request| place(&mut gate, T0, request).unwrap()).collect();
    gate.on_quote(linear().id, PRICE - 60_000, PRICE, T0, T0).unwrap();
    (gate, open)
}

fn code(gate: &mut Gate, request: &OrderRequest) -> Option<RiskCode> {
    gate.reserve(T0, request).err().map(|refused| refused.code)
}

const REFUSED: Option<RiskCode> = Some(RiskCode::DailyLoss);

#[test]
fn orders_that_reduce_pass_as_far_as_the_position_goes() {
    let (mut gate, _) = lost(OnBreach::ReduceOnly, &[]);
    assert_eq!(code(&mut gate, &buy(10, 10)), REFUSED);
    assert_eq!(code(&mut gate, &sell(11, 101)), REFUSED, "it would turn the position");
    assert_eq!(code(&mut gate, &sell(12, 60)), None);
    assert_eq!(code(&mut gate, &sell(13, 41)), REFUSED, "together they would turn it");
    assert_eq!(code(&mut gate, &sell(14, 40)), None, "to zero, all of it");
    assert_eq!(code(&mut gate, &sell(15, 10)), REFUSED);
    assert_eq!(gate.standstill().unwrap().code, RiskCode::DailyLoss);
    // The kill switch stays what it is.
    gate.kill(T0, "enough").1.unwrap();
    assert_eq!(code(&mut gate, &sell(16, 10)), Some(RiskCode::KillSwitch));
}

#[test]
fn an_approval_that_reduces_is_good_and_is_measured_again_when_it_is_spent() {
    let (mut gate, open) = lost(OnBreach::ReduceOnly, &[sell(9, 40)]);
    gate.on_report(T0, &report(open[0], VenueOutcome::Cancelled { reason: String::new() })).unwrap();
    let approvals = [sell(10, 50), sell(11, 50)].map(|request| gate.reserve(T0, &request).unwrap());
    // An execution of what is cancelled, late: the position is smaller than what was approved.
    gate.on_report(T0, &filled(open[0], 7, PRICE, 40)).unwrap();
    assert_eq!(gate.spend(T0, &approvals[0]).unwrap_err().code, RiskCode::DailyLoss);
    gate.spend(T0, &approvals[1]).unwrap();
}

#[test]
fn of_what_is_open_the_older_ones_that_reduce_stay() {
    let orders = [buy(10, 10), sell(11, 60), sell(12, 60), sell(13, 40)];
    let (mut gate, open) = lost(OnBreach::ReduceOnly, &orders);
    assert_eq!(
        gate.exceeding_orders(),
        [open[0], open[2], open[3]],
        "what has to go may still fill, before the last one"
    );
    gate.cancel(T0, open[0]).unwrap();
    assert_eq!(gate.exceeding_orders(), [open[2], open[3]], "one whose cancel is under way is not asked for");
    gate.cancel(T0, open[2]).unwrap();
    assert_eq!(gate.exceeding_orders(), [open[3]], "and takes its part all the same");
    // Its cancel comes too late: the position is shorter by what it sold.
    gate.on_report(T0, &filled(open[2], 7, PRICE, 60)).unwrap();
    assert_eq!(gate.exceeding_orders(), [open[1], open[3]], "the oldest goes beyond it now");
    gate.on_report(T0, &report(open[1], VenueOutcome::Cancelled { reason: String::new() })).unwrap();
    assert!(gate.exceeding_orders().is_empty(), "the last one fits, alone");
    assert!(super::gate(RiskLimits::default()).exceeding_orders().is_empty());
}

#[test]
fn a_short_is_reduced_by_buys() {
    let limits = RiskLimits { max_daily_loss: Some(money(50)), ..RiskLimits::default() };
    let mut gate = gate(limits);
    trade(&mut gate, &sell(1, 100), PRICE);
    let open = [buy(10, 100), sell(11, 10)].map(|request| place(&mut gate, T0, &request).unwrap());
    gate.on_quote(linear().id, PRICE, PRICE + 60_000, T0, T0).unwrap();
    assert_eq!(gate.exceeding_orders(), [open[1]]);
    assert_eq!(code(&mut gate, &buy(12, 10)), REFUSED, "the open one closes it");
}

#[test]
fn an_account_that_halts_lets_nothing_through() {
    let (mut gate, open) = lost(OnBreach::Halt, &[sell(10, 10), buy(11, 10)]);
    assert_eq!(gate.on_breach(), OnBreach::Halt);
    assert_eq!(gate.exceeding_orders(), open);
    assert_eq!(code(&mut gate, &sell(12, 10)), REFUSED);
}
