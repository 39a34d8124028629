//! Trading: priority, market orders, times in force, time itself, and an account with itself.

use super::*;

#[test]
fn the_best_price_trades_first_and_at_one_price_who_came_first() {
    let mut exchange = Market::new();
    for (id, price, quantity) in [(1, 1_010, 5), (2, 1_000, 5), (3, 1_000, 5), (4, 990, 5)] {
        exchange.rests(id, A, Sell, price, quantity);
    }
    exchange.submit(limit(5, B, Buy, 1_000, 20)).unwrap();
    assert_eq!(exchange.trades(), [(5, 4, 990, 5), (5, 2, 1_000, 5), (5, 3, 1_000, 5)]);
    assert_eq!((exchange.left(5), exchange.queue(Buy)), (Some(5), vec![5]));
    assert_eq!(exchange.engine.best(Sell), Some(BookLevel { price: 1_010, quantity: 5 }));
    assert_eq!((exchange.engine.position(A), exchange.engine.position(B)), (-15, 15));
}

#[test]
fn a_market_order_takes_what_is_there_and_no_more() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.submit(market(2, B, Buy, 8)).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(2, 1, 1_000, 5)], vec![(2, EndReason::NoLiquidity, 3)]));
}

#[test]
fn quote_currency_buys_whole_lots_and_is_never_overspent() {
    let mut exchange = Market::of(&Instrument { lot_size: 2, ..asset("BTC", "sim") });
    exchange.rests(1, A, Sell, 1_000, 4);
    exchange.rests(2, A, Sell, 2_000, 40);
    // 4 at 1,000 and then 4 at 2,000: 5,999 more would buy 2 with 1,999 left over.
    let unit = asset("BTC", "sim").notional(1, 1).unwrap();
    let spend = |id, units: i128| NewOrder::market(OrderId(id), B, Buy, Amount::Quote(units * unit));
    exchange.submit(spend(3, 4_000 + 4_000 + 1_999)).unwrap();
    assert_eq!(exchange.trades(), [(3, 1, 1_000, 4), (3, 2, 2_000, 2)]);
    assert_eq!(exchange.ended(), [(3, EndReason::Spent, 0)]);
    exchange.submit(spend(4, 1_000_000)).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(4, 2, 2_000, 38)], vec![(4, EndReason::NoLiquidity, 0)]));
    // A sell brings at most what was asked for.
    exchange.rests(5, A, Buy, 1_000, 10);
    let bring = NewOrder::market(OrderId(6), B, Sell, Amount::Quote(7_999 * unit));
    exchange.submit(bring).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(6, 5, 1_000, 6)], vec![(6, EndReason::Spent, 0)]));
}

#[test]
fn times_in_force() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.submit(within(TimeInForce::Fok, limit(2, B, Buy, 1_000, 6))).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![], vec![(2, EndReason::FillOrKill, 6)]));
    exchange.submit(within(TimeInForce::PostOnly, limit(2, B, Buy, 1_000, 6))).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::WouldTake));
    exchange.submit(within(TimeInForce::PostOnly, limit(2, B, Buy, 990, 6))).unwrap();
    assert_eq!(exchange.queue(Buy), [2]);
    exchange.submit(within(TimeInForce::Ioc, limit(3, B, Buy, 1_000, 2))).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(3, 1, 1_000, 2)], vec![]));
    exchange.submit(within(TimeInForce::Fok, limit(4, B, Buy, 1_000, 3))).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(4, 1, 1_000, 3)], vec![]));
    exchange.rests(5, A, Sell, 1_000, 1);
    exchange.submit(within(TimeInForce::Ioc, limit(6, B, Buy, 1_000, 2))).unwrap();
    assert_eq!(exchange.ended(), [(6, EndReason::ImmediateOrCancel, 1)]);
}

