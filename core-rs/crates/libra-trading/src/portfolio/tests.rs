//! The portfolio, rule by rule and against random signals, fills and refusals.

use libra_kernel::Name;
use libra_kernel::fixed::pow10;
use proptest::prelude::*;

use super::*;
use crate::gate::{PositionMove, client_order_id};
use crate::instrument::tests::btc;
use crate::instrument::{ContractKind, Instrument};
use crate::order::*;
use crate::risk::InstrumentLimits;
use crate::signal::{Signal, SignalType};
use SignalType::{CloseLong, CloseShort, Hold, Long, Short};

mod pieces;

const MONEY: i128 = pow10(12);
/// 61,800.00: one size unit (0.001) is worth 61.80.
const MARK: i64 = 6_180_000;

fn portfolio(sizing: Sizing) -> Portfolio {
    Portfolio::new(PortfolioConfig {
        account: Name::intern("main"),
        sizing,
        overrides: vec![],
        allow_short: true,
        volatility: None,
    })
}

fn fixed(text: &str) -> Portfolio {
    portfolio(Sizing::fixed_size(text).unwrap())
}

fn signal(id: u128, signal_type: SignalType) -> Signal {
    Signal {
        id,
        strategy: Name::intern("sma"),
        instrument: btc().id,
        signal_type,
        strength: 1.0,
        price: 0,
        deadline_ns: 0,
        reason: String::new(),
    }
}

fn context(instrument: &Instrument) -> SizingContext<'_> {
    SizingContext {
        instrument,
        mark_price: MARK,
        bid: MARK,
        ask: MARK,
        equity: 10_000 * MONEY,
        account_position: 0,
        ts_origin_ns: 5,
        limits: InstrumentLimits::default(),
    }
}

fn decide(portfolio: &mut Portfolio, signal: &Signal) -> Decision {
    portfolio.on_signal(100, signal, &context(&btc()))
}

/// Signed sizes of the requests.
fn sizes(decision: &Decision) -> Vec<i64> {
    decision.requests.iter().map(|request| request.side.sign() * request.size).collect()
}

fn reasons(decision: &Decision) -> Vec<SkipReason> {
    decision.skipped.iter().map(|skipped| skipped.reason).collect()
}

fn order_of(request: &OrderRequest, status: OrderStatus, filled: i64) -> Order {
    Order {
        client_order_id: client_order_id(request.account, request.request_id),
        venue_order_id: String::new(),
        request: request.clone(),
        status,
        filled,
        filled_notional: 0,
        fees: 0,
        reason: String::new(),
        detail: String::new(),
        last_fill: None,
        ts_ns: 0,
    }
}

fn fill_of(request: &OrderRequest, trade_id: u64, size: i64) -> Fill {
    Fill {
        client_order_id: client_order_id(request.account, request.request_id),
        trade_id,
        instrument: request.instrument,
        strategy: request.strategy,
        side: request.side,
        price: MARK,
        size,
        fee: 0,
        fee_currency: Name::intern("USDT"),
        liquidity: Liquidity::Taker,
        ts_venue_ns: 0,
    }
}

/// Lets every request of a decision be executed whole.
fn execute(portfolio: &mut Portfolio, decision: &Decision) {
    for request in &decision.requests {
        portfolio.on_order(&order_of(request, OrderStatus::New, 0));
        portfolio.on_fill(&fill_of(request, 1, request.size));
        portfolio.on_order(&order_of(request, OrderStatus::Filled, request.size));
    }
}

fn position(portfolio: &Portfolio) -> i128 {
    portfolio.position(Name::intern("sma"), btc().id)
}

#[test]
fn each_rule_sizes_down_to_the_lot() {
    let mut by_size = fixed("0.0105");
    assert_eq!(sizes(&decide(&mut by_size, &signal(1, Long))), [10]);
    let mut by_worth = portfolio(Sizing::fixed_notional("1000").unwrap());
    assert_eq!(sizes(&decide(&mut by_worth, &signal(1, Long))), [16]); // 988.80
    let mut by_equity = portfolio(Sizing::PercentEquity(500));
    assert_eq!(sizes(&decide(&mut by_equity, &signal(1, Short))), [-8]); // 500 of 10,000: 494.40
    let mut own = Portfolio::new(PortfolioConfig {
        overrides: vec![(btc().id, Sizing::fixed_size("0.007").unwrap())],
        account: Name::intern("main"),
        sizing: Sizing::PercentEquity(1),
        allow_short: true,
        volatility: None,
    });
    assert_eq!(sizes(&decide(&mut own, &signal(1, Long))), [7]);
    let mut lots = btc();
    lots.lot_size = 4;
    let mut by_lots = fixed("0.011");
    assert_eq!(sizes(&by_lots.on_signal(1, &signal(1, Long), &context(&lots))), [8]);
}

