//! A durable channel of this node: events in, frames to its sender, credit back.
//!
//! A frame is closed as soon as nothing is in flight, so a lone event leaves at once; what comes meanwhile gathers. Latest values
//! that ride the lane wait for that moment too, and only the newest of each is sent: so they take no room from facts while
//! the server is away.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use libra_kernel::clock::wall_ns;
use libra_kernel::{Event, EventType, Policy, Travel};

use super::calls::{Calls, Keys, Pending, acknowledgements, opened, refusable};
use super::settings::{DURABLE, LinkSettings};
use crate::bridge::credits::Credit;
use crate::bridge::departures::FrameNotes;
use crate::durable::outbox::Outgoing as Outbound;
use crate::durable::{Act, Kind, Refused, Reply as Told, Sender};
use crate::frame::{Append, FrameWriter, Limits};
use crate::ids::Position;
use crate::latest::Key;
use crate::resp::Reply;

/// Latest values wait while more of the outbox than this, in percent, is taken.
const ROOM_FOR_LATEST: u64 = 50;

/// Events that wait behind a frame without room, before nothing more is taken out of the node's queue.
const MOST_BEHIND: usize = 16_384;

/// What the node has to hear.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Cut { events: u64, commands: u64 },
    GivenUp(String),
    ServerLost { events: u64 },
    SnapshotWanted(usize),
    Fenced { by: u64 },
    Unsendable { events: u64, why: String },
    Full,
}

/// A closed frame that the outbox had no room for: it stays first.
struct Waiting {
    kind: Kind,
    last: u64,
    credits: Credit,
    frame: Arc<[u8]>,
}

pub(super) struct Outgoing {
    lane: usize,
    pub keys: Keys,
    pub sender: Sender,
    writer: FrameWriter,
    /// What is remembered of the events in `writer`.
    pub notes: FrameNotes,
    kind: Option<Kind>,
    credits: Credit,
    waiting: Option<Waiting>,
    /// What came while a frame waited.
    behind: VecDeque<Event>,
    /// The last event of each frame that was offered, and the credit that its leaving gives back.
    owed: VecDeque<(u64, Credit)>,
    latest: Vec<Event>,
    latest_at: HashMap<Key, usize>,
    is_connected: bool,
    acts: Vec<Act>,
    pub in_flight: usize,
    pub notices: Vec<Notice>,
    pub unsendable: u64,
    pub conflated: u64,
    /// How many heard of the last append, as the server said.
    pub heard_by: u64,
}

impl Outgoing {
    pub fn new(lane: usize, settings: &LinkSettings, keys: Keys, epoch: u64, now: u64) -> Self {
        debug_assert_eq!(keys.id.lane, DURABLE[lane]);
        let groups = settings.peers.iter().map(String::as_str);
        Outgoing {
            lane,
            sender: Sender::new(epoch, groups, settings.sender_limits(), now),
            writer: FrameWriter::new(&keys.id, epoch, Limits::DURABLE),
            keys,
            notes: FrameNotes::default(),
            kind: None,
            credits: Credit::default(),
            waiting: None,
            behind: VecDeque::new(),
            owed: VecDeque::new(),
            latest: Vec::new(),
            latest_at: HashMap::new(),
            is_connected: false,
            acts: Vec::new(),
            in_flight: 0,
            notices: Vec::new(),
            unsendable: 0,
            conflated: 0,
            heard_by: 0,
        }
    }

    /// False while so much waits for room that nothing more is to be taken out of the node's queue.
    pub fn has_room(&self) -> bool {
        self.behind.len() < MOST_BEHIND
    }

    /// True when something was not offered yet.
    pub fn gathers(&self) -> bool {
        self.waiting.is_some() || self.writer.count() > 0 || !self.latest.is_empty()
    }

    /// Takes an event.
    pub fn take(&mut self, event: Event, now: u64) {
        if event.event_type.travel() == Travel::Latest {
            return self.keep_latest(event);
        }
        if self.waiting.is_some() {
            return self.behind.push_back(event);
        }
        self.write(&event, now, Credit::of(&event));
    }

    fn keep_latest(&mut self, event: Event) {
        let key = Key::of(&event);
        match self.latest_at.get(&key).and_then(|&at| self.latest.get_mut(at)) {
            Some(place) => {
                *place = event;
                self.conflated += 1;
            }
            None => {
                self.latest_at.insert(key, self.latest.len());
                self.latest.push(event);
            }
        }
    }

