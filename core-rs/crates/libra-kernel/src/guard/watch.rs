//! What the guard's thread looks at, and when: signals, deadlines, long turns, heartbeats, memory.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::ending::say;
use super::own_time::{OwnTime, Stand, ThreadClock};
use super::signals::{self, ECHO, SECOND_SIGNAL_AFTER_NS, next_signal};
use super::{Limits, Witness};
use crate::alarm::Alarm;
use crate::clock::monotonic_ns;
use crate::forks::Private;
use crate::heartbeat::Listener;
use crate::memory;
use crate::turns::{BlockWatch, Turn, Turns};
use crate::wake::Waker;

/// How often memory is looked at.
const MEMORY_EVERY_NS: i64 = 250_000_000;
/// How long the loop has to answer an alarm before the thread says that it did not.
const ALARM_PATIENCE_NS: i64 = 1_000_000_000;

/// How often the loop may miss the time of a handler before it is said to be held: a busy machine makes anyone late.
const BEATS_MISSED: i64 = 3;

/// What the thread and the loop share.
pub(super) struct Shared {
    pub(super) waker: Arc<Waker>,
    pub(super) stop_signal: AtomicI32,
    /// When the first signal came; `i64::MIN` before.
    pub(super) first_signal_ns: AtomicI64,
    pub(super) deadline_ns: AtomicI64,
    pub(super) drain_ns: i64,
    /// When the run's time is over: the drain's time counts from then, whether or not the loop knows.
    pub(super) end_of_run_ns: AtomicI64,
    pub(super) limits: Limits,
    /// Bytes that were in use when that was over the limit; 0 before.
    pub(super) too_much_memory: AtomicU64,
    pub(super) turns: Arc<Turns>,
    /// How long the loop's thread has run.
    loop_clock: ThreadClock,
    pub(super) witness: Option<Arc<dyn Witness>>,
    pub(super) listeners: Mutex<Vec<Listener>>,
    pub(super) finished: AtomicBool,
    /// The guard has taken the signals over: they stay its own while this is locked.
    pub(super) holds_signals: Mutex<bool>,
    /// The guard has ever had them.
    pub(super) takes_signals: AtomicBool,
    /// Where signals and pokes come from.
    pub(super) pipe: Private<OwnedFd>,
    /// When the loop last came round; 0 before the first time.
    pub(super) beat_ns: AtomicI64,
    pub(super) logs: Mutex<Vec<Private<OwnedFd>>>,
    pub(super) alarms: Mutex<Alarms>,
    /// How often the thread has come to an [`ECHO`], and who waits for that.
    pub(super) echoes: (Mutex<u64>, Condvar),
}

impl Shared {
    /// For the loop of the calling thread.
    pub(super) fn new(
        waker: Arc<Waker>,
        drain_ns: i64,
        limits: Limits,
        witness: Option<Arc<dyn Witness>>,
        pipe: Private<OwnedFd>,
    ) -> Self {
        Shared {
            pipe,
            takes_signals: AtomicBool::new(false),
            waker,
            stop_signal: AtomicI32::new(0),
            first_signal_ns: AtomicI64::new(i64::MIN),
            deadline_ns: AtomicI64::new(i64::MAX),
            drain_ns,
            end_of_run_ns: AtomicI64::new(i64::MAX),
            limits,
            too_much_memory: AtomicU64::new(0),
            turns: Arc::default(),
            loop_clock: ThreadClock::of_this_thread(),
            witness,
            listeners: Mutex::default(),
            finished: AtomicBool::new(false),
            holds_signals: Mutex::default(),
            beat_ns: AtomicI64::new(0),
            logs: Mutex::default(),
            alarms: Mutex::default(),
            echoes: Default::default(),
        }
    }

