//! A node joined to others by a server: what the settings say, and what the threads tell.

use std::sync::Arc;
use std::time::Duration;

use libra_kernel::wake::Waker;
use libra_net::bridge::link::{Link, LinkSettings, StartError, Value};
use libra_net::bridge::{NodeSide, SeamSettings};
use libra_net::resp::{Endpoint, Secret};
use pyo3::exceptions::{PyConnectionRefusedError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::node::NodeCore;

/// The seam and the threads that settings ask for.
pub fn link(settings: &Bound<'_, PyDict>, waker: Arc<Waker>) -> PyResult<(NodeSide, Link)> {
    let wrong = |error: &dyn std::fmt::Display| PyValueError::new_err(error.to_string());
    let text = |name: &str| -> PyResult<Option<String>> {
        Ok(settings.get_item(name)?.map(|value| value.extract::<Option<String>>()).transpose()?.flatten())
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| PyValueError::new_err(format!("the settings have no {name}")));
    let number = |name: &str, usual: u64| -> PyResult<u64> {
        Ok(settings.get_item(name)?.map(|value| value.extract::<Option<u64>>()).transpose()?.flatten().unwrap_or(usual))
    };
    let mut endpoint: Endpoint = needed("url")?.parse().map_err(|error| wrong(&error))?;
    if let Some(user) = text("username")? {
        endpoint.user = Some(user);
    }
    if let Some(password) = text("password")? {
        endpoint.password = Some(Secret::Given(password));
    } else if let Some(file) = text("password_file")? {
        // As it is at each connection.
        endpoint.password = Some(Secret::File(file.into()));
    }
    if let Some(authorities) = text("ca_file")? {
        // Whoever names authorities wants a server that is checked: one without TLS is not, and is not turned into one with it.
        let tls = endpoint.tls.as_mut().ok_or_else(|| PyValueError::new_err("ca_file needs TLS: rediss:// in url"))?;
        tls.authorities = Some(authorities.into());
    }
    let node = needed("node")?;
    let nodes: Vec<String> = settings.get_item("nodes")?.map(|value| value.extract()).transpose()?.unwrap_or_default();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let usual = LinkSettings::new(&needed("environment")?, &node, &nodes, endpoint).map_err(|error| wrong(&error))?;
    let shards = number("shards", usual.shards.into())?;
    let having: Option<Vec<String>> =
        settings.get_item("accounts")?.map(|value| value.extract()).transpose()?.flatten();
    let accounts_elsewhere = having.as_ref().is_none_or(|names| names.iter().any(|name| *name != node));
    let link = LinkSettings {
        accounts: having,
        shards: u8::try_from(shards).map_err(|_| PyValueError::new_err("at most 64 shards"))?,
        outbox_events: number("outbox_events", usual.outbox_events)?,
        outbox_bytes: usize::try_from(number("outbox_bytes", usual.outbox_bytes as u64)?).unwrap_or(usize::MAX),
        stale_after: Duration::from_millis(number("stale_after_ms", usual.stale_after.as_millis() as u64)?),
        max_clock_skew: Duration::from_millis(number("max_clock_skew_ms", usual.max_clock_skew.as_millis() as u64)?),
        started_ns: i64::try_from(number("started_ns", 0)?).ok().filter(|&ns| ns > 0).unwrap_or(usual.started_ns),
        loop_patience: Duration::from_millis(number("loop_patience_ms", usual.loop_patience.as_millis() as u64)?),
        ..usual
    };
    let seam = SeamSettings {
        accounts_elsewhere,
        credits: link.credits(),
        credit_bytes: link.credit_bytes(),
        shards: link.shards,
        longest: link.longest(),
        longest_held: link.longest_held(),
        ..SeamSettings::new(&node)
    };
    Link::new(link, &seam, waker).map_err(|error| wrong(&error))
}

/// Whether a bridge takes this as its server. ValueError with what is wrong with it, which repeats nothing of it.
#[pyfunction]
pub fn check_server_url(url: &str) -> PyResult<()> {
    url.parse::<Endpoint>().map(drop).map_err(|error| PyValueError::new_err(error.to_string()))
}

impl NodeCore {
    /// Connects a link and starts its threads, which the guard listens to from then on.
    pub fn start_link(&self, py: Python<'_>, link: &mut Link) -> PyResult<()> {
        let policy = self.state.borrow(py).native_policy;
        py.detach(|| link.start(policy)).map_err(|error| match error {
            StartError::Server(error) => PyConnectionRefusedError::new_err(error.to_string()),
            StartError::System(error) => PyOSError::new_err(error.to_string()),
        })?;
        if let Some(guard) = &*self.guard.borrow(py) {
            link.heartbeats().iter().for_each(|heartbeat| guard.listen_to(heartbeat));
        }
        Ok(())
    }
}

/// A report as Python sees it, ready for JSON.
pub fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Number(number) => number.into_pyobject(py)?.into_any(),
        Value::Flag(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Value::Text(text) => text.into_pyobject(py)?.into_any(),
        Value::Table(rows) => {
            let table = PyDict::new(py);
            for (name, row) in rows {
                table.set_item(name, to_python(py, row)?)?;
            }
            table.into_any()
        }
        Value::List(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            list.into_any()
        }
    })
}
