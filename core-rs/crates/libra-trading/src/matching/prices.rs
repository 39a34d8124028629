//! The levels of one ladder in the order of their prices, the best at the end of a vector.

/// How far from the best a level is looked for one by one before the search halves.
const LINEAR: usize = 8;

/// Keys grow towards the best: the price where the highest is, its complement where the lowest is.
#[derive(Clone, Debug, Default)]
pub(super) struct Prices {
    levels: Vec<(i64, u32)>,
}

impl Prices {
    #[inline]
    pub(super) fn best(&self) -> Option<u32> {
        self.levels.last().map(|level| level.1)
    }

    /// The level at `key`, which is made where there is none.
    #[inline]
    pub(super) fn at(&mut self, key: i64, make: impl FnOnce() -> u32) -> u32 {
        match self.find(key) {
            Ok(at) => self.levels[at].1,
            Err(at) => {
                let level = make();
                self.levels.insert(at, (key, level));
                level
            }
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, key: i64) {
        if let Ok(at) = self.find(key) {
            self.levels.remove(at);
        }
    }

    /// From the best on.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.levels.iter().rev().map(|level| level.1)
    }

    fn find(&self, key: i64) -> Result<usize, usize> {
        let near = self.levels.len().saturating_sub(LINEAR);
        for at in (near..self.levels.len()).rev() {
            let here = self.levels[at].0;
            if here <= key {
                return if here == key { Ok(at) } else { Err(at + 1) };
            }
        }
        self.levels[..near].binary_search_by_key(&key, |level| level.0)
    }
}
