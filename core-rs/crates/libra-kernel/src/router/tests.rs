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
