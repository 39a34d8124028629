//! What is taken over from the venue: adopted orders, flows, an opening, accepted differences; and looks that decide it.

use super::*;
use crate::gate::{ADOPTED, GateError, IncidentCode};
use crate::order::OrderStatus;
use crate::reconcile::{
    AcceptError, FlowKind, Foreign, Looks, Taken, VenueExecution, VenueFlow, VenueLook, VenueOrder, VenuePosition,
    VenueState,
};
use crate::risk::RiskCode;

pub(super) const SYMBOL: &str = "BTC/USDT:USDT";

/// A venue that says what a test wants.
pub(super) struct Venue {
    pub look: VenueLook,
    pub looks: Looks,
    pub now_ns: i64,
}

impl Venue {
    pub fn new(usdt: Money) -> Venue {
        let state = VenueState { balances: vec![(name("USDT"), usdt)], ts_venue_ns: T0, ..VenueState::default() };
        let mut looks = Looks::default();
        looks.require(0);
        Venue { look: VenueLook { state, ..VenueLook::default() }, looks, now_ns: T0 + SECOND }
    }

    pub fn holds(&mut self, size: &str, entry: i64) {
        let size = libra_kernel::fixed::parse_units_wide(size.as_bytes(), 12).unwrap();
        let entry_price = Some(money(entry));
        self.look.state.positions = vec![VenuePosition { symbol: name(SYMBOL), size, entry_price }];
    }

    pub fn has(&mut self, usdt: Money) {
        self.look.state.balances = vec![(name("USDT"), usdt)];
    }

    pub fn look(&mut self, gate: &mut Gate) -> Taken {
        self.try_look(gate).unwrap()
    }

    pub fn try_look(&mut self, gate: &mut Gate) -> Result<Taken, GateError> {
        self.now_ns += SECOND;
        self.look.state.ts_venue_ns += SECOND;
        self.looks.begin(gate, self.now_ns);
        self.now_ns += SECOND;
        let mut taken = Taken::default();
        self.looks.take(gate, self.now_ns, &self.look, |_| false, &mut taken).map(|()| taken)
    }

    pub fn executes(&mut self, id: Option<ClientOrderId>, trade_id: u64, side: OrderSide, size: i64) {
        self.look.executions.push(VenueExecution {
            client_order_id: id,
            venue_order_id: format!("v{}", id.map_or(0, |id| id.0)),
            trade_id,
            symbol: name(SYMBOL),
            instrument: Some(linear().id),
            side,
            price: PRICE,
            size,
            fee: money(1),
            fee_currency: name("USDT"),
            liquidity: Liquidity::Taker,
            ts_venue_ns: self.look.state.ts_venue_ns + SECOND / 2,
        });
    }

    pub fn lists(&mut self, id: Option<ClientOrderId>, size: i64) {
        self.look.orders.push(VenueOrder {
            client_order_id: id,
            venue_order_id: format!("v{}", id.map_or(0, |id| id.0)),
            symbol: name(SYMBOL),
            instrument: id.map(|_| linear().id),
            side: OrderSide::Buy,
            order_type: OrderType::Limit,
            price: PRICE,
            size,
            filled: 0,
            ts_venue_ns: T0,
        });
    }

    fn flows(&mut self, key: &str, kind: FlowKind, amount: Money) {
        let (currency, symbol) = (name("USDT"), name(""));
        let ts_venue_ns = self.look.state.ts_venue_ns + SECOND;
        self.look.flows.push(VenueFlow { key: key.into(), kind, currency, amount, symbol, ts_venue_ns });
    }
}

/// An account that was opened with the venue's 10,000 USDT, and its venue.
pub(super) fn opened() -> (Gate, Venue) {
    let (mut gate, mut venue) = (gate(RiskLimits::default()), Venue::new(money(10_000)));
    assert!(!venue.look(&mut gate).report.settled);
    assert!(venue.look(&mut gate).report.opened);
    assert!(venue.looks.is_settled());
    (gate, venue)
}

pub(super) fn usdt(gate: &Gate) -> crate::account::Balance {
    *gate.account().balance(name("USDT")).unwrap()
}

