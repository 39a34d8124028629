//! The guard's signals: a handler that writes into a pipe, and who had the signals before.
//!
//! A signal handler can be given nothing, so what it needs stands in statics: the pipe and the process while a guard is
//! installed, and whom the signals belonged to before: for half a second after a guard that a signal has ended, and for
//! children that somebody's code forks. Those have the handler and the pipe of their parent, and nothing that happens to
//! them may reach it ([`forks`](crate::forks)).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicUsize, Ordering};

use super::late::{self, Heard};
use crate::alarm::disk;
use crate::clock::monotonic_ns;
use crate::forks;

/// A second signal within this time is the first one, delivered twice.
pub(super) const SECOND_SIGNAL_AFTER_NS: i64 = 500_000_000;

/// How long handlers that are under way are waited for.
const HANDLERS_NS: i64 = 2_000_000_000;

/// Where the signal handler writes; -1 while no guard is installed. A signal handler can be given nothing else.
static SIGNAL_PIPE: AtomicI32 = AtomicI32::new(-1);
/// The process that has the guard.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Stands in the pipe where somebody wants to know that all before it is done; no signal has this number.
pub(super) const ECHO: i32 = 255;

/// Until when (on the monotonic clock) a signal that finds no guard belongs to the stop that ended the last one.
static SAME_STOP_UNTIL_NS: AtomicI64 = AtomicI64::new(i64::MIN);
/// Handler and flags that each of [`OURS`] had before the guard, or before the one that a signal has ended.
static BEFORE: [(AtomicUsize, AtomicI32); 4] = [const { (AtomicUsize::new(0), AtomicI32::new(0)) }; 4];

/// How many handlers are under way: what they read is not freed meanwhile, nor is a pipe closed that they write into.
pub(super) static UNDER_WAY: AtomicU32 = AtomicU32::new(0);
/// How many of them are the kill switch's.
static SWITCHES: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_signal(signal: libc::c_int) {
    let _errno = Errno::keep();
    // Before it is known where it goes: whoever takes that away waits for us.
    let _under_way = UnderWay::begin(&UNDER_WAY);
    let _switch = (signal == libc::SIGUSR1).then(|| UnderWay::begin(&SWITCHES));
    let fd = SIGNAL_PIPE.load(Ordering::Relaxed);
    // SAFETY: async-signal-safe, and cannot fail. A child that no handler of ours has seen begin has the parent's pipe.
    let here = unsafe { libc::getpid() };
    if OWNER.load(Ordering::Relaxed) != here {
        // SAFETY: as below; sent to the process, since such a child does not know its thread.
        unsafe {
            libc::sigaction(signal, &in_child(signal), std::ptr::null_mut());
            libc::kill(here, signal);
        }
    } else if fd >= 0 {
        let byte = signal as u8;
        // SAFETY: write(2) is async-signal-safe; the pipe is open while the handler is installed, and never blocks.
        unsafe { libc::write(fd, (&raw const byte).cast(), 1) };
    } else if signal == libc::SIGUSR1 {
        let (next, flags) = (before(signal).sa_sigaction, before(signal).sa_flags);
        let is_plain = next != libc::SIG_DFL && next != libc::SIG_IGN && flags & libc::SA_SIGINFO == 0;
        if late::heard() && is_plain {
            // SAFETY: the handler that stood here before, which takes the signal's number, as interpreters' do.
            let next = unsafe { std::mem::transmute::<libc::sighandler_t, extern "C" fn(libc::c_int)>(next) };
            next(signal);
        }
    } else if monotonic_ns() >= SAME_STOP_UNTIL_NS.load(Ordering::Relaxed) {
        let_others_leave_markers();
        let previous = before(signal);
        // SAFETY: all is async-signal-safe. The signal is blocked while its handler runs, so it is delivered to whom it is
        // given back when this returns; at once where that is the system, which does nothing to the first process of a
        // container.
        unsafe {
            libc::sigaction(signal, &previous, std::ptr::null_mut());
            if previous.sa_sigaction == libc::SIG_DFL {
                let mut this: libc::sigset_t = std::mem::zeroed();
                libc::sigemptyset(&mut this);
                libc::sigaddset(&mut this, signal);
                libc::pthread_sigmask(libc::SIG_UNBLOCK, &this, std::ptr::null_mut());
                libc::raise(signal);
                libc::_exit(128 + signal);
            }
            libc::raise(signal);
        }
    }
}

/// What ends the process came behind the kill switch, which another thread has: a handler blocks the rest in its own.
fn let_others_leave_markers() {
    // It may have it, and not have begun.
    let nap = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    // SAFETY: async-signal-safe; a time to read.
    unsafe { libc::nanosleep(&nap, std::ptr::null_mut()) };
    wait_for(&SWITCHES);
}

