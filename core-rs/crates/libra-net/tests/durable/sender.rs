//! At the publisher: what leaves, what is kept and for whom, what ends it.

use std::sync::Arc;

use libra_net::durable::{Act, Kind, Opened, Refusal, Refused, Reply, Sender, SenderLimits};
use libra_net::ids::Position;

use crate::{MS, at};

pub(super) fn limits() -> SenderLimits {
    SenderLimits { events: 16, trim_every: 4, window: 2, batch: 2, ..SenderLimits::default() }
}

pub(super) fn opened(top: u64, floor: Position) -> Reply {
    Reply::Opened(Ok(Opened { top, floor, acknowledged: Vec::new() }))
}

/// A sender of life 7 with groups `a` and `b`, open on an empty server.
pub(super) fn sender() -> (Sender, Vec<Act>) {
    let (mut sender, mut acts) = (Sender::new(7, ["a", "b"], limits(), 0), Vec::new());
    sender.connected(&mut acts);
    assert_eq!(acts, [Act::Open { confirmed: 0 }]);
    acts.clear();
    sender.reply(0, opened(0, at(7, 0)), &mut acts);
    assert_eq!(acts, []);
    (sender, acts)
}

pub(super) fn offer(sender: &mut Sender, kind: Kind, count: u64, acts: &mut Vec<Act>) -> Result<(), Refused> {
    let last = sender.next_seq() + count - 1;
    sender.offer(0, kind, last, Arc::from(vec![0; 8]), acts)
}

/// So many facts, one after the other, each taken by the server.
pub(super) fn append(sender: &mut Sender, count: u64, acts: &mut Vec<Act>) {
    for _ in 0..count {
        assert_eq!(offer(sender, Kind::Fact, 1, acts), Ok(()));
        sender.reply(0, Reply::Appended(Ok(())), acts);
    }
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
    sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    assert_eq!(offer(&mut sender, Kind::Command, 1, &mut acts), Err(Refused::Full));
    assert_eq!(offer(&mut sender, Kind::Cancel, 2, &mut acts), Ok(()));
    assert_eq!(offer(&mut sender, Kind::Cancel, 1, &mut acts), Err(Refused::Full));
    assert_eq!(sender.fullness(), 100);
    acts.clear();
    assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
    let cut = Act::Cut { first: 1, last: 14, commands: 1 };
    assert_eq!(acts[..3], [cut, Act::GivenUp { group: 0 }, Act::GivenUp { group: 1 }]);
    assert_eq!(offer(&mut sender, Kind::Fact, 17, &mut acts), Err(Refused::TooLarge));
    assert_eq!(sender.offer(0, Kind::Fact, 3, Arc::from(vec![0]), &mut acts), Err(Refused::OutOfOrder));
}

#[test]
fn what_was_cut_before_there_was_a_channel_is_missing_to_its_groups_as_behind_any_cut() {
    let (mut sender, mut acts) = (Sender::new(7, ["a", "b"], limits(), 0), Vec::new());
    sender.cut_before(100, &mut acts);
    assert_eq!(acts, [Act::CutOff { group: 0 }, Act::CutOff { group: 1 }]);
    acts.clear();
    assert_eq!((sender.next_seq(), sender.stats().cut, sender.stats().offered), (101, 100, 100));
    assert_eq!(offer(&mut sender, Kind::Fact, 2, &mut acts), Ok(()));
    sender.connected(&mut acts);
    acts.clear();
    sender.reply(0, opened(0, at(7, 0)), &mut acts);
    assert_eq!(acts, [Act::Trim { upto: at(7, 100), waiting: false }, Act::Append { first: 101, last: 102 }]);
    sender.reply(0, Reply::Trimmed(Ok(at(7, 100))), &mut acts);
    acts.clear();
    // Below the floor there is nothing, so whoever is there gets a snapshot.
    sender.snapshot_requested(1, 0, at(6, 9), &mut acts);
    assert_eq!(acts, [Act::SnapshotWanted { group: 0 }]);
    assert_eq!(sender.snapshot_made(1, 0), at(7, 100));
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
    assert!(acts.contains(&Act::Trim { upto: at(7, 2), waiting: true }), "at once: {acts:?}");
    assert_eq!(sender.waited_for().collect::<Vec<_>>(), ["a"]);
    sender.tick(stale, &mut acts);
    assert_eq!(sender.outbox().base(), 2, "nobody else waits for it");
    acts.clear();
    sender.reply(stale, Reply::Trimmed(Ok(at(7, 2))), &mut acts);
    sender.snapshot_requested(stale, 1, at(0, 0), &mut acts);
    assert_eq!(acts, [Act::SnapshotWanted { group: 1 }, Act::Open { confirmed: 2 }]);
    assert_eq!(sender.snapshot_made(stale, 1), at(7, 2));
    sender.reply(stale, opened(2, at(7, 2)), &mut acts);
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
fn time_in_which_this_side_did_not_look_counts_against_nobody() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 2, &mut acts);
    let stale = limits().stale_after;
    sender.excuse(stale);
    sender.tick(2 * stale - 1, &mut acts);
    assert!(!acts.contains(&Act::GivenUp { group: 1 }), "{acts:?}");
    // Without a connection all of the time is excused, once.
    sender.disconnected(2 * stale - 1);
    sender.excuse(stale);
    sender.connected(&mut acts);
    sender.reply(3 * stale - 1, opened(2, at(7, 0)), &mut acts);
    sender.tick(3 * stale - 1, &mut acts);
    assert!(!acts.contains(&Act::GivenUp { group: 1 }), "{acts:?}");
    sender.tick(3 * stale, &mut acts);
    assert!(acts.contains(&Act::GivenUp { group: 1 }), "{acts:?}");
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
    append(&mut sender, 6, &mut acts);
    sender.acknowledged(0, 0, at(7, 4), &mut acts);
    sender.acknowledged(0, 1, at(7, 4), &mut acts);
    sender.disconnected(0);
    acts.clear();
    sender.connected(&mut acts);
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
    append(&mut sender, 8, &mut acts);
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

