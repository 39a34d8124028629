//! Latency, duplicates, queries and restarts.

use super::*;
use OrderSide::{Buy, Sell};
use TimeInForce::Gtc;

#[test]
fn an_order_meets_the_market_of_its_arrival_and_its_reports_take_their_time() {
    let mut venue = venue(PaperConfig { latency_out_ns: 10, latency_in_ns: 5, ..config() });
    feed(&mut venue, &quote(1, (100, 50), (101, 40)));
    venue.submit(2, &market_order(1, Buy, 1));
    assert_eq!(venue.next_due_ns(), Some(12));
    assert_eq!(venue.query(ClientOrderId(1))[0].outcome, VenueOutcome::NotFound);
    feed(&mut venue, &quote(11, (102, 50), (103, 40)));
    // Comes after the order's arrival: the order is executed first, as of 12.
    assert!(feed(&mut venue, &quote(14, (104, 50), (105, 40))).is_empty());
    assert_eq!(venue.next_due_ns(), Some(17));
    assert!(heard(&mut venue, 16).is_empty());
    let mut reports = Vec::new();
    venue.advance(17, &mut reports);
    assert_eq!(reports.iter().map(short).collect::<Vec<_>>(), ["A", "F 1@103 T"]);
    assert_eq!((reports[1].ts_venue_ns, venue.next_due_ns()), (12, None));
}

#[test]
fn at_the_same_time_the_market_comes_first() {
    let mut venue = venue(PaperConfig { latency_out_ns: 10, ..config() });
    feed(&mut venue, &quote(1, (100, 50), (101, 40)));
    venue.submit(2, &market_order(1, Buy, 1));
    venue.on_market(12, &quote(12, (102, 50), (103, 40)));
    assert_eq!(heard(&mut venue, 12), ["A", "F 1@103 T"]);
}

#[test]
fn a_cancel_never_overtakes_its_order_whatever_the_jitter() {
    for seed in 0..50 {
        let mut venue =
            venue(PaperConfig { latency_out_ns: 10, latency_in_ns: 10, latency_jitter_ns: 100, seed, ..config() });
        feed(&mut venue, &quote(1, (100, 50), (101, 40)));
        venue.submit(2, &limit(1, Buy, Gtc, 1, 90));
        venue.cancel(3, ClientOrderId(1));
        let first = venue.next_due_ns().unwrap();
        assert!((12..=112).contains(&first));
        assert_eq!(heard(&mut venue, 1_000), ["A", "C REQUESTED"]);
    }
}

#[test]
fn an_id_is_executed_once() {
    let mut venue = venue(config());
    feed(&mut venue, &quote(1, (100, 50), (101, 40)));
    let order = limit(1, Buy, Gtc, 5, 100);
    assert_eq!(submit(&mut venue, 2, &order), ["A"]);
    assert_eq!(submit(&mut venue, 3, &order), ["R DUPLICATE"]);
    assert_eq!(submit(&mut venue, 3, &market_order(1, Sell, 5)), ["R DUPLICATE"]);
    assert_eq!(venue.open_orders().len(), 1);
    assert_eq!(venue.query(ClientOrderId(1)).iter().map(short).collect::<Vec<_>>(), ["A"]);
    assert_eq!(submit(&mut venue, 4, &limit(2, Buy, Gtc, 0, 100)), ["R INVALID_SIZE"]);
    assert_eq!(submit(&mut venue, 4, &limit(2, Buy, Gtc, 5, 100)), ["R DUPLICATE"]);
}

#[test]
fn a_query_tells_the_whole_story() {
    let mut venue = venue(PaperConfig { latency_in_ns: 1_000, ..config() });
    venue.on_market(1, &quote(1, (100, 50), (101, 40)));
    venue.submit(2, &limit(1, Buy, Gtc, 50, 101));
    assert!(heard(&mut venue, 2).is_empty());
    assert_eq!(venue.query(ClientOrderId(1)).iter().map(short).collect::<Vec<_>>(), ["A", "F 40@101 T"]);
    venue.cancel(3, ClientOrderId(1));
    let mut reports = Vec::new();
    venue.advance(5_000, &mut reports);
    assert_eq!(reports, venue.query(ClientOrderId(1)));
}

#[test]
fn a_restarted_venue_goes_on_with_adopted_orders() {
    let mut venue = venue(PaperConfig { first_trade_id: 7, ..config() });
    let mut open = limit(1, Buy, Gtc, 10, 100);
    (open.status, open.venue_order_id, open.filled) = (OrderStatus::PartiallyFilled, "P41".into(), 4);
    assert!(venue.adopt(&open, 4));
    assert!(!venue.adopt(&open, 4));
    let mut taken = market_order(2, Sell, 10);
    taken.status = OrderStatus::Accepted;
    assert!(venue.adopt(&taken, 1));
    let unanswered = limit(3, Buy, Gtc, 10, 100);
    assert!(!venue.adopt(&unanswered, 0));
    assert!(!venue.adopt(&Order { status: OrderStatus::Accepted, ..limit(4, Buy, Gtc, 10, 100) }, 11));
    let done = Order { status: OrderStatus::Filled, ..limit(5, Buy, Gtc, 10, 100) };
    assert!(venue.adopt(&done, 10));
    assert_eq!(venue.positions(), [(instrument().id, 13)]);
    assert_eq!(feed(&mut venue, &quote(1, (98, 5), (99, 20))), ["F 6@100 M"]);
    assert_eq!(venue.fills_of(ClientOrderId(1))[0].trade_id, 7);
    let queried = |id| venue.query(ClientOrderId(id)).iter().map(short).collect::<Vec<_>>();
    assert_eq!(queried(2), ["A", "C VENUE_RESTARTED"]);
    assert_eq!(queried(3), ["?"]);
    assert_eq!(submit(&mut venue, 2, &done), ["R DUPLICATE"]);
    submit(&mut venue, 2, &market_order(6, Sell, 1));
    let id: u64 = venue.query(ClientOrderId(6))[0].venue_order_id[1..].parse().unwrap();
    assert!(id > 41);
}
