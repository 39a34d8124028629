//! The rule of turns against floods: who waits how long, whatever some mailboxes are flooded with.

use fastrand::Rng;

use super::tests::event;
use super::*;
use crate::event::EventType;
use crate::mailbox::PASSES;

/// One of each lane, the most urgent first.
const TYPES: [EventType; 4] = [EventType::CircuitBreaker, EventType::OrderFilled, EventType::Signal, EventType::Trade];

/// A loop as a node drives it: turns of the router, and a handler for each event.
struct Loop {
    router: Router,
    given: usize,
}

impl Loop {
    fn new(mailboxes: usize) -> Self {
        let mut router = Router::new();
        for _ in 0..mailboxes {
            router.add_mailbox(Capacity::Unbounded);
        }
        Loop { router, given: 0 }
    }

    fn send(&mut self, id: MailboxId, lane: Lane) {
        assert!(self.router.send(id, event(TYPES[lane as usize], "x")));
    }

    /// Runs until nothing waits, or so many events have been handled. `handler` may send on.
    fn run(&mut self, most: usize, mut handler: impl FnMut(&mut Self, MailboxId, Lane)) {
        while self.given < most {
            let Some(mut turn) = self.router.next_turn() else { return };
            loop {
                if !self.router.may_go_on(&turn) {
                    self.router.give_way(turn, false);
                    break;
                }
                let Some(event) = self.router.mailbox(turn.id).pop_up_to(turn.least) else { break };
                self.router.note_given(&mut turn);
                self.given += 1;
                handler(self, turn.id, event.lane());
                assert!(self.given < 2 * most, "a turn without end");
            }
        }
    }
}

/// What a single flooded mailbox is given at most while another one waits for its turn.
const BOUND: usize = 2 * OVERTAKES as usize + TURN;

#[test]
fn whatever_one_is_flooded_with_every_other_gets_a_turn_within_the_bound() {
    for lane in Lane::ALL {
        let mut node = Loop::new(3);
        node.send(0, lane);
        node.send(1, Lane::MarketData);
        node.send(2, Lane::Signals);
        let (mut since, mut turns) = ([0; 3], [0; 3]);
        node.run(20 * BOUND, |node, id, _| {
            turns[id] += 1;
            let waited = turns[0] - std::mem::replace(&mut since[id], turns[0]);
            assert!(waited <= BOUND, "{lane:?}: {id} waited for {waited} events of the flood");
            // The flood: there is always one more.
            node.send(0, lane);
            if id != 0 {
                node.send(id, Lane::MarketData);
            }
        });
        assert!(turns[1] > 10 && turns[2] > 10, "{lane:?}: {turns:?}");
    }
}

/// Mailboxes that flood each other at random, in any lane, and others that always have something: the longest wait of
/// each of these, seed by seed.
#[test]
fn random_floods_of_several_hold_nobody_up_for_longer_than_their_number_times_the_bound() {
    for seed in 0..60 {
        let mut rng = Rng::with_seed(seed);
        let (flooded, victims) = (rng.usize(1..5), rng.usize(1..5));
        let all = flooded + victims;
        let lanes: Vec<Lane> = (0..flooded).map(|_| Lane::ALL[rng.usize(..4)]).collect();
        let mut node = Loop::new(all);
        (0..flooded).for_each(|id| node.send(id, lanes[id]));
        (flooded..all).for_each(|id| node.send(id, Lane::MarketData));
        let mut since = vec![0; all];
        let mut turns = vec![0; all];
        node.run(30_000, |node, id, _| {
            turns[id] += 1;
            let floods: usize = turns[..flooded].iter().sum();
            let waited = floods - std::mem::replace(&mut since[id], floods);
            if id >= flooded {
                assert!(waited <= flooded * BOUND, "seed {seed}: {id} waited for {waited} events of {flooded} floods");
                node.send(id, Lane::MarketData);
                return;
            }
            // Itself most of the time: else the flood might die out at one that floods nobody.
            node.send(id, lanes[id]);
            let other = rng.usize(..flooded);
            let lane = if rng.bool() { lanes[other] } else { Lane::ALL[rng.usize(..4)] };
            if node.router.mailbox(other).len() < 500 {
                node.send(other, lane);
            }
        });
        assert!(turns.iter().all(|turns| *turns > 3), "seed {seed}: {turns:?}");
    }
}

#[test]
fn an_honest_burst_goes_before_everything_less_urgent() {
    let mut node = Loop::new(3);
    for _ in 0..1_000 {
        node.send(1, Lane::MarketData);
        node.send(2, Lane::MarketData);
    }
    // Each fact makes the next one, as from risk to execution and back: none of them is among the less urgent.
    let mut facts = 0;
    let mut seen = Vec::new();
    node.send(0, Lane::Orders);
    node.run(1_000, |node, id, lane| {
        seen.push((id, lane));
        if lane == Lane::Orders {
            facts += 1;
            if facts < OVERTAKES {
                node.send(0, Lane::Orders);
            }
        }
    });
    assert!(seen[..OVERTAKES as usize].iter().all(|given| *given == (0, Lane::Orders)));
    assert!(seen[OVERTAKES as usize..].iter().all(|(_, lane)| *lane == Lane::MarketData));
}

