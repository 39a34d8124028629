//! A snapshot on its way: made in parts, taken whole, with the state of the lane that it is of.

use libra_kernel::{Lane, Payload};

use super::super::control::{MOST_BYTES, Parts, snapshot};
use super::super::keeper::Keeper;
use super::*;
use crate::frame::{Control, FrameReader, FrameWriter, Skip, Snapshot};
use crate::ids::Position;
use crate::resp::LARGEST;

fn numbered(event_type: EventType, sequence: u64) -> Event {
    Event { sequence, ..event(event_type) }
}

/// A part, as it is heard.
type Part = (Snapshot, Vec<Result<Event, Skip>>);

/// The parts of a snapshot of these events.
fn made(state: &[Event]) -> (Vec<Part>, u64) {
    let id = settings().channels_of("pub").remove(1);
    let mut writer = FrameWriter::for_control("pub", 7).unwrap();
    let state: Vec<&Event> = state.iter().collect();
    let (frames, refused) = snapshot("con", &id, Position::new(7, 20), &state, &mut writer).unwrap();
    let mut reader = FrameReader::new();
    let heard = frames.iter().map(|bytes| {
        assert!(bytes.len() < LARGEST / 8, "{}", bytes.len());
        let frame = reader.read(bytes).unwrap();
        let Some(Control::Snapshot(said)) = frame.control().unwrap() else { panic!("no snapshot") };
        (said, frame.events().map(|(_, event)| event).collect())
    });
    (heard.collect(), refused)
}

fn many() -> Vec<Event> {
    (1..=40_000).map(|number| numbered(EventType::PositionUpdated, number)).collect()
}

#[test]
fn a_snapshot_of_any_size_arrives_whole() {
    let (heard, refused) = made(&many());
    assert!(heard.len() > 2 && refused == 0, "{}", heard.len());
    let (mut parts, mut whole) = (Parts::default(), None);
    for (said, events) in heard {
        assert!(whole.is_none(), "before its last part");
        whole = parts.take(7, &said, 1 << 20, events);
    }
    let numbers: Vec<_> = whole.unwrap().into_iter().map(|event| event.unwrap().sequence).collect();
    assert_eq!(numbers, (1..=40_000).collect::<Vec<_>>());
}

#[test]
fn a_snapshot_that_lacks_a_part_is_none() {
    let (heard, _) = made(&many());
    let other = made(&many()).0;
    let take = |order: &[&Part]| {
        let mut parts = Parts::default();
        order.iter().any(|(said, events)| parts.take(7, said, 1 << 20, events.clone()).is_some())
    };
    let all: Vec<_> = heard.iter().collect();
    assert!(take(&all));
    assert!(!take(&all[1..]), "the first");
    assert!(!take(&[&all[..1], &all[2..]].concat()), "one between");
    let mixed: Vec<_> = heard[..1].iter().chain(&other[1..]).collect();
    assert!(!take(&mixed), "parts of two snapshots");
}

#[test]
fn a_snapshot_is_bounded_in_bytes() {
    let part = |part| Snapshot { request_id: 3, group: "con".into(), part, parts: 3, positions: Vec::new() };
    let take = |bytes: usize| {
        let mut parts = Parts::default();
        (0..3).any(|number| parts.take(7, &part(number), bytes, Vec::new()).is_some())
    };
    assert!(take(MOST_BYTES / 3));
    assert!(!take(MOST_BYTES / 3 + 1), "whoever says so");
}

#[test]
fn what_cannot_be_sent_is_counted_and_the_rest_arrives() {
    let state = [
        numbered(EventType::PositionUpdated, 1),
        numbered(EventType::VenueReport, 2),
        numbered(EventType::PositionUpdated, 3),
    ];
    let (heard, refused) = made(&state);
    assert_eq!((heard.len(), heard[0].1.len(), refused), (1, 2, 1));
    assert_eq!(made(&[]).0.len(), 1, "without any state there is one part");
}

#[test]
fn the_state_of_risk_is_how_the_kill_switch_stands() {
    let mut keeper = Keeper::new(&settings(), 7).unwrap();
    keeper.keep(numbered(EventType::BalanceUpdated, 1));
    let mut of_another = numbered(EventType::CircuitBreaker, 4);
    of_another.source = libra_kernel::Name::intern("another");
    for event in [
        numbered(EventType::CircuitBreaker, 2),
        numbered(EventType::RiskLimitBreach, 3),
        of_another,
        Event { payload: Payload::Empty, ..numbered(EventType::TradingResumed, 5) },
    ] {
        keeper.note_kill_switch(&event);
    }
    let of = |lane| keeper.state_of(lane).into_iter().map(|event| event.sequence).collect::<Vec<_>>();
    assert_eq!((of(Lane::Risk), of(Lane::Orders), of(Lane::Signals)), (vec![4, 5], vec![1], vec![]));
}
