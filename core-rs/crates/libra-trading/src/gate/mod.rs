//! The order gate: the one way out for an account's orders. An order is never lost, never sent twice, never sent
//! unchecked, because
//!
//! 1. [`Gate::reserve`] checks a request against the position and every order that is not final, and sets its worst
//!    case aside;
//! 2. [`Gate::spend`] turns that approval, once, into an intent in the log; only then may bytes leave;
//! 3. [`Gate::on_report`] appends what the venue says, books it, and hands out what is to be published;
//! 4. an approval that ends otherwise, released or out of time, ends in a refusal in the log: no request has two outcomes;
//! 5. what the log holds is the account: a restart replays it and never sends again, it asks.
//!
//! Where things are:
//!
//! - [`log`], `record`, `codec` — the file, its records, their bytes;
//! - `state`, `report` — the account as its records make it: the only place where something is booked;
//! - `history`, `packed` — orders that are over, and executions, in little memory;
//! - `refusals` — refused requests, in bounded memory; `unlogged` — those that the log did not take; `beyond` — those of a
//!   storm, which share records;
//! - `approval`, `places`, `approve` — reservations, where each is found, and their way to an intent;
//! - `venue` — what goes to the venue and what comes back;
//! - `recent` — what a restart goes on counting: rates, our share of the volume;
//! - `limits` — their change while the account trades; `exposure` — all instruments together;
//! - `marks` — how old the quotes are that what is held is valued at;
//! - `owed` — what only takes risk away and does not wait for the log;
//! - `stray` — what contradicts the log;
//! - `reconcile`, `venue_record` — what is taken over from the venue, and its records;
//! - `opened` — orders that are not final, by strategy;
//! - `latch` — kill switch, loss limits, everything that stops new orders; `breach` — what a passed loss limit lets through;
//! - [`follow`] — a log read beside the process that owns it;
//! - `open` — how an account is opened, and what is found then; this file — what may be told and asked.
//!
//! A gate is single-threaded and reads no clock: every call brings `now_ns`, the account's time.

mod approval;
mod approve;
mod beyond;
mod breach;
mod codec;
mod event;
mod exposure;
pub mod follow;
mod history;
mod ids;
mod latch;
mod limits;
pub mod log;
mod marks;
mod open;
mod opened;
mod owed;
mod packed;
mod places;
mod recent;
mod reconcile;
pub mod record;
mod refusals;
mod report;
mod state;
mod stray;
mod unlogged;
mod venue;
pub mod venue_record;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use libra_kernel::Name;
use libra_kernel::alarm::Alarm;
use libra_kernel::bridge_state::{BridgeState, Losses};
use thiserror::Error;

pub use approval::Approval;
pub(crate) use approve::{before_the_latch, expired};
pub use breach::OnBreach;
pub use event::{GateEvent, Incident, IncidentCode, NO_ORDER};
pub use history::{Fills, ReadFills};
pub(crate) use ids::ByOrder;
pub use ids::client_order_id;
pub(crate) use latch::{BY_SIGNAL, SET_BY};
pub use limits::LimitsChanged;
pub use log::{LogConfig, LogError, SyncPolicy, TornTail};
pub use open::{GateConfig, Recovered};
pub use reconcile::{ADOPTED, PositionMove};
pub use venue::{CANCEL_ANSWER_NS, CancelIntent, CancelPause};

use crate::account::{Account, BookingError, same_arithmetic};
use crate::instrument::{Instrument, InstrumentError, Money};
use crate::order::{ClientOrderId, Order, OrderStatus};
use crate::risk::check::volume_room;
use crate::risk::rate::Rates;
use crate::risk::{Breach, LimitsError, Market, RiskLimits};
use approval::Approvals;
use beyond::Beyond;
use log::Log;
use record::Record;
use state::State;
use unlogged::Unlogged;

