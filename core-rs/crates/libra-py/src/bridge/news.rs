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
    /// `connected`, `disconnected`, `gap_opened`, `gap_repaired`, `gap_lost`, `snapshot_wanted`, `snapshot_loaded`, `fenced`,
    /// `outbox_full`, `overflow`, `node_up`, `node_down`, `node_left`, `node_replaced`, `node_behind`,
    /// `loop_stood_still` or `server_finding`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.news.kind.name()
    }

    /// The node that it is about, or empty.
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

    /// The publisher's life that these events are of; 0 where it is not known which they are.
    #[getter]
    fn epoch(&self) -> u64 {
        self.news.run.map_or(0, |run| run.epoch)
    }

    /// The number of the first of them in its channel, or 0.
    #[getter]
    fn first(&self) -> u64 {
        self.news.run.map_or(0, |run| run.first)
    }

    /// The number of the last of them, or 0.
    #[getter]
    fn last(&self) -> u64 {
        self.news.run.map_or(0, |run| run.last)
    }

    /// More, for a reader.
    #[getter]
    fn detail(&self) -> &str {
        &self.news.detail
    }

    fn __repr__(&self) -> String {
        let News { kind, node, channel, count, run, detail } = &self.news;
        let events = run
            .map_or_else(String::new, |run| format!(", epoch={}, first={}, last={}", run.epoch, run.first, run.last));
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