#[test]
fn an_account_without_a_past_is_opened_with_what_two_looks_show() {
    let mut gate = gate(RiskLimits::default());
    let mut venue = Venue::new(money(700));
    venue.holds("0.010", 59_000);
    let first = venue.look(&mut gate);
    assert!(!first.report.opened && !first.report.settled && first.events.is_empty());
    assert!(!venue.looks.is_settled(), "new orders wait");
    venue.has(money(701));
    assert!(!venue.look(&mut gate).report.opened, "it moved in between");
    let opened = venue.look(&mut gate);
    assert!(opened.report.opened && opened.report.settled && opened.report.differences.is_empty());
    assert_eq!((usdt(&gate).opening, usdt(&gate).total), (money(701), money(701)), "not the profile's 10,000");
    let position = *gate.account().position(linear().id).unwrap();
    assert_eq!((position.size, position.cost), (10, money(590)));
    assert!(gate.incident().is_none());
    // Its worth is known with the next quote: what was lost before it came here is no loss of today.
    quote(&mut gate, venue.now_ns);
    assert_eq!(usdt(&gate).day_pnl(), Some(0));
    assert_eq!(usdt(&gate).drawdown_bps(), Some(0));
}

#[test]
fn an_execution_between_two_looks_delays_the_opening() {
    let (mut gate, mut venue) = (gate(RiskLimits::default()), Venue::new(money(1)));
    venue.look(&mut gate);
    venue.executes(None, 5, OrderSide::Buy, 1);
    assert!(!venue.look(&mut gate).report.opened, "two trades could have cancelled each other out");
    assert!(venue.look(&mut gate).report.opened);
}

#[test]
fn what_a_venue_does_not_tell_is_not_compared_and_opens_nothing() {
    let (mut gate, mut venue) = (gate(RiskLimits::default()), Venue::new(money(1)));
    venue.look.state.without_balances = true;
    venue.look.state.balances.clear();
    venue.holds("0.010", 59_000);
    venue.look(&mut gate);
    assert!(venue.look(&mut gate).report.opened);
    assert_eq!((usdt(&gate).opening, gate.account().position(linear().id).unwrap().size), (money(10_000), 10));
    assert!(venue.looks.is_settled() && gate.incident().is_none(), "the profile's balance stays");
    venue.holds("0.012", 59_000);
    venue.look(&mut gate);
    venue.look(&mut gate);
    assert_eq!(gate.incident().unwrap().code, IncidentCode::PositionDiffers, "what it tells is compared as ever");
}

#[test]
fn orders_alone_are_looked_at_where_nothing_else_is_told() {
    let mut gate = gate(RiskLimits::default());
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    gate.on_report(T0, &report(id, VenueOutcome::Accepted)).unwrap();
    let mut venue = Venue::new(money(1));
    (venue.look.state.without_balances, venue.look.state.without_positions) = (true, true);
    let taken = venue.look(&mut gate);
    assert_eq!(
        (taken.ask, taken.report.settled, taken.report.opened),
        (vec![id], true, false),
        "not listed: asked about"
    );
    let mut fresh = super::gate(RiskLimits::default());
    assert!(venue.look(&mut fresh).report.settled, "an account without a past is not waited for");
    assert_eq!(usdt(&fresh).opening, money(10_000));
}

#[test]
fn a_log_with_orders_is_never_opened_anew() {
    let mut gate = gate(RiskLimits::default());
    trade(&mut gate, &buy(1, 10), PRICE);
    let mut venue = Venue::new(money(5));
    venue.look(&mut gate);
    let second = venue.look(&mut gate);
    assert!(!second.report.opened);
    assert_eq!(usdt(&gate).total, money(10_000));
    assert_eq!(gate.incident().unwrap().code, IncidentCode::PositionDiffers);
    assert_eq!(second.report.differences.len(), 2);
}

#[test]
fn missed_executions_are_booked_once_however_often_they_are_told() {
    let (mut gate, mut venue) = opened();
    let id = place(&mut gate, venue.now_ns, &buy(1, 10)).unwrap();
    gate.on_report(venue.now_ns, &report(id, VenueOutcome::Accepted)).unwrap();
    venue.lists(Some(id), 10);
    venue.executes(Some(id), 1, OrderSide::Buy, 4);
    venue.executes(Some(id), 1, OrderSide::Buy, 4);
    venue.executes(Some(id), 2, OrderSide::Buy, 3);
    venue.holds("0.007", 60_000);
    venue.has(money(9_998));
    gate.on_report(venue.now_ns, &filled(id, 1, PRICE, 4)).unwrap();
    // The stream had told of the first one, without its fee.
    venue.has(money(9_999));
    let taken = venue.look(&mut gate);
    assert_eq!(taken.report.missed_executions, 1);
    assert!(taken.report.settled && taken.report.undecided.is_empty(), "{:?}", taken.report);
    assert_eq!(gate.order(id).unwrap().filled, 7);
    assert_eq!(venue.look(&mut gate).report.missed_executions, 0);
    assert_eq!(gate.fills().len(), 2);
}

