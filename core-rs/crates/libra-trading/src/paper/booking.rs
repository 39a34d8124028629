//! How an order changes at the venue: by a fill, or by its end. Each change is a report.

use super::market::Offer;
use super::record::{State, filled};
use super::venue::PaperVenue;
use crate::order::{ClientOrderId, Fill, Liquidity, VenueOutcome};

impl PaperVenue {
    /// Takes an offer at `price`; false when the order ended by it and nothing more may be taken.
    pub(super) fn take(
        &mut self,
        at: usize,
        id: ClientOrderId,
        offer: Offer,
        price: i64,
        liquidity: Liquidity,
    ) -> bool {
        let Some(side) = self.records.get(&id).map(|record| record.request.side) else { return false };
        let took = self.fill(at, id, price, offer.size, liquidity);
        if took {
            self.markets[at].view.take(side, offer.price, offer.shown, offer.size);
        }
        took
    }

    /// Books a fill and reports it; false when its value does not fit, which ends the order.
    pub(super) fn fill(&mut self, at: usize, id: ClientOrderId, price: i64, size: i64, liquidity: Liquidity) -> bool {
        let market = &mut self.markets[at];
        let Some(record) = self.records.get_mut(&id) else { return false };
        let rate = match liquidity {
            Liquidity::Maker => market.instrument.maker_fee,
            Liquidity::Taker => market.instrument.taker_fee,
        };
        let side = record.request.side;
        let fee = market.instrument.notional(price, size).and_then(|notional| market.instrument.fee(notional, rate));
        let position = size.checked_mul(side.sign()).and_then(|signed| market.position.checked_add(signed));
        let (Some(fee), Some(position)) = (fee, position) else {
            self.end(id, "OVERFLOW");
            return false;
        };
        market.position = position;
        let fill = Fill {
            client_order_id: id,
            trade_id: self.next_trade_id,
            instrument: market.instrument.id,
            strategy: record.request.strategy,
            side,
            price,
            size,
            fee,
            fee_currency: market.instrument.settle,
            liquidity,
            ts_venue_ns: self.clock_ns,
        };
        self.next_trade_id += 1;
        // `size` is at most what remains, so the sum is at most the order's size.
        record.filled += size;
        record.ts_last_ns = self.clock_ns;
        if record.remaining() == 0 {
            record.state = State::Filled;
            let key = (Self::price_key(side, record.request.price), record.arrival);
            market.resting[side as usize].remove(&key);
        }
        let (venue_order_id, outcome) = (record.venue_order_id.clone(), filled(&fill));
        if record.fills.is_empty() {
            // Most orders have one fill, and all are kept.
            record.fills.reserve_exact(1);
        }
        record.fills.push(fill);
        self.report(id, venue_order_id, outcome);
        true
    }

    pub(super) fn is_working(&self, id: ClientOrderId) -> bool {
        self.records.get(&id).is_some_and(|record| record.state == State::Working)
    }

    pub(super) fn end_unless_filled(&mut self, id: ClientOrderId, reason: &str) {
        if self.is_working(id) {
            self.end(id, reason);
        }
    }

    /// Cancels what is left of a working order.
    pub(super) fn end(&mut self, id: ClientOrderId, reason: &str) {
        let Some(record) = self.records.get_mut(&id) else { return };
        record.state = State::Cancelled { reason: reason.into() };
        record.ts_last_ns = self.clock_ns;
        let side = record.request.side;
        let key = (Self::price_key(side, record.request.price), record.arrival);
        if let Some(market) = self.markets.get_mut(record.market) {
            market.resting[side as usize].remove(&key);
        }
        let venue_order_id = record.venue_order_id.clone();
        self.report(id, venue_order_id, VenueOutcome::Cancelled { reason: reason.into() });
    }
}
