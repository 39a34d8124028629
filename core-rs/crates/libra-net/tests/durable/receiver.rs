//! At a group: what is handed over, what is asked for, what is told.

use libra_net::durable::{Bounds, Delivery, Entry, Passed, Received, Receiver, ReceiverLimits, Why};
use libra_net::ids::Position;

use crate::{MS, at};

type Out = Vec<Delivery<u64>>;

/// What [`receiver`] passes over when it knows of `known` events of its life.
fn passed(upto: Position, known: u64) -> Passed {
    Passed { after: at(7, 10), upto, known }
}

#[test]
fn what_is_passed_over_is_counted_by_its_numbers_life_by_life() {
    let runs = |upto, known| {
        let passed = passed(upto, known);
        let runs: Vec<_> = passed.runs().map(|run| (run.epoch, run.first, run.last)).collect();
        (runs, passed.events(), passed.is_exact())
    };
    assert_eq!(runs(at(7, 20), 31), (vec![(7, 11, 20)], 10, true), "what lies behind it is not passed over");
    assert_eq!(runs(at(7, 11), 11), (vec![(7, 11, 11)], 1, true));
    assert_eq!(runs(at(9, 4), 12), (vec![(7, 11, 12), (9, 1, 4)], 6, false));
    assert_eq!(runs(at(9, 4), 10), (vec![(9, 1, 4)], 4, false));
    assert_eq!(runs(at(8, 0), 10), (vec![], 0, false), "nothing is known to have been there");
}

/// A receiver that has applied everything up to 7-10, connected and subscribed; its first read found nothing more.
fn receiver() -> (Receiver<u64>, Out) {
    let limits = ReceiverLimits { unapplied: 8, held: 2, ack_every: 4, ..ReceiverLimits::default() };
    let (mut receiver, mut out) = (Receiver::new(Some(at(7, 10)), limits), Vec::new());
    receiver.connected(0, &mut out);
    assert_eq!(out, [Delivery::Ack { upto: at(7, 10) }], "it says again what it has, and does not read yet");
    receiver.acknowledged(0, true);
    receiver.subscribed(0, &mut out);
    assert_eq!(out.pop(), Some(Delivery::Read { after: at(7, 10), count: 256 }));
    out.clear();
    answer(&mut receiver, at(7, 10), at(7, 0), vec![], &mut out);
    assert_eq!(out, []);
    (receiver, out)
}

fn answer(receiver: &mut Receiver<u64>, top: Position, floor: Position, mut entries: Vec<Entry<u64>>, out: &mut Out) {
    receiver.read(0, Some(1), None, Some(Bounds { top, floor }), &mut entries, false, false, out);
    assert!(entries.is_empty());
}

fn frame(epoch: u64, first: u64, last: u64) -> Entry<u64> {
    Entry { epoch, last, what: Received::Frame { first, frame: last } }
}

fn life(epoch: u64, before: Position, torn: bool) -> Entry<u64> {
    Entry { epoch, last: 0, what: Received::Life { before, torn } }
}

fn events(epoch: u64, first: u64, last: u64) -> Delivery<u64> {
    Delivery::Events { epoch, first, last, skip: 0, frame: last }
}

#[test]
fn live_frames_are_applied_in_order_once_and_only_whole_holes_are_read() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 11, 12, 12, &mut out);
    receiver.live(0, 7, 11, 12, 12, &mut out);
    assert_eq!(out, [events(7, 11, 12)], "twice there, once handed over");
    out.clear();
    receiver.live(0, 7, 15, 15, 15, &mut out);
    assert_eq!(out, [Delivery::Read { after: at(7, 12), count: 256 }, Delivery::Gap { open: true }]);
    out.clear();
    receiver.live(0, 7, 16, 16, 16, &mut out);
    answer(&mut receiver, at(7, 15), at(7, 0), vec![frame(7, 13, 14), frame(7, 15, 15)], &mut out);
    let repaired = [events(7, 13, 14), events(7, 15, 15), events(7, 16, 16), Delivery::Gap { open: false }];
    assert_eq!(out, repaired, "what came meanwhile was held");
}

