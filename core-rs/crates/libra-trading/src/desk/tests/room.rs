//! Closings beside each other and beside other orders: the account is never turned over by them.

use super::late::{fill, said};
use super::vanish::trade;
use super::*;
use crate::desk::control::Asker;

fn long(which: usize) -> Name {
    Name::intern(&format!("room-long-{which}"))
}

fn hedge() -> Name {
    Name::intern("room-hedge")
}

/// So many strategies that hold 10 each, and one that sold so much against them.
fn hedged(link: Link, longs: usize, sold: i64) -> Bench {
    let mut config = config(link, LogConfig::Memory, RiskLimits::default());
    config.strategies.extend((0..longs).map(long));
    config.strategies.push(hedge());
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    (0..longs).for_each(|which| get(&mut bench, long(which), OrderSide::Buy, 10));
    if sold > 0 {
        get(&mut bench, hedge(), OrderSide::Sell, sold);
    }
    bench
}

/// A strategy has an order executed, on paper or by the venue.
fn get(bench: &mut Bench, strategy: Name, side: OrderSide, size: i64) {
    if matches!(bench.desk.link, Link::Paper(_)) {
        bench.quote(6_000_000, 6_000_010);
        return trade(bench, strategy, side, size);
    }
    let id = leave(bench, strategy, side, size);
    bench.hear(&fill(id, 1, size, 0, "USDT"));
}

/// A strategy's order that works at the venue.
fn leave(bench: &mut Bench, strategy: Name, side: OrderSide, size: i64) -> ClientOrderId {
    let request = OrderRequest { strategy, side, ..bench.request(size) };
    let id = crate::gate::client_order_id(Name::intern(ACCOUNT), request.request_id);
    bench.submit(request);
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    id
}

fn flatten(bench: &mut Bench, strategy: Name) {
    bench.desk.vanish(&mut bench.router, bench.now_ns, strategy, OnVanish::Flatten);
}

/// What waits is handled, once a second; gives what was asked for.
fn go_on(bench: &mut Bench, seconds: usize) -> Vec<OrderRequest> {
    let mut asked = Vec::new();
    for _ in 0..seconds {
        bench.now_ns += 1_000_000_000;
        bench.quote(6_000_000, 6_000_010);
        let nothing = super::late::nothing(bench);
        asked
            .extend(bench.settle(nothing).iter().filter_map(|event| event.payload.downcast::<OrderRequest>().cloned()));
    }
    asked
}

/// The next closing that is asked for.
fn next(bench: &mut Bench) -> OrderRequest {
    (0..10).find_map(|_| go_on(bench, 1).pop()).expect("a closing is asked for")
}

/// The one order that is open.
fn sent(bench: &Bench) -> Arc<Order> {
    let mut open = bench.desk.gate().open_orders();
    let order = open.next().expect("an order is open").clone();
    assert!(open.next().is_none());
    order
}

fn net(bench: &Bench, strategy: Name) -> i128 {
    bench.desk.portfolio().position(strategy, instrument().id)
}

fn position(bench: &Bench) -> i64 {
    bench.desk.gate().account().position(instrument().id).map_or(0, |position| position.size)
}

fn state(bench: &Bench, strategy: Name) -> Flattening {
    bench.desk.flattening(strategy).next().expect("it traded").1
}

fn waits(bench: &Bench, strategy: Name) -> bool {
    matches!(state(bench, strategy), Flattening::Waiting(code, _) if code == "POSITION_LIMIT")
}

#[test]
fn two_that_vanish_leave_what_a_third_holds_against_them() {
    let mut bench = hedged(paper(0), 2, 15);
    (0..2).for_each(|which| flatten(&mut bench, long(which)));
    assert!(waits(&bench, long(1)), "{:?}", state(&bench, long(1)));
    assert_eq!(go_on(&mut bench, 20).iter().map(|request| request.size).collect::<Vec<_>>(), [5]);
    assert_eq!((net(&bench, long(0)), net(&bench, long(1)), position(&bench)), (5, 10, 0));
    for which in 0..2 {
        assert!(matches!(state(&bench, long(which)), Flattening::GivenUp(code, _) if code == "CANNOT_FLATTEN"));
    }
    // It covers, and what they left is closed.
    get(&mut bench, hedge(), OrderSide::Buy, 15);
    go_on(&mut bench, 20);
    assert_eq!((net(&bench, long(0)), net(&bench, long(1)), position(&bench)), (0, 0, 0));
    assert!((0..2).all(|which| state(&bench, long(which)) == Flattening::Flat));
}

