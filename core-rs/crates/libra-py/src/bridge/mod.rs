//! A node's bridge, as Python sees it: what joins it to other nodes.
//!
//! - [`attached`] — the node's side: what arrives goes to its router, what was applied goes back;
//! - [`mail`] — messages to and from actors of other nodes; [`news`] — what the bridge tells the node;
//! - [`linked`] — joined to others by a Redis or Valkey; [`loopback`] — two nodes of one process, joined without a server;
//! - this file — the `Bridge` object: starting, stopping, counting.

pub mod attached;
mod linked;
mod loopback;
pub mod mail;
pub mod news;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libra_kernel::Lane;
use libra_net::bridge::Shared;
use libra_net::bridge::link::Link;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::node::NodeCore;
use loopback::Joined;

/// What joins one node to others.
#[pyclass(frozen, module = "libra_core")]
pub struct Bridge {
    core: Py<NodeCore>,
    shared: Arc<Shared>,
    way: Way,
}

/// By what.
enum Way {
    /// Nothing but memory; the side is which of the two nodes it is.
    Pair(Arc<Mutex<Joined>>, usize),
    /// A server.
    Linked(Box<Mutex<Link>>),
}

#[pymethods]
impl Bridge {
    /// Joins a node to others by a Redis or Valkey, once it is started; what it publishes before waits. The settings are those of
    /// `[bridge]`, with `node`, `nodes`, `url` and `password`: see the stub file.
    ///
    /// ValueError for settings that make no bridge, and for a node that has one or is simulated.
    #[new]
    fn new(py: Python<'_>, core: Py<NodeCore>, settings: &Bound<'_, PyDict>) -> PyResult<Bridge> {
        core.get().may_have_bridge(py)?;
        let (side, link) = linked::link(settings, core.get().waker.clone())?;
        let shared = side.shared.clone();
        core.get().attach_bridge(py, side);
        Ok(Bridge { core, shared, way: Way::Linked(Box::new(Mutex::new(link))) })
    }

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
            Bridge { core: core_a, shared: a, way: Way::Pair(joined.clone(), 0) },
            Bridge { core: core_b, shared: b, way: Way::Pair(joined, 1) },
        ))
    }

    /// The node's name.
    #[getter]
    fn node(&self) -> &str {
        self.shared.node()
    }

    /// Starts the threads. Nothing where they run.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        match &self.way {
            Way::Pair(joined, _) => lock(joined).start(),
            Way::Linked(link) => self.core.get().start_link(py, &mut lock(link)),
        }
    }

    /// The news that were published since the last call, for the log.
    fn news(&self, py: Python<'_>) -> Vec<news::BridgeNews> {
        self.core.get().bridge_news(py).into_iter().map(|news| news::BridgeNews { news }).collect()
    }

    /// Hands over what waits at the loop's end; `leave` needs it from time to time.
    fn flush(&self, py: Python<'_>) {
        self.core.get().flush_bridge(py);
    }

    /// Waits until what left the node has been applied, at most so long, and stops the threads: what `stop` does first, for a
    /// thread that is not the loop's.
    fn leave(&self, py: Python<'_>, timeout_s: f64) {
        let timeout = Duration::try_from_secs_f64(timeout_s).unwrap_or_default();
        py.detach(|| match &self.way {
            Way::Pair(joined, side) => {
                loopback::settle(joined, *side, timeout_s);
                lock(joined).stop();
            }
            Way::Linked(link) => lock(link).stop(timeout),
        });
    }

    /// Moves what is there to move, where no thread does; gives how much that was.
    fn pump(&self, py: Python<'_>) -> usize {
        match &self.way {
            Way::Pair(joined, _) => py.detach(|| lock(joined).pump()),
            Way::Linked(_) => 0,
        }
    }

    /// Waits until what left the node has been applied, at most so long, stops the threads, and lets go of the node. Gives the
    /// last `stats`.
    #[pyo3(signature = (timeout_s=0.0))]
    fn stop<'py>(&self, py: Python<'py>, timeout_s: f64) -> PyResult<Bound<'py, PyDict>> {
        self.core.get().flush_bridge(py);
        let stats = match &self.way {
            Way::Pair(joined, side) => {
                py.detach(|| loopback::settle(joined, *side, timeout_s));
                let stats = self.stats(py)?;
                py.detach(|| lock(joined).stop());
                stats
            }
            Way::Linked(link) => {
                py.detach(|| lock(link).stop(Duration::try_from_secs_f64(timeout_s).unwrap_or_default()));
                self.stats(py)?
            }
        };
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
                ("in_use", self.shared.credits.in_use_of(lane)),
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
        match &self.way {
            Way::Pair(joined, side) => stats.set_item("outbox", lock(joined).unapplied(*side))?,
            Way::Linked(link) => {
                let (report, outbox) = py.detach(|| {
                    let link = lock(link);
                    (link.report(), link.outbox())
                });
                stats.set_item("outbox", outbox)?;
                stats.set_item("link", linked::to_python(py, &report)?)?;
            }
        }
        stats.set_item("lost_news", self.shared.lost_news())?;
        let here = self.core.get().bridge_counts(py);
        stats.set_item("unapplied", here.unapplied)?;
        stats.set_item("stuck", here.stuck)?;
        stats.set_item("ignored", here.ignored)?;
        stats.set_item("misfits", here.misfits)?;
        stats.set_item("undeliverable", here.undeliverable)?;
        let excused = PyDict::new(py);
        for (actor, events) in here.excused {
            excused.set_item(actor.as_str(), events)?;
        }
        stats.set_item("excused", excused)?;
        stats.set_item("excusals", here.excusals)?;
        Ok(stats)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(linked::check_server_url, module)?)?;
    module.add_class::<Bridge>()?;
    module.add_class::<mail::PyMail>()?;
    module.add_class::<news::BridgeNews>()
}
