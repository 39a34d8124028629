//! Nodes, connections and servers, and what may happen to them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use libra_net::durable::{
    Act, Bounds, Delivery, Entry, Kind, Opened, Received, Receiver, ReceiverLimits, Reply, Sender, SenderLimits, Why,
    claim_at_least,
};
use libra_net::ids::Position;

use crate::server::{Answer, Call, Frame, Model, Published, Server, Stored};
use crate::truth::{Event, Ledger, Source};

pub const NAMES: usize = 2;
pub const GROUPS: [&str; 3] = ["g0", "g1", "g2"];
const MS: u64 = 1_000_000;

/// A life of a publisher.
pub struct Life {
    pub name: usize,
    pub epoch: u64,
    pub sender: Sender,
    pub alive: bool,
    /// Which server it is connected to.
    server: Option<usize>,
    calls: VecDeque<Call>,
    replies: VecDeque<(Call, Answer)>,
    control: Vec<Control>,
}

/// What comes on a publisher's control channel.
enum Control {
    Acknowledged(usize, Position),
    Ask(usize),
    Fence(u64),
}

/// A channel at a group.
pub struct Member {
    pub group: usize,
    pub name: usize,
    pub receiver: Receiver<Frame>,
    server: Option<usize>,
    calls: VecDeque<Call>,
    replies: VecDeque<(Call, Answer)>,
    subscription: Option<Subscription>,
    /// What its node has been handed and has not done.
    todo: VecDeque<Delivery<Frame>>,
    mail: Vec<Mail>,
}

struct Subscription {
    server: usize,
    /// The server has taken it.
    active: bool,
    queue: VecDeque<Push>,
}

enum Push {
    Subscribed,
    Frame(Vec<u8>),
}

enum Mail {
    Snapshot(Position),
    Beacon(Position),
    Dead,
}

/// Calls of a connection that its client has given up, and that the server may run all the same.
struct Orphan {
    server: usize,
    calls: VecDeque<Call>,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Nothing: connections hold.
    None,
    /// What a real server can be put through in a test: cut connections, restarts of nodes, an empty restart.
    Some,
    /// Everything.
    All,
}

pub struct World {
    pub rng: fastrand::Rng,
    pub now: u64,
    faults: Faults,
    calm: u8,
    steps: u64,
    pub servers: Vec<Box<dyn Server>>,
    pub current: usize,
    runs: u64,
    replica: Option<Model>,
    pub lives: Vec<Life>,
    pub members: Vec<Member>,
    orphans: Vec<Orphan>,
    pub sources: Vec<Source>,
    pub ledgers: Vec<Ledger>,
    /// The server lost data at least once.
    lost_data: bool,
    /// It lost everything at least once.
    forgot: bool,
    sick: bool,
    sender_limits: SenderLimits,
    receiver_limits: ReceiverLimits,
    acts: Vec<Act>,
    deliveries: Vec<Delivery<Frame>>,
    pub cover: BTreeMap<&'static str, u64>,
    /// What happened, when somebody wants to read it.
    pub log: Option<Vec<String>>,
}

pub type Done = Result<(), String>;

impl World {
    pub fn new(seed: u64, faults: Faults, server: Box<dyn Server>) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (roomy, calm) = (rng.bool(), [0, 128, 240][rng.usize(0..3)]);
        let sender_limits = SenderLimits {
            events: rng.u64(32..200) * if roomy { 20 } else { 1 },
            bytes: 40 * rng.usize(8..60) * if roomy { 20 } else { 1 },
            window: rng.usize(1..5),
            batch: rng.usize(1..5),
            batch_bytes: 40 * rng.usize(1..5),
            stale_after: rng.u64(1_000..20_000) * MS,
            trim_every: rng.u64(4..64),
            trim_after: rng.u64(20..500) * MS,
            retry_after: 50 * MS,
            read_acks_after: rng.u64(50..500) * MS,
        };
        let receiver_limits = ReceiverLimits {
            unapplied: rng.u64(4..64),
            held: rng.usize(1..12),
            count: rng.u32(1..8),
            ack_every: rng.u64(1..32),
            ack_after: rng.u64(1..50) * MS,
            beacon_patience: 20 * MS,
            retry_after: 50 * MS,
            ask_again: 200 * MS,
        };
        let members = (0..GROUPS.len()).flat_map(|group| (0..NAMES).map(move |name| (group, name)));
        let members = members.map(|(group, name)| Member {
            group,
            name,
            receiver: Receiver::new(None, receiver_limits),
            server: None,
            calls: VecDeque::new(),
            replies: VecDeque::new(),
            subscription: None,
            todo: VecDeque::new(),
            mail: Vec::new(),
        });
        World {
            rng,
            now: 1_000 * MS,
            faults,
            calm,
            steps: 0,
            servers: vec![server],
            current: 0,
            runs: 1,
            replica: None,
            lives: Vec::new(),
            members: members.collect(),
            orphans: Vec::new(),
            sources: (0..NAMES).map(|_| Source::default()).collect(),
            ledgers: (0..NAMES * GROUPS.len()).map(|_| Ledger::default()).collect(),
            lost_data: false,
            forgot: false,
            sick: false,
            sender_limits,
            receiver_limits,
            acts: Vec::new(),
            deliveries: Vec::new(),
            cover: BTreeMap::new(),
            log: None,
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.cover.entry(what).or_default() += 1;
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now / MS;
        if let Some(log) = &mut self.log {
            log.push(format!("{now:>7} ms  {}", what()));
        }
    }

