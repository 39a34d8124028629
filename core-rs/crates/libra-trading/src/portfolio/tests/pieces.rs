//! What one order may not close: several do.

use super::*;

/// A position of that size, and what a signal that closes it asks for within `limits`, with the worth of a lot of 0.001 at 61.80.
fn closes(size: i64, price: i64, limits: InstrumentLimits, change: impl Fn(&mut Instrument)) -> Vec<i64> {
    let mut instrument = btc();
    instrument.max_size = 1_000_000;
    change(&mut instrument);
    let mut portfolio = holding(&[("sma", size)]);
    let closing = if size > 0 { CloseLong } else { CloseShort };
    let closing = Signal { price, ..signal(1, closing) };
    let decision = portfolio.on_signal(1, &closing, &SizingContext { limits, ..context(&instrument) });
    let ids: std::collections::BTreeSet<u128> = decision.requests.iter().map(|request| request.request_id).collect();
    assert_eq!(ids.len(), decision.requests.len(), "each has an id of its own");
    assert!(decision.requests.iter().all(|request| request.signal_id == 1));
    let strategy = Name::intern("sma");
    let (buys, sells) = portfolio.pending(strategy, btc().id);
    assert_eq!(buys + sells, sizes(&decision).iter().map(|size| size.abs()).sum::<i64>(), "all of it is on its way");
    sizes(&decision)
}

#[test]
fn what_one_order_may_not_close_several_do() {
    let worth =
        |money: i128| InstrumentLimits { max_order_notional: Some(money * MONEY), ..InstrumentLimits::default() };
    let size = |size| InstrumentLimits { max_order_size: Some(size), ..InstrumentLimits::default() };
    let as_it_is = |_: &mut Instrument| {};
    // 20 are worth 1,236.00; of 1,000 a hundredth is left for the next quote: 16 by one order.
    assert_eq!(closes(20, 0, worth(1_249), as_it_is), [-20]);
    assert_eq!(closes(20, 0, worth(1_240), as_it_is), [-10, -10], "the market may move before it is judged");
    assert_eq!(closes(20, 0, worth(1_000), as_it_is), [-10, -10]);
    assert_eq!(closes(-50, 0, worth(1_000), as_it_is), [13, 13, 12, 12]);
    assert_eq!(closes(50, 0, size(20), as_it_is), [-17, -17, -16]);
    assert_eq!(closes(50, 0, InstrumentLimits::default(), |of| of.max_size = 20), [-17, -17, -16]);
    assert_eq!(
        closes(50, 0, size(20), |of| of.lot_size = 7),
        [-14, -14, -14, -7],
        "whole lots, and what is no lot stays"
    );
    // A limit order is worth what it asks for, or what is bid where that is more.
    assert_eq!(closes(20, 3_090_000, worth(1_249), as_it_is), [-20]);
    assert_eq!(closes(-20, 3_090_000, worth(650), as_it_is), [20]);
    assert_eq!(closes(-20, 0, worth(650), as_it_is), [10, 10]);
    assert_eq!(closes(20, 3_090_000, worth(650), as_it_is), [-10, -10]);
}

#[test]
fn no_piece_is_too_small_and_there_are_not_too_many() {
    let size = |size| InstrumentLimits { max_order_size: Some(size), ..InstrumentLimits::default() };
    // Halves of 12 would be too small for this venue; what is left is for the next signal.
    assert_eq!(closes(12, 0, size(10), |of| of.min_size = 8), [-10]);
    assert_eq!(closes(28, 0, size(10), |of| of.min_size = 8), [-10, -9, -9]);
    assert_eq!(closes(31, 0, size(10), |of| of.min_size = 8), [-10, -10, -10]);
    assert_eq!(closes(1_000, 0, size(10), |_| {}), vec![-10; 32]);
    assert_eq!(closes(319, 0, size(10), |_| {}).iter().sum::<i64>(), -319);
    // Smaller than any order that the venue takes: risk says which limit it is.
    assert_eq!(closes(50, 0, size(5), |of| of.min_size = 8), [-50]);
    assert_eq!(closes(50, 0, InstrumentLimits { max_order_notional: Some(1), ..size(20) }, |_| {}), [-50]);
}

#[test]
fn a_reversal_closes_in_pieces_and_opens_by_one_order() {
    let limits = InstrumentLimits { max_order_size: Some(10), ..InstrumentLimits::default() };
    let mut portfolio = holding(&[("sma", 25)]);
    let of = btc();
    let context = SizingContext { limits, ..context(&of) };
    let decision = portfolio.on_signal(1, &signal(1, Short), &context);
    assert_eq!(sizes(&decision), [-9, -8, -8, -10]);
    assert_eq!(portfolio.on_signal(1, &signal(1, Short), &context), decision);
}
