//! The guard of a process: notices SIGINT, SIGTERM and SIGUSR1 natively, and ends a process whose interpreter cannot be
//! taken back.
//!
//! A strategy that loops for ever holds Python's lock, so nothing written in Python can end it. The guard is a native
//! thread. The first signal asks the loop to drain; when the drain's deadline passes, or a second signal comes half a
//! second or more after the first, it flushes the order gates' logs, says whose handler was running, and ends the process.
//! (A terminal and a parent may deliver one Ctrl-C twice: what comes within the half second is the same one. That holds
//! beyond the guard's own life: a drain is quicker than half a second, and the second delivery must not hit the summary.)
//!
//! SIGUSR1 is the kill switch: the thread raises every account's [`Alarm`], so nothing new leaves from that instant, even
//! while a strategy holds the interpreter. The loop does the rest when it runs; when it does not come back, the thread says
//! so on stderr, since nobody else can.
//!
//! It also watches what only somebody outside the loop can see: a handler that holds the loop for too long
//! ([`turns`](crate::turns)), a native thread that hangs ([`heartbeat`](crate::heartbeat)), memory over its limit, and the
//! end of a run's time where the loop's own alarm cannot ring.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::alarm::Alarm;
use crate::clock::monotonic_ns;
use crate::heartbeat::{Heartbeat, Listener};
use crate::memory;
use crate::name::Name;
use crate::turns::{BlockWatch, Blocked, Turn, Turns};
use crate::wake::Waker;

/// How often memory is looked at.
const MEMORY_EVERY_NS: i64 = 250_000_000;
/// What ends the process waits so long to learn the line where the interpreter stands.
const LINE_PATIENCE: Duration = Duration::from_millis(150);

const SECOND_SIGNAL_AFTER_NS: i64 = 500_000_000;
/// How long the loop has to answer an alarm before the thread says that it did not.
const ALARM_PATIENCE_NS: i64 = 1_000_000_000;

/// Where the signal handler writes; -1 while no guard is installed. A signal handler can be given nothing else.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Until when (on the monotonic clock) a signal that finds no guard belongs to the stop that ended the last one.
static SAME_STOP_UNTIL_NS: AtomicI64 = AtomicI64::new(i64::MIN);
/// Handler and flags that SIGINT and SIGTERM had before a guard that a signal has ended.
static BEFORE: [(AtomicUsize, AtomicI32); 2] = [const { (AtomicUsize::new(0), AtomicI32::new(0)) }; 2];

extern "C" fn on_signal(signal: libc::c_int) {
    let fd = SIGNAL_PIPE.load(Ordering::Relaxed);
    if fd >= 0 {
        let byte = signal as u8;
        // SAFETY: write(2) is async-signal-safe; the pipe is open while the handler is installed, and never blocks.
        unsafe { libc::write(fd, (&raw const byte).cast(), 1) };
    } else if signal != libc::SIGUSR1 && monotonic_ns() >= SAME_STOP_UNTIL_NS.load(Ordering::Relaxed) {
        // SAFETY: both calls are async-signal-safe; the signal is blocked while its handler runs, so it is delivered to
        // whom it is given back when this returns.
        unsafe {
            libc::sigaction(signal, &before(signal), std::ptr::null_mut());
            libc::raise(signal);
        }
    }
}

/// What a signal did before the guard that a signal has ended.
fn before(signal: libc::c_int) -> libc::sigaction {
    let (handler, flags) = &BEFORE[usize::from(signal == libc::SIGTERM)];
    // SAFETY: sigaction structs are plain data; zero is a valid one, with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler.load(Ordering::Relaxed);
    action.sa_flags = flags.load(Ordering::Relaxed);
    action
}

/// Limits that the guard watches; 0 stands for none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// A handler that holds the loop for so long is reported.
    pub block_ns: i64,
    /// A handler that holds the loop for so long is to be ended.
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

    /// Where the loop's thread stands, if that can be learned within `patience`.
    fn line(&self, patience: Duration) -> Option<String>;
}

struct Shared {
    waker: Arc<Waker>,
    stop_signal: AtomicI32,
    /// When the first signal came; `i64::MIN` before.
    first_signal_ns: AtomicI64,
    deadline_ns: AtomicI64,
    drain_ns: i64,
    /// When the run's time is over: the drain's time counts from then, whether or not the loop knows.
    end_of_run_ns: AtomicI64,
    limits: Limits,
    /// Bytes that were in use when that was over the limit; 0 before.
    too_much_memory: AtomicU64,
    turns: Arc<Turns>,
    witness: Option<Arc<dyn Witness>>,
    listeners: Mutex<Vec<Listener>>,
    finished: AtomicBool,
    logs: Mutex<Vec<OwnedFd>>,
    alarms: Mutex<Vec<Arc<Alarm>>>,
}

