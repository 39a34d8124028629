//! A node's bridge, as Python sees it: what joins it to other nodes.
//!
//! - [`attached`] — the node's side: what arrives goes to its router, what was applied goes back;
//! - [`mail`] — messages to and from actors of other nodes; [`news`] — what the bridge tells the node;
//! - [`loopback`] — two nodes of one process, joined without a server;
//! - this file — the `Bridge` object: starting, stopping, counting.

pub mod attached;
mod loopback;
pub mod mail;
pub mod news;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libra_kernel::Lane;
use libra_net::bridge::Shared;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::node::NodeCore;
use loopback::Joined;

/// What joins one node to others.
#[pyclass(frozen, module = "libra_core")]
pub struct Bridge {
    core: Py<NodeCore>,
    shared: Arc<Shared>,
    joined: Arc<Mutex<Joined>>,
    /// Which of the two nodes it is.
    side: usize,
}

#[pymethods]
impl Bridge {
    /// Two nodes of one process, joined without a server: for tests and benchmarks. Each node gets its bridge, under the name
    /// that addresses its actors. What is to move is moved by `pump`, or by a thread once either bridge was started.
    ///
    /// `credits` is how many durable events may be on their way each way; `market` and `arrivals` how many events of market
    /// data and of each urgent lane the queues hold. ValueError for a node that has a bridge or is simulated.
    #[staticmethod]
    #[pyo3(signature = (core_a, core_b, names=("a".into(), "b".into()), *, credits=65_536, market=16_384, arrivals=4_096))]
    fn pair(
        py: Python<'_>,
        core_a: Py<NodeCore>,
        core_b: Py<NodeCore>,
        names: (String, String),
        credits: usize,
        market: usize,
        arrivals: usize,
    ) -> PyResult<(Bridge, Bridge)> {
        let ([a, b], joined) = loopback::join(py, [&core_a, &core_b], names, [credits, market, arrivals])?;
        let joined = Arc::new(Mutex::new(joined));
        Ok((
            Bridge { core: core_a, shared: a, joined: joined.clone(), side: 0 },
            Bridge { core: core_b, shared: b, joined, side: 1 },
        ))
    }

    /// The node's name.
    #[getter]
    fn node(&self) -> &str {
        self.shared.node()
    }

    /// Starts the threads. Nothing where they run.
    fn start(&self) -> PyResult<()> {
        self.joined().start()
    }

    /// Moves what is there to move, where no thread does; gives how much that was.
    fn pump(&self, py: Python<'_>) -> usize {
        py.detach(|| self.joined().pump())
    }

    /// Waits until what left the node has been applied, at most so long, stops the threads, and lets go of the node. Gives the
    /// last `stats`.
    #[pyo3(signature = (timeout_s=0.0))]
    fn stop<'py>(&self, py: Python<'py>, timeout_s: f64) -> PyResult<Bound<'py, PyDict>> {
        self.core.get().flush_bridge(py);
        py.detach(|| loopback::settle(&self.joined, self.side, timeout_s));
        let stats = self.stats(py)?;
        py.detach(|| self.joined().stop());
        self.core.get().detach_bridge(py);
        Ok(stats)
    }

    /// What was counted: see the stub file for the shape.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let lanes = PyDict::new(py);
        for lane in Lane::ALL {
            let counts = self.shared.counts(lane);
            let row = PyDict::new(py);
            for (name, count) in [
                ("sent", counts.sent),
                ("refused", counts.refused),
                ("unwanted", counts.unwanted),
                ("dropped", counts.dropped),
                ("conflated", counts.conflated),
                ("arrived", counts.arrived),
                ("dropped_in", counts.dropped_in),
                ("conflated_in", counts.conflated_in),
            ] {
                row.set_item(name, count)?;
            }
            lanes.set_item(lane.name(), row)?;
        }
        let stats = PyDict::new(py);
        stats.set_item("node", self.shared.node())?;
        stats.set_item("peers", self.shared.peers().iter().map(|peer| peer.to_string()).collect::<Vec<_>>())?;
        stats.set_item("lanes", lanes)?;
        stats.set_item("credits", self.shared.credits.limit())?;
        stats.set_item("credits_in_use", self.shared.credits.in_use())?;
        stats.set_item("outbox", self.joined().unapplied(self.side))?;
        stats.set_item("lost_news", self.shared.lost_news())?;
        let here = self.core.get().bridge_counts(py);
        stats.set_item("unapplied", here.unapplied)?;
        stats.set_item("stuck", here.stuck)?;
        stats.set_item("ignored", here.ignored)?;
        stats.set_item("misfits", here.misfits)?;
        stats.set_item("undeliverable", here.undeliverable)?;
        Ok(stats)
    }
}

impl Bridge {
    fn joined(&self) -> MutexGuard<'_, Joined> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Bridge>()?;
    module.add_class::<mail::PyMail>()?;
    module.add_class::<news::BridgeNews>()
}
