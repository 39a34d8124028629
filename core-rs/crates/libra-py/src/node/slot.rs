//! An actor's place in its node.

use libra_kernel::Name;
use libra_kernel::allowance::Allowance;
use pyo3::prelude::*;

use crate::event::PyEvent;
use crate::handlers::InFlight;
use crate::subscriptions::Subscriptions;

/// No actor has so many handlers of one event type; the limit finds a subscription in a loop.
const MAX_HANDLERS: usize = 10_000;

pub struct Slot {
    pub name: Name,
    pub subscriptions: Subscriptions,
    /// The event whose handlers are under way while one of them is suspended.
    pub flight: Option<InFlight>,
    /// The event that a handler is looking at right now, for what it publishes to be its child.
    pub current: Option<Py<PyEvent>>,
    /// An async handler of it is suspended.
    pub suspended: bool,
    /// How often it is suspended on the node's clock.
    pub sleepers: u32,
    /// It is starting, waits to be started again, or has ended.
    pub paused: bool,
    pub gone: bool,
    /// How much it may publish.
    pub allowance: Allowance,
    /// The `contextvars.Context` of its turns.
    pub context: Option<Py<PyAny>>,
    /// When the kill switch that it pulled in a storm was told last.
    kill_told_ns: Option<i64>,
}

impl Slot {
    pub fn new(name: Name, publish_limit: u32) -> Self {
        Slot {
            name,
            allowance: Allowance::new(publish_limit),
            subscriptions: Subscriptions::new(MAX_HANDLERS),
            flight: None,
            current: None,
            suspended: false,
            sleepers: 0,
            paused: false,
            gone: false,
            context: None,
            kill_told_ns: None,
        }
    }

    pub fn context(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.context.as_ref().map(|context| context.clone_ref(py))
    }

    pub fn may_run(&self) -> bool {
        !self.suspended && !self.paused && !self.gone
    }

    /// True once a second, for an actor that pulls the kill switch while it publishes in a storm.
    pub fn may_tell_kill(&mut self, now_ns: i64) -> bool {
        const SECOND_NS: i64 = 1_000_000_000;
        let is_late = self.kill_told_ns.is_none_or(|told_ns| !(0..SECOND_NS).contains(&now_ns.saturating_sub(told_ns)));
        if is_late {
            self.kill_told_ns = Some(now_ns);
        }
        is_late
    }

    pub fn is_gone(&self) -> bool {
        self.gone
    }
}
