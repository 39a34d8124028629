//! The node's own voice: what it says of itself, of its actors and of other nodes. [`NodeCore`] publishes such news for
//! nobody, since whoever hears them acts on them: an account cancels what a strategy left that is said to be no more.
//!
//! A core has one voice and gives it once, to the node that is built on it, before any actor is made. Code that gets hold of
//! the core alone, as each actor's is, has no way to it.

use libra_kernel::Event;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::NodeCore;
use super::publishing::kernel_event;
use crate::event;

/// See the module.
#[pyclass(frozen, module = "libra_core")]
pub struct NodeVoice {
    core: Py<NodeCore>,
}

#[pymethods]
impl NodeCore {
    /// The node's voice, once. RuntimeError when it was taken.
    fn take_voice(slf: Bound<'_, Self>) -> PyResult<NodeVoice> {
        if std::mem::replace(&mut slf.get().state.borrow(slf.py()).voice_is_taken, true) {
            return Err(PyRuntimeError::new_err("the node that is built on this core has its voice"));
        }
        Ok(NodeVoice { core: slf.unbind() })
    }
}

#[pymethods]
impl NodeVoice {
    /// Publishes news about an actor, as a child of what that handles.
    fn announce(&self, slot: usize, event_type: &Bound<'_, PyAny>, payload: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, core) = (event_type.py(), self.core.get());
        let Some((parent, source)) = core.origin_of_news(py, slot)? else { return Ok(()) };
        let event = event::make(parent.as_ref(), event_type, source.as_str(), Some(payload))?;
        self.say(py, parent.as_ref(), event).map(drop)
    }

    /// Publishes news as they are. False when a subscriber or the bridge refused them.
    fn publish(&self, event: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.say(event.py(), None, kernel_event(event)?)
    }
}

impl NodeVoice {
    fn say(&self, py: Python<'_>, parent: Option<&Event>, event: Event) -> PyResult<bool> {
        let core = self.core.get();
        core.said_by_nodes(py, event.event_type)?;
        core.encode_if_leaving(py, &event)?;
        Ok(core.publish_of(py, parent, event))
    }
}
