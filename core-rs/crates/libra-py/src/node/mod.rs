//! The native side of a node: its router, the slots of its actors, its timers and its guard.
//!
//! - [`slot`] — an actor's place: handlers, what is under way, whether it may run; [`places`] — how it comes and goes;
//! - [`subscribing`], [`publishing`], [`timing`] — what actors ask of the node; [`voice`] — what it says of itself;
//! - [`letters`] — what could not be delivered;
//! - [`inputs`] — where its market data comes from; [`account`] — the desks of its account groups;
//! - [`operate`] — what an operator asks of a desk;
//! - [`run`] — the simulated run (inputs are pulled) and the live one (inputs come through an edge);
//! - [`dispatch`] — the loop that calls handlers, urgent lanes of all actors first; [`batch`] — events that are handed over
//!   together; [`steps`] — handlers that are awaited; [`context`] — what each actor's code sets for itself;
//! - [`recent`] — what is remembered of recent events;
//! - [`guarding`] — the guard, and [`witness`], its eyes inside the interpreter; [`counting`] — what is reported;
//! - this file — the node itself, and what an engine asks of it.

mod account;
mod batch;
mod context;
mod counting;
mod dispatch;
mod guarding;
pub mod inputs;
pub mod letters;
mod operate;
mod places;
mod publishing;
mod recent;
mod run;
mod slot;
mod steps;
mod subscribing;
mod timing;
mod voice;
mod witness;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use libra_kernel::edge::EdgeReceiver;
use libra_kernel::guard::Guard;
use libra_kernel::letters::Letters;
use libra_kernel::mailbox::Capacity;
use libra_kernel::native::NativePolicy;
use libra_kernel::recent::Intake;
use libra_kernel::router::Router;
use libra_kernel::timers::Timers;
use libra_kernel::wake::Waker;
use libra_kernel::{Event, Name, clock, forks};
use libra_trading::desk::Desk;
use libra_trading::gate::GateEvent;
use libra_trading::paper::PaperVenue;
use libra_trading::session::{Feed, Inputs};
use pyo3::exceptions::{PyIndexError, PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::bridge::attached::Attached;
use crate::gil::GilCell;
use recent::Recording;
use run::Pace;
use slot::Slot;
pub use witness::Interruption;

/// Events that a lane of an actor's mailbox holds in a live node, unless its configuration says otherwise.
const LANE_CAPACITY: usize = 65_536;

/// What only the holder of the GIL touches.
pub struct State {
    pub router: Router,
    pub slots: Vec<Slot>,
    pub timers: Timers,
    pub draining: bool,
    /// A simulated run gave the loop back while mailboxes were not empty: nothing but the run may go on.
    pub mid_drain: bool,
    /// SIGINT is the guard's: a `KeyboardInterrupt` was raised by somebody's code.
    pub takes_interrupts: bool,
    /// Facts of accounts come from desks alone: there is an account here, or in a node that this one is joined to.
    pub facts_are_reserved: bool,
    /// Who is built on this has its voice.
    pub voice_is_taken: bool,
    /// An actor asked its node for something that has to be done before the next input.
    pub interrupted: bool,
    /// Async handlers that were called and have to be awaited by their actor's task.
    pub suspended: Vec<(usize, Py<PyAny>)>,
    /// Actors with a batch that has gathered and no event left that would bring their turn.
    pub owing: VecDeque<usize>,
    pub lane_capacity: Capacity,
    /// Events a second that an actor may publish, for those that are added from now on; 0 for no limit.
    pub publish_limit: u32,
    pub letters: Letters,
    pub native_policy: NativePolicy,
    /// Called with (slot, exception, event) when a handler raised; with None for an event where what was published did not
    /// end in time.
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
    /// What joins the node to others.
    pub bridge: Option<Box<Attached>>,
    /// Called with (id, answer, refusal) when an answer of another node came.
    pub on_answer: Option<Py<PyAny>>,
    /// How much is remembered of recent events, where anything is.
    pub recording: Option<Recording>,
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
    /// The thread of the guard's witness.
    pub witness: GilCell<Option<JoinHandle<()>>>,
    /// How a handler is ended whose time is over.
    pub interruption: GilCell<Option<Arc<Interruption>>>,
    pub simulated: bool,
    /// What waits to be exported, by writer.
    pub intakes: Mutex<Vec<Intake>>,
    /// The process that made it: see [`forks::life`].
    pub life: u32,
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
            mid_drain: false,
            takes_interrupts: false,
            interrupted: false,
            facts_are_reserved: false,
            voice_is_taken: false,
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
            bridge: None,
            on_answer: None,
            recording: None,
            lane_capacity: if simulated { Capacity::Unbounded } else { Capacity::PerLane(lane_capacity) },
            publish_limit: 0,
            letters: Letters::default(),
            native_policy: NativePolicy::default(),
        };
        Ok(NodeCore {
            state: GilCell::new(state),
            waker: Arc::new(waker),
            guard: GilCell::new(None),
            witness: GilCell::new(None),
            interruption: GilCell::new(None),
            simulated,
            intakes: Mutex::default(),
            life: forks::remembered(),
        })
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
        let on_answer = state.on_answer.take();
        let suspended = std::mem::take(&mut state.suspended);
        let slots = state.slots.iter_mut();
        let held: Vec<_> = slots
            .map(|slot| (slot.subscriptions.take_all(py), slot.flight.take(), slot.current.take(), slot.context.take()))
            .collect();
        drop(state);
        drop((on_failure, on_answer, suspended, held));
        self.detach_bridge(py);
    }

    /// Makes a simulated run come back before its next input: an actor asked for something.
    fn interrupt(&self, py: Python<'_>) {
        self.state.borrow(py).interrupted = true;
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

    /// True in the middle of an instant of simulated time: mailboxes are not empty, so nothing but the run may go on.
    #[getter]
    fn is_mid_drain(&self, py: Python<'_>) -> bool {
        self.state.borrow(py).mid_drain
    }

    /// Wakes the loop.
    fn signal(&self) {
        self.waker.signal();
    }
}

impl NodeCore {
    fn is_idle(&self, state: &mut State) -> bool {
        // What finds no room goes when a thread has made some: that wakes the loop.
        state.router.flush_remote();
        state.suspended.is_empty()
            && state.bridge.as_ref().is_none_or(|bridge| bridge.is_idle())
            && state.edges.iter().all(EdgeReceiver::is_empty)
            && state.owing.is_empty()
            && (0..state.slots.len()).all(|id| !state.slots[id].may_run() || state.router.mailbox(id).is_empty())
    }
}

fn slot_of(slots: &mut [Slot], slot: usize) -> PyResult<&mut Slot> {
    slots.get_mut(slot).ok_or_else(|| PyIndexError::new_err(format!("no actor has slot {slot}")))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NodeCore>()?;
    module.add_class::<voice::NodeVoice>()?;
    module.add_class::<run::Progress>()?;
    module.add_class::<steps::Steps>()?;
    module.add_class::<letters::DeadLetter>()?;
    module.add_class::<recent::EventNote>()?;
    // What Python sees of a panic: for those that have to tell a fault of ours from a user's.
    module.add("PanicException", module.py().get_type::<pyo3::panic::PanicException>())?;
    module.add_class::<account::AccountGroup>()
}
