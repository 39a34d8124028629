//! The end of a process that cannot be taken back, and what is said about it.

use std::os::fd::AsRawFd;
use std::time::Duration;

use super::watch::{Shared, lock};

/// What ends the process waits so long to learn the line where the interpreter stands.
const LINE_PATIENCE: Duration = Duration::from_millis(150);

impl Shared {
    /// Whose handler runs, as far as that can be known.
    pub(super) fn whose(&self) -> String {
        let Some(actor) = self.turns.now().actor() else { return String::new() };
        let line = self.witness.as_ref().and_then(|witness| witness.line(LINE_PATIENCE));
        let place = line.map_or_else(String::new, |line| format!(" at {line}"));
        format!("; {actor} did not return from its handler{place}")
    }

    pub(super) fn flush_logs(&self) {
        for log in lock(&self.logs).iter() {
            // SAFETY: an open descriptor of our own; where it cannot be flushed there is nothing left to do.
            unsafe { libc::fsync(log.as_raw_fd()) };
        }
    }

    /// Flushes what must not be lost, says what happened and whose fault it is (the running handler's, unless `whose`
    /// knows better), and ends the process, without Python.
    pub(super) fn end(&self, why: &str, whose: Option<String>) -> ! {
        self.flush_logs();
        let whose = whose.unwrap_or_else(|| self.whose());
        say(&format!("libra: {why}{whose}; the order log is flushed\n"));
        // SAFETY: the end of the process without running anyone's exit code.
        unsafe { libc::_exit(1) }
    }
}

/// Says something on stderr, without Python, and without a panic where nobody reads it any more: who speaks so keeps a watch.
pub fn say(text: &str) {
    // SAFETY: a plain write of a live buffer; where nobody reads stderr there is nothing left to do.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
