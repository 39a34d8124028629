//! Reading an account's log beside the process that owns it, record by record, with the account as it is made by them.
//!
//! A follower takes no lock and writes nothing. What it has read is a prefix of the log for good: a record counts when it
//! is whole and its checksum agrees, and its owner takes back nothing but what is not, with one exception: a record that its
//! disk does not take, behind which it writes nothing more. Who has read that one is told so (the log is shorter, or another), and
//! begins anew. A tail that is not whole is looked at again when it is asked for: its owner may be writing it, or may take half
//! a record back on a full disk. Only what two looks find alike, with a whole record behind it, is damage.
//!
//! The account is made by [`State::apply`] alone, as in the process that owns it: there is no second bookkeeping.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libra_kernel::Name;
use libra_kernel::digest::Digest;

use crate::account::Account;
use crate::order::{ClientOrderId, Order};

use super::GateEvent;
use super::history::Entries;
use super::log::{HEADER, LogError, check_header, frame_length, is_frame};
use super::record::Record;
use super::state::{NEVER_NS, State};

/// Read at a time; a record that is larger is read whole.
const CHUNK: usize = 1 << 18;
/// Orders that are over and not packed: whoever follows looks at what has just changed.
const KEEP_WHOLE: usize = 1_000;

/// How far a follower is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Records read.
    pub records: u64,
    /// Where the next one begins.
    pub offset: u64,
    /// Over the bytes of all that was read: equal for equal prefixes.
    pub digest: String,
}

/// A record, and what followed from it.
#[derive(Debug)]
pub struct Step {
    /// Its number, from 1.
    pub sequence: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// The record.
    pub record: Record,
    /// What its owner published.
    pub events: Vec<GateEvent>,
}

/// An order with what only the gate keeps of it.
#[derive(Clone, Debug)]
pub struct FollowedOrder {
    /// The order.
    pub order: Arc<Order>,
    /// Behind this time the venue would not take it; `None` for a refused one that was executed nonetheless.
    pub window_end_ns: Option<i64>,
    /// When its last cancel went.
    pub cancel_asked_ns: Option<i64>,
}

/// See the module.
pub struct Follower {
    path: PathBuf,
    file: File,
    offset: u64,
    sequence: u64,
    digest: Digest,
    state: State,
    chunk: Vec<u8>,
    /// Where in `chunk` the record at `offset` begins.
    at: usize,
    /// A tail that is no record, by its place and its bytes.
    doubtful: Option<(u64, Vec<u8>)>,
}

