//! Limit orders: time in force, resting, and what fills what rests.

use super::*;
use Aggressor::{Buyer, Seller, Unknown};
use OrderSide::{Buy, Sell};
use TimeInForce::{Fok, Gtc, Ioc, PostOnly};

fn quoted(limit_fill: LimitFill) -> PaperVenue {
    let mut venue = venue(PaperConfig { limit_fill, ..config() });
    feed(&mut venue, &quote(1, (100, 50), (102, 40)));
    venue
}

#[test]
fn the_marketable_part_takes_and_the_rest_rests() {
    let mut venue = quoted(LimitFill::OnTouch);
    assert_eq!(submit(&mut venue, 2, &limit(1, Buy, Gtc, 60, 103)), ["A", "F 40@102 T"]);
    let open = venue.open_orders();
    assert_eq!((open.len(), open[0].filled, open[0].venue_order_id.as_str()), (1, 40, "P1"));
    // It fills at its own price, as maker, by no more than what is shown.
    assert_eq!(feed(&mut venue, &quote(3, (100, 50), (102, 15))), ["F 15@103 M"]);
    assert_eq!(feed(&mut venue, &quote(4, (100, 50), (103, 5))), ["F 5@103 M"]);
    let fill = &venue.fills_of(ClientOrderId(1))[2];
    assert_eq!(fill.fee, 10_300_000); // 10.30 x 0.005 at 0.02 %: 0.0000103
    assert!(venue.open_orders().is_empty());
    venue.cancel(5, ClientOrderId(1));
    assert_eq!(heard(&mut venue, 5), ["CR"]);
}

#[test]
fn time_in_force_decides_about_the_rest() {
    let mut venue = quoted(LimitFill::OnTouch);
    assert_eq!(submit(&mut venue, 2, &limit(1, Buy, Ioc, 10, 101)), ["A", "C IOC"]);
    assert_eq!(submit(&mut venue, 2, &limit(2, Buy, Fok, 41, 110)), ["A", "C FOK"]);
    assert_eq!(submit(&mut venue, 2, &limit(3, Buy, Fok, 30, 102)), ["A", "F 30@102 T"]);
    assert_eq!(submit(&mut venue, 2, &limit(4, Buy, Fok, 11, 102)), ["A", "C FOK"]);
    assert_eq!(submit(&mut venue, 2, &limit(5, Buy, Ioc, 30, 102)), ["A", "F 10@102 T", "C IOC"]);
    assert_eq!(submit(&mut venue, 2, &limit(6, Buy, PostOnly, 1, 102)), ["R POST_ONLY"]);
    assert_eq!(submit(&mut venue, 2, &limit(7, Sell, PostOnly, 1, 99)), ["R POST_ONLY"]);
    assert_eq!(submit(&mut venue, 2, &limit(8, Buy, PostOnly, 1, 101)), ["A"]);
    assert_eq!(venue.open_orders().len(), 1);
}

#[test]
fn a_trade_at_the_price_fills_on_touch_when_the_other_side_took() {
    let mut venue = quoted(LimitFill::OnTouch);
    submit(&mut venue, 2, &limit(1, Buy, Gtc, 10, 100));
    submit(&mut venue, 2, &limit(2, Sell, Gtc, 10, 102));
    assert!(feed(&mut venue, &trade(3, 100, 5, Buyer)).is_empty());
    assert!(feed(&mut venue, &trade(3, 101, 5, Seller)).is_empty());
    assert_eq!(feed(&mut venue, &trade(3, 100, 4, Seller)), ["F 4@100 M"]);
    assert_eq!(feed(&mut venue, &trade(3, 102, 4, Unknown)), ["F 4@102 M"]);
    assert_eq!(feed(&mut venue, &trade(3, 102, 4, Buyer)), ["F 4@102 M"]);
    assert_eq!(feed(&mut venue, &trade(3, 105, 4, Seller)), ["F 2@102 M"]);
}

#[test]
fn trade_through_wants_a_price_beyond() {
    let mut venue = quoted(LimitFill::OnTradeThrough);
    submit(&mut venue, 2, &limit(1, Buy, Gtc, 10, 100));
    assert!(feed(&mut venue, &trade(3, 100, 5, Seller)).is_empty());
    assert!(feed(&mut venue, &quote(4, (98, 1), (100, 7))).is_empty());
    assert_eq!(feed(&mut venue, &quote(5, (98, 1), (99, 3))), ["F 3@100 M"]);
    assert_eq!(feed(&mut venue, &trade(6, 99, 5, Seller)), ["F 5@100 M"]);
    assert_eq!(feed(&mut venue, &trade(7, 98, 5, Seller)), ["F 2@100 M"]);
}

#[test]
fn one_trade_is_shared_by_price_then_time() {
    let mut venue = quoted(LimitFill::OnTouch);
    for (id, size, price) in [(1, 5, 98), (2, 5, 99), (3, 5, 99), (4, 5, 97)] {
        submit(&mut venue, 2, &limit(id, Buy, Gtc, size, price));
    }
    venue.on_market(3, &trade(3, 98, 12, Seller));
    let mut reports = Vec::new();
    venue.advance(3, &mut reports);
    let got: Vec<_> = reports.iter().map(|report| (report.client_order_id.0, short(report))).collect();
    assert_eq!(got, [(2, "F 5@99 M".into()), (3, "F 5@99 M".into()), (1, "F 2@98 M".into())]);
}

#[test]
fn one_quote_is_shared_too() {
    let mut venue = quoted(LimitFill::OnTouch);
    submit(&mut venue, 2, &limit(1, Buy, Gtc, 5, 100));
    submit(&mut venue, 2, &limit(2, Buy, Gtc, 5, 101));
    assert_eq!(feed(&mut venue, &quote(3, (98, 1), (99, 7))), ["F 5@101 M", "F 2@100 M"]);
    assert!(feed(&mut venue, &quote(4, (98, 2), (99, 7))).is_empty());
    assert_eq!(submit(&mut venue, 5, &market_order(3, Buy, 1)), ["A", "F 1@100 T"]);
    assert_eq!(feed(&mut venue, &quote(6, (98, 2), (99, 8))), ["F 3@100 M"]);
}

#[test]
fn a_cancel_ends_a_resting_order() {
    let mut venue = quoted(LimitFill::OnTouch);
    submit(&mut venue, 2, &limit(1, Buy, Gtc, 5, 100));
    venue.cancel(3, ClientOrderId(1));
    venue.cancel(3, ClientOrderId(1));
    venue.cancel(3, ClientOrderId(9));
    assert_eq!(heard(&mut venue, 3), ["C REQUESTED", "CR", "CR"]);
    assert!(feed(&mut venue, &trade(4, 90, 50, Seller)).is_empty());
    assert_eq!(venue.query(ClientOrderId(1)).iter().map(short).collect::<Vec<_>>(), ["A", "C REQUESTED"]);
}