#[test]
fn executions_that_bear_the_venues_id_only_find_their_order() {
    let (mut gate, mut venue) = opened();
    let ids: Vec<_> = (1..=2).map(|n| place(&mut gate, venue.now_ns, &buy(n, 10)).unwrap()).collect();
    for (id, theirs) in ids.iter().zip(["a", "b"]) {
        let known = VenueReport { venue_order_id: theirs.into(), ..report(*id, VenueOutcome::Accepted) };
        gate.on_report(venue.now_ns, &known).unwrap();
    }
    // The second one is over by now.
    gate.on_report(venue.now_ns, &report(ids[1], VenueOutcome::Cancelled { reason: String::new() })).unwrap();
    for (n, theirs) in ["a", "b", "c"].into_iter().enumerate() {
        venue.executes(None, n as u64, OrderSide::Buy, 1);
        venue.look.executions[n].venue_order_id = theirs.into();
    }
    let taken = venue.look(&mut gate);
    assert_eq!((taken.report.missed_executions, taken.report.foreign), (2, 1));
    assert!(ids.iter().all(|id| gate.order(*id).unwrap().filled == 1));
}

#[test]
fn an_unknown_order_of_ours_is_adopted_holds_what_it_holds_and_ends_like_any_other() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let mut venue = Venue::new(money(10_000));
    let id = ClientOrderId(77);
    venue.lists(Some(id), 10);
    venue.look(&mut gate);
    let taken = venue.look(&mut gate);
    assert_eq!((taken.report.adopted, &taken.ask[..]), (1, &[id][..]));
    let order = gate.order(id).unwrap();
    assert_eq!((order.status, order.request.strategy), (OrderStatus::Accepted, name(ADOPTED)));
    assert_eq!(gate.reserved(linear().id), Some((10, 0)));
    assert_eq!(gate.open_orders().count(), 1);
    assert_eq!(venue.look(&mut gate).report.adopted, 0);
    // What the query says of before the opening is in it already; what comes later is not.
    let before = VenueReport { ts_venue_ns: T0, ..filled(id, 1, PRICE, 4) };
    assert_eq!(gate.on_report(T0, &before).unwrap().len(), 1);
    assert_eq!(gate.account().position(linear().id).unwrap().size, 0);
    assert_eq!((gate.order(id).unwrap().filled, gate.fills().len()), (4, 0));
    let behind = VenueReport { ts_venue_ns: T0 + 100 * SECOND, ..filled(id, 2, PRICE, 1) };
    gate.on_report(T0, &behind).unwrap();
    assert_eq!(gate.account().position(linear().id).unwrap().size, 1);
    assert!(gate.cancel(T0, id).is_ok());
    gate.on_report(T0, &report(id, VenueOutcome::Cancelled { reason: String::new() })).unwrap();
    assert_eq!(gate.reserved(linear().id), Some((0, 0)));
    let (digest, fills) = (gate.state_digest(), gate.fills().iter().collect::<Vec<_>>());
    drop(gate);
    let (gate, _) = file.open(RiskLimits::default(), T0);
    assert_eq!(gate.state_digest(), digest);
    assert_eq!(gate.fills().iter().collect::<Vec<_>>(), fills);
    assert_eq!(fills[0].client_order_id, id);
}

#[test]
fn an_adopted_order_that_is_packed_keeps_its_id() {
    let config = GateConfig { keep_whole: 0, ..config(RiskLimits::default()) };
    let (mut gate, _) = Gate::open(config, T0).unwrap();
    quote(&mut gate, T0);
    let mut venue = Venue::new(money(10_000));
    venue.look(&mut gate);
    let id = ClientOrderId(9);
    venue.executes(Some(id), 3, OrderSide::Buy, 2);
    venue.executes(Some(id), 4, OrderSide::Buy, 1);
    // Opened with a look that had no executions behind the one before.
    venue.look(&mut gate);
    venue.holds("0.003", 60_000);
    venue.has(money(9_998));
    for execution in &mut venue.look.executions {
        execution.ts_venue_ns += 3 * SECOND;
    }
    venue.look.executions.truncate(2);
    gate_opened(&mut gate, &mut venue);
    assert_eq!(gate.order(id).unwrap().status, OrderStatus::Filled);
    assert_eq!(gate.fills().iter().map(|fill| fill.client_order_id).collect::<Vec<_>>(), [id, id]);
    assert!(gate.knows_execution(id, 3) && gate.knows(id));
    assert!(gate.on_report(T0, &filled(id, 3, PRICE, 2)).unwrap().is_empty());
}

