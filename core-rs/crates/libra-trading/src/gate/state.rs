//! The account as its records make it. Nothing gets here but by [`State::apply`], in a running process as in a replay,
//! so a restarted account cannot differ from the one that died.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use libra_kernel::digest::Digest;
use libra_kernel::{Name, SharedPayload};

use crate::account::{Account, is_buy, same_arithmetic};
use crate::instrument::{Instrument, Money, Scale};
use crate::order::{ClientOrderId, Order, OrderRequest, OrderSide, OrderStatus};
use crate::risk::check::hold;
use crate::risk::exposure::{After, Sums, Worth};
use crate::risk::parts::{Parts, Sharers};
use crate::risk::volume::VolumeWindow;
use crate::risk::{Breach, InstrumentLimits, Market, Rejection, RiskCode};

use super::event::{GateEvent, Incident};
use super::history::{Booked, Entries, Fills, Seen};
use super::ids::{IdMap, IdSet, client_order_id};
use super::opened::Opened;
use super::reconcile::Outside;
use super::record::Record;
use super::refusals::{Refusal, Refusals};

/// A time so long ago that no clock is near it.
pub(super) const NEVER_NS: i64 = i64::MIN;

/// What the gate keeps of an instrument beside its position.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    /// Not from the log: every process learns it anew.
    pub market: Market,
    /// The last quote with two sides, and when it was received.
    pub mark: Option<(i64, i64)>,
    pub mark_ns: i64,
    pub limits: InstrumentLimits,
    /// The instrument's, as it is defined now.
    pub scale: Option<Scale>,
    pub open_buy: i64,
    pub open_sell: i64,
    /// Orders and approvals that hold something, by strategy.
    pub orders: Parts,
    /// What stands in the sums over all instruments; `None` for what is not known.
    pub worth: Option<Worth>,
    /// Where something was executed, or a limit asks for it.
    pub volume: Option<Box<VolumeWindow>>,
}

impl Default for Desk {
    fn default() -> Self {
        Desk {
            market: Market::default(),
            mark: None,
            mark_ns: 0,
            limits: InstrumentLimits::default(),
            scale: None,
            open_buy: 0,
            open_sell: 0,
            orders: Parts::default(),
            worth: Some(Worth::default()),
            volume: None,
        }
    }
}

/// An order with what only the gate needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub order: Arc<Order>,
    /// Its place among all outcomes of the log.
    pub ordinal: u64,
    /// Of an order that the gate refused and that was executed nonetheless.
    pub rejection: Option<Box<Rejection>>,
    /// Its place in the account; only a refused order may lack it.
    pub instrument: Option<usize>,
    pub hold_price: i64,
    /// Size and money that the order holds now.
    pub open_size: i64,
    pub held: Money,
    pub window_end_ns: i64,
    /// The venue's time of a first "not found" behind the window.
    pub not_found_ns: Option<i64>,
    pub cancel_pending: bool,
    /// When the last cancel went, [`NEVER_NS`] while none did. Of no weight for an order that is over.
    pub cancel_asked_ns: i64,
}

#[derive(Default)]
pub(super) struct State {
    pub name: Name,
    pub epoch: u64,
    pub opened: bool,
    pub account: Account,
    pub desks: Vec<Desk>,
    /// Every order that had an intent.
    pub entries: Entries,
    /// Every request that had none.
    pub refusals: Refusals,
    pub outcomes: u64,
    pub index: IdMap<u32>,
    /// Orders that are not final, in the order of their intents.
    pub open: Opened,
    /// The strategies of the profile, which share the limits on numbers of orders.
    pub sharers: Sharers,
    /// Orders and approvals that hold something, by strategy.
    pub orders: Parts,
    pub booked: Booked,
    /// (order, trade id): with it the account's and the order's instrument are given.
    pub fill_keys: IdSet,
    /// Orders that an incident is about which changed nothing of them: told once while one stands.
    pub disputed: IdSet,
    /// Orders that are over here, and that work at the venue as it says.
    pub strays: BTreeSet<ClientOrderId>,
    pub killed: Option<String>,
    pub incident: Option<Incident>,
    pub breaches: Vec<Breach>,
    pub confirmed: u64,
    /// How far back executions count; 0 while a log is replayed, whose executions [`super::recent`] counts.
    pub volume_window_ns: i64,
    /// Of the last change of limits.
    pub limits_version: u64,
    /// The last word on each limit that was ever changed; `None` for no limit.
    pub limit_words: BTreeMap<String, Option<String>>,
    /// What was taken over from the venue.
    pub outside: Outside,
    /// Not from the log: by settle currency, while a limit asks for it.
    pub sums: Vec<Sums>,
    pub tracks_exposures: bool,
    /// No mark of what is held or open is older than this (see `marks`).
    pub oldest_mark_ns: i64,
}