    /// The thread: until the guard is dropped.
    pub(super) fn watch(self: &Arc<Self>) {
        let mut first_ns = None;
        let mut rounds = Rounds::new(&self.limits);
        while !self.finished.load(Ordering::SeqCst) {
            let signal = next_signal(self.pipe.as_raw_fd(), self.patience_ms(&rounds));
            let now_ns = monotonic_ns();
            if signal == Some(ECHO) {
                *lock(&self.echoes.0) += 1;
                self.echoes.1.notify_all();
            } else if signal == Some(libc::SIGUSR1) {
                self.raise_alarms();
                rounds.answer_by_ns = now_ns.saturating_add(ALARM_PATIENCE_NS);
            } else if let Some(signal) = signal {
                match first_ns {
                    None => {
                        first_ns = Some(now_ns);
                        self.first_signal_ns.store(now_ns, Ordering::SeqCst);
                        let deadline = now_ns.saturating_add(self.drain_ns);
                        self.deadline_ns.fetch_min(deadline, Ordering::SeqCst);
                        self.stop_signal.store(signal, Ordering::SeqCst);
                        self.waker.signal();
                    }
                    Some(first) if now_ns - first >= SECOND_SIGNAL_AFTER_NS => {
                        self.end("stopped at once by a second signal", None)
                    }
                    Some(_) => {}
                }
            }
            if self.finished.load(Ordering::SeqCst) {
                return;
            }
            self.look_around(&mut rounds, monotonic_ns());
        }
    }

    /// Looks at everything that is watched by time.
    fn look_around(self: &Arc<Self>, rounds: &mut Rounds, now_ns: i64) {
        if now_ns >= rounds.answer_by_ns {
            rounds.answer_by_ns = i64::MAX;
            self.tell_of_alarms();
        }
        let end_of_run_ns = self.end_of_run_ns.load(Ordering::SeqCst);
        if now_ns >= end_of_run_ns {
            self.drain_from(end_of_run_ns);
        }
        if now_ns >= self.deadline_ns.load(Ordering::SeqCst) {
            self.end("the drain ran out of time", None);
        }
        if let (Some(watch), Some(witness)) = (&mut rounds.block, &self.witness) {
            let turn = self.turns.now();
            rounds.time.look(now_ns, self.loop_clock.read());
            if let Some(blocked) = watch.look(turn, rounds.time.own_ns) {
                witness.blocked(blocked, turn, &self.turns);
            }
            let actor = turn.actor();
            let place = (actor.map(|_| turn), self.beat_ns.load(Ordering::Relaxed));
            let kept = rounds.stand.look(place, now_ns, rounds.time.taken_ns, self.limits.block_ns);
            if let Some((held_ns, kept_ns)) = kept.filter(|_| place.1 > 0) {
                witness.kept_waiting(actor, held_ns, kept_ns);
            }
        }
        let awake_ns = rounds.awake_ns(now_ns);
        self.look_at_the_loop(rounds);
        self.look_at_signals();
        if self.limits.heartbeat_ns > 0 {
            let mut listeners = lock(&self.listeners);
            listeners.retain(Listener::is_needed);
            let silent = listeners.iter_mut().find_map(|one| one.listen(awake_ns, self.limits.heartbeat_ns));
            drop(listeners);
            if let Some(thread) = silent {
                let seconds = self.limits.heartbeat_ns as f64 / 1e9;
                let whose = format!("; {thread} has given no sign of life for {seconds} s");
                self.end("a native thread hangs", Some(whose));
            }
        }
        if self.limits.resident_bytes > 0 && now_ns >= rounds.memory_due_ns {
            rounds.memory_due_ns = now_ns + MEMORY_EVERY_NS;
            let bytes = memory::resident_bytes().unwrap_or(0);
            if bytes > self.limits.resident_bytes && self.too_much_memory.swap(bytes, Ordering::SeqCst) == 0 {
                self.drain_from(now_ns);
                self.waker.signal();
            }
        }
    }

