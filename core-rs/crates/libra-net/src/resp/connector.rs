//! Connects to wherever the server is now: for sentinels, to the master that they name, asked anew each time.

use super::connection::Connection;
use super::endpoint::{Endpoint, Host, Place};
use super::error::RespError;
use super::handshake::Options;
use super::reply::Reply;
use super::secret::Secret;

/// An endpoint, and what was learnt on the way to it.
#[derive(Debug)]
pub struct Connector {
    endpoint: Endpoint,
    options: Options,
    /// The sentinels, the one that answered last first.
    sentinels: Vec<Host>,
}

impl Connector {
    /// Nothing is connected yet.
    pub fn new(endpoint: Endpoint, options: Options) -> Self {
        let sentinels = match &endpoint.place {
            Place::Sentinel { sentinels, .. } => sentinels.clone(),
            _ => Vec::new(),
        };
        Connector { endpoint, options, sentinels }
    }

    /// Where it connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Connects. Behind sentinels each of them is asked until one names a server that says itself that it is the master: one
    /// that was cut off may still name the old one.
    ///
    /// # Errors
    /// When no server can be had, or it will not have us.
    pub fn connect(&mut self) -> Result<Connection, RespError> {
        let Place::Sentinel { master, user, password, .. } = &self.endpoint.place else {
            return Connection::connect(&self.endpoint, &self.options);
        };
        let options = Options { needs_master: true, ..self.options.clone() };
        let mut reasons = Vec::new();
        for index in 0..self.sentinels.len() {
            let sentinel = &self.sentinels[index];
            let found = ask(&self.endpoint, &options, sentinel, master, (user, password))
                .and_then(|host| Connection::connect(&self.endpoint.moved(Place::Tcp(host)), &options));
            match found {
                Ok(connection) => {
                    self.sentinels[..=index].rotate_right(1);
                    return Ok(connection);
                }
                Err(error) => reasons.push((sentinel.to_string(), error)),
            }
        }
        // What only the operator can mend is told as it is; the rest may pass.
        match reasons.iter().all(|(_, error)| !error.may_pass()) {
            true => Err(reasons.swap_remove(0).1),
            false => {
                let said = reasons.iter().map(|(sentinel, error)| format!("{sentinel} says: {error}"));
                let reasons = said.collect::<Vec<_>>().join("; ");
                Err(RespError::NoMaster { master: master.clone(), reasons })
            }
        }
    }

    /// Which server the first sentinel that answers calls the master now; `None` without sentinels. A node that holds a
    /// connection to another one is on the wrong side of a failover.
    ///
    /// # Errors
    /// When none answers.
    pub fn master(&mut self) -> Result<Option<Host>, RespError> {
        let Place::Sentinel { master, user, password, .. } = &self.endpoint.place else { return Ok(None) };
        let mut reasons = Vec::new();
        for index in 0..self.sentinels.len() {
            match ask(&self.endpoint, &self.options, &self.sentinels[index], master, (user, password)) {
                Ok(host) => {
                    self.sentinels[..=index].rotate_right(1);
                    return Ok(Some(host));
                }
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(RespError::NoMaster { master: master.clone(), reasons: reasons.join("; ") })
    }
}

fn ask(
    endpoint: &Endpoint,
    options: &Options,
    sentinel: &Host,
    master: &str,
    login: (&Option<String>, &Option<Secret>),
) -> Result<Host, RespError> {
    let place = endpoint.moved(Place::Tcp(sentinel.clone()));
    let mut connection = Connection::to_sentinel(&place, options, login)?;
    let shown = connection.place().to_owned();
    let reply = connection.call(&[b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()])?;
    let mut items = match reply {
        Reply::Null => return Err(RespError::NoMaster { master: master.into(), reasons: format!("{shown} has none") }),
        other => other.items().into_iter().flatten(),
    };
    let name = items.next().and_then(Reply::text).map(str::to_owned);
    let port = items.next().and_then(Reply::int).and_then(|port| u16::try_from(port).ok());
    match (name, port) {
        (Some(name), Some(port)) => Ok(Host { name, port }),
        _ => Err(RespError::Unexpected { place: shown, during: "SENTINEL get-master-addr-by-name".into() }),
    }
}
