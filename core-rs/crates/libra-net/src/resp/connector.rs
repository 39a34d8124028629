//! Connects to wherever the server is now: for sentinels, to the master that most of them name, asked anew each time.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;

use super::connection::Connection;
use super::endpoint::{Endpoint, Host, Place};
use super::error::RespError;
use super::handshake::Options;
use super::reply::Reply;

/// An endpoint, and how to connect to it.
#[derive(Debug)]
pub struct Connector {
    endpoint: Endpoint,
    options: Options,
}

/// What the sentinels said.
struct Votes {
    /// Each server that was named, and by how many, those with the most first.
    named: Vec<(Host, usize)>,
    /// Who named nobody, and why.
    silent: Vec<(String, RespError)>,
}

impl Connector {
    /// Nothing is connected yet.
    pub fn new(endpoint: Endpoint, options: Options) -> Self {
        Connector { endpoint, options }
    }

    /// Where it connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What ends it, and the connections that it has made: see [`Options::ended`].
    pub fn ended(&self) -> &Arc<AtomicBool> {
        &self.options.ended
    }

    /// Connects. Behind sentinels all of them are asked, and the server that most of them name is taken when it says itself
    /// that it is the master: one sentinel that was cut off may still name the old one, which says so too when it is back
    /// before it was told otherwise. Of servers with as many votes the first that will have us is taken; whoever holds a
    /// connection asks [`Connector::master`] from time to time.
    ///
    /// # Errors
    /// When no server can be had, or it will not have us.
    pub fn connect(&mut self) -> Result<Connection, RespError> {
        let Place::Sentinel { master, .. } = &self.endpoint.place else {
            return Connection::connect(&self.endpoint, &self.options);
        };
        let options = Options { needs_master: true, ..self.options.clone() };
        let Votes { named, silent: mut reasons } = self.ask_all(&options);
        let most = named.first().map_or(0, |(_, votes)| *votes);
        for (host, _) in named.into_iter().take_while(|(_, votes)| *votes == most) {
            let said = format!("most name {host}");
            match Connection::connect(&self.endpoint.moved(Place::Tcp(host)), &options) {
                Ok(connection) => return Ok(connection),
                Err(error) => reasons.push((said, error)),
            }
        }
        // What only the operator can mend is told as it is; the rest may pass.
        match reasons.iter().all(|(_, error)| !error.may_pass()) {
            true => Err(reasons.swap_remove(0).1),
            false => Err(RespError::NoMaster { master: master.clone(), reasons: told(&reasons) }),
        }
    }

    /// Which server more than half of the sentinels that answer call the master now; `None` without sentinels. A node that
    /// holds a connection to another one is on the wrong side of a failover.
    ///
    /// # Errors
    /// When none answers, or they do not agree.
    pub fn master(&mut self) -> Result<Option<Host>, RespError> {
        let Place::Sentinel { master, .. } = &self.endpoint.place else { return Ok(None) };
        let Votes { named, silent } = self.ask_all(&self.options);
        let answers: usize = named.iter().map(|(_, votes)| votes).sum();
        match named.first() {
            Some((host, votes)) if votes * 2 > answers => Ok(Some(host.clone())),
            _ => {
                let votes = named.iter().map(|(host, votes)| format!("{votes} name {host}"));
                let reasons = votes.chain((!silent.is_empty()).then(|| told(&silent))).collect::<Vec<_>>().join("; ");
                Err(RespError::NoMaster { master: master.clone(), reasons })
            }
        }
    }

    /// What a connection to a server that sentinels named says of its place.
    pub fn place_of(&self, host: Host) -> String {
        self.endpoint.moved(Place::Tcp(host)).to_string()
    }

    /// Asks all at once, so that one that is gone holds up nothing: more than half of them that agree are enough.
    fn ask_all(&self, options: &Options) -> Votes {
        let mut votes = Votes { named: Vec::new(), silent: Vec::new() };
        let Place::Sentinel { sentinels, .. } = &self.endpoint.place else { return votes };
        let (tell, said) = channel();
        for sentinel in sentinels {
            let (endpoint, options, host, tell) =
                (self.endpoint.clone(), options.clone(), sentinel.clone(), tell.clone());
            let asks = std::thread::Builder::new().name("libra-sentinel".into());
            // Nobody hears those who answer when it is settled.
            let asked = asks.spawn(move || _ = tell.send((host.to_string(), ask(&endpoint, &options, &host))));
            if let Err(error) = asked {
                let (place, reason) = (sentinel.to_string(), format!("no thread to ask with: {error}"));
                votes.silent.push((place.clone(), RespError::Connect { place, reason }));
            }
        }
        drop(tell);
        for (sentinel, answer) in said {
            match answer {
                Ok(host) => match votes.named.iter_mut().find(|(named, _)| *named == host) {
                    Some((_, count)) => *count += 1,
                    None => votes.named.push((host, 1)),
                },
                Err(error) => votes.silent.push((sentinel, error)),
            }
            if votes.named.iter().any(|(_, count)| count * 2 > sentinels.len()) {
                break;
            }
        }
        votes.named.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        votes
    }
}

fn told(reasons: &[(String, RespError)]) -> String {
    let mut reasons: Vec<_> = reasons.iter().map(|(who, error)| format!("{who}: {error}")).collect();
    // Whoever answered first: the same reasons are told in the same words.
    reasons.sort();
    reasons.join("; ")
}

fn of_sentinel(error: RespError) -> RespError {
    match error {
        RespError::Refused { place, during, message } => RespError::SentinelRefused { place, during, message },
        other => other,
    }
}

fn ask(endpoint: &Endpoint, options: &Options, sentinel: &Host) -> Result<Host, RespError> {
    let Place::Sentinel { master, user, password, .. } = &endpoint.place else {
        return Err(RespError::NoMaster { master: String::new(), reasons: "no sentinels are named".into() });
    };
    let place = endpoint.moved(Place::Tcp(sentinel.clone()));
    let mut connection = Connection::to_sentinel(&place, options, (user, password)).map_err(of_sentinel)?;
    let shown = connection.place().to_owned();
    let asked = connection.call(&[b"SENTINEL", b"get-master-addr-by-name", master.as_bytes()]);
    let reply = asked.map_err(of_sentinel)?;
    let mut items = match reply {
        Reply::Null => {
            return Err(RespError::NoMaster { master: master.clone(), reasons: format!("{shown} has none") });
        }
        other => other.items().into_iter().flatten(),
    };
    let name = items.next().and_then(Reply::text).map(str::to_owned);
    let port = items.next().and_then(Reply::int).and_then(|port| u16::try_from(port).ok());
    match (name, port) {
        (Some(name), Some(port)) => Ok(Host { name, port }),
        _ => Err(RespError::Unexpected { place: shown, during: "SENTINEL get-master-addr-by-name".into() }),
    }
}
