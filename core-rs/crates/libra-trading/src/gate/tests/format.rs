//! The file's bytes: fixed for version 1, read back whole, refused when damaged or newer.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::gate::codec::{MAX_TEXT, Writer, clip};
use crate::gate::log::{LogError, encode};
use crate::gate::record::{Record, Watermark};
use crate::gate::venue_record::VenueRecord;
use crate::reconcile::{Adjustment, BalanceLine, Difference, FlowKind, PositionLine, Subject, VenueFlow};
use crate::risk::{Breach, RiskCode};

fn bytes(record: &Record) -> Vec<u8> {
    let mut writer = Writer::default();
    encode(record, &mut writer).unwrap();
    writer.bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One of each, with every outcome of a report.
fn samples() -> Vec<Record> {
    let id = ClientOrderId(0x0102_0304);
    let request = OrderRequest { signal_id: 7, deadline_ns: 9, ts_origin_ns: 8, ..buy(0x0a0b, 10) };
    let mut samples = vec![
        Record::Epoch { now_ns: T0, epoch: 3, account: name("main") },
        Record::Opening(vec![(name("USDT"), money(10_000)), (name("BTC"), -1)]),
        Record::Instrument(Box::new(spot())),
        Record::Intent { now_ns: T0, request: request.clone(), hold_price: PRICE, window_end_ns: T0 + 1 },
        Record::Rejected {
            now_ns: T0,
            request,
            rejection: Rejection::limit(RiskCode::PositionLimit, "1.000", "1.200"),
        },
        Record::Submitted { now_ns: T0, client_order_id: id },
        Record::CancelIntent { now_ns: T0, client_order_id: id },
        Record::Kill { now_ns: T0, reason: "operator".into() },
        Record::Resume { now_ns: T0 },
        Record::Watermark { day: 1, lines: vec![Watermark { currency: name("USDT"), peak: 2, day_start: 3 }] },
        Record::Breach(Breach { code: RiskCode::DailyLoss, currency: name("USDT"), limit: 1, value: 2, ts_ns: 3 }),
        Record::Confirmed { sequence: 4 },
        Record::Note { now_ns: T0, text: "resumed by ops".into() },
        Record::Refused { now_ns: T0, strategy: name("sma"), code: RiskCode::OrderRate, ids: vec![1, u128::MAX] },
        Record::Limits(limits_changed()),
    ];
    let outcomes = [
        VenueOutcome::Accepted,
        VenueOutcome::Rejected { code: "-2010".into(), detail: "no".into() },
        VenueOutcome::Cancelled { reason: "IOC".into() },
        VenueOutcome::Expired,
        VenueOutcome::CancelRejected { detail: "gone".into() },
        VenueOutcome::NotFound,
        filled(id, 5, PRICE, 6).outcome,
    ];
    let not_found = || report(id, VenueOutcome::NotFound);
    samples.extend([true, false].map(|ends| Record::NotFound { now_ns: T0, report: not_found(), ends }));
    samples.extend(outcomes.map(|outcome| Record::Report { now_ns: T0, report: report(id, outcome) }));
    samples
}

/// One of each of a reconciliation's.
fn of_the_venue() -> Vec<Record> {
    let (now_ns, ts_venue_ns) = (T0, T0 - 5);
    let line = PositionLine { instrument: linear().id, size: -7, cost: money(-420) };
    let flow = |kind, symbol| VenueFlow {
        key: "f-1".into(),
        kind,
        currency: name("USDT"),
        amount: -3,
        symbol: name(symbol),
        ts_venue_ns,
    };
    let differs = |subject| Difference { subject, ours: 1, theirs: -2 };
    let records = [
        VenueRecord::Adopted {
            now_ns,
            client_order_id: ClientOrderId(0x0b),
            venue_order_id: "v7".into(),
            request: buy(0x0b, 10),
        },
        VenueRecord::Flow { now_ns, flow: flow(FlowKind::Funding, "BTC/USDT:USDT") },
        VenueRecord::Flow { now_ns, flow: flow(FlowKind::Transfer, "") },
        VenueRecord::Opened {
            now_ns,
            ts_venue_ns,
            positions: vec![line],
            balances: vec![(name("USDT"), money(5))],
            elsewhere: vec![(name("ETH/USDT:USDT"), money(-1))],
        },
        VenueRecord::Adjusted {
            now_ns,
            who: "ops".into(),
            adjustment: Adjustment {
                positions: vec![line],
                balances: vec![BalanceLine { currency: name("USDT"), total: 3, realised: 2, capital: 1 }],
                elsewhere: vec![(name("ETH/USDT:USDT"), 0)],
            },
        },
        VenueRecord::Differs { now_ns, difference: differs(Subject::Position(name("BTC/USDT:USDT"))) },
        VenueRecord::Differs { now_ns, difference: differs(Subject::Balance(name("USDT"))) },
        VenueRecord::Looked { now_ns, ts_venue_ns, equal: true },
        // Behind what the first version had.
        VenueRecord::Flow { now_ns, flow: flow(FlowKind::Rounding, "BTC/USDT:USDT") },
        VenueRecord::Looked { now_ns, ts_venue_ns, equal: false },
        VenueRecord::OrderDiffers { now_ns, client_order_id: ClientOrderId(0x0b), detail: "larger".into() },
    ];
    records.into_iter().map(Record::Venue).collect()
}

#[test]
fn version_1_keeps_its_bytes() {
    let golden = [
        (Record::Confirmed { sequence: 4 }, "09000000".to_owned() + "0d" + "0400000000000000"),
        (
            Record::Kill { now_ns: 1, reason: "stop".into() },
            "0f000000".to_owned() + "09" + "0100000000000000" + "0400" + "73746f70",
        ),
        (
            Record::Intent { now_ns: 2, request: sell(3, 4), hold_price: 5, window_end_ns: 6 },
            "82000000".to_owned()
                + "04"
                + "0200000000000000"
                + "03000000000000000000000000000000"
                + "00000000000000000000000000000000"
                + "0400"
                + &hex(b"main")
                + "0300"
                + &hex(b"sma")
                + "1900"
                + &hex(b"BTC/USDT:USDT@binanceusdm")
                + "01"
                + "01"
                + "00"
                + "0400000000000000"
                + "808d5b0000000000"
                + "0000000000000000"
                + "0000000000000000"
                + "0500000000000000"
                + "0600000000000000",
        ),
    ];
    for (record, body) in golden {
        let written = bytes(&record);
        let (frame, crc) = written.split_at(written.len() - 4);
        assert_eq!(hex(frame), body);
        assert_eq!(crc, crc32c::crc32c(frame).to_le_bytes());
    }
    let venue: Vec<u8> = of_the_venue().iter().flat_map(bytes).collect();
    let before = &venue[..GOLDEN_VENUE.0];
    assert_eq!((before.len(), crc32c::crc32c(before)), GOLDEN_VENUE);
    // Everything else at once: a change of any field of any record shows here.
    let all: Vec<u8> = samples().iter().flat_map(bytes).collect();
    assert_eq!((all.len(), crc32c::crc32c(&all)), GOLDEN);

    let file = TempLog::new();
    drop(Gate::open(file.config(RiskLimits::default()), T0).unwrap());
    assert_eq!(hex(&fs::read(&file.0).unwrap()[..16]), "4c49425241475445".to_owned() + "0100" + "0600" + "9e1a88b8");
}

const GOLDEN_VENUE: (usize, u32) = (722, 785_999_825);
const GOLDEN: (usize, u32) = (1_429, 2_949_236_644);

#[test]
fn every_record_reads_back() {
    for record in samples().into_iter().chain(of_the_venue()) {
        let written = bytes(&record);
        let fields = &written[5..written.len() - 4];
        assert_eq!(Record::decode(written[4], fields).as_ref(), Some(&record));
        for end in 0..fields.len() {
            assert_eq!(Record::decode(written[4], &fields[..end]), None, "cut at {end}: {record:?}");
        }
        assert_eq!(Record::decode(written[4], &[fields, &[0]].concat()), None, "a byte too many");
    }
}

#[test]
fn a_number_that_no_type_has_is_no_record_whatever_follows() {
    let known: Vec<u8> = samples().iter().chain(&of_the_venue()).map(Record::number).collect();
    assert!(known.contains(&37));
    for number in (0..=u8::MAX).filter(|number| !known.contains(number)) {
        for length in 0..40 {
            assert_eq!(Record::decode(number, &vec![0; length]), None, "{number}, {length} bytes");
        }
    }
}

#[test]
fn damage_in_the_middle_is_an_error_with_its_place() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let before = fs::metadata(&file.0).unwrap().len();
    for id in 1..=3 {
        place(&mut gate, T0, &buy(id, 10)).unwrap();
    }
    drop(gate);
    let whole = fs::read(&file.0).unwrap();
    // A flipped bit of the record's length, its type, its fields and its checksum.
    for at in [0, 2, 4, 20] {
        let mut damaged = whole.clone();
        damaged[before as usize + at] ^= 0x10;
        fs::write(&file.0, &damaged).unwrap();
        match Gate::open(file.config(RiskLimits::default()), T0).err() {
            Some(crate::gate::GateError::Log(LogError::Damaged { offset, .. })) => assert_eq!(offset, before),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(&file.0).unwrap(), damaged, "left as it was");
    }
}

