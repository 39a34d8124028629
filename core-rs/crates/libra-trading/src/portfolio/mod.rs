//! From opinions to order requests: a strategy's signal becomes the orders that bring its own position to where the
//! signal wants it.
//!
//! - `sizing` — how large a position a signal means;
//! - `volatility` — how much an instrument moves, for sizes that depend on it;
//! - `ledger` — what each strategy holds and what is still on its way, from orders and fills;
//! - `request` — what a decision is made of: request ids, the instrument's steps, reasons for no order;
//! - `decide` — [`Portfolio`]: signals in, requests out.
//!
//! Strategies of one account share its positions at the venue; the ledger keeps them apart, so that a CLOSE of one never
//! sells what another bought. Feed it every order and fill of the account ([`Portfolio::on_order`],
//! [`Portfolio::on_fill`], in any order, as often as they come) and every signal ([`Portfolio::on_signal`]).

mod config;
mod decide;
mod ledger;
mod request;
mod sizing;
#[cfg(test)]
mod tests;
mod volatility;

pub use config::{PortfolioConfig, SizingContext};
pub use decide::Portfolio;
pub use request::{Decision, Leg, SkipReason, Skipped, request_id};
pub use sizing::{Sizing, VolatilityTarget};
pub use volatility::{Volatility, VolatilityConfig};
