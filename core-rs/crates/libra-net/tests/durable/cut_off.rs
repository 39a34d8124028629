//! At the publisher: what is kept for groups that could not acknowledge while facts were cut.

use libra_net::durable::{Act, Kind, Reply, Sender};

use crate::sender::{append, limits, offer, opened, sender};
use crate::{MS, at};

/// A sender that cut 100 facts before it was connected, and whose server has the two behind them.
fn cut_in_an_outage() -> (Sender, Vec<Act>) {
    let (mut sender, mut acts) = (Sender::new(7, ["a", "b"], limits(), 0), Vec::new());
    sender.cut_before(100, &mut acts);
    assert_eq!(offer(&mut sender, Kind::Fact, 2, &mut acts), Ok(()));
    sender.connected(&mut acts);
    sender.reply(0, opened(0, at(7, 0)), &mut acts);
    sender.reply(0, Reply::Trimmed(Ok(at(7, 100))), &mut acts);
    sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    acts.clear();
    (sender, acts)
}

/// It connects later than its publisher, by more than the time behind which a stream is cut that nobody waits for.
#[test]
fn who_could_not_acknowledge_before_a_cut_is_kept_what_is_left_and_a_snapshot_passes_no_more() {
    let (mut sender, mut acts) = cut_in_an_outage();
    let late = 4 * limits().trim_after;
    sender.tick(late, &mut acts);
    assert_eq!(acts, [Act::Trim { upto: at(7, 100), waiting: true }, Act::ReadAcknowledged], "it cuts nothing");
    assert_eq!((sender.outbox().base(), sender.outbox().events()), (100, 2));
    acts.clear();
    sender.snapshot_requested(late, 0, at(6, 9), &mut acts);
    assert_eq!(acts, [Act::SnapshotWanted { group: 0 }]);
    assert_eq!(sender.snapshot_made(late, 0), at(7, 100));
    sender.acknowledged(late, 1, at(7, 102), &mut acts);
    assert_eq!(sender.outbox().events(), 2, "a has nothing of it yet");
    sender.acknowledged(late, 0, at(7, 102), &mut acts);
    assert_eq!(sender.outbox().events(), 0);
}

#[test]
fn who_does_not_come_back_behind_a_cut_is_given_up_in_time_however_often_it_asks() {
    let (mut sender, mut acts) = cut_in_an_outage();
    let stale = limits().stale_after;
    sender.acknowledged(MS, 0, at(7, 102), &mut acts);
    sender.snapshot_requested(stale - 2, 1, at(6, 9), &mut acts);
    sender.snapshot_made(stale - 1, 1);
    sender.tick(stale - 1, &mut acts);
    assert!(!acts.contains(&Act::GivenUp { group: 1 }), "{acts:?}");
    sender.tick(stale, &mut acts);
    assert!(acts.contains(&Act::GivenUp { group: 1 }) && !sender.groups().waits_for(1), "{acts:?}");
    sender.tick(stale, &mut acts);
    assert_eq!(sender.outbox().events(), 0, "nothing is kept for it any more");
}

/// What its server still has is owed as well; but no stream grows for who is not there while more is cut.
#[test]
fn a_stream_is_kept_for_who_was_cut_off_until_more_is_cut() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 10, &mut acts);
    for group in 0..2 {
        sender.acknowledged(0, group, at(7, 4), &mut acts);
    }
    sender.reply(0, Reply::Trimmed(Ok(at(7, 4))), &mut acts);
    sender.disconnected(0);
    acts.clear();
    assert_eq!(offer(&mut sender, Kind::Fact, 12, &mut acts), Ok(()));
    let cut_off = [Act::CutOff { group: 0 }, Act::CutOff { group: 1 }];
    assert_eq!(acts, [&[Act::Cut { first: 5, last: 6, commands: 0 }][..], &cut_off].concat());
    sender.connected(&mut acts);
    sender.reply(0, opened(10, at(7, 4)), &mut acts);
    sender.reply(0, Reply::Appended(Ok(())), &mut acts);
    assert_eq!(sender.groups().position(1), Some(at(7, 4)), "the stream has 5 and 6 still");
    acts.clear();
    sender.tick(2 * limits().trim_after, &mut acts);
    assert_eq!(acts, [Act::Trim { upto: at(7, 4), waiting: true }, Act::ReadAcknowledged], "it cuts nothing");
    assert_eq!(sender.waited_for().collect::<Vec<_>>(), ["a", "b"]);
    // One of them reads that, and the other does not come while more is said.
    sender.acknowledged(0, 0, at(7, 22), &mut acts);
    append(&mut sender, 8, &mut acts);
    assert!(acts.contains(&Act::Cut { first: 7, last: 7, commands: 0 }), "{acts:?}");
    assert_eq!(sender.waited_for().collect::<Vec<_>>(), ["a"], "the stream is cut above what b has");
    assert!(sender.groups().waits_for(1) && !acts.contains(&Act::GivenUp { group: 1 }), "{acts:?}");
    assert!(acts.contains(&Act::Trim { upto: at(7, 22), waiting: true }), "{acts:?}");
    assert_eq!((sender.outbox().base(), sender.outbox().events()), (22, 8), "b is kept what is held");
}

#[test]
fn who_was_given_up_before_an_outage_is_not_kept_anything_by_it() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 2, &mut acts);
    let stale = limits().stale_after;
    sender.acknowledged(MS, 0, at(7, 2), &mut acts);
    sender.tick(stale, &mut acts);
    assert!(acts.contains(&Act::GivenUp { group: 1 }), "{acts:?}");
    sender.disconnected(stale);
    acts.clear();
    assert_eq!(offer(&mut sender, Kind::Fact, 15, &mut acts), Ok(()));
    assert_eq!(offer(&mut sender, Kind::Fact, 2, &mut acts), Ok(()));
    assert!(acts.contains(&Act::CutOff { group: 0 }) && !acts.contains(&Act::CutOff { group: 1 }), "{acts:?}");
    assert!(sender.groups().waits_for(0) && !sender.groups().waits_for(1));
}

#[test]
fn who_is_cut_off_has_all_of_its_time_from_when_the_server_is_there_again() {
    let (mut sender, mut acts) = sender();
    append(&mut sender, 2, &mut acts);
    let stale = limits().stale_after;
    sender.disconnected(stale / 2);
    assert_eq!(offer(&mut sender, Kind::Fact, 15, &mut acts), Ok(()));
    assert!(acts.contains(&Act::CutOff { group: 0 }), "{acts:?}");
    sender.connected(&mut acts);
    sender.reply(stale, opened(2, at(7, 0)), &mut acts);
    sender.tick(2 * stale - 1, &mut acts);
    assert!(sender.groups().waits_for(0) && sender.groups().waits_for(1), "{acts:?}");
    sender.tick(2 * stale, &mut acts);
    assert!(!sender.groups().waits_for(0), "{acts:?}");
}
