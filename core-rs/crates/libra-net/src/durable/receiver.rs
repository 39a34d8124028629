//! A durable channel at one consumer group.
//!
//! `acknowledged <= applied <= at <= known`: what the server was told, what the node's handlers have done, what was handed to
//! them, and what the channel is known to have. Only the event behind `at` is handed over next. Everything else that is
//! seen shows that there is more, and the stream is read from `at` on. The server answers a read with the bounds of the same
//! moment, and above the floor its stream has no hole: so what an answer does not have is not there.

mod reading;

use std::collections::VecDeque;

use super::LATEST_EPOCH;
use super::delivery::{Delivery, ReceiverLimits, ReceiverStats, Why};
use super::passed::Passed;
use crate::ids::Position;

/// So often a frame that the stream lacks is asked for, where it comes and cannot be decoded.
const SAID_IN_VAIN: u32 = 3;

#[derive(Debug)]
struct Held<F> {
    epoch: u64,
    first: u64,
    last: u64,
    frame: F,
}

/// A durable channel at one consumer group. `F` is a frame, whatever the driver makes of it.
#[derive(Debug)]
pub struct Receiver<F> {
    limits: ReceiverLimits,
    calls: bool,
    subscription: bool,
    /// `None` until the server has said what this group acknowledged.
    at: Option<Position>,
    applied: Position,
    /// When the life that `at` is in began here, everything that had been handed over was applied.
    began_with_nothing: bool,
    acknowledged: Position,
    ack_in_flight: Option<Position>,
    ack_due: Option<u64>,
    /// The newest event that is known to have been appended, and the newest of the life that `at` is in.
    known: Position,
    known_here: u64,
    /// The newest life of the publisher that was heard of, whether it has appended anything or not.
    newest: u64,
    beacon: Option<(Position, u64)>,
    held: VecDeque<Held<F>>,
    reading: bool,
    /// The stream has to be read, whatever is known.
    fresh: bool,
    read_not_before: u64,
    /// The stream does not go on from `at`: it begins above this.
    behind: Option<Position>,
    /// Whether it still does not is read once more.
    recheck: bool,
    /// How often what is said again behind `at` could not be decoded.
    undecodable: u32,
    ask_due: u64,
    fence_due: u64,
    dead: bool,
    /// Since when it does not begin, since the server has lost its place, and the publisher may know it.
    lost_since: Option<u64>,
    /// It does not wait for that any more.
    begins_without: bool,
    /// When it is looked for a publisher that is dead whether the server has what is applied.
    say_due: u64,
    gap: bool,
    incarnation: Option<u128>,
    stats: ReceiverStats,
}

impl<F> Receiver<F> {
    /// A channel at a group that has applied everything up to `position`, or that takes what Redis knows of it.
    pub fn new(position: Option<Position>, limits: ReceiverLimits) -> Self {
        let start = position.unwrap_or_default();
        Receiver {
            limits,
            calls: false,
            subscription: false,
            at: position,
            applied: start,
            began_with_nothing: true,
            acknowledged: Position::default(),
            ack_in_flight: None,
            ack_due: None,
            known: start,
            known_here: start.seq,
            newest: start.epoch,
            beacon: None,
            held: VecDeque::with_capacity(limits.held.min(1_024)),
            reading: false,
            fresh: true,
            read_not_before: 0,
            behind: None,
            recheck: false,
            undecodable: 0,
            ask_due: 0,
            fence_due: 0,
            dead: false,
            lost_since: None,
            begins_without: false,
            say_due: 0,
            gap: false,
            incarnation: None,
            stats: ReceiverStats::default(),
        }
    }

    /// What was handed over last; `None` before the server was asked.
    pub fn position(&self) -> Option<Position> {
        self.at
    }

    /// What the node said is applied.
    pub fn applied_position(&self) -> Position {
        self.applied
    }

    /// Whether events are missing.
    pub fn has_gap(&self) -> bool {
        self.gap
    }

    /// Whether its publisher was called dead, and was not heard of since.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// How many frames are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What was counted.
    pub fn stats(&self) -> ReceiverStats {
        self.stats
    }

    /// The connection for calls is up.
    pub fn connected(&mut self, now: u64, out: &mut Vec<Delivery<F>>) {
        self.calls = true;
        self.reread();
        // Of a publisher that is dead the channel may be gone, and is to stay so: what is read says whether the server has it.
        match self.dead {
            true => self.send_ack(out),
            false => self.assert_ack(out),
        }
        self.pump(now, out);
    }