    /// One thing happens.
    pub fn step(&mut self) -> Done {
        match self.rng.u32(0..100) {
            0..8 => self.publish()?,
            8..36 => self.serve()?,
            36..52 => self.answer()?,
            52..68 => self.push()?,
            68..84 => self.work()?,
            84..89 => self.post()?,
            89..93 => {
                let span = if self.rng.u8(..) < 8 { 5_000 } else { 25 };
                let span = self.rng.u64(0..span);
                self.wait(span * MS)?;
            }
            93..95 => self.beacons(),
            95..97 => self.connect_one()?,
            // Some runs have hardly any faults, so that much is applied; others have them all the time.
            _ if self.rng.u8(..) > self.calm => {
                self.check()?;
                self.fault();
            }
            _ => {}
        }
        self.steps += 1;
        if self.steps % 4 == 0 { self.check() } else { Ok(()) }
    }

    // --- publishers ---

    /// A node with this name starts, and claims its epoch.
    fn start(&mut self, name: usize) {
        let Answer::Acknowledged(seen) = self.run(self.current, &Call::Acknowledged { name }) else { return };
        // Clocks of hosts differ, backwards too.
        let wall = 1_000_000 + self.now / MS - self.rng.u64(0..500_000).min(self.now / MS);
        let at_least = claim_at_least(wall, seen.into_iter().map(|(_, position)| position));
        let Answer::Epoch(epoch) = self.run(self.current, &Call::Claim { name, at_least }) else { return };
        if self.lives.iter().any(|life| life.name == name && life.epoch == epoch) {
            return; // A clock that stood still for a whole life; the node tries again.
        }
        let sender = Sender::new(epoch, GROUPS, self.sender_limits, self.now);
        self.note(|| format!("life {epoch} of {name} starts"));
        let (calls, replies) = (VecDeque::new(), VecDeque::new());
        self.lives.push(Life { name, epoch, sender, alive: true, server: None, calls, replies, control: Vec::new() });
    }

    fn publish(&mut self) -> Done {
        let Some(life) = self.pick(|world, at| world.lives[at].alive, self.lives.len()) else {
            let name = self.rng.usize(0..NAMES);
            self.start(name);
            return Ok(());
        };
        self.publish_from(life);
        Ok(())
    }

    pub fn publish_from(&mut self, at: usize) {
        let count = if self.rng.bool() { 1 } else { self.rng.u64(1..17) };
        let kind = [Kind::Command, Kind::Cancel, Kind::Fact][self.rng.usize(0..3)];
        let bad = self.faults == Faults::All && self.rng.u32(0..150) == 0;
        let life = &mut self.lives[at];
        let (name, epoch, first) = (life.name, life.epoch, life.sender.next_seq());
        let last = first + count - 1;
        let frame = Frame { publisher: name as u64, epoch, first, last, bad };
        let taken = life.sender.offer(self.now, kind, last, Arc::from(frame.bytes()), &mut self.acts);
        if taken.is_ok() {
            for seq in first..=last {
                self.sources[name].events.insert(Position::new(epoch, seq), Event { bad, ..Event::default() });
            }
        } else {
            self.count("a command refused");
        }
        self.carry_out(at);
    }

    /// Does what a sender wants.
    fn carry_out(&mut self, at: usize) {
        let mut acts = std::mem::take(&mut self.acts);
        for act in acts.drain(..) {
            let life = &mut self.lives[at];
            let (name, epoch) = (life.name, life.epoch);
            let call = match act {
                Act::Open { confirmed } => Call::Open { name, epoch, confirmed },
                Act::Append { first, last } => {
                    let frames = life.sender.frames(first, last);
                    let frames = frames.map(|outgoing| (outgoing.first, outgoing.last, outgoing.frame.to_vec()));
                    Call::Append { name, epoch, frames: frames.collect() }
                }
                Act::Trim { upto, waiting } => {
                    let groups = life.sender.waited_for().filter(|_| waiting).map(str::to_owned).collect();
                    if !waiting {
                        self.count("a skip");
                    }
                    Call::Trim { name, epoch, upto, groups }
                }
                Act::ReadAcknowledged => Call::Acknowledged { name },
                Act::Cut { .. } => {
                    self.count("a cut");
                    continue;
                }
                Act::GivenUp { .. } => {
                    self.count("a group given up");
                    continue;
                }
                Act::ServerLost { .. } => {
                    self.count("a server that lost something");
                    continue;
                }
                Act::SnapshotWanted { group } => {
                    let position = self.lives[at].sender.snapshot_made(self.now, group);
                    let member = group * NAMES + name;
                    self.members[member].mail.push(Mail::Snapshot(position));
                    continue;
                }
                Act::Fenced { by } => {
                    self.count("a sender fenced");
                    self.run(self.current, &Call::Raise { name, epoch: by });
                    self.end(at);
                    continue;
                }
            };
            self.lives[at].calls.push_back(call);
        }
        self.acts = acts;
    }

    /// A life of a publisher is over.
    fn end(&mut self, at: usize) {
        let (name, epoch) = (self.lives[at].name, self.lives[at].epoch);
        self.note(|| format!("life {epoch} of {name} ends"));
        self.cut_life(at);
        self.lives[at].alive = false;
        self.mark_lost();
    }

