//! The router of a process: numbers a published event, and puts it into the mailbox of every actor that subscribed.
//!
//! It is owned by the one thread that dispatches, so publishing is a plain call: when it returns, the event stands in
//! every subscriber's lane, and nothing that it causes can be seen before it. The [`RemoteSink`] is the seam where a
//! bridge listens.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::digest::Digest;
use crate::event::{Event, EventType, Lane, Policy};
use crate::mailbox::{Capacity, Mailbox, Offer};
use crate::name::Name;

/// A mailbox of the router: dense from 0.
pub type MailboxId = usize;

/// What a bridge implements to join this router with others.
pub trait RemoteSink: Send {
    /// The first local subscription of (type, instrument) came, or the last one went. `Name::NONE` stands for all
    /// instruments.
    fn interest_changed(&mut self, event_type: EventType, instrument: Name, interested: bool);

    /// An event was published here. It is called once an event, before any local handler runs.
    fn published(&mut self, event: &Event);

    /// Whoever made the effect of `event` durable (the order gate's log, a journal) says so: only now may a sender
    /// elsewhere forget it.
    fn acknowledged(&mut self, event: &Event);
}

/// What the router counted.
#[derive(Clone, Debug, Default)]
pub struct RouterStats {
    /// Events published, each once, by type.
    pub events: BTreeMap<EventType, u64>,
    /// Events published, each once, by lane.
    pub published: [u64; 4],
    /// Events that were refused as a whole, by lane: the publisher was told.
    pub refused: [u64; 4],
    /// Deliveries that an observer without room missed, by lane.
    pub missed: [u64; 4],
}

#[derive(Default)]
struct Interest {
    everything: Vec<MailboxId>,
    by_instrument: HashMap<Name, Vec<MailboxId>>,
}

impl Interest {
    /// The mailboxes that asked for an event, each once: those of all instruments first.
    fn of<'a>(&'a self, event: &Event) -> impl Iterator<Item = MailboxId> + Clone + 'a {
        let of_instrument = match self.by_instrument.is_empty() || event.instrument.is_none() {
            true => &[][..],
            false => self.by_instrument.get(&event.instrument).map_or(&[][..], Vec::as_slice),
        };
        let both = of_instrument.iter().filter(|id| !self.everything.contains(id));
        self.everything.iter().chain(both).copied()
    }
}

/// See the module.
pub struct Router {
    mailboxes: Vec<Mailbox>,
    /// Mailboxes that may have something waiting, each once, the longest waiting first.
    ready: VecDeque<MailboxId>,
    /// Mailboxes that got something in RISK since they were last asked for.
    risk: VecDeque<MailboxId>,
    /// Mailboxes that got something in ORDERS since they were last asked for.
    urgent: VecDeque<MailboxId>,
    /// Mailboxes whose room decides whether a command is taken: see [`Router::set_decisive`].
    decisive: Vec<bool>,
    interest: Vec<Interest>,
    remote: Option<Box<dyn RemoteSink>>,
    /// Some mailbox has dropped a book.
    books_lost: bool,
    digest: Option<Digest>,
    sequence: u64,
    counts: Vec<u64>,
    stats_published: [u64; 4],
    stats_refused: [u64; 4],
    stats_missed: [u64; 4],
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl Router {
    /// A router without mailboxes.
    pub fn new() -> Self {
        let types = EventType::ALL.iter().map(|t| *t as usize).max().unwrap_or(0) + 1;
        Router {
            mailboxes: Vec::new(),
            ready: VecDeque::new(),
            risk: VecDeque::new(),
            urgent: VecDeque::new(),
            decisive: Vec::new(),
            interest: (0..types).map(|_| Interest::default()).collect(),
            remote: None,
            books_lost: false,
            digest: None,
            sequence: 0,
            counts: vec![0; types],
            stats_published: [0; 4],
            stats_refused: [0; 4],
            stats_missed: [0; 4],
        }
    }

    /// Adds a mailbox.
    pub fn add_mailbox(&mut self, capacity: Capacity) -> MailboxId {
        self.mailboxes.push(Mailbox::new(capacity));
        self.decisive.push(false);
        self.mailboxes.len() - 1
    }

    /// A mailbox.
    pub fn mailbox(&mut self, id: MailboxId) -> &mut Mailbox {
        &mut self.mailboxes[id]
    }

    /// From now on this mailbox decides: a command (an event that may be refused) is taken when every decisive subscriber
    /// has room for it, and reaches all subscribers then, or none. An observer without room only misses it, counted.
    /// Where no subscriber is decisive, all of them are.
    pub fn set_decisive(&mut self, id: MailboxId) {
        self.decisive[id] = true;
    }

    /// All mailboxes, in the order of their ids.
    pub fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }

