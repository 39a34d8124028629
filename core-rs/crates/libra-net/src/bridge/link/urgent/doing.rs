//! What is to be done in each turn, with a connection or without.

use std::sync::atomic::Ordering;

use libra_kernel::Event;
use libra_kernel::clock::wall_ns;

use super::super::calls::Calls;
use super::super::common::Common;
use super::super::control::{BEACON_EVERY_NS, SILENCE_NS, beacon, snapshot};
use super::super::keeper::{Keeper, is_of_account};
use super::super::outgoing::{Notice, Outgoing};
use super::judging::judge;
use super::node::Node;
use crate::bridge::credits::Credit;
use crate::bridge::news::{News, NewsKind};
use crate::frame::FrameWriter;
use crate::ids::Position;
use crate::resp::Commands;

/// Events taken out of the node's queue in a turn.
const TAKEN: usize = 1_024;

impl Node {
    pub(super) fn work(&mut self, now_ns: i64, now: u64) {
        self.take_out(now);
        let mut places = std::mem::take(&mut self.places);
        self.common.seam.take_applied(&mut places);
        for place in places.drain(..) {
            if let Some(channel) = self.incoming.get_mut(place.channel as usize) {
                channel.applied(now, Position::new(place.epoch, place.seq));
            }
        }
        self.places = places;
        let version = self.common.seam.own.version();
        if self.own_version != Some(version) {
            self.own_version = Some(version);
            self.state.follow(self.common.seam.own.subscribed().into_iter(), &mut self.incoming);
            self.market_changed();
        }
        self.look_for_dead(now_ns, now);
        self.outgoing.iter_mut().for_each(|channel| channel.tick(now));
        self.incoming.iter_mut().for_each(|channel| channel.tick(now));
        if self.common.listening_to.load(Ordering::Acquire) != self.listening_said {
            self.next_beacon_ns = now_ns;
        }
    }

    pub(super) fn take_out(&mut self, now: u64) {
        if let Some(keeper) = &mut self.keeper {
            self.common.kept.take().into_values().for_each(|event| keeper.keep(event));
        }
        if !self.is_claimed() {
            return self.take_early();
        }
        self.leave_early(now);
        if self.can_take() {
            let (outgoing, keeper) = (&mut self.outgoing, &mut self.keeper);
            self.queue.receive(TAKEN, |event| hand_over(outgoing, keeper, event, now));
        }
        self.outgoing.iter_mut().for_each(|channel| channel.send(now));
    }

    pub(super) fn can_take(&self) -> bool {
        !self.outgoing.is_empty() && self.outgoing.iter().all(Outgoing::has_room) && !self.common.is_fenced()
    }

    pub(super) fn look_for_dead(&mut self, now_ns: i64, now: u64) {
        let Some(since_ns) = self.hearing_since_ns else { return };
        let mut any = false;
        for (index, peer) in self.peers.iter_mut().enumerate() {
            if peer.is_dead || now_ns - peer.heard_ns.max(since_ns) < SILENCE_NS {
                continue;
            }
            peer.is_dead = true;
            any = true;
            if std::mem::take(&mut peer.is_up) {
                let detail = "its beacon is missing".into();
                self.common.seam.tell(News { detail, ..News::of_node(NewsKind::NodeDown, &peer.name) });
            }
            self.incoming.iter_mut().filter(|channel| channel.peer == index).for_each(|channel| channel.dead(now));
        }
        if any {
            self.market_changed();
        }
    }

    pub(super) fn execute(&mut self, now_ns: i64, now: u64, commands: Option<&mut Commands>) {
        let mut calls = commands.map(|commands| Calls { commands, pending: &mut self.pending });
        let run = &self.greeting.run;
        let mut credits = Credit::default();
        for channel in &mut self.outgoing {
            channel.execute(run, calls.as_mut());
            credits += channel.take_credits();
        }
        if credits.events > 0 {
            self.common.seam.credits.give_back(credits);
        }
        if let Some(writer) = &mut self.control {
            let group = &self.common.settings.node;
            for channel in &mut self.incoming {
                let held = &mut self.held[channel.lane];
                channel.execute(now, group, writer, calls.as_mut(), held);
            }
            if now_ns >= self.next_beacon_ns
                && let Some(calls) = &mut calls
            {
                self.listening_said = self.common.listening_to.load(Ordering::Acquire);
                self.next_beacon_ns = now_ns + BEACON_EVERY_NS;
                self.keeper.iter_mut().for_each(Keeper::retry);
                self.state.retry();
                let given = std::mem::take(&mut self.names_server).then(|| fastrand::u128(1..));
                calls.incarnation(&self.common.settings.environment.incarnation(), given);
                let (incarnation, epoch) = (self.greeting.incarnation, self.greeting.epoch);
                let is_leaving = self.leaving_since_ns == Some(i64::MAX);
                let said = (self.started_ns, is_leaving);
                if let Some(frame) = beacon(&self.common, &self.outgoing, incarnation, epoch, said, writer) {
                    calls.publish(&self.common.settings.environment.control(), frame);
                }
            }
        }
        if let Some(calls) = &mut calls {
            self.keeper.iter_mut().for_each(|keeper| keeper.execute(calls));
            if self.hearing_since_ns.is_some() {
                self.state.look_up(&self.common.settings, calls);
            }
        }
        // Before any event that came behind it.
        judge(&self.common.seam.state, &self.incoming, &self.outgoing, self.early.fullness());
        for held in &mut self.held {
            while let Some(arrival) = held.pop_front() {
                if let Some(back) = self.arrivals.offer(arrival) {
                    held.push_front(back);
                    break;
                }
            }
        }
        if let (Some(writer), Some(keeper)) = (&mut self.control, &self.keeper) {
            make_snapshots(&self.common, &mut self.outgoing, keeper, writer, now, calls.as_mut());
        }
    }
}

/// Gives an event to its channel.
pub(super) fn hand_over(outgoing: &mut [Outgoing], keeper: &mut Option<Keeper>, event: Event, now: u64) {
    if is_of_account(event.event_type)
        && let Some(keeper) = keeper
    {
        keeper.keep(event.clone());
    }
    // The queue carries urgent lanes alone, whose numbers are those of the channels.
    if let Some(channel) = outgoing.get_mut(event.lane() as usize) {
        channel.take(event, now);
    }
}

/// Makes the snapshots that other nodes asked for, out of the latest values that this one has sent.
fn make_snapshots(
    common: &Common,
    outgoing: &mut [Outgoing],
    keeper: &Keeper,
    writer: &mut FrameWriter,
    now: u64,
    mut calls: Option<&mut Calls<'_>>,
) {
    for channel in outgoing {
        let wanted: Vec<usize> = channel.notices.iter().filter_map(Notice::wants_snapshot).collect();
        for group in wanted {
            let Some(name) = channel.sender.groups().all().get(group).map(|group| group.name.clone()) else { continue };
            let id = channel.keys.id.clone();
            let state = keeper.values().filter(|event| event.lane() == channel.keys.id.lane);
            let state: Vec<_> = state.collect();
            let position = channel.snapshot(now, group);
            let message = snapshot(&name, id, position);
            if writer.begin(&message).is_err() {
                continue;
            }
            // What cannot be encoded was refused when it was published.
            state.into_iter().for_each(|event| _ = writer.append(event));
            if let (Some(calls), Some(frame)) = (calls.as_deref_mut(), writer.finish(0, wall_ns())) {
                calls.publish(&common.settings.environment.control_of(&name), frame);
            }
        }
    }
}
