//! What a reconciliation takes over from the venue: orders that the log lost, money that flowed, an opening, an accepted
//! difference. What it is decided by stands in `crate::reconcile`; here it is appended, then booked.

use std::collections::BTreeMap;
use std::sync::Arc;

use libra_kernel::Name;
use libra_kernel::digest::Digest;
use xxhash_rust::xxh3::xxh3_128;

use crate::account::outside::Shift;
use crate::account::{Account, Position, PositionChange, is_buy};
use crate::instrument::Money;
use crate::order::{ClientOrderId, Order, OrderRequest, OrderStatus, TimeInForce};
use crate::reconcile::compare::{Orphan, contract_of};
use crate::reconcile::{Adjustment, BalanceLine, Difference, FlowKind, PositionLine, Subject, VenueFlow};
use crate::risk::check::hold;

use super::codec::clip;
use super::event::{IncidentCode, NO_ORDER};
use super::ids::IdSet;
use super::record::Record;
use super::report::fill_key;
use super::state::State;
use super::venue_record::VenueRecord;
use super::{Gate, GateError, GateEvent};

/// Who an adopted order belongs to: what it was asked for by is not known.
pub const ADOPTED: &str = "adopted";

/// What the log holds of the venue beside orders.
#[derive(Default)]
pub(super) struct Outside {
    /// When the log began, on the account's clock.
    pub born_ns: i64,
    /// The venue's time up to which the opening holds everything.
    opened_ns: Option<i64>,
    /// The venue's time up to which executions and flows are booked.
    looked_ns: i64,
    /// How many executions were booked when all was last found equal.
    settled: Option<usize>,
    /// The same of one currency, where a rounding has made it so.
    rounded: BTreeMap<Name, usize>,
    /// Flows that were booked, by the hash of their keys.
    flows: IdSet,
    /// Positions in symbols that are not the account's, in base units.
    elsewhere: BTreeMap<Name, Money>,
    /// The last word on a contract's basis that is no execution: how many executions were booked before it, size and basis.
    anchors: BTreeMap<Name, (usize, i64, Money)>,
    /// Every size that the venue's word changed, in the order of the log.
    moves: Vec<PositionMove>,
}

/// A position's size that the venue's word changed, by no execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionMove {
    /// How many executions were booked before it.
    pub behind: usize,
    /// Which.
    pub instrument: Name,
    /// Its size until then.
    pub from: i64,
    /// Its size from then on.
    pub to: i64,
}

impl Outside {
    pub fn digest(&self, digest: &mut Digest) {
        digest.i64(self.opened_ns.unwrap_or(i64::MIN));
        digest.u64(self.flows.len() as u64);
        for (symbol, size) in &self.elsewhere {
            digest.name(*symbol);
            digest.i128(*size);
        }
    }
}

fn flow_key(key: &str) -> u128 {
    xxh3_128(key.as_bytes())
}

/// How a flow moves its balance: a transfer is capital, a fee is one, all else is P&L. `None` where it does not fit.
fn shift_of(flow: &VenueFlow) -> Option<Shift> {
    let (total, nothing) = (flow.amount, Shift::default());
    Some(match flow.kind {
        FlowKind::Transfer => Shift { total, capital: total, ..nothing },
        FlowKind::Fee => Shift { total, fees: total.checked_neg()?, ..nothing },
        FlowKind::Funding | FlowKind::Rebate | FlowKind::Other | FlowKind::Rounding => {
            Shift { total, realised: total, ..nothing }
        }
    })
}

/// The position whose basis a rounding goes into.
fn rounded_basis(account: &Account, flow: &VenueFlow) -> Result<Option<PositionLine>, &'static str> {
    let of = contract_of(account, flow.symbol).filter(|_| flow.kind == FlowKind::Rounding);
    let Some(position) = of.and_then(|id| account.position(id)).filter(|position| position.size != 0) else {
        return Ok(None);
    };
    let cost = position.cost.checked_add(flow.amount).ok_or("a basis does not fit")?;
    Ok(Some(PositionLine { instrument: position.instrument, size: position.size, cost }))
}

fn shift_by(line: &BalanceLine) -> Shift {
    Shift { total: line.total, realised: line.realised, fees: 0, capital: line.capital }
}

