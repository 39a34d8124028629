//! The slow engine: plain lists, searched and sorted at each step, and nothing kept that could be looked up. It says the same
//! as the real one but for levels and numbers, which the ledger checks. Written from the rules, not from the engine.

mod checks;

use std::collections::BTreeMap;

use libra_trading::instrument::{ContractKind, Instrument};
use libra_trading::matching::*;
use libra_trading::order::{OrderSide, TimeInForce};

#[derive(Clone, Debug)]
struct Open {
    new: NewOrder,
    quantity: i64,
    filled: i64,
    waits: bool,
    /// When it came to where it is.
    came: u64,
}

impl Open {
    fn left(&self) -> i64 {
        self.quantity - self.filled
    }

    fn takes(&self, price: i64) -> bool {
        match (self.new.price, self.new.side) {
            (None, _) => true,
            (Some(limit), OrderSide::Buy) => price <= limit,
            (Some(limit), OrderSide::Sell) => price >= limit,
        }
    }

    fn shrinks(&self) -> bool {
        self.new.reduce_only && !self.waits
    }
}

#[derive(Clone, Debug)]
pub struct Reference {
    instrument: Instrument,
    limits: Limits,
    now_ns: i64,
    open: Vec<Open>,
    pub positions: BTreeMap<u32, i128>,
    last: Option<i64>,
    mark: Option<i64>,
    /// Prices of trades since triggers were looked at.
    traded: Vec<i64>,
    counter: u64,
    trades: u64,
    pub events: Vec<Event>,
}

/// Why an order traded no more.
enum Why {
    Enough,
    NoMore,
    Own,
}

type Done = Result<(), MatchError>;

fn rises(new: &NewOrder) -> bool {
    matches!(
        (new.trigger.unwrap().condition, new.side),
        (Condition::Stop, OrderSide::Buy) | (Condition::TakeProfit, OrderSide::Sell)
    )
}

fn reached(new: &NewOrder, price: i64) -> bool {
    let trigger = new.trigger.unwrap().price;
    if rises(new) { price >= trigger } else { price <= trigger }
}

fn other(side: OrderSide) -> OrderSide {
    if side == OrderSide::Buy { OrderSide::Sell } else { OrderSide::Buy }
}

impl Reference {
    pub fn new(instrument: &Instrument, limits: Limits) -> Reference {
        Reference {
            instrument: instrument.clone(),
            limits,
            now_ns: i64::MIN,
            open: Vec::new(),
            positions: BTreeMap::new(),
            last: None,
            mark: None,
            traded: Vec::new(),
            counter: 0,
            trades: 0,
            events: Vec::new(),
        }
    }

    pub fn advance(&mut self, now_ns: i64) -> Done {
        if now_ns < self.now_ns {
            return Err(MatchError::TimeWentBack { from_ns: self.now_ns, to_ns: now_ns });
        }
        self.now_ns = now_ns;
        let mut over: Vec<_> = self.open.iter().filter_map(|open| Some((open.new.expires_ns?, open.new.id))).collect();
        over.retain(|(at, _)| *at <= now_ns);
        over.sort();
        for (_, id) in over {
            self.end(id, EndReason::Expired);
        }
        Ok(())
    }

    pub fn submit(&mut self, new: &NewOrder, now_ns: i64) -> Done {
        self.advance(now_ns)?;
        self.check(new, None)?;
        self.enter(new);
        self.settle();
        Ok(())
    }

    pub fn cancel(&mut self, account: AccountId, id: OrderId, now_ns: i64) -> Done {
        self.advance(now_ns)?;
        self.owned(account, id)?;
        self.end(id, EndReason::Cancelled);
        Ok(())
    }

    pub fn cancel_all(&mut self, account: AccountId, now_ns: i64) -> Done {
        self.advance(now_ns)?;
        for id in self.orders_of(account).iter().map(|order| order.id).collect::<Vec<_>>() {
            self.end(id, EndReason::Cancelled);
        }
        Ok(())
    }