    /// From now on `id` gets events of `event_type`: of one instrument, or of all for `Name::NONE`.
    pub fn subscribe(&mut self, id: MailboxId, event_type: EventType, instrument: Name) {
        let interest = &mut self.interest[event_type as usize];
        let list = if instrument.is_none() {
            &mut interest.everything
        } else {
            interest.by_instrument.entry(instrument).or_default()
        };
        if !list.contains(&id) {
            list.push(id);
            if let (1, Some(remote)) = (list.len(), &mut self.remote) {
                remote.interest_changed(event_type, instrument, true);
            }
        }
    }

    /// Takes a subscription back.
    pub fn unsubscribe(&mut self, id: MailboxId, event_type: EventType, instrument: Name) {
        let interest = &mut self.interest[event_type as usize];
        let list = if instrument.is_none() {
            Some(&mut interest.everything)
        } else {
            interest.by_instrument.get_mut(&instrument)
        };
        let Some(list) = list else { return };
        let before = list.len();
        list.retain(|other| *other != id);
        if before == 1 && list.is_empty() {
            if !instrument.is_none() {
                interest.by_instrument.remove(&instrument);
            }
            if let Some(remote) = &mut self.remote {
                remote.interest_changed(event_type, instrument, false);
            }
        }
    }

    /// Sets the bridge; it is told of all present interest at once.
    pub fn set_remote(&mut self, mut remote: Box<dyn RemoteSink>) {
        for &event_type in EventType::ALL {
            let interest = &self.interest[event_type as usize];
            if !interest.everything.is_empty() {
                remote.interest_changed(event_type, Name::NONE, true);
            }
            for instrument in interest.by_instrument.keys() {
                remote.interest_changed(event_type, *instrument, true);
            }
        }
        self.remote = Some(remote);
    }

    /// From now on everything published goes into a digest.
    pub fn start_digest(&mut self) {
        self.digest = Some(Digest::new());
    }

    /// The digest of what was published since [`Router::start_digest`].
    pub fn digest_hex(&self) -> Option<String> {
        self.digest.as_ref().map(Digest::hex)
    }

    /// Adds something that is no event to the digest: a seed, a parameter.
    pub fn digest_blob(&mut self, bytes: &[u8]) {
        if let Some(digest) = &mut self.digest {
            digest.blob(bytes);
        }
    }

    /// Publishes an event that was made on this thread: counts it, numbers it and puts it into every subscriber's lane.
    /// False when it was refused: then it was not published at all, and the sender has to know.
    pub fn publish(&mut self, event: Event) -> bool {
        let event_type = event.event_type as usize;
        let taken = self.deliver(event);
        self.counts[event_type] += u64::from(taken);
        taken
    }

    /// Publishes an event that came through an edge, where it was counted.
    pub fn deliver(&mut self, mut event: Event) -> bool {
        // Taken out while mailboxes are filled, which asks for the whole router; no call below comes back here.
        let interest = std::mem::take(&mut self.interest[event.event_type as usize]);
        let taken = self.may_take(&event, &interest);
        if taken {
            self.number(&mut event);
            self.fan_out(&event, &interest);
        } else {
            self.stats_refused[event.lane() as usize] += 1;
        }
        self.interest[event.event_type as usize] = interest;
        taken
    }

    fn may_take(&self, event: &Event, interest: &Interest) -> bool {
        if event.event_type.policy() != Policy::Refuse {
            return true;
        }
        let any_decides = interest.of(event).any(|id| self.decisive[id]);
        let mut deciders = interest.of(event).filter(|id| !any_decides || self.decisive[*id]);
        deciders.all(|id| self.mailboxes[id].has_room_for(event))
    }

    fn fan_out(&mut self, event: &Event, interest: &Interest) {
        let lane = event.lane() as usize;
        for id in interest.of(event) {
            match self.put(id, event.clone()) {
                Offer::Refused => self.stats_missed[lane] += 1,
                Offer::DroppedBook => self.books_lost = true,
                _ => {}
            }
        }
    }

    /// Puts an event into one mailbox, whatever it subscribed to: a message, a timer. False when it was refused.
    pub fn send(&mut self, id: MailboxId, mut event: Event) -> bool {
        self.counts[event.event_type as usize] += 1;
        self.number(&mut event);
        let lane = event.lane() as usize;
        let taken = self.put(id, event) != Offer::Refused;
        self.stats_refused[lane] += u64::from(!taken);
        taken
    }

    /// Takes the next mailbox that may have something waiting, and the least urgent lane to look into: RISK of all
    /// mailboxes comes first, then ORDERS of all, then the rest. Whoever takes it says by [`Router::list_again`] when
    /// something is left.
    pub fn next_ready(&mut self) -> Option<(MailboxId, Lane)> {
        while let Some(id) = self.risk.pop_front() {
            if self.mailboxes[id].has_up_to(Lane::Risk) {
                return Some((id, Lane::Risk));
            }
        }
        while let Some(id) = self.urgent.pop_front() {
            if self.mailboxes[id].has_up_to(Lane::Orders) {
                return Some((id, Lane::Orders));
            }
        }
        let id = self.ready.pop_front()?;
        self.mailboxes[id].listed = false;
        Some((id, Lane::MarketData))
    }

