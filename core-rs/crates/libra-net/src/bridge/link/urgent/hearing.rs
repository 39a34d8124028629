//! What comes: answers to calls, frames of durable channels, beacons and acknowledgements.

use std::sync::atomic::Ordering;

use libra_kernel::Lane;
use libra_kernel::clock::{monotonic_ns, wall_ns};

use super::super::calls::{Pending, read_answer};
use super::super::control::{own_shards, want_market};
use super::super::decoded::Decoded;
use super::super::greeting::incarnation_of;
use super::super::keeper::Keeper;
use super::super::line::needs_another_connection;
use super::super::outgoing::Outgoing;
use super::super::settings::DURABLE;
use super::super::skew::Level;
use super::node::{Node, Refused};
use crate::bridge::news::{News, NewsKind};
use crate::durable::library::untold;
use crate::frame::{Beacon, Control, Header, Kind};
use crate::ids::ChannelId;
use crate::resp::Reply;

impl Node {
    pub(super) fn answer(&mut self, now: u64, reply: Reply<'_>) -> Result<(), String> {
        if matches!(reply, Reply::Push(_)) {
            return Ok(());
        }
        let Some(pending) = self.pending.pop_front() else { return Err("an answer to nothing that was asked".into()) };
        if let Reply::Error(message) = reply {
            self.heed(pending, &String::from_utf8_lossy(message))?;
        } else if let Some(refused) = pending.tries() {
            self.standing.done(&refused);
        } else {
            self.standing.done(&Refused::Done(pending));
            let is_said = matches!(pending, Pending::Append(_) | Pending::Ack(_) | Pending::Keep);
            match is_said.then(|| untold(reply)).flatten() {
                Some(why) => {
                    self.complain(Refused::Told(pending), "it keeps what this node says, and may not publish it", why);
                }
                None => self.standing.done(&Refused::Told(pending)),
            }
        }
        match pending {
            Pending::Open(lane) | Pending::Append(lane) | Pending::Trim(lane) | Pending::Acknowledgements(lane) => {
                if let Some(channel) = self.outgoing.get_mut(lane) {
                    channel.reply(now, pending, reply);
                }
            }
            Pending::Read(index) => {
                if let Some(channel) = self.incoming.get_mut(index) {
                    let reader = &mut self.peers[channel.peer].reader;
                    let answer = read_answer(reply, &channel.keys, reader, &mut channel.entries);
                    channel.read(now, answer);
                }
            }
            Pending::Ack(index) => {
                if let Some(channel) = self.incoming.get_mut(index) {
                    channel.acknowledged(now, !matches!(reply, Reply::Error(_)));
                }
            }
            Pending::Incarnation => self.hear_incarnation(reply),
            Pending::Keep => self.keeper.iter_mut().for_each(|keeper| keeper.written(reply)),
            Pending::Adopt => {
                if let Some(keeper) = &mut self.keeper {
                    keeper.adopt(reply, &mut self.reader);
                }
            }
            Pending::State(peer) => self.hear_state(peer, reply),
            Pending::Publish | Pending::Probe | Pending::Other => {}
            Pending::AppendTold(_) | Pending::AckTold(_) | Pending::KeepTold => {}
        }
        Ok(())
    }

    /// What an error says beyond its call.
    ///
    /// # Errors
    /// When another connection is needed: to the master, or to have the functions loaded again.
    fn heed(&mut self, pending: Pending, message: &str) -> Result<(), String> {
        match message.split_ascii_whitespace().next() {
            Some("FENCED" | "INCARNATION" | "GAP") => {}
            _ if needs_another_connection(message) => return Err(message.to_owned()),
            _ if message.contains("Function not found") => return Err(message.to_owned()),
            // Still as it was said.
            _ if pending.tries().is_some() => {}
            _ => self.complain(Refused::Done(pending), "the server refuses", message),
        }
        Ok(())
    }

    /// What is refused is tried again for as long as it takes; the operator hears of each reason once, and sees it until it is done.
    fn complain(&mut self, refused: Refused, what: &str, refusal: &str) {
        self.refusals.tell(&self.common.seam, what, refusal);
        // Of the others one may be done while another is refused.
        if refused != Refused::Done(Pending::Other) {
            self.standing.refused(monotonic_ns(), refused, refusal);
        }
    }

    /// The server may have lost its data while the connection stood (FLUSHALL).
    fn hear_incarnation(&mut self, reply: Reply<'_>) {
        match incarnation_of(reply) {
            Some(heard) if heard != self.greeting.incarnation => {
                self.greeting.incarnation = heard;
                self.silence.others_rejoin();
                self.keeper.iter_mut().for_each(Keeper::say_again);
                self.incoming.iter_mut().for_each(|channel| channel.incarnation(heard));
                self.outgoing.iter_mut().for_each(Outgoing::server_changed);
            }
            Some(_) => {}
            None => self.names_server = matches!(reply, Reply::Null),
        }
    }

