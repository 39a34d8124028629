//! Strategies' opinions.

use std::any::Any;

use libra_kernel::digest::Digest;
use libra_kernel::{Name, SharedPayload};

/// What a strategy wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SignalType {
    /// Be long.
    Long = 0,
    /// Be short.
    Short = 1,
    /// Leave a long position.
    CloseLong = 2,
    /// Leave a short position.
    CloseShort = 3,
    /// Change nothing.
    Hold = 4,
}

/// A strategy's opinion of one instrument.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Its id: whatever is derived from it is a pure function of it, so a signal seen twice acts once.
    pub id: u128,
    /// Who says so.
    pub strategy: Name,
    /// About what.
    pub instrument: Name,
    /// What it wants.
    pub signal_type: SignalType,
    /// How much it means it, 0 to 1; scales the size.
    pub strength: f64,
    /// A limit price in the instrument's price units, 0 for a market order.
    pub price: i64,
    /// Wall or simulated time behind which the signal is dropped, nanoseconds since the epoch; 0 for never.
    pub deadline_ns: i64,
    /// Why, for people.
    pub reason: String,
}

impl SharedPayload for Signal {
    fn kind(&self) -> &'static str {
        "signal"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.i128(self.id as i128);
        digest.name(self.strategy);
        digest.name(self.instrument);
        digest.u64(self.signal_type as u64);
        digest.u64(self.strength.to_bits());
        digest.i64(self.price);
        digest.i64(self.deadline_ns);
        digest.blob(self.reason.as_bytes());
    }

    fn carried(&self) -> usize {
        self.reason.len()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
