//! One side of a book: levels sorted by price, the best at the end of a vector.
//!
//! Most changes happen near the touch, so a search from the end and a short move of memory beat a tree as long as a
//! book has thousands of levels, not millions (`examples/book_side.rs` measures both on recorded frames).

use super::Level;

/// How far from the best a level is looked for one by one before the search halves.
const LINEAR: usize = 8;

/// Levels of one side. Keys grow towards the best: a bid's key is its price, an ask's the complement of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    /// `(key, size)`, keys strictly ascending, sizes above zero.
    levels: Vec<(i64, i64)>,
}

impl Side {
    pub(super) fn clear(&mut self) {
        self.levels.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.levels.len()
    }

    /// Sets the size at `key`; a size of zero or less removes the level.
    pub(super) fn set(&mut self, key: i64, size: i64) {
        match (self.find(key), size > 0) {
            (Ok(at), true) => self.levels[at].1 = size,
            (Ok(at), false) => {
                self.levels.remove(at);
            }
            (Err(at), true) => self.levels.insert(at, (key, size)),
            (Err(_), false) => {}
        }
    }

    /// The size at `key`, 0 where there is no level.
    pub(super) fn size(&self, key: i64) -> i64 {
        self.find(key).map_or(0, |at| self.levels[at].1)
    }

    pub(super) fn best(&self) -> Option<(i64, i64)> {
        self.levels.last().copied()
    }

    /// From the best on.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.levels.iter().rev().copied()
    }

    /// From the best of those with a key below `bound` on.
    pub(super) fn iter_below(&self, bound: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
        let end = self.find(bound).unwrap_or_else(|at| at);
        self.levels[..end].iter().rev().copied()
    }

    /// Where `key` is, or where it would be inserted.
    fn find(&self, key: i64) -> Result<usize, usize> {
        let near = self.levels.len().saturating_sub(LINEAR);
        for at in (near..self.levels.len()).rev() {
            let here = self.levels[at].0;
            if here == key {
                return Ok(at);
            }
            if here < key {
                return Err(at + 1);
            }
        }
        self.levels[..near].binary_search_by_key(&key, |level| level.0)
    }
}

/// The key of a bid's price.
pub(super) fn bid_key(price: i64) -> i64 {
    price
}

/// The key of an ask's price, and back. It reverses the order and, unlike a negation, never overflows.
pub(super) fn ask_key(price: i64) -> i64 {
    !price
}

pub(super) fn bid_level((key, size): (i64, i64)) -> Level {
    Level { price: key, size }
}

pub(super) fn ask_level((key, size): (i64, i64)) -> Level {
    Level { price: !key, size }
}
