//! A node and its Redis or Valkey: the native threads that stand behind the seam.
//!
//! ```text
//!            urgent queue -> Outgoing (frames, Sender) --calls-->  FCALL append, ack, read, trim
//! urgent     arrivals     <- Incoming (Receiver)       <-hears---  RISK, ORDERS, SIGNALS and control channels
//! market out market queue -> frames by shard           --------->  PUBLISH
//! market in  market edge  <- frames, counted           <---------  the shards that actors asked for
//! ```
//!
//! - [`urgent`], [`market_out`], [`market_in`] — the threads; [`common`] — what they share;
//! - [`outgoing`], [`incoming`] — a durable channel of this node and of another one; [`asked`] — what of it nobody has answered;
//!   [`decoded`] — a frame that waits; [`calls`] — the server's functions;
//! - [`keeper`] — the newest of what only the latest counts of, in the server's hash;
//! - [`control`] — beacons, and who wants what; [`greeting`] — what is asked of a server first, and [`namesake`] — whether a
//!   node of our name lives;
//! - [`prompt`] — a wake-up that is soon followed; [`line`] — a connection that comes back, [`remedy`] — what has to be changed where it
//!   does not, [`refusals`] — whether that was told; [`sentinels`] — where to, while it stands;
//! - [`lag`] — how long frames are on their way, and [`skew`] — how far clocks are apart; [`settings`], [`report`] — what it is made
//!   with, and what it tells.
//!
//! A thread that panics is started again where it can be (market data), under the kernel's policy for native threads;
//! where it cannot, nothing leaves the node any more, and it is told so as if it were fenced. One that hangs is the guard's matter:
//! [`Link::heartbeats`].

mod asked;
mod calls;
mod common;
mod control;
mod decoded;
mod greeting;
mod held;
mod incoming;
mod keeper;
mod lag;
mod line;
mod market_in;
mod market_out;
mod namesake;
mod outgoing;
mod pace;
mod prompt;
mod refusals;
mod remedy;
mod report;
mod sentinels;
mod settings;
mod skew;
#[cfg(test)]
mod tests;
mod urgent;

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libra_kernel::clock::monotonic_ns;
use libra_kernel::heartbeat::Heartbeat;
use libra_kernel::native::{NativePolicy, NativeThread};
use libra_kernel::wake::Waker;

pub(super) use asked::is_asked;
pub use report::Value;
pub use settings::LinkSettings;

use super::{NodeSide, SeamSettings, seam};
use crate::durable::library;
use crate::resp::{Connector, Library, Options, RespError};
use common::{Common, Wakers};
use greeting::{Greeting, greet};
use line::{Dial, Line};
use market_in::MarketIn;
use market_out::MarketOut;
use sentinels::{Asking, Named};
use urgent::Urgent;

/// How long a report waits for threads that are busy.
const ANSWERED_WITHIN: Duration = Duration::from_millis(50);

/// How long a start waits for the server's first answer: longer than a node of the same name may be silent.
const STARTS_WITHIN: Duration = Duration::from_secs(5);

