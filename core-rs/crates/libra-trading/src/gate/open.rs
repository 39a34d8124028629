//! Opening an account: how, and what is found. Its log is replayed, and a new epoch begins.

use std::collections::VecDeque;
use std::sync::Arc;

use libra_kernel::Name;
use libra_kernel::bridge_state::Losses;

use crate::instrument::{Instrument, Money};
use crate::order::{ClientOrderId, Order, OrderStatus};
use crate::risk::parts::Sharers;
use crate::risk::rate::Rates;
use crate::risk::{LimitChange, RiskLimits};

use super::approval::Approvals;
use super::beyond::Beyond;
use super::history::Entries;
use super::log::{Log, LogConfig, TornTail};
use super::recent::Recent;
use super::record::Record;
use super::state::State;
use super::unlogged::Unlogged;
use super::{Gate, GateError, GateEvent, GateStats, OnBreach};

/// How a gate is opened.
#[derive(Clone, Debug)]
pub struct GateConfig {
    /// The account; a log belongs to one.
    pub account: Name,
    /// What it may do.
    pub limits: RiskLimits,
    /// Who trades: a part of each rate, and of the numbers of open orders, is each one's own. Where none is named, each has its
    /// part of the rates from its first order on; where some are, whoever is not has none.
    pub strategies: Vec<Name>,
    /// What it may trade. A log remembers instruments; a definition given here replaces the remembered one.
    pub instruments: Vec<Instrument>,
    /// What it starts with. Only a new log takes it; after that the log knows better.
    pub opening: Vec<(Name, Money)>,
    /// Where the log is kept.
    pub log: LogConfig,
    /// How long an approval is good for.
    pub approval_ttl_ns: i64,
    /// How long after its intent an order may still be taken by the venue (its receive window, and the skew of clocks).
    pub validity_window_ns: i64,
    /// What it does while a loss limit is passed.
    pub on_breach: OnBreach,
    /// So many refusals of a strategy have a record of their own within a second, the others share one; 0 for all of them.
    pub refusals_per_second: u32,
    /// How many of the orders that ended last are kept as they are; older ones are packed.
    pub keep_whole: usize,
}

impl GateConfig {
    /// Approvals of one second, a window of ten, no limits, a log in memory.
    pub fn new(account: Name) -> Self {
        GateConfig {
            account,
            limits: RiskLimits::default(),
            strategies: Vec::new(),
            instruments: Vec::new(),
            opening: Vec::new(),
            log: LogConfig::Memory,
            approval_ttl_ns: 1_000_000_000,
            validity_window_ns: 10_000_000_000,
            on_breach: OnBreach::default(),
            refusals_per_second: 20,
            keep_whole: 1_000,
        }
    }
}

/// What was found when the gate was opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The epoch of this process.
    pub epoch: u64,
    /// Records that were replayed.
    pub records: u64,
    /// A last record that was torn, if one was.
    pub torn: Option<TornTail>,
    /// Orders whose intent stands in the log and which the venue never answered: to be queried, never sent again.
    pub unanswered: Vec<Arc<Order>>,
    /// Orders that the venue had accepted and that are not final.
    pub open: Vec<Arc<Order>>,
    /// Orders whose cancel was not answered: to be sent again, without a second intent.
    pub cancelling: Vec<ClientOrderId>,
    /// True when the kill latch is set.
    pub killed: bool,
    /// Limits that the log holds stricter than the profile: what the profile says, and what holds.
    pub limits: Vec<LimitChange>,
    /// What consumers have not confirmed, by record, and what the opening itself found: to be published.
    pub unconfirmed: Vec<(u64, GateEvent)>,
}

