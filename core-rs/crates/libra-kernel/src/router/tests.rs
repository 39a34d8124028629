//! Who gets what, who refuses what, and what the bridge is told.

use super::*;
use crate::event::Payload;
use std::sync::{Arc, Mutex};

pub(super) fn event(event_type: EventType, instrument: &str) -> Event {
    let mut event = Event::new(event_type, Name::intern("test"), 0, Payload::Empty);
    event.instrument = Name::intern(instrument);
    event
}

#[test]
fn an_event_reaches_each_subscriber_once() {
    let mut router = Router::new();
    let ids: Vec<MailboxId> = (0..4).map(|_| router.add_mailbox(Capacity::PerLane(100))).collect();
    let btc = Name::intern("btc");
    router.subscribe(ids[0], EventType::Quote, Name::NONE);
    router.subscribe(ids[1], EventType::Quote, btc);
    router.subscribe(ids[2], EventType::Quote, Name::NONE);
    router.subscribe(ids[2], EventType::Quote, btc);
    assert!(router.publish(event(EventType::Quote, "btc")));
    assert!(router.publish(event(EventType::Quote, "eth")));
    assert!(router.publish(event(EventType::Trade, "btc")));
    let lens: Vec<usize> = ids.iter().map(|id| router.mailbox(*id).len()).collect();
    assert_eq!(lens, [2, 1, 2, 0]);
    let sequences: Vec<u64> = std::iter::from_fn(|| router.mailbox(ids[0]).pop()).map(|e| e.sequence).collect();
    assert_eq!(sequences, [1, 2]);
    router.unsubscribe(ids[1], EventType::Quote, btc);
    router.publish(event(EventType::Quote, "btc"));
    assert_eq!(router.mailbox(ids[1]).len(), 1);
}

#[test]
fn what_one_takes_back_is_nobody_elses() {
    let mut router = Router::new();
    let ids: Vec<MailboxId> = (0..5).map(|_| router.add_mailbox(Capacity::PerLane(100))).collect();
    let btc = Name::intern("btc");
    for (id, instrument) in ids.iter().zip([Name::NONE, btc, Name::NONE, btc, btc]) {
        router.subscribe(*id, EventType::Quote, instrument);
    }
    for event_type in [EventType::Quote, EventType::Trade] {
        for instrument in [Name::NONE, btc, Name::intern("eth")] {
            router.unsubscribe(ids[0], event_type, instrument);
            router.unsubscribe(ids[1], event_type, instrument);
        }
    }
    router.publish(event(EventType::Quote, "btc"));
    let lens: Vec<usize> = ids.iter().map(|id| router.mailbox(*id).len()).collect();
    assert_eq!(lens, [0, 0, 1, 1, 1]);
}

#[test]
fn a_command_reaches_all_or_none_and_observers_do_not_decide() {
    let mut router = Router::new();
    let ids: Vec<MailboxId> = (0..3).map(|n| router.add_mailbox(Capacity::PerLane([3, 2, 1][n]))).collect();
    ids.iter().for_each(|id| router.subscribe(*id, EventType::Signal, Name::NONE));
    let lens = |router: &mut Router| ids.iter().map(|id| router.mailbox(*id).len()).collect::<Vec<_>>();
    assert!(router.publish(event(EventType::Signal, "a")));
    assert!(!router.publish(event(EventType::Signal, "a")), "where nobody decides, all do");
    assert_eq!(lens(&mut router), [1, 1, 1]);
    router.set_decisive(ids[1]);
    assert!(router.publish(event(EventType::Signal, "a")), "an observer without room is no reason to refuse");
    assert_eq!(lens(&mut router), [2, 2, 1]);
    assert!(!router.publish(event(EventType::Signal, "a")));
    assert_eq!(lens(&mut router), [2, 2, 1], "refused as a whole");
    let stats = router.stats();
    assert_eq!((stats.refused[Lane::Signals as usize], stats.missed[Lane::Signals as usize]), (2, 1));
}

