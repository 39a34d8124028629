//! A venue that trades on paper: real market data in, reports as a venue would send them out.
//!
//! - `config` — latency, slippage, when resting orders fill;
//! - `market` — what the venue shows of an instrument, and what our own orders took of it;
//! - `filters` — the instrument's steps and limits;
//! - `record` — what the venue knows of an order;
//! - `venue` — [`PaperVenue`]: messages in both directions and their latency;
//! - `arrival` — how an order takes what is shown and rests;
//! - `resting` — what fills an order that rests;
//! - `booking` — fills and ends of orders;
//! - `restore` — orders of the process before.
//!
//! Market events go in by [`PaperVenue::on_market`] before anyone else sees them, orders by [`PaperVenue::submit`]; time is
//! handed in, so a run done twice gives the same reports. Order of a moment: what was due before a market event meets
//! the market before it, what is due at the same time meets the market after it.
//!
//! The fills are a model: a resting order has no place in the venue's queue ([`LimitFill`] says first or last), and what
//! we take does not move the recorded market; it is only not offered to us a second time.

mod arrival;
mod booking;
mod config;
mod filters;
mod market;
mod record;
mod resting;
mod restore;
#[cfg(test)]
mod tests;
mod venue;

pub use config::{BeyondTop, LimitFill, PaperConfig};
pub use record::OpenOrder;
pub use venue::{PaperStats, PaperVenue};
