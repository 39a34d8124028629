//! The truth: what was asked, promised, sent, said and done, in plain maps and sums, by what the documents say and not
//! by the gate's code. It is slow and simple on purpose: sums are taken over everything, every time.

use std::collections::{BTreeMap, BTreeSet};

use libra_kernel::Name;
use libra_trading::desk::OnVanish;
use libra_trading::instrument::{ContractKind, Instrument, Money};
use libra_trading::order::{ClientOrderId, OrderRequest, OrderSide, OrderStatus, OrderType, VenueReport};
use libra_trading::risk::RiskLimits;

use crate::accept::Moved;

pub const SECOND: i64 = 1_000_000_000;
pub const APPROVAL_TTL: i64 = SECOND;
pub const WINDOW: i64 = 10 * SECOND;

pub fn name(text: &str) -> Name {
    Name::intern(text)
}

/// Something that was executed, as the venue told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub order: ClientOrderId,
    pub trade: u64,
    pub instrument: Name,
    pub sign: i64,
    pub price: i64,
    pub size: i64,
    pub fee: Money,
    pub fee_currency: Name,
}

/// An approval that nobody has spent.
#[derive(Clone, Copy, Debug)]
pub struct Approved {
    pub deadline_ns: i64,
    pub held: Money,
    pub hold_price: i64,
    /// The kill latch was set since.
    pub void: bool,
}

/// What a request came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub status: OrderStatus,
    /// The gate refused it: it never became an order.
    pub refused: bool,
    pub venue_id: String,
    /// Trade ids that were told, whether they could be booked or not.
    pub trades: BTreeSet<u64>,
    pub window_end_ns: i64,
    pub not_found_ns: Option<i64>,
    /// It worked, and ended because the venue did not know it any more.
    pub lost: bool,
    pub hold_price: i64,
    pub cancel_pending: bool,
    /// When the intent to cancel it, that the log has, was made.
    pub cancel_ns: i64,
    /// Its place among all intents.
    pub intended: usize,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub request: OrderRequest,
    pub outcome: Option<Outcome>,
    /// How often its bytes left, over all processes. More than once is what must never be.
    pub left: u32,
    /// When its bytes left.
    pub left_ns: i64,
}

/// What holds although the log did not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    Kill,
    /// With the time at which it was asked for.
    Cancel(ClientOrderId, i64),
    Loss,
}

/// What a process forgets when it dies.
#[derive(Clone, Default)]
pub struct Memory {
    pub quotes: BTreeMap<Name, (i64, i64, i64)>,
    pub approvals: BTreeMap<ClientOrderId, Approved>,
    /// When approvals were given, to whom, and whether they count in a part of the rate that is the strategy's own.
    pub given: Vec<(i64, Name, bool)>,
    /// Orders with an intent of this process that the gateway has not begun to send.
    pub unsent: BTreeMap<ClientOrderId, i64>,
    /// Cancels of orders that were not known here, and who asked for them.
    pub early: BTreeMap<(ClientOrderId, Name), i64>,
    /// Strategies that are no more, and what becomes of what they left.
    pub stopped: BTreeMap<Name, OnVanish>,
    /// Of a strategy and an instrument: the last request that closes what it left.
    pub flattening: BTreeMap<(Name, Name), ClientOrderId>,
    /// Of those: since when nothing was under way, behind which request.
    pub idle: BTreeMap<(Name, Name), (Option<ClientOrderId>, i64)>,
    /// The router's last event when a strategy came back.
    pub returned: BTreeMap<Name, u64>,
    /// What signals asked for.
    pub signalled: BTreeSet<ClientOrderId>,
    /// Those that the kill switch or a stop has ended, until somebody asks again.
    pub ended: BTreeSet<(Name, Name)>,
    /// The router's last event when the kill latch was taken back: requests up to it waited.
    pub waited: u64,
    pub draining: bool,
    pub reconciling: bool,
    /// The log's disk takes nothing.
    pub full: bool,
    /// A write failed and nobody has resumed since.
    pub log_failed: bool,
    /// In the order in which the log gets it.
    pub owed: Vec<Owed>,
    /// What became of orders that never left, and the log did not take.
    pub unbooked: Vec<VenueReport>,
    /// Orders that must not stay, and when their cancel was asked for.
    pub unwanted: BTreeMap<ClientOrderId, i64>,
    /// Requests whose refusal the log did not take.
    pub unlogged: BTreeSet<ClientOrderId>,
    /// When this process last asked the venue to cancel an order.
    pub cancelled: BTreeMap<ClientOrderId, i64>,
}

