//! Where the events of a run come from.
//!
//! - [`pull`] — simulated time: the earliest of all inputs is taken when nothing is left to do about the one before;
//! - [`feed`] — live time: a native thread paces the sources, shows the market to paper venues, and hands over through
//!   an edge.

mod feed;
mod pull;

pub use feed::Feed;
pub use pull::{Inputs, Turn};
