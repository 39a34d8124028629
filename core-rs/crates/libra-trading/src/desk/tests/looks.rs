//! A desk whose gateway can show the account: new orders wait for looks, and differences are told.

use super::*;
use crate::gate::ADOPTED;
use crate::order::{ClientOrderId, Liquidity};
use crate::reconcile::{
    AcceptError, FlowKind, VenueExecution, VenueFlow, VenueLook, VenueOrder, VenuePosition, VenueState,
};
use crate::risk::RiskCode;

const ONE: i128 = 1_000_000_000_000;
const USDT: i128 = 100_000 * ONE;

pub(super) fn shown() -> VenueLook {
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
    pub(super) fn look(&mut self, look: &VenueLook) -> Vec<Event> {
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

/// An order that the venue shows.
pub(super) fn resting(client_order_id: Option<ClientOrderId>, venue_order_id: &str) -> VenueOrder {
    VenueOrder {
        client_order_id,
        venue_order_id: venue_order_id.into(),
        symbol: btc().symbol,
        instrument: Some(btc().id),
        side: OrderSide::Buy,
        order_type: OrderType::Limit,
        price: 5_990_000,
        size: 10,
        filled: 0,
        ts_venue_ns: 1,
    }
}

#[test]
fn an_adopted_order_is_told_and_goes_with_the_kill_switch() {
    let mut bench = bench();
    let mut look = shown();
    let id = ClientOrderId(7);
    look.orders.push(resting(Some(id), "v7"));
    bench.look(&look);
    let told = bench.look(&look);
    let accepted = told.iter().find(|event| event.event_type == EventType::OrderAccepted).unwrap();
    assert_eq!(order_of(accepted).request.strategy.as_str(), ADOPTED);
    assert_eq!(bench.desk.kill(&mut bench.router, bench.now_ns, "ops").unwrap(), [id]);
    // Of a strategy nobody knows, it is cancelled by the next process as well.
    assert_eq!(bench.desk.strangers()[&Name::intern(ADOPTED)].open_orders, 1);
}

/// A desk that is settled under these limits, then lacks 500 of its 100,000 at the venue, as an incident says.
fn short_of_500(limits: RiskLimits) -> Bench {
    let (mut bench, _) = Bench::open(config(Link::External, LogConfig::Memory, limits), 1);
    bench.desk.require_looks(0);
    bench.quote(6_000_000, 6_000_010);
    let mut look = shown();
    (0..2).for_each(|_| drop(bench.look(&look)));
    bench.desk.set_reconciled();
    look.state.balances[0].1 -= 500 * ONE;
    while bench.desk.gate().incident().is_none() {
        bench.look(&look);
    }
    bench
}

fn ours(bench: &Bench) -> i128 {
    bench.desk.gate().account().balance(Name::intern("USDT")).unwrap().total
}

#[test]
fn a_venues_word_that_passes_a_loss_limit_is_taken_and_stops_the_account_by_it() {
    let daily = RiskLimits { max_daily_loss: Some(100 * ONE), ..RiskLimits::default() };
    let drawdown = RiskLimits { max_drawdown_bps: Some(40), ..RiskLimits::default() };
    for (limits, code) in [(daily, RiskCode::DailyLoss), (drawdown, RiskCode::Drawdown)] {
        let mut bench = short_of_500(limits);
        let seen = bench.desk.stops(&mut bench.router, bench.now_ns);
        bench.desk.accept_venue(&mut bench.router, bench.now_ns, "ops: a fee", Some(seen)).unwrap();
        assert_eq!(ours(&bench), USDT - 500 * ONE);
        assert!(bench.desk.gate().incident().is_none());
        let breaches: Vec<RiskCode> = bench.desk.gate().breaches().iter().map(|breach| breach.code).collect();
        assert_eq!(breaches, [code]);
        let nothing = Event::new(EventType::Signal, Name::NONE, bench.now_ns, Payload::Empty);
        let told = bench.settle(nothing);
        let stop = if code == RiskCode::Drawdown { EventType::DrawdownWarning } else { EventType::RiskLimitBreach };
        assert_eq!(
            types(&told),
            [EventType::TradingResumed, stop, EventType::BalanceUpdated],
            "a stop comes behind the resume"
        );
        assert!(bench.desk.stops(&mut bench.router, bench.now_ns) > seen, "whoever resumes now looks again");
        let seen = bench.desk.stops(&mut bench.router, bench.now_ns);
        bench.desk.resume_of(&mut bench.router, bench.now_ns, "ops", Some(seen)).unwrap();
        assert_eq!(bench.desk.gate().breaches().is_empty(), code == RiskCode::Drawdown, "as of any loss");
    }
}

#[test]
fn a_venues_word_takes_back_a_drawdown_that_was_seen() {
    let limits = RiskLimits { max_drawdown_bps: Some(40), ..RiskLimits::default() };
    let mut bench = short_of_500(limits);
    bench.desk.accept_venue(&mut bench.router, bench.now_ns, "ops: a fee", None).unwrap();
    let mut look = shown();
    look.state.balances[0].1 -= 1_000 * ONE;
    while bench.desk.gate().incident().is_none() {
        bench.look(&look);
    }
    assert_eq!(bench.desk.gate().breaches().len(), 1, "it stands beside the incident");
    bench.desk.accept_venue(&mut bench.router, bench.now_ns, "ops: another fee", None).unwrap();
    assert!(bench.desk.gate().breaches().is_empty());
}

#[test]
fn a_stop_that_came_behind_the_look_leaves_the_books_as_they_are() {
    let daily = RiskLimits { max_daily_loss: Some(100 * ONE), ..RiskLimits::default() };
    let mut bench = short_of_500(daily);
    let seen = bench.desk.stops(&mut bench.router, bench.now_ns);
    bench.desk.kill_for(&mut bench.router, bench.now_ns, Name::intern("mine"), bench.now_ns);
    let sequence = bench.desk.gate().sequence();
    let refused = bench.desk.accept_venue(&mut bench.router, bench.now_ns, "ops: a fee", Some(seen));
    assert!(matches!(refused, Err(AcceptError::Gate(GateError::StoppedAgain))));
    assert_eq!((ours(&bench), bench.desk.gate().sequence()), (USDT, sequence));
    assert!(bench.desk.gate().incident().is_some() && bench.desk.gate().breaches().is_empty());
}

/// The code and the words of each notice among events.
fn notices(events: &[Event]) -> Vec<(String, String)> {
    let told = events.iter().filter(|event| event.event_type == EventType::RiskLimitBreach);
    let notices = told.filter_map(|event| event.payload.downcast::<payload::Notice>());
    notices.map(|notice| (notice.code.clone(), notice.detail.clone())).collect()
}

/// A desk that two looks have opened, and that trades.
pub(super) fn opened() -> Bench {
    let mut bench = bench();
    (0..2).for_each(|_| drop(bench.look(&shown())));
    bench.desk.set_reconciled();
    bench
}

#[test]
fn what_is_foreign_is_told_once_and_stays_as_it_is() {
    let mut bench = opened();
    let mut look = shown();
    let symbol = btc().symbol;
    look.orders.push(resting(None, "v8"));
    look.executions.push(VenueExecution {
        client_order_id: None,
        venue_order_id: "v9".into(),
        trade_id: 41,
        symbol,
        instrument: Some(btc().id),
        side: OrderSide::Sell,
        price: 6_000_000,
        size: 1,
        fee: 0,
        fee_currency: Name::intern("USDT"),
        liquidity: Liquidity::Taker,
        ts_venue_ns: i64::MAX,
    });
    let books = bench.desk.gate().state_digest();
    let foreign = |detail: &str| ("FOREIGN_ORDER".to_owned(), format!("{symbol}: {detail} is not ours"));
    assert_eq!(notices(&bench.look(&look)), [foreign("order v8"), foreign("execution 41 of order v9")]);
    assert_eq!(notices(&bench.look(&look)), [], "once");
    assert_eq!(bench.desk.gate().state_digest(), books, "nothing of it is booked");
    assert_eq!(bench.reason(), "", "nor does it stop the account");
    let open: Vec<ClientOrderId> = bench.desk.gate().open_orders().map(|order| order.client_order_id).collect();
    assert_eq!(open.len(), 1);
    bench.desk.kill(&mut bench.router, bench.now_ns, "ops").unwrap();
    assert_eq!(bench.desk.cancelling(), [], "a kill switch takes back ours alone, which had not left");
}

#[test]
fn money_that_nobody_trades_is_told_once_when_it_is_taken_over() {
    let mut bench = opened();
    let mut look = shown();
    look.state.balances.push((Name::intern("DUST"), 7 * ONE));
    assert_eq!(bench.look(&look).len(), 0, "a history may explain it yet");
    let told = bench.look(&look);
    assert_eq!(types(&told), [EventType::RiskLimitBreach, EventType::BalanceUpdated]);
    let words = "DUST: ours 0, the venue's 7, difference 7";
    assert_eq!(notices(&told), [("UNTRADED_BALANCE".to_owned(), words.to_owned())]);
    assert_eq!(bench.look(&look).len(), 0, "once");
    let dust = bench.desk.gate().account().balance(Name::intern("DUST")).unwrap().total;
    assert_eq!((dust, bench.desk.gate().flows()), (7 * ONE, 1));
    assert_eq!(bench.reason(), "", "no order waits for it");
}

#[test]
fn a_look_that_failed_decides_nothing_and_another_one_is_due() {
    let mut bench = opened();
    bench.desk.begin_look(bench.now_ns);
    bench.desk.fail_look();
    assert!(!bench.desk.looks().is_wanted(), "the last one that was taken in stands: there is no haste");
    assert_eq!(bench.reason(), "");
    // Behind a time out of sight orders wait for one, and it is not waited for until its turn comes.
    bench.desk.begin_reconciling();
    bench.desk.begin_look(bench.now_ns);
    assert!(!bench.desk.looks().is_wanted(), "it is under way");
    bench.desk.fail_look();
    assert!(bench.desk.looks().is_wanted());
    // What comes of it all the same is of no look.
    assert!(bench.desk.take_look(&mut bench.router, bench.now_ns, &shown()).is_err());
    bench.desk.set_reconciled();
    assert_eq!(bench.reason(), "RECONCILING");
    bench.look(&shown());
    bench.desk.set_reconciled();
    assert_eq!(bench.reason(), "");
}

#[test]
fn a_flow_that_is_told_outside_of_looks_is_booked_once_and_counts_as_a_loss() {
    let mut bench = opened();
    let flow = VenueFlow {
        key: "FEE 1".into(),
        kind: FlowKind::Fee,
        currency: Name::intern("USDT"),
        amount: -500 * ONE,
        symbol: btc().symbol,
        ts_venue_ns: bench.now_ns,
    };
    for _ in 0..2 {
        assert!(bench.desk.on_flow(&mut bench.router, bench.now_ns, &flow));
    }
    assert_eq!((ours(&bench), bench.desk.gate().flows()), (USDT - 500 * ONE, 1));
    let nothing = Event::new(EventType::Signal, Name::NONE, bench.now_ns, Payload::Empty);
    assert_eq!(types(&bench.settle(nothing)), [EventType::BalanceUpdated]);
    let daily = RiskLimits { max_daily_loss: Some(100 * ONE), ..RiskLimits::default() };
    let (mut bench, _) = Bench::open(config(Link::External, LogConfig::Memory, daily), 1);
    bench.desk.set_reconciled();
    bench.quote(6_000_000, 6_000_010);
    assert!(bench.desk.on_flow(&mut bench.router, bench.now_ns, &flow));
    let breaches: Vec<RiskCode> = bench.desk.gate().breaches().iter().map(|breach| breach.code).collect();
    assert_eq!(breaches, [RiskCode::DailyLoss]);
    let whole = VenueFlow { key: "FEE 2".into(), amount: i128::MAX, ..flow };
    assert!(!bench.desk.on_flow(&mut bench.router, bench.now_ns, &whole), "what fits no balance is no news");
}

/// A desk of two contracts, of which the venue has given orders the same id, as it gives them for each contract by itself.
fn of_two() -> (Bench, [(Name, Name, ClientOrderId); 2]) {
    let symbol = Name::intern("ETH/USDT:USDT");
    let eth = Instrument { id: Name::intern("ETH/USDT:USDT@x"), symbol, base: Name::intern("ETH"), ..btc() };
    let mut config = config(Link::External, LogConfig::Memory, RiskLimits::default());
    config.gate.instruments.push(eth.clone());
    let (mut bench, _) = Bench::open(config, 1);
    bench.desk.require_looks(0);
    bench.quote(6_000_000, 6_000_010);
    bench.quote_of(eth.id, 6_000_000, 6_000_010);
    (0..2).for_each(|_| drop(bench.look(&shown())));
    bench.desk.set_reconciled();
    let ids = [btc(), eth].map(|instrument| {
        let request = OrderRequest { instrument: instrument.id, price: 5_990_000, ..bench.request(10) };
        let events = bench.submit(request);
        let id = order_of(events.last().unwrap()).client_order_id;
        assert!(bench.desk.may_send(&mut bench.router, bench.now_ns, id), "{events:?}");
        bench.desk.on_submitted(&mut bench.router, bench.now_ns, id);
        let outcome = VenueOutcome::Accepted;
        let report =
            VenueReport { client_order_id: id, venue_order_id: "7".into(), outcome, ts_venue_ns: bench.now_ns };
        assert!(bench.desk.on_report(&mut bench.router, bench.now_ns, &report));
        (instrument.symbol, instrument.id, id)
    });
    (bench, ids)
}

#[test]
fn an_order_is_known_by_the_venues_id_within_its_instrument_alone() {
    let (mut bench, ids) = of_two();
    let mut look = shown();
    for (symbol, instrument, _) in ids {
        // As of orders that the venue names by its own ids alone.
        look.orders.push(VenueOrder { symbol, instrument: Some(instrument), ..resting(None, "7") });
    }
    assert_eq!(notices(&bench.look(&look)), []);
    assert_eq!(bench.desk.looks().last().unwrap().unsettled, 0, "each is open on both sides");
}

#[test]
fn an_execution_is_booked_on_the_order_of_its_instrument() {
    for places in [&[0][..], &[1], &[0, 1]] {
        let (mut bench, ids) = of_two();
        let mut look = shown();
        for place in places {
            let (symbol, instrument, _) = ids[*place];
            // Of each something else, so that it can be told whose it was.
            let size = 4 + *place as i64;
            let execution = VenueExecution { symbol, instrument: Some(instrument), size, ..executed(bench.now_ns) };
            look.executions.push(execution);
        }
        bench.look(&look);
        let filled = ids.map(|(_, _, id)| bench.desk.gate().order(id).unwrap().filled);
        let expected = [0, 1].map(|place| if places.contains(&place) { 4 + place as i64 } else { 0 });
        assert_eq!(filled, expected);
    }
}

#[test]
fn foreign_executions_of_two_symbols_are_told_though_they_have_the_same_number() {
    let (mut bench, _) = of_two();
    let mut look = shown();
    let symbols = ["SOL/USDT:USDT", "XRP/USDT:USDT"].map(Name::intern);
    for symbol in symbols {
        look.executions.push(VenueExecution { symbol, instrument: None, ..executed(bench.now_ns) });
    }
    let told: Vec<String> = notices(&bench.look(&look)).into_iter().map(|(_, words)| words).collect();
    assert_eq!(told, symbols.map(|symbol| format!("{symbol}: execution 1 of order 7 is not ours")));
}

/// An execution of all of order 7, which the venue names by its own id alone.
fn executed(ts_venue_ns: i64) -> VenueExecution {
    VenueExecution {
        client_order_id: None,
        venue_order_id: "7".into(),
        trade_id: 1,
        symbol: btc().symbol,
        instrument: Some(btc().id),
        side: OrderSide::Buy,
        price: 5_990_000,
        size: 10,
        fee: 0,
        fee_currency: Name::intern("USDT"),
        liquidity: Liquidity::Maker,
        ts_venue_ns,
    }
}
