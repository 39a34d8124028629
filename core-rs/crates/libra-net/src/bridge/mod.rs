//! The seam between a node's loop and the threads that join it to others.
//!
//! ```text
//!  the loop's thread                                  the bridge's threads
//!  Router --published--> Outbound ==urgent, market==> OutboundEnd x 2   -> sockets
//!  Router <-deliver_remote- Inbound <==lanes, market== Arrivals, EdgeSender <- sockets
//!         --take_applied--> Shared: applied, interest, credits, counters, news
//! ```
//!
//! - [`outbound`] — what leaves: two bounded queues, one for urgent lanes and one for market data, with credits for commands;
//! - [`inbound`] — what arrives: a bounded queue for each urgent lane, which never loses an event, and an edge for market data;
//! - [`shared`] — what both sides read: who wants what, credits, counters, applied positions, news;
//! - [`interest`], [`credits`], [`shares`], [`news`], [`departures`], [`pulse`], [`own_accounts`] — its parts; [`mail`] — messages to actors of other nodes;
//! - [`link`] — the threads: a node and its Redis or Valkey;
//! - [`loopback`] — a bridge without a server: two nodes of one process.
//!
//! [`seam`] makes both sides. The loop never waits for a thread, and no thread for the loop: what finds no room waits on its own
//! side, under the policy of its kind.

pub mod credits;
pub mod departures;
pub mod inbound;
pub mod interest;
pub mod link;
pub mod loopback;
pub mod mail;
pub mod news;
pub mod outbound;
mod own_accounts;
mod pulse;
pub mod shared;
mod shares;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use libra_kernel::edge::{EdgeSender, edge_of};
use libra_kernel::wake::Waker;

use crate::frame::LONGEST_FRAME;

pub use inbound::{Arrival, Arrivals, Inbound};
pub use outbound::{Outbound, OutboundEnd};
pub use shared::Shared;

/// How large a seam's queues are.
#[derive(Clone, Debug)]
pub struct SeamSettings {
    /// The node's name.
    pub node: Box<str>,
    /// Durable events of each lane that may be on their way, from publication until every consumer has applied them; its commands
    /// are refused beyond.
    pub credits: usize,
    /// Their bytes, in the same way.
    pub credit_bytes: u64,
    /// Market events between loop and thread, each way.
    pub market: usize,
    /// Arrivals of each urgent lane between thread and loop.
    pub arrivals: usize,
    /// How many shards market data has: 1 to 64.
    pub shards: u8,
    /// Bytes of the longest command that can be sent at all.
    pub longest: usize,
    /// Other nodes have accounts too, or may have: then a signal is for them as well.
    pub accounts_elsewhere: bool,
    /// How long an actor may hold back what the others have applied: far less than others wait for an acknowledgement.
    pub longest_held: Duration,
}

impl SeamSettings {
    /// The usual sizes.
    pub fn new(node: &str) -> Self {
        SeamSettings {
            node: node.into(),
            credits: 65_536,
            credit_bytes: 48 << 20,
            market: 16_384,
            arrivals: 4_096,
            shards: 8,
            longest: LONGEST_FRAME,
            accounts_elsewhere: true,
            longest_held: Duration::from_millis(7_500),
        }
    }
}

/// The loop's side.
pub struct NodeSide {
    /// Becomes the router's sink.
    pub outbound: Outbound,
    /// Where the loop takes arrivals from.
    pub inbound: Inbound,
    /// What both sides read.
    pub shared: Arc<Shared>,
}

/// The threads' side: its parts may go to different threads.
pub struct ThreadSide {
    /// RISK, ORDERS and SIGNALS on their way out.
    pub urgent: OutboundEnd,
    /// Market data on its way out.
    pub market: OutboundEnd,
    /// Urgent lanes on their way in.
    pub arrivals: Arrivals,
    /// Market data on its way in: conflated and dropped by policy where the loop cannot keep up. Whoever has nothing to send
    /// calls its `flush` from time to time.
    pub market_in: EdgeSender,
    /// What both sides read.
    pub shared: Arc<Shared>,
}

/// Makes the two sides. `node` wakes the loop; `urgent` the thread that sends urgent lanes, which also learns of applied positions,
/// of interest and of room for arrivals; `market` the one that sends market data. They may be one.
///
/// # Errors
/// When a size is 0, or there are more than 64 shards.
pub fn seam(
    settings: &SeamSettings,
    node: Arc<Waker>,
    urgent: Arc<Waker>,
    market: Arc<Waker>,
) -> io::Result<(NodeSide, ThreadSide)> {
    let SeamSettings { credits, credit_bytes, market: market_capacity, arrivals, shards, .. } = *settings;
    if credits == 0 || credit_bytes == 0 || market_capacity == 0 || arrivals == 0 || shards == 0 || shards > 64 {
        return Err(io::Error::other("a bridge's queues hold at least one event, and it has 1 to 64 shards"));
    }
    let shared = Arc::new(Shared::new(settings, node.clone(), urgent.clone()));
    let (urgent_in, urgent_out) = edge_of(credits, 1, urgent);
    let (market_in, market_out) = edge_of(1, market_capacity, market);
    let (arriving, inbound, arriving_market) = inbound::inbound(arrivals, market_capacity, shared.clone(), node);
    shared.set_edges(urgent_in.counters(), market_in.counters(), arriving_market.counters());
    Ok((
        NodeSide { outbound: Outbound::new(urgent_in, market_in, shared.clone()), inbound, shared: shared.clone() },
        ThreadSide {
            urgent: OutboundEnd::new(urgent_out, shared.clone()),
            market: OutboundEnd::new(market_out, shared.clone()),
            arrivals: arriving,
            market_in: arriving_market,
            shared,
        },
    ))
}