    // --- servers ---

    /// Runs a call on a server and writes down what it changed.
    fn run(&mut self, server: usize, call: &Call) -> Answer {
        let mut published = Vec::new();
        let refuses = self.sick && matches!(call, Call::Append { .. } | Call::Open { .. } | Call::Ack { .. });
        if refuses && self.rng.bool() {
            return Answer::Refused(libra_net::durable::Refusal::Failed);
        }
        let answer = self.servers[server].call(call, &mut published);
        self.note(|| format!("server {server}: {call:?} -> {answer:?}"));
        match (call, &answer) {
            (Call::Open { name, epoch, .. }, Answer::Opened { .. }) => {
                self.sources[*name].opened = self.sources[*name].opened.max(*epoch);
            }
            (Call::Open { .. } | Call::Append { .. }, Answer::Refused(refusal)) => match refusal {
                libra_net::durable::Refusal::Gap { .. } => self.count("a gap at the server"),
                libra_net::durable::Refusal::Incarnation => self.count("an incarnation refused"),
                libra_net::durable::Refusal::Fenced { .. } => self.count("a call fenced"),
                libra_net::durable::Refusal::Failed => {}
            },
            _ => {}
        }
        for message in published {
            match message {
                Published::Frame { name, frame } => {
                    let read = Frame::read(&frame);
                    for seq in read.first..=read.last {
                        let in_time = self.sources[name].opened <= read.epoch;
                        let event = self.sources[name].events.entry(Position::new(read.epoch, seq)).or_default();
                        event.in_time |= in_time;
                    }
                    for member in self.members.iter_mut().filter(|member| member.name == name) {
                        match &mut member.subscription {
                            Some(sub) if sub.server == server && sub.active => {
                                sub.queue.push_back(Push::Frame(frame.clone()));
                            }
                            _ => {}
                        }
                    }
                }
                Published::Acknowledged { name, group, upto } => {
                    let group = GROUPS.iter().position(|known| *known == group).expect("a declared group");
                    let lives = self.lives.iter_mut().filter(|life| life.name == name && life.server == Some(server));
                    lives.for_each(|life| life.control.push(Control::Acknowledged(group, upto)));
                }
            }
        }
        answer
    }

    /// A server handles one call of one connection.
    fn serve(&mut self) -> Done {
        let (lives, members) = (self.lives.len(), self.members.len());
        let all = lives + 2 * members + self.orphans.len();
        let ready = |world: &World, at: usize| {
            if at < lives {
                world.lives[at].server.is_some() && !world.lives[at].calls.is_empty()
            } else if at < lives + members {
                world.members[at - lives].server.is_some() && !world.members[at - lives].calls.is_empty()
            } else if at < lives + 2 * members {
                world.members[at - lives - members].subscription.as_ref().is_some_and(|sub| !sub.active)
            } else {
                true
            }
        };
        let Some(at) = self.pick(ready, all) else { return Ok(()) };
        if at < lives {
            self.serve_life(at)
        } else if at < lives + members {
            self.serve_member(at - lives)
        } else if at < lives + 2 * members {
            self.subscribe(at - lives - members);
            Ok(())
        } else {
            self.count("a call of a connection that was given up");
            let orphan = &mut self.orphans[at - lives - 2 * members];
            let (server, call) = (orphan.server, orphan.calls.pop_front());
            if orphan.calls.is_empty() {
                self.orphans.remove(at - lives - 2 * members);
            }
            match call {
                Some(call) => self.run_checked(server, &call).map(|_| ()),
                None => Ok(()),
            }
        }
    }

    fn run_checked(&mut self, server: usize, call: &Call) -> Result<Answer, String> {
        if let Call::Ack { name, group, upto } = call {
            let group = GROUPS.iter().position(|known| known == group).expect("a declared group");
            let most = self.ledgers[group * NAMES + name].most;
            if *upto > most {
                return Err(format!("group {group} acknowledges {upto} of {name} and has applied {most}"));
            }
        }
        Ok(self.run(server, call))
    }

    fn serve_life(&mut self, at: usize) -> Done {
        let (Some(server), Some(call)) = (self.lives[at].server, self.lives[at].calls.pop_front()) else {
            return Ok(());
        };
        let answer = self.run_checked(server, &call)?;
        self.lives[at].replies.push_back((call, answer));
        Ok(())
    }

    fn serve_member(&mut self, at: usize) -> Done {
        let (Some(server), Some(call)) = (self.members[at].server, self.members[at].calls.pop_front()) else {
            return Ok(());
        };
        let answer = self.run_checked(server, &call)?;
        self.members[at].replies.push_back((call, answer));
        Ok(())
    }

    fn subscribe(&mut self, at: usize) {
        if let Some(sub) = &mut self.members[at].subscription {
            sub.active = true;
            sub.queue.push_back(Push::Subscribed);
        }
    }

    // --- answers ---

    fn answer(&mut self) -> Done {
        let lives = self.lives.len();
        let ready = |world: &World, at: usize| match at < lives {
            true => !world.lives[at].replies.is_empty(),
            false => !world.members[at - lives].replies.is_empty(),
        };
        let Some(at) = self.pick(ready, lives + self.members.len()) else { return Ok(()) };
        if at < lives { self.answer_life(at) } else { self.answer_member(at - lives) }
    }