/// Why the gate could not do something. (A refused order is a [`crate::risk::Rejection`] instead.)
#[derive(Debug, Error)]
pub enum GateError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The limits make no sense.
    #[error("risk limits: {0}")]
    Limits(#[from] LimitsError),
    /// An instrument makes no sense.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
    /// An instrument in use would change its meaning.
    #[error("{instrument}: {error}")]
    Definition {
        /// The instrument.
        instrument: Name,
        /// Why.
        error: BookingError,
    },
    /// Whoever resumes has not seen what stopped the account last.
    #[error("it was stopped again meanwhile")]
    StoppedAgain,
    /// The log is of another account.
    #[error("the log belongs to account {found}, not to {wanted}")]
    WrongAccount {
        /// Whose it is.
        found: Name,
        /// Who asked.
        wanted: Name,
    },
    /// An account without a name, or a time span below zero.
    #[error("gate configuration: {0}")]
    Config(&'static str),
    /// No order of this id.
    #[error("no order {0}")]
    UnknownOrder(ClientOrderId),
    /// An execution without a price or a size.
    #[error("order {0}: an execution needs a price and a size above zero")]
    InvalidReport(ClientOrderId),
    /// What the venue says fits neither our integers nor what the log holds; nothing was written.
    #[error("what the venue says cannot be booked: {0}")]
    DoesNotFit(&'static str),
    /// The state refused a record that was just made for it: a fault of this code, and nothing may be trusted after it.
    #[error("the log and the account disagree: {0}")]
    Inconsistent(&'static str),
}

/// What the gate counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateStats {
    /// Requests that asked for a reservation.
    pub requests: u64,
    /// Approvals given.
    pub approved: u64,
    /// Requests refused for the first time.
    pub rejected: u64,
    /// Requests whose outcome was known.
    pub repeated_requests: u64,
    /// Approvals spent: orders that could leave.
    pub spent: u64,
    /// Approvals given back unspent.
    pub released: u64,
    /// Approvals that ran out of time.
    pub lapsed: u64,
    /// Attempts to spend what is no approval (any more).
    pub invalid_approvals: u64,
    /// Cancels appended.
    pub cancels: u64,
    /// Reports booked.
    pub reports: u64,
    /// Reports known already.
    pub duplicates: u64,
    /// Reports behind what is known.
    pub late: u64,
    /// Reports that contradict what is known.
    pub conflicts: u64,
    /// Reports of unknown orders.
    pub unknown_orders: u64,
    /// "Not found" answers that decided nothing yet.
    pub undecided: u64,
    /// Reports that were no executions.
    pub invalid_reports: u64,
    /// Incidents raised.
    pub incidents: u64,
}

/// The gate of one account.
pub struct Gate {
    account: Name,
    account_hash: u64,
    limits: RiskLimits,
    limits_version: u64,
    approval_ttl_ns: i64,
    validity_window_ns: i64,
    /// The venue's clock minus ours: windows end by the venue's.
    venue_ahead_ns: i64,
    on_breach: OnBreach,
    state: State,
    approvals: Approvals,
    /// Refused because their approvals lapsed, and not handed out yet.
    lapsed: Vec<Arc<Order>>,
    unlogged: Unlogged,
    beyond: Beyond,
    rates: Rates,
    log: Log,
    log_failed: bool,
    /// How often this process has set the kill latch: approvals given before the last time are void.
    latches: u64,
    /// What else but incidents and losses on the bridge [`Gate::stops`] counts.
    stops: u64,
    /// How many reasons the log has of the latch that is set.
    reasons: u32,
    /// What holds and the log has not taken, in order.
    owed: VecDeque<Record>,
    /// Above 0 what only takes risk away is forced to the disk together.
    together: u32,
    stopping: Option<String>,
    /// Which of the account's own actors failed, while nobody can be relied on to carry its orders.
    unattended: Option<String>,
    reconciling: bool,
    /// Raised by a thread that cannot wait for this one.
    alarm: Option<Arc<Alarm>>,
    /// How the node's bridge stands, where there is one.
    bridge: Option<Arc<BridgeState>>,
    /// Losses on the bridge that an operator, or a reconciliation, has made up for.
    known_losses: Losses,
    /// Those that were known when reconciling began.
    losses_before: Losses,
    /// Currencies whose peak begins anew as soon as their equity is known, by the balance's index.
    new_peaks: Vec<usize>,
    /// Peaks that the log knows, by the balance's index.
    logged_peaks: Vec<Money>,
    /// True while the log has not taken the last record of peaks and starts of the day.
    owes_watermark: bool,
    stats: GateStats,
}

impl Gate {
    /// Appends a record, behind what is owed, then books it, then returns what is to be published.
    fn commit(&mut self, record: Record) -> Result<Vec<GateEvent>, GateError> {
        self.commit_by(record, false)
    }

    /// The same; the disk may come later.
    fn commit_by(&mut self, record: Record, later: bool) -> Result<Vec<GateEvent>, GateError> {
        self.pay()?;
        if let Err(error) = self.log.append_or_later(&record, later) {
            self.heed_log(&error);
            return Err(error.into());
        }
        let mut events = Vec::new();
        if let Err(what) = self.state.apply(&record, &mut events) {
            self.fail_log();
            return Err(GateError::Inconsistent(what));
        }
        self.stats.incidents += events.iter().filter(|event| matches!(event, GateEvent::Incident(_))).count() as u64;
        Ok(events)
    }

    /// Defines an instrument. What is used by positions or open orders may change its steps, limits and fees only. Where its
    /// decimals change, its limits keep their values, and its market is unknown until the next quote.
    pub fn set_instrument(&mut self, instrument: Instrument) -> Result<(), GateError> {
        let (id, decimals) = (instrument.id, instrument.size_decimals);
        let before = self.state.account.instrument(id).cloned();
        let means_the_same = before.as_ref().is_none_or(|before| same_arithmetic(before, &instrument));
        self.define(instrument)?;
        if let Some(before) = before.filter(|_| !means_the_same) {
            self.limits.rescale(id, before.size_decimals, decimals);
            self.state.forget_market(id);
        }
        self.apply_limits();
        Ok(())
    }

    fn define(&mut self, instrument: Instrument) -> Result<(), GateError> {
        instrument.validate()?;
        let id = instrument.id;
        if self.state.account.instrument(id) == Some(&instrument) {
            return Ok(());
        }
        if !self.state.may_define(&instrument) {
            return Err(GateError::Definition { instrument: id, error: BookingError::InUse });
        }
        self.commit(Record::Instrument(Box::new(instrument)))?;
        Ok(())
    }

    /// The venue's clock minus ours: windows of intents to come end by the venue's.
    pub fn set_venue_ahead(&mut self, ahead_ns: i64) {
        self.venue_ahead_ns = ahead_ns;
    }

    /// Tells the best bid and offer of an instrument, received at `ts_ns` by the clock of whoever received it, where the
    /// account's own clock says `now_ns`. Returns a loss limit that it passed, once.
    #[inline]
    pub fn on_quote(&mut self, instrument: Name, bid: i64, ask: i64, ts_ns: i64, now_ns: i64) -> Option<Breach> {
        let slot = self.state.account.slot(instrument)?;
        let desk = &mut self.state.desks[slot];
        desk.market = Market { bid, ask, ts_ns };
        if bid <= 0 || ask <= 0 || bid > ask {
            return None;
        }
        (desk.mark, desk.mark_ns) = (Some((bid, ask)), ts_ns);
        self.state.see_quote(ts_ns, now_ns);
        self.state.revalue(slot);
        self.mark(slot, bid, ask, now_ns)
    }

    /// Tells a trade of the market, received at `ts_ns` by the clock of whoever received it: the volume that a share is
    /// taken of. One ahead of the account's own clock counts as now, so that it cannot push our share out of the window.
    #[inline]
    pub fn on_trade(&mut self, instrument: Name, size: i64, ts_ns: i64, now_ns: i64) {
        if let Some(slot) = self.state.account.slot(instrument)
            && let Some(volume) = &mut self.state.desks[slot].volume
        {
            volume.on_trade(ts_ns.min(now_ns), size);
        }
    }

    /// Consumers hold everything up to the record `sequence` (see [`Gate::sequence`]): not to be published again.
    pub fn confirm(&mut self, sequence: u64) -> Result<(), GateError> {
        if sequence > self.state.confirmed && sequence <= self.log.sequence() {
            self.commit(Record::Confirmed { sequence })?;
        }
        Ok(())
    }

    /// Forces the log to the disk, with the refusals that were gathered.
    pub fn flush(&mut self) -> Result<(), GateError> {
        self.record_all_gathered_now();
        self.log.flush().map_err(|error| {
            self.fail_log();
            error.into()
        })
    }

    /// A descriptor of the log, of its own, for a thread that forces it to the disk (`fdatasync`) when this one hangs;
    /// `None` for a log in memory.
    pub fn log_fd(&self) -> Result<Option<OwnedFd>, GateError> {
        Ok(self.log.descriptor()?)
    }

    /// The number of the last record: what events just returned are to be confirmed by.
    pub fn sequence(&self) -> u64 {
        self.log.sequence()
    }

    /// The epoch of this process.
    pub fn epoch(&self) -> u64 {
        self.state.epoch
    }

    /// The account's name.
    pub fn name(&self) -> Name {
        self.account
    }

    /// Positions, balances, P&L.
    pub fn account(&self) -> &Account {
        &self.state.account
    }

    /// The last quote of an instrument.
    pub fn market(&self, instrument: Name) -> Option<Market> {
        self.state.account.slot(instrument).map(|slot| self.state.desks[slot].market)
    }

    /// Every order, and the last 1,000 refused requests among them, in the order of the log.
    pub fn orders(&self) -> impl Iterator<Item = Arc<Order>> {
        self.state.orders()
    }

    /// The same, the last one first.
    pub fn orders_backwards(&self) -> impl Iterator<Item = Arc<Order>> {
        self.state.orders_backwards()
    }

    /// The last `count` of these, in the order of the log.
    pub fn last_orders(&self, count: usize) -> Vec<Arc<Order>> {
        let mut last: Vec<_> = self.state.orders_backwards().take(count).collect();
        last.reverse();
        last
    }

    /// How many orders are in which state, every refused request of the log among the rejected.
    pub fn order_counts(&self) -> BTreeMap<OrderStatus, u64> {
        let mut counts = BTreeMap::new();
        for (status, _) in self.state.entries.statuses().filter(|(_, refused)| !refused) {
            *counts.entry(status).or_default() += 1;
        }
        if self.rejected_requests() > 0 {
            *counts.entry(OrderStatus::Rejected).or_default() += self.rejected_requests();
        }
        counts
    }

    /// How many requests the gate refused, over the whole log.
    pub fn rejected_requests(&self) -> u64 {
        self.state.refusals.total()
    }

    /// The same by the names of their codes.
    pub fn refusals_by_code(&self) -> &BTreeMap<&'static str, u64> {
        self.state.refusals.by_code()
    }

    fn entries_open(&self) -> impl Iterator<Item = &state::Entry> {
        self.state.open.iter().filter_map(|index| self.state.entries.whole(index as usize))
    }

    /// Orders that are not final, in the order of their intents.
    pub fn open_orders(&self) -> impl Iterator<Item = &Arc<Order>> {
        self.entries_open().map(|entry| &entry.order)
    }

    /// The same of one strategy.
    pub fn open_orders_of(&self, strategy: Name) -> impl Iterator<Item = &Arc<Order>> {
        let count = self.state.open.count(strategy);
        let all = (count > 0).then(|| self.open_orders()).into_iter().flatten();
        all.filter(move |order| order.request.strategy == strategy).take(count)
    }

    /// Orders that are not final and have no cancel under way.
    pub fn uncancelled_orders(&self) -> impl Iterator<Item = &Arc<Order>> {
        self.entries_open().filter(|entry| !entry.cancel_pending).map(|entry| &entry.order)
    }

    /// How many orders of one strategy are not final.
    #[inline]
    pub fn count_open_of(&self, strategy: Name) -> usize {
        self.state.open.count(strategy)
    }

    /// How many of them have no cancel under way.
    #[inline]
    pub fn count_uncancelled_of(&self, strategy: Name) -> usize {
        self.state.open.uncancelled(strategy)
    }

    /// Orders whose cancel stands in the log and is not answered.
    pub fn cancels_pending(&self) -> usize {
        self.entries_open().filter(|entry| entry.cancel_pending).count()
    }

    /// An order, or a refused request that is among the last 1,000.
    pub fn order(&self, id: ClientOrderId) -> Option<Arc<Order>> {
        self.state.order(id)
    }

    /// Every fill, in the order of booking.
    pub fn fills(&self) -> Fills<'_> {
        self.state.fills()
    }

    /// What was counted since the gate was opened.
    pub fn stats(&self) -> GateStats {
        self.stats
    }

    /// What is set aside of an instrument: sizes of buys and sells that are approved or not final.
    pub fn reserved(&self, instrument: Name) -> Option<(i64, i64)> {
        let desk = &self.state.desks[self.state.account.slot(instrument)?];
        Some((desk.open_buy, desk.open_sell))
    }

    /// How much of an instrument a new order may be so that our share of its volume stays within its limit; `None` for one
    /// whose share is not limited.
    pub fn volume_room(&self, now_ns: i64, instrument: Name) -> Option<i64> {
        let desk = &self.state.desks[self.state.account.slot(instrument)?];
        let bps = desk.limits.max_participation_bps?;
        let volume = desk.volume.as_ref().map(|volume| volume.sums(now_ns));
        Some(volume_room(bps, volume.unwrap_or_default(), desk.open_buy, desk.open_sell))
    }

    /// Approvals that are neither spent nor released.
    pub fn outstanding(&self) -> usize {
        self.approvals.len()
    }

    /// A digest of the account's history: equal after a restart.
    pub fn state_digest(&self) -> String {
        self.state.digest()
    }
}

#[cfg(test)]
mod tests;
