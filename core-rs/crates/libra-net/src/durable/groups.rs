//! Who has to acknowledge: the consumer groups that the topology declares for a channel.

use super::reaches;
use crate::ids::Position;

/// Whether a group is kept what there is, though facts were cut that it had not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It is not: it comes so far, or is given up.
    No,
    /// They were cut while no acknowledgement could come. It is owed all that the stream has, and what is held.
    InStream,
    /// More were cut since, with the server there: it is owed what is held, and the stream does not grow for it.
    InOutbox,
}

/// A declared group, as the sender sees it.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name: a node's.
    pub name: String,
    /// What it said it has applied.
    pub acknowledged: Position,
    /// How much of that was known when the server was asked for it: it had so much then, or has lost it.
    asked: Option<Position>,
    /// Where the stream began when this life came to it, as long as nothing of this life was cut.
    start: Position,
    /// The stamp of the last snapshot that was made for it: it is owed what comes behind, which the stream has or the sender
    /// holds.
    stamp: Position,
    /// Since when it owes an acknowledgement and gives none that moves.
    waiting_since: Option<u64>,
    /// That it gives none was told.
    told_behind: bool,
    stale: bool,
    /// It was told of once as given up, and has not caught up since.
    given_up: bool,
    kept: Kept,
}

impl Group {
    /// What it acknowledged, or where the stream began when this life came to it: of what lies below, which only lives before it could
    /// have kept, it has a snapshot or is told; all of this life is owed to it.
    fn begins(&self) -> Position {
        self.acknowledged.max(self.start)
    }

    /// Where it will go on, given what is gone: behind what it acknowledged, or behind its snapshot when it cannot go on
    /// from there. Who is kept what there is will have a snapshot of where that begins.
    fn position(&self, gone: Position, floor: Position) -> Position {
        if reaches(self.begins(), gone) {
            return self.begins();
        }
        let at = self.begins().max(self.stamp);
        match self.kept {
            Kept::No => at,
            Kept::InStream => at.max(floor),
            Kept::InOutbox => at.max(floor).max(gone),
        }
    }

    /// It came back by a snapshot, and reads what nobody else waits for any more.
    fn catches_up(&self, gone: Position, floor: Position) -> bool {
        let at = self.position(gone, floor);
        self.stamp > Position::default() && at >= floor && !reaches(at, gone)
    }

    fn is_waited_for(&self, gone: Position, floor: Position) -> bool {
        // Below a trim that was asked for nobody is kept anything, though its answer has not come yet. What is gone from the outbox
        // does not say so where the trim ends within a frame, or in a life that is over.
        let (at, is_kept) = (self.position(gone, floor), gone.max(floor));
        !self.stale && (self.kept != Kept::No || reaches(at, is_kept) || self.catches_up(gone, floor))
    }

    /// Whether the stream is not to be cut above what it acknowledged.
    fn holds_the_stream(&self, gone: Position, floor: Position) -> bool {
        let needs_it = self.kept != Kept::InOutbox || reaches(self.acknowledged, gone);
        needs_it && self.is_waited_for(gone, floor)
    }
}

/// All groups of a channel.
#[derive(Debug)]
pub struct Groups {
    groups: Vec<Group>,
    stale_after: u64,
    /// What is gone for good: a group that has not come so far needs a snapshot, and is not waited for.
    gone: Position,
    /// Where the stream of the server begins, as it said last.
    floor: Position,
}