    fn answer_life(&mut self, at: usize) -> Done {
        let Some((call, answer)) = self.lives[at].replies.pop_front() else { return Ok(()) };
        let refused = match &answer {
            Answer::Refused(refusal) => Some(*refusal),
            _ => None,
        };
        let reply = match (call, answer) {
            (Call::Open { .. }, Answer::Opened { top, floor, acknowledged }) => {
                Reply::Opened(Ok(Opened { top, floor, acknowledged }))
            }
            (Call::Append { name, epoch, frames }, Answer::Appended) => {
                let (first, last) = (frames[0].0, frames[frames.len() - 1].1);
                for seq in first..=last {
                    let event = self.sources[name].events.get_mut(&Position::new(epoch, seq));
                    event.expect("it was published").confirmed = true;
                }
                Reply::Appended(Ok(()))
            }
            (Call::Trim { .. }, Answer::Floor(floor)) => Reply::Trimmed(Ok(floor)),
            (Call::Acknowledged { .. }, Answer::Acknowledged(all)) => Reply::Acknowledged(all),
            (call, answer) => {
                let Some(refusal) = refused else { return Err(format!("{call:?} was answered by {answer:?}")) };
                match call {
                    Call::Open { .. } => Reply::Opened(Err(refusal)),
                    Call::Append { .. } => Reply::Appended(Err(refusal)),
                    _ => Reply::Trimmed(Err(refusal)),
                }
            }
        };
        self.lives[at].sender.reply(self.now, reply, &mut self.acts);
        self.carry_out(at);
        Ok(())
    }

    fn answer_member(&mut self, at: usize) -> Done {
        let Some((call, answer)) = self.members[at].replies.pop_front() else { return Ok(()) };
        let now = self.now;
        let receiver = &mut self.members[at].receiver;
        match (call, answer) {
            (Call::Ack { .. }, answer) => receiver.acknowledged(now, answer != refused_failed()),
            (Call::Read { count, .. }, Answer::Found(found)) => {
                let more = found.entries.len() == count as usize && count > 0;
                let bounds = found.bounds.map(|(top, floor)| Bounds { top, floor });
                let mut entries = found.entries.into_iter().map(|(id, frame)| entry(id, frame)).collect();
                let begins = receiver.position().is_none();
                let out = &mut self.deliveries;
                receiver.read(now, None, found.acknowledged, bounds, &mut entries, more, out);
                if begins {
                    let start = receiver.position().unwrap_or_default();
                    let ledger = &mut self.ledgers[at];
                    if start > ledger.most {
                        return Err(format!("a group begins at {start} and never had more than {}", ledger.most));
                    }
                    ledger.cursor = Some(start);
                    ledger.story.push(format!("begins at {start}"));
                    // What it forgot may be gone by now.
                    self.mark_lost();
                }
            }
            (call, answer) => return Err(format!("{call:?} was answered by {answer:?}")),
        }
        self.deliver(at)
    }

    /// Does what a receiver wants.
    fn deliver(&mut self, at: usize) -> Done {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        for delivery in deliveries.drain(..) {
            let (name, group) = (self.members[at].name, GROUPS[self.members[at].group].to_owned());
            self.note(|| format!("group {group} of {name}: {delivery:?}"));
            match delivery {
                Delivery::Read { after, count } => {
                    self.members[at].calls.push_back(Call::Read { name, group, after, count });
                }
                Delivery::Ack { upto } => self.members[at].calls.push_back(Call::Ack { name, group, upto }),
                Delivery::AskSnapshot { .. } => {
                    let from = self.members[at].group;
                    for life in self.lives.iter_mut().filter(|life| life.alive && life.name == name) {
                        life.control.push(Control::Ask(from));
                    }
                }
                Delivery::Fence { epoch } => {
                    for life in self.lives.iter_mut().filter(|life| life.alive && life.name == name) {
                        life.control.push(Control::Fence(epoch));
                    }
                }
                Delivery::Gap { open } => self.count(if open { "a gap" } else { "a gap closed" }),
                Delivery::Lost { upto, why, certain, .. } => {
                    self.check_lost(at, upto, why, certain)?;
                    self.members[at].todo.push_back(delivery);
                }
                _ => self.members[at].todo.push_back(delivery),
            }
        }
        self.deliveries = deliveries;
        Ok(())
    }

    /// `GAP_LOST` is said only when the source is over or the frame is of no use.
    fn check_lost(&mut self, at: usize, upto: Position, why: Why, certain: bool) -> Done {
        let name = self.members[at].name;
        self.count(match (why, certain) {
            (Why::Undecodable, _) => "lost: undecodable",
            (Why::Torn, _) => "lost: torn",
            (Why::Trimmed, true) => "lost: trimmed",
            (Why::Trimmed, false) => "lost: perhaps trimmed",
            (Why::ServerLost, _) => "lost: by the server",
        });
        let over = self.members[at].receiver.is_dead() || self.sources[name].opened > upto.epoch || why == Why::Torn;
        if why == Why::Undecodable {
            let bad = self.sources[name].events.get(&upto).is_some_and(|event| event.bad);
            return if bad { Ok(()) } else { Err(format!("{upto} can be decoded, and was called lost")) };
        }
        if !over {
            return Err(format!("lost up to {upto} ({why:?}), and its publisher lives"));
        }
        // A snapshot may be ahead of all that was ever appended: then its position is what the server lacks.
        if why == Why::ServerLost && !self.lost_data {
            return Err(format!("lost up to {upto} ({why:?}), and no server lost anything"));
        }
        Ok(())
    }

