//! Publishers: their lives, what their senders want done, and what the servers answer them.

use std::collections::VecDeque;
use std::sync::Arc;

use libra_net::durable::{Act, Kind, Sender, claim_at_least};
use libra_net::ids::Position;

use super::{Done, Faults, GROUPS, Life, MS, Mail, NAMES, Orphan, World};
use crate::server::{Answer, Call, Frame};
use crate::truth::Event;

impl World {
    /// A node with this name starts, and claims its epoch. It may hear nothing of its claim: then it claims again, or has died;
    /// and the server may run the claim much later, or may have done so.
    pub(super) fn start(&mut self, name: usize) {
        let by = self.rng.u64(1..1 << 53);
        for _ in 0..4 {
            let Some(claim) = self.claim(name, by) else { return };
            if self.faults != Faults::All || self.rng.u8(0..3) > 0 {
                if let Answer::Epoch(epoch) = self.run(self.current, &claim) {
                    return self.begin(name, epoch);
                }
            } else if self.rng.bool() {
                self.count("a claim that was run and not answered");
                self.run(self.current, &claim);
            } else {
                self.orphans.push(Orphan { server: self.current, calls: VecDeque::from([claim]) });
                if self.rng.bool() {
                    return self.count("a claim of the dead");
                }
            }
        }
    }

    fn claim(&mut self, name: usize, by: u64) -> Option<Call> {
        let Answer::Acknowledged(seen) = self.run(self.current, &Call::Acknowledged { name }) else { return None };
        let Answer::Epoch(found) = self.run(self.current, &Call::Claimed { name }) else { return None };
        self.sources[name].looked_for = self.sources[name].looked_for.max(found);
        // Clocks of hosts differ, backwards too.
        let wall = 1_000_000 + self.now / MS - self.rng.u64(0..500_000).min(self.now / MS);
        let at_least = claim_at_least(wall, seen.into_iter().map(|(_, position)| position));
        Some(Call::Claim { name, at_least, by, found })
    }

    fn begin(&mut self, name: usize, epoch: u64) {
        if self.lives.iter().any(|life| life.name == name && life.epoch == epoch) {
            return; // A clock that stood still for a whole life; the node tries again.
        }
        let sender = Sender::new(epoch, GROUPS, self.sender_limits, self.now);
        self.note(|| format!("life {epoch} of {name} starts"));
        let (calls, replies, control, patience) = Default::default();
        self.lives.push(Life { name, epoch, sender, alive: true, server: None, calls, replies, control, patience });
        if self.cuts_early && self.rng.bool() {
            self.cut_before(self.lives.len() - 1);
        }
    }

    /// It published before it had a life, more than it may hold.
    fn cut_before(&mut self, at: usize) {
        let (cut, life) = (self.rng.u64(1..40), &mut self.lives[at]);
        life.sender.cut_before(cut, &mut self.acts);
        let (name, epoch) = (life.name, life.epoch);
        for seq in 1..=cut {
            self.sources[name].events.insert(Position::new(epoch, seq), Event::default());
        }
        self.count("a cut before the channel");
        self.carry_out(at);
    }

    pub(super) fn publish(&mut self) -> Done {
        let Some(life) = self.pick(|world, at| world.lives[at].alive, self.lives.len()) else {
            let name = self.rng.usize(0..NAMES);
            self.start(name);
            return Ok(());
        };
        self.publish_from(life);
        Ok(())
    }

    pub(super) fn publish_from(&mut self, at: usize) {
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
    pub(super) fn carry_out(&mut self, at: usize) {
        let mut acts = std::mem::take(&mut self.acts);
        for act in acts.drain(..) {
            let life = &mut self.lives[at];
            let (name, epoch) = (life.name, life.epoch);
            let call = match act {
                Act::Open { confirmed } => {
                    let known = life.sender.acknowledgements().map(|(group, at)| (group.to_owned(), at));
                    Call::Open { name, epoch, confirmed, acknowledged: known.collect() }
                }
                Act::Append { first, last } => {
                    let frames = life.sender.frames(first, last);
                    let frames = frames.map(|outgoing| (outgoing.first, outgoing.last, outgoing.frame.to_vec()));
                    Call::Append { name, epoch, frames: frames.collect() }
                }
                Act::Trim { upto, waiting } => {
                    let groups = life.sender.waited_for().filter(|_| waiting).map(str::to_owned).collect();
                    if !waiting {
                        self.skips(at, upto.seq);
                        self.count("a skip");
                    }
                    Call::Trim { name, epoch, upto, groups }
                }
                Act::Repeat { first, last } => {
                    let frames = life.sender.frames(first, last).map(|outgoing| outgoing.frame.to_vec()).collect();
                    self.count("a hole that is said again");
                    Call::Repeat { name, frames }
                }
                Act::Mend { at, upto } => Call::Mend { name, epoch, at, upto },
                Act::ReadAcknowledged => Call::Acknowledged { name },
                Act::Cut { last, .. } => {
                    self.was_cut(at, last);
                    self.count("a cut");
                    continue;
                }
                Act::Behind { .. } => continue,
                Act::CutOff { group } => {
                    let place = Position::new(epoch, life.sender.outbox().base());
                    self.count("a group that is kept what was not cut");
                    self.was_cut_off(at, group);
                    self.cut_off.insert((name, epoch, group), (self.now, place));
                    continue;
                }
                Act::GivenUp { group } => {
                    self.count("a group given up");
                    self.note(|| format!("life {epoch} of {name} gives group {group} up"));
                    self.check_given_up(at, group);
                    self.check_patience(at, group);
                    if self.members[group * NAMES + name].hangs {
                        self.count("a group given up that lives and applies nothing");
                    }
                    continue;
                }
                Act::ServerLost { .. } => {
                    self.count("a server that lost something");
                    continue;
                }
                Act::SnapshotWanted { group } => {
                    let position = self.lives[at].sender.snapshot_made(self.now, group);
                    let member = group * NAMES + name;
                    self.check_stamp(at, member, position);
                    self.members[member].mail.push(Mail::Snapshot { made_by: epoch, position });
                    continue;
                }
                Act::Fenced { by } => {
                    self.count("a sender fenced");
                    self.check_fenced(name, epoch, by);
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
    pub(super) fn end(&mut self, at: usize) {
        let (name, epoch) = (self.lives[at].name, self.lives[at].epoch);
        self.note(|| format!("life {epoch} of {name} ends"));
        self.cut_life(at);
        self.lives[at].alive = false;
        self.mark_lost();
    }
}
