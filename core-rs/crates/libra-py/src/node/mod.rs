//! The native side of a node: its router, the slots of its actors, its timers and its guard.
//!
//! - [`slot`] — an actor's place: handlers, what is under way, whether it may run;
//! - [`inputs`] — where its market data comes from; [`account`] — the desks of its account groups;
//! - [`run`] — the simulated run (inputs are pulled) and the live one (inputs come through an edge);
//! - [`dispatch`] — the loop that calls handlers, urgent lanes of all actors first; [`batch`] — events that are handed over
//!   together; [`steps`] — handlers that are awaited;
//! - this file — what Python's `libra.core.node` asks of it.

mod account;
mod batch;
mod dispatch;
pub mod inputs;
mod run;
mod slot;
mod steps;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use libra_kernel::edge::EdgeReceiver;
use libra_kernel::guard::Guard;
use libra_kernel::mailbox::Capacity;
use libra_kernel::router::{LaneTotals, Router, lane_totals};
use libra_kernel::timers::{Timers, Wakes};
use libra_kernel::wake::Waker;
use libra_kernel::{Event, EventType, Lane, Name, clock};
use libra_trading::desk::Desk;
use libra_trading::gate::GateEvent;
use libra_trading::paper::PaperVenue;
use libra_trading::session::{Feed, Inputs};
use pyo3::exceptions::{PyIndexError, PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::bus::batch_style;
use crate::enums;
use crate::event::{self, PyEvent};
use crate::gil::GilCell;
use crate::handlers::{Style, Wanted};
use crate::payload;
use run::Pace;
use slot::Slot;

/// Events that a lane of an actor's mailbox holds in a live node, unless its configuration says otherwise.
const LANE_CAPACITY: usize = 65_536;

/// What only the holder of the GIL touches.
pub struct State {
    pub router: Router,
    pub slots: Vec<Slot>,
    pub timers: Timers,
    pub draining: bool,
    /// An actor asked its node for something that has to be done before the next input.
    pub interrupted: bool,
    /// Async handlers that were called and have to be awaited by their actor's task.
    pub suspended: Vec<(usize, Py<PyAny>)>,
    /// Actors with a batch that has gathered and no event left that would bring their turn.
    pub owing: VecDeque<usize>,
    pub lane_capacity: Capacity,
    /// Called with (slot, exception, event) when a handler raised.
    pub on_failure: Option<Py<PyAny>>,
    /// Events to be dropped outside a borrow.
    pub garbage: Vec<Event>,
    /// Sources of a simulated run; of a live one until its feed takes them.
    pub inputs: Inputs,
    pub desks: Vec<Desk>,
    /// Decimals of the listed instruments.
    pub listed: HashMap<Name, (u8, u8)>,
    /// What desks have to publish again, by desk.
    pub again: Vec<(usize, Vec<GateEvent>)>,
    /// Paper venues by their accounts.
    pub venues: Vec<(Name, Arc<Mutex<PaperVenue>>)>,
    pub feed: Option<Feed>,
    pub edges: Vec<EdgeReceiver>,
    pub pace: Pace,
}

impl State {
    /// True while some actor's handler is suspended on anything but the node's clock, or has not begun.
    fn is_suspended(&self) -> bool {
        !self.suspended.is_empty() || self.slots.iter().any(|slot| slot.suspended && slot.sleepers == 0 && !slot.gone)
    }
}

#[pyclass(frozen, subclass, module = "libra_core")]
pub struct NodeCore {
    pub state: GilCell<State>,
    pub waker: Arc<Waker>,
    pub guard: GilCell<Option<Guard>>,
    pub simulated: bool,
}

#[pymethods]
impl NodeCore {
    /// `simulated` runs on simulated time: nothing is dropped, and what is published goes into a digest.
    #[new]
    #[pyo3(signature = (*, simulated, lane_capacity=LANE_CAPACITY))]
    fn new(simulated: bool, lane_capacity: usize) -> PyResult<Self> {
        if lane_capacity == 0 {
            return Err(PyValueError::new_err("lane_capacity has to be at least 1"));
        }
        let waker = Waker::new().map_err(|error| PyOSError::new_err(error.to_string()))?;
        let mut router = Router::new();
        if simulated {
            router.start_digest();
        }
        let state = State {
            router,
            slots: Vec::new(),
            timers: Timers::default(),
            draining: false,
            interrupted: false,
            suspended: Vec::new(),
            on_failure: None,
            garbage: Vec::new(),
            owing: VecDeque::new(),
            inputs: Inputs::default(),
            desks: Vec::new(),
            listed: HashMap::new(),
            again: Vec::new(),
            venues: Vec::new(),
            feed: None,
            edges: Vec::new(),
            pace: Pace::default(),
            lane_capacity: if simulated { Capacity::Unbounded } else { Capacity::PerLane(lane_capacity) },
        };
        Ok(NodeCore { state: GilCell::new(state), waker: Arc::new(waker), guard: GilCell::new(None), simulated })
    }

    /// Takes signals over natively and starts the thread that ends a process which does not drain in time.
    fn install_guard(&self, py: Python<'_>, drain_timeout_s: f64, signals: bool) -> PyResult<()> {
        let drain_ns = (drain_timeout_s.clamp(0.0, 86_400.0) * 1e9) as i64;
        let guard = Guard::install(self.waker.clone(), drain_ns, signals)
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        *self.guard.borrow(py) = Some(guard);
        Ok(())
    }

    /// Who supervises: called with (slot, exception, event) when a handler raised.
    fn set_on_failure(&self, py: Python<'_>, call: Py<PyAny>) {
        let previous = self.state.borrow(py).on_failure.replace(call);
        drop(previous);
    }

    /// The run is over: lets go of every handler, which hold the node that holds this. What was counted stays.
    fn release(&self, py: Python<'_>) {
        let mut state = self.state.borrow(py);
        let on_failure = state.on_failure.take();
        let suspended = std::mem::take(&mut state.suspended);
        let slots = state.slots.iter_mut();
        let held: Vec<_> =
            slots.map(|slot| (slot.subscriptions.take_all(py), slot.flight.take(), slot.current.take())).collect();
        drop(state);
        drop((on_failure, suspended, held));
    }

    /// Gives signals back and ends the guard's thread.
    fn remove_guard(&self, py: Python<'_>) {
        let guard = self.guard.borrow(py).take();
        py.detach(|| drop(guard));
    }

    /// The signal that asked for a stop, or None.
    fn stop_signal(&self, py: Python<'_>) -> Option<i32> {
        self.guard.borrow(py).as_ref().and_then(Guard::stop_signal)
    }

    /// From now on the guard counts the time of the drain.
    fn begin_drain(&self, py: Python<'_>) {
        if let Some(guard) = &*self.guard.borrow(py) {
            guard.begin_drain();
        }
    }

    /// All actors have stopped: what is left of the drain is the disk's, which may take this long.
    fn extend_drain(&self, py: Python<'_>, seconds: f64) {
        if let Some(guard) = &*self.guard.borrow(py) {
            guard.extend_drain((seconds.clamp(0.0, 86_400.0) * 1e9) as i64);
        }
    }

    /// Makes a simulated run come back before its next input: an actor asked for something.
    fn interrupt(&self, py: Python<'_>) {
        self.state.borrow(py).interrupted = true;
    }

    /// Adds an actor; gives the number of its slot. One that is `decisive` decides whether a command (a signal, a request)
    /// is taken; an observer without room only misses it.
    #[pyo3(signature = (name, *, decisive=false))]
    fn add_actor(&self, py: Python<'_>, name: &str, decisive: bool) -> usize {
        let mut state = self.state.borrow(py);
        let capacity = state.lane_capacity;
        let id = state.router.add_mailbox(capacity);
        if decisive {
            state.router.set_decisive(id);
        }
        state.slots.push(Slot::new(Name::intern(name)));
        id
    }

    /// Subscribes an actor; `instruments` empty means all of them, `payload` calls the handler with the payload alone,
    /// `batch` with a list (True) or a block of market data. ValueError for a batch of anything else.
    #[pyo3(signature = (slot, event_type, handler, *, instruments=Vec::new(), payload=false, batch=None))]
    #[allow(clippy::too_many_arguments, reason = "a subscription says that much, most of it by keyword")]
    fn subscribe(
        &self,
        py: Python<'_>,
        slot: usize,
        event_type: &Bound<'_, PyAny>,
        handler: Py<PyAny>,
        instruments: Vec<String>,
        payload: bool,
        batch: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let event_type = enums::event_type_of(event_type)?;
        let batch = batch_style(py, event_type, batch)?;
        if batch.is_some() && event_type.lane() != Lane::MarketData {
            return Err(PyValueError::new_err(format!(
                "an actor gathers market data only: {} is handled one by one",
                event_type.name()
            )));
        }
        let instruments: Vec<Name> = instruments.iter().map(|name| Name::intern(name)).collect();
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        let wanted = Wanted {
            event_type,
            call: handler,
            filter: None,
            instruments: instruments.clone(),
            style: batch.unwrap_or(if payload { Style::Payload } else { Style::Event }),
        };
        let id = slot_of(&mut state.slots, slot)?.subscriptions.subscribe(wanted)?;
        if instruments.is_empty() {
            state.router.subscribe(slot, event_type, Name::NONE);
        }
        for instrument in instruments {
            state.router.subscribe(slot, event_type, instrument);
        }
        Ok(id)
    }

    /// Takes a subscription of an actor back.
    fn unsubscribe(&self, py: Python<'_>, slot: usize, subscription_id: &str) -> PyResult<bool> {
        let handler = {
            let mut state = self.state.borrow(py);
            let state = &mut *state;
            let subscriptions = &mut slot_of(&mut state.slots, slot)?.subscriptions;
            let handler = subscriptions.unsubscribe(py, subscription_id);
            if let Some(handler) = &handler {
                for (event_type, instrument) in subscriptions.no_longer_wanted(handler) {
                    state.router.unsubscribe(slot, event_type, instrument);
                }
            }
            handler
        };
        Ok(handler.is_some())
    }

    /// Takes all handlers of an actor out, and leaves the router's subscriptions as they are: what comes meanwhile waits
    /// for the instance that is started next.
    fn unsubscribe_all_handlers(&self, py: Python<'_>, slot: usize) -> PyResult<()> {
        let handlers = slot_of(&mut self.state.borrow(py).slots, slot)?.subscriptions.take_all(py);
        drop(handlers);
        Ok(())
    }

    /// Takes all subscriptions of an actor back.
    fn unsubscribe_all(&self, py: Python<'_>, slot: usize) -> PyResult<()> {
        let ids = slot_of(&mut self.state.borrow(py).slots, slot)?.subscriptions.ids();
        for id in ids {
            self.unsubscribe(py, slot, &id)?;
        }
        Ok(())
    }

    /// Publishes an event of an actor: a child of the event that it is handling, or a root. False when a subscriber
    /// refused it.
    #[pyo3(signature = (slot, event_type, payload=None, instrument=None))]
    fn emit(
        &self,
        slot: usize,
        event_type: &Bound<'_, PyAny>,
        payload: Option<&Bound<'_, PyAny>>,
        instrument: Option<&str>,
    ) -> PyResult<bool> {
        let py = event_type.py();
        let Some((parent, source)) = self.origin(py, slot)? else { return Ok(false) };
        let mut event = event::make(parent.as_ref(), event_type, source.as_str(), payload)?;
        if let Some(instrument) = instrument {
            event.instrument = Name::intern(instrument);
        }
        Ok(self.publish_native(py, event))
    }

    /// Publishes an event as it is.
    fn publish(&self, event: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(event) = event.cast::<PyEvent>() else {
            return Err(PyTypeError::new_err(format!("an Event is published, not {}", event.repr()?)));
        };
        Ok(self.publish_native(event.py(), event.get().to_kernel(event.py())))
    }

    /// Puts an event into one actor's mailbox: a message. False when it was refused, or the actor is no more.
    #[pyo3(signature = (slot, event_type, source_slot, payload=None))]
    fn send(
        &self,
        slot: usize,
        event_type: &Bound<'_, PyAny>,
        source_slot: Option<usize>,
        payload: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let py = event_type.py();
        let (parent, source) = match source_slot {
            Some(source) => match self.origin(py, source)? {
                Some(origin) => origin,
                None => return Ok(false),
            },
            None => (None, Name::intern("outside")),
        };
        let event = event::make(parent.as_ref(), event_type, source.as_str(), payload)?;
        if self.simulated {
            payload::prepare(py, &event);
        }
        let mut state = self.state.borrow(py);
        if slot_of(&mut state.slots, slot)?.is_gone() {
            return Ok(false);
        }
        let taken = state.router.send(slot, event);
        self.wake(&state);
        Ok(taken)
    }

    /// Sets a timer of an actor; gives its id. In simulated time it is due on the simulation's clock.
    #[pyo3(signature = (slot, delay_ns, interval_ns=0, sleeper=false))]
    fn set_timer(&self, py: Python<'_>, slot: usize, delay_ns: i64, interval_ns: i64, sleeper: bool) -> PyResult<u64> {
        let mut state = self.state.borrow(py);
        let place = slot_of(&mut state.slots, slot)?;
        if place.is_gone() {
            return Ok(0);
        }
        place.sleepers += u32::from(sleeper);
        let wakes = if sleeper { Wakes::Sleeper(slot) } else { Wakes::Mailbox(slot) };
        let due_ns = clock::now_ns().saturating_add(delay_ns.max(0));
        let id = state.timers.set(due_ns, interval_ns.max(0), wakes);
        self.wake(&state);
        Ok(id)
    }

    fn cancel_timer(&self, py: Python<'_>, id: u64) -> bool {
        self.state.borrow(py).timers.cancel(id)
    }

    /// A sleeping handler was woken by something else than its timer.
    fn cancel_sleeper(&self, py: Python<'_>, slot: usize, id: u64) -> PyResult<bool> {
        let mut state = self.state.borrow(py);
        let cancelled = state.timers.cancel(id);
        if cancelled {
            let place = slot_of(&mut state.slots, slot)?;
            place.sleepers = place.sleepers.saturating_sub(1);
        }
        Ok(cancelled)
    }

    /// An async hook outside the mailbox (a start, a stop) runs in the actor's task: its events wait until
    /// [`NodeCore::resume`].
    ///
    /// False, and nothing done, when a handler is suspended there already.
    fn hold(&self, py: Python<'_>, slot: usize) -> PyResult<bool> {
        let mut state = self.state.borrow(py);
        let place = slot_of(&mut state.slots, slot)?;
        let free = !place.suspended;
        place.suspended = true;
        Ok(free)
    }

    /// Tells the guard whose code runs outside a handler (a start, a stop); None for nobody's.
    #[pyo3(signature = (slot=None))]
    fn note_running_slot(&self, py: Python<'_>, slot: Option<usize>) -> PyResult<()> {
        let name = match slot {
            Some(slot) => slot_of(&mut self.state.borrow(py).slots, slot)?.name,
            None => Name::NONE,
        };
        if let Some(guard) = &*self.guard.borrow(py) {
            guard.set_running(name);
        }
        Ok(())
    }

    /// Takes back all timers of an actor; its sleepers are woken by whoever put them to sleep.
    fn cancel_timers(&self, py: Python<'_>, slot: usize) -> PyResult<()> {
        let mut state = self.state.borrow(py);
        state.timers.cancel_all_of(slot);
        slot_of(&mut state.slots, slot)?.sleepers = 0;
        Ok(())
    }

    /// Nanoseconds until the next timer is due, or None.
    fn until_timer_ns(&self, py: Python<'_>) -> Option<i64> {
        let mut state = self.state.borrow(py);
        let venues = state.desks.iter().filter_map(Desk::next_due_ns).min();
        let due_ns = state.timers.next_due_ns().into_iter().chain(venues).min()?;
        Some((due_ns - clock::now_ns()).max(0))
    }

    /// Puts due timers into mailboxes, and lets paper venues that this loop drives act; gives the ids of timers that wake
    /// a sleeper.
    fn fire_timers(&self, py: Python<'_>) -> Vec<u64> {
        let mut state = self.state.borrow(py);
        let (state, now_ns) = (&mut *state, clock::now_ns());
        for desk in &mut state.desks {
            if desk.next_due_ns().is_some_and(|due_ns| due_ns <= now_ns) {
                desk.advance(&mut state.router, now_ns);
            }
        }
        self.fire_due(state, now_ns)
    }

    /// Lets an actor run, or not: while it is paused, its mailbox only takes in.
    fn set_paused(&self, py: Python<'_>, slot: usize, paused: bool) -> PyResult<()> {
        let mut state = self.state.borrow(py);
        slot_of(&mut state.slots, slot)?.paused = paused;
        if !paused {
            state.leave(py, slot);
            self.wake(&state);
        }
        Ok(())
    }

    /// The actor is no more: its timers end, what waits for it is thrown away; gives the messages among that.
    fn remove_actor(&self, py: Python<'_>, slot: usize) -> PyResult<Vec<Py<PyAny>>> {
        self.unsubscribe_all(py, slot)?;
        self.cancel_timers(py, slot)?;
        let (events, flight) = {
            let mut state = self.state.borrow(py);
            let place = slot_of(&mut state.slots, slot)?;
            place.gone = true;
            let flight = place.flight.take();
            let events: Vec<Event> = std::iter::from_fn(|| state.router.mailbox(slot).take_dropped()).collect();
            (events, flight)
        };
        drop(flight);
        let messages = events.iter().filter(|event| event.event_type == EventType::Message);
        messages.map(|event| crate::payload::to_python(py, event)).collect()
    }

    /// The event that an actor is handling.
    fn current(&self, py: Python<'_>, slot: usize) -> PyResult<Option<Py<PyEvent>>> {
        Ok(slot_of(&mut self.state.borrow(py).slots, slot)?.current.as_ref().map(|event| event.clone_ref(py)))
    }

    #[getter]
    fn fileno(&self) -> i32 {
        self.waker.fd()
    }

    #[getter]
    fn is_simulated(&self) -> bool {
        self.simulated
    }

    /// The time on the node's clock, nanoseconds since the epoch.
    fn now_ns(&self) -> i64 {
        clock::now_ns()
    }

    /// True when the loop may sleep: no event waits for an actor that may run, and whoever brings one wakes the loop.
    fn park(&self, py: Python<'_>) -> bool {
        self.waker.park(|| self.is_idle(&mut self.state.borrow(py)))
    }

    fn unpark(&self) {
        self.waker.unpark();
    }

    /// Wakes the loop.
    fn signal(&self) {
        self.waker.signal();
    }

    /// Events that wait for an actor, all lanes.
    fn waiting(&self, py: Python<'_>, slot: usize) -> PyResult<usize> {
        let mut state = self.state.borrow(py);
        slot_of(&mut state.slots, slot)?;
        Ok(state.router.mailbox(slot).len())
    }

    /// The digest of what was published so far; None in a live node.
    fn digest(&self, py: Python<'_>) -> Option<String> {
        self.state.borrow(py).router.digest_hex()
    }

    /// Adds something that is no event to the digest: the configuration of the run.
    fn digest_blob(&self, py: Python<'_>, bytes: &[u8]) {
        self.state.borrow(py).router.digest_blob(bytes);
    }

    /// Counts of the router and the lanes.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (stats, totals, offered, lost) = {
            let state = self.state.borrow(py);
            let totals: Vec<LaneTotals> = Lane::ALL.iter().map(|lane| lane_totals(&state.router, *lane)).collect();
            (state.router.stats(), totals, self.offered(&state), self.lost(&state))
        };
        let events = PyDict::new(py);
        for event_type in EventType::ALL {
            let count = stats.events.get(event_type).copied().unwrap_or(0) + offered[*event_type as usize];
            if count != 0 {
                events.set_item(event_type.name(), count)?;
            }
        }
        let lanes = PyDict::new(py);
        for lane in Lane::ALL {
            let i = lane as usize;
            let LaneTotals { delivered, dispatched, dropped, conflated, waiting } = totals[i];
            let (lost, replaced, coming) = lost[i];
            let row = PyDict::new(py);
            // What an edge lost or still holds was published as well: each event counts once, at its source.
            row.set_item("published", stats.published[i] + lost + replaced + coming)?;
            row.set_item("delivered", delivered + lost + replaced + coming + stats.missed[i])?;
            row.set_item("dispatched", dispatched)?;
            row.set_item("dropped", dropped + lost + stats.missed[i])?;
            row.set_item("conflated", conflated + replaced)?;
            row.set_item("waiting", waiting + coming)?;
            row.set_item("refused", stats.refused[i])?;
            lanes.set_item(lane.name(), row)?;
        }
        let counts = PyDict::new(py);
        counts.set_item("events", events)?;
        counts.set_item("lanes", lanes)?;
        Ok(counts)
    }
}