    // --- nodes of the groups ---

    fn push(&mut self) -> Done {
        let ready =
            |world: &World, at: usize| world.members[at].subscription.as_ref().is_some_and(|sub| !sub.queue.is_empty());
        match self.pick(ready, self.members.len()) {
            Some(at) => self.take_push(at),
            None => Ok(()),
        }
    }

    fn take_push(&mut self, at: usize) -> Done {
        let member = &mut self.members[at];
        let Some(push) = member.subscription.as_mut().and_then(|sub| sub.queue.pop_front()) else { return Ok(()) };
        match push {
            Push::Subscribed => member.receiver.subscribed(self.now, &mut self.deliveries),
            Push::Frame(bytes) => {
                let frame = Frame::read(&bytes);
                if !frame.bad {
                    let (epoch, first, last) = (frame.epoch, frame.first, frame.last);
                    member.receiver.live(self.now, epoch, first, last, frame, &mut self.deliveries);
                }
            }
        }
        self.deliver(at)
    }

    /// A node handles one thing that it was handed.
    fn work(&mut self) -> Done {
        match self.pick(|world, at| !world.members[at].todo.is_empty(), self.members.len()) {
            Some(at) => self.work_at(at),
            None => Ok(()),
        }
    }

    fn work_at(&mut self, at: usize) -> Done {
        let member = &mut self.members[at];
        let Some(todo) = member.todo.pop_front() else { return Ok(()) };
        let (ledger, source) = (&mut self.ledgers[at], &self.sources[member.name]);
        let upto = match todo {
            Delivery::Events { epoch, first, last, skip, frame } => {
                if (frame.publisher, frame.epoch, frame.first, frame.last) != (member.name as u64, epoch, first, last) {
                    return Err(format!("{frame:?} was handed over as {epoch}-{first}..{last}"));
                }
                ledger.apply(source, epoch, first + skip, last, self.forgot)?;
                Position::new(epoch, last)
            }
            Delivery::Life { begins } => {
                ledger.enters(source, begins, self.forgot)?;
                begins
            }
            Delivery::Snapshot { position, .. } => {
                ledger.told("snapshot", position)?;
                *self.cover.entry("a snapshot").or_default() += 1;
                position
            }
            Delivery::Lost { after, upto, .. } => {
                if ledger.cursor != Some(after) {
                    return Err(format!("lost behind {after}, and {:?} was there", ledger.cursor));
                }
                ledger.told("lost", upto)?;
                upto
            }
            other => return Err(format!("{other:?} is not for a node")),
        };
        member.receiver.applied(self.now, upto, &mut self.deliveries);
        self.deliver(at)
    }

    /// One message arrives of those that go without a promise: in any order, or not at all.
    fn post(&mut self) -> Done {
        let lives = self.lives.len();
        let ready = |world: &World, at: usize| match at < lives {
            true => world.lives[at].alive && !world.lives[at].control.is_empty(),
            false => !world.members[at - lives].mail.is_empty(),
        };
        let Some(at) = self.pick(ready, lives + self.members.len()) else { return Ok(()) };
        let lost = self.faults != Faults::None && self.rng.u8(..) < 50;
        if at < lives { self.take_control(at, lost) } else { self.take_mail(at - lives, lost) }
    }

    fn take_control(&mut self, at: usize, lost: bool) -> Done {
        let which = self.rng.usize(0..self.lives[at].control.len());
        let life = &mut self.lives[at];
        let message = life.control.swap_remove(which);
        match message {
            _ if lost => {}
            Control::Acknowledged(group, upto) => life.sender.acknowledged(self.now, group, upto, &mut self.acts),
            Control::Fence(epoch) => life.sender.heard_of(epoch, &mut self.acts),
            Control::Ask(group) => life.sender.snapshot_requested(self.now, group, &mut self.acts),
        }
        self.carry_out(at);
        Ok(())
    }

    fn take_mail(&mut self, at: usize, lost: bool) -> Done {
        let which = self.rng.usize(0..self.members[at].mail.len());
        let member = &mut self.members[at];
        let (receiver, out) = (&mut member.receiver, &mut self.deliveries);
        match member.mail.swap_remove(which) {
            _ if lost => {}
            Mail::Snapshot(position) => {
                let frame =
                    Frame { publisher: member.name as u64, epoch: position.epoch, first: 0, last: 0, bad: false };
                receiver.snapshot(self.now, position, frame, out);
            }
            Mail::Beacon(confirmed) => receiver.beacon(self.now, confirmed, out),
            Mail::Dead => receiver.dead(self.now, out),
        }
        self.deliver(at)
    }

