//! What the portfolio believes is what the account holds: whatever its handler, a look or an operator does.

use super::kill::Folder;
use super::late::{fill, nothing, said};
use super::*;
use crate::gate::ADOPTED;
use crate::order::{Liquidity, VenueReport};
use crate::reconcile::compare::Orphan;
use crate::reconcile::{
    Adjustment, FlowKind, PositionLine, VenueExecution, VenueFlow, VenueLook, VenueOrder, VenueState,
};

const USDT: i128 = 100_000 * 1_000_000_000_000;

/// A venue that has the opening balance and nothing else.
fn empty() -> VenueLook {
    let state = VenueState { balances: vec![(Name::intern("USDT"), USDT)], ts_venue_ns: 1, ..VenueState::default() };
    VenueLook { state, ..VenueLook::default() }
}

impl Bench {
    /// A desk that takes looks, opened by two of them.
    fn looking(log: LogConfig) -> Bench {
        let (mut bench, _) = Bench::open(config(Link::External, log, RiskLimits::default()), 1);
        bench.desk.require_looks(0);
        bench.quote(6_000_000, 6_000_010);
        (0..2).for_each(|_| bench.looks_at(&empty()).unwrap());
        bench
    }

    fn looks_at(&mut self, look: &VenueLook) -> Result<(), GateError> {
        self.now_ns += 1_000_000;
        self.desk.begin_look(self.now_ns);
        let done = self.desk.take_look(&mut self.router, self.now_ns, look);
        self.desk.set_reconciled();
        done.map(drop)
    }

    /// A signal's order, at the venue.
    fn order_by_signal(&mut self, signal_type: SignalType) -> Order {
        let signal = self.signal(signal_type);
        let events = self.settle(signal);
        let order = events.iter().find(|event| event.event_type == EventType::OrderNew).map(order_of).unwrap().clone();
        assert!(self.desk.may_send(&mut self.router, self.now_ns, order.client_order_id));
        self.desk.on_submitted(&mut self.router, self.now_ns, order.client_order_id);
        order
    }

    fn seen(&mut self) -> Vec<EventType> {
        let nothing = nothing(self);
        types(&self.settle(nothing))
    }

    fn believed(&self) -> i128 {
        self.desk.portfolio().position(Name::intern(STRATEGY), btc().id)
    }

    fn account_holds(&self) -> i128 {
        i128::from(self.desk.gate().account().position(btc().id).unwrap().size)
    }
}

/// An execution of an order as a look shows it.
fn row(id: ClientOrderId, trade_id: u64, size: i64) -> VenueExecution {
    VenueExecution {
        client_order_id: Some(id),
        venue_order_id: "v1".into(),
        trade_id,
        symbol: btc().symbol,
        instrument: Some(btc().id),
        side: OrderSide::Buy,
        price: 6_000_000,
        size,
        fee: 0,
        fee_currency: Name::intern("USDT"),
        liquidity: Liquidity::Taker,
        ts_venue_ns: 10,
    }
}

fn flow(key: &str, amount: i128) -> VenueFlow {
    VenueFlow {
        key: key.into(),
        kind: FlowKind::Funding,
        currency: Name::intern("USDT"),
        amount,
        symbol: Name::NONE,
        ts_venue_ns: 10,
    }
}

/// A look with a missed execution, and what makes it fail behind that.
fn fails_behind_an_execution(spoil: impl Fn(&mut VenueLook)) -> (Bench, Order) {
    let mut bench = Bench::looking(LogConfig::Memory);
    let order = bench.order_by_signal(SignalType::Long);
    bench.desk.on_report(&mut bench.router, bench.now_ns, &said(order.client_order_id, VenueOutcome::Accepted));
    bench.seen();
    let mut look = VenueLook { executions: vec![row(order.client_order_id, 1, order.request.size)], ..empty() };
    spoil(&mut look);
    assert!(bench.looks_at(&look).is_err());
    (bench, order)
}

fn is_told(mut bench: Bench, order: &Order) {
    assert!(bench.seen().contains(&EventType::OrderFilled));
    assert_eq!((bench.account_holds(), bench.believed()), (order.request.size.into(), order.request.size.into()));
    let close = bench.signal(SignalType::CloseLong);
    assert!(types(&bench.settle(close)).contains(&EventType::OrderNew), "it can be closed");
}

