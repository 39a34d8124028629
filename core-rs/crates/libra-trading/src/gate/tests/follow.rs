//! A log read while it grows: what is whole counts, what is not is looked at again, and the account is the owner's.

use std::fs::{self, OpenOptions};
use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::gate::codec::Writer;
use crate::gate::follow::{Follower, Place};
use crate::gate::log::{LogError, encode};
use crate::gate::record::Record;
use crate::journal::Projection;
use crate::risk::RiskCode;

/// A log of everything that an account can live through, and its digest.
fn life(file: &TempLog, orders: u64) -> String {
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let mut now = T0;
    for number in 1..=orders {
        now += SECOND / 10;
        quote(&mut gate, now);
        let request = match number % 4 {
            0 => on_spot(buy(number.into(), 1_000)),
            1 => sell(number.into(), 3),
            _ => buy(number.into(), 2),
        };
        let Ok(id) = place(&mut gate, now, &request) else { continue };
        gate.mark_submitted(now, id).unwrap();
        gate.on_report(now, &report(id, VenueOutcome::Accepted)).unwrap();
        let size = if number % 5 == 0 { 1 } else { request.size };
        gate.on_report(now, &filled(id, number, PRICE + (number as i64 % 7), size)).unwrap();
        if number % 5 == 0 {
            gate.cancel(now, id).unwrap();
            gate.on_report(now, &report(id, VenueOutcome::Cancelled { reason: "REQUESTED".into() })).unwrap();
        }
    }
    assert!(gate.reserve(now, &OrderRequest { account: name("other"), ..buy(9_999, 1) }).is_err());
    gate.on_report(now, &filled(ClientOrderId(77), 1, PRICE, 1)).unwrap();
    gate.kill(now, "a test").1.unwrap();
    gate.note(now, "resumed by a test").unwrap();
    gate.resume(now).unwrap();
    gate.state_digest()
}

fn append(file: &TempLog, bytes: &[u8]) {
    OpenOptions::new().append(true).create(true).open(&file.0).unwrap().write_all(bytes).unwrap();
}

fn read_all(follower: &mut Follower) -> Result<Place, LogError> {
    while follower.step()?.is_some() {}
    Ok(follower.place())
}

fn follow(file: &TempLog) -> Follower {
    Follower::open(&file.0).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_log_that_grows_by_any_pieces_is_the_account_that_wrote_it(
        pieces in proptest::collection::vec(1usize..900, 1..40),
    ) {
        let (whole, growing) = (TempLog::new(), TempLog::new());
        let digest = life(&whole, 12);
        let bytes = fs::read(&whole.0).unwrap();
        fs::write(&growing.0, b"").unwrap();
        let mut follower = follow(&growing);
        let mut rest = bytes.as_slice();
        let mut sizes = pieces.iter().cycle();
        while !rest.is_empty() {
            // Within the header nobody finds a log: the owner writes that by one write, or takes it back.
            let size = if rest.len() == bytes.len() { 16 } else { (*sizes.next().unwrap()).min(rest.len()) };
            append(&growing, &rest[..size]);
            rest = &rest[size..];
            let place = read_all(&mut follower).unwrap();
            let before = (bytes.len() - rest.len()) as u64;
            prop_assert_eq!(follower.behind().unwrap(), before - place.offset);
        }
        let mut at_once = follow(&whole);
        prop_assert_eq!(read_all(&mut at_once).unwrap(), follower.place());
        prop_assert_eq!(follower.place().offset, bytes.len() as u64);
        prop_assert_eq!(follower.state_digest(), digest);
        prop_assert_eq!(follower.name(), name("main"));
    }

    #[test]
    fn rows_are_the_same_in_batches_of_any_size(sizes in proptest::collection::vec(1u64..60, 1..12)) {
        let file = TempLog::new();
        life(&file, 30);
        let mut at_once = Projection::open(&file.0).unwrap();
        let whole = at_once.batch(u64::MAX, u64::MAX).unwrap().unwrap();
        let mut projection = Projection::open(&file.0).unwrap();
        let mut happened = 0;
        let mut sizes = sizes.iter().cycle();
        let mut place = None;
        while let Some(batch) = projection.batch(u64::MAX, *sizes.next().unwrap()).unwrap() {
            happened += batch.tables.order_events.len() + batch.tables.fills.len() + batch.tables.rejections.len();
            place = Some(batch.place);
        }
        let at_once = &whole.tables;
        prop_assert_eq!(happened, at_once.order_events.len() + at_once.fills.len() + at_once.rejections.len());
        prop_assert_eq!(place.unwrap(), whole.place);
    }
}

