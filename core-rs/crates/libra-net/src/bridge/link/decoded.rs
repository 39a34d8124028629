//! A durable frame as it is kept until its events may be handed over: read once, when it came.

use libra_kernel::Event;

use crate::frame::{FrameError, FrameReader, Skip};
use crate::ids::{ChannelId, Position};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Decoded {
    pub epoch: u64,
    pub first: u64,
    pub events: Vec<Result<Event, Skip>>,
    /// When it was made, on the publisher's clock.
    pub sent_ns: i64,
}

impl Decoded {
    /// Reads a frame of a channel.
    ///
    /// # Errors
    /// When it is damaged, or another channel's.
    pub fn read(bytes: &[u8], channel: &ChannelId, reader: &mut FrameReader) -> Result<Self, FrameError> {
        let frame = reader.read(bytes)?;
        let header = frame.header;
        let fits = header.kind.is_events()
            && header.lane == Some(channel.lane)
            && header.publisher == channel.publisher()
            && header.shard == channel.shard();
        if !fits {
            return Err(FrameError::Header("of another channel"));
        }
        let events = frame.events().map(|(_, event)| event).collect();
        Ok(Decoded { epoch: header.epoch, first: header.first_seq, events, sent_ns: header.sent_ns })
    }

    /// The place of its last event.
    pub fn last(&self) -> Position {
        Position::new(self.epoch, (self.first + self.events.len() as u64).saturating_sub(1))
    }
}
