//! Open orders behind a loss limit.

use super::*;
use crate::gate::OnBreach;

const LIMIT: i128 = 50 * 1_000_000_000_000;

/// Long 0.1 at a gateway outside; what else is open was asked for afterwards.
fn long(on_breach: OnBreach) -> Bench {
    let limits = RiskLimits { max_daily_loss: Some(LIMIT), ..RiskLimits::default() };
    let mut config = config(Link::External, LogConfig::Memory, limits);
    config.gate.on_breach = on_breach;
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let id = works(&mut bench, OrderSide::Buy, 100);
    fills(&mut bench, id, 1, 6_000_000, 100);
    bench
}

fn open(bench: &mut Bench, side: OrderSide, size: i64) -> ClientOrderId {
    let request = OrderRequest { side, price: 6_000_000, ..bench.request(size) };
    told(bench);
    order_of(&bench.submit(request)[1]).client_order_id
}

/// One that the venue has.
fn works(bench: &mut Bench, side: OrderSide, size: i64) -> ClientOrderId {
    let id = open(bench, side, size);
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, id);
    says(bench, id, VenueOutcome::Accepted);
    id
}

fn says(bench: &mut Bench, id: ClientOrderId, outcome: VenueOutcome) {
    let report = VenueReport { client_order_id: id, venue_order_id: "v".into(), outcome, ts_venue_ns: bench.now_ns };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
}

fn fills(bench: &mut Bench, id: ClientOrderId, trade_id: u64, price: i64, size: i64) {
    let fee_currency = Name::intern("USDT");
    let liquidity = crate::order::Liquidity::Taker;
    says(bench, id, VenueOutcome::Filled { trade_id, price, size, fee: 0, fee_currency, liquidity });
}

fn told(bench: &mut Bench) -> Vec<(EventType, String)> {
    let events: Vec<Event> = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop()).collect();
    let notices = events.iter().filter_map(|event| {
        let notice = event.payload.downcast::<payload::Notice>()?;
        Some((event.event_type, format!("{} {}", notice.code, notice.detail)))
    });
    notices.collect()
}

#[test]
fn what_increases_is_cancelled_and_what_reduces_stays() {
    let mut bench = long(OnBreach::ReduceOnly);
    let (more, less) = (works(&mut bench, OrderSide::Buy, 10), works(&mut bench, OrderSide::Sell, 60));
    let (waits, beyond) = (open(&mut bench, OrderSide::Buy, 10), works(&mut bench, OrderSide::Sell, 50));
    told(&mut bench);
    bench.quote(5_900_000, 6_000_010);
    let expected = [
        (EventType::RiskLimitBreach, "DAILY_LOSS limit 50 USDT, value 100 USDT".to_owned()),
        (
            EventType::RiskLimitBreach,
            "DAILY_LOSS 3 open orders are cancelled: limit 50 USDT, value 100 USDT".to_owned(),
        ),
    ];
    assert_eq!(told(&mut bench), expected);
    let mut cancelled = [more, beyond];
    cancelled.sort_unstable();
    assert_eq!(bench.desk.cancelling(), cancelled);
    let held_back = bench.desk.gate().order(waits).unwrap();
    assert_eq!((held_back.status, held_back.reason.as_str()), (OrderStatus::Rejected, "DAILY_LOSS"));
    assert_eq!(held_back.detail, "limit 50 USDT, value 100 USDT");
    bench.quote(5_900_000, 6_000_010);
    assert!(told(&mut bench).is_empty(), "told once");

    // A cancel comes too late: what reduced would turn the position now.
    fills(&mut bench, beyond, 2, 5_900_000, 50);
    assert!(bench.desk.cancelling().contains(&less));
    assert!(told(&mut bench).iter().any(|(_, detail)| detail.contains("1 open order is cancelled")));
}