#[test]
fn a_life_that_begins_is_no_gap_unless_the_read_that_enters_it_fails() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 8, 1, 2, 2, &mut out);
    assert_eq!(out, [Delivery::Read { after: at(7, 10), count: 256 }], "it is entered by reading");
    out.clear();
    receiver.read_failed(0);
    receiver.disconnected();
    receiver.tick(MS, &mut out);
    assert_eq!(out, [Delivery::Gap { open: true }]);
}

#[test]
fn a_read_that_began_before_the_subscription_is_not_enough() {
    let (mut receiver, mut out) = receiver();
    receiver.unsubscribed();
    receiver.live(0, 7, 12, 12, 12, &mut out);
    assert_eq!(out, [Delivery::Gap { open: true }], "it does not read without a subscription");
    out.clear();
    receiver.subscribed(0, &mut out);
    assert_eq!(out, [Delivery::Read { after: at(7, 10), count: 256 }]);
    out.clear();
    receiver.subscribed(0, &mut out);
    assert_eq!(out, [], "one read is under way");
    answer(&mut receiver, at(7, 12), at(7, 0), vec![frame(7, 11, 12)], &mut out);
    let again = Delivery::Read { after: at(7, 12), count: 256 };
    assert_eq!(
        out,
        [events(7, 11, 12), again, Delivery::Gap { open: false }],
        "and another after the new subscription"
    );
}

#[test]
fn what_is_not_applied_is_not_acknowledged_and_bounds_what_is_handed_over() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 11, 18, 18, &mut out);
    receiver.live(0, 7, 19, 19, 19, &mut out);
    assert_eq!(
        out,
        [events(7, 11, 18), Delivery::Gap { open: true }],
        "eight are with the node, which is deaf to more"
    );
    assert!(receiver.is_full());
    receiver.tick(MS, &mut out);
    assert_eq!(out.len(), 2, "nothing is applied, so nothing is acknowledged");
    out.clear();
    receiver.applied(0, at(7, 14), &mut out);
    assert_eq!(out, [Delivery::Ack { upto: at(7, 14) }, events(7, 19, 19), Delivery::Gap { open: false }]);
    out.clear();
    receiver.applied(0, at(7, 20), &mut out);
    assert_eq!((out.len(), receiver.applied_position()), (0, at(7, 14)), "it was never handed that");
    receiver.applied(0, at(7, 15), &mut out);
    receiver.acknowledged(0, true);
    assert_eq!(out, [], "not an acknowledgement an event");
    receiver.tick(10 * MS, &mut out);
    assert_eq!(out, [Delivery::Ack { upto: at(7, 15) }]);
}

#[test]
fn below_the_floor_only_a_snapshot_helps_or_the_publishers_death() {
    for dies in [false, true] {
        let (mut receiver, mut out) = receiver();
        receiver.live(0, 7, 31, 31, 31, &mut out);
        out.clear();
        // Also when everything is trimmed.
        let entries = if dies { vec![] } else { vec![frame(7, 21, 31)] };
        answer(&mut receiver, at(7, 31), at(7, 20), entries, &mut out);
        assert_eq!(out, [Delivery::AskSnapshot { at: at(7, 10) }]);
        out.clear();
        if dies {
            receiver.dead(0, &mut out);
            assert!(!out.iter().any(|told| matches!(told, Delivery::Lost { .. })), "it may live: {out:?}");
            answer(&mut receiver, at(8, 0), at(8, 0), vec![], &mut out);
            let lost = Delivery::Lost { passed: passed(at(8, 0), 31), why: Why::Trimmed, certain: true };
            assert!(out.contains(&lost), "its next life has begun, and is over too: {out:?}");
            assert_eq!((receiver.stats().lost_events, receiver.stats().replaced), (21, 0));
        } else {
            receiver.snapshot(0, 6, at(7, 25), 0, &mut out);
            receiver.snapshot(0, 6, at(6, 99), 0, &mut out);
            assert_eq!(out, [], "a snapshot of the past");
            receiver.snapshot(0, 7, at(7, 25), 25, &mut out);
            let passed = passed(at(7, 25), 31);
            assert_eq!(out[0], Delivery::Snapshot { passed, certain: true, snapshot: 25 });
            assert_eq!((receiver.stats().lost_events, receiver.stats().replaced), (0, 15));
        }
    }
}

