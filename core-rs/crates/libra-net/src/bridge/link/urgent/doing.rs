//! What is to be done in each turn, with a connection or without.

use std::sync::atomic::Ordering;

use libra_kernel::{Event, EventType, Lane};

use super::super::calls::{Calls, Pending, control_of};
use super::super::common::Common;
use super::super::control::{BEACON_EVERY_NS, beacon, snapshot};
use super::super::incoming::Incoming;
use super::super::keeper::{Keeper, is_of_account, kept_of, tells_of_position};
use super::super::outgoing::{Notice, Outgoing};
use super::super::refusals::Standing;
use super::ECHO_NS;
use super::judging::judge;
use super::node::{Node, Refused};
use crate::bridge::Arrival;
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
            let subscribed = self.common.seam.own.subscribed();
            let hears_orders = hears_orders(subscribed.iter().map(|(event_type, _)| *event_type));
            self.incoming.iter_mut().for_each(|channel| channel.hears_orders = hears_orders);
            self.state.follow(subscribed.into_iter(), &mut self.incoming);
            self.market_changed();
        }
        self.look_for_dead(now);
        self.comes_back(now_ns);
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
        !self.outgoing.is_empty() && !self.common.is_fenced()
    }

    /// A turn begins: for how long nobody is to blame, since this side did not look.
    pub(super) fn look(&mut self, now_ns: i64) {
        let excused = self.silence.turn(now_ns).unsigned_abs();
        if excused > 0 {
            self.outgoing.iter_mut().for_each(|channel| channel.sender.excuse(excused));
        }
        if self.silence.has_stood() && self.hearing_since_ns.is_some() {
            self.has_stood_still(now_ns);
        }
    }

    fn look_for_dead(&mut self, now: u64) {
        let dead = self.silence.dead();
        for &index in &dead {
            let peer = &mut self.peers[index];
            let missed = match std::mem::take(&mut peer.is_up) {
                true => Some((NewsKind::NodeDown, "its beacon is missing")),
                false if peer.epoch == 0 => Some((NewsKind::NodeMissing, "it was not heard since this one connected")),
                false => None,
            };
            if let Some((kind, detail)) = missed {
                self.common.seam.tell(News { detail: detail.into(), ..News::of_node(kind, &peer.name) });
            }
            self.incoming.iter_mut().filter(|channel| channel.peer == index).for_each(|channel| channel.dead(now));
        }
        if !dead.is_empty() {
            self.market_changed();
        }
    }

    pub(super) fn execute(&mut self, now_ns: i64, now: u64, mut commands: Option<&mut Commands>) {
        let mut calls = commands.as_deref_mut().map(|commands| Calls { commands, pending: &mut self.pending });
        let run = &self.greeting.run;
        for channel in &mut self.outgoing {
            if channel.execute(run, calls.as_mut()) {
                self.sent_ns = now_ns;
            }
            for event in channel.settle() {
                self.held[channel.lane].put(Arrival { event, origin: None });
            }
            self.common.seam.set_alone(channel.keys.id.lane, channel.is_alone);
            let credits = channel.take_credits();
            if credits.events > 0 {
                self.common.seam.credits.give_back(channel.keys.id.lane, credits);
            }
        }
        self.deliver(now, commands.as_deref_mut());
        let is_due = now_ns >= self.next_beacon_ns && commands.is_some() && self.control.is_some();
        let lives = is_due && self.may_say_it_lives(now_ns);
        let mut calls = commands.map(|commands| Calls { commands, pending: &mut self.pending });
        if let (true, Some(writer), Some(calls)) = (is_due, &mut self.control, &mut calls) {
            self.listening_said = self.common.listening_to.load(Ordering::Acquire);
            self.next_beacon_ns = now_ns + BEACON_EVERY_NS;
            self.keeper.iter_mut().for_each(Keeper::retry);
            self.state.retry();
            let given = std::mem::take(&mut self.names_server).then(|| fastrand::u128(1..));
            calls.incarnation(&self.common.settings.environment.incarnation(), given);
            // Whoever has nothing to say finds out as well whether it could.
            if let Some(channel) = self.outgoing.first() {
                calls.probe(&channel.keys, channel.sender.epoch());
            }
            try_again(&self.standing, &self.outgoing, &self.incoming, calls);
            let (incarnation, epoch) = (self.greeting.incarnation, self.greeting.epoch);
            let is_leaving = self.leaving_since_ns == Some(i64::MAX);
            let said = (self.started_ns, is_leaving);
            if lives && let Some(frame) = beacon(&self.common, &self.outgoing, incarnation, epoch, said, writer) {
                calls.publish(&self.common.settings.environment.control(), frame);
                self.said_ns = now_ns;
            }
        }
        if let Some(calls) = &mut calls {
            self.keeper.iter_mut().for_each(|keeper| keeper.execute(calls));
            if self.hearing_since_ns.is_some() {
                self.state.look_up(&self.common.settings, calls);
            }
        }
        if let (Some(writer), Some(keeper)) = (&mut self.control, &self.keeper) {
            make_snapshots(&self.common, &mut self.outgoing, keeper, writer, now, calls.as_mut());
        }
    }

    /// Does what the receivers want done, and gives the loop what they hand over.
    pub(super) fn deliver(&mut self, now: u64, commands: Option<&mut Commands>) {
        let mut calls = commands.map(|commands| Calls { commands, pending: &mut self.pending });
        if let Some(writer) = &mut self.control {
            let group = &self.common.settings.node;
            let mut orders = self.outgoing.get_mut(Lane::Orders as usize);
            let awaits_orders = orders.as_ref().is_some_and(|channel| !channel.asked.is_empty());
            for channel in &mut self.incoming {
                if channel.waits_for_clock(now, self.silence.is_dead(channel.peer)) {
                    continue;
                }
                channel.awaits_orders = awaits_orders;
                channel.execute(now, group, &self.greeting.run, writer, calls.as_mut(), &mut self.held[channel.lane]);
                let peer = &mut self.peers[channel.peer];
                if channel.taken.is_some() && channel.taken == peer.replaced {
                    // It asked for something before it ended, and that comes only now.
                    peer.replaced = None;
                    let detail = "it was started again, and something of its life before came late".into();
                    self.common.seam.tell(News { detail, ..News::of_node(NewsKind::NodeDown, &peer.name) });
                }
                for order in channel.told_of.drain(..) {
                    orders.iter_mut().for_each(|channel| channel.asked.told_of(order));
                }
            }
        }
        judge(&self.common.seam.state, &mut self.incoming, &self.outgoing, self.early.fullness());
        // What the loop had no room for goes first; all of it behind what was judged.
        for held in &mut self.held {
            held.hand_to(|arrival| self.arrivals.offer(arrival));
        }
    }

    /// Until when nobody waits for an answer: events of ours have left, and nothing gathers behind them.
    pub(super) fn awaits_echo_ns(&self) -> Option<i64> {
        let is_alone = self.outgoing.iter().all(|channel| !channel.gathers())
            && self.pending.iter().all(|pending| matches!(pending, Pending::Append(_)));
        (is_alone && !self.pending.is_empty()).then_some(self.sent_ns + ECHO_NS)
    }
}

