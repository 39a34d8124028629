//! What hardly ever happens: records that cannot be true, words that do not fit, a disk that fails at the worst time.

use std::fs;
use std::hash::Hasher;
use std::io::Write;

use libra_kernel::SharedPayload;

use super::*;
use crate::gate::codec::{MAX_TEXT, Writer, clip};
use crate::gate::ids::{DerivedHasher, IdHasher};
use crate::gate::log::encode;
use crate::gate::record::Record;
use crate::gate::venue_record::VenueRecord;
use crate::gate::{GateError, client_order_id};
use crate::order::OrderStatus;
use crate::reconcile::{FlowKind, VenueFlow};
use crate::risk::{Breach, InstrumentLimits, RiskCode};

fn append(file: &TempLog, records: &[Record]) {
    let mut log = fs::OpenOptions::new().append(true).open(&file.0).unwrap();
    for record in records {
        let mut writer = Writer::default();
        encode(record, &mut writer).unwrap();
        log.write_all(&writer.bytes).unwrap();
    }
}

#[test]
fn whole_records_that_cannot_be_true_are_damage() {
    let intent = || Record::Intent { now_ns: T0, request: buy(1, 10), hold_price: PRICE, window_end_ns: T0 };
    let id = client_order_id(name("main"), 1).0;
    let refused = Record::Refused { now_ns: T0, strategy: name("sma"), code: RiskCode::OrderRate, ids: vec![id] };
    let fill = || Record::Report { now_ns: T0, report: filled(client_order_id(name("main"), 1), 1, PRICE, 5) };
    let other = Record::Instrument(Box::new(Instrument { size_decimals: 4, ..linear() }));
    let adopted = |client_order_id, request_id| {
        let (venue_order_id, request) = ("v".to_owned(), buy(request_id, 10));
        let client_order_id = ClientOrderId(client_order_id);
        Record::Venue(VenueRecord::Adopted { now_ns: T0, client_order_id, venue_order_id, request })
    };
    let opened = || {
        let (positions, balances, elsewhere) = (Vec::new(), vec![(name("USDT"), money(5))], Vec::new());
        Record::Venue(VenueRecord::Opened { now_ns: T0, ts_venue_ns: T0, positions, balances, elsewhere })
    };
    let flow = || {
        let (kind, currency, symbol) = (FlowKind::Transfer, name("USDT"), Name::NONE);
        let flow = VenueFlow { key: "f-1".into(), kind, currency, amount: money(1), symbol, ts_venue_ns: T0 };
        Record::Venue(VenueRecord::Flow { now_ns: T0, flow })
    };
    let cases = [
        (vec![Record::Epoch { now_ns: T0, epoch: 7, account: name("main") }], "an epoch or an account out of order"),
        (vec![Record::Epoch { now_ns: T0, epoch: 2, account: name("other") }], "an epoch or an account out of order"),
        (vec![intent(), intent()], "a second outcome of one request"),
        (vec![intent(), refused], "a second outcome of one request"),
        (vec![intent(), fill(), fill()], "a fill that was booked before"),
        (vec![intent(), other], "an instrument in use was defined anew"),
        (vec![Record::Submitted { now_ns: T0, client_order_id: ClientOrderId(9) }], "a record of an unknown order"),
        (vec![Record::Limits(limits_changed()), Record::Limits(limits_changed())], "versions of limits out of order"),
        (vec![adopted(7, 7), adopted(7, 7)], "a second outcome of one request"),
        (vec![adopted(7, 8)], "a second outcome of one request"),
        (vec![flow(), flow()], "a flow that was booked before"),
        (vec![opened(), opened()], "an account that has a past was opened"),
        (vec![intent(), opened()], "an account that has a past was opened"),
    ];
    for (records, what) in cases {
        let file = TempLog::new();
        drop(file.open(RiskLimits::default(), T0));
        append(&file, &records);
        let error = Gate::open(file.config(RiskLimits::default()), T0).err().unwrap().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_record_that_the_account_refuses_stops_everything() {
    let mut gate = gate(RiskLimits::default());
    let epoch = Record::Epoch { now_ns: T0, epoch: 9, account: name("main") };
    assert!(matches!(gate.commit(epoch), Err(GateError::Inconsistent(_))));
    assert_eq!(gate.reserve(T0, &buy(1, 10)).unwrap_err().code, RiskCode::LogFailed);
    assert_eq!(gate.holds_back(), Some(RiskCode::LogFailed));
}

#[test]
fn numbers_that_mean_nothing_are_no_record() {
    let inverse = Instrument { kind: ContractKind::Inverse, tradable: false, ..linear() };
    let records = [
        Record::Instrument(Box::new(inverse)),
        Record::Intent { now_ns: T0, request: buy(1, 10), hold_price: PRICE, window_end_ns: T0 },
        Record::Report { now_ns: T0, report: filled(ClientOrderId(1), 1, PRICE, 5) },
        Record::Breach(Breach { code: RiskCode::Drawdown, currency: name("USDT"), limit: 1, value: 2, ts_ns: 3 }),
        Record::Limits(limits_changed()),
    ];
    for record in records {
        let mut writer = Writer::default();
        encode(&record, &mut writer).unwrap();
        let (number, fields) = (writer.bytes[4], &writer.bytes[5..writer.bytes.len() - 4]);
        assert_eq!(Record::decode(number, fields).as_ref(), Some(&record));
        let mut refused = 0;
        for at in 0..fields.len() {
            let mut bytes = fields.to_vec();
            bytes[at] = 0xee;
            match Record::decode(number, &bytes) {
                Some(other) => assert_ne!(other, record),
                None => refused += 1,
            }
        }
        assert!(refused > 0, "{record:?}");
    }
}

#[test]
fn a_text_that_no_record_holds_is_refused_and_the_log_goes_on() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let endless = |id| OrderRequest { strategy: name(&"s".repeat(MAX_TEXT + 1)), ..buy(id, 10) };
    let approval = gate.reserve(T0, &endless(1)).unwrap();
    assert_eq!(gate.spend(T0, &approval).unwrap_err().code, RiskCode::LogFailed);
    assert_eq!(gate.reserved(linear().id), Some((0, 0)));
    // One that lapses instead leaves nothing behind either.
    gate.reserve(T0, &endless(3)).unwrap();
    assert!(gate.on_time(T0 + 2 * SECOND).is_empty());
    assert_eq!((gate.outstanding(), gate.reserved(linear().id)), (0, Some((0, 0))));
    for id in [1, 3] {
        assert_eq!(gate.reserve(T0, &endless(id)).unwrap_err().code, RiskCode::LogFailed, "refused for good");
    }
    quote(&mut gate, T0 + 2 * SECOND);
    place(&mut gate, T0 + 2 * SECOND, &buy(2, 10)).unwrap();
    // A character is not cut in two.
    let text = "a".repeat(MAX_TEXT - 1) + "é";
    assert_eq!(clip(&text).len(), MAX_TEXT - 1);
}

#[test]
fn a_disk_that_does_not_take_it_closes_the_log() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    gate.log.break_writes();
    assert!(gate.flush().unwrap_err().to_string().contains("os error"), "it cannot be forced to the disk");
    assert!(gate.kill(T0, "x").1.unwrap_err().to_string().contains("the log is closed"), "and nobody tries again");
    let refused = gate.reserve(T0, &buy(1, 10)).unwrap_err().to_string();
    assert!(refused.starts_with("LOG_FAILED") && refused.contains("the refusal was KILL_SWITCH"), "{refused}");
    let mut simulated = super::gate(RiskLimits::default());
    simulated.flush().unwrap();
    assert!(simulated.log_fd().unwrap().is_none());
}

