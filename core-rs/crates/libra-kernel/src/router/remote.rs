//! How events of other nodes come in, and how it is noted what has been handled of them.

use super::applied::{Applied, RemoteOrigin, Ticket};
use super::{MailboxId, Router};
use crate::event::{Event, EventType, Lane, Policy, Travel};
use crate::mailbox::Offer;

/// What became of an event of another node.
pub enum Delivery {
    /// It stands in the mailbox of everyone who wants it.
    Taken,
    /// It came again, or is of a type that stays in its process: counted, and nothing else. A type that does not travel is
    /// applied all the same, or it would come for ever.
    Ignored,
    /// A command that a mailbox which decides has no room for: it stays with the bridge, which offers it again.
    NoRoom(Event),
}

/// The open command that a local one belongs to, by its parent span.
#[inline]
pub(super) fn joined(applied: &Applied, event: &Event) -> Option<Ticket> {
    is_order_command(event).then(|| applied.cause(event.parent_span_id)).flatten()
}

fn is_order_command(event: &Event) -> bool {
    event.event_type.lane() == Lane::Orders && event.event_type.policy() == Policy::Refuse
}

impl Router {
    /// Takes an event in that another node has published: numbers it here and puts it into every subscriber's lane. A bridge
    /// is not told of it, so it does not go back.
    ///
    /// With an `origin` it is tracked until it was handled: [`Router::take_applied`]. Its place has to lie behind those of
    /// its channel that came before.
    pub fn deliver_remote(&mut self, event: Event, origin: Option<RemoteOrigin>) -> Delivery {
        if self.ignores(&event, origin) {
            return Delivery::Ignored;
        }
        let event_type = event.event_type as usize;
        let interest = self.interest[event_type].take();
        let delivery = if self.may_take(&event, interest.as_deref(), false) {
            self.arrive(event, origin, |router, event, ticket| router.fan_out(event, interest.as_deref(), ticket))
        } else {
            Delivery::NoRoom(event)
        };
        self.interest[event_type] = interest;
        delivery
    }

    /// As [`Router::deliver_remote`], into one mailbox, whatever it subscribed to: a message.
    pub fn send_remote(&mut self, id: MailboxId, event: Event, origin: Option<RemoteOrigin>) -> Delivery {
        if self.ignores(&event, origin) {
            return Delivery::Ignored;
        }
        if !self.mailboxes[id].has_room_for(&event) {
            return Delivery::NoRoom(event);
        }
        self.arrive(event, origin, |router, event, ticket| {
            if router.put(id, event) != Offer::Refused {
                router.expect(id, event, ticket);
            }
        })
    }

    /// An event of another node that goes into no mailbox has been dealt with. False when it had come before.
    pub fn pass_remote(&mut self, lane: Lane, origin: Option<RemoteOrigin>) -> bool {
        if self.has_come(origin) {
            self.stats_ignored += 1;
            return false;
        }
        self.stats_arrived[lane as usize] += 1;
        self.pass(origin);
        true
    }

    /// A mailbox is done with an event: its handlers have ended, or nobody handles it any more.
    #[inline]
    pub fn handled(&mut self, id: MailboxId, lane: Lane, sequence: u64) {
        if let Some(applied) = &mut self.applied {
            applied.handled(id, lane, sequence);
        }
    }

    /// True once an event of another node was tracked: only then [`Router::handled`] has something to note.
    #[inline]
    pub fn is_tracking(&self) -> bool {
        self.applied.is_some()
    }

    /// A mailbox's actor is no more: it gets nothing any more, and is done with all that it took.
    pub fn mailbox_gone(&mut self, id: MailboxId) {
        for &event_type in EventType::ALL {
            let Some(interest) = &mut self.interest[event_type as usize] else { continue };
            for instrument in interest.remove_all(id) {
                if let Some(remote) = &mut self.remote {
                    remote.interest_changed(event_type, instrument, false);
                }
            }
        }
        if let Some(applied) = &mut self.applied {
            applied.gone(id);
        }
    }

    /// True when [`Router::take_applied`] has news.
    #[inline]
    pub fn has_applied(&self) -> bool {
        self.applied.as_ref().is_some_and(|applied| applied.has_moved())
    }

    /// Adds, for each channel with news since the last call, the highest place below which all has been handled.
    pub fn take_applied(&mut self, into: &mut Vec<RemoteOrigin>) {
        if let Some(applied) = &mut self.applied {
            applied.take(into);
        }
    }

    /// Events of other nodes that are tracked, and not applied.
    pub fn unapplied(&self) -> usize {
        self.applied.as_ref().map_or(0, |applied| applied.open_events())
    }

    pub(super) fn expect(&mut self, id: MailboxId, event: &Event, ticket: Option<Ticket>) {
        if let (Some(ticket), Some(applied)) = (ticket, &mut self.applied) {
            applied.expect(id, event.lane(), event.sequence, ticket);
        }
    }

    /// What a command leads to belongs to it.
    pub(super) fn note_cause(&mut self, event: &Event, ticket: Ticket) {
        let begins_here = is_order_command(event) || event.event_type == EventType::Signal;
        if let (true, Some(applied)) = (begins_here, &mut self.applied) {
            applied.note_cause(event.span_id, ticket);
        }
    }

    fn ignores(&mut self, event: &Event, origin: Option<RemoteOrigin>) -> bool {
        let came_before = self.has_come(origin);
        let stays = event.event_type.travel() == Travel::Never;
        if stays && !came_before {
            self.pass(origin);
        }
        self.stats_ignored += u64::from(came_before || stays);
        came_before || stays
    }

    /// True for a place that came before: its event would be ignored.
    pub fn has_come(&self, origin: Option<RemoteOrigin>) -> bool {
        origin.is_some_and(|origin| self.applied.as_ref().is_some_and(|applied| !applied.is_new(origin)))
    }

    fn pass(&mut self, origin: Option<RemoteOrigin>) {
        if let Some(origin) = origin {
            let applied = self.applied.get_or_insert_default();
            let ticket = applied.open(origin);
            applied.release(ticket);
        }
    }

    fn arrive(
        &mut self,
        mut event: Event,
        origin: Option<RemoteOrigin>,
        hand_out: impl FnOnce(&mut Router, &Event, Option<Ticket>),
    ) -> Delivery {
        self.number(&mut event);
        if let Some(recorder) = self.recorder() {
            recorder.received(&event);
        }
        self.stats_arrived[event.lane() as usize] += 1;
        let ticket = origin.map(|origin| self.applied.get_or_insert_default().open(origin));
        // What may be dropped or conflated is nothing to wait for.
        let is_durable = event.event_type.travel() == Travel::Durable;
        hand_out(self, &event, ticket.filter(|_| is_durable));
        if let (Some(ticket), Some(applied)) = (ticket, &mut self.applied) {
            applied.release(ticket);
        }
        Delivery::Taken
    }
}
