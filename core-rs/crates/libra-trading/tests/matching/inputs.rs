//! Random inputs of all kinds: most make sense, some do not.

use libra_trading::instrument::Instrument;
use libra_trading::matching::*;
use libra_trading::order::{OrderSide, TimeInForce};
use proptest::prelude::*;

use super::reference::Reference;
use super::samples::{asset, contract};

#[derive(Clone, Debug)]
pub enum Input {
    Submit(NewOrder),
    Cancel(AccountId, OrderId),
    CancelAll(AccountId),
    Amend(AccountId, OrderId, Option<i64>, i64),
    Replace(OrderId, NewOrder),
    Mark(i64),
    Position(AccountId, i64),
    Advance,
}

/// An input, its time, and which of the open orders it is about, if not the one that it names.
pub type Step = (i64, Option<usize>, Input);

impl Input {
    /// Makes it about an order that is open; an amendment without a price keeps that order's.
    pub fn aimed(&self, at: Option<usize>, engine: &Engine, accounts: u32) -> Input {
        let mut aimed = self.clone();
        let open: Vec<_> = (0..accounts).flat_map(|account| engine.orders_of(AccountId(account))).collect();
        let target = at.filter(|_| !open.is_empty()).map(|at| &open[at % open.len()]);
        if let Some(target) = target {
            match &mut aimed {
                Input::Cancel(account, id) => (*account, *id) = (target.account, target.id),
                Input::Amend(account, id, price, _) => {
                    (*account, *id, *price) = (target.account, target.id, price.or(target.price));
                }
                Input::Replace(id, new) => (*id, new.account) = (target.id, target.account),
                _ => {}
            }
        }
        aimed
    }

    pub fn to_engine(&self, engine: &mut Engine, now_ns: i64, out: &mut Vec<Output>) -> Result<(), MatchError> {
        match self {
            Input::Submit(order) => engine.submit(order, now_ns, out),
            Input::Cancel(account, id) => engine.cancel(*account, *id, now_ns, out),
            Input::CancelAll(account) => engine.cancel_all(*account, now_ns, out),
            Input::Amend(account, id, price, quantity) => {
                engine.amend(*account, *id, price.unwrap_or(0), *quantity, now_ns, out)
            }
            Input::Replace(old, new) => engine.replace(*old, new, now_ns, out),
            Input::Mark(price) => engine.set_mark(*price, now_ns, out),
            Input::Position(account, position) => engine.set_position(*account, *position, now_ns, out),
            Input::Advance => engine.advance(now_ns, out),
        }
    }

    pub fn to_reference(&self, reference: &mut Reference, now_ns: i64) -> Result<(), MatchError> {
        match self {
            Input::Submit(order) => reference.submit(order, now_ns),
            Input::Cancel(account, id) => reference.cancel(*account, *id, now_ns),
            Input::CancelAll(account) => reference.cancel_all(*account, now_ns),
            Input::Amend(account, id, price, quantity) => {
                reference.amend(*account, *id, price.unwrap_or(0), *quantity, now_ns)
            }
            Input::Replace(old, new) => reference.replace(*old, new, now_ns),
            Input::Mark(price) => reference.set_mark(*price, now_ns),
            Input::Position(account, position) => reference.set_position(*account, *position, now_ns),
            Input::Advance => reference.advance(now_ns),
        }
    }
}

/// What numbers a run draws from.
#[derive(Clone, Debug)]
pub struct Numbers {
    pub ids: BoxedStrategy<u64>,
    pub prices: BoxedStrategy<i64>,
    pub quantities: BoxedStrategy<i64>,
    pub positions: BoxedStrategy<i64>,
    pub amounts: BoxedStrategy<i128>,
}

/// A narrow market, so that orders meet, in steps of 10 and lots of 2.
pub fn usual() -> Numbers {
    Numbers {
        ids: prop_oneof![20 => 1u64..16, 1 => Just(u64::MAX), 1 => Just(0)].boxed(),
        prices: prop_oneof![30 => (95i64..106).prop_map(|ticks| ticks * 10), 1 => -5i64..1_000].boxed(),
        quantities: prop_oneof![30 => (2i64..20).prop_map(|lots| lots * 2), 1 => -2i64..150].boxed(),
        positions: prop_oneof![20 => (-30i64..30).prop_map(|lots| lots * 2), 1 => -61i64..61].boxed(),
        // In money units: up to some 40 lots at 1,000.
        amounts: prop_oneof![20 => (0i128..40).prop_map(|lots| lots * 200_000_000), 1 => 0i128..9_000_000_000].boxed(),
    }
}

/// Prices far apart and ids that hardly meet, so that hundreds of levels stand.
pub fn spread() -> Numbers {
    Numbers { prices: (1i64..4_000).boxed(), ids: (0u64..100_000).boxed(), ..usual() }
}

/// The ends of what fits, and what is near them.
pub fn extreme() -> Numbers {
    let ends = || {
        prop_oneof![
            4 => prop::sample::select(vec![1, 2, 3, i64::MAX / 2, i64::MAX / 2 + 1, i64::MAX - 1, i64::MAX]),
            1 => prop::sample::select(vec![0, -1, i64::MIN, i64::MIN + 1]),
            1 => any::<i64>(),
        ]
    };
    Numbers {
        ids: usual().ids,
        prices: ends().boxed(),
        quantities: ends().boxed(),
        positions: prop_oneof![3 => ends(), 1 => Just(-i64::MAX), 1 => Just(i64::MIN)].boxed(),
        amounts: prop_oneof![
            prop::sample::select(vec![0, 1, -1, i128::MAX, i128::MIN, i128::from(i64::MAX), 1 << 100]),
            any::<i128>(),
        ]
        .boxed(),
    }
}