/// See the module. Dropping it takes the signal handlers out and ends the thread.
pub struct Guard {
    shared: Arc<Shared>,
    previous: Vec<(libc::c_int, libc::sigaction)>,
    signal_write: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    /// Starts the thread, and takes over its signals where `signals` is true. A drain may take `drain_ns`.
    pub fn install(
        waker: Arc<Waker>,
        drain_ns: i64,
        signals: bool,
        limits: Limits,
        witness: Option<Arc<dyn Witness>>,
    ) -> io::Result<Guard> {
        let (read, write) = pipe()?;
        let shared = Arc::new(Shared {
            waker,
            stop_signal: AtomicI32::new(0),
            first_signal_ns: AtomicI64::new(i64::MIN),
            deadline_ns: AtomicI64::new(i64::MAX),
            drain_ns,
            end_of_run_ns: AtomicI64::new(i64::MAX),
            limits,
            too_much_memory: AtomicU64::new(0),
            turns: Arc::default(),
            witness,
            listeners: Mutex::new(Vec::new()),
            finished: AtomicBool::new(false),
            logs: Mutex::new(Vec::new()),
            alarms: Mutex::new(Vec::new()),
        });
        let watched = shared.clone();
        let thread = std::thread::Builder::new().name("libra-guard".into()).spawn(move || watched.watch(&read))?;
        let mut guard = Guard { shared, previous: Vec::new(), signal_write: write, thread: Some(thread) };
        if signals {
            SIGNAL_PIPE.store(guard.signal_write.as_raw_fd(), Ordering::SeqCst);
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1] {
                guard.previous.push((signal, take_over(signal)?));
            }
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

    /// From now on this heartbeat is listened to.
    pub fn listen_to(&self, heart: &Arc<Heartbeat>) {
        lock(&self.shared.listeners).push(Listener::new(heart));
        self.poke();
    }

    /// Flushes the logs that are watched.
    pub fn flush_logs(&self) {
        self.shared.flush_logs();
    }

    /// The drain is past what actors can hold up (a disk may be slow): it may take `ns` from now on.
    pub fn extend_drain(&self, ns: i64) {
        self.shared.deadline_ns.store(monotonic_ns().saturating_add(ns), Ordering::SeqCst);
        self.poke();
    }

    /// Makes the thread look at its deadline again.
    fn poke(&self) {
        // SAFETY: the pipe is open as long as the guard lives, and never blocks; 0 is no signal.
        unsafe { libc::write(self.signal_write.as_raw_fd(), [0u8].as_ptr().cast(), 1) };
    }

    /// The handlers of this actor run now (`Name::NONE`: nobody's).
    #[inline]
    pub fn set_running(&self, actor: Name) {
        self.shared.turns.enter(actor);
    }

    /// A log to be flushed should the process have to end: a descriptor of its own.
    pub fn watch_log(&self, fd: OwnedFd) {
        lock(&self.shared.logs).push(fd);
    }

    /// An account's alarm, to be raised by SIGUSR1.
    pub fn watch_alarm(&self, alarm: Arc<Alarm>) {
        self.shared.alarms.lock().unwrap_or_else(PoisonError::into_inner).push(alarm);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let first_ns = self.shared.first_signal_ns.load(Ordering::SeqCst);
        let same_stop_until_ns = first_ns.saturating_add(SECOND_SIGNAL_AFTER_NS);
        let stopped_just_now = first_ns != i64::MIN && monotonic_ns() < same_stop_until_ns;
        for (signal, previous) in &self.previous {
            if *signal == libc::SIGUSR1 {
                restore_kill_signal(previous);
            } else if stopped_just_now {
                let (handler, flags) = &BEFORE[usize::from(*signal == libc::SIGTERM)];
                handler.store(previous.sa_sigaction, Ordering::SeqCst);
                flags.store(previous.sa_flags, Ordering::SeqCst);
            } else {
                // SAFETY: gives the signal back to whom it was taken from, with what sigaction itself wrote.
                unsafe { libc::sigaction(*signal, previous, std::ptr::null_mut()) };
            }
        }
        if !self.previous.is_empty() {
            SAME_STOP_UNTIL_NS.store(same_stop_until_ns, Ordering::SeqCst);
            SIGNAL_PIPE.store(-1, Ordering::SeqCst);
        }
        self.shared.finished.store(true, Ordering::SeqCst);
        self.poke();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn watch(&self, signals: &OwnedFd) {
        let mut first_ns = None;
        let mut rounds = Rounds::new(&self.limits);
        while !self.finished.load(Ordering::SeqCst) {
            let signal = next_signal(signals.as_raw_fd(), self.patience_ms(&rounds));
            let now_ns = monotonic_ns();
            if signal == Some(libc::SIGUSR1) {
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
    fn look_around(&self, rounds: &mut Rounds, now_ns: i64) {
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
            if let Some(blocked) = watch.look(turn, now_ns) {
                witness.blocked(blocked, turn, &self.turns);
            }
        }
        let awake_ns = rounds.awake_ns(now_ns);
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

    /// The drain's time counts from `start_ns`, unless it counts already.
    fn drain_from(&self, start_ns: i64) {
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

    /// The kill switch: first all flags, then the loop, then what a later process has to find.
    fn raise_alarms(&self) {
        let alarms = lock(&self.alarms);
        alarms.iter().for_each(|alarm| alarm.raise());
        self.waker.signal();
        for alarm in alarms.iter() {
            if let Err(error) = alarm.mark() {
                say(&format!("libra: kill switch: its marker beside the order log cannot be written: {error}\n"));
            }
        }
    }

    /// The loop had its time: whoever pulled the switch has to know what is not done.
    fn tell_of_alarms(&self) {
        let alarms = lock(&self.alarms);
        if alarms.iter().any(|alarm| alarm.is_raised()) {
            let whose = self.whose();
            say(&format!(
                "libra: kill switch: no new order leaves any more{whose}; open orders could not be cancelled yet\n"
            ));
        }
    }

    /// Whose handler runs, as far as that can be known.
    fn whose(&self) -> String {
        let Some(actor) = self.turns.now().actor() else { return String::new() };
        let line = self.witness.as_ref().and_then(|witness| witness.line(LINE_PATIENCE));
        let place = line.map_or_else(String::new, |line| format!(" at {line}"));
        format!("; {actor} did not return from its handler{place}")
    }

    fn flush_logs(&self) {
        for log in lock(&self.logs).iter() {
            // SAFETY: an open descriptor of our own; where it cannot be flushed there is nothing left to do.
            unsafe { libc::fsync(log.as_raw_fd()) };
        }
    }

    /// Flushes what must not be lost, says what happened and whose fault it is (the running handler's, unless `whose`
    /// knows better), and ends the process, without Python.
    fn end(&self, why: &str, whose: Option<String>) -> ! {
        self.flush_logs();
        let whose = whose.unwrap_or_else(|| self.whose());
        say(&format!("libra: {why}{whose}; the order log is flushed\n"));
        // SAFETY: the end of the process without running anyone's exit code.
        unsafe { libc::_exit(1) }
    }
}

/// What the thread remembers from one look to the next.
struct Rounds {
    block: Option<BlockWatch>,
    interval_ns: i64,
    last_ns: i64,
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
        Rounds { block, interval_ns, last_ns: monotonic_ns(), memory_due_ns: i64::MIN, answer_by_ns: i64::MAX }
    }

    /// Since the last look, as far as this thread was awake: a process that was stopped meanwhile has missed nothing.
    fn awake_ns(&mut self, now_ns: i64) -> i64 {
        let passed_ns = now_ns.saturating_sub(self.last_ns);
        self.last_ns = now_ns;
        passed_ns.min(self.interval_ns.saturating_mul(2))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(text: &str) {
    // SAFETY: a plain write of a live buffer; where nobody reads stderr there is nothing left to do.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

/// Gives SIGUSR1 back. Where nobody had it, it is ignored from now on: a kill switch that comes to a node that has just
/// ended must not end the process in the middle of its summary.
fn restore_kill_signal(previous: &libc::sigaction) {
    let mut action = *previous;
    if action.sa_sigaction == libc::SIG_DFL {
        action.sa_sigaction = libc::SIG_IGN;
    }
    // SAFETY: an action that sigaction itself wrote, but for who is called, which may be nobody.
    unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) };
}

fn next_signal(fd: RawFd, patience_ms: i32) -> Option<i32> {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut byte = 0u8;
    // SAFETY: one valid pollfd and a buffer of one byte; the descriptor is open as long as the guard lives.
    unsafe {
        if libc::poll(&mut poll, 1, patience_ms) != 1 || libc::read(fd, (&raw mut byte).cast(), 1) != 1 {
            return None;
        }
    }
    (byte != 0).then(|| i32::from(byte))
}

fn take_over(signal: libc::c_int) -> io::Result<libc::sigaction> {
    // SAFETY: sigaction structs are plain data; zero is a valid empty one. The handler only does what is
    // async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        let mut previous: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, &action, &mut previous) != 0 {
            return Err(io::Error::last_os_error());
        }
        // The guard before this one was stopped by a signal and has left its handler.
        if previous.sa_sigaction == on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t {
            return Ok(before(signal));
        }
        Ok(previous)
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: the array has room for the two descriptors, which are new and nobody else's.
    unsafe {
        if libc::pipe(fds.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        for fd in fds {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK);
        }
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigusr1_raises_every_alarm_wakes_the_loop_and_ends_nothing() {
        let waker = Arc::new(Waker::new().unwrap());
        let guard = Guard::install(waker.clone(), 1_000_000_000, true, Limits::default(), None).unwrap();
        let alarms = [(); 2].map(|()| Arc::new(Alarm::new(None)));
        alarms.iter().for_each(|alarm| guard.watch_alarm(alarm.clone()));
        // SAFETY: the guard has taken the signal over, so it ends nothing.
        unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
        let mut woken = libc::pollfd { fd: waker.fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        assert_eq!(unsafe { libc::poll(&mut woken, 1, 10_000) }, 1);
        assert!(alarms.iter().all(|alarm| alarm.is_raised()), "before the loop is woken");
        assert_eq!(guard.stop_signal(), None);
        drop(guard);
        // SAFETY: nobody had the signal before, so it is ignored by now: a late one must not end the process.
        unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
    }
}