    /// # Errors
    /// When the subscription is refused: a node that hears nothing must not stand as one that does, so the connection is given
    /// up, and made again after a wait.
    pub(super) fn hear(&mut self, now_ns: i64, now: u64, reply: Reply<'_>) -> Result<(), String> {
        if let Some((_, frame)) = reply.message() {
            match Header::parse(frame) {
                // Whether it may publish is tried with nothing.
                _ if frame.is_empty() => {}
                Ok(header) if header.kind.is_events() => self.hear_events(now, header, frame),
                Ok(header) => self.hear_control(now_ns, now, header, frame),
                Err(error) => self.refuse(error.code()),
            }
            return Ok(());
        }
        if let Reply::Error(message) = reply {
            return Err(self.common.may_not_listen(&mut self.told_deaf, message));
        }
        let Reply::Push(mut items) = reply else {
            if let Some(number) = reply.int().and_then(|number| u64::try_from(number).ok()) {
                self.silence.answered(number);
            }
            return Ok(());
        };
        if items.next().and_then(Reply::bytes) != Some(b"subscribe") {
            return Ok(());
        }
        self.confirmed += 1;
        if self.confirmed == 2 + DURABLE.len() {
            self.incoming.iter_mut().for_each(|channel| channel.subscribed(now));
            // Not standing since the connection for calls does, but since now.
            self.hearing_since_ns = None;
            self.told_deaf.clear();
            self.stands(now_ns);
        }
        Ok(())
    }

    pub(super) fn refuse(&mut self, code: &'static str) {
        *self.refused.entry(code).or_default() += 1;
    }

    pub(super) fn hear_events(&mut self, now: u64, header: Header<'_>, frame: &[u8]) {
        if header.publisher == self.common.settings.node {
            let lane = DURABLE.iter().position(|&lane| Some(lane) == header.lane);
            if let Some(channel) = lane.and_then(|lane| self.outgoing.get_mut(lane))
                && header.epoch > channel.sender.epoch()
            {
                // A bit that fell over on the way must not take the node for an older one.
                match Header::parse_checked(frame) {
                    Ok(header) => channel.heard_of(header.epoch),
                    Err(error) => self.refuse(error.code()),
                }
            }
            return;
        }
        let place = self.incoming.iter().position(|channel| {
            channel.keys.id.publisher() == header.publisher
                && Some(channel.keys.id.lane) == header.lane
                && channel.keys.id.shard() == header.shard
        });
        let Some(index) = place else {
            self.foreign += 1;
            return;
        };
        let channel = &mut self.incoming[index];
        match Decoded::read(frame, &channel.keys.id, &mut self.peers[channel.peer].reader) {
            // By itself, since a server had lost it.
            Ok(frame) if header.kind == Kind::Latest => channel.state(frame, false, &mut self.held[channel.lane]),
            Ok(frame) => channel.live(now, frame),
            // The stream has it, or shows by its number that it is missing.
            Err(error) => {
                let code = error.code();
                channel.undecodable(now, header.epoch, header.first_seq, header.last_seq());
                self.refuse(code);
            }
        }
    }

    pub(super) fn hear_control(&mut self, now_ns: i64, now: u64, header: Header<'_>, bytes: &[u8]) {
        if header.publisher == self.common.settings.node {
            return match Header::parse_checked(bytes) {
                Ok(header) => self.outgoing.iter_mut().for_each(|channel| channel.heard_of(header.epoch)),
                Err(error) => self.refuse(error.code()),
            };
        }
        // Before a name of it is taken in: who is nobody here uses up nobody's names.
        let Some(peer) = self.peers.iter().position(|peer| peer.name == header.publisher) else {
            self.foreign += 1;
            return;
        };
        let (publisher, epoch, sent_ns, control, events) = match self.peers[peer].reader.read(bytes) {
            Ok(frame) => match frame.control() {
                Ok(Some(control)) => {
                    let header = frame.header;
                    let snapshot = matches!(control, Control::Snapshot(_));
                    let events = if snapshot { frame.events().map(|(_, event)| event).collect() } else { Vec::new() };
                    (header.publisher.to_owned(), header.epoch, header.sent_ns, control, events)
                }
                Ok(None) => return,
                Err(error) => return self.refuse(error.code()),
            },
            Err(error) => return self.refuse(error.code()),
        };
        match control {
            Control::Beacon(beacon) => {
                self.hear_clock(now_ns, peer, epoch, sent_ns);
                self.hear_beacon(now_ns, now, peer, epoch, &beacon);
            }
            Control::Ack(ack) if ack.group == publisher => {
                for said in ack.positions {
                    if let Some(channel) = self.own_channel(&said.channel)
                        && let Some(group) = channel.sender.groups().find(&publisher)
                    {
                        channel.acknowledged(now, group, said.position);
                    }
                }
            }
            Control::SnapshotRequest(request) if request.group == publisher => {
                if let Some(channel) = self.own_channel(&request.channel)
                    && let Some(group) = channel.sender.groups().find(&publisher)
                {
                    channel.snapshot_requested(now, group, request.position);
                }
            }
            Control::Snapshot(snapshot) if snapshot.group == self.common.settings.node => {
                for said in &snapshot.positions {
                    let channel = self.incoming.iter_mut().find(|channel| channel.keys.id == said.channel);
                    if let Some(channel) = channel.filter(|channel| channel.peer == peer) {
                        channel.snapshot_part(now, epoch, said.position, &snapshot, bytes.len(), events.clone());
                    }
                }
            }
            _ => self.foreign += 1,
        }
    }

