//! Market data, native: where it comes from and what is made of it.
//!
//! - [`source`] — the trait of whatever gives market events in time order, its counters and its problems;
//! - [`replay`] — recorded files as a source: gzip or text, merged by time;
//! - [`synthetic`] — a seeded, made-up market as a source;
//! - [`binance`] — the frames of Binance spot, USD-M and COIN-M;
//! - [`venue`], [`listing`] — venues, and which instrument a venue's symbol stands for;
//! - [`book`] — what an `ORDER_BOOK` event carries, and the L2 book that it updates;
//! - [`indicator`] — streaming indicators.
//!
//! Data flows one way: bytes of a frame, or the synthetic model, become the payload of an event, and a source gives the
//! events out in the order of their receive times. Nothing here knows orders or Python, and no input makes it panic: what
//! cannot be read is counted and told with its place.

// What prints panics where nobody reads, and takes its thread along.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod binance;
pub mod book;
pub mod indicator;
pub mod listing;
pub mod replay;
pub mod source;
pub mod synthetic;
pub mod venue;
