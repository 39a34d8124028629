//! The desk of an account group: the native side of its portfolio, risk, execution and gateway actors.
//!
//! The actors themselves are configured, supervised and named in Python, and meet only through events; what they decide
//! is decided here. The way of an order, each step a method and an event:
//!
//! ```text
//! SIGNAL -> on_signal -> ORDER_REQUEST -> on_request -> ORDER_APPROVED -> on_approved -> ORDER_NEW -> the venue
//!                                              '-> ORDER_REJECTED                                        |
//!    ORDER_*, POSITION_*, BALANCE_* <- on_report (append, book, publish) <-------------------------------'
//! ```
//!
//! - [`payload`] — what its events carry beside orders;
//! - [`venue`] — the link to a paper venue, or to a gateway outside;
//! - [`flow`] — the steps above; [`tell`] — the events that they make; [`ledger`] — what the portfolio knows of them;
//! - [`vanish`] — what happens to the orders of a strategy that is no more; [`readmit`] — its way back; [`room`] — how much of its position one may close;
//! - [`control`] — the kill switch, cancelling, draining; [`early`] — cancels ahead of their orders; [`limits`] — their
//!   change;
//! - [`clock`] — the venue's clock beside ours;
//! - [`breach`] — open orders that must not stay; [`stray`] — orders that are over and work at the venue all the same;
//! - [`reconcile`] — looks at the venue, and what they came to;
//! - [`books`] — what it has to tell: equity over time, latency, counts; [`standing`] — positions and balances.
//!
//! It is owned by the thread that dispatches; only the paper venue may be shared with the thread that feeds it.

mod books;
mod breach;
mod clock;
mod control;
mod early;
mod flow;
mod ledger;
mod limits;
pub mod payload;
mod readmit;
mod reconcile;
mod room;
mod standing;
mod stray;
mod tell;
mod vanish;
mod venue;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use libra_kernel::alarm::Alarm;
use libra_kernel::ids::TraceId;
use libra_kernel::latency::Latency;
use libra_kernel::{Event, EventType, Name, Payload};

use crate::account::curve::EquityCurve;
use crate::gate::{ByOrder, Gate, GateConfig, GateError, LogConfig, LogError, Recovered};
use crate::order::{ClientOrderId, VenueReport};
use crate::portfolio::{Portfolio, PortfolioConfig};
use crate::reconcile::Looks;

use clock::VenueClock;
use early::EarlyCancels;
use ledger::Kept;
use readmit::Returned;

pub use crate::account::curve::EquityPoint;
pub use books::Tally;
pub use vanish::{Flattening, OnVanish, Stranger, Vanished};
pub use venue::Link;

/// How a desk is set up.
pub struct DeskConfig {
    /// The gate, and with it the account's name.
    pub gate: GateConfig,
    /// How signals are sized.
    pub portfolio: PortfolioConfig,
    /// The strategies that trade on this account.
    pub strategies: Vec<Name>,
    /// Where its orders go.
    pub link: Link,
}

/// The trace that an order belongs to, so that what the venue says about it continues the same one.
#[derive(Clone, Copy)]
struct Cause {
    trace_id: TraceId,
    span_id: u64,
}

/// An order whose gateway has not begun to send it.
#[derive(Clone, Copy)]
struct Unsent {
    /// The last moment at which its bytes may leave, but for its own deadline.
    by_ns: i64,
    /// The limits that it was last checked against.
    limits_version: u64,
    /// It was approved as one that can only make a contract's position smaller.
    only_reduces: bool,
}

/// Who speaks in a desk's events.
struct Sources {
    portfolio: Name,
    risk: Name,
    execution: Name,
    gateway: Name,
}

/// See the module.
pub struct Desk {
    name: Name,
    gate: Gate,
    portfolio: Portfolio,
    /// Executions and moves of the account's books that the portfolio knows.
    kept: Kept,
    strategies: BTreeSet<Name>,
    link: Link,
    sources: Sources,
    causes: ByOrder<Cause>,
    /// Orders whose intent this process appended and that a gateway outside has not begun to send, with the last moment
    /// at which their bytes may leave: each leaves the map once. An order of an earlier process is never in it.
    unsent: BTreeMap<ClientOrderId, Unsent>,
    /// Orders that a gateway outside was asked to cancel and whose cancel no report has answered; some are final by now.
    cancelling: BTreeSet<ClientOrderId>,
    /// How long after its intent an order's bytes may leave: half of the gate's window. The other half is for their way
    /// and for the skew of clocks, so that what is not at the venue when the window is over never comes there.
    send_within_ns: i64,
    venue_clock: VenueClock,
    /// Strategies that are no more: nothing of their own leaves.
    vanished: BTreeMap<Name, Vanished>,
    /// The ledger's changes when the last look at what they left found nothing more to close.
    flattened: Option<u64>,
    /// Strategies that were no more, and were let in again.
    returned: BTreeMap<Name, Returned>,
    /// The kill switch of a thread that cannot wait for this one.
    alarm: Arc<Alarm>,
    /// Raises of the alarm that latched the account, but could not be written into its log.
    unlogged_alarm: u64,
    /// The router's last event when the kill latch was taken back: requests and signals up to it waited, and are refused.
    latched_until: u64,
    /// The same when somebody looked after the account again.
    unattended_until: u64,
    early_cancels: EarlyCancels,
    /// Looks at the venue outside, where its gateway can take them.
    looks: Looks,
    /// Orders that must not stay, and when their cancel was asked for last.
    unwanted: BTreeMap<ClientOrderId, i64>,
    /// Orders that are over here and work at the venue, and when their cancel was asked for last.
    strays: BTreeMap<ClientOrderId, i64>,
    /// What the log could not take and nobody will say again: what a paper venue said (no new order leaves before that is
    /// booked), and what became of an order that never left. Tried again before anything else.
    unbooked: Vec<VenueReport>,
    /// New orders wait since the log did not take what a paper venue said.
    waits_for_log: bool,
    /// Kept for its memory.
    reports: Vec<VenueReport>,
    latency: Latency,
    /// When the market event that is being handled came in, on the monotonic clock; 0 outside a simulated step.
    input_ns: i64,
    tally: Tally,
    equity: EquityCurve,
    next_equity_ns: i64,
    /// Something was published since the log was told that all of it was handled.
    has_unconfirmed: bool,
}

