//! What a node counted: events, lanes, and the digest over all of it.

use libra_kernel::router::{LaneTotals, lane_totals};
use libra_kernel::{EventType, Lane};
use pyo3::prelude::*;
use pyo3::types::PyDict;

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
