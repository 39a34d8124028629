//! A run whose file is cut at every byte: behind its header it always opens, and the account is what it was after some
//! record; within its header it never does.

use std::fs;

use super::*;

#[test]
fn a_log_cut_at_any_byte_is_a_prefix_of_the_run() {
    let file = TempLog::new();
    let mut states: Vec<(u64, String)> = Vec::new();
    let mut note = |gate: &Gate| {
        let length = fs::metadata(&file.0).unwrap().len();
        states.push((length, gate.state_digest()));
    };
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    note(&gate);
    let approval = gate.reserve(T0, &buy(1, 10)).unwrap();
    let first = gate.spend(T0, &approval).unwrap().client_order_id;
    note(&gate);
    gate.mark_submitted(T0, first).unwrap();
    note(&gate);
    for outcome in [VenueOutcome::Accepted, filled(first, 1, PRICE, 4).outcome] {
        gate.on_report(T0, &report(first, outcome)).unwrap();
        note(&gate);
    }
    let spot_order = place(&mut gate, T0, &on_spot(buy(2, 10_000))).unwrap();
    note(&gate);
    assert!(gate.reserve(T0, &buy(3, 1)).is_err());
    note(&gate);
    gate.on_report(T0, &filled(spot_order, 1, PRICE - 30, 3_333)).unwrap();
    note(&gate);
    gate.cancel(T0, first).unwrap();
    note(&gate);
    gate.kill(T0, "test").1.unwrap();
    note(&gate);
    gate.on_report(T0, &report(first, VenueOutcome::Cancelled { reason: "REQUESTED".into() })).unwrap();
    note(&gate);
    drop(gate);

    let whole = fs::read(&file.0).unwrap();
    let first_state = states[0].0 as usize;
    for length in 1..16 {
        fs::write(&file.0, &whole[..length]).unwrap();
        let error = Gate::open(file.config(RiskLimits::default()), T0).err().unwrap().to_string();
        assert!(error.contains(&format!("cut off, {length} of the 16 bytes")), "{error}");
        assert_eq!(fs::read(&file.0).unwrap(), whole[..length], "left as it is");
    }
    for length in [0].into_iter().chain(16..=whole.len()) {
        fs::write(&file.0, &whole[..length]).unwrap();
        let (mut gate, recovered) = file.open(RiskLimits::default(), T0);
        if length >= first_state {
            let (at, digest) = states.iter().rfind(|(at, _)| *at as usize <= length).unwrap();
            assert_eq!(&gate.state_digest(), digest, "cut at {length}");
            assert_eq!(recovered.torn.map_or(0, |torn| torn.bytes), length as u64 - at, "cut at {length}");
        } else {
            assert_eq!(gate.orders().count(), 0);
            assert_eq!(gate.account().equity(name("USDT")), Some(money(10_000)), "cut at {length}");
        }
        // What was cut goes on from there, and the file stays whole.
        gate.set_reconciling(false);
        gate.resume(T0).unwrap();
        place(&mut gate, T0, &buy(100, 10)).unwrap();
        let digest = gate.state_digest();
        drop(gate);
        let (gate, recovered) = file.open(RiskLimits::default(), T0);
        assert_eq!(recovered.torn, None);
        assert_eq!(gate.state_digest(), digest, "cut at {length}");
    }
}

#[test]
fn a_latch_that_was_taken_back_is_not_handed_out_again() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let told = |recovered: Recovered| recovered.unconfirmed.into_iter().map(|(_, event)| event).collect::<Vec<_>>();
    gate.kill(T0, "first").1.unwrap();
    gate.resume(T0).unwrap();
    drop(gate);
    let (mut gate, recovered) = file.open(RiskLimits::default(), T0);
    assert_eq!(told(recovered), [GateEvent::Resumed], "said anew it would stop whoever hears of it");
    gate.kill(T0, "second").1.unwrap();
    drop(gate);
    let (_, recovered) = file.open(RiskLimits::default(), T0);
    assert_eq!(told(recovered), [GateEvent::Resumed, GateEvent::Latched { reason: "second".into() }]);
}
