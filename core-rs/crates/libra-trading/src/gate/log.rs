//! The gate's log: an append-only file of records, each written whole by one `write`.
//!
//! ```text
//! header   magic "LIBRAGTE", major u16, minor u16, CRC32C of these 12 bytes
//! record   length u32 of what stands between it and the CRC, type u8, fields, CRC32C of length, type and fields
//! ```
//!
//! A process that dies while it writes leaves a torn last record; opening cuts it off and says so. A record that cannot
//! be read with a whole one somewhere behind it is damage in the middle: an error that names the offset, and the file
//! stays as it is. One process owns a log, by `flock`; what it forks has neither the lock nor a word
//! in it.

#[cfg(test)]
use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use libra_kernel::forks::{self, Private};
use thiserror::Error;

use super::codec::Writer;
use super::record::Record;

const MAGIC: &[u8; 8] = b"LIBRAGTE";
/// Raised when an older reader would misread the file.
pub const MAJOR: u16 = 1;
/// Raised when something was added.
pub const MINOR: u16 = 6;
pub(super) const HEADER: usize = 16;
/// Larger than any record: a length above it is damage.
const MAX_RECORD: usize = 1 << 20;

/// Where the log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogConfig {
    /// Nowhere: simulated runs, which start anew each time. Records are numbered and forgotten.
    Memory,
    /// In a file that survives the process, and with [`SyncPolicy::EveryRecord`] the machine.
    File {
        /// The file; its directory has to exist.
        path: PathBuf,
        /// When it is forced to the disk.
        sync: SyncPolicy,
    },
}

/// When records are forced to the disk. A record survives the death of the process as soon as it is written; only the
/// death of the machine asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// On [`super::Gate::flush`] only.
    None,
    /// Before anything follows from a record; refusals, and what consumers have confirmed, ride with the next other one.
    EveryRecord,
}

/// What is wrong with a log.
#[derive(Debug, Error)]
pub enum LogError {
    /// Another process owns it.
    #[error("{path}: another process owns this log{}", pid.map_or_else(String::new, |pid| format!(": pid {pid}")))]
    Owned {
        /// The file.
        path: PathBuf,
        /// That process, where the system tells.
        pid: Option<u32>,
    },
    /// This process was forked by the one that opened the log.
    #[error("this process was forked from the one that owns the log, and is none of its own")]
    Forked,
    /// Not a log.
    #[error("{path}: not a gate log, and left as it is; name another file for the log, or move this one away")]
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// Cut off within its header: what it held is gone.
    #[error(
        "{path}: cut off, {length} of the {HEADER} bytes of its header are left; restore the file from a copy; only if the \
         account is to begin anew, move it away (open orders and positions are then unknown here)"
    )]
    CutOff {
        /// The file.
        path: PathBuf,
        /// What is left of it.
        length: usize,
    },
    /// Written by a newer version.
    #[error("{path}: version {found} of the format is newer than {MAJOR}, which is what this build reads")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its major version.
        found: u16,
    },
    /// Damaged elsewhere than at its end, or not the log of an account.
    #[error("{path}: damaged at byte {offset}: {what}; the file was left as it is")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damaged record begins.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A text that does not fit a record; nothing was written.
    #[error("a text is longer than {} bytes", super::codec::MAX_TEXT)]
    TooLong,
    /// An earlier write could not be undone, or not be forced to the disk: nothing can be appended any more.
    #[error("{path}: an earlier write failed and the log is closed until the next process opens it")]
    Closed {
        /// The file.
        path: PathBuf,
    },
    /// A whole record could neither be forced to the disk nor be taken back: it counts for nothing here, and may for the next
    /// process.
    #[error(
        "{path}: {error}, and the record cannot be taken back: the next process may find it in the log; nothing more is \
             appended by this one"
    )]
    InDoubt {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// The file system said no.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// What a torn tail was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Where it began; the file ends here now.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
}

/// An open log.
pub(super) struct Log {
    file: Option<LogFile>,
    sequence: u64,
    writer: Writer,
    /// The process that opened it: see [`forks::life`].
    life: u32,
}

struct LogFile {
    file: Private<File>,
    path: PathBuf,
    sync: SyncPolicy,
    length: u64,
    closed: bool,
    /// What was appended to be forced later has not been.
    unforced: bool,
    #[cfg(test)]
    fault: Fault,
}

/// What a test's disk does not do.
#[cfg(test)]
#[derive(Default)]
struct Fault {
    /// It is full behind so many more records.
    room: Option<u32>,
    /// It forces nothing onto itself.
    no_sync: bool,
    /// It makes no file shorter.
    no_cut: bool,
    /// How often something was forced onto it.
    forced: Cell<usize>,
}

