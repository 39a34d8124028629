//! The urgent thread: RISK, ORDERS and SIGNALS out and in, over a connection for calls and one that listens.
//!
//! Nothing that it holds is behind a lock, and it waits for nobody: neither for the loop (what finds no room is held, and the
//! receivers read no further) nor for the server (connections are dialled elsewhere, and what is not answered is counted).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use libra_kernel::clock::{monotonic_ns, wall_ns};
use libra_kernel::native::{Life, NativeActor};
use libra_kernel::router::RemoteOrigin;

use super::calls::{Calls, Keys, Pending, read_answer};
use super::common::{Common, Part};
use super::control::{BEACON_EVERY_NS, Peer, SILENCE_NS, beacon, own_shards, want_market};
use super::decoded::Decoded;
use super::greeting::Greeting;
use super::incoming::{Heard, Incoming};
use super::line::{Change, Line};
use super::outgoing::{Notice, Outgoing};
use super::report::{Value, counts, line};
use super::settings::{DURABLE, WHOLE};
use crate::bridge::news::{News, NewsKind};
use crate::bridge::{Arrival, Arrivals, OutboundEnd};
use crate::frame::{Control, FrameReader, FrameWriter, Header};
use crate::ids::{ChannelId, Position};
use crate::resp::health::Severity;
use crate::resp::{Reply, Watch, wait};

/// Events taken out of the node's queue in a turn.
const TAKEN: usize = 1_024;
/// How long a link that leaves waits for acknowledgements that are on their way.
const LAST_WORDS_NS: i64 = 30_000_000;

pub(super) struct Urgent {
    calls: Line,
    hears: Line,
    node: Node,
}

/// Everything but the connections.
struct Node {
    common: Arc<Common>,
    queue: OutboundEnd,
    arrivals: Arrivals,
    pending: VecDeque<Pending>,
    /// Empty before our life is claimed.
    outgoing: Vec<Outgoing>,
    /// By number: three for each peer.
    incoming: Vec<Incoming>,
    held: [VecDeque<Arrival>; 3],
    peers: Vec<Peer>,
    control: Option<FrameWriter>,
    reader: FrameReader,
    greeting: Greeting,
    started_ns: i64,
    places: Vec<RemoteOrigin>,
    /// Since when both connections stand, so that silence means something.
    hearing_since_ns: Option<i64>,
    confirmed: usize,
    next_beacon_ns: i64,
    own_version: Option<u64>,
    listening_said: u64,
    reported: u64,
    leaving_since_ns: Option<i64>,
    was_told_down: bool,
    refused: BTreeMap<&'static str, u64>,
    foreign: u64,
}

impl Urgent {
    pub fn new(common: Arc<Common>, queue: OutboundEnd, arrivals: Arrivals, calls: Line, hears: Line) -> Self {
        let now_ns = monotonic_ns();
        let settings = &common.settings;
        let mut incoming = Vec::new();
        for (peer, name) in settings.peers.iter().enumerate() {
            for (lane, id) in settings.channels_of(name).into_iter().enumerate() {
                let keys = Keys::new(&settings.environment, id);
                incoming.push(Incoming::new(incoming.len() as u32, peer, lane, keys));
            }
        }
        let peers = settings.peers.iter().map(|name| Peer::new(name, now_ns)).collect();
        let node = Node {
            queue,
            arrivals,
            pending: VecDeque::new(),
            outgoing: Vec::new(),
            incoming,
            held: Default::default(),
            peers,
            control: None,
            reader: FrameReader::new(),
            greeting: Greeting::default(),
            started_ns: wall_ns(),
            places: Vec::new(),
            hearing_since_ns: None,
            confirmed: 0,
            next_beacon_ns: i64::MIN,
            own_version: None,
            listening_said: 0,
            reported: u64::MAX,
            leaving_since_ns: None,
            was_told_down: false,
            refused: BTreeMap::new(),
            foreign: 0,
            common,
        };
        Urgent { calls, hears, node }
    }

    /// The channels that this node listens on, whatever its actors want.
    fn subscriptions(&self) -> Vec<String> {
        let settings = &self.node.common.settings;
        let environment = &settings.environment;
        let mut channels = vec![environment.control(), environment.control_of(&settings.node)];
        channels.extend(DURABLE.iter().map(|&lane| environment.channel(lane, WHOLE)));
        channels
    }

