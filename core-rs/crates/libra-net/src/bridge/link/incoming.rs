//! A durable channel of another node: frames to its receiver, events to the node, what was applied back.
//!
//! The node says what it has applied by the places of events that its router tracks. Places between them (a life that
//! begins, events that were lost or that nobody tracks) are applied when what came before them is: they are `marks`.

use std::collections::VecDeque;

use libra_kernel::router::RemoteOrigin;
use libra_kernel::{Event, Lane, Travel};

use libra_trading::order::ClientOrderId;

use super::asked::{is_asked, order_told_of};
use super::calls::{Calls, Keys, ReadAnswer, control_of};
use super::control::{Parts, SILENCE_NS};
use super::decoded::Decoded;
use super::held::Held;
use super::keeper::{is_of_kill_switch, tells_of_position};
use super::lag::Lag;
use super::skew::{Clocks, Deadlines};
use crate::bridge::Arrival;
use crate::durable::{Delivery, Entry, Passed, Receiver, ReceiverLimits, Why};
use crate::frame::{Ack, ChannelPosition, Control, FrameWriter, Skip, Snapshot, SnapshotRequest};
use crate::ids::Position;
use crate::latest::{Key, LatestReceiver};

/// What the node has to hear.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// `is_full`: they wait for this node to get on with what it has.
    Gap {
        open: bool,
        is_full: bool,
    },
    Lost {
        passed: Passed,
        why: &'static str,
        certain: bool,
    },
    SnapshotWanted,
    SnapshotLoaded {
        passed: Passed,
        values: u64,
    },
}

pub(super) struct Incoming {
    pub index: u32,
    pub peer: usize,
    pub lane: usize,
    pub keys: Keys,
    pub receiver: Receiver<Decoded>,
    out: Vec<Delivery<Decoded>>,
    pub entries: Vec<Entry<Decoded>>,
    /// The last tracked event that was handed over, and the last that the node has applied.
    delivered: Position,
    done: Position,
    /// Behind which tracked event, and what is applied then.
    marks: VecDeque<(Position, Position)>,
    /// Which latest values were handed over, whichever way they came.
    pub latest: LatestReceiver<Key>,
    pub loaded: u64,
    pub heard: Vec<Heard>,
    /// How many of `heard` were judged.
    pub judged: usize,
    /// Actors of this node take commands of others, or hear what happens to their orders; or none has said yet what it wants.
    pub hears_orders: bool,
    /// Requests of this node wait for an answer; the orders that were told of meanwhile.
    pub awaits_orders: bool,
    pub told_of: Vec<ClientOrderId>,
    /// What of a snapshot has come.
    parts: Parts,
    /// Of the gap that is open, something was told to be lost.
    has_lost: bool,
    /// Events that snapshots were loaded for, and did not make up for.
    not_replaced: u64,
    /// How often something was lost, whatever of it.
    pub losses: u64,
    /// How often some may have been lost, and none is known to be.
    pub suspected: u64,
    pub skipped: u64,
    pub lag: Lag,
    /// The life of which a fact or a command was handed over last.
    pub taken: Option<u64>,
    /// The publisher's, by its beacons, and how its deadlines are judged.
    pub clocks: Clocks,
    pub deadlines: Deadlines,
    /// The life of which something waits whose beacons were not read yet, and since when: it has its time once.
    waits_since: Option<(u64, u64)>,
}

impl Incoming {
    pub fn new(index: u32, peer: usize, lane: usize, keys: Keys, deadlines: Deadlines) -> Self {
        Incoming {
            index,
            peer,
            lane,
            keys,
            receiver: Receiver::new(None, ReceiverLimits::default()),
            out: Vec::new(),
            entries: Vec::new(),
            delivered: Position::default(),
            done: Position::default(),
            marks: VecDeque::new(),
            latest: LatestReceiver::of_all_lives(),
            loaded: 0,
            heard: Vec::new(),
            judged: 0,
            hears_orders: true,
            awaits_orders: false,
            told_of: Vec::new(),
            parts: Parts::default(),
            has_lost: false,
            not_replaced: 0,
            losses: 0,
            suspected: 0,
            skipped: 0,
            lag: Lag::default(),
            taken: None,
            clocks: Clocks::default(),
            deadlines,
            waits_since: None,
        }
    }