#[test]
fn what_one_overtakes_by_costs_the_urgent_events_of_others_nothing() {
    let mut node = Loop::new(3);
    node.send(0, Lane::Risk);
    (0..500).for_each(|_| node.send(2, Lane::MarketData));
    let mut orders_waited = Vec::new();
    let mut sent_at = None;
    node.run(3_000, |node, id, lane| {
        match (id, lane) {
            (0, _) => node.send(0, Lane::Risk),
            (1, _) => orders_waited.push(node.given - sent_at.take().unwrap()),
            _ => {
                // A fact for the third while the flood waits for its turn.
                if sent_at.is_none() {
                    sent_at = Some(node.given);
                    node.send(1, Lane::Orders);
                }
            }
        }
    });
    assert!(orders_waited.len() > 100);
    assert!(orders_waited.iter().all(|waited| *waited == 1), "{orders_waited:?}");
}

#[test]
fn live_time_uses_the_allowance_up_sooner() {
    let mut router = Router::new();
    let (slow, other) = (router.add_mailbox(Capacity::Unbounded), router.add_mailbox(Capacity::Unbounded));
    router.send(other, event(EventType::Trade, "x"));
    for _ in 0..3 {
        router.send(slow, event(EventType::CircuitBreaker, "x"));
    }
    let mut turn = router.next_turn().unwrap();
    assert_eq!((turn.id, turn.overtakes()), (slow, true));
    router.mailbox(slow).pop_up_to(turn.least).unwrap();
    router.note_given(&mut turn);
    router.charge(slow, u64::from(OVERTAKES) * EVENT_US);
    assert!(!router.may_go_on(&turn));
    router.list_again(slow);
    let turn = router.next_turn().unwrap();
    assert_eq!((turn.id, turn.overtakes()), (other, false), "the slow one waits for its turn");
    router.mailbox(other).pop();
    let turn = router.next_turn().unwrap();
    assert_eq!((turn.id, turn.overtakes()), (slow, false));
    router.list_again(slow);
    assert!(router.next_turn().unwrap().overtakes(), "after its turn it may overtake again");
    // No time at all is too long for it.
    router.charge(slow, u64::MAX);
    router.charge(slow, u64::MAX);
}

#[test]
fn a_batch_that_goes_before_others_is_overtaking_too() {
    let mut router = Router::new();
    let (batched, other) = (router.add_mailbox(Capacity::Unbounded), router.add_mailbox(Capacity::Unbounded));
    router.send(other, event(EventType::Trade, "x"));
    for _ in 0..OVERTAKES {
        let mut turn = router.turn_before_others(batched).unwrap();
        router.note_given(&mut turn);
    }
    assert_eq!(router.turn_before_others(batched), None);
    let turns: Vec<MailboxId> = std::iter::from_fn(|| router.next_turn()).map(|turn| turn.id).collect();
    assert_eq!(turns, [other, batched], "it is on the list, though nothing waits for it but its batch");
}

/// Each less urgent lane of a mailbox whose more urgent ones are flooded gives an event in time, and in its order.
#[test]
fn no_lane_of_a_mailbox_starves_another() {
    for flooded in [Lane::Risk, Lane::Orders, Lane::Signals] {
        let mut node = Loop::new(1);
        node.send(0, flooded);
        let waiting: Vec<Lane> = Lane::ALL.into_iter().filter(|lane| *lane > flooded).collect();
        for lane in &waiting {
            (0..20).for_each(|_| node.send(0, *lane));
        }
        let mut given = [0; 4];
        let mut last = 0;
        let most = 20 * (usize::from(PASSES) + 3);
        node.run(most, |node, _, lane| {
            given[lane as usize] += 1;
            node.send(0, flooded);
            if lane == Lane::MarketData {
                assert!(node.given - last <= BOUND, "{flooded:?}: {}", node.given - last);
                last = node.given;
            }
        });
        for lane in waiting {
            assert!(given[lane as usize] >= 15, "{flooded:?} {lane:?}: {given:?}");
        }
    }
}

#[test]
fn what_a_lane_is_owed_may_be_dropped_meanwhile() {
    let mut mailbox = Mailbox::new(Capacity::PerLane(usize::from(PASSES) * 2));
    mailbox.offer(event(EventType::Trade, "x"));
    for _ in 0..=PASSES {
        mailbox.offer(event(EventType::CircuitBreaker, "x"));
    }
    for _ in 0..PASSES {
        assert_eq!(mailbox.pop_up_to(Lane::Risk).map(|event| event.lane()), Some(Lane::Risk));
    }
    // Owed, but not of a lane that may be looked into; then it comes first.
    assert_eq!(mailbox.pop_up_to(Lane::Risk).map(|event| event.lane()), Some(Lane::Risk));
    mailbox.offer(event(EventType::CircuitBreaker, "x"));
    assert_eq!(mailbox.pop().map(|event| event.lane()), Some(Lane::MarketData));
    assert_eq!(mailbox.pop().map(|event| event.lane()), Some(Lane::Risk));
    assert!(mailbox.pop().is_none() && mailbox.is_empty());
}

/// Where only one of what is owed is given at a time, the next one is that of the next lane.
#[test]
fn of_the_lanes_that_are_owed_each_has_its_turn() {
    let mut mailbox = Mailbox::new(Capacity::Unbounded);
    for event_type in TYPES {
        (0..4 * PASSES).for_each(|_| assert_eq!(mailbox.offer(event(event_type, "x")), crate::mailbox::Offer::Queued));
    }
    let mut given = Vec::new();
    for _ in 0..3 {
        for _ in 0..PASSES {
            assert_eq!(mailbox.pop_up_to(Lane::Risk).map(|event| event.lane()), Some(Lane::Risk));
        }
        given.push(mailbox.pop().map(|event| event.lane()));
    }
    assert_eq!(given, [Some(Lane::Orders), Some(Lane::Signals), Some(Lane::MarketData)]);
}