#[test]
fn a_cancel_that_was_refused_is_asked_for_again_after_a_while() {
    let mut bench = long(OnBreach::ReduceOnly);
    let more = works(&mut bench, OrderSide::Buy, 10);
    bench.quote(5_900_000, 6_000_010);
    assert_eq!(bench.desk.cancelling(), [more]);
    says(&mut bench, more, VenueOutcome::CancelRejected { detail: "later".into() });
    bench.quote(5_900_000, 6_000_010);
    assert!(bench.desk.cancelling().is_empty());
    bench.now_ns += super::super::breach::ASK_AGAIN_NS;
    bench.quote(5_900_000, 6_000_010);
    assert_eq!(bench.desk.cancelling(), [more]);
    // The next day nothing is held against it, and what was remembered goes.
    says(&mut bench, more, VenueOutcome::CancelRejected { detail: "later".into() });
    bench.now_ns += 86_400_000_000_000;
    bench.quote(5_900_000, 6_000_010);
    assert!(bench.desk.unwanted.is_empty() && bench.desk.cancelling().is_empty());
}

#[test]
fn an_account_that_halts_keeps_nothing_open() {
    let mut bench = long(OnBreach::Halt);
    let mut all = [works(&mut bench, OrderSide::Buy, 10), works(&mut bench, OrderSide::Sell, 60)];
    bench.quote(5_900_000, 6_000_010);
    all.sort_unstable();
    assert_eq!(bench.desk.cancelling(), all);
    let request = OrderRequest { side: OrderSide::Sell, price: 5_900_000, ..bench.request(10) };
    assert_eq!(order_of(bench.submit(request).last().unwrap()).reason, "DAILY_LOSS");
}

#[test]
fn a_limit_that_is_lowered_cancels_at_once() {
    let mut bench = long(OnBreach::ReduceOnly);
    let more = works(&mut bench, OrderSide::Buy, 10);
    bench.quote(5_990_000, 6_000_010);
    let lower = [("max_daily_loss".to_owned(), Some("5".to_owned()))];
    bench.desk.change_limits(&mut bench.router, bench.now_ns, "ops", &lower, false).unwrap();
    assert_eq!(bench.desk.cancelling(), [more]);
}

/// Twice refused, and asked for again each time, but not with every quote.
fn is_insisted_on(bench: &mut Bench, id: ClientOrderId) {
    for _ in 0..2 {
        assert_eq!((bench.desk.cancelling(), bench.desk.cancels_under_way()), (vec![id], 1));
        bench.now_ns += 1_000_000_000;
        says(bench, id, VenueOutcome::CancelRejected { detail: "rate limit".into() });
        bench.quote(6_000_000, 6_000_010);
        assert!(bench.desk.cancelling().is_empty(), "not before its time");
        assert_eq!(bench.desk.cancels_under_way(), 1, "it still has to go");
        // A market that is silent holds it up no longer than the clock.
        bench.now_ns = bench.desk.next_due_ns().unwrap();
        bench.desk.advance(&mut bench.router, bench.now_ns);
    }
    says(bench, id, VenueOutcome::Cancelled { reason: "REQUESTED".into() });
    bench.quote(6_000_000, 6_000_010);
    assert_eq!((bench.desk.cancels_under_way(), bench.desk.next_due_ns()), (0, None));
    assert!(bench.desk.unwanted.is_empty());
}

#[test]
fn a_killed_account_insists_on_its_cancels() {
    let mut bench = long(OnBreach::ReduceOnly);
    let more = works(&mut bench, OrderSide::Buy, 10);
    bench.desk.kill(&mut bench.router, bench.now_ns, "ops").unwrap();
    is_insisted_on(&mut bench, more);
}

#[test]
fn an_account_whose_own_actor_was_given_up_insists_on_its_cancels() {
    let mut bench = long(OnBreach::ReduceOnly);
    let more = works(&mut bench, OrderSide::Buy, 10);
    assert_eq!(bench.desk.abandon(&mut bench.router, bench.now_ns, "its risk failed"), [more]);
    is_insisted_on(&mut bench, more);
    let late = bench.request(10);
    assert_eq!(order_of(bench.submit(late).last().unwrap()).reason, "UNATTENDED");
    assert_eq!(bench.desk.gate().unattended(), Some("its risk failed"));
    bench.desk.resume(&mut bench.router, bench.now_ns, "ops").unwrap();
    let late = bench.request(10);
    assert_eq!(order_of(bench.submit(late).last().unwrap()).reason, "UNATTENDED", "who resumes may not know of it");
}

