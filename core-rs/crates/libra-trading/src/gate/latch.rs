//! What stops new orders: the kill latch, an alarm, incidents, a failing log, a failed actor of the account's own, stopping, an
//! unsound bridge, reconciling, and losses over a limit.
//!
//! Losses are watched per settle currency at every quote and fill. A peak of equity and the start of a day are known
//! only from quotes, which the log does not hold: both are appended as watermarks, so that a restart cannot make a loss
//! forgotten: a peak in steps of a thousandth while a limit asks for it, and before one is set.
//!
//! A currency's equity is *known* when each open position that settles in it has a quote of this process. Until then no
//! loss is measured by it, no peak moves, its day does not begin (the last day's loss stands), and under a loss limit
//! orders may only reduce (`marks`, also of quotes that are too old: a loss is measured by these all the same, since what is
//! lost elsewhere must not go unnoticed). The day is the account's own clock's, whatever time a quote bears.

use std::sync::Arc;

use libra_kernel::alarm::Alarm;
use libra_kernel::bridge_state::{BridgeState, FULL_AT, Losses, Trouble};

use crate::account::balance::utc_day;
use crate::order::ClientOrderId;
use crate::risk::{Breach, Rejection, RiskCode};

use super::codec::clip;
use super::record::{Record, Watermark};
use super::{Gate, GateError, GateEvent, Incident, LogError};

/// A peak is appended when it rose by one part in so many.
const PEAK_STEP: i128 = 1_000;
/// How the reason of an actor that pulls the switch begins, and of a signal; an operator's does not.
pub const SET_BY: &str = "set by ";
/// Who pulled the switch by a signal is not known, until the verb that sent it says so.
pub const BY_SIGNAL: &str = "set by a signal to the process";
/// The log gets so many reasons of one latch: actors may pull the switch in a storm.
const MOST_REASONS: u32 = 64;
/// Stands between the reasons of a latch, the latest of which comes first.
const BEFORE: &str = "; before: ";

impl Gate {
    /// The refusal that every new order gets now, if any.
    #[inline]
    pub(super) fn refuses_all(&self) -> Option<Rejection> {
        let clear = self.state.killed.is_none()
            && self.state.incident.is_none()
            && !self.log_failed
            && self.stopping.is_none()
            && self.unattended.is_none()
            && !self.reconciling
            && self.alarm.as_ref().is_none_or(|alarm| !alarm.is_raised())
            && self.bridge.as_ref().is_none_or(|bridge| bridge.is_sound(self.known_losses));
        if clear { None } else { Some(self.stop_reason()) }
    }

    #[cold]
    fn stop_reason(&self) -> Rejection {
        if let Some(reason) = &self.state.killed {
            return Rejection::new(RiskCode::KillSwitch, reason.as_str());
        }
        if self.alarm.as_ref().is_some_and(|alarm| alarm.is_raised()) {
            return Rejection::new(RiskCode::KillSwitch, "a signal to the process");
        }
        if let Some(incident) = &self.state.incident {
            let detail = format!("{} {}", incident.code.as_str(), incident.explanation());
            return Rejection::new(RiskCode::Incident, detail);
        }
        if self.log_failed {
            return Rejection::new(RiskCode::LogFailed, "an earlier write failed");
        }
        if let Some(reason) = &self.unattended {
            return Rejection::new(RiskCode::Unattended, reason.as_str());
        }
        if let Some(reason) = &self.stopping {
            return Rejection::new(RiskCode::Stopping, reason.as_str());
        }
        match self.bridge_trouble() {
            Some(trouble) => unsound(trouble),
            None => Rejection::new(RiskCode::Reconciling, ""),
        }
    }

    fn bridge_trouble(&self) -> Option<Trouble> {
        let bridge = self.bridge.as_ref().filter(|bridge| !bridge.is_sound(self.known_losses))?;
        bridge.trouble(self.known_losses)
    }

