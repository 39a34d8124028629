//! Whom a life may give up: what each group owed it and for how long, by what servers answered and not by what its sender
//! believes.

use libra_net::ids::Position;

use super::{GROUPS, World};

/// What a life has seen of its groups.
#[derive(Default)]
pub struct Patience {
    /// Its server took the last thing that was to be written, and the connection stands.
    is_heard: bool,
    /// What that server has of it.
    there: u64,
    groups: [Owing; GROUPS.len()],
}

#[derive(Clone, Copy, Default)]
struct Owing {
    told: Position,
    /// So long it owed something, and could have acknowledged it.
    spent: u64,
    /// Up to when that was counted.
    counted: u64,
    /// Facts were cut that it had not, with more on its server than it had.
    missed: bool,
    is_kept: bool,
    was_given_up: bool,
}

impl Patience {
    fn count(&mut self, epoch: u64, now: u64) {
        let there = Position::new(epoch, self.there);
        for group in &mut self.groups {
            if self.is_heard && self.there > 0 && group.told < there {
                group.spent += now - group.counted;
            } else if self.is_heard {
                group.spent = 0;
            }
            group.counted = now;
        }
    }
}

impl World {
    fn count_patience(&mut self, life: usize) {
        let (now, life) = (self.now, &mut self.lives[life]);
        life.patience.count(life.epoch, now);
    }

    /// Its server has taken something, and has events up to here.
    pub(super) fn taken(&mut self, life: usize, there: impl FnOnce(u64) -> u64) {
        self.count_patience(life);
        let patience = &mut self.lives[life].patience;
        (patience.is_heard, patience.there) = (true, there(patience.there));
    }

    /// It goes on behind what it does not hold any more.
    pub(super) fn skips(&mut self, life: usize, upto: u64) {
        let patience = &mut self.lives[life].patience;
        patience.there = patience.there.max(upto);
    }

    /// Its server takes nothing: since it last did, nobody could acknowledge.
    pub(super) fn not_taken(&mut self, life: usize) {
        self.lives[life].patience.is_heard = false;
    }

    /// It loses its connection, which stood until now.
    pub(super) fn gone(&mut self, life: usize) {
        self.count_patience(life);
        self.not_taken(life);
    }

    /// It is told what a group has applied.
    pub(super) fn told_applied(&mut self, life: usize, group: usize, upto: Position) {
        let (now, life) = (self.now, &mut self.lives[life]);
        let was_offered = upto.epoch < life.epoch || upto.seq < life.sender.next_seq();
        let owing = &mut life.patience.groups[group];
        if was_offered && upto > owing.told {
            (owing.told, owing.spent, owing.counted) = (upto, 0, now);
        }
    }

    /// And has taken that in.
    pub(super) fn took_applied(&mut self, life: usize) {
        let life = &mut self.lives[life];
        for (group, owing) in life.patience.groups.iter_mut().enumerate() {
            if life.sender.catches_up(group).is_none() && life.sender.groups().waits_for(group) {
                (owing.missed, owing.is_kept, owing.was_given_up) = (false, false, false);
            }
        }
    }

    /// A group asks it for what it cannot read.
    pub(super) fn asked(&mut self, life: usize, group: usize) {
        let (now, owing) = (self.now, &mut self.lives[life].patience.groups[group]);
        if !owing.is_kept {
            (owing.spent, owing.counted) = (0, now);
        }
    }

    /// Facts were cut.
    pub(super) fn was_cut(&mut self, life: usize, last: u64) {
        let life = &mut self.lives[life];
        let (cut, there) = (Position::new(life.epoch, last), Position::new(life.epoch, life.patience.there));
        for owing in &mut life.patience.groups {
            owing.missed |= life.patience.is_heard && owing.told < cut.min(there);
        }
    }

    /// It was told that a group could not acknowledge before a cut.
    pub(super) fn was_cut_off(&mut self, life: usize, group: usize) {
        let (now, owing) = (self.now, &mut self.lives[life].patience.groups[group]);
        (owing.is_kept, owing.spent, owing.counted) = (true, 0, now);
    }

    /// A group is given up only if it owed something that was there and acknowledged nothing more for long enough while it could,
    /// or if facts were cut that it could have had; and again until it has caught up.
    pub(super) fn check_patience(&mut self, life: usize, group: usize) {
        self.count_patience(life);
        let (stale_after, life) = (self.sender_limits.stale_after, &mut self.lives[life]);
        let (there, owing) = (life.patience.there, &mut life.patience.groups[group]);
        if owing.spent < stale_after && !owing.missed && !owing.was_given_up {
            let (name, epoch, told, spent) = (life.name, life.epoch, owing.told, owing.spent);
            let state = &life.sender.groups().all()[group];
            self.broken = Some(format!(
                "group {group} at {told} is given up by life {epoch} of {name}, of which {there} are there: it owed that for \
                 {spent} of {stale_after} ns; {state:?}, outbox from {}",
                life.sender.outbox().base()
            ));
        }
        owing.was_given_up = true;
    }
}
