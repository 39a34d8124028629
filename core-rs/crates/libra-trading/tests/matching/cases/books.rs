//! What is seen from outside: levels, snapshots with their changes, several markets.

use libra_kernel::Name;

use super::*;

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
