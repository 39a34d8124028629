//! Who hears what is its own, beside those who hear everything, and what the bridge is told of both.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::event::Payload;
use crate::event::owned::Owned;

fn rejected(instrument: Name, owner: Name) -> Event {
    let mut event = Event::new(EventType::OrderRejected, Name::intern("gate"), 0, Payload::shared(Owned(owner)));
    event.instrument = instrument;
    event
}

#[test]
fn what_becomes_of_an_order_is_told_to_its_owner_and_to_who_hears_all() {
    let mut router = Router::new();
    let ids = [(); 4].map(|()| router.add_mailbox(Capacity::PerLane(100)));
    let [storm, calm, btc, eth] = ["storm", "calm", "own-btc", "own-eth"].map(Name::intern);
    router.subscribe_own(ids[0], EventType::OrderRejected, btc, storm);
    router.subscribe_own(ids[1], EventType::OrderRejected, btc, calm);
    router.subscribe_own(ids[1], EventType::OrderRejected, Name::NONE, calm);
    router.subscribe(ids[2], EventType::OrderRejected, Name::NONE);
    router.subscribe_own(ids[3], EventType::OrderRejected, btc, Name::intern("hears-all-too"));
    router.subscribe(ids[3], EventType::OrderRejected, btc);
    let mut told = |instrument, owner| {
        assert!(router.publish(rejected(instrument, owner)));
        ids.map(|id| std::iter::from_fn(|| router.mailbox(id).pop()).count())
    };
    assert_eq!(told(btc, storm), [1, 0, 1, 1]);
    assert_eq!(told(btc, calm), [0, 1, 1, 1]);
    assert_eq!(told(eth, storm), [0, 0, 1, 0], "not its instrument");
    assert_eq!(told(eth, calm), [0, 1, 1, 0]);
    assert_eq!(told(btc, Name::intern("nobody here")), [0, 0, 1, 1]);
    assert_eq!(told(btc, Name::NONE), [1, 1, 1, 1], "where nobody knows whose it is, each looks for itself");
}

/// What a bridge believes that somebody here wants.
#[derive(Clone, Default)]
struct Believed(Arc<Mutex<BTreeSet<Name>>>);

impl RemoteSink for Believed {
    fn interest_changed(&mut self, _event_type: EventType, instrument: Name, interested: bool) {
        let mut wanted = self.0.lock().unwrap();
        let is_news = if interested { wanted.insert(instrument) } else { wanted.remove(&instrument) };
        assert!(is_news, "{instrument}: {interested} again");
    }
    fn accepts(&mut self, _event: &Event) -> bool {
        true
    }
    fn published(&mut self, _event: &Event) {}
    fn acknowledged(&mut self, _event: &Event) {}
}

#[derive(Clone, Debug)]
enum Step {
    Subscribe { id: usize, instrument: usize, own: bool },
    Unsubscribe { id: usize, instrument: usize, own: bool },
    Gone { id: usize },
    Join,
    Publish { instrument: usize, owner: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0usize..6, 0usize..4, 0usize..4, any::<bool>()).prop_map(|(kind, id, instrument, own)| match kind {
        0 | 1 => Step::Subscribe { id, instrument, own },
        2 => Step::Unsubscribe { id, instrument, own },
        3 if own => Step::Gone { id },
        4 if own => Step::Join,
        _ => Step::Publish { instrument: instrument.max(1), owner: id },
    });
    proptest::collection::vec(step, 0..80)
}

proptest! {
    /// Against sets of (mailbox, instrument): two mailboxes share an owner, owner 0 is nobody.
    #[test]
    fn everyone_hears_what_it_asked_for_once(steps in steps()) {
        let instruments = ["", "own-a", "own-b", "own-c"].map(Name::intern);
        let owners = ["", "owner-1", "owner-2", "owner-3"].map(Name::intern);
        let owner_of = |id: usize| id.max(1);
        let mut router = Router::new();
        for _ in 0..4 {
            router.add_mailbox(Capacity::PerLane(1_000));
        }
        let (mut all, mut own) = (BTreeSet::new(), BTreeSet::new());
        let mut believed: Option<Believed> = None;
        for step in steps {
            match step {
                Step::Subscribe { id, instrument, own: true } => {
                    own.insert((id, instrument));
                    let owner = owners[owner_of(id)];
                    router.subscribe_own(id, EventType::OrderRejected, instruments[instrument], owner);
                }
                Step::Subscribe { id, instrument, own: false } => {
                    all.insert((id, instrument));
                    router.subscribe(id, EventType::OrderRejected, instruments[instrument]);
                }
                Step::Unsubscribe { id, instrument, own: true } => {
                    own.remove(&(id, instrument));
                    router.unsubscribe_own(id, EventType::OrderRejected, instruments[instrument]);
                }
                Step::Unsubscribe { id, instrument, own: false } => {
                    all.remove(&(id, instrument));
                    router.unsubscribe(id, EventType::OrderRejected, instruments[instrument]);
                }
                Step::Gone { id } => {
                    all.retain(|(of, _)| *of != id);
                    own.retain(|(of, _)| *of != id);
                    router.mailbox_gone(id);
                }
                Step::Join => {
                    let sink = Believed::default();
                    router.set_remote(Box::new(sink.clone()));
                    believed = Some(sink);
                }
                Step::Publish { instrument, owner } => {
                    prop_assert!(router.publish(rejected(instruments[instrument], owners[owner])));
                    for id in 0..4 {
                        let heard = std::iter::from_fn(|| router.mailbox(id).pop()).count();
                        let asked = |set: &BTreeSet<(usize, usize)>| set.contains(&(id, 0)) || set.contains(&(id, instrument));
                        let wants = asked(&all) || (asked(&own) && (owner == 0 || owner == owner_of(id)));
                        prop_assert_eq!(heard, usize::from(wants), "{} of {}", id, instrument);
                    }
                }
            }
            if let Some(believed) = &believed {
                let wanted: BTreeSet<Name> = all.union(&own).map(|(_, instrument)| instruments[*instrument]).collect();
                prop_assert_eq!(&*believed.0.lock().unwrap(), &wanted);
            }
        }
    }
}
