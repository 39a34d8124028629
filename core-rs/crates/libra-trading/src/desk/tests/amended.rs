//! An order that somebody has made larger at the venue: executed here as a whole, it works on there.

use super::late::{fill, said};
use super::looks::{opened, resting, shown};
use super::*;
use crate::reconcile::{VenueLook, VenueOrder, VenuePosition};

const SECOND: i64 = 1_000_000_000;

/// An order of 10 that was made 300 there and of which 10 are executed; what the venue shows of it.
fn enlarged() -> (Bench, ClientOrderId, VenueLook) {
    let mut bench = opened();
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.hear(&said(id, VenueOutcome::Accepted));
    bench.hear(&fill(id, 1, 10, 0, "USDT"));
    let mut look = shown();
    let entry_price = Some(60_000 * 1_000_000_000_000);
    look.state.positions.push(VenuePosition { symbol: btc().symbol, size: 10_000_000_000, entry_price });
    look.orders.push(VenueOrder { size: 300, filled: 10, ..resting(Some(id), "v1") });
    (bench, id, look)
}

#[test]
fn what_works_behind_its_last_execution_is_cancelled_until_it_is_gone_and_an_incident() {
    let (mut bench, id, look) = enlarged();
    bench.now_ns += 3 * SECOND;
    bench.look(&look);
    assert_eq!(bench.desk.cancelling(), [], "it is asked about first");
    bench.hear(&said(id, VenueOutcome::Accepted));
    assert_eq!((bench.desk.cancelling(), bench.desk.looks().is_wanted()), (vec![], true), "and looked at again");
    bench.now_ns += 5 * SECOND;
    bench.look(&look);
    assert_eq!((bench.desk.cancelling(), bench.desk.looks().is_wanted()), (vec![], true), "and asked about again");
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &said(id, VenueOutcome::Accepted)));
    assert_eq!(bench.desk.cancelling(), [id]);
    let nothing = super::late::nothing(&bench);
    let told = bench.settle(nothing);
    let notice = told[0].payload.downcast::<payload::Notice>().unwrap();
    assert_eq!(notice.code, "ACCEPTED_AFTER_END");
    assert_eq!(notice.detail, format!("{id}: the venue works on an order that is Filled here; it is cancelled"));
    bench.hear(&said(id, VenueOutcome::Accepted));
    assert_eq!(bench.desk.gate().stats().incidents, 1, "once");
    bench.hear(&fill(id, 2, 20, 0, "USDT"));
    assert!(bench.desk.gate().is_stray(id), "more of it may be executed yet");
    bench.hear(&said(id, VenueOutcome::Cancelled { reason: String::new() }));
    assert_eq!((bench.desk.cancelling(), bench.desk.gate().strays().count()), (vec![], 0));
}

/// An order that was cancelled here three seconds ago, what a venue that lags shows of it.
fn cancelled() -> (Bench, ClientOrderId, VenueLook) {
    let mut bench = opened();
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.hear(&said(id, VenueOutcome::Accepted));
    bench.hear(&said(id, VenueOutcome::Cancelled { reason: String::new() }));
    let mut look = shown();
    look.orders.push(resting(Some(id), "v1"));
    bench.now_ns += 3 * SECOND;
    (bench, id, look)
}

#[test]
fn what_a_venue_that_lags_lists_behind_a_cancel_is_no_incident() {
    let (mut bench, id, mut look) = cancelled();
    for _ in 0..4 {
        bench.look(&look);
        bench.hear(&said(id, VenueOutcome::Accepted));
        assert!(bench.desk.looks().is_wanted(), "it is looked at again soon");
        bench.now_ns += SECOND;
    }
    assert_eq!((bench.desk.cancelling(), bench.desk.gate().incident()), (vec![], None), "for less than five seconds");
    look.orders.clear();
    bench.look(&look);
    assert!(!bench.desk.looks().is_wanted());
    // Of another row of looks: what was listed before counts no more.
    look.orders.push(resting(Some(id), "v1"));
    bench.now_ns += 5 * SECOND;
    bench.look(&look);
    bench.hear(&said(id, VenueOutcome::Accepted));
    assert_eq!((bench.desk.cancelling(), bench.desk.gate().incident()), (vec![], None), "not in a row");
}

#[test]
fn an_answer_that_it_is_over_begins_anew() {
    let (mut bench, id, look) = cancelled();
    bench.look(&look);
    bench.hear(&said(id, VenueOutcome::Accepted));
    bench.hear(&said(id, VenueOutcome::Cancelled { reason: String::new() }));
    bench.now_ns += 5 * SECOND;
    bench.look(&look);
    bench.hear(&said(id, VenueOutcome::Accepted));
    assert_eq!((bench.desk.cancelling(), bench.desk.gate().incident()), (vec![], None));
    bench.desk.begin_look(bench.now_ns);
    bench.desk.fail_look();
    assert!(bench.desk.looks().is_wanted(), "a look that failed leaves it open");
    bench.desk.begin_reconciling();
    bench.now_ns += 5 * SECOND;
    bench.look(&look);
    bench.hear(&said(id, VenueOutcome::Accepted));
    assert_eq!((bench.desk.cancelling(), bench.desk.gate().incident()), (vec![], None), "it was out of sight");
    bench.now_ns += 5 * SECOND;
    bench.look(&look);
    bench.hear(&said(id, VenueOutcome::Accepted));
    assert_eq!(bench.desk.cancelling(), [id]);
}

#[test]
fn what_one_of_both_says_alone_is_late() {
    let (mut bench, id, mut look) = enlarged();
    bench.hear(&said(id, VenueOutcome::Accepted));
    bench.now_ns += SECOND;
    // The list may lag behind the end.
    bench.look(&look);
    bench.hear(&said(id, VenueOutcome::Accepted));
    bench.now_ns += 3 * SECOND;
    bench.look(&look);
    bench.hear(&said(id, VenueOutcome::Cancelled { reason: String::new() }));
    look.orders.clear();
    bench.look(&look);
    bench.hear(&said(id, VenueOutcome::Accepted));
    assert_eq!((bench.desk.cancelling(), bench.desk.gate().incident()), (vec![], None));
}

#[test]
fn a_list_that_shows_less_than_is_booked_is_older_than_the_end() {
    let (mut bench, id, mut look) = enlarged();
    look.orders[0].filled = 9;
    for _ in 0..2 {
        bench.now_ns += 5 * SECOND;
        bench.look(&look);
        bench.hear(&said(id, VenueOutcome::Accepted));
    }
    assert_eq!((bench.desk.cancelling(), bench.desk.gate().incident()), (vec![], None));
}

#[test]
fn other_terms_are_told() {
    let (mut bench, id, mut look) = enlarged();
    let request = bench.request(10);
    let open = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, open));
    bench.hear(&VenueReport { venue_order_id: "v2".into(), ..said(open, VenueOutcome::Accepted) });
    look.orders = vec![VenueOrder { size: 5, price: 0, ..resting(None, "v2") }];
    let told = bench.look(&look);
    let notice = told[0].payload.downcast::<payload::Notice>().unwrap();
    assert_eq!((types(&told), notice.code.as_str()), (vec![EventType::RiskLimitBreach], "AMENDED_ORDER"));
    assert_eq!(notice.detail, format!("{open}: the venue has it with size 0.005, not 0.01"));
    assert!(bench.desk.gate().incident().is_none() && !bench.desk.gate().is_stray(id));
}
