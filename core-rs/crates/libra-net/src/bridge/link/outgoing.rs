//! A durable channel of this node: events in, frames to its sender, credit back.
//!
//! A command that finds no room in the outbox waits here, and holds up nothing but the commands behind it: other lanes have
//! outboxes of their own, and within the lane facts and cancels pass it. How many wait is bounded by the node's credits.
//!
//! A frame is closed as soon as nothing is in flight, so a lone event leaves at once; what comes meanwhile gathers. Latest values
//! that ride the lane wait for that moment too, and only the newest of each is sent: so they take no room from facts while
//! the server is away.

use std::collections::{HashMap, VecDeque};

use libra_kernel::clock::wall_ns;
use libra_kernel::{Event, EventType, Policy, Travel};

use super::asked::Asked;
use super::calls::{Calls, Keys, Pending, acknowledgements, opened, refusable};
use super::settings::{DURABLE, LinkSettings};
use crate::bridge::credits::Credit;
use crate::bridge::departures::FrameNotes;
use crate::durable::library::untold;
use crate::durable::outbox::Outgoing as Outbound;
use crate::durable::{Act, Kind, Refused, Reply as Told, Sender};
use crate::frame::{Append, FrameWriter, Limits};
use crate::ids::Position;
use crate::latest::Key;
use crate::resp::Reply;

/// Latest values wait while more of the outbox than this, in percent, is taken.
const ROOM_FOR_LATEST: u64 = 50;

/// What the node has to hear.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Cut {
        events: u64,
        commands: u64,
    },
    Behind(String),
    CutOff(String),
    GivenUp(String),
    /// Nobody is there who could answer what is asked: so much came back, and more is refused.
    Alone {
        events: u64,
    },
    ServerLost {
        events: u64,
    },
    SnapshotWanted(usize),
    Fenced {
        by: u64,
    },
    Unsendable {
        events: u64,
        why: String,
    },
    Full,
}

