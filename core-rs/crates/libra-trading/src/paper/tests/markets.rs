//! Market orders: the spread, slippage, what lies beyond the top, and fees.

use super::*;
use OrderSide::{Buy, Sell};

#[test]
fn a_market_order_crosses_the_spread_and_pays_the_takers_fee() {
    let mut venue = venue(config());
    feed(&mut venue, &quote(1, (6_180, 50), (6_181, 40)));
    assert_eq!(submit(&mut venue, 2, &market_order(1, Buy, 10)), ["A", "F 10@6181 T"]);
    assert_eq!(submit(&mut venue, 2, &market_order(2, Sell, 4)), ["A", "F 4@6180 T"]);
    let fill = &venue.fills_of(ClientOrderId(1))[0];
    // 618.10 x 0.010 = 6.181, at 0.05 %: 0.0030905
    assert_eq!((fill.fee, fill.fee_currency.as_str(), fill.trade_id), (3_090_500_000, "USDT", 1));
    assert_eq!(venue.positions(), [(instrument().id, 6)]);
}

#[test]
fn slippage_is_adverse_on_both_sides() {
    let mut venue = venue(PaperConfig { slippage_ticks: 2, ..config() });
    feed(&mut venue, &quote(1, (100, 50), (101, 40)));
    assert_eq!(submit(&mut venue, 2, &market_order(1, Buy, 10)), ["A", "F 10@103 T"]);
    assert_eq!(submit(&mut venue, 2, &market_order(2, Sell, 10)), ["A", "F 10@98 T"]);
    feed(&mut venue, &quote(3, (1, 50), (2, 40)));
    assert_eq!(submit(&mut venue, 4, &market_order(3, Sell, 10)), ["A", "F 10@1 T"]);
}

#[test]
fn without_a_book_the_rest_walks_away_from_the_top_or_is_cancelled() {
    let mut walking = venue(PaperConfig { beyond_top: BeyondTop::Walk { ticks: 3 }, ..config() });
    feed(&mut walking, &quote(1, (100, 50), (101, 40)));
    let got = submit(&mut walking, 2, &market_order(1, Buy, 100));
    assert_eq!(got, ["A", "F 40@101 T", "F 40@104 T", "F 20@107 T"]);
    // The steps are used up too, until the venue shows another top.
    assert_eq!(submit(&mut walking, 2, &market_order(2, Buy, 30)), ["A", "F 20@107 T", "F 10@110 T"]);
    let all = submit(&mut walking, 2, &market_order(3, Sell, 50 * 70));
    assert_eq!((all.len(), all.last().unwrap().as_str()), (2 + 1 + 33, "C NO_LIQUIDITY"));
    let mut strict = venue(PaperConfig { beyond_top: BeyondTop::Cancel, ..config() });
    feed(&mut strict, &quote(1, (100, 50), (101, 40)));
    assert_eq!(submit(&mut strict, 2, &market_order(1, Buy, 100)), ["A", "F 40@101 T", "C NO_LIQUIDITY"]);
}

#[test]
fn what_was_taken_comes_back_only_when_the_level_changes() {
    let mut venue = venue(PaperConfig { beyond_top: BeyondTop::Cancel, ..config() });
    feed(&mut venue, &quote(1, (100, 50), (101, 40)));
    assert_eq!(submit(&mut venue, 2, &market_order(1, Buy, 30)), ["A", "F 30@101 T"]);
    assert_eq!(submit(&mut venue, 2, &market_order(2, Buy, 30)), ["A", "F 10@101 T", "C NO_LIQUIDITY"]);
    // The bid moved, the ask did not.
    feed(&mut venue, &quote(3, (100, 55), (101, 40)));
    assert_eq!(submit(&mut venue, 4, &market_order(3, Buy, 30)), ["A", "C NO_LIQUIDITY"]);
    feed(&mut venue, &quote(5, (100, 55), (101, 25)));
    assert_eq!(submit(&mut venue, 6, &market_order(4, Buy, 30)), ["A", "F 25@101 T", "C NO_LIQUIDITY"]);
    feed(&mut venue, &quote(7, (100, 55), (102, 9)));
    feed(&mut venue, &quote(8, (100, 55), (101, 25)));
    assert_eq!(submit(&mut venue, 9, &market_order(5, Buy, 25)), ["A", "F 25@101 T"]);
}