    fn turn(&mut self) {
        let now_ns = monotonic_ns();
        let now = now_ns.max(0) as u64;
        self.dial(now_ns, now);
        let node = &mut self.node;
        let answered = self.calls.read(now_ns, |reply| node.answer(now, reply));
        let answered = answered.and_then(|()| self.calls.check(now_ns));
        match answered {
            Ok(false) => {}
            Ok(true) => {
                if let Some(connection) = self.calls.up() {
                    Calls { commands: connection.commands(), pending: &mut node.pending }.ping();
                }
            }
            Err(why) => self.lose_calls(now_ns, now, &why),
        }
        let node = &mut self.node;
        let heard = self.hears.read(now_ns, |reply| {
            node.hear(now_ns, now, reply);
            Ok(())
        });
        match heard.and_then(|()| self.hears.check(now_ns)) {
            Ok(false) => {}
            Ok(true) => {
                if let Some(connection) = self.hears.up() {
                    connection.commands().push(&[b"PING"]);
                }
            }
            Err(why) => self.lose_hearing(now_ns, &why),
        }
        self.node.work(now_ns, now);
        let calls = self.calls.up().map(|connection| connection.commands());
        self.node.execute(now_ns, now, calls);
        self.node.tell();
        if let Err(why) = self.calls.flush() {
            self.lose_calls(now_ns, now, &why);
        }
        if let Err(why) = self.hears.flush() {
            self.lose_hearing(now_ns, &why);
        }
        if self.node.common.wants_report(self.node.reported) {
            self.report();
        }
    }

    fn dial(&mut self, now_ns: i64, now: u64) {
        match self.calls.turn(now_ns) {
            Some(Change::Up(greeting)) => self.node.connected(now_ns, now, greeting),
            Some(Change::Failed(error)) => self.node.told_down(&error),
            None => {}
        }
        match self.hears.turn(now_ns) {
            Some(Change::Up(_)) => {
                let channels = self.subscriptions();
                self.node.confirmed = 0;
                if let Some(connection) = self.hears.up() {
                    let mut command = connection.commands().command(1 + channels.len());
                    command.bulk(b"SUBSCRIBE");
                    channels.iter().for_each(|channel| {
                        command.bulk(channel.as_bytes());
                    });
                }
            }
            Some(Change::Failed(error)) => self.node.told_down(&error),
            None => {}
        }
    }

    fn lose_calls(&mut self, now_ns: i64, now: u64, why: &str) {
        self.calls.lose(now_ns, why);
        self.node.disconnected(now, why);
    }

    fn lose_hearing(&mut self, now_ns: i64, why: &str) {
        self.hears.lose(now_ns, why);
        (self.node.hearing_since_ns, self.node.confirmed) = (None, 0);
        self.node.incoming.iter_mut().for_each(|channel| channel.receiver.unsubscribed());
        self.node.told_down(why);
    }

    fn sleep(&mut self, life: &Life) {
        let now_ns = monotonic_ns();
        let node = &self.node;
        let dues = [self.calls.due_ns(now_ns), self.hears.due_ns(now_ns), node.due_ns(self.calls.is_up())];
        let due_ns = dues.into_iter().flatten().min();
        let timeout = due_ns.map(|due| Duration::from_nanos(due.saturating_sub(now_ns).max(0) as u64));
        let waker = &node.common.wakers.urgent;
        if timeout == Some(Duration::ZERO) || !waker.park(|| node.is_idle()) {
            return;
        }
        let watches = [Some(Watch::new(waker.fd(), false)), self.calls.watch(), self.hears.watch()];
        let mut watches: Vec<Watch> = watches.into_iter().flatten().collect();
        // All descriptors are our own and open, so there is nothing to go wrong with them.
        let _ = life.wait(|| wait(&mut watches, timeout));
    }

