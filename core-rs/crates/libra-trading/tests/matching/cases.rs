//! The rules of the engine, one by one.

use libra_kernel::Name;
use libra_trading::instrument::{ContractKind, Instrument, InstrumentError};
use libra_trading::matching::*;
use libra_trading::order::{OrderSide, TimeInForce};

use super::samples::{asset, contract};
use OrderSide::{Buy, Sell};

const A: AccountId = AccountId(0);
const B: AccountId = AccountId(1);
const C: AccountId = AccountId(2);

/// An engine, and its outputs of the last input.
struct Market {
    engine: Engine,
    out: Vec<Output>,
    now_ns: i64,
}

type Done = Result<(), MatchError>;

impl Market {
    fn new() -> Market {
        Market::of(&contract("BTC", "sim"))
    }

    fn spot() -> Market {
        Market::of(&asset("BTC", "sim"))
    }

    fn of(instrument: &Instrument) -> Market {
        Market { engine: Engine::new(instrument, Limits::default()).unwrap(), out: Vec::new(), now_ns: 0 }
    }

    fn try_do(&mut self, act: impl FnOnce(&mut Engine, i64, &mut Vec<Output>) -> Done) -> Done {
        self.out.clear();
        self.now_ns += 1;
        act(&mut self.engine, self.now_ns, &mut self.out)
    }

    fn submit(&mut self, order: NewOrder) -> Done {
        self.try_do(|engine, now_ns, out| engine.submit(&order, now_ns, out))
    }

    fn rests(&mut self, id: u64, account: AccountId, side: OrderSide, price: i64, quantity: i64) {
        self.submit(limit(id, account, side, price, quantity)).unwrap();
        assert!(self.engine.order(OrderId(id)).is_some());
    }

    fn position(&mut self, account: AccountId, position: i64) {
        self.try_do(|engine, now_ns, out| engine.set_position(account, position, now_ns, out)).unwrap();
    }

    fn amend(&mut self, id: u64, account: AccountId, price: i64, quantity: i64) -> Done {
        self.try_do(|engine, now_ns, out| engine.amend(account, OrderId(id), price, quantity, now_ns, out))
    }

    fn mark(&mut self, price: i64) -> Done {
        self.try_do(|engine, now_ns, out| engine.set_mark(price, now_ns, out))
    }

    /// `(taker, maker, price, quantity)` of the trades of the last input.
    fn trades(&self) -> Vec<(u64, u64, i64, i64)> {
        let trade = |output: &Output| match output.event {
            Event::Trade(trade) => Some((trade.taker.0, trade.maker.0, trade.price, trade.quantity)),
            _ => None,
        };
        self.out.iter().filter_map(trade).collect()
    }

    /// Who ended by the last input, why, and with what left.
    fn ended(&self) -> Vec<(u64, EndReason, i64)> {
        let end = |output: &Output| match output.event {
            Event::Ended { order, reason, left, .. } => Some((order.0, reason, left)),
            _ => None,
        };
        self.out.iter().filter_map(end).collect()
    }

    fn rejected(&self) -> Option<RejectReason> {
        let [Output { event: Event::Rejected { reason, .. }, .. }] = self.out[..] else { return None };
        Some(reason)
    }

    fn left(&self, id: u64) -> Option<i64> {
        self.engine.order(OrderId(id)).map(|order| order.quantity - order.filled)
    }

    fn queue(&self, side: OrderSide) -> Vec<u64> {
        self.engine.queue(side).map(|order| order.id.0).collect()
    }
}

fn limit(id: u64, account: AccountId, side: OrderSide, price: i64, quantity: i64) -> NewOrder {
    NewOrder::limit(OrderId(id), account, side, price, quantity)
}

fn market(id: u64, account: AccountId, side: OrderSide, quantity: i64) -> NewOrder {
    NewOrder::market(OrderId(id), account, side, Amount::Quantity(quantity))
}

fn stop(order: NewOrder, price: i64) -> NewOrder {
    NewOrder { trigger: Some(Trigger { price, by: TriggerBy::Last, condition: Condition::Stop }), ..order }
}

fn within(time_in_force: TimeInForce, order: NewOrder) -> NewOrder {
    NewOrder { time_in_force, ..order }
}

