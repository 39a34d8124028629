//! The kill switch that needs no loop: raised by a native thread, looked at by whatever lets an order leave.
//!
//! The loop that owns an account may be in the hands of a strategy that never returns, and then nothing can be appended to
//! the account's log. So the alarm is a flag that the gate and a paper venue read at their last moment, and beside a log
//! a marker file that the next process takes for the latch. When the loop runs again it writes the latch into the log and
//! *settles* the alarm: the marker goes, the flag falls.
//!
//! Raises are counted, and settling names the count that it answers: an alarm that is raised while an earlier one is being
//! settled stays up. The marker is made and taken away under one lock, so that a settled alarm never leaves one behind; it
//! is forced to the disk under none, so that nobody waits for that.
//!
//! - [`raises`] — the two counts; this file — the alarm with its marker;
//! - [`marker`] — who makes a marker, who forces it to the disk, who takes it away; [`disk`] — the threads that force it.

pub(crate) mod disk;
pub(crate) mod marker;
mod raises;

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use marker::Marker;
use raises::Raises;

/// The alarm of one account. See the module.
#[derive(Debug)]
pub struct Alarm {
    raises: Raises<AtomicU64>,
    marker: Option<Arc<Marker>>,
    marking: Mutex<()>,
}

impl Alarm {
    /// An alarm that is not raised. `log` is the account's log; `None` for one in memory, which no process outlives.
    pub fn new(log: Option<&Path>) -> Self {
        Alarm { raises: Raises::new(), marker: log.and_then(Marker::beside), marking: Mutex::new(()) }
    }

    /// True from a raise until it is settled.
    #[inline]
    pub fn is_raised(&self) -> bool {
        self.raises.is_any_open()
    }

    /// Raises it: from now on nothing new leaves. [`Alarm::mark`] comes second.
    pub fn raise(&self) {
        self.raises.raise();
    }

    /// The raises so far, for [`Alarm::settle`].
    pub fn count(&self) -> u64 {
        self.raises.count()
    }

    /// Leaves the marker for the next process, unless the latch stands in the log already. It waits for no disk: that is told
    /// on stderr where one does not take it.
    pub fn mark(&self) -> io::Result<()> {
        let Some(marker) = &self.marker else { return Ok(()) };
        disk::start();
        let _marking = self.lock();
        if !self.is_raised() {
            return Ok(());
        }
        marker.make().map_err(io::Error::from_raw_os_error)
    }

    /// Where its marker is, if it has one.
    pub fn marker(&self) -> Option<&Path> {
        self.marker.as_ref().map(|marker| marker.path())
    }

    /// The raises up to `count` are answered: the latch stands in the log.
    pub fn settle(&self, count: u64) -> io::Result<()> {
        let _marking = self.lock();
        if let Some(marker) = self.marker.as_ref().filter(|_| self.count() == count) {
            marker.take_away()?;
        }
        self.raises.settle(count);
        Ok(())
    }

    /// True when a process before this one was told to stop, and could not write it into the log.
    pub fn is_marked(&self) -> io::Result<bool> {
        self.marker().map_or(Ok(false), Path::try_exists)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // It guards no data, so a panic of its holder leaves nothing half done.
        self.marking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

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

    #[test]
    fn a_disk_that_hangs_holds_up_neither_who_marks_nor_who_settles_and_what_is_taken_away_is_gone() {
        let path = log("hangs");
        let alarm = Arc::new(Alarm::new(Some(&path)));
        let marker = alarm.marker.clone().unwrap();
        let is_forced = |patience_ms| disk::wait_for(vec![marker.clone()], Duration::from_millis(patience_ms));
        let hanging = disk::tests::HANGING_DISK.write().unwrap();
        let marks = || {
            let (kept, (done, is_done)) = (alarm.clone(), std::sync::mpsc::channel());
            std::thread::spawn(move || done.send(kept.mark().is_ok()));
            assert_eq!(is_done.recv_timeout(Duration::from_secs(5)), Ok(true), "it waits for the disk");
            assert!(alarm.is_marked().unwrap(), "the next process finds it");
        };
        for _ in 0..3 {
            alarm.raise();
            marks();
            assert!(!is_forced(20), "and the disk has not taken it");
            alarm.settle(alarm.count()).unwrap();
            assert!(!alarm.is_marked().unwrap());
            assert!(is_forced(0), "nobody waits for what is gone");
        }
        alarm.raise();
        marks();
        assert!(marker.is_on_its_way());
        std::fs::remove_file(marker.path()).unwrap();
        drop(hanging);
        let until = Instant::now() + Duration::from_secs(10);
        while marker.is_on_its_way() {
            assert!(Instant::now() < until, "nobody forces it");
            std::thread::yield_now();
        }
        assert!(!alarm.is_marked().unwrap(), "who forces it makes none");
        alarm.mark().unwrap();
        assert!(is_forced(20_000), "a disk takes it");
        assert!(alarm.is_marked().unwrap() && !marker.is_on_its_way());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
