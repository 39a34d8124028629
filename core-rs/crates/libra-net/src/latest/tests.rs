//! The two sides alone, and joined by a server and connections that fail, from seeds.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn position(epoch: u64, seq: u64) -> Position {
    Position::new(epoch, seq)
}

#[test]
fn only_newer_values_are_applied_whatever_the_order() {
    let mut receiver = LatestReceiver::of_a_life();
    assert!(receiver.offer(&"btc", position(5, 2)));
    assert!(!receiver.offer(&"btc", position(5, 2)), "the same again");
    assert!(!receiver.offer(&"btc", position(5, 1)), "late");
    assert!(receiver.offer(&"eth", position(5, 1)), "keys are apart");
    assert!(receiver.offer(&"btc", position(6, 1)), "a new life counts from 1");
    assert!(!receiver.offer(&"sol", position(5, 9)), "nothing of the life before, now that there is a new one");
    assert_eq!(receiver.older(), 3);
}

#[test]
fn a_successor_that_was_only_heard_of_ends_the_life_before() {
    let mut receiver = LatestReceiver::of_a_life();
    assert!(receiver.offer(&"btc", position(5, 1)));
    receiver.heard(6);
    assert!(!receiver.offer(&"btc", position(5, 2)));
    assert!(receiver.offer(&"btc", position(6, 1)));
}

#[test]
fn what_an_account_has_outlives_the_life_that_said_it() {
    let mut receiver = LatestReceiver::of_all_lives();
    receiver.heard(6);
    assert!(receiver.load(&"btc", position(6, 1)));
    assert!(receiver.load(&"eth", position(5, 9)), "its successor had no reason to say it again");
    assert!(!receiver.load(&"btc", position(5, 9)));
}

#[test]
fn a_loaded_value_is_applied_again_for_somebody_new_and_an_older_one_never() {
    let mut receiver = LatestReceiver::of_all_lives();
    receiver.unseen(|_| true);
    assert!(receiver.load(&"btc", position(5, 2)));
    assert!(!receiver.load(&"btc", position(5, 2)), "it was there when that came");
    receiver.unseen(|key| *key == "eth");
    assert!(!receiver.load(&"btc", position(5, 2)));
    receiver.unseen(|key| *key == "btc");
    assert!(!receiver.load(&"btc", position(5, 1)));
    assert!(receiver.load(&"btc", position(5, 2)));
    assert!(!receiver.load(&"btc", position(5, 2)), "once");
    assert_eq!(receiver.older(), 0, "they were not published");
}

#[test]
fn a_server_that_lost_everything_gets_the_newest_of_each_key() {
    let mut sender = LatestSender::default();
    for (key, seq) in [("btc", 1), ("eth", 2), ("btc", 3), ("eth", 1)] {
        sender.set(key, position(7, seq), seq);
    }
    let take = |sender: &mut LatestSender<_, _>| {
        let mut taken = Vec::new();
        while let Some((key, version, value)) = sender.take() {
            taken.push((*key, version.seq, *value));
        }
        taken.sort_unstable();
        taken
    };
    assert_eq!(take(&mut sender), [("btc", 3, 3), ("eth", 2, 2)]);
    assert!(!sender.has_waiting());
    sender.adopt("btc", position(6, 9), 0);
    sender.adopt("sol", position(6, 9), 9);
    assert!(!sender.has_waiting(), "the server has it");
    sender.say_again();
    sender.say_again();
    assert_eq!(take(&mut sender), [("btc", 3, 3), ("eth", 2, 2), ("sol", 9, 9)], "once each");
}

/// A publisher, a server and a consumer. Values are their own numbers in the order of their making.
struct World {
    rng: fastrand::Rng,
    epoch: u64,
    numbers: u64,
    sender: LatestSender<u8, u64>,
    server: BTreeMap<u8, (Position, u64)>,
    is_connected: bool,
    receiver: LatestReceiver<u8>,
    listens: bool,
    shown: BTreeMap<u8, u64>,
    steps: BTreeSet<&'static str>,
}