#[test]
fn a_refusal_that_the_log_did_not_take_is_final_and_in_it_later() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    quote(&mut gate, T0);
    let approval = gate.reserve(T0, &buy(1, 10)).unwrap();
    gate.break_log();
    assert_eq!(gate.spend(T0, &approval).unwrap_err().code, RiskCode::LogFailed);
    for _ in 0..2 {
        // Also while the log still fails.
        assert_eq!(gate.reserve(T0, &buy(2, 10)).unwrap_err().code, RiskCode::LogFailed);
    }
    gate.mend_log();
    gate.resume(T0).unwrap();
    let id = |request_id| client_order_id(name("main"), request_id);
    let refused = |gate: &mut Gate, request_id| {
        assert!(gate.refused(id(request_id)) && gate.knows(id(request_id)));
        assert_eq!(gate.reserve(T0, &buy(request_id, 11)).unwrap_err().code, RiskCode::RequestConflict);
        assert_eq!(gate.reserve(T0, &buy(request_id, 10)).unwrap_err().code, RiskCode::LogFailed);
        assert_eq!(gate.order(id(request_id)).unwrap().status, OrderStatus::Rejected, "the log has it now");
    };
    for request_id in [1, 1, 2, 2] {
        refused(&mut gate, request_id);
    }
    assert!(!gate.refused_unlogged(id(1)) && !gate.refused_unlogged(id(2)));
    assert_eq!(gate.rejected_requests(), 2);
    place(&mut gate, T0, &buy(3, 10)).unwrap();
    drop(gate);
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    refused(&mut gate, 1);
}

