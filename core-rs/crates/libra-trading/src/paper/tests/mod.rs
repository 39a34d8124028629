//! The paper venue, rule by rule and against random markets. This file holds what the tests build with.

mod books;
mod limits;
mod markets;
mod messages;
mod properties;

use libra_kernel::event::{Aggressor, Quote, Trade};
use libra_kernel::{Event, EventType, Name, Payload};
use libra_market::book::{BookUpdate, Level};

use super::*;
use crate::instrument::Instrument;
use crate::instrument::tests::btc;
use crate::order::*;

/// Prices in the tests are in ticks of this many price units.
pub(super) const TICK: i64 = 10;

pub(super) fn instrument() -> Instrument {
    Instrument { min_notional: 0, max_size: 1_000_000, ..btc() }
}

pub(super) fn config() -> PaperConfig {
    PaperConfig::new(Name::intern("paper"), Name::intern("main"))
}

pub(super) fn venue(config: PaperConfig) -> PaperVenue {
    PaperVenue::new(config, vec![instrument()])
}

pub(super) fn event(ts_ns: i64, payload: Payload) -> Event {
    let kind = match &payload {
        Payload::Quote(_) => EventType::Quote,
        Payload::Trade(_) => EventType::Trade,
        _ => EventType::OrderBook,
    };
    Event::market(kind, Name::intern("feed"), instrument().id, (2, 3), ts_ns, payload)
}

/// A quote: bid, bid size, ask, ask size; prices in ticks.
pub(super) fn quote(ts_ns: i64, bid: (i64, i64), ask: (i64, i64)) -> Event {
    let quote =
        Quote { bid: bid.0 * TICK, bid_size: bid.1, ask: ask.0 * TICK, ask_size: ask.1, ts_venue_ns: 0, venue_seq: 0 };
    event(ts_ns, Payload::Quote(quote))
}

pub(super) fn trade(ts_ns: i64, price: i64, size: i64, aggressor: Aggressor) -> Event {
    event(ts_ns, Payload::Trade(Trade { price: price * TICK, size, trade_id: 0, ts_venue_ns: 0, aggressor }))
}

/// A book frame of USD-M's kind: `previous` is -1 for a snapshot.
pub(super) fn book(ts_ns: i64, id: i64, previous: i64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Event {
    let levels =
        |side: &[(i64, i64)]| side.iter().map(|&(price, size)| Level { price: price * TICK, size }).collect::<Vec<_>>();
    let update = BookUpdate {
        snapshot: previous < 0,
        first_id: id,
        last_id: id,
        previous_id: previous,
        ts_venue_ns: 0,
        bids: levels(bids),
        asks: levels(asks),
    };
    event(ts_ns, Payload::shared(update))
}

fn order(id: u128, side: OrderSide, order_type: OrderType, tif: TimeInForce, size: i64, price: i64) -> Order {
    Order {
        client_order_id: ClientOrderId(id),
        venue_order_id: String::new(),
        request: OrderRequest {
            request_id: id,
            signal_id: 0,
            account: Name::intern("main"),
            strategy: Name::intern("test"),
            instrument: instrument().id,
            side,
            order_type,
            time_in_force: tif,
            size,
            price: price * TICK,
            deadline_ns: 0,
            ts_origin_ns: 0,
        },
        status: OrderStatus::Submitted,
        filled: 0,
        filled_notional: 0,
        fees: 0,
        reason: String::new(),
        detail: String::new(),
        last_fill: None,
        ts_ns: 0,
    }
}

pub(super) fn market_order(id: u128, side: OrderSide, size: i64) -> Order {
    order(id, side, OrderType::Market, TimeInForce::Ioc, size, 0)
}

pub(super) fn limit(id: u128, side: OrderSide, tif: TimeInForce, size: i64, price: i64) -> Order {
    order(id, side, OrderType::Limit, tif, size, price)
}

/// What came back by `now_ns`, shortly: `A`ccepted, `R CODE`, `F size@ticks T|M`, `C REASON`, `CR` a refused cancel.
pub(super) fn heard(venue: &mut PaperVenue, now_ns: i64) -> Vec<String> {
    let mut reports = Vec::new();
    venue.advance(now_ns, &mut reports);
    reports.iter().map(short).collect()
}

pub(super) fn short(report: &VenueReport) -> String {
    match &report.outcome {
        VenueOutcome::Accepted => "A".into(),
        VenueOutcome::Rejected { code, .. } => format!("R {code}"),
        VenueOutcome::Filled { price, size, liquidity, .. } => {
            let letter = if *liquidity == Liquidity::Maker { 'M' } else { 'T' };
            format!("F {size}@{} {letter}", price / TICK)
        }
        VenueOutcome::Cancelled { reason } => format!("C {reason}"),
        VenueOutcome::Expired => "E".into(),
        VenueOutcome::CancelRejected { .. } => "CR".into(),
        VenueOutcome::NotFound => "?".into(),
    }
}

/// Submits at `now_ns` and hears at once: for venues without latency.
pub(super) fn submit(venue: &mut PaperVenue, now_ns: i64, order: &Order) -> Vec<String> {
    venue.submit(now_ns, order);
    heard(venue, now_ns)
}

pub(super) fn feed(venue: &mut PaperVenue, event: &Event) -> Vec<String> {
    venue.on_market(event.ts_ns, event);
    heard(venue, event.ts_ns)
}
