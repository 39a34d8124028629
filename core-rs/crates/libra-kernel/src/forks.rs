//! What a process that somebody's code forks must not keep of ours.
//!
//! A strategy may fork (`multiprocessing` does it by default). The child has copies of our descriptors, and what hangs on
//! the open file stays with it: the lock on an order log, a socket that listens for operators. It has our signal handlers,
//! and none of our threads. So each fork ends all of this in the child, before any code of the child runs:
//!
//! - a descriptor that is [`Private`] leads to `/dev/null` there: its number stays valid, so who closes it closes nothing else;
//! - signals do what they did before a guard took them ([`guard`](crate::guard)), or by [`end_by`] what the system does;
//! - [`life`] is another one, by which objects of ours see that they are copies which nobody drives.
//!
//! The child's handler makes system calls and touches atomics, nothing else: it may run while another thread of the parent held any lock.
//! What is exec'd never runs it, and needs no more than close-on-exec.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::Deref;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{MutexGuard, Once, RwLockWriteGuard};

use crate::alarm::disk;
use crate::guard;
use crate::name;

/// Descriptors that can be kept at a time; beyond, children inherit what comes.
const ROOM: usize = 1024;

/// Descriptors, each one higher than it is, so that 0 is a free place.
static KEPT: [AtomicI32; ROOM] = [const { AtomicI32::new(0) }; ROOM];
/// Places from here on were never used.
static USED: AtomicUsize = AtomicUsize::new(0);
/// `/dev/null`, opened before it is needed: a child may have no descriptor left.
static VOID: AtomicI32 = AtomicI32::new(-1);
static LIFE: AtomicU32 = AtomicU32::new(0);
/// Signals, by bit, that have the system's effect in a child.
static END_BY: AtomicU64 = AtomicU64::new(0);

/// Which process this is, of those that forked one another: another number behind each fork.
#[inline]
pub fn life() -> u32 {
    LIFE.load(Ordering::Relaxed)
}

/// The same, for whoever remembers it to compare: from here on a child has another one, whatever else the process has.
pub fn remembered() -> u32 {
    install();
    life()
}

/// In children this signal does what the system does by default, though it has a handler here.
pub fn end_by(signal: libc::c_int) {
    install();
    END_BY.fetch_or(1 << signal, Ordering::SeqCst);
}

/// True for a signal that has the system's effect in children.
pub(crate) fn ends_by(signal: libc::c_int) -> bool {
    END_BY.load(Ordering::SeqCst) & 1 << signal != 0
}

/// An open descriptor, or what has one, that children do not inherit.
pub struct Private<T: AsRawFd> {
    place: Option<&'static AtomicI32>,
    kept: i32,
    inner: T,
}

impl<T: AsRawFd> Private<T> {
    /// From now on it is this process's alone.
    pub fn new(inner: T) -> Self {
        install();
        let kept = inner.as_raw_fd() + 1;
        let place = KEPT.iter().enumerate().find(|(_, place)| {
            place.load(Ordering::Relaxed) == 0
                && place.compare_exchange(0, kept, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        });
        if let Some((at, _)) = place {
            USED.fetch_max(at + 1, Ordering::SeqCst);
        }
        Private { place: place.map(|(_, place)| place), kept, inner }
    }
}

impl<T: AsRawFd> Deref for Private<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T: AsRawFd> Drop for Private<T> {
    /// Before the descriptor is closed, whose number may be anybody's then.
    fn drop(&mut self) {
        if let Some(place) = self.place {
            // In a child the place may be another one's by now.
            let _ = place.compare_exchange(self.kept, 0, Ordering::SeqCst, Ordering::Relaxed);
        }
    }
}

/// Has children run [`in_child`]; once a process, and its children have it too.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a plain open of a literal path; the handlers are functions of this library, which is never unloaded.
        unsafe {
            VOID.store(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC), Ordering::SeqCst);
            libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child));
        }
    });
}

/// The locks of ours that outlive a call, the names' and the markers', while a process forks: a child whose copy some other
/// thread held would wait for it for ever.
struct Locks(UnsafeCell<Option<(RwLockWriteGuard<'static, name::Table>, MutexGuard<'static, disk::Shared>)>>);
// SAFETY: only who holds these very locks touches the cell.
unsafe impl Sync for Locks {}
static LOCKS: Locks = Locks(UnsafeCell::new(None));

extern "C" fn before() {
    let held = (name::write(), disk::held());
    // SAFETY: the locks are held, and until `release` this thread is the only one that has them.
    unsafe { *LOCKS.0.get() = Some(held) };
}

