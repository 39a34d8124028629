//! What holds although the log did not take it: the kill latch, cancels, losses over a limit.
//!
//! Everything else is appended before it holds. These only take risk away, so they do not wait for a disk: they are booked
//! at once and *owed* to the log, which gets them before any other record and in their order as soon as it takes records
//! again. So a log never lacks what stands before its last record. A process that dies in debt leaves a log in which the
//! order is open and no cancel was asked for; the next one asks the venue, which says what became of it.
//!
//! Many of them at once, as of a kill switch, go to the disk together behind the last one: where each is forced there, the
//! last order would wait for the disk as often as there are orders. So do the ends of orders that are held back with them,
//! which the venue never heard of.

use super::record::Record;
use super::{Gate, GateError, GateEvent};

impl Gate {
    /// Appends and books a record; where the log does not take it, it is booked and owed. Returns what is to be published.
    pub(super) fn commit_or_owe(&mut self, record: Record) -> (Vec<GateEvent>, Result<(), GateError>) {
        match self.commit_by(record.clone(), self.together > 0) {
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

    /// Until its [`Gate::force_together`] what only takes risk away is not forced to the disk by itself.
    pub fn begin_together(&mut self) {
        self.together += 1;
    }

    /// Forces to the disk what was appended since [`Gate::begin_together`], once. It holds all the same where that fails; the
    /// log is closed then, and the next process may find it there or not.
    pub fn force_together(&mut self) -> Result<(), GateError> {
        self.together -= 1;
        if self.together > 0 {
            return Ok(());
        }
        self.log.force_the_rest().map_err(|error| {
            self.heed_log(&error);
            error.into()
        })
    }

    /// How many records hold that the log has not taken.
    pub fn owed(&self) -> usize {
        self.owed.len()
    }
}
