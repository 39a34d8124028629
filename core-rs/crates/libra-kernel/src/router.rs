//! The router of a process: numbers a published event, and puts it into the mailbox of every actor that subscribed.
//!
//! It is owned by the one thread that dispatches, so publishing is a plain call: when it returns, the event stands in
//! every subscriber's lane, and nothing that it causes can be seen before it. The [`RemoteSink`] is the seam where a
//! bridge listens.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::digest::Digest;
use crate::event::{Event, EventType, Lane};
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
    /// Events that a mailbox refused, by lane.
    pub refused: [u64; 4],
}

#[derive(Default)]
struct Interest {
    everything: Vec<MailboxId>,
    by_instrument: HashMap<Name, Vec<MailboxId>>,
}

/// See the module.
pub struct Router {
    mailboxes: Vec<Mailbox>,
    /// Mailboxes that may have something waiting, each once, the longest waiting first.
    ready: VecDeque<MailboxId>,
    /// Mailboxes that got something in RISK or ORDERS since they were last asked for.
    urgent: VecDeque<MailboxId>,
    interest: Vec<Interest>,
    remote: Option<Box<dyn RemoteSink>>,
    /// Some mailbox has dropped a book.
    books_lost: bool,
    digest: Option<Digest>,
    sequence: u64,
    counts: Vec<u64>,
    stats_published: [u64; 4],
    stats_refused: [u64; 4],
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
            urgent: VecDeque::new(),
            interest: (0..types).map(|_| Interest::default()).collect(),
            remote: None,
            books_lost: false,
            digest: None,
            sequence: 0,
            counts: vec![0; types],
            stats_published: [0; 4],
            stats_refused: [0; 4],
        }
    }

    /// Adds a mailbox.
    pub fn add_mailbox(&mut self, capacity: Capacity) -> MailboxId {
        self.mailboxes.push(Mailbox::new(capacity));
        self.mailboxes.len() - 1
    }

    /// A mailbox.
    pub fn mailbox(&mut self, id: MailboxId) -> &mut Mailbox {
        &mut self.mailboxes[id]
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
    /// False when a subscriber refused it (commands and signals only: the sender has to know).
    pub fn publish(&mut self, event: Event) -> bool {
        self.counts[event.event_type as usize] += 1;
        self.deliver(event)
    }

    /// Publishes an event that came through an edge, where it was counted.
    pub fn deliver(&mut self, mut event: Event) -> bool {
        self.number(&mut event);
        let lane = event.lane() as usize;
        let interest = &self.interest[event.event_type as usize];
        let of_instrument = match interest.by_instrument.is_empty() || event.instrument.is_none() {
            true => None,
            false => interest.by_instrument.get(&event.instrument),
        };
        let mut taken = true;
        let targets = interest.everything.iter().chain(of_instrument.into_iter().flatten());
        for &id in targets {
            // A mailbox that asked for everything and for the instrument too is in both lists and gets it once.
            if of_instrument.is_some_and(|list| list.contains(&id)) && interest.everything.contains(&id) {
                if self.mailboxes[id].last_delivered == event.sequence {
                    continue;
                }
                self.mailboxes[id].last_delivered = event.sequence;
            }
            match put(&mut self.mailboxes[id], &mut self.ready, &mut self.urgent, id, event.clone()) {
                Offer::Refused => {
                    self.stats_refused[lane] += 1;
                    taken = false;
                }
                Offer::DroppedBook => self.books_lost = true,
                _ => {}
            }
        }
        taken
    }

    /// Puts an event into one mailbox, whatever it subscribed to: a message, a timer. False when it was refused.
    pub fn send(&mut self, id: MailboxId, mut event: Event) -> bool {
        self.counts[event.event_type as usize] += 1;
        self.number(&mut event);
        let lane = event.lane() as usize;
        let taken = put(&mut self.mailboxes[id], &mut self.ready, &mut self.urgent, id, event) != Offer::Refused;
        self.stats_refused[lane] += u64::from(!taken);
        taken
    }

    /// Takes the next mailbox that may have something waiting, and in which only urgent lanes should be looked at
    /// (`true`) or all. Whoever takes it says by [`Router::list_again`] when something is left.
    pub fn next_ready(&mut self) -> Option<(MailboxId, bool)> {
        while let Some(id) = self.urgent.pop_front() {
            if self.mailboxes[id].has_up_to(Lane::Orders) {
                return Some((id, true));
            }
        }
        let id = self.ready.pop_front()?;
        self.mailboxes[id].listed = false;
        Some((id, false))
    }

    /// True when something urgent may wait in some mailbox.
    pub fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// Puts a mailbox back on the list when something is left in it.
    pub fn list_again(&mut self, id: MailboxId) {
        let mailbox = &mut self.mailboxes[id];
        if mailbox.has_up_to(Lane::Orders) {
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

    /// True when nothing waits in any mailbox.
    pub fn is_empty(&self) -> bool {
        self.mailboxes.iter().all(Mailbox::is_empty)
    }

    /// What was counted.
    pub fn stats(&self) -> RouterStats {
        let events = EventType::ALL.iter().map(|t| (*t, self.counts[*t as usize])).filter(|(_, n)| *n != 0).collect();
        RouterStats { events, published: self.stats_published, refused: self.stats_refused }
    }

    /// The number of the last event.
    pub fn sequence(&self) -> u64 {
        self.sequence
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

/// Offers an event to a mailbox, and lists the mailbox as one with work.
fn put(
    mailbox: &mut Mailbox,
    ready: &mut VecDeque<MailboxId>,
    urgent: &mut VecDeque<MailboxId>,
    id: MailboxId,
    event: Event,
) -> Offer {
    let is_urgent = event.lane() <= Lane::Orders;
    let offer = mailbox.offer(event);
    if offer == Offer::Refused {
        return offer;
    }
    if is_urgent {
        urgent.push_back(id);
    }
    if !mailbox.listed {
        mailbox.listed = true;
        ready.push_back(id);
    }
    offer
}

/// The lane statistics of all mailboxes together: dispatched, dropped, conflated.
pub fn lane_totals(router: &Router, lane: Lane) -> (u64, u64, u64) {
    router
        .mailboxes()
        .iter()
        .map(|mailbox| mailbox.stats(lane))
        .fold((0, 0, 0), |sum, stats| (sum.0 + stats.dispatched, sum.1 + stats.dropped, sum.2 + stats.conflated))
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
