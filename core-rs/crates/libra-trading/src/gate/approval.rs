//! Approvals that are not yet spent: each holds a reservation until it is spent, released or out of time.

use libra_kernel::Name;

use crate::order::{ClientOrderId, OrderRequest};
use crate::risk::Checked;

use super::places::Places;

/// Permission to send one order, once: bound to the order that the gate keeps under its id and sends, to the limits it was
/// checked against, the process that gave it, the kill latch's not being set since, and a deadline. Only the gate makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub(super) client_order_id: ClientOrderId,
    pub(super) limits_version: u64,
    pub(super) epoch: u64,
    /// How often the kill latch had been set when it was given.
    pub(super) latches: u64,
    pub(super) deadline_ns: i64,
    pub(super) only_reduces: bool,
}

impl Approval {
    /// The id that the order will have at the venue.
    pub fn client_order_id(&self) -> ClientOrderId {
        self.client_order_id
    }

    /// Behind this time it is worth nothing.
    pub fn deadline_ns(&self) -> i64 {
        self.deadline_ns
    }

    /// True for an order that can only make a contract's position smaller, whatever else is open on its side: the venue may
    /// be told so. It says nothing of spot, which has no positions.
    pub fn only_reduces(&self) -> bool {
        self.only_reduces
    }

    /// The version of the limits that the order was checked against.
    pub fn limits_version(&self) -> u64 {
        self.limits_version
    }

    /// The epoch of the process that gave it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Numbers without a pattern: the fractional parts of the square roots of the first primes, which SHA-512 begins with.
const KEYS: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// A hash over every field of a request, for this process only: names go in by their number.
#[inline]
pub(super) fn content_hash(request: &OrderRequest) -> u64 {
    let pair = |first: Name, second: u64| (first.index() as u64) << 32 | second;
    let ways = u32::from_le_bytes([request.side as u8, request.order_type as u8, request.time_in_force as u8, 0]);
    let words = [
        request.request_id as u64,
        (request.request_id >> 64) as u64,
        request.signal_id as u64,
        (request.signal_id >> 64) as u64,
        pair(request.account, request.strategy.index() as u64),
        pair(request.instrument, ways.into()),
        request.size as u64,
        request.price as u64,
        request.deadline_ns as u64,
        request.ts_origin_ns as u64,
    ];
    // Each pair of words is multiplied to 128 bits and folded, as in wyhash and XXH3. The factors themselves go in as well:
    // where one of them is nothing, the product says nothing of the other.
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64 ^ a ^ b.rotate_left(32)
    };
    let mut hash = KEYS[7];
    for (pair, keys) in words.chunks_exact(2).zip(KEYS.windows(2)) {
        hash = fold(pair[0] ^ keys[0] ^ hash, pair[1] ^ keys[1]).wrapping_add(hash.rotate_left(29));
    }
    fold(hash ^ KEYS[6], KEYS[7])
}

/// An approval with what it holds.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub approval: Approval,
    pub request: OrderRequest,
    pub checked: Checked,
    pub instrument: usize,
}

/// All unspent approvals.
#[derive(Default)]
pub(super) struct Approvals {
    /// A free one has a deadline that never comes.
    slots: Vec<Slot>,
    free: Vec<u32>,
    places: Places,
    /// No approval ends before this time.
    next_deadline_ns: i64,
}

impl Approvals {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when an approval may be out of time.
    #[inline]
    pub fn any_due(&self, now_ns: i64) -> bool {
        !self.places.is_empty() && now_ns > self.next_deadline_ns
    }

    #[inline]
    pub fn get(&self, id: ClientOrderId) -> Option<&Slot> {
        let number = self.places.get(id)?;
        Some(&self.slots[number as usize])
    }

    /// A new one. It is written where it stays: a copy on the way there costs more than the rest of this.
    #[inline]
    pub fn add(&mut self, approval: &Approval, request: &OrderRequest, checked: Checked, instrument: usize) {
        let number = match self.free.pop() {
            Some(number) => number,
            None => self.make_room(approval, request),
        };
        let slot = &mut self.slots[number as usize];
        slot.approval.clone_from(approval);
        slot.request.clone_from(request);
        slot.checked = checked;
        slot.instrument = instrument;
        self.place(approval.client_order_id, approval.deadline_ns, number);
    }

