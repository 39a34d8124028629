//! What an order is checked against before it may leave.
//!
//! - [`code`] — every reason for a refusal, with its stable name, and [`Rejection`];
//! - [`limits`] — what an account may do at most; [`keys`] — the limits by their names; [`change`] — how they change;
//! - [`check`] — the checks of one order against limits, market and exposure: pure functions;
//! - [`exposure`] — the same over all instruments together;
//! - [`parts`] — how a limit is divided among strategies; [`rate`] — orders and messages within a time; [`volume`] —
//!   what the market traded of late;
//! - `times` — a product of money that is checked and cheap.
//!
//! Nothing here holds state of an account: the order gate does, and asks.

pub mod change;
pub mod check;
pub mod code;
pub mod exposure;
pub mod keys;
pub mod limits;
pub mod parts;
pub mod rate;
mod times;
pub mod volume;

pub use change::{LimitChange, Term};
pub use check::{Checked, Exposure, Market};
pub use code::{Breach, Rejection, RiskCode};
pub use limits::{InstrumentLimits, LimitsError, RiskLimits};
