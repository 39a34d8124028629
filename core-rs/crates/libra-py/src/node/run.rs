//! The two ways a node runs: simulated, where inputs are pulled, and live, where a feed pushes them through an edge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use libra_kernel::clock::{self, monotonic_ns};
use libra_kernel::edge::edge;
use libra_kernel::native::NativePolicy;
use libra_kernel::{EventType, ids};
use libra_trading::desk::payload::ReportFor;
use libra_trading::session::{Feed, Turn};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

use super::dispatch::Budget;
use super::{NodeCore, State};

/// Events that the edge from the feed holds.
const EDGE_CAPACITY: usize = 16_384;
/// Events taken in from each edge before handlers run.
const INGEST: usize = 256;

/// How far a simulated run got, and why it gave the loop back.
#[pyclass(frozen, get_all, module = "libra_core")]
pub struct Progress {
    /// `ended`, `busy` (in the middle of a drain), `budget`, `suspended`, `paced` or `until`.
    why: &'static str,
    /// With `paced`: seconds until the next input is due on the wall clock.
    wait_s: f64,
    /// What the tasks of actors with suspended handlers have to await.
    suspended: Vec<(usize, Py<PyAny>)>,
    /// Ids of timers that wake a sleeping handler.
    woken: Vec<u64>,
}

#[pymethods]
impl NodeCore {
    /// Puts this thread on simulated time, with ids from `seed`.
    fn enter_simulation(&self, py: Python<'_>, seed: u64, start_ns: i64) -> PyResult<()> {
        if clock::is_simulated() {
            return Err(PyRuntimeError::new_err("another simulated node runs on this thread"));
        }
        ids::seed(seed);
        clock::set_simulated(start_ns);
        self.state.borrow(py).pace.reset();
        Ok(())
    }

    /// Puts this thread back on the wall clock.
    fn leave_simulation(&self) {
        clock::set_live();
        ids::unseed();
    }

    /// When the first input of the sources is due, or None without one.
    fn first_input_ns(&self, py: Python<'_>) -> Option<i64> {
        let mut state = self.state.borrow(py);
        state.inputs.sources().iter_mut().filter_map(|source| source.peek_ts_ns()).min()
    }

    /// Goes on with a simulated run: takes inputs and runs handlers for at most `time_us`, not beyond `until_ns` on the
    /// simulation's clock. `speed` is simulated seconds a second, 0 for as fast as possible.
    #[pyo3(signature = (time_us, until_ns=None, speed=0.0))]
    fn simulate(&self, py: Python<'_>, time_us: u64, until_ns: Option<i64>, speed: f64) -> PyResult<Progress> {
        let started = Instant::now();
        let limit = Duration::from_micros(time_us);
        loop {
            self.heed_alarms(&mut self.state.borrow(py));
            let elapsed = started.elapsed();
            let mut budget = Budget::new(usize::MAX, limit.saturating_sub(elapsed));
            self.drain_ready(py, &mut budget)?;
            self.state.borrow(py).mid_drain = budget.is_spent();
            if budget.is_spent() {
                // Nobody else may run before all mailboxes are empty: how long handlers take must decide nothing. So what
                // is suspended is not handed out yet.
                return Ok(Progress { why: "busy", wait_s: 0.0, suspended: Vec::new(), woken: Vec::new() });
            }
            let mut state = self.state.borrow(py);
            let state = &mut *state;
            if std::mem::take(&mut state.interrupted) || state.is_suspended() {
                return Ok(self.progress_of(state, "suspended", 0.0, Vec::new()));
            }
            if elapsed >= limit {
                return Ok(self.progress_of(state, "budget", 0.0, Vec::new()));
            }
            let timer_ns = state.timers.next_due_ns();
            let next = state.inputs.next(&state.desks, timer_ns);
            // Timers alone keep no run going. (A source's or a venue's turn says by itself that there is a market.)
            let goes_on = |(_, turn): &(i64, Turn)| *turn != Turn::Timers || state.inputs.has_market(&state.desks);
            let Some((ts_ns, turn)) = next.filter(goes_on) else {
                return Ok(self.progress_of(state, "ended", 0.0, Vec::new()));
            };
            if until_ns.is_some_and(|until_ns| ts_ns > until_ns) {
                return Ok(self.progress_of(state, "until", 0.0, Vec::new()));
            }
            if let Some(wait_s) = state.pace.wait_s(ts_ns, speed) {
                return Ok(self.progress_of(state, "paced", wait_s, Vec::new()));
            }
            if turn == Turn::Timers {
                clock::set_simulated(ts_ns);
                let woken = self.fire_due(state, ts_ns);
                if !woken.is_empty() {
                    return Ok(self.progress_of(state, "suspended", 0.0, woken));
                }
            } else {
                state.inputs.take_turn(turn, ts_ns, &mut state.desks, &mut state.router);
            }
        }
    }

    /// Ends a simulated run on its clock: nothing more comes in, timers up to `ts_ns` are not fired.
    fn set_simulated_time(&self, ts_ns: i64) {
        clock::set_simulated(ts_ns.max(clock::now_ns()));
    }