impl State {
    pub fn entry(&self, id: ClientOrderId) -> Option<(usize, Seen<'_>)> {
        let index = *self.index.get(&id.0)? as usize;
        Some((index, self.entries.get(index)))
    }

    /// An order, or a refused request that is kept in full.
    pub fn order(&self, id: ClientOrderId) -> Option<Arc<Order>> {
        match self.entry(id) {
            Some((_, entry)) => Some(entry.order()),
            None => self.refusals.full(id).map(|refusal| refusal.order.clone()),
        }
    }

    /// All of them, in the order of the log.
    pub fn orders(&self) -> impl Iterator<Item = Arc<Order>> {
        let (mut entries, mut refusals) = (self.entries.iter().peekable(), self.refusals.recent().peekable());
        std::iter::from_fn(move || {
            let entry = entries.peek().map_or(u64::MAX, |entry| entry.ordinal);
            if refusals.peek().is_some_and(|refusal| refusal.ordinal < entry) {
                refusals.next().map(|refusal| refusal.order.clone())
            } else {
                entries.next().map(|entry| entry.order())
            }
        })
    }

    /// The same, the last one first.
    pub fn orders_backwards(&self) -> impl Iterator<Item = Arc<Order>> {
        let (mut entries, mut refusals) =
            (self.entries.iter().rev().peekable(), self.refusals.recent().rev().peekable());
        std::iter::from_fn(move || {
            let entry = entries.peek().map(|entry| entry.ordinal);
            if refusals.peek().is_some_and(|refusal| Some(refusal.ordinal) > entry) {
                refusals.next().map(|refusal| refusal.order.clone())
            } else {
                entries.next().map(|entry| entry.order())
            }
        })
    }

