//! One lane of a mailbox.
//!
//! A slot has an absolute position, so conflation can replace it in place and dropping one from the middle leaves a hole
//! that `pop` skips. The indices of positions that this needs exist only while the lane is overloaded: they are built when
//! it is found full and thrown away when it has emptied to a half, so a lane that keeps up pays nothing for them.
//!
//! Where a lane is shared its sources take [turns](super::sharing), and what leaves out of turn leaves a hole as well.
//!
//! Holes are bounded: when they outnumber the events that wait, the lane is closed up, and the indices with their positions
//! are thrown away. So a lane whose consumer stands still takes no more memory however much is dropped from it.
//!
//! Memory comes as a lane fills, and goes back when it has long needed less: each time a lane runs empty it notes how many
//! events it has seen since it last did, which is at least as many as waited at once. When that stayed below a quarter of
//! its room for many times in a row, the room is cut to twice of what was needed. A lane with a steady load therefore
//! allocates nothing.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::sharing::Sharing;
use crate::event::{Event, EventType, Offered, Payload, Policy};
use crate::name::Name;

/// What became of an event that was offered to a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It waits.
    Queued,
    /// It replaced an older one of its instrument, at that one's place.
    Conflated,
    /// It waits, and the oldest of its kind was dropped for it.
    DroppedOldest,
    /// It was dropped, with all that waits of its book.
    DroppedBook,
    /// It was not taken; the sender has to know.
    Refused,
}

/// What became of a lane's events. `accepted = dispatched + conflated + dropped + waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneStats {
    /// Taken in, or dropped by policy on arrival.
    pub accepted: u64,
    /// Taken out by `pop`.
    pub dispatched: u64,
    /// Dropped by policy, or thrown away with the actor.
    pub dropped: u64,
    /// Replaced by a later one while waiting.
    pub conflated: u64,
    /// Not taken.
    pub refused: u64,
}

/// Of `limit` slots, one in this many is kept free for cancels.
const CANCEL_RESERVE: usize = 8;

/// Of a lane that is shared, whoever asks may have this part of what is free waiting, and no more: see
/// [`Mailbox::shares`](super::Mailbox::shares).
pub const ASKED: usize = 4;
/// The same for cancels.
pub const CANCELS_ASKED: usize = 2;

/// A lane is closed up when its slots are more than twice the events that wait, and this many. So each closing up is paid
/// for by as many drops as it moves events.
const FEW_SLOTS: usize = 64;

/// Slots that a lane keeps for good.
const KEPT_SLOTS: usize = 64;

/// How many times a lane runs empty before it looks whether it has too much room.
const LOOK_AFTER: u32 = 1_024;

type Key = (EventType, Name, Name);

struct Overload {
    /// How many events waited when the lane was found full.
    size_at_start: usize,
    latest: HashMap<Key, u64>,
    droppable: VecDeque<u64>,
}

/// A queue of events with the policies of a node's mailbox.
#[derive(Default)]
pub(super) struct LaneQueue {
    slots: VecDeque<Option<Event>>,
    /// Absolute position of `slots[0]`.
    head: u64,
    live: usize,
    overload: Option<Box<Overload>>,
    /// `head` when the lane last ran empty.
    emptied_at: u64,
    /// How often it ran empty since it last looked at its room, and the most events between two such times.
    emptied: u32,
    largest: u64,
    broken_books: BTreeSet<Name>,
    lost_books: BTreeSet<Name>,
    /// Where it is shared, whose turn it is.
    sharing: Option<Box<Sharing>>,
    pub(super) stats: LaneStats,
    pub(super) stale: bool,
}

impl LaneQueue {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// The event that has waited longest.
    pub(super) fn oldest(&self) -> Option<&Event> {
        match &self.sharing {
            None => self.slots.iter().flatten().next(),
            Some(sharing) => self.slots[(sharing.oldest()? - self.head) as usize].as_ref(),
        }
    }

