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
    assert!(bench.desk.exceeding.is_empty() && bench.desk.cancelling().is_empty());
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