impl Follower {
    /// Opens a log, to be read from its beginning.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let file = File::open(path).map_err(|error| LogError::Io { path: path.to_owned(), error })?;
        let state = State { entries: Entries::keeping(KEEP_WHOLE), ..State::default() };
        Ok(Follower {
            path: path.to_owned(),
            file,
            offset: 0,
            sequence: 0,
            digest: Digest::new(),
            state,
            chunk: Vec::new(),
            at: 0,
            doubtful: None,
        })
    }

    /// How far it is.
    pub fn place(&self) -> Place {
        Place { records: self.sequence, offset: self.offset, digest: self.digest.hex() }
    }

    /// Records read.
    pub fn records(&self) -> u64 {
        self.sequence
    }

    /// Bytes that stand in the log and were not read, a torn tail among them.
    pub fn behind(&self) -> Result<u64, LogError> {
        Ok(self.length()?.saturating_sub(self.offset))
    }

    /// Whose log it is; no name before its first record was read.
    pub fn name(&self) -> Name {
        self.state.name
    }

    /// Positions and balances after what was read. Without a market: what is open is valued at its last execution.
    pub fn account(&self) -> &Account {
        &self.state.account
    }

    /// An order that had an intent, or was executed without.
    pub fn order(&self, id: ClientOrderId) -> Option<FollowedOrder> {
        let (_, entry) = self.state.entry(id)?;
        Some(FollowedOrder {
            order: entry.order(),
            window_end_ns: (entry.window_end_ns != 0).then_some(entry.window_end_ns),
            cancel_asked_ns: (entry.cancel_asked_ns != NEVER_NS).then_some(entry.cancel_asked_ns),
        })
    }

    /// A digest of the account's history: equal to that of a gate that holds the same records.
    pub fn state_digest(&self) -> String {
        self.state.digest()
    }

    /// The next record; `None` where there is none that is whole.
    pub fn step(&mut self) -> Result<Option<Step>, LogError> {
        if self.offset == 0 && !self.read_header()? {
            return Ok(None);
        }
        if !is_frame(&self.chunk[self.at..]) {
            self.read_on(CHUNK)?;
            let claimed = frame_length(&self.chunk).unwrap_or(0);
            if claimed > CHUNK && self.chunk.len() == CHUNK {
                self.read_on(claimed)?;
            }
            if !is_frame(&self.chunk) {
                self.doubt()?;
                return Ok(None);
            }
        }
        self.doubtful = None;
        let frame = &self.chunk[self.at..];
        let frame = &frame[..frame_length(frame).unwrap_or(frame.len())];
        let (offset, total) = (self.offset, frame.len());
        let record = Record::decode(frame[4], &frame[5..total - 4]);
        let record = record.ok_or_else(|| self.damaged(offset, "a record of unknown form"))?;
        let mut events = Vec::new();
        self.state.apply(&record, &mut events).map_err(|what| self.damaged(offset, what))?;
        self.digest.bytes(&self.chunk[self.at..self.at + total]);
        self.sequence += 1;
        self.offset += total as u64;
        self.at += total;
        Ok(Some(Step { sequence: self.sequence, offset, record, events }))
    }

    /// False for a file that is empty still.
    fn read_header(&mut self) -> Result<bool, LogError> {
        self.read_on(CHUNK)?;
        if self.chunk.is_empty() {
            return Ok(false);
        }
        check_header(&self.path, &self.chunk)?;
        (self.offset, self.at) = (HEADER as u64, HEADER);
        Ok(true)
    }

    /// Reads anew from the next record on: what was there of it may have been taken back since.
    fn read_on(&mut self, most: usize) -> Result<(), LogError> {
        self.at = 0;
        self.chunk.resize(most, 0);
        let mut filled = 0;
        while filled < most {
            match self.file.read_at(&mut self.chunk[filled..], self.offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.chunk.clear();
                    return Err(LogError::Io { path: self.path.clone(), error });
                }
            }
        }
        self.chunk.truncate(filled);
        Ok(())
    }

    /// What follows is no record: half a one, or damage.
    #[cold]
    fn doubt(&mut self) -> Result<(), LogError> {
        let length = self.length()?;
        if length < self.offset {
            return Err(self.damaged(length, "it is shorter than what was read of it"));
        }
        let left = length - self.offset;
        if left > self.chunk.len() as u64 {
            // Longer than any record: whatever is whole in it shows the damage.
            self.read_on(usize::try_from(left).unwrap_or(usize::MAX))?;
        }
        let rest = std::mem::take(&mut self.chunk);
        if rest.is_empty() {
            return Ok(());
        }
        let known = self.doubtful.take().is_some_and(|(offset, bytes)| offset == self.offset && bytes == rest);
        if known && (1..rest.len()).any(|at| is_frame(&rest[at..])) {
            return Err(self.damaged(self.offset, "length or checksum is wrong"));
        }
        self.doubtful = Some((self.offset, rest));
        Ok(())
    }

    fn length(&self) -> Result<u64, LogError> {
        let found = self.file.metadata().map_err(|error| LogError::Io { path: self.path.clone(), error })?;
        Ok(found.len())
    }

    fn damaged(&self, offset: u64, what: &'static str) -> LogError {
        LogError::Damaged { path: self.path.clone(), offset, what }
    }
}
