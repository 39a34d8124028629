//! Orders that may only reduce a position.

use super::*;

#[test]
fn fill_or_kill_sees_that_alternatives_of_one_position_are_one() {
    for (wanted, filled) in [(5, true), (6, false), (9, false)] {
        let mut exchange = Market::new();
        exchange.position(A, 5);
        exchange.submit(reducing(limit(1, A, Sell, 1_000, 5))).unwrap();
        exchange.submit(reducing(limit(2, A, Sell, 1_010, 5))).unwrap();
        exchange.submit(within(TimeInForce::Fok, limit(3, B, Buy, 1_010, wanted))).unwrap();
        assert_eq!(exchange.trades().len(), usize::from(filled), "{wanted}");
        let reason = if filled { (2, EndReason::ReduceOnly, 5) } else { (3, EndReason::FillOrKill, wanted) };
        assert_eq!(exchange.ended(), [reason]);
    }
}

#[test]
fn reduce_only_never_turns_a_position() {
    let mut exchange = Market::new();
    exchange.submit(reducing(limit(1, A, Sell, 1_000, 5))).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::ReduceOnly));
    exchange.position(A, 8);
    exchange.submit(reducing(limit(1, A, Buy, 1_000, 5))).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::ReduceOnly));
    // Cut to the position when it comes, alternatives each by itself.
    exchange.submit(reducing(limit(1, A, Sell, 1_000, 10))).unwrap();
    exchange.submit(reducing(limit(2, A, Sell, 1_010, 6))).unwrap();
    assert_eq!((exchange.left(1), exchange.left(2)), (Some(8), Some(6)));
    // A fill of one cuts the other, in its place.
    exchange.rests(3, B, Sell, 1_010, 1);
    exchange.submit(market(4, B, Buy, 5)).unwrap();
    assert_eq!((exchange.left(1), exchange.left(2), exchange.queue(Sell)), (Some(3), Some(3), vec![1, 2, 3]));
    // The owner's word does so, too.
    exchange.position(A, 2);
    assert_eq!((exchange.left(1), exchange.left(2)), (Some(2), Some(2)));
    exchange.position(A, -2);
    assert_eq!(exchange.ended(), [(1, EndReason::ReduceOnly, 2), (2, EndReason::ReduceOnly, 2)]);
    // Raising it is cut again.
    exchange.submit(reducing(limit(5, A, Buy, 900, 1))).unwrap();
    exchange.amend(5, A, 900, 7).unwrap();
    assert_eq!(exchange.left(5), Some(2));
    assert_eq!(exchange.engine.orders_of(A).map(|order| order.id.0).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_stop_that_may_only_reduce_is_measured_when_it_is_triggered() {
    let mut exchange = Market::new();
    exchange.rests(1, B, Buy, 900, 20);
    exchange.submit(reducing(stop(market(2, A, Sell, 10), 950))).unwrap();
    exchange.submit(reducing(stop(limit(3, A, Sell, 950, 10), 950))).unwrap();
    exchange.position(A, 4);
    assert_eq!((exchange.left(2), exchange.left(3)), (Some(10), Some(10)));
    exchange.submit(market(5, C, Sell, 1)).unwrap();
    assert_eq!(exchange.trades(), [(5, 1, 900, 1), (2, 1, 900, 4)]);
    assert_eq!(exchange.ended(), [(3, EndReason::ReduceOnly, 10)]);
    assert_eq!(exchange.engine.position(A), 0);
}
