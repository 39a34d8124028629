//! The steps of an awaited handler: while one runs, the guard knows whose it is.
//!
//! An async handler runs in its actor's task, step by step between what it awaits. Each step may loop for ever, and the
//! actor that does has to be named. What the handler yields to the event loop passes through unchanged, so timeouts, task
//! groups and cancellation work as in any task.

use std::ptr;

use libra_kernel::Name;
use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::NodeCore;
use super::context::Inside;

/// An awaitable that awaits another one for an actor.
#[pyclass(frozen, module = "libra_core")]
pub struct Steps {
    core: Py<NodeCore>,
    actor: Name,
    /// What each step runs in, where that is not the context of the task that awaits.
    context: Option<Py<PyAny>>,
    inner: Py<PyAny>,
}

#[pymethods]
impl NodeCore {
    /// Awaits `awaitable` on behalf of an actor, in its context; that of a task of the actor's own (`in_task`) has one
    /// already, a copy, as any task.
    #[pyo3(signature = (slot, awaitable, *, in_task=false))]
    fn steps(slf: Bound<'_, Self>, slot: usize, awaitable: Bound<'_, PyAny>, in_task: bool) -> PyResult<Steps> {
        let py = slf.py();
        let (actor, context) = slf.get().place_of(py, slot)?;
        let context = context.filter(|_| !in_task);
        // SAFETY: takes a borrowed, live object. A coroutine is its own iterator.
        let inner = match unsafe { ffi::PyCoro_CheckExact(awaitable.as_ptr()) } {
            0 => awaitable.call_method0("__await__")?,
            _ => awaitable,
        };
        Ok(Steps { core: slf.unbind(), actor, context, inner: inner.unbind() })
    }
}

#[pymethods]
impl Steps {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// One step: what it yields, or the end.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.named(py, || {
            let mut result = ptr::null_mut();
            // SAFETY: the iterator and None are live; the result is a new reference, or null with an exception set.
            unsafe {
                match ffi::PyIter_Send(self.inner.as_ptr(), ffi::Py_None(), &mut result) {
                    ffi::PySendResult::PYGEN_NEXT => {
                        Bound::from_owned_ptr_or_err(py, result).map(|it| Some(it.unbind()))
                    }
                    ffi::PySendResult::PYGEN_RETURN => {
                        let value = Bound::from_owned_ptr_or_err(py, result)?;
                        if value.is_none() { Ok(None) } else { Err(PyStopIteration::new_err((value.unbind(),))) }
                    }
                    ffi::PySendResult::PYGEN_ERROR => Err(PyErr::fetch(py)),
                }
            }
        })
    }

    /// Raises in the handler: a cancellation.
    #[pyo3(signature = (*error))]
    fn throw(&self, py: Python<'_>, error: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        self.named(py, || self.inner.call_method1(py, "throw", error))
    }

    /// Ends a handler that nobody will await any more.
    fn close(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.named(py, || self.inner.call_method0(py, "close"))
    }
}

impl Steps {
    fn named<R>(&self, py: Python<'_>, step: impl FnOnce() -> R) -> R {
        self.core.get().note_running(py, self.actor);
        let inside = Inside::enter(py, self.context.as_ref().map(|context| context.clone_ref(py)));
        let result = step();
        drop(inside);
        self.core.get().note_running(py, Name::NONE);
        result
    }
}