#[test]
fn strength_scales_and_must_make_sense() {
    let with = |strength: f64| {
        let mut portfolio = fixed("0.010");
        let weak = Signal { strength, ..signal(1, Long) };
        let decision = decide(&mut portfolio, &weak);
        (sizes(&decision), reasons(&decision))
    };
    assert_eq!(with(0.55), (vec![5], vec![]));
    assert_eq!(with(0.0), (vec![], vec![SkipReason::BelowLot]));
    for bad in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        assert_eq!(with(bad), (vec![], vec![SkipReason::BadStrength]));
    }
}

#[test]
fn a_reversal_closes_first_and_then_opens() {
    let mut portfolio = fixed("0.010");
    let long = decide(&mut portfolio, &signal(1, Long));
    assert_eq!(sizes(&long), [10]);
    let request = &long.requests[0];
    assert_eq!((request.ts_origin_ns, request.order_type, request.signal_id), (5, OrderType::Market, 1));
    execute(&mut portfolio, &long);
    let short = decide(&mut portfolio, &signal(2, Short));
    assert_eq!(sizes(&short), [-10, -10]);
    assert_eq!(short.requests[0].request_id, request_id(2, btc().id, Leg::Close));
    assert_eq!(short.requests[1].request_id, request_id(2, btc().id, Leg::Open));
    execute(&mut portfolio, &short);
    assert_eq!(position(&portfolio), -10);
    let close = decide(&mut portfolio, &signal(3, CloseShort));
    assert_eq!(sizes(&close), [10]);
    execute(&mut portfolio, &close);
    for (id, signal_type) in [(4, CloseShort), (5, CloseLong)] {
        assert_eq!(reasons(&decide(&mut portfolio, &signal(id, signal_type))), [SkipReason::Flat]);
    }
    assert_eq!(reasons(&decide(&mut portfolio, &signal(6, Hold))), [SkipReason::Hold]);
    assert_eq!(portfolio.skipped().collect::<Vec<_>>(), [(SkipReason::Hold, 1), (SkipReason::Flat, 2)]);
}

#[test]
fn too_little_to_close_alone_goes_along_with_what_opens() {
    let mut portfolio = fixed("0.010");
    let long = decide(&mut portfolio, &signal(1, Long));
    portfolio.on_order(&order_of(&long.requests[0], OrderStatus::New, 0));
    portfolio.on_fill(&fill_of(&long.requests[0], 1, 1)); // worth 61.80, the venue's minimum is 100
    portfolio.on_order(&order_of(&long.requests[0], OrderStatus::Cancelled, 1));
    assert_eq!(reasons(&decide(&mut portfolio, &signal(2, CloseLong))), [SkipReason::BelowMinNotional]);
    let short = decide(&mut portfolio, &signal(3, Short));
    assert_eq!(sizes(&short), [-11]);
    assert_eq!(short.requests[0].request_id, request_id(3, btc().id, Leg::Open));
}

#[test]
fn what_is_on_its_way_counts() {
    let mut portfolio = fixed("0.010");
    let first = decide(&mut portfolio, &signal(1, Long));
    assert_eq!(reasons(&decide(&mut portfolio, &signal(2, Long))), [SkipReason::AtTarget]);
    let request = &first.requests[0];
    portfolio.on_order(&order_of(request, OrderStatus::Accepted, 0));
    assert_eq!(reasons(&decide(&mut portfolio, &signal(3, Long))), [SkipReason::AtTarget]);
    portfolio.on_order(&order_of(request, OrderStatus::PartiallyFilled, 4));
    portfolio.on_fill(&fill_of(request, 1, 4));
    assert_eq!(portfolio.pending(request.strategy, request.instrument), (6, 0));
    // The order is over at 7, and what it was before is told again.
    portfolio.on_fill(&fill_of(request, 2, 3));
    portfolio.on_order(&order_of(request, OrderStatus::Cancelled, 7));
    assert_eq!(portfolio.pending(request.strategy, request.instrument), (0, 0));
    assert_eq!(sizes(&decide(&mut portfolio, &signal(4, Long))), [3]);
    portfolio.on_order(&order_of(request, OrderStatus::Accepted, 0));
    assert_eq!((position(&portfolio), portfolio.pending(request.strategy, request.instrument)), (7, (3, 0)));
    portfolio.on_refused(request_id(4, btc().id, Leg::Open));
    assert_eq!(sizes(&decide(&mut portfolio, &signal(5, Long))), [3]);
}

