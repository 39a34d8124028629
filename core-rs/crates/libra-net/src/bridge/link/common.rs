//! What the threads of a link share.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use libra_kernel::Event;
use libra_kernel::wake::Waker;

use super::greeting::Claimed;
use super::remedy;
use super::report::Value;
use super::settings::LinkSettings;
use crate::bridge::Shared;
use crate::bridge::news::{News, NewsKind};
use crate::latest::Key;

/// Who sleeps where.
#[derive(Clone)]
pub(super) struct Wakers {
    pub urgent: Arc<Waker>,
    pub market_out: Arc<Waker>,
    pub market_in: Arc<Waker>,
}

impl Wakers {
    pub fn wake_all(&self) {
        [&self.urgent, &self.market_out, &self.market_in].into_iter().for_each(|waker| waker.signal());
    }
}

pub(super) struct Common {
    pub settings: LinkSettings,
    pub seam: Arc<Shared>,
    pub claimed: Claimed,
    pub wakers: Wakers,
    /// Another life of this node was heard of: nothing is sent any more.
    pub fenced: AtomicBool,
    /// The link has stopped: a connection that is still being made is not needed.
    pub ended: Arc<AtomicBool>,
    /// On the monotonic clock, by when the link has to have left; 0 while it stays.
    pub leave_by_ns: AtomicI64,
    left: (Mutex<bool>, Condvar),
    /// Shards of market data that this node's actors asked for and somebody offers.
    pub listen_to: AtomicU64,
    /// Those that the server has confirmed.
    pub listening_to: AtomicU64,
    /// Market events that the server has answered for, by shard.
    pub sent: [AtomicU64; 64],
    /// Market data are on their way to a server that answers.
    pub market_is_leaving: AtomicBool,
    /// What other nodes have sent of market data.
    pub said: Said,
    /// Latest values are to be sent again: somebody came.
    pub say_again: AtomicBool,
    /// Latest values that ride MARKET_DATA, on their way to the thread that has the server keep them.
    pub kept: Kept,
    /// Durable events that wait for their acknowledgement.
    pub outbox: AtomicU64,
    /// Which report is asked for: they are made on demand.
    asked: AtomicU64,
    reports: Mutex<[Reported; 3]>,
    reported: Condvar,
}

/// How many events a publisher has sent: its epoch, and by shard.
pub(super) type Sent = (u64, Vec<(String, u64)>);

/// What beacons said of it, by publisher: from the urgent thread to the one that listens to market data.
#[derive(Default)]
pub(super) struct Said {
    version: AtomicU64,
    by_node: Mutex<BTreeMap<String, Sent>>,
}

impl Said {
    /// Takes what a beacon says; whether it is news.
    pub fn take(&self, node: &str, sent: Sent) -> bool {
        let mut by_node = self.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        if by_node.get(node) == Some(&sent) || sent.1.is_empty() {
            return false;
        }
        by_node.insert(node.to_owned(), sent);
        drop(by_node);
        self.version.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// Goes up with each news; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// As it stands.
    pub fn all(&self) -> BTreeMap<String, Sent> {
        self.by_node.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The newest of each latest value, from one thread to another.
#[derive(Default)]
pub(super) struct Kept {
    has_some: AtomicBool,
    values: Mutex<HashMap<Key, Event>>,
}

impl Kept {
    pub fn put(&self, event: Event) {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).insert(Key::of(&event), event);
        self.has_some.store(true, Ordering::Release);
    }

    pub fn has_some(&self) -> bool {
        self.has_some.load(Ordering::Acquire)
    }

    /// All that wait.
    pub fn take(&self) -> HashMap<Key, Event> {
        match self.has_some.swap(false, Ordering::AcqRel) {
            true => std::mem::take(&mut *self.values.lock().unwrap_or_else(PoisonError::into_inner)),
            false => HashMap::new(),
        }
    }
}

/// The last report of a thread, and which one it is.
#[derive(Default)]
struct Reported {
    number: u64,
    report: Vec<(String, Value)>,
}

/// Whose report it is.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Urgent,
    MarketOut,
    MarketIn,
}

impl Common {
    /// A subscription was refused: tells so once, and says what the connection is given up for.
    pub fn may_not_listen(&self, told: &mut String, message: &[u8]) -> String {
        let message = remedy::behind(&String::from_utf8_lossy(message));
        let why = format!("the server does not let this node listen: {message}");
        if *told != why {
            told.clone_from(&why);
            self.seam.tell(News { detail: why.as_str().into(), ..News::new(NewsKind::ServerFinding) });
        }
        why
    }

    pub fn new(settings: LinkSettings, seam: Arc<Shared>, wakers: Wakers) -> Self {
        Common {
            settings,
            seam,
            claimed: Claimed::default(),
            wakers,
            fenced: AtomicBool::new(false),
            ended: Arc::default(),
            leave_by_ns: AtomicI64::new(0),
            left: Default::default(),
            listen_to: AtomicU64::new(0),
            listening_to: AtomicU64::new(0),
            sent: std::array::from_fn(|_| AtomicU64::new(0)),
            market_is_leaving: AtomicBool::new(false),
            said: Said::default(),
            say_again: AtomicBool::new(false),
            kept: Kept::default(),
            outbox: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            reports: Default::default(),
            reported: Condvar::new(),
        }
    }

    /// From now on nothing of this node leaves: commands are refused.
    pub fn fence(&self, why: &str) {
        if !self.fenced.swap(true, Ordering::AcqRel) {
            self.seam.close();
            self.seam.state.fence(why);
            self.seam.tell(News { detail: why.into(), ..News::new(NewsKind::Fenced) });
        }
    }

    pub fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// When the link has to have left, if it leaves.
    pub fn leave_by(&self) -> Option<i64> {
        Some(self.leave_by_ns.load(Ordering::Acquire)).filter(|&by| by != 0)
    }

    /// The urgent thread has sent what it could.
    pub fn has_left(&self) {
        *self.left.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.left.1.notify_all();
    }

    /// Waits for that, at most so long.
    pub fn wait_until_left(&self, timeout: Duration) {
        let left = self.left.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.left.1.wait_timeout_while(left, timeout, |left| !*left));
    }

    /// True when a report is asked for that is later than this one.
    pub fn wants_report(&self, last: u64) -> bool {
        self.asked.load(Ordering::Acquire) != last
    }

    /// Takes a thread's report; gives its number.
    pub fn report(&self, part: Part, report: Vec<(String, Value)>) -> u64 {
        let number = self.asked.load(Ordering::Acquire);
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)[part as usize] = Reported { number, report };
        self.reported.notify_all();
        number
    }

    /// The reports of all threads as of now; of one that does not answer in time, its last.
    pub fn ask_reports(&self, within: Duration) -> [Vec<(String, Value)>; 3] {
        let number = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.wake_all();
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let are_missing = |reports: &mut [Reported; 3]| reports.iter().any(|reported| reported.number < number);
        let (reports, _) =
            self.reported.wait_timeout_while(reports, within, are_missing).unwrap_or_else(PoisonError::into_inner);
        std::array::from_fn(|part| reports[part].report.clone())
    }

    /// The last reports.
    pub fn last_reports(&self) -> [Vec<(String, Value)>; 3] {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        std::array::from_fn(|part| reports[part].report.clone())
    }

    pub fn wake_all(&self) {
        self.wakers.wake_all();
    }
}