impl State {
    /// True for an execution that the opening holds: of an adopted order, from before it.
    pub(super) fn is_contained(&self, index: usize, ts_venue_ns: i64) -> bool {
        let entry = self.entries.get(index);
        let adopted = entry.order.client_order_id.0 == entry.order.request.request_id;
        adopted && self.outside.opened_ns.is_some_and(|opened_ns| ts_venue_ns <= opened_ns)
    }

    pub(super) fn apply_venue(
        &mut self,
        record: &VenueRecord,
        events: &mut Vec<GateEvent>,
    ) -> Result<(), &'static str> {
        match record {
            VenueRecord::Adopted { now_ns, client_order_id, venue_order_id, request } => {
                self.adopt(*now_ns, *client_order_id, venue_order_id, request, events)?;
            }
            VenueRecord::Flow { flow, .. } => self.apply_flow(flow, events)?,
            VenueRecord::Opened { ts_venue_ns, positions, balances, elsewhere, .. } => {
                if self.outside.opened_ns.is_some() || self.entries.len() > 0 {
                    return Err("an account that has a past was opened");
                }
                self.outside.opened_ns = Some(*ts_venue_ns);
                self.outside.settled = Some(self.booked.len());
                let mut amounts: BTreeMap<Name, Money> =
                    self.account.balances().iter().map(|balance| (balance.currency, 0)).collect();
                amounts.extend(balances.iter().copied());
                for (currency, amount) in amounts {
                    self.account.set_opening(currency, amount).map_err(|_| "an opening balance does not fit")?;
                }
                self.replace_positions(positions, events)?;
                for line in positions.iter().filter(|line| line.size != 0) {
                    self.account.begin_day_anew(line.instrument);
                }
                self.outside.elsewhere = elsewhere.iter().copied().collect();
                events.extend(self.account.balances().iter().map(|balance| GateEvent::Balance(*balance)));
            }
            VenueRecord::Adjusted { adjustment, .. } => {
                self.replace_positions(&adjustment.positions, events)?;
                for line in &adjustment.balances {
                    self.shift(line.currency, shift_by(line), events)?;
                }
                for (symbol, size) in &adjustment.elsewhere {
                    self.outside.elsewhere.insert(*symbol, *size);
                }
                self.outside.elsewhere.retain(|_, size| *size != 0);
            }
            VenueRecord::Differs { difference, .. } => {
                let code = match difference.subject {
                    Subject::Position(_) => IncidentCode::PositionDiffers,
                    Subject::Balance(_) => IncidentCode::BalanceDiffers,
                };
                self.raise(code, NO_ORDER, &difference.to_string(), events);
            }
            VenueRecord::Looked { ts_venue_ns, equal, .. } => {
                self.outside.looked_ns = self.outside.looked_ns.max(*ts_venue_ns);
                if *equal {
                    self.outside.settled = Some(self.booked.len());
                }
            }
            VenueRecord::OrderDiffers { client_order_id, detail, .. } => {
                let code = if self.works_here(*client_order_id) {
                    IncidentCode::OrderDiffers
                } else {
                    self.strays.insert(*client_order_id);
                    IncidentCode::AcceptedAfterEnd
                };
                self.raise(code, *client_order_id, detail, events);
            }
        }
        Ok(())
    }

    fn works_here(&self, id: ClientOrderId) -> bool {
        self.order(id).is_some_and(|order| !order.status.is_final())
    }

    fn adopt(
        &mut self,
        now_ns: i64,
        id: ClientOrderId,
        venue_order_id: &str,
        request: &OrderRequest,
        events: &mut Vec<GateEvent>,
    ) -> Result<(), &'static str> {
        let instrument = self.account.slot(request.instrument).ok_or("an order of an unknown instrument")?;
        if self.has_outcome(id) || id.0 != request.request_id {
            return Err("a second outcome of one request");
        }
        self.outcomes += 1;
        let order = Arc::new(Order {
            client_order_id: id,
            venue_order_id: venue_order_id.to_owned(),
            request: request.clone(),
            status: OrderStatus::Accepted,
            filled: 0,
            filled_notional: 0,
            fees: 0,
            reason: String::new(),
            detail: String::new(),
            last_fill: None,
            ts_ns: now_ns,
        });
        let index = self.push(order, None, Some(instrument), request.price, now_ns)?;
        self.open.insert(index, request.strategy);
        self.rehold(index)?;
        events.push(GateEvent::Order(self.entries.get(index).order()));
        Ok(())
    }

    fn apply_flow(&mut self, flow: &VenueFlow, events: &mut Vec<GateEvent>) -> Result<(), &'static str> {
        if !self.outside.flows.insert(flow_key(&flow.key)) {
            return Err("a flow that was booked before");
        }
        let shift = shift_of(flow).ok_or("a flow does not fit")?;
        self.shift(flow.currency, shift, events)?;
        if flow.kind == FlowKind::Rounding {
            self.outside.rounded.insert(flow.currency, self.booked.len());
        }
        let basis = rounded_basis(&self.account, flow)?;
        self.replace_positions(basis.as_slice(), events)
    }

    fn shift(&mut self, currency: Name, shift: Shift, events: &mut Vec<GateEvent>) -> Result<(), &'static str> {
        let index = self.account.shift(currency, shift).map_err(|_| "a balance does not fit")?;
        events.push(GateEvent::Balance(self.account.balances()[index]));
        Ok(())
    }

    fn replace_positions(&mut self, lines: &[PositionLine], events: &mut Vec<GateEvent>) -> Result<(), &'static str> {
        for line in lines {
            let from = self.account.position(line.instrument).map_or(0, |position| position.size);
            let replaced = self.account.replace_position(line.instrument, line.size, line.cost);
            let (change, position): (PositionChange, Position) = replaced.map_err(|_| "a position does not fit")?;
            if let Some(slot) = self.account.slot(line.instrument) {
                self.revalue(slot);
            }
            let anchor = (self.booked.len(), position.size, position.cost);
            self.outside.anchors.insert(line.instrument, anchor);
            if from != position.size {
                let (behind, instrument) = (self.booked.len(), line.instrument);
                self.outside.moves.push(PositionMove { behind, instrument, from, to: position.size });
            }
            events.push(GateEvent::Position { change, position });
        }
        Ok(())
    }
}

