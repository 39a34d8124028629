//! A node and its guard: signals, the drain's deadline, and whose code runs.

use std::sync::Arc;
use std::thread::JoinHandle;

use libra_kernel::Name;
use libra_kernel::guard::{Guard, Limits, Witness};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use super::witness::{Interpreter, Interruption};
use super::{NodeCore, slot_of};
use crate::ends;

#[pymethods]
impl NodeCore {
    /// Takes signals over natively and starts the thread that ends a process which does not drain in time.
    ///
    /// Limits of 0 are none: `slow_handler_s` for a handler that holds the loop, of which `look` is told,
    /// `handler_timeout_s` for one in which `timeout_error` is raised, `heartbeat_s` for a native thread that gives no sign of life, `max_rss_bytes` for memory in use.
    #[pyo3(signature = (drain_timeout_s, signals, *, look=None, slow_handler_s=0.0, handler_timeout_s=0.0, timeout_error=None, heartbeat_s=0.0, max_rss_bytes=0))]
    #[allow(clippy::too_many_arguments, reason = "each a limit of its own")]
    fn install_guard(
        &self,
        py: Python<'_>,
        drain_timeout_s: f64,
        signals: bool,
        look: Option<Py<PyAny>>,
        slow_handler_s: f64,
        handler_timeout_s: f64,
        timeout_error: Option<Py<PyAny>>,
        heartbeat_s: f64,
        max_rss_bytes: u64,
    ) -> PyResult<()> {
        let limits = Limits {
            block_ns: ns(slow_handler_s),
            timeout_ns: if timeout_error.is_some() { ns(handler_timeout_s) } else { 0 },
            heartbeat_ns: ns(heartbeat_s),
            resident_bytes: max_rss_bytes,
        };
        let interruption = timeout_error.map(|error| Arc::new(Interruption::new(error)));
        let os_error = |error: std::io::Error| PyOSError::new_err(error.to_string());
        let (witness, thread) = match look {
            Some(look) => Interpreter::spawn(look, interruption.clone())
                .map(|(witness, thread)| (Some(witness), Some(thread)))
                .map_err(os_error)?,
            None => (None, None),
        };
        let witness = witness.map(|witness| witness as Arc<dyn Witness>);
        let guard =
            Guard::install(self.waker.clone(), ns(drain_timeout_s), signals, limits, witness).map_err(os_error)?;
        ends::watch(Some(ends::Watched { turns: guard.turns(), interruption: interruption.clone() }));
        *self.guard.borrow(py) = Some(guard);
        *self.witness.borrow(py) = thread;
        *self.interruption.borrow(py) = interruption;
        self.state.borrow(py).takes_interrupts = signals;
        Ok(())
    }

    /// Gives signals back and ends the guard's threads.
    fn remove_guard(&self, py: Python<'_>) {
        ends::watch(None);
        let guard = self.guard.borrow(py).take();
        let witness = self.witness.borrow(py).take();
        // The witness may be waiting for the interpreter, and ends when the guard has let go of it.
        py.detach(|| {
            drop(guard);
            witness.map(JoinHandle::join)
        });
    }

    /// The run's time is over in so many seconds: a loop that is held up then has the drain's time left.
    fn end_run_in(&self, py: Python<'_>, seconds: f64) {
        if let Some(guard) = &*self.guard.borrow(py) {
            guard.end_run_in(ns(seconds));
        }
    }

    /// Bytes that were in use when that was over the limit, or None.
    fn too_much_memory(&self, py: Python<'_>) -> Option<u64> {
        self.guard.borrow(py).as_ref().and_then(Guard::too_much_memory)
    }

    /// Flushes the order gates' logs, natively; false where one could not be.
    fn flush_logs(&self, py: Python<'_>) -> bool {
        self.guard.borrow(py).as_ref().is_none_or(Guard::flush_logs)
    }

    /// The signal that asked for a stop, or None.
    fn stop_signal(&self, py: Python<'_>) -> Option<i32> {
        self.guard.borrow(py).as_ref().and_then(Guard::stop_signal)
    }

    /// From now on the guard counts the time of the drain.
    fn begin_drain(&self, py: Python<'_>) {
        if let Some(guard) = &*self.guard.borrow(py) {
            guard.begin_drain();
        }
    }

    /// Waits until what signals have asked for by now is known to the loop; False where the guard is held up.
    fn catch_up_with_signals(&self, py: Python<'_>) -> bool {
        self.guard.borrow(py).as_ref().is_none_or(Guard::catch_up)
    }

    /// How often SIGUSR1, the kill switch, came to this node.
    fn kill_signals(&self, py: Python<'_>) -> u64 {
        self.guard.borrow(py).as_ref().map_or(0, Guard::kill_signals)
    }

    /// A node that has no account has told the others of so many of them.
    fn answer_kill_signals(&self, py: Python<'_>, count: u64) {
        if let Some(guard) = &*self.guard.borrow(py) {
            guard.answer_kill_signals(count);
        }
    }

    /// All actors have stopped: what is left of the drain is the disk's, which may take this long.
    fn extend_drain(&self, py: Python<'_>, seconds: f64) {
        if let Some(guard) = &*self.guard.borrow(py) {
            guard.extend_drain(ns(seconds));
        }
    }

    /// The actor whose code runs now, or None.
    fn running(&self, py: Python<'_>) -> Option<&'static str> {
        self.guard.borrow(py).as_ref().and_then(Guard::running).map(|actor| actor.as_str())
    }

    /// The loop has come round: the guard, where it looks for long turns, tells of one that does not for too long.
    fn beat(&self, py: Python<'_>) {
        if let Some(guard) = &*self.guard.borrow(py) {
            guard.beat();
        }
    }

    /// Tells the guard whose code runs outside a handler (a start, a stop); None for nobody's.
    #[pyo3(signature = (slot=None))]
    fn note_running_slot(&self, py: Python<'_>, slot: Option<usize>) -> PyResult<()> {
        let name = match slot {
            Some(slot) => slot_of(&mut self.state.borrow(py).slots, slot)?.name,
            None => {
                self.leave_fork(py, None);
                Name::NONE
            }
        };
        self.note_running(py, name);
        Ok(())
    }
}

/// A span of at most some years, as nanoseconds.
fn ns(seconds: f64) -> i64 {
    (seconds.clamp(0.0, 1e9) * 1e9) as i64
}
