//! State that is only touched by a thread that holds the GIL.
//!
//! A borrow must not run Python code: a handler or a finaliser could come back to the cell. Two rules see to that. Code
//! that borrows calls nothing of Python; and a Python object whose last reference is dropped inside a borrow (an event that
//! a full lane displaces) is buried, and released when the last borrow of the thread has ended: see [`bury`].

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::ops::{Deref, DerefMut};

use pyo3::{Py, PyAny, Python};

thread_local! {
    /// Borrows of this thread that have not ended.
    static BORROWS: Cell<u32> = const { Cell::new(0) };
    static GRAVES: RefCell<Vec<Py<PyAny>>> = const { RefCell::new(Vec::new()) };
}

/// A `RefCell` that Python objects may share between threads, since only the holder of the GIL gets in.
pub struct GilCell<T>(RefCell<T>);

// SAFETY: `borrow` demands a `Python` token, so the borrow flag is only read and written by the one thread that holds the
// GIL; the module does not declare support for free-threaded builds, where the token would mean less.
unsafe impl<T: Send> Sync for GilCell<T> {}

impl<T> GilCell<T> {
    pub fn new(value: T) -> Self {
        GilCell(RefCell::new(value))
    }

    /// The state, for as long as no Python code runs. A second borrow panics, which PyO3 turns into an exception: memory
    /// stays sound.
    #[inline]
    pub fn borrow<'a>(&'a self, _py: Python<'a>) -> Borrow<'a, T> {
        BORROWS.with(|borrows| borrows.set(borrows.get() + 1));
        Borrow { state: Some(self.0.borrow_mut()) }
    }

    /// A look at the state for the garbage collector, which holds the GIL but may not say so; `None` while it is borrowed.
    pub fn peek(&self) -> Option<Ref<'_, T>> {
        self.0.try_borrow().ok()
    }
}

/// An exclusive borrow of a [`GilCell`].
pub struct Borrow<'a, T> {
    state: Option<RefMut<'a, T>>,
}

impl<T> Deref for Borrow<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.state.as_ref().expect("there until it is dropped")
    }
}

impl<T> DerefMut for Borrow<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.state.as_mut().expect("there until it is dropped")
    }
}

impl<T> Drop for Borrow<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.state = None;
        let left = BORROWS.with(|borrows| {
            let left = borrows.get() - 1;
            borrows.set(left);
            left
        });
        if left == 0 {
            release();
        }
    }
}

/// Drops a reference to a Python object: at once where that is safe, after the last borrow otherwise.
#[inline]
pub fn bury(object: Py<PyAny>) {
    if BORROWS.with(Cell::get) == 0 {
        drop(object);
    } else {
        GRAVES.with(|graves| graves.borrow_mut().push(object));
    }
}

#[inline]
fn release() {
    // A finaliser may publish, borrow and come back here: the list is taken out before anything is dropped.
    while let Some(objects) = GRAVES.with(|graves| {
        let mut graves = graves.borrow_mut();
        (!graves.is_empty()).then(|| std::mem::take(&mut *graves))
    }) {
        drop(objects);
    }
}