fn word(from: i64, to: i64) -> PositionMove {
    PositionMove { behind: 0, instrument: btc().id, from, to }
}

/// What each of them holds, after each has executed a size of its own.
fn holding(sizes: &[(&str, i64)]) -> Portfolio {
    let mut portfolio = fixed("0.010");
    let request = decide(&mut fixed("0.010"), &signal(1, Long)).requests.remove(0);
    for (number, (strategy, size)) in (0..).zip(sizes) {
        let side = if *size < 0 { OrderSide::Sell } else { OrderSide::Buy };
        let strategy = Name::intern(strategy);
        portfolio.on_fill(&Fill { strategy, side, ..fill_of(&request, number, size.abs()) });
    }
    portfolio
}

fn held(portfolio: &Portfolio) -> Vec<(&'static str, i128)> {
    portfolio.positions().into_iter().map(|(strategy, _, size)| (strategy.as_str(), size)).collect()
}

#[test]
fn what_the_venue_took_is_nobodys_and_what_it_brought_is_adopted() {
    for (before, (from, to), after) in [
        (&[("a", 83)][..], (83, 0), &[][..]),
        (&[("a", 83)], (83, 50), &[("a", 50)]),
        (&[("a", -83)], (-83, -50), &[("a", -50)]),
        (&[("a", 83)], (83, -5), &[("adopted", -5)]),
        (&[("a", 83)], (83, 100), &[("a", 83), ("adopted", 17)]),
        (&[("a", -83)], (-83, -100), &[("a", -83), ("adopted", -17)]),
        (&[], (0, -7), &[("adopted", -7)]),
        // Nobody's first, then the largest, then by name.
        (&[("a", 10), ("b", 30), ("adopted", 5)], (45, 12), &[("a", 10), ("b", 2)]),
        (&[("b", 10), ("a", 10), ("adopted", 5)], (25, 8), &[("b", 8)]),
        // One against the other: who holds the other way loses nothing, unless nothing is left at all.
        (&[("a", 100), ("b", -17)], (83, 40), &[("a", 57), ("b", -17)]),
        (&[("a", 100), ("b", -17)], (83, 0), &[]),
        (&[("a", 17), ("b", -17)], (0, 6), &[("a", 17), ("adopted", 6), ("b", -17)]),
    ] {
        let mut portfolio = holding(before);
        portfolio.on_move(&word(from, to));
        assert_eq!(held(&portfolio), after, "{before:?} {from} -> {to}");
    }
}

#[test]
fn the_word_on_one_instrument_says_nothing_of_another() {
    let mut portfolio = holding(&[("a", 83)]);
    portfolio.on_move(&PositionMove { instrument: Name::intern("another"), ..word(5, 0) });
    assert_eq!(held(&portfolio), [("a", 83)]);
}

#[test]
fn a_signal_that_comes_again_asks_for_the_same() {
    let mut portfolio = fixed("0.010");
    let first = decide(&mut portfolio, &signal(1, Long));
    execute(&mut portfolio, &first);
    assert_eq!(decide(&mut portfolio, &signal(1, Long)), first);
    assert_eq!(portfolio.pending(first.requests[0].strategy, btc().id), (0, 0));
    // A restarted portfolio does not know the signal, and still asks by the same id.
    let mut restarted = fixed("0.010");
    assert_eq!(decide(&mut restarted, &signal(1, Long)), first);
    assert_ne!(decide(&mut restarted, &signal(2, Short)).requests[0].request_id, first.requests[0].request_id);
}

#[test]
fn strategies_do_not_close_each_others_positions() {
    let mut portfolio = fixed("0.010");
    let mine = decide(&mut portfolio, &signal(1, Long));
    execute(&mut portfolio, &mine);
    let other = Signal { strategy: Name::intern("other"), ..signal(2, CloseLong) };
    assert_eq!(reasons(&decide(&mut portfolio, &other)), [SkipReason::Flat]);
    let opening = Signal { id: 3, signal_type: Short, ..other };
    let opened = decide(&mut portfolio, &opening);
    assert_eq!(sizes(&opened), [-10]);
    execute(&mut portfolio, &opened);
    assert_eq!(position(&portfolio), 10);
    let held: Vec<_> = portfolio.positions().into_iter().map(|(name, _, size)| (name.as_str(), size)).collect();
    assert_eq!(held, [("other", -10), ("sma", 10)]);
}

