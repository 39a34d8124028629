//! The kernel of Libra: what an event is and how it moves inside one process.
//!
//! - [`event`] — the 128-byte [`Event`], its types, lanes and payloads;
//! - [`name`] — interned names of sources and instruments;
//! - [`ids`], [`clock`] — trace ids and time, both seedable so that a simulated run repeats exactly;
//! - [`fixed`] — decimal text to and from fixed-point integers, exact or an error;
//! - [`digest`] — the running hash over everything that a simulated run published.
//!
//! Nothing here does I/O and nothing here knows Python. Data flows one way: an event is made, accepted by a bus or
//! the router (which numbers it), waits in lanes, and is taken out by whoever dispatches.

pub mod clock;
pub mod digest;
pub mod event;
pub mod fixed;
pub mod ids;
pub mod name;

pub use event::{Event, EventType, Lane, Payload, Policy, SharedPayload};
pub use name::Name;
