//! The flow's book, what is told of it, and users who trade with it.

use std::collections::{BTreeMap, VecDeque};

use libra_kernel::{Event as MarketEvent, EventType, Name, Payload};
use libra_market::book::{BookUpdate, Level};
use libra_market::listing::Listing;
use libra_market::source::{Problem, Source, SourceCounters};
use libra_market::synthetic::{SyntheticConfig, SyntheticInstrument, SyntheticMarket};
use libra_market::venue::VenueKind;

use super::*;
use crate::matching::{Amount, BookLevel, Event, Snapshot};
use crate::order::OrderSide;
use crate::samples::contract;

const USER: AccountId = AccountId(FIRST_USER);
const SECOND: i64 = 1_000_000_000;

fn market(seed: u64) -> Exchange {
    let instrument = contract("BTC", "sim");
    let listing = Listing::new("BTC/USDT:USDT", VenueKind::Synthetic, "BTCUSDT", 2, 3);
    let flow = SyntheticInstrument {
        quote_rate_hz: 50.0,
        trade_rate_hz: 20.0,
        book_rate_hz: 20.0,
        ..SyntheticInstrument::new(listing, 6_000_000, 10, 1)
    };
    let config = SyntheticConfig { source: Name::intern("sim"), seed, start_ts_ns: 0, instruments: vec![flow] };
    let source = SyntheticMarket::new(config).expect("a sound market");
    let mut exchange = Exchange::default();
    exchange.add(&instrument, Some(Box::new(source)), 0, 100).expect("a sound instrument");
    exchange
}

fn trades(told: &[Told]) -> impl Iterator<Item = &crate::matching::Trade> {
    told.iter().filter_map(|told| if let Told::Trade { trade, .. } = told { Some(trade) } else { None })
}

fn apply(book: &mut BTreeMap<i64, i64>, levels: &[(i64, i64)]) {
    for (price, quantity) in levels {
        if *quantity == 0 {
            book.remove(price);
        } else {
            book.insert(*price, *quantity);
        }
    }
}

fn pairs(levels: &[BookLevel]) -> Vec<(i64, i64)> {
    levels.iter().map(|level| (level.price, level.quantity)).collect()
}

#[test]
fn the_book_is_what_its_changes_say_whoever_trades() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut exchange = market(seed);
        let (mut bids, mut asks, mut last_id) = (BTreeMap::new(), BTreeMap::new(), 0);
        let (mut told, mut seen) = (Vec::new(), Snapshot::default());
        let (mut bought, mut own) = (0_i128, 0);
        for step in 1..200_i64 {
            let now_ns = step * 50_000_000;
            exchange.advance(now_ns, &mut told);
            let best = exchange.market(0).expect("added").engine().best(OrderSide::Buy);
            if let Some(best) = best.filter(|_| rng.bool()) {
                let side = if rng.bool() { OrderSide::Buy } else { OrderSide::Sell };
                let price = best.price + rng.i64(-5..=5) * 10;
                let order = NewOrder::limit(OrderId(step as u64), USER, side, price, rng.i64(1..2_000));
                exchange.submit(0, &order, now_ns, &mut told).expect("sound");
            }
            if let Some(depth) = exchange.take_depth(0).expect("added") {
                assert_eq!(depth.previous_id, last_id);
                assert_eq!(depth.first_id, last_id + 1);
                last_id = depth.last_id;
                apply(&mut bids, &depth.bids);
                apply(&mut asks, &depth.asks);
            }
            exchange.market(0).expect("added").engine().snapshot(usize::MAX, &mut seen);
            assert_eq!(seen.last_update_id, last_id);
            assert_eq!(pairs(&seen.bids), bids.iter().rev().map(|(p, q)| (*p, *q)).collect::<Vec<_>>());
            assert_eq!(pairs(&seen.asks), asks.iter().map(|(p, q)| (*p, *q)).collect::<Vec<_>>());
            for trade in trades(&told) {
                assert!(trade.maker_account != trade.taker_account || trade.maker_account == USER, "{trade:?}");
                for (account, side) in
                    [(trade.maker_account, trade.maker_side.sign()), (trade.taker_account, -trade.maker_side.sign())]
                {
                    own += usize::from(account == USER);
                    bought += if account == USER { i128::from(trade.quantity) * i128::from(side) } else { 0 };
                }
            }
            told.clear();
        }
        let market = exchange.market(0).expect("added");
        assert_eq!(market.engine().position(USER), bought);
        assert!(!bids.is_empty() && !asks.is_empty() && own > 20, "{} {} {own}", bids.len(), asks.len());
    }
}

