//! What decides about money, native: no I/O but the order gate's own log, and no Python.
//!
//! - [`instrument`] — what may be traded and in which steps;
//! - [`order`] — orders, their requests, their life cycle, fills, and what a venue says about them;
//! - [`paper`] — a venue that trades on paper;
//! - [`portfolio`] — signals become order requests;
//! - [`signal`] — strategies' opinions.

pub mod instrument;
pub mod order;
pub mod paper;
pub mod portfolio;
pub mod signal;