fn reducing(order: NewOrder) -> NewOrder {
    NewOrder { reduce_only: true, ..order }
}

#[test]
fn the_best_price_trades_first_and_at_one_price_who_came_first() {
    let mut exchange = Market::new();
    for (id, price, quantity) in [(1, 1_010, 5), (2, 1_000, 5), (3, 1_000, 5), (4, 990, 5)] {
        exchange.rests(id, A, Sell, price, quantity);
    }
    exchange.submit(limit(5, B, Buy, 1_000, 20)).unwrap();
    assert_eq!(exchange.trades(), [(5, 4, 990, 5), (5, 2, 1_000, 5), (5, 3, 1_000, 5)]);
    assert_eq!((exchange.left(5), exchange.queue(Buy)), (Some(5), vec![5]));
    assert_eq!(exchange.engine.best(Sell), Some(BookLevel { price: 1_010, quantity: 5 }));
    assert_eq!((exchange.engine.position(A), exchange.engine.position(B)), (-15, 15));
}

#[test]
fn a_market_order_takes_what_is_there_and_no_more() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.submit(market(2, B, Buy, 8)).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(2, 1, 1_000, 5)], vec![(2, EndReason::NoLiquidity, 3)]));
}

#[test]
fn quote_currency_buys_whole_lots_and_is_never_overspent() {
    let mut exchange = Market::of(&Instrument { lot_size: 2, ..asset("BTC", "sim") });
    exchange.rests(1, A, Sell, 1_000, 4);
    exchange.rests(2, A, Sell, 2_000, 40);
    // 4 at 1,000 and then 4 at 2,000: 5,999 more would buy 2 with 1,999 left over.
    let unit = asset("BTC", "sim").notional(1, 1).unwrap();
    let spend = |id, units: i128| NewOrder::market(OrderId(id), B, Buy, Amount::Quote(units * unit));
    exchange.submit(spend(3, 4_000 + 4_000 + 1_999)).unwrap();
    assert_eq!(exchange.trades(), [(3, 1, 1_000, 4), (3, 2, 2_000, 2)]);
    assert_eq!(exchange.ended(), [(3, EndReason::Spent, 0)]);
    exchange.submit(spend(4, 1_000_000)).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(4, 2, 2_000, 38)], vec![(4, EndReason::NoLiquidity, 0)]));
    // A sell brings at most what was asked for.
    exchange.rests(5, A, Buy, 1_000, 10);
    let bring = NewOrder::market(OrderId(6), B, Sell, Amount::Quote(7_999 * unit));
    exchange.submit(bring).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(6, 5, 1_000, 6)], vec![(6, EndReason::Spent, 0)]));
}

#[test]
fn times_in_force() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.submit(within(TimeInForce::Fok, limit(2, B, Buy, 1_000, 6))).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![], vec![(2, EndReason::FillOrKill, 6)]));
    exchange.submit(within(TimeInForce::PostOnly, limit(2, B, Buy, 1_000, 6))).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::WouldTake));
    exchange.submit(within(TimeInForce::PostOnly, limit(2, B, Buy, 990, 6))).unwrap();
    assert_eq!(exchange.queue(Buy), [2]);
    exchange.submit(within(TimeInForce::Ioc, limit(3, B, Buy, 1_000, 2))).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(3, 1, 1_000, 2)], vec![]));
    exchange.submit(within(TimeInForce::Fok, limit(4, B, Buy, 1_000, 3))).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![(4, 1, 1_000, 3)], vec![]));
    exchange.rests(5, A, Sell, 1_000, 1);
    exchange.submit(within(TimeInForce::Ioc, limit(6, B, Buy, 1_000, 2))).unwrap();
    assert_eq!(exchange.ended(), [(6, EndReason::ImmediateOrCancel, 1)]);
}

