//! The router of a process: numbers a published event, and puts it into the mailbox of every actor that subscribed.
//!
//! It is owned by the one thread that dispatches, so publishing is a plain call: when it returns, the event stands in
//! every subscriber's lane, and nothing that it causes can be seen before it. The [`RemoteSink`] is the seam where a
//! bridge listens.
//!
//! - [`interest`] — who wants events of a type and an instrument;
//! - [`fairness`] — whose turn it is, and how long one may go before the others;
//! - [`applied`] — which events of other nodes have been handled, so that a bridge may acknowledge them;
//! - [`excuse`] — who is not waited for in that;
//! - [`remote`] — how events of other nodes come in;
//! - this file — numbering, refusing and fanning out.

mod applied;
mod excuse;
mod fairness;
mod interest;
mod remote;

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::event::{Event, EventType, Lane, Offered, Policy};
use crate::mailbox::{Capacity, Mailbox, Offer};
use crate::name::Name;
use crate::recent::Recorder;
use applied::{Applied, Ticket};
use fairness::Lists;
use interest::Interest;

pub use applied::RemoteOrigin;
pub use excuse::{CROWDED, Excused};
pub use fairness::{EVENT_US, OVERTAKES, TURN, Turn};
pub use remote::Delivery;

/// A mailbox of the router: dense from 0.
pub type MailboxId = usize;

/// What a bridge implements to join this router with others.
pub trait RemoteSink: Send {
    /// The first local subscription of (type, instrument) came, or the last one went. `Name::NONE` stands for all
    /// instruments.
    fn interest_changed(&mut self, event_type: EventType, instrument: Name, interested: bool);

    /// True when the bridge has room for a command (an event that may be refused), or does not carry it. False refuses it as
    /// a whole, before it is numbered: its sender is told.
    fn accepts(&mut self, event: &Event) -> bool;

    /// An event was published here. It is called once an event, before any local handler runs; not for what goes to one
    /// mailbox, nor for what came from another node.
    fn published(&mut self, event: &Event);

    /// Whoever made the effect of `event` durable (the order gate's log, a journal) says so: only now may a sender
    /// elsewhere forget it.
    fn acknowledged(&mut self, event: &Event);

    /// Hands over what found no room. True when nothing waits any more.
    fn flush(&mut self) -> bool {
        true
    }

    /// Instruments whose book was dropped on its way out since the last call.
    fn take_lost_books(&mut self) -> Vec<Name> {
        Vec::new()
    }
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
    /// Events of other nodes that were delivered here, each once, by lane. They are counted in no other field but `missed`.
    pub arrived: [u64; 4],
    /// Events of other nodes that were not delivered: they came again, or are of a type that stays in its process.
    pub ignored: u64,
}

