//! Where market data comes from: a source is pulled, one event at a time, in the order of its times.

use libra_kernel::{Event, Name};

/// A stream of market events in time order: recorded files, a synthetic market.
///
/// `peek_ts_ns` tells when the next event is due without making it, so that a caller can merge sources by time. Ids of
/// events are drawn in [`next`](Source::next) only: what a seeded run draws does not depend on how often it peeks.
pub trait Source: Send {
    /// The receive time of the next event, nanoseconds since the epoch; `None` when the source has ended.
    fn peek_ts_ns(&mut self) -> Option<i64>;

    /// The next event. Its `ts_ns` is the receive time and never goes back.
    fn next(&mut self) -> Option<Event>;

    /// Asks for a snapshot of an instrument's book, for a consumer that lost it: a later `ORDER_BOOK` event will be one.
    /// False where the source has none to give, as recorded files.
    fn request_snapshot(&mut self, _instrument: Name) -> bool {
        false
    }

    /// What has been read, given out and refused so far.
    fn counters(&self) -> SourceCounters;

    /// The problems since the last call, the oldest first.
    fn take_problems(&mut self) -> Vec<Problem>;
}

/// What a source has read, given out and refused.
///
/// Every frame is counted once: `frames` is the sum of `quotes`, `trades`, `books`, `malformed`, `unknown`, `crossed` and
/// `non_trades`, once the events that were read ahead are taken. The other fields tell more about the same frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounters {
    /// Frames read: lines of files that are not blank, steps of a synthetic market.
    pub frames: u64,
    /// `QUOTE` events given out.
    pub quotes: u64,
    /// `TRADE` events given out.
    pub trades: u64,
    /// `ORDER_BOOK` events given out.
    pub books: u64,
    /// Frames that could not be read as what they claim to be; no event.
    pub malformed: u64,
    /// Well-formed frames of a kind that is not read; no event.
    pub unknown: u64,
    /// Quotes and snapshots whose bid is not below their ask; no event.
    pub crossed: u64,
    /// Frames of the trade stream without price and size (`"X":"NA"`): no trade took place; no event.
    pub non_trades: u64,
    /// Frames whose receive time lies before that of an earlier frame of their file; given out at that earlier frame's
    /// time.
    pub out_of_order: u64,
    /// Depth frames that do not continue the one before: updates were lost between them.
    pub depth_gaps: u64,
    /// Depth frames that bring nothing newer than the one before.
    pub depth_repeats: u64,
    /// Instruments with depth updates and no snapshot so far: their books cannot be known.
    pub unsynced_books: u64,
    /// Files that ended before their end: a truncated or corrupt gzip, a read error.
    pub truncated_files: u64,
    /// Instruments that were inferred from their symbol because nobody listed them.
    pub unlisted: u64,
}

impl SourceCounters {
    /// The counters of two sources together.
    pub fn plus(self, other: SourceCounters) -> SourceCounters {
        SourceCounters {
            frames: self.frames + other.frames,
            quotes: self.quotes + other.quotes,
            trades: self.trades + other.trades,
            books: self.books + other.books,
            malformed: self.malformed + other.malformed,
            unknown: self.unknown + other.unknown,
            crossed: self.crossed + other.crossed,
            non_trades: self.non_trades + other.non_trades,
            out_of_order: self.out_of_order + other.out_of_order,
            depth_gaps: self.depth_gaps + other.depth_gaps,
            depth_repeats: self.depth_repeats + other.depth_repeats,
            unsynced_books: self.unsynced_books + other.unsynced_books,
            truncated_files: self.truncated_files + other.truncated_files,
            unlisted: self.unlisted + other.unlisted,
        }
    }
}

/// Something wrong with the input, for the user's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `file:line`, or the file.
    pub place: String,
    /// What, and what was done about it.
    pub message: String,
    /// True when input behind that place is lost (a file that cannot be read on). The source itself goes on with what
    /// else it has.
    pub fatal: bool,
}

/// The kinds of problems, each with a limit of its own, so that a flood of one does not hide the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    Malformed,
    Unknown,
    Crossed,
    NonTrade,
    OutOfOrder,
    DepthGap,
    DepthRepeat,
    Truncated,
    Unlisted,
}

const KINDS: usize = 9;

/// How many problems of a kind are told in detail.
pub const PROBLEMS_PER_KIND: u32 = 20;

/// Collects problems, the first [`PROBLEMS_PER_KIND`] of each kind; later ones only show in the counters.
#[derive(Debug, Default)]
pub(crate) struct ProblemLog {
    waiting: Vec<Problem>,
    told: [u32; KINDS],
}

impl ProblemLog {
    /// Notes a problem. The texts are made only for one that is told.
    pub(crate) fn note(&mut self, kind: ProblemKind, texts: impl FnOnce() -> (String, String)) {
        let told = &mut self.told[kind as usize];
        if *told == PROBLEMS_PER_KIND {
            return;
        }
        *told += 1;
        let (place, mut message) = texts();
        if *told == PROBLEMS_PER_KIND {
            message.push_str(" (further problems of this kind are only counted)");
        }
        self.waiting.push(Problem { place, message, fatal: kind == ProblemKind::Truncated });
    }

    /// The problems since the last call.
    pub(crate) fn take(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_does_not_hide_another() {
        let mut log = ProblemLog::default();
        for line in 0..1_000 {
            log.note(ProblemKind::Malformed, || (format!("file:{line}"), "not JSON".into()));
        }
        log.note(ProblemKind::Truncated, || ("file".into(), "ends early".into()));
        let problems = log.take();
        assert_eq!(problems.len(), PROBLEMS_PER_KIND as usize + 1);
        assert!(problems[PROBLEMS_PER_KIND as usize - 1].message.contains("only counted"));
        assert!(problems.last().is_some_and(|problem| problem.fatal));
        assert!(log.take().is_empty());
    }
}
