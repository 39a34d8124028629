//! The journal: an account's log as rows of a database.
//!
//! - [`rows`] — rows as text; [`tables`] — which there are, and their columns;
//! - `words` — names of sides, states and kinds; `orders`, `sums`, `notes` — which rows a record leads to;
//! - this file — the projection: a follower of the log, and batches of rows from it.
//!
//! Rows are a function of the log's records alone: a journal that was interrupted anywhere and went on is equal to one
//! that was made at once. What *stands* (orders, positions, balances, days) has one row that is replaced, and appears in a
//! batch once however often it changed; what *happened* has a row for each time.

mod notes;
mod orders;
pub mod rows;
mod sums;
pub mod tables;
mod words;

use std::path::Path;

pub use tables::Tables;

use crate::gate::follow::{Follower, Place, Step};
use crate::gate::log::LogError;
use crate::gate::record::Record;
use orders::Touched;
use sums::Sums;

/// Rows that belong into a database together, with the place that it has reached then.
#[derive(Debug)]
pub struct Batch {
    /// The rows.
    pub tables: Tables,
    /// How far the log was read.
    pub place: Place,
    /// The account's time at the last record.
    pub ts_ns: i64,
}

/// Where in the log a row comes from, and when that was written.
#[derive(Clone, Copy, Debug)]
struct Origin {
    record: u64,
    offset: u64,
    ts_ns: i64,
}

/// See the module.
pub struct Projection {
    follower: Follower,
    /// The time of the last record that has one.
    ts_ns: i64,
    sums: Sums,
    touched: Touched,
}

impl Projection {
    /// Opens a log, to be projected from its beginning.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let (sums, touched) = (Sums::default(), Touched::default());
        Ok(Projection { follower: Follower::open(path)?, ts_ns: 0, sums, touched })
    }

    /// The log as it was followed.
    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// Reads up to the record `until`, at most `most` records, for which there are rows already. How far it is.
    pub fn skip(&mut self, until: u64, most: u64) -> Result<Place, LogError> {
        self.read(until, most, &mut Tables::default())?;
        self.touched.clear();
        self.sums.clear_touched();
        Ok(self.follower.place())
    }

    /// The rows of at most `most` further records, none behind the record `until`; `None` where there is no further one.
    pub fn batch(&mut self, until: u64, most: u64) -> Result<Option<Batch>, LogError> {
        let before = self.follower.records();
        let mut tables = Tables::default();
        self.read(until, most, &mut tables)?;
        if self.follower.records() == before {
            return Ok(None);
        }
        self.touched.write(&self.follower, &mut tables);
        self.sums.write(self.follower.account(), &mut tables);
        Ok(Some(Batch { tables, place: self.follower.place(), ts_ns: self.ts_ns }))
    }

    fn read(&mut self, until: u64, most: u64, tables: &mut Tables) -> Result<(), LogError> {
        let until = until.min(self.follower.records().saturating_add(most));
        while self.follower.records() < until {
            // A second look tells damage from a tail that is being written.
            let Some(step) = self.follower.step().transpose().or_else(|| self.follower.step().transpose()) else {
                break;
            };
            self.take(&step?, tables);
        }
        Ok(())
    }

    fn take(&mut self, step: &Step, tables: &mut Tables) {
        self.ts_ns = time_of(&step.record).unwrap_or(self.ts_ns);
        let origin = Origin { record: step.sequence, offset: step.offset, ts_ns: self.ts_ns };
        notes::write(origin, step, &self.follower, tables);
        self.touched.take(origin, step, &self.follower, tables);
        self.sums.take(origin, step, self.follower.account(), tables);
    }
}

impl rows::Rows {
    /// Begins a row of a table whose rows tell first where they come from.
    fn begin_at(&mut self, origin: Origin) -> &mut Self {
        self.begin().count(origin.record).count(origin.offset).int(origin.ts_ns)
    }
}

/// When a record was written, by the account's clock, where it says so.
fn time_of(record: &Record) -> Option<i64> {
    match record {
        Record::Epoch { now_ns, .. }
        | Record::Intent { now_ns, .. }
        | Record::Rejected { now_ns, .. }
        | Record::Refused { now_ns, .. }
        | Record::Submitted { now_ns, .. }
        | Record::CancelIntent { now_ns, .. }
        | Record::NotFound { now_ns, .. }
        | Record::Report { now_ns, .. }
        | Record::Kill { now_ns, .. }
        | Record::Resume { now_ns }
        | Record::Note { now_ns, .. } => Some(*now_ns),
        Record::Venue(record) => Some(record.now_ns()),
        Record::Breach(breach) => Some(breach.ts_ns),
        Record::Limits(changed) => Some(changed.now_ns),
        Record::Opening(_) | Record::Instrument(_) | Record::Watermark { .. } | Record::Confirmed { .. } => None,
    }
}
