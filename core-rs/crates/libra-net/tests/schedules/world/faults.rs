//! Connections, and everything that goes wrong.

use std::collections::VecDeque;

use libra_net::durable::Receiver;

use super::{Done, Faults, Mail, NAMES, Orphan, Refuses, Subscription, World};
use crate::real::some_entries;
use crate::server::{Call, Key, Model, Server};

impl World {
    pub(super) fn connect_one(&mut self) -> Done {
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
    pub(super) fn connect(&mut self, at: usize) -> Done {
        let (lives, members, server) = (self.lives.len(), self.members.len(), self.current);
        if at < lives {
            self.lives[at].server = Some(server);
            self.lives[at].sender.connected(&mut self.acts);
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

    pub(super) fn leave(&mut self, server: usize, mut calls: VecDeque<Call>) {
        // What is still on its way may be lost from any place on.
        let kept = self.rng.usize(0..=calls.len());
        calls.truncate(kept);
        if !calls.is_empty() && self.faults == Faults::All {
            self.orphans.push(Orphan { server, calls });
        }
    }

    pub(super) fn cut_life(&mut self, at: usize) {
        let life = &mut self.lives[at];
        let Some(server) = life.server.take() else { return };
        self.gone(at);
        let life = &mut self.lives[at];
        let calls = std::mem::take(&mut life.calls);
        life.replies.clear();
        life.sender.disconnected(self.now);
        self.leave(server, calls);
    }

    pub(super) fn cut_member(&mut self, at: usize) {
        let member = &mut self.members[at];
        let Some(server) = member.server.take() else { return };
        let calls = std::mem::take(&mut member.calls);
        member.replies.clear();
        member.receiver.disconnected();
        self.leave(server, calls);
    }

    pub(super) fn cut_subscription(&mut self, at: usize) {
        let member = &mut self.members[at];
        if member.subscription.take().is_some() {
            member.receiver.unsubscribed();
        }
    }

    pub(super) fn cut_all(&mut self, server: usize) {
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

    pub(super) fn fault(&mut self) {
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
            55..57 => self.delete_entries(),
            57..60 => {
                let name = self.rng.usize(0..NAMES);
                if self.lives.iter().any(|life| life.alive && life.name == name) {
                    self.count("two publishers with one name");
                }
                self.start(name);
            }
            60 if !self.loses_places => self.forget(),
            61 => self.lose_key(),
            62..66 => {
                let any = self.rng.usize(0..members);
                let hung = self.pick(|world, at| world.members[at].hangs, members).filter(|_| any.is_multiple_of(2));
                let member = &mut self.members[hung.unwrap_or(any)];
                member.hangs = !member.hangs;
                if !member.hangs && !member.todo.is_empty() {
                    self.count("a group that hung goes on");
                }
            }
            66..75 => self.replica = self.servers[self.current].copy(1),
            75..80 => self.restart(),
            80..90 => self.fail_over(),
            90..94 => {
                let at = self.rng.usize(0..members);
                self.members[at].mail.push(Mail::Dead);
            }
            94..98 => self.refuse(),
            _ if all => {
                // Servers that were left behind come to their end.
                (0..self.current).for_each(|server| self.cut_all(server));
            }
            _ => {}
        }
    }

    /// The server refuses from now on, or takes everything again.
    fn refuse(&mut self) {
        if self.refuses == Refuses::Writes && self.now - self.refuses_since > self.sender_limits.stale_after {
            self.count("a server that took nothing for longer than a group is waited for");
        }
        let kinds = [Refuses::Some, Refuses::Events, Refuses::Writes];
        self.refuses = match self.refuses {
            Refuses::Nothing => kinds[self.steps as usize % kinds.len()],
            _ => Refuses::Nothing,
        };
        self.refuses_since = self.now;
        let refuses = self.refuses;
        self.note(|| format!("the server refuses: {refuses:?}"));
    }

    /// A group's node dies, and comes back with what it applied, or without.
    pub(super) fn crash(&mut self, at: usize, keeps: bool) {
        self.count(if keeps { "a group restarted" } else { "a group that forgot" });
        self.cut_member(at);
        self.cut_subscription(at);
        let known = self.known_of(at);
        let member = &mut self.members[at];
        member.known = known;
        member.todo.clear();
        member.hangs = false;
        member.mail.clear();
        let position = self.ledgers[at].cursor.filter(|_| keeps);
        member.receiver = Receiver::new(position, self.receiver_limits);
        if !keeps {
            self.ledgers[at].cursor = None;
        }
    }

    /// All data are gone; the connections may hold, as after FLUSHALL.
    pub(super) fn forget(&mut self) {
        self.count("the server forgot everything");
        self.note(|| "the server forgets everything".to_owned());
        self.servers[self.current].forget();
        (self.lost_data, self.forgot) = (true, true);
        if self.rng.bool() {
            self.cut_all(self.current);
        }
        self.mark_lost();
    }

    /// One key is gone, as by an eviction or a hand that slipped; the connections hold.
    pub(super) fn lose_key(&mut self) {
        let name = self.rng.usize(0..NAMES);
        let key = [Key::Stream, Key::Bounds, Key::Acknowledged, Key::Epochs][self.rng.usize(0..4)];
        self.count("the server lost a key");
        self.note(|| format!("the server loses {key:?} of {name}"));
        self.servers[self.current].lose(name, key);
        (self.lost_data, self.forgot) = (true, true);
        self.mark_lost();
    }

    /// The hash of a channel's acknowledgements is gone, and a group is started again that does not know how far it had come.
    pub(super) fn lose_places(&mut self) {
        let at = self.rng.usize(0..self.members.len());
        let name = self.members[at].name;
        self.note(|| format!("the server loses the acknowledgements of {name}"));
        self.servers[self.current].lose(name, Key::Acknowledged);
        (self.lost_data, self.forgot) = (true, true);
        self.mark_lost();
        if self.rng.bool() {
            self.crash(at, false);
        }
    }

    /// Somebody copies what the server has; or it comes back with such a copy, and a group is started again that does not know how far it had
    /// come.
    pub(super) fn come_back_older(&mut self) -> Done {
        match self.replica.take_if(|_| self.rng.bool()) {
            None => self.replica = self.servers[self.current].copy(1),
            Some(older) => {
                self.cut_all(self.current);
                (self.lost_data, self.forgot) = (true, true);
                self.next_server(older);
                let at = self.rng.usize(0..self.members.len());
                self.crash(at, false);
                // All of them connect soon, in any order.
                for _ in 0..self.lives.len() + 2 * self.members.len() {
                    self.connect_one()?;
                    self.serve()?;
                    self.push()?;
                    self.answer()?;
                }
            }
        }
        Ok(())
    }

    /// Entries are deleted by hand, somewhere in a stream; the connections hold.
    fn delete_entries(&mut self) {
        let name = self.rng.usize(0..NAMES);
        let look = self.servers[self.current].look(name);
        let gone = some_entries(&mut self.rng, &look);
        self.count("somebody deleted entries");
        self.note(|| format!("somebody deletes {gone:?} of {name}"));
        self.servers[self.current].delete(name, &gone);
        (self.lost_data, self.forgot) = (true, true);
        self.mark_lost();
    }

    /// A publisher has two lives that say nothing, and somebody deletes what a group knows of and has not read, with the beginning of
    /// the first: what the stream has then says of no event that it is missing.
    pub(super) fn lives_without_a_word(&mut self) -> Done {
        let lags = |world: &World, at: usize| world.members[at].receiver.held() > 0;
        let Some(member) = self.pick(lags, self.members.len()) else { return Ok(()) };
        let (name, Some(position)) = (self.members[member].name, self.members[member].receiver.position()) else {
            return Ok(());
        };
        for _ in 0..2 {
            for at in 0..self.lives.len() {
                if self.lives[at].alive && self.lives[at].name == name {
                    self.end(at);
                }
            }
            self.start(name);
            let Some(at) = self.lives.iter().rposition(|life| life.alive && life.name == name) else { return Ok(()) };
            self.connect(at)?;
            self.serve_life(at)?;
            self.answer_life(at)?;
        }
        let ids: Vec<_> = self.servers[self.current].look(name).entries.iter().map(|(id, _)| *id).collect();
        let gone: Vec<_> = ids.iter().copied().filter(|id| *id > position && Some(id) != ids.last()).collect();
        self.count("lives without a word");
        self.note(|| format!("somebody deletes {gone:?} of {name}"));
        self.servers[self.current].delete(name, &gone);
        (self.lost_data, self.forgot) = (true, true);
        self.mark_lost();
        Ok(())
    }

    pub(super) fn next_server(&mut self, model: Model) {
        self.runs += 1;
        let Some(server) = model.copy(self.runs) else { return };
        self.servers.push(Box::new(server));
        self.current = self.servers.len() - 1;
        let current = self.current;
        self.note(|| format!("server {current} takes over"));
        self.mark_lost();
    }

    /// The server restarts: with its data, with those of some time ago, or without any.
    pub(super) fn restart(&mut self) {
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
    pub(super) fn fail_over(&mut self) {
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
}
