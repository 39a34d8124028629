//! A desk whose gateway can show the account: new orders wait for looks, and differences are told.

use super::*;
use crate::gate::ADOPTED;
use crate::order::ClientOrderId;
use crate::reconcile::{VenueLook, VenueOrder, VenuePosition, VenueState};

const USDT: i128 = 100_000 * 1_000_000_000_000;

fn shown() -> VenueLook {
    let state = VenueState { balances: vec![(Name::intern("USDT"), USDT)], ts_venue_ns: 1, ..VenueState::default() };
    VenueLook { state, ..VenueLook::default() }
}

fn bench() -> Bench {
    let (mut bench, _) = Bench::open(config(Link::External, LogConfig::Memory, RiskLimits::default()), 1);
    bench.desk.require_looks(0);
    bench.quote(6_000_000, 6_000_010);
    bench
}

impl Bench {
    fn look(&mut self, look: &VenueLook) -> Vec<Event> {
        self.now_ns += 1_000_000;
        self.desk.begin_look(self.now_ns);
        self.desk.take_look(&mut self.router, self.now_ns, look).unwrap();
        let nothing = Event::new(EventType::Signal, Name::NONE, self.now_ns, Payload::Empty);
        self.settle(nothing)
    }

    fn reason(&mut self) -> String {
        let request = self.request(10);
        order_of(self.submit(request).last().unwrap()).reason.clone()
    }
}

#[test]
fn no_order_leaves_before_a_look_has_decided_whatever_else_is_reconciled() {
    let mut bench = bench();
    bench.desk.set_reconciled();
    assert_eq!(bench.reason(), "RECONCILING");
    bench.look(&shown());
    bench.desk.set_reconciled();
    assert_eq!(bench.reason(), "RECONCILING", "one look opens no account");
    bench.look(&shown());
    assert_eq!(bench.reason(), "RECONCILING", "orders may not be answered yet");
    bench.desk.set_reconciled();
    assert_eq!(bench.reason(), "");
    // Again behind each time out of sight, also where a look is under way that began before it.
    bench.desk.begin_look(bench.now_ns);
    bench.desk.begin_reconciling();
    assert!(bench.desk.take_look(&mut bench.router, bench.now_ns, &shown()).is_err());
    bench.desk.set_reconciled();
    assert_eq!(bench.reason(), "RECONCILING");
    assert!(bench.desk.looks().is_wanted());
}

#[test]
fn a_resume_behind_a_difference_waits_for_a_look() {
    let mut bench = bench();
    let mut look = shown();
    (0..2).for_each(|_| drop(bench.look(&look)));
    bench.desk.set_reconciled();
    let position = VenuePosition { symbol: btc().symbol, size: 5_000_000_000, entry_price: Some(USDT) };
    look.state.positions.push(position);
    assert_eq!(types(&bench.look(&look)), []);
    let told = bench.look(&look);
    assert_eq!(types(&told), [EventType::RiskLimitBreach]);
    let notice = told[0].payload.downcast::<payload::Notice>().unwrap();
    assert_eq!(notice.code, "POSITION_DIFFERS");
    assert_eq!(notice.detail, "BTC/USDT:USDT: ours 0, the venue's 0.005, difference 0.005");
    assert_eq!(bench.reason(), "INCIDENT");
    bench.desk.resume(&mut bench.router, bench.now_ns, "ops").unwrap();
    bench.desk.set_reconciled();
    let request = bench.request(10);
    let events = bench.submit(request);
    assert!(types(&events).contains(&EventType::OrderRejected));
    assert_eq!(order_of(events.last().unwrap()).reason, "RECONCILING");
    bench.look(&look);
    assert_eq!(bench.reason(), "INCIDENT", "one look is enough for what was known");
    let events = {
        bench.desk.accept_venue(&mut bench.router, bench.now_ns, "ops: by hand", None).unwrap();
        let nothing = Event::new(EventType::Signal, Name::NONE, bench.now_ns, Payload::Empty);
        bench.settle(nothing)
    };
    assert_eq!(types(&events), [EventType::TradingResumed, EventType::PositionOpened]);
    bench.desk.set_reconciled();
    assert_eq!(bench.reason(), "RECONCILING");
    bench.look(&look);
    bench.desk.set_reconciled();
    assert_eq!(bench.reason(), "");
    assert!(bench.desk.accept_venue(&mut bench.router, bench.now_ns, "again", None).is_err());
}

#[test]
fn an_adopted_order_is_told_and_goes_with_the_kill_switch() {
    let mut bench = bench();
    let mut look = shown();
    let id = ClientOrderId(7);
    look.orders.push(VenueOrder {
        client_order_id: Some(id),
        venue_order_id: "v7".into(),
        symbol: btc().symbol,
        instrument: Some(btc().id),
        side: OrderSide::Buy,
        order_type: OrderType::Limit,
        price: 5_990_000,
        size: 10,
        filled: 0,
        ts_venue_ns: 1,
    });
    bench.look(&look);
    let told = bench.look(&look);
    let accepted = told.iter().find(|event| event.event_type == EventType::OrderAccepted).unwrap();
    assert_eq!(order_of(accepted).request.strategy.as_str(), ADOPTED);
    assert_eq!(bench.desk.kill(&mut bench.router, bench.now_ns, "ops").unwrap(), [id]);
    // Of a strategy nobody knows, it is cancelled by the next process as well.
    assert_eq!(bench.desk.strangers()[&Name::intern(ADOPTED)].open_orders, 1);
}