#[test]
fn half_a_record_that_is_taken_back_leaves_no_trace() {
    let (whole, file) = (TempLog::new(), TempLog::new());
    life(&whole, 3);
    let bytes = fs::read(&whole.0).unwrap();
    fs::write(&file.0, &bytes[..bytes.len() - 5]).unwrap();
    let mut follower = follow(&file);
    let before = read_all(&mut follower).unwrap();
    assert!(follower.behind().unwrap() > 0);
    // A full disk: the owner takes the half back, and appends something else later.
    OpenOptions::new().write(true).open(&file.0).unwrap().set_len(before.offset).unwrap();
    assert_eq!(read_all(&mut follower).unwrap(), before);
    let mut writer = Writer::default();
    encode(&Record::Note { now_ns: T0, text: "another one".repeat(20) }, &mut writer).unwrap();
    append(&file, &writer.bytes);
    let step = follower.step().unwrap().unwrap();
    assert_eq!((step.sequence, step.offset), (before.records + 1, before.offset));
    assert!(matches!(step.record, Record::Note { .. }));
    assert!(follower.step().unwrap().is_none());
}

#[test]
fn a_record_larger_than_what_is_read_at_a_time_is_read_whole() {
    let file = TempLog::new();
    life(&file, 1);
    let ids: Vec<u128> = (1_000_000..1_030_000).collect();
    let refused = Record::Refused { now_ns: T0, strategy: name("sma"), code: RiskCode::OrderRate, ids };
    let mut writer = Writer::default();
    encode(&refused, &mut writer).unwrap();
    assert!(writer.bytes.len() > 1 << 18);
    let mut follower = follow(&file);
    read_all(&mut follower).unwrap();
    append(&file, &writer.bytes[..300_000]);
    assert!(follower.step().unwrap().is_none());
    append(&file, &writer.bytes[300_000..]);
    assert_eq!(follower.step().unwrap().unwrap().record, refused);
}

#[test]
fn damage_is_told_at_the_second_look_and_a_torn_tail_never() {
    let (whole, file) = (TempLog::new(), TempLog::new());
    life(&whole, 3);
    let mut bytes = fs::read(&whole.0).unwrap();
    let length = bytes.len();
    fs::write(&file.0, &bytes[..length - 1]).unwrap();
    let mut torn = follow(&file);
    for _ in 0..3 {
        read_all(&mut torn).unwrap();
    }
    bytes[200] ^= 1;
    fs::write(&file.0, &bytes).unwrap();
    let mut follower = follow(&file);
    let offset = read_all(&mut follower).unwrap().offset;
    let error = follower.step().unwrap_err().to_string();
    assert!(error.contains(&format!("damaged at byte {offset}")), "{error}");
    // Far behind the damage a whole record still shows it.
    let mut holed = bytes[..200].to_vec();
    holed.resize(600_000, 0);
    holed.extend_from_slice(&fs::read(&whole.0).unwrap()[16..]);
    fs::write(&file.0, &holed).unwrap();
    let mut follower = follow(&file);
    read_all(&mut follower).unwrap();
    assert!(matches!(follower.step(), Err(LogError::Damaged { .. })));
    let mut projection = Projection::open(&file.0).unwrap();
    let mut last = projection.batch(u64::MAX, u64::MAX);
    while let Ok(Some(_)) = last {
        last = projection.batch(u64::MAX, u64::MAX);
    }
    assert!(last.is_err(), "a projection looks twice by itself");
}