#[test]
fn an_order_ends_when_its_time_is_over_and_not_before() {
    let mut exchange = Market::new();
    exchange.now_ns = 10;
    exchange.submit(NewOrder { expires_ns: Some(100), ..limit(1, A, Sell, 1_000, 5) }).unwrap();
    exchange.submit(NewOrder { expires_ns: Some(90), ..stop(market(2, A, Buy, 5), 2_000) }).unwrap();
    exchange.now_ns = 88;
    exchange.try_do(|engine, now_ns, out| engine.advance(now_ns, out)).unwrap();
    assert_eq!(exchange.ended(), []);
    // Those that are over do not trade with what comes at that time.
    exchange.now_ns = 99;
    exchange.submit(market(3, B, Buy, 5)).unwrap();
    let ended = [(2, EndReason::Expired, 5), (1, EndReason::Expired, 5), (3, EndReason::NoLiquidity, 5)];
    assert_eq!((exchange.trades(), exchange.ended()), (vec![], ended.to_vec()));
    // An id that is used again has a time of its own.
    exchange.submit(NewOrder { expires_ns: Some(200), ..limit(1, A, Sell, 1_000, 5) }).unwrap();
    exchange.try_do(|engine, now_ns, out| engine.cancel(A, OrderId(1), now_ns, out)).unwrap();
    exchange.submit(NewOrder { expires_ns: Some(300), ..limit(1, A, Sell, 1_000, 5) }).unwrap();
    exchange.now_ns = 250;
    exchange.try_do(|engine, now_ns, out| engine.advance(now_ns, out)).unwrap();
    assert_eq!(exchange.left(1), Some(5));
}

#[test]
fn what_a_sweep_has_passed_triggers_in_order() {
    let mut exchange = Market::new();
    for (id, price) in [(1, 1_000), (2, 1_010), (3, 1_020), (4, 1_030), (5, 1_040)] {
        exchange.rests(id, A, Sell, price, 5);
    }
    exchange.submit(stop(limit(11, B, Buy, 1_030, 2), 1_010)).unwrap();
    exchange.submit(stop(market(12, B, Buy, 2), 1_000)).unwrap();
    exchange.submit(stop(market(13, B, Buy, 2), 1_010)).unwrap();
    exchange.submit(stop(market(14, B, Buy, 2), 1_050)).unwrap();
    assert_eq!(exchange.engine.last_price(), None);
    exchange.submit(market(20, C, Buy, 12)).unwrap();
    let trades = exchange.trades();
    assert_eq!(trades[..3], [(20, 1, 1_000, 5), (20, 2, 1_010, 5), (20, 3, 1_020, 2)]);
    assert_eq!(trades[3..], [(12, 3, 1_020, 2), (11, 3, 1_020, 1), (11, 4, 1_030, 1), (13, 4, 1_030, 2)]);
    assert_eq!(exchange.engine.order(OrderId(14)).unwrap().trigger, Some(1_050));
    // The last price is 1,030: a stop below it is reached already, and so is a sell's above it.
    exchange.submit(stop(market(15, B, Buy, 2), 1_030)).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::WouldTrigger));
    exchange.submit(stop(market(16, B, Sell, 2), 1_030)).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::WouldTrigger));
}

#[test]
fn a_triggered_order_may_trigger_the_next() {
    let mut exchange = Market::new();
    for (id, price) in [(1, 1_000), (2, 1_010), (3, 1_020)] {
        exchange.rests(id, A, Sell, price, 1);
    }
    exchange.submit(stop(market(11, B, Buy, 1), 1_000)).unwrap();
    exchange.submit(stop(market(12, B, Buy, 1), 1_010)).unwrap();
    exchange.submit(market(20, C, Buy, 1)).unwrap();
    assert_eq!(exchange.trades(), [(20, 1, 1_000, 1), (11, 2, 1_010, 1), (12, 3, 1_020, 1)]);
}

#[test]
fn take_profit_waits_on_the_other_side_and_marks_are_fed_in() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 9);
    let take = |order: NewOrder, price, by| NewOrder {
        trigger: Some(Trigger { price, by, condition: Condition::TakeProfit }),
        ..order
    };
    exchange.submit(take(market(2, B, Buy, 1), 900, TriggerBy::Mark)).unwrap();
    exchange.submit(take(market(3, B, Buy, 1), 900, TriggerBy::Last)).unwrap();
    exchange.mark(910).unwrap();
    assert_eq!(exchange.out, []);
    exchange.mark(900).unwrap();
    assert_eq!((exchange.trades(), exchange.left(3)), (vec![(2, 1, 1_000, 1)], Some(1)));
    assert_eq!((exchange.engine.mark_price(), exchange.engine.last_price()), (Some(900), Some(1_000)));
    exchange.submit(take(market(4, B, Buy, 1), 900, TriggerBy::Mark)).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::WouldTrigger));
}

