//! What holds of the engine's outputs by themselves: numbers without gaps, quantity conserved order by order, a book
//! rebuilt from its changes.

use std::collections::BTreeMap;

use libra_trading::matching::*;
use libra_trading::order::OrderSide;

/// What is wanted (none: by quote currency) and executed of each open order, and the book.
#[derive(Default)]
pub struct Ledger {
    sequence: u64,
    update_id: u64,
    trade_id: u64,
    open: BTreeMap<OrderId, (Option<i64>, i64)>,
    book: [BTreeMap<i64, i64>; 2],
}

impl Ledger {
    pub fn note(&mut self, output: &Output) {
        self.sequence += 1;
        assert_eq!(output.sequence, self.sequence);
        match output.event {
            Event::Accepted { order, quantity, .. } => {
                assert!(quantity.is_none_or(|quantity| quantity > 0));
                assert_eq!(self.open.insert(order, (quantity, 0)), None, "accepted once: {order:?}");
            }
            Event::Rejected { .. } => {}
            Event::Triggered { order, .. } => assert_eq!(self.open[&order].1, 0),
            Event::Trade(trade) => {
                self.trade_id += 1;
                assert!(trade.id == self.trade_id && trade.quantity > 0 && trade.price > 0);
                self.fill(trade.taker, trade.quantity, trade.taker_left);
                self.fill(trade.maker, trade.quantity, Some(trade.maker_left));
            }
            Event::Amended { order, quantity, .. } => {
                let (wanted, done) = self.open.get_mut(&order).unwrap();
                *wanted = Some(quantity);
                assert!(quantity > *done, "{order:?} wants {quantity} and has {done}");
            }
            Event::Ended { order, left, .. } => {
                let (wanted, done) = self.open.remove(&order).expect("an order ends once");
                assert_eq!(left, wanted.map_or(0, |wanted| wanted - done), "{order:?}");
            }
            Event::Level(LevelUpdate { update_id, side, price, quantity }) => {
                self.update_id += 1;
                assert_eq!(update_id, self.update_id);
                assert!(quantity >= 0);
                if quantity == 0 {
                    assert!(self.book[side as usize].remove(&price).is_some(), "a level that was there is gone");
                } else {
                    self.book[side as usize].insert(price, quantity);
                }
            }
        }
    }

    fn fill(&mut self, order: OrderId, quantity: i64, told: Option<i64>) {
        let (wanted, done) = self.open.get_mut(&order).expect("only open orders trade");
        *done += quantity;
        let left = wanted.map(|wanted| wanted - *done);
        assert_eq!(left, told, "{order:?}");
        assert!(left.is_none_or(|left| left >= 0), "{order:?} has more than it wanted");
        if left == Some(0) {
            self.open.remove(&order);
        }
    }

    /// Between two inputs: what is open here is what is open there, and the book is its levels and not crossed.
    pub fn compare(&self, engine: &Engine) {
        assert_eq!(self.open.len() as u32, engine.open_orders());
        for (id, (wanted, done)) in &self.open {
            let order = engine.order(*id).unwrap();
            assert_eq!((*wanted, *done), (Some(order.quantity), order.filled), "{order:?}");
        }
        let mut snapshot = Snapshot::default();
        engine.snapshot(usize::MAX, &mut snapshot);
        let level = |(price, quantity): (&i64, &i64)| BookLevel { price: *price, quantity: *quantity };
        assert!(snapshot.bids.iter().copied().eq(self.book[0].iter().rev().map(level)), "{snapshot:?}");
        assert!(snapshot.asks.iter().copied().eq(self.book[1].iter().map(level)), "{snapshot:?}");
        assert_eq!(snapshot.last_update_id, self.update_id);
        assert_eq!(engine.best(OrderSide::Buy), snapshot.bids.first().copied());
        assert_eq!(engine.best(OrderSide::Sell), snapshot.asks.first().copied());
        if let (Some(bid), Some(ask)) = (snapshot.bids.first(), snapshot.asks.first()) {
            assert!(bid.price < ask.price, "crossed: {bid:?} {ask:?}");
        }
        assert_eq!(
            (engine.sequence(), engine.last_update_id(), engine.last_trade_id()),
            (self.sequence, self.update_id, self.trade_id)
        );
    }
}
