//! Who is not waited for any more, and who is.

use super::remote_tests::{applied, at, handle, router_of, taken};
use super::tests::event;
use super::*;

const SECOND: u64 = 1_000_000_000;
const LONGEST: u64 = 8 * SECOND;

/// The loop comes round once a second until then; who was excused, and of how many events.
fn rounds(router: &mut Router, seconds: std::ops::RangeInclusive<u64>) -> Vec<(MailboxId, usize)> {
    let looks = seconds.flat_map(|second| router.excuse_held(second * SECOND, LONGEST));
    looks.map(|excused| (excused.mailbox, excused.events)).collect()
}

/// Something has come, so time counts from here on.
pub(super) fn begin(router: &mut Router) {
    assert!(router.pass_remote(Lane::Signals, at(9, 1)));
    assert_eq!((applied(router), rounds(router, 1..=1)), (vec![(9, 1)], vec![]));
}

fn at_risk(router: &Router) -> Vec<(MailboxId, usize)> {
    router.excused().map(|excused| (excused.mailbox, excused.events)).collect()
}

fn fill(router: &mut Router, seq: u64) {
    assert!(taken(router.deliver_remote(event(EventType::OrderFilled, "x"), at(0, seq))));
}

fn tell(router: &mut Router, mailbox: MailboxId, seq: u64) {
    assert!(taken(router.send_remote(mailbox, event(EventType::Message, ""), at(0, seq))));
}

#[test]
fn who_holds_an_event_for_too_long_is_waited_for_no_more_and_keeps_it() {
    let mut router = router_of(2, EventType::OrderFilled, 9);
    begin(&mut router);
    fill(&mut router, 1);
    let awaits = router.mailbox(0).pop().expect("its handler awaits");
    handle(&mut router, 1);
    assert_eq!((rounds(&mut router, 2..=8), applied(&mut router)), (vec![], vec![]), "it has its time");
    fill(&mut router, 2);
    handle(&mut router, 1);
    assert_eq!(rounds(&mut router, 9..=9), [(0, 2)]);
    assert_eq!((applied(&mut router), router.unapplied(), router.excusals()), (vec![(0, 2)], 0, 1));
    // What comes meanwhile holds nothing back either, and it is told of once.
    fill(&mut router, 3);
    handle(&mut router, 1);
    assert_eq!((applied(&mut router), rounds(&mut router, 10..=40)), (vec![(0, 3)], vec![]));
    assert_eq!((at_risk(&router), router.mailbox(0).len()), (vec![(0, 3)], 2));
    // It goes on: what comes from now on is waited for again.
    router.handled(0, Lane::Orders, awaits.sequence);
    assert_eq!(at_risk(&router), [(0, 2)]);
    fill(&mut router, 4);
    handle(&mut router, 1);
    assert_eq!(applied(&mut router), []);
    (0..3).for_each(|_| drop(handle(&mut router, 0)));
    assert_eq!((applied(&mut router), at_risk(&router)), (vec![(0, 4)], vec![]));
    // And again.
    fill(&mut router, 5);
    handle(&mut router, 1);
    assert_eq!((rounds(&mut router, 41..=60), router.excusals()), (vec![(0, 1)], 2));
}

#[test]
fn all_who_do_nothing_are_excused_at_once() {
    let mut router = router_of(3, EventType::Message, 9);
    begin(&mut router);
    (0..3).for_each(|id| tell(&mut router, id, id as u64 + 1));
    assert_eq!(rounds(&mut router, 2..=9), [(0, 1), (1, 1), (2, 1)]);
    assert_eq!(applied(&mut router), [(0, 3)]);
}