    fn report(&mut self) {
        let node = &self.node;
        let mut report = vec![
            ("epoch".to_owned(), Value::count(node.greeting.epoch)),
            ("incarnation".to_owned(), Value::Text(format!("{:032x}", node.greeting.incarnation))),
            ("connected".to_owned(), Value::Flag(node.is_connected())),
        ];
        let lines = [("calls", &self.calls), ("hears", &self.hears)];
        let lines = lines.map(|(name, of)| (name.to_owned(), line(&of.counts, of.is_up())));
        report.push(("connections".to_owned(), Value::Table(lines.into())));
        report.push(("outboxes".to_owned(), Value::Table(node.outgoing.iter().map(outbox).collect())));
        report.push(("channels".to_owned(), Value::Table(node.incoming.iter().map(channel).collect())));
        let peers = node.peers.iter().map(|peer| {
            let table = vec![
                ("up".to_owned(), Value::Flag(peer.is_up)),
                ("epoch".to_owned(), Value::count(peer.epoch)),
                ("version".to_owned(), Value::Text(peer.version.clone())),
                ("beacons".to_owned(), Value::count(peer.beacons)),
            ];
            (peer.name.clone(), Value::Table(table))
        });
        report.push(("nodes".to_owned(), Value::Table(peers.collect())));
        let refused = node.refused.iter().map(|(code, count)| (*code, *count));
        report.push(("refused_frames".to_owned(), Value::Table(counts(refused))));
        report.push(("foreign_frames".to_owned(), Value::count(node.foreign)));
        report.push(("held".to_owned(), Value::count(node.held.iter().map(|held| held.len() as u64).sum())));
        let waiting = node.outgoing.iter().map(|channel| channel.sender.outbox().events()).sum();
        node.common.outbox.store(waiting, Ordering::Relaxed);
        self.node.reported = node.common.report(Part::Urgent, report);
    }
}

fn outbox(channel: &Outgoing) -> (String, Value) {
    let (sender, stats) = (&channel.sender, channel.sender.stats());
    let outbox = sender.outbox();
    let table = counts([
        ("events", outbox.events()),
        ("bytes", outbox.bytes() as u64),
        ("fullness", sender.fullness()),
        ("offered", stats.offered),
        ("confirmed", sender.confirmed().seq),
        ("acknowledged", outbox.base()),
        ("refused", stats.refused),
        ("cut", stats.cut),
        ("calls", stats.calls),
        ("server_lost", stats.server_lost),
        ("refusals", stats.refusals),
        ("conflated", channel.conflated),
        ("unsendable", channel.unsendable),
    ]);
    (channel.keys.id.lane.name().to_owned(), Value::Table(table))
}

fn channel(channel: &Incoming) -> (String, Value) {
    let stats = channel.receiver.stats();
    let mut table = counts([
        ("events", stats.events),
        ("applied", channel.receiver.applied_position().seq),
        ("doubled", stats.doubled),
        ("fenced", stats.fenced),
        ("overflowed", stats.overflowed),
        ("reads", stats.reads),
        ("gaps", stats.gaps),
        ("snapshots", stats.snapshots),
        ("lost", stats.lost),
        ("foreign", stats.foreign),
        ("skipped", channel.skipped),
    ]);
    table.push(("gap".to_owned(), Value::Flag(channel.receiver.has_gap())));
    table.push(("lag_us".to_owned(), Value::Number(channel.lag_ns / 1_000)));
    (channel.keys.id.to_string(), Value::Table(table))
}

impl Node {
    fn is_connected(&self) -> bool {
        !self.was_told_down && self.hearing_since_ns.is_some()
    }

    // Connections -------------------------------------------------------------------------------------------------------

    fn connected(&mut self, now_ns: i64, now: u64, greeting: Greeting) {
        self.pending.clear();
        if self.outgoing.is_empty() {
            let settings = &self.common.settings;
            for (lane, id) in settings.channels_of(&settings.node).into_iter().enumerate() {
                let keys = Keys::new(&settings.environment, id);
                self.outgoing.push(Outgoing::new(lane, settings, keys, greeting.epoch, now));
            }
            self.control = FrameWriter::for_control(&settings.node, greeting.epoch).ok();
            self.common.wakers.market_out.signal();
        }
        for finding in greeting.findings.iter().filter(|finding| finding.severity > Severity::Note) {
            let detail = format!("{}: {} {}", finding.code, finding.sentence, finding.change);
            self.common.seam.tell(News { detail: detail.into(), ..News::new(NewsKind::ServerFinding) });
        }
        self.greeting = greeting;
        self.outgoing.iter_mut().for_each(|channel| channel.connected(now));
        self.incoming.iter_mut().for_each(|channel| channel.connected(now));
        self.next_beacon_ns = now_ns;
        self.stands(now_ns);
    }