impl Gate {
    /// True for an execution that was booked.
    pub fn knows_execution(&self, id: ClientOrderId, trade_id: u64) -> bool {
        self.state.entry(id).is_some_and(|(index, _)| self.state.fill_keys.contains(&fill_key(index, trade_id)))
    }

    /// True for a flow that was booked.
    pub fn knows_flow(&self, key: &str) -> bool {
        self.state.outside.flows.contains(&flow_key(clip(key)))
    }

    /// How many flows were booked.
    pub fn flows(&self) -> usize {
        self.state.outside.flows.len()
    }

    /// Positions in symbols that are not the account's, as they were taken over, in base units.
    pub fn positions_elsewhere(&self) -> impl Iterator<Item = (Name, Money)> {
        self.state.outside.elsewhere.iter().map(|(symbol, size)| (*symbol, *size))
    }

    /// The last word on a contract's basis that is no execution: executions before it, size and basis.
    pub(crate) fn basis_anchor(&self, instrument: Name) -> (usize, i64, Money) {
        self.state.outside.anchors.get(&instrument).copied().unwrap_or_default()
    }

    /// Every position's size that the venue's word changed, in the order of the log.
    pub fn moves(&self) -> &[PositionMove] {
        &self.state.outside.moves
    }

    /// What the venue did up to this time of its clock is in what the account began with.
    pub fn outside_cut_ns(&self) -> i64 {
        self.state.outside.opened_ns.unwrap_or(self.state.outside.born_ns)
    }

    /// The venue's time up to which executions and flows are booked.
    pub fn looked_ns(&self) -> i64 {
        self.state.outside.looked_ns.max(self.outside_cut_ns())
    }

    /// How many executions were booked when a currency was last found, or made, equal to the venue's; `None` where it never was.
    pub fn settled_fills(&self, currency: Name) -> Option<usize> {
        let outside = &self.state.outside;
        outside.settled.max(outside.rounded.get(&currency).copied().filter(|_| outside.settled.is_some()))
    }

