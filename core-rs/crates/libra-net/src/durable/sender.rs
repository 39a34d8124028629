//! A durable channel at its publisher.
//!
//! `base <= here <= sent <= last`, all of them places in this life: nothing at or below `base` is held; up to `here` the
//! server that we are connected to has it; up to `sent` it was sent on this connection; `last` is the newest offered.
//! A new connection begins with `open`, which tells what the server has, and sending goes on behind that. Since a
//! frame never changes and the server takes only the next one, sending it again can neither double nor reorder.

use std::collections::VecDeque;
use std::sync::Arc;

use super::act::{Act, Opened, Refusal, Refused, Reply, SenderLimits, SenderStats};
use super::groups::Groups;
use super::outbox::{Outbox, Outgoing};
use super::{Kind, reaches};
use crate::ids::Position;

/// Most frames, and most bytes of them, that are said again at once.
const REPEATED: usize = 256;
const REPEATED_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Down,
    Opening,
    Waiting { until: u64 },
    Up,
    Fenced,
}

/// A durable channel at its publisher.
#[derive(Debug)]
pub struct Sender {
    epoch: u64,
    limits: SenderLimits,
    phase: Phase,
    /// When the server last took what was said, or was gone: until then acknowledgements could come.
    taken_at: u64,
    /// None can come: there is no connection, or a server that takes nothing.
    is_away: bool,
    outbox: Outbox,
    groups: Groups,
    /// The last event of each append call without a reply.
    in_flight: VecDeque<u64>,
    sent: u64,
    here: u64,
    confirmed: u64,
    trimmed: Position,
    /// Where the stream of this server begins, as it said last.
    floor: Position,
    trim_due: Option<u64>,
    read_acks_due: Option<u64>,
    stats: SenderStats,
}