    /// Both connections may stand now.
    fn stands(&mut self, now_ns: i64) {
        if self.confirmed == 2 + DURABLE.len() && !self.outgoing.is_empty() && self.hearing_since_ns.is_none() {
            self.hearing_since_ns = Some(now_ns);
            self.was_told_down = false;
            self.common.seam.tell(News::new(NewsKind::Connected));
        }
    }

    fn disconnected(&mut self, now: u64, why: &str) {
        self.pending.clear();
        self.outgoing.iter_mut().for_each(|channel| channel.disconnected(now));
        self.incoming.iter_mut().for_each(Incoming::disconnected);
        self.hearing_since_ns = None;
        self.told_down(why);
    }

    fn told_down(&mut self, why: &str) {
        if !self.was_told_down {
            self.was_told_down = true;
            self.common.seam.tell(News { detail: why.into(), ..News::new(NewsKind::Disconnected) });
        }
    }

    // What comes --------------------------------------------------------------------------------------------------------

    fn answer(&mut self, now: u64, reply: Reply<'_>) -> Result<(), String> {
        if matches!(reply, Reply::Push(_)) {
            return Ok(());
        }
        let Some(pending) = self.pending.pop_front() else { return Err("an answer to nothing that was asked".into()) };
        match pending {
            Pending::Open(lane) | Pending::Append(lane) | Pending::Trim(lane) | Pending::Acknowledgements(lane) => {
                if let Some(channel) = self.outgoing.get_mut(lane) {
                    channel.reply(now, pending, reply);
                }
            }
            Pending::Read(index, count) => {
                if let Some(channel) = self.incoming.get_mut(index) {
                    let reader = &mut self.peers[channel.peer].reader;
                    let answer = read_answer(reply, &channel.keys, reader, &mut channel.entries);
                    channel.read(now, answer, count);
                }
            }
            Pending::Ack(index) => {
                if let Some(channel) = self.incoming.get_mut(index) {
                    channel.acknowledged(now, !matches!(reply, Reply::Error(_)));
                }
            }
            Pending::Other => {}
        }
        Ok(())
    }

    fn hear(&mut self, now_ns: i64, now: u64, reply: Reply<'_>) {
        if let Some((_, frame)) = reply.message() {
            return match Header::parse(frame) {
                Ok(header) if header.kind.is_events() => self.hear_events(now, header, frame),
                Ok(_) => self.hear_control(now_ns, now, frame),
                Err(error) => self.refuse(error.code()),
            };
        }
        let Reply::Push(mut items) = reply else { return };
        if items.next().and_then(Reply::bytes) != Some(b"subscribe") {
            return;
        }
        self.confirmed += 1;
        if self.confirmed == 2 + DURABLE.len() {
            self.incoming.iter_mut().for_each(|channel| channel.subscribed(now));
            // Not standing since the connection for calls does, but since now.
            self.hearing_since_ns = None;
            self.stands(now_ns);
        }
    }

    fn refuse(&mut self, code: &'static str) {
        *self.refused.entry(code).or_default() += 1;
    }