impl Desk {
    /// Opens the account.
    pub fn open(config: DeskConfig, now_ns: i64) -> Result<(Desk, Recovered), GateError> {
        let name = config.gate.account;
        let source = |role: &str| Name::intern(&format!("{name}.{role}"));
        let sources = Sources {
            portfolio: source("portfolio"),
            risk: source("risk"),
            execution: source("execution"),
            gateway: source("gateway"),
        };
        let send_within_ns = config.gate.validity_window_ns / 2;
        let log = match &config.gate.log {
            LogConfig::File { path, .. } => Some(path.clone()),
            LogConfig::Memory => None,
        };
        let alarm = Arc::new(Alarm::new(log.as_deref()));
        let marker_error = |error| GateError::Log(LogError::Io { path: log.clone().unwrap_or_default(), error });
        let gate = GateConfig { strategies: config.strategies.clone(), ..config.gate };
        let (mut gate, mut recovered) = Gate::open(gate, now_ns)?;
        if alarm.is_marked().map_err(marker_error)? {
            // An earlier process was stopped while it could not write: the latch is as good as one in its log. Beside a log that
            // has one it says nothing more: it was the process itself that left it, until it could write.
            if !gate.is_killed() {
                let (latched, logged) = gate.kill(now_ns, "set by a signal to an earlier process");
                logged?;
                let sequence = gate.sequence();
                recovered.unconfirmed.extend(latched.into_iter().map(|event| (sequence, event)));
            }
            recovered.killed = true;
            alarm.settle(alarm.count()).map_err(marker_error)?;
        }
        gate.set_alarm(Arc::clone(&alarm));
        config.link.set_alarm(&alarm);
        if matches!(config.link, Link::External) {
            // Nothing leaves before the gateway is connected and has asked about what an earlier process left.
            gate.set_reconciling(true);
        }
        let mut cancelling: BTreeSet<ClientOrderId> = recovered.cancelling.iter().copied().collect();
        cancelling.extend(gate.strays());
        let early_cancels = EarlyCancels::new(&config.strategies);
        let mut desk = Desk {
            name,
            gate,
            portfolio: Portfolio::new(config.portfolio),
            kept: Kept::default(),
            strategies: config.strategies.into_iter().collect(),
            link: config.link,
            sources,
            causes: ByOrder::default(),
            unsent: BTreeMap::new(),
            cancelling,
            send_within_ns,
            venue_clock: VenueClock::default(),
            vanished: BTreeMap::new(),
            flattened: None,
            returned: BTreeMap::new(),
            alarm,
            unlogged_alarm: 0,
            latched_until: 0,
            unattended_until: 0,
            early_cancels,
            looks: Looks::default(),
            unwanted: BTreeMap::new(),
            strays: BTreeMap::new(),
            unbooked: Vec::new(),
            waits_for_log: false,
            reports: Vec::new(),
            latency: Latency::default(),
            input_ns: 0,
            tally: Tally::default(),
            equity: EquityCurve::default(),
            next_equity_ns: i64::MIN,
            has_unconfirmed: false,
        };
        desk.rebuild();
        desk.link.cancel_again(now_ns, &recovered);
        Ok((desk, recovered))
    }

    /// The account's name.
    pub fn name(&self) -> Name {
        self.name
    }

    /// The gate, to look at.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The kill switch of threads that cannot wait for this one.
    pub fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    /// The portfolio, to look at.
    pub fn portfolio(&self) -> &Portfolio {
        &self.portfolio
    }

    /// The market event that is being handled came in at `monotonic_ns`: tick-to-order counts from there.
    pub fn set_input(&mut self, monotonic_ns: i64) {
        self.input_ns = monotonic_ns;
    }

    /// The portfolio's ledger, and the paper venue's open orders and trade ids, as the log has them.
    fn rebuild(&mut self) {
        for order in self.gate.orders() {
            self.portfolio.on_order(&order);
        }
        self.keep_ledger();
        self.link.restore(&self.gate);
    }

    /// An event that something of this order's way caused.
    fn child(&self, id: ClientOrderId, event_type: EventType, source: Name, now_ns: i64, payload: Payload) -> Event {
        let mut event = Event::new(event_type, source, now_ns, payload);
        if let Some(cause) = self.causes.get(&id) {
            event.trace_id = cause.trace_id;
            event.parent_span_id = cause.span_id;
        }
        event
    }
}

#[cfg(test)]
mod tests;