/// Tries what was refused and is rarely asked for: what is asked for each second shows by itself that it is allowed.
fn try_again(standing: &Standing<Refused>, outgoing: &[Outgoing], incoming: &[Incoming], calls: &mut Calls<'_>) {
    for refused in standing.rows() {
        match *refused {
            Refused::Told(Pending::Append(lane)) => {
                let channel = outgoing.get(lane).map(|channel| &*channel.keys.channel);
                channel.into_iter().for_each(|name| calls.try_publish(Pending::AppendTold(lane), name));
            }
            Refused::Told(Pending::Ack(index)) => {
                let channel = incoming.get(index).map(|channel| control_of(&channel.keys));
                channel.into_iter().for_each(|name| calls.try_publish(Pending::AckTold(index), name));
            }
            Refused::Told(Pending::Keep) => {
                let channel = outgoing.get(Lane::Orders as usize).map(|channel| &*channel.keys.channel);
                channel.into_iter().for_each(|name| calls.try_publish(Pending::KeepTold, name));
            }
            Refused::Done(Pending::Acknowledgements(lane)) => {
                outgoing.get(lane).into_iter().for_each(|channel| calls.read_acknowledged(lane, &channel.keys));
            }
            _ => {}
        }
    }
}

/// Whether actors that asked for these are given what no latest value stands for: commands, or what happens to orders. Before
/// any has asked for something of ORDERS, one may be about to.
fn hears_orders(subscribed: impl Iterator<Item = EventType>) -> bool {
    let mut of_orders = subscribed.filter(|event_type| event_type.lane() == Lane::Orders).peekable();
    of_orders.peek().is_none()
        || of_orders.any(|event_type| !is_of_account(event_type) && !tells_of_position(event_type))
}

/// Gives an event to its channel.
pub(super) fn hand_over(outgoing: &mut [Outgoing], keeper: &mut Option<Keeper>, event: Event, now: u64) {
    if let Some(keeper) = keeper {
        keeper.note_kill_switch(&event);
        kept_of(&event).into_iter().for_each(|kept| keeper.keep(kept));
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
            let state = keeper.state_of(channel.keys.id.lane);
            let position = channel.snapshot(now, group);
            let (frames, refused) = match snapshot(&name, &channel.keys.id, position, &state, writer) {
                Ok(made) => made,
                Err(error) => {
                    let why = format!("a snapshot cannot be sent: {error}");
                    channel.snapshot_lacks(group, Some((state.len() as u64, why)));
                    continue;
                }
            };
            let why = "they are left out of a snapshot, since they cannot be encoded".to_owned();
            channel.snapshot_lacks(group, (refused > 0).then_some((refused, why)));
            if let Some(calls) = calls.as_deref_mut() {
                let control = common.settings.environment.control_of(&name);
                frames.iter().for_each(|frame| calls.publish(&control, frame));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_values_stand_for_positions_and_balances_and_for_nothing_that_happens_to_an_order() {
        let hears = |event_types: &[EventType]| hears_orders(event_types.iter().copied());
        let state = [EventType::PositionOpened, EventType::PositionClosed, EventType::PositionUpdated];
        assert!(!hears(&state) && !hears(&[EventType::BalanceUpdated, EventType::Quote]));
        let of_orders = EventType::ALL.iter().filter(|event_type| (16..=29).contains(&(**event_type as u16)));
        assert_eq!(of_orders.clone().count(), 14);
        for event_type in of_orders {
            assert!(hears(&[EventType::BalanceUpdated, *event_type]), "{event_type:?}");
        }
        assert!(hears(&[]) && hears(&[EventType::Signal]), "nobody has said yet what it wants of the lane");
    }
}
