//! What has to hold after each step, and at the end.

use libra_net::durable::Delivery;
use libra_net::ids::Position;

use super::{Done, Faults, Life, MS, NAMES, Refuses, World};
use crate::server::{Call, Frame, Stored};

impl World {
    /// A fault took things away: those are lost for good, and their groups have to be told some day.
    pub(super) fn mark_lost(&mut self) {
        for (at, lost) in self.unrecoverable() {
            self.ledgers[at].lost.extend(lost);
        }
    }

    /// For each group and publisher, the events that are owed and that are nowhere any more.
    pub(super) fn unrecoverable(&mut self) -> Vec<(usize, Vec<Position>)> {
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

    /// A snapshot stands for what nobody has: neither the stream of its publisher's server, nor the outbox. Of a frame that is
    /// acknowledged in part, both have all.
    pub(super) fn check_stamp(&mut self, life: usize, member: usize, stamp: Position) {
        let (name, server) = (self.lives[life].name, self.lives[life].server);
        let (Some(server), Some(at)) = (server, self.members[member].receiver.position()) else { return };
        let mut frames: Vec<(u64, u64, u64)> = Vec::new();
        for (id, stored) in self.servers[server].look(name).entries {
            if let Stored::Frame(frame) = stored {
                frames.push((id.epoch, Frame::read(&frame).first, id.seq));
            }
        }
        let (epoch, sender) = (self.lives[life].epoch, &self.lives[life].sender);
        frames.extend(sender.outbox().frames(0, u64::MAX).map(|held| (epoch, held.first, held.last)));
        let behind = Position::new(stamp.epoch, stamp.seq + 1);
        let mut covered = self.sources[name].owed(at, behind);
        let there = covered.find(|event| {
            let has = |(epoch, first, last): &(u64, u64, u64)| {
                *epoch == event.epoch
                    && (*first..=*last).contains(&event.seq)
                    && !(stamp.epoch == *epoch && (*first..=*last).contains(&stamp.seq))
            };
            frames.iter().any(has)
        });
        if let Some(there) = there {
            self.broken = Some(format!("a snapshot of {name} up to {stamp} stands for {there}, which is there"));
        }
    }

    /// A life ends by another that there was, or that was claimed by somebody who knew of it. A server that forgot everything takes
    /// late claims for early ones.
    pub(super) fn check_fenced(&mut self, name: usize, epoch: u64, by: u64) {
        let was = self.lives.iter().any(|life| life.name == name && life.epoch == by);
        if !was && !self.forgot && self.sources[name].looked_for < epoch {
            self.broken = Some(format!("life {epoch} of {name} is ended by {by}, which never was"));
        }
    }

    /// Who could not acknowledge while facts were cut is given up only for what it does not do later.
    pub(super) fn check_given_up(&mut self, life: usize, group: usize) {
        let (name, epoch) = (self.lives[life].name, self.lives[life].epoch);
        let Some((since, place)) = self.cut_off.remove(&(name, epoch, group)) else { return };
        let came_so_far = self.ledgers[group * NAMES + name].most >= place;
        if !came_so_far && self.now - since < self.sender_limits.stale_after {
            self.broken =
                Some(format!("group {group} is given up for what was cut of {name} up to {place} in an outage"));
        }
    }

    /// What has to hold after every step.
    pub(super) fn check(&mut self) -> Done {
        if let Some(what) = self.broken.take() {
            return Err(what);
        }
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
                // A snapshot on its way stands for what lies below its stamp; behind it, up to what the sender holds, the
                // group has only the stream, which a trim from before may still cut.
                let groups = life.sender.groups();
                let upto = life.sender.catches_up(group).or(groups.position(group));
                let stamped = missing.last().is_some_and(|last| upto >= Some(*last));
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
        (self.faults, self.refuses) = (Faults::None, Refuses::Nothing);
        self.members.iter_mut().for_each(|member| member.hangs = false);
        self.all_go_on()?;
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
    pub(super) fn round(&mut self) -> Done {
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

    pub(super) fn is_settled(&self) -> bool {
        let idle = |at: usize| {
            let member = &self.members[at];
            let life = self.lives.iter().find(|life| life.alive && life.name == member.name);
            let end = life.map(|life| Position::new(life.epoch, life.sender.next_seq() - 1));
            member.todo.is_empty() && self.ledgers[at].cursor == end && !member.receiver.has_gap()
        };
        // What is acknowledged is looked for again and again.
        let says_nothing = |life: &Life| life.calls.iter().all(|call| matches!(call, Call::Acknowledged { .. }));
        let empty = |life: &Life| !life.alive || (life.sender.outbox().events() == 0 && says_nothing(life));
        (0..self.members.len()).all(idle) && self.lives.iter().all(empty)
    }
}

fn events(delivery: &Delivery<Frame>) -> u64 {
    match delivery {
        Delivery::Events { first, last, skip, .. } => last + 1 - first - skip,
        _ => 0,
    }
}
