//! What a market event costs an account with many open orders, beside one without, while nobody is gone and behind a strategy
//! that is gone and left nothing; measured by hand:
//! `cargo test --release -p libra-trading --test desk_speed -- --ignored --nocapture`.

mod samples;

use std::time::Instant;

use libra_kernel::event::Quote;
use libra_kernel::mailbox::Capacity;
use libra_kernel::router::{MailboxId, Router};
use libra_kernel::{Event, EventType, Name, Payload};
use libra_trading::desk::payload::Approved;
use libra_trading::desk::{Desk, DeskConfig, Link, OnVanish};
use libra_trading::gate::{GateConfig, client_order_id};
use libra_trading::order::{OrderRequest, OrderSide, OrderType, TimeInForce, VenueOutcome, VenueReport};
use libra_trading::portfolio::{PortfolioConfig, Sizing};

use samples::{contract, money};

const T0: i64 = 1_700_000_000_000_000_000;
const PRICE: i64 = 6_000_000;
const EVENTS: u32 = 2_000;
const ROUNDS: u32 = 5;

struct Bench {
    desk: Desk,
    router: Router,
    /// Sees approvals, and nothing else.
    inbox: MailboxId,
    now_ns: i64,
}

/// An account with so many open orders of a strategy that goes on.
fn bench(orders: u64) -> Bench {
    let (account, rests) = (Name::intern("main"), Name::intern("rests"));
    let gate = GateConfig {
        instruments: vec![contract("BTC", "speed")],
        opening: vec![(Name::intern("USDT"), money(1_000_000_000))],
        ..GateConfig::new(account)
    };
    let sizing = Sizing::fixed_notional("5000").unwrap();
    let portfolio = PortfolioConfig { account, sizing, overrides: Vec::new(), allow_short: true, volatility: None };
    let strategies = vec![rests, Name::intern("ends")];
    let (mut desk, _) = Desk::open(DeskConfig { gate, portfolio, strategies, link: Link::External }, T0).unwrap();
    desk.set_reconciled();
    let mut router = Router::new();
    let inbox = router.add_mailbox(Capacity::Unbounded);
    router.subscribe(inbox, EventType::OrderApproved, Name::NONE);
    let mut bench = Bench { desk, router, inbox, now_ns: T0 };
    bench.quote();
    for number in 0..orders {
        bench.rest(rests, number);
    }
    assert_eq!(bench.desk.gate().open_orders().count() as u64, orders);
    bench
}

impl Bench {
    fn quote(&mut self) {
        self.now_ns += 1_000;
        let quote = Quote { bid: PRICE, ask: PRICE + 10, bid_size: 5, ask_size: 5, ..Quote::default() };
        let id = contract("BTC", "speed").id;
        let payload = Payload::Quote(quote);
        let event = Event::market(EventType::Quote, Name::intern("market"), id, (2, 3), self.now_ns, payload);
        self.desk.on_market(&mut self.router, self.now_ns, &event);
    }

    fn rest(&mut self, strategy: Name, number: u64) {
        let (account, now_ns) = (self.desk.name(), self.now_ns);
        let request = OrderRequest {
            request_id: u128::from(number) + 1,
            signal_id: 0,
            account,
            strategy,
            instrument: contract("BTC", "speed").id,
            side: OrderSide::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            size: 10,
            price: PRICE - 10_000,
            deadline_ns: 0,
            ts_origin_ns: 0,
        };
        let client_order_id = client_order_id(account, request.request_id);
        let event = Event::new(EventType::OrderRequest, strategy, now_ns, Payload::shared(request));
        self.desk.on_request(&mut self.router, now_ns, &event);
        let approved = self.router.mailbox(self.inbox).pop().expect("it is approved");
        assert!(approved.payload.downcast::<Approved>().is_some());
        self.desk.on_approved(&mut self.router, now_ns, &approved);
        assert!(self.desk.may_send(&mut self.router, now_ns, client_order_id));
        let outcome = VenueOutcome::Accepted;
        let report = VenueReport { client_order_id, venue_order_id: "v".into(), outcome, ts_venue_ns: now_ns };
        assert!(self.desk.on_report(&mut self.router, now_ns, &report));
    }

    /// Market events a second, the best of some rounds; what is asked between two of them (when something is due) with them.
    fn rate(&mut self) -> f64 {
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let began = Instant::now();
            for _ in 0..EVENTS {
                self.quote();
                std::hint::black_box(self.desk.next_due_ns());
            }
            best = best.min(began.elapsed().as_secs_f64());
        }
        f64::from(EVENTS) / best
    }
}

#[test]
#[ignore = "a measurement"]
fn who_is_gone_and_left_nothing_costs_nothing() {
    for policy in [None, Some(OnVanish::Keep), Some(OnVanish::Cancel), Some(OnVanish::Flatten)] {
        let rates = [0, 4_000].map(|orders| {
            let mut bench = bench(orders);
            if let Some(policy) = policy {
                let (now_ns, ends) = (bench.now_ns, Name::intern("ends"));
                assert!(bench.desk.vanish(&mut bench.router, now_ns, ends, policy).is_empty());
            }
            bench.rate()
        });
        let who = policy.map_or("nobody is gone".to_owned(), |policy| format!("one is gone, {policy:?}"));
        let ratio = rates[0] / rates[1];
        println!("{who}: {:.0} events/s without open orders, {:.0} with 4,000: {ratio:.2} times", rates[0], rates[1]);
    }
}