    pub fn connected(&mut self, now: u64) {
        self.receiver.connected(now, &mut self.out);
    }

    pub fn disconnected(&mut self) {
        self.receiver.disconnected();
        // One that waited for the clock: behind the next connection it is asked anew.
        self.out.retain(|delivery| !matches!(delivery, Delivery::Read { .. }));
    }

    /// What is asked of this node's accounts waits until the publisher has said what its clock shows: until the first word of it, or
    /// until it is called dead; and behind a life that was heard for as long as the next one may be silent.
    pub fn waits_for_clock(&mut self, now: u64, is_dead: bool) -> bool {
        if !self.deadlines.is_strict || self.keys.id.lane == Lane::Risk {
            return false;
        }
        let Some(known) = self.clocks.newest() else { return !is_dead };
        let newest = self.out.iter().rev().find_map(|delivery| match delivery {
            Delivery::Events { epoch, .. } => Some(*epoch),
            _ => None,
        });
        let Some(epoch) = newest.filter(|&epoch| epoch > known) else { return false };
        let since = match self.waits_since {
            Some((of, since)) if of == epoch => since,
            _ => self.waits_since.insert((epoch, now)).1,
        };
        now.saturating_sub(since) < SILENCE_NS.unsigned_abs()
    }

    pub fn subscribed(&mut self, now: u64) {
        self.receiver.subscribed(now, &mut self.out);
    }

    pub fn live(&mut self, now: u64, frame: Decoded) {
        let (epoch, first, last) = (frame.epoch, frame.first, frame.last().seq);
        self.receiver.live(now, epoch, first, last, frame, &mut self.out);
    }

    /// A frame came that cannot be read, and says by its header that it has these events.
    pub fn undecodable(&mut self, now: u64, epoch: u64, first: u64, last: u64) {
        self.receiver.undecodable(now, epoch, first, last, &mut self.out);
    }

    /// Latest values that were published by themselves, or looked up.
    pub fn state(&mut self, frame: Decoded, was_loaded: bool, held: &mut Held) {
        for event in frame.events.into_iter().flatten() {
            let (key, version) = (Key::of(&event), Position::new(frame.epoch, event.sequence));
            let is_state = event.event_type.travel() == Travel::Latest || is_of_kill_switch(event.event_type);
            let is_taken = is_state
                && match was_loaded {
                    true => self.latest.load(&key, version),
                    false => self.latest.offer(&key, version),
                };
            if is_taken {
                self.loaded += u64::from(was_loaded);
                held.put(Arrival { event, origin: None });
            }
        }
    }

    pub fn beacon(&mut self, now: u64, confirmed: Position) {
        self.receiver.beacon(now, confirmed, &mut self.out);
    }

    pub fn dead(&mut self, now: u64) {
        self.receiver.dead(now, &mut self.out);
    }

    /// A part of a snapshot came, which the publisher's life `made_by` has made: it is taken when it is whole.
    pub fn snapshot_part(
        &mut self,
        now: u64,
        made_by: u64,
        position: Position,
        part: &Snapshot,
        bytes: usize,
        events: Vec<Result<Event, Skip>>,
    ) {
        if let Some(events) = self.parts.take(made_by, part, bytes, events) {
            let snapshot = Decoded { epoch: made_by, first: 0, events, sent_ns: 0 };
            self.receiver.snapshot(now, made_by, position, snapshot, &mut self.out);
        }
    }

    /// The answer of a read; `None` where it was none.
    pub fn read(&mut self, now: u64, answer: Option<ReadAnswer>) {
        let Some(answer) = answer else {
            self.entries.clear();
            return self.receiver.read_failed(now);
        };
        let ReadAnswer { incarnation, acknowledged, bounds, more, is_lost } = answer;
        let (entries, out) = (&mut self.entries, &mut self.out);
        self.receiver.read(now, incarnation, acknowledged, bounds, entries, more, is_lost, out);
    }

