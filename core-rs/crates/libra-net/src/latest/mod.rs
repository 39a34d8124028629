//! The latest-value kind: of each key only the newest value matters.
//!
//! A value's version is its publisher's life and its number on that node's bus. The publisher keeps the newest of each key, and
//! says all of them again to a server that may not have them; a receiver applies only what is newer than what it has. So a
//! value that is lost on its way is made up for by the next one of its key, and by the load that follows each connection.
//!
//! - [`Key`] — of what a value is the latest; [`LatestSender`] and [`LatestReceiver`] — the two sides.

mod key;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

use crate::ids::Position;

pub use key::Key;

/// The publisher's side: what it said last of each key, and of which the server has not been told.
#[derive(Debug)]
pub struct LatestSender<K, V> {
    values: HashMap<K, (Position, V)>,
    waiting: VecDeque<K>,
    is_waiting: HashSet<K>,
}

impl<K, V> Default for LatestSender<K, V> {
    fn default() -> Self {
        LatestSender { values: HashMap::new(), waiting: VecDeque::new(), is_waiting: HashSet::new() }
    }
}

impl<K: Eq + Hash + Clone, V> LatestSender<K, V> {
    /// A new value of a key: the server is to be told of it, and not of one that it replaces before that. Older ones are
    /// passed over.
    pub fn set(&mut self, key: K, version: Position, value: V) {
        if self.values.get(&key).is_some_and(|(had, _)| *had >= version) {
            return;
        }
        self.values.insert(key.clone(), (version, value));
        self.wait(key);
    }

    /// A value that the server has from an earlier life, for the time when it has lost it.
    pub fn adopt(&mut self, key: K, version: Position, value: V) {
        if self.values.get(&key).is_none_or(|(had, _)| *had < version) {
            self.values.insert(key, (version, value));
        }
    }

    fn wait(&mut self, key: K) {
        if self.is_waiting.insert(key.clone()) {
            self.waiting.push_back(key);
        }
    }

    /// The server may have none of them. It only raises, so those that it has are harmless.
    pub fn say_again(&mut self) {
        let all: Vec<K> = self.values.keys().cloned().collect();
        all.into_iter().for_each(|key| self.wait(key));
    }

    /// The next value that the server is to be told of.
    pub fn take(&mut self) -> Option<(&K, Position, &V)> {
        let key = self.waiting.pop_front()?;
        self.is_waiting.remove(&key);
        self.values.get_key_value(&key).map(|(key, (version, value))| (key, *version, value))
    }

    /// True when there is one.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The newest of each key.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.values.values().map(|(_, value)| value)
    }
}

/// The receiver's side: which version of each key it applied, of one publisher.
#[derive(Debug)]
pub struct LatestReceiver<K> {
    /// The version, and whether all who want it were given it.
    versions: HashMap<K, (Position, bool)>,
    outlive: bool,
    newest: u64,
    older: u64,
}

impl<K: Eq + Hash + Clone> LatestReceiver<K> {
    /// Of values that end with the life that said them: those of a life that is over are not applied, once its successor was
    /// heard, since that one says again what still holds.
    pub fn of_a_life() -> Self {
        LatestReceiver { versions: HashMap::new(), outlive: false, newest: 0, older: 0 }
    }

    /// Of values that hold until they are replaced, in whichever life: what an account has.
    pub fn of_all_lives() -> Self {
        LatestReceiver { outlive: true, ..LatestReceiver::of_a_life() }
    }

    /// A value was published: whether it is to be applied. One that is not is counted.
    pub fn offer(&mut self, key: &K, version: Position) -> bool {
        let is_newer = self.raise(key, version);
        self.older += u64::from(!is_newer);
        is_newer
    }

    /// A value was loaded: whether it is to be applied.
    pub fn load(&mut self, key: &K, version: Position) -> bool {
        self.raise(key, version)
    }

    /// Somebody new wants these keys: what was applied last of them is applied once more when it comes again.
    pub fn unseen(&mut self, of: impl Fn(&K) -> bool) {
        self.versions.iter_mut().filter(|(key, _)| of(key)).for_each(|(_, (_, is_seen))| *is_seen = false);
    }

    fn raise(&mut self, key: &K, version: Position) -> bool {
        if !self.outlive && version.epoch < self.newest {
            return false;
        }
        self.newest = self.newest.max(version.epoch);
        match self.versions.get_mut(key) {
            Some((had, is_seen)) if *had > version || (*had == version && *is_seen) => false,
            Some(had) => {
                *had = (version, true);
                true
            }
            None => self.versions.insert(key.clone(), (version, true)).is_none(),
        }
    }

    /// A life of the publisher was heard of.
    pub fn heard(&mut self, epoch: u64) {
        self.newest = self.newest.max(epoch);
    }

    /// How many values came that were not newer.
    pub fn older(&self) -> u64 {
        self.older
    }
}
