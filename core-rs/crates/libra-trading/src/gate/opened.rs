//! Orders that are not final, and how many each strategy has of them: who asks after one strategy's does not walk over all.

use std::collections::{BTreeMap, BTreeSet};

use libra_kernel::Name;

/// See the module.
#[derive(Default)]
pub(super) struct Opened {
    /// In the order of their intents.
    all: BTreeSet<u32>,
    of: BTreeMap<Name, Count>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    open: usize,
    /// Those of them whose cancel is under way.
    cancelling: usize,
}

impl Opened {
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.all.iter().copied()
    }

    pub fn contains(&self, index: usize) -> bool {
        self.all.contains(&(index as u32))
    }

    /// How many orders of a strategy are open.
    #[inline]
    pub fn count(&self, strategy: Name) -> usize {
        self.of.get(&strategy).map_or(0, |count| count.open)
    }

    /// How many of them have no cancel under way.
    #[inline]
    pub fn uncancelled(&self, strategy: Name) -> usize {
        self.of.get(&strategy).map_or(0, |count| count.open - count.cancelling)
    }

    /// One that has no cancel under way.
    pub fn insert(&mut self, index: usize, strategy: Name) {
        if self.all.insert(index as u32) {
            self.of.entry(strategy).or_default().open += 1;
        }
    }

    /// One that has no cancel under way any more. False where it was not open.
    pub fn remove(&mut self, index: usize, strategy: Name) -> bool {
        let was_open = self.all.remove(&(index as u32));
        if was_open && let Some(count) = self.of.get_mut(&strategy) {
            count.open -= 1;
        }
        was_open
    }

    /// The cancel of an open order of a strategy is under way from now on, or not any more.
    pub fn mark(&mut self, strategy: Name, cancelling: bool) {
        let count = self.of.entry(strategy).or_default();
        if cancelling {
            count.cancelling += 1;
        } else {
            count.cancelling -= 1;
        }
    }
}
