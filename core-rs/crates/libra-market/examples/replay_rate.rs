//! How fast recorded files are replayed: `cargo run --release --example replay_rate -- FILE...`, all merged, best of five.

use std::path::PathBuf;
use std::time::Instant;

use libra_market::listing::Listings;
use libra_market::replay::{ReplayError, ReplayOptions, ReplaySource};
use libra_market::source::Source;

const RUNS: u32 = 5;

fn main() -> Result<(), ReplayError> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let mut best = f64::INFINITY;
    let mut frames = 0;
    for _ in 0..RUNS {
        let begun = Instant::now();
        let mut source = ReplaySource::open(&files, Listings::default(), ReplayOptions::default())?;
        while source.next().is_some() {}
        best = best.min(begun.elapsed().as_secs_f64());
        frames = source.counters().frames;
    }
    println!("{frames} frames in {:.1} ms: {:.3} M frames/s", best * 1e3, frames as f64 / best / 1e6);
    Ok(())
}
