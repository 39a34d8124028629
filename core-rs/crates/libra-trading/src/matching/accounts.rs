//! What the engine knows of an account: its position here, and its open orders in two lists. One has those whose size
//! depends on the position, so that a fill looks at nothing else.

use super::slab::{NIL, Slab};
use crate::order::OrderSide;

#[derive(Clone, Copy, Debug)]
struct List {
    head: u32,
    tail: u32,
}

const EMPTY: List = List { head: NIL, tail: NIL };

#[derive(Clone, Copy, Debug)]
struct Account {
    /// Long above zero. Trades are at most 2^64 of less than 2^63 each: this cannot overflow.
    position: i128,
    /// Those that rest and may only reduce, and all others.
    shrinking: List,
    others: List,
}

impl Account {
    fn list(&mut self, shrinks: bool) -> &mut List {
        if shrinks { &mut self.shrinking } else { &mut self.others }
    }
}

/// All accounts, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    accounts: Vec<Account>,
}

impl Accounts {
    /// Makes a row for an account and all below it.
    #[inline]
    pub(super) fn know(&mut self, account: u32) {
        if self.accounts.len() <= account as usize {
            let new = Account { position: 0, shrinking: EMPTY, others: EMPTY };
            self.accounts.resize(account as usize + 1, new);
        }
    }

    #[inline]
    pub(super) fn position(&self, account: u32) -> i128 {
        self.accounts.get(account as usize).map_or(0, |known| known.position)
    }

    pub(super) fn set_position(&mut self, account: u32, position: i128) {
        self.accounts[account as usize].position = position;
    }

    #[inline]
    pub(super) fn trade(&mut self, account: u32, side: OrderSide, quantity: i64) {
        self.accounts[account as usize].position += i128::from(quantity) * i128::from(side.sign());
    }

    /// The first of those that rest and may only reduce, or of all others; NIL where there is none.
    #[inline]
    pub(super) fn first(&self, account: u32, shrinks: bool) -> u32 {
        self.accounts.get(account as usize).map_or(NIL, |known| {
            let list = if shrinks { &known.shrinking } else { &known.others };
            list.head
        })
    }

    /// Those that rest and may only reduce, or all others, in the order in which they came.
    pub(super) fn slots<'a>(
        &self,
        orders: &'a Slab,
        account: u32,
        shrinks: bool,
    ) -> impl Iterator<Item = u32> + use<'a> {
        let known = |slot: u32| (slot != NIL).then_some(slot);
        std::iter::successors(known(self.first(account, shrinks)), move |slot| known(orders.next_kin(*slot)))
    }

    #[inline]
    pub(super) fn link(&mut self, orders: &mut Slab, slot: u32) {
        let (account, shrinks) = (orders[slot].account, orders[slot].shrinks());
        let list = self.accounts[account as usize].list(shrinks);
        let last = list.tail;
        list.tail = slot;
        if last == NIL {
            list.head = slot;
        } else {
            orders.kin(last).next = slot;
        }
        let kin = orders.kin(slot);
        (kin.previous, kin.next) = (last, NIL);
    }

    #[inline]
    pub(super) fn unlink(&mut self, orders: &mut Slab, slot: u32) {
        let (account, shrinks) = (orders[slot].account, orders[slot].shrinks());
        let kin = *orders.kin(slot);
        let list = self.accounts[account as usize].list(shrinks);
        if kin.previous == NIL {
            list.head = kin.next;
        } else {
            orders.kin(kin.previous).next = kin.next;
        }
        if kin.next == NIL {
            list.tail = kin.previous;
        } else {
            orders.kin(kin.next).previous = kin.previous;
        }
    }
}
