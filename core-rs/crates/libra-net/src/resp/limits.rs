//! What a server may send us, and what we say when it sends something else.

/// How deep replies may be nested. What Redis and Valkey send stays well below.
pub const DEEPEST: usize = 16;

/// How large a reply may be, unless told otherwise: 16 MiB.
pub const LARGEST: usize = 16 << 20;

/// Limits on what is received.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest reply or push message in bytes, all of it counted. A longer one ends the connection as soon as its
    /// length is known; nothing is allocated for a claim.
    pub largest: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { largest: LARGEST }
    }
}

/// Why what the server sent cannot be read. The connection is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A reply is, or claims to be, larger than it may.
    #[error("a reply of {claimed} bytes or more, and at most {largest} are taken")]
    TooLarge {
        /// The limit.
        largest: usize,
        /// What a length said.
        claimed: u64,
    },
    /// A line goes on and on.
    #[error("a line that does not end")]
    LongLine,
    /// Aggregates in aggregates, too many.
    #[error("a reply nested more than {DEEPEST} deep")]
    TooDeep,
    /// A first byte that RESP3 does not know.
    #[error(
        "a reply that begins with byte {0:#04x}: is this a Redis or Valkey server, and is TLS switched on on one side only?"
    )]
    Unknown(u8),
    /// Something else that RESP3 does not allow.
    #[error("malformed: {0}")]
    Malformed(&'static str),
}
