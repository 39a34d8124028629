//! Orders that wait for a price.

use super::*;

#[test]
fn what_a_sweep_has_passed_triggers_in_order() {
    let mut exchange = Market::new();
    for (id, price) in [(1, 1_000), (2, 1_010), (3, 1_020), (4, 1_030), (5, 1_040)] {
        exchange.rests(id, A, Sell, price, 5);
    }
    exchange.submit(stop(limit(11, B, Buy, 1_030, 2), 1_010)).unwrap();
    exchange.submit(stop(market(12, B, Buy, 2), 1_000)).unwrap();
    exchange.submit(stop(market(13, B, Buy, 2), 1_010)).unwrap();
    exchange.submit(stop(market(14, B, Buy, 2), 1_050)).unwrap();
    assert_eq!(exchange.engine.last_price(), None);
    exchange.submit(market(20, C, Buy, 12)).unwrap();
    let trades = exchange.trades();
    assert_eq!(trades[..3], [(20, 1, 1_000, 5), (20, 2, 1_010, 5), (20, 3, 1_020, 2)]);
    assert_eq!(trades[3..], [(12, 3, 1_020, 2), (11, 3, 1_020, 1), (11, 4, 1_030, 1), (13, 4, 1_030, 2)]);
    assert_eq!(exchange.engine.order(OrderId(14)).unwrap().trigger, Some(1_050));
    // The last price is 1,030: a stop below it is reached already, and so is a sell's above it.
    exchange.submit(stop(market(15, B, Buy, 2), 1_030)).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::WouldTrigger));
    exchange.submit(stop(market(16, B, Sell, 2), 1_030)).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::WouldTrigger));
}

#[test]
fn a_triggered_order_may_trigger_the_next() {
    let mut exchange = Market::new();
    for (id, price) in [(1, 1_000), (2, 1_010), (3, 1_020)] {
        exchange.rests(id, A, Sell, price, 1);
    }
    exchange.submit(stop(market(11, B, Buy, 1), 1_000)).unwrap();
    exchange.submit(stop(market(12, B, Buy, 1), 1_010)).unwrap();
    exchange.submit(market(20, C, Buy, 1)).unwrap();
    assert_eq!(exchange.trades(), [(20, 1, 1_000, 1), (11, 2, 1_010, 1), (12, 3, 1_020, 1)]);
}

#[test]
fn take_profit_waits_on_the_other_side_and_marks_are_fed_in() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 9);
    let take = |order: NewOrder, price, by| NewOrder {
        trigger: Some(Trigger { price, by, condition: Condition::TakeProfit }),
        ..order
    };
    exchange.submit(take(market(2, B, Buy, 1), 900, TriggerBy::Mark)).unwrap();
    exchange.submit(take(market(3, B, Buy, 1), 900, TriggerBy::Last)).unwrap();
    exchange.mark(910).unwrap();
    assert_eq!(exchange.out, []);
    exchange.mark(900).unwrap();
    assert_eq!((exchange.trades(), exchange.left(3)), (vec![(2, 1, 1_000, 1)], Some(1)));
    assert_eq!((exchange.engine.mark_price(), exchange.engine.last_price()), (Some(900), Some(1_000)));
    exchange.submit(take(market(4, B, Buy, 1), 900, TriggerBy::Mark)).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::WouldTrigger));
}
