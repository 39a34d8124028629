//! At the publisher: whom it waits for, on a server that came back empty and on one that takes nothing.

use libra_net::durable::{Act, Kind, Opened, Refusal, Reply, Sender};

use crate::sender::{append, limits, offer, opened, sender};
use crate::{MS, at};

/// A sender of life 7 and group `a`, on a server whose stream begins at `floor`, and which `a` told that it has `applied`.
fn begun(floor: (u64, u64), applied: (u64, u64)) -> (Sender, Vec<Act>) {
    let (mut sender, mut acts) = (Sender::new(7, ["a"], limits(), 0), Vec::new());
    sender.connected(&mut acts);
    acts.clear();
    let acknowledged = vec![("a".to_owned(), at(applied.0, applied.1))];
    sender.reply(0, Reply::Opened(Ok(Opened { top: 0, floor: at(floor.0, floor.1), acknowledged })), &mut acts);
    (sender, acts)
}

/// What it has not of the lives before, this life cannot give it; and what this life says it is owed from the first word on.
#[test]
fn who_has_come_to_less_than_what_a_new_life_finds_is_owed_all_that_it_says() {
    for (floor, applied) in [((7, 0), (6, 9)), ((6, 20), (6, 9)), ((6, 20), (0, 0)), ((6, 0), (5, 3))] {
        let (mut sender, mut acts) = begun(floor, applied);
        append(&mut sender, 6, &mut acts);
        sender.tick(limits().stale_after - 1, &mut acts);
        assert!(sender.groups().waits_for(0) && !acts.contains(&Act::GivenUp { group: 0 }), "{floor:?}: {acts:?}");
        assert_eq!((sender.outbox().base(), sender.outbox().events()), (0, 6), "{floor:?}");
        let asks_from = at(applied.0, applied.1);
        acts.clear();
        sender.snapshot_requested(MS, 0, asks_from, &mut acts);
        assert_eq!(acts.remove(0), Act::SnapshotWanted { group: 0 }, "{floor:?}");
        // Whose place may be what the server lost has one again.
        if asks_from == at(0, 0) {
            assert_eq!(acts, [Act::Open { confirmed: 6 }]);
            sender.reply(MS, opened(6, at(floor.0, floor.1)), &mut acts);
        }
        assert_eq!(sender.snapshot_made(MS, 0), at(floor.0, floor.1), "of what it has not, and of no more");
        sender.acknowledged(MS, 0, at(7, 6), &mut acts);
        assert_eq!(sender.outbox().events(), 0);
    }
}

#[test]
fn who_has_come_to_less_than_a_new_life_finds_has_an_end_as_well() {
    let (mut sender, mut acts) = begun((7, 0), (6, 9));
    append(&mut sender, 1, &mut acts);
    sender.tick(limits().stale_after, &mut acts);
    assert!(acts.contains(&Act::GivenUp { group: 0 }) && !sender.groups().waits_for(0), "{acts:?}");
    // A connection makes nothing of that undone.
    sender.disconnected(limits().stale_after);
    sender.connected(&mut acts);
    sender.reply(limits().stale_after, opened(1, at(7, 0)), &mut acts);
    assert!(!sender.groups().waits_for(0));
}

/// The server refuses to write, `open` too; so it does with what the groups would acknowledge.
#[test]
fn a_server_that_takes_nothing_makes_nobody_late() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 2, &mut acts);
    sender.acknowledged(0, 0, at(7, 2), &mut acts);
    let stale = limits().stale_after;
    assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
    sender.reply(MS, Reply::Appended(Err(Refusal::Failed)), &mut acts);
    for refused in 1..=3 {
        sender.tick(refused * stale, &mut acts);
        assert_eq!(acts.last(), Some(&Act::Open { confirmed: 2 }));
        sender.reply(refused * stale, Reply::Opened(Err(Refusal::Failed)), &mut acts);
    }
    sender.tick(4 * stale, &mut acts);
    acts.clear();
    sender.reply(4 * stale, opened(2, at(7, 0)), &mut acts);
    assert_eq!(acts, [Act::Append { first: 3, last: 3 }]);
    sender.tick(5 * stale - 1, &mut acts);
    assert!(sender.groups().waits_for(0) && sender.groups().waits_for(1), "{acts:?}");
    sender.tick(5 * stale, &mut acts);
    assert!(sender.groups().waits_for(0), "it owes nothing that was appended");
    assert!(!sender.groups().waits_for(1), "and b had all of its time");
}

