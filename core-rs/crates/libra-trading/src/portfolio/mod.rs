//! From opinions to order requests: a strategy's signal becomes the orders that bring its own position to where the
//! signal wants it.
//!
//! - `sizing` — how large a position a signal means;
//! - `ledger` — what each strategy holds and what is still on its way, from orders and fills;
//! - `request` — request ids and the instrument's steps;
//! - `decide` — [`Portfolio`]: signals in, requests out.
//!
//! Strategies of one account share its positions at the venue; the ledger keeps them apart, so that a CLOSE of one never
//! sells what another bought. Feed it every order and fill of the account ([`Portfolio::on_order`],
//! [`Portfolio::on_fill`], in any order, as often as they come) and every signal ([`Portfolio::on_signal`]).

mod decide;
mod ledger;
mod request;
mod sizing;
#[cfg(test)]
mod tests;

pub use decide::{Decision, Portfolio, PortfolioConfig, SizingContext};
pub use request::{Leg, SkipReason, Skipped, request_id};
pub use sizing::Sizing;