    /// Why an order whose intent stands in the log may not leave now, if it may not. Draining does not stop it: what was
    /// begun goes on.
    pub fn holds_back(&self) -> Option<RiskCode> {
        match () {
            () if self.state.killed.is_some() => Some(RiskCode::KillSwitch),
            () if self.state.incident.is_some() => Some(RiskCode::Incident),
            () if self.log_failed => Some(RiskCode::LogFailed),
            () if self.reconciling => Some(RiskCode::Reconciling),
            () if self.bridge_trouble().is_some() => Some(RiskCode::BridgeUnsound),
            () => None,
        }
    }

    /// Sets the kill latch, or says why once more while it is set: no new order leaves until [`Gate::resume`], in this process
    /// or a later one, and none ever by an approval that was given before. It is set, and is to be published, even when the log
    /// cannot be written, which the error then tells: the log gets it later. The caller cancels what is open.
    pub fn kill(&mut self, now_ns: i64, reason: &str) -> (Vec<GateEvent>, Result<(), GateError>) {
        self.stops += 1;
        let reason = match &self.state.killed {
            None => {
                self.latches += 1;
                self.reasons = 1;
                reason.to_owned()
            }
            Some(before) => match again(before, reason).filter(|_| self.reasons < MOST_REASONS) {
                Some(reasons) => {
                    self.reasons += 1;
                    reasons
                }
                // It stands in the log already.
                None => return (Vec::new(), Ok(())),
            },
        };
        self.commit_or_owe(Record::Kill { now_ns, reason: clip(&reason).to_owned() })
    }

    /// How often something has stopped new orders in this process that a resume takes back: kill switches, losses, incidents,
    /// actors that failed, a log that failed, losses on the bridge; also while it was stopped. It only rises, so whoever resumes
    /// names what he saw.
    pub fn stops(&self) -> u64 {
        self.stops_with(self.bridge_losses())
    }

    /// The same, with so many losses on the bridge.
    pub fn stops_with(&self, losses: Losses) -> u64 {
        self.stops + self.stats.incidents + losses.risk + losses.orders
    }

    /// Losses on the bridge so far, which a thread counts.
    pub fn bridge_losses(&self) -> Losses {
        self.bridge.as_ref().map(|bridge| bridge.losses()).unwrap_or_default()
    }

    /// Writes down what an operator does, and why: for whoever reads the log.
    pub fn note(&mut self, now_ns: i64, text: &str) -> Result<(), GateError> {
        self.commit(Record::Note { now_ns, text: clip(text).to_owned() }).map(drop)
    }

    /// Who else may stop new orders, from a thread of its own.
    pub fn set_alarm(&mut self, alarm: Arc<Alarm>) {
        self.alarm = Some(alarm);
    }

    /// How the node's bridge stands: from now on new orders leave only while it is sound. What it lost before is no loss of
    /// this account's.
    pub fn set_bridge(&mut self, bridge: Arc<BridgeState>) {
        self.known_losses = bridge.losses();
        self.losses_before = self.known_losses;
        self.bridge = Some(bridge);
    }

    /// Takes the kill latch back, and with it incidents, losses on the bridge, a drawdown (equity's peak begins anew here) and
    /// a log that failed but can be written again. A daily loss stays until the day is over, and a fence for good; so does the
    /// peak above a drawdown over the limit that is not measured yet: nobody has seen that one.
    pub fn resume(&mut self, now_ns: i64) -> Result<Vec<GateEvent>, GateError> {
        self.resume_with(now_ns, self.bridge_losses())
    }

    /// The same, of losses on the bridge as they were looked at: a later one stops the account anew.
    pub fn resume_with(&mut self, now_ns: i64, losses: Losses) -> Result<Vec<GateEvent>, GateError> {
        // The word that lets orders leave comes last: behind it nothing can fail, so the next process knows no other outcome
        // than the one that is told here.
        let anew = (0..self.state.account.balances().len()).filter(|index| !self.falls_unseen(*index)).collect();
        let peaks = std::mem::replace(&mut self.new_peaks, anew);
        let watermark = self.commit_watermark(utc_day(now_ns).max(self.state.account.day()));
        let events = match watermark.and_then(|()| self.commit(Record::Resume { now_ns })) {
            Ok(events) => events,
            Err(error) => {
                self.new_peaks = peaks;
                return Err(error);
            }
        };
        self.log_failed = false;
        self.known_losses = losses;
        Ok(events)
    }