#[test]
fn what_a_look_booked_before_an_execution_that_cannot_be_is_told() {
    let (bench, order) = fails_behind_an_execution(|look| {
        let id = look.executions[0].client_order_id.unwrap();
        look.executions.push(row(id, 2, 0));
    });
    is_told(bench, &order);
}

#[test]
fn what_a_look_booked_before_a_flow_that_cannot_be_is_told() {
    let (bench, order) = fails_behind_an_execution(|look| look.flows.push(flow("f", i128::MAX)));
    is_told(bench, &order);
}

#[test]
fn what_a_look_found_to_be_asked_about_is_handed_out_by_the_next_one() {
    let mut bench = Bench::looking(LogConfig::Memory);
    let order = bench.order_by_signal(SignalType::Long);
    let id = order.client_order_id;
    bench.desk.on_report(&mut bench.router, bench.now_ns, &said(id, VenueOutcome::Accepted));
    // Open here only, and behind that a flow that does not fit.
    assert!(bench.looks_at(&VenueLook { flows: vec![flow("f", i128::MAX)], ..empty() }).is_err());
    assert_eq!(bench.desk.looks().unasked(), [id]);
    // By now it is open on both sides, which alone would be no reason to ask.
    let open = VenueOrder {
        client_order_id: Some(id),
        venue_order_id: "v1".into(),
        symbol: btc().symbol,
        instrument: Some(btc().id),
        side: OrderSide::Buy,
        order_type: OrderType::Market,
        price: 0,
        size: order.request.size,
        filled: 0,
        ts_venue_ns: 1,
    };
    bench.now_ns += 1_000_000;
    bench.desk.begin_look(bench.now_ns);
    let look = VenueLook { orders: vec![open], ..empty() };
    let taken = bench.desk.take_look(&mut bench.router, bench.now_ns, &look).unwrap();
    assert_eq!((taken.ask.as_slice(), bench.desk.looks().unasked()), (&[id][..], &[][..]));
}

#[test]
fn what_a_look_booked_before_the_disk_was_full_is_told() {
    let folder = Folder::new("ledger-full");
    let mut bench = Bench::looking(folder.log());
    let order = bench.order_by_signal(SignalType::Long);
    bench.desk.on_report(&mut bench.router, bench.now_ns, &said(order.client_order_id, VenueOutcome::Accepted));
    bench.seen();
    let id = order.client_order_id;
    bench.desk.gate.leave_room(1);
    let look = VenueLook { executions: vec![row(id, 1, 3), row(id, 2, 4)], ..empty() };
    assert!(bench.looks_at(&look).is_err());
    assert!(bench.seen().contains(&EventType::OrderPartiallyFilled));
    assert_eq!((bench.account_holds(), bench.believed()), (3, 3));
}

/// A liquidation that an operator takes over: what a strategy closes from then on is what is there.
#[test]
fn a_close_behind_an_accepted_difference_opens_nothing() {
    let mut bench = Bench::looking(LogConfig::Memory);
    let order = bench.order_by_signal(SignalType::Long);
    let size = order.request.size;
    bench.desk.on_report(&mut bench.router, bench.now_ns, &fill(order.client_order_id, 1, size, 0, "USDT"));
    bench.seen();
    assert_eq!((bench.account_holds(), bench.believed()), (size.into(), size.into()));
    (0..3).for_each(|_| bench.looks_at(&empty()).unwrap());
    bench.desk.accept_venue(&mut bench.router, bench.now_ns, "ops: liquidated", None).unwrap();
    (0..2).for_each(|_| bench.looks_at(&empty()).unwrap());
    bench.seen();
    assert_eq!((bench.account_holds(), bench.believed()), (0, 0));
    let close = bench.signal(SignalType::CloseLong);
    assert!(!types(&bench.settle(close)).contains(&EventType::OrderNew), "this opened a short");
    let short = bench.signal(SignalType::Short);
    assert!(types(&bench.settle(short)).contains(&EventType::OrderNew), "and what is wanted can be had");
}