    /// One that was taken out.
    pub fn insert(&mut self, slot: &Slot) {
        self.add(&slot.approval, &slot.request, slot.checked, slot.instrument);
    }

    #[cold]
    fn make_room(&mut self, approval: &Approval, request: &OrderRequest) -> u32 {
        let (approval, request) = (approval.clone(), request.clone());
        self.slots.push(Slot { approval, request, checked: Checked::default(), instrument: 0 });
        self.slots.len() as u32 - 1
    }

    #[inline]
    fn place(&mut self, id: ClientOrderId, deadline_ns: i64, number: u32) {
        if self.places.is_empty() || deadline_ns < self.next_deadline_ns {
            self.next_deadline_ns = deadline_ns;
        }
        self.places.insert(id, number);
    }

    pub fn remove(&mut self, id: ClientOrderId) -> Option<Slot> {
        let number = self.places.remove(id)?;
        self.free.push(number);
        let slot = &mut self.slots[number as usize];
        let taken = slot.clone();
        slot.approval.deadline_ns = i64::MAX;
        Some(taken)
    }

    /// Takes an approval out, if it is exactly this one.
    pub fn take(&mut self, approval: &Approval) -> Option<Slot> {
        let id = approval.client_order_id;
        if self.get(id).is_some_and(|slot| slot.approval == *approval) { self.remove(id) } else { None }
    }

    /// Takes out every approval that is out of time, in the order of their places: one look at each, however many are
    /// due.
    pub fn take_due(&mut self, now_ns: i64) -> Vec<Slot> {
        let (mut due, mut next_deadline_ns) = (Vec::new(), i64::MAX);
        for number in 0..self.slots.len() {
            let approval = &self.slots[number].approval;
            if now_ns > approval.deadline_ns {
                due.extend(self.remove(approval.client_order_id));
            } else {
                next_deadline_ns = next_deadline_ns.min(approval.deadline_ns);
            }
        }
        self.next_deadline_ns = next_deadline_ns;
        due
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::order::{OrderSide, OrderType, TimeInForce};

    /// A request of a few numbers, any of which a bit may be turned over in.
    fn of(numbers: [u64; 8], names: [usize; 3], ways: (OrderSide, OrderType, TimeInForce)) -> OrderRequest {
        let wide = |at: usize| u128::from(numbers[at]) << 64 | u128::from(numbers[at + 1]);
        let [account, strategy, instrument] = names.map(|name| Name::intern(&format!("content-{name}")));
        OrderRequest {
            request_id: wide(0),
            signal_id: wide(2),
            account,
            strategy,
            instrument,
            side: ways.0,
            order_type: ways.1,
            time_in_force: ways.2,
            size: numbers[4] as i64,
            price: numbers[5] as i64,
            deadline_ns: numbers[6] as i64,
            ts_origin_ns: numbers[7] as i64,
        }
    }

    #[test]
    fn every_bit_of_a_request_is_in_its_hash() {
        const WAYS: (OrderSide, OrderType, TimeInForce) = (OrderSide::Buy, OrderType::Limit, TimeInForce::Gtc);
        let mut seen = HashSet::new();
        let mut note = |request: &OrderRequest| assert!(seen.insert(content_hash(request)), "{request:?}");
        // Zeros, the keys themselves (a word that meets its key is a factor of nothing), and others.
        for numbers in [[0; 8], KEYS, [u64::MAX; 8], std::array::from_fn(|at| 0x0123_4567_89ab_cdef << at)] {
            note(&of(numbers, [0; 3], WAYS));
            for bit in 0..512 {
                let mut other = numbers;
                other[bit / 64] ^= 1 << (bit % 64);
                note(&of(other, [0; 3], WAYS));
            }
            for place in 0..3 {
                let mut names = [0; 3];
                names[place] = 1;
                note(&of(numbers, names, WAYS));
            }
            note(&of(numbers, [0; 3], (OrderSide::Sell, WAYS.1, WAYS.2)));
            note(&of(numbers, [0; 3], (WAYS.0, OrderType::Market, WAYS.2)));
            for way in [TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::PostOnly] {
                note(&of(numbers, [0; 3], (WAYS.0, WAYS.1, way)));
            }
        }
    }
}