#[test]
fn other_files_and_newer_versions_are_refused() {
    let file = TempLog::new();
    drop(file.open(RiskLimits::default(), T0));
    let whole = fs::read(&file.0).unwrap();
    let open = |bytes: &[u8]| {
        fs::write(&file.0, bytes).unwrap();
        Gate::open(file.config(RiskLimits::default()), T0).err().unwrap().to_string()
    };
    let mut newer = whole.clone();
    newer[8] = 2;
    let crc = crc32c::crc32c(&newer[..12]).to_le_bytes();
    newer[12..16].copy_from_slice(&crc);
    assert!(open(&newer).contains("version 2 of the format is newer than 1"));
    assert!(open(b"something else entirely").contains("not a gate log"));
    assert!(open(b"short").contains("not a gate log"));
}

#[test]
fn words_of_any_length_are_taken_in() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    let page = "é".repeat(MAX_TEXT);
    let no = VenueOutcome::Rejected { code: "418".into(), detail: page.clone() };
    gate.on_report(T0, &report(id, no)).unwrap();
    let digest = gate.state_digest();
    drop(gate);
    let (gate, _) = file.open(RiskLimits::default(), T0);
    assert_eq!(gate.state_digest(), digest);
    assert_eq!(gate.order(id).unwrap().detail, clip(&page));
    assert_eq!(clip("aé"), "aé");
}