#[test]
fn who_begins_where_the_server_lost_its_place_takes_it_from_the_sender_that_comes_later() {
    let (mut receiver, mut out) = (Receiver::<u64>::new(None, ReceiverLimits::default()), Vec::new());
    receiver.connected(0, &mut out);
    receiver.subscribed(0, &mut out);
    receiver.read(0, Some(1), None, None, &mut vec![], false, false, &mut out);
    assert_eq!(receiver.position(), Some(at(0, 0)), "the server knows neither the group nor the channel");
    out.clear();
    receiver.live(0, 7, 5, 5, 5, &mut out);
    let (top, floor) = (at(7, 5), at(7, 3));
    receiver.read(
        0,
        Some(1),
        Some(at(7, 3)),
        Some(Bounds { top, floor }),
        &mut vec![frame(7, 4, 4)],
        false,
        false,
        &mut out,
    );
    assert_eq!((receiver.position(), receiver.applied_position()), (Some(at(7, 3)), at(7, 3)));
    out.clear();
    answer(&mut receiver, top, floor, vec![frame(7, 4, 4), frame(7, 5, 5)], &mut out);
    assert_eq!(out[..2], [events(7, 4, 4), events(7, 5, 5)]);
}

/// A receiver at 7-10 that found 7-14 to 7-16 behind it, and nothing between.
fn before_a_hole() -> (Receiver<u64>, Out) {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 14, 16, 16, &mut out);
    assert_eq!(out, [Delivery::Read { after: at(7, 10), count: 256 }, Delivery::Gap { open: true }]);
    out.clear();
    answer(&mut receiver, at(7, 16), at(7, 0), vec![frame(7, 14, 16)], &mut out);
    assert_eq!(out, [Delivery::AskSnapshot { at: at(7, 10) }], "7-11 to 7-13 were deleted");
    assert_eq!((receiver.position(), receiver.has_gap()), (Some(at(7, 10)), true));
    out.clear();
    (receiver, out)
}

#[test]
fn a_hole_is_filled_by_what_its_publisher_says_again() {
    let (mut receiver, mut out) = before_a_hole();
    receiver.live(MS, 7, 11, 12, 12, &mut out);
    assert_eq!(out, [events(7, 11, 12)]);
    out.clear();
    receiver.tick(101 * MS, &mut out);
    assert_eq!(out, [Delivery::Read { after: at(7, 12), count: 256 }], "that was a part of it");
    out.clear();
    answer(&mut receiver, at(7, 16), at(7, 0), vec![frame(7, 14, 16)], &mut out);
    assert_eq!(out, [Delivery::AskSnapshot { at: at(7, 12) }]);
    out.clear();
    receiver.live(102 * MS, 7, 13, 13, 13, &mut out);
    let closed = [events(7, 13, 13), events(7, 14, 16), Delivery::Gap { open: false }];
    assert_eq!(
        out.iter().filter(|told| !matches!(told, Delivery::Read { .. })).collect::<Vec<_>>(),
        closed.iter().collect::<Vec<_>>()
    );
    assert_eq!((receiver.stats().lost, receiver.stats().replaced, receiver.stats().gaps), (0, 0, 1));
}

