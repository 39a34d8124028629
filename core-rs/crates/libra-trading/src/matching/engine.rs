//! The engine of one instrument: its state, and its inputs. Each input first brings it to its time, then is done whole or
//! refused whole.

use super::accounts::Accounts;
use super::error::MatchError;
use super::expiry::Expiry;
use super::ids::Ids;
use super::ladder::Ladders;
use super::order::{AccountId, Amount, NewOrder, OrderId};
use super::output::{EndReason, Event, LevelUpdate, Output, Sink};
use super::rules::{Limits, MOST_ORDERS, Rules, stays};
use super::slab::{NIL, Order, Place, Slab};
use crate::instrument::Instrument;
use crate::order::OrderSide;

/// Matches the orders of one instrument.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) rules: Rules,
    pub(super) limits: Limits,
    pub(super) now_ns: i64,
    pub(super) orders: Slab,
    pub(super) ids: Ids,
    pub(super) ladders: Ladders,
    pub(super) accounts: Accounts,
    pub(super) expiry: Expiry,
    /// What is left of all open orders, waiting ones too: no level, and no sum of levels, is more than this. One for both
    /// sides, since buys and sells wait at one trigger.
    pub(super) open: i64,
    /// How many orders that may only reduce rest on each side.
    pub(super) shrinking: [u32; 2],
    pub(super) last: Option<i64>,
    pub(super) mark: Option<i64>,
    /// The lowest and highest price of the trades behind the last look at the triggers.
    pub(super) reached: Option<(i64, i64)>,
    /// Triggered orders that have not entered the market yet, and their triggers. Empty between inputs.
    pub(super) due: Vec<(Order, i64)>,
    /// Positions while a fill-or-kill order is tried. Empty between inputs.
    pub(super) tried: Vec<(u32, i128)>,
    // At a thousand million a second these last for 584 years.
    pub(super) sequence: u64,
    pub(super) update_id: u64,
    pub(super) trade_id: u64,
}

impl Engine {
    /// An engine with an empty book.
    pub fn new(instrument: &Instrument, limits: Limits) -> Result<Engine, MatchError> {
        let rules = Rules::of(instrument)?;
        let limits = Limits { open_orders: limits.open_orders.min(MOST_ORDERS), ..limits };
        let reserve = limits.reserve.min(limits.open_orders) as usize;
        Ok(Engine {
            rules,
            limits,
            now_ns: i64::MIN,
            orders: Slab::with_capacity(reserve),
            ids: Ids::with_capacity(reserve),
            ladders: Ladders::new(),
            accounts: Accounts::default(),
            expiry: Expiry::default(),
            open: 0,
            shrinking: [0; 2],
            last: None,
            mark: None,
            reached: None,
            due: Vec::new(),
            tried: Vec::new(),
            sequence: 0,
            update_id: 0,
            trade_id: 0,
        })
    }

    /// Brings the engine to `now_ns`: what is over by then ends.
    pub fn advance(&mut self, now_ns: i64, sink: &mut impl Sink) -> Result<(), MatchError> {
        if now_ns < self.now_ns {
            return Err(MatchError::TimeWentBack { from_ns: self.now_ns, to_ns: now_ns });
        }
        self.now_ns = now_ns;
        while let Some(slot) = self.expiry.due(now_ns, &self.ids, &self.orders) {
            self.end(slot, EndReason::Expired, sink);
        }
        Ok(())
    }

    /// Takes an order. What it does at once is told, and with it all that this sets off.
    pub fn submit(&mut self, order: &NewOrder, now_ns: i64, sink: &mut impl Sink) -> Result<(), MatchError> {
        self.advance(now_ns, sink)?;
        self.check(order, None)?;
        self.enter(order, sink);
        self.settle(sink);
        Ok(())
    }

    /// Cancels an open order, one that waits for its trigger too.
    pub fn cancel(
        &mut self,
        account: AccountId,
        order: OrderId,
        now_ns: i64,
        sink: &mut impl Sink,
    ) -> Result<(), MatchError> {
        self.advance(now_ns, sink)?;
        let slot = self.find(account, order)?;
        self.end(slot, EndReason::Cancelled, sink);
        Ok(())
    }

    /// Cancels all open orders of an account, each kind in the order in which they came: first those that rest and may
    /// only reduce, then all others. Having none is no error.
    pub fn cancel_all(&mut self, account: AccountId, now_ns: i64, sink: &mut impl Sink) -> Result<(), MatchError> {
        self.advance(now_ns, sink)?;
        for shrinks in [true, false] {
            loop {
                let slot = self.accounts.first(account.0, shrinks);
                if slot == NIL {
                    break;
                }
                self.end(slot, EndReason::Cancelled, sink);
            }
        }
        Ok(())
    }

    /// Cancels an open order and takes another of the same account in its place, or refuses both: an error leaves the old
    /// one as it is. As at Binance the old one is gone although the new one is `Rejected`. They may have the same id.
    pub fn replace(
        &mut self,
        old: OrderId,
        new: &NewOrder,
        now_ns: i64,
        sink: &mut impl Sink,
    ) -> Result<(), MatchError> {
        self.advance(now_ns, sink)?;
        let slot = self.find(new.account, old)?;
        self.check(new, Some(slot))?;
        self.end(slot, EndReason::Replaced, sink);
        self.enter(new, sink);
        self.settle(sink);
        Ok(())
    }

