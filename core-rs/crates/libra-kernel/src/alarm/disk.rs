//! Forces markers to the disk, in threads that nobody waits for but, for a while, who ends.
//!
//! One thread reads a pipe, which a signal's handler can write into, and gives each new marker a thread of its own: accounts
//! may be on several disks, and one that hangs holds up its own marker only. A marker has one such thread at a time, so a
//! switch that is pulled again and again gathers none. None of them takes a signal: a handler must not wait behind a disk.

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::marker::Marker;
use crate::forks::{self, Private};
use crate::guard::say;

/// Held over a fork: see [`held`].
static SHARED: Mutex<Shared> = Mutex::new(Shared { markers: Vec::new(), started: None });
/// Where a handler writes; -1 before there is a thread.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// Notified when a marker is not on its way any more.
static DONE: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

pub(crate) struct Shared {
    /// All that somebody has, and that are on their way.
    markers: Vec<Arc<Marker>>,
    /// The process whose thread it is (see [`forks::life`]), and its end of the pipe.
    started: Option<(u32, Private<OwnedFd>)>,
}

/// For who forks: a child whose copy some other thread held would wait for it for ever.
pub(crate) fn held() -> MutexGuard<'static, Shared> {
    lock(&SHARED)
}

/// From now on it is looked at.
pub(super) fn keep(marker: &Arc<Marker>) {
    let markers = &mut held().markers;
    markers.retain(|marker| Arc::strong_count(marker) > 1 || marker.is_on_its_way());
    markers.push(marker.clone());
}

/// Has new markers forced. Async-signal-safe.
pub(super) fn poke() {
    let byte = 1u8;
    // SAFETY: write(2) is async-signal-safe; the pipe stays open and never blocks: one that is full wakes the thread, too.
    unsafe { libc::write(PIPE.load(Ordering::SeqCst), (&raw const byte).cast(), 1) };
}

/// Starts the thread, where this process has none. Without one a marker is there all the same, and the system's own time
/// puts it onto the disk.
pub(crate) fn start() {
    forks::remembered();
    let started = &mut held().started;
    if started.as_ref().is_some_and(|(life, _)| *life == forks::life()) {
        return;
    }
    if let Ok(write) = start_thread() {
        PIPE.store(write.as_raw_fd(), Ordering::SeqCst);
        *started = Some((forks::life(), write));
        // What was made before.
        poke();
    }
}

/// Waits until every marker that is there is on the disk, or was refused by it; false where that takes longer.
pub(crate) fn wait(patience: Duration) -> bool {
    let all = held().markers.clone();
    wait_for(all, patience)
}

pub(super) fn wait_for(mut left: Vec<Arc<Marker>>, patience: Duration) -> bool {
    left.retain(|marker| marker.is_on_its_way() && marker.exists());
    let is_left = |_: &mut ()| left.iter().any(|marker| marker.is_on_its_way());
    let waited = DONE.1.wait_timeout_while(lock(&DONE.0), patience, is_left);
    !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
}

fn start_thread() -> io::Result<Private<OwnedFd>> {
    let mut fds = [0; 2];
    // SAFETY: the array has room for the two descriptors, which are new and nobody else's.
    let (read, write) = unsafe {
        if libc::pipe(fds.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let _ = fds.map(|fd| libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC));
        libc::fcntl(fds[1], libc::F_SETFL, libc::O_NONBLOCK);
        (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))
    };
    let read = Private::new(std::fs::File::from(read));
    let forces = move || {
        let mut bytes = [0u8; 64];
        // Ends with the pipe, which somebody's code may close.
        while (&*read).read(&mut bytes).is_ok_and(|count| count > 0) {
            let markers = held().markers.clone();
            markers.into_iter().filter(|marker| marker.begins()).for_each(at_the_disk);
        }
    };
    deaf(forces).map(|_| Private::new(write))
}

fn at_the_disk(marker: Arc<Marker>) {
    let kept = marker.clone();
    let forces = move |marker: &Marker| {
        marker.force(tell);
        drop(lock(&DONE.0));
        DONE.1.notify_all();
    };
    if deaf(move || forces(&marker)).is_err() {
        // No thread is left: the others wait for this one.
        forces(&kept);
    }
}

fn tell(marker: &Marker, errno: i32) {
    let (path, error) = (marker.path().display(), io::Error::from_raw_os_error(errno));
    say(&format!(
        "libra: kill switch: the disk does not take the marker {path}: {error}; it is lost should the machine fail now\n"
    ));
}

/// A thread that takes no signals, from its first instant on.
fn deaf(body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: fills the one set, and the other with what this thread had.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let thread = std::thread::Builder::new().name("libra-marker".into()).spawn(body);
    // SAFETY: gives this thread back what it had.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), null_mut()) };
    thread
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ffi::CStr;
    use std::sync::{RwLock, RwLockReadGuard};

    /// Held for writing, it is a disk that hangs: of markers with `hangs` in their path.
    pub(crate) static HANGING_DISK: RwLock<()> = RwLock::new(());

    pub(crate) fn disk_of(path: &CStr) -> Option<RwLockReadGuard<'static, ()>> {
        let hangs = path.to_string_lossy().contains("hangs");
        hangs.then(|| HANGING_DISK.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
