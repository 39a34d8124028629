//! The Python module `libra_core._core`: bindings, and nothing that decides anything.
//!
//! - [`gil`] — state that the GIL guards; [`names`] — Python's strings as interned names;
//! - [`ends`] — the end of what is published;
//! - [`enums`], [`event`], [`payload`], [`market_data`] — events and what they carry;
//! - [`trading`] — instruments, orders, fills, signals; [`decimal`] — decimals at the edge;
//! - [`subscriptions`] — who handles what; [`handlers`] — the calls; [`block`] — many events as one NumPy array;
//! - [`bus`] — the bare message bus; [`queue`] — what waits in it; [`drain`] — its dispatch; [`done`] — what `publish` gives;
//! - [`bridge`] — what joins a node to others;
//! - [`sma`], [`volatility`] — indicators;
//! - [`node`] — a node's router, actors, timers and runs;
//! - [`gateways`] — markets and a paper venue for gateways in Python;
//! - [`journal`] — an account's log as rows of a database;
//! - [`exchange`] — the markets of a simulated exchange;
//! - [`forks`] — processes that somebody's code forks;
//! - [`kill_switch`] — the kill switch by a signal, while no node takes it;
//! - [`errors`] — Rust errors as Python exceptions.

// What prints panics where nobody reads, and takes its thread along.
#![warn(clippy::print_stderr, clippy::print_stdout)]
#![allow(missing_docs, reason = "a cdylib: its face is _core.pyi, which documents every name")]

mod block;
mod bridge;
mod bus;
mod decimal;
mod done;
mod drain;
mod ends;
mod enums;
mod errors;
mod event;
mod exchange;
mod forks;
mod gateways;
mod gil;
mod handlers;
mod journal;
mod kill_switch;
mod market_data;
mod names;
mod node;
mod payload;
mod queue;
mod sma;
mod subscriptions;
mod trading;
mod volatility;

use pyo3::prelude::*;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    enums::register(module)?;
    event::register(module)?;
    payload::register(module)?;
    market_data::register(module)?;
    trading::register(module)?;
    block::register(module)?;
    sma::register(module)?;
    volatility::register(module)?;
    bus::register(module)?;
    node::register(module)?;
    bridge::register(module)?;
    gateways::register(module)?;
    journal::register(module)?;
    exchange::register(module)?;
    forks::register(module)?;
    kill_switch::register(module)?;
    Ok(())
}
