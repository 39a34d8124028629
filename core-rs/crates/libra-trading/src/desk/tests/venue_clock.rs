//! Windows end on the venue's clock, and "not found" is dated by it: the same clock on both sides.

use super::*;

const SECOND: i64 = 1_000_000_000;
/// The gate's window in these tests, and a moment before it ends.
const WINDOW_NS: i64 = 10 * SECOND;

fn sent(bench: &mut Bench) -> ClientOrderId {
    while bench.router.mailbox(bench.all).pop().is_some() {}
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, id);
    id
}

fn outside(clock_ns: i64) -> Bench {
    let mut bench = Bench::new(Link::External);
    bench.desk.tell_venue_clock(bench.now_ns, clock_ns);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    bench
}

/// The venue does not know the order, twice, as of this moment and its date; is that its end?
fn is_lost(bench: &mut Bench, id: ClientOrderId, now_ns: i64, ahead_ns: i64) -> bool {
    for at_ns in [now_ns, now_ns + 1] {
        let outcome = VenueOutcome::NotFound;
        let report =
            VenueReport { client_order_id: id, venue_order_id: String::new(), outcome, ts_venue_ns: at_ns + ahead_ns };
        assert!(bench.desk.on_report(&mut bench.router, at_ns, &report));
    }
    bench.desk.gate().order(id).unwrap().status == OrderStatus::Rejected
}

#[test]
fn not_found_is_final_behind_the_window_whatever_the_venues_clock_says() {
    for ahead_ns in [0, 4 * SECOND, -4 * SECOND] {
        let mut bench = outside(ahead_ns);
        let id = sent(&mut bench);
        let end_ns = bench.now_ns + WINDOW_NS;
        assert!(!is_lost(&mut bench, id, end_ns - 2, ahead_ns), "{ahead_ns}: the venue could take it still");
        assert!(is_lost(&mut bench, id, end_ns + 1, ahead_ns), "{ahead_ns}: it could not any more");
    }
}

#[test]
fn a_gateway_that_does_not_tell_the_venues_clock_ends_no_window_by_it() {
    let mut bench = Bench::new(Link::External);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let id = sent(&mut bench);
    let end_ns = bench.now_ns + WINDOW_NS;
    assert!(!is_lost(&mut bench, id, end_ns - 2, 4 * SECOND));
    assert!(is_lost(&mut bench, id, end_ns + 1, 4 * SECOND));
}

#[test]
fn a_clock_that_jumped_between_the_intent_and_the_signature_ends_no_window_early() {
    let mut bench = outside(0);
    let id = sent(&mut bench);
    let (began_ns, end_ns) = (bench.now_ns, bench.now_ns + WINDOW_NS);
    // Signed by this reading, the order is good for longer by the venue's clock than its intent says.
    bench.desk.tell_venue_clock(began_ns + SECOND, 4 * SECOND);
    bench.desk.tell_venue_clock(began_ns + 3 * SECOND, 4 * SECOND);
    assert!(!is_lost(&mut bench, id, end_ns - 2, 4 * SECOND));
    assert!(is_lost(&mut bench, id, end_ns + 1, 4 * SECOND));
    // A window later the old reading counts for nothing: nothing that was signed by it is in doubt.
    let later_ns = began_ns + SECOND + WINDOW_NS + 1;
    bench.desk.tell_venue_clock(later_ns, 4 * SECOND);
    bench.now_ns = later_ns;
    bench.quote(6_000_000, 6_000_010);
    let next = sent(&mut bench);
    let end_ns = bench.now_ns + WINDOW_NS;
    assert!(!is_lost(&mut bench, next, end_ns - 2, 4 * SECOND));
    assert!(is_lost(&mut bench, next, end_ns + 1, 4 * SECOND), "no later than it has to be");
}
