//! Recorded USD-M frames: the book syncs over the inline snapshot, has no gap, and holds what a tree of levels holds.
//! Skipped, with the reason printed, where the recorded data is missing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use libra_kernel::fixed::parse_units;
use libra_market::book::{BookOutcome, BookUpdate, L2Book, Level};
use simd_json::prelude::*;

fn shared() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared");
    std::env::var_os("LIBRA_SHARED").map_or_else(beside, PathBuf::from)
}

/// The depth frame in a recorded line, if it is one. Prices have two decimals, sizes three.
fn depth_frame(line: &str) -> Option<BookUpdate> {
    let mut json = line.split_once(' ')?.1.as_bytes().to_vec();
    let value = simd_json::to_borrowed_value(&mut json).ok()?;
    let data = value.get("data").unwrap_or(&value);
    let levels = |key: &str| -> Option<Vec<Level>> {
        let level = |pair: &simd_json::BorrowedValue<'_>| {
            let text = |at: usize| pair.get_idx(at)?.as_str();
            Some(Level {
                price: parse_units(text(0)?.as_bytes(), 2).ok()?,
                size: parse_units(text(1)?.as_bytes(), 3).ok()?,
            })
        };
        data.get(key)?.as_array()?.iter().map(level).collect()
    };
    let id = |key: &str| data.get(key).and_then(|id| id.as_i64());
    if let Some(last) = id("lastUpdateId") {
        let (bids, asks) = (levels("bids")?, levels("asks")?);
        return Some(BookUpdate {
            snapshot: true,
            first_id: last,
            last_id: last,
            previous_id: -1,
            ts_venue_ns: 0,
            bids,
            asks,
        });
    }
    (data.get("e")?.as_str()? == "depthUpdate").then_some(())?;
    Some(BookUpdate {
        snapshot: false,
        first_id: id("U")?,
        last_id: id("u")?,
        previous_id: id("pu")?,
        ts_venue_ns: 0,
        bids: levels("b")?,
        asks: levels("a")?,
    })
}

#[test]
fn recorded_books_sync_and_stay_synced() {
    let folder = shared().join("data/binance-usdm");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: no recorded data in {}", folder.display());
        return;
    };
    let mut seen = 0;
    for file in files {
        let path = file.unwrap().path();
        let lines = BufReader::new(flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap())).lines();
        let (mut book, mut outcomes) = (L2Book::new(), BTreeMap::new());
        let (mut bids, mut asks, mut snapshot_id) = (BTreeMap::new(), BTreeMap::new(), None);
        let mut early = Vec::new();
        for update in lines.map_while(Result::ok).filter_map(|line| depth_frame(&line)) {
            *outcomes.entry(format!("{:?}", book.apply(&update))).or_insert(0) += 1;
            let mut set = |update: &BookUpdate| {
                for (tree, levels) in [(&mut bids, &update.bids), (&mut asks, &update.asks)] {
                    for level in levels {
                        tree.insert(level.price, level.size);
                    }
                    tree.retain(|_, size| *size > 0);
                }
            };
            if update.snapshot {
                snapshot_id = Some(update.last_id);
                set(&update);
                early.iter().filter(|delta: &&BookUpdate| delta.last_id >= update.last_id).for_each(&mut set);
            } else if snapshot_id.is_some() {
                set(&update);
            } else {
                early.push(update);
                continue;
            }
            assert!(book.is_synced());
        }
        let levels = |(price, size): (&i64, &i64)| Level { price: *price, size: *size };
        assert!(book.bids().eq(bids.iter().rev().map(levels)) && book.asks().eq(asks.iter().map(levels)));
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        println!("{name}: {outcomes:?}, {:?} levels", book.depth());
        assert!(!outcomes.contains_key(&format!("{:?}", BookOutcome::Gap)), "{name}: {outcomes:?}");
        assert!(outcomes[&format!("{:?}", BookOutcome::Applied)] > 5_000 && early.len() >= 5);
        seen += 1;
    }
    assert!(seen > 0);
}