    pub fn incarnation(&mut self, heard: u128) {
        self.receiver.incarnation(Some(heard), &mut self.out);
    }

    pub fn acknowledged(&mut self, now: u64, done: bool) {
        self.receiver.acknowledged(now, done);
    }

    pub fn tick(&mut self, now: u64) {
        if self.receiver.deadline().is_some_and(|due| due <= now) {
            self.receiver.tick(now, &mut self.out);
        }
    }

    /// Events that were handed over, that snapshots stood for, and that are lost: together the places that were passed.
    pub fn passed(&self) -> (u64, u64, u64) {
        let stats = self.receiver.stats();
        // The receiver has handed over a frame with those in it that cannot be read.
        // Sums of what others say: they saturate.
        let lost = stats.lost_events.saturating_add(self.not_replaced).saturating_add(self.skipped);
        (stats.events - self.skipped, stats.replaced.saturating_sub(self.not_replaced), lost)
    }

    /// The node has applied all tracked events up to here.
    pub fn applied(&mut self, now: u64, place: Position) {
        self.done = self.done.max(place);
        self.receiver.applied(now, place, &mut self.out);
        self.pass_marks(now);
    }

    /// Whether latest values do not make up for all that this node is given by the lane: for no word of risk, no signal, no
    /// command, and nothing that happens to an order. What others' accounts have, they do make up for.
    fn stands_for_nothing(&self) -> bool {
        self.keys.id.lane != Lane::Orders || self.hears_orders
    }

    fn hear_lost(&mut self, passed: Passed, why: &'static str, certain: bool) {
        match certain {
            true => self.losses += 1,
            false => self.suspected += 1,
        }
        self.heard.push(Heard::Lost { passed, why, certain });
    }

    fn mark(&mut self, now: u64, upto: Position) {
        self.marks.push_back((self.delivered, upto));
        self.pass_marks(now);
    }

    fn pass_marks(&mut self, now: u64) {
        while let Some(&(behind, upto)) = self.marks.front()
            && behind <= self.done
        {
            self.marks.pop_front();
            self.receiver.applied(now, upto, &mut self.out);
        }
    }

    /// Does what the receiver wants done, on the server process `run`; events go behind `held`.
    pub fn execute(
        &mut self,
        now: u64,
        group: &str,
        run: &str,
        writer: &mut FrameWriter,
        mut calls: Option<&mut Calls<'_>>,
        held: &mut Held,
    ) {
        while !self.out.is_empty() {
            for delivery in std::mem::take(&mut self.out) {
                match delivery {
                    Delivery::Events { last, skip, frame, .. } => self.hand_over(now, last, skip, frame, held),
                    Delivery::Life { begins } => self.mark(now, begins),
                    Delivery::Lost { passed, why, certain } => {
                        self.has_lost = true;
                        self.hear_lost(passed, word(why), certain);
                        self.mark(now, passed.upto);
                    }
                    Delivery::Snapshot { passed, certain, snapshot } => {
                        let values = snapshot.events.len() as u64;
                        self.state(snapshot, false, held);
                        let mut replaced = passed;
                        if self.stands_for_nothing() {
                            (self.has_lost, replaced.after) = (true, passed.upto);
                            self.not_replaced = self.not_replaced.saturating_add(passed.events());
                            self.hear_lost(passed, "skipped", certain);
                        }
                        self.heard.push(Heard::SnapshotLoaded { passed: replaced, values });
                        self.mark(now, passed.upto);
                    }
                    Delivery::Gap { open } => {
                        // What is lost was not repaired.
                        if open || !self.has_lost {
                            let is_full = open && self.receiver.is_full();
                            self.heard.push(Heard::Gap { open, is_full });
                        }
                        self.has_lost = false;
                    }
                    Delivery::Read { after, count } => match calls.as_deref_mut() {
                        Some(calls) => calls.read(self.index as usize, &self.keys, group, run, after, count),
                        None => self.receiver.read_failed(now),
                    },
                    Delivery::Ack { upto } => self.acknowledge(now, group, upto, writer, calls.as_deref_mut()),
                    Delivery::Fence { epoch } => {
                        let position = Position::new(epoch, 0);
                        if let (Some(calls), Some(frame)) =
                            (calls.as_deref_mut(), self.said_of(position, group, writer))
                        {
                            calls.publish(control_of(&self.keys), frame);
                        }
                    }
                    Delivery::AskSnapshot { at } => {
                        self.heard.push(Heard::SnapshotWanted);
                        let channel = self.keys.id.clone();
                        let request_id = fastrand::u128(1..);
                        let request = SnapshotRequest { request_id, group: group.into(), channel, position: at };
                        if writer.begin(&Control::SnapshotRequest(request)).is_ok()
                            && let (Some(calls), Some(frame)) =
                                (calls.as_deref_mut(), writer.finish(0, now_on_the_wall_ns()))
                        {
                            calls.publish(control_of(&self.keys), frame);
                        }
                    }
                }
            }
        }
    }