    /// A write failed: nothing new leaves until a resume. That is one stop, however many writes fail until then.
    pub(super) fn fail_log(&mut self) {
        self.stops += u64::from(!self.log_failed);
        self.log_failed = true;
    }

    /// The same, of what the log says. A text that is too long says nothing about the log.
    pub(super) fn heed_log(&mut self, error: &LogError) {
        if !matches!(error, LogError::TooLong) {
            self.fail_log();
        }
    }

    /// True from a write that failed until a resume: nothing new leaves.
    pub fn log_failed(&self) -> bool {
        self.log_failed
    }

    /// Why the kill latch is set, while it is.
    pub fn kill_reason(&self) -> Option<&str> {
        self.state.killed.as_deref()
    }

    /// The disagreement with the venue that stops new orders, if there is one.
    pub fn incident(&self) -> Option<&Incident> {
        self.state.incident.as_ref()
    }

    /// Why new orders are refused now, if they are; behind a loss limit those that reduce may pass (see [`super::OnBreach`]).
    pub fn standstill(&self) -> Option<Rejection> {
        self.refuses_all().or_else(|| self.state.breaches.first().map(|breach| breach.rejection()))
    }

    /// True while the kill latch is set.
    pub fn is_killed(&self) -> bool {
        self.state.killed.is_some()
    }

    /// Refuses new orders from now on, to drain: cancels and reports go on.
    pub fn stop_new_orders(&mut self, reason: &str) {
        self.stopping.get_or_insert_with(|| reason.to_owned());
    }

    /// Refuses new orders since one of the account's own actors failed; or no more, with `None`. Cancels and reports go on.
    pub fn set_unattended(&mut self, reason: Option<&str>) {
        self.stops += u64::from(reason.is_some());
        self.unattended = reason.map(str::to_owned);
    }

    /// Which of the account's own actors failed, while that stops new orders.
    pub fn unattended(&self) -> Option<&str> {
        self.unattended.as_deref()
    }

    /// While true new orders are refused: set it after every (re)connect, take it back when open orders, fills and
    /// positions are reconciled. That makes up for what the bridge lost on ORDERS before it began: of orders the venue knows.
    /// Whether a kill switch was among what was lost on RISK it does not.
    pub fn set_reconciling(&mut self, reconciling: bool) {
        match (self.reconciling, reconciling) {
            (_, true) => self.losses_before = self.bridge_losses(),
            (true, false) => self.known_losses.orders = self.known_losses.orders.max(self.losses_before.orders),
            (false, false) => {}
        }
        self.reconciling = reconciling;
    }

    /// True while new orders wait for reconciliation.
    pub fn is_reconciling(&self) -> bool {
        self.reconciling
    }

    /// Loss limits that are passed now.
    pub fn breaches(&self) -> &[Breach] {
        &self.state.breaches
    }

    #[inline]
    pub(super) fn mark(&mut self, slot: usize, bid: i64, ask: i64, now_ns: i64) -> Option<Breach> {
        // The day begins at the equity before this quote. A log that fails stops new orders by itself.
        let _ = self.roll_day(now_ns);
        let settle = self.state.account.mark(slot, bid, ask)?;
        self.watch(now_ns, settle)
    }

    /// Begins a new UTC day: losses count from here, the last day's loss limit is free again. A currency whose equity is
    /// not known follows when it is, and where the log did not take that, when it takes it.
    #[inline]
    pub(super) fn roll_day(&mut self, now_ns: i64) -> Result<(), GateError> {
        let day = utc_day(now_ns);
        let known = self.state.account.day();
        if day > known || self.owes_watermark { self.commit_watermark(day.max(known)) } else { Ok(()) }
    }

