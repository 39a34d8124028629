//! Frames that are no events: each kind is a small struct, which stands in the frame's preface.
//!
//! | kind | from | to |
//! | --- | --- | --- |
//! | [`Ack`] | a consumer group | the publisher of the channels |
//! | [`Beacon`] | every node, once a second | every node |
//! | [`SnapshotRequest`], [`Snapshot`] | a consumer behind the trim point | the publisher, and back |

mod ack;
mod beacon;
mod snapshot;

pub use ack::{Ack, ChannelPosition};
pub use beacon::{Beacon, Interest};
pub use snapshot::{Snapshot, SnapshotRequest};

use libra_kernel::Lane;

use super::cursor::{Cursor, put_count, put_word};
use super::error::{EncodeError, Fault};
use super::header::Kind;
use crate::ids::{ChannelId, Position};

/// The message of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// What a group has applied.
    Ack(Ack),
    /// A node's sign of life.
    Beacon(Beacon),
    /// A consumer asks for the state.
    SnapshotRequest(SnapshotRequest),
    /// The state; the frame's events carry it.
    Snapshot(Snapshot),
}

impl Control {
    /// The kind of frame.
    pub const fn kind(&self) -> Kind {
        match self {
            Control::Ack(_) => Kind::Ack,
            Control::Beacon(_) => Kind::Beacon,
            Control::SnapshotRequest(_) => Kind::SnapshotRequest,
            Control::Snapshot(_) => Kind::Snapshot,
        }
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Control::Ack(ack) => ack.write(to),
            Control::Beacon(beacon) => beacon.write(to),
            Control::SnapshotRequest(request) => request.write(to),
            Control::Snapshot(snapshot) => snapshot.write(to),
        }
    }

    pub(super) fn read(kind: Kind, preface: &[u8], minor: u8) -> Result<Option<Control>, Fault> {
        let mut cursor = Cursor::new(preface, &[], minor);
        let control = match kind {
            Kind::Events | Kind::Latest => return Ok(None),
            Kind::Ack => Control::Ack(Ack::read(&mut cursor)?),
            Kind::Beacon => Control::Beacon(Beacon::read(&mut cursor)?),
            Kind::SnapshotRequest => Control::SnapshotRequest(SnapshotRequest::read(&mut cursor)?),
            Kind::Snapshot => Control::Snapshot(Snapshot::read(&mut cursor)?),
        };
        cursor.end()?;
        Ok(Some(control))
    }
}

fn put_channel(to: &mut Vec<u8>, channel: &ChannelId) -> Result<(), EncodeError> {
    to.push(channel.lane as u8);
    put_word(to, channel.shard())?;
    put_word(to, channel.publisher())
}

fn lane(cursor: &mut Cursor<'_>) -> Result<Lane, Fault> {
    Lane::ALL.get(usize::from(cursor.u8()?)).copied().ok_or(Fault::Value)
}

fn channel(cursor: &mut Cursor<'_>) -> Result<ChannelId, Fault> {
    let lane = lane(cursor)?;
    let (shard, publisher) = (cursor.word()?, cursor.word()?);
    ChannelId::new(lane, shard, publisher).map_err(|_| Fault::Value)
}

fn put_position(to: &mut Vec<u8>, position: Position) {
    to.extend_from_slice(&position.epoch.to_le_bytes());
    to.extend_from_slice(&position.seq.to_le_bytes());
}

fn position(cursor: &mut Cursor<'_>) -> Result<Position, Fault> {
    Some(Position::new(cursor.u64()?, cursor.u64()?)).filter(|position| position.can_be()).ok_or(Fault::Value)
}

fn put_positions(to: &mut Vec<u8>, positions: &[ChannelPosition]) -> Result<(), EncodeError> {
    put_count(to, positions.len())?;
    for entry in positions {
        put_channel(to, &entry.channel)?;
        put_position(to, entry.position);
    }
    Ok(())
}

fn positions(cursor: &mut Cursor<'_>) -> Result<Vec<ChannelPosition>, Fault> {
    // A lane, two words of one letter, a position.
    let count = cursor.count(1 + 2 + 2 + 16)?;
    (0..count).map(|_| Ok(ChannelPosition { channel: channel(cursor)?, position: position(cursor)? })).collect()
}