    /// Feeds the mark price in.
    pub fn set_mark(&mut self, price: i64, now_ns: i64, sink: &mut impl Sink) -> Result<(), MatchError> {
        self.advance(now_ns, sink)?;
        self.rules.mark(price)?;
        self.mark = Some(price);
        self.gather(Place::MarkFalls, Place::MarkRises, price, price);
        self.settle(sink);
        Ok(())
    }

    /// Says what an account's position is; fills change it from there. Resting orders that may only reduce it are cut to it.
    pub fn set_position(
        &mut self,
        account: AccountId,
        position: i64,
        now_ns: i64,
        sink: &mut impl Sink,
    ) -> Result<(), MatchError> {
        self.advance(now_ns, sink)?;
        self.check_account(account)?;
        if position % self.rules.lot != 0 {
            return Err(MatchError::Quantity(position));
        }
        self.accounts.know(account.0);
        self.accounts.set_position(account.0, i128::from(position));
        self.cut_to_position(account.0, sink);
        Ok(())
    }

    /// Where an open order of the account is.
    pub(super) fn find(&self, account: AccountId, order: OrderId) -> Result<u32, MatchError> {
        let slot = self.ids.get(order, &self.orders).filter(|slot| self.orders[*slot].account == account.0);
        slot.ok_or(MatchError::UnknownOrder(order))
    }

    fn check_account(&self, account: AccountId) -> Result<(), MatchError> {
        if account.0 < self.limits.accounts { Ok(()) } else { Err(MatchError::Account(account.0)) }
    }

    /// Whether an order may enter once that in `without` is gone.
    fn check(&self, order: &NewOrder, without: Option<u32>) -> Result<(), MatchError> {
        self.check_account(order.account)?;
        let same = self.ids.get(order.id, &self.orders);
        if same.is_some() && same != without {
            return Err(MatchError::DuplicateId(order.id));
        }
        self.rules.order(order, self.now_ns)?;
        if let (true, Amount::Quantity(quantity)) = (stays(order), order.amount) {
            if self.orders.len() - u32::from(without.is_some()) >= self.limits.open_orders {
                return Err(MatchError::TooManyOrders);
            }
            self.check_volume(without.map_or(0, |slot| self.orders[slot].left()), quantity)?;
        }
        Ok(())
    }

    /// Whether all open quantity still fits when `gone` of it is taken off and `more` comes.
    pub(super) fn check_volume(&self, gone: i64, more: i64) -> Result<(), MatchError> {
        (self.open - gone).checked_add(more).map(|_| ()).ok_or(MatchError::Volume)
    }

    #[inline]
    pub(super) fn tell(&mut self, event: Event, sink: &mut impl Sink) {
        self.sequence += 1;
        sink.take(&Output { sequence: self.sequence, event });
    }

    #[inline]
    pub(super) fn tell_level(&mut self, side: OrderSide, price: i64, quantity: i64, sink: &mut impl Sink) {
        self.update_id += 1;
        self.tell(Event::Level(LevelUpdate { update_id: self.update_id, side, price, quantity }), sink);
    }

    /// Puts an order into a ladder, behind those that are there. Gives the level's total.
    pub(super) fn put(&mut self, order: Order, price: i64) -> i64 {
        let slot = self.orders.insert(order);
        self.ids.insert(order.id, slot);
        self.accounts.link(&mut self.orders, slot);
        self.open += order.left();
        self.shrinking[order.side as usize] += u32::from(order.shrinks());
        if order.expires_ns != i64::MAX {
            self.expiry.note(order.expires_ns, order.id, &self.ids, &self.orders);
        }
        self.ladders.push(&mut self.orders, slot, price)
    }

    /// Takes an order out of everything. Gives what is left at its price.
    #[inline]
    pub(super) fn take_out(&mut self, slot: u32) -> i64 {
        let order = self.orders[slot];
        debug_assert!(order.level != NIL, "an order that is open stands in a ladder");
        let total = self.ladders.unlink(&mut self.orders, slot);
        self.accounts.unlink(&mut self.orders, slot);
        self.ids.remove(order.id, &self.orders);
        self.orders.remove(slot);
        self.open -= order.left();
        self.shrinking[order.side as usize] -= u32::from(order.shrinks());
        if order.expires_ns != i64::MAX {
            self.expiry.ended();
        }
        total
    }

    /// Ends an open order.
    pub(super) fn end(&mut self, slot: u32, reason: EndReason, sink: &mut impl Sink) {
        let order = self.orders[slot];
        let total = self.take_out(slot);
        self.tell_end(&order, reason, order.left(), sink);
        if order.place.in_book() {
            self.tell_level(order.side, order.price, total, sink);
        }
    }

    pub(super) fn tell_end(&mut self, order: &Order, reason: EndReason, left: i64, sink: &mut impl Sink) {
        self.tell(Event::Ended { order: order.id, account: AccountId(order.account), reason, left }, sink);
    }
}