    /// Appends peaks and starts of the day. What begins its day does so at its equity now, what has to have a new peak
    /// gets it; a currency whose equity is not known does neither.
    #[cold]
    fn commit_watermark(&mut self, day: i64) -> Result<(), GateError> {
        let account = &self.state.account;
        let known = |index: usize| account.unmarked(index) == 0;
        let mut lines = Vec::new();
        for (index, balance) in account.balances().iter().enumerate() {
            let begins = balance.day < day;
            let Some(equity) = balance.equity().filter(|_| account.is_settle(index)) else { continue };
            if begins && !known(index) {
                continue;
            }
            let new_peak = known(index) && self.new_peaks.contains(&index);
            lines.push(Watermark {
                currency: balance.currency,
                peak: if new_peak { equity } else { balance.peak },
                day_start: if begins { equity } else { balance.day_start },
            });
        }
        let new_peaks = self.new_peaks.iter().copied().filter(|index| !known(*index)).collect();
        self.owes_watermark = true;
        self.commit(Record::Watermark { day, lines })?;
        self.owes_watermark = false;
        self.new_peaks = new_peaks;
        self.logged_peaks.clear();
        self.logged_peaks.extend(self.state.account.balances().iter().map(|balance| balance.peak));
        Ok(())
    }

    /// Appends peaks that rose while no limit asked for them: from now on one will.
    pub(super) fn log_peaks(&mut self) -> Result<(), GateError> {
        let mut peaks = self.state.account.balances().iter().zip(&self.logged_peaks);
        let risen = peaks.any(|(balance, logged)| balance.peak > *logged);
        if risen { self.commit_watermark(self.state.account.day()) } else { Ok(()) }
    }

    /// After a fill: its settle currency's equity has moved.
    pub(super) fn watch_fill(&mut self, now_ns: i64, id: ClientOrderId, events: &mut Vec<GateEvent>) {
        let slot = self.state.entry(id).and_then(|(_, entry)| entry.instrument);
        if let Some(slot) = slot {
            let (_, _, settle) = self.state.account.currencies_at(slot);
            events.extend(self.watch(now_ns, settle).map(GateEvent::Breach));
        }
    }

    pub(super) fn limits_losses(&self) -> bool {
        self.limits.max_daily_loss.is_some() || self.limits.max_drawdown_bps.is_some()
    }

    /// Looks at one currency's equity, if it is known.
    #[inline]
    pub(super) fn watch(&mut self, now_ns: i64, index: usize) -> Option<Breach> {
        let account = &self.state.account;
        if account.unmarked(index) > 0 {
            return None;
        }
        let day = account.day();
        if account.balances()[index].day < day || self.new_peaks.contains(&index) {
            // Known only now. A log that fails stops new orders by itself.
            let _ = self.commit_watermark(day);
        }
        if !self.limits_losses() {
            let balance = self.state.account.balance_mut(index);
            balance.peak = balance.peak.max(balance.equity()?);
            return None;
        }
        self.measure(now_ns, index)
    }

    /// True where a drawdown is over its limit and no breach says so yet.
    fn falls_unseen(&self, index: usize) -> bool {
        let balance = &self.state.account.balances()[index];
        let is_known = self.state.account.unmarked(index) == 0 && !self.new_peaks.contains(&index);
        let limit = self.limits.max_drawdown_bps.filter(|_| is_known && self.state.account.is_settle(index));
        let told = |b: &Breach| b.code == RiskCode::Drawdown && b.currency == balance.currency;
        let fall = limit.zip(balance.drawdown_bps().map(i128::from));
        fall.is_some_and(|(limit, fall)| fall > i128::from(limit)) && !self.state.breaches.iter().any(told)
    }

    /// Looks at every currency whose equity is known, where limits, or the books, are others than before. Returns what is to be
    /// published.
    pub fn watch_all(&mut self, now_ns: i64) -> Vec<GateEvent> {
        let mut events = Vec::new();
        for index in 0..self.state.account.balances().len() {
            if self.state.account.is_settle(index) {
                // One measure for each of the two loss limits.
                events.extend(self.watch(now_ns, index).map(GateEvent::Breach));
                events.extend(self.watch(now_ns, index).map(GateEvent::Breach));
            }
        }
        events
    }

