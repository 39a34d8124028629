//! A desk against its own router: the way of an order, its refusals, and what a restart finds.

use std::sync::{Arc, Mutex};

use libra_kernel::event::Quote;
use libra_kernel::mailbox::Capacity;
use libra_kernel::router::MailboxId;

use super::*;
use crate::gate::{GateEvent, LogConfig, SyncPolicy};
use crate::instrument::Instrument;
use crate::instrument::tests::btc;
use crate::order::{CancelRequest, Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce, VenueOutcome};
use crate::paper::{PaperConfig, PaperVenue};
use crate::portfolio::Sizing;
use crate::risk::RiskLimits;
use crate::signal::{Signal, SignalType};
use libra_kernel::router::Router;

mod aside;
mod cancels;
mod conflict;
mod faults;
mod kill;
mod vanish;

const ACCOUNT: &str = "desk-test";
const STRATEGY: &str = "desk-strategy";

/// A desk, its router, and one mailbox that sees everything.
struct Bench {
    desk: Desk,
    router: Router,
    all: MailboxId,
    now_ns: i64,
}

fn paper(latency_ns: i64) -> Link {
    let account = Name::intern(ACCOUNT);
    let config = PaperConfig {
        latency_out_ns: latency_ns,
        latency_in_ns: latency_ns,
        ..PaperConfig::new(Name::intern("paper"), account)
    };
    Link::Paper(Arc::new(Mutex::new(PaperVenue::new(config, vec![btc()]))))
}

fn config(link: Link, log: LogConfig, limits: RiskLimits) -> DeskConfig {
    let account = Name::intern(ACCOUNT);
    let gate = GateConfig {
        limits,
        instruments: vec![btc()],
        opening: vec![(Name::intern("USDT"), 100_000 * 1_000_000_000_000)],
        log,
        ..GateConfig::new(account)
    };
    let portfolio = PortfolioConfig {
        account,
        sizing: Sizing::fixed_notional("5000").unwrap(),
        overrides: Vec::new(),
        allow_short: true,
        volatility: None,
    };
    DeskConfig { gate, portfolio, strategies: vec![Name::intern(STRATEGY)], link }
}

impl Bench {
    fn open(config: DeskConfig, now_ns: i64) -> (Bench, Recovered) {
        let (desk, recovered) = Desk::open(config, now_ns).unwrap();
        let mut router = Router::new();
        let all = router.add_mailbox(Capacity::Unbounded);
        for &event_type in EventType::ALL {
            router.subscribe(all, event_type, Name::NONE);
        }
        (Bench { desk, router, all, now_ns }, recovered)
    }

    fn new(link: Link) -> Bench {
        let (mut bench, _) = Bench::open(config(link, LogConfig::Memory, RiskLimits::default()), 1);
        // As a gateway outside says when it is connected.
        bench.desk.gate.set_reconciling(false);
        bench
    }

    fn quote(&mut self, bid: i64, ask: i64) {
        self.now_ns += 1_000_000;
        let quote = Quote { bid, ask, bid_size: 5_000, ask_size: 5_000, ..Quote::default() };
        let payload = Payload::Quote(quote);
        let source = Name::intern("market");
        let event = Event::market(EventType::Quote, source, btc().id, (2, 3), self.now_ns, payload);
        self.desk.on_market(&mut self.router, &event);
    }

    fn signal(&mut self, signal_type: SignalType) -> Event {
        let strategy = Name::intern(STRATEGY);
        let signal = Signal {
            id: libra_kernel::ids::business_id(),
            strategy,
            instrument: btc().id,
            signal_type,
            strength: 1.0,
            price: 0,
            deadline_ns: 0,
            reason: String::new(),
        };
        Event::new(EventType::Signal, strategy, self.now_ns, Payload::shared(signal))
    }

    /// Lets the actors' steps follow from an event until nothing is left to do; gives all events seen on the way.
    fn settle(&mut self, first: Event) -> Vec<Event> {
        self.desk.on_signal(&mut self.router, self.now_ns, &first);
        let mut seen = Vec::new();
        while let Some(event) = self.router.mailbox(self.all).pop() {
            let (router, now_ns) = (&mut self.router, self.now_ns);
            match event.event_type {
                EventType::OrderRequest => self.desk.on_request(router, now_ns, &event),
                EventType::OrderApproved => self.desk.on_approved(router, now_ns, &event),
                EventType::CancelRequest => {
                    self.desk.on_cancel_request(router, now_ns, &event);
                }
                _ => self.desk.on_order_event(&event),
            }
            self.desk.advance(&mut self.router, self.now_ns);
            seen.push(event);
        }
        seen
    }

