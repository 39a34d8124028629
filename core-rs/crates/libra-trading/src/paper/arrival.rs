//! What happens to an order or a cancel that reaches the venue.
//!
//! | order | takes what is shown | the rest |
//! | --- | --- | --- |
//! | market | at any price, `slippage_ticks` worse; then as [`BeyondTop`] says | cancelled, `NO_LIQUIDITY` |
//! | limit GTC | up to its price | rests, fills as maker at its own price |
//! | limit IOC | up to its price | cancelled, `IOC` |
//! | limit FOK | all of it up to its price | or nothing: cancelled, `FOK` |
//! | limit post-only | rejected, `POST_ONLY`, where the top has its price | rests |

use libra_market::book::Level;

use super::config::BeyondTop;
use super::filters::{Refusal, check_instrument, check_order};
use super::market::{Offer, is_better};
use super::record::{Record, State};
use super::venue::PaperVenue;
use crate::order::{ClientOrderId, Liquidity, OrderRequest, OrderSide, OrderType, TimeInForce, VenueOutcome};

impl PaperVenue {
    /// An order arrived.
    pub(super) fn execute(&mut self, id: ClientOrderId, request: OrderRequest) {
        if let Some(record) = self.records.get(&id) {
            // The first one stands as it is: only the message is refused.
            let (code, detail) = ("DUPLICATE".into(), "this client order id was used before".into());
            let venue_order_id = record.venue_order_id.clone();
            return self.report(id, venue_order_id, VenueOutcome::Rejected { code, detail });
        }
        let (at, refusal) = match self.check(&request) {
            Ok(at) => (at, None),
            Err(refusal) => (self.market_of(request.instrument).unwrap_or(usize::MAX), Some(refusal)),
        };
        let arrival = self.arrival();
        let mut record = Box::new(Record {
            venue_order_id: String::new(),
            arrival,
            market: at,
            filled: 0,
            state: State::Working,
            fills: Vec::new(),
            ts_arrival_ns: self.clock_ns,
            ts_last_ns: self.clock_ns,
            request,
        });
        if let Some(Refusal { code, detail }) = refusal {
            record.state = State::Rejected { code: code.into(), detail: detail.clone() };
            self.records.insert(id, record);
            return self.report(id, String::new(), VenueOutcome::Rejected { code: code.into(), detail });
        }
        record.venue_order_id = format!("P{arrival}");
        let (venue_order_id, request) = (record.venue_order_id.clone(), record.request.clone());
        self.records.insert(id, record);
        self.report(id, venue_order_id, VenueOutcome::Accepted);
        match request.order_type {
            OrderType::Market => self.execute_market(at, id, &request),
            OrderType::Limit => self.execute_limit(at, id, &request, arrival),
        }
    }

    /// A cancel arrived.
    pub(super) fn execute_cancel(&mut self, id: ClientOrderId) {
        let refused = match self.records.get(&id) {
            None => Some((String::new(), "unknown order")),
            Some(record) if record.state != State::Working => {
                Some((record.venue_order_id.clone(), "the order is final already"))
            }
            Some(_) => None,
        };
        match refused {
            Some((venue_order_id, detail)) => {
                self.report(id, venue_order_id, VenueOutcome::CancelRejected { detail: detail.into() });
            }
            None => self.end(id, "REQUESTED"),
        }
    }

