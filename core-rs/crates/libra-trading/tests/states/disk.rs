//! A disk that is full: the limit on file sizes, for as long as one call into the desk. It belongs to the whole process, so
//! runs take turns.

use std::sync::{Mutex, MutexGuard, PoisonError};

fn limit_files_to(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the pointer is to a value that lives through the call; the signal's default action is replaced by none,
    // so that a write behind the limit is short instead of deadly.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

/// No file grows beyond so many bytes until it is dropped.
pub struct Full;

impl Full {
    pub fn at(bytes: u64) -> Full {
        limit_files_to(bytes);
        Full
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        limit_files_to(libc::RLIM_INFINITY);
    }
}

/// The turn of one run.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