    /// A callback or a task that is no handler may hold the loop: the watch of turns sees nobody.
    fn look_at_the_loop(&self, rounds: &mut Rounds) {
        let beat_ns = self.beat_ns.load(Ordering::Relaxed);
        let Some(witness) = self.witness.as_ref().filter(|_| beat_ns > 0 && self.limits.block_ns > 0) else { return };
        if beat_ns != rounds.seen_beat.0 || self.turns.now().actor().is_some() {
            rounds.seen_beat = (beat_ns, rounds.time.own_ns, false);
        }
        let held_ns = rounds.time.own_ns.saturating_sub(rounds.seen_beat.1);
        if held_ns >= self.limits.block_ns.saturating_mul(BEATS_MISSED) && !rounds.seen_beat.2 {
            rounds.seen_beat.2 = true;
            witness.held_by_nobody(held_ns);
        }
    }

    /// A strategy that sets handlers of its own would make the node deaf.
    fn look_at_signals(&self) {
        let held = lock(&self.holds_signals);
        if *held && !signals::stand() {
            signals::take_back();
            say(
                "libra: somebody's code took SIGHUP, SIGINT, SIGTERM or SIGUSR1 for itself: the node has taken it back\n",
            );
        }
    }

    /// The drain's time counts from `start_ns`, unless it counts already.
    pub(super) fn drain_from(&self, start_ns: i64) {
        let deadline = start_ns.saturating_add(self.drain_ns);
        let _ = self.deadline_ns.compare_exchange(i64::MAX, deadline, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// How long the thread may sleep before it has to look at something again.
    fn patience_ms(&self, rounds: &Rounds) -> i32 {
        let deadline_ns = self.deadline_ns.load(Ordering::SeqCst);
        let due_ns = match deadline_ns {
            i64::MAX => self.end_of_run_ns.load(Ordering::SeqCst),
            _ => deadline_ns,
        };
        let due_ns = due_ns.min(rounds.answer_by_ns);
        let left_ns = due_ns.saturating_sub(monotonic_ns()).min(rounds.interval_ns);
        (left_ns / 1_000_000 + 1).clamp(0, 60_000) as i32
    }
}

/// The alarms of the accounts that are open, and how often the kill switch came: also before there was any.
#[derive(Default)]
pub(super) struct Alarms {
    pub(super) open: Vec<Arc<Alarm>>,
    pub(super) kills: u64,
    /// So many were answered by a node that has no account: it told the others.
    pub(super) answered: u64,
}

/// What the thread remembers from one look to the next.
struct Rounds {
    block: Option<BlockWatch>,
    interval_ns: i64,
    last_ns: i64,
    /// What of the time is the loop's own; where it stands, in whose turn and behind which beat.
    time: OwnTime,
    stand: Stand<(Option<Turn>, i64)>,
    /// The loop's last beat, when in its own time it was seen first, and whether its silence was told.
    seen_beat: (i64, i64, bool),
    memory_due_ns: i64,
    /// When the loop has to have answered an alarm; `i64::MAX` where none is raised.
    answer_by_ns: i64,
}

impl Rounds {
    fn new(limits: &Limits) -> Self {
        let block =
            (limits.block_ns > 0 || limits.timeout_ns > 0).then(|| BlockWatch::new(limits.block_ns, limits.timeout_ns));
        let interval_ns = [
            block.as_ref().map(BlockWatch::interval_ns),
            (limits.heartbeat_ns > 0).then_some(limits.heartbeat_ns / 8),
            (limits.resident_bytes > 0).then_some(MEMORY_EVERY_NS),
        ];
        let interval_ns = interval_ns.into_iter().flatten().min().unwrap_or(i64::MAX).max(1_000_000);
        Rounds {
            block,
            interval_ns,
            last_ns: monotonic_ns(),
            time: OwnTime::default(),
            stand: Stand::default(),
            seen_beat: (0, i64::MAX, false),
            memory_due_ns: i64::MIN,
            answer_by_ns: i64::MAX,
        }
    }

    /// Since the last look, as far as this thread was awake: a process that was stopped meanwhile has missed nothing.
    fn awake_ns(&mut self, now_ns: i64) -> i64 {
        let passed_ns = now_ns.saturating_sub(self.last_ns);
        self.last_ns = now_ns;
        passed_ns.min(self.interval_ns.saturating_mul(2))
    }
}

/// Locks: what is locked here is whole between any two statements, so a poisoned lock hides no damage.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