    pub fn replace(&mut self, old: OrderId, new: &NewOrder, now_ns: i64) -> Done {
        self.advance(now_ns)?;
        self.owned(new.account, old)?;
        self.check(new, Some(old))?;
        self.end(old, EndReason::Replaced);
        self.enter(new);
        self.settle();
        Ok(())
    }

    pub fn amend(&mut self, account: AccountId, id: OrderId, price: i64, quantity: i64, now_ns: i64) -> Done {
        self.advance(now_ns)?;
        let before = self.owned(account, id)?.clone();
        if before.waits {
            return Err(MatchError::NotInBook(id));
        }
        self.check_price(price)?;
        self.check_quantity(quantity)?;
        if quantity <= before.filled {
            self.end(id, EndReason::AmendedAway);
            return Ok(());
        }
        let mut wanted = i128::from(quantity);
        if before.new.reduce_only {
            wanted = wanted.min(i128::from(before.filled) + self.reducible(account.0, before.new.side));
        }
        let wanted = wanted as i64;
        if (Some(price), wanted) == (before.new.price, before.quantity) {
            return Err(MatchError::NoChange(id));
        }
        self.check_volume(Some(id), wanted - before.filled)?;
        let kept = Some(price) == before.new.price && wanted < before.quantity;
        let cause = AmendCause::Owner;
        self.events.push(Event::Amended { order: id, account, price, quantity: wanted, kept, cause });
        let at = self.open.iter().position(|open| open.new.id == id).unwrap();
        if kept {
            self.open[at].quantity = wanted;
            return Ok(());
        }
        let mut order = self.open.remove(at);
        order.new.price = Some(price);
        order.quantity = wanted;
        self.trade_and_rest(order, None);
        self.settle();
        Ok(())
    }

    pub fn set_mark(&mut self, price: i64, now_ns: i64) -> Done {
        self.advance(now_ns)?;
        if self.instrument.kind == ContractKind::Spot {
            return Err(MatchError::Combination("spot has no mark price"));
        }
        if price <= 0 {
            return Err(MatchError::Price(price));
        }
        self.mark = Some(price);
        self.settle();
        Ok(())
    }

    pub fn set_position(&mut self, account: AccountId, position: i64, now_ns: i64) -> Done {
        self.advance(now_ns)?;
        if account.0 >= self.limits.accounts {
            return Err(MatchError::Account(account.0));
        }
        if position % self.instrument.lot_size != 0 {
            return Err(MatchError::Quantity(position));
        }
        self.positions.insert(account.0, i128::from(position));
        self.hold_to_position(account.0);
        Ok(())
    }

    // What can be seen.

    fn sorted(&self, side: OrderSide) -> Vec<&Open> {
        let mut book: Vec<_> = self.open.iter().filter(|open| !open.waits && open.new.side == side).collect();
        let rank = |open: &&Open| (-i128::from(open.new.price.unwrap()) * i128::from(side.sign()), open.came);
        book.sort_by_key(rank);
        book
    }

    pub fn queue(&self, side: OrderSide) -> Vec<Working> {
        self.sorted(side).into_iter().map(working).collect()
    }

    pub fn orders_of(&self, account: AccountId) -> Vec<Working> {
        let mut all: Vec<_> = self.open.iter().filter(|open| open.new.account == account).collect();
        all.sort_by_key(|open| (!open.shrinks(), open.came));
        all.into_iter().map(working).collect()
    }

    pub fn open_orders(&self) -> usize {
        self.open.len()
    }

    pub fn prices(&self) -> (Option<i64>, Option<i64>) {
        (self.last, self.mark)
    }

    // What an order does.