#[test]
fn a_restart_behind_an_accepted_difference_knows_what_is_held() {
    let folder = Folder::new("ledger-accepted");
    let open = |now_ns| Bench::open(config(Link::External, folder.log(), RiskLimits::default()), now_ns).0;
    let mut bench = open(1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    let order = bench.order_by_signal(SignalType::Long);
    let id = order.client_order_id;
    let hear = |bench: &mut Bench, trade_id, size| {
        bench.desk.on_report(&mut bench.router, bench.now_ns, &fill(id, trade_id, size, 0, "USDT"));
    };
    hear(&mut bench, 1, 10);
    let positions = vec![PositionLine { instrument: btc().id, size: 4, cost: 0 }];
    bench.desk.gate.adjust(bench.now_ns, "ops", Adjustment { positions, ..Adjustment::default() }).unwrap();
    // In its place among the executions: what came behind it was not taken.
    hear(&mut bench, 2, 5);
    assert_eq!((bench.account_holds(), bench.believed()), (9, 9));
    drop(bench);
    let bench = open(10_000_000_000);
    assert_eq!((bench.account_holds(), bench.believed()), (9, 9));
}

/// The portfolio's handler may fail over any event: it is news, and nothing hangs on it.
#[test]
fn what_an_order_came_to_needs_no_handler_of_the_portfolio() {
    let mut bench = Bench::new(paper(0));
    bench.quote(6_000_000, 6_000_010);
    let long = bench.signal(SignalType::Long);
    let told = types(&bench.settle(long));
    assert!(told.contains(&EventType::OrderFilled) && bench.account_holds() > 0);
    assert_eq!(bench.believed(), bench.account_holds());
    let close = bench.signal(SignalType::CloseLong);
    assert!(types(&bench.settle(close)).contains(&EventType::OrderNew));
    // A refusal leaves nothing on its way, whoever hears of it.
    bench.desk.kill(&mut bench.router, bench.now_ns, "stop").unwrap();
    let short = bench.signal(SignalType::Short);
    assert!(types(&bench.settle(short)).contains(&EventType::OrderRejected));
    assert_eq!(bench.desk.portfolio().pending(Name::intern(STRATEGY), btc().id), (0, 0));
}

/// An order that works at the venue under an id of ours, and that the log lacks, becomes one of the account.
pub(super) fn adopt(bench: &mut Bench) -> ClientOrderId {
    let orphan = Orphan {
        client_order_id: ClientOrderId(77),
        venue_order_id: "v1".into(),
        instrument: btc().id,
        side: OrderSide::Sell,
        order_type: OrderType::Limit,
        price: 6_100_000,
        size: 100,
    };
    let events = bench.desk.gate.adopt(bench.now_ns, &orphan).unwrap();
    bench.desk.publish_all(&mut bench.router, bench.now_ns, events);
    orphan.client_order_id
}

#[test]
fn nothing_of_an_adopted_order_that_is_over_stays_on_its_way() {
    let folder = Folder::new("ledger-adopted");
    let open = |now_ns| Bench::open(config(Link::External, folder.log(), RiskLimits::default()), now_ns).0;
    let mut bench = open(1);
    bench.desk.gate.open_as_venue(2, 1_000, Adjustment::default()).unwrap();
    bench.quote(6_000_000, 6_000_010);
    let id = adopt(&mut bench);
    let on_its_way = |bench: &Bench| bench.desk.portfolio().pending(Name::intern(ADOPTED), btc().id);
    let say = |bench: &mut Bench, outcome, ts_venue_ns| {
        let report = VenueReport { ts_venue_ns, ..said(id, outcome) };
        assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
    };
    assert_eq!(on_its_way(&bench), (0, 100));
    // The opening holds these 60.
    say(&mut bench, fill(id, 1, 60, 0, "USDT").outcome, 500);
    assert_eq!((on_its_way(&bench), bench.account_holds()), ((0, 40), 0));
    say(&mut bench, VenueOutcome::Cancelled { reason: String::new() }, 2_000);
    assert_eq!(on_its_way(&bench), (0, 0));
    drop(bench);
    let bench = open(10_000_000_000);
    assert_eq!((on_its_way(&bench), bench.desk.portfolio().positions()), ((0, 0), Vec::new()));
}