/// The instrument of usual numbers, a contract or spot.
pub fn narrow(spot: bool) -> Instrument {
    let base = if spot { asset("BTC", "sim") } else { contract("BTC", "sim") };
    Instrument { lot_size: 2, min_size: 4, max_size: 100, ..base }
}

/// One that takes whatever fits.
pub fn wide(spot: bool) -> Instrument {
    let base = if spot { asset("BTC", "sim") } else { contract("BTC", "sim") };
    Instrument { tick_size: 1, lot_size: 1, min_size: 0, max_size: i64::MAX, ..base }
}

fn side() -> impl Strategy<Value = OrderSide> {
    any::<bool>().prop_map(|buy| if buy { OrderSide::Buy } else { OrderSide::Sell })
}

fn account() -> impl Strategy<Value = AccountId> {
    prop_oneof![40 => 0u32..4, 1 => 4u32..6].prop_map(AccountId)
}

fn id(numbers: &Numbers) -> impl Strategy<Value = OrderId> + use<> {
    numbers.ids.clone().prop_map(OrderId)
}

fn trigger(prices: BoxedStrategy<i64>) -> impl Strategy<Value = Trigger> {
    (prices, any::<bool>(), any::<bool>()).prop_map(|(price, last, stop)| Trigger {
        price,
        by: if last { TriggerBy::Last } else { TriggerBy::Mark },
        condition: if stop { Condition::Stop } else { Condition::TakeProfit },
    })
}

fn new_order(numbers: &Numbers) -> impl Strategy<Value = NewOrder> + use<> {
    let Numbers { prices, quantities, amounts, .. } = numbers.clone();
    let amount = prop_oneof![15 => quantities.prop_map(Amount::Quantity), 1 => amounts.prop_map(Amount::Quote)];
    let limit = prop::option::weighted(0.85, prices.clone());
    let time_in_force = prop::sample::select(vec![
        TimeInForce::Gtc,
        TimeInForce::Gtc,
        TimeInForce::Gtc,
        TimeInForce::Ioc,
        TimeInForce::Fok,
        TimeInForce::PostOnly,
    ]);
    let self_trade = prop::sample::select(vec![
        SelfTrade::Allow,
        SelfTrade::Allow,
        SelfTrade::ExpireTaker,
        SelfTrade::ExpireMaker,
        SelfTrade::ExpireBoth,
    ]);
    let rest = (
        prop::option::weighted(0.15, trigger(prices)),
        time_in_force,
        prop::bool::weighted(0.2),
        self_trade,
        prop::option::weighted(0.15, 0i64..900),
        // Mistakes are made on purpose, not by chance alone.
        prop::bool::weighted(0.9),
    );
    (id(numbers), account(), side(), amount, limit, rest).prop_map(|(id, account, side, amount, price, rest)| {
        let (trigger, time_in_force, reduce_only, self_trade, expires_ns, sensible) = rest;
        let mut new =
            NewOrder { id, account, side, amount, price, trigger, time_in_force, reduce_only, self_trade, expires_ns };
        if sensible {
            if matches!(amount, Amount::Quote(_)) {
                (new.price, new.trigger, new.reduce_only) = (None, None, false);
            }
            if new.price.is_none() {
                new.time_in_force = TimeInForce::Ioc;
            }
            let stays = matches!(new.time_in_force, TimeInForce::Gtc | TimeInForce::PostOnly);
            if new.trigger.is_none() && !stays {
                new.expires_ns = None;
            }
        }
        new
    })
}

fn input(numbers: &Numbers) -> impl Strategy<Value = Input> + use<> {
    let Numbers { prices, quantities, positions, .. } = numbers.clone();
    prop_oneof![
        20 => new_order(numbers).prop_map(Input::Submit),
        4 => (account(), id(numbers)).prop_map(|(account, id)| Input::Cancel(account, id)),
        1 => account().prop_map(Input::CancelAll),
        6 => (account(), id(numbers), prop::option::of(prices.clone()), quantities)
            .prop_map(|(account, id, price, quantity)| Input::Amend(account, id, price, quantity)),
        3 => (id(numbers), new_order(numbers)).prop_map(|(id, new)| Input::Replace(id, new)),
        2 => prices.prop_map(Input::Mark),
        3 => (account(), positions).prop_map(|(account, position)| Input::Position(account, position)),
        1 => Just(Input::Advance),
    ]
}

/// Inputs some ten nanoseconds apart, but for a few that come too late.
pub fn steps(numbers: &Numbers, most: usize) -> impl Strategy<Value = Vec<Step>> + use<> {
    let late = prop_oneof![30 => 0i64..9, 1 => -25i64..0];
    let steps = prop::collection::vec((late, prop::option::weighted(0.8, 0usize..24), input(numbers)), 1..most);
    steps.prop_map(|steps| (0i64..).zip(steps).map(|(at, (off, aim, input))| (at * 10 + off, aim, input)).collect())
}
