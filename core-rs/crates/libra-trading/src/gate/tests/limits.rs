//! Limits over all instruments, on volume and on messages; and limits that change while the account trades.

use proptest::prelude::*;

use super::*;
use crate::gate::GateError;
use crate::gate::record::Record;
use crate::risk::{InstrumentLimits, LimitChange, RiskCode, Term};

fn eth() -> Instrument {
    Instrument { id: name("ETH/USDT:USDT@binanceusdm"), symbol: name("ETH/USDT:USDT"), base: name("ETH"), ..linear() }
}

fn on_eth(request: OrderRequest) -> OrderRequest {
    OrderRequest { instrument: eth().id, ..request }
}

/// Two linear instruments at 60,000.00 / 60,000.10, 10,000 USDT.
fn two(limits: RiskLimits) -> Gate {
    let config = GateConfig { instruments: vec![linear(), eth()], ..config(limits) };
    let (mut gate, _) = Gate::open(config, T0).unwrap();
    gate.on_quote(linear().id, PRICE, PRICE + 10, T0, T0);
    gate.on_quote(eth().id, PRICE, PRICE + 10, T0, T0);
    gate
}

fn refused(gate: &mut Gate, request: &OrderRequest) -> String {
    gate.reserve(T0, request).unwrap_err().to_string()
}

#[test]
fn gross_exposure_counts_both_sides_of_all_instruments() {
    let mut gate = two(RiskLimits { max_gross_exposure: Some(money(12_000)), ..RiskLimits::default() });
    trade(&mut gate, &buy(1, 100), PRICE);
    gate.reserve(T0, &on_eth(sell(2, 90))).unwrap();
    assert_eq!(refused(&mut gate, &on_eth(sell(3, 10))), "GROSS_EXPOSURE_LIMIT: limit 12000 USDT, value 12000.02 USDT");
    // What is open the other way is the smaller end: it adds nothing.
    gate.reserve(T0, &on_eth(buy(4, 90))).unwrap();
    gate.reserve(T0, &sell(5, 100)).unwrap();
    assert_eq!(gate.state.sums, gate.state.sums_from_scratch());
    // The market moved, and the limit is passed without an order: what closes may leave.
    gate.on_quote(linear().id, 2 * PRICE, 2 * PRICE + 10, T0, T0);
    gate.reserve(T0, &limit(6, OrderSide::Sell, 50, 2 * PRICE)).unwrap();
    assert!(refused(&mut gate, &on_eth(sell(7, 10))).starts_with("GROSS_EXPOSURE_LIMIT: limit 12000 USDT, value 18"));
}

#[test]
fn net_exposure_sets_shorts_off() {
    let mut gate = two(RiskLimits { max_net_exposure: Some(money(6_001)), ..RiskLimits::default() });
    trade(&mut gate, &buy(1, 100), PRICE);
    assert_eq!(refused(&mut gate, &on_eth(buy(2, 10))), "NET_EXPOSURE_LIMIT: limit 6001 USDT, value 6600.011 USDT");
    let id = place(&mut gate, T0, &on_eth(sell(3, 100))).unwrap();
    assert!(gate.reserve(T0, &buy(4, 10)).is_err(), "an open short offsets nothing yet");
    gate.on_report(T0, &filled(id, 1, PRICE, 100)).unwrap();
    gate.reserve(T0, &buy(5, 10)).unwrap();
    assert!(refused(&mut gate, &on_eth(sell(6, 201))).starts_with("NET_EXPOSURE_LIMIT: limit 6001 USDT, value 12060"));
}

#[test]
fn leverage_and_concentration_are_measured_by_equity() {
    let mut gate = two(RiskLimits {
        default: InstrumentLimits { max_concentration_bps: Some(9_000), ..Default::default() },
        max_leverage_bps: Some(12_500),
        ..RiskLimits::default()
    });
    assert_eq!(
        refused(&mut gate, &buy(1, 150)),
        "CONCENTRATION_LIMIT: limit 90 %, value 90.01 %, 9000.015 USDT on an equity of 10000 USDT"
    );
    gate.reserve(T0, &buy(2, 149)).unwrap();
    assert_eq!(
        refused(&mut gate, &on_eth(buy(3, 60))),
        "LEVERAGE_LIMIT: limit 1.25 x, value 1.2541 x, 12540.0209 USDT on an equity of 10000 USDT"
    );
    gate.reserve(T0, &on_eth(buy(4, 59))).unwrap();
    let mut poor = two(RiskLimits { max_leverage_bps: Some(100_000), ..RiskLimits::default() });
    trade(&mut poor, &buy(1, 200), PRICE);
    poor.on_quote(linear().id, PRICE / 10, PRICE / 10, T0, T0);
    let why = refused(&mut poor, &on_eth(buy(2, 10)));
    assert!(why.starts_with("LEVERAGE_LIMIT: limit 10 x, value no equity, "), "{why}");
    poor.reserve(T0, &limit(3, OrderSide::Sell, 200, PRICE / 10)).unwrap();
}

