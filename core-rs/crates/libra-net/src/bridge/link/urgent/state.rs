//! What accounts elsewhere have, looked up in the server's hashes: after each connection, and when an actor of this node asks for
//! something new. So a node that was started again knows what it had acknowledged before.

use std::collections::BTreeSet;

use libra_kernel::{Event, EventType, Lane, Name};

use super::super::calls::{Calls, scanned};
use super::super::decoded::Decoded;
use super::super::incoming::Incoming;
use super::super::keeper::{frame_in, is_of_account};
use super::super::settings::LinkSettings;
use super::node::Node;
use crate::frame::Header;
use crate::resp::Reply;

/// What is wanted of it.
#[derive(Default)]
pub(super) struct StateWanted {
    wanted: BTreeSet<(EventType, Name)>,
    /// It is to be looked up.
    pub(super) is_due: bool,
    has_failed: bool,
    in_flight: usize,
    /// The nodes of which there is more, and from where on.
    rest: Vec<(usize, u64)>,
}

impl StateWanted {
    /// What this node's actors subscribed to has changed: whoever is new has not seen what others were given already.
    pub(super) fn follow(&mut self, subscribed: impl Iterator<Item = (EventType, Name)>, incoming: &mut [Incoming]) {
        let wanted: BTreeSet<_> = subscribed.filter(|(event_type, _)| is_of_account(*event_type)).collect();
        let new: Vec<_> = wanted.difference(&self.wanted).copied().collect();
        self.is_due |= !new.is_empty();
        for (event_type, instrument) in new {
            incoming.iter_mut().for_each(|channel| channel.latest.unseen(|key| key.is_of(event_type, instrument)));
        }
        self.wanted = wanted;
    }

    /// What was asked is not answered any more.
    pub(super) fn disconnected(&mut self) {
        (self.in_flight, self.has_failed) = (0, false);
        self.rest.clear();
    }

    /// From time to time: what was refused is tried again.
    pub(super) fn retry(&mut self) {
        self.is_due |= std::mem::take(&mut self.has_failed);
    }

    /// Asks for the hashes of all other nodes where it is due: once what is published is heard.
    pub(super) fn look_up(&mut self, settings: &LinkSettings, calls: &mut Calls<'_>) {
        let hash = |peer: usize| settings.peers.get(peer).map(|name| settings.environment.state(name));
        for (peer, cursor) in self.rest.drain(..) {
            if let Some(hash) = hash(peer) {
                calls.state(peer, &hash, cursor);
                self.in_flight += 1;
            }
        }
        if !self.is_due || self.in_flight > 0 || self.has_failed {
            return;
        }
        self.is_due = false;
        if !self.wanted.is_empty() {
            let hashes = settings.peers.iter().map(|peer| settings.environment.state(peer));
            hashes.enumerate().for_each(|(peer, hash)| calls.state(peer, &hash, 0));
            self.in_flight = settings.peers.len();
        }
    }
}

fn is_in(pairs: &BTreeSet<(EventType, Name)>, event: &Event) -> bool {
    pairs.contains(&(event.event_type, Name::NONE)) || pairs.contains(&(event.event_type, event.instrument))
}

impl Node {
    /// Some of the hash of a node.
    pub(super) fn hear_state(&mut self, peer: usize, reply: Reply<'_>) {
        let state = &mut self.state;
        state.in_flight = state.in_flight.saturating_sub(1);
        let Some((cursor, mut items)) = scanned(reply) else {
            return state.has_failed = true;
        };
        if cursor != 0 {
            state.rest.push((peer, cursor));
        }
        let mut channels = self.incoming.iter_mut();
        let channel = channels.find(|channel| channel.peer == peer && channel.keys.id.lane == Lane::Orders);
        let Some(channel) = channel else { return };
        let (held, reader) = (&mut self.held[channel.lane], &mut self.peers[peer].reader);
        let mut refuse = |code| *self.refused.entry(code).or_default() += 1;
        while let (Some(_), Some(value)) = (items.next(), items.next()) {
            let Some(frame) = frame_in(value) else {
                refuse("foreign");
                continue;
            };
            match Header::parse(frame) {
                Ok(header) if header.lane == Some(Lane::Orders) => {}
                // The thread that listens to market data looks for itself.
                Ok(_) => continue,
                Err(error) => {
                    refuse(error.code());
                    continue;
                }
            }
            match Decoded::read(frame, &channel.keys.id, reader) {
                Ok(mut decoded) => {
                    let is_wanted = |event: &Event| is_in(&state.wanted, event);
                    decoded.events.retain(|event| event.as_ref().is_ok_and(is_wanted));
                    channel.state(decoded, true, held);
                }
                Err(error) => refuse(error.code()),
            }
        }
    }
}
