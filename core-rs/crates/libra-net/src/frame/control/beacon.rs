//! A node's sign of life. Its name and epoch stand in the frame's header.

use libra_kernel::Lane;

use super::super::cursor::{Cursor, put_count, put_text, put_word};
use super::super::error::{EncodeError, Fault};
use super::{ChannelPosition, lane, positions, put_positions};

/// A part of a lane that somebody in the node listens to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interest {
    /// The lane.
    pub lane: Lane,
    /// The shard.
    pub shard: String,
}

/// What a node says of itself, once a second and on each change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// The incarnation of the server that it believes in; 0 before it knows one.
    pub incarnation: u128,
    /// True when it leaves in order: nobody has to miss it.
    pub is_leaving: bool,
    /// When it started, nanoseconds since the epoch.
    pub started_ns: i64,
    /// The version of the software.
    pub version: String,
    /// Where its metrics are served, empty where they are not.
    pub metrics_address: String,
    /// Its channels, each with the last position that is confirmed appended.
    pub channels: Vec<ChannelPosition>,
    /// What it listens to.
    pub interests: Vec<Interest>,
    /// How many shards market data has in its profile; 0 where it does not say (minor version 0).
    pub shards: u8,
}

impl Beacon {
    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        to.extend_from_slice(&self.incarnation.to_le_bytes());
        to.push(u8::from(self.is_leaving));
        to.extend_from_slice(&self.started_ns.to_le_bytes());
        put_word(to, &self.version)?;
        put_text(to, &self.metrics_address)?;
        put_positions(to, &self.channels)?;
        put_count(to, self.interests.len())?;
        for interest in &self.interests {
            to.push(interest.lane as u8);
            put_word(to, &interest.shard)?;
        }
        to.push(self.shards);
        Ok(())
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let (incarnation, is_leaving, started_ns) = (cursor.u128()?, cursor.flag()?, cursor.i64()?);
        let (version, metrics_address) = (cursor.word()?.to_owned(), cursor.text()?.to_owned());
        let channels = positions(cursor)?;
        let count = cursor.count(2)?;
        let interests = (0..count)
            .map(|_| Ok(Interest { lane: lane(cursor)?, shard: cursor.word()?.to_owned() }))
            .collect::<Result<_, Fault>>()?;
        let shards = if cursor.has_fields_of(1) { cursor.u8()? } else { 0 };
        Ok(Beacon { incarnation, is_leaving, started_ns, version, metrics_address, channels, interests, shards })
    }
}