#[test]
fn an_order_ends_when_its_time_is_over_and_not_before() {
    let mut exchange = Market::new();
    exchange.now_ns = 10;
    exchange.submit(NewOrder { expires_ns: Some(100), ..limit(1, A, Sell, 1_000, 5) }).unwrap();
    exchange.submit(NewOrder { expires_ns: Some(90), ..stop(market(2, A, Buy, 5), 2_000) }).unwrap();
    exchange.now_ns = 88;
    exchange.try_do(|engine, now_ns, out| engine.advance(now_ns, out)).unwrap();
    assert_eq!(exchange.ended(), []);
    // Those that are over do not trade with what comes at that time.
    exchange.now_ns = 99;
    exchange.submit(market(3, B, Buy, 5)).unwrap();
    let ended = [(2, EndReason::Expired, 5), (1, EndReason::Expired, 5), (3, EndReason::NoLiquidity, 5)];
    assert_eq!((exchange.trades(), exchange.ended()), (vec![], ended.to_vec()));
    // An id that is used again has a time of its own.
    exchange.submit(NewOrder { expires_ns: Some(200), ..limit(1, A, Sell, 1_000, 5) }).unwrap();
    exchange.try_do(|engine, now_ns, out| engine.cancel(A, OrderId(1), now_ns, out)).unwrap();
    exchange.submit(NewOrder { expires_ns: Some(300), ..limit(1, A, Sell, 1_000, 5) }).unwrap();
    exchange.now_ns = 250;
    exchange.try_do(|engine, now_ns, out| engine.advance(now_ns, out)).unwrap();
    assert_eq!(exchange.left(1), Some(5));
}

#[test]
fn the_mode_of_the_taker_prevents_trades_with_itself() {
    for (mode, trades, ended, rests) in [
        (SelfTrade::Allow, vec![(4, 1), (4, 2), (4, 3)], vec![], vec![]),
        (SelfTrade::ExpireTaker, vec![(4, 1)], vec![(4, EndReason::SelfTrade, 10)], vec![2, 3]),
        (SelfTrade::ExpireMaker, vec![(4, 1), (4, 3)], vec![(2, EndReason::SelfTrade, 5)], vec![4]),
        (
            SelfTrade::ExpireBoth,
            vec![(4, 1)],
            vec![(2, EndReason::SelfTrade, 5), (4, EndReason::SelfTrade, 10)],
            vec![3],
        ),
    ] {
        let mut exchange = Market::new();
        exchange.rests(1, A, Sell, 1_000, 5);
        exchange.submit(NewOrder { self_trade: SelfTrade::ExpireTaker, ..limit(2, B, Sell, 1_000, 5) }).unwrap();
        exchange.rests(3, A, Sell, 1_010, 5);
        exchange.submit(NewOrder { self_trade: mode, ..limit(4, B, Buy, 1_010, 15) }).unwrap();
        let met: Vec<_> = exchange.trades().iter().map(|trade| (trade.0, trade.1)).collect();
        let left: Vec<_> = [Sell, Buy].into_iter().flat_map(|side| exchange.queue(side)).collect();
        assert_eq!((met, exchange.ended(), left), (trades, ended, rests), "{mode:?}");
    }
}

#[test]
fn fill_or_kill_counts_only_what_it_may_have() {
    let kill = |quantity, self_trade| {
        let mut exchange = Market::new();
        exchange.rests(1, A, Sell, 1_000, 5);
        exchange.rests(2, B, Sell, 1_000, 5);
        exchange.rests(3, A, Sell, 1_000, 5);
        exchange
            .submit(NewOrder { self_trade, ..within(TimeInForce::Fok, limit(4, B, Buy, 1_000, quantity)) })
            .unwrap();
        (exchange.trades().len(), exchange.ended().len())
    };
    assert_eq!(kill(15, SelfTrade::Allow), (3, 0));
    assert_eq!((kill(5, SelfTrade::ExpireTaker), kill(6, SelfTrade::ExpireTaker)), ((1, 0), (0, 1)));
    assert_eq!((kill(5, SelfTrade::ExpireBoth), kill(6, SelfTrade::ExpireBoth)), ((1, 0), (0, 1)));
    // The maker between them ends only where it stands in the way of an order that is filled.
    assert_eq!((kill(10, SelfTrade::ExpireMaker), kill(11, SelfTrade::ExpireMaker)), ((2, 1), (0, 1)));
}
