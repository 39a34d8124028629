//! Events of other nodes: what is delivered, given back, ignored, and when it counts as handled.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::tests::{Recorder, event};
use super::*;
use crate::event::{Payload, Travel};

pub(super) fn at(channel: u32, seq: u64) -> Option<RemoteOrigin> {
    Some(RemoteOrigin { channel, epoch: 7, seq })
}

pub(super) fn applied(router: &mut Router) -> Vec<(u32, u64)> {
    let mut places = Vec::new();
    router.take_applied(&mut places);
    places.iter().map(|place| (place.channel, place.seq)).collect()
}

pub(super) fn taken(delivery: Delivery) -> bool {
    matches!(delivery, Delivery::Taken)
}

/// Takes the next event of a mailbox out and is done with it.
pub(super) fn handle(router: &mut Router, id: MailboxId) -> Event {
    let event = router.mailbox(id).pop().expect("something waits");
    router.handled(id, event.lane(), event.sequence);
    event
}

pub(super) fn router_of(mailboxes: usize, event_type: EventType, capacity: usize) -> Router {
    let mut router = Router::new();
    for _ in 0..mailboxes {
        let id = router.add_mailbox(Capacity::PerLane(capacity));
        router.subscribe(id, event_type, Name::NONE);
    }
    router
}

#[test]
fn what_came_from_elsewhere_does_not_go_back() {
    let recorder = Recorder::default();
    let mut router = router_of(1, EventType::OrderNew, 9);
    router.set_remote(Box::new(recorder.clone()));
    assert!(taken(router.deliver_remote(event(EventType::OrderNew, "x"), at(0, 1))));
    router.publish(event(EventType::OrderNew, "x"));
    router.send(0, event(EventType::Message, ""));
    let said: Vec<String> = recorder.seen().into_iter().filter(|line| line.starts_with('#')).collect();
    assert_eq!(said, ["#2"], "neither the arrival nor the message to one mailbox");
    let stats = router.stats();
    assert_eq!((stats.published[Lane::Orders as usize], stats.arrived[Lane::Orders as usize]), (1, 1));
    assert_eq!(stats.events[&EventType::OrderNew], 1, "each event counts once, where it was published");
}

#[test]
fn a_bridge_without_room_refuses_a_command_as_a_whole_and_never_a_fact() {
    let recorder = Recorder::default();
    let mut router = router_of(1, EventType::OrderRequest, 9);
    router.subscribe(0, EventType::OrderFilled, Name::NONE);
    router.set_remote(Box::new(recorder.clone()));
    assert!(!router.publish(event(EventType::OrderRequest, "full")));
    assert_eq!((router.sequence(), router.mailbox(0).len()), (0, 0), "nobody has seen it, and it has no number");
    assert_eq!(router.stats().refused[Lane::Orders as usize], 1);
    assert!(router.publish(event(EventType::OrderFilled, "full")));
    assert!(router.publish(event(EventType::OrderRequest, "x")));
    assert_eq!(router.mailbox(0).len(), 2);
}

#[test]
fn a_place_is_applied_when_all_who_took_the_event_are_done() {
    let mut router = router_of(2, EventType::OrderFilled, 9);
    assert!(taken(router.deliver_remote(event(EventType::OrderFilled, "x"), at(0, 1))));
    assert!(taken(router.deliver_remote(event(EventType::OrderFilled, "x"), at(0, 2))));
    handle(&mut router, 0);
    handle(&mut router, 0);
    let popped = router.mailbox(1).pop().expect("waits");
    assert_eq!(applied(&mut router), [], "taken out is not handled");
    router.handled(1, Lane::Orders, popped.sequence);
    assert_eq!(applied(&mut router), [(0, 1)]);
    handle(&mut router, 1);
    assert_eq!((applied(&mut router), router.unapplied()), (vec![(0, 2)], 0));
}