#[test]
fn what_is_no_log_or_became_shorter_is_refused() {
    let file = TempLog::new();
    fs::write(&file.0, b"").unwrap();
    let mut follower = follow(&file);
    assert!(follower.step().unwrap().is_none(), "nothing was written yet");
    assert_eq!((follower.records(), follower.name()), (0, Name::default()));
    fs::write(&file.0, b"SQLite format 3\0...").unwrap();
    assert!(matches!(follow(&file).step(), Err(LogError::NotALog { .. })));
    fs::write(&file.0, b"LIBRAG").unwrap();
    assert!(matches!(follow(&file).step(), Err(LogError::CutOff { .. })));
    fs::remove_file(&file.0).unwrap();
    life(&file, 2);
    let mut follower = follow(&file);
    let place = read_all(&mut follower).unwrap();
    OpenOptions::new().write(true).open(&file.0).unwrap().set_len(place.offset - 30).unwrap();
    let error = follower.step().unwrap_err().to_string();
    assert!(error.contains("shorter than what was read"), "{error}");
    assert!(Follower::open(std::path::Path::new("/nowhere/gate.log")).is_err());
    let mut folder = Follower::open(&std::env::temp_dir()).unwrap();
    assert!(matches!(folder.step(), Err(LogError::Io { .. })), "it opens, and cannot be read");
}

#[test]
fn a_record_of_a_later_version_or_another_history_is_refused() {
    let file = TempLog::new();
    life(&file, 1);
    let bytes = fs::read(&file.0).unwrap();
    let mut writer = Writer::default();
    encode(&Record::Epoch { now_ns: T0, epoch: 9, account: name("main") }, &mut writer).unwrap();
    append(&file, &writer.bytes);
    let mut follower = follow(&file);
    let error = read_all(&mut follower).unwrap_err().to_string();
    assert!(error.contains("an epoch or an account out of order"), "{error}");

    writer.bytes.clear();
    writer.u32(1);
    writer.u8(99);
    let crc = crc32c::crc32c(&writer.bytes);
    writer.u32(crc);
    fs::write(&file.0, [bytes, writer.bytes].concat()).unwrap();
    let error = read_all(&mut follow(&file)).unwrap_err().to_string();
    assert!(error.contains("a record of unknown form"), "{error}");
}

#[test]
fn days_say_what_each_of_them_brought() {
    const DAY: i64 = 86_400 * SECOND;
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let mut trade = |number: u64, now: i64, request: &OrderRequest, price: i64| {
        quote(&mut gate, now);
        let id = place(&mut gate, now, request).unwrap();
        let VenueOutcome::Filled { trade_id, size, fee_currency, liquidity, .. } =
            filled(id, number, price, request.size).outcome
        else {
            unreachable!()
        };
        let outcome = VenueOutcome::Filled { trade_id, price, size, fee: money(1), fee_currency, liquidity };
        gate.on_report(now, &report(id, outcome)).unwrap();
    };
    trade(1, T0, &buy(1, 10), PRICE);
    trade(2, T0 + SECOND, &sell(2, 10), PRICE + 100);
    trade(3, T0 + DAY, &buy(3, 10), PRICE);
    // A clock that goes back does not reopen a day.
    trade(4, T0 + SECOND, &sell(4, 10), PRICE - 100);
    trade(5, T0 + 3 * DAY, &buy(5, 10), PRICE);
    drop(gate);
    for most in [1, 2, 1_000] {
        let mut projection = Projection::open(&file.0).unwrap();
        let mut days = std::collections::BTreeMap::new();
        while let Some(batch) = projection.batch(u64::MAX, most).unwrap() {
            for (_, rows) in batch.tables.finish().into_iter().filter(|(table, _)| *table == "daily") {
                for row in rows.trim_matches(['[', ']']).split("],[") {
                    let cells: Vec<&str> = row.split(',').map(|cell| cell.trim_matches('"')).collect();
                    let figures = [cells[5], cells[6], cells[7], cells[9]].map(str::to_owned);
                    days.insert(cells[3].to_owned(), figures);
                }
            }
        }
        let expected = [
            ("2023-11-14", ["0.01", "2", "-1.99", "2"]),
            ("2023-11-15", ["-0.01", "2", "-2.01", "2"]),
            ("2023-11-17", ["0", "1", "-1", "1"]),
        ];
        let expected = expected.map(|(day, figures)| (day.to_owned(), figures.map(str::to_owned)));
        assert_eq!(days, expected.into_iter().collect(), "in batches of {most}");
    }
}