    pub fn fills(&self) -> Fills<'_> {
        Fills { booked: &self.booked, entries: &self.entries }
    }

    /// Takes in a record; `events` gets what is to be published. An error means that the record does not belong to this
    /// account's history: only a damaged log can cause it.
    pub fn apply(&mut self, record: &Record, events: &mut Vec<GateEvent>) -> Result<(), &'static str> {
        match record {
            Record::Epoch { now_ns, epoch, account } => {
                if *epoch != self.epoch + 1 || (self.epoch > 0 && *account != self.name) {
                    return Err("an epoch or an account out of order");
                }
                if self.epoch == 0 {
                    self.outside.born_ns = *now_ns;
                }
                (self.epoch, self.name) = (*epoch, *account);
                self.entries.set_account(*account);
            }
            Record::Opening(amounts) => {
                for (currency, amount) in amounts {
                    self.account.set_opening(*currency, *amount).map_err(|_| "an opening balance does not fit")?;
                }
                self.opened = true;
            }
            Record::Instrument(instrument) => {
                if !self.may_define(instrument) {
                    return Err("an instrument in use was defined anew");
                }
                let slot = self.account.set_instrument((**instrument).clone());
                let slot = slot.map_err(|_| "an instrument in use was defined anew")?;
                if self.desks.len() <= slot {
                    self.desks.resize(slot + 1, Desk::default());
                }
                self.desks[slot].scale = instrument.scale();
            }
            Record::Intent { now_ns, request, hold_price, window_end_ns } => {
                let instrument = self.account.slot(request.instrument).ok_or("an order of an unknown instrument")?;
                let order = self.outcome(*now_ns, request, None)?;
                let index = self.push(order, None, Some(instrument), *hold_price, *window_end_ns)?;
                self.open.insert(index, request.strategy);
                self.rehold(index)?;
                events.push(GateEvent::Order(self.entries.get(index).order()));
            }
            Record::Rejected { now_ns, request, rejection } => {
                let order = self.outcome(*now_ns, request, Some(rejection))?;
                events.push(GateEvent::Order(order.clone()));
                let rejection = Box::new(rejection.clone());
                self.refusals.insert(*now_ns, Refusal { order, rejection, ordinal: self.outcomes });
            }
            Record::Refused { now_ns, code, ids, .. } => {
                for id in ids {
                    if self.has_outcome(ClientOrderId(*id)) {
                        return Err("a second outcome of one request");
                    }
                    self.outcomes += 1;
                    self.refusals.insert_bare(*now_ns, *id, *code, self.outcomes);
                }
            }
            Record::Submitted { now_ns, client_order_id } => {
                let index = self.find(*client_order_id)?;
                if self.entries.get(index).order.status == OrderStatus::New {
                    let order = self.order_mut(index, *now_ns);
                    order.status = OrderStatus::Submitted;
                    events.push(GateEvent::Order(self.entries.get(index).order()));
                }
            }
            Record::CancelIntent { now_ns, client_order_id } => {
                let index = self.find(*client_order_id)?;
                self.entries.change(index).cancel_asked_ns = *now_ns;
                self.mark_cancelling(index, true);
            }
            // In a log of before `NotFound` the rule of then is the only word on what a "not found" came to.
            Record::Report { now_ns, report } => {
                let ends = self.agrees_within(report, super::report::OLD_NOT_FOUND_AGES_NS);
                self.apply_report(*now_ns, report, ends, events)?;
            }
            Record::NotFound { now_ns, report, ends } => self.apply_report(*now_ns, report, *ends, events)?,
            Record::Kill { reason, .. } => {
                self.killed = Some(reason.clone());
                events.push(GateEvent::Latched { reason: reason.clone() });
            }
            Record::Resume { .. } => {
                self.killed = None;
                self.incident = None;
                self.breaches.retain(|breach| breach.code != RiskCode::Drawdown);
                events.push(GateEvent::Resumed);
            }
            Record::Watermark { day, lines } => {
                // Whatever the clock said when a loss was measured: it stands until its currency begins a day.
                let balances = self.account.balances();
                let begins = balances.iter().filter(|balance| balance.day < *day).map(|balance| balance.currency);
                let begins: Vec<Name> = begins.filter(|name| lines.iter().any(|line| line.currency == *name)).collect();
                self.breaches.retain(|b| b.code == RiskCode::Drawdown || !begins.contains(&b.currency));
                self.account.set_day(*day);
                for line in lines {
                    let balances = self.account.balances();
                    let index = balances.iter().position(|balance| balance.currency == line.currency);
                    let balance = self.account.balance_mut(index.ok_or("an unknown currency")?);
                    (balance.peak, balance.day_start, balance.day) = (line.peak, line.day_start, *day);
                }
            }
            Record::Breach(breach) => {
                self.breaches.push(*breach);
                events.push(GateEvent::Breach(*breach));
            }
            Record::Confirmed { sequence } => self.confirmed = self.confirmed.max(*sequence),
            Record::Note { .. } => {}
            Record::Limits(changed) => {
                if changed.version <= self.limits_version {
                    return Err("versions of limits out of order");
                }
                self.limits_version = changed.version;
                for change in &changed.changes {
                    self.limit_words.insert(change.key.clone(), change.new.clone());
                }
                events.push(GateEvent::Limits(changed.clone()));
            }
            Record::Venue(record) => self.apply_venue(record, events)?,
        }
        Ok(())
    }

    /// False when the definition would change what open orders or booked fills mean.
    pub fn may_define(&self, instrument: &Instrument) -> bool {
        let Some(slot) = self.account.slot(instrument.id) else { return true };
        let desk = &self.desks[slot];
        let in_use = desk.open_buy != 0 || desk.open_sell != 0 || self.account.position_at(slot).trades > 0;
        !in_use || same_arithmetic(self.account.instrument_at(slot), instrument)
    }

    /// What was seen of an instrument's market is in units of a definition that is no more.
    pub(super) fn forget_market(&mut self, instrument: Name) {
        if let Some(slot) = self.account.slot(instrument) {
            let desk = &mut self.desks[slot];
            (desk.market, desk.mark, desk.volume) = (Market::default(), None, None);
        }
    }

    pub(super) fn find(&self, id: ClientOrderId) -> Result<usize, &'static str> {
        self.index.get(&id.0).map(|index| *index as usize).ok_or("a record of an unknown order")
    }

    /// The order, to be changed at `now_ns`; a copy is made when an event still holds the state before.
    pub(super) fn order_mut(&mut self, index: usize, now_ns: i64) -> &mut Order {
        let order = Arc::make_mut(&mut self.entries.change(index).order);
        order.ts_ns = now_ns;
        order.last_fill = None;
        order
    }

    /// The cancel of an order is under way from now on, or not any more.
    pub(super) fn mark_cancelling(&mut self, index: usize, pending: bool) {
        let entry = self.entries.change(index);
        if std::mem::replace(&mut entry.cancel_pending, pending) != pending {
            let strategy = entry.order.request.strategy;
            if self.open.contains(index) {
                self.open.mark(strategy, pending);
            }
        }
    }

    pub(super) fn has_outcome(&self, id: ClientOrderId) -> bool {
        self.index.contains_key(&id.0) || self.refusals.get(id).is_some()
    }

    /// The order that a request comes to: a new one, or a refused one.
    fn outcome(
        &mut self,
        now_ns: i64,
        request: &OrderRequest,
        rejection: Option<&Rejection>,
    ) -> Result<Arc<Order>, &'static str> {
        let id = client_order_id(self.name, request.request_id);
        if self.has_outcome(id) {
            return Err("a second outcome of one request");
        }
        self.outcomes += 1;
        Ok(Arc::new(Order {
            client_order_id: id,
            venue_order_id: String::new(),
            request: request.clone(),
            status: if rejection.is_some() { OrderStatus::Rejected } else { OrderStatus::New },
            filled: 0,
            filled_notional: 0,
            fees: 0,
            reason: rejection.map_or_else(String::new, |r| r.code.as_str().to_owned()),
            detail: rejection.map_or_else(String::new, Rejection::explanation),
            last_fill: None,
            ts_ns: now_ns,
        }))
    }

    /// Makes an order of a refused request that the venue executed, to be booked. `None` when it is not kept in full.
    pub(super) fn adopt_refused(&mut self, id: ClientOrderId) -> Result<Option<usize>, &'static str> {
        let Some(Refusal { order, rejection, .. }) = self.refusals.take(id) else { return Ok(None) };
        let instrument = self.account.slot(order.request.instrument);
        self.outcomes += 1;
        self.push(order, Some(rejection), instrument, 0, 0).map(Some)
    }

    pub(super) fn push(
        &mut self,
        order: Arc<Order>,
        rejection: Option<Box<Rejection>>,
        instrument: Option<usize>,
        hold_price: i64,
        window_end_ns: i64,
    ) -> Result<usize, &'static str> {
        let (index, is_final) = (self.entries.len(), order.status.is_final());
        self.index.insert(order.client_order_id.0, u32::try_from(index).map_err(|_| "too many orders")?);
        self.entries.push(Entry {
            order,
            ordinal: self.outcomes,
            rejection,
            instrument,
            hold_price,
            open_size: 0,
            held: 0,
            window_end_ns,
            not_found_ns: None,
            cancel_pending: false,
            cancel_asked_ns: NEVER_NS,
        });
        if is_final {
            self.entries.ended(index);
        }
        Ok(index)
    }

    /// Brings what an order holds in line with what remains of it; a final one holds nothing.
    pub(super) fn rehold(&mut self, index: usize) -> Result<(), &'static str> {
        let entry = self.entries.get(index);
        let Some(slot) = entry.instrument else { return Ok(()) };
        let order = &entry.order;
        let (side, size, place) = (order.request.side, order.request.size, self.sharers.place(order.request.strategy));
        let remaining = if order.status.is_final() { 0 } else { size.saturating_sub(order.filled).max(0) };
        let instrument = self.account.instrument_at(slot);
        let held = hold(instrument, is_buy(side), entry.hold_price, remaining).ok_or("a reservation does not fit")?;
        // Neither is below zero, so a difference of two fits.
        let (more, more_held) = (remaining - entry.open_size, held - entry.held);
        let orders = i32::from(remaining > 0) - i32::from(entry.open_size > 0);
        self.reserve(slot, side, more, more_held, (place, orders)).ok_or("a reservation does not fit")?;
        let entry = self.entries.change(index);
        (entry.open_size, entry.held) = (remaining, held);
        Ok(())
    }

    /// Adds to what orders and approvals of an instrument hold, and to their number at a strategy's place; takes away when
    /// negative. `None`, and nothing changed, when a sum does not fit.
    #[inline]
    pub fn reserve(
        &mut self,
        slot: usize,
        side: OrderSide,
        size: i64,
        held: Money,
        orders: (usize, i32),
    ) -> Option<()> {
        self.add_held(slot, side, size, held, orders)?;
        self.revalue(slot);
        Some(())
    }

    /// Adds an order that was just checked, with what the check found.
    #[inline]
    pub fn reserve_checked(
        &mut self,
        slot: usize,
        side: OrderSide,
        size: i64,
        held: Money,
        place: usize,
        after: &After,
    ) -> Option<()> {
        self.add_held(slot, side, size, held, (place, 1))?;
        if after.is_known {
            self.take_after(slot, side, after);
        }
        Some(())
    }

    #[inline]
    fn add_held(
        &mut self,
        slot: usize,
        side: OrderSide,
        size: i64,
        held: Money,
        (place, orders): (usize, i32),
    ) -> Option<()> {
        let desk = &mut self.desks[slot];
        let open = if is_buy(side) { &mut desk.open_buy } else { &mut desk.open_sell };
        let sum = open.checked_add(size)?;
        if held != 0 {
            let (base, quote, _) = self.account.currencies_at(slot);
            let balance = self.account.balance_mut(if is_buy(side) { quote } else { base });
            let reserved = balance.reserved.checked_add(held)?;
            desk.orders.add(place, orders)?;
            balance.reserved = reserved;
        } else {
            desk.orders.add(place, orders)?;
        }
        *open = sum;
        // It counts no less than its instrument does.
        self.orders.add(place, orders)
    }

    /// Counts an execution, limited or not: a share that is limited from tomorrow on is of what was executed today.
    pub(super) fn count_own(&mut self, slot: usize, now_ns: i64, size: i64) {
        if self.volume_window_ns > 0 {
            let window = || Box::new(VolumeWindow::new(self.volume_window_ns));
            self.desks[slot].volume.get_or_insert_with(window).on_own(now_ns, size);
        }
    }

    /// A digest of everything that the log holds but epochs, watermarks and what was confirmed.
    pub fn digest(&self) -> String {
        let mut digest = Digest::new();
        for entry in self.entries.iter() {
            entry.order.digest(&mut digest);
            digest.i64(entry.hold_price);
            digest.i64(entry.window_end_ns);
            digest.i64(entry.not_found_ns.unwrap_or(i64::MIN));
            digest.u64(u64::from(entry.cancel_pending));
            let rejection = entry.rejection.as_ref().map(ToString::to_string).unwrap_or_default();
            digest.blob(rejection.as_bytes());
        }
        self.refusals.digest(&mut digest);
        for fill in self.fills().iter() {
            digest.i128(fill.client_order_id.0 as i128);
            digest.name(fill.instrument);
            digest.u64(fill.trade_id);
            digest.i64(fill.price);
            digest.i64(fill.size);
            digest.i128(fill.fee);
        }
        digest.u64(self.disputed.len() as u64);
        for stray in &self.strays {
            digest.i128(stray.0 as i128);
        }
        for position in self.account.positions() {
            position.digest(&mut digest);
        }
        for balance in self.account.balances() {
            digest.name(balance.currency);
            for amount in [balance.opening, balance.total, balance.realised, balance.fees] {
                digest.i128(amount);
            }
        }
        digest.blob(self.killed.as_deref().unwrap_or("-").as_bytes());
        digest.u64(self.incident.as_ref().map_or(u64::MAX, |incident| incident.code as u64));
        for breach in &self.breaches {
            breach.digest(&mut digest);
        }
        digest.u64(self.limits_version);
        for (key, value) in &self.limit_words {
            digest.blob(key.as_bytes());
            digest.blob(value.as_deref().unwrap_or("-").as_bytes());
        }
        self.outside.digest(&mut digest);
        digest.hex()
    }
}