/// Opens it as flat with the opening balance, then shows what the venue has now.
fn gate_opened(gate: &mut Gate, venue: &mut Venue) {
    let now = std::mem::take(&mut venue.look);
    let state = VenueState {
        balances: vec![(name("USDT"), money(10_000))],
        ts_venue_ns: venue.now_ns - 100 * SECOND,
        ..VenueState::default()
    };
    venue.look = VenueLook { state, ..VenueLook::default() };
    while gate.has_no_past() {
        venue.look(gate);
    }
    venue.look = now;
    let executions = venue.look.executions.len();
    for execution in &mut venue.look.executions {
        execution.ts_venue_ns = venue.now_ns;
    }
    let taken = venue.look(gate);
    assert_eq!((taken.report.adopted, taken.report.missed_executions), (1, executions));
}

#[test]
fn what_is_foreign_is_told_once_and_left_alone() {
    let (mut gate, mut venue) = opened();
    venue.lists(None, 0);
    venue.executes(None, 8, OrderSide::Sell, 1);
    let digest = gate.state_digest();
    let taken = venue.look(&mut gate);
    assert!(matches!(taken.foreign[..], [Foreign::Order(_), Foreign::Execution(_)]));
    let again = venue.look(&mut gate);
    assert_eq!((again.foreign.len(), again.report.foreign), (0, 2));
    assert_eq!(gate.state_digest(), digest);
    assert!(taken.ask.is_empty() && taken.events.is_empty());
}

#[test]
fn a_difference_counts_when_two_looks_agree_and_nothing_was_booked_between() {
    let (mut gate, mut venue) = opened();
    venue.holds("0.010", 60_000);
    let first = venue.look(&mut gate);
    assert_eq!((first.report.undecided.len(), first.report.differences.len()), (1, 0));
    assert!(gate.incident().is_none());
    venue.holds("0.011", 60_000);
    assert!(venue.look(&mut gate).report.differences.is_empty(), "another one than before");
    let third = venue.look(&mut gate);
    assert_eq!(third.report.differences.len(), 1);
    let incident = gate.incident().unwrap();
    assert_eq!(incident.code, IncidentCode::PositionDiffers);
    assert_eq!(incident.explanation(), "BTC/USDT:USDT: ours 0, the venue's 0.011, difference 0.011");
    let refused = place(&mut gate, venue.now_ns, &buy(1, 1)).unwrap_err();
    assert_eq!(refused.code, RiskCode::Incident);
    assert!(venue.look(&mut gate).events.is_empty(), "told once");
}

#[test]
fn a_fill_that_races_the_picture_is_no_difference() {
    let (mut gate, mut venue) = opened();
    let id = place(&mut gate, venue.now_ns, &buy(1, 10)).unwrap();
    gate.on_report(venue.now_ns, &report(id, VenueOutcome::Accepted)).unwrap();
    venue.lists(Some(id), 10);
    // Each picture shows a fill of which the report comes later: the same difference, twice, and no incident.
    for trade_id in 1..=8 {
        venue.holds(&format!("0.00{trade_id}"), 60_000);
        venue.has(money(10_000));
        let taken = venue.look(&mut gate);
        assert!(taken.report.differences.is_empty() && !taken.report.undecided.is_empty());
        assert!(venue.looks.is_settled() && !gate.is_reconciling(), "each is explained by the next look");
        let late = filled(id, trade_id, PRICE, 1);
        gate.on_report(venue.now_ns, &late).unwrap();
    }
    assert!(gate.incident().is_none());
    let taken = venue.look(&mut gate);
    assert!(taken.report.settled && venue.looks.is_settled());
}

#[test]
fn a_picture_lacks_the_last_executions_by_the_venues_order() {
    let (mut gate, mut venue) = opened();
    let id = place(&mut gate, venue.now_ns, &buy(1, 10)).unwrap();
    gate.on_report(venue.now_ns, &report(id, VenueOutcome::Accepted)).unwrap();
    venue.lists(Some(id), 10);
    venue.holds("0.001", 60_000);
    venue.looks.begin(&gate, venue.now_ns);
    // Their reports come in the other order, and the picture has the venue's first alone.
    for (trade_id, size) in [(2, 2), (1, 1)] {
        gate.on_report(venue.now_ns, &filled(id, trade_id, PRICE, size)).unwrap();
    }
    let mut taken = Taken::default();
    venue.looks.take(&mut gate, venue.now_ns + 1, &venue.look, |_| false, &mut taken).unwrap();
    assert_eq!((taken.report.racing, taken.report.settled), (1, true), "{:?}", taken.report);
}

