//! A flow of orders as a busy book has it: most come and go near the touch, a drifting middle, few trade.

use libra_trading::matching::{AccountId, Amount, Engine, Limits, NewOrder, OrderId, Output};
use libra_trading::order::{OrderSide, TimeInForce};

use crate::samples::contract;

pub const KINDS: [&str; 5] = ["add", "cancel", "market", "ioc", "amend"];
const TICK: i64 = 10;
const ACCOUNTS: u32 = 64;
/// How many of the newest orders most cancels are about.
const NEWEST: usize = 256;

#[derive(Clone, Copy)]
pub enum Op {
    Submit(NewOrder),
    Cancel(AccountId, OrderId),
    Amend(AccountId, OrderId, i64, i64),
}

impl Op {
    pub fn kind(&self) -> usize {
        match self {
            Op::Submit(NewOrder { price: None, .. }) => 2,
            Op::Submit(NewOrder { time_in_force: TimeInForce::Ioc, .. }) => 3,
            Op::Submit(_) => 0,
            Op::Cancel(..) => 1,
            Op::Amend(..) => 4,
        }
    }
}

pub fn apply(engine: &mut Engine, op: &Op, out: &mut Vec<Output>) {
    let now_ns = engine.now_ns() + 1;
    let done = match op {
        Op::Submit(order) => engine.submit(order, now_ns, out),
        Op::Cancel(account, order) => engine.cancel(*account, *order, now_ns, out),
        Op::Amend(account, order, price, quantity) => engine.amend(*account, *order, *price, *quantity, now_ns, out),
    };
    assert_eq!(done, Ok(()));
}

/// Makes operations that succeed, by doing them.
pub struct Flow {
    start: Engine,
    engine: Engine,
    open: Vec<(AccountId, OrderId)>,
    rng: fastrand::Rng,
    middle: i64,
    next_id: u64,
    resting: usize,
}

impl Flow {
    /// A book of `resting` orders around a middle: up to 4,000 levels a side.
    pub fn new(resting: usize, seed: u64) -> Flow {
        let limits = Limits { reserve: (resting * 3 / 2) as u32, ..Limits::default() };
        let mut engine = Engine::new(&contract("BTC", "sim"), limits).unwrap();
        engine.advance(0, &mut Vec::new()).unwrap();
        let mut flow = Flow {
            start: engine.clone(),
            engine,
            open: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
            middle: 600_000,
            next_id: 1,
            resting,
        };
        for _ in 0..resting {
            let far = flow.far(true);
            let op = flow.limit(far);
            flow.run(op);
        }
        flow.start = flow.engine.clone();
        flow
    }

    /// The engine as it is before the first operation.
    pub fn engine(&self) -> Engine {
        self.start.clone()
    }

    pub fn levels(&self) -> usize {
        self.start.levels(OrderSide::Buy).count() + self.start.levels(OrderSide::Sell).count()
    }

    pub fn ops(&mut self, count: usize) -> Vec<Op> {
        (0..count).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> Op {
        if self.rng.u8(..) < 10 {
            self.middle += self.rng.i64(-1..=1);
        }
        loop {
            let op = match self.rng.u8(..100) {
                0..46 if self.open.len() < self.resting * 101 / 100 => {
                    let far = self.far(false);
                    self.limit(far)
                }
                0..86 => match self.any_open() {
                    Some((account, order)) => Op::Cancel(account, order),
                    None => continue,
                },
                86..91 => {
                    let (account, side, quantity) = self.who();
                    Op::Submit(NewOrder::market(self.id(), account, side, Amount::Quantity(quantity)))
                }
                91..96 => {
                    let (account, side, quantity) = self.who();
                    let price = self.engine.best(opposite(side)).map_or(self.middle * TICK, |level| level.price);
                    let order = NewOrder::limit(self.id(), account, side, price + side.sign() * TICK, quantity);
                    Op::Submit(NewOrder { time_in_force: TimeInForce::Ioc, ..order })
                }
                _ => match self.any_open().and_then(|(_, order)| self.engine.order(order)) {
                    // Half of them only shrink.
                    Some(order) if order.quantity > order.filled + 1 && self.rng.bool() => {
                        Op::Amend(order.account, order.id, order.price.unwrap(), order.quantity - 1)
                    }
                    Some(order) => {
                        let price = order.price.unwrap() - order.side.sign() * TICK;
                        Op::Amend(order.account, order.id, price.max(TICK), order.quantity)
                    }
                    None => continue,
                },
            };
            self.run(op);
            return op;
        }
    }

    fn run(&mut self, op: Op) {
        apply(&mut self.engine, &op, &mut Vec::new());
        if let Op::Submit(order) = op
            && self.engine.order(order.id).is_some()
        {
            self.open.push((order.account, order.id));
        }
    }

    /// An open order, mostly a new one. Those that were filled are dropped from the list on the way.
    fn any_open(&mut self) -> Option<(AccountId, OrderId)> {
        while !self.open.is_empty() {
            let newest = self.open.len().saturating_sub(NEWEST);
            let at = if self.rng.u8(..10) < 7 {
                self.rng.usize(newest..self.open.len())
            } else {
                self.rng.usize(..self.open.len())
            };
            let found = self.open[at];
            if self.engine.order(found.1).is_some() {
                return Some(found);
            }
            self.open.remove(at);
        }
        None
    }

    fn far(&mut self, seeding: bool) -> i64 {
        match self.rng.u8(..100) {
            0..60 if !seeding => self.rng.i64(1..10),
            0..95 if !seeding => self.rng.i64(1..200),
            0..40 => self.rng.i64(1..200),
            _ => self.rng.i64(1..4_000),
        }
    }

    fn limit(&mut self, far: i64) -> Op {
        let (account, side, quantity) = self.who();
        // Behind the touch of the other side, so that it rests.
        let bound = self.engine.best(opposite(side)).map_or(self.middle, |level| level.price / TICK);
        let price = match side {
            OrderSide::Buy => (self.middle - far).min(bound - 1),
            OrderSide::Sell => (self.middle + far).max(bound + 1),
        };
        Op::Submit(NewOrder::limit(self.id(), account, side, price * TICK, quantity))
    }

    fn who(&mut self) -> (AccountId, OrderSide, i64) {
        let side = if self.rng.bool() { OrderSide::Buy } else { OrderSide::Sell };
        (AccountId(self.rng.u32(..ACCOUNTS)), side, self.rng.i64(1..20))
    }

    fn id(&mut self) -> OrderId {
        self.next_id += 1;
        OrderId(self.next_id)
    }
}

fn opposite(side: OrderSide) -> OrderSide {
    if side == OrderSide::Buy { OrderSide::Sell } else { OrderSide::Buy }
}