impl Log {
    /// Opens or creates the log, reads every record into `replay` (sequence, record) and cuts a torn tail.
    pub fn open(
        config: &LogConfig,
        mut replay: impl FnMut(u64, Record) -> Result<(), &'static str>,
    ) -> Result<(Log, Option<TornTail>), LogError> {
        let LogConfig::File { path, sync } = config else {
            return Ok((Log { file: None, sequence: 0, writer: Writer::default(), life: forks::remembered() }, None));
        };
        let io_error = |error| LogError::Io { path: path.clone(), error };
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(io_error)?;
        // Before it is locked: a child has the lock as long as it has the file.
        let file = Private::new(file);
        lock(&file, path)?;
        let mut log = LogFile {
            file,
            path: path.clone(),
            sync: *sync,
            length: 0,
            closed: false,
            unforced: false,
            #[cfg(test)]
            fault: Fault::default(),
        };
        log.header()?;
        let (sequence, torn) = log.read(&mut replay)?;
        Ok((Log { file: Some(log), sequence, writer: Writer::default(), life: forks::remembered() }, torn))
    }

    /// The number of the last record, from 1.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Appends a record. When it fails nothing was appended, also for the next process; where that is in doubt the error says
    /// so ([`LogError::InDoubt`]).
    pub fn append(&mut self, record: &Record) -> Result<u64, LogError> {
        self.append_or_later(record, false)
    }

    /// The same; where the disk may come `later` it is asked by [`Log::force_the_rest`], or with whatever is forced before it.
    pub fn append_or_later(&mut self, record: &Record, later: bool) -> Result<u64, LogError> {
        if self.life != forks::life() {
            return Err(LogError::Forked);
        }
        if let Some(file) = &mut self.file {
            encode(record, &mut self.writer)?;
            file.append(&self.writer.bytes, record.needs_sync() && !later)?;
            file.unforced |= later && record.needs_sync() && file.sync == SyncPolicy::EveryRecord;
        }
        self.sequence += 1;
        Ok(self.sequence)
    }

    /// Forces what was appended unforced, once. An error says that nobody knows what of it is on the disk; it stays in the
    /// file, and nothing more is appended.
    pub fn force_the_rest(&mut self) -> Result<(), LogError> {
        let Some(log) = self.file.as_mut().filter(|log| log.unforced) else { return Ok(()) };
        log.unforced = false;
        if log.closed { Err(LogError::Closed { path: log.path.clone() }) } else { log.sync_now() }
    }

    /// Forces everything to the disk.
    pub fn flush(&mut self) -> Result<(), LogError> {
        match &mut self.file {
            Some(log) => log.sync_now(),
            None => Ok(()),
        }
    }

    /// A descriptor of its own, for a thread that has to force the file to the disk when this one cannot.
    pub fn descriptor(&self) -> Result<Option<OwnedFd>, LogError> {
        let Some(log) = &self.file else { return Ok(None) };
        let copy = log.file.try_clone().map_err(|error| LogError::Io { path: log.path.clone(), error })?;
        Ok(Some(copy.into()))
    }
}

/// The bytes of one record in the file.
pub(super) fn encode(record: &Record, writer: &mut Writer) -> Result<(), LogError> {
    writer.bytes.clear();
    writer.too_long = false;
    writer.u32(0);
    writer.u8(record.number());
    record.encode(writer);
    if writer.too_long || writer.bytes.len() > MAX_RECORD {
        return Err(LogError::TooLong);
    }
    let length = (writer.bytes.len() - 4) as u32;
    writer.bytes[..4].copy_from_slice(&length.to_le_bytes());
    let crc = crc32c::crc32c(&writer.bytes);
    writer.u32(crc);
    Ok(())
}

fn lock(file: &File, path: &Path) -> Result<(), LogError> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and flock touches no memory of ours.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(());
    }
    // It does not wait, so no signal interrupts it.
    let (error, path) = (io::Error::last_os_error(), path.to_owned());
    let owned = error.kind() == io::ErrorKind::WouldBlock;
    Err(if owned { LogError::Owned { path, pid: holder(file) } } else { LogError::Io { path, error } })
}

/// Who has locked a file, where the system tells.
fn holder(file: &File) -> Option<u32> {
    let found = file.metadata().ok()?;
    let (device, inode) = (found.dev(), found.ino());
    let place = format!("{:02x}:{:02x}:{inode}", libc::major(device), libc::minor(device));
    pid_of(&place, &std::fs::read_to_string("/proc/locks").ok()?)
}

/// `1: FLOCK  ADVISORY  WRITE 948 fe:00:9978002 0 EOF`: who holds the lock at this place. One who waits has `->` in front.
fn pid_of(place: &str, locks: &str) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, at, ..] = words.as_slice() else { return None };
        (*at == place).then(|| pid.parse().ok().filter(|pid| *pid > 0)).flatten()
    })
}