    /// True where executions were booked since all was last found equal, as far as the log has it.
    pub fn is_unsettled(&self) -> bool {
        self.state.outside.settled != Some(self.state.booked.len())
    }

    /// True for an account that has no past: what it begins with is its venue's to say.
    pub fn has_no_past(&self) -> bool {
        self.state.outside.opened_ns.is_none() && self.state.entries.len() == 0
    }

    /// Takes an order over that the log does not know.
    pub fn adopt(&mut self, now_ns: i64, orphan: &Orphan) -> Result<Vec<GateEvent>, GateError> {
        let request = OrderRequest {
            request_id: orphan.client_order_id.0,
            signal_id: 0,
            account: self.account,
            strategy: Name::intern(ADOPTED),
            instrument: orphan.instrument,
            side: orphan.side,
            order_type: orphan.order_type,
            time_in_force: TimeInForce::Gtc,
            size: orphan.size,
            price: orphan.price,
            deadline_ns: 0,
            ts_origin_ns: 0,
        };
        if orphan.size <= 0 || orphan.price < 0 {
            return Err(GateError::InvalidReport(orphan.client_order_id));
        }
        self.may_adopt(orphan).map_err(GateError::DoesNotFit)?;
        let venue_order_id = clip(&orphan.venue_order_id).to_owned();
        let client_order_id = orphan.client_order_id;
        self.commit(Record::Venue(VenueRecord::Adopted { now_ns, client_order_id, venue_order_id, request }))
    }