    fn hear_events(&mut self, now: u64, header: Header<'_>, frame: &[u8]) {
        if header.publisher == self.common.settings.node {
            let lane = DURABLE.iter().position(|&lane| Some(lane) == header.lane);
            if let Some(channel) = lane.and_then(|lane| self.outgoing.get_mut(lane))
                && header.epoch > channel.sender.epoch()
            {
                channel.heard_of(header.epoch);
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
            Ok(frame) => channel.live(now, frame),
            // The stream has it, or shows by its number that it is missing.
            Err(error) => {
                let code = error.code();
                self.refuse(code);
            }
        }
    }

    fn hear_control(&mut self, now_ns: i64, now: u64, bytes: &[u8]) {
        let (publisher, epoch, control, events) = match self.reader.read(bytes) {
            Ok(frame) => match frame.control() {
                Ok(Some(control)) => {
                    let header = frame.header;
                    let snapshot = matches!(control, Control::Snapshot(_));
                    let events = if snapshot { frame.events().map(|(_, event)| event).collect() } else { Vec::new() };
                    (header.publisher.to_owned(), header.epoch, control, events)
                }
                Ok(None) => return,
                Err(error) => return self.refuse(error.code()),
            },
            Err(error) => return self.refuse(error.code()),
        };
        if publisher == self.common.settings.node {
            self.outgoing.iter_mut().for_each(|channel| channel.heard_of(epoch));
            return;
        }
        let Some(peer) = self.peers.iter().position(|peer| peer.name == publisher) else {
            self.foreign += 1;
            return;
        };
        match control {
            Control::Beacon(beacon) => self.hear_beacon(now_ns, now, peer, epoch, &beacon),
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
                    channel.snapshot_requested(now, group);
                }
            }
            Control::Snapshot(snapshot) if snapshot.group == self.common.settings.node => {
                for said in snapshot.positions {
                    let channel = self.incoming.iter_mut().find(|channel| channel.keys.id == said.channel);
                    if let Some(channel) = channel.filter(|channel| channel.peer == peer) {
                        let events = events.clone();
                        let state = Decoded { epoch, first: 0, events, sent_ns: 0 };
                        channel.snapshot(now, said.position, state);
                    }
                }
            }
            _ => self.foreign += 1,
        }
    }

    fn own_channel(&mut self, id: &ChannelId) -> Option<&mut Outgoing> {
        self.outgoing.iter_mut().find(|channel| channel.keys.id == *id)
    }

    fn hear_beacon(&mut self, now_ns: i64, now: u64, index: usize, epoch: u64, beacon: &crate::frame::Beacon) {
        let peer = &mut self.peers[index];
        if epoch < peer.epoch {
            // Its successor was heard; the receivers below tell it so.
        } else {
            if epoch > peer.epoch && peer.is_up {
                let detail = "it was started again".into();
                self.common.seam.tell(News { detail, ..News::of_node(NewsKind::NodeDown, &peer.name) });
                peer.is_up = false;
            }
            peer.epoch = epoch;
            (peer.heard_ns, peer.is_dead) = (now_ns, false);
            let market_changed = peer.takes(beacon);
            if beacon.is_leaving {
                if std::mem::take(&mut peer.is_up) {
                    let detail = "it left in order".into();
                    self.common.seam.tell(News { detail, ..News::of_node(NewsKind::NodeDown, &peer.name) });
                }
                peer.shards = 0;
            } else if !peer.is_up {
                peer.is_up = true;
                self.common.seam.tell(News::of_node(NewsKind::NodeUp, &peer.name));
                // So that it need not wait for the next one.
                self.next_beacon_ns = now_ns;
            }
            if market_changed || beacon.is_leaving {
                self.market_changed();
            }
        }
        for said in &beacon.channels {
            let channel = self.incoming.iter_mut().find(|channel| channel.keys.id == said.channel);
            if let Some(channel) = channel.filter(|channel| channel.peer == index) {
                channel.beacon(now, said.position);
            }
        }
        let name = &self.peers[index].name;
        for channel in &mut self.outgoing {
            if let Some(group) = channel.sender.groups().find(name) {
                channel.sender.heard(now, group);
            }
        }
    }

    /// What others want or offer of market data has changed, or what we want.
    fn market_changed(&mut self) {
        let common = &self.common;
        let up = || self.peers.iter().filter(|peer| peer.is_up);
        want_market(&common.seam, up().fold(0, |shards, peer| shards | peer.shards));
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

    // What is to be done ------------------------------------------------------------------------------------------------

    fn work(&mut self, now_ns: i64, now: u64) {
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
            self.market_changed();
        }
        self.look_for_dead(now_ns, now);
        self.outgoing.iter_mut().for_each(|channel| channel.tick(now));
        self.incoming.iter_mut().for_each(|channel| channel.tick(now));
        if self.common.listening_to.load(Ordering::Acquire) != self.listening_said {
            self.next_beacon_ns = now_ns;
        }
    }

    fn take_out(&mut self, now: u64) {
        if self.can_take() {
            let outgoing = &mut self.outgoing;
            self.queue.receive(TAKEN, |event| {
                // The queue carries urgent lanes alone, whose numbers are those of the channels.
                if let Some(channel) = outgoing.get_mut(event.lane() as usize) {
                    channel.take(event, now);
                }
            });
        }
        self.outgoing.iter_mut().for_each(|channel| channel.send(now));
    }

    fn can_take(&self) -> bool {
        !self.outgoing.is_empty() && self.outgoing.iter().all(Outgoing::has_room) && !self.common.is_fenced()
    }

    fn look_for_dead(&mut self, now_ns: i64, now: u64) {
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

    fn execute(&mut self, now_ns: i64, now: u64, commands: Option<&mut crate::resp::Commands>) {
        let mut calls = commands.map(|commands| Calls { commands, pending: &mut self.pending });
        let run = &self.greeting.run;
        let mut credits = 0;
        for channel in &mut self.outgoing {
            channel.execute(run, calls.as_mut());
            credits += channel.take_credits();
        }
        if credits > 0 {
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
                let (incarnation, epoch) = (self.greeting.incarnation, self.greeting.epoch);
                let is_leaving = self.leaving_since_ns == Some(i64::MAX);
                let said = (self.started_ns, is_leaving);
                if let Some(frame) = beacon(&self.common, &self.outgoing, incarnation, epoch, said, writer) {
                    calls.publish(&self.common.settings.environment.control(), frame);
                }
            }
        }
        for held in &mut self.held {
            while let Some(arrival) = held.pop_front() {
                if let Some(back) = self.arrivals.offer(arrival) {
                    held.push_front(back);
                    break;
                }
            }
        }
        if let Some(writer) = &mut self.control {
            make_snapshots(&self.common, &mut self.outgoing, writer, now, calls.as_mut());
        }
    }

    /// Tells the node what its channels had to say.
    fn tell(&mut self) {
        for channel in &mut self.outgoing {
            let id = channel.keys.id.to_string();
            for notice in channel.notices.drain(..) {
                let said = |kind, count, detail: String| News {
                    channel: id.as_str().into(),
                    count,
                    detail: detail.into(),
                    ..News::new(kind)
                };
                let seam = &self.common.seam;
                match notice {
                    Notice::Cut { events, commands } => {
                        seam.tell(said(
                            NewsKind::Overflow,
                            events,
                            format!("cut, {commands} frames of commands with them"),
                        ));
                    }
                    Notice::GivenUp(node) => {
                        let detail = "it is not waited for any more, and comes back by a snapshot".into();
                        seam.tell(News { node: node.into(), ..said(NewsKind::Overflow, 0, detail) });
                    }
                    Notice::ServerLost { events } => {
                        let detail = "the server has lost them, they are sent again".into();
                        seam.tell(said(NewsKind::ServerFinding, events, detail));
                    }
                    Notice::SnapshotWanted(_) => seam.tell(said(NewsKind::SnapshotWanted, 0, String::new())),
                    Notice::Fenced { by } => {
                        self.common.fence(&format!("another node publishes under this name, with the later epoch {by}"))
                    }
                    Notice::Unsendable { events, why } => seam.tell(said(NewsKind::Overflow, events, why)),
                    Notice::Full => {
                        seam.tell(said(NewsKind::OutboxFull, channel.sender.outbox().events(), String::new()))
                    }
                }
            }
        }
        for channel in &mut self.incoming {
            let id = channel.keys.id.to_string();
            for heard in channel.heard.drain(..) {
                let (kind, count, detail) = match heard {
                    Heard::Gap { open: true } => (NewsKind::GapOpened, 0, String::new()),
                    Heard::Gap { open: false } => (NewsKind::GapRepaired, 0, String::new()),
                    Heard::Lost { events, why, certain } => {
                        let sure = if certain { "" } else { " (there may have been some)" };
                        (NewsKind::GapLost, events, format!("{why}{sure}"))
                    }
                    Heard::SnapshotWanted => (NewsKind::SnapshotWanted, 0, "asked for".into()),
                    Heard::SnapshotLoaded { events } => (NewsKind::SnapshotLoaded, events, String::new()),
                };
                let node = self.peers[channel.peer].name.as_str().into();
                let (channel, detail) = (id.as_str().into(), detail.into());
                self.common.seam.tell(News { node, channel, count, detail, ..News::new(kind) });
            }
        }
    }

    // Rest and end ------------------------------------------------------------------------------------------------------

    fn is_idle(&self) -> bool {
        (!self.can_take() || self.queue.is_empty())
            && !self.common.seam.has_applied()
            && self.own_version == Some(self.common.seam.own.version())
    }

    fn due_ns(&self, calls_are_up: bool) -> Option<i64> {
        let of_senders = self.outgoing.iter().filter_map(|channel| channel.sender.deadline()).min();
        let of_receivers = self.incoming.iter().filter_map(|channel| channel.receiver.deadline()).min();
        let soon = [of_senders, of_receivers].into_iter().flatten().map(|due| i64::try_from(due).unwrap_or(i64::MAX));
        let beacon = Some(self.next_beacon_ns).filter(|_| calls_are_up && self.control.is_some());
        let silence = self.hearing_since_ns.and_then(|since| {
            let waited = self.peers.iter().filter(|peer| !peer.is_dead);
            waited.map(|peer| peer.heard_ns.max(since) + SILENCE_NS).min()
        });
        let leaving = self.common.leave_by().map(|by| by.min(monotonic_ns() + 2_000_000));
        soon.chain([beacon, silence, leaving].into_iter().flatten()).min()
    }

    /// True when all that left this node is where it has to be: with its consumers, or with the server for those that are
    /// not there.
    fn is_settled(&self) -> bool {
        let is_away = |name: &str| self.peers.iter().all(|peer| peer.name != name || !peer.is_up);
        self.queue.is_empty()
            && self.outgoing.iter().all(|channel| {
                let outbox = channel.sender.outbox();
                let position = Position::new(channel.sender.epoch(), outbox.last());
                let is_owed = |group: &crate::durable::groups::Group| group.acknowledged < position;
                let groups = channel.sender.groups().all();
                let have_all = groups.iter().all(|group| !is_owed(group) || is_away(&group.name));
                !channel.gathers() && (outbox.events() == 0 || (channel.sender.confirmed() == position && have_all))
            })
    }
}

