//! Requests whose refusal the log did not take: whoever asked was told, so in this process they stay refused. One that comes
//! again is refused again, and the log gets that refusal as soon as it takes records.
//!
//! Not more than [`MOST`] are known, the last ones: as many as of the refusals in the log.

use std::collections::VecDeque;

use crate::order::ClientOrderId;

use super::ids::IdMap;
use super::refusals::MAX_KNOWN as MOST;

/// See the module.
#[derive(Default)]
pub(super) struct Unlogged {
    /// The hash of what was asked.
    contents: IdMap<u64>,
    /// Their ids by age.
    ages: VecDeque<u128>,
}

impl Unlogged {
    /// The hash of what was asked under this id.
    #[inline]
    pub fn content(&self, id: ClientOrderId) -> Option<u64> {
        if self.contents.is_empty() {
            return None;
        }
        self.contents.get(&id.0).copied()
    }

    #[cold]
    pub fn keep(&mut self, id: ClientOrderId, content_hash: u64) {
        if self.contents.insert(id.0, content_hash).is_some() {
            return;
        }
        self.ages.push_back(id.0);
        while self.ages.len() > MOST {
            self.ages.pop_front().map(|id| self.contents.remove(&id));
        }
    }

    /// The refusal stands in the log.
    pub fn forget(&mut self, id: ClientOrderId) {
        if !self.contents.is_empty() && self.contents.remove(&id.0).is_some() {
            self.ages.retain(|other| *other != id.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known_until_the_log_has_them() {
        let mut unlogged = Unlogged::default();
        for id in 0..=MOST as u128 {
            unlogged.keep(ClientOrderId(id), id as u64 + 1);
        }
        unlogged.keep(ClientOrderId(1), 2);
        let known = |unlogged: &Unlogged, id| unlogged.content(ClientOrderId(id));
        assert_eq!((known(&unlogged, 0), known(&unlogged, 1)), (None, Some(2)), "the oldest has made room");
        unlogged.forget(ClientOrderId(1));
        unlogged.forget(ClientOrderId(1));
        assert_eq!(known(&unlogged, 1), None);
        assert_eq!((unlogged.contents.len(), unlogged.ages.len()), (MOST - 1, MOST - 1));
    }
}