/// See the module.
#[derive(Clone)]
pub struct Truth {
    pub instruments: Vec<Instrument>,
    pub opening: BTreeMap<Name, Money>,
    pub strategies: Vec<Name>,
    pub limits: RiskLimits,
    pub asked: BTreeMap<ClientOrderId, Asked>,
    /// Everything booked, in the order of booking.
    pub rows: Vec<Row>,
    /// Every size that the venue's word changed, in the order of booking.
    pub moves: Vec<Moved>,
    pub killed: bool,
    pub incident: bool,
    /// The day whose loss limit was passed.
    pub lost_day: Option<i64>,
    /// The account's UTC day.
    pub day: i64,
    /// The day that losses are counted from, and the equity that it began at: behind the account's while nothing was known.
    pub start: (i64, Money),
    /// Behind such a loss nothing leaves; otherwise what reduces does.
    pub halts: bool,
    /// Outcomes so far.
    pub intents: usize,
    /// Orders that only the venue knows, or has rejected behind its acceptance, and that were told.
    pub strangers: BTreeSet<ClientOrderId>,
    /// Orders that are over and that the venue works on as it says.
    pub strays: BTreeSet<ClientOrderId>,
    pub memory: Memory,
}

/// What a report does to the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing changes.
    None,
    /// It is written down, and there may be something to publish.
    Taken,
    /// It is known, and written down all the same: the venue had missed the order before.
    Seen,
    /// It cannot be true: an error, and nothing changes.
    Impossible,
}

pub fn sign(side: OrderSide) -> i64 {
    if side == OrderSide::Buy { 1 } else { -1 }
}

impl Truth {
    pub fn instrument(&self, id: Name) -> &Instrument {
        self.instruments.iter().find(|instrument| instrument.id == id).expect("runs trade what is listed")
    }

    pub fn outcome(&self, id: ClientOrderId) -> Option<&Outcome> {
        self.asked.get(&id)?.outcome.as_ref()
    }

    /// An order that is not final: its request was not refused and it has not ended.
    pub fn is_open(&self, id: ClientOrderId) -> bool {
        self.outcome(id).is_some_and(|outcome| !outcome.refused && !outcome.status.is_final())
    }

    pub fn open(&self) -> Vec<ClientOrderId> {
        self.asked.keys().copied().filter(|id| self.is_open(*id)).collect()
    }

    /// Open orders in the order of their intents, in which they are cancelled.
    pub fn open_by_intent(&self) -> Vec<ClientOrderId> {
        let mut open = self.open();
        open.sort_by_key(|id| self.outcome(*id).map(|outcome| outcome.intended));
        open
    }

    pub fn filled(&self, id: ClientOrderId) -> i64 {
        self.rows.iter().filter(|row| row.order == id).map(|row| row.size).sum()
    }

    // Money -----------------------------------------------------------------------------------------------------------

    /// What there is of a currency.
    pub fn total(&self, currency: Name) -> Money {
        let mut total = self.opening.get(&currency).copied().unwrap_or(0);
        for row in &self.rows {
            let instrument = self.instrument(row.instrument);
            if instrument.kind == ContractKind::Spot {
                if instrument.quote == currency {
                    total -= instrument.notional(row.price, row.sign * row.size).expect("it was booked");
                }
                if instrument.base == currency {
                    total += Money::from(row.sign * row.size) * 10_i128.pow(u32::from(12 - instrument.size_decimals));
                }
            }
            if row.fee_currency == currency {
                total -= row.fee;
            }
        }
        let linear = self.instruments.iter().filter(|i| i.kind == ContractKind::Linear && i.settle == currency);
        total + linear.map(|instrument| self.position(instrument.id).2).sum::<Money>()
    }

