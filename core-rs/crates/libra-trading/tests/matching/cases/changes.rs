//! Amending, replacing, cancelling.

use super::*;

#[test]
fn amending_keeps_the_place_only_where_the_quantity_shrinks() {
    let mut exchange = Market::new();
    for id in 1..=3 {
        exchange.rests(id, A, Sell, 1_000, 5);
    }
    exchange.amend(1, A, 1_000, 4).unwrap();
    assert_eq!((exchange.queue(Sell), exchange.left(1)), (vec![1, 2, 3], Some(4)));
    exchange.amend(1, A, 1_000, 5).unwrap();
    assert_eq!(exchange.queue(Sell), [2, 3, 1]);
    exchange.amend(2, A, 990, 5).unwrap();
    exchange.amend(2, A, 1_000, 4).unwrap();
    assert_eq!(exchange.queue(Sell), [3, 1, 2]);
    assert_eq!(exchange.amend(2, A, 1_000, 4), Err(MatchError::NoChange(OrderId(2))));
    assert_eq!(exchange.engine.best(Sell), Some(BookLevel { price: 1_000, quantity: 14 }));
}

#[test]
fn amending_may_trade_and_may_end_the_order() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.rests(2, B, Buy, 990, 5);
    exchange.amend(2, B, 1_000, 3).unwrap();
    assert_eq!((exchange.trades(), exchange.left(1), exchange.left(2)), (vec![(2, 1, 1_000, 3)], Some(2), None));
    // 3 of 5 are executed: no more than these is none.
    exchange.amend(1, A, 1_000, 3).unwrap();
    assert_eq!(exchange.ended(), [(1, EndReason::AmendedAway, 2)]);
    exchange.rests(3, A, Sell, 1_000, 5);
    exchange.submit(within(TimeInForce::PostOnly, limit(4, B, Buy, 990, 5))).unwrap();
    exchange.amend(4, B, 1_000, 5).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![], vec![(4, EndReason::WouldTake, 5)]));
    exchange.submit(stop(market(5, B, Buy, 5), 2_000)).unwrap();
    assert_eq!(exchange.amend(5, B, 1_000, 3), Err(MatchError::NotInBook(OrderId(5))));
}

#[test]
fn replacing_is_done_whole_or_not_at_all() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.rests(2, A, Sell, 1_010, 5);
    let replace = |exchange: &mut Market, old, new: NewOrder| {
        exchange.try_do(|engine, now_ns, out| engine.replace(OrderId(old), &new, now_ns, out))
    };
    assert_eq!(replace(&mut exchange, 1, limit(3, A, Sell, 1_005, 5)), Err(MatchError::Price(1_005)));
    assert_eq!(replace(&mut exchange, 1, limit(2, A, Sell, 990, 5)), Err(MatchError::DuplicateId(OrderId(2))));
    assert_eq!(replace(&mut exchange, 1, limit(3, B, Sell, 990, 5)), Err(MatchError::UnknownOrder(OrderId(1))));
    assert_eq!((exchange.queue(Sell), exchange.out.len()), (vec![1, 2], 0));
    replace(&mut exchange, 1, limit(1, A, Sell, 1_010, 5)).unwrap();
    assert_eq!((exchange.ended(), exchange.queue(Sell)), (vec![(1, EndReason::Replaced, 5)], vec![2, 1]));
}

#[test]
fn all_orders_of_an_account_are_cancelled_and_of_no_other() {
    let mut exchange = Market::new();
    exchange.position(A, 5);
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.rests(2, B, Sell, 1_000, 5);
    exchange.submit(reducing(limit(3, A, Sell, 1_010, 5))).unwrap();
    exchange.submit(stop(market(4, A, Buy, 5), 2_000)).unwrap();
    exchange.try_do(|engine, now_ns, out| engine.cancel_all(A, now_ns, out)).unwrap();
    let cancelled = |id| (id, EndReason::Cancelled, 5);
    assert_eq!(exchange.ended(), [cancelled(3), cancelled(1), cancelled(4)]);
    assert_eq!((exchange.engine.open_orders(), exchange.left(2)), (1, Some(5)));
    exchange.try_do(|engine, now_ns, out| engine.cancel_all(AccountId(77), now_ns, out)).unwrap();
    assert_eq!(exchange.out, []);
    let cancel = |engine: &mut Engine, now_ns, out: &mut Vec<Output>| engine.cancel(A, OrderId(2), now_ns, out);
    assert_eq!(exchange.try_do(cancel), Err(MatchError::UnknownOrder(OrderId(2))), "that of another");
}
