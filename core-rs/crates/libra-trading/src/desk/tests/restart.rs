//! What a restart finds, and what may not leave before it.

use super::*;

#[test]
fn a_restarted_account_asks_its_venue_and_publishes_again() {
    let folder = std::env::temp_dir().join(format!("libra-desk-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("restart.gate");
    let _ = std::fs::remove_file(&path);
    let log = || LogConfig::File { path: path.clone(), sync: SyncPolicy::None };
    let (open, lost, digest) = {
        let (mut bench, _) = Bench::open(config(paper(0), log(), RiskLimits::default()), 1);
        bench.quote(6_000_000, 6_000_010);
        let signal = bench.signal(SignalType::Long);
        bench.settle(signal);
        let request = bench.request(10);
        let open = order_of(&bench.submit(request)[1]).client_order_id;
        bench.desk.confirm();
        // An order whose intent stands in the log, and which never reached the venue.
        bench.desk.link = Link::External;
        let request = bench.request(11);
        let lost = order_of(&bench.submit(request)[1]).client_order_id;
        (open, lost, bench.desk.gate().state_digest())
    };
    let (mut bench, recovered) = Bench::open(config(paper(0), log(), RiskLimits::default()), 2_000_000);
    assert_eq!(recovered.epoch, 2);
    assert_eq!(recovered.unanswered.iter().map(|order| order.client_order_id).collect::<Vec<_>>(), [lost]);
    assert_eq!(recovered.open.iter().map(|order| order.client_order_id).collect::<Vec<_>>(), [open]);
    assert_eq!(bench.desk.gate().state_digest(), digest, "a restart changes nothing that is known");
    assert_eq!(bench.desk.portfolio().position(Name::intern(STRATEGY), instrument().id), 83);
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, lost), "an earlier process's order never leaves");

    let again: Vec<_> = recovered.unconfirmed.into_iter().map(|(_, event)| event).collect();
    bench.desk.publish_again(&mut bench.router, bench.now_ns, again);
    let republished = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop()).map(|event| event.event_type);
    assert_eq!(republished.collect::<Vec<_>>(), [EventType::OrderNew], "only what was not confirmed");

    // Within the order's window "not found" decides nothing, and new orders wait.
    assert!(!bench.desk.reconcile_with_paper(&mut bench.router, 3_000_000));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    assert_eq!(order_of(&bench.submit(request)[0]).reason, "RECONCILING");
    // Behind it, two answers that agree do.
    assert!(!bench.desk.reconcile_with_paper(&mut bench.router, 20_000_000_000));
    assert!(bench.desk.reconcile_with_paper(&mut bench.router, 21_000_000_000));
    assert_eq!(bench.desk.gate().order(lost).unwrap().status, OrderStatus::Rejected);
    assert_eq!(bench.desk.gate().order(open).unwrap().status, OrderStatus::Accepted);
    // The open order still works at the rebuilt venue, and can be cancelled there.
    bench.now_ns = 22_000_000_000;
    bench.quote(6_000_000, 6_000_010);
    let cancel =
        CancelRequest { account: Name::intern(ACCOUNT), strategy: Name::intern(STRATEGY), client_order_id: open };
    let event = Event::new(EventType::CancelRequest, cancel.strategy, bench.now_ns, Payload::shared(cancel));
    assert_eq!(bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event), None);
    bench.desk.advance(&mut bench.router, bench.now_ns);
    assert_eq!(bench.desk.gate().order(open).unwrap().status, OrderStatus::Cancelled);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_refusal_is_told_before_it_can_be_confirmed() {
    let path = std::env::temp_dir().join(format!("libra-desk-lapse-{}.gate", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let log = LogConfig::File { path: path.clone(), sync: SyncPolicy::None };
    let (mut bench, _) = Bench::open(config(Link::External, log.clone(), RiskLimits::default()), 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let slow = bench.request(10);
    let ask = |bench: &mut Bench, request: OrderRequest| {
        let event = Event::new(EventType::OrderRequest, request.strategy, bench.now_ns, Payload::shared(request));
        bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    };
    ask(&mut bench, slow.clone());
    // Its approval runs out of time, and what notices it is another request, not the market.
    bench.now_ns += 2_000_000_000;
    let next = bench.request(10);
    ask(&mut bench, next);
    let told = |events: &[Event]| {
        let orders = events.iter().filter_map(|event| event.payload.downcast::<Order>());
        orders.filter(|order| order.request == slow && order.reason == "EXPIRED").count()
    };
    let mut heard = 0;
    while let Some(event) = bench.router.mailbox(bench.all).pop() {
        if event.event_type == EventType::OrderApproved {
            bench.desk.on_approved(&mut bench.router, bench.now_ns, &event);
        }
        heard += told(&[event]);
    }
    let sent = bench.desk.unanswered()[0];
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, sent);
    bench.desk.confirm();
    drop(bench);
    let (bench, recovered) = Bench::open(config(Link::External, log, RiskLimits::default()), 3_000_000_000);
    let again = recovered
        .unconfirmed
        .iter()
        .filter(|(_, event)| matches!(event, GateEvent::Order(order) if order.request == slow));
    assert_eq!(heard + again.count(), 1, "told once, now or by the next process");
    drop(bench);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_fill_that_the_log_cannot_take_is_booked_before_anything_new_leaves() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let open = order_of(&bench.submit(request)[1]).client_order_id;
    let outcome = VenueOutcome::Filled {
        trade_id: 77,
        price: 5_990_000,
        size: 10,
        fee: 0,
        fee_currency: Name::intern("USDT"),
        liquidity: crate::order::Liquidity::Maker,
    };
    let report = VenueReport { client_order_id: open, venue_order_id: String::new(), outcome, ts_venue_ns: 5 };
    // As `on_report` keeps it when an append fails.
    bench.desk.unbooked.push(report);
    bench.desk.waits_for_log = true;
    bench.desk.begin_reconciling();
    let request = bench.request(10);
    assert!(!bench.desk.reconcile_with_paper(&mut bench.router, bench.now_ns), "not while a fill waits");
    assert_eq!(order_of(&bench.submit(request)[0]).reason, "RECONCILING");
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.gate().order(open).unwrap().status, OrderStatus::Filled);
    assert_eq!(bench.desk.gate().fills().len(), 1);
    let request = bench.request(10);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted));
}

#[test]
fn what_was_handled_and_confirmed_is_not_told_again_refusals_too() {
    let file = std::env::temp_dir().join(format!("libra-desk-confirmed-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let log = || LogConfig::File { path: file.clone(), sync: SyncPolicy::None };
    let open = || Bench::open(config(Link::External, log(), RiskLimits::default()), 1);
    let (mut bench, _) = open();
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    // An intent whose gateway has not begun to send it, then refusals alone.
    let request = bench.request(10);
    assert_eq!(types(&bench.submit(request)).last(), Some(&EventType::OrderNew));
    let intended = bench.desk.gate().sequence();
    bench.desk.confirm();
    assert_eq!(bench.desk.gate().sequence(), intended + 1);
    bench.desk.begin_reconciling();
    let sequence = bench.desk.gate().sequence();
    // As many as have a record each.
    for _ in 0..20 {
        let request = bench.request(10);
        assert_eq!(types(&bench.submit(request)), [EventType::OrderRejected]);
    }
    bench.desk.confirm();
    bench.desk.confirm();
    assert_eq!(bench.desk.gate().sequence(), sequence + 21, "one record confirms all of them");
    drop(bench);
    assert_eq!(open().1.unconfirmed, [], "all of it was handled");
    let _ = std::fs::remove_file(&file);
}
