//! A desk against its own router, and one mailbox that sees everything.

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

mod accepted;
mod again;
mod amended;
mod aside;
mod breach;
mod cancels;
mod cancels_again;
mod clock;
mod conflict;
mod early_cancels;
mod faults;
mod flatten;
mod inventory;
mod kill;
mod late;
mod ledger;
mod links;
mod looks;
mod outside;
mod owed;
mod payloads;
mod readmit;
mod reducing;
mod refused;
mod restart;
mod room;
mod standing;
mod stray;
mod together;
mod unjudged;
mod vanish;
mod venue_clock;
mod way;

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
        self.quote_of(btc().id, bid, ask);
    }

    fn quote_of(&mut self, instrument: Name, bid: i64, ask: i64) {
        self.now_ns += 1_000_000;
        let quote = Quote { bid, ask, bid_size: 5_000, ask_size: 5_000, ..Quote::default() };
        let payload = Payload::Quote(quote);
        let source = Name::intern("market");
        let event = Event::market(EventType::Quote, source, instrument, (2, 3), self.now_ns, payload);
        self.desk.on_market(&mut self.router, self.now_ns, &event);
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
                _ => {}
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

/// How far what each vanished strategy left is, whoever's it was.
fn flattenings(bench: &Bench) -> Vec<(Name, Flattening)> {
    bench.desk.vanished().flat_map(|(strategy, _)| bench.desk.flattening(strategy)).collect()
}

fn order_of(event: &Event) -> &Order {
    event.payload.downcast::<Order>().expect("an order event carries an order")
}

fn instrument() -> Instrument {
    btc()
}