#[test]
fn an_open_instrument_without_a_quote_is_worth_nothing_known() {
    let file = TempLog::new();
    let limits = RiskLimits { max_gross_exposure: Some(money(1_000_000)), ..RiskLimits::default() };
    let instruments = vec![linear(), eth()];
    let config = || GateConfig { instruments: instruments.clone(), ..file.config(limits.clone()) };
    let (mut gate, _) = Gate::open(config(), T0).unwrap();
    gate.on_quote(linear().id, PRICE, PRICE + 10, T0, T0);
    trade(&mut gate, &buy(1, 100), PRICE);
    drop(gate);
    let (mut gate, _) = Gate::open(config(), T0).unwrap();
    gate.on_quote(eth().id, PRICE, PRICE + 10, T0, T0);
    assert_eq!(refused(&mut gate, &on_eth(buy(2, 10))), "NO_MARKET: 1 open instruments of USDT without a quote");
    gate.on_quote(linear().id, PRICE, PRICE + 10, T0, T0);
    gate.reserve(T0, &on_eth(buy(3, 10))).unwrap();
}

#[test]
fn sums_that_do_not_fit_admit_nothing_until_they_are_made_anew() {
    let huge = |instrument: Instrument| Instrument { max_size: i64::MAX, ..instrument };
    let limits = RiskLimits { max_gross_exposure: Some(i128::MAX), ..RiskLimits::default() };
    let config = GateConfig { instruments: vec![huge(linear()), huge(eth())], ..config(limits) };
    let (mut gate, _) = Gate::open(config, T0).unwrap();
    let quote_both = |gate: &mut Gate, price| {
        gate.on_quote(linear().id, price, price, T0, T0);
        gate.on_quote(eth().id, price, price, T0, T0);
    };
    quote_both(&mut gate, 10);
    let of = |id, size| limit(id, OrderSide::Buy, size, 10);
    gate.reserve(T0, &of(1, 1_000_000_000_000)).unwrap();
    gate.reserve(T0, &on_eth(of(2, 1_000_000_000_000))).unwrap();
    // Each by itself has a worth that fits; both together have none.
    quote_both(&mut gate, i64::MAX);
    quote_both(&mut gate, 10);
    assert!(refused(&mut gate, &of(3, 1_000_000)).starts_with("NO_MARKET: "));
    assert!(refused(&mut gate, &on_eth(of(4, 1_000_000))).starts_with("NO_MARKET: "));
    gate.change_limits(T0, "ops", &terms(&[("max_open_orders", "9")]), false).unwrap().unwrap();
    gate.reserve(T0, &of(5, 1_000_000)).unwrap();
    assert_eq!(gate.state.sums, gate.state.sums_from_scratch());
}

#[test]
fn an_instrument_that_settles_in_a_new_currency_has_sums_of_its_own() {
    let mut gate = two(RiskLimits { max_gross_exposure: Some(money(7_000)), ..RiskLimits::default() });
    let (id, settle) = (name("BTC/USDC:USDC@binanceusdm"), name("USDC"));
    gate.set_instrument(Instrument { id, quote: settle, settle, ..linear() }).unwrap();
    gate.on_quote(id, PRICE, PRICE + 10, T0, T0);
    let there = |request: OrderRequest| OrderRequest { instrument: id, ..request };
    gate.reserve(T0, &buy(1, 100)).unwrap();
    gate.reserve(T0, &there(buy(2, 100))).unwrap();
    assert_eq!(refused(&mut gate, &there(buy(3, 20))), "GROSS_EXPOSURE_LIMIT: limit 7000 USDC, value 7200.012 USDC");
}