    /// Measures one currency's equity against its peak and its day. An equity that does not fit counts as no reading;
    /// booking refuses such a sum before.
    fn measure(&mut self, now_ns: i64, index: usize) -> Option<Breach> {
        let balance = self.state.account.balance_mut(index);
        let equity = balance.equity()?;
        if equity > balance.peak {
            balance.peak = equity;
            let logged = self.logged_peaks.get(index).copied().unwrap_or(0);
            if self.limits.max_drawdown_bps.is_some() && equity - logged > (logged / PEAK_STEP).max(0) {
                let day = self.state.account.day();
                let _ = self.commit_watermark(day);
            }
        }
        let balance = &self.state.account.balances()[index];
        // Each limit is judged by itself: what cannot be measured for one does not switch the other off.
        let loss = balance.day_pnl().and_then(i128::checked_neg);
        let fall = balance.drawdown_bps().map(i128::from);
        let currency = balance.currency;
        let candidates = [
            (RiskCode::DailyLoss, self.limits.max_daily_loss, loss),
            (RiskCode::Drawdown, self.limits.max_drawdown_bps.map(i128::from), fall),
        ];
        for (code, limit, value) in candidates {
            let Some((limit, value)) = limit.zip(value) else { continue };
            let told = self.state.breaches.iter().any(|b| b.code == code && b.currency == currency);
            if value > limit && !told {
                let breach = Breach { code, currency, limit, value, ts_ns: now_ns };
                // A log that fails stops new orders by itself.
                let _ = self.commit_or_owe(Record::Breach(breach));
                self.stops += 1;
                return Some(breach);
            }
        }
        None
    }
}

/// The reasons of a latch that is set once more; None where that says nothing new.
#[cold]
fn again(before: &str, reason: &str) -> Option<String> {
    let knows = |reasons: &str| reasons.split(BEFORE).any(|known| known == clip(reason));
    let unexplained = before.strip_prefix(BY_SIGNAL).filter(|rest| rest.is_empty() || rest.starts_with(BEFORE));
    match unexplained.filter(|_| !reason.starts_with(SET_BY)) {
        // The signal came first; now it is known whose it was.
        Some(rest) => match rest.strip_prefix(BEFORE).filter(|older| knows(older)) {
            Some(older) => Some(older.to_owned()),
            None => Some(format!("{reason}{rest}")),
        },
        None if knows(before) => None,
        None => Some(format!("{reason}{BEFORE}{before}")),
    }
}

#[cold]
fn unsound(trouble: Trouble) -> Rejection {
    let (limit, value) = match trouble {
        Trouble::Fenced(why) => ("one life".to_owned(), why),
        Trouble::Lost(what) => ("no loss".to_owned(), what),
        Trouble::Gap(channel) => ("no gap".to_owned(), channel),
        Trouble::Full(channel, percent) => (format!("{FULL_AT} %"), format!("{percent} % of {channel}")),
    };
    Rejection::limit(RiskCode::BridgeUnsound, limit, value)
}

#[cfg(test)]
impl Gate {
    /// Makes every further write to the log fail.
    pub fn break_log(&mut self) {
        self.log.break_writes();
    }

    /// How often something was forced to the disk.
    pub fn times_forced(&self) -> usize {
        self.log.times_forced()
    }

    /// Lets it take so many more records.
    pub fn leave_room(&mut self, records: u32) {
        self.log.leave_room(records);
    }

    /// Makes every further record fail to be forced to the disk; with `no_cut` it cannot be taken back either.
    pub fn break_syncs(&mut self, no_cut: bool) {
        self.log.break_syncs(no_cut);
    }

    /// Lets it take records again.
    pub fn mend_log(&mut self) {
        self.log.mend_writes();
    }
}