pub(super) struct Outgoing {
    pub lane: usize,
    pub keys: Keys,
    pub sender: Sender,
    writer: FrameWriter,
    /// What is remembered of the events in `writer`.
    pub notes: FrameNotes,
    kind: Option<Kind>,
    pub asked: Asked,
    /// Nobody who could answer is waited for.
    pub is_alone: bool,
    credits: Credit,
    /// The commands and cancels in `writer`, where it has nothing else: they may find no room.
    gathered: Vec<Event>,
    /// What waits for room, in the order of its publication: cancels, which have some of their own, and other commands.
    cancels: VecDeque<Event>,
    commands: VecDeque<Event>,
    /// Where the outbox began when there was no room last.
    full_at: u64,
    /// The last event of each frame that was offered, and the credit that its leaving gives back.
    owed: VecDeque<(u64, Credit)>,
    latest: Vec<Event>,
    latest_at: HashMap<Key, usize>,
    /// That there is no room was told, and something has waited since.
    was_told_full: bool,
    /// Groups that ask for a snapshot which cannot be made, and why: that is told once.
    no_snapshot: HashMap<usize, String>,
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
            asked: Asked::new(settings),
            is_alone: false,
            credits: Credit::default(),
            gathered: Vec::new(),
            cancels: VecDeque::new(),
            commands: VecDeque::new(),
            full_at: 0,
            owed: VecDeque::new(),
            latest: Vec::new(),
            latest_at: HashMap::new(),
            was_told_full: false,
            no_snapshot: HashMap::new(),
            is_connected: false,
            acts: Vec::new(),
            in_flight: 0,
            notices: Vec::new(),
            unsendable: 0,
            conflated: 0,
            heard_by: 0,
        }
    }

    /// True when something was not offered yet.
    pub fn gathers(&self) -> bool {
        self.waits() || self.writer.count() > 0 || !self.latest.is_empty()
    }

    /// True while something waits for room.
    fn waits(&self) -> bool {
        !(self.cancels.is_empty() && self.commands.is_empty())
    }

    /// So many of its facts were cut before it was there.
    pub fn cut_before(&mut self, events: u64) {
        self.sender.cut_before(events, &mut self.acts);
    }

    /// Takes an event.
    pub fn take(&mut self, event: Event, now: u64) {
        if event.event_type.travel() == Travel::Latest {
            return self.keep_latest(event);
        }
        match kind_of(&event) {
            Kind::Cancel if !self.cancels.is_empty() => self.cancels.push_back(event),
            Kind::Command if self.waits() => self.commands.push_back(event),
            _ => self.write(&event, now, Credit::of(&event)),
        }
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
        let kind = kind_of(event);
        if kind == Kind::Fact && !self.gathered.is_empty() && !self.has_room() {
            // In one frame with a fact they would take room that they do not have.
            self.hold_back();
        }
        let (events, bytes) = (u64::from(self.writer.count()) + 1, self.writer.len());
        if kind != Kind::Fact && self.kind == Some(Kind::Fact) && self.sender.has_no_room(kind, events, bytes) {
            return self.wait_in_front(event.clone());
        }
        let mut appended = self.writer.append(event);
        if appended == Ok(Append::Full) {
            if !self.has_room() {
                // Behind what the writer has, which is put in front of it now.
                if kind != Kind::Fact {
                    self.wait_in_front(event.clone());
                    return self.hold_back();
                }
                self.hold_back();
            }
            self.close(now);
            appended = self.writer.append(event);
        }
        match appended {
            Ok(Append::Written) => {
                // A frame with a fact in it is never refused; one with a command that is no cancel has no reserve.
                self.kind = Some(match (self.kind, kind) {
                    (None, kind) => kind,
                    (Some(Kind::Fact), _) | (_, Kind::Fact) => Kind::Fact,
                    (Some(Kind::Cancel), Kind::Cancel) => Kind::Cancel,
                    _ => Kind::Command,
                });
                match self.kind {
                    Some(Kind::Fact) => self.gathered.clear(),
                    _ => self.gathered.push(event.clone()),
                }
                self.credits += credits;
                self.notes.add(event);
                self.asked.gather(self.writer.count() - 1, event);
            }
            // An empty frame takes any event that can be sent at all.
            Ok(Append::Full) => self.refuse(event, "it finds no place in an empty frame".into(), credits),
            Err(error) => self.refuse(event, error.to_string(), credits),
        }
    }

    fn refuse(&mut self, event: &Event, why: String, credits: Credit) {
        self.unsendable += 1;
        let why = format!("{} cannot be sent: {why}", event.event_type.name());
        self.asked.refuse(event, &why);
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
        self.try_again(now);
        if self.in_flight > 0 {
            return;
        }
        if !self.latest.is_empty() && self.is_connected && self.sender.fullness() < ROOM_FOR_LATEST {
            self.latest_at.clear();
            for event in std::mem::take(&mut self.latest) {
                self.write(&event, now, Credit::default());
            }
        }
        if !self.has_room() {
            self.hold_back();
        }
        if self.gathered.is_empty() {
            // Cancels that stood among commands have room that those have not.
            self.write_all(now, Kind::Cancel);
        }
        self.close(now);
    }

    /// What waits for room is written again once something has left: cancels first, by themselves.
    fn try_again(&mut self, now: u64) {
        if !self.waits() || self.full_at == self.sender.outbox().base() {
            return;
        }
        if !self.cancels.is_empty() {
            self.close(now);
            self.write_all(now, Kind::Cancel);
            self.close(now);
        }
        if self.cancels.is_empty() {
            self.write_all(now, Kind::Command);
        }
    }

    /// Writes what waits, until there is no room.
    fn write_all(&mut self, now: u64, kind: Kind) {
        let waits = |this: &mut Self| if kind == Kind::Cancel { this.cancels.len() } else { this.commands.len() };
        let mut left = waits(self);
        while left > 0 {
            let event = if kind == Kind::Cancel { self.cancels.pop_front() } else { self.commands.pop_front() };
            let Some(event) = event else { return };
            self.write(&event, now, Credit::of(&event));
            left -= 1;
            if waits(self) > left {
                return;
            }
        }
    }

    /// Whether the frame that gathers would be taken.
    fn has_room(&self) -> bool {
        let (kind, events) = (self.kind.unwrap_or(Kind::Fact), u64::from(self.writer.count()));
        events == 0 || !self.sender.has_no_room(kind, events, self.writer.len())
    }

    /// Puts what gathers back in front of what waits.
    fn hold_back(&mut self) {
        self.writer.clear();
        self.notes.clear();
        self.asked.hold_back();
        (self.kind, self.credits) = (None, Credit::default());
        for event in std::mem::take(&mut self.gathered).into_iter().rev() {
            self.wait_in_front(event);
        }
    }

    fn wait_in_front(&mut self, event: Event) {
        self.full_at = self.sender.outbox().base();
        if !std::mem::replace(&mut self.was_told_full, true) {
            self.notices.push(Notice::Full);
        }
        match kind_of(&event) {
            Kind::Cancel => self.cancels.push_front(event),
            _ => self.commands.push_front(event),
        }
    }

    fn close(&mut self, now: u64) {
        if !self.has_room() {
            return self.hold_back();
        }
        let first = self.sender.next_seq();
        let last = first + u64::from(self.writer.count()).saturating_sub(1);
        let Some(frame) = self.writer.finish(first, wall_ns()) else { return };
        self.notes.close();
        let (kind, credits) = (self.kind.take().unwrap_or(Kind::Fact), std::mem::take(&mut self.credits));
        self.gathered.clear();
        match self.sender.offer(now, kind, last, frame.into(), &mut self.acts) {
            Ok(()) => {
                self.was_told_full &= self.waits();
                self.asked.left(first);
                self.owe(credits);
            }
            // There was room a moment ago: it is not full.
            Err(why @ (Refused::Full | Refused::TooLarge | Refused::OutOfOrder | Refused::Fenced)) => {
                self.unsendable += credits.events;
                self.asked.cannot_leave(&why.to_string());
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

    /// What of this channel's requests comes back to whoever asked, since nobody is there who could answer.
    pub fn settle(&mut self) -> Vec<Event> {
        let is_alone = self.asked.settle(self.sender.epoch(), self.sender.groups());
        let was_alone = std::mem::replace(&mut self.is_alone, is_alone);
        let back = self.asked.take_back();
        if is_alone && (!was_alone || !back.is_empty()) {
            self.notices.push(Notice::Alone { events: back.len() as u64 });
        }
        back
    }

    /// A snapshot for a group is made now: its stamp.
    pub fn snapshot(&mut self, now: u64, group: usize) -> Position {
        self.sender.snapshot_made(now, group)
    }

    /// Of a snapshot for a group something is missing, or nothing: it asks again each second, and hears nothing new.
    pub fn snapshot_lacks(&mut self, group: usize, missing: Option<(u64, String)>) {
        let Some((events, why)) = missing else { return drop(self.no_snapshot.remove(&group)) };
        if self.no_snapshot.insert(group, why.clone()).is_none_or(|before| before != why) {
            self.notices.push(Notice::Unsendable { events, why });
        }
    }

    /// Durable events that the server has confirmed and keeps, since not all have acknowledged them. Latest values of the lane are none.
    pub fn kept(&self) -> u64 {
        let confirmed = self.sender.confirmed().seq;
        self.owed.iter().take_while(|(last, _)| *last <= confirmed).map(|(_, credit)| credit.events).sum()
    }

    pub fn connected(&mut self) {
        (self.in_flight, self.is_connected) = (0, true);
        self.sender.connected(&mut self.acts);
    }

    pub fn disconnected(&mut self, now: u64) {
        (self.in_flight, self.is_connected) = (0, false);
        // Calls end with the connection; what the node is to be told has happened all the same.
        self.acts.retain(|act| !act.is_call());
        self.sender.disconnected(now);
    }

    pub fn reply(&mut self, now: u64, pending: Pending, reply: Reply<'_>) {
        let told = match pending {
            Pending::Open(_) => Told::Opened(refusable(reply, opened)),
            Pending::Append(_) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                // It stands, whether the server may publish it or not.
                let heard = refusable(reply, |reply| reply.int().or_else(|| untold(reply).map(|_| 0)));
                self.heard_by = heard.map_or(self.heard_by, |count| u64::try_from(count).unwrap_or(0));
                Told::Appended(heard.map(drop))
            }
            Pending::Trim(_) => Told::Trimmed(refusable(reply, |reply| reply.text()?.parse().ok())),
            _ => Told::Acknowledged(refusable(reply, |reply| Some(acknowledgements(reply)))),
        };
        self.sender.reply(now, told, &mut self.acts);
    }

    pub fn acknowledged(&mut self, now: u64, group: usize, position: Position) {
        self.sender.acknowledged(now, group, position, &mut self.acts);
    }

    pub fn snapshot_requested(&mut self, now: u64, group: usize, at: Position) {
        self.sender.snapshot_requested(now, group, at, &mut self.acts);
    }

    /// The server's data are others than they were.
    pub fn server_changed(&mut self) {
        self.sender.server_changed(&mut self.acts);
    }

    pub fn heard_of(&mut self, epoch: u64) {
        self.sender.heard_of(epoch, &mut self.acts);
    }

    pub fn tick(&mut self, now: u64) {
        if self.sender.deadline().is_some_and(|due| due <= now) {
            self.sender.tick(now, &mut self.acts);
        }
    }

    /// Makes the calls that the sender wants made; whether events are among them. Without a connection there are none but what
    /// the node is told.
    pub fn execute(&mut self, run: &str, mut calls: Option<&mut Calls<'_>>) -> bool {
        let (mut sends, mut acts) = (false, std::mem::take(&mut self.acts));
        while !acts.is_empty() {
            for act in acts.drain(..) {
                sends |= self.carry_out(act, run, calls.as_deref_mut());
            }
            // What had left the outbox made room in the window.
            std::mem::swap(&mut acts, &mut self.acts);
        }
        self.acts = acts;
        sends
    }

    /// Whether that sends events.
    fn carry_out(&mut self, act: Act, run: &str, calls: Option<&mut Calls<'_>>) -> bool {
        let epoch = self.sender.epoch();
        match (act, calls) {
            (Act::Open { confirmed }, Some(calls)) => {
                let acknowledged: Vec<_> = self.sender.acknowledgements().collect();
                calls.open(self.lane, &self.keys, epoch, confirmed, run, &acknowledged);
            }
            (Act::Append { first, last }, Some(calls)) => {
                if let Some(upto) = self.sender.has_left(first, last, &mut self.acts) {
                    calls.trim(self.lane, &self.keys, epoch, upto, &[]);
                }
                let frames: Vec<&Outbound> = self.sender.frames(first, last).collect();
                if frames.is_empty() {
                    return false;
                }
                calls.append(self.lane, &self.keys, epoch, &frames);
                self.in_flight += 1;
                return true;
            }
            (Act::Trim { upto, waiting }, Some(calls)) => {
                let groups: Vec<&str> = self.sender.waited_for().filter(|_| waiting).collect();
                calls.trim(self.lane, &self.keys, epoch, upto, &groups);
            }
            (Act::Repeat { first, last }, Some(calls)) => {
                for outgoing in self.sender.frames(first, last) {
                    calls.publish(&self.keys.channel, &outgoing.frame);
                }
            }
            (Act::Mend { at, upto }, Some(calls)) => calls.mend(self.lane, &self.keys, epoch, at, upto),
            (Act::ReadAcknowledged, Some(calls)) => calls.read_acknowledged(self.lane, &self.keys),
            (Act::Fenced { by }, calls) => {
                if let Some(calls) = calls {
                    calls.raise(&self.keys, by);
                }
                self.notices.push(Notice::Fenced { by });
            }
            (Act::Cut { first, last, commands }, _) => {
                self.asked.cut(epoch, last, self.sender.groups());
                self.notices.push(Notice::Cut { events: last + 1 - first, commands });
            }
            (Act::Behind { group }, _) => self.notices.push(Notice::Behind(name_of(&self.sender, group))),
            (Act::CutOff { group }, _) => self.notices.push(Notice::CutOff(name_of(&self.sender, group))),
            (Act::GivenUp { group }, _) => self.notices.push(Notice::GivenUp(name_of(&self.sender, group))),
            (Act::ServerLost { confirmed, top }, _) => {
                self.notices.push(Notice::ServerLost { events: confirmed - top });
            }
            (Act::SnapshotWanted { group }, _) => self.notices.push(Notice::SnapshotWanted(group)),
            // The sender makes no calls while it knows of no connection.
            (Act::Open { .. } | Act::Append { .. } | Act::Trim { .. } | Act::ReadAcknowledged, None)
            | (Act::Repeat { .. } | Act::Mend { .. }, None) => {}
        }
        false
    }
}

fn name_of(sender: &Sender, group: usize) -> String {
    sender.groups().all().get(group).map_or_else(String::new, |group| group.name.clone())
}

/// What an event asks of a full outbox.
fn kind_of(event: &Event) -> Kind {
    match event.event_type {
        EventType::CancelRequest => Kind::Cancel,
        other if other.policy() == Policy::Refuse => Kind::Command,
        _ => Kind::Fact,
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