#[test]
fn orders_go_on_while_a_history_may_explain_a_balance_and_wait_where_a_position_differs() {
    let (mut gate, mut venue) = opened();
    venue.looks.require(30 * SECOND);
    venue.has(money(10_500));
    // A look takes two seconds, and begins one behind the last.
    let mut known_ns = None;
    while gate.incident().is_none() {
        let taken = venue.look(&mut gate);
        let since_ns = *known_ns.get_or_insert(venue.now_ns);
        let lasts = venue.now_ns - SECOND - since_ns >= 30 * SECOND;
        assert_eq!((taken.report.undecided.len(), taken.report.differences.len()), if lasts { (0, 1) } else { (1, 0) });
        assert!(venue.looks.is_settled() && !gate.is_reconciling() || venue.now_ns - since_ns >= 30 * SECOND);
    }
    assert!(venue.now_ns - known_ns.unwrap() >= 30 * SECOND);
    let (mut gate, mut venue) = opened();
    venue.looks.require(30 * SECOND);
    venue.holds("0.010", 60_000);
    venue.look(&mut gate);
    assert!(!gate.is_reconciling(), "it may be under way");
    let second = venue.look(&mut gate);
    assert_eq!((second.report.undecided.len(), second.report.differences.len()), (1, 0));
    assert!(gate.is_reconciling() && gate.incident().is_none(), "no ground for more orders, and no incident yet");
}

#[test]
fn a_balance_that_nobody_trades_in_is_taken_over_in_its_time_and_stops_nothing() {
    let (mut gate, mut venue) = opened();
    venue.looks.require(30 * SECOND);
    venue.look.state.balances.push((name("DUST"), money(7)));
    let began_ns = venue.now_ns;
    let apart = loop {
        let taken = venue.look(&mut gate);
        assert!(taken.report.settled && taken.report.undecided.is_empty() && taken.report.differences.is_empty());
        assert!(venue.looks.is_settled() && !gate.is_reconciling());
        if !taken.report.apart.is_empty() {
            break taken.report.apart;
        }
        assert!(venue.now_ns - began_ns < 40 * SECOND);
    };
    assert!(venue.now_ns - began_ns >= 30 * SECOND);
    assert_eq!((apart.len(), apart[0].amount()), (1, Some(money(7))));
    assert_eq!(gate.account().balance(name("DUST")).map(|balance| balance.total), Some(money(7)));
    assert!(venue.look(&mut gate).report.apart.is_empty() && gate.incident().is_none(), "once");
}

#[test]
fn a_difference_that_went_and_came_back_is_looked_at_again() {
    let (mut gate, mut venue) = opened();
    let (bought, sold) = (place(&mut gate, T0, &buy(1, 10)).unwrap(), place(&mut gate, T0, &sell(2, 10)).unwrap());
    for id in [bought, sold] {
        gate.on_report(T0, &report(id, VenueOutcome::Accepted)).unwrap();
        venue.lists(Some(id), 10);
    }
    venue.holds("0.001", 60_000);
    venue.look(&mut gate);
    // Both sides of a round trip are heard of; the next picture shows another purchase of the same size.
    gate.on_report(venue.now_ns, &filled(bought, 1, PRICE, 1)).unwrap();
    gate.on_report(venue.now_ns, &filled(sold, 2, PRICE, 1)).unwrap();
    let taken = venue.look(&mut gate);
    assert_eq!((taken.report.undecided.len(), taken.report.differences.len()), (1, 0));
    assert_eq!(venue.look(&mut gate).report.differences.len(), 1, "it stands by now");
}

#[test]
fn differences_that_keep_moving_make_new_orders_wait() {
    let (mut gate, mut venue) = opened();
    for size in ["0.001", "0.002"] {
        venue.holds(size, 60_000);
        venue.look(&mut gate);
        assert!(!gate.is_reconciling());
    }
    venue.holds("0.003", 60_000);
    venue.look(&mut gate);
    assert!(gate.is_reconciling() && !venue.looks.is_settled());
    venue.look.state.positions.clear();
    venue.look(&mut gate);
    assert!(venue.looks.is_settled(), "whoever drives the gate may let orders leave");
}