    fn enter(&mut self, new: &NewOrder) {
        let (order, account) = (new.id, new.account);
        let (quantity, budget) = match new.amount {
            Amount::Quantity(quantity) => (quantity, None),
            Amount::Quote(amount) => (i64::MAX, Some(amount)),
        };
        let mut open = Open { new: *new, quantity, filled: 0, waits: new.trigger.is_some(), came: 0 };
        let reject = |reason| Event::Rejected { order, account, reason };
        if let Some(trigger) = new.trigger {
            let price = if trigger.by == TriggerBy::Last { self.last } else { self.mark };
            if price.is_some_and(|price| reached(new, price)) {
                return self.events.push(reject(RejectReason::WouldTrigger));
            }
            self.events.push(Event::Accepted { order, account, quantity: Some(quantity) });
            return self.keep(open);
        }
        if new.reduce_only {
            let most = self.reducible(account.0, new.side);
            if most < 1 {
                return self.events.push(reject(RejectReason::ReduceOnly));
            }
            open.quantity = i128::from(quantity).min(most) as i64;
        }
        if new.time_in_force == TimeInForce::PostOnly && self.next_maker(&open).is_some() {
            return self.events.push(reject(RejectReason::WouldTake));
        }
        let quantity = budget.is_none().then_some(open.quantity);
        self.events.push(Event::Accepted { order, account, quantity });
        self.trade_and_rest(open, budget);
    }

    fn keep(&mut self, mut open: Open) {
        self.counter += 1;
        open.came = self.counter;
        self.open.push(open);
    }

    fn next_maker(&self, taker: &Open) -> Option<Open> {
        let maker = *self.sorted(other(taker.new.side)).first()?;
        taker.takes(maker.new.price.unwrap()).then(|| maker.clone())
    }

    /// How much the account's position may be reduced by orders of a side; below 1 where it may not.
    fn reducible(&self, account: u32, side: OrderSide) -> i128 {
        let position = self.positions.get(&account).copied().unwrap_or(0);
        if side == OrderSide::Sell { position } else { -position }
    }

    fn trade_and_rest(&mut self, mut order: Open, budget: Option<i128>) {
        match order.new.time_in_force {
            TimeInForce::PostOnly if self.next_maker(&order).is_some() => {
                return self.tell_end(&order, EndReason::WouldTake);
            }
            TimeInForce::Fok => {
                // Tried out in another world.
                let (mut world, mut trial) = (self.clone(), order.clone());
                world.trade(&mut trial, None);
                if trial.left() != 0 {
                    return self.tell_end(&order, EndReason::FillOrKill);
                }
            }
            _ => {}
        }
        let why = self.trade(&mut order, budget);
        let quote = budget.is_some();
        let reason = match why {
            Why::Enough if quote => EndReason::Spent,
            Why::Enough => return,
            Why::Own => EndReason::SelfTrade,
            Why::NoMore if order.new.price.is_none() => EndReason::NoLiquidity,
            Why::NoMore if order.new.time_in_force == TimeInForce::Ioc => EndReason::ImmediateOrCancel,
            Why::NoMore => return self.keep(order),
        };
        if quote {
            order.filled = order.quantity;
        }
        self.tell_end(&order, reason);
    }

    fn trade(&mut self, taker: &mut Open, mut budget: Option<i128>) -> Why {
        while taker.left() > 0 {
            let Some(maker) = self.next_maker(taker) else { return Why::NoMore };
            let price = maker.new.price.unwrap();
            let mut most = taker.left();
            if let Some(budget) = budget {
                let lot = self.instrument.lot_size;
                let worth = self.instrument.notional(price, 1).unwrap();
                let affordable = i128::from(most).min(budget / worth) / i128::from(lot) * i128::from(lot);
                if affordable == 0 {
                    return Why::Enough;
                }
                most = affordable as i64;
            }
            if maker.new.account == taker.new.account {
                let mode = taker.new.self_trade;
                if matches!(mode, SelfTrade::ExpireMaker | SelfTrade::ExpireBoth) {
                    self.end(maker.new.id, EndReason::SelfTrade);
                }
                if matches!(mode, SelfTrade::ExpireTaker | SelfTrade::ExpireBoth) {
                    return Why::Own;
                }
                if mode == SelfTrade::ExpireMaker {
                    continue;
                }
            }
            let quantity = most.min(maker.left());
            if let Some(budget) = &mut budget {
                *budget -= self.instrument.notional(price, quantity).unwrap();
            }
            taker.filled += quantity;
            let at = self.open.iter().position(|open| open.new.id == maker.new.id).unwrap();
            self.open[at].filled += quantity;
            let maker_left = self.open[at].left();
            if maker_left == 0 {
                self.open.remove(at);
            }
            self.last = Some(price);
            self.traded.push(price);
            self.trades += 1;
            let moves = i128::from(quantity) * i128::from(taker.new.side.sign());
            *self.positions.entry(taker.new.account.0).or_default() += moves;
            *self.positions.entry(maker.new.account.0).or_default() -= moves;
            self.events.push(Event::Trade(Trade {
                id: self.trades,
                price,
                quantity,
                taker: taker.new.id,
                maker: maker.new.id,
                taker_account: taker.new.account,
                maker_account: maker.new.account,
                taker_left: budget.is_none().then(|| taker.left()),
                maker_left,
                maker_side: maker.new.side,
            }));
            self.hold_to_position(maker.new.account.0);
            self.hold_to_position(taker.new.account.0);
        }
        Why::Enough
    }

