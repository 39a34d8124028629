//! State that is only touched by a thread that holds the GIL.

use std::cell::{RefCell, RefMut};

use pyo3::Python;

/// A `RefCell` that Python objects may share between threads, since only the holder of the GIL gets in.
///
/// A borrow must not call into Python: a handler, a finaliser or a thread switch there could come back to the cell. Were
/// that rule broken, the second borrow panics, which PyO3 turns into an exception; memory stays sound.
pub struct GilCell<T>(RefCell<T>);

// SAFETY: `borrow` demands a `Python` token, so the borrow flag is only read and written by the one thread that holds the
// GIL; the module does not declare support for free-threaded builds, where the token would mean less.
unsafe impl<T: Send> Sync for GilCell<T> {}

impl<T> GilCell<T> {
    pub fn new(value: T) -> Self {
        GilCell(RefCell::new(value))
    }

    /// The state, for as long as no Python code runs.
    #[inline]
    pub fn borrow<'a>(&'a self, _py: Python<'a>) -> RefMut<'a, T> {
        self.0.borrow_mut()
    }
}