    /// It is gone, and the replies that had not come with it.
    pub fn disconnected(&mut self) {
        (self.calls, self.reading, self.ack_in_flight) = (false, false, None);
        // Whoever knows its place has its time anew: nobody could answer meanwhile.
        (self.lost_since, self.begins_without) = (None, false);
    }

    /// The server confirmed the subscription: from now on frames come. What was appended before has to be read, and only now,
    /// since a read before would leave out what was published between.
    pub fn subscribed(&mut self, now: u64, out: &mut Vec<Delivery<F>>) {
        self.subscription = true;
        self.reread();
        self.pump(now, out);
    }

    /// The subscription is gone.
    pub fn unsubscribed(&mut self) {
        self.subscription = false;
    }

    fn reread(&mut self) {
        (self.fresh, self.read_not_before, self.recheck) = (true, 0, self.behind.is_some());
    }

    fn may_read(&self) -> bool {
        self.calls && self.subscription && !self.reading && (self.behind.is_none() || self.recheck)
    }

    /// Says again what is applied: a server that came back empty or older does not know it.
    fn assert_ack(&mut self, out: &mut Vec<Delivery<F>>) {
        self.acknowledged = Position::default();
        self.ack_in_flight = None;
        self.send_ack(out);
    }

    /// Whether the node has room, and has finished with the life before the one that `at` is in.
    fn has_room(&self, at: Position) -> bool {
        let applied = if self.applied.epoch == at.epoch { self.applied.seq } else { 0 };
        let is_finished = self.applied.epoch == at.epoch || self.began_with_nothing;
        is_finished && at.seq - applied < self.limits.unapplied
    }

    /// Whether it hands over nothing more, because so much is not applied.
    pub fn is_full(&self) -> bool {
        self.at.is_some_and(|at| {
            let applied = if self.applied.epoch == at.epoch { self.applied.seq } else { 0 };
            at.seq - applied >= self.limits.unapplied
        })
    }

    /// A frame was published.
    pub fn live(&mut self, now: u64, epoch: u64, first: u64, last: u64, frame: F, out: &mut Vec<Delivery<F>>) {
        let position = Position::new(epoch, last);
        if first == 0 || last < first || epoch > LATEST_EPOCH {
            self.stats.foreign += 1;
            return;
        }
        if epoch < self.newest {
            // Either the stream has it before what is newer, or it comes from a life that is over: only reading tells.
            self.fences(now, out);
            if self.at.is_some_and(|at| position > at) {
                self.fresh = true;
                self.pump(now, out);
            }
            return;
        }
        self.knows(position);
        if let Some(at) = self.at {
            if position <= at {
                self.stats.doubled += 1;
                return;
            }
            let next = epoch == at.epoch && first <= at.seq + 1;
            if next && self.has_room(at) {
                self.hand_over(at, Held { epoch, first, last, frame }, out);
                self.gets_on(now);
                if self.gap || !self.held.is_empty() {
                    self.pump(now, out);
                }
                return;
            }
        }
        self.hold(Held { epoch, first, last, frame });
        self.pump(now, out);
    }

    /// A frame was published, and could not be decoded. The stream may have it whole. Where that has a hole, and its publisher says it no
    /// better, it is lost.
    pub fn undecodable(&mut self, now: u64, epoch: u64, first: u64, last: u64, out: &mut Vec<Delivery<F>>) {
        let (Some(at), Some(behind)) = (self.at, self.behind) else { return };
        let is_next = epoch == at.epoch && first <= at.seq + 1 && last > at.seq && Position::new(epoch, last) <= behind;
        if is_next && self.has_room(at) {
            self.undecodable += 1;
            if self.undecodable >= SAID_IN_VAIN {
                self.lose(Position::new(epoch, last), Why::Undecodable, true, out);
                self.gets_on(now);
                self.pump(now, out);
            }
        }
    }

    /// Refuses what comes from a life that is over, and tells that life. It may not know: a server that lost everything may
    /// have let it claim an epoch below one that was heard of.
    fn fences(&mut self, now: u64, out: &mut Vec<Delivery<F>>) {
        self.stats.fenced += 1;
        if now >= self.fence_due {
            self.fence_due = now.saturating_add(self.limits.ask_again);
            out.push(Delivery::Fence { epoch: self.newest });
        }
    }