/// Makes the snapshots that other nodes asked for, out of the latest values that this one has sent.
fn make_snapshots(
    common: &Common,
    outgoing: &mut [Outgoing],
    writer: &mut FrameWriter,
    now: u64,
    mut calls: Option<&mut Calls<'_>>,
) {
    for channel in outgoing {
        let wanted: Vec<usize> = channel.notices.iter().filter_map(Notice::wants_snapshot).collect();
        for group in wanted {
            let Some(name) = channel.sender.groups().all().get(group).map(|group| group.name.clone()) else { continue };
            let id = channel.keys.id.clone();
            let (position, state) = channel.snapshot(now, group);
            let snapshot = super::control::snapshot(&name, id, position);
            if writer.begin(&snapshot).is_err() {
                continue;
            }
            // What cannot be encoded was refused when it was published.
            state.for_each(|event| _ = writer.append(event));
            if let (Some(calls), Some(frame)) = (calls.as_deref_mut(), writer.finish(0, wall_ns())) {
                calls.publish(&common.settings.environment.control_of(&name), frame);
            }
        }
    }
}

impl Urgent {
    /// Where the link leaves: whether it has.
    fn leaves(&mut self) -> bool {
        let Some(by_ns) = self.node.common.leave_by() else { return false };
        let now_ns = monotonic_ns();
        let since_ns = *self.node.leaving_since_ns.get_or_insert(now_ns);
        let said_all = now_ns - since_ns >= LAST_WORDS_NS && self.node.pending.is_empty();
        if now_ns < by_ns && !(self.node.is_settled() && said_all) {
            return false;
        }
        // The last beacon says that nobody has to miss us.
        self.node.leaving_since_ns = Some(i64::MAX);
        self.node.next_beacon_ns = i64::MIN;
        self.turn();
        self.report();
        true
    }
}

impl NativeActor for Urgent {
    fn run(&mut self, life: &Life) {
        let common = self.node.common.clone();
        while !life.is_stopping() {
            life.beat();
            common.wakers.urgent.unpark();
            self.turn();
            if self.leaves() {
                break;
            }
            self.sleep(life);
        }
        common.has_left();
    }

    fn recover(&mut self, _panic: &str) -> bool {
        // Its machines may be half way through a step: what they promise cannot be promised any more.
        false
    }

    fn restarting(&mut self, _panic: &str, _restart: u64, _wait: Duration) {}

    fn give_up(self, panic: &str) {
        self.node.common.fence(&format!("the bridge's urgent thread has panicked: {panic}"));
        self.node.common.has_left();
    }
}
