//! Whether a node of our name lives already. It is asked before our life is claimed: to claim it ends the other's, with all that
//! it trades.
//!
//! A node listens on a channel of its own, so the server knows at once that nobody is there. Where somebody listens, or the server
//! may not be asked, the beacons tell: a node that is stopped, or whose connection is only a remainder, sends none within the time
//! of silence, and is taken for dead as by any other node. So it is where a life was claimed a moment ago: whoever did may not listen yet.

use std::time::{Duration, Instant};

use libra_kernel::clock::wall_ns;

use super::control::SILENCE_NS;
use super::settings::LinkSettings;
use crate::frame::{Control, FrameReader};
use crate::resp::{Connection, Reply, RespError, wait};

/// A life that was claimed within this time of now, by the clocks of two hosts, may be about to listen.
const CLAIMED_JUST_NOW_MS: u64 = SILENCE_NS.unsigned_abs() / 1_000_000;

/// Looks for it. `found` is the life of our name that was claimed last.
///
/// # Errors
/// `Taken` when it lives; else what went wrong with the connection.
pub(super) fn look(connection: &mut Connection, settings: &LinkSettings, found: u64) -> Result<(), RespError> {
    let wall_ms = u64::try_from(wall_ns() / 1_000_000).unwrap_or(0);
    let begins = found.abs_diff(wall_ms) < CLAIMED_JUST_NOW_MS;
    if !begins && !is_anyone_there(connection, settings)? {
        return Ok(());
    }
    let channel = settings.environment.control();
    connection.commands().push(&[b"SUBSCRIBE", channel.as_bytes()]);
    let lives = hears_beacon(connection, &settings.node, Duration::from_nanos(SILENCE_NS.unsigned_abs()))?;
    connection.commands().push(&[b"UNSUBSCRIBE", channel.as_bytes()]);
    if !lives {
        return Ok(());
    }
    let (node, environment) = (&settings.node, settings.environment.as_str());
    let reason = format!(
        "a node {node:?} of environment {environment:?} runs already: stop it first, or give this one another \
         bridge.environment"
    );
    Err(RespError::Taken { place: connection.place().to_owned(), reason })
}

/// Whether somebody listens where the node would.
fn is_anyone_there(connection: &mut Connection, settings: &LinkSettings) -> Result<bool, RespError> {
    let own = settings.environment.control_of(&settings.node);
    match connection.call(&[b"PUBSUB", b"NUMSUB", own.as_bytes()]) {
        Ok(reply) => Ok(reply.items().and_then(|items| items.last()?.int()) != Some(0)),
        // Not every user may ask that; every one hears.
        Err(RespError::Refused { message, .. }) if message.starts_with("NOPERM") => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether a node of this name says within the time that it lives. One that says that it leaves does not.
fn hears_beacon(connection: &mut Connection, node: &str, within: Duration) -> Result<bool, RespError> {
    let (until, mut reader) = (Instant::now() + within, FrameReader::new());
    loop {
        let ended = connection.fill().map(drop);
        while let Some(reply) = connection.next_reply()? {
            if let Reply::Error(message) = reply {
                let message = String::from_utf8_lossy(message).into_owned();
                let place = connection.place().to_owned();
                return Err(RespError::Refused { place, during: "SUBSCRIBE".into(), message });
            }
            if let Some(is_leaving) = reply.message().and_then(|(_, frame)| beacon_of(&mut reader, frame, node)) {
                return Ok(!is_leaving);
            }
        }
        ended?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        connection.flush()?;
        wait(&mut [connection.watch()], Some(left))
            .map_err(|error| RespError::Closed { place: connection.place().to_owned(), reason: error.to_string() })?;
    }
}

/// Of a node's beacon, whether it leaves.
fn beacon_of(reader: &mut FrameReader, bytes: &[u8], node: &str) -> Option<bool> {
    let frame = reader.read(bytes).ok().filter(|frame| frame.header.publisher == node)?;
    match frame.control() {
        Ok(Some(Control::Beacon(beacon))) => Some(beacon.is_leaving),
        _ => None,
    }
}
