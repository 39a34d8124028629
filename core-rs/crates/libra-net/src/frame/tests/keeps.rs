//! What is written is read.

use libra_trading::desk::payload::Notice;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::frame::*;
use crate::ids::{LATEST, Position as Place};

proptest! {
    #[test]
    fn events_come_back_as_they_went(events in vec(any::event(), 1..30), first_seq in 1..LATEST / 2, sent_ns: i64) {
        let mut writer = writer(ROOMY);
        for event in &events {
            prop_assert_eq!(writer.append(event), Ok(Append::Written));
        }
        let length = writer.len();
        let bytes = writer.finish(first_seq, sent_ns).unwrap().to_vec();
        prop_assert_eq!(bytes.len(), length);

        let mut reader = FrameReader::new();
        let frame = reader.read(&bytes).unwrap();
        prop_assert_eq!(Header::parse(&bytes), Ok(frame.header));
        let header = frame.header;
        prop_assert_eq!((header.publisher, header.shard, header.lane), ("node-1", "all", Some(Lane::Orders)));
        prop_assert_eq!((header.kind, header.epoch, header.sent_ns), (Kind::Events, 7, sent_ns));
        prop_assert_eq!(header.last(), Place::new(7, first_seq + events.len() as u64 - 1));
        prop_assert!(frame.control().unwrap().is_none());
        let read: Vec<(u64, Event)> = frame.events().map(|(seq, event)| (seq, event.unwrap())).collect();
        prop_assert_eq!(read.len(), events.len());
        for (index, (event, (seq, again))) in events.iter().zip(&read).enumerate() {
            prop_assert_eq!(*seq, first_seq + index as u64);
            prop_assert_eq!(digest(event), digest(again));
            prop_assert_eq!(any::fields(&event.payload), any::fields(&again.payload));
        }
        // Written again, they are the same bytes: nothing of an event was lost or added.
        let again: Vec<Event> = read.into_iter().map(|(_, event)| event).collect();
        let mut second = frame_of(&again);
        let mut first = frame_of(&events);
        prop_assert_eq!(&mut first, &mut second);
    }

    #[test]
    fn messages_come_back_as_they_went(control in any::control(), events in vec(any::event(), 0..3)) {
        let mut writer = FrameWriter::for_control("node-1", 7).unwrap();
        writer.begin(&control).unwrap();
        let events: Vec<_> = events.into_iter().filter(|_| control.kind() == Kind::Snapshot).collect();
        for event in &events {
            prop_assert_eq!(writer.append(event), Ok(Append::Written));
        }
        let bytes = writer.finish(0, 3).unwrap().to_vec();
        let mut reader = FrameReader::new();
        let frame = reader.read(&bytes).unwrap();
        prop_assert_eq!((frame.header.kind, frame.header.lane, frame.header.shard), (control.kind(), None, ""));
        prop_assert_eq!(frame.control(), Ok(Some(control)));
        let read: Vec<String> = frame.events().map(|(_, event)| digest(&event.unwrap())).collect();
        prop_assert_eq!(read, events.iter().map(digest).collect::<Vec<_>>());
    }

    #[test]
    fn any_sequence_of_events_is_cut_into_frames_within_the_limits(
        events in vec(any::event(), 1..60), most in 1..9u32, bytes in 200..4_000usize,
    ) {
        let mut writer = writer(Limits { events: most, bytes });
        let (mut frames, mut next) = (Vec::new(), 1);
        for event in &events {
            if writer.append(event).unwrap() == Append::Full {
                let count = writer.count();
                frames.push(writer.finish(next, 0).unwrap().to_vec());
                next += u64::from(count);
                prop_assert_eq!(writer.append(event), Ok(Append::Written));
            }
        }
        frames.push(writer.finish(next, 0).unwrap().to_vec());
        prop_assert!(writer.is_empty() && writer.finish(next, 0).is_none());
        // One reader for all: names of one frame are not taken for those of another.
        let (mut reader, mut read) = (FrameReader::new(), Vec::new());
        for frame in &frames {
            let frame = reader.read(frame).unwrap();
            prop_assert!(frame.header.count <= most);
            prop_assert!(frame.header.length <= bytes || frame.header.count == 1);
            read.extend(frame.events().map(|(seq, event)| (seq, digest(&event.unwrap()))));
        }
        let expected: Vec<_> = (1..).zip(events.iter().map(digest)).collect();
        prop_assert_eq!(read, expected);
    }
}