#[test]
fn a_share_of_the_volume() {
    let own = InstrumentLimits { max_participation_bps: Some(1_000), ..Default::default() };
    let mut gate = two(RiskLimits { default: own, ..RiskLimits::default() });
    assert_eq!(refused(&mut gate, &buy(1, 10)), "NO_VOLUME: limit 10 %, value 0 BTC traded");
    gate.on_trade(linear().id, 1_000, T0, T0);
    trade(&mut gate, &buy(2, 40), PRICE);
    place(&mut gate, T0, &buy(3, 30)).unwrap();
    assert_eq!(
        refused(&mut gate, &sell(4, 31)),
        "PARTICIPATION_LIMIT: limit 10 %, value 10.1 %, 0.101 BTC of 1.000 BTC"
    );
    gate.reserve(T0, &sell(5, 30)).unwrap();
    assert_eq!(refused(&mut gate, &on_eth(buy(6, 10))), "NO_VOLUME: limit 10 %, value 0 ETH traded");
    let later = T0 + 61 * SECOND;
    quote(&mut gate, later);
    assert_eq!(gate.reserve(later, &buy(7, 10)).unwrap_err().code, RiskCode::NoVolume, "a minute is over");
}

#[test]
fn orders_of_one_instrument() {
    let own = InstrumentLimits { max_orders: Some(2), ..Default::default() };
    let mut gate = two(RiskLimits { default: own, ..RiskLimits::default() });
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    gate.reserve(T0, &buy(2, 10)).unwrap();
    assert_eq!(refused(&mut gate, &buy(3, 10)), "INSTRUMENT_ORDERS_LIMIT: limit 2 orders, value 3 orders");
    gate.reserve(T0, &on_eth(buy(4, 10))).unwrap();
    gate.on_report(T0, &filled(id, 1, PRICE, 10)).unwrap();
    gate.reserve(T0, &buy(5, 10)).unwrap();
}

#[test]
fn a_market_order_is_held_against_the_collar_by_the_spread() {
    let mut gate = gate(RiskLimits { price_collar_bps: Some(100), ..RiskLimits::default() });
    let market = |id, side| OrderRequest { order_type: OrderType::Market, price: 0, ..limit(id, side, 10, 0) };
    gate.reserve(T0, &market(1, OrderSide::Buy)).unwrap();
    gate.on_quote(linear().id, PRICE, PRICE + 130_000, T0, T0);
    assert_eq!(refused(&mut gate, &market(2, OrderSide::Buy)), "PRICE_COLLAR: limit 1 %, value 1.0718 %");
    assert_eq!(refused(&mut gate, &market(3, OrderSide::Sell)), "PRICE_COLLAR: limit 1 %, value 1.0718 %");
}

#[test]
fn cancels_count_and_are_never_refused() {
    let mut gate = gate(RiskLimits { max_messages_per_second: Some(3), ..RiskLimits::default() });
    let id = place(&mut gate, T0, &buy(1, 10)).unwrap();
    for _ in 0..5 {
        gate.cancel(T0, id).unwrap();
    }
    assert_eq!(refused(&mut gate, &buy(2, 10)), "MESSAGE_RATE: limit 3 messages a second, value 4 messages a second");
    gate.reserve(T0 + SECOND, &buy(3, 10)).unwrap();
}

fn terms(pairs: &[(&str, &str)]) -> Vec<Term> {
    let term = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value != "-").then(|| (*value).to_owned()));
    pairs.iter().map(term).collect()
}

fn base() -> RiskLimits {
    RiskLimits { max_open_orders: Some(10), max_daily_loss: Some(money(500)), ..RiskLimits::default() }
}