    /// True when something more urgent than `lane` may wait in some mailbox.
    pub fn has_more_urgent_than(&self, lane: Lane) -> bool {
        match lane {
            Lane::Risk => false,
            Lane::Orders => !self.risk.is_empty(),
            _ => !self.risk.is_empty() || !self.urgent.is_empty(),
        }
    }

    /// Puts a mailbox back on the list when something is left in it.
    pub fn list_again(&mut self, id: MailboxId) {
        let mailbox = &mut self.mailboxes[id];
        if mailbox.has_up_to(Lane::Risk) {
            self.risk.push_back(id);
        }
        if mailbox.lane_len(Lane::Orders) != 0 {
            self.urgent.push_back(id);
        }
        if !mailbox.is_empty() && !mailbox.listed {
            mailbox.listed = true;
            self.ready.push_back(id);
        }
    }

    /// Tells the bridge that the effect of an event is durable.
    pub fn acknowledge(&mut self, event: &Event) {
        if let Some(remote) = &mut self.remote {
            remote.acknowledged(event);
        }
    }

    /// Instruments whose book was dropped from some mailbox since the last call.
    pub fn take_lost_books(&mut self) -> Vec<Name> {
        if !std::mem::take(&mut self.books_lost) {
            return Vec::new();
        }
        let mut lost: Vec<Name> = self.mailboxes.iter_mut().flat_map(Mailbox::take_lost_books).collect();
        lost.sort_unstable();
        lost.dedup();
        lost
    }

    /// True when a mailbox is so full of facts that no new orders may be made.
    pub fn is_pressed(&self) -> bool {
        self.mailboxes.iter().any(Mailbox::is_pressed)
    }

    /// What was counted.
    pub fn stats(&self) -> RouterStats {
        let events = EventType::ALL.iter().map(|t| (*t, self.counts[*t as usize])).filter(|(_, n)| *n != 0).collect();
        RouterStats { events, published: self.stats_published, refused: self.stats_refused, missed: self.stats_missed }
    }

    /// The number of the last event.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Offers an event to a mailbox, and lists the mailbox as one with work.
    fn put(&mut self, id: MailboxId, event: Event) -> Offer {
        let lane = event.lane();
        let mailbox = &mut self.mailboxes[id];
        let offer = mailbox.offer(event);
        if offer == Offer::Refused {
            return offer;
        }
        match lane {
            Lane::Risk => self.risk.push_back(id),
            Lane::Orders => self.urgent.push_back(id),
            Lane::Signals | Lane::MarketData => {}
        }
        if !mailbox.listed {
            mailbox.listed = true;
            self.ready.push_back(id);
        }
        offer
    }

    fn number(&mut self, event: &mut Event) {
        self.sequence += 1;
        event.sequence = self.sequence;
        self.stats_published[event.lane() as usize] += 1;
        if let Some(digest) = &mut self.digest {
            event.digest(digest);
        }
        if let Some(remote) = &mut self.remote {
            remote.published(event);
        }
    }
}

/// What became of the deliveries of a lane, all mailboxes together: `delivered = dispatched + dropped + conflated +
/// waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneTotals {
    /// Put into a mailbox, or dropped by its policy on arrival.
    pub delivered: u64,
    /// Taken out by a handler's turn.
    pub dispatched: u64,
    /// Dropped by policy, or thrown away with their actor.
    pub dropped: u64,
    /// Replaced by a later one while waiting.
    pub conflated: u64,
    /// Still there.
    pub waiting: u64,
}

/// The totals of a lane.
pub fn lane_totals(router: &Router, lane: Lane) -> LaneTotals {
    router.mailboxes().iter().fold(LaneTotals::default(), |sum, mailbox| {
        let stats = mailbox.stats(lane);
        LaneTotals {
            delivered: sum.delivered + stats.accepted,
            dispatched: sum.dispatched + stats.dispatched,
            dropped: sum.dropped + stats.dropped,
            conflated: sum.conflated + stats.conflated,
            waiting: sum.waiting + mailbox.lane_len(lane) as u64,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Payload;
    use std::sync::{Arc, Mutex};

    fn event(event_type: EventType, instrument: &str) -> Event {
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
        assert_eq!(router.next_ready(), Some((b, Lane::Risk)));
        router.mailbox(b).pop();
        assert!(router.has_more_urgent_than(Lane::Signals));
        assert_eq!(router.next_ready(), Some((a, Lane::Orders)));
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
    struct Recorder(Arc<Mutex<Vec<String>>>);

    impl RemoteSink for Recorder {
        fn interest_changed(&mut self, event_type: EventType, instrument: Name, interested: bool) {
            self.0.lock().unwrap().push(format!("{} {instrument} {interested}", event_type.name()));
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
        let seen = recorder.0.lock().unwrap().clone();
        assert_eq!(seen, ["BAR  true", "QUOTE x true", "#1", "ack #1", "QUOTE x false"]);
    }
}