#[test]
fn a_command_that_had_its_turn_early_is_applied_once_those_before_it_are() {
    let mut router = router_of(1, EventType::OrderRequest, 99);
    router.set_account(0, Name::intern("account-a"));
    let deliver = |router: &mut Router, source: &str, seq| {
        let request = Event::new(EventType::OrderRequest, Name::intern(source), 0, Payload::Empty);
        assert!(taken(router.deliver_remote(request, at(0, seq))));
    };
    (1..=3).for_each(|seq| deliver(&mut router, "storm", seq));
    deliver(&mut router, "calm", 4);
    let next = |router: &mut Router| handle(router, 0).source.to_string();
    assert_eq!([next(&mut router), next(&mut router)], ["storm", "calm"]);
    assert_eq!((applied(&mut router), router.unapplied()), (vec![(0, 1)], 3), "its place waits for those before it");
    // What was not tracked, and is done with meanwhile, is none of those.
    assert!(router.send(0, event(EventType::OrderFilled, "x")));
    handle(&mut router, 0);
    assert_eq!(applied(&mut router), []);
    assert_eq!([next(&mut router), next(&mut router)], ["storm", "storm"]);
    assert_eq!((applied(&mut router), router.unapplied()), (vec![(0, 4)], 0));
}

#[test]
fn what_nobody_wants_is_applied_behind_what_came_before_it() {
    let mut router = router_of(1, EventType::OrderFilled, 9);
    assert!(taken(router.deliver_remote(event(EventType::OrderFilled, "x"), at(0, 1))));
    assert!(taken(router.deliver_remote(event(EventType::OrderNew, "x"), at(0, 2))));
    assert!(router.pass_remote(Lane::Signals, at(1, 1)));
    assert_eq!(applied(&mut router), [(1, 1)], "channels do not wait for each other");
    handle(&mut router, 0);
    assert_eq!(applied(&mut router), [(0, 2)]);
}

#[test]
fn a_command_without_room_is_given_back_and_may_come_again() {
    let mut router = router_of(2, EventType::Signal, 1);
    router.set_decisive(0);
    assert!(taken(router.deliver_remote(event(EventType::Signal, "a"), at(0, 1))));
    let Delivery::NoRoom(signal) = router.deliver_remote(event(EventType::Signal, "b"), at(0, 2)) else {
        panic!("the decisive mailbox is full")
    };
    assert_eq!(router.stats().refused[Lane::Signals as usize], 0, "nobody was refused: it waits");
    handle(&mut router, 0);
    assert!(taken(router.deliver_remote(signal, at(0, 2))));
    assert_eq!(router.stats().missed[Lane::Signals as usize], 1, "the observer only misses it");
    handle(&mut router, 0);
    handle(&mut router, 1);
    assert_eq!(applied(&mut router), [(0, 2)]);
}

#[test]
fn what_comes_again_or_stays_in_its_process_is_not_delivered() {
    let mut router = router_of(1, EventType::OrderApproved, 9);
    router.subscribe(0, EventType::OrderNew, Name::NONE);
    assert!(taken(router.deliver_remote(event(EventType::OrderNew, "x"), at(0, 5))));
    assert!(matches!(router.deliver_remote(event(EventType::OrderNew, "x"), at(0, 5)), Delivery::Ignored));
    assert!(matches!(router.deliver_remote(event(EventType::OrderApproved, "x"), at(0, 6)), Delivery::Ignored));
    assert!(!router.pass_remote(Lane::Orders, at(0, 6)));
    assert_eq!((router.mailbox(0).len(), router.stats().ignored), (1, 3));
    handle(&mut router, 0);
    assert_eq!(applied(&mut router), [(0, 6)]);
}