#[test]
fn a_change_is_written_down_and_ends_approvals() {
    let mut gate = gate(base());
    let approval = gate.reserve(T0, &buy(1, 10)).unwrap();
    let before = gate.sequence();
    let (changed, events) =
        gate.change_limits(T0, " ops ", &terms(&[("max_open_orders", "5")]), false).unwrap().unwrap();
    assert_eq!((changed.who.as_str(), changed.version, gate.limits_version()), ("ops", 2, 2));
    let change = LimitChange { key: "max_open_orders".into(), old: Some("10".into()), new: Some("5".into()) };
    assert_eq!(changed.changes, [change]);
    assert_eq!(changed.to_string(), "version 2 by ops; max_open_orders from 10 to 5");
    assert_eq!(events, [GateEvent::Limits(changed)]);
    assert_eq!(events[0].event_type().name(), "RISK_LIMITS_CHANGED");
    assert_eq!((gate.sequence(), gate.limits().max_open_orders), (before + 1, Some(5)));
    let told = gate.limit_terms();
    let of = |key: &str| told.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    assert_eq!((of("max_open_orders"), of("max_daily_loss"), of("max_leverage")), (Some("5"), Some("500"), None));
    assert_eq!(gate.spend(T0, &approval).unwrap_err().to_string(), "LIMITS_CHANGED: limit version 2, value version 1");
    assert!(gate.change_limits(T0, "ops", &terms(&[("max_open_orders", "5")]), false).unwrap().is_none());
}

