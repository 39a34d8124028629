//! What an order is checked against before it may leave.
//!
//! - [`code`] — every reason for a refusal, with its stable name, and [`Rejection`];
//! - [`limits`] — what an account may do at most;
//! - [`check`] — the checks of one order against limits, market and exposure: pure functions;
//! - [`rate`] — orders a second.
//!
//! Nothing here holds state of an account: the order gate does, and asks.

pub mod check;
pub mod code;
pub mod limits;
pub mod rate;

pub use check::{Checked, Exposure, Market};
pub use code::{Breach, Rejection, RiskCode};
pub use limits::{InstrumentLimits, LimitsError, RiskLimits};