/// Groups `a` and `b` of a channel that was cut up to `upto`, without an answer yet, while `b` was given up below that.
fn cut_under_way(sender: &mut Sender, acts: &mut Vec<Act>, upto: Position) {
    let stale = limits().stale_after;
    acts.clear();
    sender.acknowledged(stale - MS, 0, upto, acts);
    sender.tick(stale, acts);
    sender.tick(stale + limits().trim_after, acts);
    assert!(acts.contains(&Act::GivenUp { group: 1 }) && acts.contains(&Act::Trim { upto, waiting: true }), "{acts:?}");
    acts.clear();
}

/// The server may have cut its stream, though its answer is not here. What was asked to be cut is promised to nobody.
#[test]
fn who_is_heard_of_again_below_a_cut_under_way_is_not_waited_for() {
    let stale = limits().stale_after;
    // Half of a frame: the outbox holds it, and the stream is cut within it.
    let (mut sender, mut acts) = sender();
    assert_eq!(offer(&mut sender, Kind::Fact, 4, &mut acts), Ok(()));
    sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    cut_under_way(&mut sender, &mut acts, at(7, 3));
    assert_eq!(sender.outbox().base(), 0, "its frame is held whole");
    sender.acknowledged(stale, 1, at(7, 2), &mut acts);
    assert!(!sender.groups().waits_for(1), "7-3 may be gone");
    sender.acknowledged(stale, 1, at(7, 3), &mut acts);
    assert!(sender.groups().waits_for(1), "7-4 is kept");
    // A life that is over, of which the outbox holds nothing.
    let (mut sender, mut acts) = (Sender::new(7, ["a", "b"], limits(), 0), Vec::new());
    sender.connected(&mut acts);
    sender.reply(0, opened(0, at(6, 0)), &mut acts);
    assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
    sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    cut_under_way(&mut sender, &mut acts, at(6, 9));
    sender.acknowledged(stale, 1, at(6, 8), &mut acts);
    assert!(!sender.groups().waits_for(1), "6-9 may be gone");
    // The server knew better, and has not cut it: nothing stands against waiting.
    sender.reply(stale, Reply::Trimmed(Ok(at(6, 7))), &mut acts);
    assert!(sender.groups().waits_for(1));
}

#[test]
fn who_came_back_is_given_up_when_the_outbox_cannot_hold_more() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 8, &mut acts);
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
    assert_eq!(acts, [Act::Repeat { first: 1, last: 8 }, Act::Open { confirmed: 8 }]);
    sender.snapshot_requested(0, 1, at(7, 3), &mut acts);
    assert_eq!(acts.len(), 2, "once, until that is answered");
    sender.reply(0, opened(8, at(7, 5)), &mut acts);
    acts.clear();
    sender.snapshot_requested(0, 1, at(7, 3), &mut acts);
    assert_eq!(acts, [Act::SnapshotWanted { group: 1 }]);
}

#[test]
fn what_a_stream_lacks_is_said_again_or_the_floor_passes_over_it() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 6, &mut acts);
    sender.acknowledged(0, 0, at(7, 4), &mut acts);
    sender.acknowledged(0, 1, at(7, 2), &mut acts);
    acts.clear();
    sender.snapshot_requested(0, 1, at(7, 2), &mut acts);
    assert_eq!(acts, [Act::Repeat { first: 3, last: 6 }, Act::Open { confirmed: 6 }]);
    assert_eq!((sender.frames(3, 6).count(), sender.stats().repeated), (4, 4));
    sender.reply(0, opened(6, at(7, 0)), &mut acts);
    acts.clear();
    // Of what is behind 7-1 it has a part only; and whoever is waited for has come there.
    sender.snapshot_requested(0, 1, at(7, 1), &mut acts);
    assert_eq!(acts, [Act::Open { confirmed: 6 }, Act::Mend { at: at(7, 1), upto: 2 }]);
    sender.reply(0, opened(6, at(7, 0)), &mut acts);
    acts.clear();
    sender.reply(0, Reply::Trimmed(Ok(at(7, 2))), &mut acts);
    sender.snapshot_requested(0, 1, at(7, 1), &mut acts);
    assert_eq!(acts.last(), Some(&Act::SnapshotWanted { group: 1 }), "{acts:?}");
    assert_eq!(sender.snapshot_made(0, 1), at(7, 2));
}

