//! One recorded file: lines to records, in an order of time that never goes back.

use std::collections::VecDeque;
use std::io::Read;

use super::lines::{Line, LineReader};
use crate::binance::{Frame, FrameParser, MarketFrame};
use crate::listing::{ListingId, Listings};
use crate::source::{ProblemKind, ProblemLog, SourceCounters};

/// What all files of a replay write to.
pub(super) struct Intake {
    pub(super) listings: Listings,
    pub(super) counters: SourceCounters,
    pub(super) problems: ProblemLog,
    pub(super) parser: FrameParser,
}

/// Market data with its receive time and its line.
pub(super) struct Record {
    pub(super) ts_ns: i64,
    pub(super) line: u64,
    pub(super) frame: MarketFrame,
}

/// Whose snapshots a file's symbol-less snapshots are.
#[derive(Clone, Copy)]
enum Home {
    /// No frame has named an instrument yet.
    Unknown,
    /// All frames so far were of this one.
    One(ListingId),
    /// Frames were of several: a snapshot could belong to any of them, and a wrong book is worse than none.
    Several,
}

/// A snapshot that came before any frame named an instrument.
struct Held {
    ts_ns: i64,
    line: u64,
    json: Vec<u8>,
}

/// Most snapshots that wait for the first frame with a symbol.
const MAX_HELD: usize = 8;

pub(super) struct RecordedFile {
    /// How problems call it.
    pub(super) name: String,
    lines: LineReader<Box<dyn Read + Send>>,
    last_ts_ns: i64,
    home: Home,
    held: Vec<Held>,
    ready: VecDeque<Record>,
}

impl RecordedFile {
    pub(super) fn new(name: String, input: Box<dyn Read + Send>, max_line: usize) -> Self {
        let lines = LineReader::new(input, max_line);
        RecordedFile { name, lines, last_ts_ns: 0, home: Home::Unknown, held: Vec::new(), ready: VecDeque::new() }
    }

    /// The next market data of the file.
    pub(super) fn next_record(&mut self, intake: &mut Intake) -> Option<Record> {
        while self.ready.is_empty() {
            if !self.read_line(intake) {
                self.end(intake);
                break;
            }
        }
        self.ready.pop_front()
    }

    /// Reads a line into `ready`, or counts why not; false at the end.
    fn read_line(&mut self, intake: &mut Intake) -> bool {
        let Some(line) = self.lines.next_line() else { return false };
        let (padded, len, cut) = match line {
            Line::Text { padded, len, cut } => (padded, len, cut),
            Line::TooLong => {
                intake.counters.frames += 1;
                self.malformed(intake, self.lines.line_number(), "the line is too long");
                return true;
            }
        };
        if padded[..len].iter().all(u8::is_ascii_whitespace) {
            return true;
        }
        intake.counters.frames += 1;
        let parsed = match split_time(&padded[..len]) {
            Err(what) => Err(what.to_owned()),
            Ok((ts_ns, json)) => {
                // Parsing may write over the line, and only a file that has named no instrument yet has to hold one back.
                let copy = matches!(self.home, Home::Unknown).then(|| padded[json..len].to_vec());
                let home = match self.home {
                    Home::One(id) => Some(id),
                    _ => None,
                };
                intake
                    .parser
                    .parse_padded(&mut padded[json..], len - json, &mut intake.listings, home)
                    .map(|frame| (ts_ns, frame, copy))
                    .map_err(|error| error.to_string())
            }
        };
        let number = self.lines.line_number();
        match parsed {
            // A frame that the end of a broken file cut in two is part of that damage, told by `end`.
            Err(_) if cut => intake.counters.frames -= 1,
            Err(what) => self.malformed(intake, number, &what),
            Ok((ts_ns, frame, copy)) => {
                let ts_ns = self.in_order(ts_ns, number, intake);
                self.sort(frame, ts_ns, number, copy, intake);
            }
        }
        true
    }

    /// Time never goes back: a frame from before the last one counts as received with it.
    fn in_order(&mut self, ts_ns: i64, line: u64, intake: &mut Intake) -> i64 {
        if ts_ns < self.last_ts_ns {
            intake.counters.out_of_order += 1;
            let last = self.last_ts_ns;
            intake.problems.note(ProblemKind::OutOfOrder, || {
                let back = last - ts_ns;
                (self.place(line), format!("received {back} ns before an earlier frame; taken at that frame's time"))
            });
        }
        self.last_ts_ns = self.last_ts_ns.max(ts_ns);
        self.last_ts_ns
    }

