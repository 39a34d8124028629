//! What the bridge tells the node, as events.

use libra_kernel::{Event, Name, Payload, clock};
use libra_net::bridge::news::News;
use pyo3::prelude::*;

/// What happened to the bridge or to another node: the payload of `BRIDGE_CONNECTED`, `BRIDGE_GAP` and the like.
#[pyclass(frozen, immutable_type, module = "libra_core")]
pub struct BridgeNews {
    pub news: News,
}

#[pymethods]
impl BridgeNews {
    /// `connected`, `disconnected`, `server_refuses`, `gap_opened`, `gap_repaired`, `gap_lost`, `gap_suspected`, `snapshot_wanted`,
    /// `snapshot_loaded`, `fenced`, `outbox_full`, `overflow`, `node_up`, `node_down`, `node_left`, `node_replaced`, `node_missing`, `node_behind`,
    /// `node_cut_off`, `node_differs`, `clock_differs`, `actor_excused`, `loop_stood_still` or `server_finding`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.news.kind.name()
    }

    /// The node that it is about, or empty; of an actor, `NODE/ACTOR`.
    #[getter]
    fn node(&self) -> &str {
        &self.news.node
    }

    /// The channel that it is about, or empty.
    #[getter]
    fn channel(&self) -> &str {
        &self.news.channel
    }

    /// How many events it concerns.
    #[getter]
    fn count(&self) -> u64 {
        self.news.count
    }

    /// Which those are, as far as it is known: epoch of the publisher's life, number of the first, number of the last. Of many
    /// losses the first are listed; `count` is of all.
    #[getter]
    fn runs(&self) -> Vec<(u64, u64, u64)> {
        self.news.runs.iter().map(|run| (run.epoch, run.first, run.last)).collect()
    }

    /// More, for a reader.
    #[getter]
    fn detail(&self) -> &str {
        &self.news.detail
    }

    fn __repr__(&self) -> String {
        let News { kind, node, channel, count, runs, detail } = &self.news;
        let events: String = runs.iter().map(|run| format!(", {}-{}..{}", run.epoch, run.first, run.last)).collect();
        let kind = kind.name();
        format!("BridgeNews({kind}, node={node:?}, channel={channel:?}, count={count}{events}, detail={detail:?})")
    }
}

/// The event that tells a piece of news.
pub fn event(node: &str, news: News) -> Event {
    Event::new(news.kind.event_type(), Name::intern(node), clock::now_ns(), Payload::shared(news))
}

/// The payload of such an event as Python sees it, if it is one.
pub fn to_python(py: Python<'_>, event: &Event) -> Option<PyResult<Py<PyAny>>> {
    let news = event.payload.downcast::<News>()?.clone();
    Some(Py::new(py, BridgeNews { news }).map(Py::into_any))
}