#[test]
fn amending_keeps_the_place_only_where_the_quantity_shrinks() {
    let mut exchange = Market::new();
    for id in 1..=3 {
        exchange.rests(id, A, Sell, 1_000, 5);
    }
    exchange.amend(1, A, 1_000, 4).unwrap();
    assert_eq!((exchange.queue(Sell), exchange.left(1)), (vec![1, 2, 3], Some(4)));
    exchange.amend(1, A, 1_000, 5).unwrap();
    assert_eq!(exchange.queue(Sell), [2, 3, 1]);
    exchange.amend(2, A, 990, 5).unwrap();
    exchange.amend(2, A, 1_000, 4).unwrap();
    assert_eq!(exchange.queue(Sell), [3, 1, 2]);
    assert_eq!(exchange.amend(2, A, 1_000, 4), Err(MatchError::NoChange(OrderId(2))));
    assert_eq!(exchange.engine.best(Sell), Some(BookLevel { price: 1_000, quantity: 14 }));
}

#[test]
fn amending_may_trade_and_may_end_the_order() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.rests(2, B, Buy, 990, 5);
    exchange.amend(2, B, 1_000, 3).unwrap();
    assert_eq!((exchange.trades(), exchange.left(1), exchange.left(2)), (vec![(2, 1, 1_000, 3)], Some(2), None));
    // 3 of 5 are executed: no more than these is none.
    exchange.amend(1, A, 1_000, 3).unwrap();
    assert_eq!(exchange.ended(), [(1, EndReason::AmendedAway, 2)]);
    exchange.rests(3, A, Sell, 1_000, 5);
    exchange.submit(within(TimeInForce::PostOnly, limit(4, B, Buy, 990, 5))).unwrap();
    exchange.amend(4, B, 1_000, 5).unwrap();
    assert_eq!((exchange.trades(), exchange.ended()), (vec![], vec![(4, EndReason::WouldTake, 5)]));
    exchange.submit(stop(market(5, B, Buy, 5), 2_000)).unwrap();
    assert_eq!(exchange.amend(5, B, 1_000, 3), Err(MatchError::NotInBook(OrderId(5))));
}

#[test]
fn replacing_is_done_whole_or_not_at_all() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.rests(2, A, Sell, 1_010, 5);
    let replace = |exchange: &mut Market, old, new: NewOrder| {
        exchange.try_do(|engine, now_ns, out| engine.replace(OrderId(old), &new, now_ns, out))
    };
    assert_eq!(replace(&mut exchange, 1, limit(3, A, Sell, 1_005, 5)), Err(MatchError::Price(1_005)));
    assert_eq!(replace(&mut exchange, 1, limit(2, A, Sell, 990, 5)), Err(MatchError::DuplicateId(OrderId(2))));
    assert_eq!(replace(&mut exchange, 1, limit(3, B, Sell, 990, 5)), Err(MatchError::UnknownOrder(OrderId(1))));
    assert_eq!((exchange.queue(Sell), exchange.out.len()), (vec![1, 2], 0));
    replace(&mut exchange, 1, limit(1, A, Sell, 1_010, 5)).unwrap();
    assert_eq!((exchange.ended(), exchange.queue(Sell)), (vec![(1, EndReason::Replaced, 5)], vec![2, 1]));
}

#[test]
fn the_mode_of_the_taker_prevents_trades_with_itself() {
    for (mode, trades, ended, rests) in [
        (SelfTrade::Allow, vec![(4, 1), (4, 2), (4, 3)], vec![], vec![]),
        (SelfTrade::ExpireTaker, vec![(4, 1)], vec![(4, EndReason::SelfTrade, 10)], vec![2, 3]),
        (SelfTrade::ExpireMaker, vec![(4, 1), (4, 3)], vec![(2, EndReason::SelfTrade, 5)], vec![4]),
        (
            SelfTrade::ExpireBoth,
            vec![(4, 1)],
            vec![(2, EndReason::SelfTrade, 5), (4, EndReason::SelfTrade, 10)],
            vec![3],
        ),
    ] {
        let mut exchange = Market::new();
        exchange.rests(1, A, Sell, 1_000, 5);
        exchange.submit(NewOrder { self_trade: SelfTrade::ExpireTaker, ..limit(2, B, Sell, 1_000, 5) }).unwrap();
        exchange.rests(3, A, Sell, 1_010, 5);
        exchange.submit(NewOrder { self_trade: mode, ..limit(4, B, Buy, 1_010, 15) }).unwrap();
        let met: Vec<_> = exchange.trades().iter().map(|trade| (trade.0, trade.1)).collect();
        let left: Vec<_> = [Sell, Buy].into_iter().flat_map(|side| exchange.queue(side)).collect();
        assert_eq!((met, exchange.ended(), left), (trades, ended, rests), "{mode:?}");
    }
}