impl Gate {
    /// Opens the account: takes its log, replays it, and begins a new epoch. With orders that are not final it starts
    /// reconciling: new orders wait for [`Gate::set_reconciling`]`(false)`.
    pub fn open(config: GateConfig, now_ns: i64) -> Result<(Gate, Recovered), GateError> {
        config.limits.validate()?;
        if config.account.is_none() {
            return Err(GateError::Config("the account needs a name"));
        }
        if config.approval_ttl_ns < 0 || config.validity_window_ns < 0 {
            return Err(GateError::Config("time spans cannot be below zero"));
        }
        for instrument in &config.instruments {
            instrument.validate()?;
        }

        let mut state = State {
            entries: Entries::keeping(config.keep_whole),
            sharers: Sharers::new(&config.strategies),
            ..State::default()
        };
        let mut waiting: VecDeque<(u64, GateEvent)> = VecDeque::new();
        let mut events = Vec::new();
        let mut recent = Recent::new(now_ns, config.limits.volume_window_ns);
        let (log, torn) = Log::open(&config.log, |sequence, record| {
            state.apply(&record, &mut events)?;
            recent.note(&record, &state);
            if let Record::Resume { .. } = record {
                // Said anew, it would stop whoever hears of it: it was taken back.
                waiting.retain(|(_, event)| !matches!(event, GateEvent::Latched { .. }));
            }
            waiting.extend(events.drain(..).map(|event| (sequence, event)));
            if let Record::Confirmed { sequence } = record {
                while waiting.front().is_some_and(|(at, _)| *at <= sequence) {
                    waiting.pop_front();
                }
            }
            Ok(())
        })?;
        if state.epoch > 0 && state.name != config.account {
            return Err(GateError::WrongAccount { found: state.name, wanted: config.account });
        }

        let mut gate = Gate {
            account: config.account,
            account_hash: config.account.hash(),
            rates: Rates::new(&config.limits),
            limits: config.limits,
            limits_version: 1,
            approval_ttl_ns: config.approval_ttl_ns,
            validity_window_ns: config.validity_window_ns,
            venue_ahead_ns: 0,
            on_breach: config.on_breach,
            new_peaks: Vec::new(),
            logged_peaks: state.account.balances().iter().map(|balance| balance.peak).collect(),
            owes_watermark: false,
            state,
            approvals: Approvals::default(),
            lapsed: Vec::new(),
            unlogged: Unlogged::default(),
            beyond: Beyond::new(config.refusals_per_second),
            log,
            log_failed: false,
            latches: 0,
            stops: 0,
            reasons: 0,
            owed: VecDeque::new(),
            together: 0,
            stopping: None,
            unattended: None,
            reconciling: false,
            alarm: None,
            bridge: None,
            known_losses: Losses::default(),
            losses_before: Losses::default(),
            stats: GateStats::default(),
        };
        let records = gate.log.sequence();
        let epoch = gate.state.epoch + 1;
        gate.commit(Record::Epoch { now_ns, epoch, account: config.account })?;
        if !gate.state.opened {
            gate.commit(Record::Opening(config.opening))?;
        }
        for instrument in config.instruments {
            gate.define(instrument)?;
        }
        gate.rates.share_among(&config.strategies);
        let limits = gate.recover_limits();
        recent.count(&mut gate.rates, &mut gate.state);
        gate.roll_day(now_ns)?;
        // A limit that is lower than the one before may be passed by what was lost already: no fill has to tell of it.
        let breaches = gate.watch_all(now_ns);
        waiting.extend(breaches.into_iter().map(|event| (gate.log.sequence(), event)));

        let (unanswered, open): (Vec<_>, Vec<_>) =
            gate.open_orders().cloned().partition(|order| order.status < OrderStatus::Accepted);
        gate.reconciling = !unanswered.is_empty() || !open.is_empty();
        let cancelling = gate.entries_open().filter(|entry| entry.cancel_pending);
        let recovered = Recovered {
            epoch,
            records,
            torn,
            cancelling: cancelling.map(|entry| entry.order.client_order_id).collect(),
            unanswered,
            open,
            killed: gate.is_killed(),
            limits,
            unconfirmed: waiting.into(),
        };
        Ok((gate, recovered))
    }
}
