//! What is asked of a server before a connection is used: whose data it has, and for the connection for calls the life that we
//! may begin.

use std::sync::atomic::{AtomicU64, Ordering};

use libra_kernel::clock::wall_ns;

use super::namesake;
use super::settings::{DURABLE, LinkSettings, WHOLE};
use crate::durable::{claim_at_least, library};
use crate::ids::{ChannelId, Environment, LATEST, Position};
use crate::resp::health::{Finding, Severity, inspect};
use crate::resp::{Connection, Reply, RespError};

/// What a server said.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    /// What names its data: gone when they are.
    pub incarnation: u128,
    /// Our life.
    pub epoch: u64,
    /// The server's process; something of our own where it may not be asked, so that it is like no other.
    pub run: String,
    /// What of its settings can cost events.
    pub findings: Vec<Finding>,
}

/// Our life, once it is claimed; 0 before.
#[derive(Debug)]
pub(super) struct Claimed {
    epoch: AtomicU64,
    /// Of this process alone: who claims again, because no answer came, is given what it has.
    token: u128,
}

impl Default for Claimed {
    fn default() -> Self {
        Claimed { epoch: AtomicU64::new(0), token: fastrand::u128(1..) }
    }
}

impl Claimed {
    pub fn get(&self) -> Option<u64> {
        Some(self.epoch.load(Ordering::Acquire)).filter(|&epoch| epoch != 0)
    }
}

/// Asks.
pub(super) fn greet(
    connection: &mut Connection,
    settings: &LinkSettings,
    channels: &[ChannelId],
    claimed: &Claimed,
) -> Result<Greeting, RespError> {
    let environment = &settings.environment;
    let incarnation = incarnation(connection, environment)?;
    let epoch = match claimed.get() {
        Some(epoch) => epoch,
        None => {
            may_speak_and_listen(connection, environment)?;
            may_keep(connection, environment)?;
            let epoch = begin(connection, settings, channels, claimed.token)?;
            claimed.epoch.store(epoch, Ordering::Release);
            epoch
        }
    };
    let mut findings = Vec::new();
    let run = connection.server().run_id.clone().unwrap_or_else(|| format!("unknown-{}", fastrand::u64(..)));
    findings.extend(may_load(connection)?);
    findings.extend(inspect(connection)?);
    Ok(Greeting { incarnation, epoch, run, findings })
}

/// Claims our life, unless a node of our name lives. Where one is quicker than we are, it is looked for: of two that start in one
/// moment the later finds the other.
fn begin(
    connection: &mut Connection,
    settings: &LinkSettings,
    channels: &[ChannelId],
    token: u128,
) -> Result<u64, RespError> {
    let mut is_late = false;
    loop {
        // Before it is looked who lives: whoever claims from now on is not known to be dead.
        let found = found(connection, settings)?;
        namesake::look(connection, settings, found)?;
        match claim(connection, settings, channels, token, found) {
            Err(RespError::Refused { message, .. }) if message.starts_with("CLAIMED") && !is_late => is_late = true,
            claimed => return claimed,
        }
    }
}

/// Whether the server lets us publish where every node does, and listen there. A node may start only if so: it is tried with a
/// message of nothing, and a subscription that ends at once. Nobody is listened for under our own name yet.
fn may_speak_and_listen(connection: &mut Connection, environment: &Environment) -> Result<(), RespError> {
    let mut channels = vec![environment.control()];
    channels.extend(DURABLE.iter().map(|&lane| environment.channel(lane, WHOLE)));
    for channel in &channels {
        connection.call(&[b"PUBLISH", channel.as_bytes(), b""])?;
    }
    for name in [&b"SUBSCRIBE"[..], b"UNSUBSCRIBE"] {
        let words: Vec<&[u8]> =
            std::iter::once(name).chain(channels.iter().map(|channel| channel.as_bytes())).collect();
        connection.commands().push(&words);
    }
    // What is confirmed is no answer; what is refused comes before that of the PING.
    connection.commands().push(&[b"PING"]);
    connection.answer("SUBSCRIBE").map(drop)
}

/// What the functions do with the server's data, and what a node does without them, maybe only when it finds a server that came back
/// empty: each as a command by itself, since the permissions of the same user decide. In such an order that nothing is left behind,
/// whichever is refused.
const KEEPING: [&[&str]; 16] = [
    &["DEL"],
    &["GET"],
    &["HGET", "field"],
    &["HMGET", "field"],
    &["HGETALL"],
    &["HVALS"],
    &["HSCAN", "0"],
    &["XRANGE", "-", "+"],
    &["XREVRANGE", "+", "-"],
    &["XTRIM", "MAXLEN", "0"],
    &["HSET", "field", "value"],
    &["DEL"],
    &["SET", "value", "NX"],
    &["DEL"],
    &["XADD", "*", "field", "value"],
    &["DEL"],
];

/// Whether the server lets us keep and read what is durable. Any other refusal passes: one that is full takes a node all the same.
fn may_keep(connection: &mut Connection, environment: &Environment) -> Result<(), RespError> {
    let key = environment.trial();
    for (command, words) in KEEPING.iter().filter_map(|words| words.split_first()) {
        let mut call = vec![command.as_bytes(), key.as_bytes()];
        call.extend(words.iter().map(|word| word.as_bytes()));
        match connection.call(&call) {
            Err(error @ RespError::Refused { .. }) if error.may_pass() => {}
            answer => drop(answer?),
        }
    }
    Ok(())
}

