//! Changing an order that rests.

use super::engine::Engine;
use super::error::MatchError;
use super::order::{AccountId, OrderId};
use super::output::{AmendCause, EndReason, Event, Sink};

impl Engine {
    /// Changes the limit and the quantity (all of it, with what was executed) of a resting order.
    ///
    /// It keeps its place in the queue where only the quantity shrinks; else it enters the market anew, and may trade. As at
    /// Binance it ends where no more is wanted than was executed, and a post-only one where it would trade. One that may only
    /// reduce is cut to the position first.
    pub fn amend(
        &mut self,
        account: AccountId,
        order: OrderId,
        price: i64,
        quantity: i64,
        now_ns: i64,
        sink: &mut impl Sink,
    ) -> Result<(), MatchError> {
        self.advance(now_ns, sink)?;
        let slot = self.find(account, order)?;
        let before = self.orders[slot];
        if !before.place.in_book() {
            return Err(MatchError::NotInBook(order));
        }
        self.rules.price(price)?;
        self.rules.quantity(quantity)?;
        if quantity <= before.filled {
            self.end(slot, EndReason::AmendedAway, sink);
            return Ok(());
        }
        let mut after = before;
        (after.price, after.quantity) = (price, quantity);
        self.cut_order(&mut after);
        if (after.price, after.quantity) == (before.price, before.quantity) {
            return Err(MatchError::NoChange(order));
        }
        self.check_volume(before.left(), after.left())?;
        let kept = price == before.price && after.quantity < before.quantity;
        let changed =
            Event::Amended { order, account, price, quantity: after.quantity, kept, cause: AmendCause::Owner };
        self.tell(changed, sink);
        if kept {
            self.orders[slot].quantity = after.quantity;
            let less = before.quantity - after.quantity;
            self.open -= less;
            let total = self.ladders.shrink(&before, less);
            self.tell_level(before.side, price, total, sink);
            return Ok(());
        }
        let total = self.take_out(slot);
        self.tell_level(before.side, before.price, total, sink);
        self.execute(after, None, sink);
        self.settle(sink);
        Ok(())
    }
}
