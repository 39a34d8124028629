//! What decides about money, native: no I/O but the order gate's own log, and no Python.
//!
//! - [`instrument`] — what may be traded and in which steps;
//! - [`order`] — orders, their requests, their life cycle, fills, and what a venue says about them;
//! - [`signal`] — strategies' opinions;
//! - [`portfolio`] — signals become order requests;
//! - [`risk`] — the checks of an order, the limits and the reasons for a refusal;
//! - [`gate`] — the order gate: the only way out for an order, and its log;
//! - [`journal`] — the log as rows of a database;
//! - [`account`] — positions, balances and P&L, booked fill by fill;
//! - [`matching`] — an exchange's matching engine; [`exchange`] — the markets of a simulated exchange, with others in them;
//! - [`paper`] — a venue that trades on paper;
//! - [`reconcile`] — the venue's word held against the account;
//! - [`desk`] — all of that for one account, joined by events;
//! - [`session`] — where the events of a run come from: pulled in simulated time, pushed by a thread in a live one.

// What prints panics where nobody reads, and takes its thread along.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod account;
pub mod desk;
pub mod exchange;
pub mod gate;
pub mod instrument;
pub mod journal;
pub mod matching;
pub mod order;
pub mod paper;
pub mod portfolio;
pub mod reconcile;
pub mod risk;
pub mod session;
pub mod signal;

/// The tests beside the crate share their instruments with those inside, which see the crate by its name as well.
#[cfg(test)]
#[path = "../tests/samples/mod.rs"]
pub(crate) mod samples;

#[cfg(test)]
extern crate self as libra_trading;
