//! Each actor's own `contextvars.Context`: what its code sets there, such as the precision of its decimals, holds in its
//! own turns and in the tasks that it makes, and the node and the other actors never see it.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use libra_kernel::Name;

use super::{NodeCore, slot_of};
use crate::forks::leave;

/// While it lives, the thread is in an actor's context.
pub struct Inside<'py> {
    py: Python<'py>,
    entered: Option<Py<PyAny>>,
}

impl<'py> Inside<'py> {
    #[inline]
    pub fn enter(py: Python<'py>, context: Option<Py<PyAny>>) -> Self {
        let Some(context) = context else { return Inside { py, entered: None } };
        // SAFETY: the object is live, and one that is no context is refused.
        match unsafe { ffi::PyContext_Enter(context.as_ptr()) } {
            0 => Inside { py, entered: Some(context) },
            _ => Inside::enter_copy(py, &context),
        }
    }

    /// A turn within a turn of the same actor: a context is entered once at a time. A copy sees what the context holds, the
    /// very same decimal context too.
    #[cold]
    fn enter_copy(py: Python<'py>, context: &Py<PyAny>) -> Self {
        drop(PyErr::take(py));
        // SAFETY: as above; a copy is a new reference, or null with an exception set.
        let entered = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_Copy(context.as_ptr())) }.and_then(
            |copy| match unsafe { ffi::PyContext_Enter(copy.as_ptr()) } {
                0 => Ok(copy.unbind()),
                _ => Err(PyErr::fetch(py)),
            },
        );
        Inside { py, entered: entered.inspect_err(|error| error.clone_ref(py).write_unraisable(py, None)).ok() }
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(context) = &self.entered
            // SAFETY: it was entered by this thread, and is live.
            && unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0
        {
            PyErr::fetch(self.py).write_unraisable(self.py, Some(context.bind(self.py)));
        }
    }
}

#[pymethods]
impl NodeCore {
    /// What an actor's code runs in from its next turn on: the context of a fresh instance.
    fn set_context(&self, py: Python<'_>, slot: usize, context: Py<PyAny>) -> PyResult<()> {
        let previous = slot_of(&mut self.state.borrow(py).slots, slot)?.context.replace(context);
        drop(previous);
        Ok(())
    }

    /// The context of an actor's turns; None before its first instance.
    fn context_of(&self, py: Python<'_>, slot: usize) -> PyResult<Option<Py<PyAny>>> {
        Ok(slot_of(&mut self.state.borrow(py).slots, slot)?.context(py))
    }

    /// Calls an actor's code outside its handlers (a start, a stop), as a watched turn of it, in its context.
    #[pyo3(signature = (slot, call, *args))]
    fn turn(
        &self,
        py: Python<'_>,
        slot: usize,
        call: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<Py<PyAny>> {
        let (name, context) = self.place_of(py, slot)?;
        self.note_running(py, name);
        let inside = Inside::enter(py, context);
        let result = call.call1(args).map(Bound::unbind);
        drop(inside);
        if self.is_fork() {
            leave(py, result.err());
        }
        self.note_running(py, Name::NONE);
        result
    }
}

impl NodeCore {
    /// Whose turn it is in this slot, and the context that it runs in.
    pub fn place_of(&self, py: Python<'_>, slot: usize) -> PyResult<(Name, Option<Py<PyAny>>)> {
        let mut state = self.state.borrow(py);
        let place = slot_of(&mut state.slots, slot)?;
        Ok((place.name, place.context(py)))
    }
}
