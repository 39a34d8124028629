//! The kill switch that needs no loop: raised by a native thread, looked at by whatever lets an order leave.
//!
//! The loop that owns an account may be in the hands of a strategy that never returns, and then nothing can be appended to
//! the account's log. So the alarm is a flag that the gate and a paper venue read at their last moment, and beside a log
//! a marker file that the next process takes for the latch. When the loop runs again it writes the latch into the log and
//! *settles* the alarm: the marker goes, the flag falls.
//!
//! Raises are counted, and settling names the count that it answers: an alarm that is raised while an earlier one is being
//! settled stays up. The marker is made and taken away under one lock, so that a settled alarm never leaves one behind.
//!
//! - [`raises`] — the two counts; this file — the alarm with its marker.

mod raises;

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use raises::Raises;

/// The alarm of one account. See the module.
#[derive(Debug)]
pub struct Alarm {
    raises: Raises<AtomicU64>,
    marker: Option<PathBuf>,
    marking: Mutex<()>,
}

impl Alarm {
    /// An alarm that is not raised. `log` is the account's log; `None` for one in memory, which no process outlives.
    pub fn new(log: Option<&Path>) -> Self {
        Alarm { raises: Raises::new(), marker: log.map(marker_of), marking: Mutex::new(()) }
    }

    /// True from a raise until it is settled.
    #[inline]
    pub fn is_raised(&self) -> bool {
        self.raises.is_any_open()
    }

    /// Raises it: from now on nothing new leaves. [`Alarm::mark`] comes second, since a disk may be slow.
    pub fn raise(&self) {
        self.raises.raise();
    }

    /// The raises so far, for [`Alarm::settle`].
    pub fn count(&self) -> u64 {
        self.raises.count()
    }

    /// Leaves the marker for the next process, unless the latch stands in the log already.
    pub fn mark(&self) -> io::Result<()> {
        let Some(path) = &self.marker else { return Ok(()) };
        let _marking = self.lock();
        if !self.is_raised() {
            return Ok(());
        }
        let path = CString::new(path.as_os_str().as_bytes())?;
        touch(&path).map_err(io::Error::from_raw_os_error)
    }

    /// Where its marker is, if it has one.
    pub fn marker(&self) -> Option<&Path> {
        self.marker.as_deref()
    }

    /// The raises up to `count` are answered: the latch stands in the log.
    pub fn settle(&self, count: u64) -> io::Result<()> {
        let _marking = self.lock();
        if self.count() == count {
            self.take_marker()?;
        }
        self.raises.settle(count);
        Ok(())
    }

    /// True when a process before this one was told to stop, and could not write it into the log.
    pub fn is_marked(&self) -> io::Result<bool> {
        self.marker.as_ref().map_or(Ok(false), |path| path.try_exists())
    }

    fn take_marker(&self) -> io::Result<()> {
        let Some(path) = &self.marker else { return Ok(()) };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // It guards no data, so a panic of its holder leaves nothing half done.
        self.marking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The marker of an account, by its log.
pub(crate) fn marker_of(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".killed");
    PathBuf::from(name)
}

/// Makes a marker, on the disk where that can be; gives the error's number. Async-signal-safe.
/// Where no descriptor is left, it is made without one.
pub(crate) fn touch(marker: &CStr) -> Result<(), i32> {
    let errno = || io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    // SAFETY: system calls with a path that ends with a zero, and a descriptor that is closed here and nowhere else.
    unsafe {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let fd = libc::open(marker.as_ptr(), flags, 0o600 as libc::c_uint);
        if fd >= 0 {
            let done = if libc::fsync(fd) == 0 { Ok(()) } else { Err(errno()) };
            libc::close(fd);
            return done;
        }
        match errno() {
            libc::EMFILE | libc::ENFILE => match libc::mknod(marker.as_ptr(), libc::S_IFREG | 0o600, 0) {
                0 => Ok(()),
                _ => Some(errno()).filter(|errno| *errno != libc::EEXIST).map_or(Ok(()), Err),
            },
            other => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("libra-alarm-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder.join("gate.log")
    }

    #[test]
    fn a_raise_stands_until_it_is_settled_and_its_marker_with_it() {
        let path = log("stands");
        let alarm = Alarm::new(Some(&path));
        assert!(!alarm.is_raised() && !alarm.is_marked().unwrap());
        alarm.raise();
        alarm.mark().unwrap();
        assert!(alarm.is_raised() && alarm.is_marked().unwrap());
        assert!(path.with_file_name("gate.log.killed").exists());
        alarm.settle(alarm.count()).unwrap();
        assert!(!alarm.is_raised() && !alarm.is_marked().unwrap());
        // The loop was faster than the thread that marks: nothing may be left for the next process.
        alarm.mark().unwrap();
        assert!(!alarm.is_marked().unwrap());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_raise_while_another_is_settled_stays_up_with_its_marker() {
        let path = log("twice");
        let alarm = Alarm::new(Some(&path));
        alarm.raise();
        let seen = alarm.count();
        alarm.raise();
        alarm.mark().unwrap();
        alarm.settle(seen).unwrap();
        assert!(alarm.is_raised() && alarm.is_marked().unwrap());
        alarm.settle(alarm.count()).unwrap();
        assert!(!alarm.is_raised() && !alarm.is_marked().unwrap());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_marker_that_cannot_be_taken_away_keeps_the_alarm_up() {
        let path = log("stuck");
        let alarm = Alarm::new(Some(&path));
        alarm.raise();
        std::fs::create_dir(path.with_file_name("gate.log.killed")).unwrap();
        assert!(alarm.settle(alarm.count()).is_err());
        assert!(alarm.is_raised());
        assert!(alarm.mark().is_err());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn without_a_log_there_is_no_marker() {
        let alarm = Alarm::new(None);
        alarm.raise();
        alarm.mark().unwrap();
        assert!(alarm.is_raised() && !alarm.is_marked().unwrap());
        alarm.settle(1).unwrap();
        assert!(!alarm.is_raised());
    }
}