impl NodeCore {
    /// The event that an actor is handling, and its name: where what it makes comes from. None for an actor that is no
    /// more, whose tasks may still run: it has no say.
    fn origin(&self, py: Python<'_>, slot: usize) -> PyResult<Option<(Option<Event>, Name)>> {
        let mut state = self.state.borrow(py);
        let slot = slot_of(&mut state.slots, slot)?;
        if slot.is_gone() {
            return Ok(None);
        }
        Ok(Some((slot.current.as_ref().map(|event| event.get().event().clone()), slot.name)))
    }

    pub fn publish_native(&self, py: Python<'_>, event: Event) -> bool {
        if self.simulated {
            payload::prepare(py, &event);
        }
        let mut state = self.state.borrow(py);
        let state = &mut *state;
        if event.event_type == EventType::CircuitBreaker {
            // Every account is latched before the event fans out: what waits in a mailbox comes too late to leave.
            for desk in &mut state.desks {
                desk.kill_for(&mut state.router, clock::now_ns(), event.source);
            }
        }
        let taken = state.router.publish(event);
        self.wake(state);
        taken
    }

    /// Wakes the loop, unless it is the one that is publishing.
    pub fn wake(&self, state: &State) {
        if !state.draining {
            self.waker.notify();
        }
    }

    fn is_idle(&self, state: &mut State) -> bool {
        state.suspended.is_empty()
            && state.edges.iter().all(EdgeReceiver::is_empty)
            && state.owing.is_empty()
            && (0..state.slots.len()).all(|id| !state.slots[id].may_run() || state.router.mailbox(id).is_empty())
    }