#[test]
fn what_is_wrong_or_not_confirmed_changes_nothing() {
    let mut gate = gate(base());
    let before = (gate.sequence(), gate.limits().clone(), gate.limits_version());
    let problems = |gate: &mut Gate, who: &str, pairs: &[(&str, &str)]| -> Vec<String> {
        match gate.change_limits(T0, who, &terms(pairs), false) {
            Err(GateError::Limits(error)) => error.problems,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(problems(&mut gate, "", &[("max_open_orders", "5")]).len(), 1);
    let found = problems(&mut gate, "ops", &[("max_open_orders", "none"), ("max_loss", "1"), ("max_daily_loss", "1")]);
    assert_eq!(found.len(), 2, "{found:?}");
    let found = problems(&mut gate, "ops", &[("max_open_orders", "11"), ("max_daily_loss", "-")]);
    assert_eq!(found[0], "max_open_orders would loosen from 10 to 11: confirm it");
    assert_eq!(found[1], "max_daily_loss would loosen from 500 to no limit: confirm it");
    assert_eq!((gate.sequence(), gate.limits().clone(), gate.limits_version()), before);
    gate.change_limits(T0, "ops", &terms(&[("max_open_orders", "11")]), true).unwrap().unwrap();
    assert_eq!(gate.limits().max_open_orders, Some(11));
}

#[test]
fn what_every_account_has_to_have_is_not_taken_away_even_confirmed() {
    let file = TempLog::new();
    let most = InstrumentLimits {
        max_order_notional: Some(money(50_000)),
        max_position_notional: Some(money(90_000)),
        ..InstrumentLimits::default()
    };
    let limits = RiskLimits { default: most, ..base() };
    let (mut gate, _) = file.open(limits.clone(), T0);
    let before = (gate.sequence(), gate.limits().clone(), gate.limits_version());
    for value in ["none", "-", "0"] {
        for key in ["max_order_notional", "max_position_notional"] {
            // One that is good beside it does not change either.
            let error =
                gate.change_limits(T0, "ops", &terms(&[(key, value), ("max_open_orders", "5")]), true).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
    assert_eq!((gate.sequence(), gate.limits().clone(), gate.limits_version()), before, "and nothing is written down");
    assert_eq!(gate.reserve(T0, &buy(1, 900)).unwrap_err().code, RiskCode::OrderNotionalLimit);
    // A log in which it was taken away, by an earlier version, opens with the profile's.
    let gone = LimitChange { key: "max_order_notional".into(), old: Some("50000".into()), new: None };
    let changed = LimitsChanged { now_ns: T0, who: "ops".into(), confirmed: true, version: 2, changes: vec![gone] };
    gate.commit(Record::Limits(changed)).unwrap();
    drop(gate);
    assert_eq!(file.open(limits, T0).0.limits().default, most);
}

#[test]
fn a_change_that_cannot_be_written_down_does_not_hold() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(base(), T0);
    gate.log.break_writes();
    gate.change_limits(T0, "ops", &terms(&[("max_open_orders", "5")]), false).unwrap_err();
    assert_eq!((gate.limits().max_open_orders, gate.limits_version()), (Some(10), 1));
}

#[test]
fn after_a_restart_the_stricter_of_profile_and_log_holds() {
    let file = TempLog::new();
    let (mut gate, _) = file.open(base(), T0);
    gate.change_limits(T0, "ops", &terms(&[("max_open_orders", "5"), ("max_daily_loss", "100")]), false).unwrap();
    gate.change_limits(T0, "ops", &terms(&[("max_daily_loss", "900")]), true).unwrap();
    let instrument = "instruments.BTC/USDT.max_order_size";
    gate.change_limits(T0, "ops", &terms(&[(instrument, "0.5")]), false).unwrap();
    let digest = gate.state_digest();
    drop(gate);
    let (mut gate, recovered) = file.open(base(), T0);
    assert_eq!(gate.state_digest(), digest);
    assert_eq!(gate.limits().max_open_orders, Some(5), "lowered, and lowered it stays");
    assert_eq!(gate.limits().max_daily_loss, Some(money(500)), "raised for one run");
    assert_eq!(gate.limits().of(&spot()).max_order_size, Some(50_000));
    let held: Vec<_> = recovered.limits.iter().map(|change| (change.key.as_str(), change.new.as_deref())).collect();
    assert_eq!(held, [("max_open_orders", Some("5")), ("instruments.BTC/USDT@binance.max_order_size", Some("0.5"))]);
    assert_eq!(gate.limits_version(), 4);
    gate.change_limits(T0, "ops", &terms(&[("max_open_orders", "10")]), true).unwrap();
    drop(gate);
    let strict = RiskLimits { max_open_orders: Some(7), ..base() };
    assert_eq!(file.open(strict, T0).0.limits().max_open_orders, Some(7), "a profile below the log wins");
    assert_eq!(file.open(base(), T0).0.limits().max_open_orders, Some(10), "raised in the log as well");
}

#[test]
fn a_loss_limit_lowered_below_the_loss_stops_at_once() {
    let mut gate = gate(base());
    trade(&mut gate, &buy(1, 100), PRICE);
    gate.on_quote(linear().id, PRICE - 10_000, PRICE - 10_000, T0, T0);
    trade(&mut gate, &limit(2, OrderSide::Sell, 100, PRICE - 10_000), PRICE - 10_000);
    let (_, events) = gate.change_limits(T0, "ops", &terms(&[("max_daily_loss", "9")]), false).unwrap().unwrap();
    assert!(matches!(&events[1], GateEvent::Breach(breach) if breach.code == RiskCode::DailyLoss), "{events:?}");
    assert_eq!(
        refused(&mut gate, &limit(3, OrderSide::Buy, 10, PRICE - 10_000)),
        "DAILY_LOSS: limit 9 USDT, value 10 USDT"
    );
}

/// Two instruments, orders, fills, ends and quotes at random: what is kept agrees with what is made from scratch, and
/// nothing is admitted that a reference over plain big numbers refuses.
#[derive(Clone, Debug)]
enum Step {
    Order { eth: bool, buy: bool, size: i64 },
    Fill { which: usize, size: i64 },
    Cancel { which: usize },
    Release { which: usize },
    Quote { eth: bool, bid: i64, spread: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (any::<bool>(), any::<bool>(), 2i64..80).prop_map(|(eth, buy, size)| Step::Order { eth, buy, size }),
        4 => (0usize..6, 1i64..40).prop_map(|(which, size)| Step::Fill { which, size }),
        1 => (0usize..6).prop_map(|which| Step::Cancel { which }),
        1 => (0usize..6).prop_map(|which| Step::Release { which }),
        3 => (any::<bool>(), 400_000i64..900_000, 0i64..100)
            .prop_map(|(eth, bid, spread)| Step::Quote { eth, bid: bid * 10, spread: spread * 10 }),
    ];
    proptest::collection::vec(step, 1..60)
}

struct Open {
    id: Option<ClientOrderId>,
    approval: Option<Approval>,
    eth: bool,
    buy: bool,
    left: i64,
}

#[derive(Default)]
struct Reference {
    positions: [i128; 2],
    quotes: [(i128, i128); 2],
}

impl Reference {
    /// Gross, net long and net short in units of price and size, each instrument's gross, orders filled whole.
    fn exposure(&self, open: &[Open], extra: Option<(bool, bool, i64)>) -> (i128, i128, i128, [i128; 2]) {
        let (mut gross, mut long, mut short, mut each) = (0, 0, 0, [0; 2]);
        for (index, own) in each.iter_mut().enumerate() {
            let (mut up, mut down) = (self.positions[index], self.positions[index]);
            let orders = open.iter().map(|order| (order.eth, order.buy, order.left)).chain(extra);
            for (_, buy, size) in orders.filter(|(eth, ..)| usize::from(*eth) == index) {
                if buy { up += i128::from(size) } else { down -= i128::from(size) }
            }
            let (bid, ask) = self.quotes[index];
            *own = up.abs().max(down.abs()) * ask;
            gross += *own;
            long += if up > 0 { up * ask } else { up * bid };
            short += if down < 0 { -down * ask } else { -down * bid };
        }
        (gross, long, short, each)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_is_admitted_that_plain_sums_refuse(steps in steps()) {
        const GROSS: i64 = 9_000;
        const NET: i64 = 5_000;
        let mut gate = two(RiskLimits {
            default: InstrumentLimits { max_concentration_bps: Some(6_000), ..Default::default() },
            max_gross_exposure: Some(money(GROSS)),
            max_net_exposure: Some(money(NET)),
            max_leverage_bps: Some(8_500),
            ..RiskLimits::default()
        });
        let mut truth = Reference { quotes: [(PRICE.into(), i128::from(PRICE) + 10); 2], ..Default::default() };
        let mut open: Vec<Open> = Vec::new();
        // A unit of price and size is worth this much money.
        let unit = linear().notional(1, 1).unwrap();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Order { eth: on, buy: buys, size } => {
                    let side = if buys { OrderSide::Buy } else { OrderSide::Sell };
                    let price = truth.quotes[usize::from(on)].0 as i64;
                    let request = limit(number as u128, side, size, price);
                    let request = if on { on_eth(request) } else { request };
                    let before = truth.exposure(&open, None);
                    let after = truth.exposure(&open, Some((on, buys, size)));
                    let equity = gate.account().equity(name("USDT")).unwrap();
                    let grows = after.3[usize::from(on)] > before.3[usize::from(on)];
                    let net = if buys { after.1 } else { after.2 };
                    let refuses = net * unit > money(NET)
                        || grows
                            && (after.0 * unit > money(GROSS)
                                || after.0 * unit * 10_000 > equity * 8_500
                                || after.3[usize::from(on)] * unit * 10_000 > equity * 6_000);
                    let outcome = gate.reserve(T0, &request);
                    match &outcome {
                        Ok(_) => prop_assert!(!refuses, "{after:?}"),
                        Err(why) if why.code == RiskCode::MinNotional => {}
                        Err(why) => prop_assert!(refuses, "{why}"),
                    }
                    if let Ok(approval) = outcome {
                        let spent = number % 3 != 0;
                        let id = spent.then(|| gate.spend(T0, &approval).unwrap().client_order_id);
                        let approval = (!spent).then_some(approval);
                        open.push(Open { id, approval, eth: on, buy: buys, left: size });
                    }
                }
                Step::Fill { which, size } => {
                    if let Some(order) = open.get_mut(which)
                        && let Some(id) = order.id
                    {
                        let size = size.min(order.left);
                        gate.on_report(T0, &filled(id, number as u64, PRICE, size)).unwrap();
                        order.left -= size;
                        truth.positions[usize::from(order.eth)] += i128::from(if order.buy { size } else { -size });
                    }
                }
                Step::Cancel { which } => {
                    if let Some(order) = open.get_mut(which)
                        && let Some(id) = order.id
                    {
                        let end = VenueOutcome::Cancelled { reason: "REQUESTED".into() };
                        gate.on_report(T0, &report(id, end)).unwrap();
                        order.left = 0;
                    }
                }
                Step::Release { which } => {
                    if let Some(order) = open.get_mut(which)
                        && let Some(approval) = order.approval.take()
                    {
                        gate.release(T0, &approval, Rejection::new(RiskCode::Stopping, "")).unwrap();
                        order.left = 0;
                    }
                }
                Step::Quote { eth: on, bid, spread } => {
                    gate.on_quote(if on { eth().id } else { linear().id }, bid, bid + spread, T0, T0);
                    truth.quotes[usize::from(on)] = (bid.into(), (bid + spread).into());
                }
            }
            open.retain(|order| order.left > 0);
            prop_assert_eq!(&gate.state.sums, &gate.state.sums_from_scratch());
        }
    }
}
