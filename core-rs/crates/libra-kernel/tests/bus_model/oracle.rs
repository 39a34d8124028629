//! What must come out: a plain account of who asked for what, and rules that every delivery is held against.
//!
//! - A source's events of a lane reach a mailbox in the order in which they were published, each at most once. A conflated
//!   type takes an older one's place, so it is held against its own kind and instrument only.
//! - A book's change follows the one before it, or a whole book does.
//! - Facts (never dropped, never refused) all arrive at the witness; of conflated ones at least the latest.
//! - Counters add up: at the edges, in each mailbox, and over all of them.

use std::collections::{BTreeSet, HashMap};

use libra_kernel::edge::EdgeReceiver;
use libra_kernel::router::{MailboxId, Router, lane_totals};
use libra_kernel::{Event, EventType, Lane, Name, Policy};

use super::WITNESS;
use super::producer::{TYPES, Told};

/// Within what events keep their order: (source, lane, and a type and an instrument where those are conflated or a book).
type Order = (Name, Lane, Option<(EventType, Name)>);

fn order_of(event: &Event) -> Order {
    let by_itself = matches!(event.event_type.policy(), Policy::Conflate | Policy::Resync);
    (event.source, event.lane(), by_itself.then_some((event.event_type, event.instrument)))
}

#[derive(Default)]
struct Seen {
    last: HashMap<Order, i64>,
    count: HashMap<(Name, EventType), u64>,
    dispatched: [u64; 4],
    thrown_away: [u64; 4],
    wants: BTreeSet<(EventType, Name)>,
}

/// See the module.
pub struct Oracle {
    mailboxes: Vec<Seen>,
    from_edges: Seen,
    /// Published and taken, or refused, by lane.
    taken: [u64; 4],
    refused: [u64; 4],
    /// Deliveries that the taken ones make, by lane.
    deliveries: [u64; 4],
    /// Facts that were taken, by source.
    facts: HashMap<(Name, EventType), u64>,
}

impl Oracle {
    pub fn new(mailboxes: usize) -> Self {
        Oracle {
            mailboxes: (0..mailboxes).map(|_| Seen::default()).collect(),
            from_edges: Seen::default(),
            taken: [0; 4],
            refused: [0; 4],
            deliveries: [0; 4],
            facts: HashMap::new(),
        }
    }

    pub fn subscribed(&mut self, id: MailboxId, event_type: EventType, instrument: Name) {
        self.mailboxes[id].wants.insert((event_type, instrument));
    }

    pub fn unsubscribed(&mut self, id: MailboxId, event_type: EventType, instrument: Name) {
        self.mailboxes[id].wants.remove(&(event_type, instrument));
    }

    /// The actor stops; gives what it had asked for.
    pub fn stopped(&mut self, id: MailboxId) -> BTreeSet<(EventType, Name)> {
        std::mem::take(&mut self.mailboxes[id].wants)
    }

    pub fn comes_out_of_edge(&mut self, event: &Event) {
        self.from_edges.note(event, "the edges");
    }

    pub fn published(&mut self, event: &Event, taken: bool) {
        let lane = event.lane() as usize;
        if !taken {
            assert_eq!(event.event_type.policy(), Policy::Refuse, "only a command may be refused: {event:?}");
            self.refused[lane] += 1;
            return;
        }
        self.taken[lane] += 1;
        let wanted = |seen: &&Seen| {
            [event.instrument, Name::NONE].iter().any(|name| seen.wants.contains(&(event.event_type, *name)))
        };
        self.deliveries[lane] += self.mailboxes.iter().filter(wanted).count() as u64;
        *self.facts.entry((event.source, event.event_type)).or_default() += 1;
    }

    pub fn dispatched(&mut self, id: MailboxId, event: &Event) {
        self.mailboxes[id].note(event, &format!("mailbox {id}"));
        self.mailboxes[id].dispatched[event.lane() as usize] += 1;
    }

