//! Servers: which call is handled next, what it published, and the way of the answers.

use libra_net::durable::{Bounds, Delivery, Entry, Opened, Passed, Received, Refusal, Reply, Run, Why};
use libra_net::ids::Position;

use super::{Control, Done, GROUPS, NAMES, Push, World};
use crate::server::{Answer, Call, Frame, Published, Stored};

impl World {
    /// Runs a call on a server and writes down what it changed.
    pub(super) fn run(&mut self, server: usize, call: &Call) -> Answer {
        let mut published = Vec::new();
        if self.refuses.refuses(call, || self.rng.bool()) {
            return Answer::Refused(Refusal::Failed);
        }
        let answer = self.servers[server].call(call, &mut published);
        self.note(|| format!("server {server}: {call:?} -> {answer:?}"));
        match (call, &answer) {
            (Call::Open { name, epoch, acknowledged, .. }, Answer::Opened { .. }) => {
                self.sources[*name].opened = self.sources[*name].opened.max(*epoch);
                self.opened_late[*name] = self.knows_more_than(*name, acknowledged);
            }
            (Call::Claim { .. }, Answer::Refused(_)) => self.count("a late claim refused"),
            (Call::Open { .. } | Call::Append { .. }, Answer::Refused(refusal)) => match refusal {
                Refusal::Gap { .. } => self.count("a gap at the server"),
                Refusal::Incarnation => self.count("an incarnation refused"),
                Refusal::Fenced { .. } => self.count("a call fenced"),
                Refusal::Failed => {}
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
    pub(super) fn serve(&mut self) -> Done {
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

    pub(super) fn run_checked(&mut self, server: usize, call: &Call) -> Result<Answer, String> {
        let said: &[(String, Position)] = match call {
            Call::Ack { group, upto, .. } => &[(group.clone(), *upto)],
            Call::Open { acknowledged, .. } => acknowledged,
            _ => &[],
        };
        for (group, upto) in said {
            let (group, name) =
                (GROUPS.iter().position(|known| known == group).expect("a declared group"), call.name());
            let most = self.ledgers[group * NAMES + name].most;
            if *upto > most {
                return Err(format!("group {group} acknowledges {upto} of {name} and has applied {most}"));
            }
        }
        Ok(self.run(server, call))
    }

    pub(super) fn serve_life(&mut self, at: usize) -> Done {
        let (Some(server), Some(call)) = (self.lives[at].server, self.lives[at].calls.pop_front()) else {
            return Ok(());
        };
        let answer = self.run_checked(server, &call)?;
        self.lives[at].replies.push_back((call, answer));
        Ok(())
    }

    pub(super) fn serve_member(&mut self, at: usize) -> Done {
        let (Some(server), Some(call)) = (self.members[at].server, self.members[at].calls.pop_front()) else {
            return Ok(());
        };
        if matches!(call, Call::Read { .. }) {
            self.members[at].begins_at = self.begins_at(at);
        }
        let answer = self.run_checked(server, &call)?;
        self.members[at].replies.push_back((call, answer));
        Ok(())
    }

    /// The living publisher, connected or not, and how far it knows the group to have come: so far it begins when it has forgotten that
    /// itself, whatever the server has lost, and whatever server it finds.
    pub(super) fn known_of(&self, at: usize) -> (u64, Position) {
        let name = self.members[at].name;
        let mut living = self.lives.iter().filter(|life| life.alive && life.name == name);
        let life = living.find(|life| life.epoch == self.sources[name].opened);
        life.map_or((0, Position::default()), |life| {
            (life.epoch, life.sender.groups().all()[self.members[at].group].acknowledged)
        })
    }

    /// What an `open` brings back that was on its way meanwhile is older, until the publisher has looked.
    fn begins_at(&self, at: usize) -> Position {
        let (epoch, known) = self.members[at].known;
        let still = self.known_of(at).0 == epoch && !self.opened_late[self.members[at].name];
        if still { known } else { Position::default() }
    }

    /// Whether the living publisher knows of more that is acknowledged.
    fn knows_more_than(&self, name: usize, said: &[(String, Position)]) -> bool {
        let members = (0..self.members.len()).filter(|at| self.members[*at].name == name);
        members.map(|at| (self.members[at].group, self.known_of(at).1)).any(|(group, known)| {
            let said = said.iter().find(|(name, _)| name == GROUPS[group]);
            said.is_none_or(|(_, place)| *place < known)
        })
    }

    pub(super) fn subscribe(&mut self, at: usize) {
        if let Some(sub) = &mut self.members[at].subscription {
            sub.active = true;
            sub.queue.push_back(Push::Subscribed);
        }
    }

    // --- answers ---

    pub(super) fn answer(&mut self) -> Done {
        let lives = self.lives.len();
        let ready = |world: &World, at: usize| match at < lives {
            true => !world.lives[at].replies.is_empty(),
            false => !world.members[at - lives].replies.is_empty(),
        };
        let Some(at) = self.pick(ready, lives + self.members.len()) else { return Ok(()) };
        if at < lives { self.answer_life(at) } else { self.answer_member(at - lives) }
    }

    pub(super) fn answer_life(&mut self, at: usize) -> Done {
        let Some((call, answer)) = self.lives[at].replies.pop_front() else { return Ok(()) };
        let refused = match &answer {
            Answer::Refused(refusal) => Some(*refusal),
            _ => None,
        };
        let reply = match (call, answer) {
            (Call::Open { .. }, Answer::Opened { top, floor, acknowledged }) => {
                self.taken(at, |_| top);
                self.told_all(at, &acknowledged);
                Reply::Opened(Ok(Opened { top, floor, acknowledged }))
            }
            (Call::Append { name, epoch, frames }, Answer::Appended) => {
                let (first, last) = (frames[0].0, frames[frames.len() - 1].1);
                for seq in first..=last {
                    let event = self.sources[name].events.get_mut(&Position::new(epoch, seq));
                    event.expect("it was published").confirmed = true;
                }
                self.taken(at, |there| there.max(last));
                Reply::Appended(Ok(()))
            }
            (Call::Mend { at: hole, .. }, Answer::Floor(floor)) => {
                if floor > hole {
                    self.count("a hole that nobody can fill");
                }
                self.taken(at, |there| there);
                Reply::Trimmed(Ok(floor))
            }
            (Call::Repeat { .. }, _) => return Ok(()),
            (Call::Trim { .. }, Answer::Floor(floor)) => {
                self.taken(at, |there| there);
                Reply::Trimmed(Ok(floor))
            }
            (Call::Acknowledged { .. }, Answer::Acknowledged(all)) => {
                self.told_all(at, &all);
                Reply::Acknowledged(Ok(all))
            }
            (call, answer) => {
                let Some(refusal) = refused else { return Err(format!("{call:?} was answered by {answer:?}")) };
                match call {
                    Call::Open { .. } => {
                        if refusal == Refusal::Failed {
                            self.not_taken(at);
                        }
                        Reply::Opened(Err(refusal))
                    }
                    Call::Append { .. } => Reply::Appended(Err(refusal)),
                    _ => Reply::Trimmed(Err(refusal)),
                }
            }
        };
        self.lives[at].sender.reply(self.now, reply, &mut self.acts);
        self.carry_out(at);
        self.took_applied(at);
        Ok(())
    }

    fn told_all(&mut self, at: usize, all: &[(String, Position)]) {
        for (name, upto) in all {
            if let Some(group) = GROUPS.iter().position(|known| known == name) {
                self.told_applied(at, group, *upto);
            }
        }
    }

    pub(super) fn answer_member(&mut self, at: usize) -> Done {
        let Some((call, answer)) = self.members[at].replies.pop_front() else { return Ok(()) };
        let now = self.now;
        let receiver = &mut self.members[at].receiver;
        match (call, answer) {
            (Call::Ack { .. }, answer) => receiver.acknowledged(now, answer != refused_failed()),
            (Call::Read { .. }, Answer::Found(found)) => {
                let (more, is_lost) = (found.more, found.is_lost);
                let bounds = found.bounds.map(|(top, floor)| Bounds { top, floor });
                let mut entries = found.entries.into_iter().map(|(id, frame)| entry(id, frame)).collect();
                let had = receiver.position();
                let out = &mut self.deliveries;
                receiver.read(now, None, found.acknowledged, bounds, &mut entries, more, is_lost, out);
                // Nowhere is a place that it may still leave for what the server knows.
                let begins = receiver.position() != had && had.unwrap_or_default() == Position::default();
                let is_dead = receiver.is_dead();
                if had.is_none() && !begins {
                    self.count("a group that waits for its place");
                }
                if begins {
                    let known = self.members[at].begins_at;
                    let start = found.acknowledged.unwrap_or_default();
                    let ledger = &mut self.ledgers[at];
                    if start > ledger.most {
                        return Err(format!("a group begins at {start} and never had more than {}", ledger.most));
                    }
                    // Nobody else knows it, and it asks for it. Where the server has no channel there is nothing that it could be given.
                    if start < known && !is_dead && bounds.is_some() {
                        return Err(format!(
                            "a group begins at {start}, and its living publisher knows that it had {known}"
                        ));
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
    pub(super) fn deliver(&mut self, at: usize) -> Done {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        for delivery in deliveries.drain(..) {
            let (name, group) = (self.members[at].name, GROUPS[self.members[at].group].to_owned());
            self.note(|| format!("group {group} of {name}: {delivery:?}"));
            match delivery {
                Delivery::Read { after, count } => {
                    let bytes = self.read_bytes;
                    self.members[at].calls.push_back(Call::Read { name, group, after, count, bytes });
                }
                Delivery::Ack { upto } => self.members[at].calls.push_back(Call::Ack { name, group, upto }),
                Delivery::AskSnapshot { at: asks_from } => {
                    let from = self.members[at].group;
                    for life in self.lives.iter_mut().filter(|life| life.alive && life.name == name) {
                        life.control.push(Control::Ask(from, asks_from));
                    }
                }
                Delivery::Fence { epoch } => {
                    for life in self.lives.iter_mut().filter(|life| life.alive && life.name == name) {
                        life.control.push(Control::Fence(epoch));
                    }
                }
                Delivery::Gap { open } => self.count(if open { "a gap" } else { "a gap closed" }),
                Delivery::Lost { passed, why, certain } => {
                    self.check_lost(at, passed, why, certain)?;
                    self.members[at].todo.push_back(delivery);
                }
                _ => self.members[at].todo.push_back(delivery),
            }
        }
        self.deliveries = deliveries;
        Ok(())
    }

    /// Whether the life that lasts is these events' own, and holds some of them.
    fn is_held(&self, name: usize, run: Run) -> bool {
        let living = self.lives.iter().filter(|life| life.alive && life.name == name);
        let newest = living.max_by_key(|life| life.epoch).filter(|life| life.epoch == run.epoch);
        let lasts = newest.filter(|life| !life.sender.is_fenced() && self.sources[name].opened <= life.epoch);
        lasts.is_some_and(|life| life.sender.outbox().base() < run.last)
    }

    /// `GAP_LOST` is said only when the source is over or the frame is of no use.
    pub(super) fn check_lost(&mut self, at: usize, passed: Passed, why: Why, certain: bool) -> Done {
        let (name, upto) = (self.members[at].name, passed.upto);
        self.count(match (why, certain) {
            (Why::Undecodable, _) => "lost: undecodable",
            (Why::Torn, _) => "lost: torn",
            (Why::Trimmed, true) => "lost: trimmed",
            (Why::Trimmed, false) => "lost: perhaps trimmed",
            (Why::ServerLost, _) => "lost: by the server",
        });
        if certain && why == Why::ServerLost && upto.seq == 0 && passed.known > passed.after.seq {
            self.count("lost: known, up to a life");
        }
        // Up to where a life begins: all of the lives before it.
        let ends = if upto.seq == 0 { upto.epoch } else { upto.epoch + 1 };
        let begins = !certain && passed.after == Position::default();
        let over = self.sources[name].opened >= ends || why == Why::Torn || begins;
        if why == Why::Undecodable {
            let bad = self.sources[name].events.get(&upto).is_some_and(|event| event.bad);
            return if bad { Ok(()) } else { Err(format!("{upto} can be decoded, and was called lost")) };
        }
        if !over {
            return Err(format!("lost up to {upto} ({why:?}), and its publisher lives"));
        }
        if !certain && passed.after > Position::default() && passed.known > passed.after.seq {
            return Err(format!("{passed:?} is called uncertain ({why:?}), and the group knew of those events"));
        }
        if let Some(held) = passed.runs().find(|run| certain && self.is_held(name, *run)) {
            return Err(format!("{held:?} are called lost ({why:?}), and their living publisher holds them"));
        }
        // A snapshot may be ahead of all that was ever appended: then its position is what the server lacks.
        if why == Why::ServerLost && !self.lost_data {
            return Err(format!("lost up to {upto} ({why:?}), and no server lost anything"));
        }
        Ok(())
    }
}

fn refused_failed() -> Answer {
    Answer::Refused(Refusal::Failed)
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
