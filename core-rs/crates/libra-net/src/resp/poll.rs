//! Waiting for sockets and other descriptors.

use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

/// What to wait for at a descriptor, and what came.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Watch(libc::pollfd);

impl Watch {
    /// Waits until the descriptor can be read or, if `write`, written.
    pub fn new(fd: RawFd, write: bool) -> Self {
        let events = libc::POLLIN | if write { libc::POLLOUT } else { 0 };
        Watch(libc::pollfd { fd, events, revents: 0 })
    }

    /// Whether reading brings something: bytes, an end or an error.
    pub fn readable(self) -> bool {
        self.0.revents & !libc::POLLOUT != 0
    }
}

/// Sleeps until one of the descriptors is ready or the time is over; gives how many are ready. Without a time it waits as long
/// as it takes; a signal only makes it sleep again for the rest.
///
/// # Errors
/// When a descriptor is none.
pub fn wait(watches: &mut [Watch], timeout: Option<Duration>) -> io::Result<usize> {
    let until = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let ready = poll(watches, until.map(|until| until.saturating_duration_since(Instant::now())));
        if ready >= 0 {
            return Ok(ready as usize);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// To the nanosecond, as far as the system's timers are as fine: a frame gathers for less than a millisecond.
#[cfg(target_os = "linux")]
fn poll(watches: &mut [Watch], timeout: Option<Duration>) -> libc::c_int {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `Watch` is a transparent `pollfd`, and the pointer and length are those of a slice that is borrowed mutably for the
    // whole call, as the time is; no signal mask is given.
    unsafe { libc::ppoll(watches.as_mut_ptr().cast(), watches.len() as libc::nfds_t, timeout, std::ptr::null()) }
}

#[cfg(not(target_os = "linux"))]
fn poll(watches: &mut [Watch], timeout: Option<Duration>) -> libc::c_int {
    // Rounded up, so that a wait does not end just before its time and begin again.
    let ms = |time: Duration| i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
    // SAFETY: `Watch` is a transparent `pollfd`, and the pointer and length are those of a slice that is borrowed mutably for the
    // whole call.
    unsafe { libc::poll(watches.as_mut_ptr().cast(), watches.len() as libc::nfds_t, timeout.map_or(-1, ms)) }
}