#[test]
fn an_account_that_is_looked_after_again_trades_and_keeps_its_orders() {
    let mut bench = long(OnBreach::ReduceOnly);
    let more = works(&mut bench, OrderSide::Buy, 10);
    bench.desk.abandon(&mut bench.router, bench.now_ns, "its gateway failed");
    says(&mut bench, more, VenueOutcome::CancelRejected { detail: "no".into() });
    bench.desk.attend(&bench.router);
    bench.quote(6_000_000, 6_000_010);
    assert_eq!((bench.desk.cancels_under_way(), bench.desk.next_due_ns()), (0, None), "it may stay");
    works(&mut bench, OrderSide::Buy, 10);
}

#[test]
fn what_a_vanished_strategy_left_is_insisted_on_unless_it_is_kept() {
    for policy in [OnVanish::Cancel, OnVanish::Flatten] {
        let mut bench = long(OnBreach::ReduceOnly);
        if policy == OnVanish::Flatten {
            // Nothing to flatten.
            let out = works(&mut bench, OrderSide::Sell, 100);
            fills(&mut bench, out, 9, 6_000_000, 100);
        }
        let more = works(&mut bench, OrderSide::Buy, 10);
        bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), policy);
        is_insisted_on(&mut bench, more);
    }
    let mut bench = long(OnBreach::ReduceOnly);
    let [more, less] = [(OrderSide::Buy, 10), (OrderSide::Sell, 40)].map(|(side, size)| works(&mut bench, side, size));
    bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Keep);
    bench.quote(6_000_000, 6_000_010);
    assert_eq!((bench.desk.cancels_under_way(), bench.desk.next_due_ns()), (0, None));
    // A loss limit takes what increases, whoever left it, and no more.
    bench.quote(5_900_000, 6_000_010);
    let cancelling = bench.desk.cancelling();
    assert!(cancelling.contains(&more) && !cancelling.contains(&less));
}

#[test]
fn a_resumed_account_insists_on_nothing() {
    let mut bench = long(OnBreach::ReduceOnly);
    let more = works(&mut bench, OrderSide::Buy, 10);
    bench.desk.kill(&mut bench.router, bench.now_ns, "ops").unwrap();
    says(&mut bench, more, VenueOutcome::CancelRejected { detail: "no".into() });
    bench.desk.resume(&mut bench.router, bench.now_ns, "ops").unwrap();
    bench.quote(6_000_000, 6_000_010);
    assert_eq!((bench.desk.cancels_under_way(), bench.desk.next_due_ns()), (0, None), "resumed, it may stay");
}

#[test]
fn an_order_that_is_being_cancelled_takes_its_part_of_what_may_be_reduced() {
    let mut bench = long(OnBreach::ReduceOnly);
    let (old, young) = (works(&mut bench, OrderSide::Sell, 100), works(&mut bench, OrderSide::Sell, 100));
    let strategy = Name::intern(STRATEGY);
    let cancel = CancelRequest { account: Name::intern(ACCOUNT), strategy, client_order_id: old };
    let event = Event::new(EventType::CancelRequest, strategy, bench.now_ns, Payload::shared(cancel));
    bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event);
    bench.quote(5_900_000, 6_000_010);
    let both = bench.desk.cancelling();
    assert!(both.contains(&old) && both.contains(&young), "both may still fill, and that would turn the position");
}

#[test]
fn an_order_that_fits_behind_one_that_does_not_goes_too() {
    let mut bench = long(OnBreach::ReduceOnly);
    let [first, beyond, fits] = [60, 50, 40].map(|size| works(&mut bench, OrderSide::Sell, size));
    bench.quote(5_900_000, 6_000_010);
    let cancelling = bench.desk.cancelling();
    assert!(cancelling.contains(&beyond) && cancelling.contains(&fits) && !cancelling.contains(&first));
}

#[test]
fn keeping_what_a_strategy_left_lets_nothing_leave_that_had_not() {
    let mut bench = long(OnBreach::ReduceOnly);
    let (works, waits) = (works(&mut bench, OrderSide::Buy, 10), open(&mut bench, OrderSide::Buy, 10));
    let outside = bench.desk.vanish(&mut bench.router, bench.now_ns, Name::intern(STRATEGY), OnVanish::Keep);
    assert!(outside.is_empty());
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, waits));
    let held_back = bench.desk.gate().order(waits).unwrap();
    assert_eq!((held_back.status, held_back.reason.as_str()), (OrderStatus::Rejected, "STRATEGY_STOPPED"));
    assert_eq!(bench.desk.gate().order(works).unwrap().status, OrderStatus::Accepted, "what its venue has is kept");
}