/// See the module.
pub struct Router {
    mailboxes: Vec<Mailbox>,
    lists: Lists,
    /// Mailboxes that were pressed when something was last put into them.
    pressed: Vec<MailboxId>,
    /// Mailboxes whose room decides whether a command is taken: see [`Router::set_decisive`].
    decisive: Vec<bool>,
    /// Whose facts a mailbox has to keep up with: see [`Router::set_account`].
    accounts: Vec<Name>,
    /// By event type, where anybody has asked for one. Boxed: it is taken out while an event of its type is dealt with.
    interest: Vec<Option<Box<Interest>>>,
    remote: Option<Box<dyn RemoteSink>>,
    /// What came from other nodes and has not been handled; made by the first of it.
    applied: Option<Box<Applied>>,
    /// Some mailbox has dropped a book.
    books_lost: bool,
    digest: Option<Digest>,
    /// What is remembered of recent events, where anyone may ask for it.
    recorder: Option<Box<Recorder>>,
    sequence: u64,
    counts: Vec<u64>,
    stats_published: [u64; 4],
    stats_refused: [u64; 4],
    stats_missed: [u64; 4],
    stats_arrived: [u64; 4],
    stats_ignored: u64,
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl Router {
    /// A router without mailboxes.
    pub fn new() -> Self {
        let types = EventType::NUMBERS;
        Router {
            mailboxes: Vec::new(),
            lists: Lists::default(),
            pressed: Vec::new(),
            decisive: Vec::new(),
            accounts: Vec::new(),
            interest: (0..types).map(|_| None).collect(),
            remote: None,
            applied: None,
            books_lost: false,
            digest: None,
            recorder: None,
            sequence: 0,
            counts: vec![0; types],
            stats_published: [0; 4],
            stats_refused: [0; 4],
            stats_missed: [0; 4],
            stats_arrived: [0; 4],
            stats_ignored: 0,
        }
    }

    /// Adds a mailbox.
    pub fn add_mailbox(&mut self, capacity: Capacity) -> MailboxId {
        self.mailboxes.push(Mailbox::new(capacity));
        self.decisive.push(false);
        self.accounts.push(Name::NONE);
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

    /// This mailbox is one of an account's own: while it is pressed, the account makes no new orders. Any other that
    /// cannot keep up is [`overfull`](Router::overfull), and holds up nobody. Its room for commands is shared by those who ask:
    /// [`Router::ask`].
    pub fn set_account(&mut self, id: MailboxId, account: Name) {
        self.accounts[id] = account;
        self.mailboxes[id].share();
    }

    /// All mailboxes, in the order of their ids.
    pub fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }

    /// From now on `id` gets events of `event_type`: of one instrument, or of all for `Name::NONE`.
    pub fn subscribe(&mut self, id: MailboxId, event_type: EventType, instrument: Name) {
        let is_first = self.interest_in(event_type).add(id, instrument);
        self.tell_interest(is_first, event_type, instrument, true);
    }

    /// As [`Router::subscribe`], but `id` gets only what `owner` owns, and that of which nobody knows whose it is.
    pub fn subscribe_own(&mut self, id: MailboxId, event_type: EventType, instrument: Name, owner: Name) {
        let is_first = self.interest_in(event_type).add_own(id, instrument, owner);
        self.tell_interest(is_first, event_type, instrument, true);
    }

    /// Takes a subscription back.
    pub fn unsubscribe(&mut self, id: MailboxId, event_type: EventType, instrument: Name) {
        let was_last = self.interest_in(event_type).remove(id, instrument);
        self.tell_interest(was_last, event_type, instrument, false);
    }

    /// Takes a subscription to what somebody owns back.
    pub fn unsubscribe_own(&mut self, id: MailboxId, event_type: EventType, instrument: Name) {
        let was_last = self.interest_in(event_type).remove_own(id, instrument);
        self.tell_interest(was_last, event_type, instrument, false);
    }

    fn interest_in(&mut self, event_type: EventType) -> &mut Interest {
        self.interest[event_type as usize].get_or_insert_default()
    }

    fn tell_interest(&mut self, is_news: bool, event_type: EventType, instrument: Name, interested: bool) {
        if let (true, Some(remote)) = (is_news, &mut self.remote) {
            remote.interest_changed(event_type, instrument, interested);
        }
    }

    /// Sets the bridge; it is told of all present interest at once.
    pub fn set_remote(&mut self, mut remote: Box<dyn RemoteSink>) {
        for &event_type in EventType::ALL {
            let Some(interest) = &self.interest[event_type as usize] else { continue };
            if interest.wants_everything() {
                remote.interest_changed(event_type, Name::NONE, true);
            }
            for instrument in interest.instruments() {
                remote.interest_changed(event_type, instrument, true);
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

    /// Publishes what an actor says: as [`Router::publish`], but a command is refused as well that would take more of an
    /// account's room than its source's part ([`Mailbox::shares`]). What an account's own actors ask of each other is in nobody's
    /// part: it follows from what was taken.
    pub fn ask(&mut self, event: Event) -> bool {
        let event_type = event.event_type as usize;
        let taken = self.deliver_of(event, true);
        self.counts[event_type] += u64::from(taken);
        taken
    }

    /// Publishes an event that came through an edge, where it was counted.
    pub fn deliver(&mut self, event: Event) -> bool {
        self.deliver_of(event, false)
    }

    #[inline]
    fn deliver_of(&mut self, mut event: Event, is_asked: bool) -> bool {
        // Taken out while mailboxes are filled, which asks for the whole router; no call below comes back here.
        let interest = self.interest[event.event_type as usize].take();
        let taken = self.may_take(&event, interest.as_deref(), is_asked) && self.may_leave(&event);
        if taken {
            self.number(&mut event);
            self.note_published(&mut event);
            self.stats_published[event.lane() as usize] += 1;
            if let Some(remote) = &mut self.remote {
                remote.published(&event);
            }
            let ticket = self.applied.as_ref().and_then(|applied| remote::joined(applied, &event));
            self.fan_out(&event, interest.as_deref(), ticket);
        } else {
            self.stats_refused[event.lane() as usize] += 1;
        }
        self.interest[event.event_type as usize] = interest;
        taken
    }

    /// Publishes an event for other nodes alone: a message to an actor there, or what is known here. False when the bridge has no room for it, or
    /// there is none.
    pub fn post(&mut self, mut event: Event) -> bool {
        let lane = event.lane() as usize;
        if self.remote.is_none() || !self.may_leave(&event) {
            self.stats_refused[lane] += 1;
            return false;
        }
        self.counts[event.event_type as usize] += 1;
        self.number(&mut event);
        self.note_published(&mut event);
        self.stats_published[lane] += 1;
        if let Some(remote) = &mut self.remote {
            remote.published(&event);
        }
        true
    }

    /// True where a bridge joins this router with others.
    pub fn is_joined(&self) -> bool {
        self.remote.is_some()
    }

    /// Lets the bridge hand over what found no room. True when nothing waits there.
    pub fn flush_remote(&mut self) -> bool {
        self.remote.as_mut().is_none_or(|remote| remote.flush())
    }

    /// Takes the bridge away: nothing leaves any more.
    pub fn take_remote(&mut self) -> Option<Box<dyn RemoteSink>> {
        self.remote.take()
    }

    fn may_take(&self, event: &Event, interest: Option<&Interest>, is_asked: bool) -> bool {
        if event.event_type.policy() != Policy::Refuse {
            return true;
        }
        // Of all subscribers, and of the decisive ones among them.
        let (mut have_room, mut decide, mut deciders_have_room) = (true, false, true);
        for id in interest.into_iter().flat_map(|interest| interest.of(event)) {
            let mailbox = &self.mailboxes[id];
            let has_room = mailbox.has_room_for(event) && (!is_asked || mailbox.shares(event));
            have_room &= has_room;
            decide |= self.decisive[id];
            deciders_have_room &= has_room || !self.decisive[id];
        }
        if decide { deciders_have_room } else { have_room }
    }

    /// True unless the event is a command that the bridge has no room for.
    fn may_leave(&mut self, event: &Event) -> bool {
        match &mut self.remote {
            Some(remote) if event.event_type.policy() == Policy::Refuse => remote.accepts(event),
            _ => true,
        }
    }

    fn fan_out(&mut self, event: &Event, interest: Option<&Interest>, ticket: Option<Ticket>) {
        if let Some(interest) = interest {
            interest.of(event).for_each(|id| self.hand(id, event, ticket));
        }
        if let Some(ticket) = ticket {
            self.note_cause(event, ticket);
        }
    }

    /// Once in the code: what is moved about between copies of it costs more than the call.
    #[inline(never)]
    fn hand(&mut self, id: MailboxId, event: &Event, ticket: Option<Ticket>) {
        match self.put(id, event) {
            Offer::Refused => self.stats_missed[event.lane() as usize] += 1,
            Offer::DroppedBook => self.books_lost = true,
            _ => self.expect(id, event, ticket),
        }
    }

    /// Puts an event into one mailbox, whatever it subscribed to: a message, a timer. False when it was refused.
    pub fn send(&mut self, id: MailboxId, mut event: Event) -> bool {
        self.counts[event.event_type as usize] += 1;
        self.number(&mut event);
        self.note_published(&mut event);
        let lane = event.lane() as usize;
        self.stats_published[lane] += 1;
        let taken = self.put(id, event) != Offer::Refused;
        self.stats_refused[lane] += u64::from(!taken);
        taken
    }

    /// Tells the bridge that the effect of an event is durable.
    pub fn acknowledge(&mut self, event: &Event) {
        if let Some(remote) = &mut self.remote {
            remote.acknowledged(event);
        }
    }

    /// Instruments whose book was dropped from some mailbox since the last call.
    pub fn take_lost_books(&mut self) -> Vec<Name> {
        let mut lost = self.remote.as_mut().map(|remote| remote.take_lost_books()).unwrap_or_default();
        if std::mem::take(&mut self.books_lost) {
            lost.extend(self.mailboxes.iter_mut().flat_map(Mailbox::take_lost_books));
        }
        lost.sort_unstable();
        lost.dedup();
        lost
    }

    /// True when one of an account's own mailboxes is so full of facts that the account may make no new orders.
    pub fn is_pressed(&self, account: Name) -> bool {
        // A mailbox becomes pressed only by what is put into it, and is noted then.
        self.pressed.iter().any(|id| self.accounts[*id] == account && self.mailboxes[*id].is_pressed())
    }

    /// Mailboxes of no account that are so full of facts: whoever owns them does not keep up. So are those full of commands whose
    /// actor stands still.
    pub fn overfull(&self) -> impl Iterator<Item = MailboxId> {
        let is_overfull = |id: &MailboxId| self.accounts[*id].is_none() && self.mailboxes[*id].is_pressed();
        let blocked = self.blocked().filter(move |id| !is_overfull(id));
        self.pressed.iter().copied().filter(move |id| is_overfull(id)).chain(blocked)
    }

    /// What was counted.
    pub fn stats(&self) -> RouterStats {
        let events = EventType::ALL.iter().map(|t| (*t, self.counts[*t as usize])).filter(|(_, n)| *n != 0).collect();
        RouterStats {
            events,
            published: self.stats_published,
            refused: self.stats_refused,
            missed: self.stats_missed,
            arrived: self.stats_arrived,
            ignored: self.stats_ignored,
        }
    }

    /// From now on what becomes of events is remembered; nothing any more without a recorder.
    pub fn set_recorder(&mut self, recorder: Option<Recorder>) {
        self.recorder = recorder.map(Box::new);
    }

    /// What is remembered, where anything is.
    #[inline]
    pub fn recorder(&mut self) -> Option<&mut Recorder> {
        self.recorder.as_deref_mut()
    }

    /// The number of the last event.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Offers an event to a mailbox, and lists the mailbox as one with work.
    fn put(&mut self, id: MailboxId, event: impl Offered) -> Offer {
        let lane = event.event().lane();
        let mailbox = &mut self.mailboxes[id];
        let offer = mailbox.offer(event);
        if offer == Offer::Refused {
            return offer;
        }
        if lane <= Lane::Orders {
            let is_pressed = mailbox.is_pressed();
            self.list(id, lane);
            if is_pressed && !self.pressed.contains(&id) {
                self.pressed.retain(|other| self.mailboxes[*other].is_pressed());
                self.pressed.push(id);
            }
        }
        self.list(id, Lane::MarketData);
        offer
    }

    #[inline]
    fn note_published(&mut self, event: &mut Event) {
        if let Some(recorder) = &mut self.recorder {
            recorder.published(event);
        }
    }

    fn number(&mut self, event: &mut Event) {
        self.sequence += 1;
        event.sequence = self.sequence;
        if let Some(digest) = &mut self.digest {
            event.digest(digest);
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
mod excuse_tests;
#[cfg(test)]
mod fairness_tests;
#[cfg(test)]
mod own_tests;
#[cfg(test)]
mod remote_tests;
#[cfg(test)]
mod tests;
