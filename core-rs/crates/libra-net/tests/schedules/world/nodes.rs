//! The groups' nodes: what they are handed, and the messages that go without a promise.

use libra_net::durable::Delivery;
use libra_net::ids::Position;

use super::{Control, Done, Faults, Mail, NAMES, Push, World};
use crate::server::Frame;

impl World {
    pub(super) fn push(&mut self) -> Done {
        let ready =
            |world: &World, at: usize| world.members[at].subscription.as_ref().is_some_and(|sub| !sub.queue.is_empty());
        match self.pick(ready, self.members.len()) {
            Some(at) => self.take_push(at),
            None => Ok(()),
        }
    }

    pub(super) fn take_push(&mut self, at: usize) -> Done {
        let member = &mut self.members[at];
        let Some(push) = member.subscription.as_mut().and_then(|sub| sub.queue.pop_front()) else { return Ok(()) };
        match push {
            Push::Subscribed => member.receiver.subscribed(self.now, &mut self.deliveries),
            Push::Frame(bytes) => {
                let frame = Frame::read(&bytes);
                let (epoch, first, last) = (frame.epoch, frame.first, frame.last);
                match frame.bad {
                    true => member.receiver.undecodable(self.now, epoch, first, last, &mut self.deliveries),
                    false => member.receiver.live(self.now, epoch, first, last, frame, &mut self.deliveries),
                }
            }
        }
        self.deliver(at)
    }

    /// A node handles one thing that it was handed, unless its handlers wait for what does not come: the rest of it lives.
    pub(super) fn work(&mut self) -> Done {
        let ready = |world: &World, at: usize| !world.members[at].todo.is_empty() && !world.members[at].hangs;
        match self.pick(ready, self.members.len()) {
            Some(at) => self.work_at(at),
            None => Ok(()),
        }
    }

    pub(super) fn work_at(&mut self, at: usize) -> Done {
        let member = &mut self.members[at];
        let Some(todo) = member.todo.pop_front() else { return Ok(()) };
        let (ledger, source) = (&mut self.ledgers[at], &self.sources[member.name]);
        let mut handed = None;
        let upto = match todo {
            Delivery::Events { epoch, first, last, skip, frame } => {
                handed = Some((epoch, first + skip, last)).filter(|_| member.actors.is_some());
                if (frame.publisher, frame.epoch, frame.first, frame.last) != (member.name as u64, epoch, first, last) {
                    return Err(format!("{frame:?} was handed over as {epoch}-{first}..{last}"));
                }
                ledger.apply(source, epoch, first + skip, last, self.forgot)?;
                Position::new(epoch, last)
            }
            Delivery::Life { begins } => {
                ledger.enters(source, begins, self.forgot)?;
                begins
            }
            Delivery::Snapshot { passed, .. } => {
                ledger.passes(source, "snapshot", passed)?;
                *self.cover.entry("a snapshot").or_default() += 1;
                passed.upto
            }
            Delivery::Lost { passed, .. } => {
                ledger.passes(source, "lost", passed)?;
                passed.upto
            }
            other => return Err(format!("{other:?} is not for a node")),
        };
        if let Some((epoch, first, last)) = handed {
            return self.act(at, epoch, first, last);
        }
        member.receiver.applied(self.now, upto, &mut self.deliveries);
        self.deliver(at)
    }

    /// One message arrives of those that go without a promise: in any order, or not at all.
    pub(super) fn post(&mut self) -> Done {
        let lives = self.lives.len();
        let ready = |world: &World, at: usize| match at < lives {
            true => world.lives[at].alive && !world.lives[at].control.is_empty(),
            false => !world.members[at - lives].mail.is_empty(),
        };
        let Some(at) = self.pick(ready, lives + self.members.len()) else { return Ok(()) };
        let lost = !matches!(self.faults, Faults::None | Faults::Actors) && self.rng.u8(..) < 50;
        if at < lives { self.take_control(at, lost) } else { self.take_mail(at - lives, lost) }
    }

    pub(super) fn take_control(&mut self, at: usize, lost: bool) -> Done {
        let which = self.rng.usize(0..self.lives[at].control.len());
        let message = self.lives[at].control.swap_remove(which);
        match &message {
            Control::Acknowledged(group, upto) if !lost => self.told_applied(at, *group, *upto),
            Control::Ask(group, _) if !lost => self.asked(at, *group),
            _ => {}
        }
        let life = &mut self.lives[at];
        match message {
            _ if lost => {}
            Control::Acknowledged(group, upto) => life.sender.acknowledged(self.now, group, upto, &mut self.acts),
            Control::Fence(epoch) => life.sender.heard_of(epoch, &mut self.acts),
            Control::Ask(group, at) => life.sender.snapshot_requested(self.now, group, at, &mut self.acts),
        }
        self.carry_out(at);
        self.took_applied(at);
        Ok(())
    }

    pub(super) fn take_mail(&mut self, at: usize, lost: bool) -> Done {
        let which = self.rng.usize(0..self.members[at].mail.len());
        let member = &mut self.members[at];
        let (receiver, out) = (&mut member.receiver, &mut self.deliveries);
        match member.mail.swap_remove(which) {
            _ if lost => {}
            Mail::Snapshot { made_by, position } => {
                let frame =
                    Frame { publisher: member.name as u64, epoch: position.epoch, first: 0, last: 0, bad: false };
                receiver.snapshot(self.now, made_by, position, frame, out);
            }
            Mail::Beacon(confirmed) => receiver.beacon(self.now, confirmed, out),
            Mail::Dead => receiver.dead(self.now, out),
        }
        self.deliver(at)
    }

    pub(super) fn beacons(&mut self) {
        for life in self.lives.iter().filter(|life| life.alive && life.server.is_some()) {
            for member in self.members.iter_mut().filter(|member| member.name == life.name) {
                member.mail.push(Mail::Beacon(life.sender.confirmed()));
            }
        }
        for name in 0..NAMES {
            if !self.lives.iter().any(|life| life.alive && life.name == name) {
                self.members.iter_mut().filter(|member| member.name == name).for_each(|m| m.mail.push(Mail::Dead));
            }
        }
    }

    pub(super) fn wait(&mut self, span: u64) -> Done {
        let until = self.now + span;
        // No machine waits longer than its own deadline.
        for at in 0..self.lives.len() {
            while let Some(due) = self.lives[at].sender.deadline().filter(|due| *due <= until && self.lives[at].alive) {
                self.now = self.now.max(due);
                self.lives[at].sender.tick(self.now, &mut self.acts);
                self.carry_out(at);
                if self.lives[at].sender.deadline() == Some(due) {
                    break;
                }
            }
        }
        self.now = self.now.max(until);
        self.come_round()?;
        for at in 0..self.members.len() {
            if self.members[at].receiver.deadline().is_some_and(|due| due <= self.now) {
                self.members[at].receiver.tick(self.now, &mut self.deliveries);
                self.deliver(at)?;
            }
        }
        Ok(())
    }
}
