//! What holds although the log did not take it: the kill latch, cancels, losses over a limit.
//!
//! Everything else is appended before it holds. These only take risk away, so they do not wait for a disk: they are booked
//! at once and *owed* to the log, which gets them before any other record and in their order as soon as it takes records
//! again. So a log never lacks what stands before its last record. A process that dies in debt leaves a log in which the
//! order is open and no cancel was asked for; the next one asks the venue, which says what became of it.

use super::record::Record;
use super::{Gate, GateError, GateEvent};

impl Gate {
    /// Appends and books a record; where the log does not take it, it is booked and owed. Returns what is to be published.
    pub(super) fn commit_or_owe(&mut self, record: Record) -> (Vec<GateEvent>, Result<(), GateError>) {
        match self.commit(record.clone()) {
            Ok(events) => (events, Ok(())),
            Err(error @ GateError::Log(_)) => {
                let mut events = Vec::new();
                if let Err(what) = self.state.apply(&record, &mut events) {
                    return (Vec::new(), Err(GateError::Inconsistent(what)));
                }
                self.owed.push_back(record);
                (events, Err(error))
            }
            Err(error) => (Vec::new(), Err(error)),
        }
    }

    /// Appends what is owed. An error means that the log does not take it yet, and then it takes nothing else either.
    pub fn pay(&mut self) -> Result<(), GateError> {
        while let Some(record) = self.owed.front() {
            if let Err(error) = self.log.append(record) {
                self.heed_log(&error);
                return Err(error.into());
            }
            self.owed.pop_front();
        }
        Ok(())
    }

    /// How many records hold that the log has not taken.
    pub fn owed(&self) -> usize {
        self.owed.len()
    }
}