    fn request(&self, size: i64) -> OrderRequest {
        OrderRequest {
            request_id: libra_kernel::ids::business_id(),
            signal_id: 0,
            account: Name::intern(ACCOUNT),
            strategy: Name::intern(STRATEGY),
            instrument: btc().id,
            side: OrderSide::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            size,
            price: 5_990_000,
            deadline_ns: 0,
            ts_origin_ns: 0,
        }
    }

    /// An order of its own, through risk and execution.
    fn submit(&mut self, request: OrderRequest) -> Vec<Event> {
        let source = request.strategy;
        let event = Event::new(EventType::OrderRequest, source, self.now_ns, Payload::shared(request));
        self.desk.on_request(&mut self.router, self.now_ns, &event);
        let nothing = Event::new(EventType::Signal, source, self.now_ns, Payload::Empty);
        self.settle(nothing)
    }
}

fn types(events: &[Event]) -> Vec<EventType> {
    events.iter().map(|event| event.event_type).collect()
}

fn order_of(event: &Event) -> &Order {
    event.payload.downcast::<Order>().expect("an order event carries an order")
}

fn instrument() -> Instrument {
    btc()
}

#[test]
fn a_signal_becomes_a_filled_order_in_one_trace() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let signal = bench.signal(SignalType::Long);
    let trace = signal.trace_id;
    let events = bench.settle(signal);
    use EventType as E;
    assert_eq!(
        types(&events),
        [
            E::OrderRequest,
            E::OrderApproved,
            E::OrderNew,
            E::OrderSubmitted,
            E::OrderAccepted,
            E::OrderFilled,
            E::PositionOpened,
            E::BalanceUpdated
        ]
    );
    let orders = events.iter().filter(|event| event.payload.downcast::<Order>().is_some());
    assert!(orders.into_iter().all(|event| event.trace_id == trace), "an order's events belong to its signal's trace");
    let filled = order_of(events.iter().find(|event| event.event_type == E::OrderFilled).unwrap());
    assert_eq!((filled.filled, filled.last_fill.as_ref().unwrap().price), (83, 6_000_010));
    assert_eq!(bench.desk.gate().account().position(instrument().id).unwrap().size, 83);
    assert_eq!(bench.desk.portfolio().position(Name::intern(STRATEGY), instrument().id), 83);
    assert!(bench.desk.causes.is_empty(), "a final order leaves nothing behind");
    // Once long, a second opinion of the same kind changes nothing.
    let again = bench.signal(SignalType::Long);
    assert_eq!(types(&bench.settle(again)), []);
}

#[test]
fn another_accounts_strategy_is_not_heard() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let mut signal = bench.signal(SignalType::Long);
    let Some(known) = signal.payload.downcast::<Signal>() else { panic!("a signal") };
    signal.payload = Payload::shared(Signal { strategy: Name::intern("someone-else"), ..known.clone() });
    assert_eq!(types(&bench.settle(signal)), []);
    assert_eq!(bench.desk.tally().signals, 0);
}

#[test]
fn a_refusal_is_an_order_event_with_its_code() {
    let limits = RiskLimits { max_orders_per_second: Some(1), ..RiskLimits::default() };
    let (mut bench, _) = Bench::open(config(paper(0), LogConfig::Memory, limits), 1);
    bench.quote(6_000_000, 6_000_010);
    let first = bench.request(10);
    let second = bench.request(10);
    bench.submit(first);
    let events = bench.submit(second.clone());
    assert_eq!(types(&events), [EventType::OrderRejected]);
    assert_eq!(order_of(&events[0]).reason, "ORDER_RATE");
    assert_eq!(bench.desk.tally().rejections["ORDER_RATE"], 1);
    // The same request again gets its recorded outcome, and is not counted as an order.
    bench.now_ns += 2_000_000_000;
    let again = bench.submit(second);
    assert_eq!(types(&again), [EventType::OrderRejected]);
    assert_eq!(order_of(&again[0]).reason, "ORDER_RATE");
    assert_eq!(bench.desk.gate().fills().len(), 0);
}

