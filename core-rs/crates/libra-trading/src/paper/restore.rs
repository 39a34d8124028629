//! Taking over orders after a restart: the venue lives in our process, so its orders come back from the account's log.

use super::record::{Record, State};
use super::venue::PaperVenue;
use crate::order::{Order, OrderStatus, OrderType, TimeInForce};

impl PaperVenue {
    /// The next trade gets an id beyond `last`: after a restart, beyond every fill in the account's log.
    pub fn continue_trade_ids_after(&mut self, last: u64) {
        self.next_trade_id = self.next_trade_id.max(last.saturating_add(1));
    }

    /// Takes over an order from the account's log, `filled` of it executed. Final orders are taken over too, so that
    /// their ids and positions are known; those that the venue never answered are not, since they died with the process.
    /// A limit order works on; what cannot rest was cancelled, says a query. Call it before any
    /// [`submit`](Self::submit), in the order of the log, with [`PaperConfig::first_trade_id`] beyond the log's fills.
    ///
    /// False when the order was not taken over: known already, never answered, of an unlisted instrument, or `filled`
    /// makes no sense.
    ///
    /// [`PaperConfig::first_trade_id`]: super::PaperConfig::first_trade_id
    pub fn adopt(&mut self, order: &Order, filled: i64) -> bool {
        let (id, request) = (order.client_order_id, &order.request);
        let unanswered = matches!(order.status, OrderStatus::New | OrderStatus::Submitted);
        if unanswered || self.records.contains_key(&id) || filled < 0 || filled > request.size.max(0) {
            return false;
        }
        let Some(at) = self.market_of(request.instrument) else { return false };
        let market = &mut self.markets[at];
        let signed = filled.checked_mul(request.side.sign());
        let Some(position) = signed.and_then(|signed| market.position.checked_add(signed)) else { return false };
        market.position = position;
        if let Some(fill) = &order.last_fill {
            self.next_trade_id = self.next_trade_id.max(fill.trade_id.saturating_add(1));
        }
        if let Some(number) = order.venue_order_id.strip_prefix('P').and_then(|text| text.parse::<u64>().ok()) {
            self.next_arrival = self.next_arrival.max(number.saturating_add(1));
        }
        let rests = request.order_type == OrderType::Limit
            && matches!(request.time_in_force, TimeInForce::Gtc | TimeInForce::PostOnly);
        let state = match order.status {
            OrderStatus::Rejected => State::Rejected { code: order.reason.clone(), detail: order.detail.clone() },
            _ if filled == request.size => State::Filled,
            status if status.is_final() => State::Cancelled { reason: order.reason.clone() },
            _ if rests => State::Working,
            _ => State::Cancelled { reason: "VENUE_RESTARTED".into() },
        };
        let (working, arrival) = (state == State::Working, self.arrival());
        let record = Record {
            request: request.clone(),
            venue_order_id: order.venue_order_id.clone(),
            arrival,
            market: at,
            filled,
            state,
            fills: Vec::new(),
            ts_arrival_ns: order.ts_ns,
            ts_last_ns: order.ts_ns,
        };
        self.records.insert(id, Box::new(record));
        if working {
            self.rest(at, id, request.side, request.price, arrival);
        }
        true
    }
}