/// Whether the server would let us load our functions, should it come back without them: tried with a library that no server takes.
/// Who may not can live with functions that somebody else loads, so that is told and no more.
fn may_load(connection: &mut Connection) -> Result<Option<Finding>, RespError> {
    match connection.call(&[b"FUNCTION", b"LOAD", b""]) {
        Err(error @ RespError::Refused { .. }) if !error.may_pass() => Ok(Some(Finding {
            code: "FUNCTIONS_FIXED",
            severity: Severity::Warning,
            sentence: "this user may not load functions: a server that comes back without them keeps this node out"
                .into(),
            change: "ACL SETUSER <user> +function|load".into(),
        })),
        Ok(_) | Err(RespError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn incarnation(connection: &mut Connection, environment: &Environment) -> Result<u128, RespError> {
    let key = environment.incarnation();
    // A full server takes no SET, and whoever would make room there joins by this.
    if connection.call(&[b"GET", key.as_bytes()])? == Reply::Null {
        let ours = format!("{:032x}", fastrand::u128(1..));
        connection.call(&[b"SET", key.as_bytes(), ours.as_bytes(), b"NX"])?;
    }
    let place = connection.place().to_owned();
    let reply = connection.call(&[b"GET", key.as_bytes()])?;
    let known = reply.text().and_then(|text| u128::from_str_radix(text, 16).ok()).filter(|&number| number != 0);
    known.ok_or(RespError::Unexpected { place, during: format!("GET {key}") })
}

/// The life of our name that was claimed last; 0 where the server knows of none.
fn found(connection: &mut Connection, settings: &LinkSettings) -> Result<u64, RespError> {
    let epochs = settings.environment.epochs();
    let reply = connection.call(&[b"HGET", epochs.as_bytes(), settings.node.as_bytes()])?;
    // As the function has it: what cannot be an epoch is none.
    Ok(reply.int().and_then(|epoch| u64::try_from(epoch).ok()).filter(|&epoch| epoch <= LATEST).unwrap_or(0))
}

/// Claims the life behind the one that was found.
fn claim(
    connection: &mut Connection,
    settings: &LinkSettings,
    channels: &[ChannelId],
    token: u128,
    found: u64,
) -> Result<u64, RespError> {
    let LinkSettings { environment, node, .. } = settings;
    let mut seen = Vec::new();
    for channel in channels {
        let key = environment.acknowledged(channel);
        let reply = connection.call(&[b"HVALS", key.as_bytes()])?;
        let positions = reply.items().into_iter().flatten().filter_map(|value| value.text()?.parse::<Position>().ok());
        seen.extend(positions);
    }
    let wall_ms = u64::try_from(wall_ns() / 1_000_000).unwrap_or(0);
    let least = claim_at_least(wall_ms, seen).to_string();
    let place = connection.place().to_owned();
    let (epochs, token, found) = (environment.epochs(), format!("{token:032x}"), found.to_string());
    let said = [epochs.as_str(), node, &least, &token, &found].map(str::as_bytes);
    let arguments = [[b"FCALL".as_slice(), library::CLAIM.as_bytes(), b"1"].as_slice(), &said].concat();
    let claimed = connection.call(&arguments)?.int().and_then(|epoch| u64::try_from(epoch).ok());
    claimed.ok_or(RespError::Unexpected { place, during: library::CLAIM.into() })
}

/// The incarnation as a reply of READ has it.
pub(super) fn incarnation_of(reply: Reply<'_>) -> Option<u128> {
    u128::from_str_radix(reply.text()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_functions_do_is_tried() {
        let called = library::SOURCE.split("call('").skip(1).filter_map(|rest| rest.split('\'').next());
        for command in called {
            let is_tried = KEEPING.iter().any(|words| words[0] == command) || command == "PUBLISH";
            assert!(is_tried, "{command}");
        }
    }

    #[test]
    fn all_that_a_node_does_without_the_functions_is_tried() {
        // Tried by themselves, called at each start, or done without where they are forbidden.
        let elsewhere = ["PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", "PING", "FCALL", "FUNCTION", "PUBSUB"];
        let sources = [
            include_str!("greeting.rs"),
            include_str!("namesake.rs"),
            include_str!("calls.rs"),
            include_str!("keeper.rs"),
            include_str!("market_in.rs"),
            include_str!("market_out.rs"),
            include_str!("urgent/mod.rs"),
            include_str!("urgent/doing.rs"),
        ];
        let mut found = std::collections::BTreeSet::new();
        for before in ["push(&[b\"", "call(&[b\"", "bulk(b\""] {
            let calls = sources.iter().flat_map(|source| source.split(before).skip(1));
            found.extend(calls.filter_map(|rest| rest.split('"').next()).filter(|word| word.len() > 2));
        }
        assert!(found.contains("HSCAN") && found.contains("SET") && found.contains("HGET"), "{found:?}");
        for command in found {
            let is_tried = KEEPING.iter().any(|words| words[0] == command) || elsewhere.contains(&command);
            assert!(is_tried, "{command}");
        }
    }
}
