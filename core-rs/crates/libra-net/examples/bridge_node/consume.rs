//! The consumer: takes in what arrives, says what was applied, and keeps what is needed to judge it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libra_kernel::clock::wall_ns;
use libra_kernel::router::RemoteOrigin;
use libra_kernel::{EventType, Lane, Name};
use libra_net::bridge::link::Value as Told;
use serde_json::{Value, json};

use super::{Node, cpu_s};

/// Events taken in before the loop looks around.
const INGEST: usize = 256;
/// When the input has ended and nothing came for so long, nothing comes any more.
const QUIET: Duration = Duration::from_millis(200);

/// When something came first and last, and what the process had used of the processors at first.
struct Span {
    first: Instant,
    last: Instant,
    cpu_s: f64,
}

pub fn run(mut node: Node) -> io::Result<Value> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, waker) = (is_over.clone(), node.waker.clone());
    std::thread::spawn(move || {
        // Whatever the input says or fails with, its end is what counts.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        over.store(true, Ordering::Release);
        waker.signal();
    });
    node.side.shared.own.need(EventType::Trade, Name::NONE);

    let (mut market, mut durable) = (0_u64, 0_u64);
    let (mut waits_ns, mut lags): (Vec<i64>, Vec<(Instant, i64)>) = (Vec::new(), Vec::new());
    let mut places: [Option<RemoteOrigin>; 3] = [None; 3];
    let mut span: Option<Span> = None;
    loop {
        let shared = &node.side.shared;
        let urgent = node.side.inbound.receive_urgent(INGEST, |arrival| {
            waits_ns.push(wall_ns() - arrival.event.ts_ns);
            if let Some(origin) = arrival.origin {
                places[arrival.event.lane() as usize] = Some(origin);
            }
            None
        });
        durable += urgent as u64;
        places.iter_mut().filter_map(Option::take).for_each(|place| shared.put_applied(&[place]));
        let mut newest_ns = 0;
        let taken = node.side.inbound.receive_market(INGEST, |event| newest_ns = event.ts_ns);
        market += taken as u64;
        if taken > 0 {
            lags.push((Instant::now(), wall_ns() - newest_ns));
        }
        shared.take_news();
        if urgent + taken > 0 {
            let now = Instant::now();
            span.get_or_insert_with(|| Span { first: now, last: now, cpu_s: cpu_s() }).last = now;
            continue;
        }
        if is_over.load(Ordering::Acquire) && span.as_ref().is_none_or(|span| span.last.elapsed() > QUIET) {
            break;
        }
        let inbound = &node.side.inbound;
        node.sleep(Duration::from_millis(100), || inbound.is_idle() && !shared.has_news());
    }
    let (seconds, used_s) =
        span.map_or((0.0, 0.0), |span| ((span.last - span.first).as_secs_f64(), cpu_s() - span.cpu_s));
    let counts = node.side.shared.counts(Lane::MarketData);
    let lost = lost(&node.link.report());
    node.link.stop(Duration::from_secs(1));
    waits_ns.sort_unstable();
    Ok(json!({
        "seconds": seconds, "cpu_s": used_s, "market": market, "durable": durable,
        "dropped": counts.dropped_in, "lost": lost, "lag_us": quarters(&lags),
        "p50_us": percentile_us(&waits_ns, 0.5), "p99_us": percentile_us(&waits_ns, 0.99),
        "p999_us": percentile_us(&waits_ns, 0.999),
    }))
}

fn percentile_us(sorted_ns: &[i64], share: f64) -> f64 {
    let at = (sorted_ns.len() as f64 * share) as usize;
    sorted_ns.get(at.min(sorted_ns.len().saturating_sub(1))).map_or(0.0, |&ns| ns as f64 / 1e3)
}

/// The median lag of each quarter of the time.
fn quarters(lags: &[(Instant, i64)]) -> Vec<f64> {
    let (Some(first), Some(last)) = (lags.first(), lags.last()) else { return Vec::new() };
    let whole_s = (last.0 - first.0).as_secs_f64().max(1e-9);
    let quarter = |at: Instant| (((at - first.0).as_secs_f64() / whole_s * 4.0) as usize).min(3);
    (0..4)
        .map(|number| {
            let mut of_it: Vec<i64> = lags.iter().filter(|lag| quarter(lag.0) == number).map(|lag| lag.1).collect();
            of_it.sort_unstable();
            percentile_us(&of_it, 0.5)
        })
        .collect()
}

/// Market events that the way has lost, as the link has counted.
fn lost(report: &Told) -> i64 {
    let Told::Table(parts) = report else { return 0 };
    let part = parts.iter().find(|(name, _)| name == "market_in").map(|(_, part)| part);
    let Some(Told::Table(counts)) = part else { return 0 };
    counts.iter().find(|(name, _)| name == "lost").map_or(0, |(_, count)| match count {
        Told::Number(lost) => *lost,
        _ => 0,
    })
}