    pub fn realised(&self, currency: Name) -> Money {
        let settled = self.instruments.iter().filter(|instrument| instrument.settle == currency);
        settled.map(|instrument| self.position(instrument.id).2).sum()
    }

    pub fn fees(&self, currency: Name) -> Money {
        self.rows.iter().filter(|row| row.fee_currency == currency).map(|row| row.fee).sum()
    }

    /// What open orders and approvals hold: sizes of buys, of sells, and of each currency.
    pub fn held(&self, instrument: Name) -> (i64, i64) {
        let mut held = (0, 0);
        for (id, asked) in &self.asked {
            let request = &asked.request;
            if request.instrument != instrument {
                continue;
            }
            let size = match (&asked.outcome, self.memory.approvals.contains_key(id)) {
                (Some(_), _) if self.is_open(*id) => (request.size - self.filled(*id)).max(0),
                (None, true) => request.size,
                _ => 0,
            };
            if request.side == OrderSide::Buy { held.0 += size } else { held.1 += size }
        }
        held
    }

    pub fn reserved(&self, currency: Name) -> Money {
        let mut reserved = 0;
        for (id, asked) in &self.asked {
            let request = &asked.request;
            let instrument = self.instrument(request.instrument);
            let pays = if request.side == OrderSide::Buy { instrument.quote } else { instrument.base };
            if instrument.kind != ContractKind::Spot || pays != currency {
                continue;
            }
            reserved += match (&asked.outcome, self.memory.approvals.get(id)) {
                (Some(outcome), _) if self.is_open(*id) => {
                    self.cost(request, outcome.hold_price, (request.size - self.filled(*id)).max(0))
                }
                (None, Some(approved)) => approved.held,
                _ => 0,
            };
        }
        reserved
    }

    /// What a spot order with `size` to go may take from the account.
    fn cost(&self, request: &OrderRequest, price: i64, size: i64) -> Money {
        let instrument = self.instrument(request.instrument);
        if instrument.kind != ContractKind::Spot {
            return 0;
        }
        if request.side == OrderSide::Sell {
            return Money::from(size) * 10_i128.pow(u32::from(12 - instrument.size_decimals));
        }
        let notional = instrument.notional(price, size).expect("small");
        notional + instrument.fee(notional, instrument.taker_fee).expect("small")
    }

    fn hold_price(&self, request: &OrderRequest) -> i64 {
        let (bid, ask, _) = self.memory.quotes.get(&request.instrument).copied().unwrap_or_default();
        let collar = i64::from(self.limits.price_collar_bps.unwrap_or(0));
        match (request.order_type, request.side) {
            (OrderType::Limit, OrderSide::Buy) => request.price,
            (OrderType::Limit, OrderSide::Sell) => request.price.max(bid),
            (OrderType::Market, OrderSide::Buy) if self.instrument(request.instrument).kind == ContractKind::Spot => {
                ask + ask * collar / 10_000
            }
            (OrderType::Market, OrderSide::Sell) if self.instrument(request.instrument).kind == ContractKind::Spot => {
                bid + bid * collar / 10_000
            }
            (OrderType::Market, OrderSide::Buy) => ask,
            (OrderType::Market, OrderSide::Sell) => bid,
        }
    }

    // Decisions -------------------------------------------------------------------------------------------------------