    /// The venue's checks, in the order that it does them; the index of the market when all hold.
    fn check(&self, request: &OrderRequest) -> Result<usize, Refusal> {
        if self.is_alarmed() {
            return Err(Refusal::new("KILL_SWITCH", "stopped on its way to the venue"));
        }
        if request.account != self.config.account {
            let (asked, own) = (request.account, self.config.account);
            return Err(Refusal::new("WRONG_ACCOUNT", format!("for account {asked}, this is {own}")));
        }
        let Some(at) = self.market_of(request.instrument) else {
            return Err(Refusal::new("UNKNOWN_INSTRUMENT", format!("{} is not listed", request.instrument)));
        };
        let market = &self.markets[at];
        check_instrument(&market.instrument)?;
        if request.deadline_ns > 0 && self.clock_ns > request.deadline_ns {
            return Err(Refusal::new("EXPIRED", "arrived behind its deadline"));
        }
        let top = market.view.top(request.side);
        let other = market.view.top(if request.side == OrderSide::Buy { OrderSide::Sell } else { OrderSide::Buy });
        if top.is_none() && (request.order_type == OrderType::Market || other.is_none()) {
            return Err(Refusal::new("NO_MARKET", format!("{}: nothing is offered", request.instrument)));
        }
        let age_ns = self.clock_ns.saturating_sub(market.view.last_ns);
        if self.config.stale_after_ns > 0 && age_ns > self.config.stale_after_ns {
            let detail = format!("{}: last heard of {} ms ago", request.instrument, age_ns / 1_000_000);
            return Err(Refusal::new("STALE_MARKET", detail));
        }
        check_order(&market.instrument, request, top.map_or(0, |top| top.price))?;
        let takes = |top: &Level| !is_better(request.side, request.price, top.price);
        let post_only = request.order_type == OrderType::Limit && request.time_in_force == TimeInForce::PostOnly;
        if post_only && top.as_ref().is_some_and(takes) {
            return Err(Refusal::new("POST_ONLY", "it would take"));
        }
        Ok(at)
    }

    fn execute_market(&mut self, at: usize, id: ClientOrderId, request: &OrderRequest) {
        let (side, lag_ns) = (request.side, self.config.max_book_lag_ns);
        let view = &self.markets[at].view;
        let mut offers = view.available(side, None, request.size, lag_ns);
        if !view.has_depth(lag_ns) {
            let left = request.size - offers.iter().map(|offer| offer.size).sum::<i64>();
            offers.extend(self.beyond_top(at, side, left));
        }
        let tick = self.markets[at].instrument.tick_size;
        let slip = tick.saturating_mul(self.config.slippage_ticks.max(0)).saturating_mul(side.sign());
        for offer in offers {
            let price = offer.price.saturating_add(slip).max(tick);
            if !self.take(at, id, offer, price, Liquidity::Taker) {
                return;
            }
        }
        self.end_unless_filled(id, "NO_LIQUIDITY");
    }

    /// The top's size again and again, further and further away, for a market order that wants `left` more.
    fn beyond_top(&self, at: usize, side: OrderSide, mut left: i64) -> Vec<Offer> {
        let (market, mut offers) = (&self.markets[at], Vec::new());
        let (BeyondTop::Walk { ticks }, Some(top)) = (self.config.beyond_top, market.view.top(side)) else {
            return offers;
        };
        let step = market.instrument.tick_size.saturating_mul(ticks.max(1)).saturating_mul(side.sign());
        for steps in 1..=BeyondTop::MAX_STEPS {
            let price = top.price.saturating_add(step.saturating_mul(steps));
            if left <= 0 || price <= 0 {
                break;
            }
            let size = market.view.left_of(side, Level { price, size: top.size }).min(left);
            if size > 0 {
                offers.push(Offer { price, shown: top.size, size });
                left -= size;
            }
        }
        offers
    }

    fn execute_limit(&mut self, at: usize, id: ClientOrderId, request: &OrderRequest, arrival: u64) {
        let (side, size) = (request.side, request.size);
        let offers = self.markets[at].view.available(side, Some(request.price), size, self.config.max_book_lag_ns);
        // `available` stops at `size`, so the sum cannot pass it.
        if request.time_in_force == TimeInForce::Fok && offers.iter().map(|offer| offer.size).sum::<i64>() < size {
            return self.end(id, "FOK");
        }
        for offer in offers {
            if !self.take(at, id, offer, offer.price, Liquidity::Taker) {
                return;
            }
        }
        match request.time_in_force {
            TimeInForce::Ioc => self.end_unless_filled(id, "IOC"),
            TimeInForce::Fok => self.end_unless_filled(id, "FOK"),
            TimeInForce::Gtc | TimeInForce::PostOnly => {
                if self.is_working(id) {
                    self.rest(at, id, side, request.price, arrival);
                }
            }
        }
    }
}