#[test]
fn a_hole_that_nobody_can_fill_is_passed_with_its_numbers() {
    // Its publisher lives, and says how all stands.
    let (mut receiver, mut out) = before_a_hole();
    receiver.snapshot(MS, 7, at(7, 13), 0, &mut out);
    let passed = passed(at(7, 13), 16);
    assert_eq!(out[0], Delivery::Snapshot { passed, certain: true, snapshot: 0 });
    assert_eq!((passed.events(), passed.is_exact(), &out[1]), (3, true, &events(7, 14, 16)));
    // Its publisher is called dead, and is asked all the same.
    let (mut receiver, mut out) = before_a_hole();
    receiver.dead(MS, &mut out);
    receiver.read_failed(MS);
    out.clear();
    (1..4).for_each(|second| receiver.tick(second * 1_000 * MS, &mut out));
    assert!(!out.iter().any(|told| matches!(told, Delivery::Lost { .. })), "{out:?}");
    assert!(out.iter().any(|told| matches!(told, Delivery::Read { .. })), "it looks again: {out:?}");
    out.clear();
    let (now, bounds) = (9_000 * MS, Some(Bounds { top: at(7, 16), floor: at(7, 0) }));
    receiver.read(now, Some(1), None, bounds, &mut vec![frame(7, 14, 16)], false, false, &mut out);
    assert!(out.contains(&Delivery::AskSnapshot { at: at(7, 10) }), "{out:?}");
}

#[test]
fn a_hole_whose_frame_is_said_again_and_cannot_be_decoded_is_lost() {
    let (mut receiver, mut out) = before_a_hole();
    receiver.undecodable(MS, 7, 12, 12, &mut out);
    receiver.undecodable(MS, 7, 11, 14, &mut out);
    for _ in 0..2 {
        receiver.undecodable(MS, 7, 11, 12, &mut out);
    }
    assert_eq!(out, [], "it may have been damaged on its way");
    receiver.undecodable(MS, 7, 11, 12, &mut out);
    assert_eq!(out, [Delivery::Lost { passed: passed(at(7, 12), 16), why: Why::Undecodable, certain: true }]);
    receiver.live(MS, 7, 13, 13, 13, &mut out);
    assert!(out.contains(&events(7, 13, 13)), "{out:?}");
    let (mut receiver, mut out) = self::receiver();
    (0..9).for_each(|_| receiver.undecodable(MS, 7, 11, 12, &mut out));
    assert_eq!(out, [], "the stream may have it");
}

#[test]
fn a_hole_in_a_life_that_is_over_is_lost_with_its_numbers() {
    let lost = |upto, known| Delivery::Lost { passed: passed(upto, known), why: Why::ServerLost, certain: true };
    // In its middle.
    let (mut receiver, mut out) = receiver();
    receiver.beacon(0, at(8, 0), &mut out);
    out.clear();
    let entries = vec![frame(7, 13, 14), life(8, at(7, 14), false)];
    answer(&mut receiver, at(8, 0), at(7, 0), entries, &mut out);
    assert_eq!(out, [lost(at(7, 12), 10), events(7, 13, 14), Delivery::Life { begins: at(8, 0) }]);
    // At its end, and with all of the next one.
    for end in [at(7, 14), at(8, 3)] {
        let (mut receiver, mut out) = self::receiver();
        receiver.beacon(0, at(9, 0), &mut out);
        out.clear();
        answer(&mut receiver, at(9, 0), at(7, 0), vec![life(9, end, false)], &mut out);
        assert_eq!(out[0], lost(end, 10), "it is not passed over in silence");
        assert_eq!(receiver.stats().lost_events, if end.epoch == 7 { 4 } else { 3 });
    }
}

#[test]
fn who_asked_for_a_snapshot_in_vain_looks_whether_it_is_still_needed() {
    let (mut receiver, mut out) = receiver();
    answer(&mut receiver, at(7, 31), at(7, 20), vec![], &mut out);
    assert_eq!(out[0], Delivery::AskSnapshot { at: at(7, 10) });
    out.clear();
    receiver.tick(receiver.deadline().expect("it asks again"), &mut out);
    assert_eq!(out, [Delivery::Read { after: at(7, 10), count: 256 }]);
    out.clear();
    answer(&mut receiver, at(7, 12), at(7, 10), vec![frame(7, 11, 12)], &mut out);
    assert_eq!(out[0], events(7, 11, 12), "another server's stream goes on");
}

