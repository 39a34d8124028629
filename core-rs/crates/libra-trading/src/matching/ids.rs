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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::order::SelfTrade;
    use super::super::slab::{Order, Place};
    use super::*;
    use crate::order::{OrderSide, TimeInForce};

    fn order(id: u64) -> Order {
        Order {
            id: OrderId(id),
            price: 1,
            quantity: 1,
            filled: 0,
            expires_ns: i64::MAX,
            account: 0,
            level: NIL,
            next: NIL,
            previous: NIL,
            side: OrderSide::Buy,
            place: Place::Bids,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTrade::Allow,
            reduce_only: false,
            market: false,
        }
    }

    /// Ids that share a tag: the part behind the block's bits is multiplied back from the same product.
    #[test]
    fn ids_are_told_apart_that_have_one_tag() {
        // The inverse of the multiplier modulo 2^64, by Newton's steps.
        let factor = 0x9E37_79B9_7F4A_7C15_u64;
        let inverse = (0..6).fold(factor, |known, _| known.wrapping_mul(2u64.wrapping_sub(factor.wrapping_mul(known))));
        let with_low = |low: u64| ((7u64 << 35) + low).wrapping_mul(inverse);
        let same: Vec<u64> =
            (0..4_000).map(with_low).filter(|block| *block < 1 << 61).map(|block| block << 3).take(50).collect();
        assert!(same.len() == 50 && same.iter().all(|id| tag(OrderId(*id)) == tag(OrderId(same[0]))));
        let (mut ids, mut slab) = (Ids::with_capacity(0), Slab::with_capacity(0));
        for id in &same {
            let slot = slab.insert(order(*id));
            ids.insert(OrderId(*id), slot);
        }
        for id in &same {
            let slot = ids.get(OrderId(*id), &slab).unwrap();
            assert_eq!(slab[slot].id.0, *id);
            ids.remove(OrderId(*id), &slab);
            assert_eq!(ids.get(OrderId(*id), &slab), None);
        }
        assert_eq!(ids.len, 0);
    }

    #[test]
    fn slots_are_found_as_in_a_map() {
        for seed in 0..30 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut ids, mut slab, mut map) = (Ids::with_capacity(0), Slab::with_capacity(0), HashMap::new());
            for next in 0..3_000u64 {
                // One by one, at random, or far apart.
                let id = match seed % 3 {
                    0 => next,
                    1 => rng.u64(..500),
                    _ => rng.u64(..500) << 52 | 1,
                };
                if map.contains_key(&id) || (seed % 3 == 0 && next > 200 && rng.bool()) {
                    let id = if seed % 3 == 0 { rng.u64(..next) } else { id };
                    ids.remove(OrderId(id), &slab);
                    if let Some(slot) = map.remove(&id) {
                        slab.remove(slot);
                    }
                } else {
                    let slot = slab.insert(order(id));
                    ids.insert(OrderId(id), slot);
                    map.insert(id, slot);
                }
                assert_eq!(ids.len, map.len());
                assert_eq!(slab.len() as usize, map.len());
            }
            for id in (0..3_000).chain((0..500).map(|id| id << 52 | 1)) {
                assert_eq!(ids.get(OrderId(id), &slab), map.get(&id).copied(), "{id}");
            }
        }
    }
}