fn release() {
    // SAFETY: this thread, or the one that it is a copy of, holds the locks since `before`.
    let held = unsafe { (*LOCKS.0.get()).take() };
    drop(held);
}

extern "C" fn in_parent() {
    release();
}

extern "C" fn in_child() {
    LIFE.fetch_add(1, Ordering::SeqCst);
    guard::let_go_in_child();
    for signal in (1..64).filter(|signal| ends_by(*signal)) {
        // SAFETY: async-signal-safe, and the system's own effect needs nothing of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    END_BY.store(0, Ordering::SeqCst);
    let void = VOID.load(Ordering::SeqCst);
    for place in &KEPT[..USED.load(Ordering::SeqCst).min(ROOM)] {
        let fd: RawFd = place.swap(0, Ordering::SeqCst) - 1;
        if fd >= 0 {
            // SAFETY: both are async-signal-safe. The descriptor is open as long as it is kept, and the child's alone.
            unsafe {
                if libc::dup2(void, fd) < 0 {
                    libc::close(fd);
                }
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
    release();
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// Runs `look` in a child, as far as that is safe: no allocation, no lock. Gives how it ended.
    fn in_a_fork(look: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the child makes system calls and ends without anyone's exit code.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(look());
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &mut status, 0), child);
            status
        }
    }

    fn inode(fd: RawFd) -> u64 {
        // SAFETY: zero is a valid stat, which fstat fills.
        unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            if libc::fstat(fd, &mut stat) == 0 { stat.st_ino } else { 0 }
        }
    }

    #[test]
    fn a_child_has_nothing_of_what_is_private_but_numbers_that_lead_nowhere() {
        let path = std::env::temp_dir().join(format!("libra-forks-{}", std::process::id()));
        let (kept, given) = (Private::new(File::create(&path).unwrap()), File::open(&path).unwrap());
        let (of_void, of_file) = (File::open("/dev/null").unwrap().metadata().unwrap().ino(), inode(kept.as_raw_fd()));
        let (ours, theirs, life_here) = (kept.as_raw_fd(), given.as_raw_fd(), life());
        let status = in_a_fork(|| {
            let said = b"from the child";
            // SAFETY: a plain write of a live buffer, and a question about a descriptor.
            let (written, flags) =
                unsafe { (libc::write(ours, said.as_ptr().cast(), said.len()), libc::fcntl(ours, libc::F_GETFD)) };
            i32::from(inode(ours) != of_void)
                | i32::from(inode(theirs) != of_file) << 1
                | i32::from(written != said.len() as isize) << 2
                | i32::from(flags != libc::FD_CLOEXEC) << 3
                | i32::from(life() == life_here) << 4
        });
        assert_eq!(status, 0, "each bit of the second byte is a promise");
        assert_eq!((life(), inode(ours)), (life_here, of_file), "nothing of that is the parent's");
        (&*kept).write_all(b"from the parent").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"from the parent");
        drop(Private::new(given.as_fd()));
        let status = in_a_fork(|| i32::from(inode(theirs) != of_file));
        assert_eq!(status, 0, "a number that was given up is whose it is now");
        std::fs::remove_file(path).unwrap();
    }

    /// Forks while another thread does `busy` over and over; each child does `needs`, and is not held up.
    fn children_while(busy: impl Fn(u32) + Sync, needs: impl Fn() -> bool) {
        let _kept = Private::new(File::open("/dev/null").unwrap());
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut n = 0;
                while !is_over.load(Ordering::Relaxed) {
                    busy(n);
                    n += 1;
                }
            });
            let blocked = (0..200).any(|_| {
                in_a_fork(|| {
                    // SAFETY: a clock that ends the child where it waits for ever.
                    unsafe { libc::alarm(5) };
                    i32::from(!needs())
                }) != 0
            });
            is_over.store(true, Ordering::Relaxed);
            assert!(!blocked);
        });
    }

    #[test]
    fn names_can_be_had_in_a_child_whatever_other_threads_did_with_them() {
        let interns = |n| {
            name::Name::intern(&format!("forks-{}", n % 50_000));
        };
        children_while(interns, || {
            drop(name::write());
            name::Name::at(0).is_some()
        });
    }

    #[test]
    fn markers_can_be_had_in_a_child_whatever_other_threads_did_with_them() {
        let marker = || crate::alarm::Alarm::new(Some(std::path::Path::new("nowhere"))).marker().is_some();
        children_while(|_| assert!(marker()), marker);
    }
}