impl World {
    fn new(seed: u64) -> Self {
        World {
            rng: fastrand::Rng::with_seed(seed),
            epoch: 1,
            numbers: 0,
            sender: LatestSender::default(),
            server: BTreeMap::new(),
            is_connected: false,
            receiver: LatestReceiver::of_all_lives(),
            listens: false,
            shown: BTreeMap::new(),
            steps: BTreeSet::new(),
        }
    }

    fn apply(&mut self, key: u8, version: Position, value: u64, was_loaded: bool) {
        let is_newer = match was_loaded {
            true => self.receiver.load(&key, version),
            false => self.receiver.offer(&key, version),
        };
        if is_newer {
            let before = self.shown.insert(key, value);
            assert!(before.is_none_or(|before| before < value), "key {key}: {value} came after {before:?}");
        }
    }

    /// A value reaches the server, which publishes what it had not.
    fn write(&mut self, published: bool) {
        let Some((&key, version, &value)) = self.sender.take() else { return };
        let is_news = self.server.get(&key).is_none_or(|(had, _)| *had < version);
        if is_news {
            self.server.insert(key, (version, value));
            if published && self.listens {
                self.apply(key, version, value, false);
            }
        }
    }

    fn load(&mut self) {
        self.listens = true;
        for (key, (version, value)) in self.server.clone() {
            self.apply(key, version, value, true);
        }
    }

    fn step(&mut self) {
        let step = match self.rng.u8(..100) {
            0..40 => {
                self.numbers += 1;
                self.sender.set(self.rng.u8(..6), position(self.epoch, self.numbers), self.numbers);
                "set"
            }
            40..70 if self.is_connected => {
                self.write(true);
                "write"
            }
            70..75 => {
                // What was on its way is lost.
                if self.is_connected {
                    let _ = self.sender.take();
                }
                self.is_connected = false;
                "publisher cut"
            }
            75..84 => {
                self.connect();
                "publisher connects"
            }
            84..88 => {
                self.listens = false;
                "consumer cut"
            }
            88..94 => {
                self.load();
                "consumer connects"
            }
            94..96 => {
                self.receiver = LatestReceiver::of_all_lives();
                self.shown.clear();
                self.load();
                "consumer restarts"
            }
            96..99 => {
                self.server.clear();
                (self.listens, self.is_connected) = (false, false);
                "server empty"
            }
            _ => {
                // Its next life says nothing of what has not changed.
                self.epoch += 1;
                self.sender = LatestSender::default();
                self.is_connected = false;
                "publisher restarts"
            }
        };
        self.steps.insert(step);
    }

    fn connect(&mut self) {
        self.is_connected = true;
        for (key, (version, value)) in &self.server {
            self.sender.adopt(*key, *version, *value);
        }
        self.sender.say_again();
    }

    /// The newest of each key that the publisher or the server has: the consumer may have heard of a newer one only if both
    /// have lost it.
    fn newest(&self) -> BTreeMap<u8, u64> {
        let of_server = self.server.iter().map(|(key, (_, value))| (*key, *value));
        let of_sender = self.sender.values.iter().map(|(key, (_, value))| (*key, *value));
        let mut newest = BTreeMap::new();
        for (key, value) in of_server.chain(of_sender) {
            let had = newest.entry(key).or_insert(value);
            *had = value.max(*had);
        }
        newest
    }
}

#[test]
fn a_consumer_ends_with_the_newest_of_each_key_whatever_failed_and_never_goes_back() {
    let only = std::env::var("LIBRA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..500, |seed: u64| seed..seed + 1);
    let mut steps = BTreeSet::new();
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..200 {
            world.step();
        }
        // Either may be back first.
        let consumer_first = world.rng.bool();
        if consumer_first {
            world.load();
        }
        world.connect();
        while world.sender.has_waiting() {
            world.write(true);
        }
        if !consumer_first {
            world.load();
        }
        for (key, value) in world.newest() {
            assert!(world.shown.get(&key) >= Some(&value), "LIBRA_SEED={seed}: key {key}, {value}: {:?}", world.shown);
        }
        steps.append(&mut world.steps);
    }
    assert_eq!(steps.len(), 9, "{steps:?}");
}