#[test]
fn an_order_that_its_gateway_never_begins_to_send_ends_when_its_time_is_over() {
    let mut bench = long(OnBreach::ReduceOnly);
    let waits = open(&mut bench, OrderSide::Buy, 10);
    let send_by_ns = bench.desk.send_by_ns(bench.now_ns, waits).unwrap();
    let request = OrderRequest { deadline_ns: bench.now_ns + 5_000_000, ..bench.request(10) };
    let sooner = order_of(&bench.submit(request.clone())[1]).client_order_id;
    assert_eq!(bench.desk.send_by_ns(bench.now_ns, sooner), Some(request.deadline_ns));
    // The gateway's actor was started anew before its task had a first step, and the market is silent.
    for (id, by_ns, left) in [(sooner, request.deadline_ns, 1), (waits, send_by_ns, 0)] {
        bench.desk.advance(&mut bench.router, by_ns);
        assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::New, "it may leave to the last moment");
        assert_eq!(bench.desk.next_due_ns(), Some(by_ns + 1));
        assert_eq!(bench.desk.send_by_ns(by_ns + 1, id), None);
        bench.desk.advance(&mut bench.router, by_ns + 1);
        let over = bench.desk.gate().order(id).unwrap();
        assert_eq!((over.status, over.reason.as_str()), (OrderStatus::Rejected, "EXPIRED"));
        assert_eq!(bench.desk.unanswered().len(), left);
        assert!(!bench.desk.may_send(&mut bench.router, by_ns + 1, id));
    }
    assert_eq!(bench.desk.next_due_ns(), None);
}

/// Whoever is gone and left nothing costs no step over what others have open, and what turns up late is closed all the same.
#[test]
fn who_left_nothing_is_looked_for_no_more() {
    let other = Name::intern("desk-other");
    let mut config = config(Link::External, LogConfig::Memory, RiskLimits::default());
    config.strategies.push(other);
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    works(&mut bench, OrderSide::Buy, 10);
    let mut request = bench.request(10);
    request.strategy = other;
    told(&mut bench);
    let late = order_of(&bench.submit(request)[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, late));
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, late);
    says(&mut bench, late, VenueOutcome::Accepted);
    let at_rest = |bench: &Bench| (bench.desk.wants_nothing_gone(), bench.desk.is_flattened());
    assert_eq!(at_rest(&bench), (true, false));
    assert_eq!(bench.desk.vanish(&mut bench.router, bench.now_ns, other, OnVanish::Flatten), [late]);
    // Its cancel is on its way: nothing to ask for, and not over. When it was asked for is not forgotten.
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(at_rest(&bench), (true, false));
    says(&mut bench, late, VenueOutcome::CancelRejected { detail: "busy".to_owned() });
    assert_eq!(at_rest(&bench), (false, false));
    bench.now_ns += 4_000_000_000;
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.cancelling(), [], "it is asked for again behind five seconds");
    bench.now_ns += 2_000_000_000;
    bench.quote(6_000_000, 6_000_010);
    assert_eq!(bench.desk.cancelling(), [late]);
    says(&mut bench, late, VenueOutcome::Cancelled { reason: String::new() });
    assert_eq!(at_rest(&bench), (true, true));
    assert_eq!(bench.desk.next_due_ns(), None);
    // Executed at the venue before the cancel, and told behind it.
    fills(&mut bench, late, 7, 5_990_000, 4);
    assert!(!bench.desk.is_flattened());
    let nothing = Event::new(EventType::Signal, other, bench.now_ns, Payload::Empty);
    let events = bench.settle(nothing);
    let sent = order_of(events.iter().find(|event| event.event_type == EventType::OrderNew).unwrap());
    assert_eq!((sent.request.side, sent.request.size, sent.request.strategy), (OrderSide::Sell, 4, other));
    // Said again that it is no more, all of it is looked at again.
    let id = sent.client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    fills(&mut bench, id, 8, 5_990_000, 4);
    assert_eq!(at_rest(&bench), (true, true));
    bench.desk.vanish(&mut bench.router, bench.now_ns, other, OnVanish::Flatten);
    assert_eq!(at_rest(&bench), (true, true));
    assert_eq!(bench.desk.gate().open_orders().count(), 1, "the other's goes on");
}
