//! What losses are measured by: the day's start and equity's peak, over restarts, before the first quotes, and by whose
//! clock.

use super::*;
use crate::account::Balance;
use crate::risk::{InstrumentLimits, RiskCode};

const TOMORROW: i64 = T0 + 86_400 * SECOND;

fn daily(most: i64) -> RiskLimits {
    RiskLimits { max_daily_loss: Some(money(most)), ..RiskLimits::default() }
}

fn drawdown(bps: u32) -> RiskLimits {
    RiskLimits { max_drawdown_bps: Some(bps), ..RiskLimits::default() }
}

fn usdt(gate: &Gate) -> Balance {
    *gate.account().balance(name("USDT")).unwrap()
}

fn price(gate: &mut Gate, price: i64, now_ns: i64) -> Option<crate::risk::Breach> {
    gate.on_quote(linear().id, price, price, now_ns, now_ns)
}

/// The log of an account that traded at 20,000 once, and is long 0.1 at 60,000 by its last quote: its equity is 10,000.
fn held(file: &TempLog, limits: RiskLimits) {
    let (mut gate, _) = Gate::open(file.config(limits), T0).unwrap();
    price(&mut gate, 2_000_000, T0);
    trade(&mut gate, &limit(1, OrderSide::Buy, 100, 2_000_000), 2_000_000);
    trade(&mut gate, &limit(2, OrderSide::Sell, 100, 2_000_000), 2_000_000);
    price(&mut gate, PRICE, T0);
    trade(&mut gate, &buy(3, 100), PRICE);
    assert_eq!(usdt(&gate).equity(), Some(money(10_000)));
}

fn opened(file: &TempLog, limits: RiskLimits, now_ns: i64) -> Gate {
    let (mut gate, _) = Gate::open(file.config(limits), now_ns).unwrap();
    gate.set_reconciling(false);
    gate
}

fn code(outcome: Result<impl Sized, Rejection>) -> Option<RiskCode> {
    outcome.err().map(|refused| refused.code)
}

#[test]
fn a_restart_on_a_new_day_counts_losses_from_the_equity_at_the_first_quotes() {
    let file = TempLog::new();
    held(&file, daily(500));
    let mut gate = opened(&file, daily(500), TOMORROW);
    assert_eq!(gate.account().known_equity(name("USDT")), None, "of what is held no price is known");
    assert_eq!((gate.account().day(), usdt(&gate).day), (TOMORROW / 86_400 / SECOND, T0 / 86_400 / SECOND));
    assert_eq!(price(&mut gate, PRICE, TOMORROW), None);
    assert_eq!((usdt(&gate).day_start, usdt(&gate).day), (money(10_000), gate.account().day()));
    let breach = price(&mut gate, 3_000_000, TOMORROW).unwrap();
    assert_eq!((breach.code, breach.value), (RiskCode::DailyLoss, money(3_000)));
    // What began the day stands in the log: another restart does not begin it anew.
    drop(gate);
    assert_eq!(usdt(&opened(&file, daily(500), TOMORROW)).day_start, money(10_000));
}

#[test]
fn nothing_is_measured_by_prices_of_the_log() {
    for limits in [daily(500), drawdown(1_000)] {
        let file = TempLog::new();
        held(&file, limits.clone());
        let (mut gate, _) = Gate::open(file.config(limits.clone()), T0).unwrap();
        gate.set_reconciling(false);
        price(&mut gate, PRICE, T0);
        let id = place(&mut gate, T0, &buy(4, 10)).unwrap();
        drop(gate);
        // It is filled late, far below the market that there was.
        let mut gate = opened(&file, limits, T0 + SECOND);
        gate.on_report(T0 + SECOND, &filled(id, 1, 3_000_000, 10)).unwrap();
        assert!(gate.breaches().is_empty(), "{:?}", gate.breaches());
        assert_eq!(usdt(&gate).peak, money(10_000));
        assert_eq!(price(&mut gate, PRICE, T0 + SECOND), None);
        let peak = usdt(&gate).peak;
        assert_eq!(peak, money(10_300), "the buy at half price is a gain");
    }
}

