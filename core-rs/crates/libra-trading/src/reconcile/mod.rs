//! Reconciliation: what a venue says of the whole account, held against what the gate's log makes of it.
//!
//! A *look* is one picture of the venue: its open orders, what was executed and what flowed since the last one, positions and
//! balances, fetched one after the other while both sides go on. What is to hold:
//!
//! 1. *After a look without findings our positions and balances equal the venue's to the last unit.*
//! 2. *Nothing is booked twice*: an execution by (order, trade id), a flow by the venue's key, an order by its id; what an
//!    opening holds already is not booked again.
//! 3. *No new order leaves between a (re)connect and the first look that decided everything.*
//!
//! A fill races the picture, so a difference counts only when two looks in a row show the very same one and nothing of it
//! was in flight or booked between them. Nothing is tolerated but that, and a
//! venue's rounding of what executions realise: at most its unit for each, booked as a flow.
//!
//! - [`venue`] — what a venue says, in the account's units;
//! - [`compare`] — the comparison: a pure function of the account, a look and what is in flight;
//! - [`looks`] — one look after the other: what is booked at once, what is waited for, what is decided;
//! - [`picture`] — the books as of the moment that a look's picture shows;
//! - [`order`] — what the order of executions makes of the P&L; [`rounding`] — what a venue's units make of it;
//! - [`accept`] — the numbers of an adjustment, when an operator takes the venue's word.
//!
//! Data goes one way: a gateway's rows come in as a [`venue::VenueLook`], records leave through the gate.

pub mod accept;
pub mod compare;
pub mod looks;
pub mod order;
pub mod picture;
pub mod rounding;
pub mod venue;

pub use accept::{AcceptError, Adjustment, BalanceLine, PositionLine};
pub use compare::{Amendment, Difference, Finding, Flight, Foreign, Subject, compare};
pub use looks::{LookReport, Looks, Taken};
pub use venue::{FlowKind, VenueExecution, VenueFlow, VenueLook, VenueOrder, VenuePosition, VenueState};