#[test]
fn spot_and_no_short_go_to_flat_and_spot_sells_what_the_account_holds() {
    let mut spot = btc();
    spot.kind = ContractKind::Spot;
    let mut portfolio = fixed("0.010");
    let held = |account_position| SizingContext { account_position, ..context(&spot) };
    assert_eq!(reasons(&portfolio.on_signal(1, &signal(1, Short), &held(0))), [SkipReason::Flat]);
    let long = portfolio.on_signal(1, &signal(2, Long), &held(0));
    execute(&mut portfolio, &long);
    assert_eq!(reasons(&portfolio.on_signal(1, &signal(3, Short), &held(0))), [SkipReason::NoInventory]);
    assert_eq!(sizes(&portfolio.on_signal(1, &signal(4, Short), &held(8))), [-8]);
    assert_eq!(reasons(&portfolio.on_signal(1, &signal(5, CloseLong), &held(8))), [SkipReason::NoInventory]);
    let mut no_short = Portfolio::new(PortfolioConfig {
        account: Name::intern("main"),
        sizing: Sizing::fixed_size("0.010").unwrap(),
        overrides: vec![],
        allow_short: false,
        volatility: None,
    });
    let long = decide(&mut no_short, &signal(1, Long));
    execute(&mut no_short, &long);
    assert_eq!(sizes(&decide(&mut no_short, &signal(2, Short))), [-10]);
}

#[test]
fn limits_and_deadlines_travel_on_and_late_signals_are_dropped() {
    let mut portfolio = fixed("0.010");
    let priced = Signal { price: 6_170_007, deadline_ns: 100, ..signal(1, Long) };
    let decision = decide(&mut portfolio, &priced);
    let request = &decision.requests[0];
    assert_eq!((request.price, request.order_type, request.deadline_ns), (6_170_000, OrderType::Limit, 100));
    assert_eq!(request.time_in_force, TimeInForce::Gtc);
    let late = Signal { deadline_ns: 99, ..signal(2, Short) };
    assert_eq!(reasons(&decide(&mut portfolio, &late)), [SkipReason::Expired]);
    // The working buy of the earlier signal is in the way of a short.
    portfolio.on_order(&order_of(request, OrderStatus::Accepted, 0));
    let short = decide(&mut portfolio, &Signal { price: 6_190_003, ..signal(3, Short) });
    assert_eq!(short.cancels[0].client_order_id, client_order_id(request.account, request.request_id));
    assert_eq!((sizes(&short), short.requests[0].price), (vec![-10], 6_190_010));
}

#[test]
fn what_cannot_be_sized_is_skipped_with_its_reason() {
    let with = |sizing, change: fn(&mut Instrument), mark_price, equity| {
        let mut instrument = btc();
        change(&mut instrument);
        let mut portfolio = portfolio(sizing);
        let context = SizingContext { mark_price, equity, ..context(&instrument) };
        reasons(&portfolio.on_signal(1, &signal(1, Long), &context))
    };
    let share = Sizing::PercentEquity(100);
    assert_eq!(with(share, |_| (), 0, MONEY), [SkipReason::NoPrice]);
    assert_eq!(with(share, |_| (), MARK, 0), [SkipReason::NoEquity]);
    assert_eq!(with(share, |_| (), MARK, i128::MAX), [SkipReason::Overflow]);
    assert_eq!(with(share, |_| (), MARK, 1_000 * MONEY), [SkipReason::BelowLot]);
    assert_eq!(with(share, |_| (), MARK, 7_000 * MONEY), [SkipReason::BelowMinNotional]);
    assert_eq!(with(share, |i| i.min_size = 5, MARK, 10_000 * MONEY), [SkipReason::BelowMinSize]);
    assert_eq!(with(share, |i| i.tradable = false, MARK, MONEY), [SkipReason::BadInstrument]);
    assert_eq!(with(share, |i| i.kind = ContractKind::Inverse, MARK, MONEY), [SkipReason::BadInstrument]);
    assert_eq!(with(share, |i| i.id = Name::intern("another"), MARK, MONEY), [SkipReason::BadInstrument]);
}