#[test]
fn before_the_first_quotes_a_loss_limit_lets_orders_reduce_only() {
    let file = TempLog::new();
    held(&file, RiskLimits::default());
    let of = |limits: RiskLimits| {
        let mut gate = opened(&file, limits, T0);
        // Another instrument has a market; the one that is held has none.
        gate.on_quote(spot().id, PRICE, PRICE + 10, T0, T0);
        gate
    };
    let mut gate = of(daily(500));
    let refused = gate.reserve(T0, &on_spot(buy(10, 1_000))).unwrap_err();
    assert_eq!(refused.to_string(), "NO_MARKET: 1 open positions of USDT without a quote: its loss is not known");
    price(&mut gate, PRICE, T0);
    gate.reserve(T0, &on_spot(buy(11, 1_000))).unwrap();
    drop(gate);
    assert_eq!(code(of(drawdown(100)).reserve(T0, &on_spot(buy(12, 1_000)))), Some(RiskCode::NoMarket));
    of(RiskLimits::default()).reserve(T0, &on_spot(buy(13, 1_000))).unwrap();

    // A position that is closed needs no quote.
    let mut gate = opened(&file, RiskLimits::default(), T0);
    price(&mut gate, PRICE, T0);
    let closes = place(&mut gate, T0, &sell(14, 100)).unwrap();
    drop(gate);
    let mut gate = of(daily(500));
    let approval = gate.reserve(T0, &on_spot(buy(15, 1_000)));
    assert_eq!(code(approval), Some(RiskCode::NoMarket));
    gate.on_report(T0, &filled(closes, 9, PRICE - 60_000, 100)).unwrap();
    assert_eq!(gate.account().known_equity(name("USDT")), Some(money(9_940)));
    gate.reserve(T0, &on_spot(buy(16, 1_000))).unwrap();
}

#[test]
fn an_approval_is_not_spent_while_the_loss_is_not_known() {
    let file = TempLog::new();
    let (mut gate, _) = Gate::open(file.config(daily(500)), T0).unwrap();
    quote(&mut gate, T0);
    let id = place(&mut gate, T0, &buy(1, 100)).unwrap();
    drop(gate);
    let mut gate = opened(&file, daily(500), T0);
    gate.on_quote(spot().id, PRICE, PRICE + 10, T0, T0);
    let approval = gate.reserve(T0, &on_spot(buy(2, 1_000))).unwrap();
    gate.on_report(T0, &filled(id, 1, PRICE, 100)).unwrap();
    assert_eq!(code(gate.spend(T0, &approval)), Some(RiskCode::NoMarket));
}

#[test]
fn a_loss_of_yesterday_stands_until_today_begins() {
    let file = TempLog::new();
    held(&file, daily(500));
    let mut gate = opened(&file, daily(500), T0);
    price(&mut gate, 5_000_000, T0).unwrap();
    drop(gate);
    let mut gate = opened(&file, daily(500), TOMORROW);
    assert_eq!(gate.breaches().len(), 1, "whether it is over nobody knows yet");
    gate.on_quote(spot().id, PRICE, PRICE, TOMORROW, TOMORROW);
    assert_eq!(gate.breaches().len(), 1);
    assert_eq!(price(&mut gate, 5_000_000, TOMORROW), None);
    assert!(gate.breaches().is_empty());
    assert_eq!(usdt(&gate).day_start, money(9_000));
}

#[test]
fn a_currency_whose_equity_is_known_waits_for_no_other() {
    let other = Instrument { id: name("BTC/USDC:USDC.binance"), quote: name("USDC"), settle: name("USDC"), ..linear() };
    let config = |file: &TempLog| {
        let opening = vec![(name("USDT"), money(10_000)), (name("USDC"), money(10_000))];
        let instruments = vec![linear(), spot(), other.clone()];
        GateConfig { instruments, opening, ..file.config(daily(500)) }
    };
    let file = TempLog::new();
    let (mut gate, _) = Gate::open(config(&file), T0).unwrap();
    for id in [linear().id, other.id] {
        gate.on_quote(id, PRICE, PRICE, T0, T0);
    }
    trade(&mut gate, &buy(1, 100), PRICE);
    trade(&mut gate, &OrderRequest { instrument: other.id, ..buy(2, 100) }, PRICE);
    for id in [linear().id, other.id] {
        gate.on_quote(id, PRICE - 60_000, PRICE - 60_000, T0, T0);
    }
    drop(gate);
    let (mut gate, _) = Gate::open(config(&file), TOMORROW).unwrap();
    gate.set_reconciling(false);
    let starts = |gate: &Gate| ["USDT", "USDC"].map(|of| gate.account().balance(name(of)).unwrap().day_start);
    gate.on_quote(linear().id, PRICE - 60_000, PRICE - 60_000, TOMORROW, TOMORROW);
    assert_eq!(starts(&gate), [money(9_940), money(10_000)]);
    gate.reserve(TOMORROW, &buy(3, 10)).unwrap();
    assert!(gate.on_quote(linear().id, PRICE - 700_000, PRICE - 700_000, TOMORROW, TOMORROW).is_some());
    gate.on_quote(other.id, PRICE - 90_000, PRICE - 90_000, TOMORROW, TOMORROW);
    assert_eq!(starts(&gate), [money(9_940), money(9_910)]);
}