#[test]
fn an_actor_that_is_no_more_holds_nothing_back() {
    let mut router = router_of(2, EventType::OrderFilled, 9);
    assert!(taken(router.deliver_remote(event(EventType::OrderFilled, "x"), at(0, 1))));
    router.mailbox(0).pop();
    handle(&mut router, 1);
    assert_eq!(applied(&mut router), []);
    let recorder = Recorder::default();
    router.set_remote(Box::new(recorder.clone()));
    router.mailbox_gone(0);
    assert_eq!(applied(&mut router), [(0, 1)]);
    assert!(taken(router.deliver_remote(event(EventType::OrderFilled, "x"), at(0, 2))));
    handle(&mut router, 1);
    assert_eq!(applied(&mut router), [(0, 2)], "nothing more is put into its mailbox");
    router.mailbox_gone(1);
    assert_eq!(recorder.seen(), ["ORDER_FILLED  true", "ORDER_FILLED  false"]);
}

#[test]
fn a_request_is_applied_when_its_approval_is_done_with() {
    let mut router = router_of(1, EventType::Signal, 9);
    let execution = router.add_mailbox(Capacity::PerLane(9));
    router.subscribe(0, EventType::OrderRequest, Name::NONE);
    router.subscribe(execution, EventType::OrderApproved, Name::NONE);
    assert!(taken(router.deliver_remote(event(EventType::Signal, "x"), at(0, 1))));
    for next in [EventType::OrderRequest, EventType::OrderApproved] {
        let cause = router.mailbox(0).pop().expect("waits");
        assert!(router.publish(cause.child(next, Name::NONE, 0, Payload::Empty)));
        router.handled(0, cause.lane(), cause.sequence);
        assert_eq!(applied(&mut router), [], "the log knows of nothing yet");
    }
    assert!(router.publish(event(EventType::OrderRequest, "of another cause")));
    handle(&mut router, execution);
    assert_eq!(applied(&mut router), [(0, 1)]);
}

#[test]
fn a_message_goes_to_one_mailbox_and_waits_for_its_room() {
    let mut router = router_of(2, EventType::Message, 1);
    assert!(taken(router.send_remote(1, event(EventType::Message, ""), at(0, 1))));
    assert!(matches!(router.send_remote(1, event(EventType::Message, ""), at(0, 2)), Delivery::NoRoom(_)));
    assert_eq!((router.mailbox(0).len(), router.mailbox(1).len()), (0, 1));
    handle(&mut router, 1);
    assert_eq!(applied(&mut router), [(0, 1)]);
}

/// What a run does next.
#[derive(Clone, Debug)]
enum Step {
    /// An event arrives in a channel; some numbers of it are skipped first.
    Arrive {
        channel: u32,
        event_type: EventType,
        skip: u64,
    },
    /// An event of this node, caused by what a mailbox is handling.
    Publish {
        event_type: EventType,
        by: usize,
    },
    Begin(usize),
    End(usize),
    Gone(usize),
    /// Time goes on, and the loop comes round.
    Round(u64),
}

/// How long an actor may hold a place back.
const LONGEST: u64 = 8_000_000_000;

const TYPES: [EventType; 7] = [
    EventType::OrderRequest,
    EventType::OrderApproved,
    EventType::OrderFilled,
    EventType::PositionUpdated,
    EventType::Signal,
    EventType::CircuitBreaker,
    EventType::Quote,
];
const MAILBOXES: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let event_type = || prop::sample::select(TYPES.to_vec());
    prop_oneof![
        4 => (0..2u32, event_type(), 0..3u64).prop_map(|(channel, event_type, skip)| Step::Arrive { channel, event_type, skip }),
        2 => (event_type(), 0..MAILBOXES).prop_map(|(event_type, by)| Step::Publish { event_type, by }),
        5 => (0..MAILBOXES).prop_map(Step::Begin),
        5 => (0..MAILBOXES).prop_map(Step::End),
        1 => (0..MAILBOXES).prop_map(Step::Gone),
        2 => (LONGEST / 8..=LONGEST / 4).prop_map(Step::Round),
    ]
}

