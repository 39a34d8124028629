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
        let left_ms = until.map_or(-1, |until| {
            // Rounded up, so that a wait does not end just before its time and begin again.
            let left = until.saturating_duration_since(Instant::now()).as_nanos().div_ceil(1_000_000);
            i32::try_from(left).unwrap_or(i32::MAX)
        });
        // SAFETY: `Watch` is a transparent `pollfd`, and the pointer and length are those of a slice that is borrowed mutably
        // for the whole call.
        let ready = unsafe { libc::poll(watches.as_mut_ptr().cast(), watches.len() as libc::nfds_t, left_ms) };
        if ready >= 0 {
            return Ok(ready as usize);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