#[test]
fn a_loss_counts_when_the_log_fails() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits { max_daily_loss: Some(money(50)), ..RiskLimits::default() }, T0);
    trade(&mut gate, &buy(1, 100), PRICE);
    gate.log.break_writes();
    let breach = gate.on_quote(linear().id, PRICE - 60_000, PRICE, T0, T0).unwrap();
    assert_eq!(gate.breaches(), [breach]);
    assert_eq!(gate.on_quote(linear().id, PRICE - 60_000, PRICE, T0, T0), None, "told once");
}

#[test]
fn what_a_refused_request_may_be_told() {
    let mut gate = gate(RiskLimits::default());
    gate.reserve(T0, &buy(1, 1)).unwrap_err();
    let id = client_order_id(name("main"), 1);
    let no = VenueOutcome::Rejected { code: "-1".into(), detail: String::new() };
    for outcome in [no, VenueOutcome::CancelRejected { detail: String::new() }] {
        assert!(gate.on_report(T0, &report(id, outcome)).unwrap().is_empty());
    }
    assert!(gate.on_report(T0, &report(id, VenueOutcome::Expired)).unwrap().is_empty());
    let stats = gate.stats();
    assert_eq!((stats.duplicates, stats.conflicts, stats.late), (2, 0, 1));
    assert!(gate.mark_submitted(T0, id).unwrap().is_empty());
    assert!(matches!(gate.mark_submitted(T0, ClientOrderId(3)), Err(GateError::UnknownOrder(_))));
    assert_eq!(gate.order(id).unwrap().status, OrderStatus::Rejected);
}

#[test]
fn a_gate_says_how_it_was_set_up_and_refuses_what_makes_no_sense() {
    let limits = RiskLimits { max_orders_per_second: Some(1), ..RiskLimits::default() };
    let mut gate = gate(limits.clone());
    assert_eq!((gate.name(), gate.limits()), (name("main"), &limits));
    let approval = gate.reserve(T0, &buy(1, 10)).unwrap();
    assert_eq!((approval.epoch(), approval.limits_version()), (gate.epoch(), 1));
    assert_eq!(approval.deadline_ns(), T0 + SECOND);
    gate.set_limits(RiskLimits::default()).unwrap();
    gate.reserve(T0, &buy(2, 10)).unwrap();
    let sequence = gate.sequence();
    gate.confirm(sequence).unwrap();
    gate.confirm(sequence).unwrap();
    gate.confirm(u64::MAX).unwrap();
    assert_eq!(gate.sequence(), sequence + 1, "what is confirmed, or not there yet, is not confirmed again");

    let without_a_name = GateConfig { account: Name::NONE, ..config(RiskLimits::default()) };
    assert!(matches!(Gate::open(without_a_name, T0), Err(GateError::Config(_))));
    let backwards = GateConfig { approval_ttl_ns: -1, ..config(RiskLimits::default()) };
    assert!(matches!(Gate::open(backwards, T0), Err(GateError::Config(_))));
}

#[test]
fn reservations_that_do_not_fit_are_refused() {
    let mut gate = gate(RiskLimits::default());
    let huge = Instrument { id: name("HUGE@x"), max_size: i64::MAX, min_notional: 0, ..linear() };
    gate.set_instrument(huge.clone()).unwrap();
    gate.on_quote(huge.id, 10, 10, T0, T0);
    let of = |id, side, size| OrderRequest { instrument: huge.id, ..limit(id, side, size, 10) };
    trade(&mut gate, &of(1, OrderSide::Sell, 100), 10);
    gate.reserve(T0, &of(2, OrderSide::Buy, i64::MAX)).unwrap();
    // The position has room for it, the sum of what is open has not.
    let refused = gate.reserve(T0, &of(3, OrderSide::Buy, 50)).unwrap_err();
    assert_eq!(refused.to_string(), "OVERFLOW: reservations");
    assert_eq!(gate.reserved(huge.id), Some((i64::MAX, 0)));
}