#[test]
fn the_day_begins_at_the_equity_before_its_first_fill() {
    let mut gate = gate(daily(30));
    trade(&mut gate, &buy(1, 100), PRICE);
    price(&mut gate, PRICE - 20_000, T0);
    let id = place(&mut gate, T0, &sell(2, 100)).unwrap();
    let events = gate.on_report(TOMORROW, &filled(id, 1, PRICE - 60_000, 100)).unwrap();
    assert_eq!(usdt(&gate).day_start, money(9_980));
    assert!(matches!(events.last(), Some(GateEvent::Breach(breach)) if breach.value == money(40)), "{events:?}");
}

#[test]
fn a_resume_begins_the_day_that_it_finds() {
    let mut gate = gate(daily(500));
    trade(&mut gate, &buy(1, 100), PRICE);
    price(&mut gate, PRICE - 400_000, T0);
    gate.resume(TOMORROW).unwrap();
    assert_eq!((usdt(&gate).day, usdt(&gate).day_start), (TOMORROW / 86_400 / SECOND, money(9_600)));
    assert_eq!(price(&mut gate, PRICE - 800_000, TOMORROW), None, "400 of today");
    assert!(price(&mut gate, PRICE - 900_010, TOMORROW).is_some());
}

#[test]
fn a_resume_before_the_first_quotes_takes_the_first_known_equity_for_the_peak() {
    let file = TempLog::new();
    held(&file, drawdown(1_000));
    let mut gate = opened(&file, drawdown(1_000), T0);
    price(&mut gate, 4_000_000, T0).unwrap();
    drop(gate);
    let mut gate = opened(&file, drawdown(1_000), T0);
    gate.resume(T0).unwrap();
    assert!(gate.breaches().is_empty());
    assert_eq!(usdt(&gate).peak, money(10_000), "nothing is known yet");
    assert_eq!(price(&mut gate, 4_000_000, T0), None);
    assert_eq!(usdt(&gate).peak, money(8_000));
    price(&mut gate, 5_000_000, T0);
    assert_eq!(usdt(&gate).peak, money(9_000), "from there it rises");
    drop(gate);
    assert_eq!(usdt(&opened(&file, drawdown(1_000), T0)).peak, money(9_000));
}

#[test]
fn a_quote_dated_tomorrow_begins_no_day() {
    let mut gate = gate(daily(50));
    trade(&mut gate, &buy(1, 100), PRICE);
    price(&mut gate, PRICE - 60_000, T0).unwrap();
    gate.on_quote(linear().id, PRICE, PRICE, TOMORROW, T0);
    gate.on_quote(linear().id, PRICE, PRICE, i64::MAX, T0);
    assert_eq!((gate.account().day(), gate.breaches().len()), (T0 / 86_400 / SECOND, 1));
    assert_eq!(code(gate.reserve(T0, &buy(2, 10))), Some(RiskCode::DailyLoss));
    gate.on_quote(linear().id, PRICE, PRICE, T0, TOMORROW);
    assert!(gate.breaches().is_empty(), "the day is the account's");
}

#[test]
fn a_trade_dated_tomorrow_leaves_our_share_of_the_volume() {
    let default = InstrumentLimits { max_participation_bps: Some(1_000), ..InstrumentLimits::default() };
    let mut gate = gate(RiskLimits { default, ..RiskLimits::default() });
    gate.on_trade(linear().id, 1_000, T0, T0);
    trade(&mut gate, &buy(1, 100), PRICE);
    for ts_ns in [TOMORROW, i64::MAX] {
        gate.on_trade(linear().id, 10, ts_ns, T0);
    }
    let refused = gate.reserve(T0, &buy(2, 10)).unwrap_err();
    assert_eq!(refused.code, RiskCode::ParticipationLimit, "{refused}");
    gate.on_trade(linear().id, 80, TOMORROW, T0);
    gate.reserve(T0, &buy(3, 10)).unwrap();
}