/// What is wrong with the beginning of a file that is not empty, if anything is.
pub(super) fn check_header(path: &Path, found: &[u8]) -> Result<(), LogError> {
    if found.len() < HEADER {
        let (path, length) = (path.to_owned(), found.len());
        let ours = found.starts_with(&MAGIC[..length.min(MAGIC.len())]);
        return Err(if ours { LogError::CutOff { path, length } } else { LogError::NotALog { path } });
    }
    let crc = crc32c::crc32c(&found[..12]).to_le_bytes();
    if &found[..8] != MAGIC || found[12..HEADER] != crc {
        return Err(LogError::NotALog { path: path.to_owned() });
    }
    let major = u16::from_le_bytes([found[8], found[9]]);
    if major > MAJOR {
        return Err(LogError::Newer { path: path.to_owned(), found: major });
    }
    Ok(())
}

fn header_bytes() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&MAJOR.to_le_bytes());
    header[10..12].copy_from_slice(&MINOR.to_le_bytes());
    let crc = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&crc.to_le_bytes());
    header
}

impl LogFile {
    fn io(&self, error: io::Error) -> LogError {
        LogError::Io { path: self.path.clone(), error }
    }

    /// Checks the header, or writes it into a file that is new: missing, or empty. The header is one small write and is
    /// taken back where it fails, so a file with a part of it was cut off later, and held an account before.
    fn header(&mut self) -> Result<(), LogError> {
        let mut found = Vec::with_capacity(HEADER);
        (&*self.file).take(HEADER as u64).read_to_end(&mut found).map_err(|error| self.io(error))?;
        let expected = header_bytes();
        if found.is_empty() {
            self.append(&expected, true)?;
            if self.sync == SyncPolicy::EveryRecord {
                self.sync_directory()?;
            }
            return Ok(());
        }
        check_header(&self.path, &found)
    }

    /// A new file is only there for good when its directory is on the disk.
    fn sync_directory(&self) -> Result<(), LogError> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|directory| directory.sync_all()).map_err(|error| self.io(error))
    }

    fn read(
        &mut self,
        replay: &mut impl FnMut(u64, Record) -> Result<(), &'static str>,
    ) -> Result<(u64, Option<TornTail>), LogError> {
        let end = self.file.metadata().map_err(|error| self.io(error))?.len();
        let (mut offset, mut sequence) = (HEADER as u64, 0);
        (&*self.file).seek(SeekFrom::Start(offset)).map_err(|error| self.io(error))?;
        let damaged = |offset, what| LogError::Damaged { path: self.path.clone(), offset, what };
        let mut reader = BufReader::with_capacity(1 << 16, &*self.file);
        let mut frame = Vec::new();
        while offset < end {
            let whole = read_frame(&mut reader, end - offset, &mut frame).map_err(|error| self.io(error))?;
            if !whole {
                break;
            }
            let fields = &frame[5..frame.len() - 4];
            let record = Record::decode(frame[4], fields).ok_or_else(|| damaged(offset, "a record of unknown form"))?;
            sequence += 1;
            replay(sequence, record).map_err(|what| damaged(offset, what))?;
            offset += frame.len() as u64;
        }
        drop(reader);
        self.length = offset;
        if offset == end {
            return Ok((sequence, None));
        }
        let mut rest = Vec::new();
        (&*self.file).seek(SeekFrom::Start(offset)).map_err(|error| self.io(error))?;
        (&*self.file).read_to_end(&mut rest).map_err(|error| self.io(error))?;
        if (1..rest.len()).any(|at| is_frame(&rest[at..])) {
            return Err(LogError::Damaged { path: self.path.clone(), offset, what: "length or checksum is wrong" });
        }
        self.file.set_len(offset).map_err(|error| self.io(error))?;
        Ok((sequence, Some(TornTail { offset, bytes: end - offset })))
    }

    fn append(&mut self, bytes: &[u8], needs_sync: bool) -> Result<(), LogError> {
        if self.closed {
            return Err(LogError::Closed { path: self.path.clone() });
        }
        #[cfg(test)]
        match self.fault.room.as_mut() {
            Some(0) => return Err(self.io(io::ErrorKind::StorageFull.into())),
            Some(room) => *room -= 1,
            None => {}
        }
        let written = loop {
            match (&*self.file).write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => break other,
            }
        };
        let is_whole = written.as_ref().is_ok_and(|count| *count == bytes.len());
        let done = match written {
            Ok(_) if is_whole && needs_sync && self.sync == SyncPolicy::EveryRecord => self.force(),
            Ok(_) if is_whole => Ok(()),
            Ok(_) => Err(io::Error::new(io::ErrorKind::StorageFull, "only a part of a record was written")),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(error) => Err(self.take_back(error, is_whole)),
        }
    }

    /// What is not appended must not be read by the next process either, and a record behind half a one would read as damage:
    /// the file is cut back, or takes nothing more.
    #[cold]
    fn take_back(&mut self, error: io::Error, is_whole: bool) -> LogError {
        if self.cut().is_ok() {
            return self.io(error);
        }
        self.closed = true;
        // Half a record is cut off by whoever opens the file next.
        if is_whole { LogError::InDoubt { path: self.path.clone(), error } } else { self.io(error) }
    }

    fn cut(&mut self) -> io::Result<()> {
        #[cfg(test)]
        if self.fault.no_cut {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.file.set_len(self.length)?;
        if self.closed {
            // As far as that goes: what the disk does with it cannot be known any more.
            let _ = self.file.sync_all();
        }
        Ok(())
    }

    fn sync_now(&mut self) -> Result<(), LogError> {
        self.force().map_err(|error| self.io(error))
    }

    /// After a failed `fdatasync` nobody knows what is on the disk, and a second one may falsely succeed: no more.
    fn force(&mut self) -> io::Result<()> {
        let forced = self.sync_data();
        self.closed |= forced.is_err();
        self.unforced &= forced.is_err();
        forced
    }

    fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        self.fault.forced.set(self.fault.forced.get() + 1);
        #[cfg(test)]
        if self.fault.no_sync {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        self.file.sync_data()
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        // A duplicate from `descriptor` shares the lock and may outlive this.
        // SAFETY: the descriptor is open until `file` is dropped, after this; flock touches no memory of ours.
        unsafe { libc::flock(self.file.as_raw_fd(), libc::LOCK_UN) };
    }
}

