//! The node's side of its bridge: what arrives goes to the router, and what was applied goes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use libra_kernel::router::{Delivery, Excused, RemoteOrigin};
use libra_kernel::{Event, EventType, Name, Payload, SharedPayload, clock};
use libra_net::bridge::news::{Board, News, NewsKind};
use libra_net::bridge::{Arrival, Inbound, NodeSide, Shared};
use libra_trading::desk::payload::Notice;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::{mail, news};
use crate::node::{NodeCore, State};
use crate::payload::{self, PyPayload};

/// Events taken in of each urgent lane, and of market data, before handlers run.
const INGEST: usize = 256;

/// What a node keeps of its bridge.
pub struct Attached {
    pub shared: Arc<Shared>,
    inbound: Inbound,
    places: Vec<RemoteOrigin>,
    /// Answers to asks, for those who wait.
    pub answers: Vec<Arc<dyn SharedPayload>>,
    /// Market events whose amounts do not fit the decimals that this node lists.
    misfits: u64,
    /// Messages to actors that are not here, and events of MESSAGE that carry none.
    pub undeliverable: u64,
    /// The news that were published, for whoever writes the log.
    pub told: Board,
    /// The nodes that are there.
    pub up: BTreeSet<Box<str>>,
}

/// What the node counted about its bridge.
#[derive(Default)]
pub struct BridgeCounts {
    pub unapplied: usize,
    pub stuck: usize,
    pub ignored: u64,
    pub misfits: u64,
    pub undeliverable: u64,
    /// By actor: events that it has not done, and that are acknowledged all the same.
    pub excused: Vec<(Name, usize)>,
    pub excusals: u64,
}

impl Attached {
    /// True when there is nothing to take in that could be delivered.
    pub fn is_idle(&self) -> bool {
        self.inbound.is_idle() && !self.shared.has_news()
    }
}

impl NodeCore {
    pub fn may_have_bridge(&self, py: Python<'_>) -> PyResult<()> {
        if self.simulated {
            return Err(PyValueError::new_err("a node on simulated time has no bridge: its inputs are pulled"));
        }
        match self.state.borrow(py).bridge {
            Some(_) => Err(PyValueError::new_err("the node has a bridge already")),
            None => Ok(()),
        }
    }

    /// From now on the node is joined to others.
    pub fn attach_bridge(&self, py: Python<'_>, side: NodeSide) {
        let mut state = self.state.borrow(py);
        let NodeSide { outbound, inbound, shared } = side;
        self.record_departures(&state, &shared);
        for desk in &mut state.desks {
            desk.set_bridge(shared.state.clone());
            shared.own_accounts.add(desk.name());
        }
        state.router.set_remote(Box::new(outbound));
        state.bridge = Some(Box::new(Attached {
            shared,
            inbound,
            places: Vec::new(),
            answers: Vec::new(),
            misfits: 0,
            undeliverable: 0,
            told: Board::default(),
            up: BTreeSet::new(),
        }));
        self.wake(&state);
    }

    /// The node is joined no more. What arrived and was not taken in stays with the bridge.
    pub fn detach_bridge(&self, py: Python<'_>) {
        let (sink, bridge) = {
            let mut state = self.state.borrow(py);
            (state.router.take_remote(), state.bridge.take())
        };
        drop((sink, bridge));
    }

    /// Hands over what found no room, and what was applied.
    pub fn flush_bridge(&self, py: Python<'_>) {
        let mut state = self.state.borrow(py);
        state.router.flush_remote();
        state.report_applied();
    }

    /// The news that were published since the last call.
    pub fn bridge_news(&self, py: Python<'_>) -> Vec<News> {
        let state = self.state.borrow(py);
        let Some(bridge) = &state.bridge else { return Vec::new() };
        if bridge.told.has_news() { bridge.told.take().into() } else { Vec::new() }
    }

    pub fn bridge_counts(&self, py: Python<'_>) -> BridgeCounts {
        let state = self.state.borrow(py);
        let Some(bridge) = &state.bridge else { return BridgeCounts::default() };
        BridgeCounts {
            unapplied: state.router.unapplied(),
            stuck: bridge.inbound.stuck(),
            ignored: state.router.stats().ignored,
            misfits: bridge.misfits,
            undeliverable: bridge.undeliverable,
            excused: state.router.excused().map(|of| (state.slots[of.mailbox].name, of.events)).collect(),
            excusals: state.router.excusals(),
        }
    }

