//! What decides about money, native: no I/O but the order gate's own log, and no Python.
//!
//! - [`instrument`] — what may be traded and in which steps;
//! - [`order`] — orders, their requests, their life cycle, fills, and what a venue says about them;
//! - [`signal`] — strategies' opinions;
//! - [`account`] — positions, balances and P&L, booked fill by fill;
//! - [`risk`] — the checks of an order, the limits and the reasons for a refusal;
//! - [`gate`] — the order gate: the only way out for an order, and its log.

pub mod account;
pub mod gate;
pub mod instrument;
pub mod order;
pub mod risk;
pub mod signal;
