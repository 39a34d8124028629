//! What happened, written down beside the machines: which events were appended and confirmed, and what each group was given.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included};

use libra_net::durable::Passed;
use libra_net::ids::Position;

/// What is known of an event of a publisher.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event {
    /// It was appended before a later life opened the channel anywhere.
    pub in_time: bool,
    /// Its sender was told so.
    pub confirmed: bool,
    /// Its frame cannot be decoded.
    pub bad: bool,
}

impl Event {
    /// Every group has to apply it, or to be told that it will not.
    pub fn is_owed(&self) -> bool {
        self.in_time && self.confirmed
    }
}

/// What happened at a publisher.
#[derive(Debug, Default)]
pub struct Source {
    pub events: BTreeMap<Position, Event>,
    /// The latest life that ever opened the channel.
    pub opened: u64,
    /// The latest that somebody knew of who claimed another.
    pub looked_for: u64,
}

impl Source {
    /// The events that are owed above `after` and below `before`.
    pub fn owed(&self, after: Position, before: Position) -> impl Iterator<Item = Position> + '_ {
        let empty = after >= before;
        let range = (Excluded(after), if empty { Included(after) } else { Excluded(before) });
        let range = if empty { None } else { Some(self.events.range(range)) };
        range.into_iter().flatten().filter(|(_, event)| event.is_owed()).map(|(position, _)| *position)
    }
}

/// What happened at a group, for one publisher.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What was applied last, or was told to be missing; `None` while the group, which forgot, has not asked yet.
    pub cursor: Option<Position>,
    /// The furthest that it ever was.
    pub most: Position,
    /// Events that a fault took away before this group had them.
    pub lost: BTreeSet<Position>,
    /// Those of them that it was told of by a word about lower positions: a server that lost everything let a clock that is
    /// behind claim an epoch below one that had been.
    told: BTreeSet<Position>,
    /// Everything that it was given, for comparing two runs.
    pub story: Vec<String>,
    /// How many events it applied.
    pub applied: u64,
}

impl Ledger {
    /// It was given events up to `last`, the first of them `first`.
    pub fn apply(&mut self, source: &Source, epoch: u64, first: u64, last: u64, forgot: bool) -> Result<(), String> {
        let cursor = self.cursor.ok_or("events before a position")?;
        let start = Position::new(epoch, first);
        if start <= cursor {
            return Err(format!("{start} came again, or late: {cursor} was there"));
        }
        let next = if epoch == cursor.epoch { cursor.seq + 1 } else { 1 };
        if first != next {
            return Err(format!("{start} came behind {cursor}"));
        }
        self.nothing_silent(source, start, forgot)?;
        self.applied += last - first + 1;
        self.story.push(format!("{start}..{last}"));
        self.move_to(Position::new(epoch, last));
        Ok(())
    }

    /// It was told that a life of the publisher begins, and that nothing of the one before is missing.
    pub fn enters(&mut self, source: &Source, begins: Position, forgot: bool) -> Result<(), String> {
        self.nothing_silent(source, begins, forgot)?;
        self.told("life", begins)
    }

    fn nothing_silent(&self, source: &Source, start: Position, forgot: bool) -> Result<(), String> {
        let cursor = self.cursor.unwrap_or_default();
        // Who never had a position, or forgot it where the server did too, is owed nothing from before the channel.
        let excused = cursor == Position::default() && forgot;
        if let Some(silent) = source.owed(cursor, start).find(|position| !self.told.contains(position))
            && !excused
        {
            return Err(format!("{silent} was confirmed, and nobody was told that it is missing before {start}"));
        }
        Ok(())
    }

    /// It was told what it passes over, and the numbers are those of what was published there: of one life all of it, of
    /// an older one what is known of its end.
    pub fn passes(&mut self, source: &Source, what: &str, passed: Passed) -> Result<(), String> {
        if self.cursor != Some(passed.after) {
            return Err(format!("{what} behind {}, and {:?} was there", passed.after, self.cursor));
        }
        for run in passed.runs() {
            let missing =
                (run.first..=run.last).find(|seq| !source.events.contains_key(&Position::new(run.epoch, *seq)));
            if let Some(seq) = missing {
                return Err(format!("{what}: {}-{seq} is counted, and was never published", run.epoch));
            }
        }
        let there = source.events.range((Excluded(passed.after), Included(passed.upto))).count() as u64;
        if passed.is_exact() && passed.events() != there {
            return Err(format!("{what}: {} are counted in {passed:?}, of {there}", passed.events()));
        }
        self.told(what, passed.upto)
    }

    /// It was told that what lies between will not come, or is part of a snapshot.
    fn told(&mut self, what: &str, upto: Position) -> Result<(), String> {
        let cursor = self.cursor.ok_or("told something before a position")?;
        if upto <= cursor {
            return Err(format!("{what} up to {upto}, and {cursor} was there"));
        }
        if what != "life" {
            let later = self.lost.range(Position::new(upto.epoch + 1, 0)..);
            self.told.extend(later.copied().collect::<Vec<_>>());
        }
        self.story.push(format!("{what} {upto}"));
        self.move_to(upto);
        Ok(())
    }

    fn move_to(&mut self, position: Position) {
        self.cursor = Some(position);
        self.most = self.most.max(position);
    }
}
