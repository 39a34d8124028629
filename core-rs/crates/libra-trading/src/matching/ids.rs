//! From an order's id to its slot: open addressing with linear probing, nothing left behind by what is removed.
//!
//! A cell has the slot and a tag, of which the home of the cell is a part: finding compares tags, and only one that is
//! equal costs a look at the order. Eight ids in a row share a cache line, since a venue numbers its orders one by one and
//! what is cancelled is mostly what came a moment ago; the blocks of eight are spread by a multiplication.

use super::order::OrderId;
use super::slab::{NIL, Slab};

/// Ids that share a line, as a power of two.
const BLOCK_BITS: u32 = 3;
const TAG_BITS: u32 = u32::BITS - BLOCK_BITS;

#[derive(Clone, Copy, Debug)]
struct Cell {
    tag: u32,
    slot: u32,
}

const EMPTY: Cell = Cell { tag: 0, slot: NIL };

#[derive(Clone, Debug)]
pub(super) struct Ids {
    /// A power of two of them, at most half of them taken.
    cells: Vec<Cell>,
    len: usize,
    /// There are two to the power of this blocks; no more than a tag can tell, since open orders are at most 2^31.
    blocks: u32,
}

fn tag(id: OrderId) -> u32 {
    let spread = (id.0 >> BLOCK_BITS).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - TAG_BITS);
    (spread as u32) << BLOCK_BITS | (id.0 as u32 & ((1 << BLOCK_BITS) - 1))
}

impl Ids {
    pub(super) fn with_capacity(orders: usize) -> Ids {
        let cells = (orders.max(8) * 2).next_power_of_two();
        Ids { cells: vec![EMPTY; cells], len: 0, blocks: cells.trailing_zeros() - BLOCK_BITS }
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        let block = (tag >> BLOCK_BITS) >> (TAG_BITS - self.blocks);
        (block << BLOCK_BITS | tag & ((1 << BLOCK_BITS) - 1)) as usize
    }

    #[inline]
    fn place(&self, id: OrderId, orders: &Slab) -> Option<usize> {
        let (tag, mask) = (tag(id), self.cells.len() - 1);
        let mut at = self.home(tag);
        loop {
            let cell = self.cells[at];
            if cell.slot == NIL {
                return None;
            }
            if cell.tag == tag && orders[cell.slot].id == id {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    #[inline]
    pub(super) fn get(&self, id: OrderId, orders: &Slab) -> Option<u32> {
        self.place(id, orders).map(|at| self.cells[at].slot)
    }

    /// Enters an id that is not there yet.
    pub(super) fn insert(&mut self, id: OrderId, slot: u32) {
        if self.len * 2 >= self.cells.len() {
            self.grow();
        }
        self.len += 1;
        self.put(Cell { tag: tag(id), slot });
    }

    fn put(&mut self, cell: Cell) {
        let mask = self.cells.len() - 1;
        let mut at = self.home(cell.tag);
        while self.cells[at].slot != NIL {
            at = (at + 1) & mask;
        }
        self.cells[at] = cell;
    }

    fn grow(&mut self) {
        let doubled = vec![EMPTY; self.cells.len() * 2];
        self.blocks += 1;
        for cell in std::mem::replace(&mut self.cells, doubled) {
            if cell.slot != NIL {
                self.put(cell);
            }
        }
    }

    /// Takes an id out, while its order still stands in its slot, and closes the gap with what was pushed on by it.
    pub(super) fn remove(&mut self, id: OrderId, orders: &Slab) {
        let Some(mut hole) = self.place(id, orders) else { return };
        self.len -= 1;
        let mask = self.cells.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let cell = self.cells[at];
            if cell.slot == NIL {
                break;
            }
            // It may move to the hole where its home is not behind it.
            if at.wrapping_sub(self.home(cell.tag)) & mask >= at.wrapping_sub(hole) & mask {
                self.cells[hole] = cell;
                hole = at;
            }
        }
        self.cells[hole] = EMPTY;
    }
}