#[test]
fn a_life_is_entered_where_it_begins_and_the_one_before_is_refused() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 8, 1, 1, 1, &mut out);
    assert_eq!(out[0], Delivery::Read { after: at(7, 10), count: 256 }, "not by a live frame");
    out.clear();
    receiver.live(0, 7, 11, 11, 11, &mut out);
    assert_eq!(out, [Delivery::Fence { epoch: 8 }], "the stream has it, if it was in time; the sender is told");
    out.clear();
    let entries = vec![frame(7, 11, 11), life(8, at(7, 11), false), frame(8, 1, 1)];
    answer(&mut receiver, at(8, 1), at(7, 0), entries, &mut out);
    assert_eq!(out[..2], [events(7, 11, 11), Delivery::Life { begins: at(8, 0) }]);
    assert!(!out.contains(&events(8, 1, 1)), "not before the old life is applied");
    out.clear();
    receiver.applied(0, at(8, 0), &mut out);
    assert_eq!(out[1], events(8, 1, 1), "{out:?}");
    receiver.beacon(0, at(7, 90), &mut out);
    assert_eq!(receiver.stats().fenced, 2);
}

#[test]
fn a_life_that_may_lack_its_end_is_told_of() {
    let lost = |known, certain| Delivery::Lost { passed: passed(at(8, 0), known), why: Why::Torn, certain };
    for (entry, certain) in [(life(8, at(7, 10), true), false), (life(8, at(7, 9), false), false)] {
        let (mut receiver, mut out) = receiver();
        receiver.live(0, 8, 1, 1, 1, &mut out);
        out.clear();
        answer(&mut receiver, at(8, 1), at(7, 0), vec![entry], &mut out);
        assert_eq!((&out[0], receiver.stats().lost_events), (&lost(10, certain), 0));
    }
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 12, 12, 12, &mut out);
    out.clear();
    answer(&mut receiver, at(8, 0), at(7, 0), vec![life(8, at(7, 10), false)], &mut out);
    assert_eq!((&out[0], receiver.stats().lost_events), (&lost(12, true), 2), "it knew of 7-12");
}

#[test]
fn what_is_known_to_be_lost_is_lost_for_certain_also_over_a_life_without_events() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 14, 14, 14, &mut out);
    out.clear();
    // Life 8 came and went without a word: behind it nothing says of the entry itself that something is missing.
    answer(&mut receiver, at(9, 0), at(7, 0), vec![life(9, at(8, 0), false)], &mut out);
    let known = Passed { after: at(7, 10), upto: at(8, 0), known: 14 };
    assert_eq!(out[0], Delivery::Lost { passed: known, why: Why::ServerLost, certain: true });
}

#[test]
fn what_a_dead_publisher_appended_and_no_server_has_is_waited_for_until_its_next_life_begins() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 12, 12, 12, &mut out);
    receiver.dead(0, &mut out);
    out.clear();
    answer(&mut receiver, at(7, 10), at(7, 0), vec![], &mut out);
    receiver.tick(1_000 * MS, &mut out);
    answer(&mut receiver, at(7, 10), at(7, 0), vec![], &mut out);
    assert!(!out.iter().any(|delivery| matches!(delivery, Delivery::Lost { .. })), "it may live: {out:?}");
    assert!(receiver.has_gap());
    out.clear();
    receiver.tick(2_000 * MS, &mut out);
    assert_eq!(out, [Delivery::Read { after: at(7, 10), count: 256 }]);
    answer(&mut receiver, at(8, 0), at(7, 0), vec![life(8, at(7, 10), false)], &mut out);
    assert_eq!(out[1], Delivery::Lost { passed: passed(at(8, 0), 12), why: Why::Torn, certain: true });
}

#[test]
fn who_finds_no_channel_where_one_is_known_asks_its_publisher() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 13, 13, 13, &mut out);
    out.clear();
    receiver.read(0, None, None, None, &mut Vec::new(), false, false, &mut out);
    assert!(out.contains(&Delivery::AskSnapshot { at: at(7, 10) }), "{out:?}");
    out.clear();
    receiver.read(MS, None, None, None, &mut Vec::new(), false, false, &mut out);
    assert!(!out.iter().any(|delivery| matches!(delivery, Delivery::AskSnapshot { .. })), "not with each read");
}

