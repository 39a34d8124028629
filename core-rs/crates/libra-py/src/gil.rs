//! State that is only touched by a thread that holds the GIL.
//!
//! A borrow must not run Python code: a handler or a finaliser could come back to the cell. Two rules see to that. Code
//! that borrows calls nothing of Python; and a Python object whose last reference is dropped inside a borrow (an event that
//! a full lane displaces) is buried, and released when the last borrow of the thread has ended: see [`bury`].

use std::cell::{Cell, OnceCell, Ref, RefCell, RefMut};
use std::ops::{Deref, DerefMut};

use libra_kernel::Name;
use pyo3::{Py, PyAny, Python};

use crate::ends;

thread_local! {
    /// Borrows of this thread that have not ended, and whether something was buried meanwhile.
    static BORROWS: Cell<(u32, bool)> = const { Cell::new((0, false)) };
    static GRAVES: RefCell<Vec<(Py<PyAny>, Name)>> = const { RefCell::new(Vec::new()) };
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
        BORROWS.with(|borrows| {
            let (count, buried) = borrows.get();
            borrows.set((count + 1, buried));
        });
        Borrow { state: Some(self.0.borrow_mut()) }
    }

    /// The state for code that neither runs Python nor drops anything of it: nothing needs to be buried, so the borrow is
    /// not counted. Should a reference be dropped all the same, its finaliser meets the cell as it meets any borrowed one.
    #[inline]
    pub fn briefly<'a>(&'a self, _py: Python<'a>) -> RefMut<'a, T> {
        self.0.borrow_mut()
    }

    /// As [`GilCell::briefly`]; `None` instead of a panic while it is borrowed.
    #[inline]
    pub fn try_briefly<'a>(&'a self, _py: Python<'a>) -> Option<RefMut<'a, T>> {
        self.0.try_borrow_mut().ok()
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
        let is_time = BORROWS.with(|borrows| {
            let (count, buried) = borrows.get();
            let is_last = count == 1;
            borrows.set((count - 1, buried && !is_last));
            is_last && buried
        });
        if is_time {
            release();
        }
    }
}

/// Drops a reference to a Python object, which `whose` has published: at once where that is safe, after the last borrow
/// otherwise.
#[inline]
pub fn bury(object: Py<PyAny>, whose: Name) {
    let (count, _) = BORROWS.with(Cell::get);
    if count == 0 {
        ends::let_go(object, whose);
    } else {
        GRAVES.with(|graves| graves.borrow_mut().push((object, whose)));
        BORROWS.with(|borrows| borrows.set((count, true)));
    }
}

#[cold]
fn release() {
    // A finaliser may publish, borrow and come back here: the list is taken out before anything is dropped.
    while let Some(objects) = GRAVES.with(|graves| {
        let mut graves = graves.borrow_mut();
        (!graves.is_empty()).then(|| std::mem::take(&mut *graves))
    }) {
        objects.into_iter().for_each(|(object, whose)| ends::let_go(object, whose));
    }
}

/// A value that is made once, when it is first asked for, by whoever holds the GIL.
pub struct GilOnce<T>(OnceCell<T>);

// SAFETY: as for `GilCell`: every access demands a `Python` token, so only the thread that holds the GIL gets in.
unsafe impl<T: Send + Sync> Sync for GilOnce<T> {}

impl<T> GilOnce<T> {
    pub const fn new() -> Self {
        GilOnce(OnceCell::new())
    }

    pub fn with(value: T) -> Self {
        GilOnce(OnceCell::from(value))
    }

    #[inline]
    pub fn get(&self, _py: Python<'_>) -> Option<&T> {
        self.0.get()
    }

    /// A look for the garbage collector, which holds the GIL but may not say so.
    #[inline]
    pub fn peek(&self) -> Option<&T> {
        self.0.get()
    }

    /// The value, made by `make` where there is none. Should `make` come back here, the value made first is kept.
    #[inline]
    pub fn get_or_try_init<E>(&self, py: Python<'_>, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if self.get(py).is_none() {
            let value = make()?;
            let _ = self.0.set(value);
        }
        Ok(self.0.get().expect("set above"))
    }

    #[inline]
    pub fn take(&mut self) -> Option<T> {
        self.0.take()
    }
}
