//! What a node remembers of its recent events: a bounded ring of fixed-size notes, written by the thread that did what they
//! tell.
//!
//! - [`note`] — one note, and what became of an event where it was written;
//! - [`recorder`] — the ring, which events are noted at all, and how they are found again;
//! - [`outlet`] — the way out of the notes for whoever exports them, on a thread of its own.
//!
//! What is urgent (RISK, ORDERS, SIGNALS) is always noted, market data where its trace is sampled: an event that is not
//! costs the test of a lane and a flag. A note is copied into memory that the ring keeps, so it costs no allocation; the
//! oldest one gives way. A recorder has one writer. Nothing that is decided depends on it: it can be left out.

pub mod note;
pub mod outlet;
pub mod recorder;

pub use note::{Note, Step};
pub use outlet::{Intake, Outlet, outlet};
pub use recorder::{Prefix, Recorder};
