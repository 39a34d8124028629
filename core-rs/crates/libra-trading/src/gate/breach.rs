//! A loss limit that is passed: what may still leave, and what of the open orders may stay.
//!
//! An order *reduces* when the position cannot pass zero by it, whatever else is open on its side: the position, every
//! order and approval of that side filled whole, and this one. Nothing on the other side is counted in its favour. So
//! orders that reduce cannot flip the position together.

use crate::account::is_buy;
use crate::instrument::ContractKind;
use crate::order::{ClientOrderId, Order, OrderRequest, OrderSide};
use crate::risk::Rejection;

use super::Gate;
use super::state::Entry;

/// What an account does while a loss limit is passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBreach {
    /// Orders that only reduce a position leave and stay; all others are refused, and cancelled.
    #[default]
    ReduceOnly,
    /// Every new order is refused and every open one cancelled.
    Halt,
}

impl Gate {
    /// What the account does while a loss limit is passed.
    pub fn on_breach(&self) -> OnBreach {
        self.on_breach
    }

    /// The refusal of an order because of a loss, if it is refused. The order itself must hold nothing now.
    #[inline]
    pub(super) fn refuses_for_loss(&self, slot: usize, side: OrderSide, size: i64) -> Option<Rejection> {
        let breach = self.state.breaches.first()?;
        let passes = self.on_breach == OnBreach::ReduceOnly && self.reduces(slot, side, size);
        if passes { None } else { Some(breach.rejection()) }
    }

    pub(super) fn reduces(&self, slot: usize, side: OrderSide, size: i64) -> bool {
        let desk = &self.state.desks[slot];
        let open = if is_buy(side) { desk.open_buy } else { desk.open_sell };
        i128::from(open) + i128::from(size) <= self.reducible(slot, side)
    }

    /// True for an order that reduces a contract's position. The order itself must hold nothing now.
    #[inline]
    pub(super) fn only_reduces(&self, slot: usize, side: OrderSide, size: i64) -> bool {
        self.state.account.instrument_at(slot).kind != ContractKind::Spot && self.reduces(slot, side, size)
    }

    /// True for an order that reduces a contract's position unless what is being cancelled on its side is filled nonetheless.
    /// Of an order that was approved and is about to leave: what it holds, it holds already.
    pub(crate) fn reduces_beside_cancels(&self, order: &Order) -> bool {
        let OrderRequest { instrument, side, size, .. } = order.request;
        let Some(slot) = self.state.account.slot(instrument) else { return false };
        let reducible = self.reducible(slot, side);
        if self.state.account.instrument_at(slot).kind == ContractKind::Spot || i128::from(size) > reducible {
            return false;
        }
        let desk = &self.state.desks[slot];
        let open = if is_buy(side) { desk.open_buy } else { desk.open_sell };
        let of_side = |entry: &&Entry| entry.instrument == Some(slot) && entry.order.request.side == side;
        let ending = self.entries_open().filter(of_side).filter(|entry| entry.cancel_pending);
        i128::from(open) - ending.map(|entry| i128::from(entry.open_size)).sum::<i128>() <= reducible
    }

    /// How much of a side brings the position to zero.
    fn reducible(&self, slot: usize, side: OrderSide) -> i128 {
        (-i128::from(self.state.account.position_at(slot).size) * i128::from(side.sign())).max(0)
    }

    /// Open orders that must not stay while a loss limit is passed, but for those whose cancel is under way. Of the orders
    /// that reduce, the older ones stay as far as the position goes. One that is being cancelled, or is about to be, may still
    /// fill: it takes of the position what it may take, like any other.
    pub fn exceeding_orders(&self) -> Vec<ClientOrderId> {
        if self.state.breaches.is_empty() {
            return Vec::new();
        }
        let mut left = vec![[None::<i128>; 2]; self.state.desks.len()];
        let mut exceeding = Vec::new();
        for entry in self.entries_open() {
            let side = entry.order.request.side;
            let stays = entry.instrument.filter(|_| self.on_breach == OnBreach::ReduceOnly).is_some_and(|slot| {
                let left = left[slot][usize::from(is_buy(side))].get_or_insert_with(|| self.reducible(slot, side));
                *left -= i128::from(entry.open_size);
                *left >= 0
            });
            if !stays && !entry.cancel_pending {
                exceeding.push(entry.order.client_order_id);
            }
        }
        exceeding
    }
}
