//! Files with something wrong: all that can be read is given out, the rest is counted and told with its place.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use libra_kernel::{Event, EventType};
use libra_market::listing::{Listing, Listings};
use libra_market::replay::{FileError, ReplayError, ReplayOptions, ReplaySource};
use libra_market::source::{Problem, Source, SourceCounters};
use libra_market::venue::VenueKind;
use tempfile::TempDir;

fn quote(ts_ns: i64, symbol: &str, bid: &str, ask: &str) -> String {
    format!(r#"{ts_ns} {{"e":"bookTicker","u":1,"s":"{symbol}","b":"{bid}","B":"1","a":"{ask}","A":"1","T":1,"E":1}}"#)
}

fn depth(ts_ns: i64, first: i64, last: i64, previous: i64) -> String {
    format!(
        r#"{ts_ns} {{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":{first},"u":{last},"pu":{previous},"b":[["9","1"]],"a":[]}}"#
    )
}

fn snapshot(ts_ns: i64) -> String {
    format!(r#"{ts_ns} {{"lastUpdateId":5,"E":1,"T":1,"bids":[["9","1"]],"asks":[["10","1"]]}}"#)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn listings() -> Listings {
    Listings::new([Listing::new("BTC/USDT:USDT", VenueKind::BinanceUsdm, "BTCUSDT", 1, 3)]).unwrap()
}

struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Room(TempDir::new().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

struct Outcome {
    events: Vec<Event>,
    counters: SourceCounters,
    problems: Vec<Problem>,
}

impl Outcome {
    /// (type, receive time) of all events.
    fn seen(&self) -> Vec<(EventType, i64)> {
        self.events.iter().map(|event| (event.event_type, event.ts_ns)).collect()
    }

    /// The one problem whose place ends so.
    fn at(&self, place: &str) -> &str {
        let mut found = self.problems.iter().filter(|problem| problem.place.ends_with(place));
        let problem = found.next().unwrap_or_else(|| panic!("nothing at {place}: {:?}", self.problems));
        assert!(found.next().is_none(), "more than one at {place}");
        &problem.message
    }
}

fn replay(files: &[PathBuf]) -> Outcome {
    let options = ReplayOptions { max_line_bytes: 1_000, ..ReplayOptions::default() };
    let mut source = ReplaySource::open(files, listings(), options).unwrap();
    let mut events = Vec::new();
    while let Some(event) = source.next() {
        events.push(event);
    }
    assert!(source.next().is_none() && source.peek_ts_ns().is_none());
    let c = source.counters();
    assert_eq!(c.frames, c.quotes + c.trades + c.books + c.malformed + c.unknown + c.crossed + c.non_trades, "{c:?}");
    assert_eq!(events.len() as u64, c.quotes + c.trades + c.books);
    Outcome { events, counters: c, problems: source.take_problems() }
}

#[test]
fn every_kind_of_bad_line_is_counted_and_told_once() {
    let room = Room::new();
    let lines = [
        quote(100, "BTCUSDT", "9.0", "10"),                  // 1
        String::new(),                                       // 2: no frame
        "{\"e\":\"trade\"}".into(),                          // 3: no time
        "12345".into(),                                      // 4: no JSON
        "99999999999999999999 {}".into(),                    // 5: time too large
        format!("101 {}", "x".repeat(2_000)),                // 6: too long
        quote(101, "BTCUSDT", "9.05", "10"),                 // 7: too precise
        quote(102, "BTCUSDT", "9.50000", "10.00"),           // 8: trailing zeros are fine
        quote(103, "BTCUSDT", "10", "10"),                   // 9: crossed
        "104 {\"e\":\"aggTrade\",\"s\":\"BTCUSDT\"}".into(), // 10: unknown
        quote(90, "BTCUSDT", "9", "10"),                     // 11: out of order
        quote(105, "NEWUSDT", "1", "2"),                     // 12: unlisted
        "106 {\"e\":\"trade\",\"s\":\"BTCUSDT\",\"p\":\"0\",\"q\":\"0\",\"X\":\"NA\",\"t\":1,\"m\":true}".into(), // 13
        depth(107, 1, 5, 0),                                 // 14
        depth(108, 6, 9, 5),                                 // 15
        depth(109, 20, 25, 15),                              // 16: gap
        depth(110, 20, 25, 15),                              // 17: repeat
        snapshot(111),                                       // 18: of which of the two symbols?
        "112 {\"e\":\"bookTicker\",\"s\":\"BTCUSDT\"".into(), // 19: not JSON
        "113\t{\"e\":\"bookTicker\"}".into(),                // 20: no symbol
    ];
    let outcome = replay(&[room.file("bad.txt", lines.join("\r\n"))]);
    let want = SourceCounters {
        frames: 19,
        quotes: 4,
        books: 4,
        malformed: 8,
        unknown: 1,
        crossed: 1,
        non_trades: 1,
        out_of_order: 1,
        depth_gaps: 1,
        depth_repeats: 1,
        unsynced_books: 1,
        unlisted: 1,
        ..SourceCounters::default()
    };
    assert_eq!(outcome.counters, want, "{:#?}", outcome.problems);
    for (place, text) in [
        ("bad.txt:3", "a line is a receive time"),
        ("bad.txt:4", "a line is a receive time"),
        ("bad.txt:5", "too large"),
        ("bad.txt:6", "too long"),
        ("bad.txt:7", "more decimals than the instrument has"),
        ("bad.txt:9", "bid 100 is not below ask 100"),
        ("bad.txt:10", "aggTrade"),
        ("bad.txt:11", "before an earlier frame"),
        ("bad.txt:12", "NEWUSDT of binanceusdm is not listed; taken for NEW/USDT:USDT@binanceusdm"),
        ("bad.txt:13", "without price"),
        ("bad.txt:16", "updates after 9 are missing"),
        ("bad.txt:17", "comes again"),
        ("bad.txt:18", "names no symbol"),
        ("bad.txt:19", "not JSON"),
        ("bad.txt:20", "\"s\" is missing"),
    ] {
        assert!(outcome.at(place).contains(text), "{place}: {}", outcome.at(place));
    }
    assert_eq!(outcome.problems.len(), 15);
    assert!(outcome.problems.iter().all(|problem| !problem.fatal));
    let times: Vec<i64> = outcome.events.iter().map(|event| event.ts_ns).collect();
    assert_eq!(times, [100, 102, 104, 105, 107, 108, 109, 110], "the frame out of order comes at the last time seen");
}

#[test]
fn a_truncated_gzip_gives_what_it_holds_and_the_other_files_go_on() {
    let room = Room::new();
    let lines: Vec<String> =
        (0..2_000).map(|i| quote(1_000 + 2 * i, "BTCUSDT", "9", &format!("{}.{}", 10 + i * 7 % 90, i % 10))).collect();
    let whole = gzip(&(lines.join("\n") + "\n"));
    let other = room.file("other.gz", gzip(&quote(9_999, "BTCUSDT", "9", "10")));
    for cut in [30, whole.len() / 2, whole.len() - 1] {
        let outcome = replay(&[room.file("cut.gz", &whole[..cut]), other.clone()]);
        assert_eq!((outcome.counters.truncated_files, outcome.counters.malformed), (1, 0), "cut at {cut}");
        assert_eq!(outcome.seen().last(), Some(&(EventType::Quote, 9_999)));
        let problem = outcome.problems.iter().find(|problem| problem.fatal).unwrap();
        assert!(problem.place.contains("cut.gz:") && problem.message.contains("truncated"), "{problem:?}");
        if cut == whole.len() - 1 {
            assert_eq!(outcome.counters.quotes, 2_001);
        }
    }
    let mut corrupt = whole.clone();
    let middle = whole.len() / 2;
    corrupt[middle..middle + 100].fill(0xff);
    let outcome = replay(&[room.file("corrupt.gz", corrupt), other]);
    assert_eq!(outcome.counters.truncated_files, 1);
    assert!(outcome.counters.quotes > 500, "{:?}", outcome.counters);
    assert!(outcome.problems.iter().any(|problem| problem.fatal && problem.message.contains("corrupt")));
}

#[test]
fn a_whole_frame_at_the_cut_counts_and_half_a_frame_does_not() {
    let room = Room::new();
    let text = format!("{}\n{}", quote(1, "BTCUSDT", "9", "10"), quote(2, "BTCUSDT", "9", "10"));
    let mut without_end = gzip(&text);
    without_end.truncate(without_end.len() - 8);
    assert_eq!(replay(&[room.file("a.gz", &without_end)]).counters.quotes, 2);
    let mut half = gzip(&text[..text.len() - 3]);
    half.truncate(half.len() - 8);
    let counters = replay(&[room.file("b.gz", &half)]).counters;
    assert_eq!((counters.quotes, counters.malformed, counters.frames), (1, 0, 1));
}

#[test]
fn files_merge_by_time_then_rank_then_line() {
    let room = Room::new();
    let file = |name: &str, times: &[(i64, &str)]| {
        let lines: Vec<_> = times.iter().map(|(ts, bid)| quote(*ts, "BTCUSDT", bid, "99")).collect();
        room.file(name, lines.join("\n"))
    };
    let first = file("z.txt", &[(10, "1"), (20, "2"), (20, "3"), (40, "4")]);
    let second = file("a.txt", &[(5, "5"), (20, "6"), (30, "7")]);
    let third = room.file("empty.txt", "");
    let bids = |files: &[PathBuf]| -> Vec<i64> {
        let bid = |event: &Event| match event.payload {
            libra_kernel::Payload::Quote(quote) => quote.bid / 10,
            _ => 0,
        };
        replay(files).events.iter().map(bid).collect()
    };
    assert_eq!(bids(&[first.clone(), second.clone(), third.clone()]), [5, 1, 2, 3, 6, 7, 4]);
    assert_eq!(bids(&[third, second, first]), [5, 1, 6, 2, 3, 7, 4]);
}

#[test]
fn a_snapshot_before_any_symbol_waits_for_it() {
    let room = Room::new();
    let lines = [snapshot(1), snapshot(2), depth(3, 4, 7, 3)];
    let outcome = replay(&[room.file("early.txt", lines.join("\n"))]);
    assert_eq!(outcome.seen(), [(EventType::OrderBook, 1), (EventType::OrderBook, 2), (EventType::OrderBook, 3)]);
    assert!(outcome.events.iter().all(|event| event.instrument.as_str() == "BTC/USDT:USDT@binanceusdm"));
    assert_eq!(outcome.counters.unsynced_books, 0);
    let alone = replay(&[room.file("alone.txt", snapshot(1))]);
    assert_eq!((alone.counters.malformed, alone.events.len()), (1, 0));
    assert!(alone.at("alone.txt:1").contains("a file that names none"));
}

#[test]
fn a_gap_between_two_files_of_one_instrument_is_seen() {
    let room = Room::new();
    let files = [room.file("1.txt", depth(1, 1, 5, 0)), room.file("2.txt", depth(2, 9, 12, 8))];
    let outcome = replay(&files);
    assert_eq!(outcome.counters.depth_gaps, 1);
    assert!(outcome.at("2.txt:1").contains("depth gap"));
}

#[test]
fn all_files_that_cannot_be_replayed_are_named_at_once() {
    let room = Room::new();
    let good = room.file("good.txt", quote(1, "BTCUSDT", "9", "10"));
    let zip = room.file("a.zip", b"PK\x03\x04....");
    let files = [room.0.path().join("none.gz"), good.clone(), room.0.path().to_owned(), zip];
    let error = ReplaySource::open(&files, listings(), ReplayOptions::default()).err().unwrap();
    let ReplayError::Files(errors) = &error else { panic!("{error}") };
    assert!(matches!(errors.as_slice(), [FileError::Missing(_), FileError::Directory(_), FileError::Format { .. }]));
    let text = error.to_string();
    assert!(
        text.contains("none.gz: no such file") && text.contains("a directory") && text.contains("a zip file"),
        "{text}"
    );
    assert!(matches!(ReplaySource::open(&[], listings(), ReplayOptions::default()), Err(ReplayError::NoFiles)));
    assert!(ReplaySource::open(&[good], listings(), ReplayOptions::default()).is_ok());
}

mod any_file {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// `replay` itself asserts that every frame is counted exactly once.
        #[test]
        fn any_file_is_replayed_or_refused(
            lines in proptest::collection::vec(prop_oneof![
                (0i64..50, 0u8..4).prop_map(|(ts, symbol)| quote(ts, ["BTCUSDT", "XUSDT", "BTCUSD_PERP", ""][usize::from(symbol)], "9", "10")),
                (0i64..50, 0i64..9, 0i64..9).prop_map(|(ts, first, last)| depth(ts, first, last, first - 1)),
                (0i64..50).prop_map(snapshot),
                "\\PC{0,30}",
            ], 0..30),
            cut in any::<Option<proptest::sample::Index>>(),
            zipped in any::<bool>(),
        ) {
            let room = Room::new();
            let text = lines.join("\n");
            let mut bytes = if zipped { gzip(&text) } else { text.into_bytes() };
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            let path = room.file("any", &bytes);
            let outcome = replay(&[path]);
            prop_assert!(outcome.events.is_sorted_by_key(|event| event.ts_ns));
            let expected_truncated = u64::from(zipped && bytes.len() >= 2 && bytes.len() < gzip(&lines.join("\n")).len());
            prop_assert_eq!(outcome.counters.truncated_files, expected_truncated);
        }
    }
}