#[test]
fn fill_or_kill_counts_only_what_it_may_have() {
    let kill = |quantity, self_trade| {
        let mut exchange = Market::new();
        exchange.rests(1, A, Sell, 1_000, 5);
        exchange.rests(2, B, Sell, 1_000, 5);
        exchange.rests(3, A, Sell, 1_000, 5);
        exchange
            .submit(NewOrder { self_trade, ..within(TimeInForce::Fok, limit(4, B, Buy, 1_000, quantity)) })
            .unwrap();
        (exchange.trades().len(), exchange.ended().len())
    };
    assert_eq!(kill(15, SelfTrade::Allow), (3, 0));
    assert_eq!((kill(5, SelfTrade::ExpireTaker), kill(6, SelfTrade::ExpireTaker)), ((1, 0), (0, 1)));
    assert_eq!((kill(5, SelfTrade::ExpireBoth), kill(6, SelfTrade::ExpireBoth)), ((1, 0), (0, 1)));
    // The maker between them ends only where it stands in the way of an order that is filled.
    assert_eq!((kill(10, SelfTrade::ExpireMaker), kill(11, SelfTrade::ExpireMaker)), ((2, 1), (0, 1)));
}

#[test]
fn fill_or_kill_sees_that_alternatives_of_one_position_are_one() {
    for (wanted, filled) in [(5, true), (6, false), (9, false)] {
        let mut exchange = Market::new();
        exchange.position(A, 5);
        exchange.submit(reducing(limit(1, A, Sell, 1_000, 5))).unwrap();
        exchange.submit(reducing(limit(2, A, Sell, 1_010, 5))).unwrap();
        exchange.submit(within(TimeInForce::Fok, limit(3, B, Buy, 1_010, wanted))).unwrap();
        assert_eq!(exchange.trades().len(), usize::from(filled), "{wanted}");
        let reason = if filled { (2, EndReason::ReduceOnly, 5) } else { (3, EndReason::FillOrKill, wanted) };
        assert_eq!(exchange.ended(), [reason]);
    }
}

