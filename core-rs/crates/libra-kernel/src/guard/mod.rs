//! The guard of a process: notices SIGINT, SIGTERM, SIGHUP and SIGUSR1 natively, and ends a process whose interpreter
//! cannot be taken back.
//!
//! A strategy that loops for ever holds Python's lock, so nothing written in Python can end it. The guard is a native
//! thread. The first signal asks the loop to drain; when the drain's deadline passes, or a second signal comes half a
//! second or more after the first, it flushes the order gates' logs, says whose handler was running, and ends the process.
//! (A terminal and a parent may deliver one Ctrl-C twice: what comes within the half second is the same one. That holds
//! beyond the guard's own life: a drain is quicker than half a second, and the second delivery must not hit the summary.)
//!
//! SIGUSR1 is the kill switch: the thread raises every account's [`Alarm`], so nothing new leaves from that instant, even
//! while a strategy holds the interpreter. An account that is opened later gets its alarm raised already: the guard stands
//! before any account does, and a switch that was pulled in between means them all. The loop does the rest when it runs;
//! when it does not come back, the thread says so on stderr, since nobody else can.
//!
//! It also watches what only somebody outside the loop can see: a handler that holds the loop for too long
//! ([`turns`](crate::turns)), a native thread that hangs ([`heartbeat`](crate::heartbeat)), memory over its limit, and the
//! end of a run's time where the loop's own alarm cannot ring.
//!
//! - this file — the loop's side; [`watch`] — what the thread looks at; [`signals`] — how a signal comes to it;
//! - [`own_time`] — what of the time a handler holds the loop others took from it;
//! - [`switch`] — the kill switch; [`late`] — while no guard takes it; [`ending`] — the end of the process.

mod ending;
mod late;
mod own_time;
mod signals;
mod switch;
mod watch;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::alarm::{Alarm, disk};
use crate::clock::monotonic_ns;
use crate::forks::{self, Private};
use crate::heartbeat::{Heartbeat, Listener};
use crate::name::Name;
use crate::turns::{Blocked, Turn, Turns};
use crate::wake::Waker;
pub use ending::say;
pub use late::{Heard, name_accounts, tell as tell_latches};
use signals::Taken;
pub(crate) use signals::let_go_in_child;
pub use signals::take_kill_switch;
use watch::{Shared, lock};

/// How long [`Guard::catch_up`] waits at most: the thread may have to make a marker in a folder that hangs.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Limits that the guard watches; 0 stands for none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// A handler that holds the loop for so long, in the loop's own time, is reported.
    pub block_ns: i64,
    /// A handler that holds the loop for so long, in the loop's own time, is to be ended.
    pub timeout_ns: i64,
    /// A native thread that is silent for so long ends the process.
    pub heartbeat_ns: i64,
    /// Memory in use over which the node is stopped.
    pub resident_bytes: u64,
}

/// Who can say more about a handler than its actor's name: the interpreter's side.
pub trait Witness: Send + Sync {
    /// The handler whose turn `turn` is holds the loop for too long; `turns` says whether it still does. Called by the
    /// guard's thread: it must not block.
    fn blocked(&self, blocked: Blocked, turn: Turn, turns: &Arc<Turns>);

    /// Nobody's handler runs, and the loop has not come round for `held_ns`. As [`Witness::blocked`], it must not block.
    fn held_by_nobody(&self, held_ns: i64);

    /// Other threads of the process have kept the loop waiting for `kept_ns` of the `held_ns` that it stands where it is: in
    /// a turn of this actor, or in nobody's. As [`Witness::blocked`], it must not block.
    fn kept_waiting(&self, actor: Option<Name>, held_ns: i64, kept_ns: i64);

    /// Where the loop's thread stands, if that can be learned within `patience`.
    fn line(&self, patience: Duration) -> Option<String>;
}

/// See the module. Dropping it takes the signal handlers out and ends the thread.
pub struct Guard {
    shared: Arc<Shared>,
    taken: Taken,
    signal_write: Private<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    life: u32,
}

impl Guard {
    /// For the loop of the calling thread: starts the guard's, and takes over its signals where `signals` is true. A drain may
    /// take `drain_ns`.
    pub fn install(
        waker: Arc<Waker>,
        drain_ns: i64,
        signals: bool,
        limits: Limits,
        witness: Option<Arc<dyn Witness>>,
    ) -> io::Result<Guard> {
        let (read, write) = signals::pipe()?;
        let (read, write) = (Private::new(read), Private::new(write));
        let shared = Arc::new(Shared::new(waker, drain_ns, limits, witness, read));
        let watched = shared.clone();
        let guarded = move || {
            if catch_unwind(AssertUnwindSafe(|| watched.watch())).is_err() {
                // A process that nobody can stop any more must not trade on.
                watched.end("the guard of signals and deadlines failed, a fault of Libra", Some(String::new()));
            }
        };
        let thread = std::thread::Builder::new().name("libra-guard".into()).spawn(guarded)?;
        let mut guard = Guard {
            shared,
            taken: Taken::default(),
            signal_write: write,
            thread: Some(thread),
            life: forks::remembered(),
        };
        if signals {
            disk::start();
            guard.shared.takes_signals.store(true, Ordering::SeqCst);
            guard.taken.take(&guard.signal_write)?;
            *lock(&guard.shared.holds_signals) = true;
        }
        Ok(guard)
    }