#[test]
fn a_python_payload_is_written_from_what_the_loop_encoded() {
    let (tag, msgpack) = ("example.pair", [0x92, 1, 2]);
    let plain = event(Payload::Empty);
    let mut direct = writer(ROOMY);
    assert_eq!(direct.append_encoded(&plain, tag, &msgpack), Ok(Append::Written));
    let mut shared = plain.clone();
    shared.payload = Payload::shared(Encoded::new(tag, msgpack));
    assert_eq!(direct.finish(41, 1_000).unwrap(), frame_of(&[shared]));
}

#[test]
fn a_frame_of_latest_values_says_so() {
    let mut writer = writer(ROOMY).of_latest_values();
    for _ in 0..2 {
        assert_eq!(writer.append(&event(Payload::Empty)), Ok(Append::Written));
        let frame = writer.finish(1, 1).unwrap();
        assert_eq!(Header::parse(frame).unwrap().kind, Kind::Latest);
    }
}

#[test]
fn an_event_that_cannot_be_sent_leaves_the_frame_as_it_was() {
    let first = event(Payload::Empty);
    let mut bad = event(Payload::shared(Notice {
        account: Name::intern("a name of the bad one alone"),
        strategy: Name::NONE,
        code: "x".repeat(70_000),
        detail: String::new(),
    }));
    bad.source = Name::intern("another name of the bad one alone");
    let mut writer = writer(ROOMY);
    assert_eq!(writer.append(&first), Ok(Append::Written));
    assert_eq!(writer.append(&bad), Err(EncodeError::TextTooLong(70_000, 65_535)));
    let mut long = event(Payload::Empty);
    long.instrument = Name::intern(&"n".repeat(256));
    assert_eq!(writer.append(&long), Err(EncodeError::NameTooLong(256)));
    assert_eq!(writer.finish(41, 1_000).unwrap(), frame_of(&[first]));
}

#[test]
fn an_event_longer_than_the_limit_has_a_frame_of_its_own_up_to_the_longest() {
    let sized = |bytes: usize| event(Payload::shared(Encoded::new("t", vec![0; bytes])));
    let small = event(Payload::Empty);
    let mut writer = writer(Limits { events: 16, bytes: 1_000 });
    assert_eq!(writer.append(&small), Ok(Append::Written));
    assert_eq!(writer.append(&sized(5_000)), Ok(Append::Full));
    assert_eq!(writer.count(), 1);
    assert_eq!(writer.finish(41, 1_000).unwrap(), frame_of(&[small]));
    assert_eq!(writer.append(&sized(5_000)), Ok(Append::Written));
    assert!(writer.is_full());
    assert!(writer.finish(2, 1).unwrap().len() > 5_000);
    assert!(matches!(writer.append(&sized(LONGEST_FRAME)), Err(EncodeError::TooLarge(_))));
    assert!(writer.is_empty());
}

#[test]
fn a_message_that_is_too_long_is_refused() {
    let mut writer = FrameWriter::for_control("node-1", 7).unwrap();
    let group = "g".repeat(256);
    let refused = writer.begin(&Control::Ack(Ack { group, positions: Vec::new() }));
    assert_eq!(refused, Err(EncodeError::TextTooLong(256, 255)));
    assert!(writer.is_empty());
    assert!(FrameWriter::for_control("Node", 7).is_err());
}

#[test]
fn what_is_about_money_or_intent_is_sampled() {
    let flags = |event_type| trace_flags(&Event::new(event_type, Name::NONE, 0, Payload::Empty));
    assert_eq!([EventType::OrderFilled, EventType::CircuitBreaker, EventType::Signal].map(flags), [1, 1, 1]);
    assert_eq!(flags(EventType::Quote), 0);
    let sampled = Event { trace_flags: Event::SAMPLED, ..Event::new(EventType::Quote, Name::NONE, 0, Payload::Empty) };
    assert_eq!(trace_flags(&sampled), 1, "its gateway has said so");
    assert_eq!(frame_of(&[event(Payload::Empty)])[72 + 32], 1);
}

#[test]
fn a_frame_whose_table_of_names_is_full_is_full() {
    let named = |number: u32| {
        let mut named = event(Payload::Empty);
        named.source = Name::intern(&format!("one of very many {number}"));
        named
    };
    let mut writer = writer(ROOMY);
    for number in 0..65_535 {
        assert_eq!(writer.append(&named(number)), Ok(Append::Written));
    }
    assert_eq!(writer.append(&named(65_535)), Ok(Append::Full));
    let bytes = writer.finish(1, 1).unwrap().to_vec();
    assert_eq!(writer.append(&named(65_535)), Ok(Append::Written));
    let mut reader = FrameReader::new();
    let last = reader.read(&bytes).unwrap().events().last().unwrap();
    assert_eq!((last.0, last.1.unwrap().source), (65_535, named(65_534).source));
}
