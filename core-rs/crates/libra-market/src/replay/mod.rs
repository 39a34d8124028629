//! Recorded files as a source: `<receive time, ns> <json>` a line, gzip or plain text, several files merged by time.
//!
//! - this file — [`ReplaySource`]: the merge, and records to events;
//! - [`error`] — why a replay cannot begin;
//! - `file` — one file: lines to records, everything wrong counted with its place;
//! - `lines`, `gzip` — bytes to lines, gzip to bytes, both streaming and in bounded memory;
//! - `depth` — the chain of depth updates of each instrument.

mod depth;
pub mod error;
mod file;
mod gzip;
mod lines;
mod open;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::path::PathBuf;

use libra_kernel::{Event, EventType, Name};

use self::depth::{DepthChains, Link};
use self::file::{Intake, Record, RecordedFile};
use crate::binance::FrameParser;
use crate::listing::{Listing, ListingId, Listings};
use crate::source::{Problem, ProblemKind, ProblemLog, Source, SourceCounters};

pub use self::error::{FileError, ReplayError};

/// How to replay.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The source that events name.
    pub source: Name,
    /// Longer lines are malformed: what bounds the memory a file can ask for.
    pub max_line_bytes: usize,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        ReplayOptions { source: Name::intern("replay"), max_line_bytes: 16 << 20 }
    }
}

/// Recorded files, merged by receive time; ties go by the order of the files, then by line.
pub struct ReplaySource {
    source: Name,
    files: Vec<RecordedFile>,
    /// The next record of each file.
    heads: Vec<Option<Record>>,
    /// (time, file) of each head.
    order: BinaryHeap<Reverse<(i64, usize)>>,
    primed: bool,
    intake: Intake,
    chains: DepthChains,
    seen: Vec<ListingId>,
    is_seen: Vec<bool>,
}

impl ReplaySource {
    /// Opens the files. All that is wrong with any of them is told at once.
    pub fn open(paths: &[PathBuf], listings: Listings, options: ReplayOptions) -> Result<Self, ReplayError> {
        let inputs = open::open_all(paths)?;
        let files: Vec<_> = paths
            .iter()
            .zip(inputs)
            .map(|(path, input)| RecordedFile::new(path.display().to_string(), input, options.max_line_bytes))
            .collect();
        let counters = SourceCounters { unlisted: listings.inferred() as u64, ..SourceCounters::default() };
        let intake = Intake { listings, counters, problems: ProblemLog::default(), parser: FrameParser::new() };
        Ok(ReplaySource {
            source: options.source,
            heads: files.iter().map(|_| None).collect(),
            order: BinaryHeap::with_capacity(files.len()),
            files,
            primed: false,
            intake,
            chains: DepthChains::default(),
            seen: Vec::new(),
            is_seen: Vec::new(),
        })
    }

    /// The instruments that events were given out for, in the order of their first event.
    pub fn instruments_seen(&self) -> impl Iterator<Item = &Listing> {
        self.seen.iter().map(|id| self.intake.listings.get(*id))
    }

    /// All instruments: those listed and those inferred so far.
    pub fn listings(&self) -> &Listings {
        &self.intake.listings
    }

    /// Reads the first record of each file.
    fn prime(&mut self) {
        if self.primed {
            return;
        }
        self.primed = true;
        for (rank, file) in self.files.iter_mut().enumerate() {
            self.heads[rank] = file.next_record(&mut self.intake);
            if let Some(head) = &self.heads[rank] {
                self.order.push(Reverse((head.ts_ns, rank)));
            }
        }
    }

    /// The earliest record, and its file.
    fn next_record(&mut self) -> Option<(Record, usize)> {
        self.prime();
        let mut top = self.order.peek_mut()?;
        let Reverse((_, rank)) = *top;
        let record = self.heads[rank].take();
        self.heads[rank] = self.files[rank].next_record(&mut self.intake);
        match &self.heads[rank] {
            Some(head) => *top = Reverse((head.ts_ns, rank)),
            None => drop(PeekMut::pop(top)),
        }
        // `order` names only files that have a head.
        record.map(|record| (record, rank))
    }

    fn check_chain(&mut self, record: &Record, rank: usize) {
        let Some(ids) = record.frame.depth else { return };
        let link = self.chains.link(record.frame.listing, ids);
        let intake = &mut self.intake;
        let place = || self.files[rank].place(record.line);
        let instrument = intake.listings.get(record.frame.listing).instrument;
        match link {
            Link::Continues => {}
            Link::Gap { seen } => {
                intake.counters.depth_gaps += 1;
                intake.problems.note(ProblemKind::DepthGap, || {
                    let (first, previous) = (ids.first, ids.previous);
                    (
                        place(),
                        format!("{instrument}: depth gap: updates after {seen} are missing (U {first}, pu {previous})"),
                    )
                });
            }
            Link::Repeat { seen } => {
                intake.counters.depth_repeats += 1;
                intake.problems.note(ProblemKind::DepthRepeat, || {
                    (place(), format!("{instrument}: depth update {} comes again, {seen} was seen", ids.last))
                });
            }
        }
    }

    fn note_seen(&mut self, listing: ListingId) {
        if self.is_seen.len() <= listing.index() {
            self.is_seen.resize(listing.index() + 1, false);
        }
        if !std::mem::replace(&mut self.is_seen[listing.index()], true) {
            self.seen.push(listing);
        }
    }
}

impl Source for ReplaySource {
    fn peek_ts_ns(&mut self) -> Option<i64> {
        self.prime();
        self.order.peek().map(|Reverse((ts_ns, _))| *ts_ns)
    }

    fn next(&mut self) -> Option<Event> {
        let (record, rank) = self.next_record()?;
        self.check_chain(&record, rank);
        self.note_seen(record.frame.listing);
        let counters = &mut self.intake.counters;
        match record.frame.event_type {
            EventType::Quote => counters.quotes += 1,
            EventType::Trade => counters.trades += 1,
            _ => counters.books += 1,
        }
        let listing = self.intake.listings.get(record.frame.listing);
        let (instrument, decimals) = (listing.instrument, listing.decimals());
        let Record { ts_ns, frame, .. } = record;
        Some(Event::market(frame.event_type, self.source, instrument, decimals, ts_ns, frame.payload))
    }

    fn counters(&self) -> SourceCounters {
        SourceCounters { unsynced_books: self.chains.unsynced(), ..self.intake.counters }
    }

    fn take_problems(&mut self) -> Vec<Problem> {
        self.intake.problems.take()
    }
}