/// A handler begins, and is one of a number; it ends with the value.
pub(super) struct UnderWay(&'static AtomicU32);

impl UnderWay {
    pub(super) fn begin(number: &'static AtomicU32) -> UnderWay {
        number.fetch_add(1, Ordering::SeqCst);
        UnderWay(number)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) fn are_handlers_under_way() -> bool {
    UNDER_WAY.load(Ordering::SeqCst) > 0
}

/// Waits for handlers that began before this: what was theirs has come by then. A folder may be one that hangs, so not for
/// ever.
pub(super) fn wait_for_handlers() {
    wait_for(&UNDER_WAY);
}

/// Async-signal-safe, as whoever waits may be a handler.
fn wait_for(number: &AtomicU32) {
    let until_ns = monotonic_ns().saturating_add(HANDLERS_NS);
    while number.load(Ordering::SeqCst) > 0 && monotonic_ns() < until_ns {
        std::thread::yield_now();
    }
}

/// What a handler does to the thread's error number is undone when it ends.
struct Errno(i32);

impl Errno {
    fn keep() -> Errno {
        Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

impl Drop for Errno {
    fn drop(&mut self) {
        // SAFETY: the thread's own error number, which is always there.
        unsafe {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            let place = libc::__errno_location();
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            let place = libc::__error();
            *place = self.0;
        }
    }
}

/// In a child that was forked: gives back what is ours. It makes system calls and touches atomics, nothing else.
pub(crate) fn let_go_in_child() {
    SIGNAL_PIPE.store(-1, Ordering::SeqCst);
    UNDER_WAY.store(0, Ordering::SeqCst);
    SWITCHES.store(0, Ordering::SeqCst);
    late::forget_in_child();
    for signal in OURS.into_iter().filter(|signal| is_ours(*signal)) {
        // SAFETY: async-signal-safe, with what sigaction itself wrote.
        unsafe { libc::sigaction(signal, &in_child(signal), std::ptr::null_mut()) };
    }
}

/// What a signal does in a child: what it did before the guard. One that is to end children does so from the start: an
/// interpreter forgets what its handler is told before it knows that it was forked.
fn in_child(signal: libc::c_int) -> libc::sigaction {
    let mut action = before(signal);
    if forks::ends_by(signal) {
        (action.sa_sigaction, action.sa_flags) = (libc::SIG_DFL, 0);
    }
    action
}

/// Where it is kept what was done with a signal.
fn kept(signal: libc::c_int) -> &'static (AtomicUsize, AtomicI32) {
    &BEFORE[OURS.iter().position(|ours| *ours == signal).unwrap_or(0)]
}

/// What a signal did before the guard.
fn before(signal: libc::c_int) -> libc::sigaction {
    let (handler, flags) = kept(signal);
    // SAFETY: sigaction structs are plain data; zero is a valid one, with an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler.load(Ordering::Relaxed);
    action.sa_flags = flags.load(Ordering::Relaxed);
    action
}

/// The signals that a guard has taken over, and what was done with each before.
#[derive(Default)]
pub(super) struct Taken {
    previous: Vec<(libc::c_int, libc::sigaction)>,
}

impl Taken {
    /// Takes [`OURS`] over: from now on they are written into `pipe`.
    pub(super) fn take(&mut self, pipe: &OwnedFd) -> io::Result<()> {
        forks::install();
        SIGNAL_PIPE.store(pipe.as_raw_fd(), Ordering::SeqCst);
        // SAFETY: cannot fail.
        OWNER.store(unsafe { libc::getpid() }, Ordering::SeqCst);
        for signal in OURS {
            if let Some(previous) = take_and_keep(signal)? {
                self.previous.push((signal, previous));
            }
        }
        Ok(())
    }

    /// Gives them back. Where the first signal came at `first_ns` (`i64::MIN`: none did), just now, the handler stays for
    /// its second delivery.
    pub(super) fn give_back(&self, first_ns: i64) {
        let same_stop_until_ns = first_ns.saturating_add(SECOND_SIGNAL_AFTER_NS);
        let stopped_just_now = first_ns != i64::MIN && monotonic_ns() < same_stop_until_ns;
        for (signal, previous) in &self.previous {
            if *signal == libc::SIGUSR1 {
                give_kill_switch_back(previous);
            } else if !stopped_just_now {
                // SAFETY: gives the signal back to whom it was taken from, with what sigaction itself wrote.
                unsafe { libc::sigaction(*signal, previous, std::ptr::null_mut()) };
            }
        }
        if !self.previous.is_empty() {
            SAME_STOP_UNTIL_NS.store(same_stop_until_ns, Ordering::SeqCst);
            let_go();
        }
    }
}

/// No guard takes signals any more: what handlers that are under way write has come when this returns, or they take long.
pub(super) fn let_go() {
    SIGNAL_PIPE.store(-1, Ordering::SeqCst);
    wait_for_handlers();
}

/// From now on, or until a guard comes, SIGUSR1 leaves its markers. Of `ends`, those that end the process do so behind it.
pub fn take_kill_switch(heard: Heard, ends: &[libc::c_int]) -> io::Result<()> {
    forks::install();
    disk::start();
    // SAFETY: cannot fail.
    OWNER.store(unsafe { libc::getpid() }, Ordering::SeqCst);
    late::set_heard(heard);
    take_and_keep(libc::SIGUSR1)?;
    let is_default = |signal: &libc::c_int| asked(*signal).is_some_and(|now| now.sa_sigaction == libc::SIG_DFL);
    for signal in ends.iter().copied().filter(|signal| OURS.contains(signal)).filter(is_default) {
        take_and_keep(signal)?;
    }
    Ok(())
}

/// The signals that a guard takes; SIGHUP unless it [stays ignored](stays_ignored).
const OURS: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGHUP];

/// Whoever has a process ignore that its terminal is closed, as `nohup` does, means it to go on.
fn stays_ignored(signal: libc::c_int) -> bool {
    signal == libc::SIGHUP && before(signal).sa_sigaction == libc::SIG_IGN
}

/// Those of them that it takes in this process.
fn taken() -> impl Iterator<Item = libc::c_int> {
    OURS.into_iter().filter(|signal| !stays_ignored(*signal))
}

/// True while all of them are still the guard's.
pub(super) fn stand() -> bool {
    taken().all(is_ours)
}

/// True while one of them is the guard's.
#[cfg(test)]
pub(super) fn any_stands() -> bool {
    OURS.into_iter().any(is_ours)
}

/// True while a signal is the guard's, or cannot be asked about.
fn is_ours(signal: libc::c_int) -> bool {
    asked(signal).is_none_or(|now| now.sa_sigaction == on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t)
}

/// What is done with a signal now. As [`let_go_in_child`], it is async-signal-safe.
fn asked(signal: libc::c_int) -> Option<libc::sigaction> {
    // SAFETY: only asks who handles the signal; sigaction structs are plain data, and zero is a valid one.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &mut now) == 0).then_some(now)
    }
}

/// What is to be given back for a signal: not our own handler, which a guard may have left that a signal stopped.
fn ask(signal: libc::c_int) -> io::Result<libc::sigaction> {
    let now = asked(signal).ok_or_else(io::Error::last_os_error)?;
    Ok(if is_ours(signal) { before(signal) } else { now })
}

/// Somebody's code has put a handler of its own in our place: takes them back.
pub(super) fn take_back() {
    for signal in taken() {
        let _ = take_over(signal);
    }
}

/// Takes a signal over. What was done with it before is kept, and given; `None` where it is left as it is.
fn take_and_keep(signal: libc::c_int) -> io::Result<Option<libc::sigaction>> {
    let previous = ask(signal)?;
    let (handler, flags) = kept(signal);
    handler.store(previous.sa_sigaction, Ordering::SeqCst);
    flags.store(previous.sa_flags, Ordering::SeqCst);
    if stays_ignored(signal) {
        return Ok(None);
    }
    take_over(signal)?;
    Ok(Some(previous))
}

fn take_over(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: sigaction structs are plain data; zero is a valid empty one. The handler only does what is
    // async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        if signal == libc::SIGUSR1 {
            // Where they come together the switch is done before the process ends.
            for other in OURS.into_iter().filter(|other| *other != signal) {
                libc::sigaddset(&mut action.sa_mask, other);
            }
        }
        match libc::sigaction(signal, &action, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Gives SIGUSR1 back. Where nobody had it, it stays ours: a kill switch that comes to a node that has just ended must not end
/// the process in the middle of its summary, and is for the next one.
fn give_kill_switch_back(previous: &libc::sigaction) {
    if previous.sa_sigaction != libc::SIG_DFL && previous.sa_sigaction != libc::SIG_IGN {
        // SAFETY: an action that sigaction itself wrote.
        unsafe { libc::sigaction(libc::SIGUSR1, previous, std::ptr::null_mut()) };
    }
}

/// All that stands in the pipe.
pub(super) fn read_all(fd: RawFd) -> Vec<i32> {
    let (mut all, mut byte) = (Vec::new(), 0u8);
    // SAFETY: a buffer of one byte, and a descriptor that is open and does not block.
    while unsafe { libc::read(fd, (&raw mut byte).cast(), 1) } == 1 {
        all.push(i32::from(byte));
    }
    all
}

/// Reads the next signal, or a poke (`None`), for at most so long.
pub(super) fn next_signal(fd: RawFd, patience_ms: i32) -> Option<i32> {
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

/// The pipe that signals and pokes come through: neither end blocks.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
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
