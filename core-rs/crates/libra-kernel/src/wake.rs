//! Waking the thread that dispatches: one descriptor a loop, written only when the loop sleeps.
//!
//! The protocol, and why no wake-up is lost. The *consumer*, before it sleeps, clears the descriptor, sets `parked`, makes
//! a `SeqCst` fence and looks into its queues once more. A *producer* puts its event into a queue, makes a `SeqCst` fence
//! and reads `parked`; if it is set, it takes it down and writes the descriptor. Of the two fences one comes first: if the
//! consumer's, the producer reads `parked` as set and writes; if the producer's, the consumer's last look finds the event.
//! So at least one of the two sees the other, and of several producers exactly one writes (the swap).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Shared by a loop and everything that feeds it.
pub struct Waker {
    read: OwnedFd,
    /// The writing end of the pipe where there is no eventfd.
    write: Option<OwnedFd>,
    parked: AtomicBool,
}

impl Waker {
    /// A waker of a loop that does not sleep yet.
    pub fn new() -> io::Result<Self> {
        let (read, write) = open()?;
        Ok(Waker { read, write, parked: AtomicBool::new(false) })
    }

    /// The descriptor that becomes readable when there is work.
    pub fn fd(&self) -> RawFd {
        self.read.as_raw_fd()
    }

    /// A producer has put something into a queue.
    pub fn notify(&self) {
        // Orders the producer's write to its queue before the read of `parked`: see the protocol above.
        fence(Ordering::SeqCst);
        // The relaxed read keeps the flag's cache line shared while the loop is awake; the swap picks one writer.
        if self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::SeqCst) {
            self.signal();
        }
    }

    /// Makes the descriptor readable whether or not the loop sleeps: for a consumer that leaves work behind.
    pub fn signal(&self) {
        let one = 1u64.to_ne_bytes();
        let fd = self.write.as_ref().unwrap_or(&self.read).as_raw_fd();
        // SAFETY: the descriptor is open as long as `self` lives, and the buffer has the eight bytes. A full pipe or
        // counter means that the descriptor is readable already, so the result does not matter.
        unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
    }

    /// The consumer wants to sleep. `is_empty` looks into its queues; where it finds something, or a producer was
    /// quicker, the consumer stays awake and `false` comes back.
    pub fn park(&self, is_empty: impl FnOnce() -> bool) -> bool {
        self.clear();
        self.parked.store(true, Ordering::SeqCst);
        // Orders the store of `parked` before the last look into the queues: see the protocol above.
        fence(Ordering::SeqCst);
        if is_empty() {
            return true;
        }
        // Where a producer took the flag down first it has written, or will: one needless wake-up is harmless.
        self.parked.store(false, Ordering::SeqCst);
        false
    }

    /// The consumer is awake for another reason than the descriptor.
    pub fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }

    fn clear(&self) {
        let mut buffer = [0u8; 512];
        loop {
            // SAFETY: the descriptor is open as long as `self` lives, non-blocking, and the buffer has the stated length.
            let got = unsafe { libc::read(self.fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
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
    use std::sync::atomic::AtomicU64;

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
    fn no_wake_up_is_lost() {
        const EACH: u64 = 20_000;
        let waker = Arc::new(Waker::new().unwrap());
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
}
