//! The levels of one ladder in the order of their prices: a sorted vector in chunks, the best at the end of the last.
//!
//! Most levels come and go near the touch, where one chunk is all that is looked at and moved. One vector would be as good
//! there; far away its length tells, and a chunk's does not (`examples/level_index.rs` measures both, and a tree). A chunk
//! that is full is split, one that is empty is kept for the next split, so a steady flow allocates nothing.

/// Levels in a chunk: 16 bytes each.
const FULL: usize = 128;

/// How far from the best a level is looked for one by one before the search halves.
const LINEAR: usize = 8;

/// Key and level. Keys grow towards the best: the price where the highest is, its complement where the lowest is.
type Chunk = Vec<(i64, u32)>;

#[derive(Clone, Debug, Default)]
pub(super) struct Prices {
    /// None of them is empty.
    chunks: Vec<Chunk>,
    spare: Vec<Chunk>,
}

impl Prices {
    #[inline]
    pub(super) fn best(&self) -> Option<u32> {
        self.chunks.last().and_then(|chunk| chunk.last()).map(|level| level.1)
    }

    /// The level at `key`, which is made where there is none.
    #[inline]
    pub(super) fn at(&mut self, key: i64, make: impl FnOnce() -> u32) -> u32 {
        let mut chunk_at = self.chunk(key);
        let Some(chunk) = self.chunks.get(chunk_at) else {
            // There is none at all.
            let level = make();
            let mut chunk = self.empty();
            chunk.push((key, level));
            self.chunks.push(chunk);
            return level;
        };
        let mut at = match find(chunk, key) {
            Ok(at) => return chunk[at].1,
            Err(at) => at,
        };
        if chunk.len() == FULL {
            self.split(chunk_at);
            if at > FULL / 2 {
                (chunk_at, at) = (chunk_at + 1, at - FULL / 2);
            }
        }
        let level = make();
        self.chunks[chunk_at].insert(at, (key, level));
        level
    }

    #[inline]
    pub(super) fn remove(&mut self, key: i64) {
        let chunk_at = self.chunk(key);
        let Some(chunk) = self.chunks.get_mut(chunk_at) else { return };
        if let Ok(at) = find(chunk, key) {
            chunk.remove(at);
            if chunk.is_empty() {
                let chunk = self.chunks.remove(chunk_at);
                self.spare.push(chunk);
            }
        }
    }

    /// From the best on.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.chunks.iter().rev().flat_map(|chunk| chunk.iter().rev().map(|level| level.1))
    }

    /// The chunk that `key` belongs to: the last that does not begin above it, or the first.
    #[inline]
    fn chunk(&self, key: i64) -> usize {
        let last = self.chunks.len().saturating_sub(1);
        if self.chunks.get(last).is_none_or(|chunk| chunk[0].0 <= key) {
            return last;
        }
        self.chunks[..last].partition_point(|chunk| chunk[0].0 <= key).saturating_sub(1)
    }

    fn empty(&mut self) -> Chunk {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(FULL))
    }

    /// Moves the better half of a full chunk to one of its own.
    #[cold]
    fn split(&mut self, chunk_at: usize) {
        let mut better = self.empty();
        better.extend(self.chunks[chunk_at].drain(FULL / 2..));
        self.chunks.insert(chunk_at + 1, better);
    }
}

/// Where `key` is, or where it would be inserted.
#[inline]
fn find(chunk: &[(i64, u32)], key: i64) -> Result<usize, usize> {
    let near = chunk.len().saturating_sub(LINEAR);
    for at in (near..chunk.len()).rev() {
        let here = chunk[at].0;
        if here <= key {
            return if here == key { Ok(at) } else { Err(at + 1) };
        }
    }
    chunk[..near].binary_search_by_key(&key, |level| level.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn chunks_do_what_a_tree_does() {
        for seed in 0..40 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut prices, mut tree) = (Prices::default(), BTreeMap::new());
            let keys = [3, 200, 2_000][seed as usize % 3];
            for step in 0..4_000 {
                // Grows, shrinks to nothing, and grows again.
                let key = rng.i64(0..keys) - keys / 2;
                if rng.u32(..4_000) > step % 2_000 {
                    assert_eq!(prices.at(key, || step), *tree.entry(key).or_insert(step));
                } else {
                    prices.remove(key);
                    tree.remove(&key);
                }
                assert_eq!(prices.best(), tree.values().next_back().copied());
                assert!(prices.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= FULL));
                if step % 64 == 0 {
                    assert!(prices.iter().eq(tree.values().rev().copied()));
                }
            }
            for key in tree.into_keys() {
                prices.remove(key);
            }
            assert_eq!(prices.best(), None);
        }
    }

    #[test]
    fn the_ends_of_an_i64_are_keys_as_all_others() {
        let mut prices = Prices::default();
        for (level, key) in (0u32..).zip([0, i64::MIN, i64::MAX, -1]) {
            assert_eq!(prices.at(key, || level), level);
        }
        assert!(prices.iter().eq([2, 0, 3, 1]));
    }
}