#[test]
fn who_gets_on_is_waited_for_unless_an_event_of_another_channel_waits_too_long_for_it() {
    let mut router = router_of(1, EventType::Message, 99);
    begin(&mut router);
    (1..=30).for_each(|seq| tell(&mut router, 0, seq));
    for second in 2..=20 {
        assert_eq!(rounds(&mut router, second..=second), [], "an event a second");
        handle(&mut router, 0);
    }
    assert_eq!(applied(&mut router), [(0, 19)]);
    assert!(taken(router.send_remote(0, event(EventType::Message, ""), at(1, 1))));
    for second in 21..=27 {
        assert_eq!(rounds(&mut router, second..=second), []);
        handle(&mut router, 0);
    }
    assert_eq!(rounds(&mut router, 28..=28), [(0, 5)], "the first of its channel waits behind the others");
    assert_eq!(applied(&mut router), [(0, 30), (1, 1)]);
}

#[test]
fn a_loop_that_stood_still_counts_against_nobody() {
    let mut router = router_of(1, EventType::Message, 9);
    begin(&mut router);
    tell(&mut router, 0, 1);
    assert_eq!(rounds(&mut router, 60..=60), []);
    handle(&mut router, 0);
    assert_eq!((applied(&mut router), at_risk(&router)), (vec![(0, 1)], vec![]));
}

#[test]
fn who_is_slow_with_little_gives_way_before_the_others_wait_and_who_is_with_most_does_not() {
    for (of_others, is_excused) in [(CROWDED as u64, true), (100, false)] {
        let mut router = router_of(2, EventType::Message, 2 * CROWDED);
        begin(&mut router);
        let own = CROWDED as u64 + 100 - of_others;
        (1..=own).for_each(|seq| tell(&mut router, 0, seq));
        (own + 1..=own + of_others).for_each(|seq| tell(&mut router, 1, seq));
        (0..of_others).for_each(|_| drop(handle(&mut router, 1)));
        // One a second: the oldest event is never the same for long.
        let mut told = Vec::new();
        for second in 2..=12 {
            told.extend(rounds(&mut router, second..=second));
            handle(&mut router, 0);
        }
        assert_eq!(told.first().map(|(mailbox, _)| *mailbox), is_excused.then_some(0), "{of_others}");
    }
}

#[test]
fn who_stands_still_with_a_full_mailbox_holds_up_its_lane_and_is_overfull() {
    let mut router = router_of(2, EventType::Message, 4);
    router.set_account(1, Name::intern("a"));
    begin(&mut router);
    (1..=4).for_each(|seq| tell(&mut router, 0, seq));
    (5..=8).for_each(|seq| tell(&mut router, 1, seq));
    assert_eq!(router.overfull().count(), 0, "it may be a burst");
    assert_eq!(rounds(&mut router, 2..=9), [(0, 4), (1, 4)]);
    assert_eq!(router.overfull().collect::<Vec<_>>(), [0], "an account's own waits for its operator");
    handle(&mut router, 0);
    assert_eq!(router.overfull().count(), 0);
}

#[test]
fn who_is_excused_is_not_at_risk_of_what_it_has_done_out_of_turn() {
    let mut router = router_of(1, EventType::OrderRequest, 99);
    router.set_account(0, Name::intern("a"));
    begin(&mut router);
    for (seq, source) in [(1, "storm"), (2, "storm"), (3, "storm"), (4, "calm")] {
        let request = Event::new(EventType::OrderRequest, Name::intern(source), 0, crate::event::Payload::Empty);
        assert!(taken(router.deliver_remote(request, at(0, seq))));
    }
    let first = router.mailbox(0).pop().expect("waits");
    assert_eq!(handle(&mut router, 0).source, Name::intern("calm"));
    assert_eq!(applied(&mut router), []);
    assert_eq!((rounds(&mut router, 2..=20), at_risk(&router)), (vec![(0, 3)], vec![(0, 3)]));
    assert_eq!(applied(&mut router), [(0, 4)]);
    router.handled(0, Lane::Orders, first.sequence);
    (0..2).for_each(|_| drop(handle(&mut router, 0)));
    assert_eq!((at_risk(&router), router.unapplied()), (vec![], 0));
}