#[test]
fn no_market_and_a_stale_market_are_refused() {
    let mut venue = venue(PaperConfig { stale_after_ns: 100, ..config() });
    assert_eq!(submit(&mut venue, 1, &market_order(1, Buy, 1)), ["R NO_MARKET"]);
    feed(&mut venue, &quote(10, (100, 5), (0, 0)));
    assert_eq!(submit(&mut venue, 11, &market_order(2, Buy, 1)), ["R NO_MARKET"]);
    assert_eq!(submit(&mut venue, 110, &market_order(3, Sell, 1)), ["A", "F 1@100 T"]);
    assert_eq!(submit(&mut venue, 111, &market_order(4, Sell, 1)), ["R STALE_MARKET"]);
    feed(&mut venue, &quote(120, (103, 5), (101, 5)));
    assert_eq!(venue.stats().quotes_crossed, 1);
    assert_eq!(submit(&mut venue, 121, &market_order(5, Sell, 1)), ["R STALE_MARKET"]);
}

#[test]
fn the_venues_filters_refuse_with_their_codes() {
    let mut strict = instrument();
    (strict.lot_size, strict.min_size, strict.max_size) = (5, 10, 100);
    strict.min_notional = 10 * libra_kernel::fixed::pow10(12);
    let mut inverse = instrument();
    (inverse.id, inverse.kind) = (Name::intern("BTC/USD:BTC@test"), crate::instrument::ContractKind::Inverse);
    let mut inferred = instrument();
    (inferred.id, inferred.tradable) = (Name::intern("NEW/USDT@test"), false);
    let mut venue = PaperVenue::new(config(), vec![strict, inverse.clone(), inferred.clone()]);
    feed(&mut venue, &quote(1, (10_000, 500), (10_001, 500)));
    let gtc = |id, size, price| limit(id, Buy, TimeInForce::Gtc, size, price);
    let mut off_tick = gtc(5, 10, 9_000);
    off_tick.request.price += 1;
    let mut elsewhere = gtc(6, 10, 9_000);
    elsewhere.request.account = Name::intern("other");
    let mut late = gtc(7, 10, 9_000);
    late.request.deadline_ns = 1;
    let on = |id, instrument: &Instrument| {
        let mut order = gtc(id, 10, 9_000);
        order.request.instrument = instrument.id;
        order
    };
    let mut unknown = gtc(10, 10, 9_000);
    unknown.request.instrument = Name::intern("X/Y@test");
    for (order, code) in [
        (gtc(1, 0, 9_000), "INVALID_SIZE"),
        (gtc(2, 12, 9_000), "LOT_SIZE"),
        (gtc(3, 5, 9_000), "MIN_SIZE"),
        (gtc(4, 105, 9_000), "MAX_SIZE"),
        (off_tick, "TICK_SIZE"),
        (elsewhere, "WRONG_ACCOUNT"),
        (late, "EXPIRED"),
        (on(8, &inverse), "UNSUPPORTED_CONTRACT"),
        (on(9, &inferred), "NOT_TRADABLE"),
        (unknown, "UNKNOWN_INSTRUMENT"),
        (gtc(11, 10, 0), "INVALID_PRICE"),
        (gtc(12, 10, 9_000), "MIN_NOTIONAL"), // 900.00 x 0.010 = 9
        (market_order(13, Buy, 10), ""),      // 1000.10 x 0.010 = 10.001
        (gtc(14, 10, -5), "INVALID_PRICE"),
    ] {
        let want = if code.is_empty() { vec!["A".into(), "F 10@10001 T".into()] } else { vec![format!("R {code}")] };
        assert_eq!(submit(&mut venue, 2, &order), want);
    }
    assert!(venue.open_orders().is_empty());
    assert_eq!(venue.query(ClientOrderId(2)).iter().map(short).collect::<Vec<_>>(), ["R LOT_SIZE"]);
}

#[test]
fn an_event_in_other_decimals_is_not_used() {
    let mut venue = venue(config());
    let mut wrong = quote(1, (100, 5), (101, 5));
    wrong.price_decimals = 5;
    feed(&mut venue, &wrong);
    assert_eq!(venue.stats().wrong_decimals, 1);
    assert_eq!(submit(&mut venue, 1, &market_order(1, Buy, 1)), ["R NO_MARKET"]);
}