#[test]
fn an_unanswered_order_keeps_everything_undecided() {
    let (mut gate, mut venue) = opened();
    let id = place(&mut gate, venue.now_ns, &buy(1, 10)).unwrap();
    venue.holds("0.010", 60_000);
    venue.has(money(9_000));
    // Its fee could be in any currency.
    venue.look.state.balances.push((name("BNB"), money(1)));
    for _ in 0..3 {
        let taken = venue.look(&mut gate);
        assert_eq!((taken.report.undecided.len(), taken.report.differences.len()), (3, 0));
    }
    // One whose bytes have not left yet explains nothing.
    venue.looks.begin(&gate, venue.now_ns);
    let mut taken = Taken::default();
    venue.looks.take(&mut gate, venue.now_ns, &venue.look, |unsent| unsent == id, &mut taken).unwrap();
    let subjects: Vec<_> = taken.report.undecided.iter().map(|difference| difference.subject.name()).collect();
    assert_eq!(
        subjects,
        [linear().symbol, name("USDT")],
        "for the first time; nothing is traded, or paid, in the other"
    );
}

#[test]
fn an_order_that_is_open_on_one_side_is_asked_about() {
    let (mut gate, mut venue) = opened();
    let (gone, works) = (place(&mut gate, T0, &buy(1, 10)).unwrap(), place(&mut gate, T0, &buy(2, 10)).unwrap());
    for id in [gone, works] {
        gate.on_report(T0, &report(id, VenueOutcome::Accepted)).unwrap();
    }
    gate.on_report(T0, &report(works, VenueOutcome::Cancelled { reason: String::new() })).unwrap();
    venue.lists(Some(works), 10);
    let taken = venue.look(&mut gate);
    assert_eq!((taken.ask, taken.report.unsettled), (vec![works, gone], 2));
}

#[test]
fn a_flow_is_booked_once_a_transfer_is_no_loss_and_funding_is_one() {
    let limits = RiskLimits { max_daily_loss: Some(money(50)), ..RiskLimits::default() };
    let file = TempLog::new();
    let (mut gate, _) = file.open(limits.clone(), T0);
    let mut venue = Venue::new(money(10_000));
    venue.look(&mut gate);
    venue.look(&mut gate);
    venue.flows("w", FlowKind::Transfer, money(-4_000));
    venue.flows("w", FlowKind::Transfer, money(-4_000));
    venue.flows("f", FlowKind::Fee, money(-1));
    venue.flows("r", FlowKind::Rebate, money(2));
    venue.has(money(6_001));
    let taken = venue.look(&mut gate);
    assert_eq!(taken.report.missed_flows, 3);
    assert!(taken.report.settled && taken.report.differences.is_empty());
    let balance = usdt(&gate);
    assert_eq!((balance.total, balance.day_pnl(), balance.fees), (money(6_001), Some(money(1)), money(1)));
    assert_eq!(balance.peak, money(6_001));
    assert!(gate.breaches().is_empty());
    venue.flows("p", FlowKind::Funding, money(-60));
    venue.has(money(5_941));
    let taken = venue.look(&mut gate);
    assert_eq!(gate.breaches().len(), 1, "funding counts for the day: {:?}", taken.events);
    let digest = gate.state_digest();
    drop(gate);
    let (mut gate, _) = file.open(limits, venue.now_ns);
    assert_eq!(gate.state_digest(), digest);
    assert_eq!(venue.look(&mut gate).report.missed_flows, 0);
}

#[test]
fn a_flow_of_before_the_opening_is_in_it() {
    let (mut gate, mut venue) = opened();
    venue.flows("old", FlowKind::Transfer, money(5));
    venue.look.flows[0].ts_venue_ns = T0;
    let taken = venue.look(&mut gate);
    assert_eq!((taken.report.missed_flows, taken.report.settled), (0, true));
}

