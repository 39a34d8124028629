//! Waking the thread that dispatches: one descriptor a loop, written only when the loop sleeps.
//!
//! - [`parking`] — the protocol: who sets which flag when, and why no wake-up is lost;
//! - [`fence`] — the fence that the protocol needs, which costs a producer nothing where the system offers `membarrier`;
//! - this file — the descriptor: an eventfd, or a pipe where there is none.

mod fence;
#[cfg(test)]
mod model;
mod parking;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicBool;

use fence::Fences;
use parking::{Ground, Parking};

use crate::forks::Private;

/// Shared by a loop and everything that feeds it.
pub struct Waker(Parking<Machine>);

impl Waker {
    /// A waker of a loop that does not sleep yet.
    pub fn new() -> io::Result<Self> {
        Self::with(Fences::offered())
    }

    /// A waker whose producers pass a full fence each, as where the system offers nothing better.
    pub fn without_membarrier() -> io::Result<Self> {
        Self::with(Fences::Symmetric)
    }

    fn with(fences: Fences) -> io::Result<Self> {
        let (read, write) = open()?;
        let (read, write) = (Private::new(read), write.map(Private::new));
        Ok(Waker(Parking::new(Machine { read, write, fences })))
    }

    /// The descriptor that becomes readable when there is work.
    pub fn fd(&self) -> RawFd {
        self.0.ground.read.as_raw_fd()
    }

    /// A producer has put something into a queue.
    #[inline]
    pub fn notify(&self) {
        self.0.notify();
    }

    /// Wakes the loop whether or not it sleeps, and keeps it awake for a turn where it was about to: for a stop, and for a
    /// consumer that leaves work behind.
    pub fn signal(&self) {
        self.0.signal();
    }

    /// The consumer wants to sleep. `is_empty` looks into its queues; where it finds something, or a producer or a signal
    /// was quicker, the consumer stays awake and `false` comes back.
    pub fn park(&self, is_empty: impl FnOnce() -> bool) -> bool {
        self.0.park(is_empty)
    }

    /// The consumer begins a turn, for whatever reason: it looks at its queues and at what signals stand for.
    pub fn unpark(&self) {
        self.0.unpark();
    }
}

/// The descriptor and the fences of this machine.
struct Machine {
    read: Private<OwnedFd>,
    /// The writing end of the pipe where there is no eventfd.
    write: Option<Private<OwnedFd>>,
    fences: Fences,
}

impl Ground for Machine {
    type Flag = AtomicBool;

    #[inline]
    fn light_fence(&self) {
        self.fences.light();
    }

    fn heavy_fence(&self) -> bool {
        self.fences.heavy()
    }

    fn write(&self) {
        let one = 1u64.to_ne_bytes();
        let fd = self.write.as_ref().unwrap_or(&self.read).as_raw_fd();
        // SAFETY: the descriptor is open as long as `self` lives, and the buffer has the eight bytes. A full pipe or
        // counter means that the descriptor is readable already, so the result does not matter.
        unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
    }

    fn clear(&self) {
        let mut buffer = [0u8; 512];
        loop {
            // SAFETY: the descriptor is open as long as `self` lives, non-blocking, and the buffer has the stated length.
            let got = unsafe { libc::read(self.read.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
            // An eventfd gives eight bytes once; a pipe may hold more than one buffer.
            if got < buffer.len() as isize {
                return;
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn open() -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    // SAFETY: eventfd takes no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, None))
}

#[cfg(not(target_os = "linux"))]
fn open() -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    let mut fds = [0; 2];
    // SAFETY: the array has room for the two descriptors.
    if unsafe { libc::pipe(fds.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    for fd in fds {
        // SAFETY: the descriptors are new and nobody else's.
        unsafe {
            libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK);
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
    // SAFETY: the descriptors are new and nobody else's.
    unsafe { Ok((OwnedFd::from_raw_fd(fds[0]), Some(OwnedFd::from_raw_fd(fds[1])))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn readable(fd: RawFd, timeout_ms: i32) -> bool {
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        unsafe { libc::poll(&mut poll, 1, timeout_ms) == 1 }
    }

    #[test]
    fn a_notify_while_awake_costs_no_write() {
        let waker = Waker::new().unwrap();
        waker.notify();
        assert!(!readable(waker.fd(), 0));
        assert!(waker.park(|| true));
        waker.notify();
        assert!(readable(waker.fd(), 0));
    }

    #[test]
    fn work_found_at_the_last_look_keeps_the_loop_awake() {
        let waker = Waker::new().unwrap();
        assert!(!waker.park(|| false));
        waker.notify();
        assert!(!readable(waker.fd(), 0), "awake: nothing to write");
    }

    #[test]
    fn a_signal_on_the_way_to_sleep_is_not_cleared_away() {
        let waker = Waker::new().unwrap();
        waker.signal();
        assert!(!waker.park(|| true), "the loop has not looked at what the signal stands for");
        assert!(waker.park(|| true), "but for one turn only");
        waker.signal();
        assert!(readable(waker.fd(), 0));
        waker.unpark();
        assert!(waker.park(|| true), "the turn has looked");
    }

    fn hammer(waker: Waker) {
        const EACH: u64 = 20_000;
        let waker = Arc::new(waker);
        let queue = Arc::new(AtomicU64::new(0));
        let producers: Vec<_> = (0..3)
            .map(|_| {
                let (waker, queue) = (waker.clone(), queue.clone());
                std::thread::spawn(move || {
                    for _ in 0..EACH {
                        queue.fetch_add(1, Ordering::Relaxed);
                        waker.notify();
                    }
                })
            })
            .collect();
        let mut taken = 0;
        while taken < 3 * EACH {
            taken += queue.swap(0, Ordering::Relaxed);
            if waker.park(|| queue.load(Ordering::Relaxed) == 0) && taken < 3 * EACH {
                assert!(readable(waker.fd(), 10_000), "asleep with work: taken {taken}");
                waker.unpark();
            }
        }
        producers.into_iter().for_each(|producer| producer.join().unwrap());
    }

    #[test]
    fn no_wake_up_is_lost() {
        hammer(Waker::new().unwrap());
    }

    #[test]
    fn no_wake_up_is_lost_without_membarrier() {
        hammer(Waker::without_membarrier().unwrap());
    }
}