#[test]
fn a_node_of_ten_that_vanishes_does_not_turn_a_hedged_account_over() {
    for sold in [0, 35, 90, 100, 120] {
        let mut bench = hedged(paper(0), 10, sold);
        (0..10).for_each(|which| flatten(&mut bench, long(which)));
        flatten(&mut bench, hedge());
        go_on(&mut bench, 30);
        let left: Vec<i128> = (0..10).map(|which| net(&bench, long(which))).collect();
        assert_eq!(position(&bench), 0, "{sold}: {left:?} {}", net(&bench, hedge()));
        assert_eq!((left.iter().sum(), net(&bench, hedge())), (i128::from(sold.min(100)), -i128::from(sold.min(100))));
    }
}

#[test]
fn closings_that_the_account_holds_are_asked_for_all_at_once() {
    let mut bench = hedged(paper(0), 10, 0);
    (0..10).for_each(|which| flatten(&mut bench, long(which)));
    assert_eq!(go_on(&mut bench, 1).len(), 10);
    assert_eq!(position(&bench), 0);
}

#[test]
fn a_closing_that_is_judged_counts_once() {
    let mut bench = hedged(Link::External, 2, 0);
    flatten(&mut bench, long(0));
    go_on(&mut bench, 1);
    assert_eq!(sent(&bench).request.size, 10);
    flatten(&mut bench, long(1));
    let asked = bench.router.mailbox(bench.all).pop().expect("it was asked for");
    assert_eq!(asked.payload.downcast::<OrderRequest>().unwrap().size, 10);
}

#[test]
fn an_order_that_works_on_the_side_of_a_closing_is_waited_for() {
    let mut bench = hedged(Link::External, 1, 0);
    get(&mut bench, hedge(), OrderSide::Buy, 2);
    let working = leave(&mut bench, hedge(), OrderSide::Sell, 7);
    flatten(&mut bench, long(0));
    // 12 held, 7 of it on sale.
    let closing = go_on(&mut bench, 1);
    assert_eq!(closing.iter().map(|request| request.size).collect::<Vec<_>>(), [5]);
    let id = crate::gate::client_order_id(Name::intern(ACCOUNT), closing[0].request_id);
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.hear(&fill(id, 2, 5, 0, "USDT"));
    assert!(go_on(&mut bench, 40).is_empty());
    assert!(waits(&bench, long(0)), "{:?}", state(&bench, long(0)));
    // Its cancel is under way: it may still be executed.
    bench.desk.cancel(&mut bench.router, bench.now_ns, working, Asker::Account);
    assert!(go_on(&mut bench, 40).is_empty());
    bench.hear(&said(working, VenueOutcome::Cancelled { reason: String::new() }));
    assert_eq!(next(&mut bench).size, 5);
}

/// A closing of 10, up to where another strategy's order of 10 on its side overtakes it.
fn overtaken(behind: EventType) -> Bench {
    let mut bench = hedged(Link::External, 1, 0);
    flatten(&mut bench, long(0));
    let mut event = bench.router.mailbox(bench.all).pop().expect("it was asked for");
    while event.event_type != behind {
        match event.event_type {
            EventType::OrderRequest => bench.desk.on_request(&mut bench.router, bench.now_ns, &event),
            EventType::OrderApproved => bench.desk.on_approved(&mut bench.router, bench.now_ns, &event),
            _ => {}
        }
        event = bench.router.mailbox(bench.all).pop().expect("it goes on");
    }
    leave(&mut bench, hedge(), OrderSide::Sell, 10);
    match behind {
        EventType::OrderRequest => bench.desk.on_request(&mut bench.router, bench.now_ns, &event),
        EventType::OrderApproved => bench.desk.on_approved(&mut bench.router, bench.now_ns, &event),
        _ => assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, order_of(&event).client_order_id)),
    }
    let nothing = super::late::nothing(&bench);
    bench.settle(nothing);
    bench
}