/// Reads one frame into `frame`; false when what is there is none.
fn read_frame(reader: &mut impl Read, available: u64, frame: &mut Vec<u8>) -> io::Result<bool> {
    frame.clear();
    if available < 4 {
        return Ok(false);
    }
    frame.resize(4, 0);
    reader.read_exact(frame)?;
    let Some(total) = frame_length(frame) else { return Ok(false) };
    if total as u64 > available {
        return Ok(false);
    }
    frame.resize(total, 0);
    reader.read_exact(&mut frame[4..])?;
    Ok(is_frame(frame))
}

/// Bytes of the frame that begins here, as it says itself.
pub(super) fn frame_length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    (1..=MAX_RECORD).contains(&length).then_some(length + 8)
}

/// True when a whole record with its checksum begins here.
pub(super) fn is_frame(bytes: &[u8]) -> bool {
    let Some(frame) = frame_length(bytes).and_then(|total| bytes.get(..total)) else { return false };
    let (body, crc) = frame.split_at(frame.len() - 4);
    crc32c::crc32c(body).to_le_bytes() == crc
}

#[cfg(test)]
impl Log {
    /// Makes every further write fail, and not to be taken back: it goes to a device that is always full.
    pub fn break_writes(&mut self) {
        if let (Some(log), Ok(full)) = (&mut self.file, OpenOptions::new().write(true).open("/dev/full")) {
            log.file = Private::new(full);
        }
    }

    /// The disk takes so many more records.
    pub fn leave_room(&mut self, records: u32) {
        if let Some(log) = &mut self.file {
            log.fault.room = Some(records);
        }
    }

    /// Nothing can be forced to the disk any more, and what was appended cannot be taken back where `no_cut` says so.
    pub fn break_syncs(&mut self, no_cut: bool) {
        if let Some(log) = &mut self.file {
            (log.fault.no_sync, log.fault.no_cut) = (true, no_cut);
        }
    }

    /// How often something was forced to the disk.
    pub fn times_forced(&self) -> usize {
        self.file.as_ref().map_or(0, |log| log.fault.forced.get())
    }

    /// Undoes [`Log::break_writes`].
    pub fn mend_writes(&mut self) {
        if let Some(log) = &mut self.file {
            log.file = Private::new(OpenOptions::new().read(true).append(true).open(&log.path).unwrap());
            lock(&log.file, &log.path).unwrap();
            log.closed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pid_of;

    #[test]
    fn the_holder_of_a_lock_is_who_has_it_and_not_who_waits() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fe:00:42 0 EOF\n2: FLOCK  ADVISORY  WRITE 12 fe:01:42 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 13 fe:00:42 0 EOF\n4: FLOCK  ADVISORY  WRITE 14 fe:00:42 0 EOF\n\
                     5: FLOCK  ADVISORY  WRITE 0 fe:00:43 0 EOF\n6: OFDLCK\n";
        assert_eq!(pid_of("fe:00:42", locks), Some(14));
        assert_eq!(pid_of("fe:00:43", locks), None, "of another namespace");
        assert_eq!(pid_of("fe:00:44", locks), None);
    }
}
