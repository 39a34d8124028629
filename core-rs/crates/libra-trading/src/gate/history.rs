//! The orders and executions of an account, for its life.
//!
//! An order that is over stays as it is until `keep_whole` others (1,000) have ended behind it, since most of what is said of it
//! late is said soon; then it is *packed* (see `packed`), some 120 bytes instead of 600. It is unpacked for whoever looks
//! at it, and to be changed: an execution may come at any time. So late and doubled messages are told apart by the very
//! same facts, however old the order is. An execution is packed at once.
//!
//! What a packed order and its execution take, with the ids that duplicates are found by, is held to a bound by
//! `tests/memory.rs`.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use libra_kernel::Name;

use crate::order::{ClientOrderId, Fill, Order, OrderStatus};

use super::packed::{self, pack, pack_fill, unpack, unpack_fill};
use super::state::Entry;

/// An order's place.
enum Place {
    Whole(Box<Entry>),
    Packed(Box<[u8]>),
}

/// An entry to look at.
pub(super) enum Seen<'a> {
    Whole(&'a Entry),
    Unpacked(Box<Entry>),
}

impl Deref for Seen<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        match self {
            Seen::Whole(entry) => entry,
            Seen::Unpacked(entry) => entry,
        }
    }
}

/// Every order that had an intent, by its index.
#[derive(Default)]
pub(super) struct Entries {
    places: Vec<Place>,
    /// Whole ones that are over, in the order in which they ended.
    ended: VecDeque<u32>,
    keep_whole: usize,
    account: Name,
}

impl Entries {
    /// None yet; of those that are over, the last `keep_whole` are not packed.
    pub fn keeping(keep_whole: usize) -> Self {
        Entries { keep_whole, ..Entries::default() }
    }

    /// Whose orders they are: their ids follow from it.
    pub fn set_account(&mut self, account: Name) {
        self.account = account;
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds one that is not over, or is told so by [`Entries::ended`].
    pub fn push(&mut self, entry: Entry) {
        self.places.push(Place::Whole(Box::new(entry)));
    }

    pub fn get(&self, index: usize) -> Seen<'_> {
        match &self.places[index] {
            Place::Whole(entry) => Seen::Whole(entry),
            Place::Packed(bytes) => Seen::Unpacked(Box::new(unpack(self.account, bytes))),
        }
    }

    /// One that is not over is always whole.
    pub fn whole(&self, index: usize) -> Option<&Entry> {
        match &self.places[index] {
            Place::Whole(entry) => Some(entry),
            Place::Packed(_) => None,
        }
    }

    /// An entry to change. One that was packed is whole from now on, until others have ended behind it.
    pub fn change(&mut self, index: usize) -> &mut Entry {
        let place = &mut self.places[index];
        if let Place::Packed(bytes) = place {
            *place = Place::Whole(Box::new(unpack(self.account, bytes)));
            self.ended.push_back(index as u32);
        }
        let Place::Whole(entry) = place else { unreachable!("it was unpacked above") };
        entry
    }

    /// The order at `index` is over.
    pub fn ended(&mut self, index: usize) {
        self.ended.push_back(index as u32);
        while self.ended.len() > self.keep_whole
            && let Some(oldest) = self.ended.pop_front()
        {
            let place = &mut self.places[oldest as usize];
            if let Place::Whole(entry) = place {
                *place = Place::Packed(pack(entry));
            }
        }
    }

    /// All of them, in the order of their intents.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Seen<'_>> {
        (0..self.places.len()).map(|index| self.get(index))
    }

    /// The status of each, and whether the gate had refused it.
    pub fn statuses(&self) -> impl Iterator<Item = (OrderStatus, bool)> {
        self.places.iter().map(|place| match place {
            Place::Whole(entry) => (entry.order.status, entry.rejection.is_some()),
            Place::Packed(bytes) => packed::status(bytes),
        })
    }

    fn id(&self, index: usize) -> ClientOrderId {
        match &self.places[index] {
            Place::Whole(entry) => entry.order.client_order_id,
            Place::Packed(bytes) => packed::id(self.account, bytes),
        }
    }
}

/// Bytes of a piece of [`Booked`]: so much is allocated at a time, and nothing is ever copied.
const PIECE: usize = 4_096;
/// More than any fill takes.
const MOST: usize = 96;

/// Fills that follow each other in memory.
struct Piece {
    /// The number of the first.
    first: usize,
    /// Times stand as distances from this one.
    from_ns: i64,
    bytes: Vec<u8>,
}

/// Every execution that was booked, in the order of booking.
#[derive(Default)]
pub(super) struct Booked {
    pieces: Vec<Piece>,
    len: usize,
}

impl Booked {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a fill of the order at `index`.
    pub fn push(&mut self, index: usize, fill: &Fill) {
        if self.pieces.last().is_none_or(|piece| piece.bytes.len() + MOST > PIECE) {
            let (first, from_ns) = (self.len, fill.ts_venue_ns);
            self.pieces.push(Piece { first, from_ns, bytes: Vec::with_capacity(PIECE) });
        }
        if let Some(piece) = self.pieces.last_mut() {
            pack_fill(&mut piece.bytes, index, fill, piece.from_ns);
            self.len += 1;
        }
    }

    fn iter_from<'a>(&'a self, entries: &'a Entries, number: usize) -> impl Iterator<Item = Fill> + 'a {
        let piece = self.pieces.partition_point(|piece| piece.first <= number).saturating_sub(1);
        let skip = number - self.pieces.get(piece).map_or(number, |piece| piece.first);
        let fills = self.pieces[piece.min(self.pieces.len())..].iter().flat_map(move |piece| {
            let mut bytes = piece.bytes.as_slice();
            std::iter::from_fn(move || {
                let left = !bytes.is_empty();
                left.then(|| unpack_fill(&mut bytes, piece.from_ns, |index| entries.id(index)))
            })
        });
        fills.skip(skip)
    }
}

/// Executions to look at; each is made anew from its few bytes.
#[derive(Clone, Copy)]
pub struct Fills<'a> {
    pub(super) booked: &'a Booked,
    pub(super) entries: &'a Entries,
}

impl<'a> Fills<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.booked.len()
    }

    /// True when nothing was executed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in the order of booking.
    pub fn iter(&self) -> impl Iterator<Item = Fill> + 'a {
        self.since(0)
    }

    /// Those behind the first `count`.
    pub fn since(&self, count: usize) -> impl Iterator<Item = Fill> + 'a {
        self.booked.iter_from(self.entries, count.min(self.len()))
    }
}

/// How far somebody has read the executions.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadFills {
    piece: usize,
    /// Bytes of that piece.
    at: usize,
    count: usize,
}

impl ReadFills {
    /// How many were read.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The next one, if there is one.
    pub fn next(&mut self, fills: &Fills<'_>) -> Option<Fill> {
        if self.count == fills.len() {
            return None;
        }
        let mut piece = fills.booked.pieces.get(self.piece)?;
        if self.at == piece.bytes.len() {
            (self.piece, self.at) = (self.piece + 1, 0);
            piece = fills.booked.pieces.get(self.piece)?;
        }
        let mut bytes = &piece.bytes[self.at..];
        let fill = unpack_fill(&mut bytes, piece.from_ns, |index| fills.entries.id(index));
        (self.at, self.count) = (piece.bytes.len() - bytes.len(), self.count + 1);
        Some(fill)
    }
}

/// An order that somebody may keep.
impl Seen<'_> {
    /// The order.
    pub fn order(&self) -> Arc<Order> {
        Arc::clone(&self.order)
    }
}