#[test]
fn the_same_seed_and_inputs_tell_the_same() {
    let run = |seed| {
        let (mut exchange, mut told) = (market(seed), Vec::new());
        for step in 1..100 {
            exchange.advance(step * SECOND / 10, &mut told);
            let order = NewOrder::market(OrderId(step as u64), USER, OrderSide::Buy, Amount::Quantity(3));
            exchange.submit(0, &order, step * SECOND / 10, &mut told).expect("sound");
        }
        assert_eq!(exchange.market(0).expect("added").refused(), 0);
        told
    };
    assert!(trades(&run(1)).count() > 150);
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_user_who_stands_before_the_flow_is_taken_first() {
    let (mut exchange, mut told) = (market(3), Vec::new());
    exchange.advance(SECOND, &mut told);
    let engine = exchange.market(0).expect("added").engine();
    let (bid, ask) = (engine.best(OrderSide::Buy), engine.best(OrderSide::Sell));
    let (bid, ask) = bid.zip(ask).expect("a book");
    let (order, now_ns) = (OrderId(1), SECOND);
    exchange.submit(0, &NewOrder::limit(order, USER, OrderSide::Buy, bid.price, 7), now_ns, &mut told).expect("sound");
    assert!(ask.price > bid.price);
    told.clear();
    exchange.advance(60 * SECOND, &mut told);
    let own: i64 = trades(&told).filter(|trade| trade.maker == order).map(|trade| trade.quantity).sum();
    assert_eq!(own, 7);
    assert!(exchange.market(0).expect("added").engine().order(order).is_none());
}

#[test]
fn an_order_with_a_time_ends_at_it_where_nobody_else_is() {
    let (mut exchange, mut told) = (Exchange::default(), Vec::new());
    exchange.add(&contract("BTC", "sim"), None, 0, 1).expect("a sound instrument");
    let order = NewOrder::limit(OrderId(1), USER, OrderSide::Buy, 10, 1);
    let order = NewOrder { expires_ns: Some(2 * SECOND), ..order };
    exchange.submit(0, &order, SECOND, &mut told).expect("sound");
    exchange.advance(2 * SECOND - 1, &mut told);
    assert!(exchange.market(0).expect("added").engine().order(OrderId(1)).is_some());
    told.clear();
    exchange.advance(2 * SECOND, &mut told);
    assert!(matches!(told[0], Told::Order { event: Event::Ended { .. }, .. }), "{told:?}");
    assert!(exchange.market(0).expect("added").engine().order(OrderId(1)).is_none());
}

/// Book updates, one a second.
struct Script(VecDeque<MarketEvent>);

impl Source for Script {
    fn peek_ts_ns(&mut self) -> Option<i64> {
        self.0.front().map(|event| event.ts_ns)
    }

    fn next(&mut self) -> Option<MarketEvent> {
        self.0.pop_front()
    }

    fn counters(&self) -> SourceCounters {
        SourceCounters::default()
    }

    fn take_problems(&mut self) -> Vec<Problem> {
        Vec::new()
    }
}

fn levels(pairs: &[(i64, i64)]) -> Vec<Level> {
    pairs.iter().map(|(price, size)| Level { price: *price, size: *size }).collect()
}

#[test]
fn a_book_that_moves_over_what_it_did_not_take_back_trades_with_users_alone() {
    let instrument = contract("BTC", "sim");
    let update = |second: i64, bids: &[(i64, i64)], asks: &[(i64, i64)]| {
        let book = BookUpdate { bids: levels(bids), asks: levels(asks), ..BookUpdate::default() };
        let name = Name::intern("sim");
        MarketEvent::market(EventType::OrderBook, name, instrument.id, (2, 3), second * SECOND, Payload::shared(book))
    };
    let script = [update(1, &[(1_000, 5)], &[(1_010, 5), (1_020, 5)]), update(3, &[(1_020, 7)], &[(1_040, 5)])];
    let (mut exchange, mut told) = (Exchange::default(), Vec::new());
    exchange.add(&instrument, Some(Box::new(Script(script.into()))), 0, 10).expect("a sound instrument");
    let mine = NewOrder::limit(OrderId(1), USER, OrderSide::Sell, 1_010, 2);
    exchange.submit(0, &mine, 2 * SECOND, &mut told).expect("sound");
    exchange.advance(4 * SECOND, &mut told);
    let traded: Vec<(u64, i64, i64)> =
        trades(&told).map(|trade| (trade.maker.0, trade.price, trade.quantity)).collect();
    assert_eq!(traded, [(1, 1_010, 2)]);
    let engine = exchange.market(0).expect("added").engine();
    let best = [OrderSide::Buy, OrderSide::Sell].map(|side| engine.best(side).map(|best| (best.price, best.quantity)));
    assert_eq!(best, [Some((1_020, 5)), Some((1_040, 5))]);
}

#[test]
fn the_flows_names_are_its_own_and_time_does_not_go_back() {
    let (mut exchange, mut told) = (market(4), Vec::new());
    exchange.advance(SECOND, &mut told);
    let mine = NewOrder::limit(OrderId(1), USER, OrderSide::Buy, 10, 1);
    let theirs = [NewOrder { account: AccountId(1), ..mine }, NewOrder { id: OrderId(FLOW_ORDERS), ..mine }];
    for order in theirs {
        assert_eq!(exchange.submit(0, &order, SECOND, &mut told), Err(ExchangeError::Reserved));
    }
    assert_eq!(exchange.submit(1, &mine, SECOND, &mut told), Err(ExchangeError::UnknownMarket(1)));
    told.clear();
    // Half a second earlier: it counts as now.
    exchange.submit(0, &mine, SECOND / 2, &mut told).expect("sound");
    assert!(matches!(told[0], Told::Order { ts_ns: SECOND, event: Event::Accepted { .. }, .. }), "{told:?}");
    assert_eq!(exchange.now_ns(), SECOND);
}
