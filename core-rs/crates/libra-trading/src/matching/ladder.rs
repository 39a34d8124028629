//! Ladders: orders in a queue at each price, prices in order. The two sides of the book are ladders, and so are those that
//! wait for a trigger, by the trigger's price.

use super::prices::Prices;
use super::slab::{NIL, Order, Place, Slab};

/// The orders at one price, first come first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub(super) price: i64,
    /// The sum of what is left of its orders. All open quantity fits, so a part of it does.
    pub(super) total: i64,
    pub(super) head: u32,
    tail: u32,
}

/// All ladders of an engine, by [`Place`].
#[derive(Clone, Debug)]
pub(super) struct Ladders {
    prices: [Prices; 6],
    levels: Vec<Level>,
    free: Vec<u32>,
}

/// Falling triggers stand like bids: the highest is the first that a falling price reaches.
fn key(place: Place, price: i64) -> i64 {
    match place {
        Place::Bids | Place::LastFalls | Place::MarkFalls => price,
        // Reverses the order and, unlike a negation, never overflows.
        Place::Asks | Place::LastRises | Place::MarkRises => !price,
    }
}

impl Ladders {
    pub(super) fn new() -> Ladders {
        Ladders { prices: Default::default(), levels: Vec::new(), free: Vec::new() }
    }

    /// The level that is first in priority.
    #[inline]
    pub(super) fn best(&self, place: Place) -> Option<&Level> {
        self.prices[place as usize].best().map(|level| &self.levels[level as usize])
    }

    /// Levels in priority.
    pub(super) fn levels(&self, place: Place) -> impl Iterator<Item = &Level> + '_ {
        self.prices[place as usize].iter().map(|level| &self.levels[level as usize])
    }

    /// The orders of a level, first come first.
    pub(super) fn queue<'a>(&self, orders: &'a Slab, level: &Level) -> impl Iterator<Item = u32> + use<'a> {
        std::iter::successors(Some(level.head), |slot| Some(orders[*slot].next).filter(|next| *next != NIL))
    }

    /// The level of an order that stands in a ladder.
    #[inline]
    pub(super) fn level_of(&self, order: &Order) -> &Level {
        &self.levels[order.level as usize]
    }

    /// Takes `quantity` off the level of an order that stands in a ladder.
    #[inline]
    pub(super) fn shrink(&mut self, order: &Order, quantity: i64) -> i64 {
        let level = &mut self.levels[order.level as usize];
        level.total -= quantity;
        level.total
    }

    /// Puts an order behind all others at `price`. Gives the level's total.
    #[inline]
    pub(super) fn push(&mut self, orders: &mut Slab, slot: u32, price: i64) -> i64 {
        let place = orders[slot].place;
        let Ladders { prices, levels, free } = self;
        let at = prices[place as usize].at(key(place, price), || {
            let level = Level { price, total: 0, head: NIL, tail: NIL };
            match free.pop() {
                Some(at) => {
                    levels[at as usize] = level;
                    at
                }
                None => {
                    levels.push(level);
                    (levels.len() - 1) as u32
                }
            }
        });
        let level = &mut levels[at as usize];
        let last = level.tail;
        level.tail = slot;
        if last == NIL {
            level.head = slot;
        } else {
            orders[last].next = slot;
        }
        let order = &mut orders[slot];
        (order.level, order.previous, order.next) = (at, last, NIL);
        level.total += order.left();
        level.total
    }

    /// Takes an order out of its queue. Gives what is left at its price.
    #[inline]
    pub(super) fn unlink(&mut self, orders: &mut Slab, slot: u32) -> i64 {
        let Order { place, level: at, next, previous, .. } = orders[slot];
        let left = orders[slot].left();
        let level = &mut self.levels[at as usize];
        level.total -= left;
        if previous == NIL {
            level.head = next;
        } else {
            orders[previous].next = next;
        }
        if next == NIL {
            level.tail = previous;
        } else {
            orders[next].previous = previous;
        }
        let (total, price, empty) = (level.total, level.price, level.head == NIL);
        if empty {
            self.prices[place as usize].remove(key(place, price));
            self.free.push(at);
        }
        total
    }
}