impl Sender {
    /// A channel in a new life of its publisher, which has claimed `epoch`; `groups` are the declared ones.
    pub fn new<'a>(epoch: u64, groups: impl IntoIterator<Item = &'a str>, limits: SenderLimits, now: u64) -> Self {
        Sender {
            epoch,
            limits,
            phase: Phase::Down,
            taken_at: now,
            is_away: true,
            outbox: Outbox::default(),
            groups: Groups::new(groups, limits.stale_after),
            in_flight: VecDeque::with_capacity(limits.window),
            sent: 0,
            here: 0,
            confirmed: 0,
            trimmed: Position::default(),
            floor: Position::default(),
            trim_due: None,
            read_acks_due: None,
            stats: SenderStats::default(),
        }
    }

    /// The `channel_seq` of the next event.
    pub fn next_seq(&self) -> u64 {
        self.outbox.last() + 1
    }

    /// The life of the publisher.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The newest event that a server confirmed as appended: what a beacon says.
    pub fn confirmed(&self) -> Position {
        Position::new(self.epoch, self.confirmed)
    }

    /// The frames of an [`Act::Append`] or an [`Act::Repeat`].
    pub fn frames(&self, first: u64, last: u64) -> impl Iterator<Item = &Outgoing> {
        self.outbox.frames(first - 1, last)
    }

    /// What is held.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The declared groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The names of the groups whose acknowledgements an [`Act::Trim`] has to wait for.
    pub fn waited_for(&self) -> impl Iterator<Item = &str> {
        self.groups.waited_for()
    }

    /// Of a group that came back by a snapshot, or is to, and has not come to what is held: where it can be sure that all is
    /// there. Below the stream is all there is, and a trim that was asked for before may still cut it.
    pub fn catches_up(&self, group: usize) -> Option<Position> {
        self.groups.came_back(group).then(|| self.trimmed.max(Position::new(self.epoch, self.outbox.base())))
    }

    /// What the groups are known to have applied: what an [`Act::Open`] brings back to a server that lost it. Those of which nothing is
    /// known are named too: so each has a place, and one that is gone was lost.
    pub fn acknowledgements(&self) -> impl Iterator<Item = (&str, Position)> {
        self.groups.all().iter().map(|group| (group.name.as_str(), group.acknowledged))
    }

    /// How full the outbox is, in percent: at 80 the account that feeds it stops new orders.
    pub fn fullness(&self) -> u64 {
        let events = u128::from(self.outbox.events()) * 100 / u128::from(self.limits.events.max(1));
        let bytes = self.outbox.bytes() as u128 * 100 / self.limits.bytes.max(1) as u128;
        u64::try_from(events.max(bytes)).unwrap_or(u64::MAX)
    }

    /// Whether a later epoch ended this sender.
    pub fn is_fenced(&self) -> bool {
        self.phase == Phase::Fenced
    }

    /// What was counted.
    pub fn stats(&self) -> SenderStats {
        self.stats
    }

    /// Takes a frame with the events from [`Sender::next_seq`] to `last`, and sends it as soon as it may.
    ///
    /// # Errors
    /// See [`Refused`]. A fact is refused only when it does not fit an empty outbox.
    pub fn offer(
        &mut self,
        now: u64,
        kind: Kind,
        last: u64,
        frame: Arc<[u8]>,
        out: &mut Vec<Act>,
    ) -> Result<(), Refused> {
        let taken = self.make_room(kind, last, frame.len(), out);
        if let Err(why) = taken {
            self.stats.refused += 1;
            return Err(why);
        }
        let first = self.next_seq();
        self.stats.offered += last - first + 1;
        self.outbox.push(Outgoing { first, last, frame, command: kind != Kind::Fact });
        if self.phase == Phase::Up {
            self.read_acks_due.get_or_insert(now.saturating_add(self.limits.read_acks_after));
            self.fill(out);
        }
        Ok(())
    }

    /// So many facts were cut before there was a channel. They have its first numbers: so its groups find out that they miss them, as
    /// behind any other cut. Before the first frame.
    pub fn cut_before(&mut self, events: u64, out: &mut Vec<Act>) {
        self.outbox.begin_behind(events);
        self.stats.offered += events;
        self.stats.cut += events;
        self.gives_up_behind(events, out);
    }

    fn gives_up_behind(&mut self, cut: u64, out: &mut Vec<Act>) {
        let upto = Position::new(self.epoch, cut);
        let there = (self.phase == Phase::Up).then(|| Position::new(self.epoch, self.here));
        self.groups.cut(upto, there, |group| out.push(Act::CutOff { group }));
        self.groups.newly_given_up(|group| out.push(Act::GivenUp { group }));
    }

    fn fits(&self, kind: Kind, events: u64, bytes: usize) -> bool {
        let (mut most_events, mut most_bytes) = (self.limits.events, self.limits.bytes);
        // An empty outbox gives a command all of its room: there is nothing to wait for.
        if kind == Kind::Command && self.outbox.events() > 0 {
            most_events -= most_events / 8;
            most_bytes -= most_bytes / 8;
        }
        let outbox = &self.outbox;
        outbox.events().saturating_add(events) <= most_events && outbox.bytes().saturating_add(bytes) <= most_bytes
    }

    /// Whether a frame like this would be refused now as [`Refused::Full`], and may be taken when others have left.
    pub fn has_no_room(&self, kind: Kind, events: u64, bytes: usize) -> bool {
        let could_be = self.phase != Phase::Fenced && events <= self.limits.events && bytes <= self.limits.bytes;
        could_be && kind != Kind::Fact && !self.fits(kind, events, bytes)
    }

    fn make_room(&mut self, kind: Kind, last: u64, bytes: usize, out: &mut Vec<Act>) -> Result<(), Refused> {
        if self.phase == Phase::Fenced {
            return Err(Refused::Fenced);
        }
        let events = last.checked_sub(self.outbox.last()).filter(|&events| events > 0).ok_or(Refused::OutOfOrder)?;
        if events > self.limits.events || bytes > self.limits.bytes {
            return Err(Refused::TooLarge);
        }
        if self.fits(kind, events, bytes) {
            return Ok(());
        }
        if kind != Kind::Fact {
            return Err(Refused::Full);
        }
        let first = self.outbox.base() + 1;
        let mut commands = 0;
        while !self.fits(kind, events, bytes) {
            let Some(oldest) = self.outbox.pop() else { return Err(Refused::TooLarge) };
            commands += u64::from(oldest.command);
        }
        let cut = self.outbox.base();
        self.stats.cut += cut + 1 - first;
        out.push(Act::Cut { first, last: cut, commands });
        self.gives_up_behind(cut, out);
        Ok(())
    }

    /// Sends what the window lets out.
    fn fill(&mut self, out: &mut Vec<Act>) {
        if self.phase != Phase::Up {
            return;
        }
        if self.outbox.base() > self.sent {
            // What lies between is not held any more: the channel goes on behind it.
            let base = self.outbox.base();
            let upto = Position::new(self.epoch, base);
            out.push(Act::Trim { upto, waiting: false });
            self.groups.trims(upto);
            (self.sent, self.here) = (base, self.here.max(base));
        }
        while self.in_flight.len() < self.limits.window {
            let (mut first, mut last, mut bytes) = (0, 0, 0);
            for outgoing in self.outbox.frames(self.sent, u64::MAX).take(self.limits.batch.max(1)) {
                bytes += outgoing.frame.len();
                if first == 0 {
                    first = outgoing.first;
                } else if bytes > self.limits.batch_bytes {
                    break;
                }
                last = outgoing.last;
            }
            if first == 0 {
                break;
            }
            out.push(Act::Append { first, last });
            self.stats.calls += 1;
            self.in_flight.push_back(last);
            self.sent = last;
        }
    }

    /// The connection is up.
    pub fn connected(&mut self, out: &mut Vec<Act>) {
        if self.phase == Phase::Down {
            self.open(out);
        }
    }

    fn open(&mut self, out: &mut Vec<Act>) {
        self.phase = Phase::Opening;
        out.push(Act::Open { confirmed: self.confirmed });
    }

    /// For so long this side did not look, or had not read what waited: that counts against nobody. Of the time in which no
    /// acknowledgement can come nothing does anyway.
    pub fn excuse(&mut self, span: u64) {
        if !self.is_away {
            self.groups.excuse(span);
            self.taken_at = self.taken_at.saturating_add(span);
        }
    }

    /// The connection is gone, and with it all replies that had not come.
    pub fn disconnected(&mut self, now: u64) {
        self.in_flight.clear();
        self.groups.asks_no_more();
        if !self.is_away {
            (self.is_away, self.taken_at) = (true, now);
        }
        if self.phase != Phase::Fenced {
            self.phase = Phase::Down;
        }
    }

    /// The server answered.
    pub fn reply(&mut self, now: u64, reply: Reply, out: &mut Vec<Act>) {
        match reply {
            Reply::Opened(Ok(opened)) if self.phase == Phase::Opening => self.opened(now, &opened, out),
            Reply::Opened(Ok(_)) => {}
            Reply::Appended(Ok(())) => {
                self.taken_at = now;
                let Some(last) = self.in_flight.pop_front() else { return };
                self.confirmed = self.confirmed.max(last);
                if self.phase == Phase::Up {
                    self.here = self.here.max(last);
                    self.progress(now, out);
                    self.fill(out);
                }
            }
            Reply::Trimmed(Ok(floor)) => {
                self.taken_at = now;
                // The server may have held it back, because of an acknowledgement that it does not know yet.
                self.floor_is(floor);
                self.progress(now, out);
            }
            Reply::Acknowledged(Ok(all)) => {
                self.read_acks_due = None;
                let is_lost = self.groups.finds_lost(&all);
                self.take_all(&all, now, out);
                self.progress(now, out);
                if is_lost && self.phase == Phase::Up {
                    // Its key is gone by itself, or somebody wrote it: who begins again is to find how far it had come.
                    return self.open(out);
                }
                self.fill(out);
            }
            Reply::Acknowledged(Err(_)) => {
                self.read_acks_due = None;
                self.groups.asks_no_more();
                self.progress(now, out);
            }
            Reply::Appended(Err(refusal)) => {
                self.in_flight.pop_front();
                self.refused(now, refusal, out);
            }
            Reply::Opened(Err(refusal)) => {
                // What it refuses us it refuses those who would acknowledge. (A full one takes both, and refuses events alone.)
                self.is_away |= refusal == Refusal::Failed;
                self.refused(now, refusal, out);
                if self.phase == Phase::Opening {
                    self.wait(now);
                }
            }
            Reply::Trimmed(Err(refusal)) => self.refused(now, refusal, out),
        }
    }

    fn opened(&mut self, now: u64, opened: &Opened, out: &mut Vec<Act>) {
        if opened.top > self.outbox.last() {
            // Somebody else has written in our life.
            return self.fenced(self.epoch, out);
        }
        self.in_flight.clear();
        self.phase = Phase::Up;
        if opened.top < self.confirmed {
            self.stats.server_lost += 1;
            out.push(Act::ServerLost { confirmed: self.confirmed, top: opened.top });
        }
        (self.sent, self.here) = (opened.top, opened.top);
        self.confirmed = self.confirmed.max(opened.top);
        if std::mem::take(&mut self.is_away) {
            self.groups.excuse(now.saturating_sub(self.taken_at));
        }
        self.taken_at = now;
        self.floor_is(opened.floor);
        if opened.floor.epoch < self.epoch || opened.floor.seq == 0 {
            self.groups.starts(opened.floor);
        }
        self.take_all(&opened.acknowledged, now, out);
        // A full server is open for moments only, between one refusal and the next: there may be no tick in any of them.
        self.judge(now, out);
        self.progress(now, out);
        self.fill(out);
    }

    fn judge(&mut self, now: u64, out: &mut Vec<Act>) {
        self.groups.wait(Position::new(self.epoch, self.here), now);
        self.groups.find_stale(now);
        self.groups.newly_behind(now, |group| out.push(Act::Behind { group }));
    }

    fn floor_is(&mut self, floor: Position) {
        (self.trimmed, self.floor) = (floor, floor);
        self.groups.floor(floor);
    }

    fn refused(&mut self, now: u64, refusal: Refusal, out: &mut Vec<Act>) {
        self.stats.refusals += 1;
        match (refusal, self.phase) {
            (Refusal::Fenced { by }, _) => self.fenced(by, out),
            (_, Phase::Up) if refusal != Refusal::Failed => self.open(out),
            (_, Phase::Up) => self.wait(now),
            // What was sent behind the first refusal is refused too; `open` is answered behind all that.
            _ => {}
        }
    }

    fn wait(&mut self, now: u64) {
        self.phase = Phase::Waiting { until: now.saturating_add(self.limits.retry_after) };
    }

    fn fenced(&mut self, by: u64, out: &mut Vec<Act>) {
        if self.phase != Phase::Fenced {
            self.phase = Phase::Fenced;
            out.push(Act::Fenced { by });
        }
    }

    fn take_all(&mut self, all: &[(String, Position)], now: u64, out: &mut Vec<Act>) {
        for (name, position) in all {
            if let Some(group) = self.groups.find(name) {
                self.take(group, *position, now, out);
            }
        }
    }

    fn take(&mut self, group: usize, position: Position, now: u64, out: &mut Vec<Act>) {
        if position.epoch > self.epoch {
            return self.fenced(position.epoch, out);
        }
        // Nobody can have applied what was never offered.
        let offered = position.epoch < self.epoch || position.seq <= self.outbox.last();
        if offered && self.groups.acknowledged(group, position) {
            self.groups.gets_on(group, now);
        }
    }

    /// An [`Act::Append`] is carried out: where the channel has to go on first, by a `trim` that waits for nobody, since frames of it have
    /// left the outbox meanwhile. What has left to its end is no call without a reply.
    pub fn has_left(&mut self, first: u64, last: u64, out: &mut Vec<Act>) -> Option<Position> {
        let base = self.outbox.base();
        if base < first {
            return None;
        }
        let upto = Position::new(self.epoch, base);
        self.groups.trims(upto);
        (self.sent, self.here) = (self.sent.max(base), self.here.max(base));
        if last <= base {
            self.in_flight.retain(|sent| *sent != last);
            self.fill(out);
        }
        Some(upto)
    }

    /// A group says what it has applied, on the publisher's control channel.
    pub fn acknowledged(&mut self, now: u64, group: usize, position: Position, out: &mut Vec<Act>) {
        self.take(group, position, now, out);
        self.progress(now, out);
        self.fill(out);
    }

    /// A group says that it has heard of this life of the publisher.
    pub fn heard_of(&mut self, epoch: u64, out: &mut Vec<Act>) {
        if epoch > self.epoch {
            self.fenced(epoch, out);
        }
    }

    /// The server may have lost its data, though the connection stands: it is asked what it has.
    pub fn server_changed(&mut self, out: &mut Vec<Act>) {
        if self.phase == Phase::Up {
            self.open(out);
        }
    }

    /// A group cannot go on by the stream from `at`, and asks for a snapshot. It asks again where there is none.
    pub fn snapshot_requested(&mut self, now: u64, group: usize, at: Position, out: &mut Vec<Act>) {
        if self.phase == Phase::Fenced {
            return;
        }
        self.groups.asks(group, now);
        if self.phase != Phase::Up {
            return;
        }
        if at == Position::default() {
            // It begins, and the server may have lost how far it had come: nobody but this sender knows that, and who has come nowhere is
            // to know it as well.
            if !self.groups.has_acknowledged(group) && !reaches(at, self.floor) {
                out.push(Act::SnapshotWanted { group });
            }
            self.open(out);
        } else if reaches(at, self.floor) {
            // The server's stream begins further on than it said, since a call of an earlier connection was late; or it has a hole.
            let is_held = at.seq >= self.outbox.base();
            if at.epoch == self.epoch && is_held {
                self.repeat(at.seq, out);
            }
            self.open(out);
            // The floor passes over a hole that nobody can fill, once everybody who is waited for has come to it.
            if at.epoch == self.epoch && !is_held && self.groups.lowest().is_none_or(|lowest| lowest >= at) {
                out.push(Act::Mend { at, upto: self.outbox.base() });
            }
        } else {
            out.push(Act::SnapshotWanted { group });
        }
    }

    /// Has said again, to whoever listens, what the server's stream lacks behind `after`: so much at a time.
    fn repeat(&mut self, after: u64, out: &mut Vec<Act>) {
        let (mut first, mut last, mut bytes) = (0, after, 0);
        for outgoing in self.outbox.holds(after + 1, self.here).take(REPEATED) {
            bytes += outgoing.frame.len();
            if first == 0 {
                first = outgoing.first;
            } else if bytes > REPEATED_BYTES {
                break;
            }
            last = outgoing.last;
        }
        if first > 0 {
            self.stats.repeated += last + 1 - first;
            out.push(Act::Repeat { first, last });
        }
    }

    /// A snapshot was made for a group: the position that it has to carry. It stands for what nobody has any more, up to where the
    /// stream begins. What the stream has or the outbox holds is owed to every group, and comes behind it.
    pub fn snapshot_made(&mut self, now: u64, group: usize) -> Position {
        let stamp = self.floor;
        self.groups.stamped(group, stamp);
        self.groups.asks(group, now);
        stamp
    }

    /// Lets go of what nobody waits for, and asks for a trim when that is much or old.
    fn progress(&mut self, now: u64, out: &mut Vec<Act>) {
        if self.phase != Phase::Up {
            return;
        }
        let appended = Position::new(self.epoch, self.here);
        let lowest = self.groups.lowest().unwrap_or(appended);
        if lowest.epoch == self.epoch {
            self.outbox.release(lowest.seq);
            if self.outbox.base() > 0 {
                self.groups.gone(Position::new(self.epoch, self.outbox.base()));
            }
        }
        // Nobody owes what no server has.
        self.groups.wait(appended, now);
        let mut is_given_up = false;
        self.groups.newly_given_up(|group| {
            is_given_up = true;
            out.push(Act::GivenUp { group });
        });
        // What they have acknowledged is looked for when all have all, too: the server may lose it.
        let is_known = self.outbox.events() > 0 || self.groups.have_acknowledged();
        self.read_acks_due =
            is_known.then(|| self.read_acks_due.unwrap_or_else(|| now.saturating_add(self.limits.read_acks_after)));
        let upto = lowest.min(appended);
        if upto <= self.trimmed || upto.seq == 0 {
            self.trim_due = None;
            return;
        }
        let due = *self.trim_due.get_or_insert(now.saturating_add(self.limits.trim_after));
        let many = upto.epoch == self.trimmed.epoch && upto.seq - self.trimmed.seq >= self.limits.trim_every;
        // What comes back to whoever asked is not to be read by who comes back too.
        if many || now >= due || is_given_up {
            self.trim_due = None;
            self.trimmed = upto;
            out.push(Act::Trim { upto, waiting: true });
            self.groups.trims(upto);
        }
    }

    /// The time has come that [`Sender::deadline`] named.
    pub fn tick(&mut self, now: u64, out: &mut Vec<Act>) {
        if let Phase::Waiting { until } = self.phase
            && now >= until
        {
            self.open(out);
        }
        if self.phase != Phase::Up {
            return;
        }
        self.judge(now, out);
        self.progress(now, out);
        if self.read_acks_due.is_some_and(|due| now >= due) {
            self.read_acks_due = Some(now.saturating_add(self.limits.read_acks_after));
            // A server that takes nothing may be read all the same. Where we have nothing to say, what changes nothing shows it.
            let is_owed = self.outbox.events() > 0;
            if is_owed && now.saturating_sub(self.taken_at) >= self.limits.read_acks_after {
                out.push(Act::Trim { upto: self.trimmed, waiting: true });
            }
            self.groups.asks_for_places();
            out.push(Act::ReadAcknowledged);
        }
        self.fill(out);
    }

    /// When [`Sender::tick`] is due, if nothing else happens before.
    pub fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Up => [self.groups.deadline(), self.trim_due, self.read_acks_due].into_iter().flatten().min(),
            Phase::Down | Phase::Opening | Phase::Fenced => None,
        }
    }
}