    /// Encodes an event's payload where it is an object of Python that another node wants. Whoever publishes calls it outside
    /// of any borrow: it runs Python.
    pub fn encode_if_leaving(&self, py: Python<'_>, event: &Event) -> PyResult<()> {
        let Some(object) = payload::unencoded(event) else { return Ok(()) };
        let leaves = self.state.borrow(py).bridge.as_ref().is_some_and(|bridge| bridge.shared.wants(event));
        match (leaves, event.event_type) {
            (false, _) => Ok(()),
            // Nothing that somebody says with it may keep the kill switch from leaving.
            (true, EventType::CircuitBreaker) => object.encode_or_describe(py),
            (true, _) => object.encode(py),
        }
    }
}

impl State {
    /// Takes in what came from other nodes, and routes it. Gives the number of events.
    pub fn ingest_remote(&mut self) -> usize {
        // Taken out while the rest of the state is needed; nothing below comes back here.
        let Some(mut bridge) = self.bridge.take() else { return 0 };
        self.router.flush_remote();
        let mut taken = 0;
        if bridge.shared.has_news() {
            for told in bridge.shared.take_news() {
                bridge.told.put(told.clone());
                match told.kind {
                    NewsKind::NodeUp => _ = bridge.up.insert(told.node.clone()),
                    NewsKind::NodeDown | NewsKind::NodeLeft | NewsKind::NodeReplaced | NewsKind::NodeMissing => {
                        _ = bridge.up.remove(&told.node)
                    }
                    _ => {}
                }
                self.router.publish(news::event(bridge.shared.node(), told));
                taken += 1;
            }
        }
        if self.router.is_tracking() {
            taken += self.excuse_held(&bridge);
        }
        let Attached { inbound, answers, undeliverable, misfits, shared, .. } = &mut *bridge;
        taken += inbound.receive_urgent(INGEST, |Arrival { event, origin }| {
            let delivery = match event.event_type {
                EventType::Message => mail::route(self, shared.node(), answers, undeliverable, event, origin),
                _ => self.take_in(event, origin),
            };
            match delivery {
                Delivery::NoRoom(event) => Some(Arrival { event, origin }),
                Delivery::Taken | Delivery::Ignored => None,
            }
        });
        // No account sees it: one is priced by the market of its own process. Out there anyone may have said it.
        taken += inbound.receive_market(INGEST, |event| {
            // A price in other decimals would be another price.
            let Ok(event) = self.in_listed_decimals(event) else {
                *misfits += 1;
                return;
            };
            self.take_in(event, None);
        });
        self.bridge = Some(bridge);
        self.report_applied();
        taken
    }

    /// What an actor holds back for too long is acknowledged without it, and told: by an event and for the log. Gives the number of
    /// events.
    fn excuse_held(&mut self, bridge: &Attached) -> usize {
        let shared = &bridge.shared;
        let longest_ns = shared.longest_held_ns();
        let excused = self.router.excuse_held(u64::try_from(clock::monotonic_ns()).unwrap_or_default(), longest_ns);
        for Excused { mailbox, events } in &excused {
            let address = format!("{}/{}", shared.node(), self.slots[*mailbox].name.as_str());
            let detail = format!(
                "what the others here have done waited {:?} for it. Should this node die, what the actor has not done is lost to it, \
                 with what comes until it goes on",
                Duration::from_nanos(longest_ns)
            );
            let count = *events as u64;
            let news = News { count, detail: detail.into(), ..News::of_node(NewsKind::ActorExcused, &address) };
            bridge.told.put(news.clone());
            self.router.publish(news::event(shared.node(), news));
        }
        excused.len()
    }

    fn take_in(&mut self, mut event: Event, origin: Option<RemoteOrigin>) -> Delivery {
        // An account's notice that it is latched is about that one alone; only a request for the kill switch is for all.
        let asks = event.event_type == EventType::CircuitBreaker && event.payload.downcast::<Notice>().is_none();
        if asks && !self.router.has_come(origin) {
            // As where one is published here: every account is latched before the event fans out.
            self.latch_all(event.source, event.ts_ns);
        }
        if let Payload::Shared(shared) = &event.payload
            && let Some(arrived) = PyPayload::arrived(shared)
        {
            event.payload = Payload::shared(arrived);
        }
        self.router.deliver_remote(event, origin)
    }

    /// Tells the bridge what has been applied since the last time.
    #[inline]
    pub fn report_applied(&mut self) {
        if self.router.has_applied()
            && let Some(bridge) = &mut self.bridge
        {
            self.router.take_applied(&mut bridge.places);
            bridge.shared.put_applied(&bridge.places);
            bridge.places.clear();
        }
    }

    /// The slot of an actor that is still there.
    pub fn slot_named(&self, actor: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.name.as_str() == actor && !slot.is_gone())
    }

    /// A dead letter of an actor that is not here.
    pub fn note_unknown(&mut self, actor: &str, event: &Event) {
        self.note_letter(libra_kernel::letters::Reason::Gone, Name::intern(actor), Some(event));
    }
}