#[test]
fn a_lapsed_approval_is_told_once_and_never_sent() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let source = request.strategy;
    let asked = Event::new(EventType::OrderRequest, source, bench.now_ns, Payload::shared(request.clone()));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &asked);
    let approved = bench.router.mailbox(bench.all).pop().unwrap();
    assert_eq!(approved.event_type, EventType::OrderApproved);
    // Execution is late: the approval lapses before it comes to it.
    bench.now_ns += 1_100_000_000;
    bench.desk.advance(&mut bench.router, bench.now_ns);
    bench.desk.on_approved(&mut bench.router, bench.now_ns, &approved);
    let told: Vec<_> = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop()).collect();
    assert_eq!(types(&told), [EventType::OrderRejected]);
    assert_eq!((order_of(&told[0]).reason.as_str(), told[0].trace_id), ("EXPIRED", asked.trace_id));
    assert_eq!(bench.desk.tally().rejections["EXPIRED"], 1);
    assert!(bench.desk.causes.is_empty());
    assert_eq!(bench.desk.gate().orders().count(), 1);

    bench.quote(6_000_000, 6_000_010);
    let again = bench.submit(request);
    assert_eq!(types(&again), [EventType::OrderRejected]);
    assert_eq!(order_of(&again[0]).reason, "EXPIRED");
    assert_eq!(bench.desk.gate().open_orders().count(), 0);
}

#[test]
fn a_request_that_execution_cannot_take_is_refused_for_good() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let full = bench.router.add_mailbox(Capacity::Shared(1));
    bench.router.subscribe(full, EventType::OrderApproved, Name::NONE);
    let second = bench.request(10);
    let filler = Event::new(EventType::OrderApproved, second.strategy, bench.now_ns, Payload::Empty);
    while bench.router.publish(filler.clone()) {}
    while bench.router.mailbox(bench.all).pop().is_some() {}
    let ask = |bench: &mut Bench| {
        let event = Event::new(EventType::OrderRequest, second.strategy, bench.now_ns, Payload::shared(second.clone()));
        bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
        let events = std::iter::from_fn(|| bench.router.mailbox(bench.all).pop());
        events
            .filter(|event| event.event_type == EventType::OrderRejected)
            .map(|e| order_of(&e).reason.clone())
            .collect()
    };
    let reasons: Vec<String> = ask(&mut bench);
    assert_eq!(reasons, ["STOPPING"]);
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
    while bench.router.mailbox(full).pop().is_some() {}
    assert_eq!(ask(&mut bench), ["STOPPING"]);
    assert_eq!(bench.desk.gate().stats().approved, 1);
    assert_eq!(bench.desk.gate().orders().count(), 1);
}

#[test]
fn the_kill_switch_cancels_what_is_open_and_refuses_what_comes() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let events = bench.submit(request);
    assert_eq!(types(&events).last(), Some(&EventType::OrderAccepted));
    let outside = bench.desk.kill(&mut bench.router, bench.now_ns, "enough").unwrap();
    assert!(outside.is_empty(), "a paper venue cancels by itself");
    let request = bench.request(10);
    let events = bench.submit(request);
    assert!(types(&events).contains(&EventType::CircuitBreaker));
    assert!(types(&events).contains(&EventType::OrderCancelled));
    let rejected = events.iter().find(|event| event.event_type == EventType::OrderRejected).unwrap();
    assert_eq!(order_of(rejected).reason, "KILL_SWITCH");
    bench.desk.resume(&mut bench.router, bench.now_ns, "the test").unwrap();
    let request = bench.request(10);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted));
}

#[test]
fn an_order_for_a_gateway_outside_may_be_sent_once() {
    let mut bench = Bench::new(Link::External);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let events = bench.submit(request);
    assert_eq!(types(&events), [EventType::OrderApproved, EventType::OrderNew]);
    let id = order_of(&events[1]).client_order_id;
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, id), "never twice");
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, id);
    assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::Submitted);
    assert_eq!(bench.desk.unanswered(), [id]);
}

#[test]
fn the_kill_switch_holds_back_an_order_that_has_not_left() {
    let mut bench = Bench::new(Link::External);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    bench.desk.kill(&mut bench.router, bench.now_ns, "enough").unwrap();
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let order = bench.desk.gate().order(id).unwrap();
    assert_eq!((order.status, order.reason.as_str()), (OrderStatus::Rejected, "KILL_SWITCH"));
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
}

