//! What a consumer group has applied.

use super::super::cursor::{Cursor, put_word};
use super::super::error::{EncodeError, Fault};
use super::{positions, put_positions};
use crate::ids::{ChannelId, Position};

/// A place in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPosition {
    /// The channel.
    pub channel: ChannelId,
    /// The place.
    pub position: Position,
}

/// A group has applied all up to these positions; told to the publisher of the channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The group: the name of a node.
    pub group: String,
    /// What it has applied.
    pub positions: Vec<ChannelPosition>,
}

impl Ack {
    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_word(to, &self.group)?;
        put_positions(to, &self.positions)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        Ok(Ack { group: cursor.word()?.to_owned(), positions: positions(cursor)? })
    }
}
