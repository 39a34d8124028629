//! SIGUSR1, the kill switch: what the guard's thread does at once, and what it says when the loop does not do the rest.

use super::ending::say;
use super::watch::{Shared, lock};

impl Shared {
    /// The kill switch: first all flags, then the loop, then what a later process has to find.
    pub(super) fn raise_alarms(&self) {
        let alarms = lock(&self.alarms);
        alarms.iter().for_each(|alarm| alarm.raise());
        self.waker.signal();
        for alarm in alarms.iter() {
            if let Err(error) = alarm.mark() {
                say(&format!("libra: kill switch: its marker beside the order log cannot be written: {error}\n"));
            }
        }
    }

    /// The loop had its time: whoever pulled the switch has to know what is not done.
    pub(super) fn tell_of_alarms(&self) {
        let alarms = lock(&self.alarms);
        if alarms.iter().any(|alarm| alarm.is_raised()) {
            let whose = self.whose();
            say(&format!(
                "libra: kill switch: no new order leaves any more{whose}; open orders could not be cancelled yet\n"
            ));
        }
    }
}
