//! A connection that comes back: dialled on a thread of its own, given up when it is silent, dialled again after a wait.
//!
//! Connecting may take seconds, so whoever owns a line never does it: [`Line::turn`] says when the connection stands.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use libra_kernel::wake::Waker;

use super::greeting::Greeting;
use super::sentinels::Named;
use crate::resp::{Backoff, BackoffLimits, Connection, Liveness, Pulse, Reply, RespError, Watch};

/// Connects, and asks what has to be known before the connection is used.
pub(super) type Dial = dyn Fn() -> Result<(Connection, Greeting), RespError> + Send + Sync;

/// Reads from a socket at most so often before something else has its turn.
const READS: usize = 64;

/// True for a refusal that a connection to the master, or to a server that is ready, would not meet.
pub(super) fn needs_another_connection(refusal: &str) -> bool {
    matches!(refusal.split_ascii_whitespace().next(), Some("READONLY" | "MASTERDOWN" | "LOADING"))
}

enum Phase {
    Down { until_ns: i64 },
    Dialling(Receiver<Result<(Connection, Greeting), RespError>>),
    Up(Box<Connection>, Liveness),
}

/// What became of a line.
pub(super) enum Change {
    /// It stands.
    Up(Greeting),
    /// It could not be had.
    Failed(Failure),
}

/// Why there is no connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    pub why: String,
    /// Somebody has to change something, which `why` names.
    pub is_lasting: bool,
}

impl Failure {
    /// What may pass by itself.
    pub fn passing(why: impl Into<String>) -> Self {
        Failure { why: why.into(), is_lasting: false }
    }
}

/// What a line has counted.
#[derive(Clone, Debug, Default)]
pub(super) struct LineCounts {
    pub connects: u64,
    pub failures: u64,
    pub lost: u64,
    pub error: String,
}

pub(super) struct Line {
    name: &'static str,
    dial: Arc<Dial>,
    waker: Arc<Waker>,
    backoff: Backoff,
    phase: Phase,
    named: Arc<Named>,
    /// Which of the sentinels' answers the connection was held against.
    looked: u64,
    pub counts: LineCounts,
}

impl Line {
    pub fn new(name: &'static str, dial: Arc<Dial>, waker: Arc<Waker>, named: Arc<Named>) -> Self {
        Line {
            name,
            dial,
            waker,
            backoff: Backoff::new(BackoffLimits::default(), fastrand::Rng::new()),
            phase: Phase::Down { until_ns: i64::MIN },
            named,
            looked: 0,
            counts: LineCounts::default(),
        }
    }

    /// Dials now and waits for what becomes of it, at most so long; [`Line::turn`] takes it from there.
    ///
    /// # Errors
    /// What will not pass by itself.
    pub fn connect(&mut self, now_ns: i64, within: Duration) -> Result<(), RespError> {
        self.begin(now_ns);
        if let Phase::Dialling(dialled) = &self.phase
            && let Ok(result) = dialled.recv_timeout(within)
        {
            if let Err(error) = &result
                && !error.may_pass()
            {
                return result.map(drop);
            }
            let (tell, dialled) = channel();
            let _ = tell.send(result);
            self.phase = Phase::Dialling(dialled);
        }
        Ok(())
    }

    /// Dials where it is time to, and says what became of it.
    pub fn turn(&mut self, now_ns: i64) -> Option<Change> {
        match &self.phase {
            Phase::Up(..) => None,
            Phase::Down { until_ns } => {
                if now_ns >= *until_ns {
                    self.begin(now_ns);
                }
                None
            }
            Phase::Dialling(dialled) => {
                let result = match dialled.try_recv() {
                    Err(TryRecvError::Empty) => return None,
                    Err(TryRecvError::Disconnected) => Err(Failure::passing("the thread that dials has panicked")),
                    Ok(result) => {
                        result.map_err(|error| Failure { is_lasting: error.is_lasting(), why: error.to_string() })
                    }
                };
                match result {
                    Ok((connection, greeting)) => {
                        self.backoff.connected(now_ns);
                        self.counts.connects += 1;
                        self.phase = Phase::Up(Box::new(connection), Liveness::new(now_ns));
                        Some(Change::Up(greeting))
                    }
                    Err(failure) => {
                        self.counts.failures += 1;
                        self.wait(now_ns, &failure.why);
                        Some(Change::Failed(failure))
                    }
                }
            }
        }
    }