#[test]
fn risk_of_all_comes_before_orders_of_any() {
    let mut router = Router::new();
    let (a, b) = (router.add_mailbox(Capacity::Unbounded), router.add_mailbox(Capacity::Unbounded));
    router.subscribe(a, EventType::OrderApproved, Name::NONE);
    router.subscribe(b, EventType::CircuitBreaker, Name::NONE);
    router.publish(event(EventType::OrderApproved, "x"));
    router.publish(event(EventType::CircuitBreaker, "x"));
    let risk = router.next_turn().map(|turn| (turn.id, turn.least));
    assert_eq!(risk, Some((b, Lane::Risk)));
    router.mailbox(b).pop();
    assert!(router.has_more_urgent_than(Lane::Signals));
    let orders = router.next_turn().map(|turn| (turn.id, turn.least));
    assert_eq!(orders, Some((a, Lane::Orders)));
}

#[test]
fn a_refusal_reaches_the_sender() {
    let mut router = Router::new();
    let id = router.add_mailbox(Capacity::PerLane(1));
    router.subscribe(id, EventType::Signal, Name::NONE);
    assert!(router.publish(event(EventType::Signal, "a")));
    assert!(!router.publish(event(EventType::Signal, "a")));
    assert_eq!(router.stats().refused[Lane::Signals as usize], 1);
}

#[test]
fn who_cannot_keep_up_presses_its_own_account_and_nobody_elses() {
    let mut router = Router::new();
    let [own, others, free] = [(); 3].map(|()| router.add_mailbox(Capacity::PerLane(5)));
    let [a, b] = ["account-a", "account-b"].map(Name::intern);
    router.set_account(own, a);
    router.set_account(others, b);
    let fill = |router: &mut Router, id, n| {
        assert!((0..n).all(|_| router.send(id, event(EventType::OrderFilled, "x"))), "facts are never refused");
    };
    fill(&mut router, free, 4);
    assert_eq!((router.is_pressed(a), router.is_pressed(b), router.overfull().collect()), (false, false, vec![free]));
    fill(&mut router, own, 3);
    assert!(!router.is_pressed(a), "three of five");
    fill(&mut router, own, 1);
    assert_eq!((router.is_pressed(a), router.is_pressed(b), router.overfull().collect()), (true, false, vec![free]));
    router.mailbox(own).pop();
    router.mailbox(free).pop();
    assert_eq!((router.is_pressed(a), router.overfull().count()), (false, 0));
}

/// A command of a strategy, for all who subscribed.
fn asks(router: &mut Router, event_type: EventType, strategy: &str) -> bool {
    router.ask(Event::new(event_type, Name::intern(strategy), 0, Payload::Empty))
}

fn storm(router: &mut Router, event_type: EventType, strategy: &str) -> usize {
    (0..10_000).take_while(|_| asks(router, event_type, strategy)).count()
}

/// An account with room for a thousand events in each lane.
fn account() -> (Router, MailboxId) {
    let mut router = Router::new();
    let id = router.add_mailbox(Capacity::PerLane(1_000));
    router.set_decisive(id);
    router.set_account(id, Name::intern("account-a"));
    for event_type in [EventType::OrderRequest, EventType::CancelRequest, EventType::Signal, EventType::CircuitBreaker]
    {
        router.subscribe(id, event_type, Name::NONE);
    }
    (router, id)
}

#[test]
fn whoever_asks_without_end_leaves_an_accounts_room_to_the_others() {
    for event_type in [EventType::OrderRequest, EventType::Signal] {
        let (mut router, id) = account();
        assert_eq!(storm(&mut router, event_type, "storm"), 200, "a fifth");
        assert_eq!(router.stats().refused[event_type.lane() as usize], 1);
        assert!(asks(&mut router, event_type, "calm"));
        assert!(!router.is_pressed(Name::intern("account-a")));
        // What is handled makes room, for the storm too, and for as many as were handled at most.
        (0..100).for_each(|_| drop(router.mailbox(id).pop()));
        assert!((90..=100).contains(&storm(&mut router, event_type, "storm")));
        // However many storm, each leaves four fifths of what it found.
        let taken: Vec<usize> = (0..20).map(|n| storm(&mut router, event_type, &format!("storm-{n}"))).collect();
        assert!(taken.iter().all(|taken| *taken > 0), "{taken:?}");
        assert!(asks(&mut router, event_type, "calm"));
    }
}

