//! Positions, channels, and the names of keys in Redis.

use std::fmt;
use std::str::FromStr;

use libra_kernel::Lane;

/// The longest name of an environment, a publisher or a shard.
pub const LONGEST_NAME: usize = 63;

/// The last epoch and the last `channel_seq` that there can be: numbers in Redis' Lua are exact up to here. Whatever says a higher
/// one was made by nobody of ours.
pub const LATEST: u64 = (1 << 53) - 1;

/// A place in a publisher's channel: every event has one, and they grow. Shown and read as `EPOCH-SEQ`, which is also how
/// a Redis stream names its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The publisher's life: a later one is higher.
    pub epoch: u64,
    /// `channel_seq`: the events of the channel in that life, from 1. 0 is the place before the first.
    pub seq: u64,
}

impl Position {
    /// The place of event `seq` of life `epoch`.
    pub const fn new(epoch: u64, seq: u64) -> Self {
        Position { epoch, seq }
    }

    /// Whether there can be such a place.
    pub const fn can_be(self) -> bool {
        self.epoch <= LATEST && self.seq <= LATEST
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl FromStr for Position {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let wrong = || BadName::Position(text.chars().take(64).collect());
        let (epoch, seq) = text.split_once('-').ok_or_else(wrong)?;
        let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
            true => digits.parse::<u64>().map_err(|_| wrong()),
            false => Err(wrong()),
        };
        Some(Position { epoch: number(epoch)?, seq: number(seq)? })
            .filter(|position| position.can_be())
            .ok_or_else(wrong)
    }
}

/// A name that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It is empty, too long, or has other characters than it may.
    #[error("{what} {name:?} is not 1 to {LONGEST_NAME} of a-z, 0-9 and {others}, beginning with a letter or digit")]
    Name {
        /// What it should name.
        what: &'static str,
        /// What was given.
        name: String,
        /// What else may stand in it.
        others: &'static str,
    },
    /// It is no position.
    #[error("{0:?} is not a position like 12-345")]
    Position(String),
}

pub(crate) fn check(what: &'static str, name: &str, others: &'static str) -> Result<(), BadName> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let rest =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || others.contains(byte as char));
    match first && rest && name.len() <= LONGEST_NAME {
        true => Ok(()),
        false => Err(BadName::Name { what, name: name.chars().take(2 * LONGEST_NAME).collect(), others }),
    }
}

/// The environment of a topology: nodes of different ones never hear each other, even on one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Environment(String);

impl Environment {
    /// A checked name.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn new(name: &str) -> Result<Self, BadName> {
        check("environment", name, "_-").map(|()| Environment(name.into()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The pub/sub channel of a lane and shard: `libra:ENV:LANE:SHARD`.
    pub fn channel(&self, lane: Lane, shard: &str) -> String {
        format!("libra:{}:{}:{shard}", self.0, lane.name())
    }

    /// The pub/sub channel of beacons and announcements.
    pub fn control(&self) -> String {
        format!("libra:{}:control", self.0)
    }

    /// The pub/sub channel of what is said to one publisher: acknowledgements, requests for a snapshot.
    pub fn control_of(&self, publisher: &str) -> String {
        format!("libra:{}:control:{publisher}", self.0)
    }

    /// The key of the server's incarnation: gone when its data are.
    pub fn incarnation(&self) -> String {
        format!("libra:{}:incarnation", self.0)
    }

    /// A key on which a node tries at its start what it may do. It is gone again at once.
    pub fn trial(&self) -> String {
        format!("libra:{}:trial", self.0)
    }

    /// The hash of the publishers' epochs.
    pub fn epochs(&self) -> String {
        format!("libra:{}:epochs", self.0)
    }

    /// The hash of a publisher's latest values.
    pub fn state(&self, publisher: &str) -> String {
        format!("libra:{}:state:{publisher}", self.0)
    }

    /// The stream of a durable channel.
    pub fn stream(&self, channel: &ChannelId) -> String {
        format!("libra:{}:stream:{channel}", self.0)
    }

    /// The hash with the bounds of a durable channel's stream.
    pub fn bounds(&self, channel: &ChannelId) -> String {
        format!("libra:{}:chan:{channel}", self.0)
    }

    /// The hash of what each consumer group has applied of a durable channel.
    pub fn acknowledged(&self, channel: &ChannelId) -> String {
        format!("libra:{}:ack:{channel}", self.0)
    }
}

/// A channel with one writer. Shown as `LANE:SHARD:PUBLISHER`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId {
    /// The lane that its events ride.
    pub lane: Lane,
    shard: String,
    publisher: String,
}

impl ChannelId {
    /// A checked channel.
    ///
    /// # Errors
    /// When the shard or the publisher cannot be a name.
    pub fn new(lane: Lane, shard: &str, publisher: &str) -> Result<Self, BadName> {
        check("shard", shard, "_-@.")?;
        check("publisher", publisher, "_-")?;
        Ok(ChannelId { lane, shard: shard.into(), publisher: publisher.into() })
    }

    /// Which part of the lane.
    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// Who writes it: the name of a node.
    pub fn publisher(&self) -> &str {
        &self.publisher
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.lane.name(), self.shard, self.publisher)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_by_life_and_read_back() {
        let early = Position::new(1, 900);
        let late = Position::new(2, 1);
        assert!(early < late);
        assert_eq!("2-1".parse(), Ok(late));
        assert_eq!(late.to_string(), "2-1");
        for wrong in
            ["", "1", "-", "1-", "+1-2", "1-2-3", "18446744073709551616-1", "9007199254740992-1", "1-9007199254740992"]
        {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_that_could_be_taken_for_others_are_refused() {
        for wrong in ["", "Upper", "a:b", "a b", "{a}", "-a", &"a".repeat(64)] {
            assert!(ChannelId::new(Lane::Orders, "all", wrong).is_err(), "{wrong}");
            assert!(Environment::new(wrong).is_err(), "{wrong}");
        }
        let channel = ChannelId::new(Lane::Orders, "all", "node-1").unwrap();
        let environment = Environment::new("paper").unwrap();
        assert_eq!(environment.stream(&channel), "libra:paper:stream:ORDERS:all:node-1");
        assert_eq!(environment.channel(Lane::MarketData, "7"), "libra:paper:MARKET_DATA:7");
    }
}