    /// What stops every new order, if anything does.
    pub fn stopped(&self) -> Option<&'static str> {
        match () {
            () if self.killed => Some("killed"),
            () if self.incident => Some("incident"),
            () if self.memory.log_failed => Some("log failed"),
            () if self.memory.draining => Some("draining"),
            () if self.memory.reconciling => Some("reconciling"),
            () => None,
        }
    }

    /// True for an order that a passed loss limit does not let through. It reduces when position, everything open on its
    /// side and itself together cannot pass zero.
    pub fn loses(&self, id: ClientOrderId, request: &OrderRequest) -> bool {
        self.lost_day.is_some() && (self.halts || !self.reduces(id, request))
    }

    /// Cancels what must not stay: everything once killed; behind a loss what does not reduce, and of what does all that goes
    /// beyond the position, the youngest first; what a strategy left that is no more. One by one, why, and whether it was
    /// asked for before.
    pub fn pursue_unwanted(&mut self, now_ns: i64) -> Vec<(&'static str, bool)> {
        let gone = |policy: Option<&OnVanish>| policy.is_some_and(|policy| *policy != OnVanish::Keep);
        let left = |id: &ClientOrderId| gone(self.memory.stopped.get(&self.asked[id].request.strategy));
        if !self.killed && self.lost_day.is_none() && !self.open().iter().any(left) {
            self.memory.unwanted.clear();
            return Vec::new();
        }
        let mut unwanted: Vec<(ClientOrderId, &'static str)> = Vec::new();
        if !self.killed {
            unwanted.extend(self.exceeding().into_iter().map(|id| (id, "a loss")));
        }
        for id in self.open_by_intent() {
            let policy = self.memory.stopped.get(&self.asked[&id].request.strategy);
            let gone = policy.is_some_and(|policy| *policy != OnVanish::Keep) && !self.is_flattening(id);
            if self.killed || gone {
                unwanted.push((id, if self.killed { "a kill" } else { "a strategy given up" }));
            }
        }
        let mut done = Vec::new();
        for (id, why) in unwanted {
            let asked_ns = self.memory.unwanted.get(&id).copied();
            let pending = self.outcome(id).is_some_and(|outcome| outcome.cancel_pending);
            if !pending && asked_ns.is_none_or(|at| now_ns >= at + 5 * SECOND) {
                self.memory.unwanted.insert(id, now_ns);
                self.cancel(now_ns, id, why == "a loss");
                done.push((why, asked_ns.is_some()));
            }
        }
        done
    }

    /// Open orders that go beyond what a passed loss limit lets stay. Whatever is open, cancelled or not, may still fill.
    fn exceeding(&self) -> Vec<ClientOrderId> {
        let mut left = BTreeMap::new();
        let mut exceeding = Vec::new();
        for id in self.open_by_intent().into_iter().filter(|_| self.lost_day.is_some()) {
            let request = &self.asked[&id].request;
            let room = (self.position(request.instrument).0 * -sign(request.side)).max(0);
            let left = left.entry((request.instrument, request.side as u8)).or_insert(room);
            *left -= (request.size - self.filled(id)).max(0);
            if self.halts || *left < 0 {
                exceeding.push(id);
            }
        }
        exceeding
    }

    /// Why a request may not be approved now; `None` when it has to be.
    pub fn refusal(&self, now_ns: i64, id: ClientOrderId, request: &OrderRequest) -> Option<&'static str> {
        if let Some(why) = self.stopped() {
            return Some(why);
        }
        let limits = &self.limits;
        let instrument = self.instrument(request.instrument);
        let own = limits.of(instrument);
        if request.deadline_ns != 0 && now_ns > request.deadline_ns {
            return Some("deadline");
        }
        if own.max_order_size.is_some_and(|most| request.size > most) {
            return Some("size");
        }
        let Some(&(bid, ask, quoted_ns)) = self.memory.quotes.get(&request.instrument) else { return Some("no quote") };
        if limits.max_quote_age_ns.is_some_and(|most| now_ns - quoted_ns > most) {
            return Some("old quote");
        }
        if let (Some(collar), OrderType::Limit) = (limits.price_collar_bps, request.order_type) {
            let (price, middle) = (2 * i128::from(request.price), i128::from(bid + ask));
            if (price - middle).abs() * 10_000 > i128::from(collar) * middle {
                return Some("collar");
            }
        }
        let least = match (request.order_type, request.side) {
            (OrderType::Limit, _) => request.price,
            (OrderType::Market, OrderSide::Buy) => ask,
            (OrderType::Market, OrderSide::Sell) => bid,
        };
        if instrument.notional(least, request.size).expect("small") < instrument.min_notional {
            return Some("notional");
        }
        if self.is_worth_too_much(request) {
            return Some("worth");
        }
        let (buys, sells) = self.held(request.instrument);
        let size = self.position(request.instrument).0;
        let (alone, open) = if request.side == OrderSide::Buy { (size, buys) } else { (-size, sells) };
        let (alone, worst) = (alone + request.size, alone + open + request.size);
        if limits.max_open_orders.is_some_and(|most| self.too_many(most as usize, request.strategy, alone, worst)) {
            return Some("open orders");
        }
        if own.max_position.is_some_and(|most| worst > most) {
            return Some("position");
        }
        if instrument.kind == ContractKind::Spot {
            let pays = if request.side == OrderSide::Buy { instrument.quote } else { instrument.base };
            if self.cost(request, self.hold_price(request), request.size) > self.total(pays) - self.reserved(pays) {
                return Some("funds");
            }
        }
        if self.loses(id, request) {
            return Some("loss");
        }
        if self.unmeasured(now_ns, id, request) {
            return Some(if self.dollars().is_none() { "unmeasured" } else { "old quote of another" });
        }
        if let Some(most) = limits.max_orders_per_second {
            let (own, rest) = self.sent_within(now_ns, request.strategy);
            let (share, common) = self.shares();
            // An earlier process may have sent more under looser limits.
            let all = self.memory.given.iter().filter(|(at_ns, ..)| now_ns - at_ns < SECOND).count();
            if all >= most as usize || own >= share && rest >= common {
                return Some("rate");
            }
        }
        None
    }

    /// Has the strategy as many open orders as it may have? An order that only reduces, with what is open on its side or as the
    /// only one that the strategy has, passes up to twice the limit.
    fn too_many(&self, most: usize, strategy: Name, alone: i64, worst: i64) -> bool {
        let standing: Vec<ClientOrderId> =
            self.open().into_iter().chain(self.memory.approvals.keys().copied()).collect();
        let of = |whose: Name| standing.iter().filter(|id| self.asked[id].request.strategy == whose).count();
        let (share, common) = self.shares_of(most);
        let strategies = &self.strategies;
        let others = standing.iter().filter(|id| !strategies.contains(&self.asked[id].request.strategy)).count();
        let beyond = strategies.iter().map(|whose| of(*whose).saturating_sub(share)).sum::<usize>() + others;
        let own = of(strategy);
        let reduces = worst <= 0 || own == 0 && alone <= 0;
        own >= share && beyond >= common && !(reduces && own < 2 * most)
    }

    /// Of the orders within a second: how many each strategy has for itself, and how many are for whoever comes first.
    fn shares(&self) -> (usize, usize) {
        self.shares_of(self.limits.max_orders_per_second.map_or(0, |most| most as usize))
    }

    fn shares_of(&self, most: usize) -> (usize, usize) {
        let strategies = self.strategies.len();
        let share = if strategies > most { 0 } else { (most / 2 / strategies).max(1) };
        (share, most - share * strategies)
    }

    /// What a strategy has sent of its own part within the last second, and all of what is common.
    fn sent_within(&self, now_ns: i64, strategy: Name) -> (usize, usize) {
        let within = || self.memory.given.iter().filter(|(at_ns, ..)| now_ns - at_ns < SECOND);
        let own = within().filter(|(_, whose, own)| *whose == strategy && *own).count();
        (own, within().filter(|(_, _, own)| !own).count())
    }

    fn give(&mut self, now_ns: i64, strategy: Name) {
        let own = self.sent_within(now_ns, strategy).0 < self.shares().0;
        self.memory.given.push((now_ns, strategy, own));
    }

    /// Is an approval out of time?
    pub fn is_due(&self, now_ns: i64) -> bool {
        self.memory.approvals.values().any(|approved| now_ns > approved.deadline_ns)
    }

    /// Approvals out of time are refused; with a log that failed they wait.
    pub fn lapse(&mut self, now_ns: i64) -> Vec<ClientOrderId> {
        if self.memory.log_failed {
            return Vec::new();
        }
        let due = self.memory.approvals.iter().filter(|(_, approved)| now_ns > approved.deadline_ns);
        let due: Vec<ClientOrderId> = due.map(|(id, _)| *id).collect();
        for id in &due {
            self.refuse(*id);
        }
        due
    }

    pub fn approve(&mut self, now_ns: i64, id: ClientOrderId) {
        let request = self.asked[&id].request.clone();
        let lapse_ns = now_ns + APPROVAL_TTL;
        let deadline_ns = if request.deadline_ns == 0 { lapse_ns } else { lapse_ns.min(request.deadline_ns) };
        let hold_price = self.hold_price(&request);
        let held = self.cost(&request, hold_price, request.size);
        self.give(now_ns, request.strategy);
        self.memory.approvals.insert(id, Approved { deadline_ns, held, hold_price, void: false });
    }

    /// After a restart the rates go on from what is written down: each intent counts at its own time.
    pub fn remember_rates(&mut self) {
        let sent = self.asked.values().filter_map(|asked| {
            let outcome = asked.outcome.as_ref().filter(|outcome| !outcome.refused)?;
            Some((outcome.window_end_ns - WINDOW, asked.request.strategy))
        });
        let mut sent: Vec<(i64, Name)> = sent.collect();
        sent.sort_by_key(|(at_ns, _)| *at_ns);
        self.memory.given.clear();
        for (at_ns, strategy) in sent {
            self.give(at_ns, strategy);
        }
    }

    /// Refused in the log; where that takes nothing, the request is refused all the same, without an outcome.
    pub fn refuse(&mut self, id: ClientOrderId) {
        self.memory.approvals.remove(&id);
        if self.memory.full {
            self.memory.unlogged.insert(id);
            return;
        }
        self.memory.unlogged.remove(&id);
        self.conclude(id, OrderStatus::Rejected, true, 0, 0);
    }

    /// Its intent stands in the log.
    pub fn intend(&mut self, now_ns: i64, id: ClientOrderId) {
        let hold_price = self.memory.approvals.remove(&id).expect("it was approved").hold_price;
        self.memory.unsent.insert(id, now_ns);
        self.conclude(id, OrderStatus::New, false, now_ns + WINDOW, hold_price);
    }

    fn conclude(&mut self, id: ClientOrderId, status: OrderStatus, refused: bool, window_end_ns: i64, hold_price: i64) {
        let asked = self.asked.get_mut(&id).expect("it was asked");
        assert!(asked.outcome.is_none(), "a second outcome of {id}: {:?}", asked.outcome);
        asked.outcome = Some(Outcome {
            status,
            refused,
            venue_id: String::new(),
            trades: BTreeSet::new(),
            window_end_ns,
            not_found_ns: None,
            lost: false,
            hold_price,
            cancel_pending: false,
            cancel_ns: 0,
            intended: self.intents,
        });
        self.intents += 1;
    }
}

impl Truth {
    /// Equity at the quotes of this process; unknown while a position has none.
    pub fn equity(&self, currency: Name) -> Option<Money> {
        let mut equity =
            self.opening.get(&currency).copied().unwrap_or(0) + self.realised(currency) - self.fees(currency);
        for instrument in self.instruments.iter().filter(|instrument| instrument.settle == currency) {
            let (size, cost, _) = self.position(instrument.id);
            if size != 0 {
                let (bid, ask, _) = self.memory.quotes.get(&instrument.id)?;
                equity += instrument.notional(if size > 0 { *bid } else { *ask }, size)? - cost;
            }
        }
        Some(equity)
    }
}