#[test]
fn no_floor_passes_over_a_hole_before_who_is_waited_for_has_come_to_it() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 8, &mut acts);
    let stale = limits().stale_after;
    sender.acknowledged(MS, 0, at(7, 6), &mut acts);
    sender.tick(stale, &mut acts);
    sender.reply(stale, Reply::Trimmed(Ok(at(7, 3))), &mut acts);
    assert_eq!((sender.snapshot_made(stale, 1), sender.outbox().base()), (at(7, 3), 6), "the stream has 4 to 6");
    acts.clear();
    sender.snapshot_requested(stale, 1, at(7, 5), &mut acts);
    assert_eq!(acts, [Act::Open { confirmed: 8 }], "4 and 5 are not applied");
    sender.reply(stale, opened(8, at(7, 3)), &mut acts);
    sender.acknowledged(stale, 1, at(7, 5), &mut acts);
    acts.clear();
    sender.snapshot_requested(stale, 1, at(7, 5), &mut acts);
    assert_eq!(acts, [Act::Open { confirmed: 8 }, Act::Mend { at: at(7, 5), upto: 6 }]);
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
    // One that has come nowhere has a place as well.
    assert_eq!(sender.acknowledgements().collect::<Vec<_>>(), [("a", at(0, 0)), ("b", at(7, 4))]);
}

fn places(a: u64, b: u64) -> Reply {
    Reply::Acknowledged(Ok(vec![("a".to_owned(), at(7, a)), ("b".to_owned(), at(7, b))]))
}

/// A sender of three events that `a` and `b` have applied, which has asked what the server knows of that.
fn asked() -> (Sender, Vec<Act>, u64) {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 3, &mut acts);
    sender.acknowledged(0, 0, at(7, 3), &mut acts);
    sender.acknowledged(0, 1, at(7, 3), &mut acts);
    assert_eq!(sender.outbox().events(), 0);
    let due = limits().read_acks_after.max(limits().trim_after);
    sender.tick(due, &mut acts);
    sender.reply(due, Reply::Trimmed(Ok(at(7, 3))), &mut acts);
    assert!(
        acts.contains(&Act::ReadAcknowledged),
        "nobody owes anything, and the server may lose it all the same: {acts:?}"
    );
    acts.clear();
    (sender, acts, due)
}

#[test]
fn what_is_acknowledged_and_gone_from_the_server_is_put_back_though_nobody_owes_anything() {
    for lost in [Reply::Acknowledged(Ok(vec![])), places(3, 2)] {
        let (mut sender, mut acts, now) = asked();
        sender.reply(now, lost, &mut acts);
        assert_eq!(acts, [Act::Open { confirmed: 3 }]);
    }
    let (mut sender, mut acts, now) = asked();
    sender.reply(now, places(3, 3), &mut acts);
    assert_eq!(acts, [], "it is all there");
    assert_eq!(sender.deadline(), Some(now + limits().read_acks_after), "and looked for again");
    sender.tick(now + limits().read_acks_after, &mut acts);
    assert_eq!(acts, [Act::ReadAcknowledged], "where nothing is owed nothing is tried");
    acts.clear();
    sender.reply(now, Reply::Acknowledged(Err(Refusal::Failed)), &mut acts);
    assert_eq!(acts, [], "who may not read it knows nothing of it");
}

#[test]
fn what_was_acknowledged_behind_the_question_is_not_missed_in_its_answer() {
    let (mut sender, mut acts, now) = asked();
    append(&mut sender, 1, &mut acts);
    sender.acknowledged(now, 0, at(7, 4), &mut acts);
    acts.clear();
    sender.reply(now, places(3, 3), &mut acts);
    assert_eq!(acts, [], "the server had not heard of it");
}

#[test]
fn who_asks_from_the_beginning_and_had_come_further_is_put_where_it_was() {
    let (mut sender, mut acts, now) = asked();
    sender.snapshot_requested(now, 1, at(0, 0), &mut acts);
    assert_eq!(acts, [Act::Open { confirmed: 3 }], "and is not told that it missed anything");
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
        |sender, acts| sender.reply(0, Reply::Acknowledged(Ok(vec![("a".to_owned(), at(9, 3))])), acts),
        |sender, acts| sender.heard_of(9, acts),
    ];
    for tell in told {
        let (mut sender, mut acts) = sender();
        sender.heard_of(7, &mut acts);
        tell(&mut sender, &mut acts);
        assert_eq!(acts, [Act::Fenced { by: 9 }]);
        assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Err(Refused::Fenced));
        sender.disconnected(0);
        sender.connected(&mut acts);
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