    fn hold_to_position(&mut self, account: u32) {
        let mut own: Vec<_> =
            self.open.iter().filter(|open| open.new.account.0 == account && open.shrinks()).cloned().collect();
        own.sort_by_key(|open| open.came);
        for open in own {
            let most = self.reducible(account, open.new.side);
            if most < 1 {
                self.end(open.new.id, EndReason::ReduceOnly);
            } else if i128::from(open.left()) > most {
                let at = self.open.iter().position(|same| same.new.id == open.new.id).unwrap();
                self.open[at].quantity = open.filled + most as i64;
                let cut = self.open[at].clone();
                self.tell_cut(&cut);
            }
        }
    }

    fn tell_cut(&mut self, open: &Open) {
        let NewOrder { id: order, account, price, .. } = open.new;
        let (price, quantity, cause) = (price.unwrap_or(0), open.quantity, AmendCause::ReduceOnly);
        self.events.push(Event::Amended { order, account, price, quantity, kept: true, cause });
    }

    fn settle(&mut self) {
        let mut due: Vec<Open> = Vec::new();
        loop {
            let traded = std::mem::take(&mut self.traded);
            let mark = self.mark;
            let is_due = |open: &Open| {
                open.waits
                    && match open.new.trigger.unwrap().by {
                        TriggerBy::Last => traded.iter().any(|price| reached(&open.new, *price)),
                        TriggerBy::Mark => mark.is_some_and(|price| reached(&open.new, price)),
                    }
            };
            let (mut now, rest): (Vec<Open>, Vec<Open>) = self.open.drain(..).partition(is_due);
            self.open = rest;
            now.sort_by_key(|open| {
                let price = i128::from(open.new.trigger.unwrap().price);
                if rises(&open.new) { (0, price, open.came) } else { (1, -price, open.came) }
            });
            due.extend(now);
            if due.is_empty() {
                break;
            }
            let mut order = due.remove(0);
            let NewOrder { id, account, trigger, side, reduce_only, .. } = order.new;
            self.events.push(Event::Triggered { order: id, account, price: trigger.unwrap().price });
            order.waits = false;
            if reduce_only {
                let most = self.reducible(account.0, side);
                if most < 1 {
                    self.tell_end(&order, EndReason::ReduceOnly);
                    continue;
                }
                if i128::from(order.quantity) > most {
                    order.quantity = most as i64;
                    self.tell_cut(&order);
                }
            }
            self.trade_and_rest(order, None);
        }
    }

    fn end(&mut self, id: OrderId, reason: EndReason) {
        let at = self.open.iter().position(|open| open.new.id == id).unwrap();
        let open = self.open.remove(at);
        self.tell_end(&open, reason);
    }

    fn tell_end(&mut self, open: &Open, reason: EndReason) {
        self.events.push(Event::Ended { order: open.new.id, account: open.new.account, reason, left: open.left() });
    }
}

fn working(open: &Open) -> Working {
    let NewOrder { id, account, side, price, time_in_force, reduce_only, self_trade, expires_ns, .. } = open.new;
    Working {
        id,
        account,
        side,
        price,
        quantity: open.quantity,
        filled: open.filled,
        trigger: open.waits.then(|| open.new.trigger.unwrap().price),
        time_in_force,
        reduce_only,
        self_trade,
        expires_ns,
    }
}
