//! Executions that come behind the end of their order: the account, the portfolio and whoever reads facts agree on them.

use super::*;
use crate::instrument::Money;
use crate::order::{Liquidity, VenueReport};

pub(super) fn fill(id: ClientOrderId, trade_id: u64, size: i64, fee: Money, currency: &str) -> VenueReport {
    let outcome = VenueOutcome::Filled {
        trade_id,
        price: 6_000_000,
        size,
        fee,
        fee_currency: Name::intern(currency),
        liquidity: Liquidity::Taker,
    };
    said(id, outcome)
}

pub(super) fn said(id: ClientOrderId, outcome: VenueOutcome) -> VenueReport {
    VenueReport { client_order_id: id, venue_order_id: "v1".into(), outcome, ts_venue_ns: 5 }
}

pub(super) fn nothing(bench: &Bench) -> Event {
    Event::new(EventType::Signal, Name::intern(STRATEGY), bench.now_ns, Payload::Empty)
}

impl Bench {
    /// Takes in what the venue says, lets everyone have it, and gives the facts of orders that came of it.
    pub(super) fn hear(&mut self, report: &VenueReport) -> Vec<Order> {
        assert!(self.desk.on_report(&mut self.router, self.now_ns, report));
        let nothing = nothing(self);
        self.settle(nothing).iter().filter_map(|event| event.payload.downcast::<Order>().cloned()).collect()
    }

    /// What the account holds, and what the portfolio believes that the strategy does.
    fn held(&self) -> (i128, i128) {
        let held = self.desk.gate().account().position(btc().id).unwrap().size;
        (i128::from(held), self.desk.portfolio().position(Name::intern(STRATEGY), btc().id))
    }
}

#[test]
fn an_execution_behind_the_end_is_in_the_portfolio_once() {
    let file = std::env::temp_dir().join(format!("libra-desk-late-{}.log", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let log = || LogConfig::File { path: file.clone(), sync: SyncPolicy::None };
    let (mut bench, _) = Bench::open(config(Link::External, log(), RiskLimits::default()), 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let long = bench.signal(SignalType::Long);
    let events = bench.settle(long);
    let order = events.iter().find(|event| event.event_type == EventType::OrderNew).map(order_of).unwrap();
    let (id, size) = (order.client_order_id, order.request.size);
    assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id));
    bench.desk.on_submitted(&mut bench.router, bench.now_ns, id);
    bench.hear(&said(id, VenueOutcome::Accepted));
    bench.hear(&said(id, VenueOutcome::Cancelled { reason: "IOC".into() }));
    assert_eq!(bench.held(), (0, 0));
    for (trade_id, part) in [(1, 3), (2, size - 3)] {
        let facts = bench.hear(&fill(id, trade_id, part, 0, "USDT"));
        let told: Vec<_> = facts.iter().map(|fact| (fact.status, fact.last_fill.as_ref().unwrap().trade_id)).collect();
        assert_eq!(told, [(OrderStatus::Cancelled, trade_id)]);
        assert_eq!(bench.hear(&fill(id, trade_id, part, 0, "USDT")), [], "the same execution again");
    }
    assert_eq!(bench.held(), (i128::from(size), i128::from(size)));

    // So the same opinion asks for nothing more, and the position can be closed.
    bench.quote(6_000_000, 6_000_010);
    let long = bench.signal(SignalType::Long);
    assert!(!types(&bench.settle(long)).contains(&EventType::OrderRequest));
    let now_ns = bench.now_ns;
    drop(bench);

    let (mut bench, recovered) = Bench::open(config(Link::External, log(), RiskLimits::default()), now_ns);
    bench.desk.set_reconciled();
    let again: Vec<_> = recovered.unconfirmed.into_iter().map(|(_, event)| event).collect();
    assert!(again.len() > 5, "nothing of it was confirmed");
    bench.desk.publish_again(&mut bench.router, now_ns, again);
    bench.quote(6_000_000, 6_000_010);
    let close = bench.signal(SignalType::CloseLong);
    let events = bench.settle(close);
    assert_eq!(bench.held(), (i128::from(size), i128::from(size)), "what is told again is not counted again");
    assert!(types(&events).contains(&EventType::OrderRequest));
    drop(bench);
    let _ = std::fs::remove_file(&file);
}

#[test]
fn a_refusal_that_is_told_again_tells_of_no_execution_again() {
    let mut bench = Bench::new(Link::External);
    bench.desk.kill(&mut bench.router, bench.now_ns, "test").unwrap();
    let request = bench.request(10);
    let id = crate::gate::client_order_id(Name::intern(ACCOUNT), request.request_id);
    assert_eq!(types(&bench.submit(request.clone())).last(), Some(&EventType::OrderRejected));
    // A venue that executes what was never sent.
    let facts = bench.hear(&fill(id, 7, 4, 0, "USDT"));
    assert_eq!(facts.iter().filter(|fact| fact.last_fill.is_some()).count(), 1);
    let again = bench.submit(request);
    assert_eq!(types(&again), [EventType::OrderRejected]);
    assert_eq!((order_of(&again[0]).filled, &order_of(&again[0]).last_fill), (4, &None));
    assert_eq!(bench.held(), (4, 4));
}
