//! SIGUSR1, the kill switch: what the guard's thread does at once, and what it says when the loop does not do the rest.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ending::say;
use super::late;
use super::signals::read_all;
use super::watch::{Shared, lock};
use crate::alarm::Alarm;

impl Shared {
    /// The kill switch: first all flags, then the loop, then what a later process has to find.
    pub(super) fn raise_alarms(&self) {
        let mut alarms = lock(&self.alarms);
        alarms.kills += 1;
        alarms.open.iter().for_each(|alarm| alarm.raise());
        self.waker.signal();
        alarms.open.iter().for_each(|alarm| mark(alarm));
    }

    /// From now on the kill switch raises this alarm. One that was pulled while the account was not open yet meant it, too.
    pub(super) fn watch_alarm(&self, alarm: Arc<Alarm>) {
        // Counted and listed under one lock: a signal that comes meanwhile finds the alarm or is found by it.
        let mut alarms = lock(&self.alarms);
        late::note_opened(alarm.marker());
        if alarms.kills > 0 {
            alarm.raise();
            self.waker.signal();
            mark(&alarm);
        }
        alarms.open.push(alarm);
    }

    /// The end, behind [`signals::let_go`](super::signals::let_go): what signals are left in the pipe are taken, and of those that
    /// nobody has answered the accounts come up latched.
    pub(super) fn take_the_rest(&self) {
        for _ in read_all(self.pipe.as_raw_fd()).iter().filter(|signal| **signal == libc::SIGUSR1) {
            self.raise_alarms();
        }
        let alarms = lock(&self.alarms);
        if !self.takes_signals.load(Ordering::SeqCst) || alarms.kills <= alarms.answered {
            return;
        }
        // One whose latch stands in the log is answered.
        let is_answered = |marker: Option<&Path>| {
            // Those in memory are not told apart.
            let mut own = alarms.open.iter().filter(|alarm| alarm.marker() == marker).peekable();
            own.peek().is_some() && own.all(|alarm| !alarm.is_raised())
        };
        late::leave(true, is_answered);
    }

    /// The loop had its time: whoever pulled the switch has to know what is not done.
    pub(super) fn tell_of_alarms(&self) {
        let is_any_raised = lock(&self.alarms).open.iter().any(|alarm| alarm.is_raised());
        if is_any_raised {
            let whose = self.whose();
            say(&format!(
                "libra: kill switch: no new order leaves any more{whose}; open orders could not be cancelled yet\n"
            ));
        }
    }
}

fn mark(alarm: &Alarm) {
    if let Err(error) = alarm.mark() {
        say(&format!("libra: kill switch: its marker beside the order log cannot be written: {error}\n"));
    }
}
