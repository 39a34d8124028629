//! What a node counted: events, lanes, and the digest over all of it.

use libra_kernel::mailbox::Mailbox;
use libra_kernel::router::{LaneTotals, lane_totals};
use libra_kernel::{EventType, Lane, Name, clock};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::slot::Slot;
use super::{NodeCore, State};

#[pymethods]
impl NodeCore {
    /// The digest of what was published so far; None in a live node.
    fn digest(&self, py: Python<'_>) -> Option<String> {
        self.state.borrow(py).router.digest_hex()
    }

    /// Adds something that is no event to the digest: the configuration of the run.
    fn digest_blob(&self, py: Python<'_>, bytes: &[u8]) {
        self.state.borrow(py).router.digest_blob(bytes);
    }

    /// How long the oldest event of each lane has waited for each actor, in seconds on the node's clock since it was made:
    /// name, then lane. A lane in which nothing waits is left out.
    fn waiting_s<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let now_ns = clock::now_ns();
        let rows: Vec<(Name, Vec<(Lane, f64)>)> = {
            let state = self.state.borrow(py);
            let places = state.slots.iter().zip(state.router.mailboxes()).filter(|(slot, _)| !slot.gone);
            let row = |(slot, mailbox): (&Slot, &Mailbox)| {
                let age = |lane| mailbox.oldest(lane).map(|event| (lane, now_ns.saturating_sub(event.ts_ns)));
                let ages = Lane::ALL.into_iter().filter_map(age);
                (slot.name, ages.map(|(lane, ns)| (lane, ns.max(0) as f64 / 1e9)).collect())
            };
            places.map(row).collect()
        };
        let waiting = PyDict::new(py);
        for (name, ages) in rows {
            let lanes = PyDict::new(py);
            for (lane, age_s) in ages {
                lanes.set_item(lane.name(), age_s)?;
            }
            waiting.set_item(name.as_str(), lanes)?;
        }
        Ok(waiting)
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
