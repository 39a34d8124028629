//! What an order leaves in memory when it is over: bytes that are still allocated, counted by the allocator. An account
//! keeps its orders for its life, so this is what a long one grows by.

mod samples;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use libra_kernel::event::Quote;
use libra_kernel::{Event, EventType, Name, Payload};
use libra_trading::gate::{Gate, GateConfig, client_order_id};
use libra_trading::order::{Order, OrderRequest, OrderSide, OrderStatus, OrderType, TimeInForce, VenueReport};
use libra_trading::paper::{PaperConfig, PaperVenue};
use libra_trading::portfolio::{Portfolio, PortfolioConfig, Sizing};

thread_local! {
    /// Of one thread: what runs the tests allocates beside them. It wraps where a thread frees what another one made.
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

/// Counts what is allocated and not freed.
struct Counting;

/// While a thread ends, nobody counts.
fn count(change: impl FnOnce(usize) -> usize) {
    let _ = LIVE.try_with(|live| live.set(change(live.get())));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a cell of the thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|live| live.wrapping_add(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(|live| live.wrapping_sub(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const T0: i64 = 1_700_000_000_000_000_000;
const PRICE: i64 = 6_000_000;
/// Random enough that nothing about an id can be left out.
const ID: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

struct Account {
    gate: Gate,
    venue: PaperVenue,
    portfolio: Portfolio,
    reports: Vec<VenueReport>,
}

impl Account {
    fn new() -> Account {
        let (account, instrument) = (Name::intern("main"), samples::contract("BTC", "binanceusdm"));
        let config = GateConfig {
            instruments: vec![instrument.clone()],
            opening: vec![(Name::intern("USDT"), samples::money(1_000_000_000))],
            ..GateConfig::new(account)
        };
        let paper = PaperConfig::new(Name::intern("paper"), account);
        let sizing = Sizing::fixed_notional("5000").unwrap();
        let portfolio = PortfolioConfig { account, sizing, overrides: Vec::new(), allow_short: true, volatility: None };
        Account {
            gate: Gate::open(config, T0).unwrap().0,
            venue: PaperVenue::new(paper, vec![instrument]),
            portfolio: Portfolio::new(portfolio),
            reports: Vec::new(),
        }
    }

    /// Buys and sells in turn, each order filled at once.
    fn trade(&mut self, orders: std::ops::Range<u64>) {
        let instrument = samples::contract("BTC", "binanceusdm").id;
        for number in orders {
            let now_ns = T0 + number as i64 * 1_000_000;
            let quote = Quote {
                bid: PRICE,
                ask: PRICE + 10,
                bid_size: 1_000_000_000_000,
                ask_size: 1_000_000_000_000,
                ts_venue_ns: 0,
                venue_seq: 0,
            };
            let mut event = Event::new(EventType::Quote, Name::NONE, now_ns, Payload::Quote(quote));
            (event.instrument, event.price_decimals, event.size_decimals) = (instrument, 2, 3);
            self.venue.on_market(now_ns, &event);
            self.gate.on_quote(instrument, PRICE, PRICE + 10, now_ns, now_ns);
            let request = OrderRequest {
                request_id: ID.wrapping_mul(u128::from(number) + 1),
                signal_id: ID.wrapping_mul(u128::from(number) + 3),
                account: Name::intern("main"),
                strategy: Name::intern("sma"),
                instrument,
                side: if number % 2 == 0 { OrderSide::Buy } else { OrderSide::Sell },
                order_type: OrderType::Market,
                time_in_force: TimeInForce::Ioc,
                size: 10,
                price: 0,
                deadline_ns: now_ns + 1_000_000_000,
                ts_origin_ns: now_ns - 1_000,
            };
            let approval = self.gate.reserve(now_ns, &request).unwrap();
            let order = self.gate.spend(now_ns, &approval).unwrap();
            self.portfolio.on_order(&order);
            self.venue.submit(now_ns, &order);
            self.gate.mark_submitted(now_ns, order.client_order_id).unwrap();
            drop(order);
            self.venue.advance(now_ns, &mut self.reports);
            for report in self.reports.drain(..) {
                for event in self.gate.on_report(now_ns, &report).unwrap() {
                    if let libra_trading::gate::GateEvent::Order(order) = event {
                        self.portfolio.on_order(&order);
                        if let Some(fill) = &order.last_fill {
                            self.portfolio.on_fill(fill);
                        }
                    }
                }
            }
        }
        assert_eq!(self.gate.open_orders().count(), 0);
    }
}

#[test]
fn an_order_that_is_over_leaves_little() {
    const COUNT: u64 = 40_000;
    let mut account = Account::new();
    account.trade(0..COUNT);
    assert_eq!(account.gate.fills().len() as u64, COUNT);
    let all = LIVE.get();
    let part = |what: &str, before: usize, most: u64| {
        let after = LIVE.get();
        let each = (before - after) as u64 / COUNT;
        println!("{what}: {each} bytes an order");
        assert!(each <= most, "{what}: {each} bytes an order, and {most} are promised");
        after
    };
    let Account { gate, venue, portfolio, .. } = account;
    drop(gate);
    let rest = part("the gate", all, 300);
    drop(venue);
    let rest = part("the paper venue", rest, 400);
    drop(portfolio);
    part("the portfolio", rest, 40);
}

#[test]
fn a_refused_request_leaves_nothing_in_the_portfolio() {
    let account = Name::intern("main");
    let sizing = Sizing::fixed_notional("5000").unwrap();
    let config = PortfolioConfig { account, sizing, overrides: Vec::new(), allow_short: true, volatility: None };
    let mut portfolio = Portfolio::new(config);
    let mut refused = |numbers: std::ops::Range<u128>| {
        for number in numbers {
            let request = OrderRequest {
                request_id: ID.wrapping_mul(number + 1),
                signal_id: 0,
                account,
                strategy: account,
                instrument: account,
                side: OrderSide::Buy,
                order_type: OrderType::Market,
                time_in_force: TimeInForce::Ioc,
                size: 1,
                price: 0,
                deadline_ns: 0,
                ts_origin_ns: 0,
            };
            portfolio.on_order(&Order {
                client_order_id: client_order_id(account, request.request_id),
                venue_order_id: String::new(),
                request,
                status: OrderStatus::Rejected,
                filled: 0,
                filled_notional: 0,
                fees: 0,
                reason: "ORDER_RATE".into(),
                detail: String::new(),
                last_fill: None,
                ts_ns: 0,
            });
        }
    };
    refused(0..1_000);
    let before = LIVE.get();
    refused(1_000..50_000);
    let grown = LIVE.get().saturating_sub(before);
    assert!(grown < 4_096, "{grown} bytes for 49,000 refusals");
}