    pub(super) fn own_channel(&mut self, id: &ChannelId) -> Option<&mut Outgoing> {
        self.outgoing.iter_mut().find(|channel| channel.keys.id == *id)
    }

    pub(super) fn hear_beacon(&mut self, now_ns: i64, now: u64, index: usize, epoch: u64, beacon: &Beacon) {
        let peer = &mut self.peers[index];
        if epoch < peer.epoch {
            // Its successor was heard; the receivers below tell it so.
        } else {
            if epoch > peer.epoch && peer.is_up {
                // A life of which we have had nothing is not one that we have lost.
                let life = peer.epoch;
                let mut channels = self.incoming.iter_mut().filter(|channel| channel.peer == index);
                let is_lost = channels.any(|channel| channel.taken == Some(life));
                let kind = if is_lost { NewsKind::NodeDown } else { NewsKind::NodeReplaced };
                let detail = "it was started again".into();
                self.common.seam.tell(News { detail, ..News::of_node(kind, &peer.name) });
                peer.is_up = false;
                peer.replaced = Some(life).filter(|_| !is_lost);
            }
            peer.epoch = epoch;
            peer.heard_ns = now_ns;
            self.silence.heard(index);
            if let Some(detail) = peer.differs(beacon, self.common.settings.shards) {
                let detail = detail.as_str().into();
                self.common.seam.tell(News { detail, ..News::of_node(NewsKind::NodeDiffers, &peer.name) });
            }
            let market_changed = peer.takes(beacon);
            peer.has_left = beacon.is_leaving;
            if beacon.is_leaving {
                if std::mem::take(&mut peer.is_up) {
                    self.common.seam.tell(News::of_node(NewsKind::NodeLeft, &peer.name));
                }
                peer.shards = 0;
            } else if !peer.is_up {
                peer.is_up = true;
                self.common.seam.tell(News::of_node(NewsKind::NodeUp, &peer.name));
                // So that it need not wait for the next one.
                self.next_beacon_ns = now_ns;
            }
            let market = beacon.channels.iter().filter(|said| said.channel.lane == Lane::MarketData);
            let sent = market.map(|said| (said.channel.shard().to_owned(), said.position.seq)).collect();
            if self.common.said.take(&self.peers[index].name, (epoch, sent)) {
                self.common.wakers.market_in.signal();
            }
            if market_changed || beacon.is_leaving {
                self.market_changed();
            } else {
                self.want_market();
            }
        }
        for said in &beacon.channels {
            let channel = self.incoming.iter_mut().find(|channel| channel.keys.id == said.channel);
            if let Some(channel) = channel.filter(|channel| channel.peer == index) {
                channel.beacon(now, said.position);
            }
        }
    }

    /// A beacon was sent then, by the clock of its node.
    fn hear_clock(&mut self, now_ns: i64, index: usize, epoch: u64, sent_ns: i64) {
        let most_ns = self.common.settings.deadlines().most_ns;
        let peer = &mut self.peers[index];
        if epoch < peer.epoch {
            return;
        }
        peer.skew.hear(epoch, now_ns, wall_ns(), sent_ns);
        let clock = peer.skew.clock(most_ns);
        let of_it = self.incoming.iter_mut().filter(|channel| channel.peer == index);
        of_it.for_each(|channel| channel.clocks.know(epoch, clock));
        let Some(level) = peer.skew.news(most_ns) else { return };
        let ahead_ms = peer.skew.ahead_ns().unwrap_or_default() / 1_000_000;
        let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
        let off = format!(
            "its clock is {} ms {way} ours; bridge.max_clock_skew_ms is {}",
            ahead_ms.abs(),
            most_ns / 1_000_000
        );
        let detail = match level {
            Level::TooFar => format!("{off}, and what it asks with a deadline is refused (EXPIRED)"),
            _ => off,
        };
        self.common.seam.tell(News { detail: detail.into(), ..News::of_node(NewsKind::ClockDiffers, &peer.name) });
    }

    /// What others want of market data, said again by each beacon: meanwhile the server may have found nobody to give it to.
    fn want_market(&self) {
        let up = self.peers.iter().filter(|peer| peer.is_up);
        want_market(&self.common.seam, up.fold(0, |shards, peer| shards | peer.shards));
    }

    /// What others want or offer of market data has changed, or what we want.
    pub(super) fn market_changed(&mut self) {
        self.want_market();
        let common = &self.common;
        let up = || self.peers.iter().filter(|peer| peer.is_up);
        if up().any(|peer| peer.shards & 1 == 1) {
            common.say_again.store(true, Ordering::Release);
            common.wakers.market_out.signal();
        }
        let offered = up().any(|peer| peer.offers_market);
        let listen_to = if offered { own_shards(&common.seam, common.settings.shards) } else { 0 };
        if common.listen_to.swap(listen_to, Ordering::AcqRel) != listen_to {
            common.wakers.market_in.signal();
        }
    }
}