    fn beacons(&mut self) {
        for life in self.lives.iter().filter(|life| life.alive && life.server.is_some()) {
            for member in self.members.iter_mut().filter(|member| member.name == life.name) {
                member.mail.push(Mail::Beacon(life.sender.confirmed()));
            }
        }
        // Whose node beacons is heard of at the publishers.
        let heard = self.rng.u8(..);
        for life in self.lives.iter_mut().filter(|life| life.alive) {
            (0..GROUPS.len())
                .filter(|group| heard & 1 << group != 0)
                .for_each(|group| life.sender.heard(self.now, group));
        }
        for name in 0..NAMES {
            if !self.lives.iter().any(|life| life.alive && life.name == name) {
                self.members.iter_mut().filter(|member| member.name == name).for_each(|m| m.mail.push(Mail::Dead));
            }
        }
    }

    fn wait(&mut self, span: u64) -> Done {
        let until = self.now + span;
        // No machine waits longer than its own deadline.
        for at in 0..self.lives.len() {
            while let Some(due) = self.lives[at].sender.deadline().filter(|due| *due <= until && self.lives[at].alive) {
                self.now = self.now.max(due);
                self.lives[at].sender.tick(self.now, &mut self.acts);
                self.carry_out(at);
                if self.lives[at].sender.deadline() == Some(due) {
                    break;
                }
            }
        }
        self.now = self.now.max(until);
        for at in 0..self.members.len() {
            if self.members[at].receiver.deadline().is_some_and(|due| due <= self.now) {
                self.members[at].receiver.tick(self.now, &mut self.deliveries);
                self.deliver(at)?;
            }
        }
        Ok(())
    }

    // --- connections ---

    fn connect_one(&mut self) -> Done {
        let (lives, members) = (self.lives.len(), self.members.len());
        let ready = |world: &World, at: usize| {
            if at < lives {
                world.lives[at].alive && world.lives[at].server.is_none()
            } else if at < lives + members {
                world.members[at - lives].server.is_none()
            } else {
                world.members[at - lives - members].subscription.is_none()
            }
        };
        match self.pick(ready, lives + 2 * members) {
            Some(at) => self.connect(at),
            None => Ok(()),
        }
    }

    /// Lives, then members, then subscriptions, as numbered by `connect_one`.
    fn connect(&mut self, at: usize) -> Done {
        let (lives, members, server) = (self.lives.len(), self.members.len(), self.current);
        if at < lives {
            self.lives[at].server = Some(server);
            self.lives[at].sender.connected(self.now, &mut self.acts);
            self.carry_out(at);
        } else if at < lives + members {
            let member = &mut self.members[at - lives];
            member.server = Some(server);
            member.receiver.connected(self.now, &mut self.deliveries);
            self.deliver(at - lives)?;
        } else {
            let subscription = Subscription { server, active: false, queue: VecDeque::new() };
            self.members[at - lives - members].subscription = Some(subscription);
        }
        Ok(())
    }

    fn leave(&mut self, server: usize, mut calls: VecDeque<Call>) {
        // What is still on its way may be lost from any place on.
        let kept = self.rng.usize(0..=calls.len());
        calls.truncate(kept);
        if !calls.is_empty() && self.faults == Faults::All {
            self.orphans.push(Orphan { server, calls });
        }
    }

    fn cut_life(&mut self, at: usize) {
        let life = &mut self.lives[at];
        let Some(server) = life.server.take() else { return };
        let calls = std::mem::take(&mut life.calls);
        life.replies.clear();
        life.sender.disconnected(self.now);
        self.leave(server, calls);
    }

    fn cut_member(&mut self, at: usize) {
        let member = &mut self.members[at];
        let Some(server) = member.server.take() else { return };
        let calls = std::mem::take(&mut member.calls);
        member.replies.clear();
        member.receiver.disconnected();
        self.leave(server, calls);
    }

    fn cut_subscription(&mut self, at: usize) {
        let member = &mut self.members[at];
        if member.subscription.take().is_some() {
            member.receiver.unsubscribed();
        }
    }

    fn cut_all(&mut self, server: usize) {
        for at in 0..self.lives.len() {
            if self.lives[at].server == Some(server) {
                self.cut_life(at);
            }
        }
        for at in 0..self.members.len() {
            if self.members[at].server == Some(server) {
                self.cut_member(at);
            }
            if self.members[at].subscription.as_ref().is_some_and(|sub| sub.server == server) {
                self.cut_subscription(at);
            }
        }
        self.orphans.retain(|orphan| orphan.server != server);
    }

    // --- faults ---

    fn fault(&mut self) {
        if self.faults == Faults::None {
            return;
        }
        let all = self.faults == Faults::All;
        let (lives, members) = (self.lives.len(), self.members.len());
        match self.rng.u32(0..if all { 100 } else { 62 }) {
            0..16 if lives > 0 => {
                let at = self.rng.usize(0..lives);
                self.cut_life(at);
            }
            16..28 => {
                let at = self.rng.usize(0..members);
                self.cut_member(at);
            }
            28..40 => {
                let at = self.rng.usize(0..members);
                self.cut_subscription(at);
            }
            40..46 => {
                let at = self.rng.usize(0..members);
                self.crash(at, true);
            }
            46..50 => {
                let at = self.rng.usize(0..members);
                self.crash(at, false);
            }
            50..55 if lives > 0 => {
                let at = self.rng.usize(0..lives);
                if self.lives[at].alive {
                    self.count("a publisher killed");
                    self.end(at);
                }
            }
            55..60 => {
                let name = self.rng.usize(0..NAMES);
                if self.lives.iter().any(|life| life.alive && life.name == name) {
                    self.count("two publishers with one name");
                }
                self.start(name);
            }
            60..62 => self.forget(),
            62..75 => self.replica = self.servers[self.current].copy(1),
            75..80 => self.restart(),
            80..90 => self.fail_over(),
            90..94 => {
                let at = self.rng.usize(0..members);
                self.members[at].mail.push(Mail::Dead);
            }
            94..98 => self.sick = !self.sick,
            _ => {
                // Servers that were left behind come to their end.
                (0..self.current).for_each(|server| self.cut_all(server));
            }
        }
    }

