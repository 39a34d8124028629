//! The state of a publisher, for a consumer that is behind the trim point of its stream.

use super::super::cursor::{Cursor, put_word};
use super::super::error::{EncodeError, Fault};
use super::{ChannelPosition, channel, position, positions, put_channel, put_position, put_positions};
use crate::ids::{ChannelId, Position};

/// A consumer asks the publisher of a channel for the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// Tells the snapshot from others.
    pub request_id: u128,
    /// The group that asks: the name of a node.
    pub group: String,
    /// The channel that it is behind in.
    pub channel: ChannelId,
    /// What it has applied of it.
    pub position: Position,
}

/// The state; the frame's events carry it, all parts together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The request's.
    pub request_id: u128,
    /// The group that asked.
    pub group: String,
    /// Which part this is, from 0.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// What the state contains: events up to these positions are in it, later ones are not.
    pub positions: Vec<ChannelPosition>,
}

impl SnapshotRequest {
    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        to.extend_from_slice(&self.request_id.to_le_bytes());
        put_word(to, &self.group)?;
        put_channel(to, &self.channel)?;
        put_position(to, self.position);
        Ok(())
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let (request_id, group) = (cursor.u128()?, cursor.word()?.to_owned());
        Ok(SnapshotRequest { request_id, group, channel: channel(cursor)?, position: position(cursor)? })
    }
}

impl Snapshot {
    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        to.extend_from_slice(&self.request_id.to_le_bytes());
        put_word(to, &self.group)?;
        to.extend_from_slice(&self.part.to_le_bytes());
        to.extend_from_slice(&self.parts.to_le_bytes());
        put_positions(to, &self.positions)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let (request_id, group) = (cursor.u128()?, cursor.word()?.to_owned());
        let (part, parts) = (cursor.u32()?, cursor.u32()?);
        if part >= parts {
            return Err(Fault::Value);
        }
        Ok(Snapshot { request_id, group, part, parts, positions: positions(cursor)? })
    }
}