/// The same in plain words: each place with the copies that are not done with, by mailbox and number.
#[derive(Default)]
struct Model {
    places: BTreeMap<(u32, u64), BTreeSet<(usize, u64)>>,
    spans: BTreeMap<u64, (u32, u64)>,
    told: BTreeMap<u32, u64>,
    now: u64,
    opened: BTreeMap<(u32, u64), u64>,
    /// Of each channel: the oldest place that is open, and since when it is that.
    oldest: [Option<(u64, u64)>; 2],
    /// Mailboxes that have done nothing since they were excused.
    excused: BTreeSet<usize>,
    /// Events that nothing is held for.
    unheld: BTreeSet<(usize, u64)>,
}

impl Model {
    fn done(&mut self, gone: impl Fn(&(usize, u64)) -> bool) {
        self.places.values_mut().for_each(|left| left.retain(|copy| !gone(copy)));
        self.spans.retain(|_, place| !self.places[place].is_empty());
    }

    fn open(&mut self, place: (u32, u64), took: impl Iterator<Item = (usize, u64)>) {
        let (unheld, held): (BTreeSet<_>, _) = took.partition(|(id, _)| self.excused.contains(id));
        self.unheld.extend(unheld);
        self.opened.entry(place).or_insert(self.now);
        self.places.entry(place).or_default().extend(held);
    }

    /// A handler has ended; what it was given may have been one of these.
    fn ended(&mut self, copy: (usize, u64)) {
        if self.unheld.remove(&copy) || self.places.values().any(|left| left.contains(&copy)) {
            self.excused.remove(&copy.0);
        }
        self.done(|other| *other == copy);
    }

    fn front(&self, channel: u32) -> Option<(u64, &BTreeSet<(usize, u64)>)> {
        let mut of_channel = self.places.range((channel, 0)..(channel + 1, 0));
        of_channel.find(|(_, left)| !left.is_empty()).map(|((_, seq), left)| (*seq, left))
    }

    fn note_oldest(&mut self) {
        for channel in 0..2 {
            let front = self.front(channel).map(|(seq, _)| seq);
            let oldest = &mut self.oldest[channel as usize];
            if front != oldest.map(|(seq, _)| seq) {
                *oldest = front.map(|seq| (seq, self.now));
            }
        }
    }

    /// Somebody is excused: who held an oldest place back that has been there for long enough.
    fn excuse(&mut self, id: usize) -> bool {
        let holds = |channel| {
            self.front(channel).is_some_and(|(seq, left)| {
                left.iter().any(|copy| copy.0 == id) && self.now - self.opened[&(channel, seq)] >= LONGEST
            })
        };
        let is_right = holds(0) || holds(1);
        let own = self.places.values().flatten().filter(|copy| copy.0 == id).copied();
        self.unheld.extend(own.collect::<Vec<_>>());
        self.excused.insert(id);
        self.done(|copy| copy.0 == id);
        is_right
    }

    /// The places that went up, as far as nothing before them is open.
    fn news(&mut self) -> BTreeMap<u32, u64> {
        let mut news = BTreeMap::new();
        for channel in 0..2 {
            let of_channel = self.places.range((channel, 0)..(channel + 1, 0));
            let applied = of_channel.take_while(|(_, left)| left.is_empty()).last().map(|((_, seq), _)| *seq);
            if let Some(seq) = applied.filter(|seq| self.told.get(&channel) != Some(seq)) {
                self.told.insert(channel, seq);
                news.insert(channel, seq);
            }
        }
        news
    }
}