    fn begin(&mut self, now_ns: i64) {
        let (tell, dialled) = channel();
        let (dial, waker) = (self.dial.clone(), self.waker.clone());
        let thread = std::thread::Builder::new().name(format!("{}-dial", self.name));
        match thread.spawn(move || {
            // Nobody is there to hear it when the bridge has stopped meanwhile.
            let _ = tell.send(dial());
            waker.signal();
        }) {
            Ok(_) => self.phase = Phase::Dialling(dialled),
            Err(error) => self.wait(now_ns, &format!("no thread to connect with: {error}")),
        }
    }

    fn wait(&mut self, now_ns: i64, why: &str) {
        self.counts.error = why.to_owned();
        let wait = i64::try_from(self.backoff.wait(now_ns).as_nanos()).unwrap_or(i64::MAX);
        self.phase = Phase::Down { until_ns: now_ns.saturating_add(wait) };
    }

    /// The connection is of no use any more.
    pub fn lose(&mut self, now_ns: i64, why: &str) {
        self.counts.lost += 1;
        self.wait(now_ns, why);
    }

    /// There is to be no connection any more.
    pub fn end(&mut self) {
        self.phase = Phase::Down { until_ns: i64::MAX };
    }

    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up(..))
    }

    /// The connection, where there is one.
    pub fn up(&mut self) -> Option<&mut Connection> {
        match &mut self.phase {
            Phase::Up(connection, _) => Some(connection),
            _ => None,
        }
    }

    /// Reads what is there, and gives each reply to `take`.
    ///
    /// # Errors
    /// When the connection has ended, or `take` says why it is of no use.
    pub fn read(&mut self, now_ns: i64, mut take: impl FnMut(Reply<'_>) -> Result<(), String>) -> Result<(), String> {
        let Phase::Up(connection, liveness) = &mut self.phase else { return Ok(()) };
        for _ in 0..READS {
            let filled = connection.fill();
            while let Some(reply) = connection.next_reply().map_err(|error| error.to_string())? {
                take(reply)?;
            }
            if filled.map_err(|error| error.to_string())? == 0 {
                break;
            }
            liveness.heard(now_ns);
            if connection.is_drained() {
                break;
            }
        }
        Ok(())
    }

    /// After [`Line::read`]: true when the server is to be asked whether it lives; the caller sends PING.
    ///
    /// # Errors
    /// When it has been silent for too long, or sentinels name another one as the master.
    pub fn check(&mut self, now_ns: i64) -> Result<bool, String> {
        let Phase::Up(connection, liveness) = &mut self.phase else { return Ok(false) };
        if let Some(elsewhere) = self.named.elsewhere(connection.place(), &mut self.looked) {
            return Err(format!("the sentinels name another master: {elsewhere}"));
        }
        match liveness.check(now_ns) {
            Pulse::Fine(_) => Ok(false),
            Pulse::Ask => Ok(true),
            Pulse::Dead => Err("the server does not answer".to_owned()),
        }
    }

    /// Gives the socket what waits.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn flush(&mut self) -> Result<(), String> {
        match &mut self.phase {
            Phase::Up(connection, _) => connection.flush().map(drop).map_err(|error| error.to_string()),
            _ => Ok(()),
        }
    }

    /// What to wait for, where it stands.
    pub fn watch(&self) -> Option<Watch> {
        match &self.phase {
            Phase::Up(connection, _) => Some(connection.watch()),
            _ => None,
        }
    }

    /// When [`Line::turn`] or [`Line::check`] is due at the latest.
    pub fn due_ns(&mut self, now_ns: i64) -> Option<i64> {
        match &mut self.phase {
            Phase::Down { until_ns } => Some(*until_ns).filter(|&until| until != i64::MAX),
            Phase::Dialling(_) => None,
            Phase::Up(_, liveness) => Some(now_ns.saturating_add(nanos(liveness.due(now_ns)))),
        }
    }
}

fn nanos(wait: Duration) -> i64 {
    i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX)
}