#[test]
fn a_drawdown_limit_that_is_set_while_the_account_trades_is_measured_from_the_peak_over_a_restart() {
    let file = TempLog::new();
    let (mut gate, _) = Gate::open(file.config(RiskLimits::default()), T0).unwrap();
    price(&mut gate, PRICE, T0);
    trade(&mut gate, &buy(1, 100), PRICE);
    price(&mut gate, 8_000_000, T0);
    price(&mut gate, 6_500_000, T0);
    assert_eq!(usdt(&gate).peak, money(12_000), "nobody asked for it yet");
    let set = |gate: &mut Gate, bps: &str| {
        let terms = [("max_drawdown_pct".to_owned(), Some(bps.to_owned()))];
        gate.change_limits(T0, "operator", &terms, true).unwrap().unwrap()
    };
    assert_eq!(set(&mut gate, "15").1.len(), 1, "told of the change alone: equity is 12.5 % below it");
    let sequence = gate.sequence();
    set(&mut gate, "14");
    assert_eq!(gate.sequence(), sequence + 1, "a peak that stands in the log is not written again");
    drop(gate);
    let mut gate = opened(&file, RiskLimits::default(), T0);
    assert_eq!(usdt(&gate).peak, money(12_000));
    let breach = price(&mut gate, PRICE, T0).unwrap();
    assert_eq!((breach.code, breach.value), (RiskCode::Drawdown, 1_666), "equity is 10,000");
}

#[test]
fn a_limit_that_is_lowered_over_a_restart_is_measured_before_the_first_order() {
    let file = TempLog::new();
    let (mut gate, _) = Gate::open(file.config(daily(500)), T0).unwrap();
    quote(&mut gate, T0);
    trade(&mut gate, &buy(1, 100), PRICE);
    trade(&mut gate, &sell(2, 100), PRICE - 60_000);
    assert!(gate.breaches().is_empty());
    gate.confirm(gate.sequence()).unwrap();
    drop(gate);

    let both = RiskLimits { max_drawdown_bps: Some(50), ..daily(50) };
    let (mut gate, recovered) = Gate::open(file.config(both.clone()), T0).unwrap();
    gate.set_reconciling(false);
    let codes = |gate: &Gate| gate.breaches().iter().map(|breach| (breach.code, breach.value)).collect::<Vec<_>>();
    assert_eq!(codes(&gate), [(RiskCode::DailyLoss, money(60)), (RiskCode::Drawdown, 60)]);
    let told: Vec<_> = recovered.unconfirmed.into_iter().map(|(_, event)| event).collect();
    assert_eq!(told, gate.breaches().iter().copied().map(GateEvent::Breach).collect::<Vec<_>>());
    quote(&mut gate, T0);
    assert_eq!(code(gate.reserve(T0, &buy(3, 10))), Some(RiskCode::DailyLoss));
    gate.confirm(gate.sequence()).unwrap();
    drop(gate);

    // It stands in the log: the next process finds it there and tells nobody again, the next day takes it back.
    let (gate, recovered) = Gate::open(file.config(both.clone()), T0 + SECOND).unwrap();
    assert_eq!((codes(&gate).len(), recovered.unconfirmed), (2, vec![]));
    drop(gate);
    assert_eq!(codes(&opened(&file, both, TOMORROW)), [(RiskCode::Drawdown, 60)]);
}

#[test]
fn what_is_held_without_a_quote_is_not_measured_at_the_opening() {
    let file = TempLog::new();
    held(&file, RiskLimits::default());
    let mut gate = Gate::open(file.config(RiskLimits::default()), T0).unwrap().0;
    price(&mut gate, 5_000_000, T0);
    drop(gate);
    let mut gate = opened(&file, daily(500), T0);
    assert!(gate.breaches().is_empty(), "nobody knows what it is worth");
    assert!(price(&mut gate, 5_000_000, T0).is_some());
}

#[test]
fn a_resume_keeps_a_loss_that_was_measured_behind_the_accounts_day() {
    let midnight = (T0 / (86_400 * SECOND) + 1) * 86_400 * SECOND;
    let mut gate = gate(daily(500));
    trade(&mut gate, &buy(1, 100), PRICE);
    // The clock is ahead over midnight, and then it is set right.
    price(&mut gate, PRICE, midnight);
    let now_ns = midnight - SECOND;
    assert_eq!(price(&mut gate, 5_000_000, now_ns).map(|breach| breach.code), Some(RiskCode::DailyLoss));
    gate.resume(now_ns).unwrap();
    assert_eq!(gate.breaches().len(), 1, "it stands until the day is over");
    price(&mut gate, 5_000_000, midnight + SECOND);
    assert_eq!(gate.breaches().len(), 1, "that day has begun already");
    price(&mut gate, 5_000_000, midnight + 86_400 * SECOND);
    assert_eq!(gate.breaches(), []);
}
