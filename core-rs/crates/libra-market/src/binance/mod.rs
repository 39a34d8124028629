//! Binance's market data frames, read tolerantly: keys in any order, unknown fields ignored, no panic for any bytes.
//!
//! - [`parser`] — the bytes of one frame to a [`Frame`]: the only entrance;
//! - [`error`] — why a frame is malformed;
//! - `fields` — the fields of a frame that matter, found on simd-json's tape;
//! - `kind` — what a frame is, and of which of the three venues;
//! - `decode` — fields to quotes, trades and book updates in the listing's decimals;
//! - `number` — decimal text to units, and the decimals that an unlisted symbol gets.
//!
//! Sources: Binance's API documentation, "WebSocket Market Streams" of Spot, USDⓈ-M and COIN-M, and the recorded frames.

mod decode;
pub mod error;
mod fields;
mod kind;
mod number;
pub mod parser;

pub use error::FrameError;
pub use parser::{Frame, FrameParser, MarketFrame};
