//! Live time: a native thread that plays its sources at the wall clock's pace.
//!
//! For each event it first shows the market to the paper venues, then hands their reports over, then the event: so an
//! order never fills against a market older than what caused it, and a fill never comes after a later price.
//!
//! What keeps the feed itself going (snapshots of lost books, counters, its edge's overflow) is looked after by time, so
//! it is not forgotten where the sources lag.
//!
//! The feed is a native actor. A panic in a source is told as a problem and the feed goes on after a wait: its sources
//! stand where they stood, and so do the venues and what waits at the edge. A source that panics too often ends the feed,
//! as a fatal problem. So does, at once, a panic anywhere else: a venue that was left half way through a fill must not
//! trade on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use libra_kernel::clock::wall_ns;
use libra_kernel::edge::{EdgeCounters, EdgeSender};
use libra_kernel::heartbeat::Heartbeat;
use libra_kernel::native::{Life, NativeActor, NativePolicy, NativeThread};
use libra_kernel::{Event, EventType, Name, Payload};
use libra_market::source::{Problem, Source, SourceCounters};

use crate::desk::payload::ReportFor;
use crate::order::VenueReport;
use crate::paper::PaperVenue;

/// The thread looks at its sources at least so often, to notice a stop and to flush its edge.
const LONGEST_SLEEP: Duration = Duration::from_millis(5);
/// It looks after itself so often, also where a source is always due.
const UPKEEP_EVERY_NS: i64 = 50_000_000;

/// What the thread says about itself.
#[derive(Default)]
struct Status {
    counters: Vec<SourceCounters>,
    problems: Vec<Problem>,
    ended: bool,
    failed: bool,
    /// Instruments whose book some consumer lost.
    lost_books: Vec<Name>,
}

/// A running feed. Dropping it stops the thread.
pub struct Feed {
    status: Arc<Mutex<Status>>,
    edge: Arc<EdgeCounters>,
    /// Held while an event is taken from a source and sent; false for never again.
    plays: Arc<Mutex<bool>>,
    thread: NativeThread,
}