#[derive(Clone, Debug)]
enum Step {
    Signal {
        kind: u8,
        strength: u8,
        again: bool,
    },
    /// Something happens to the order at this place among the open ones.
    Fill {
        order: usize,
        size: i64,
    },
    End {
        order: usize,
        reject: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..5, 0u8..=4, prop::bool::weighted(0.2))
            .prop_map(|(kind, strength, again)| Step::Signal { kind, strength, again }),
        4 => (any::<usize>(), 1i64..30).prop_map(|(order, size)| Step::Fill { order, size }),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(order, reject)| Step::End { order, reject }),
    ]
}

proptest! {
    #[test]
    fn targets_are_never_passed_and_closes_never_flip(steps in prop::collection::vec(step(), 1..80), max_size in 3i64..40) {
        const TARGET: i128 = 20;
        let mut instrument = btc();
        (instrument.max_size, instrument.min_notional) = (max_size, 0);
        let mut portfolio = fixed("0.020");
        let mut open: Vec<(OrderRequest, i64)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        let (mut id, mut trade_id) = (0u128, 0u64);
        let mut last = Decision::default();
        for step in steps {
            match step {
                Step::Signal { kind, strength, again } => {
                    let signal_type = [Long, Short, CloseLong, CloseShort, Hold][usize::from(kind)];
                    if !again || id == 0 {
                        id += 1;
                    } else {
                        let decision = portfolio.on_signal(1, &signal(id, signal_type), &context(&instrument));
                        prop_assert_eq!(&decision, &last);
                        continue;
                    }
                    let strength = f64::from(strength) / 4.0;
                    let wanted = Signal { strength, ..signal(id, signal_type) };
                    let before = position(&portfolio);
                    last = portfolio.on_signal(1, &wanted, &context(&instrument));
                    for request in &last.requests {
                        prop_assert!(seen.insert(request.request_id));
                        prop_assert!(request.size > 0 && request.size <= max_size);
                        match signal_type {
                            CloseLong => prop_assert!(before >= i128::from(request.size) && request.side == OrderSide::Sell),
                            CloseShort => prop_assert!(-before >= i128::from(request.size) && request.side == OrderSide::Buy),
                            Long => prop_assert_eq!(request.side, OrderSide::Buy),
                            Short => prop_assert_eq!(request.side, OrderSide::Sell),
                            Hold => prop_assert!(false, "HOLD trades"),
                        }
                        open.push((request.clone(), 0));
                    }
                }
                Step::Fill { order, size } if !open.is_empty() => {
                    let at = order % open.len();
                    let (request, filled) = &mut open[at];
                    let size = size.min(request.size - *filled);
                    *filled += size;
                    trade_id += 1;
                    let whole = *filled == request.size;
                    let status = if whole { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
                    let (fill, order) = (fill_of(request, trade_id, size), order_of(request, status, *filled));
                    // In either order, the order's state twice.
                    if trade_id % 2 == 0 {
                        portfolio.on_order(&order);
                        portfolio.on_fill(&fill);
                    } else {
                        portfolio.on_fill(&fill);
                        portfolio.on_order(&order);
                    }
                    portfolio.on_order(&order);
                    if whole {
                        open.remove(at);
                    }
                }
                Step::End { order, reject } if !open.is_empty() => {
                    let (request, filled) = open.remove(order % open.len());
                    if reject && filled == 0 {
                        portfolio.on_order(&order_of(&request, OrderStatus::Rejected, 0));
                    } else {
                        portfolio.on_order(&order_of(&request, OrderStatus::Cancelled, filled));
                    }
                }
                _ => {}
            }
            // Whichever of the open orders fill, no target is passed.
            let held = position(&portfolio);
            let left = |side| open.iter().filter(|(r, _)| r.side == side).map(|(r, f)| i128::from(r.size - f)).sum::<i128>();
            let (buys, sells) = (left(OrderSide::Buy), left(OrderSide::Sell));
            prop_assert!(held + buys <= TARGET && held - sells >= -TARGET, "{held} +{buys} -{sells}");
            let (pending_buys, pending_sells) = portfolio.pending(Name::intern("sma"), instrument.id);
            prop_assert_eq!((i128::from(pending_buys), i128::from(pending_sells)), (buys, sells));
        }
    }

    #[test]
    fn a_lone_signal_reaches_its_target_exactly(
        start in -30i64..30, strength in 0u8..=4, long in any::<bool>(),
    ) {
        let mut instrument = btc();
        instrument.min_notional = 0;
        let mut portfolio = fixed("0.020");
        let direct = OrderRequest { request_id: 77, size: start.abs(), side: if start < 0 { OrderSide::Sell } else { OrderSide::Buy },
            ..decide(&mut fixed("1"), &signal(9, Long)).requests[0].clone() };
        portfolio.on_order(&order_of(&direct, OrderStatus::New, 0));
        portfolio.on_fill(&fill_of(&direct, 1, start.abs()));
        portfolio.on_order(&order_of(&direct, OrderStatus::Filled, start.abs()));
        prop_assert_eq!(position(&portfolio), i128::from(start));
        let wanted = Signal { strength: f64::from(strength) / 4.0, ..signal(1, if long { Long } else { Short }) };
        let decision = portfolio.on_signal(1, &wanted, &context(&instrument));
        execute(&mut portfolio, &decision);
        let target = i64::from(strength) * 5;
        let want = if long { start.max(target) } else { start.min(-target) };
        prop_assert_eq!(position(&portfolio), i128::from(want));
    }
}

/// One sigma of 1 % a year, so that 20 % of the equity are 20 times the equity.
fn by_volatility(rule: VolatilityTarget, quotes: &[(i64, i64)]) -> Portfolio {
    let config = VolatilityConfig { interval: std::time::Duration::from_secs(1), decay: 0.94, warmup: 2 };
    let mut portfolio = Portfolio::new(PortfolioConfig {
        account: Name::intern("main"),
        sizing: Sizing::VolatilityTarget(rule),
        overrides: vec![],
        allow_short: true,
        volatility: Some(config),
    });
    for (seconds, mid) in quotes {
        portfolio.on_quote(btc().id, *mid, *mid, seconds * 1_000_000_000);
    }
    portfolio
}

#[test]
fn a_size_by_volatility() {
    let rule = VolatilityTarget { target_bps: 2_000, min_notional: 0, max_notional: None };
    let quotes = [(0, 6_000_000), (1, 6_006_000), (2, 6_000_000), (3, 6_000_000)];
    let decide = |rule: VolatilityTarget, quotes: &[(i64, i64)], limits: InstrumentLimits| {
        let instrument = btc();
        let context = SizingContext { limits, ..context(&instrument) };
        by_volatility(rule, quotes).on_signal(100, &signal(1, Long), &context)
    };
    let none = InstrumentLimits::default();
    assert_eq!(reasons(&decide(rule, &quotes[..3], none)), [SkipReason::NoVolatility], "one return of two");
    let still = [(0, 6_000_000), (1, 6_000_000), (2, 6_000_000), (3, 6_000_000)];
    assert_eq!(reasons(&decide(rule, &still, none)), [SkipReason::NoVolatility], "prices do not move");

    let r = (6_006_000f64 / 6_000_000.0).ln();
    let sigma = (r * r * 31_557_600.0).sqrt();
    let size = (10_000.0 * 0.2 / sigma / (MARK as f64 / 100.0) * 1_000.0).floor() as i64;
    assert!(size > 1, "{size}");
    assert_eq!(sizes(&decide(rule, &quotes, none)), [size]);
    assert_eq!(sizes(&decide(rule, &quotes, InstrumentLimits { max_position: Some(size - 1), ..none })), [size - 1]);
    assert_eq!(sizes(&decide(rule, &quotes, InstrumentLimits { max_order_size: Some(size - 1), ..none })), [size - 1]);
    let worth = Some(btc().notional(MARK, size).unwrap() - 1);
    assert_eq!(sizes(&decide(rule, &quotes, InstrumentLimits { max_order_notional: worth, ..none })), [size - 1]);
    assert_eq!(sizes(&decide(rule, &quotes, InstrumentLimits { max_position_notional: worth, ..none })), [size - 1]);
    assert_eq!(sizes(&decide(VolatilityTarget { max_notional: worth, ..rule }, &quotes, none)), [size - 1]);
    let high = VolatilityTarget { min_notional: 1_000_000 * MONEY, ..rule };
    assert_eq!(reasons(&decide(high, &quotes, none)), [SkipReason::BelowMinNotional]);
    let calm = [
        (0, 6_000_000_000_000_000),
        (1, 6_000_000_000_000_002),
        (2, 6_000_000_000_000_000),
        (3, 6_000_000_000_000_000),
    ];
    let bold = VolatilityTarget { target_bps: u32::MAX, ..rule };
    assert_eq!(reasons(&decide(bold, &calm, none)), [SkipReason::Overflow]);
    assert_eq!(sizes(&decide(VolatilityTarget { max_notional: worth, ..bold }, &calm, none)), [size - 1]);
}
