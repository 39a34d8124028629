//! The loopback between two nodes of this process, and who moves it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libra_net::bridge::loopback::{Loopback, LoopbackThread};
use libra_net::bridge::{SeamSettings, Shared};
use libra_net::ids::ChannelId;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::node::NodeCore;

/// How often a bridge that stops looks whether all has been applied.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Who moves what is to move.
pub enum Joined {
    /// Whoever calls `pump`.
    ByHand(Box<Loopback>),
    /// A thread.
    Running(LoopbackThread),
    /// Nobody any more.
    Stopped,
}

impl Joined {
    pub fn start(&mut self) -> PyResult<()> {
        *self = match std::mem::replace(self, Joined::Stopped) {
            Joined::ByHand(loopback) => {
                Joined::Running(loopback.spawn().map_err(|error| PyOSError::new_err(error.to_string()))?)
            }
            other => other,
        };
        Ok(())
    }

    pub fn pump(&mut self) -> usize {
        match self {
            Joined::ByHand(loopback) => loopback.turn(),
            Joined::Running(_) | Joined::Stopped => 0,
        }
    }

    pub fn stop(&mut self) {
        *self = match std::mem::replace(self, Joined::Stopped) {
            Joined::Running(thread) => {
                thread.stop().map_or(Joined::Stopped, |loopback| Joined::ByHand(Box::new(loopback)))
            }
            other => other,
        };
    }

    /// Durable events of one side that the other has not applied.
    pub fn unapplied(&self, side: usize) -> usize {
        match self {
            Joined::ByHand(loopback) => loopback.unapplied()[side],
            Joined::Running(thread) => thread.unapplied()[side],
            Joined::Stopped => 0,
        }
    }
}

/// Waits until all that one side has sent is applied, at most so long. It holds the lock only to look.
pub fn settle(joined: &Mutex<Joined>, side: usize, timeout_s: f64) {
    let until = Instant::now() + Duration::try_from_secs_f64(timeout_s).unwrap_or_default();
    loop {
        let mut look = joined.lock().unwrap_or_else(PoisonError::into_inner);
        look.pump();
        let is_done = look.unapplied(side) == 0;
        drop(look);
        if is_done || Instant::now() >= until {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Joins two nodes, and attaches to each its side.
pub fn join(
    py: Python<'_>,
    cores: [&Py<NodeCore>; 2],
    names: (String, String),
    [credits, market, arrivals]: [usize; 3],
) -> PyResult<([Arc<Shared>; 2], Joined)> {
    if cores[0].is(cores[1]) || names.0 == names.1 {
        return Err(PyValueError::new_err("a node is joined to another one, with another name"));
    }
    for name in [&names.0, &names.1] {
        ChannelId::new(libra_kernel::Lane::Signals, "all", name)
            .map_err(|wrong| PyValueError::new_err(wrong.to_string()))?;
    }
    for core in cores {
        core.get().may_have_bridge(py)?;
    }
    let settings = |name: &str| SeamSettings { credits, market, arrivals, ..SeamSettings::new(name) };
    let wakers = [cores[0].get().waker.clone(), cores[1].get().waker.clone()];
    let ([a, b], loopback) = Loopback::new([&settings(&names.0), &settings(&names.1)], wakers)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    let shared = [a.shared.clone(), b.shared.clone()];
    cores[0].get().attach_bridge(py, a);
    cores[1].get().attach_bridge(py, b);
    Ok((shared, Joined::ByHand(Box::new(loopback))))
}
