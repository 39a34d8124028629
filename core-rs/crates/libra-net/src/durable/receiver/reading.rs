//! What a receiver makes of the stream: it goes on where it is, or finds out what is missing and what becomes of that.

use super::{Held, Receiver};
use crate::durable::delivery::{Bounds, Delivery, Entry, Received, Why};
use crate::durable::{LATEST_EPOCH, reaches};
use crate::ids::Position;

impl<F> Receiver<F> {
    /// A read failed, though the connection is up.
    pub fn read_failed(&mut self, now: u64) {
        (self.reading, self.fresh) = (false, true);
        self.read_not_before = now.saturating_add(self.limits.retry_after);
    }

    /// A read was answered: the server's incarnation, what it knows of this group's acknowledgements, the bounds if there is
    /// a channel, the entries (which are taken out), whether there may be more, and whether the server had this group's place and lost it, or may
    /// have an older one.
    #[allow(clippy::too_many_arguments)] // They are the parts of one answer, and its entries stay in the caller's buffer.
    pub fn read(
        &mut self,
        now: u64,
        incarnation: Option<u128>,
        acknowledged: Option<Position>,
        bounds: Option<Bounds>,
        entries: &mut Vec<Entry<F>>,
        more: bool,
        is_lost: bool,
        out: &mut Vec<Delivery<F>>,
    ) {
        self.reading = false;
        self.incarnation(incarnation, out);
        let is_nowhere = self.at.unwrap_or_default() == Position::default();
        if is_nowhere && is_lost && self.waits_for_its_place(now, out) {
            entries.clear();
            return self.pump(now, out);
        }
        self.lost_since = None;
        // Who begins takes what the server knows of this group, also where the server had lost that, and has it back from the
        // sender since the first read.
        let acknowledged = acknowledged.unwrap_or_default();
        let begins = self.at == Some(Position::default()) && acknowledged > Position::default();
        let Some(before) = self.at.filter(|_| !begins) else {
            (self.applied, self.acknowledged) = (acknowledged, acknowledged);
            self.move_to(acknowledged);
            self.behind = None;
            self.reread();
            entries.clear();
            return self.pump(now, out);
        };
        if let Some(bounds) = bounds {
            if bounds.top.seq > 0 {
                self.knows(bounds.top);
            }
            self.newest = self.newest.max(bounds.top.epoch);
            if self.dead && acknowledged < self.applied && self.ack_in_flight.is_none() {
                // Nobody else would notice. Where there is no channel any more nothing begins at this place.
                self.assert_ack(out);
            }
            if reaches(before, bounds.floor) {
                self.behind = None;
                self.take(now, bounds, entries, out);
            } else {
                self.falls_behind(bounds.floor, now);
            }
        } else {
            if self.known > before && now >= self.ask_due {
                // The server has lost the channel by itself, and its living publisher may have nothing to append: asked for
                // what it could send, it looks.
                self.ask_due = now.saturating_add(self.limits.ask_again);
                out.push(Delivery::AskSnapshot { at: before });
            }
        }
        entries.clear();
        if self.at == Some(before) {
            // It told nothing new; what is missing is on its way, or its publisher will send it again.
            self.read_not_before = now.saturating_add(self.limits.retry_after);
        } else {
            self.fresh |= more;
        }
        self.asks(now, out);
        self.pump(now, out);
    }

    /// Who never applied anything has a place too. Where it is gone, or the server came back with an older one, this group may have come to
    /// anything: its publisher, which knows that, is asked, and has it back when the channel is opened. One that is dead says nothing.
    fn waits_for_its_place(&mut self, now: u64, out: &mut Vec<Delivery<F>>) -> bool {
        let since = *self.lost_since.get_or_insert(now);
        let waits = !(self.begins_without || self.dead) && now.saturating_sub(since) < self.limits.place_patience;
        self.begins_without = !waits;
        if waits {
            (self.fresh, self.read_not_before) = (true, now.saturating_add(self.limits.retry_after));
            if now >= self.ask_due {
                self.ask_due = now.saturating_add(self.limits.ask_again);
                out.push(Delivery::AskSnapshot { at: Position::default() });
            }
        }
        waits
    }