impl Groups {
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>, stale_after: u64) -> Self {
        let zero = Position::default();
        let group = |name: &str| Group {
            name: name.to_owned(),
            acknowledged: zero,
            asked: None,
            start: zero,
            stamp: zero,
            waiting_since: None,
            told_behind: false,
            stale: false,
            given_up: false,
            kept: Kept::No,
        };
        Groups { groups: names.into_iter().map(group).collect(), stale_after, gone: zero, floor: zero }
    }

    /// All of them, in the order in which they were declared.
    pub fn all(&self) -> &[Group] {
        &self.groups
    }

    /// Which one has this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.name == name)
    }

    /// Where a group will go on: behind what it acknowledged, or behind its last snapshot.
    pub fn position(&self, group: usize) -> Option<Position> {
        self.groups.get(group).map(|group| group.position(self.gone, self.floor))
    }

    /// Whether the sender keeps events for a group.
    pub fn waits_for(&self, group: usize) -> bool {
        self.groups.get(group).is_some_and(|group| group.is_waited_for(self.gone, self.floor))
    }

    /// Whether a group came back by a snapshot, or is to, and has not come to what the sender holds.
    pub(super) fn came_back(&self, group: usize) -> bool {
        let (gone, floor) = (self.gone, self.floor);
        let is_to = |group: &Group| group.kept != Kept::No && !reaches(group.acknowledged, gone);
        let is_back = |group: &Group| group.position(gone, floor) > group.begins() || group.catches_up(gone, floor);
        self.groups.get(group).is_some_and(|group| is_back(group) || is_to(group))
    }

    /// The names of those that the stream is kept for, above what they acknowledged.
    pub fn waited_for(&self) -> impl Iterator<Item = &str> {
        let waited = self.groups.iter().filter(|group| group.holds_the_stream(self.gone, self.floor));
        waited.map(|group| group.name.as_str())
    }

    /// What all of those have; `None` when there are none.
    pub fn lowest(&self) -> Option<Position> {
        let waited = self.groups.iter().filter(|group| group.is_waited_for(self.gone, self.floor));
        waited.map(|group| group.position(self.gone, self.floor)).min()
    }

    /// It asks for what it cannot read. That gets on as well, unless all is kept for it meanwhile: it could ask for ever.
    pub(super) fn asks(&mut self, group: usize, now: u64) {
        if self.groups.get(group).is_some_and(|group| group.kept == Kept::No) {
            self.gets_on(group, now);
        }
    }

    /// It gets on: it has acknowledged something more. That its node lives is no such sign: one whose handlers wait for ever says so
    /// as any other.
    pub(super) fn gets_on(&mut self, group: usize, now: u64) {
        if let Some(group) = self.groups.get_mut(group) {
            (group.stale, group.told_behind) = (false, false);
            group.waiting_since = group.waiting_since.map(|_| now);
        }
    }

    /// What a group has applied; whether that is news.
    pub(super) fn acknowledged(&mut self, group: usize, position: Position) -> bool {
        let Some(group) = self.groups.get_mut(group) else { return false };
        let news = position > group.acknowledged;
        group.acknowledged = group.acknowledged.max(position);
        if reaches(group.acknowledged, self.gone) {
            group.kept = Kept::No;
        }
        news
    }

    /// Whether one has acknowledged anything.
    pub(super) fn have_acknowledged(&self) -> bool {
        self.groups.iter().any(|group| group.acknowledged > Position::default())
    }

    /// Whether this one has.
    pub(super) fn has_acknowledged(&self, group: usize) -> bool {
        self.groups.get(group).is_some_and(|group| group.acknowledged > Position::default())
    }

    /// The server is asked for the acknowledgements. Answers come in the order of the questions: the first one counts.
    pub(super) fn asks_for_places(&mut self) {
        for group in &mut self.groups {
            group.asked.get_or_insert(group.acknowledged);
        }
    }

    /// Whether the server has less than was known when it was asked: nobody but the sender may know it.
    pub(super) fn finds_lost(&mut self, there: &[(String, Position)]) -> bool {
        let mut is_lost = false;
        for group in &mut self.groups {
            let found = there.iter().find(|(name, _)| *name == group.name).map(|(_, position)| *position);
            is_lost |= group.asked.take().is_some_and(|known| found.unwrap_or_default() < known);
        }
        is_lost
    }

    /// What was asked is not answered.
    pub(super) fn asks_no_more(&mut self) {
        self.groups.iter_mut().for_each(|group| group.asked = None);
    }

    /// A snapshot with this stamp was made for a group.
    pub(super) fn stamped(&mut self, group: usize, stamp: Position) {
        if let Some(group) = self.groups.get_mut(group) {
            group.stamp = group.stamp.max(stamp);
            group.given_up = false;
        }
    }

    /// Everything up to here is neither held nor in the stream any more.
    pub(super) fn gone(&mut self, upto: Position) {
        self.gone = self.gone.max(upto);
    }

    /// Nothing at or below this is promised to be in the stream.
    pub(super) fn floor(&mut self, floor: Position) {
        self.floor = floor;
        self.gone(floor);
    }

    /// A life of the publisher came to a server whose stream begins here, with the end of another life or where the channel does: who has
    /// not come so far is no less owed what this life says.
    pub(super) fn starts(&mut self, floor: Position) {
        self.groups.iter_mut().for_each(|group| group.start = group.start.max(floor));
    }

    /// The server was asked to cut the stream up to here: who is below is not waited for, unless it says that it has not.
    pub(super) fn trims(&mut self, upto: Position) {
        self.floor = self.floor.max(upto);
    }

    /// The sender let go of what nobody had acknowledged: not even who came back by a snapshot is waited for any more. But where none
    /// of them could acknowledge anything, since no server is there, or one that has (`there`) no more than they, what is left is kept for
    /// those that were waited for: `told` is called for each.
    pub(super) fn cut(&mut self, upto: Position, there: Option<Position>, mut told: impl FnMut(usize)) {
        let before = self.gone;
        self.gone(upto);
        let (gone, floor) = (self.gone, self.floor);
        for (index, group) in
            self.groups.iter_mut().enumerate().filter(|(_, group)| !reaches(group.position(gone, floor), gone))
        {
            let is_kept = group.kept != Kept::No;
            let could = there.is_some_and(|there| is_kept || group.position(before, floor) < there);
            match (group.kept, could) {
                (Kept::No, false) if group.is_waited_for(before, floor) => {
                    // It has all of its time from when it can acknowledge again.
                    (group.kept, group.waiting_since, group.told_behind) = (Kept::InStream, None, false);
                    told(index);
                }
                (Kept::No, _) => group.stamp = Position::default(),
                (_, true) => group.kept = Kept::InOutbox,
                (_, false) => {}
            }
        }
    }

    /// Who owes an acknowledgement begins to be waited for; `newest` is what there is to acknowledge. A life that has said nothing
    /// yet is nothing to acknowledge.
    pub(super) fn wait(&mut self, newest: Position, now: u64) {
        for group in &mut self.groups {
            if newest.seq == 0 || group.position(self.gone, self.floor) >= newest {
                (group.waiting_since, group.told_behind) = (None, false);
            } else if group.waiting_since.is_none() {
                group.waiting_since = Some(now);
            }
        }
    }

    /// No acknowledgement could come for so long: that does not count against anyone.
    pub(super) fn excuse(&mut self, span: u64) {
        for group in &mut self.groups {
            group.waiting_since = group.waiting_since.map(|since| since.saturating_add(span));
        }
    }

    /// Who has acknowledged nothing for too long is not waited for any more.
    pub(super) fn find_stale(&mut self, now: u64) {
        for group in &mut self.groups {
            let late = |since| now.saturating_sub(since) >= self.stale_after;
            if group.waiting_since.is_some_and(late) {
                (group.stale, group.kept) = (true, Kept::No);
                // What is let go of meanwhile may be gone with the stream: it has to come back once more.
                group.stamp = Position::default();
            }
        }
    }

    /// Calls `told` for each group that has acknowledged nothing for half of that time.
    pub(super) fn newly_behind(&mut self, now: u64, mut told: impl FnMut(usize)) {
        for (index, group) in self.groups.iter_mut().enumerate().filter(|(_, group)| !group.told_behind && !group.stale)
        {
            if group.waiting_since.is_some_and(|since| now.saturating_sub(since) >= self.stale_after / 2) {
                group.told_behind = true;
                told(index);
            }
        }
    }

    /// When the next one would have acknowledged nothing for too long, or for half of that.
    pub(super) fn deadline(&self) -> Option<u64> {
        let waited = self.groups.iter().filter(|group| !group.stale);
        let due = |group: &Group| {
            let after = if group.told_behind { self.stale_after } else { self.stale_after / 2 };
            group.waiting_since.map(|since| since.saturating_add(after))
        };
        waited.filter_map(due).min()
    }

    /// Whether a group owes an acknowledgement, and has given none that moves for half of the time that it has.
    pub fn is_behind(&self, group: usize) -> bool {
        self.groups.get(group).is_some_and(|group| group.told_behind)
    }

    /// Calls `told` for each group that is no longer waited for since the last call.
    pub(super) fn newly_given_up(&mut self, mut told: impl FnMut(usize)) {
        for (index, group) in self.groups.iter_mut().enumerate() {
            let given_up = !group.is_waited_for(self.gone, self.floor);
            if given_up && !group.given_up {
                told(index);
            }
            group.given_up = given_up;
        }
    }
}