    fn sort(&mut self, frame: Frame, ts_ns: i64, line: u64, copy: Option<Vec<u8>>, intake: &mut Intake) {
        match frame {
            Frame::Market(frame) => {
                self.named(frame.listing, intake);
                self.ready.push_back(Record { ts_ns, line, frame });
            }
            Frame::Crossed { listing, bid, ask } => {
                self.named(listing, intake);
                intake.counters.crossed += 1;
                intake.problems.note(ProblemKind::Crossed, || {
                    let instrument = intake.listings.get(listing).instrument;
                    let what = format!("{instrument}: bid {bid} is not below ask {ask} (in units); left out");
                    (self.place(line), what)
                });
            }
            Frame::NonTrade { listing } => {
                self.named(listing, intake);
                intake.counters.non_trades += 1;
                intake.problems.note(ProblemKind::NonTrade, || {
                    (self.place(line), "an entry without price and size in the trade stream; left out".into())
                });
            }
            Frame::SnapshotOfUnknown => match (self.home, copy) {
                (Home::Unknown, Some(json)) if self.held.len() < MAX_HELD => self.held.push(Held { ts_ns, line, json }),
                _ => self.malformed(intake, line, "a snapshot that names no symbol, in a file of several"),
            },
            Frame::Unknown(kind) => {
                intake.counters.unknown += 1;
                intake.problems.note(ProblemKind::Unknown, || {
                    (self.place(line), format!("a kind of frame that is not read: {kind:?}; left out"))
                });
            }
        }
    }

    /// A frame named its instrument: snapshots that waited for the file's symbol go before it.
    fn named(&mut self, listing: ListingId, intake: &mut Intake) {
        let known = intake.counters.unlisted;
        intake.counters.unlisted = intake.listings.inferred() as u64;
        if known != intake.counters.unlisted {
            intake.problems.note(ProblemKind::Unlisted, || {
                let found = intake.listings.get(listing);
                let (symbol, venue) = (found.venue_symbol, found.venue);
                let what =
                    format!("{symbol} of {venue} is not listed; taken for {}, market data only", found.instrument);
                (self.place(self.lines.line_number()), what)
            });
        }
        match self.home {
            Home::One(one) if one == listing => {}
            Home::Unknown => {
                self.home = Home::One(listing);
                for Held { ts_ns, line, mut json } in std::mem::take(&mut self.held) {
                    match intake.parser.parse(&mut json, &mut intake.listings, Some(listing)) {
                        Ok(frame) => self.sort(frame, ts_ns, line, None, intake),
                        Err(error) => self.malformed(intake, line, &error.to_string()),
                    }
                }
            }
            _ => self.home = Home::Several,
        }
    }

    fn malformed(&self, intake: &mut Intake, line: u64, what: &str) {
        intake.counters.malformed += 1;
        intake
            .problems
            .note(ProblemKind::Malformed, || (self.place(line), format!("malformed frame: {what}; left out")));
    }

    fn end(&mut self, intake: &mut Intake) {
        for held in std::mem::take(&mut self.held) {
            self.malformed(intake, held.line, "a snapshot that names no symbol, in a file that names none");
        }
        if let Some(fault) = self.lines.take_fault() {
            intake.counters.truncated_files += 1;
            intake.problems.note(ProblemKind::Truncated, || {
                let line = self.lines.line_number();
                (self.place(line), format!("{fault}; what stands before was used, the rest is lost"))
            });
        }
    }

    pub(super) fn place(&self, line: u64) -> String {
        format!("{}:{line}", self.name)
    }
}

/// The receive time that begins a line, and where its JSON begins.
fn split_time(line: &[u8]) -> Result<(i64, usize), &'static str> {
    const WANTED: &str = "a line is a receive time in nanoseconds, a space and JSON";
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut ts_ns: i64 = 0;
    for &digit in &line[..digits] {
        ts_ns = ts_ns
            .checked_mul(10)
            .and_then(|ts| ts.checked_add(i64::from(digit - b'0')))
            .ok_or("the receive time is too large")?;
    }
    let blanks = line[digits..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if digits == 0 || blanks == 0 {
        return Err(WANTED);
    }
    if digits + blanks == line.len() {
        return Err("no JSON behind the receive time");
    }
    Ok((ts_ns, digits + blanks))
}