/// The first read of a group without a position: the channel has two events, and of this group what is given.
fn begins(receiver: &mut Receiver<u64>, now: u64, place: Option<Position>, is_lost: bool, out: &mut Out) {
    out.clear();
    let bounds = Bounds { top: at(7, 2), floor: at(7, 0) };
    receiver.read(now, Some(1), place, Some(bounds), &mut Vec::new(), false, is_lost, out);
}

fn without_a_position() -> (Receiver<u64>, Out) {
    let (mut receiver, mut out) = (Receiver::new(None, ReceiverLimits::default()), Vec::new());
    receiver.connected(0, &mut out);
    receiver.subscribed(0, &mut out);
    (receiver, out)
}

#[test]
fn who_has_no_position_and_whose_place_was_lost_asks_its_publisher_before_it_begins() {
    let (mut receiver, mut out) = without_a_position();
    begins(&mut receiver, 0, None, true, &mut out);
    assert_eq!(out, [Delivery::AskSnapshot { at: at(0, 0) }, Delivery::Gap { open: true }]);
    let soon = ReceiverLimits::default().retry_after;
    assert_eq!((receiver.position(), receiver.deadline()), (None, Some(soon)));
    out.clear();
    receiver.tick(soon, &mut out);
    assert_eq!(out, [Delivery::Read { after: at(0, 0), count: 0 }]);
    begins(&mut receiver, soon, Some(at(7, 1)), false, &mut out);
    assert_eq!(receiver.position(), Some(at(7, 1)), "the publisher has put it back");
    assert_eq!(out, [Delivery::Read { after: at(7, 1), count: 256 }, Delivery::Gap { open: false }]);
}

#[test]
fn who_is_new_begins_at_once() {
    for place in [None, Some(at(0, 0))] {
        let (mut receiver, mut out) = without_a_position();
        begins(&mut receiver, 0, place, false, &mut out);
        assert_eq!(
            (receiver.position(), &out[..]),
            (Some(at(0, 0)), &[Delivery::Read { after: at(0, 0), count: 256 }][..])
        );
    }
}

#[test]
fn who_lost_its_place_waits_neither_for_the_dead_nor_for_ever() {
    let (mut receiver, mut out) = without_a_position();
    receiver.dead(0, &mut out);
    begins(&mut receiver, 0, None, true, &mut out);
    assert_eq!(receiver.position(), Some(at(0, 0)));
    let (mut receiver, mut out) = without_a_position();
    let patience = ReceiverLimits::default().place_patience;
    for (now, position) in [(0, None), (patience - 1, None), (patience, Some(at(0, 0)))] {
        begins(&mut receiver, now, None, true, &mut out);
        assert_eq!(receiver.position(), position, "{now}");
        receiver.tick(now + MS * 100, &mut out);
    }
    // Without a connection nobody could have answered.
    let (mut receiver, mut out) = without_a_position();
    begins(&mut receiver, 0, None, true, &mut out);
    receiver.disconnected();
    receiver.connected(patience, &mut out);
    begins(&mut receiver, patience, None, true, &mut out);
    assert_eq!(receiver.position(), None);
}

#[test]
fn who_came_nowhere_waits_for_its_place_on_the_next_server_too() {
    let (mut receiver, mut out) = without_a_position();
    receiver.read(0, Some(1), None, None, &mut Vec::new(), false, false, &mut out);
    assert_eq!(receiver.position(), Some(at(0, 0)), "there is no channel yet");
    // It is there with what a server had some time ago.
    let patience = ReceiverLimits::default().place_patience;
    for now in [0, patience - 1] {
        begins(&mut receiver, now, Some(at(7, 1)), true, &mut out);
        assert_eq!(receiver.position(), Some(at(0, 0)), "{now}");
    }
    assert!(out.contains(&Delivery::AskSnapshot { at: at(0, 0) }), "{out:?}");
    begins(&mut receiver, patience - 1, Some(at(7, 2)), false, &mut out);
    assert_eq!(receiver.position(), Some(at(7, 2)), "the publisher has opened it");
    // And not for ever: it reads then, and goes on doing so.
    let (mut receiver, mut out) = without_a_position();
    for now in [0, patience] {
        begins(&mut receiver, now, None, true, &mut out);
    }
    for _ in 0..2 {
        begins(&mut receiver, 2 * patience, None, true, &mut out);
        assert!(!out.contains(&Delivery::AskSnapshot { at: at(0, 0) }), "{out:?}");
    }
}

