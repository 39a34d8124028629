//! The running hash over everything that a simulated run published: equal logs, equal digests.

use xxhash_rust::xxh3::Xxh3;

use crate::name::Name;

/// Takes in events field by field, in a fixed order and byte order, and gives 128 bits of XXH3.
///
/// It tells two runs apart; it is no signature and withstands no attacker.
#[derive(Clone, Default)]
pub struct Digest {
    state: Xxh3,
}

impl Digest {
    /// An empty digest.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in raw bytes, without their length: use it for fields of a fixed length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// Takes in text or bytes of any length, with the length before them.
    pub fn blob(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.state.update(bytes);
    }

    /// Takes in a name by its text, so that the order of interning does not matter.
    pub fn name(&mut self, name: Name) {
        self.u64(name.hash());
    }

    /// Takes in an integer.
    pub fn i64(&mut self, value: i64) {
        self.state.update(&value.to_le_bytes());
    }

    /// Takes in an integer.
    pub fn u64(&mut self, value: u64) {
        self.state.update(&value.to_le_bytes());
    }

    /// Takes in an integer.
    pub fn i128(&mut self, value: i128) {
        self.state.update(&value.to_le_bytes());
    }

    /// 32 hexadecimal digits for what has been taken in so far.
    pub fn hex(&self) -> String {
        format!("{:032x}", self.state.digest128())
    }
}