    /// A record that the account would refuse must never stand in the log.
    fn may_adopt(&self, orphan: &Orphan) -> Result<(), &'static str> {
        let account = &self.state.account;
        let slot = account.slot(orphan.instrument).ok_or("an order of an unknown instrument")?;
        if self.knows(orphan.client_order_id) {
            return Err("an order that is known");
        }
        let (instrument, buys) = (account.instrument_at(slot), is_buy(orphan.side));
        let desk = &self.state.desks[slot];
        let open = if buys { desk.open_buy } else { desk.open_sell };
        let (base, quote, _) = account.currencies_at(slot);
        let reserved = account.balances()[if buys { quote } else { base }].reserved;
        let fits = || {
            let held = hold(instrument, buys, orphan.price, orphan.size)?;
            open.checked_add(orphan.size)?;
            reserved.checked_add(held)
        };
        fits().map(drop).ok_or("an order that is too large")
    }

    /// Books money that came or went by no execution, once. The day begins at the equity before it.
    pub fn book_flow(&mut self, now_ns: i64, flow: &VenueFlow) -> Result<Vec<GateEvent>, GateError> {
        if self.knows_flow(&flow.key) {
            return Ok(Vec::new());
        }
        // A log that fails does not take the flow either.
        let _ = self.roll_day(now_ns);
        let flow = VenueFlow { key: clip(&flow.key).to_owned(), ..flow.clone() };
        let (currency, amount) = (flow.currency, flow.amount);
        let capital = if flow.kind == FlowKind::Transfer { amount } else { 0 };
        let mut tried = self.state.account.clone();
        let shift = shift_of(&flow).and_then(|shift| tried.shift(currency, shift).ok());
        shift.ok_or(GateError::DoesNotFit("a flow"))?;
        if let Some(line) = rounded_basis(&tried, &flow).map_err(GateError::DoesNotFit)? {
            let fits = tried.replace_position(line.instrument, line.size, line.cost);
            fits.map_err(|_| GateError::DoesNotFit("a flow"))?;
        }
        let mut events = self.commit(Record::Venue(VenueRecord::Flow { now_ns, flow }))?;
        self.move_logged_peak(currency, capital);
        self.watch_currency(now_ns, currency, &mut events);
        Ok(events)
    }

    /// Opens the account with what its venue has.
    pub fn open_as_venue(
        &mut self,
        now_ns: i64,
        ts_venue_ns: i64,
        adjustment: Adjustment,
    ) -> Result<Vec<GateEvent>, GateError> {
        let balances = adjustment.balances.iter().map(|line| (line.currency, line.total)).collect();
        let (positions, elsewhere) = (adjustment.positions, adjustment.elsewhere);
        let inherited: Vec<Name> = positions.iter().map(|line| line.instrument).collect();
        let mut tried = self.state.account.clone();
        let amounts: &Vec<(Name, Money)> = &balances;
        let fits = amounts.iter().all(|(currency, amount)| tried.set_opening(*currency, *amount).is_ok())
            && positions.iter().all(|line| tried.replace_position(line.instrument, line.size, line.cost).is_ok());
        if !fits || !self.has_no_past() {
            return Err(GateError::DoesNotFit("an opening"));
        }
        let record = VenueRecord::Opened { now_ns, ts_venue_ns, positions, balances, elsewhere };
        let events = self.commit(Record::Venue(record))?;
        for instrument in inherited {
            if let Some(slot) = self.state.account.slot(instrument) {
                // Nor is its peak known before its first quote.
                self.new_peaks.push(self.state.account.currencies_at(slot).2);
            }
        }
        self.logged_peaks = self.state.account.balances().iter().map(|balance| balance.peak).collect();
        Ok(events)
    }

    /// Takes the venue's word; `who` says whose decision that is, and why.
    pub fn adjust(&mut self, now_ns: i64, who: &str, adjustment: Adjustment) -> Result<Vec<GateEvent>, GateError> {
        let mut events = self.adjust_unmeasured(now_ns, who, adjustment)?;
        events.extend(self.watch_all(now_ns));
        Ok(events)
    }

    /// The same; what it loses is measured by [`Gate::watch_all`] behind it.
    pub fn adjust_unmeasured(
        &mut self,
        now_ns: i64,
        who: &str,
        adjustment: Adjustment,
    ) -> Result<Vec<GateEvent>, GateError> {
        let _ = self.roll_day(now_ns);
        let moved: Vec<(Name, Money)> = adjustment.balances.iter().map(|line| (line.currency, line.capital)).collect();
        let mut tried = self.state.account.clone();
        let positions = &adjustment.positions;
        let fits = positions.iter().all(|line| tried.replace_position(line.instrument, line.size, line.cost).is_ok())
            && adjustment.balances.iter().all(|line| tried.shift(line.currency, shift_by(line)).is_ok());
        if !fits {
            return Err(GateError::DoesNotFit("an adjustment"));
        }
        let record = VenueRecord::Adjusted { now_ns, who: clip(who).to_owned(), adjustment };
        let events = self.commit(Record::Venue(record))?;
        for (currency, capital) in moved {
            self.move_logged_peak(currency, capital);
        }
        Ok(events)
    }

    /// A difference that nothing explains: an incident.
    pub fn differ(&mut self, now_ns: i64, difference: Difference) -> Result<Vec<GateEvent>, GateError> {
        self.commit(Record::Venue(VenueRecord::Differs { now_ns, difference }))
    }

    /// The venue works on more of an order than was asked for, or behind its end: an incident. In the latter case it is a
    /// stray from here on, as [`Gate::strays`] has it.
    pub fn order_differs(
        &mut self,
        now_ns: i64,
        client_order_id: ClientOrderId,
        detail: &str,
    ) -> Result<Vec<GateEvent>, GateError> {
        let detail = clip(detail).to_owned();
        self.commit(Record::Venue(VenueRecord::OrderDiffers { now_ns, client_order_id, detail }))
    }

    /// All that the venue says up to a time of its clock is booked; `equal` where nothing was booked beyond it.
    pub fn looked(&mut self, now_ns: i64, ts_venue_ns: i64, equal: bool) -> Result<(), GateError> {
        self.commit(Record::Venue(VenueRecord::Looked { now_ns, ts_venue_ns, equal })).map(drop)
    }

    fn move_logged_peak(&mut self, currency: Name, capital: Money) {
        let index = self.state.account.balances().iter().position(|balance| balance.currency == currency);
        if let Some(peak) = index.and_then(|index| self.logged_peaks.get_mut(index)) {
            *peak = peak.saturating_add(capital);
        }
    }

    fn watch_currency(&mut self, now_ns: i64, currency: Name, events: &mut Vec<GateEvent>) {
        let index = self.state.account.balances().iter().position(|balance| balance.currency == currency);
        if let Some(index) = index.filter(|index| self.state.account.is_settle(*index)) {
            events.extend(self.watch(now_ns, index).map(GateEvent::Breach));
        }
    }
}
