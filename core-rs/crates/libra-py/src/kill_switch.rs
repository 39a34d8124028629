//! The kill switch by a signal, while no node takes it.

use std::path::PathBuf;

use libra_kernel::guard::{self, Heard};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// The accounts that SIGUSR1 is about, from now on: name, and log where it is a file. Those come up latched of which no node
/// answers it.
#[pyfunction]
fn name_latches(accounts: Vec<(String, Option<PathBuf>)>) {
    guard::name_accounts(&accounts);
}

/// From now on, and behind any node to the end of the process, SIGUSR1 leaves a marker beside each of these logs, and says so.
/// With `pass_on` it leaves them in silence, and whoever has the signal now hears it too. Of the signals `ends`, those that have
/// the system's effect have it behind the switch where both come.
#[pyfunction]
#[pyo3(signature = (*, pass_on=false, ends=Vec::new()))]
fn take_kill_switch(pass_on: bool, ends: Vec<i32>) -> PyResult<()> {
    let heard = if pass_on { Heard::PassOn } else { Heard::Leave };
    guard::take_kill_switch(heard, &ends).map_err(|error| PyOSError::new_err(error.to_string()))
}

/// Whoever SIGUSR1 was passed on to has ended: says which markers are left. From now on each says so itself.
#[pyfunction]
fn tell_latches(py: Python<'_>) {
    // A disk gets its time for them.
    py.detach(guard::tell_latches);
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(name_latches, module)?)?;
    module.add_function(wrap_pyfunction!(take_kill_switch, module)?)?;
    module.add_function(wrap_pyfunction!(tell_latches, module)?)
}
