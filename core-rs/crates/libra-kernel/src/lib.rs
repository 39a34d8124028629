//! The kernel of Libra: what an event is and how it moves inside one process.
//!
//! - [`event`] — the 128-byte [`Event`], its types, lanes and payloads;
//! - [`name`] — interned names of sources and instruments;
//! - [`ids`], [`clock`] — trace ids and time, both seedable so that a simulated run repeats exactly;
//! - [`fixed`] — decimal text to and from fixed-point integers, exact or an error;
//! - [`mailbox`] — four lanes of waiting events, with what happens when one is full;
//! - [`router`] — one event to every mailbox that subscribed, and the seam for a bridge;
//! - [`edge`], [`wake`] — the way in from native threads, and waking the loop;
//! - [`allowance`] — how much an actor may publish; [`timers`] — timers on a node's clock; [`letters`] — what could not be delivered;
//! - [`native`] — supervised threads; [`guard`] — signals, and the end of a process that hangs, by what it sees in
//!   [`turns`] (whose handler runs), [`heartbeat`] and [`memory`];
//! - [`forks`] — what a child of this process has not; [`alarm`] — the kill switch that needs no loop; [`bridge_state`] — what of a bridge stops new orders;
//! - [`recent`] — what is remembered of recent events, for who follows a trace;
//! - [`latency`] — a histogram of durations;
//! - [`digest`] — the running hash over everything that a simulated run published.
//!
//! Nothing here does I/O (but a descriptor to wake, signals and an alarm's marker) and nothing here knows Python. Data
//! flows one way: an event is made, accepted by a bus or the router (which numbers it), waits in lanes, and is taken out
//! by whoever dispatches.

// What prints panics where nobody reads, and takes its thread along.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod alarm;
pub mod allowance;
mod atomic;
pub mod bridge_state;
pub mod clock;
pub mod digest;
pub mod edge;
pub mod event;
pub mod fixed;
pub mod forks;
pub mod guard;
pub mod heartbeat;
pub mod ids;
pub mod latency;
pub mod letters;
pub mod mailbox;
pub mod memory;
pub mod name;
pub mod native;
pub mod recent;
pub mod router;
pub mod timers;
pub mod turns;
pub mod wake;

pub use event::{Encoded, Event, EventType, Lane, Leaving, Payload, Policy, SharedPayload, Travel};
pub use name::Name;
