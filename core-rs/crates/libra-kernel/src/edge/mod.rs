//! An edge: the way of events from one native thread to the thread that owns the mailboxes.
//!
//! Two single-producer rings, one for the urgent lanes and one for market data, so that a fill never waits behind quotes.
//! When a ring is full the producer keeps what does not fit in a mailbox of its own, under the same policies as any
//! mailbox, and everything later goes behind it: order within a lane holds, and a consumer that stands still costs its
//! producer nothing but conflation.
//!
//! A producer that ends hands over what still waits at its end, past the rings: the consumer finds it behind them. So a
//! fill outlives the thread that brought it, even where the consumer stands still and waits for that thread.
//!
//! - [`sender`], [`receiver`] — the two ends, each owned by one thread;
//! - [`ring`] — the rings' ends, copying as little as can be;
//! - [`counters`] — what the producer counted, readable by anyone; [`ending`] — how the end of a producer is handed over;
//! - [`waker`](crate::wake) — how the consumer learns of an event while it sleeps.

mod counters;
mod ending;
#[cfg(test)]
mod model;
mod receiver;
mod ring;
mod sender;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use counters::EdgeCounters;
pub use receiver::EdgeReceiver;
pub use sender::EdgeSender;

use crate::wake::Waker;
use ending::Ending;
use ring::ring;

/// An edge whose rings hold `capacity` events each.
pub fn edge(capacity: usize, waker: Arc<Waker>) -> (EdgeSender, EdgeReceiver) {
    edge_of(capacity, capacity, waker)
}

/// An edge whose rings hold so many urgent and so many market events; neither may be 0. The sender keeps as many as the larger
/// one before policies apply.
pub fn edge_of(urgent: usize, market: usize, waker: Arc<Waker>) -> (EdgeSender, EdgeReceiver) {
    let (urgent_in, urgent_out) = ring(urgent);
    let (market_in, market_out) = ring(market);
    let counters = Arc::new(EdgeCounters::new());
    let ending = Arc::new(Ending::new());
    let receiver = EdgeReceiver::new(urgent_out, market_out, ending.clone(), counters.clone());
    let kept = urgent.max(market);
    (EdgeSender::new(urgent_in, market_in, kept, ending, counters, waker), receiver)
}
