//! Why a frame is malformed.

use libra_kernel::fixed::DecimalError;
use thiserror::Error;

use crate::listing::ListingError;

/// Why a frame cannot be read as what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A field that the frame's kind needs is missing.
    #[error("field {0:?} is missing")]
    Missing(&'static str),
    /// A field has another JSON type than the venue documents.
    #[error("field {field:?} is not {wanted}")]
    Type {
        /// The field.
        field: &'static str,
        /// What it has to be.
        wanted: &'static str,
    },
    /// A price or size is no number in the instrument's decimals.
    #[error("{field:?} {text:?}: {reason} ({decimals} decimals)")]
    Number {
        /// The field.
        field: &'static str,
        /// What it holds.
        text: String,
        /// The decimals of the instrument's prices or sizes.
        decimals: u8,
        /// What is wrong with it.
        reason: DecimalError,
    },
    /// A number that makes no sense there: a negative size, a price of zero.
    #[error("field {field:?} must not be {value} here")]
    Value {
        /// The field.
        field: &'static str,
        /// What it holds, in units of the instrument's decimals or as the venue sends it.
        value: i64,
    },
    /// The first update id of a depth frame lies behind its last one.
    #[error("update ids go from {first} back to {last}")]
    Ids {
        /// `U`.
        first: i64,
        /// `u`.
        last: i64,
    },
    /// The symbol is none, or one too many.
    #[error(transparent)]
    Listing(#[from] ListingError),
}
