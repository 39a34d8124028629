//! Approvals that are not yet spent: each holds a reservation until it is spent, released or out of time.

use xxhash_rust::xxh3::xxh3_64;

use crate::order::{ClientOrderId, OrderRequest};
use crate::risk::Checked;

use super::ids::IdMap;

/// Permission to send one order, once: bound to the order's content, the limits it was checked against, the process
/// that gave it, and a deadline. Only the gate makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub(super) client_order_id: ClientOrderId,
    pub(super) content_hash: u64,
    pub(super) limits_version: u64,
    pub(super) epoch: u64,
    pub(super) deadline_ns: i64,
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

    /// The version of the limits that the order was checked against.
    pub fn limits_version(&self) -> u64 {
        self.limits_version
    }

    /// The epoch of the process that gave it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// A hash over every field of a request, for this process only: names go in by their number.
#[inline]
pub(super) fn content_hash(request: &OrderRequest) -> u64 {
    let mut bytes = [0; 80];
    bytes[..16].copy_from_slice(&request.request_id.to_le_bytes());
    bytes[16..32].copy_from_slice(&request.signal_id.to_le_bytes());
    for (at, name) in [(32, request.account), (36, request.strategy), (40, request.instrument)] {
        bytes[at..at + 4].copy_from_slice(&(name.index() as u32).to_le_bytes());
    }
    bytes[44..48].copy_from_slice(&[request.side as u8, request.order_type as u8, request.time_in_force as u8, 0]);
    for (at, value) in [(48, request.size), (56, request.price), (64, request.deadline_ns), (72, request.ts_origin_ns)]
    {
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    xxh3_64(&bytes)
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
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    by_id: IdMap<u32>,
    /// No approval ends before this time.
    next_deadline_ns: i64,
}

impl Approvals {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True when an approval may be out of time.
    #[inline]
    pub fn any_due(&self, now_ns: i64) -> bool {
        !self.by_id.is_empty() && now_ns > self.next_deadline_ns
    }

    #[inline]
    pub fn get(&self, id: ClientOrderId) -> Option<&Slot> {
        if self.by_id.is_empty() {
            return None;
        }
        self.slots.get(*self.by_id.get(&id.0)? as usize)?.as_ref()
    }

    #[inline]
    pub fn insert(&mut self, slot: Slot) {
        let (id, deadline_ns) = (slot.approval.client_order_id, slot.approval.deadline_ns);
        if self.by_id.is_empty() || deadline_ns < self.next_deadline_ns {
            self.next_deadline_ns = deadline_ns;
        }
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = Some(slot);
                index
            }
            None => {
                self.slots.push(Some(slot));
                self.slots.len() as u32 - 1
            }
        };
        self.by_id.insert(id.0, index);
    }

    pub fn remove(&mut self, id: ClientOrderId) -> Option<Slot> {
        let index = self.by_id.remove(&id.0)?;
        self.free.push(index);
        self.slots[index as usize].take()
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
        for (index, place) in self.slots.iter_mut().enumerate() {
            match place {
                Some(slot) if now_ns > slot.approval.deadline_ns => {
                    self.by_id.remove(&slot.approval.client_order_id.0);
                    self.free.push(index as u32);
                    due.extend(place.take());
                }
                Some(slot) => next_deadline_ns = next_deadline_ns.min(slot.approval.deadline_ns),
                None => {}
            }
        }
        self.next_deadline_ns = next_deadline_ns;
        due
    }
}
