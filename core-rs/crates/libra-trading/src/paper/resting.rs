//! What fills an order that rests: the opposite side of the market that comes to it, or a trade of the market.
//!
//! It fills at its own price, as maker, by no more than what one update showed or one trade traded, the better price
//! first and then the earlier arrival.

use libra_kernel::event::{Aggressor, Trade};

use super::config::LimitFill;
use super::market::is_better;
use super::venue::PaperVenue;
use crate::order::{ClientOrderId, Liquidity, OrderSide};

impl PaperVenue {
    /// Fills resting orders that the opposite side of the market has come to, the best first.
    pub(super) fn match_shown(&mut self, at: usize) {
        for side in [OrderSide::Buy, OrderSide::Sell] {
            let mut skip = 0;
            while let Some((id, price, remaining)) = self.resting(at, side, skip) {
                let limit = match self.config.limit_fill {
                    LimitFill::OnTouch => price,
                    LimitFill::OnTradeThrough => price.saturating_sub(side.sign()),
                };
                let lag_ns = self.config.max_book_lag_ns;
                let offers = self.markets[at].view.available(side, Some(limit), remaining, lag_ns);
                // Whoever rests behind this one has no better price: it finds nothing either.
                if offers.is_empty() {
                    break;
                }
                let size = offers.iter().map(|offer| offer.size).sum::<i64>();
                for offer in &offers {
                    self.markets[at].view.take(side, offer.price, offer.shown, offer.size);
                }
                self.fill(at, id, price, size, Liquidity::Maker);
                if self.is_working(id) {
                    skip += 1;
                }
            }
        }
    }

    /// Fills resting orders by a trade of the market: together no more than it traded.
    pub(super) fn match_trade(&mut self, at: usize, trade: &Trade) {
        if trade.price <= 0 {
            return;
        }
        let mut left = trade.size;
        for (side, own_side) in [(OrderSide::Buy, Aggressor::Buyer), (OrderSide::Sell, Aggressor::Seller)] {
            let mut skip = 0;
            while left > 0 {
                let Some((id, price, remaining)) = self.resting(at, side, skip) else { break };
                let through = is_better(side, trade.price, price);
                // Who buys takes from the asks: a bid at the same price had no part in it.
                let touched = trade.price == price && trade.aggressor != own_side;
                let fills = through || (touched && self.config.limit_fill == LimitFill::OnTouch);
                if !fills {
                    break;
                }
                let size = remaining.min(left);
                left -= size;
                self.fill(at, id, price, size, Liquidity::Maker);
                if self.is_working(id) {
                    skip += 1;
                }
            }
        }
    }

    /// The resting order of a side behind the `skip` best ones: id, price, remaining size.
    fn resting(&self, at: usize, side: OrderSide, skip: usize) -> Option<(ClientOrderId, i64, i64)> {
        let id = *self.markets[at].resting[side as usize].values().nth(skip)?;
        let record = self.records.get(&id)?;
        Some((id, record.request.price, record.remaining()))
    }
}