impl Feed {
    /// Starts the thread. It is there before the desks that submit to its venues, since they have to know whom to wake.
    pub fn spawn(
        sources: Vec<Box<dyn Source>>,
        venues: Vec<(Name, Arc<Mutex<PaperVenue>>)>,
        edge: EdgeSender,
        policy: NativePolicy,
    ) -> std::io::Result<Feed> {
        let status = Arc::new(Mutex::new(Status::default()));
        let counters = edge.counters();
        let plays = Arc::new(Mutex::new(true));
        let player = Player {
            sources,
            venues,
            edge,
            status: status.clone(),
            plays: plays.clone(),
            reports: Vec::new(),
            asked: None,
        };
        Ok(Feed { status, edge: counters, plays, thread: NativeThread::spawn("libra-feed", policy, player)? })
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

    /// True when all sources have ended, or the feed has failed; what they gave may still stand in the edge.
    pub fn has_ended(&self) -> bool {
        self.status().ended
    }

    /// True when a panic ended the thread: nothing more comes from its sources, and no venue's time goes on. A fatal
    /// problem tells why.
    pub fn has_failed(&self) -> bool {
        self.status().failed
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a panic has restarted it.
    pub fn restarts(&self) -> u64 {
        self.thread.restarts()
    }

    /// Its heartbeat, for the guard; `None` when it was stopped.
    pub fn heartbeat(&self) -> Option<&Arc<Heartbeat>> {
        self.thread.heartbeat()
    }

    /// Nothing more comes from its sources, not even once, when this returns. Its venues' time goes on until
    /// [`Feed::stop`], so what they were sent is still answered.
    pub fn stop_sources(&mut self) {
        *self.plays.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// Ends the thread; what it has sent, all of it, still stands in the edge.
    pub fn stop(&mut self) {
        self.thread.stop();
    }

    /// The thread, for whoever has to wake it.
    pub fn thread(&self) -> Option<&Thread> {
        self.thread.thread()
    }
}

struct Player {
    sources: Vec<Box<dyn Source>>,
    venues: Vec<(Name, Arc<Mutex<PaperVenue>>)>,
    edge: EdgeSender,
    status: Arc<Mutex<Status>>,
    plays: Arc<Mutex<bool>>,
    reports: Vec<VenueReport>,
    /// The rank of the source that is being asked for something.
    asked: Option<usize>,
}

impl NativeActor for Player {
    fn run(&mut self, life: &Life) {
        let mut next_upkeep_ns = 0;
        while !life.is_stopping() {
            life.beat();
            let now_ns = wall_ns();
            let due_ns = self.next_source_ns();
            if now_ns >= next_upkeep_ns {
                next_upkeep_ns = now_ns.saturating_add(UPKEEP_EVERY_NS);
                self.look_after(due_ns.is_none());
            }
            let is_due = |(ts_ns, _): &(i64, usize)| *ts_ns <= now_ns;
            if let Some((ts_ns, rank)) = due_ns.filter(is_due)
                && self.play_one(rank, now_ns.max(ts_ns))
            {
                continue;
            }
            self.advance_venues(now_ns);
            self.edge.flush();
            // A source that is due and may not play any more is nothing to wake up for.
            self.sleep_until(life, due_ns.filter(|due| !is_due(due)).map(|(ts_ns, _)| ts_ns));
        }
        let ended = self.next_source_ns().is_none();
        self.look_after(ended);
    }

    /// A source may be asked again; a venue, an edge or the feed itself may be half way through something.
    fn recover(&mut self, _panic: &str) -> bool {
        self.asked.is_some()
    }

    fn restarting(&mut self, panic: &str, restart: u64, wait: Duration) {
        let message =
            format!("panicked, and is asked again after {} ms (restart {restart}): {panic}", wait.as_millis());
        let place = self.place();
        // What it has sent and could not be handed over must not wait for the restart.
        self.edge.flush();
        self.asked = None;
        self.lock_status().problems.push(Problem { place, message, fatal: false });
    }

    fn give_up(mut self, panic: &str) {
        let place = self.place();
        let message = format!("panicked, so the feed has ended with all its sources: {panic}");
        // The other sources still have their counters to tell; a source that panics again has nothing to add.
        let _ = catch_unwind(AssertUnwindSafe(|| self.report_status(false)));
        let Player { status, edge, .. } = self;
        let waker = edge.waker();
        // Hands over what waits before the end is told.
        drop(edge);
        let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
        status.problems.push(Problem { place, message, fatal: true });
        status.failed = true;
        status.ended = true;
        drop(status);
        waker.signal();
    }
}

impl Player {
    /// Where it was when it panicked.
    fn place(&self) -> String {
        self.asked.map_or("feed".to_owned(), |rank| format!("feed, source {}", rank + 1))
    }

    fn lock_status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_after(&mut self, sources_ended: bool) {
        // The consumer sees what stands in the edge, not what still waits in front of it.
        let all_sent = self.edge.flush();
        self.ask_for_snapshots();
        self.report_status(sources_ended && all_sent);
    }

    fn next_source_ns(&mut self) -> Option<(i64, usize)> {
        let mut first = None;
        for (rank, source) in self.sources.iter_mut().enumerate() {
            self.asked = Some(rank);
            if let Some(ts_ns) = source.peek_ts_ns() {
                first = Some(first.map_or((ts_ns, rank), |first| (ts_ns, rank).min(first)));
            }
        }
        self.asked = None;
        first
    }

    /// Takes the next event of a source and sends it; false when that is over.
    fn play_one(&mut self, rank: usize, now_ns: i64) -> bool {
        let plays = Arc::clone(&self.plays);
        let plays = plays.lock().unwrap_or_else(PoisonError::into_inner);
        if !*plays {
            return false;
        }
        self.asked = Some(rank);
        let event = self.sources[rank].next();
        self.asked = None;
        let Some(mut event) = event else { return true };
        event.ts_ns = now_ns;
        for (_, venue) in &self.venues {
            venue.lock().unwrap_or_else(PoisonError::into_inner).on_market(now_ns, &event);
        }
        self.advance_venues(now_ns);
        self.edge.send(event);
        true
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

    fn sleep_until(&self, life: &Life, source_ns: Option<i64>) {
        let venues = self.venues.iter();
        let due = venues.filter_map(|(_, venue)| venue.lock().unwrap_or_else(PoisonError::into_inner).next_due_ns());
        let Some(wake_ns) = due.chain(source_ns).min() else {
            return life.sleep(LONGEST_SLEEP);
        };
        let left_ns = (wake_ns - wall_ns()).clamp(0, LONGEST_SLEEP.as_nanos() as i64);
        // An order that is submitted meanwhile unparks the thread.
        life.sleep(Duration::from_nanos(left_ns as u64));
    }

    fn ask_for_snapshots(&mut self) {
        let mut lost = self.edge.take_lost_books();
        lost.append(&mut self.lock_status().lost_books);
        for instrument in lost {
            for (rank, source) in self.sources.iter_mut().enumerate() {
                self.asked = Some(rank);
                if source.request_snapshot(instrument) {
                    break;
                }
            }
        }
        self.asked = None;
    }

    fn report_status(&mut self, ended: bool) {
        let mut counters = Vec::with_capacity(self.sources.len());
        let mut problems = Vec::new();
        for (rank, source) in self.sources.iter_mut().enumerate() {
            self.asked = Some(rank);
            counters.push(source.counters());
            problems.append(&mut source.take_problems());
        }
        self.asked = None;
        let mut status = self.lock_status();
        status.counters = counters;
        status.problems.extend(problems);
        let has_just_ended = ended && !std::mem::replace(&mut status.ended, ended);
        drop(status);
        if has_just_ended {
            // No queue tells of an end: the loop may have looked for one, and be about to sleep.
            self.edge.waker().signal();
        }
    }
}

#[cfg(test)]
mod tests;
