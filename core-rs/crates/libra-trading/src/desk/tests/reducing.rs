//! Orders that the venue may be told to let reduce only: those that were approved as such, of contracts.

use super::*;
use crate::instrument::ContractKind;

/// Another contract of the account.
fn other() -> Instrument {
    let symbol = Name::intern("ETH/USDT:USDT");
    Instrument { id: Name::intern("ETH/USDT:USDT@x"), symbol, base: Name::intern("ETH"), ..btc() }
}

/// An account at a gateway outside that is long 0.1.
fn long(kind: ContractKind) -> Bench {
    let mut config = config(Link::External, LogConfig::Memory, RiskLimits::default());
    config.gate.instruments = vec![Instrument { kind, ..btc() }, other()];
    config.gate.opening.push((btc().base, 10 * 1_000_000_000_000));
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    bench.quote_of(other().id, 6_000_000, 6_000_010);
    let id = asked(&mut bench, OrderSide::Buy, 100);
    let (fee_currency, liquidity) = (Name::intern("USDT"), crate::order::Liquidity::Taker);
    let outcome = VenueOutcome::Filled { trade_id: 1, price: 6_000_000, size: 100, fee: 0, fee_currency, liquidity };
    let report = VenueReport { client_order_id: id, venue_order_id: "v".into(), outcome, ts_venue_ns: bench.now_ns };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
    bench
}

fn asked(bench: &mut Bench, side: OrderSide, size: i64) -> ClientOrderId {
    asked_of(bench, btc().id, side, size)
}

fn asked_of(bench: &mut Bench, instrument: Name, side: OrderSide, size: i64) -> ClientOrderId {
    while bench.router.mailbox(bench.all).pop().is_some() {}
    // Ours do not meet each other.
    let price = if side == OrderSide::Buy { 6_000_000 } else { 6_000_100 };
    let request = OrderRequest { instrument, side, price, ..bench.request(size) };
    let events = bench.submit(request);
    assert_eq!(types(&events), [EventType::OrderApproved, EventType::OrderNew], "{side:?} {size}: {events:?}");
    order_of(&events[1]).client_order_id
}

#[test]
fn an_order_that_reduces_a_contract_says_so_until_it_leaves() {
    let mut bench = long(ContractKind::Linear);
    let [first, second, beyond, adds] =
        [(OrderSide::Sell, 60), (OrderSide::Sell, 40), (OrderSide::Sell, 10), (OrderSide::Buy, 10)]
            .map(|(side, size)| asked(&mut bench, side, size));
    // Together they are the position: a venue that counts all that rests refuses neither for the other.
    assert!(bench.desk.only_reduces(first) && bench.desk.only_reduces(second));
    assert!(!bench.desk.only_reduces(beyond), "it would open a short once the others are done");
    assert!(!bench.desk.only_reduces(adds));
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, first));
    assert!(!bench.desk.only_reduces(first), "nobody asks behind its leaving");
}