    fn write(&mut self, event: &Event, now: u64, credits: Credit) {
        let mut appended = self.writer.append(event);
        if appended == Ok(Append::Full) {
            self.close(now);
            if self.waiting.is_some() {
                // Closing it has found no room, and the writer still shows it.
                return self.behind.push_front(event.clone());
            }
            appended = self.writer.append(event);
        }
        match appended {
            Ok(Append::Written) => {
                let kind = match event.event_type {
                    EventType::CancelRequest => Kind::Cancel,
                    other if other.policy() == Policy::Refuse => Kind::Command,
                    _ => Kind::Fact,
                };
                // A frame with a fact in it is never refused; one with a command that is no cancel has no reserve.
                self.kind = Some(match (self.kind, kind) {
                    (None, kind) => kind,
                    (Some(Kind::Fact), _) | (_, Kind::Fact) => Kind::Fact,
                    (Some(Kind::Cancel), Kind::Cancel) => Kind::Cancel,
                    _ => Kind::Command,
                });
                self.credits += credits;
                self.notes.add(event);
            }
            // An empty frame takes any event that can be sent at all.
            Ok(Append::Full) => self.refuse(event, "it finds no place in an empty frame".into(), credits),
            Err(error) => self.refuse(event, error.to_string(), credits),
        }
    }

    fn refuse(&mut self, event: &Event, why: String, credits: Credit) {
        self.unsendable += 1;
        let why = format!("{} cannot be sent: {why}", event.event_type.name());
        // Said once for many.
        match self.notices.last_mut() {
            Some(Notice::Unsendable { events, why: before }) if *before == why => *events += 1,
            _ => self.notices.push(Notice::Unsendable { events: 1, why }),
        }
        self.owe(credits);
    }

    /// Credit that comes back with what was offered last.
    fn owe(&mut self, credits: Credit) {
        if credits.events > 0 {
            self.owed.push_back((self.sender.outbox().last(), credits));
        }
    }

    /// Closes what gathers where nothing is in flight.
    pub fn send(&mut self, now: u64) {
        if self.waiting.is_some() {
            self.offer(now);
        }
        while self.waiting.is_none()
            && let Some(event) = self.behind.pop_front()
        {
            self.write(&event, now, Credit::of(&event));
        }
        if self.in_flight > 0 || self.waiting.is_some() {
            return;
        }
        if !self.latest.is_empty() && self.is_connected && self.sender.fullness() < ROOM_FOR_LATEST {
            self.latest_at.clear();
            for event in std::mem::take(&mut self.latest) {
                self.write(&event, now, Credit::default());
            }
        }
        self.close(now);
    }

    fn close(&mut self, now: u64) {
        if self.waiting.is_some() {
            return;
        }
        let first = self.sender.next_seq();
        let last = first + u64::from(self.writer.count()).saturating_sub(1);
        let Some(frame) = self.writer.finish(first, wall_ns()) else { return };
        self.notes.close();
        let (kind, credits) = (self.kind.take().unwrap_or(Kind::Fact), std::mem::take(&mut self.credits));
        self.waiting = Some(Waiting { kind, last, credits, frame: frame.into() });
        self.offer(now);
    }

    fn offer(&mut self, now: u64) {
        let Some(Waiting { kind, last, credits, frame }) = self.waiting.take() else { return };
        match self.sender.offer(now, kind, last, frame.clone(), &mut self.acts) {
            Ok(()) => self.owe(credits),
            Err(Refused::Full) => {
                self.notices.push(Notice::Full);
                self.waiting = Some(Waiting { kind, last, credits, frame });
            }
            Err(why @ (Refused::TooLarge | Refused::OutOfOrder | Refused::Fenced)) => {
                self.unsendable += credits.events;
                self.notices.push(Notice::Unsendable { events: credits.events, why: why.to_string() });
                self.owe(credits);
            }
        }
    }

    /// Credit of events that have left the outbox since the last call.
    pub fn take_credits(&mut self) -> Credit {
        let base = self.sender.outbox().base();
        let mut back = Credit::default();
        while let Some((last, credits)) = self.owed.front().copied().filter(|(last, _)| *last <= base) {
            debug_assert!(last <= base);
            back += credits;
            self.owed.pop_front();
        }
        back
    }