    fn hold(&mut self, frame: Held<F>) {
        if self.held.back().is_some_and(|newest| (newest.epoch, newest.last) >= (frame.epoch, frame.last)) {
            self.stats.doubled += 1;
            return;
        }
        if self.held.len() >= self.limits.held {
            self.stats.overflowed += 1;
            self.held.pop_front();
        }
        self.held.push_back(frame);
    }

    fn knows(&mut self, position: Position) {
        if position > self.known {
            // What is new is read for at once, though a read found nothing a moment ago.
            self.known = position;
            self.read_not_before = 0;
        }
        self.newest = self.newest.max(position.epoch);
        if self.at.is_some_and(|at| at.epoch == position.epoch) {
            self.known_here = self.known_here.max(position.seq);
        }
    }

    fn hand_over(&mut self, at: Position, held: Held<F>, out: &mut Vec<Delivery<F>>) {
        let Held { epoch, first, last, frame } = held;
        let skip = if epoch == at.epoch { at.seq + 1 - first } else { 0 };
        self.move_to(Position::new(epoch, last));
        self.stats.events += last + 1 - first - skip;
        out.push(Delivery::Events { epoch, first, last, skip, frame });
    }

    /// A frame went on from where the stream does not: its publisher says again what it holds. Behind the hole the stream goes on.
    fn gets_on(&mut self, now: u64) {
        let Some(behind) = self.behind else { return };
        if self.at >= Some(behind) {
            self.behind = None;
            self.reread();
        } else {
            // It said a part of that, and is asked for the rest.
            self.ask_due = self.ask_due.min(now.saturating_add(self.limits.retry_after));
        }
    }

    fn move_to(&mut self, position: Position) {
        let entered = self.at.is_none_or(|at| at.epoch != position.epoch);
        let has_nothing = self.at.is_none_or(|at| at == self.applied);
        (self.at, self.undecodable) = (Some(position), 0);
        if entered {
            self.began_with_nothing = has_nothing;
            self.known_here = if self.known.epoch == position.epoch { self.known.seq } else { 0 };
        }
        self.knows(position);
    }

    /// What lies between the event that was handed over last and the one that it goes on behind.
    fn passes(&self, upto: Position) -> Passed {
        Passed { after: self.at.unwrap_or_default(), upto, known: self.known_here }
    }

    fn lose(&mut self, upto: Position, why: Why, certain: bool, out: &mut Vec<Delivery<F>>) {
        let passed = self.passes(upto);
        // What is known to have been there is known to be lost.
        let certain = certain || passed.known > passed.after.seq;
        self.stats.lost += 1;
        self.stats.lost_events = self.stats.lost_events.saturating_add(passed.events());
        out.push(Delivery::Lost { passed, why, certain });
        self.move_to(upto);
    }

    /// Does what can be done: hands over what is held, asks for what is missing, says whether something is missing.
    fn pump(&mut self, now: u64, out: &mut Vec<Delivery<F>>) {
        while let (Some(at), Some(oldest)) = (self.at, self.held.front()) {
            let position = Position::new(oldest.epoch, oldest.last);
            let next = oldest.epoch == at.epoch && oldest.first <= at.seq + 1;
            if position <= at {
                self.held.pop_front();
            } else if next && self.has_room(at) {
                if let Some(held) = self.held.pop_front() {
                    self.hand_over(at, held, out);
                    self.gets_on(now);
                }
            } else {
                break;
            }
        }
        let waits = self.behind.is_some() || self.lost_since.is_some();
        let missing = waits || self.at.is_some_and(|at| self.known > at);
        let room = self.at.is_none_or(|at| self.has_room(at));
        if self.may_read() && room && (self.fresh || missing) && now >= self.read_not_before {
            (self.fresh, self.recheck) = (false, false);
            self.reading = true;
            self.stats.reads += 1;
            let count = if self.at.is_some() { self.limits.count } else { 0 };
            out.push(Delivery::Read { after: self.at.unwrap_or_default(), count });
        }
        // What waits for the life before it to be applied is not missing, nor is a life that begins: it is entered by the read that
        // is under way. What the node has no room for is: it is deaf to that until it gets on.
        let enters = self.reading
            && self.behind.is_none()
            && self.at.is_some_and(|at| at.epoch < self.known.epoch && self.known_here <= at.seq);
        let gap = missing && (self.gap || self.is_full() || (room && !enters));
        if gap != self.gap {
            self.gap = gap;
            self.stats.gaps += u64::from(gap);
            out.push(Delivery::Gap { open: gap });
        }
    }