#[test]
fn a_closing_that_another_order_overtakes_is_refused_wherever_it_is_and_waits() {
    for behind in [EventType::OrderRequest, EventType::OrderApproved, EventType::OrderNew] {
        let mut bench = overtaken(behind);
        let working = sent(&bench);
        assert_eq!(working.request.strategy, hedge(), "{behind:?}");
        assert!(waits(&bench, long(0)), "{behind:?}: {:?}", state(&bench, long(0)));
        let refused = bench.desk.gate().orders().find(|order| order.status == OrderStatus::Rejected).unwrap();
        assert_eq!(refused.reason, "POSITION_LIMIT", "{behind:?}");
        let words = "limit 0.010 BTC, value 0.020 BTC, with what is open it would turn the account over";
        assert_eq!(refused.detail, words, "{behind:?}");
        assert!(go_on(&mut bench, 20).is_empty(), "{behind:?}");
        bench.hear(&said(working.client_order_id, VenueOutcome::Cancelled { reason: String::new() }));
        assert_eq!(next(&mut bench).size, 10, "{behind:?}");
        assert_eq!(sent(&bench).request.side, OrderSide::Sell, "{behind:?}");
    }
}

#[test]
fn a_closing_of_what_its_strategy_holds_no_more_is_refused() {
    let mut bench = hedged(Link::External, 2, 0);
    // A fill that comes behind the end of its order, while the closing waits for its gateway.
    let late = leave(&mut bench, long(0), OrderSide::Sell, 4);
    bench.hear(&said(late, VenueOutcome::Cancelled { reason: String::new() }));
    flatten(&mut bench, long(0));
    go_on(&mut bench, 1);
    let closing = sent(&bench);
    assert_eq!(closing.request.size, 10);
    bench.hear(&fill(late, 2, 4, 0, "USDT"));
    assert_eq!((net(&bench, long(0)), position(&bench)), (6, 16));
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, closing.client_order_id));
    let refused = bench.desk.gate().order(closing.client_order_id).unwrap();
    assert_eq!(refused.detail, "limit 0.006 BTC, value 0.010 BTC, it closes more than its strategy holds");
    assert_eq!(next(&mut bench).size, 6);
}

#[test]
fn a_closing_that_nobody_judged_does_not_stand_in_its_own_way() {
    let mut bench = hedged(Link::External, 1, 0);
    flatten(&mut bench, long(0));
    let first = bench.router.mailbox(bench.all).pop().expect("it was asked for");
    // Lost on its way: it is asked for again.
    bench.now_ns += 6_000_000_000;
    bench.quote(6_000_000, 6_000_010);
    let again = bench.router.mailbox(bench.all).pop().expect("it was asked for again");
    let of = |event: &Event| event.payload.downcast::<OrderRequest>().unwrap().clone();
    assert_eq!((of(&again).request_id, of(&again).size), (of(&first).request_id, 10));
}

/// Spot, in two quote currencies: what one closing sells of the base is not there for the other.
#[test]
fn closings_of_two_instruments_share_the_base() {
    let dollars = crate::samples::asset("BTC", "binance");
    let name = Name::intern;
    let euros = Instrument {
        id: name("BTC/EUR@binance"),
        symbol: name("BTC/EUR"),
        quote: name("EUR"),
        settle: name("EUR"),
        ..dollars.clone()
    };
    let mut config = config(Link::External, LogConfig::Memory, RiskLimits::default());
    config.gate.instruments = vec![dollars.clone(), euros.clone()];
    config.gate.opening.push((name("EUR"), 100_000 * 1_000_000_000_000));
    config.strategies.extend([long(0), long(1)]);
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.set_reconciled();
    let quote = |bench: &mut Bench| {
        bench.now_ns += 1_000_000_000;
        for id in [dollars.id, euros.id] {
            let quote = Quote { bid: 6_000_000, ask: 6_000_010, bid_size: 9, ask_size: 9, ..Quote::default() };
            let event = Event::market(EventType::Quote, name("m"), id, (2, 5), bench.now_ns, Payload::Quote(quote));
            bench.desk.on_market(&mut bench.router, bench.now_ns, &event);
        }
    };
    quote(&mut bench);
    for (which, instrument) in [(0, dollars.id), (1, euros.id)] {
        let request = OrderRequest { strategy: long(which), instrument, ..bench.request(1_000) };
        let id = crate::gate::client_order_id(name(ACCOUNT), request.request_id);
        bench.submit(request);
        assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
        // The venue takes 300 of each as its fee: 1,400 are there, and the positions are 2,000.
        let unit = crate::account::base_amount(&dollars, 1).unwrap();
        bench.hear(&fill(id, 1, 1_000, 300 * unit, "BTC"));
    }
    assert_eq!(bench.desk.gate().account().sellable(euros.id), Some(1_400));
    (0..2).for_each(|which| flatten(&mut bench, long(which)));
    let asked: Vec<i64> = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop())
        .filter_map(|event| event.payload.downcast::<OrderRequest>().map(|request| request.size))
        .collect();
    assert_eq!(asked, [1_000, 400]);
}
