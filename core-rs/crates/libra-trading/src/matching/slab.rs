//! Orders by slot: a vector with a free list, so that neither coming nor going allocates.

use super::order::{AccountId, OrderId, SelfTrade, Working};
use crate::order::{OrderSide, TimeInForce};

/// No slot, no level.
pub(super) const NIL: u32 = u32::MAX;

/// In which ladder an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    Bids = 0,
    Asks = 1,
    /// Waits for the last price to fall to its trigger.
    LastFalls = 2,
    /// Waits for it to rise.
    LastRises = 3,
    MarkFalls = 4,
    MarkRises = 5,
}

impl Place {
    pub(super) fn book(side: OrderSide) -> Place {
        if side == OrderSide::Buy { Place::Bids } else { Place::Asks }
    }

    pub(super) fn in_book(self) -> bool {
        matches!(self, Place::Bids | Place::Asks)
    }
}

/// An order, one cache line. `level`, `next` and `previous` have a meaning while it stands in a ladder; the price that it
/// waits for is that of its level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) id: OrderId,
    /// The limit; 0 for a market order.
    pub(super) price: i64,
    pub(super) quantity: i64,
    /// At most `quantity`.
    pub(super) filled: i64,
    /// `i64::MAX` for never.
    pub(super) expires_ns: i64,
    pub(super) account: u32,
    pub(super) level: u32,
    pub(super) next: u32,
    pub(super) previous: u32,
    pub(super) side: OrderSide,
    pub(super) place: Place,
    pub(super) time_in_force: TimeInForce,
    pub(super) self_trade: SelfTrade,
    pub(super) reduce_only: bool,
    pub(super) market: bool,
}

const _: () = assert!(size_of::<Order>() == 64);

impl Order {
    /// What is still to be executed.
    #[inline]
    pub(super) fn left(&self) -> i64 {
        self.quantity - self.filled
    }

    /// Whether the position has to be watched for it.
    #[inline]
    pub(super) fn shrinks(&self) -> bool {
        self.reduce_only && self.place.in_book()
    }

    pub(super) fn working(&self, level_price: i64) -> Working {
        Working {
            id: self.id,
            account: AccountId(self.account),
            side: self.side,
            price: (!self.market).then_some(self.price),
            quantity: self.quantity,
            filled: self.filled,
            trigger: (!self.place.in_book()).then_some(level_price),
            time_in_force: self.time_in_force,
            reduce_only: self.reduce_only,
            self_trade: self.self_trade,
            expires_ns: (self.expires_ns != i64::MAX).then_some(self.expires_ns),
        }
    }
}

/// The neighbours in the list of an order's account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kin {
    pub(super) next: u32,
    pub(super) previous: u32,
}

/// All open orders.
#[derive(Clone, Debug)]
pub(super) struct Slab {
    orders: Vec<Order>,
    kin: Vec<Kin>,
    /// The first free slot; each leads to the next by its `next`.
    free: u32,
    len: u32,
}

impl Slab {
    pub(super) fn with_capacity(orders: usize) -> Slab {
        Slab { orders: Vec::with_capacity(orders), kin: Vec::with_capacity(orders), free: NIL, len: 0 }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn insert(&mut self, order: Order) -> u32 {
        self.len += 1;
        if self.free == NIL {
            // Open orders are at most `Limits::open_orders`, a u32 below NIL.
            let slot = self.orders.len() as u32;
            self.orders.push(order);
            self.kin.push(Kin { next: NIL, previous: NIL });
            return slot;
        }
        let slot = self.free;
        let place = &mut self.orders[slot as usize];
        self.free = place.next;
        *place = order;
        slot
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.orders[slot as usize].next = self.free;
        self.free = slot;
        self.len -= 1;
    }

    #[inline]
    pub(super) fn kin(&mut self, slot: u32) -> &mut Kin {
        &mut self.kin[slot as usize]
    }

    pub(super) fn next_kin(&self, slot: u32) -> u32 {
        self.kin[slot as usize].next
    }
}

impl std::ops::Index<u32> for Slab {
    type Output = Order;

    #[inline]
    fn index(&self, slot: u32) -> &Order {
        &self.orders[slot as usize]
    }
}

impl std::ops::IndexMut<u32> for Slab {
    #[inline]
    fn index_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.orders[slot as usize]
    }
}
