//! The guards of a durable channel, one at a time; `schedules` drives them all together.

use std::sync::Arc;

use libra_net::durable::{
    Act, Bounds, Delivery, Entry, Kind, Opened, Passed, Received, Receiver, ReceiverLimits, Refusal, Refused, Reply,
    Sender, SenderLimits, Why,
};
use libra_net::ids::Position;

const MS: u64 = 1_000_000;

fn at(epoch: u64, seq: u64) -> Position {
    Position::new(epoch, seq)
}

fn limits() -> SenderLimits {
    SenderLimits { events: 16, trim_every: 4, window: 2, batch: 2, ..SenderLimits::default() }
}

fn opened(top: u64, floor: Position) -> Reply {
    Reply::Opened(Ok(Opened { top, floor, acknowledged: Vec::new() }))
}

/// A sender of life 7 with groups `a` and `b`, open on an empty server.
fn sender() -> (Sender, Vec<Act>) {
    let (mut sender, mut acts) = (Sender::new(7, ["a", "b"], limits(), 0), Vec::new());
    sender.connected(0, &mut acts);
    assert_eq!(acts, [Act::Open { confirmed: 0 }]);
    acts.clear();
    sender.reply(0, opened(0, at(7, 0)), &mut acts);
    assert_eq!(acts, []);
    (sender, acts)
}

fn offer(sender: &mut Sender, kind: Kind, count: u64, acts: &mut Vec<Act>) -> Result<(), Refused> {
    let last = sender.next_seq() + count - 1;
    sender.offer(0, kind, last, Arc::from(vec![0; 8]), acts)
}

