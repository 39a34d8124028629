//! What a server says about its settings and its state.

use std::collections::BTreeMap;

use crate::resp::connection::Connection;
use crate::resp::error::RespError;
use crate::resp::reply::Reply;

/// The settings that are asked for. `requirepass` is not among them: the answer would be the password.
const SETTINGS: [&[u8]; 10] = [
    b"client-output-buffer-limit",
    b"maxmemory",
    b"maxmemory-policy",
    b"maxmemory-clients",
    b"appendonly",
    b"appendfsync",
    b"save",
    b"io-threads",
    b"protected-mode",
    b"min-replicas-to-write",
];

/// What is known of a server. What could not be asked is missing.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Settings by name; none when the user may not read them.
    pub settings: Option<BTreeMap<String, String>>,
    /// Fields of INFO by name; none when the user may not read it.
    pub info: Option<BTreeMap<String, String>>,
    /// Whether anybody may log in without a password.
    pub open_to_all: Option<bool>,
    /// Whether it is on this host.
    pub local: bool,
    /// Whether this connection is encrypted.
    pub encrypted: bool,
    /// The cores that the server can have, where it is on this host.
    pub cores: Option<usize>,
    /// `standalone` or `cluster`.
    pub mode: String,
}

impl Facts {
    /// Asks the server.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn gather(connection: &mut Connection) -> Result<Self, RespError> {
        let local = is_local(connection.place());
        let mut facts = Facts {
            local,
            encrypted: connection.is_encrypted(),
            cores: local.then(|| std::thread::available_parallelism().map_or(1, |count| count.get())),
            mode: connection.server().mode.clone(),
            ..Facts::default()
        };
        let mut get = vec![&b"CONFIG"[..], b"GET"];
        get.extend(SETTINGS);
        facts.settings = allowed(connection.call(&get).map(pairs))?;
        facts.info = allowed(connection.call(&[b"INFO", b"everything"]).map(fields))?;
        facts.open_to_all = allowed(connection.call(&[b"ACL", b"GETUSER", b"default"]).map(is_open))?;
        Ok(facts)
    }

    /// A setting.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.as_ref()?.get(name).map(String::as_str)
    }

    /// A field of INFO.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.info.as_ref()?.get(name).map(String::as_str)
    }

    /// A number among the settings.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.setting(name)?.parse().ok()
    }
}

/// A refusal is no error here: a managed server forbids CONFIG, or does not know it.
fn allowed<T>(answer: Result<T, RespError>) -> Result<Option<T>, RespError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(RespError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn pairs(reply: Reply<'_>) -> BTreeMap<String, String> {
    let text = |reply: Reply<'_>| reply.text().unwrap_or_default().to_owned();
    let mut pairs = BTreeMap::new();
    let mut items = reply.items().into_iter().flatten();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        pairs.insert(text(name), text(value));
    }
    pairs
}

fn fields(reply: Reply<'_>) -> BTreeMap<String, String> {
    let lines = reply.text().unwrap_or_default().lines();
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.into(), value.into())).collect()
}

fn is_open(user: Reply<'_>) -> bool {
    let has = |wanted: &str| {
        let mut flags = user.get("flags").and_then(Reply::items).into_iter().flatten();
        flags.any(|flag| flag.text() == Some(wanted))
    };
    has("on") && has("nopass")
}

fn is_local(place: &str) -> bool {
    let host = place.split_once("://").map_or(place, |(_, host)| host);
    host.starts_with('/') || host.starts_with("127.") || host.starts_with("[::1]") || host.starts_with("localhost:")
}