proptest! {
    #[test]
    fn places_are_applied_as_a_plain_model_says(
        wants in prop::collection::vec(prop::sample::subsequence(TYPES.to_vec(), 0..=TYPES.len()), MAILBOXES),
        capacity in 3..20usize,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut router = Router::new();
        for wanted in &wants {
            let id = router.add_mailbox(Capacity::PerLane(capacity));
            wanted.iter().for_each(|event_type| router.subscribe(id, *event_type, Name::NONE));
        }
        router.set_decisive(0);
        let (mut model, mut seqs, mut now_ns) = (Model::default(), [0, 0], 1_000_000_000);
        super::excuse_tests::begin(&mut router);
        let mut flights: [Option<Event>; MAILBOXES] = [const { None }; MAILBOXES];
        let mut alive = [true; MAILBOXES];
        for step in steps {
            // Who gets an event that needs no room is known beforehand; what was missed is seen by what was accepted.
            let counts = |router: &Router, lane: Lane| {
                router.mailboxes().iter().map(|mailbox| mailbox.stats(lane).accepted).collect::<Vec<_>>()
            };
            match step {
                Step::Arrive { channel, event_type, skip } => {
                    let arrival = event(event_type, "x");
                    let seq = seqs[channel as usize] + 1 + skip;
                    let (before, span) = (counts(&router, arrival.lane()), arrival.span_id);
                    let delivery = router.deliver_remote(arrival, at(channel, seq));
                    if matches!(delivery, Delivery::NoRoom(_)) {
                        continue;
                    }
                    seqs[channel as usize] = seq;
                    let after = counts(&router, event_type.lane());
                    let number = router.sequence();
                    let is_durable = event_type.travel() == Travel::Durable;
                    let took = (0..MAILBOXES).filter(|id| is_durable && after[*id] > before[*id]);
                    model.open((channel, seq), took.map(|id| (id, number)));
                    if event_type.policy() == Policy::Refuse {
                        model.spans.insert(span, (channel, seq));
                    }
                }
                Step::Publish { event_type, by } => {
                    let own = match &flights[by] {
                        Some(cause) => cause.child(event_type, Name::NONE, 0, Payload::Empty),
                        None => event(event_type, "y"),
                    };
                    let place = (event_type.lane() == Lane::Orders && event_type.policy() == Policy::Refuse)
                        .then(|| model.spans.get(&own.parent_span_id).copied()).flatten();
                    let (before, span) = (counts(&router, own.lane()), own.span_id);
                    if router.publish(own) && let Some(place) = place {
                        let after = counts(&router, event_type.lane());
                        let number = router.sequence();
                        let took = (0..MAILBOXES).filter(|id| after[*id] > before[*id]).map(|id| (id, number));
                        model.open(place, took);
                        model.spans.insert(span, place);
                    }
                }
                Step::Begin(id) if flights[id].is_none() => flights[id] = router.mailbox(id).pop(),
                Step::End(id) => {
                    if let Some(done) = flights[id].take() {
                        router.handled(id, done.lane(), done.sequence);
                        model.ended((id, done.sequence));
                    }
                }
                Step::Gone(id) if alive[id] => {
                    alive[id] = false;
                    wants[id].iter().for_each(|event_type| router.unsubscribe(id, *event_type, Name::NONE));
                    while router.mailbox(id).take_dropped().is_some() {}
                    router.mailbox_gone(id);
                    flights[id] = None;
                    model.done(|copy| copy.0 == id);
                    model.unheld.retain(|copy| copy.0 != id);
                    model.excused.remove(&id);
                }
                Step::Round(passed) => {
                    (now_ns, model.now) = (now_ns + passed, model.now + passed);
                    model.note_oldest();
                    for excused in router.excuse_held(now_ns, LONGEST) {
                        prop_assert!(model.excuse(excused.mailbox), "{} held nothing back", excused.mailbox);
                    }
                    model.note_oldest();
                    for (_, since) in model.oldest.iter().flatten() {
                        prop_assert!(model.now - since < LONGEST, "a place is held back for too long");
                    }
                }
                Step::Begin(_) | Step::Gone(_) => {}
            }
            model.note_oldest();
            for excused in router.excused() {
                let copies = model.unheld.iter().filter(|copy| copy.0 == excused.mailbox);
                prop_assert_eq!(excused.events, copies.count());
            }
            prop_assert_eq!(router.excused().map(|excused| excused.events).sum::<usize>(), model.unheld.len());
            let news: BTreeMap<u32, u64> = applied(&mut router).into_iter().collect();
            prop_assert_eq!(news, model.news());
            let open = model.places.iter().filter(|((channel, seq), _)| model.told.get(channel).is_none_or(|told| seq > told));
            prop_assert_eq!(router.unapplied(), open.count());
        }
    }
}
