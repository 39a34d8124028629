//! What a node remembers of its recent events, as Python sees it: who asks for a trace, and who exports.

use std::sync::PoisonError;

use libra_kernel::recent::{Note, Prefix, Recorder, outlet};
use libra_net::bridge::Shared;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{NodeCore, State};

/// An event that leaves is published and handled as well, so what left needs a part of the room alone.
const PART_OF_DEPARTURES: usize = 4;

/// How much is remembered, and how much may wait to be exported.
#[derive(Clone, Copy)]
pub struct Recording {
    notes: usize,
    sample: f64,
    export: usize,
}

/// What became of one event at one place.
#[pyclass(frozen, get_all, module = "libra_core")]
pub struct EventNote {
    trace_id: u128,
    span_id: u64,
    /// 0 for a root.
    parent_span_id: u64,
    /// `published`, `cause`, `sent`, `received`, `handled` or `failed`.
    step: &'static str,
    event_type: &'static str,
    lane: &'static str,
    source: &'static str,
    instrument: &'static str,
    /// Whose handlers; empty where no actor had a part.
    actor: &'static str,
    sequence: u64,
    at_ns: i64,
    end_ns: i64,
    /// The frame that it left in; 0 for none.
    frame: u32,
}

impl From<&Note> for EventNote {
    fn from(note: &Note) -> Self {
        EventNote {
            trace_id: u128::from(note.trace_id[0]) << 64 | u128::from(note.trace_id[1]),
            span_id: note.span_id,
            parent_span_id: note.parent_span_id,
            step: note.step.name(),
            event_type: note.event_type.name(),
            lane: note.event_type.lane().name(),
            source: note.source.as_str(),
            instrument: note.instrument.as_str(),
            actor: note.actor.as_str(),
            sequence: note.sequence,
            at_ns: note.at_ns,
            end_ns: note.end_ns,
            frame: note.frame,
        }
    }
}

#[pymethods]
impl NodeCore {
    /// From now on the node remembers the last `notes` of what became of its events: all that is urgent, and of market data
    /// the traces that are sampled, of which `sample` (0 to 1) is the part. `export` notes may wait for `take_notes`; 0 where
    /// nobody takes them. To be called before a bridge is made. ValueError for a rate that is none.
    #[pyo3(signature = (notes, *, sample=0.0, export=0))]
    fn record(&self, py: Python<'_>, notes: usize, sample: f64, export: usize) -> PyResult<()> {
        if !(0.0..=1.0).contains(&sample) {
            return Err(PyValueError::new_err(format!("a part lies between 0 and 1, not {sample}")));
        }
        let recording = Recording { notes, sample, export };
        let recorder = self.recorder_of(recording, notes);
        let mut state = self.state.borrow(py);
        state.recording = Some(recording);
        state.router.set_recorder(Some(recorder));
        Ok(())
    }

    /// The notes of traces whose id begins with these hexadecimal digits, at most so many, the oldest of the node's own first,
    /// and behind them what left. ValueError for what is no beginning of an id.
    fn notes_of(&self, py: Python<'_>, prefix: &str, most: usize) -> PyResult<Vec<EventNote>> {
        let wanted = Prefix::parse(prefix).ok_or_else(|| {
            PyValueError::new_err(format!("a trace id is 1 to 32 hexadecimal digits, not {prefix:?}"))
        })?;
        let mut found = Vec::new();
        self.look(py, |recorder| {
            let left = most - found.len();
            let notes = recorder.notes().filter(|note| wanted.matches(note.trace_id));
            found.extend(notes.take(left).map(EventNote::from));
        });
        Ok(found)
    }

    /// How the last event of each of the latest traces with an order in them came here, the latest first.
    fn latest_orders(&self, py: Python<'_>, most: usize) -> Vec<EventNote> {
        let mut state = self.state.borrow(py);
        let latest = state.router.recorder().map(|recorder| recorder.latest_orders(most));
        latest.unwrap_or_default().iter().map(EventNote::from).collect()
    }

    /// How much is remembered: `notes`, `overwritten`, `since_ns` (from when on all of it is there; None without a note),
    /// `not_exported` (dropped since nobody took them in time).
    fn recorded<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (mut notes, mut overwritten, mut cut_ns, mut first_ns) = (0, 0, None, None);
        self.look(py, |recorder| {
            notes += recorder.notes().count();
            overwritten += recorder.overwritten();
            let Some(oldest) = recorder.notes().next() else { return };
            first_ns = Some(first_ns.map_or(oldest.at_ns, |first_ns: i64| first_ns.min(oldest.at_ns)));
            if recorder.overwritten() > 0 {
                cut_ns = cut_ns.max(Some(oldest.at_ns));
            }
        });
        let intakes = self.intakes.lock().unwrap_or_else(PoisonError::into_inner);
        let row = PyDict::new(py);
        row.set_item("notes", notes)?;
        row.set_item("overwritten", overwritten)?;
        // A ring that has lost nothing reaches back to the start, however late its first note is.
        row.set_item("since_ns", cut_ns.or(first_ns))?;
        row.set_item("not_exported", intakes.iter().map(|intake| intake.dropped()).sum::<u64>())?;
        Ok(row)
    }

    /// Takes up to `most` notes of each writer out of what waits to be exported: a list for each, the oldest first. For one
    /// thread, any.
    fn take_notes(&self, most: usize) -> Vec<Vec<EventNote>> {
        let mut intakes = self.intakes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        let lists = intakes.iter_mut().map(|intake| {
            taken.clear();
            intake.take(most, &mut taken);
            taken.iter().map(EventNote::from).collect()
        });
        lists.collect()
    }
}

impl NodeCore {
    /// Remembers what leaves by a bridge, where the node remembers anything.
    pub fn record_departures(&self, state: &State, shared: &Shared) {
        if let Some(recording) = state.recording {
            shared.departures.record(self.recorder_of(recording, recording.notes.div_ceil(PART_OF_DEPARTURES)));
        }
    }

    fn recorder_of(&self, recording: Recording, notes: usize) -> Recorder {
        let Recording { sample, export, .. } = recording;
        let outlet = (export > 0).then(|| {
            let (outlet, intake) = outlet(export);
            self.intakes.lock().unwrap_or_else(PoisonError::into_inner).push(intake);
            outlet
        });
        Recorder::new(notes, sample, outlet)
    }

    fn look(&self, py: Python<'_>, mut at: impl FnMut(&Recorder)) {
        let mut state = self.state.borrow(py);
        if let Some(recorder) = state.router.recorder() {
            at(recorder);
        }
        if let Some(bridge) = &state.bridge {
            bridge.shared.departures.look(at);
        }
    }
}
