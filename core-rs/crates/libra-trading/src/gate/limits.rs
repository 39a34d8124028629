//! Limits in force, and their change while the account trades.
//!
//! A change is written down before it holds, with who asked for it; approvals that were given before it cannot be spent.
//! After a restart the stricter of two words holds, limit by limit: the profile's, and the log's last one. So a limit that
//! was lowered stays lowered until it is raised, confirmed, in the log as well; and one that was raised is back at the
//! profile's value. A word that this account cannot read any more shuts what it is about, and is told: it keeps no account
//! from opening.

use std::fmt;

use crate::account::is_buy;
use crate::instrument::{Instrument, Money};
use crate::order::Order;
use crate::risk::change::{apply, loosened, recall, stricter, terms};
use crate::risk::check::{Exposure, Passed, check};
use crate::risk::exposure::{Portfolio, Worth};
use crate::risk::volume::VolumeWindow;
use crate::risk::{LimitChange, LimitsError, Rejection, RiskCode, RiskLimits, Term};

use super::codec::clip;
use super::record::Record;
use super::{Gate, GateError, GateEvent};

/// A change of limits that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsChanged {
    /// When, on the account's clock.
    pub now_ns: i64,
    /// Who asked for it.
    pub who: String,
    /// Whether loosening was confirmed.
    pub confirmed: bool,
    /// The version of the limits from now on.
    pub version: u64,
    /// What changed.
    pub changes: Vec<LimitChange>,
}

impl fmt::Display for LimitsChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {} by {}", self.version, self.who)?;
        for change in &self.changes {
            let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "no limit".to_owned());
            write!(f, "; {} from {} to {}", change.key, show(&change.old), show(&change.new))?;
        }
        f.write_str(if self.confirmed { "; confirmed" } else { "" })
    }
}

impl Gate {
    /// Changes limits: every mistake is told at once and then nothing changes; what loosens anything has to be
    /// `confirmed`. Returns the change and what is to be published, which may be losses that the new limits do not allow.
    /// `None` when every limit has its value already.
    pub fn change_limits(
        &mut self,
        now_ns: i64,
        who: &str,
        terms: &[Term],
        confirmed: bool,
    ) -> Result<Option<(LimitsChanged, Vec<GateEvent>)>, GateError> {
        let problem = |problem: &str| LimitsError { problems: vec![problem.to_owned()] };
        if who.trim().is_empty() {
            return Err(problem("a change of limits needs the name of who asks for it").into());
        }
        let instruments = self.instruments();
        // Each value is tested as it is read. Those in force may hold a nothing of a word that was not to be read.
        let (limits, changes) = apply(&self.limits, terms, &instruments)?;
        if changes.is_empty() {
            return Ok(None);
        }
        if !confirmed {
            let problems = loosened(&self.limits, &limits, &instruments);
            if !problems.is_empty() {
                return Err(LimitsError { problems }.into());
            }
        }
        if limits.max_drawdown_bps.is_some() && self.limits.max_drawdown_bps.is_none() {
            // Before the limit: a process that dies in between knows the peak that it is measured from.
            self.log_peaks()?;
        }
        let version = self.limits_version + 1;
        let changed = LimitsChanged { now_ns, who: clip(who.trim()).to_owned(), confirmed, version, changes };
        let mut events = self.commit(Record::Limits(changed.clone()))?;
        self.put_limits(limits);
        self.limits_version = version;
        events.extend(self.watch_all(now_ns));
        Ok(Some((changed, events)))
    }