    /// Events that it has memory for.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.slots.capacity()
    }

    /// Events that wait, and holes between them.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(super) fn push(&mut self, event: impl Offered) -> Offer {
        let position = self.head + self.slots.len() as u64;
        if let Some(overload) = &mut self.overload {
            overload.note(position, event.event());
        }
        if let Some(sharing) = &mut self.sharing {
            sharing.came(position, event.event());
        }
        self.slots.push_back(Some(event.into_event()));
        self.live += 1;
        self.stats.accepted += 1;
        Offer::Queued
    }

    #[inline]
    pub(super) fn refuse(&mut self) -> Offer {
        self.stats.refused += 1;
        Offer::Refused
    }

    /// False when an event would be refused: some slots beyond the limit are kept for cancels.
    pub(super) fn has_room_for(&self, event: &Event, limit: usize) -> bool {
        let reserve = match event.event_type {
            EventType::CancelRequest => (limit / CANCEL_RESERVE).max(1),
            _ => 0,
        };
        event.event_type.policy() != Policy::Refuse || self.live < limit + reserve
    }

    /// From now on those who ask take turns.
    pub(super) fn share(&mut self) {
        if self.sharing.is_some() {
            return;
        }
        let sharing = self.sharing.insert(Box::default());
        for (index, event) in self.slots.iter().enumerate() {
            event.iter().for_each(|event| sharing.came(self.head + index as u64, event));
        }
    }

    /// False for a command that would be more than its source's part of a lane that is shared: whoever asks may have as many
    /// waiting as a quarter of what is free. So each that asks without end takes a fifth of what it found, and leaves the rest
    /// to whoever comes next. Cancels have a half of what is free, their reserve among it:
    /// one whose requests have used up their part can still take them back.
    #[inline]
    pub(super) fn shares(&self, event: &Event, limit: usize) -> bool {
        let Some(sharing) = &self.sharing else { return true };
        let own = sharing.commands_of(event);
        let (part, limit) = match event.event_type {
            EventType::CancelRequest => (CANCELS_ASKED, limit + (limit / CANCEL_RESERVE).max(1)),
            _ => (ASKED, limit),
        };
        own * part < limit.saturating_sub(self.live).max(1)
    }

    pub(super) fn offer(&mut self, event: impl Offered, limit: usize) -> Offer {
        let event_type = event.event().event_type;
        if event_type == EventType::OrderBook && !self.broken_books.is_empty() && self.still_broken(event.event()) {
            return self.drop_arrival();
        }
        if self.live < limit {
            return self.push(event);
        }
        match event_type.policy() {
            Policy::Refuse if self.has_room_for(event.event(), limit) => self.push(event),
            Policy::Refuse => self.refuse(),
            Policy::Never => {
                self.stale = true;
                self.push(event)
            }
            Policy::Conflate => self.conflate(event.into_event()),
            Policy::DropOldest => {
                self.drop_oldest();
                self.push(event);
                Offer::DroppedOldest
            }
            Policy::Resync => self.drop_book(event.into_event()),
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Event> {
        if self.sharing.is_some() {
            return self.pop_in_turn();
        }
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.head += 1;
        }
        if self.slots.is_empty() {
            return None;
        }
        self.note_taken(0);
        self.head += 1;
        if self.slots.len() == 1 {
            self.ran_empty();
        }
        // Last, and returned at once: an event that is moved once more costs more than all of this.
        self.slots.pop_front().flatten()
    }

    /// Takes the event whose turn it is: mostly the first one.
    fn pop_in_turn(&mut self) -> Option<Event> {
        let sharing = self.sharing.as_mut()?;
        let position = sharing.next()?;
        let index = (position - self.head) as usize;
        sharing.took(self.slots[index].as_ref()?);
        self.note_taken(index);
        let event = self.slots[index].take();
        self.close_up();
        if self.slots.is_empty() {
            self.ran_empty();
        }
        event
    }

    /// The event in this slot is about to be taken out of it.
    #[inline]
    fn note_taken(&mut self, index: usize) {
        self.live -= 1;
        self.stats.dispatched += 1;
        if let Some(overload) = &mut self.overload {
            if let Some(Some(event)) = self.slots.get(index) {
                overload.forget(self.head + index as u64, event);
            }
            if self.live * 2 <= overload.size_at_start {
                self.overload = None;
            }
        }
    }

    #[inline]
    fn ran_empty(&mut self) {
        self.largest = self.largest.max(self.head - self.emptied_at);
        self.emptied_at = self.head;
        self.emptied += 1;
        if self.emptied == LOOK_AFTER {
            self.give_back();
        }
    }

    /// Gives memory back that was not needed for long.
    #[cold]
    fn give_back(&mut self) {
        let needed = usize::try_from(self.largest).unwrap_or(usize::MAX);
        if needed <= self.slots.capacity() / 4 {
            let room = (needed * 2).max(KEPT_SLOTS);
            self.slots.shrink_to(room);
            if let Some(sharing) = &mut self.sharing {
                sharing.shrink_to(room);
            }
        }
        (self.emptied, self.largest) = (0, 0);
    }

    pub(super) fn take_lost_books(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.lost_books).into_iter().collect()
    }

    fn conflate(&mut self, event: Event) -> Offer {
        let key = key(&event);
        if let Some(&position) = self.overload().latest.get(&key) {
            let index = (position - self.head) as usize;
            self.slots[index] = Some(event);
            self.stats.accepted += 1;
            self.stats.conflated += 1;
            return Offer::Conflated;
        }
        // A first event of its instrument: it may displace the oldest that may be dropped, never wait in vain.
        self.drop_oldest();
        self.push(event)
    }

    /// Leaves a hole where the oldest droppable event waits. Where none waits the lane grows: by at most one event an
    /// instrument and source, since later ones are conflated.
    fn drop_oldest(&mut self) {
        while let Some(position) = self.overload().droppable.pop_front() {
            if position >= self.head && self.hole(position) {
                break;
            }
        }
        self.close_up();
    }

    fn drop_book(&mut self, event: Event) -> Offer {
        let head = self.head;
        let waiting: Vec<u64> = (self.slots.iter().enumerate())
            .filter(|(_, slot)| slot.as_ref().is_some_and(|waiting| same_book(waiting, &event)))
            .map(|(index, _)| head + index as u64)
            .collect();
        for position in waiting {
            self.hole(position);
        }
        self.close_up();
        if is_snapshot(&event) {
            return self.push(event);
        }
        self.broken_books.insert(event.instrument);
        self.lost_books.insert(event.instrument);
        self.drop_arrival()
    }

    #[inline]
    pub(super) fn has_broken_book(&self, instrument: Name) -> bool {
        !self.broken_books.is_empty() && self.broken_books.contains(&instrument)
    }

    fn still_broken(&mut self, event: &Event) -> bool {
        if is_snapshot(event) {
            self.broken_books.remove(&event.instrument);
            return false;
        }
        self.broken_books.contains(&event.instrument)
    }

    fn drop_arrival(&mut self) -> Offer {
        self.stats.accepted += 1;
        self.stats.dropped += 1;
        Offer::DroppedBook
    }

    fn hole(&mut self, position: u64) -> bool {
        let Some(slot) = self.slots.get_mut((position - self.head) as usize) else { return false };
        let Some(event) = slot.take() else { return false };
        self.live -= 1;
        self.stats.dropped += 1;
        if let Some(overload) = &mut self.overload {
            overload.forget(position, &event);
        }
        true
    }

    /// Takes out the holes in front, and all of them when there are too many. Positions change then: none may be held over
    /// this call.
    fn close_up(&mut self) {
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.head += 1;
        }
        if self.slots.len() > 2 * self.live + FEW_SLOTS {
            if let Some(sharing) = &mut self.sharing {
                let standing: Vec<u64> =
                    self.slots.iter().zip(self.head..).filter(|(slot, _)| slot.is_some()).map(|(_, at)| at).collect();
                sharing.moved(|position| self.head + standing.partition_point(|at| *at < position) as u64);
            }
            self.slots.retain(Option::is_some);
            self.overload = None;
        }
    }

    fn overload(&mut self) -> &mut Overload {
        let (slots, head, live) = (&self.slots, self.head, self.live);
        self.overload.get_or_insert_with(|| {
            let mut overload =
                Box::new(Overload { size_at_start: live, latest: HashMap::new(), droppable: VecDeque::new() });
            for (index, slot) in slots.iter().enumerate() {
                if let Some(event) = slot {
                    overload.note(head + index as u64, event);
                }
            }
            overload
        })
    }
}

impl Overload {
    fn note(&mut self, position: u64, event: &Event) {
        match event.event_type.policy() {
            Policy::Conflate => {
                self.latest.insert(key(event), position);
            }
            Policy::DropOldest => self.droppable.push_back(position),
            _ => {}
        }
    }

    fn forget(&mut self, position: u64, event: &Event) {
        match event.event_type.policy() {
            Policy::Conflate if self.latest.get(&key(event)) == Some(&position) => {
                self.latest.remove(&key(event));
            }
            Policy::DropOldest if self.droppable.front() == Some(&position) => {
                self.droppable.pop_front();
            }
            _ => {}
        }
    }
}

fn key(event: &Event) -> Key {
    (event.event_type, event.instrument, event.source)
}

fn same_book(a: &Event, b: &Event) -> bool {
    a.event_type == EventType::OrderBook && a.instrument == b.instrument
}

fn is_snapshot(event: &Event) -> bool {
    matches!(&event.payload, Payload::Shared(shared) if shared.is_snapshot())
}