    /// A group's node dies, and comes back with what it applied, or without.
    fn crash(&mut self, at: usize, keeps: bool) {
        self.count(if keeps { "a group restarted" } else { "a group that forgot" });
        self.cut_member(at);
        self.cut_subscription(at);
        let member = &mut self.members[at];
        member.todo.clear();
        member.mail.clear();
        let position = self.ledgers[at].cursor.filter(|_| keeps);
        member.receiver = Receiver::new(position, self.receiver_limits);
        if !keeps {
            self.ledgers[at].cursor = None;
        }
    }

    /// All data are gone; the connections may hold, as after FLUSHALL.
    fn forget(&mut self) {
        self.count("the server forgot everything");
        self.note(|| "the server forgets everything".to_owned());
        self.servers[self.current].forget();
        (self.lost_data, self.forgot) = (true, true);
        if self.rng.bool() {
            self.cut_all(self.current);
        }
        self.mark_lost();
    }

    fn next_server(&mut self, model: Model) {
        self.runs += 1;
        let Some(server) = model.copy(self.runs) else { return };
        self.servers.push(Box::new(server));
        self.current = self.servers.len() - 1;
        let current = self.current;
        self.note(|| format!("server {current} takes over"));
        self.mark_lost();
    }

    /// The server restarts: with its data, with those of some time ago, or without any.
    fn restart(&mut self) {
        self.cut_all(self.current);
        let model = match self.rng.u8(0..3) {
            0 => self.servers[self.current].copy(1),
            1 => self.replica.clone(),
            _ => Some(Model::new(NAMES, 1)),
        };
        let Some(model) = model else { return };
        self.count("the server restarted");
        (self.lost_data, self.forgot) = (true, true);
        self.next_server(model);
    }

    /// A replica takes over that lags; who is connected to the old server may stay there for a while.
    fn fail_over(&mut self) {
        let Some(replica) = self.replica.take() else { return };
        self.count("a failover");
        let old = self.current;
        // The replica may be from before a channel was there.
        (self.lost_data, self.forgot) = (true, true);
        self.next_server(replica);
        if self.rng.bool() {
            self.cut_all(old);
        }
    }

    // --- checks ---

    /// A fault took things away: those are lost for good, and their groups have to be told some day.
    fn mark_lost(&mut self) {
        for (at, lost) in self.unrecoverable() {
            self.ledgers[at].lost.extend(lost);
        }
    }

    /// For each group and publisher, the events that are owed and that are nowhere any more.
    fn unrecoverable(&mut self) -> Vec<(usize, Vec<Position>)> {
        let mut all = Vec::new();
        for name in 0..NAMES {
            let found = self.servers[self.current].look(name);
            let frames: Vec<(Position, u64)> = found
                .entries
                .iter()
                .filter_map(|(id, stored)| match stored {
                    Stored::Frame(frame) => Some((*id, Frame::read(frame).first)),
                    Stored::Life { .. } => None,
                })
                .collect();
            for at in (0..self.members.len()).filter(|at| self.members[*at].name == name) {
                let Some(cursor) = self.ledgers[at].cursor else { continue };
                let end = Position::new(u64::MAX, 0);
                let missing = self.sources[name].owed(cursor, end).filter(|position| {
                    let in_stream = frames
                        .iter()
                        .any(|(id, first)| id.epoch == position.epoch && (*first..=id.seq).contains(&position.seq));
                    let held = self.lives.iter().any(|life| {
                        let holds = life.alive && life.name == name && life.epoch == position.epoch;
                        holds && life.sender.outbox().base() < position.seq
                    });
                    !in_stream && !held && !self.ledgers[at].lost.contains(position)
                });
                let missing: Vec<Position> = missing.collect();
                if !missing.is_empty() {
                    all.push((at, missing));
                }
            }
        }
        all
    }

    /// What has to hold after every step.
    fn check(&mut self) -> Done {
        for life in &self.lives {
            let outbox = life.sender.outbox();
            if outbox.events() > self.sender_limits.events || outbox.bytes() > self.sender_limits.bytes {
                return Err(format!("an outbox of {} events and {} bytes", outbox.events(), outbox.bytes()));
            }
        }
        for member in &self.members {
            if member.receiver.held() > self.receiver_limits.held {
                return Err(format!("{} frames held", member.receiver.held()));
            }
            let waiting: u64 = member.todo.iter().map(events).sum();
            if waiting > self.receiver_limits.unapplied + 16 {
                return Err(format!("{waiting} events handed over that are not applied"));
            }
        }
        for (at, missing) in self.unrecoverable() {
            let (group, name) = (self.members[at].group, self.members[at].name);
            let given_up = self.lives.iter().any(|life| {
                // A snapshot on its way stands for what lies below its stamp.
                let groups = life.sender.groups();
                let stamped = missing.last().is_some_and(|last| groups.position(group) >= Some(*last));
                let later = life.name == name && life.epoch >= missing[0].epoch;
                later && (stamped || !groups.waits_for(group))
            });
            if !given_up {
                let cursor = self.ledgers[at].cursor;
                return Err(format!("group {group} at {cursor:?} can never have {missing:?} of {name}"));
            }
            self.ledgers[at].lost.extend(missing);
        }
        Ok(())
    }

