//! The end of what somebody publishes, in a watched turn of whoever published it.
//!
//! The last hold on a payload is often the node's: its object ends when the last handler is done with the event, when the
//! event is displaced or its receiver is no more. The end of an object is its author's code, and a `__del__` may never return.
//! In a turn it is a part of that turn; outside of all, where nobody would be named or ended for it, it gets a turn by itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use libra_kernel::Name;
use libra_kernel::turns::Turns;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::node::Interruption;

/// Who watches the turns of the loop that this thread runs.
pub struct Watched {
    pub turns: Arc<Turns>,
    pub interruption: Option<Arc<Interruption>>,
}

thread_local! {
    /// Whose objects did not end in time, and have not been told of.
    static OVERDUE: RefCell<Vec<Name>> = const { RefCell::new(Vec::new()) };
    static WATCHED: RefCell<Option<Rc<Watched>>> = const { RefCell::new(None) };
}

/// From now on this thread's turns are watched, or not any more.
pub fn watch(watched: Option<Watched>) {
    WATCHED.set(watched.map(Rc::new));
}

/// Drops what `whose` has published, outside of any borrow.
pub fn let_go(object: Py<PyAny>, whose: Name) {
    // SAFETY: the first takes nothing, and the object is live. Without the interpreter PyO3 keeps the reference until somebody
    // comes by who has it.
    let is_its_end = unsafe { ffi::PyGILState_Check() == 1 && ffi::Py_REFCNT(object.as_ptr()) == 1 };
    let is_nobodys = |watched: &&Rc<Watched>| !whose.is_none() && watched.turns.now().actor().is_none();
    let watched =
        WATCHED.try_with(|watched| watched.borrow().as_ref().filter(|_| is_its_end).filter(is_nobodys).cloned());
    let Ok(Some(watched)) = watched else { return drop(object) };
    watched.turns.enter(whose);
    drop(object);
    watched.turns.enter(Name::NONE);
    if let Some(interruption) = watched.interruption.as_ref().filter(|interruption| interruption.is_set()) {
        // SAFETY: the interpreter is held, as was just asked.
        if interruption.take_back(unsafe { Python::assume_attached() }) {
            OVERDUE.with_borrow_mut(|overdue| overdue.push(whose));
        }
    }
}

/// Somebody whose object did not end in time, and was ended by the interruption: each is given once.
#[inline]
pub fn overdue() -> Option<Name> {
    OVERDUE.with_borrow_mut(Vec::pop)
}