/// Why a link did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its server will not have it.
    #[error(transparent)]
    Server(#[from] RespError),
    /// The system gives no threads.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// The threads of a node's bridge. Dropping it stops them.
pub struct Link {
    common: Arc<Common>,
    /// What is started yet.
    parts: Option<(MarketIn, MarketOut, Urgent)>,
    threads: Vec<NativeThread>,
    named: Arc<Named>,
    asking: Option<Asking>,
}

impl Link {
    /// Makes the two sides, and starts nothing yet. `node` wakes the node's loop.
    ///
    /// # Errors
    /// When the settings make no seam or no promise can be kept with them, or the system gives no descriptors.
    pub fn new(settings: LinkSettings, seam_settings: &SeamSettings, node: Arc<Waker>) -> io::Result<(NodeSide, Link)> {
        if let Some(fault) = settings.fault() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
        }
        let wakers = Wakers {
            urgent: Arc::new(Waker::new()?),
            market_out: Arc::new(Waker::new()?),
            // Only signals wake it, which pass no fence: `membarrier` would interrupt the loop in each of its turns for nothing.
            market_in: Arc::new(Waker::without_membarrier()?),
        };
        let [urgent, market_out, market_in] =
            [&wakers.urgent, &wakers.market_out, &wakers.market_in].map(|waker| waker.clone());
        let (node_side, side) = seam(seam_settings, node, urgent.clone(), market_out.clone())?;
        side.shared.set_peers(settings.peers.iter().map(String::as_str));
        control::want_all_that_is_kept(&side.shared, !settings.peers.is_empty());
        let common = Arc::new(Common::new(settings, side.shared.clone(), wakers));
        let named = Arc::new(Named::default());
        let line = |name: &'static str, greets: bool, waker: Arc<Waker>| -> io::Result<Line> {
            Ok(Line::new(name, dial(&common, name, greets)?, waker, named.clone()))
        };
        let calls = line("libra-calls", true, urgent.clone())?;
        let hears = line("libra-hears", false, urgent)?;
        let market_in = MarketIn::new(common.clone(), side.market_in, line("libra-market-in", false, market_in)?);
        let market_out = MarketOut::new(common.clone(), side.market, line("libra-market-out", false, market_out)?);
        let urgent = Urgent::new(common.clone(), side.urgent, side.arrivals, calls, hears);
        let parts = Some((market_in, market_out, urgent));
        Ok((node_side, Link { common, parts, threads: Vec::new(), named, asking: None }))
    }

    /// Connects, and starts the threads. A server that is not there is no reason to fail: they go on trying. Nothing where
    /// they run.
    ///
    /// # Errors
    /// When the server says what nothing but another configuration ends (see [`RespError::may_pass`]), a node of this name
    /// lives, or the system gives no threads.
    pub fn start(&mut self, policy: NativePolicy) -> Result<(), StartError> {
        let Some((market_in, market_out, mut urgent)) = self.parts.take() else { return Ok(()) };
        urgent.connect(STARTS_WITHIN)?;
        let connector = connector(&self.common, "libra-sentinels", None);
        self.asking = sentinels::ask(connector, self.named.clone(), self.common.wakers.clone())?;
        self.threads.push(NativeThread::spawn("libra-market-in", policy, market_in)?);
        self.threads.push(NativeThread::spawn("libra-market-out", policy, market_out)?);
        self.threads.push(NativeThread::spawn("libra-urgent", policy, urgent)?);
        Ok(())
    }

    /// The heartbeats of the threads, for the guard.
    pub fn heartbeats(&self) -> Vec<Arc<Heartbeat>> {
        self.threads.iter().filter_map(|thread| thread.heartbeat().cloned()).collect()
    }

    /// How often a panic has restarted a thread.
    pub fn restarts(&self) -> u64 {
        self.threads.iter().map(NativeThread::restarts).sum()
    }

    /// What is counted; a link that was stopped tells the end.
    pub fn report(&self) -> Value {
        let runs = self.threads.iter().any(|thread| thread.heartbeat().is_some());
        let [mut report, market_out, market_in] =
            if runs { self.common.ask_reports(ANSWERED_WITHIN) } else { self.common.last_reports() };
        report.push(("market_out".to_owned(), Value::Table(market_out)));
        report.push(("market_in".to_owned(), Value::Table(market_in)));
        report.push(("fenced".to_owned(), Value::Flag(self.common.is_fenced())));
        report.push(("restarts".to_owned(), Value::count(self.restarts())));
        Value::Table(report)
    }

    /// Durable events that were sent and that not all consumers have applied, as the last report has it.
    pub fn outbox(&self) -> u64 {
        self.common.outbox.load(Ordering::Relaxed)
    }

    /// Sends what waits and hears of its acknowledgement, at most so long, says goodbye, and stops the threads. What could not leave
    /// stands in the last [`Link::report`].
    pub fn stop(&mut self, timeout: Duration) {
        if self.threads.iter().all(|thread| thread.heartbeat().is_none()) {
            return;
        }
        let timeout_ns = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
        // 0 means that it stays, and 1 that it is late already.
        self.common.leave_by_ns.store(monotonic_ns().saturating_add(timeout_ns).max(1), Ordering::Release);
        self.common.wake_all();
        // The thread keeps the time; should it hang, a second more.
        self.common.wait_until_left(timeout.saturating_add(Duration::from_secs(1)));
        self.halt();
    }

    fn halt(&mut self) {
        self.asking = None;
        // A thread that dials may be in the middle of it. It ends with what it waits for: two seconds at most for a connection or an
        // answer, two and a half where it looks for a node of our name, and as long as the system takes to look up a name.
        self.common.ended.store(true, Ordering::Release);
        self.threads.iter().for_each(NativeThread::begin_stop);
        self.common.wake_all();
        self.threads.iter_mut().for_each(NativeThread::stop);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.halt();
    }
}

fn connector(common: &Common, name: &str, library: Option<Library>) -> Connector {
    let settings = &common.settings;
    let name = format!("libra:{}:{}:{name}", settings.environment.as_str(), settings.node);
    Connector::new(settings.endpoint.clone(), Options { library, ended: common.ended.clone(), ..Options::new(&name) })
}

/// How a connection is made.
fn dial(common: &Arc<Common>, name: &str, greets: bool) -> io::Result<Arc<Dial>> {
    let library = Library::new(library::SOURCE).map_err(io::Error::other)?;
    let connector = Mutex::new(connector(common, name, greets.then_some(library)));
    let channels = common.settings.channels_of(&common.settings.node);
    let common = common.clone();
    Ok(Arc::new(move || {
        let connected = connector.lock().unwrap_or_else(PoisonError::into_inner).connect();
        let greeted = connected.and_then(|mut connection| match greets {
            true => greet(&mut connection, &common.settings, &channels, &common.claimed)
                .map(|greeting| (connection, greeting)),
            false => Ok((connection, Greeting::default())),
        });
        greeted.map_err(remedy::told)
    }))
}
