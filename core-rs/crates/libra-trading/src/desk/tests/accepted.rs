//! What the venue took or brought, and an operator accepted, is what a strategy that is no more left.

use super::flatten::{GOOD, OTHER, flatten, go_on, holder, state};
use super::kill::Folder;
use super::ledger::adopt;
use super::vanish::trade;
use super::*;
use crate::gate::ADOPTED;
use crate::reconcile::{Adjustment, PositionLine};

fn own() -> Name {
    Name::intern(STRATEGY)
}

fn other() -> Name {
    Name::intern(OTHER)
}

/// What `--accept-venue` does to the books: the account holds `size` from now on.
pub(super) fn accept(bench: &mut Bench, size: i64) {
    let positions = vec![PositionLine { instrument: btc().id, size, cost: 0 }];
    let adjustment = Adjustment { positions, ..Adjustment::default() };
    let events = bench.desk.gate.adjust(bench.now_ns, "ops", adjustment).unwrap();
    bench.desk.publish_all(&mut bench.router, bench.now_ns, events);
}

/// What the one that goes holds, what the other one does, and the account.
fn held(bench: &Bench) -> (i128, i128, i64) {
    let of = |strategy| bench.desk.portfolio().position(strategy, btc().id);
    (of(own()), of(other()), bench.desk.gate().account().position(btc().id).unwrap().size)
}

#[test]
fn what_a_liquidation_took_is_not_closed_again_at_anothers_cost() {
    let mut bench = holder(RiskLimits::default());
    accept(&mut bench, 0);
    trade(&mut bench, other(), OrderSide::Buy, 20);
    assert_eq!(held(&bench), (0, 20, 20));
    flatten(&mut bench);
    go_on(&mut bench, 8, GOOD);
    assert_eq!((held(&bench), state(&bench)), ((0, 20, 20), Flattening::Flat));
    assert_eq!(bench.desk.gate().rejected_requests(), 0, "nothing was asked for that it does not hold");
}

#[test]
fn a_short_that_a_late_close_opened_behind_a_liquidation_is_bought_back() {
    let mut bench = holder(RiskLimits::default());
    accept(&mut bench, 0);
    trade(&mut bench, own(), OrderSide::Sell, 20);
    assert_eq!(held(&bench), (-20, 0, -20));
    flatten(&mut bench);
    assert_eq!(state(&bench), Flattening::Working);
    go_on(&mut bench, 8, GOOD);
    assert_eq!((held(&bench), state(&bench)), ((0, 0, 0), Flattening::Flat));
}

#[test]
fn what_is_left_of_a_part_that_the_venue_took_is_closed() {
    let mut bench = holder(RiskLimits::default());
    accept(&mut bench, 5);
    flatten(&mut bench);
    go_on(&mut bench, 8, GOOD);
    let sold = bench.desk.gate().fills().iter().last().unwrap().size;
    assert_eq!((held(&bench), sold, state(&bench)), ((0, 0, 0), 5, Flattening::Flat));
}

#[test]
fn the_venues_word_ends_a_flattening_that_was_given_up_for_the_account_held_nothing() {
    let mut bench = holder(RiskLimits::default());
    trade(&mut bench, other(), OrderSide::Sell, 20);
    flatten(&mut bench);
    go_on(&mut bench, 8, GOOD);
    assert!(matches!(state(&bench), Flattening::GivenUp(code, _) if code == "CANNOT_FLATTEN"));
    // Nothing of the account's part changed sides: what came is nobody's, and both keep theirs.
    accept(&mut bench, 30);
    go_on(&mut bench, 8, GOOD);
    assert_eq!((held(&bench), state(&bench)), ((0, -20, 10), Flattening::Flat));
}

/// A request of before the venue's word and one of behind it are two, also where no execution lies between.
#[test]
fn a_flattening_that_was_given_up_begins_again_behind_the_venues_word() {
    let mut bench = holder(RiskLimits::default());
    flatten_refused(&mut bench);
    let refused = bench.desk.gate().rejected_requests();
    go_on(&mut bench, 8, GOOD);
    assert_eq!(bench.desk.gate().rejected_requests(), refused, "nobody asks any more");
    accept(&mut bench, 8);
    go_on(&mut bench, 8, GOOD);
    assert_eq!((held(&bench), state(&bench)), ((0, 0, 0), Flattening::Flat));
}

/// Given up behind refusals that say something of the order: 20 are worth more than an order may be, as it was judged.
fn flatten_refused(bench: &mut Bench) {
    flatten(bench);
    let deaf = |bench: &mut Bench| {
        bench.now_ns += 1_000_000_000;
        bench.quote(GOOD.0, GOOD.1);
        while let Some(event) = bench.router.mailbox(bench.all).pop() {
            let Some(request) = event.payload.downcast::<OrderRequest>() else { continue };
            let why = crate::risk::Rejection::new(crate::risk::RiskCode::MinNotional, "of this test");
            assert!(bench.desk.gate.refuse_unjudged(bench.now_ns, request, why).is_some());
        }
    };
    (0..12).for_each(|_| deaf(bench));
    assert!(matches!(state(bench), Flattening::GivenUp(code, _) if code == "MIN_NOTIONAL"));
}

#[test]
fn who_left_what_the_venue_took_is_no_stranger() {
    let folder = Folder::new("accepted-strangers");
    let mut both = config(paper(0), folder.log(), RiskLimits::default());
    both.strategies.push(other());
    let (mut bench, _) = Bench::open(both, 1);
    bench.quote(GOOD.0, GOOD.1);
    trade(&mut bench, other(), OrderSide::Buy, 20);
    accept(&mut bench, 6);
    let now_ns = bench.now_ns;
    drop(bench);
    let again = |now_ns| Bench::open(config(paper(0), folder.log(), RiskLimits::default()), now_ns).0;
    let mut bench = again(now_ns);
    let nets = [(btc().id, 6)].into();
    assert_eq!(bench.desk.strangers(), [(other(), Stranger { open_orders: 0, nets })].into());
    accept(&mut bench, 0);
    assert_eq!(bench.desk.strangers(), [].into());
    drop(bench);
    assert_eq!(again(now_ns).desk.strangers(), [].into());
}

/// What came is nobody's: no strategy left it. An order of nobody's has to go.
#[test]
fn what_is_nobodys_is_named_with_its_open_orders() {
    let mut bench = Bench::new(Link::External);
    bench.quote(GOOD.0, GOOD.1);
    accept(&mut bench, 9);
    assert_eq!(bench.desk.portfolio().position(Name::intern(ADOPTED), btc().id), 9);
    assert_eq!(bench.desk.strangers(), [].into());
    adopt(&mut bench);
    let nets = [(btc().id, 9)].into();
    assert_eq!(bench.desk.strangers(), [(Name::intern(ADOPTED), Stranger { open_orders: 1, nets })].into());
}