    /// Takes entries in order for as long as they go on from where this group is.
    fn take(&mut self, now: u64, bounds: Bounds, entries: &mut Vec<Entry<F>>, out: &mut Vec<Delivery<F>>) {
        for entry in entries.drain(..) {
            let Some(at) = self.at else { return };
            let position = Position::new(entry.epoch, entry.last);
            if position <= at {
                continue;
            }
            if !self.has_room(at) || !self.reaches_up_to(now, at, bounds, &entry, out) {
                self.fresh |= self.behind.is_none();
                return;
            }
            let at = self.at.unwrap_or(at);
            match entry.what {
                Received::Life { before, torn } => {
                    let missing = self.known_here > at.seq && at.epoch > 0;
                    if torn || missing || at > before {
                        self.lose(position, Why::Torn, missing, out);
                    } else {
                        self.move_to(position);
                        out.push(Delivery::Life { begins: position });
                    }
                }
                Received::Bad => self.lose(position, Why::Undecodable, true, out),
                Received::Frame { first, frame } => {
                    self.hand_over(at, Held { epoch: entry.epoch, first, last: entry.last, frame }, out);
                }
            }
        }
    }

    /// Whether this entry goes on from where this group is, or does since a hole in front of it was passed over. Somebody has deleted
    /// what was there past the functions. Of a life that is over nobody has it any more; of the one that lasts its publisher may.
    fn reaches_up_to(
        &mut self,
        now: u64,
        at: Position,
        bounds: Bounds,
        entry: &Entry<F>,
        out: &mut Vec<Delivery<F>>,
    ) -> bool {
        let life = Position::new(entry.epoch, 0);
        // Who has no position yet begins with the channel.
        let begins = |place: Position| at == Position::default() && place.seq == 0 && place == bounds.floor;
        let mut at = at;
        match entry.what {
            Received::Bad => return true,
            Received::Life { before, .. } if at >= before || begins(before) => return true,
            Received::Frame { first: 1, .. } if begins(life) => return true,
            Received::Life { before, .. } => self.lose(before, Why::ServerLost, before.seq > 0, out),
            Received::Frame { first, .. } => {
                if at.epoch != entry.epoch {
                    // A life is entered where it begins, and that place is gone.
                    match begins(life) {
                        true => {
                            self.move_to(life);
                            out.push(Delivery::Life { begins: life });
                        }
                        false => self.lose(life, Why::ServerLost, self.known_here > at.seq, out),
                    }
                    at = life;
                }
                let upto = Position::new(entry.epoch, first.saturating_sub(1));
                if at < upto && entry.epoch == bounds.top.epoch {
                    self.falls_behind(upto, now);
                    return false;
                }
                if at < upto {
                    self.lose(upto, Why::ServerLost, true, out);
                }
            }
        }
        self.at.is_some_and(|at| self.has_room(at))
    }

    fn falls_behind(&mut self, floor: Position, now: u64) {
        self.behind = Some(floor);
        self.ask_due = self.ask_due.min(now);
    }

    /// Asks for a snapshot. A publisher that is called dead may live, and have what the stream lacks: of its newest life nothing is lost before
    /// the next one has begun. Of one before nobody has anything any more; and who never had a position begins where the stream does.
    pub(super) fn asks(&mut self, now: u64, out: &mut Vec<Delivery<F>>) {
        let (Some(at), Some(floor)) = (self.at, self.behind) else { return };
        let is_over = (floor.seq == 0 && floor.epoch > at.epoch) || at == Position::default();
        if self.dead && is_over {
            self.behind = None;
            self.reread();
            self.lose(floor, Why::Trimmed, self.known_here > at.seq, out);
        } else if self.calls && now >= self.ask_due {
            self.ask_due = now.saturating_add(self.limits.ask_again);
            out.push(Delivery::AskSnapshot { at });
        }
    }

    /// The server's incarnation was heard of: another one knows nothing of what was acknowledged.
    pub fn incarnation(&mut self, incarnation: Option<u128>, out: &mut Vec<Delivery<F>>) {
        let Some(heard) = incarnation else { return };
        if self.incarnation.replace(heard).is_some_and(|before| before != heard) {
            self.reread();
            self.assert_ack(out);
        }
    }

    /// A snapshot for this group came, which the publisher's life `made_by` has made.
    pub fn snapshot(&mut self, now: u64, made_by: u64, position: Position, snapshot: F, out: &mut Vec<Delivery<F>>) {
        let after = self.at.filter(|at| self.behind.is_some() && position > *at && made_by >= self.newest);
        let Some(after) = after.filter(|_| made_by <= LATEST_EPOCH && position.epoch <= made_by) else {
            self.stats.doubled += 1;
            return;
        };
        // Who never had a position may have been owed nothing.
        let certain = after > Position::default() && (position.seq > 0 || self.known_here > after.seq);
        self.behind = None;
        self.newest = made_by;
        let passed = self.passes(position);
        self.stats.snapshots += 1;
        self.stats.replaced = self.stats.replaced.saturating_add(passed.events());
        self.move_to(position);
        out.push(Delivery::Snapshot { passed, certain, snapshot });
        self.reread();
        self.pump(now, out);
    }
}