#[test]
fn what_does_not_fit_is_an_error_and_nothing_is_written() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let mut venue = Venue::new(money(10_000));
    venue.look(&mut gate);
    venue.look(&mut gate);
    let (sequence, digest) = (gate.sequence(), gate.state_digest());
    venue.flows("x", FlowKind::Other, Money::MAX);
    assert!(matches!(venue.try_look(&mut gate), Err(GateError::DoesNotFit(_))));
    venue.look.flows.clear();
    venue.lists(Some(ClientOrderId(5)), i64::MAX);
    venue.lists(Some(ClientOrderId(6)), i64::MAX);
    assert!(venue.try_look(&mut gate).is_err(), "two of that size are more than an integer holds");
    venue.look.orders.clear();
    assert_eq!(gate.order(ClientOrderId(6)), None);
    assert!(gate.sequence() > sequence && gate.state_digest() != digest, "the first one fitted");
    let digest = gate.state_digest();
    drop(gate);
    assert_eq!(file.open(RiskLimits::default(), T0).0.state_digest(), digest);
}

#[test]
fn an_accepted_difference_makes_both_books_equal_and_its_loss_counts() {
    let (mut gate, mut venue) = opened();
    assert!(matches!(venue.looks.accept(&mut gate, T0, "ops"), Err(AcceptError::Nothing)));
    // Bought by hand at 59,000, for a fee of 3.
    venue.holds("0.010", 59_000);
    venue.has(money(9_997));
    venue.look(&mut gate);
    assert!(matches!(venue.looks.accept(&mut gate, T0, "ops"), Err(AcceptError::Nothing)));
    venue.look(&mut gate);
    venue.looks.accept(&mut gate, venue.now_ns, "ops: by hand").unwrap();
    assert!(matches!(venue.looks.accept(&mut gate, T0, "ops"), Err(AcceptError::Nothing)), "once");
    let position = *gate.account().position(linear().id).unwrap();
    assert_eq!((position.size, position.cost), (10, money(590)));
    let balance = usdt(&gate);
    assert_eq!((balance.total, balance.realised), (money(9_997), money(-3)));
    // Worth the bid of 60,000: ten more than it cost, without the fee.
    assert_eq!(balance.day_pnl(), Some(money(7)));
    gate.resume(venue.now_ns).unwrap();
    venue.looks.begin_anew();
    assert!(!venue.looks.is_settled());
    let taken = venue.look(&mut gate);
    assert!(taken.report.settled && taken.report.differences.is_empty());
    assert!(gate.incident().is_none());
}

#[test]
fn what_still_differs_behind_a_resume_is_refused_by_the_next_look() {
    let (mut gate, mut venue) = opened();
    venue.has(money(9_000));
    venue.look(&mut gate);
    venue.look(&mut gate);
    assert_eq!(gate.incident().unwrap().code, IncidentCode::BalanceDiffers);
    gate.resume(venue.now_ns).unwrap();
    assert!(gate.incident().is_none());
    venue.look(&mut gate);
    assert_eq!(gate.incident().unwrap().code, IncidentCode::BalanceDiffers, "by one look");
}

#[test]
fn the_venues_word_is_not_taken_behind_a_fill() {
    let (mut gate, mut venue) = opened();
    let id = place(&mut gate, venue.now_ns, &buy(1, 10)).unwrap();
    gate.on_report(venue.now_ns, &report(id, VenueOutcome::Accepted)).unwrap();
    venue.lists(Some(id), 10);
    venue.has(money(9_000));
    venue.look(&mut gate);
    venue.look(&mut gate);
    gate.on_report(venue.now_ns, &filled(id, 1, PRICE, 1)).unwrap();
    assert!(matches!(venue.looks.accept(&mut gate, T0, "ops"), Err(AcceptError::Moved)));
}

#[test]
fn a_position_in_a_symbol_that_is_not_ours_is_told_and_may_be_taken_over() {
    let (mut gate, mut venue) = opened();
    let foreign = VenuePosition { symbol: name("ETH/USDT:USDT"), size: money(2), entry_price: None };
    venue.look.state.positions.push(foreign);
    venue.look(&mut gate);
    venue.look(&mut gate);
    assert_eq!(gate.incident().unwrap().code, IncidentCode::PositionDiffers);
    venue.looks.accept(&mut gate, venue.now_ns, "ops").unwrap();
    assert!(venue.look(&mut gate).report.differences.is_empty());
    assert_eq!(gate.positions_elsewhere().collect::<Vec<_>>(), [(name("ETH/USDT:USDT"), money(2))]);
}

#[test]
fn a_look_that_began_before_the_connection_was_lost_counts_for_nothing() {
    let (mut gate, mut venue) = opened();
    venue.looks.begin(&gate, venue.now_ns);
    venue.looks.begin_anew();
    let taken = &mut Taken::default();
    assert!(venue.looks.take(&mut gate, venue.now_ns, &venue.look, |_| false, taken).is_err());
    assert!(!venue.looks.is_settled());
    venue.look(&mut gate);
    assert!(venue.looks.is_settled());
}