#[test]
fn spot_without_an_inventory_may_go_below_zero() {
    let mut gate = gate(RiskLimits { spot_inventory: false, ..RiskLimits::default() });
    gate.reserve(T0, &on_spot(sell(1, 10_000))).unwrap();
    assert_eq!(gate.account().balance(name("BTC")).unwrap().reserved, money(1) / 10);
}

#[test]
fn a_breach_is_an_event_of_its_kind() {
    let most = InstrumentLimits::default();
    assert_eq!(most.or(InstrumentLimits { max_position: Some(1), ..most }).max_position, Some(1));
    let drawdown = Breach { code: RiskCode::Drawdown, currency: name("USDT"), limit: 1, value: 2, ts_ns: 3 };
    let loss = Breach { code: RiskCode::DailyLoss, ..drawdown };
    assert_eq!(GateEvent::Breach(drawdown).event_type().name(), "DRAWDOWN_WARNING");
    assert_eq!(GateEvent::Breach(loss).event_type().name(), "RISK_LIMIT_BREACH");
    assert_eq!(drawdown.kind(), "risk_breach");
    assert_eq!(SharedPayload::as_any(&drawdown).downcast_ref(), Some(&drawdown));
}

#[test]
fn a_reservation_that_does_not_fit_leaves_nothing_behind() {
    let mut gate = gate(RiskLimits::default());
    let slot = gate.state.account.slot(spot().id).unwrap();
    let holds = |gate: &Gate| {
        let desk = &gate.state.desks[slot];
        let reserved: Vec<_> = gate.account().balances().iter().map(|balance| balance.reserved).collect();
        (desk.open_buy, desk.open_sell, desk.orders.total(), gate.state.orders.total(), reserved)
    };
    let full = Money::MAX - 1;
    gate.state.reserve(slot, OrderSide::Buy, 5, full, (0, 1)).unwrap();
    let before = holds(&gate);
    for (size, held, orders) in [(7, 2, 1), (i64::MAX, 0, 1), (1, 0, -2), (-1, 1, i32::MIN)] {
        assert_eq!(gate.state.reserve(slot, OrderSide::Buy, size, held, (0, orders)), None);
        assert_eq!(holds(&gate), before, "{size} {held} {orders}");
    }
    gate.state.reserve(slot, OrderSide::Buy, -5, -full, (0, -1)).unwrap();
    assert_eq!(holds(&gate).0, 0);
}

#[test]
fn any_key_can_be_hashed() {
    let hash = |bytes: &[u8]| {
        let mut hasher = IdHasher::default();
        hasher.write(bytes);
        hasher.finish()
    };
    assert_ne!(hash(b"one"), hash(b"two"));
}

#[test]
fn a_loss_that_the_log_did_not_take_is_in_it_later() {
    let limits = RiskLimits { max_daily_loss: Some(money(50)), ..RiskLimits::default() };
    let file = TempLog::new();
    let (mut gate, _) = file.open(limits.clone(), T0);
    trade(&mut gate, &buy(1, 100), PRICE);
    gate.break_log();
    let breach = gate.on_quote(linear().id, PRICE - 60_000, PRICE, T0, T0).unwrap();
    assert_eq!(gate.owed(), 1);
    gate.mend_log();
    gate.pay().unwrap();
    drop(gate);
    let (gate, _) = file.open(limits, T0);
    assert_eq!((gate.breaches(), gate.owed()), (&[breach][..], 0));
}

#[test]
fn what_cannot_be_true_is_not_owed_either() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let unknown = || Record::CancelIntent { now_ns: T0, client_order_id: ClientOrderId(9) };
    let digest = gate.state_digest();
    for breaks in [true, false] {
        if breaks {
            gate.break_log();
        } else {
            gate.mend_log();
        }
        let (events, done) = gate.commit_or_owe(unknown());
        assert!(matches!(done, Err(GateError::Inconsistent(_))), "{done:?}");
        assert_eq!((events, gate.owed(), gate.state_digest()), (vec![], 0, digest.clone()));
        assert!(gate.log_failed());
    }
}

#[test]
fn bytes_are_hashed_as_well_as_ids() {
    let hash = |bytes: &[u8]| {
        let mut hasher = DerivedHasher::default();
        hasher.write(bytes);
        hasher.finish()
    };
    let of = [hash(b"one"), hash(b"two"), hash(b"onetwo"), hash(b"")];
    assert_eq!(of.iter().collect::<std::collections::BTreeSet<_>>().len(), of.len(), "{of:?}");
    assert_eq!(hash(b"one"), of[0]);
}