#[test]
fn a_duplicate_at_the_venue_does_not_end_the_order() {
    let mut bench = Bench::new(Link::External);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    let outcome = VenueOutcome::Rejected { code: "DUPLICATE".into(), detail: String::new() };
    let report = VenueReport { client_order_id: id, venue_order_id: String::new(), outcome, ts_venue_ns: 5 };
    assert!(bench.desk.on_report(&mut bench.router, 5, &report));
    assert_eq!(bench.desk.gate().order(id).unwrap().status, OrderStatus::New);
    assert_eq!(bench.desk.tally().errors, 1);
}

#[test]
fn a_full_queue_of_facts_stops_new_orders() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let slow = bench.router.add_mailbox(Capacity::PerLane(5));
    bench.router.subscribe(slow, EventType::OrderAccepted, Name::NONE);
    for _ in 0..4 {
        let request = bench.request(10);
        bench.submit(request);
    }
    let request = bench.request(10);
    let events = bench.submit(request);
    assert_eq!(order_of(&events[0]).reason, "STOPPING");
    while bench.router.mailbox(slow).pop().is_some() {}
    let request = bench.request(10);
    assert!(types(&bench.submit(request)).contains(&EventType::OrderAccepted));
}

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
fn equity_adds_up_at_every_note() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    for signal_type in [SignalType::Long, SignalType::Short, SignalType::CloseShort] {
        let signal = bench.signal(signal_type);
        bench.settle(signal);
        bench.quote(6_000_500, 6_000_510);
    }
    let opening = 100_000 * 1_000_000_000_000;
    let curve = bench.desk.equity_curve();
    assert!(curve.len() >= 4);
    for point in curve.iter().filter(|point| point.currency == Name::intern("USDT")) {
        assert_eq!(point.equity, opening + point.realised + point.unrealised - point.fees);
    }
}

#[test]
fn an_order_that_waits_for_its_gateway_cannot_leave_once_the_venue_contradicts_the_account() {
    let mut bench = Bench::new(Link::External);
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let id = order_of(&bench.submit(request)[1]).client_order_id;
    let stranger = VenueReport {
        client_order_id: crate::order::ClientOrderId(5),
        venue_order_id: String::new(),
        outcome: VenueOutcome::Accepted,
        ts_venue_ns: bench.now_ns,
    };
    assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &stranger));
    assert!(!bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    let order = bench.desk.gate().order(id).unwrap();
    assert_eq!((order.status, order.reason.as_str()), (OrderStatus::Rejected, "INCIDENT"));
}

#[test]
fn an_approval_that_waits_cannot_leave_once_the_kill_switch_is_an_event() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let source = request.strategy;
    let event = Event::new(EventType::OrderRequest, source, bench.now_ns, Payload::shared(request));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    bench.desk.kill_for(&mut bench.router, bench.now_ns, source);
    let nothing = Event::new(EventType::Signal, source, bench.now_ns, Payload::Empty);
    let events = bench.settle(nothing);
    assert!(!types(&events).contains(&EventType::OrderNew), "{:?}", types(&events));
    let rejected = events.iter().find(|event| event.event_type == EventType::OrderRejected).unwrap();
    assert_eq!(order_of(rejected).reason, "KILL_SWITCH");
}

#[test]
fn nothing_of_a_strategy_that_was_given_up_leaves() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let request = bench.request(10);
    let open = order_of(&bench.submit(request)[1]).client_order_id;
    let (asked, approved) = (bench.request(10), bench.request(10));
    let strategy = asked.strategy;
    let event = Event::new(EventType::OrderRequest, strategy, bench.now_ns, Payload::shared(approved));
    bench.desk.on_request(&mut bench.router, bench.now_ns, &event);
    bench.desk.vanish(&mut bench.router, bench.now_ns, strategy, OnVanish::Cancel);
    let mut events = bench.submit(asked);
    let signal = bench.signal(SignalType::Long);
    events.extend(bench.settle(signal));
    assert!(!types(&events).contains(&EventType::OrderNew), "{:?}", types(&events));
    let rejected = events.iter().filter(|event| event.event_type == EventType::OrderRejected);
    assert!(rejected.clone().all(|event| order_of(event).reason == "STRATEGY_STOPPED"));
    assert_eq!(rejected.count(), 2);
    assert_eq!(bench.desk.gate().order(open).unwrap().status, OrderStatus::Cancelled);
    assert_eq!(bench.desk.gate().reserved(instrument().id), Some((0, 0)));
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
