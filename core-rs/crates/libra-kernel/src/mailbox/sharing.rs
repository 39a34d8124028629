//! Whose turn it is in a lane that is shared: an account's own mailboxes, whose commands come from everybody.
//!
//! Invariants:
//!
//! - **what is one source's leaves in the order in which it came**, commands and facts alike;
//! - **a command waits for at most one command of each other source** that has some waiting, and for facts: whoever asks
//!   for ten thousand things waits behind ten thousand turns of its own, and nobody else does;
//! - a fact of a source whose commands do not wait is overtaken by nobody's next turn.
//!
//! This is start-time fair queueing (Goyal, Vin and Cheng, "Start-time fair queueing", SIGCOMM 1996, section 2), with one
//! unit of work for a command and none for a fact: an event starts when its source's last command is through, or now;
//! the earliest start leaves first, of equal ones the earlier arrival. Now is the start of what left last.
//!
//! A source is whoever a command is for: its payload's owner, where it has one, so that the requests that come of a strategy's
//! signals and the approvals that come of its requests are its own, and stand behind what it had asked for before (a cancel
//! that waits already goes before the order that it takes back). Else, and of facts, it is the event's source.
//!
//! Events stand in the lane's slots; here are their positions only.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::collections::binary_heap::{BinaryHeap, PeekMut};

use crate::event::{Event, Policy};
use crate::name::Name;

/// A turn: when it starts, and the position of its event in the lane, which tells who came first.
type Turn = (u64, u64);

/// What waits of one source.
#[derive(Default)]
struct Source {
    turns: VecDeque<Turn>,
    /// When its last command will be through.
    finish: u64,
    /// Commands among `turns`.
    commands: u32,
}

/// See the module.
#[derive(Default)]
pub(super) struct Sharing {
    /// By the number of a source's name: its place in `sources` and one, or 0.
    places: Vec<u32>,
    sources: Vec<Source>,
    /// The first turn of each source of which something waits, with its place.
    first: BinaryHeap<Reverse<(Turn, u32)>>,
    now: u64,
    /// The latest `finish`.
    end: u64,
}

impl Sharing {
    /// An event came to a position behind all others.
    pub(super) fn came(&mut self, position: u64, event: &Event) {
        let place = self.place(source_of(event).index());
        let source = &mut self.sources[place as usize];
        let turn = (source.finish.max(self.now), position);
        if is_command(event) {
            source.finish = turn.0 + 1;
            source.commands += 1;
            self.end = self.end.max(source.finish);
        }
        if source.turns.is_empty() {
            self.first.push(Reverse((turn, place)));
        }
        source.turns.push_back(turn);
    }

    /// The position of the event whose turn it is.
    #[inline]
    pub(super) fn next(&self) -> Option<u64> {
        self.first.peek().map(|Reverse(((_, position), _))| *position)
    }

    /// The event whose turn it is was taken.
    #[inline]
    pub(super) fn took(&mut self, event: &Event) {
        let Some(mut first) = self.first.peek_mut() else { return };
        let Reverse(((start, _), place)) = *first;
        let source = &mut self.sources[place as usize];
        source.turns.pop_front();
        source.commands -= u32::from(is_command(event));
        self.now = start;
        if let Some(next) = source.turns.front() {
            *first = Reverse((*next, place));
            return;
        }
        PeekMut::pop(first);
        if self.first.is_empty() {
            // Nobody owes anybody a turn.
            self.now = self.end;
        }
    }

    /// How many commands of an event's source wait.
    #[inline]
    pub(super) fn commands_of(&self, event: &Event) -> usize {
        match self.places.get(source_of(event).index()) {
            None | Some(0) => 0,
            Some(place) => self.sources[*place as usize - 1].commands as usize,
        }
    }

    /// The position of the event that came first.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.first.iter().map(|Reverse(((_, position), _))| *position).min()
    }

    /// The lane was closed up: events stand at other positions, in the same order.
    pub(super) fn moved(&mut self, to: impl Fn(u64) -> u64) {
        for (_, position) in self.sources.iter_mut().flat_map(|source| &mut source.turns) {
            *position = to(*position);
        }
        let first = std::mem::take(&mut self.first).into_iter();
        self.first = first.map(|Reverse(((start, position), place))| Reverse(((start, to(position)), place))).collect();
    }

    /// Gives memory back that is not needed for `events` events.
    pub(super) fn shrink_to(&mut self, events: usize) {
        self.sources.iter_mut().for_each(|source| source.turns.shrink_to(events));
    }

    #[inline]
    fn place(&mut self, name: usize) -> u32 {
        match self.places.get(name) {
            Some(place) if *place != 0 => *place - 1,
            _ => self.add(name),
        }
    }

    #[cold]
    fn add(&mut self, name: usize) -> u32 {
        if name >= self.places.len() {
            self.places.resize(name + 1, 0);
        }
        self.sources.push(Source::default());
        self.places[name] = self.sources.len() as u32;
        self.places[name] - 1
    }
}

#[inline]
fn source_of(event: &Event) -> Name {
    match event.payload.owner() {
        owner if is_command(event) && !owner.is_none() => owner,
        _ => event.source,
    }
}

#[inline]
fn is_command(event: &Event) -> bool {
    event.event_type.policy() == Policy::Refuse
}