    /// Starts the thread that plays the sources at the wall clock's pace, before any account is opened.
    fn start_feed(&self, py: Python<'_>) -> PyResult<()> {
        let mut state = self.state.borrow(py);
        let (sender, receiver) = edge(EDGE_CAPACITY, self.waker.clone());
        let sources = state.inputs.take();
        let venues = state.venues.iter().map(|(account, venue)| (*account, Arc::clone(venue))).collect();
        let feed = Feed::spawn(sources, venues, sender, state.native_policy)
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        if let (Some(guard), Some(heartbeat)) = (&*self.guard.borrow(py), feed.heartbeat()) {
            guard.listen_to(heartbeat);
        }
        state.feed = Some(feed);
        state.edges.push(receiver);
        Ok(())
    }

    /// How often a panic may restart a native thread: so often within `period_s`, after waits that double.
    fn set_native_restarts(
        &self,
        py: Python<'_>,
        max_restarts: usize,
        period_s: f64,
        backoff_s: f64,
        max_backoff_s: f64,
    ) {
        let span = |seconds: f64| Duration::from_secs_f64(seconds.clamp(0.0, 1e9));
        self.state.borrow(py).native_policy = NativePolicy {
            max_restarts,
            period: span(period_s),
            backoff: span(backoff_s),
            max_backoff: span(max_backoff_s),
        };
    }

    /// How often a panic has restarted a native thread.
    #[getter]
    fn native_restarts(&self, py: Python<'_>) -> u64 {
        self.state.borrow(py).feed.as_ref().map_or(0, Feed::restarts)
    }

    /// Nothing more comes from the feed's sources; its paper venues still answer what they were sent.
    fn stop_sources(&self, py: Python<'_>) {
        let Some(mut feed) = self.state.borrow(py).feed.take() else { return };
        // It may be sending an event, and wait for nothing of this thread.
        py.detach(|| feed.stop_sources());
        self.state.borrow(py).feed = Some(feed);
    }

    /// Stops the feed; what it has handed over is still taken in.
    fn stop_feed(&self, py: Python<'_>) {
        let Some(mut feed) = self.state.borrow(py).feed.take() else { return };
        py.detach(|| feed.stop());
        self.state.borrow(py).feed = Some(feed);
    }

    /// True when all sources of a live node have ended.
    fn feed_ended(&self, py: Python<'_>) -> bool {
        let mut state = self.state.borrow(py);
        match &state.feed {
            Some(feed) => feed.has_ended() && state.edges.iter().all(|edge| edge.is_empty()),
            // What is joined to others gets its inputs from them.
            None => state.bridge.is_none() && state.inputs.sources().is_empty(),
        }
    }

    /// Takes in what native threads handed over, and routes it. Gives the number of events.
    fn ingest(&self, py: Python<'_>) -> PyResult<usize> {
        let taken = self.take_in(py);
        self.hand_out_answers(py)?;
        Ok(taken)
    }
}

impl NodeCore {
    fn take_in(&self, py: Python<'_>) -> usize {
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        self.heed_alarms(state);
        let (mut taken, desks, router) = (0, &mut state.desks, &mut state.router);
        let now_ns = clock::now_ns();
        for edge in &mut state.edges {
            taken += edge.receive(INGEST, |event| {
                if event.event_type == EventType::VenueReport {
                    if let Some(told) = event.payload.downcast::<ReportFor>()
                        && let Some(desk) = desks.iter_mut().find(|desk| desk.name() == told.account)
                    {
                        desk.on_report(router, event.ts_ns, &told.report);
                    }
                    return;
                }
                for desk in desks.iter_mut() {
                    desk.on_market(router, now_ns, &event);
                }
                router.deliver(event);
            });
        }
        taken += state.ingest_remote();
        let lost = state.router.take_lost_books();
        if let (Some(feed), false) = (&state.feed, lost.is_empty()) {
            feed.request_snapshots(lost);
        }
        taken
    }

    fn progress_of(&self, state: &mut State, why: &'static str, wait_s: f64, woken: Vec<u64>) -> Progress {
        Progress { why, wait_s, suspended: std::mem::take(&mut state.suspended), woken }
    }
}

/// Ties simulated time to the wall clock.
#[derive(Default)]
pub struct Pace {
    /// (simulated, monotonic) time of the first input.
    start: Option<(i64, i64)>,
}

impl Pace {
    fn reset(&mut self) {
        self.start = None;
    }

    /// Seconds until an input of simulated time `ts_ns` is due, if it is not yet.
    fn wait_s(&mut self, ts_ns: i64, speed: f64) -> Option<f64> {
        if speed <= 0.0 {
            return None;
        }
        let now_ns = monotonic_ns();
        let (first_ns, start_ns) = *self.start.get_or_insert((ts_ns, now_ns));
        let due_ns = (ts_ns - first_ns) as f64 / speed;
        let left_s = (due_ns - (now_ns - start_ns) as f64) / 1e9;
        (left_s > 0.000_05).then_some(left_s)
    }
}
