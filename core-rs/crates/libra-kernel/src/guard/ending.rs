//! The end of a process that cannot be taken back, and what is said about it.
//!
//! Nothing here may wait for anyone: a stderr that nobody reads and a disk that hangs are just what may have brought it.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::signals;
use super::watch::{Shared, lock};
use crate::alarm::disk;
use crate::forks::Private;

/// What ends the process waits so long to learn the line where the interpreter stands.
const LINE_PATIENCE: Duration = Duration::from_millis(150);
/// How long a disk may take to flush the logs, and what markers there are, before the process ends without: the kernel has what was written.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);
/// What fits into a pipe that says it has room.
const ROOM: usize = 4096;

impl Shared {
    /// Whose handler runs, as far as that can be known; where it is nobody's, the line where the loop stands.
    pub(super) fn whose(&self) -> String {
        let line = self.witness.as_ref().and_then(|witness| witness.line(LINE_PATIENCE));
        match self.turns.now().actor() {
            Some(actor) => {
                let place = line.map_or_else(String::new, |line| format!(" at {line}"));
                format!("; {actor} did not return from its handler{place}")
            }
            None => line.map_or_else(String::new, |line| format!("; no handler runs, the loop stands at {line}")),
        }
    }

    /// False where one of them could not be flushed. Each is tried: they may be on several disks.
    pub(super) fn flush_logs(&self) -> bool {
        // SAFETY: an open descriptor of our own.
        let flush = |log: &Private<OwnedFd>| unsafe { libc::fsync(log.as_raw_fd()) } == 0;
        lock(&self.logs).iter().filter(|log| !flush(log)).count() == 0
    }

    /// Flushes what must not be lost, says what happened and whose fault it is (the running handler's, unless `whose`
    /// knows better), and ends the process, without Python.
    pub(super) fn end(self: &Arc<Self>, why: &str, whose: Option<String>) -> ! {
        let begun = Instant::now();
        let is_flushed = self.flush_within(FLUSH_PATIENCE);
        // A kill switch that came meanwhile is for the next process.
        signals::let_go();
        self.take_the_rest();
        force_markers_within(FLUSH_PATIENCE.saturating_sub(begun.elapsed()));
        let whose = whose.unwrap_or_else(|| self.whose());
        let flushed = if is_flushed { "the order log is flushed" } else { "the disk did not flush the order log" };
        say(&format!("libra: {why}{whose}; {flushed}\n"));
        // SAFETY: the end of the process without running anyone's exit code.
        unsafe { libc::_exit(1) }
    }

    /// Flushes the logs in a thread of its own; false where that fails or takes too long.
    fn flush_within(self: &Arc<Self>, patience: Duration) -> bool {
        let (done, is_done) = channel();
        let shared = self.clone();
        let flush = move || {
            let _ = done.send(shared.flush_logs());
        };
        let thread = std::thread::Builder::new().name("libra-flush".into()).spawn(flush);
        thread.is_ok() && is_done.recv_timeout(patience).unwrap_or(false)
    }
}

/// What makes accounts come up latched is there: gives the disk its time to take it, too, and says where it does not.
pub(super) fn force_markers() {
    force_markers_within(FLUSH_PATIENCE);
}

fn force_markers_within(patience: Duration) {
    if !disk::wait(patience) {
        say("libra: kill switch: the disk has not taken a marker yet; it is lost should the machine fail now\n");
    }
}

/// Says something on stderr, without Python, and without a panic where nobody reads it any more: who speaks so keeps a watch.
/// What does not fit into a pipe that nobody empties is left out.
pub fn say(text: &str) {
    say_bytes(text.as_bytes());
}

/// The same, async-signal-safe.
pub(super) fn say_bytes(text: &[u8]) {
    say_to(libc::STDERR_FILENO, &text[..text.len().min(ROOM)]);
}

/// Writes without waiting. Who shares the descriptor must not find it changed: so a pipe or a terminal is opened anew.
fn say_to(fd: RawFd, text: &[u8]) {
    // SAFETY: zero is a valid stat, which fstat fills.
    let kind = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        if libc::fstat(fd, &mut stat) != 0 {
            return;
        }
        stat.st_mode & libc::S_IFMT
    };
    if kind == libc::S_IFIFO || kind == libc::S_IFCHR {
        let mut path = [0u8; 32];
        // It has room for any number, and a zero behind it.
        let _ = write!(&mut path[..], "/proc/self/fd/{fd}");
        let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: a path that ends with a zero, a plain write of a live buffer, which does not wait, and a descriptor that is
        // closed here and nowhere else.
        unsafe {
            let anew = libc::open(path.as_ptr().cast(), flags);
            if anew >= 0 {
                libc::write(anew, text.as_ptr().cast(), text.len());
                libc::close(anew);
                return;
            }
        }
    }
    if kind == libc::S_IFSOCK {
        // SAFETY: sends a live buffer, and does not wait.
        unsafe { libc::send(fd, text.as_ptr().cast(), text.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        return;
    }
    let mut ready = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid pollfd and a live buffer; a file, or what says that it has room now.
    unsafe {
        if libc::poll(&mut ready, 1, 0) == 1 && ready.revents & libc::POLLOUT != 0 {
            libc::write(fd, text.as_ptr().cast(), text.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_in(fd: RawFd) -> libc::c_int {
        let mut count = 0;
        // SAFETY: asks how many bytes wait in a pipe that is open.
        unsafe { libc::ioctl(fd, libc::FIONREAD, &mut count) };
        count
    }

    #[test]
    fn what_nobody_reads_holds_nobody_up() {
        let (mut fds, chunk) = ([0; 2], [b'x'; 64 << 10]);
        // SAFETY: room for the two descriptors; the pipe is filled without waiting, then blocks as a stderr does.
        unsafe {
            assert_eq!(libc::pipe2(fds.as_mut_ptr(), libc::O_NONBLOCK), 0);
            while libc::write(fds[1], chunk.as_ptr().cast(), chunk.len()) > 0 {}
            libc::fcntl(fds[1], libc::F_SETFL, 0);
        }
        let full = bytes_in(fds[0]);
        let (done, is_done) = channel();
        let end = fds[1];
        std::thread::spawn(move || {
            say_to(end, b"not heard");
            let _ = done.send(());
        });
        assert!(is_done.recv_timeout(Duration::from_secs(20)).is_ok(), "it waits for a reader");
        assert_eq!(bytes_in(fds[0]), full);
        // SAFETY: reads into a live buffer, then closes what is nobody else's.
        unsafe {
            let mut away = vec![0u8; full as usize];
            assert_eq!(libc::read(fds[0], away.as_mut_ptr().cast(), away.len()), full as isize);
            say_to(end, b"heard");
            assert_eq!(libc::fcntl(end, libc::F_GETFL) & libc::O_NONBLOCK, 0, "others share it");
            assert_eq!(bytes_in(fds[0]), 5);
            let _ = fds.map(|fd| libc::close(fd));
        }
    }
}