    /// The publisher's beacon: it lives, and this is confirmed appended.
    pub fn beacon(&mut self, now: u64, confirmed: Position, out: &mut Vec<Delivery<F>>) {
        if confirmed.epoch > LATEST_EPOCH {
            self.stats.foreign += 1;
            return;
        }
        if confirmed.epoch < self.newest {
            return self.fences(now, out);
        }
        if self.dead {
            self.assert_ack(out);
        }
        if self.dead || confirmed.epoch > self.newest {
            (self.dead, self.newest) = (false, confirmed.epoch);
            self.reread();
        }
        if confirmed.seq > 0 && self.at.is_some_and(|at| confirmed > at) && self.beacon.is_none() {
            self.beacon = Some((confirmed, now.saturating_add(self.limits.beacon_patience)));
        }
        self.pump(now, out);
    }

    /// The publisher's beacon is missing while Redis answers.
    pub fn dead(&mut self, now: u64, out: &mut Vec<Delivery<F>>) {
        if !self.dead {
            self.dead = true;
            self.reread();
            self.asks(now, out);
            self.pump(now, out);
        }
    }

    /// The node has applied everything up to here: handlers are done, or the log has it.
    pub fn applied(&mut self, now: u64, position: Position, out: &mut Vec<Delivery<F>>) {
        let Some(at) = self.at else { return };
        if position > at {
            self.stats.foreign += 1;
            return;
        }
        if position <= self.applied {
            return;
        }
        let was_full = !self.has_room(at);
        self.applied = position;
        let many = position.epoch != self.acknowledged.epoch
            || position.seq.saturating_sub(self.acknowledged.seq) >= self.limits.ack_every;
        if many && self.ack_in_flight.is_none() {
            self.send_ack(out);
        } else {
            self.ack_due.get_or_insert(now.saturating_add(self.limits.ack_after));
        }
        if was_full {
            self.pump(now, out);
        }
    }

    fn send_ack(&mut self, out: &mut Vec<Delivery<F>>) {
        self.ack_due = None;
        if self.calls && self.ack_in_flight.is_none() && self.applied > self.acknowledged {
            self.ack_in_flight = Some(self.applied);
            out.push(Delivery::Ack { upto: self.applied });
        }
    }

    /// An acknowledgement was answered.
    pub fn acknowledged(&mut self, now: u64, done: bool) {
        let Some(sent) = self.ack_in_flight.take() else { return };
        if done {
            self.acknowledged = self.acknowledged.max(sent);
        }
        if self.applied > self.acknowledged {
            let wait = if done { self.limits.ack_after } else { self.limits.retry_after };
            self.ack_due = Some(now.saturating_add(wait));
        }
    }

    /// The time has come that [`Receiver::deadline`] named.
    pub fn tick(&mut self, now: u64, out: &mut Vec<Delivery<F>>) {
        if self.ack_due.is_some_and(|due| now >= due) {
            self.send_ack(out);
        }
        if let Some((confirmed, due)) = self.beacon
            && now >= due
        {
            self.beacon = None;
            if confirmed.epoch >= self.newest {
                self.knows(confirmed);
            }
        }
        if self.dead && self.calls && now >= self.say_due {
            // While its publisher lives that looks whether the server still has what this group has applied.
            self.say_due = now.saturating_add(self.limits.ask_again);
            self.reread();
        }
        if self.behind.is_some() && self.calls && now >= self.ask_due {
            // Nobody has answered. What was asked for is asked for again if another read finds it still missing.
            self.ask_due = now.saturating_add(self.limits.ask_again);
            self.reread();
        }
        self.pump(now, out);
    }

    /// When [`Receiver::tick`] is due, if nothing else happens before.
    pub fn deadline(&self) -> Option<u64> {
        let ack = self.ack_due.filter(|_| self.calls && self.ack_in_flight.is_none());
        let beacon = self.beacon.map(|(_, due)| due);
        let ask = self.behind.filter(|_| self.calls).map(|_| self.ask_due);
        let wants = self.fresh || self.at.is_some_and(|at| self.known > at);
        let room = self.at.is_none_or(|at| self.has_room(at));
        let read = (wants && self.may_read() && room).then_some(self.read_not_before);
        let say = (self.dead && self.calls && self.applied > Position::default()).then_some(self.say_due);
        [ack, beacon, ask, say, read].into_iter().flatten().min()
    }
}
