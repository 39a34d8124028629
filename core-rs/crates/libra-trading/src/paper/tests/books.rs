//! The book behind the top: walking it, and which of quote and book is newer.

use super::*;
use OrderSide::{Buy, Sell};

const NO_LIQUIDITY: &str = "C NO_LIQUIDITY";

fn with_book() -> PaperVenue {
    let mut venue = venue(PaperConfig { max_book_lag_ns: 100, ..config() });
    feed(&mut venue, &quote(1, (100, 5), (101, 5)));
    feed(&mut venue, &book(2, 10, -1, &[(100, 5), (99, 7), (95, 9)], &[(101, 5), (103, 6), (104, 20)]));
    venue
}

#[test]
fn a_market_order_walks_the_book_a_fill_a_level() {
    let mut venue = with_book();
    assert_eq!(submit(&mut venue, 3, &market_order(1, Buy, 15)), ["A", "F 5@101 T", "F 6@103 T", "F 4@104 T"]);
    assert_eq!(submit(&mut venue, 3, &market_order(2, Buy, 20)), ["A", "F 16@104 T", NO_LIQUIDITY]);
    assert_eq!(submit(&mut venue, 3, &market_order(3, Sell, 12)), ["A", "F 5@100 T", "F 7@99 T"]);
    // A frame brings back what it mentions with another size, and that alone.
    feed(&mut venue, &book(4, 11, 10, &[(99, 7)], &[(103, 8), (104, 20)]));
    assert_eq!(submit(&mut venue, 5, &market_order(4, Buy, 50)), ["A", "F 8@103 T", NO_LIQUIDITY]);
    assert_eq!(submit(&mut venue, 5, &market_order(5, Sell, 50)), ["A", "F 9@95 T", NO_LIQUIDITY]);
    assert_eq!(venue.stats().book_applied, 2);
}

#[test]
fn a_newer_quote_is_the_top_and_the_book_lies_behind_it() {
    let mut venue = with_book();
    feed(&mut venue, &quote(50, (100, 5), (103, 2)));
    assert_eq!(submit(&mut venue, 51, &market_order(1, Buy, 4)), ["A", "F 2@103 T", "F 2@104 T"]);
    // An older view of the level that the quote shows brings nothing back: by the venue's ids it is behind.
    let mut newer = quote(60, (100, 5), (103, 3));
    if let Payload::Quote(quote) = &mut newer.payload {
        quote.venue_seq = 20;
    }
    feed(&mut venue, &newer);
    assert_eq!(submit(&mut venue, 61, &market_order(2, Buy, 3)), ["A", "F 3@103 T"]);
    feed(&mut venue, &book(62, 15, 10, &[], &[(101, 0), (103, 9)]));
    assert_eq!(submit(&mut venue, 63, &market_order(3, Buy, 1)), ["A", "F 1@104 T"]);
    // One that is not behind does, where it says another size.
    feed(&mut venue, &book(64, 20, 15, &[], &[(103, 4)]));
    assert_eq!(submit(&mut venue, 65, &market_order(4, Buy, 5)), ["A", "F 4@103 T", "F 1@104 T"]);
}

#[test]
fn a_book_too_far_behind_and_an_unsynced_one_are_not_used() {
    let mut venue = with_book();
    feed(&mut venue, &quote(103, (100, 5), (101, 2)));
    assert_eq!(submit(&mut venue, 104, &market_order(1, Buy, 3)), ["A", "F 2@101 T", "F 1@102 T"]);
    let mut gap = with_book();
    feed(&mut gap, &book(3, 20, 19, &[], &[]));
    assert_eq!(submit(&mut gap, 4, &market_order(1, Buy, 6)), ["A", "F 5@101 T", "F 1@102 T"]);
    feed(&mut gap, &book(5, 21, 20, &[], &[]));
    assert_eq!((gap.stats().book_gaps, gap.stats().book_unsynced), (1, 1));
}

#[test]
fn a_book_alone_is_a_market() {
    let mut venue = venue(config());
    feed(&mut venue, &book(2, 10, -1, &[(100, 5)], &[(101, 5)]));
    assert_eq!(submit(&mut venue, 3, &market_order(1, Buy, 5)), ["A", "F 5@101 T"]);
    assert_eq!(submit(&mut venue, 3, &limit(2, Sell, TimeInForce::Gtc, 9, 102)), ["A"]);
    assert_eq!(feed(&mut venue, &book(4, 11, 10, &[(102, 4)], &[(101, 0), (103, 1)])), ["F 4@102 M"]);
}