    pub fn fire_due(&self, state: &mut State, now_ns: i64) -> Vec<u64> {
        let mut sleepers = Vec::new();
        while let Some((fired, wakes)) = state.timers.pop_due(now_ns) {
            match wakes {
                Wakes::Mailbox(slot) => {
                    if state.slots[slot].gone {
                        continue;
                    }
                    let source = state.slots[slot].name;
                    let payload = libra_kernel::Payload::shared(fired);
                    state.router.send(slot, Event::new(EventType::Timer, source, now_ns, payload));
                }
                Wakes::Sleeper(slot) => {
                    state.slots[slot].sleepers = state.slots[slot].sleepers.saturating_sub(1);
                    sleepers.push(fired.id);
                }
            }
        }
        sleepers
    }

    /// Events that native sources offered through edges, by type number: counted there, once, at their source.
    fn offered(&self, state: &State) -> Vec<u64> {
        let types = EventType::ALL.iter().map(|t| *t as usize).max().unwrap_or(0) + 1;
        let mut offered = vec![0; types];
        for edge in &state.edges {
            for &event_type in EventType::ALL {
                if event_type != EventType::VenueReport {
                    offered[event_type as usize] += edge.counters().offered(event_type);
                }
            }
        }
        offered
    }

    /// Events that were (dropped, conflated) before they came through an edge, by lane.
    fn lost(&self, state: &State) -> [(u64, u64, u64); 4] {
        Lane::ALL.map(|lane| {
            state.edges.iter().fold((0, 0, 0), |sum, edge| {
                let (dropped, conflated) = edge.counters().lost(lane);
                (sum.0 + dropped, sum.1 + conflated, sum.2 + edge.waiting(lane))
            })
        })
    }
}

fn slot_of(slots: &mut [Slot], slot: usize) -> PyResult<&mut Slot> {
    slots.get_mut(slot).ok_or_else(|| PyIndexError::new_err(format!("no actor has slot {slot}")))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NodeCore>()?;
    module.add_class::<run::Progress>()?;
    module.add_class::<steps::Steps>()?;
    module.add_class::<account::AccountGroup>()
}
