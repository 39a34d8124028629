//! What a link is made with.

use std::time::Duration;

use super::skew::Deadlines;
use crate::durable::SenderLimits;
use crate::frame::LONGEST_FRAME;
use crate::ids::{BadName, ChannelId, Environment};
use crate::resp::Endpoint;
use libra_kernel::Lane;
use libra_kernel::clock::wall_ns;

/// The shard of the durable channels: each node has one channel a lane.
pub(super) const WHOLE: &str = "all";

/// The lanes of durable channels, the most urgent first.
pub(super) const DURABLE: [Lane; 3] = [Lane::Risk, Lane::Orders, Lane::Signals];

/// How a node is joined to others.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// The topology's.
    pub environment: Environment,
    /// This node's name.
    pub node: String,
    /// The other nodes that the topology declares: each is a consumer of what this one publishes.
    pub peers: Vec<String>,
    /// Which of all nodes has accounts: what is asked of an account is for it. At most one, since a link does not know which node has
    /// which. Without it all may have some.
    pub accounts: Option<Vec<String>>,
    /// The server.
    pub endpoint: Endpoint,
    /// How many shards market data has: the same in all nodes.
    pub shards: u8,
    /// Most durable events of a channel that wait for their acknowledgement.
    pub outbox_events: u64,
    /// The same in bytes.
    pub outbox_bytes: usize,
    /// A node that acknowledges nothing for so long is not waited for any more.
    pub stale_after: Duration,
    /// How far the clock of another node may be from ours: beyond it a deadline of it counts for nothing.
    pub max_clock_skew: Duration,
    /// How long a handler may hold the loop before the node itself has ended it: for so long it lives, though the loop does not come
    /// round.
    pub loop_patience: Duration,
    /// When this life of the node began, nanoseconds since the epoch: what its beacons say.
    pub started_ns: i64,
    /// The version of the software, for the beacon.
    pub version: String,
}

impl LinkSettings {
    /// The usual ones.
    ///
    /// # Errors
    /// When a name cannot be one.
    pub fn new(environment: &str, node: &str, peers: &[&str], endpoint: Endpoint) -> Result<Self, BadName> {
        for name in peers.iter().chain([&node]) {
            ChannelId::new(Lane::Orders, WHOLE, name)?;
        }
        Ok(LinkSettings {
            environment: Environment::new(environment)?,
            node: node.into(),
            peers: peers.iter().filter(|peer| **peer != node).map(|peer| (*peer).to_owned()).collect(),
            accounts: None,
            endpoint,
            shards: 8,
            outbox_events: 100_000,
            outbox_bytes: 64 << 20,
            stale_after: Duration::from_secs(30),
            max_clock_skew: Duration::from_secs(2),
            loop_patience: Duration::ZERO,
            started_ns: wall_ns(),
            version: env!("CARGO_PKG_VERSION").into(),
        })
    }

    /// What is wrong with them.
    pub(super) fn fault(&self) -> Option<String> {
        let nodes = self.accounts.as_ref().filter(|nodes| nodes.len() > 1)?;
        let why = "what is asked of an account could not be told to have come to its node: name one";
        Some(format!("accounts in {} nodes ({}): {why}", nodes.len(), nodes.join(", ")))
    }

    /// The durable channels of a publisher.
    pub(super) fn channels_of(&self, publisher: &str) -> Vec<ChannelId> {
        DURABLE.iter().filter_map(|&lane| ChannelId::new(lane, WHOLE, publisher).ok()).collect()
    }

    /// How many durable events of a lane may be on their way before its commands are refused: what a sender has room for whatever the
    /// commands are, so that one that was accepted is never refused later.
    pub fn credits(&self) -> usize {
        usize::try_from(self.outbox_events / 4 * 3).unwrap_or(usize::MAX).max(1)
    }

    /// The same in bytes.
    pub fn credit_bytes(&self) -> u64 {
        (self.outbox_bytes as u64 / 4 * 3).max(1)
    }

    /// Bytes of the longest command that can be sent at all: a frame's, and what an empty outbox takes.
    pub fn longest(&self) -> usize {
        self.outbox_bytes.min(LONGEST_FRAME)
    }

    /// How long an actor of this node may hold back what its others have applied, before the node acknowledges without it.
    pub fn longest_held(&self) -> Duration {
        self.stale_after / 4
    }

    /// False for a node that is known to have none.
    pub fn may_have_accounts(&self, node: &str) -> bool {
        self.accounts.as_ref().is_none_or(|nodes| nodes.iter().any(|name| name == node))
    }

    /// How what others ask of this node's accounts is held to its deadline.
    pub(super) fn deadlines(&self) -> Deadlines {
        let has_accounts = self.accounts.as_ref().is_some_and(|nodes| nodes.contains(&self.node));
        let most_ns = i64::try_from(self.max_clock_skew.as_nanos()).unwrap_or(i64::MAX);
        Deadlines { most_ns, is_strict: has_accounts }
    }

    pub(super) fn sender_limits(&self) -> SenderLimits {
        SenderLimits {
            events: self.outbox_events,
            bytes: self.outbox_bytes,
            stale_after: u64::try_from(self.stale_after.as_nanos()).unwrap_or(u64::MAX),
            ..SenderLimits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_waited_for_far_less_long_than_its_node() {
        let endpoint = "redis://127.0.0.1".parse().expect("an address");
        let usual = LinkSettings::new("x", "a", &["b"], endpoint).expect("names");
        let settings = LinkSettings { stale_after: Duration::from_secs(40), ..usual };
        assert_eq!(settings.longest_held(), Duration::from_secs(10));
    }
}
