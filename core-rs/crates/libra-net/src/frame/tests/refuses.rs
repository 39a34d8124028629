//! Each guard, and one frame built to hit it. Offsets are those of docs/wire.md; a frame of `node-1` and `all` has its
//! first event at 72.

use std::any::Any;

use libra_kernel::SharedPayload;
use libra_kernel::timers::TimerFired;
use libra_trading::account::Position;
use libra_trading::desk::payload::ReportFor;
use libra_trading::order::{ClientOrderId, VenueOutcome, VenueReport};

use super::*;
use crate::frame::*;
use crate::ids::LATEST;

const FIRST_EVENT: usize = 72;

type Change = fn(&mut Vec<u8>);

fn refused(frame: &[u8]) -> FrameError {
    FrameReader::new().read(frame).map(|frame| frame.header.length).unwrap_err()
}

/// A valid frame of two events, changed and sealed again.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = frame_of(&[event(Payload::Empty), event(Payload::Quote(Default::default()))]);
    change(&mut frame);
    seal(&mut frame);
    frame
}

fn put_u32(frame: &mut [u8], at: usize, value: u32) {
    frame[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// What became of each event of a frame that is read.
fn outcomes(frame: &[u8]) -> Vec<Result<EventType, Skip>> {
    let mut reader = FrameReader::new();
    let frame = reader.read(frame).unwrap();
    let (seqs, outcomes): (Vec<u64>, Vec<_>) =
        frame.events().map(|(seq, event)| (seq, event.map(|event| event.event_type))).unzip();
    // Whatever was skipped, each event has the place that it was given.
    assert_eq!(seqs, (41..41 + u64::from(frame.header.count)).collect::<Vec<_>>());
    outcomes
}

#[test]
fn damage_is_seen_in_every_single_bit() {
    let frame = frame_of(&[event(Payload::Quote(Default::default()))]);
    for bit in 0..frame.len() * 8 {
        let mut damaged = frame.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = refused(&damaged);
        let is_checked = !(0..6).contains(&(bit / 8)) && ![10, 11, 36, 37, 38, 39].contains(&(bit / 8));
        assert!(!is_checked || error.code() == "corrupted", "bit {bit}: {error}");
    }
}

#[test]
fn a_newer_major_is_refused_before_anything_else_is_looked_at() {
    let error = refused(b"LBRF\x02\x00a later version has what it likes here");
    assert_eq!(error, FrameError::NewerMajor { theirs: 2, ours: 1 });
    assert!(error.to_string().contains("update this node"));
    assert_eq!(refused(&changed(|frame| frame[4] = 0)), FrameError::UnknownMajor(0));
}

#[test]
fn what_is_no_frame_is_foreign() {
    for foreign in [&b"hello, world"[..], b"LBRX\x01\x00", b"X", b"{\"json\": true}"] {
        assert_eq!(refused(foreign), FrameError::Foreign);
    }
    assert_eq!(refused(b"LB").code(), "truncated");
    assert_eq!(refused(b"").code(), "truncated");
}

#[test]
fn every_length_but_the_right_one_is_refused() {
    let frame = frame_of(&[event(Payload::Empty)]);
    for length in 0..frame.len() {
        assert_eq!(refused(&frame[..length]).code(), "truncated", "{length}");
        assert!(Header::parse(&frame[..length]).is_err());
    }
    let mut longer = frame.clone();
    longer.push(0);
    assert_eq!(refused(&longer), FrameError::Oversized { allowed: frame.len(), has: frame.len() + 1 });
    assert_eq!(refused(&changed(|frame| put_u32(frame, 36, u32::MAX))).code(), "oversized");
    assert_eq!(refused(&changed(|frame| frame[10] = 8)).code(), "bad_header");
}

#[test]
fn a_header_that_contradicts_itself_is_refused() {
    let cases: [(&str, Change); 16] = [
        ("unknown_kind", |frame| frame[6] = 99),
        ("bad_header", |frame| frame[7] = 4),
        ("bad_header", |frame| frame[16..24].fill(0xff)),
        ("bad_header", |frame| frame[16..24].copy_from_slice(&(LATEST + 1).to_le_bytes())),
        ("bad_header", |frame| frame[24..32].fill(0xff)),
        ("bad_header", |frame| frame[24..32].copy_from_slice(&(LATEST + 1).to_le_bytes())),
        // The first of two.
        ("bad_header", |frame| frame[24..32].copy_from_slice(&LATEST.to_le_bytes())),
        ("bad_header", |frame| put_u32(frame, 32, 0)),
        ("bad_header", |frame| put_u32(frame, 32, 1_000_000)),
        ("bad_header", |frame| put_u32(frame, 48, 64)),
        ("bad_header", |frame| put_u32(frame, 48, u32::MAX)),
        ("bad_header", |frame| put_u32(frame, 52, u32::MAX)),
        ("bad_header", |frame| frame[58] = 255),
        ("bad_header", |frame| frame[59] = 0),
        ("bad_header", |frame| frame[60] = b'N'),
        ("bad_header", |frame| frame[71] = 1),
    ];
    for (index, (code, change)) in cases.into_iter().enumerate() {
        let error = refused(&changed(change));
        assert_eq!(error.code(), code, "case {index}: {error}");
    }
}

#[test]
fn events_must_fill_their_part_exactly() {
    let cases: [Change; 5] = [
        |frame| put_u32(frame, FIRST_EVENT + 4, 63),
        |frame| put_u32(frame, FIRST_EVENT + 4, 0),
        |frame| put_u32(frame, FIRST_EVENT + 4, 65),
        |frame| put_u32(frame, FIRST_EVENT + 4, u32::MAX),
        |frame| put_u32(frame, 32, 1),
    ];
    for (index, change) in cases.into_iter().enumerate() {
        assert_eq!(refused(&changed(change)), FrameError::Events, "case {index}");
    }
}

#[test]
fn a_wrong_table_of_names_is_refused() {
    // The table is one name, `desk`, at the end.
    let at_table = |frame: &mut Vec<u8>| frame.len() - 5;
    let cases: [(u8, usize); 3] = [(5, 0), (3, 0), (0xff, 1)];
    for (value, offset) in cases {
        let frame = changed(|frame| {
            let at = at_table(frame) + offset;
            frame[at] = value;
        });
        assert_eq!(refused(&frame).code(), "bad_names", "{value}");
    }
    assert_eq!(refused(&changed(|frame| frame[56] = 2)).code(), "bad_names");
    assert_eq!(refused(&changed(|frame| frame[56] = 0)).code(), "bad_names");
}

#[test]
fn a_publisher_cannot_fill_the_memory_with_names() {
    let named = |text: &str| {
        let mut event = event(Payload::Empty);
        event.source = Name::intern(text);
        frame_of(&[event])
    };
    let mut reader = FrameReader::with_name_limit(2);
    for text in ["one", "two", "one", "two"] {
        assert!(reader.read(&named(text)).is_ok(), "{text}");
    }
    assert_eq!(reader.read(&named("three")).err(), Some(FrameError::TooManyNames(2)));
    // A frame that was refused leaves the reader fit for the next.
    let (frame, mut digests) = (named("one"), Vec::new());
    digests.extend(reader.read(&frame).unwrap().events().map(|(_, event)| event.unwrap().source.as_str()));
    assert_eq!(digests, ["one"]);
}

#[test]
fn an_unknown_event_is_skipped_by_its_length_and_the_next_is_read() {
    let unknown_type = changed(|frame| frame[FIRST_EVENT..FIRST_EVENT + 2].fill(0xff));
    assert_eq!(outcomes(&unknown_type), [Err(Skip::UnknownType(0xffff)), Ok(EventType::OrderNew)]);
    let unknown_encoding = changed(|frame| frame[FIRST_EVENT + 3] = 200);
    assert_eq!(outcomes(&unknown_encoding), [Err(Skip::UnknownEncoding(200)), Ok(EventType::OrderNew)]);
    let no_such_name = changed(|frame| frame[FIRST_EVENT + 36] = 2);
    assert_eq!(outcomes(&no_such_name), [Err(Skip::Malformed(Fault::Name)), Ok(EventType::OrderNew)]);
}

#[test]
fn fields_behind_the_last_are_for_later_versions_only() {
    let empty_with_fields = |minor: u8| {
        changed(|frame| {
            frame[5] = minor;
            // The quote becomes an event without payload: its 48 bytes are too many.
            frame[FIRST_EVENT + 64 + 3] = 0;
        })
    };
    assert_eq!(outcomes(&empty_with_fields(MINOR))[1], Err(Skip::Malformed(Fault::Trailing)));
    assert_eq!(outcomes(&empty_with_fields(MINOR + 1))[1], Ok(EventType::OrderNew));
    // A header that has grown.
    let mut grown = frame_of(&[event(Payload::Empty)]);
    grown.splice(FIRST_EVENT..FIRST_EVENT, [0xaa; 8]);
    grown[10] += 8;
    seal(&mut grown);
    assert_eq!(refused(&grown).code(), "bad_header");
    grown[5] = MINOR + 1;
    seal(&mut grown);
    assert_eq!(outcomes(&grown), [Ok(EventType::OrderNew)]);
    // A payload that is too short is wrong in every version.
    let short = changed(|frame| (frame[5], frame[FIRST_EVENT + 3]) = (MINOR + 1, 1));
    assert_eq!(outcomes(&short)[0], Err(Skip::Malformed(Fault::Short)));
}

#[test]
fn an_approval_a_venues_report_and_a_timer_stay_where_they_are() {
    let mut writer = writer(ROOMY);
    for event_type in [EventType::OrderApproved, EventType::VenueReport, EventType::Timer] {
        let local = Event::new(event_type, Name::intern("desk"), 1, Payload::Empty);
        assert_eq!(writer.append(&local), Err(EncodeError::LocalOnly(event_type.name())));
        let number = (event_type as u16).to_le_bytes();
        let forged = changed(|frame| frame[FIRST_EVENT..FIRST_EVENT + 2].copy_from_slice(&number));
        assert_eq!(outcomes(&forged)[0], Err(Skip::LocalOnly(event_type.name())));
    }
    // By what they carry, too, whatever the event calls itself.
    let report = VenueReport {
        client_order_id: ClientOrderId(1),
        venue_order_id: String::new(),
        outcome: VenueOutcome::Accepted,
        ts_venue_ns: 1,
    };
    let report = Payload::shared(ReportFor { account: Name::NONE, report });
    assert_eq!(writer.append(&event(report)), Err(EncodeError::LocalOnly("venue_report")));
    let timer = Payload::shared(TimerFired { id: 1, due_ns: 1, missed: 0 });
    assert_eq!(writer.append(&event(timer)), Err(EncodeError::LocalOnly("timer")));
    let unknown = Payload::shared(Native);
    assert_eq!(writer.append(&event(unknown)), Err(EncodeError::LocalOnly("native")));
    assert!(writer.is_empty() && writer.finish(1, 1).is_none());
}

/// A handle of some crate above.
struct Native;

impl SharedPayload for Native {
    fn kind(&self) -> &'static str {
        "native"
    }

    fn digest(&self, _: &mut Digest) {}

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[test]
fn amounts_keep_all_their_bits() {
    let huge = Position { cost: i128::MAX, realised: i128::MIN, fees: 1 << 100, ..Position::flat(Name::intern("x")) };
    let frame = frame_of(&[event(Payload::shared(huge))]);
    let mut reader = FrameReader::new();
    let (_, read) = reader.read(&frame).unwrap().events().next().unwrap();
    assert_eq!(read.unwrap().payload.downcast::<Position>(), Some(&huge));
}

#[test]
fn a_book_allocates_for_no_level_that_is_not_there() {
    let book = libra_market::book::BookUpdate::default();
    let mut frame = frame_of(&[event(Payload::shared(book))]);
    put_u32(&mut frame, FIRST_EVENT + 64 + 33, u32::MAX);
    seal(&mut frame);
    assert_eq!(outcomes(&frame), [Err(Skip::Malformed(Fault::Short))]);
}

#[test]
fn a_message_with_wrong_fields_is_refused() {
    let mut writer = FrameWriter::for_control("node-1", 7).unwrap();
    let channel = ChannelId::new(Lane::Orders, "all", "node-2").unwrap();
    let request =
        SnapshotRequest { request_id: 1, group: "full".into(), channel, position: crate::ids::Position::new(3, 4) };
    writer.begin(&Control::SnapshotRequest(request)).unwrap();
    let frame = writer.finish(0, 1).unwrap().to_vec();
    // Of messages a snapshot alone has events and names.
    let mut with_names = frame.clone();
    with_names.extend_from_slice(b"\x04desk");
    let body = u32::try_from(with_names.len() - 72).unwrap();
    put_u32(&mut with_names, 36, body);
    put_u32(&mut with_names, 52, 5);
    with_names[56] = 1;
    seal(&mut with_names);
    assert_eq!(FrameReader::new().read(&with_names).map(|_| ()), Err(FrameError::Header("not what its kind has")));
    // The header of a control frame of `node-1` has 72 bytes as well. Behind the id come the group, the lane, shard and
    // publisher, each word behind its length.
    let changed = |change: Change| {
        let mut frame = frame.clone();
        change(&mut frame);
        seal(&mut frame);
        FrameReader::new().read(&frame).unwrap().control()
    };
    assert!(changed(|_| ()).is_ok());
    assert_eq!(changed(|frame| frame[72 + 21] = 9), Err(FrameError::Preface(Fault::Value)));
    assert_eq!(changed(|frame| frame[72 + 39] = 0x20), Err(FrameError::Preface(Fault::Value)), "its epoch");
    assert_eq!(changed(|frame| frame[72 + 47] = 0x20), Err(FrameError::Preface(Fault::Value)), "its sequence");
    assert_eq!(changed(|frame| frame[72 + 16] = 99), Err(FrameError::Preface(Fault::Short)));
    assert_eq!(changed(|frame| frame[72 + 26] = 4), Err(FrameError::Preface(Fault::Trailing)));
    assert_eq!(changed(|frame| frame[72 + 19] = 0xff), Err(FrameError::Preface(Fault::Text)));
}

/// The table in docs/wire.md: every type once, with its number and its lane, and which of them stay.
#[test]
fn every_event_type_stands_in_the_document() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/wire.md");
    let document = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = (document.lines().skip_while(|line| !line.starts_with("| type |")).skip(2))
        .take_while(|line| line.starts_with('|'))
        .collect();
    let row = |known: &EventType| {
        let stays = if leaves_process(*known) { "" } else { ", stays in its process" };
        format!("| {} | `{}` | `{}`{stays} |", *known as u16, known.name(), known.lane().name())
    };
    assert_eq!(rows, EventType::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn a_flag_is_nothing_but_0_or_1() {
    let book = libra_market::book::BookUpdate::default();
    let mut frame = frame_of(&[event(Payload::shared(book))]);
    for (value, outcome) in [(1, Ok(EventType::OrderNew)), (2, Err(Skip::Malformed(Fault::Value)))] {
        frame[FIRST_EVENT + 64] = value;
        seal(&mut frame);
        assert_eq!(outcomes(&frame), [outcome]);
    }
}

#[test]
fn decimals_that_no_price_can_have_are_refused() {
    for place in [33, 34] {
        for (decimals, outcome) in [(18, Ok(EventType::OrderNew)), (19, Err(Skip::Malformed(Fault::Value)))] {
            assert_eq!(outcomes(&changed(|frame| frame[FIRST_EVENT + place] = decimals))[0], outcome, "{place}");
        }
    }
}
