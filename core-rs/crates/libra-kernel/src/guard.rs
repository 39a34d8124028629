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

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::alarm::Alarm;
use crate::clock::monotonic_ns;
use crate::name::Name;
use crate::wake::Waker;

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

struct Shared {
    waker: Arc<Waker>,
    stop_signal: AtomicI32,
    /// When the first signal came; `i64::MIN` before.
    first_signal_ns: AtomicI64,
    deadline_ns: AtomicI64,
    drain_ns: i64,
    running: AtomicU32,
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
    pub fn install(waker: Arc<Waker>, drain_ns: i64, signals: bool) -> io::Result<Guard> {
        let (read, write) = pipe()?;
        let shared = Arc::new(Shared {
            waker,
            stop_signal: AtomicI32::new(0),
            first_signal_ns: AtomicI64::new(i64::MIN),
            deadline_ns: AtomicI64::new(i64::MAX),
            drain_ns,
            running: AtomicU32::new(0),
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

    /// A drain has begun for another reason than a signal: its deadline counts from now.
    pub fn begin_drain(&self) {
        let deadline = monotonic_ns().saturating_add(self.shared.drain_ns);
        let _ = self.shared.deadline_ns.compare_exchange(i64::MAX, deadline, Ordering::SeqCst, Ordering::SeqCst);
        self.poke();
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
        self.shared.running.store(actor.index() as u32, Ordering::Relaxed);
    }

    /// A log to be flushed should the process have to end: a descriptor of its own.
    pub fn watch_log(&self, fd: OwnedFd) {
        self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner).push(fd);
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
        let mut answer_by_ns = i64::MAX;
        while !self.finished.load(Ordering::SeqCst) {
            let signal = next_signal(signals.as_raw_fd(), self.patience_ms(answer_by_ns));
            let now_ns = monotonic_ns();
            if signal == Some(libc::SIGUSR1) {
                self.raise_alarms();
                answer_by_ns = now_ns.saturating_add(ALARM_PATIENCE_NS);
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
                        self.end("stopped at once by a second signal")
                    }
                    Some(_) => {}
                }
            }
            if now_ns >= answer_by_ns {
                answer_by_ns = i64::MAX;
                self.tell_of_alarms();
            }
            if monotonic_ns() >= self.deadline_ns.load(Ordering::SeqCst) && !self.finished.load(Ordering::SeqCst) {
                self.end("the drain ran out of time");
            }
        }
    }

    /// How long the thread may sleep before it has to look at a deadline.
    fn patience_ms(&self, answer_by_ns: i64) -> i32 {
        let next_ns = self.deadline_ns.load(Ordering::SeqCst).min(answer_by_ns);
        let left_ns = next_ns.saturating_sub(monotonic_ns());
        (left_ns / 1_000_000 + 1).clamp(0, 60_000) as i32
    }

    /// The kill switch: first all flags, then the loop, then what a later process has to find.
    fn raise_alarms(&self) {
        let alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
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
        let alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        if alarms.iter().any(|alarm| alarm.is_raised()) {
            let whose = self.whose();
            say(&format!(
                "libra: kill switch: no new order leaves any more{whose}; open orders could not be cancelled yet\n"
            ));
        }
    }

    /// Whose handler holds the loop up, as the end of a sentence.
    fn whose(&self) -> String {
        match Name::at(self.running.load(Ordering::Relaxed) as usize) {
            Some(actor) if !actor.is_none() => format!("; {actor} did not return from its handler"),
            _ => String::new(),
        }
    }

    /// Flushes what must not be lost, says what happened and ends the process, without Python.
    fn end(&self, why: &str) -> ! {
        for log in self.logs.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // SAFETY: an open descriptor of our own; where it cannot be flushed there is nothing left to do.
            unsafe { libc::fsync(log.as_raw_fd()) };
        }
        say(&format!("libra: {why}{}; the order log is flushed\n", self.whose()));
        // SAFETY: the end of the process without running anyone's exit code.
        unsafe { libc::_exit(1) }
    }
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
        let guard = Guard::install(waker.clone(), 1_000_000_000, true).unwrap();
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