#[test]
fn a_full_disk_refuses_the_order_and_stops_new_ones() {
    // /dev/full takes no byte: the first record of a new epoch already fails.
    let config = GateConfig {
        log: LogConfig::File { path: "/dev/full".into(), sync: SyncPolicy::None },
        ..config(RiskLimits::default())
    };
    if std::path::Path::new("/dev/full").exists() {
        assert!(Gate::open(config, T0).is_err());
    }
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let approval = gate.reserve(T0, &buy(1, 10)).unwrap();
    let open = place(&mut gate, T0, &buy(2, 10)).unwrap();
    let length = fs::metadata(&file.0).unwrap().len();
    // From here on every write fails, as on a full disk.
    gate.log.break_writes();
    assert_eq!(gate.spend(T0, &approval).unwrap_err().code, RiskCode::LogFailed);
    assert_eq!(gate.reserve(T0, &buy(3, 10)).unwrap_err().code, RiskCode::LogFailed);
    assert!(!gate.cancel(T0, open).unwrap().logged, "a cancel does not wait for a disk");
    let digest = gate.state_digest();
    assert!(gate.on_report(T0, &filled(open, 1, PRICE, 10)).is_err());
    assert_eq!(gate.state_digest(), digest, "what is not in the log is not booked");
    assert!(gate.kill(T0, "disk").1.is_err() && gate.is_killed());
    assert_eq!(gate.reserved(linear().id), Some((10, 0)), "the unspent approval holds nothing any more");
    assert_eq!(fs::metadata(&file.0).unwrap().len(), length);
    drop(gate);
    let (gate, recovered) = file.open(RiskLimits::default(), T0);
    assert_eq!(recovered.unanswered.len(), 1);
    assert_eq!(gate.orders().count(), 1);
}

#[test]
fn every_record_can_be_forced_to_the_disk() {
    let file = TempLog::new();
    let mut config = file.config(RiskLimits::default());
    config.log = LogConfig::File { path: file.0.clone(), sync: SyncPolicy::EveryRecord };
    let (mut gate, _) = Gate::open(config, T0).unwrap();
    quote(&mut gate, T0);
    place(&mut gate, T0, &buy(1, 10)).unwrap();
    gate.flush().unwrap();
    let descriptor = gate.log_fd().unwrap().unwrap();
    drop(gate);
    // The watchdog's descriptor outlives the gate and does not keep the account locked.
    fs::File::from(descriptor).sync_data().unwrap();
    assert_eq!(file.open(RiskLimits::default(), T0).1.unanswered.len(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_none(number in 0u8..40, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Record::decode(number, &bytes);
    }

    #[test]
    fn any_file_opens_or_is_an_error(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let file = TempLog::new();
        drop(file.open(RiskLimits::default(), T0));
        let mut whole = fs::read(&file.0).unwrap();
        let length = whole.len() as u64;
        whole.extend_from_slice(&tail);
        fs::write(&file.0, &whole).unwrap();
        let (_, recovered) = file.open(RiskLimits::default(), T0);
        prop_assert_eq!(recovered.torn.map_or(0, |torn| torn.bytes), tail.len() as u64);
        prop_assert!(recovered.torn.is_none_or(|torn| torn.offset == length));
    }
}
