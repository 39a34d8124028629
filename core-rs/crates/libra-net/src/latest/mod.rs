//! The latest-value kind: of each key only the newest value matters.
//!
//! A publisher counts its values (`version`), keeps the newest of each key, and writes all of them again when the server
//! came back; a receiver applies only what is newer than what it has. So a value that is lost on its way is made up for by
//! the next one of its key, and by the load that follows each connection.

use std::collections::HashMap;
use std::hash::Hash;

use crate::ids::Position;

/// The publisher's side: what it said last of each key.
#[derive(Debug)]
pub struct LatestSender<K, V> {
    epoch: u64,
    versions: u64,
    values: HashMap<K, (Position, V)>,
}

impl<K: Eq + Hash + Clone, V> LatestSender<K, V> {
    /// For a life of the publisher.
    pub fn new(epoch: u64) -> Self {
        LatestSender { epoch, versions: 0, values: HashMap::new() }
    }

    /// The version that the next value has to carry.
    pub fn next_version(&self) -> Position {
        Position::new(self.epoch, self.versions + 1)
    }

    /// A new value of a key; its version.
    pub fn set(&mut self, key: K, value: V) -> Position {
        self.versions += 1;
        let version = Position::new(self.epoch, self.versions);
        self.values.insert(key, (version, value));
        version
    }

    /// A key has no value any more: it is not written again. The caller publishes that it ended as a value of its own.
    pub fn forget(&mut self, key: &K) {
        self.values.remove(key);
    }

    /// All values, to be written to a server that may not have them. The server only raises, so those it has are harmless.
    pub fn all(&self) -> impl Iterator<Item = (&K, Position, &V)> {
        self.values.iter().map(|(key, (version, value))| (key, *version, value))
    }
}

/// The receiver's side: which version of each key it applied, of one publisher.
#[derive(Debug)]
pub struct LatestReceiver<K> {
    versions: HashMap<K, Position>,
    newest: u64,
    older: u64,
}

impl<K> Default for LatestReceiver<K> {
    fn default() -> Self {
        LatestReceiver { versions: HashMap::new(), newest: 0, older: 0 }
    }
}

impl<K: Eq + Hash + Clone> LatestReceiver<K> {
    /// A value was published or loaded: whether it is to be applied.
    ///
    /// Values of a life that is over are not, once its successor was heard: that one says again what still holds.
    pub fn offer(&mut self, key: &K, version: Position) -> bool {
        let newer = version.epoch >= self.newest
            && match self.versions.get_mut(key) {
                Some(had) if *had >= version => false,
                Some(had) => {
                    *had = version;
                    true
                }
                None => self.versions.insert(key.clone(), version).is_none(),
            };
        self.newest = self.newest.max(version.epoch);
        self.older += u64::from(!newer);
        newer
    }

    /// A life of the publisher was heard of, by its beacon.
    pub fn heard(&mut self, epoch: u64) {
        self.newest = self.newest.max(epoch);
    }

    /// After a load that began when the subscription was confirmed: takes out the keys whose value comes from a life before
    /// `epoch`, the publisher's life now. It did not say them again, so they hold no longer.
    pub fn retire(&mut self, epoch: u64) -> Vec<K> {
        let gone: Vec<K> =
            self.versions.iter().filter(|(_, had)| had.epoch < epoch).map(|(key, _)| key.clone()).collect();
        self.versions.retain(|_, had| had.epoch >= epoch);
        gone
    }

    /// How many values came that were not newer.
    pub fn older(&self) -> u64 {
        self.older
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_newer_values_are_applied_whatever_the_order() {
        let mut receiver = LatestReceiver::default();
        assert!(receiver.offer(&"btc", Position::new(5, 2)));
        assert!(!receiver.offer(&"btc", Position::new(5, 2)), "the same again, by the load");
        assert!(!receiver.offer(&"btc", Position::new(5, 1)), "late");
        assert!(receiver.offer(&"eth", Position::new(5, 1)), "keys are apart");
        assert!(receiver.offer(&"btc", Position::new(6, 1)), "a new life counts from 1");
        assert!(
            !receiver.offer(&"sol", Position::new(5, 9)),
            "nothing of the life before, now that there is a new one"
        );
        assert_eq!(receiver.older(), 3);
    }

    #[test]
    fn a_successor_that_was_only_heard_of_ends_the_life_before() {
        let mut receiver = LatestReceiver::default();
        assert!(receiver.offer(&"btc", Position::new(5, 1)));
        receiver.heard(6);
        assert!(!receiver.offer(&"btc", Position::new(5, 2)));
        assert_eq!(receiver.retire(6), ["btc"]);
        assert!(receiver.offer(&"btc", Position::new(6, 1)));
        assert!(receiver.retire(6).is_empty());
    }

    #[test]
    fn a_server_that_lost_everything_gets_the_newest_of_each_key() {
        let mut sender = LatestSender::new(7);
        let _ = (sender.set("btc", 1), sender.set("eth", 2));
        assert_eq!(sender.next_version(), Position::new(7, 3));
        assert_eq!(sender.set("btc", 3), Position::new(7, 3));
        let mut all: Vec<_> = sender.all().map(|(key, version, value)| (*key, version.seq, *value)).collect();
        all.sort_unstable();
        assert_eq!(all, [("btc", 3, 3), ("eth", 2, 2)]);
        sender.forget(&"btc");
        assert_eq!(sender.all().count(), 1);
    }
}