#[test]
fn appends_go_out_within_the_window_and_in_batches() {
    let (mut sender, mut acts) = sender();
    for _ in 0..7 {
        assert_eq!(offer(&mut sender, Kind::Command, 1, &mut acts), Ok(()));
    }
    assert_eq!(acts, [Act::Append { first: 1, last: 1 }, Act::Append { first: 2, last: 2 }]);
    acts.clear();
    sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    assert_eq!(acts, [Act::Append { first: 3, last: 4 }]);
    assert_eq!(sender.frames(3, 4).map(|outgoing| outgoing.first).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(sender.confirmed(), at(7, 1));
}

#[test]
fn a_full_outbox_refuses_commands_then_cancels_and_cuts_before_facts() {
    let (mut sender, mut acts) = sender();
    assert_eq!(offer(&mut sender, Kind::Command, 14, &mut acts), Ok(()));
    assert_eq!(offer(&mut sender, Kind::Command, 1, &mut acts), Err(Refused::Full));
    assert_eq!(offer(&mut sender, Kind::Cancel, 2, &mut acts), Ok(()));
    assert_eq!(offer(&mut sender, Kind::Cancel, 1, &mut acts), Err(Refused::Full));
    assert_eq!(sender.fullness(), 100);
    acts.clear();
    assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
    let cut = Act::Cut { first: 1, last: 14, commands: 1 };
    assert_eq!(acts, [cut, Act::GivenUp { group: 0 }, Act::GivenUp { group: 1 }]);
    assert_eq!(offer(&mut sender, Kind::Fact, 17, &mut acts), Err(Refused::TooLarge));
    assert_eq!(sender.offer(0, Kind::Fact, 3, Arc::from(vec![0]), &mut acts), Err(Refused::OutOfOrder));
}

#[test]
fn nothing_is_let_go_or_trimmed_before_every_group_has_it() {
    let (mut sender, mut acts) = sender();
    for _ in 0..8 {
        assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
    }
    for _ in 0..8 {
        sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    }
    acts.clear();
    sender.acknowledged(0, 0, at(7, 8), &mut acts);
    assert_eq!((sender.outbox().base(), acts.len()), (0, 0), "b has nothing yet");
    sender.acknowledged(0, 1, at(7, 6), &mut acts);
    assert_eq!(sender.outbox().base(), 6);
    assert_eq!(acts, [Act::Trim { upto: at(7, 6), waiting: true }]);
    assert_eq!(sender.waited_for().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_silent_group_is_given_up_in_time_and_waited_for_again_behind_its_snapshot() {
    let (mut sender, mut acts) = sender();
    assert_eq!(offer(&mut sender, Kind::Fact, 2, &mut acts), Ok(()));
    sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    acts.clear();
    sender.acknowledged(MS, 0, at(7, 2), &mut acts);
    let stale = limits().stale_after;
    sender.tick(stale - 1, &mut acts);
    assert!(!acts.contains(&Act::GivenUp { group: 1 }) && sender.outbox().base() == 0);
    sender.tick(stale, &mut acts);
    assert!(acts.contains(&Act::GivenUp { group: 1 }), "{acts:?}");
    assert_eq!(sender.waited_for().collect::<Vec<_>>(), ["a"]);
    sender.tick(stale, &mut acts);
    assert_eq!(sender.outbox().base(), 2, "nobody else waits for it");
    acts.clear();
    sender.reply(stale, Reply::Trimmed(Ok(at(7, 2))), &mut acts);
    sender.snapshot_requested(stale, 1, at(0, 0), &mut acts);
    assert_eq!(acts, [Act::SnapshotWanted { group: 1 }]);
    assert_eq!(sender.snapshot_made(stale, 1), at(7, 2));
    assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
    sender.reply(stale, Reply::Appended(Ok(())), &mut acts);
    sender.acknowledged(stale, 0, at(7, 3), &mut acts);
    assert_eq!(sender.outbox().base(), 2, "it is waited for again");
}

#[test]
fn who_owes_something_is_told_of_in_half_of_its_time_and_only_what_it_acknowledges_gives_it_more() {
    let (mut sender, mut acts) = sender();
    for _ in 0..2 {
        assert_eq!(offer(&mut sender, Kind::Fact, 2, &mut acts), Ok(()));
        sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    }
    sender.acknowledged(MS, 0, at(7, 4), &mut acts);
    let stale = limits().stale_after;
    acts.clear();
    sender.tick(stale / 2 - 1, &mut acts);
    assert!(!acts.contains(&Act::Behind { group: 1 }), "{acts:?}");
    sender.tick(stale / 2, &mut acts);
    assert!(acts.contains(&Act::Behind { group: 1 }) && sender.groups().is_behind(1), "{acts:?}");
    // What it said before is no news; one event more is.
    acts.clear();
    sender.acknowledged(stale - 2, 1, at(0, 0), &mut acts);
    assert!(sender.groups().is_behind(1));
    sender.acknowledged(stale - 1, 1, at(7, 2), &mut acts);
    sender.tick(stale, &mut acts);
    assert!(!sender.groups().is_behind(1) && sender.groups().waits_for(1) && !acts.contains(&Act::Behind { group: 1 }));
    sender.tick(2 * stale - 1, &mut acts);
    assert_eq!(acts.iter().filter(|act| **act == Act::Behind { group: 1 }).count(), 0, "given up before it is told of");
    assert!(acts.contains(&Act::GivenUp { group: 1 }) && !sender.groups().waits_for(1), "{acts:?}");
    assert!(sender.groups().waits_for(0));
}

#[test]
fn who_is_owed_nothing_is_neither_told_of_nor_given_up() {
    let (mut sender, mut acts) = sender();
    sender.tick(3 * limits().stale_after, &mut acts);
    assert_eq!((acts, sender.waited_for().count()), (vec![], 2));
}

#[test]
fn a_server_that_lost_something_gets_it_again_and_skips_what_everybody_has() {
    let (mut sender, mut acts) = sender();
    for _ in 0..6 {
        assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
        sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    }
    sender.acknowledged(0, 0, at(7, 4), &mut acts);
    sender.acknowledged(0, 1, at(7, 4), &mut acts);
    sender.disconnected(0);
    acts.clear();
    sender.connected(0, &mut acts);
    assert_eq!(acts, [Act::Open { confirmed: 6 }]);
    acts.clear();
    sender.reply(0, opened(0, at(7, 0)), &mut acts);
    let again = [
        Act::ServerLost { confirmed: 6, top: 0 },
        Act::Trim { upto: at(7, 4), waiting: false },
        Act::Append { first: 5, last: 6 },
    ];
    assert_eq!(acts, again);
}

#[test]
fn a_snapshot_stands_for_what_nobody_has_and_its_group_is_waited_for_from_there() {
    let (mut sender, mut acts) = sender();
    for _ in 0..8 {
        assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
        sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    }
    let stale = limits().stale_after;
    sender.acknowledged(MS, 0, at(7, 6), &mut acts);
    sender.tick(stale, &mut acts);
    assert_eq!((sender.outbox().base(), sender.waited_for().count()), (6, 1), "b is not waited for");
    sender.reply(stale, Reply::Trimmed(Ok(at(7, 4))), &mut acts);
    acts.clear();
    sender.snapshot_requested(stale, 1, at(7, 1), &mut acts);
    assert_eq!(acts, [Act::SnapshotWanted { group: 1 }]);
    assert_eq!(sender.snapshot_made(stale, 1), at(7, 4), "the stream has 5 and 6, the outbox the rest");
    sender.acknowledged(stale, 0, at(7, 8), &mut acts);
    assert_eq!((sender.outbox().base(), sender.waited_for().count()), (6, 2), "b is owed all behind its snapshot");
    assert!(!acts.contains(&Act::Trim { upto: at(7, 8), waiting: true }), "{acts:?}");
    sender.acknowledged(stale, 1, at(7, 8), &mut acts);
    assert_eq!(sender.outbox().base(), 8);
}

#[test]
fn who_came_back_is_given_up_when_the_outbox_cannot_hold_more() {
    let (mut sender, mut acts) = sender();
    for _ in 0..8 {
        assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
        sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    }
    sender.acknowledged(MS, 0, at(7, 6), &mut acts);
    sender.tick(limits().stale_after, &mut acts);
    sender.reply(0, Reply::Trimmed(Ok(at(7, 4))), &mut acts);
    assert_eq!(sender.snapshot_made(limits().stale_after, 1), at(7, 4));
    assert!(sender.groups().waits_for(1));
    acts.clear();
    assert_eq!(offer(&mut sender, Kind::Fact, 16, &mut acts), Ok(()));
    assert!(acts.contains(&Act::GivenUp { group: 1 }) && !sender.groups().waits_for(1), "{acts:?}");
}

#[test]
fn who_could_go_on_by_what_the_sender_knows_has_it_look_again() {
    let (mut sender, mut acts) = sender();
    assert_eq!(offer(&mut sender, Kind::Fact, 8, &mut acts), Ok(()));
    sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    acts.clear();
    sender.snapshot_requested(0, 1, at(7, 3), &mut acts);
    assert_eq!(acts, [Act::Open { confirmed: 8 }]);
    sender.snapshot_requested(0, 1, at(7, 3), &mut acts);
    assert_eq!(acts.len(), 1, "once, until that is answered");
    sender.reply(0, opened(8, at(7, 5)), &mut acts);
    acts.clear();
    sender.snapshot_requested(0, 1, at(7, 3), &mut acts);
    assert_eq!(acts, [Act::SnapshotWanted { group: 1 }]);
}

#[test]
fn a_server_that_is_another_under_the_same_connection_is_asked_what_it_has() {
    let (mut sender, mut acts) = sender();
    sender.server_changed(&mut acts);
    assert_eq!(acts, [Act::Open { confirmed: 0 }]);
    sender.server_changed(&mut acts);
    assert_eq!(acts.len(), 1, "it is asked");
}

#[test]
fn what_groups_acknowledged_is_brought_back_to_a_server_that_lost_it() {
    let (mut sender, mut acts) = sender();
    assert_eq!(offer(&mut sender, Kind::Fact, 6, &mut acts), Ok(()));
    sender.acknowledged(0, 1, at(7, 4), &mut acts);
    assert_eq!(sender.acknowledgements().collect::<Vec<_>>(), [("b", at(7, 4))]);
}

#[test]
fn a_gap_or_an_unknown_channel_is_opened_anew_on_the_same_connection() {
    for refusal in [Refusal::Gap { top: 0 }, Refusal::Incarnation] {
        let (mut sender, mut acts) = sender();
        for _ in 0..3 {
            assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
        }
        acts.clear();
        sender.reply(0, Reply::Appended(Err(refusal)), &mut acts);
        assert_eq!(acts, [Act::Open { confirmed: 0 }]);
        acts.clear();
        sender.reply(0, Reply::Appended(Err(refusal)), &mut acts);
        assert_eq!(acts, [], "it came before the answer to open");
        sender.reply(0, opened(0, at(7, 0)), &mut acts);
        assert_eq!(acts, [Act::Append { first: 1, last: 2 }, Act::Append { first: 3, last: 3 }]);
    }
}

#[test]
fn a_later_life_ends_the_sender_whoever_tells_of_it() {
    let told: [fn(&mut Sender, &mut Vec<Act>); 4] = [
        |sender, acts| sender.reply(0, Reply::Trimmed(Err(Refusal::Fenced { by: 9 })), acts),
        |sender, acts| sender.acknowledged(0, 1, at(9, 1), acts),
        |sender, acts| sender.reply(0, Reply::Acknowledged(vec![("a".to_owned(), at(9, 3))]), acts),
        |sender, acts| sender.heard_of(9, acts),
    ];
    for tell in told {
        let (mut sender, mut acts) = sender();
        sender.heard_of(7, &mut acts);
        tell(&mut sender, &mut acts);
        assert_eq!(acts, [Act::Fenced { by: 9 }]);
        assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Err(Refused::Fenced));
        sender.disconnected(0);
        sender.connected(0, &mut acts);
        assert_eq!(acts.len(), 1, "it stays over");
    }
}

#[test]
fn acknowledgements_of_what_was_never_offered_are_not_believed() {
    let (mut sender, mut acts) = sender();
    assert_eq!(offer(&mut sender, Kind::Fact, 2, &mut acts), Ok(()));
    sender.acknowledged(0, 0, at(7, 3), &mut acts);
    sender.acknowledged(0, 1, at(7, 2), &mut acts);
    assert_eq!(sender.outbox().base(), 0);
}

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
    receiver.read(0, Some(1), None, Some(Bounds { top, floor }), &mut entries, false, out);
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
            let lost = Delivery::Lost { passed: passed(at(7, 20), 31), why: Why::Trimmed, certain: true };
            assert_eq!(out[0], lost);
            assert_eq!((receiver.stats().lost_events, receiver.stats().replaced), (10, 0));
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
    receiver.read(0, Some(1), None, None, &mut vec![], false, &mut out);
    assert_eq!(receiver.position(), Some(at(0, 0)), "the server knows neither the group nor the channel");
    out.clear();
    receiver.live(0, 7, 5, 5, 5, &mut out);
    let (top, floor) = (at(7, 5), at(7, 3));
    receiver.read(0, Some(1), Some(at(7, 3)), Some(Bounds { top, floor }), &mut vec![frame(7, 4, 4)], false, &mut out);
    assert_eq!((receiver.position(), receiver.applied_position()), (Some(at(7, 3)), at(7, 3)));
    out.clear();
    answer(&mut receiver, top, floor, vec![frame(7, 4, 4), frame(7, 5, 5)], &mut out);
    assert_eq!(out[..2], [events(7, 4, 4), events(7, 5, 5)]);
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
fn what_a_dead_publisher_appended_and_no_server_has_is_lost_after_a_read_of_its_own() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 12, 12, 12, &mut out);
    receiver.dead(0, &mut out);
    out.clear();
    answer(&mut receiver, at(7, 10), at(7, 0), vec![], &mut out);
    assert!(!out.iter().any(|delivery| matches!(delivery, Delivery::Lost { .. })), "that read began before: {out:?}");
    out.clear();
    receiver.tick(1_000 * MS, &mut out);
    assert_eq!(out, [Delivery::Read { after: at(7, 10), count: 256 }]);
    answer(&mut receiver, at(7, 10), at(7, 0), vec![], &mut out);
    assert_eq!(out[1], Delivery::Lost { passed: passed(at(7, 12), 12), why: Why::ServerLost, certain: true });
}

#[test]
fn who_finds_no_channel_where_one_is_known_asks_its_publisher() {
    let (mut receiver, mut out) = receiver();
    receiver.live(0, 7, 13, 13, 13, &mut out);
    out.clear();
    receiver.read(0, None, None, None, &mut Vec::new(), false, &mut out);
    assert!(out.contains(&Delivery::AskSnapshot { at: at(7, 10) }), "{out:?}");
    out.clear();
    receiver.read(MS, None, None, None, &mut Vec::new(), false, &mut out);
    assert!(!out.iter().any(|delivery| matches!(delivery, Delivery::AskSnapshot { .. })), "not with each read");
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