/// It takes what makes room, acknowledgements above all: who gives none holds what the server is full of.
#[test]
fn a_full_server_waits_for_nobody_longer_than_another() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 2, &mut acts);
    sender.acknowledged(0, 0, at(7, 2), &mut acts);
    assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
    let stale = limits().stale_after;
    for now in [MS, stale - MS] {
        sender.reply(now, Reply::Appended(Err(Refusal::Failed)), &mut acts);
        sender.tick(now + limits().retry_after, &mut acts);
        acts.clear();
        sender.reply(now + limits().retry_after, opened(2, at(7, 0)), &mut acts);
    }
    assert!(sender.groups().waits_for(0), "{acts:?}");
    assert!(acts.contains(&Act::GivenUp { group: 1 }) && !sender.groups().waits_for(1), "{acts:?}");
}

/// Who has nothing to say finds out that the server takes nothing by what changes nothing: reading is not refused.
#[test]
fn a_quiet_publisher_finds_out_that_its_server_takes_nothing() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 2, &mut acts);
    acts.clear();
    let soon = limits().read_acks_after;
    sender.tick(soon, &mut acts);
    assert_eq!(acts, [Act::Trim { upto: at(7, 0), waiting: true }, Act::ReadAcknowledged]);
    acts.clear();
    sender.reply(soon, Reply::Trimmed(Ok(at(7, 0))), &mut acts);
    sender.tick(2 * soon - 1, &mut acts);
    assert_eq!(acts, [], "it was taken just now");
    sender.tick(2 * soon, &mut acts);
    sender.reply(2 * soon, Reply::Trimmed(Err(Refusal::Failed)), &mut acts);
    assert_eq!(sender.deadline(), Some(2 * soon + limits().retry_after), "it is tried, and nobody is judged");
}

/// Who has all that the server has could have no more, however much was cut that never came there.
#[test]
fn a_cut_of_what_was_never_appended_gives_nobody_up() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 4, &mut acts);
    sender.acknowledged(0, 0, at(7, 4), &mut acts);
    acts.clear();
    assert_eq!(offer(&mut sender, Kind::Fact, 12, &mut acts), Ok(()));
    assert_eq!(offer(&mut sender, Kind::Fact, 12, &mut acts), Ok(()));
    assert!(acts.contains(&Act::CutOff { group: 0 }) && acts.contains(&Act::GivenUp { group: 1 }), "{acts:?}");
    assert!(sender.groups().waits_for(0) && !sender.groups().waits_for(1));
}

#[test]
fn what_is_on_its_way_to_the_server_is_owed_from_its_answer_on() {
    let (mut sender, mut acts) = sender();
    for _ in 0..2 {
        assert_eq!(offer(&mut sender, Kind::Fact, 1, &mut acts), Ok(()));
    }
    sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    (0..2).for_each(|group| sender.acknowledged(MS, group, at(7, 1), &mut acts));
    let stale = limits().stale_after;
    sender.reply(stale, Reply::Appended(Ok(())), &mut acts);
    sender.tick(2 * stale - 1, &mut acts);
    assert!(sender.groups().waits_for(0) && sender.groups().waits_for(1), "{acts:?}");
    sender.tick(2 * stale, &mut acts);
    assert!(!sender.groups().waits_for(0) && !sender.groups().waits_for(1));
}