    /// A snapshot for a group is made now: its stamp.
    pub fn snapshot(&mut self, now: u64, group: usize) -> Position {
        self.sender.snapshot_made(now, group)
    }

    pub fn connected(&mut self, now: u64) {
        (self.in_flight, self.is_connected) = (0, true);
        self.sender.connected(now, &mut self.acts);
    }

    pub fn disconnected(&mut self, now: u64) {
        (self.in_flight, self.is_connected) = (0, false);
        self.acts.clear();
        self.sender.disconnected(now);
    }

    pub fn reply(&mut self, now: u64, pending: Pending, reply: Reply<'_>) {
        let told = match pending {
            Pending::Open(_) => Told::Opened(refusable(reply, opened)),
            Pending::Append(_) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                let heard = refusable(reply, |reply| reply.int());
                self.heard_by = heard.map_or(self.heard_by, |count| u64::try_from(count).unwrap_or(0));
                Told::Appended(heard.map(drop))
            }
            Pending::Trim(_) => Told::Trimmed(refusable(reply, |reply| reply.text()?.parse().ok())),
            _ => Told::Acknowledged(acknowledgements(reply)),
        };
        self.sender.reply(now, told, &mut self.acts);
    }

    pub fn acknowledged(&mut self, now: u64, group: usize, position: Position) {
        self.sender.acknowledged(now, group, position, &mut self.acts);
    }

    pub fn snapshot_requested(&mut self, now: u64, group: usize) {
        self.sender.snapshot_requested(now, group, &mut self.acts);
    }

    pub fn heard_of(&mut self, epoch: u64) {
        self.sender.heard_of(epoch, &mut self.acts);
    }

    pub fn tick(&mut self, now: u64) {
        if self.sender.deadline().is_some_and(|due| due <= now) {
            self.sender.tick(now, &mut self.acts);
        }
    }

    /// Makes the calls that the sender wants made. Without a connection there are none but what the node is told.
    pub fn execute(&mut self, run: &str, mut calls: Option<&mut Calls<'_>>) {
        for act in self.acts.drain(..) {
            let epoch = self.sender.epoch();
            match (act, calls.as_deref_mut()) {
                (Act::Open { confirmed }, Some(calls)) => calls.open(self.lane, &self.keys, epoch, confirmed, run),
                (Act::Append { first, last }, Some(calls)) => {
                    let frames: Vec<&Outbound> = self.sender.frames(first, last).collect();
                    calls.append(self.lane, &self.keys, epoch, &frames);
                    self.in_flight += 1;
                }
                (Act::Trim { upto, waiting }, Some(calls)) => {
                    let groups: Vec<&str> = self.sender.waited_for().filter(|_| waiting).collect();
                    calls.trim(self.lane, &self.keys, epoch, upto, &groups);
                }
                (Act::ReadAcknowledged, Some(calls)) => calls.read_acknowledged(self.lane, &self.keys),
                (Act::Fenced { by }, calls) => {
                    if let Some(calls) = calls {
                        calls.raise(&self.keys, by);
                    }
                    self.notices.push(Notice::Fenced { by });
                }
                (Act::Cut { first, last, commands }, _) => {
                    self.notices.push(Notice::Cut { events: last + 1 - first, commands });
                }
                (Act::GivenUp { group }, _) => {
                    let name =
                        self.sender.groups().all().get(group).map_or_else(String::new, |group| group.name.clone());
                    self.notices.push(Notice::GivenUp(name));
                }
                (Act::ServerLost { confirmed, top }, _) => {
                    self.notices.push(Notice::ServerLost { events: confirmed - top });
                }
                (Act::SnapshotWanted { group }, _) => self.notices.push(Notice::SnapshotWanted(group)),
                // The sender makes no calls while it knows of no connection.
                (Act::Open { .. } | Act::Append { .. } | Act::Trim { .. } | Act::ReadAcknowledged, None) => {}
            }
        }
    }
}

impl Notice {
    /// The group that needs a snapshot.
    pub fn wants_snapshot(&self) -> Option<usize> {
        match self {
            Notice::SnapshotWanted(group) => Some(*group),
            _ => None,
        }
    }
}
