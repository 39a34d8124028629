//! Orders that may only reduce a position: none that rests is ever larger than the position, or on its side. When a fill
//! or the owner changes the position, larger ones are cut to it, and those that could do nothing any more end. Each order
//! is held to the position by itself, so that several may stand as alternatives; whichever trades first cuts the others.

use super::engine::Engine;
use super::order::AccountId;
use super::output::{AmendCause, EndReason, Event, Sink};
use super::slab::{NIL, Order};

impl Engine {
    /// Holds the account's resting orders to its position.
    #[inline]
    pub(super) fn cut_to_position(&mut self, account: u32, sink: &mut impl Sink) {
        let mut slot = self.accounts.first(account, true);
        while slot != NIL {
            let next = self.orders.next_kin(slot);
            self.cut_resting(slot, sink);
            slot = next;
        }
    }

    fn cut_resting(&mut self, slot: u32, sink: &mut impl Sink) {
        let before = self.orders[slot];
        let mut order = before;
        if !self.cut_order(&mut order) {
            return self.end(slot, EndReason::ReduceOnly, sink);
        }
        let less = before.quantity - order.quantity;
        if less > 0 {
            self.orders[slot].quantity = order.quantity;
            self.open -= less;
            let total = self.ladders.shrink(&order, less);
            self.tell_cut(&order, sink);
            self.tell_level(order.side, order.price, total, sink);
        }
    }

    pub(super) fn tell_cut(&mut self, order: &Order, sink: &mut impl Sink) {
        let Order { id, price, quantity, account, .. } = *order;
        let (account, cause) = (AccountId(account), AmendCause::ReduceOnly);
        self.tell(Event::Amended { order: id, account, price, quantity, kept: true, cause }, sink);
    }
}