    /// The faults stop: within bounded time every group has everything.
    pub fn settle(&mut self) -> Done {
        (self.faults, self.sick) = (Faults::None, false);
        (0..self.current).for_each(|server| self.cut_all(server));
        for round in 0..400 {
            for name in 0..NAMES {
                let newest =
                    self.lives.iter().filter(|life| life.alive && life.name == name).map(|life| life.epoch).max();
                match newest {
                    None => self.start(name),
                    Some(newest) => {
                        let older = |life: &Life| life.alive && life.name == name && life.epoch < newest;
                        let older: Vec<usize> = (0..self.lives.len()).filter(|at| older(&self.lives[*at])).collect();
                        older.into_iter().for_each(|at| self.end(at));
                    }
                }
            }
            self.round()?;
            if round == 40 {
                (0..self.lives.len()).filter(|at| self.lives[*at].alive).collect::<Vec<_>>().into_iter().for_each(
                    |at| {
                        self.publish_from(at);
                    },
                );
            }
            if round > 40 && self.is_settled() {
                return Ok(());
            }
        }
        let state: Vec<String> = self
            .members
            .iter()
            .enumerate()
            .map(|(at, member)| {
                format!(
                    "group {} of {}: {:?}, {:?}",
                    member.group,
                    member.name,
                    self.ledgers[at].cursor,
                    member.receiver.position()
                )
            })
            .collect();
        let lives: Vec<String> = self
            .lives
            .iter()
            .filter(|life| life.alive)
            .map(|life| {
                format!(
                    "life {} of {}: last {}, base {}",
                    life.epoch,
                    life.name,
                    life.sender.next_seq() - 1,
                    life.sender.outbox().base()
                )
            })
            .collect();
        Err(format!("it does not settle: {state:#?} {lives:#?}"))
    }

    /// Everybody gets on with everything.
    fn round(&mut self) -> Done {
        let (lives, members) = (self.lives.len(), self.members.len());
        for at in 0..lives + 2 * members {
            let missing = if at < lives {
                self.lives[at].alive && self.lives[at].server.is_none()
            } else if at < lives + members {
                self.members[at - lives].server.is_none()
            } else {
                self.members[at - lives - members].subscription.is_none()
            };
            if missing {
                self.connect(at)?;
            }
        }
        for at in 0..members {
            if self.members[at].subscription.as_ref().is_some_and(|sub| !sub.active) {
                self.subscribe(at);
            }
        }
        self.beacons();
        (0..self.lives.len()).filter(|at| self.lives[*at].alive).collect::<Vec<_>>().into_iter().for_each(|at| {
            (0..GROUPS.len()).for_each(|group| self.lives[at].sender.heard(self.now, group));
        });
        for _ in 0..60 {
            for at in 0..self.lives.len() {
                self.serve_life(at)?;
                self.answer_life(at)?;
                if self.lives[at].alive && !self.lives[at].control.is_empty() {
                    self.take_control(at, false)?;
                }
            }
            for at in 0..members {
                self.serve_member(at)?;
                self.answer_member(at)?;
                self.take_push(at)?;
                self.work_at(at)?;
                if !self.members[at].mail.is_empty() {
                    self.take_mail(at, false)?;
                }
            }
        }
        self.wait(25 * MS)?;
        self.check()
    }

    fn is_settled(&self) -> bool {
        let idle = |at: usize| {
            let member = &self.members[at];
            let life = self.lives.iter().find(|life| life.alive && life.name == member.name);
            let end = life.map(|life| Position::new(life.epoch, life.sender.next_seq() - 1));
            member.todo.is_empty() && self.ledgers[at].cursor == end && !member.receiver.has_gap()
        };
        let empty = |life: &Life| !life.alive || (life.sender.outbox().events() == 0 && life.calls.is_empty());
        (0..self.members.len()).all(idle) && self.lives.iter().all(empty)
    }

    fn pick(&mut self, ready: impl Fn(&World, usize) -> bool, of: usize) -> Option<usize> {
        let begin = self.rng.usize(0..of.max(1));
        (0..of).map(|at| (begin + at) % of).find(|at| ready(self, *at))
    }
}

fn refused_failed() -> Answer {
    Answer::Refused(libra_net::durable::Refusal::Failed)
}

fn events(delivery: &Delivery<Frame>) -> u64 {
    match delivery {
        Delivery::Events { first, last, skip, .. } => last + 1 - first - skip,
        _ => 0,
    }
}

fn entry(id: Position, stored: Stored) -> Entry<Frame> {
    let what = match stored {
        Stored::Life { before, torn } => Received::Life { before, torn },
        Stored::Frame(bytes) => match Frame::read(&bytes) {
            frame if frame.bad => Received::Bad,
            frame => Received::Frame { first: frame.first, frame },
        },
    };
    Entry { epoch: id.epoch, last: id.seq, what }
}