    /// The signal that asked for a stop, if one did.
    pub fn stop_signal(&self) -> Option<i32> {
        Some(self.shared.stop_signal.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// Bytes that were in use when that was over the limit.
    pub fn too_much_memory(&self) -> Option<u64> {
        Some(self.shared.too_much_memory.load(Ordering::SeqCst)).filter(|bytes| *bytes != 0)
    }

    /// A drain has begun for another reason than a signal: its deadline counts from now.
    pub fn begin_drain(&self) {
        self.shared.drain_from(monotonic_ns());
        self.poke();
    }

    /// The run's time is over in `ns`: should the loop not drain by itself then, the drain's time counts all the same.
    pub fn end_run_in(&self, ns: i64) {
        self.shared.end_of_run_ns.store(monotonic_ns().saturating_add(ns), Ordering::SeqCst);
        self.poke();
    }

    /// How often the kill switch was pulled by a signal.
    pub fn kill_signals(&self) -> u64 {
        lock(&self.shared.alarms).kills
    }

    /// A node without accounts has told the others of so many of them.
    pub fn answer_kill_signals(&self, count: u64) {
        lock(&self.shared.alarms).answered = count;
    }

    /// From now on this heartbeat is listened to.
    pub fn listen_to(&self, heart: &Arc<Heartbeat>) {
        lock(&self.shared.listeners).push(Listener::new(heart));
        self.poke();
    }

    /// Flushes the logs that are watched; false where one could not be.
    #[must_use = "a disk that says so once may not say so again"]
    pub fn flush_logs(&self) -> bool {
        self.shared.flush_logs()
    }

    /// The drain is past what actors can hold up (a disk may be slow): it may take `ns` from now on.
    pub fn extend_drain(&self, ns: i64) {
        self.shared.deadline_ns.store(monotonic_ns().saturating_add(ns), Ordering::SeqCst);
        self.poke();
    }

    /// Waits until the thread has done what the signals ask for that came before this: they may arrive all at once, and a
    /// stop must not overtake a kill switch. True when it has, false where it is held up for seconds.
    pub fn catch_up(&self) -> bool {
        let (echoes, came) = &self.shared.echoes;
        let echoes = lock(echoes);
        let before = *echoes;
        self.write(signals::ECHO as u8);
        let waited = came.wait_timeout_while(echoes, CATCH_UP, |echoes| *echoes == before);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Makes the thread look at its deadline again.
    fn poke(&self) {
        self.write(0);
    }

    fn write(&self, byte: u8) {
        // SAFETY: the pipe is open as long as the guard lives, and never blocks.
        unsafe { libc::write(self.signal_write.as_raw_fd(), (&raw const byte).cast(), 1) };
    }

    /// The handlers of this actor run now (`Name::NONE`: nobody's).
    #[inline]
    pub fn set_running(&self, actor: Name) {
        self.shared.turns.enter(actor);
    }

    /// Whose handlers run now, if anyone's.
    pub fn running(&self) -> Option<Name> {
        self.shared.turns.now().actor()
    }

    /// Whose handlers run, for whoever tells it besides the loop; on the loop's thread only.
    pub fn turns(&self) -> Arc<Turns> {
        self.shared.turns.clone()
    }

    /// The loop has come round. From the first beat on, one that does not for three times the time that a handler may take is
    /// told of, where nobody's handler holds it.
    pub fn beat(&self) {
        self.shared.beat_ns.store(monotonic_ns(), Ordering::Relaxed);
    }

    /// A log to be flushed should the process have to end: a descriptor of its own.
    pub fn watch_log(&self, fd: OwnedFd) {
        lock(&self.shared.logs).push(Private::new(fd));
    }

    /// An account's alarm, to be raised by SIGUSR1: at once, where the signal came before the account was opened.
    pub fn watch_alarm(&self, alarm: Arc<Alarm>) {
        self.shared.watch_alarm(alarm);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.life != forks::life() {
            // A copy in a forked child: it has no thread, and its signals are nobody's.
            std::mem::forget(self.thread.take());
            return;
        }
        // The thread takes nothing back from now on, nor is it about to.
        *lock(&self.shared.holds_signals) = false;
        self.taken.give_back(self.shared.first_signal_ns.load(Ordering::SeqCst));
        self.shared.finished.store(true, Ordering::SeqCst);
        self.poke();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // No handler writes any more, and nobody else reads.
        self.shared.take_the_rest();
        ending::force_markers();
    }
}

#[cfg(test)]
mod tests;