#[test]
fn what_was_approved_as_reducing_stays_so_whatever_is_asked_for_before_it_leaves() {
    let mut bench = long(ContractKind::Linear);
    while bench.router.mailbox(bench.all).pop().is_some() {}
    // Both are approved before either is spent.
    let requests =
        [100, 50].map(|size| OrderRequest { side: OrderSide::Sell, price: 6_000_000, ..bench.request(size) });
    for request in requests {
        let event = Event::new(EventType::OrderRequest, request.strategy, bench.now_ns, Payload::shared(request));
        bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    }
    let nothing = Event::new(EventType::Signal, Name::intern(STRATEGY), bench.now_ns, Payload::Empty);
    let sent: Vec<ClientOrderId> = bench
        .settle(nothing)
        .iter()
        .filter(|event| event.event_type == EventType::OrderNew)
        .map(|event| order_of(event).client_order_id)
        .collect();
    assert_eq!(sent.iter().map(|id| bench.desk.only_reduces(*id)).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn nothing_of_spot_is_said_to_reduce() {
    let mut bench = long(ContractKind::Spot);
    let sells = asked(&mut bench, OrderSide::Sell, 100);
    assert!(!bench.desk.only_reduces(sells), "a spot market takes no such order");
}

fn leave(bench: &mut Bench, id: ClientOrderId) {
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, id);
    told(bench, id, VenueOutcome::Accepted);
}

fn told(bench: &mut Bench, id: ClientOrderId, outcome: VenueOutcome) {
    let report = VenueReport { client_order_id: id, venue_order_id: "w".into(), outcome, ts_venue_ns: bench.now_ns };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
}

fn cancel(bench: &mut Bench, id: ClientOrderId) {
    let request =
        CancelRequest { account: Name::intern(ACCOUNT), strategy: Name::intern(STRATEGY), client_order_id: id };
    let event = Event::new(EventType::CancelRequest, request.strategy, bench.now_ns, Payload::shared(request));
    assert_eq!(bench.desk.on_cancel_request(&mut bench.router, bench.now_ns, &event), Some(id));
}

/// A closing order rests at the venue, and its cancel is under way.
fn cancelling(kind: ContractKind) -> (Bench, ClientOrderId) {
    let mut bench = long(kind);
    let takes = asked(&mut bench, OrderSide::Sell, 100);
    leave(&mut bench, takes);
    cancel(&mut bench, takes);
    (bench, takes)
}

#[test]
fn an_order_that_takes_the_place_of_one_that_is_being_cancelled_reduces() {
    let mut bench = long(ContractKind::Linear);
    let takes = asked(&mut bench, OrderSide::Sell, 100);
    leave(&mut bench, takes);
    let closes = asked(&mut bench, OrderSide::Sell, 100);
    assert!(!bench.desk.only_reduces(closes), "both together would open a short");
    cancel(&mut bench, takes);
    assert!(bench.desk.only_reduces(closes), "a fill that the cancel comes too late for leaves nothing to sell");
    let more = asked(&mut bench, OrderSide::Sell, 10);
    assert!(!bench.desk.only_reduces(more));
    assert!(!bench.desk.only_reduces(closes), "what else is asked for counts as ever");
}

#[test]
fn what_is_larger_than_the_position_does_not_reduce_and_what_stays_counts() {
    let (mut bench, _) = cancelling(ContractKind::Linear);
    let beyond = asked(&mut bench, OrderSide::Sell, 101);
    assert!(!bench.desk.only_reduces(beyond));
    let (mut bench, takes) = cancelling(ContractKind::Linear);
    let closes = asked(&mut bench, OrderSide::Sell, 100);
    assert!(bench.desk.only_reduces(closes));
    told(&mut bench, takes, VenueOutcome::CancelRejected { detail: String::new() });
    assert!(!bench.desk.only_reduces(closes), "the order whose cancel was refused stays");
}

#[test]
fn what_is_being_cancelled_elsewhere_or_of_spot_makes_nothing_reduce() {
    let mut bench = long(ContractKind::Linear);
    let sells = asked_of(&mut bench, other().id, OrderSide::Sell, 100);
    let takes = asked(&mut bench, OrderSide::Sell, 100);
    leave(&mut bench, sells);
    leave(&mut bench, takes);
    cancel(&mut bench, sells);
    let closes = asked(&mut bench, OrderSide::Sell, 100);
    assert!(!bench.desk.only_reduces(closes), "another contract's");
    let mut bench = long(ContractKind::Linear);
    let [adds, takes] =
        [(OrderSide::Buy, 100), (OrderSide::Sell, 100)].map(|(side, size)| asked(&mut bench, side, size));
    leave(&mut bench, adds);
    leave(&mut bench, takes);
    cancel(&mut bench, adds);
    let closes = asked(&mut bench, OrderSide::Sell, 100);
    assert!(!bench.desk.only_reduces(closes));
    let (mut bench, _) = cancelling(ContractKind::Spot);
    let closes = asked(&mut bench, OrderSide::Sell, 100);
    assert!(!bench.desk.only_reduces(closes));
}