#[test]
fn one_that_asks_without_end_can_still_take_it_back_and_pull_the_kill_switch() {
    let (mut router, _) = account();
    assert_eq!(storm(&mut router, EventType::OrderRequest, "storm"), 200);
    let cancels = storm(&mut router, EventType::CancelRequest, "storm");
    assert!((170..180).contains(&cancels), "{cancels}: up to a half of what is free, the reserve among it");
    assert!(asks(&mut router, EventType::CircuitBreaker, "storm"));
    assert!(asks(&mut router, EventType::CancelRequest, "calm") && asks(&mut router, EventType::OrderRequest, "calm"));
    // Facts fill the lane beyond its limit: one cancel of each goes all the same, while the reserve lasts.
    let (mut router, id) = account();
    assert!((0..1_010).all(|_| router.send(id, event(EventType::OrderFilled, "x"))));
    assert!(!asks(&mut router, EventType::OrderRequest, "calm"));
    assert!(asks(&mut router, EventType::CancelRequest, "calm"));
}

#[test]
fn what_an_accounts_own_actors_ask_of_each_other_is_in_nobodys_part() {
    let (mut router, _) = account();
    let request = |source| Event::new(EventType::OrderRequest, Name::intern(source), 0, Payload::Empty);
    assert_eq!((0..2_000).take_while(|_| router.publish(request("account-a.portfolio"))).count(), 1_000);
    let (mut router, _) = account();
    assert_eq!((0..400).filter(|_| router.publish(request("account-a.portfolio"))).count(), 400);
    assert_eq!(storm(&mut router, EventType::OrderRequest, "storm"), 120, "of what is left");
}

#[test]
fn in_simulated_time_nothing_is_refused() {
    let mut router = Router::new();
    let id = router.add_mailbox(Capacity::Unbounded);
    router.set_decisive(id);
    router.set_account(id, Name::intern("account-a"));
    router.subscribe(id, EventType::OrderRequest, Name::NONE);
    assert_eq!(storm(&mut router, EventType::OrderRequest, "storm"), 10_000);
}

#[test]
fn a_lost_book_is_told_once() {
    let mut router = Router::new();
    let id = router.add_mailbox(Capacity::PerLane(1));
    router.subscribe(id, EventType::OrderBook, Name::NONE);
    router.publish(event(EventType::OrderBook, "a"));
    assert!(router.take_lost_books().is_empty());
    router.publish(event(EventType::OrderBook, "a"));
    assert_eq!(router.take_lost_books(), [Name::intern("a")]);
    assert!(router.take_lost_books().is_empty());
}

#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    pub(super) fn seen(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl RemoteSink for Recorder {
    fn interest_changed(&mut self, event_type: EventType, instrument: Name, interested: bool) {
        self.0.lock().unwrap().push(format!("{} {instrument} {interested}", event_type.name()));
    }
    fn accepts(&mut self, event: &Event) -> bool {
        event.instrument != Name::intern("full")
    }
    fn published(&mut self, event: &Event) {
        self.0.lock().unwrap().push(format!("#{}", event.sequence));
    }
    fn acknowledged(&mut self, event: &Event) {
        self.0.lock().unwrap().push(format!("ack #{}", event.sequence));
    }
}

#[test]
fn the_bridge_learns_of_interest_events_and_acknowledgements() {
    let mut router = Router::new();
    let (a, b) = (router.add_mailbox(Capacity::PerLane(9)), router.add_mailbox(Capacity::PerLane(9)));
    router.subscribe(a, EventType::Bar, Name::NONE);
    let recorder = Recorder::default();
    router.set_remote(Box::new(recorder.clone()));
    let x = Name::intern("x");
    router.subscribe(a, EventType::Quote, x);
    router.subscribe(b, EventType::Quote, x);
    router.publish(event(EventType::OrderRequest, "x"));
    let mut done = event(EventType::OrderRequest, "x");
    done.sequence = 1;
    router.acknowledge(&done);
    router.unsubscribe(a, EventType::Quote, x);
    router.unsubscribe(b, EventType::Quote, x);
    assert_eq!(recorder.seen(), ["BAR  true", "QUOTE x true", "#1", "ack #1", "QUOTE x false"]);
}
