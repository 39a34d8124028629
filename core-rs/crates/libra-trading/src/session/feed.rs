//! Live time: a native thread that plays its sources at the wall clock's pace.
//!
//! For each event it first shows the market to the paper venues, then hands their reports over, then the event: so an
//! order never fills against a market older than what caused it, and a fill never comes after a later price.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use libra_kernel::clock::wall_ns;
use libra_kernel::edge::{EdgeCounters, EdgeSender};
use libra_kernel::{Event, EventType, Name, Payload};
use libra_market::source::{Problem, Source, SourceCounters};

use crate::desk::payload::ReportFor;
use crate::order::VenueReport;
use crate::paper::PaperVenue;

/// The thread looks at its sources at least so often, to notice a stop and to flush its edge.
const LONGEST_SLEEP: Duration = Duration::from_millis(5);

/// What the thread says about itself.
#[derive(Default)]
struct Status {
    counters: Vec<SourceCounters>,
    problems: Vec<Problem>,
    ended: bool,
    /// Instruments whose book some consumer lost.
    lost_books: Vec<Name>,
}

/// A running feed. Dropping it stops the thread.
pub struct Feed {
    stop: Arc<AtomicBool>,
    status: Arc<Mutex<Status>>,
    edge: Arc<EdgeCounters>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Starts the thread. It is there before the desks that submit to its venues, since they have to know whom to wake.
    pub fn spawn(
        sources: Vec<Box<dyn Source>>,
        venues: Vec<(Name, Arc<Mutex<PaperVenue>>)>,
        edge: EdgeSender,
    ) -> std::io::Result<Feed> {
        let stop = Arc::new(AtomicBool::new(false));
        let status = Arc::new(Mutex::new(Status::default()));
        let counters = edge.counters();
        let mut player =
            Player { sources, venues, edge, stop: stop.clone(), status: status.clone(), reports: Vec::new() };
        let thread = std::thread::Builder::new().name("libra-feed".into()).spawn(move || player.play())?;
        Ok(Feed { stop, status, edge: counters, thread: Some(thread) })
    }

    /// Counters of the edge that it hands over through.
    pub fn edge_counters(&self) -> &EdgeCounters {
        &self.edge
    }

    /// What its sources have read, in their order.
    pub fn counters(&self) -> Vec<SourceCounters> {
        self.status().counters.clone()
    }

    /// Problems that nobody has taken yet.
    pub fn take_problems(&self) -> Vec<Problem> {
        std::mem::take(&mut self.status().problems)
    }

    /// Asks the sources for snapshots of books that a consumer lost.
    pub fn request_snapshots(&self, instruments: Vec<Name>) {
        self.status().lost_books.extend(instruments);
    }

    /// True when all sources have ended; what they gave may still stand in the edge.
    pub fn has_ended(&self) -> bool {
        self.status().ended
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the thread; what it has handed over still stands in the edge.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }

    /// The thread, for whoever has to wake it.
    pub fn thread(&self) -> Option<&Thread> {
        self.thread.as_ref().map(JoinHandle::thread)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Player {
    sources: Vec<Box<dyn Source>>,
    venues: Vec<(Name, Arc<Mutex<PaperVenue>>)>,
    edge: EdgeSender,
    stop: Arc<AtomicBool>,
    status: Arc<Mutex<Status>>,
    reports: Vec<VenueReport>,
}

impl Player {
    fn play(&mut self) {
        let mut next_status_ns = 0;
        while !self.stop.load(Ordering::Acquire) {
            let now_ns = wall_ns();
            let due_ns = self.next_source_ns();
            if let Some((ts_ns, rank)) = due_ns.filter(|(ts_ns, _)| *ts_ns <= now_ns) {
                self.play_one(rank, now_ns.max(ts_ns));
            } else {
                self.advance_venues(now_ns);
                self.edge.flush();
                self.ask_for_snapshots();
                if now_ns >= next_status_ns {
                    next_status_ns = now_ns + 50_000_000;
                    self.report_status(due_ns.is_none());
                }
                self.sleep_until(due_ns.map(|(ts_ns, _)| ts_ns));
            }
        }
        let ended = self.next_source_ns().is_none();
        self.report_status(ended);
    }

    fn next_source_ns(&mut self) -> Option<(i64, usize)> {
        let sources = self.sources.iter_mut().enumerate();
        sources.filter_map(|(rank, source)| Some((source.peek_ts_ns()?, rank))).min()
    }

    fn play_one(&mut self, rank: usize, now_ns: i64) {
        let Some(mut event) = self.sources[rank].next() else { return };
        event.ts_ns = now_ns;
        for (_, venue) in &self.venues {
            venue.lock().unwrap_or_else(PoisonError::into_inner).on_market(&event);
        }
        self.advance_venues(now_ns);
        self.edge.send(event);
    }

    fn advance_venues(&mut self, now_ns: i64) {
        for (account, venue) in &self.venues {
            venue.lock().unwrap_or_else(PoisonError::into_inner).advance(now_ns, &mut self.reports);
            for report in self.reports.drain(..) {
                let payload = Payload::shared(ReportFor { account: *account, report });
                self.edge.send(Event::new(EventType::VenueReport, *account, now_ns, payload));
            }
        }
    }

    fn sleep_until(&self, source_ns: Option<i64>) {
        let venues = self.venues.iter();
        let due = venues.filter_map(|(_, venue)| venue.lock().unwrap_or_else(PoisonError::into_inner).next_due_ns());
        let Some(wake_ns) = due.chain(source_ns).min() else {
            return std::thread::park_timeout(LONGEST_SLEEP);
        };
        let left_ns = (wake_ns - wall_ns()).clamp(0, LONGEST_SLEEP.as_nanos() as i64);
        // An order that is submitted meanwhile unparks the thread.
        std::thread::park_timeout(Duration::from_nanos(left_ns as u64));
    }

    fn ask_for_snapshots(&mut self) {
        let mut lost = self.edge.take_lost_books();
        lost.append(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner).lost_books);
        for instrument in lost {
            self.sources.iter_mut().any(|source| source.request_snapshot(instrument));
        }
    }

    fn report_status(&mut self, ended: bool) {
        let counters = self.sources.iter().map(|source| source.counters()).collect();
        let problems: Vec<Problem> = self.sources.iter_mut().flat_map(|source| source.take_problems()).collect();
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.counters = counters;
        status.problems.extend(problems);
        status.ended = ended;
    }
}
