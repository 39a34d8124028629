//! What `publish` gives to be awaited: an awaitable that is done already.
//!
//! Publishing never waits, so a coroutine of its own would only be made, stepped once and thrown away. There is one object
//! for True and one for False. They have what a coroutine has (`send`, `throw`, `close`), so `create_task`, `gather` and
//! `wait_for` take them as one. PyO3's classes have no `am_send`, through which an `await` costs no exception: the type is
//! made by hand.

use std::ffi::c_int;
use std::ptr;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyTuple};

#[repr(C)]
struct Done {
    head: ffi::PyObject,
    /// True or False, borrowed: they live as long as the interpreter.
    value: *mut ffi::PyObject,
}

/// The awaitables of False and True, in this order. They are never freed.
static DONE: PyOnceLock<[Py<PyAny>; 2]> = PyOnceLock::new();

/// An awaitable whose result is `value`.
#[inline]
pub fn done(py: Python<'_>, value: bool) -> PyResult<Py<PyAny>> {
    let both = DONE.get_or_try_init(py, || {
        let class = new_class(py)?;
        PyResult::Ok([new(&class, false)?, new(&class, true)?])
    })?;
    Ok(both[usize::from(value)].clone_ref(py))
}

fn new(class: &Bound<'_, PyAny>, value: bool) -> PyResult<Py<PyAny>> {
    let py = class.py();
    // SAFETY: `class` is the type made below; its objects have the layout of `Done`, and `tp_alloc` gives a new one whose
    // fields behind the head are zero.
    unsafe {
        let class = class.as_ptr().cast::<ffi::PyTypeObject>();
        let object = Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class, 0))?;
        (*object.as_ptr().cast::<Done>()).value = PyBool::new(py, value).as_ptr();
        Ok(object.unbind())
    }
}

fn new_class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let method = |name: &'static std::ffi::CStr, call, flags| ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: call,
        ml_flags: flags,
        ml_doc: ptr::null(),
    };
    // The type keeps a pointer to its methods: they live as long as it, which is for ever.
    let methods = Box::leak(Box::new([
        method(c"send", ffi::PyMethodDefPointer { PyCFunction: send_method }, ffi::METH_O),
        method(c"throw", ffi::PyMethodDefPointer { PyCFunction: throw }, ffi::METH_VARARGS),
        method(c"close", ffi::PyMethodDefPointer { PyCFunction: close }, ffi::METH_NOARGS),
        ffi::PyMethodDef::zeroed(),
    ]));
    let slot = |slot: c_int, pfunc: *mut std::ffi::c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_am_await, itself as *mut _),
        slot(ffi::Py_am_send, send as *mut _),
        slot(ffi::Py_tp_iter, itself as *mut _),
        slot(ffi::Py_tp_iternext, next as *mut _),
        slot(ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
        slot(0, ptr::null_mut()),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"libra_core.Done".as_ptr(),
        basicsize: size_of::<Done>() as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_IMMUTABLETYPE) as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the functions have the signatures that their slots ask for; the list of slots ends with a zero; the name is
    // static; what the spec points to is copied or, as the methods, never freed.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec)) }
}

/// # Safety
/// A slot of the type: `object` is a live `Done`.
unsafe extern "C" fn itself(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: live, see above.
    unsafe { ffi::Py_NewRef(object) }
}

/// # Safety
/// As `itself`; `result` can be written.
unsafe extern "C" fn send(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: see above; the value lives as long as the interpreter.
    unsafe { *result = ffi::Py_NewRef((*object.cast::<Done>()).value) };
    ffi::PySendResult::PYGEN_RETURN
}

/// # Safety
/// As `itself`.
unsafe extern "C" fn next(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see above; a value that is no exception and no tuple becomes the `StopIteration`'s.
    unsafe { ffi::PyErr_SetObject(ffi::PyExc_StopIteration, (*object.cast::<Done>()).value) };
    ptr::null_mut()
}

/// # Safety
/// As `itself`.
unsafe extern "C" fn send_method(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see above.
    unsafe { next(object) }
}

/// Raises what is thrown, as a coroutine does that has not begun: a task that was cancelled before its first step.
///
/// # Safety
/// As `itself`; `arguments` is a tuple.
unsafe extern "C" fn throw(_: *mut ffi::PyObject, arguments: *mut ffi::PyObject) -> *mut ffi::PyObject {
    Python::attach(|py| {
        // SAFETY: the interpreter calls with a live tuple, and holds the GIL.
        let arguments = unsafe { Bound::from_borrowed_ptr(py, arguments).cast_into_unchecked::<PyTuple>() };
        thrown(&arguments).restore(py);
    });
    ptr::null_mut()
}

/// The exception of `throw(value)` or `throw(type[, value[, traceback]])`.
fn thrown(arguments: &Bound<'_, PyTuple>) -> PyErr {
    let given = arguments.iter().take(2).filter(|argument| !argument.is_none()).last();
    match given {
        Some(value) if value.is_instance_of::<pyo3::exceptions::PyBaseException>() => PyErr::from_value(value),
        Some(_) => match arguments.get_item(0).and_then(|class| match arguments.len() {
            1 => class.call0(),
            _ => class.call1((arguments.get_item(1)?,)),
        }) {
            Ok(value) => PyErr::from_value(value),
            Err(error) => error,
        },
        None => PyTypeError::new_err("throw expects an exception"),
    }
}

/// # Safety
/// As `itself`.
unsafe extern "C" fn close(_: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: None is live.
    unsafe { ffi::Py_NewRef(ffi::Py_None()) }
}
