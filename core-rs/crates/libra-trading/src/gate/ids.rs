//! Client order ids from request ids, and maps keyed by them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use libra_kernel::Name;
use xxhash_rust::xxh3::xxh3_128;

use crate::order::ClientOrderId;

/// The client order id of a request: a pure function of account and request id, so that a request that comes back after
/// a restart has the id that its order may already have at the venue.
#[inline]
pub fn client_order_id(account: Name, request_id: u128) -> ClientOrderId {
    derive(account.hash(), request_id)
}

/// As [`client_order_id`], for an account whose name was hashed before.
#[inline]
pub(super) fn derive(account_hash: u64, request_id: u128) -> ClientOrderId {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&account_hash.to_le_bytes());
    key[8..].copy_from_slice(&request_id.to_le_bytes());
    ClientOrderId(xxh3_128(&key))
}

/// Takes a half of a client order id for its hash: it is one already, of what we choose ourselves. A map with it is for
/// look-ups only and is never iterated, so its order decides nothing.
#[derive(Default)]
pub(crate) struct DerivedHasher(u64);

impl Hasher for DerivedHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut hasher = IdHasher(self.0);
        hasher.write(bytes);
        self.0 = hasher.finish();
    }

    #[inline]
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

/// Mixes a 128-bit key into 64 bits: of (order, trade id) pairs and of ids that only a venue knows. As above, for look-ups
/// only.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn write_u128(&mut self, value: u128) {
        let folded = (value as u64) ^ ((value >> 64) as u64).rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(folded).wrapping_mul(0xd6e8_feb8_6659_fd93_a5a5_a5a5_9e37_79b9);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

/// By client order id.
pub(super) type IdMap<V> = HashMap<u128, V, BuildHasherDefault<DerivedHasher>>;
/// The same for other rooms.
pub(crate) type ByOrder<V> = HashMap<ClientOrderId, V, BuildHasherDefault<DerivedHasher>>;
pub(super) type IdSet = HashSet<u128, BuildHasherDefault<IdHasher>>;