    /// Why an order passes a limit that was approved under other ones and has not left, as an approval would say it; `None` for
    /// one that would be approved now. Everything is asked again but rates, which count when it is approved, and funds, which it holds.
    #[cold]
    pub fn passes_limits(&self, now_ns: i64, order: &Order) -> Option<Rejection> {
        let (request, account) = (&order.request, &self.state.account);
        let Some(slot) = account.slot(request.instrument) else {
            return Some(Rejection::new(RiskCode::UnknownInstrument, request.instrument.as_str()));
        };
        let (desk, instrument) = (&self.state.desks[slot], account.instrument_at(slot));
        // All that is open, but for the order itself.
        let (mut open_buy, mut open_sell) = (desk.open_buy, desk.open_sell);
        *if is_buy(request.side) { &mut open_buy } else { &mut open_sell } -= request.size;
        let position = account.position_at(slot).size;
        let portfolio = self.state.portfolio(slot);
        let without = Worth::of(desk.scale, desk.mark, position, open_buy, open_sell);
        let mut sums = portfolio.as_ref().map(|portfolio| *portfolio.sums).unwrap_or_default();
        if let Some(portfolio) = &portfolio
            && sums.replace(portfolio.own, without).is_none()
        {
            return Some(Rejection::new(RiskCode::Overflow, "exposure"));
        }
        let place = self.state.sharers.place(request.strategy);
        let (mut orders, mut of_instrument) = (self.state.orders.clone(), desk.orders.clone());
        for counted in [&mut orders, &mut of_instrument] {
            // One that holds nothing is not counted.
            let _ = counted.add(place, -1);
        }
        let exposure = Exposure {
            scale: desk.scale,
            position,
            open_buy,
            open_sell,
            free_base: Money::MAX,
            free_quote: Money::MAX,
            orders: Some((&orders, &of_instrument)),
            place,
            volume: desk.volume.as_ref().map(|volume| volume.sums(now_ns)),
            portfolio: portfolio.map(|all| Portfolio { sums: &sums, own: without, equity: all.equity }),
        };
        let limits = (&self.limits, &desk.limits);
        let checked = check(now_ns, request, instrument, desk.market, &exposure, limits, &mut Passed::default());
        checked.err().map(|why| *why)
    }

    /// Sets limits past the log: for tests of what limits do.
    #[cfg(test)]
    pub fn set_limits(&mut self, limits: RiskLimits) -> Result<(), GateError> {
        limits.validate()?;
        self.put_limits(limits);
        self.limits_version += 1;
        Ok(())
    }

    /// The limits in force.
    pub fn limits(&self) -> &RiskLimits {
        &self.limits
    }

    /// Their version: every change raises it.
    pub fn limits_version(&self) -> u64 {
        self.limits_version
    }

    /// Every limit that is set, as a profile writes it; an instrument by its id.
    pub fn limit_terms(&self) -> Vec<(String, String)> {
        terms(&self.limits, &self.instruments())
    }

    /// At the opening: the stricter of the profile's limits and of the log's last words. Returns what differs from the
    /// profile.
    pub(super) fn recover_limits(&mut self) -> Vec<LimitChange> {
        self.limits_version = self.state.limits_version.max(1);
        let mut held = Vec::new();
        if !self.state.limit_words.is_empty() {
            let instruments = self.instruments();
            let logged = recall(&self.limits, &self.state.limit_words, &instruments);
            let strict = stricter(&self.limits, &logged, &instruments);
            let (profile, now) = (terms(&self.limits, &instruments), terms(&strict, &instruments));
            for (key, value) in &now {
                let old = profile.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
                if old.as_ref() != Some(value) {
                    held.push(LimitChange { key: key.clone(), old, new: Some(value.clone()) });
                }
            }
            self.limits = strict;
        }
        self.rates.set_limits(&self.limits);
        self.apply_limits();
        held
    }

    fn put_limits(&mut self, limits: RiskLimits) {
        self.rates.set_limits(&limits);
        self.limits = limits;
        self.apply_limits();
    }

    /// Gives each instrument the limits that hold for it, and keeps what they are measured by.
    pub(super) fn apply_limits(&mut self) {
        let window_ns = self.limits.volume_window_ns;
        self.state.volume_window_ns = window_ns;
        let sharers = self.state.sharers.count();
        self.state.orders.divide(self.limits.max_open_orders, sharers);
        for (slot, desk) in self.state.desks.iter_mut().enumerate() {
            desk.limits = self.limits.of(self.state.account.instrument_at(slot));
            desk.orders.divide(desk.limits.max_orders, sharers);
            if desk.limits.max_participation_bps.is_some() {
                // Never taken away: a limit that is set again is of what was executed meanwhile, too.
                desk.volume.get_or_insert_with(|| Box::new(VolumeWindow::new(window_ns)));
            }
        }
        self.state.track_exposures(self.limits.needs_exposures());
        let balances = self.state.account.balances();
        self.logged_peaks.extend(balances[self.logged_peaks.len()..].iter().map(|balance| balance.peak));
    }

    fn instruments(&self) -> Vec<Instrument> {
        self.state.account.instruments().cloned().collect()
    }
}