    pub fn thrown_away(&mut self, id: MailboxId, event: &Event) {
        self.mailboxes[id].thrown_away[event.lane() as usize] += 1;
        self.mailboxes[id].last.insert(order_of(event), event.ts_ns);
    }

    /// All producers have ended, and nothing waits anywhere.
    pub fn settle(&self, router: &Router, edges: &[EdgeReceiver], told: Vec<Told>) {
        let stats = router.stats();
        for lane in Lane::ALL {
            let i = lane as usize;
            assert_eq!((stats.published[i], stats.refused[i]), (self.taken[i], self.refused[i]), "{lane:?}");
            let totals = lane_totals(router, lane);
            assert_eq!(totals.delivered + stats.missed[i], self.deliveries[i], "deliveries in {lane:?}");
            assert_eq!(totals.waiting, 0);
            for (id, (mailbox, seen)) in router.mailboxes().iter().zip(&self.mailboxes).enumerate() {
                let lost = mailbox.stats(lane);
                assert_eq!(lost.dispatched, seen.dispatched[i], "mailbox {id}, {lane:?}");
                assert!(lost.dropped >= seen.thrown_away[i]);
                assert_eq!(lost.accepted, lost.dispatched + lost.conflated + lost.dropped, "mailbox {id}, {lane:?}");
            }
        }
        for (edge, told) in edges.iter().zip(&told) {
            self.settle_edge(edge, told);
        }
        self.settle_witness(&told);
    }

    fn settle_edge(&self, edge: &EdgeReceiver, told: &Told) {
        for lane in Lane::ALL {
            let offered: u64 = told.offered.iter().filter(|(t, _)| t.lane() == lane).map(|(_, count)| count).sum();
            let came: u64 = (TYPES.iter().filter(|t| t.lane() == lane))
                .map(|t| self.from_edges.count.get(&(told.source, *t)).copied().unwrap_or(0))
                .sum();
            let (dropped, conflated) = edge.counters().lost(lane);
            assert_eq!(offered, came + dropped + conflated, "{lane:?} of {}", told.source);
            assert!(dropped >= told.refused[lane as usize]);
            assert_eq!(edge.waiting(lane), 0);
            if lane == Lane::Risk {
                assert_eq!((dropped, conflated), (0, 0), "a risk fact is never lost");
            }
        }
        for (event_type, count) in &told.offered {
            assert_eq!(edge.counters().offered(*event_type), *count);
            if event_type.policy() == Policy::Never {
                let came = self.from_edges.count.get(&(told.source, *event_type)).copied();
                assert_eq!(came, Some(*count), "{event_type:?} of {}", told.source);
            }
        }
    }

    fn settle_witness(&self, told: &[Told]) {
        let witness = &self.mailboxes[WITNESS];
        for ((source, event_type), count) in &self.facts {
            if event_type.policy() == Policy::Never {
                let came = witness.count.get(&(*source, *event_type)).copied().unwrap_or(0);
                assert_eq!(came, *count, "{event_type:?} of {source}");
            }
        }
        for told in told {
            for ((event_type, instrument), tag) in &told.last {
                if event_type.policy() == Policy::Conflate {
                    let order = (told.source, event_type.lane(), Some((*event_type, *instrument)));
                    assert_eq!(witness.last.get(&order), Some(tag), "the latest {event_type:?} of {}", told.source);
                }
            }
        }
    }
}

impl Seen {
    fn note(&mut self, event: &Event, place: &str) {
        let before = self.last.insert(order_of(event), event.ts_ns);
        assert!(
            before.is_none_or(|before| before < event.ts_ns),
            "{event:?} again or out of order at {place}: {before:?}"
        );
        *self.count.entry((event.source, event.event_type)).or_default() += 1;
        let is_whole = matches!(&event.payload, libra_kernel::Payload::Shared(book) if book.is_snapshot());
        if event.event_type == EventType::OrderBook && place == "mailbox 0" && !is_whole {
            let follows = before.map_or(event.ts_ns == 1, |before| before + 1 == event.ts_ns);
            assert!(follows, "a change of a book after a gap: {event:?} after {before:?}");
        }
    }
}
