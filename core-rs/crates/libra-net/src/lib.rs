//! What joins nodes: events that are published in one process reach the subscribers in others, under the promise of
//! their kind.
//!
//! - [`ids`] — positions, channels, and the names of keys in Redis;
//! - [`durable`], [`latest`], [`best_effort`] — the protocols as state machines: inputs in, actions out, no clock and no
//!   socket;
//! - [`frame`] — the wire format: frames of events, byte by byte;
//! - [`resp`] — the connection to Redis or Valkey: RESP3, TLS, Sentinel;
//! - [`bridge`] — the threads that join them to a node's router.

pub mod best_effort;
pub mod bridge;
pub mod durable;
pub mod frame;
pub mod ids;
pub mod latest;
pub mod resp;