#[test]
fn reduce_only_never_turns_a_position() {
    let mut exchange = Market::new();
    exchange.submit(reducing(limit(1, A, Sell, 1_000, 5))).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::ReduceOnly));
    exchange.position(A, 8);
    exchange.submit(reducing(limit(1, A, Buy, 1_000, 5))).unwrap();
    assert_eq!(exchange.rejected(), Some(RejectReason::ReduceOnly));
    // Cut to the position when it comes, alternatives each by itself.
    exchange.submit(reducing(limit(1, A, Sell, 1_000, 10))).unwrap();
    exchange.submit(reducing(limit(2, A, Sell, 1_010, 6))).unwrap();
    assert_eq!((exchange.left(1), exchange.left(2)), (Some(8), Some(6)));
    // A fill of one cuts the other, in its place.
    exchange.rests(3, B, Sell, 1_010, 1);
    exchange.submit(market(4, B, Buy, 5)).unwrap();
    assert_eq!((exchange.left(1), exchange.left(2), exchange.queue(Sell)), (Some(3), Some(3), vec![1, 2, 3]));
    // The owner's word does so, too.
    exchange.position(A, 2);
    assert_eq!((exchange.left(1), exchange.left(2)), (Some(2), Some(2)));
    exchange.position(A, -2);
    assert_eq!(exchange.ended(), [(1, EndReason::ReduceOnly, 2), (2, EndReason::ReduceOnly, 2)]);
    // Raising it is cut again.
    exchange.submit(reducing(limit(5, A, Buy, 900, 1))).unwrap();
    exchange.amend(5, A, 900, 7).unwrap();
    assert_eq!(exchange.left(5), Some(2));
    assert_eq!(exchange.engine.orders_of(A).map(|order| order.id.0).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_stop_that_may_only_reduce_is_measured_when_it_is_triggered() {
    let mut exchange = Market::new();
    exchange.rests(1, B, Buy, 900, 20);
    exchange.submit(reducing(stop(market(2, A, Sell, 10), 950))).unwrap();
    exchange.submit(reducing(stop(limit(3, A, Sell, 950, 10), 950))).unwrap();
    exchange.position(A, 4);
    assert_eq!((exchange.left(2), exchange.left(3)), (Some(10), Some(10)));
    exchange.submit(market(5, C, Sell, 1)).unwrap();
    assert_eq!(exchange.trades(), [(5, 1, 900, 1), (2, 1, 900, 4)]);
    assert_eq!(exchange.ended(), [(3, EndReason::ReduceOnly, 10)]);
    assert_eq!(exchange.engine.position(A), 0);
}

#[test]
fn all_orders_of_an_account_are_cancelled_and_of_no_other() {
    let mut exchange = Market::new();
    exchange.position(A, 5);
    exchange.rests(1, A, Sell, 1_000, 5);
    exchange.rests(2, B, Sell, 1_000, 5);
    exchange.submit(reducing(limit(3, A, Sell, 1_010, 5))).unwrap();
    exchange.submit(stop(market(4, A, Buy, 5), 2_000)).unwrap();
    exchange.try_do(|engine, now_ns, out| engine.cancel_all(A, now_ns, out)).unwrap();
    let cancelled = |id| (id, EndReason::Cancelled, 5);
    assert_eq!(exchange.ended(), [cancelled(3), cancelled(1), cancelled(4)]);
    assert_eq!((exchange.engine.open_orders(), exchange.left(2)), (1, Some(5)));
    exchange.try_do(|engine, now_ns, out| engine.cancel_all(AccountId(77), now_ns, out)).unwrap();
    assert_eq!(exchange.out, []);
    let cancel = |engine: &mut Engine, now_ns, out: &mut Vec<Output>| engine.cancel(A, OrderId(2), now_ns, out);
    assert_eq!(exchange.try_do(cancel), Err(MatchError::UnknownOrder(OrderId(2))), "that of another");
}

#[test]
fn a_snapshot_and_the_changes_behind_it_are_the_book() {
    let mut exchange = Market::new();
    let mut snapshot = Snapshot::default();
    let mut changes = Vec::new();
    for id in 1..200u64 {
        let side = if id % 3 == 0 { Buy } else { Sell };
        exchange.submit(limit(id, A, side, 900 + (id as i64 * 37 % 20) * 10, 1 + id as i64 % 7)).unwrap();
        let levels = exchange.out.iter().filter_map(|output| match output.event {
            Event::Level(level) => Some(level),
            _ => None,
        });
        changes.extend(levels);
        if id == 100 {
            exchange.engine.snapshot(1_000, &mut snapshot);
        }
    }
    // Binance's rule for spot: the first change behind the snapshot has the next id, and so on without a gap.
    let behind: Vec<_> = changes.iter().filter(|change| change.update_id > snapshot.last_update_id).collect();
    assert_eq!(behind[0].update_id, snapshot.last_update_id + 1);
    assert!(behind.windows(2).all(|pair| pair[1].update_id == pair[0].update_id + 1));
    let mut book = [snapshot.bids.clone(), snapshot.asks.clone()];
    for change in behind {
        let side = &mut book[change.side as usize];
        side.retain(|level| level.price != change.price);
        if change.quantity > 0 {
            side.push(BookLevel { price: change.price, quantity: change.quantity });
        }
    }
    book[0].sort_by_key(|level| -level.price);
    book[1].sort_by_key(|level| level.price);
    exchange.engine.snapshot(1_000, &mut snapshot);
    assert_eq!(book, [snapshot.bids.clone(), snapshot.asks.clone()]);
    exchange.engine.snapshot(2, &mut snapshot);
    assert_eq!((snapshot.bids.len(), &snapshot.asks[..]), (2, &book[1][..2]));
}

#[test]
fn a_refused_input_does_nothing() {
    let mut exchange = Market::new();
    exchange.rests(1, A, Sell, 1_000, 5);
    let max = 1_000_000;
    for (order, error) in [
        (limit(1, B, Buy, 1_000, 5), MatchError::DuplicateId(OrderId(1))),
        (limit(2, B, Buy, 1_001, 5), MatchError::Price(1_001)),
        (limit(2, B, Buy, 0, 5), MatchError::Price(0)),
        (limit(2, B, Buy, 1_000, 0), MatchError::Quantity(0)),
        (limit(2, B, Buy, 1_000, max + 1), MatchError::Quantity(max + 1)),
        (stop(limit(2, B, Buy, 1_000, 5), -10), MatchError::Price(-10)),
        (limit(2, AccountId(1 << 20), Buy, 1_000, 5), MatchError::Account(1 << 20)),
        (NewOrder { expires_ns: Some(2), ..limit(2, B, Buy, 1_000, 5) }, MatchError::Expiry(2)),
        (NewOrder::market(OrderId(2), B, Buy, Amount::Quote(0)), MatchError::QuoteAmount(0)),
    ] {
        assert_eq!(exchange.submit(order), Err(error));
        assert_eq!((exchange.out.len(), exchange.engine.open_orders(), exchange.engine.sequence()), (0, 1, 2));
    }
    let back = exchange.try_do(|engine, _, out| engine.advance(1, out));
    assert_eq!(back, Err(MatchError::TimeWentBack { from_ns: 10, to_ns: 1 }));
    assert_eq!(back.unwrap_err().to_string(), "time went back from 10 to 1");
    assert_eq!(exchange.submit(stop(market(2, B, Buy, 1), 1_000)), Ok(()), "no price is known that reaches it");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let mut spot = Market::spot();
    let mut linear = Market::new();
    let quote = NewOrder::market(OrderId(1), A, Buy, Amount::Quote(1));
    let by_mark = NewOrder {
        trigger: Some(Trigger { price: 1_000, by: TriggerBy::Mark, condition: Condition::Stop }),
        ..market(1, A, Buy, 5)
    };
    assert!(matches!(linear.submit(quote), Err(MatchError::Combination(_))));
    for order in
        [NewOrder { price: Some(1_000), ..quote }, stop(quote, 1_000), reducing(limit(1, A, Sell, 1_000, 5)), by_mark]
    {
        assert!(matches!(spot.submit(order), Err(MatchError::Combination(_))), "{order:?}");
    }
    for order in [
        within(TimeInForce::Gtc, market(1, A, Buy, 5)),
        within(TimeInForce::Fok, market(1, A, Buy, 5)),
        NewOrder { expires_ns: Some(1_000), ..within(TimeInForce::Ioc, limit(1, A, Buy, 1_000, 5)) },
    ] {
        assert!(matches!(linear.submit(order), Err(MatchError::Combination(_))), "{order:?}");
    }
    assert!(matches!(spot.mark(1_000), Err(MatchError::Combination(_))));
    assert_eq!(linear.mark(0), Err(MatchError::Price(0)));
}

#[test]
fn what_an_engine_holds_has_limits() {
    let limits = Limits { accounts: 2, open_orders: 2, reserve: 9 };
    let instrument = Instrument { max_size: i64::MAX, ..contract("BTC", "sim") };
    let mut engine = Engine::new(&instrument, limits).unwrap();
    let mut out = Vec::new();
    let mut submit = |order: NewOrder| engine.submit(&order, 0, &mut out);
    submit(limit(1, A, Sell, 1_000, i64::MAX - 1)).unwrap();
    assert_eq!(submit(limit(2, A, Sell, 1_000, 2)), Err(MatchError::Volume));
    submit(limit(2, A, Sell, 1_000, 1)).unwrap();
    assert_eq!(submit(limit(3, A, Sell, 1_000, 1)), Err(MatchError::TooManyOrders));
    assert_eq!(submit(market(3, B, Buy, 1)), Ok(()), "what does not stay has room");
    assert_eq!(engine.set_position(AccountId(2), 0, 0, &mut out), Err(MatchError::Account(2)));
    assert_eq!((engine.now_ns(), engine.last_trade_id()), (0, 1));
}

#[test]
fn what_cannot_be_matched_has_no_engine() {
    let new = |instrument: Instrument| Engine::new(&instrument, Limits::default()).map(|_| ()).unwrap_err();
    let inverse = Instrument { kind: ContractKind::Inverse, ..contract("BTC", "sim") };
    assert_eq!(new(inverse.clone()), MatchError::Untradable(inverse.id));
    assert!(matches!(new(Instrument { tradable: false, ..contract("BTC", "sim") }), MatchError::Untradable(_)));
    let huge = Instrument { contract_size: i64::MAX, ..contract("BTC", "sim") };
    assert!(matches!(new(huge), MatchError::Untradable(_)));
    let none = Instrument { lot_size: 0, ..contract("BTC", "sim") };
    assert!(matches!(new(none), MatchError::Instrument(InstrumentError::NotPositive { .. })));
}

#[test]
fn markets_are_apart_and_are_brought_to_one_time() {
    let (btc, eth) = (contract("BTC", "sim"), contract("ETH", "sim"));
    let mut markets = Markets::default();
    assert_eq!(markets.list(&btc, Limits::default()), Ok(true));
    assert_eq!(markets.list(&eth, Limits::default()), Ok(true));
    assert_eq!(markets.list(&eth, Limits::default()), Ok(false));
    assert!(markets.list(&Instrument { tick_size: 0, ..contract("X", "sim") }, Limits::default()).is_err());
    let mut out = Vec::new();
    for (at_ns, instrument) in [(1, &btc), (2, &eth)] {
        let order = NewOrder { expires_ns: Some(10), ..limit(1, A, Buy, 1_000, 5) };
        markets.get_mut(instrument.id).unwrap().submit(&order, at_ns, &mut out).unwrap();
        markets.get_mut(instrument.id).unwrap().submit(&limit(2, A, Buy, 990, 5), at_ns, &mut out).unwrap();
    }
    assert!(markets.get_mut(Name::intern("X")).is_none() && markets.get(Name::intern("X")).is_none());
    let mut ended = Vec::new();
    let back = markets.advance(1, |_, _| {});
    assert_eq!(back, Err(MatchError::TimeWentBack { from_ns: 2, to_ns: 1 }));
    let note = |ended: &mut Vec<_>, name, output: &Output| {
        if let Event::Ended { order, reason, .. } = output.event {
            ended.push((name, order.0, reason));
        }
    };
    markets.advance(10, |name, output| note(&mut ended, name, output)).unwrap();
    markets.cancel_all(A, 11, |name, output| note(&mut ended, name, output)).unwrap();
    let (expired, cancelled) = (EndReason::Expired, EndReason::Cancelled);
    let all = [(btc.id, 1, expired), (eth.id, 1, expired), (btc.id, 2, cancelled), (eth.id, 2, cancelled)];
    assert_eq!(ended, all);
    assert!(markets.iter().map(|(name, engine)| (name, engine.open_orders())).eq([(btc.id, 0), (eth.id, 0)]));
    assert_eq!(markets.get(btc.id).unwrap().now_ns(), 11);
}

#[test]
fn levels_stand_in_order_however_many_there_are() {
    let mut exchange = Market::new();
    // Every price once, in an order that hops about: 7,919 and 1,000 have no common factor.
    let prices: Vec<i64> = (0..1_000i64).map(|at| 10 * (1 + at * 7_919 % 1_000)).collect();
    for (id, price) in (0u64..).zip(&prices) {
        exchange.rests(id, A, Buy, *price, 1);
    }
    let levels = |exchange: &Market| exchange.engine.levels(Buy).map(|level| level.price).collect::<Vec<_>>();
    assert_eq!(levels(&exchange), (1..=1_000i64).rev().map(|ticks| ticks * 10).collect::<Vec<_>>());
    for id in 0..500 {
        exchange.try_do(|engine, now_ns, out| engine.cancel(A, OrderId(id), now_ns, out)).unwrap();
    }
    let mut rest = prices[500..].to_vec();
    rest.sort_by_key(|price| -price);
    assert_eq!(levels(&exchange), rest);
    exchange.submit(market(5_000, B, Sell, 500)).unwrap();
    assert_eq!(exchange.trades().iter().map(|trade| trade.2).collect::<Vec<_>>(), rest);
}