    fn hand_over(&mut self, now: u64, last: u64, skip: u64, frame: Decoded, held: &mut Held) {
        let (epoch, first) = (frame.epoch, frame.first);
        let (wall_ns, clock) = (now_on_the_wall_ns(), self.clocks.of(epoch));
        self.lag.take_at(wall_ns, frame.sent_ns);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let mut tracked = self.delivered;
        for (seq, event) in (first..).zip(frame.events).skip(skip) {
            match event {
                Ok(mut event) => {
                    if is_asked(event.event_type) {
                        self.deadlines.correct(clock, wall_ns, frame.sent_ns, &mut event);
                    }
                    // Only facts and commands are tracked: what may be conflated in a mailbox is done with when it is there.
                    let is_tracked = event.event_type.travel() == Travel::Durable;
                    let version = Position::new(epoch, event.sequence);
                    if !is_tracked && !self.latest.offer(&Key::of(&event), version) {
                        continue;
                    }
                    if self.awaits_orders {
                        self.told_of.extend(order_told_of(&event));
                    }
                    if tells_of_position(event.event_type) || is_of_kill_switch(event.event_type) {
                        // What was said of it before may come behind it, where it waited for room or in a snapshot.
                        self.latest.load(&Key::of(&event), version);
                    }
                    let origin = is_tracked.then_some(RemoteOrigin { channel: self.index, epoch, seq });
                    if is_tracked {
                        tracked = Position::new(epoch, seq);
                        self.taken = Some(epoch);
                    }
                    held.put(Arrival { event, origin });
                }
                Err(skip) => {
                    self.skipped += 1;
                    let at = |seq| Position::new(epoch, seq);
                    let passed = Passed { after: at(seq - 1), upto: at(seq), known: seq };
                    self.hear_lost(passed, skip.code(), true);
                }
            }
        }
        self.delivered = tracked;
        let upto = Position::new(epoch, last);
        if tracked != upto {
            self.mark(now, upto);
        }
    }

    /// What this group says of a position, to the channel's publisher.
    fn said_of<'w>(&self, position: Position, group: &str, writer: &'w mut FrameWriter) -> Option<&'w [u8]> {
        let positions = vec![ChannelPosition { channel: self.keys.id.clone(), position }];
        writer.begin(&Control::Ack(Ack { group: group.into(), positions })).ok()?;
        writer.finish(0, now_on_the_wall_ns())
    }

    fn acknowledge(
        &mut self,
        now: u64,
        group: &str,
        upto: Position,
        writer: &mut FrameWriter,
        calls: Option<&mut Calls<'_>>,
    ) {
        match (calls, self.said_of(upto, group, writer)) {
            (Some(calls), Some(frame)) => calls.ack(self.index as usize, &self.keys, group, upto, frame),
            _ => self.receiver.acknowledged(now, false),
        }
    }
}

fn now_on_the_wall_ns() -> i64 {
    libra_kernel::clock::wall_ns()
}

const fn word(why: Why) -> &'static str {
    match why {
        Why::Undecodable => "undecodable",
        Why::Trimmed => "trimmed",
        Why::ServerLost => "server_lost",
        Why::Torn => "torn",
    }
}
