//! Every frame of the recorded Binance files becomes one event: counted against a plain search for strings.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use libra_kernel::event::Aggressor;
use libra_kernel::{EventType, Payload};
use libra_market::book::BookUpdate;
use libra_market::listing::{Listing, Listings};
use libra_market::replay::{ReplayOptions, ReplaySource};
use libra_market::source::{Source, SourceCounters};
use libra_market::venue::VenueKind;

/// The recorded files of one folder; `None`, with the reason printed, on a machine without them.
fn recorded(folder: &str) -> Option<Vec<PathBuf>> {
    let shared = std::env::var_os("LIBRA_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared"), PathBuf::from);
    let folder = shared.join("data").join(folder);
    let mut files: Vec<_> = match folder.read_dir() {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(error) => {
            println!("skipped: {}: {error}", folder.display());
            return None;
        }
    };
    files.retain(|path| path.extension().is_some_and(|extension| extension == "gz"));
    files.sort();
    assert!(!files.is_empty(), "{} holds no recorded file", folder.display());
    Some(files)
}

/// Frames by type, told by strings that only frames of that type hold.
fn count_plainly(file: &Path) -> BTreeMap<EventType, u64> {
    let mut counts = BTreeMap::new();
    for line in BufReader::new(MultiGzDecoder::new(File::open(file).unwrap())).lines() {
        let line = line.unwrap();
        let event_type = match &line {
            line if line.contains("\"depthUpdate\"") || line.contains("\"lastUpdateId\"") => EventType::OrderBook,
            line if line.contains("@trade\"") => EventType::Trade,
            line if line.contains("@bookTicker\"") => EventType::Quote,
            line => panic!("no known frame: {line}"),
        };
        *counts.entry(event_type).or_insert(0) += 1;
    }
    counts
}

struct Replayed {
    counts: BTreeMap<EventType, u64>,
    counters: SourceCounters,
    instruments: Vec<String>,
    snapshots: u64,
}

fn replay(files: &[PathBuf], listings: Listings) -> Replayed {
    let mut source = ReplaySource::open(files, listings, ReplayOptions::default()).unwrap();
    let mut counts = BTreeMap::new();
    let (mut last, mut snapshots) = (0, 0);
    while let Some(due) = source.peek_ts_ns() {
        let event = source.next().unwrap();
        assert_eq!(event.ts_ns, due);
        assert!(event.ts_ns >= last, "time went back");
        last = event.ts_ns;
        *counts.entry(event.event_type).or_insert(0) += 1;
        match &event.payload {
            Payload::Quote(quote) => assert!(0 < quote.bid && quote.bid < quote.ask && quote.bid_size > 0),
            Payload::Trade(trade) => {
                assert!(trade.price > 0 && trade.size > 0 && trade.aggressor != Aggressor::Unknown)
            }
            payload => {
                let book: &BookUpdate = payload.downcast().unwrap();
                assert!(book.first_id <= book.last_id && !(book.bids.is_empty() && book.asks.is_empty()));
                snapshots += u64::from(book.snapshot);
            }
        }
    }
    let problems = source.take_problems();
    let told: Vec<_> = problems.iter().filter(|problem| !problem.message.contains("is not listed")).collect();
    assert!(told.is_empty(), "{told:?}");
    let instruments = source.instruments_seen().map(|listing| listing.instrument.to_string()).collect();
    Replayed { counts, counters: source.counters(), instruments, snapshots }
}

fn check(folder: &str, instruments: &[&str], has_snapshots: bool, listed: &[Listing]) {
    let Some(files) = recorded(folder) else { return };
    let mut sum: BTreeMap<EventType, u64> = BTreeMap::new();
    for file in &files {
        let want = count_plainly(file);
        let got = replay(std::slice::from_ref(file), Listings::new(listed.iter().copied()).unwrap());
        assert_eq!(got.counts, want, "{}", file.display());
        assert_eq!(got.instruments.len(), 1);
        assert_eq!(got.snapshots, u64::from(has_snapshots));
        for (event_type, count) in want {
            *sum.entry(event_type).or_insert(0) += count;
        }
    }
    let merged = replay(&files, Listings::new(listed.iter().copied()).unwrap());
    assert_eq!(merged.counts, sum);
    let mut seen = merged.instruments;
    seen.sort();
    assert_eq!(seen, instruments);
    let unsynced = if has_snapshots { 0 } else { instruments.len() as u64 };
    let unlisted = if listed.is_empty() { instruments.len() as u64 } else { 0 };
    let want = SourceCounters {
        frames: sum.values().sum(),
        quotes: sum[&EventType::Quote],
        trades: sum[&EventType::Trade],
        books: sum[&EventType::OrderBook],
        unsynced_books: unsynced,
        unlisted,
        ..SourceCounters::default()
    };
    assert_eq!(merged.counters, want);
}

#[test]
fn usdm_files_give_every_frame_without_a_gap() {
    check("binance-usdm", &["BTC/USDT:USDT@binanceusdm", "ETH/USDT:USDT@binanceusdm"], true, &[]);
}

#[test]
fn usdm_files_fit_the_decimals_of_the_exchange() {
    let usdm = |symbol, venue_symbol, decimals| Listing::new(symbol, VenueKind::BinanceUsdm, venue_symbol, decimals, 3);
    let listed = [usdm("BTC/USDT:USDT", "BTCUSDT", 2), usdm("ETH/USDT:USDT", "ETHUSDT", 2)];
    check("binance-usdm", &["BTC/USDT:USDT@binanceusdm", "ETH/USDT:USDT@binanceusdm"], true, &listed);
}

#[test]
fn spot_files_give_every_frame() {
    check("binance-spot", &["BTC/USDT@binance", "ETH/USDT@binance"], false, &[]);
}

#[test]
fn coinm_files_give_every_frame() {
    check("binance-coinm", &["BTC/USD:BTC@binancecoinm"], false, &[]);
}
