//! What leaves a node: from its router to the threads that send.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use libra_kernel::edge::{EdgeReceiver, EdgeSender};
use libra_kernel::router::RemoteSink;
use libra_kernel::{Event, EventType, Lane, Leaving, Name, Payload, Travel};

use super::credits::{Credit, Reserve};
use super::link::is_asked;
use super::mail;
use super::shared::Shared;
use super::shares::Shares;

/// The loop's end: the router's sink. It keeps what its queues have no room for, under the policy of each type; commands are
/// refused before it comes to that.
pub struct Outbound {
    urgent: EdgeSender,
    market: EdgeSender,
    shared: Arc<Shared>,
    shares: Shares,
}

impl Outbound {
    pub(super) fn new(urgent: EdgeSender, market: EdgeSender, shared: Arc<Shared>) -> Self {
        Outbound { urgent, market, shared, shares: Shares::default() }
    }

    /// True while there is room for a command on its way to other nodes, of which its source has its part, and somebody there who
    /// could answer it.
    fn may_leave(&mut self, event: &Event) -> bool {
        let reserve = match event.event_type {
            EventType::CancelRequest => Reserve::One,
            EventType::Message => mail::reserve(event),
            _ => Reserve::None,
        };
        let free = self.shared.credits.free(event.lane(), reserve);
        let is_heard = !is_asked(event.event_type) || !self.shared.is_alone(event.lane());
        is_heard
            && self.shares.have_room_for(event, free, &self.shared.credits)
            && !self.shared.is_closed()
            && self.urgent.has_room_for(event)
            && self.shared.is_sendable(event)
    }

    fn note_overflow(&self) {
        let is_overflowing = self.urgent.is_waiting() || self.market.is_waiting();
        // Written only where it changes: the threads read it.
        if self.shared.is_overflowing.load(Ordering::Relaxed) != is_overflowing {
            self.shared.is_overflowing.store(is_overflowing, Ordering::Relaxed);
        }
    }
}

impl RemoteSink for Outbound {
    fn interest_changed(&mut self, event_type: EventType, instrument: Name, interested: bool) {
        if event_type.travel() != Travel::Never {
            self.shared.own.change(event_type, instrument, interested);
            self.shared.notify_thread();
        }
    }

    fn accepts(&mut self, event: &Event) -> bool {
        if !self.shared.wants(event) {
            return true;
        }
        // Its account is here: it is carried out whether others can look at it or not.
        let accepts = self.shared.own_accounts.have(event) || self.may_leave(event);
        self.shared.lanes[event.lane() as usize].refused.add(u64::from(!accepts));
        accepts
    }

    #[inline]
    fn published(&mut self, event: &Event) {
        let lane = event.lane() as usize;
        if !self.shared.wants(event) {
            // What stays in its process is not offered to anybody.
            return self.shared.lanes[lane].unwanted.add(u64::from(event.event_type.travel() != Travel::Never));
        }
        if self.shared.own_accounts.have(event) && !self.may_leave(event) {
            return self.shared.lanes[lane].unwanted.add(1);
        }
        let tally = &self.shared.lanes[lane];
        if self.shared.is_closed() {
            return tally.refused.add(1);
        }
        let mut leaving = event.clone();
        if let Payload::Shared(shared) = &event.payload {
            match shared.leaving() {
                Leaving::AsItIs => {}
                Leaving::As(payload) => leaving.payload = payload,
                // Whoever publishes an object encodes it where it is wanted; so this one came to be wanted since.
                Leaving::Stays => return tally.unwanted.add(1),
            }
        }
        tally.sent.add(1);
        if event.event_type.travel() == Travel::Durable {
            let credit = Credit::of(&leaving);
            self.shared.credits.take(event.lane(), credit);
            self.shares.take(event, credit);
        }
        let edge = if event.lane() == Lane::MarketData { &mut self.market } else { &mut self.urgent };
        let taken = edge.send(leaving);
        debug_assert!(taken || event.event_type.travel() != Travel::Durable, "accepted, so there is room");
        self.note_overflow();
    }

    /// A place is applied when its handlers have ended, and what they led to: the router tracks that.
    fn acknowledged(&mut self, _: &Event) {}

    fn flush(&mut self) -> bool {
        let is_flushed = self.urgent.flush() & self.market.flush();
        self.note_overflow();
        is_flushed
    }

    fn take_lost_books(&mut self) -> Vec<Name> {
        self.market.take_lost_books()
    }
}

/// A thread's end of one of the two queues.
pub struct OutboundEnd {
    edge: EdgeReceiver,
    shared: Arc<Shared>,
}

impl OutboundEnd {
    pub(super) fn new(edge: EdgeReceiver, shared: Arc<Shared>) -> Self {
        OutboundEnd { edge, shared }
    }

    /// Takes up to `most` events out and gives each to `take`, in the order of their publication within a lane. Of each
    /// durable one the credit is to be given back, once.
    pub fn receive(&mut self, most: usize, take: impl FnMut(Event)) -> usize {
        let taken = self.edge.receive(most, take);
        if taken != 0 {
            self.shared.made_room();
        }
        taken
    }

    /// True when nothing waits: for the last look before the thread sleeps.
    pub fn is_empty(&self) -> bool {
        self.edge.is_empty()
    }

    /// True when the node has let go of its bridge: what it left may still be taken.
    pub fn is_closed(&self) -> bool {
        self.edge.is_closed()
    }
}