#[test]
fn what_is_applied_is_said_again_for_the_dead_where_their_channel_is_and_the_server_has_less() {
    let (mut receiver, mut out) = receiver();
    receiver.dead(0, &mut out);
    let every = ReceiverLimits::default().ask_again;
    let bounds = Some(Bounds { top: at(7, 10), floor: at(7, 0) });
    receiver.read(0, Some(1), Some(at(7, 10)), bounds, &mut Vec::new(), false, false, &mut out);
    let cases = [(bounds, None, 1), (bounds, Some(at(7, 9)), 1), (bounds, Some(at(7, 10)), 0), (None, None, 0)];
    for (round, (bounds, place, said)) in (1..).zip(cases) {
        out.clear();
        let due = receiver.deadline().unwrap_or_default().max(round * every);
        receiver.tick(due, &mut out);
        assert_eq!(out, [Delivery::Read { after: at(7, 10), count: 256 }], "{round}");
        out.clear();
        receiver.read(due, Some(1), place, bounds, &mut Vec::new(), false, false, &mut out);
        let acks = out.iter().filter(|told| **told == Delivery::Ack { upto: at(7, 10) }).count();
        assert_eq!(acks, said, "{round}: {out:?}");
        receiver.acknowledged(due, true);
    }
    receiver.disconnected();
    out.clear();
    receiver.connected(9 * every, &mut out);
    assert!(!out.contains(&Delivery::Ack { upto: at(7, 10) }), "its channel may be gone: {out:?}");
    receiver.beacon(9 * every, at(8, 0), &mut out);
    assert!(out.contains(&Delivery::Ack { upto: at(7, 10) }), "it lives: {out:?}");
}

#[test]
fn a_frame_that_cannot_be_decoded_is_lost_and_the_next_goes_on() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 14, 14, 14, &mut out);
    out.clear();
    let bad = Entry { epoch: 7, last: 13, what: Received::Bad };
    answer(&mut receiver, at(7, 14), at(7, 0), vec![bad, frame(7, 14, 14)], &mut out);
    let lost = Delivery::Lost { passed: passed(at(7, 13), 14), why: Why::Undecodable, certain: true };
    assert_eq!(out, [lost, events(7, 14, 14), Delivery::Gap { open: false }]);
}

#[test]
fn a_beacon_shows_what_no_frame_did_and_another_incarnation_is_told_the_position() {
    let (mut receiver, mut out) = receiver();
    receiver.beacon(0, at(7, 12), &mut out);
    assert_eq!(out, [], "the frame may be on its way");
    receiver.tick(20 * MS, &mut out);
    assert_eq!(out[0], Delivery::Read { after: at(7, 10), count: 256 });
    out.clear();
    receiver.incarnation(Some(1), &mut out);
    assert_eq!(out, []);
    receiver.incarnation(Some(2), &mut out);
    assert_eq!(out, [Delivery::Ack { upto: at(7, 10) }]);
}

#[test]
fn frames_that_nobody_of_ours_can_have_made_change_nothing() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 0, 12, 12, &mut out);
    receiver.live(0, 7, 13, 12, 12, &mut out);
    receiver.live(0, u64::MAX, 1, 1, 1, &mut out);
    receiver.beacon(0, at(u64::MAX, 1), &mut out);
    assert_eq!((out.len(), receiver.stats().foreign), (0, 4));
}