#[test]
fn what_is_known_is_marked_so_that_a_restart_asks_from_there() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(RiskLimits::default(), T0);
    let mut venue = Venue::new(money(10_000));
    for _ in 0..200 {
        venue.look(&mut gate);
    }
    let since_ns = venue.looks.since_ns(&gate);
    assert!(gate.looked_ns() > T0 + 100 * SECOND && gate.looked_ns() < venue.look.state.ts_venue_ns);
    assert!(since_ns < gate.looked_ns());
    drop(gate);
    let (gate, _) = file.open(RiskLimits::default(), T0);
    assert_eq!(venue.looks.since_ns(&gate), since_ns);
}

#[test]
fn spot_bought_and_sold_by_hand_keeps_the_equity_where_the_market_has_it() {
    let (mut gate, mut venue) = opened();
    let bought = |usdt: i64, btc: i64| vec![(name("USDT"), money(usdt)), (name("BTC"), money(btc))];
    venue.look.state.balances = bought(4_000, 1);
    venue.look(&mut gate);
    venue.look(&mut gate);
    venue.looks.accept(&mut gate, venue.now_ns, "ops").unwrap();
    let position = *gate.account().position(spot().id).unwrap();
    assert_eq!((position.size, position.cost), (100_000, money(6_000)));
    // At a bid of 60,000 one coin bought for 6,000 is a profit; what was paid is no loss.
    assert_eq!(usdt(&gate).equity(), Some(money(10_000 + 54_000)));
    assert!(venue.look(&mut gate).report.settled);
    venue.look.state.balances = bought(54_000, 0);
    venue.look(&mut gate);
    venue.look(&mut gate);
    venue.looks.accept(&mut gate, venue.now_ns, "ops").unwrap();
    let (position, balance) = (*gate.account().position(spot().id).unwrap(), usdt(&gate));
    assert_eq!((position.size, position.cost), (0, 0));
    assert_eq!((balance.total, balance.equity()), (money(54_000), Some(money(54_000))));
}

#[test]
fn an_execution_that_is_booked_late_leaves_the_wallet_as_the_venues_order_has_it() {
    let (mut gate, mut venue) = opened();
    let orders = [(60_000, OrderSide::Buy), (60_600, OrderSide::Sell), (59_400, OrderSide::Buy)];
    let mut ids = Vec::new();
    for (n, (price, side)) in orders.into_iter().enumerate() {
        let id = place(&mut gate, venue.now_ns, &limit(n as u128 + 1, side, 10, price * 100)).unwrap();
        gate.on_report(venue.now_ns, &report(id, VenueOutcome::Accepted)).unwrap();
        ids.push(id);
    }
    // The venue: bought at 60,000, sold half of it at 60,600, bought at 59,400. We hear of the sale last.
    let trades = [(0, 10, 60_000), (1, 5, 60_600), (2, 10, 59_400)];
    for (n, (order, size, price)) in trades.into_iter().enumerate() {
        let (side, id) = (orders[order].1, ids[order]);
        venue.executes(Some(id), n as u64, side, size);
        let last = venue.look.executions.last_mut().unwrap();
        (last.price, last.fee) = (price * 100, 0);
        last.ts_venue_ns += n as i64;
    }
    let told = |n: usize, venue: &Venue| {
        let e = &venue.look.executions[n];
        VenueReport { ts_venue_ns: e.ts_venue_ns, ..filled(ids[n], e.trade_id, e.price, e.size) }
    };
    gate.on_report(venue.now_ns, &told(0, &venue)).unwrap();
    gate.on_report(venue.now_ns, &told(2, &venue)).unwrap();
    venue.lists(Some(ids[1]), 10);
    venue.holds("0.015", 59_600);
    // 600 x 0.005 by the venue's order; by ours 900 x 0.005.
    venue.has(money(10_003));
    let equity = |gate: &Gate| usdt(gate).equity().unwrap();
    let taken = venue.look(&mut gate);
    assert_eq!(taken.report.missed_executions, 1);
    assert!(taken.report.settled && taken.report.differences.is_empty(), "{:?}", taken.report);
    assert_eq!((usdt(&gate).total, usdt(&gate).realised), (money(10_003), money(3)));
    let position = *gate.account().position(linear().id).unwrap();
    assert_eq!((position.size, position.cost), (15, money(894)));
    assert_eq!(equity(&gate), money(10_003) + money(900) - money(894));
}
