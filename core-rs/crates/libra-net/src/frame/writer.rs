//! Frames out: events are encoded where they will stand, the header is completed when the frame is closed.

use libra_kernel::{Event, Lane};

use super::LONGEST_FRAME;
use super::control::Control;
use super::error::EncodeError;
use super::event;
use super::header::{Closing, Kind, Opening};
use super::names::NamesOut;
use crate::ids::{BadName, ChannelId};

/// When a frame is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many events.
    pub events: u32,
    /// So many bytes in all; one event that is longer has a frame of its own.
    pub bytes: usize,
}

impl Limits {
    /// Of best-effort channels.
    pub const BEST_EFFORT: Limits = Limits { events: 128, bytes: 16 << 10 };
    /// Of durable channels: an entry of the stream.
    pub const DURABLE: Limits = Limits { events: 16, bytes: 64 << 10 };
}

/// What became of an event that was to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Append {
    /// It stands in the frame.
    Written,
    /// The frame is full without it: finish it, then append the event again.
    Full,
}

/// Makes the frames of one publisher in one channel, one after the other, in one buffer.
pub struct FrameWriter {
    lane: Option<Lane>,
    publisher: String,
    shard: String,
    epoch: u64,
    limits: Limits,
    kind: Kind,
    names: NamesOut,
    /// The frame so far; after [`FrameWriter::finish`] the finished one.
    buffer: Vec<u8>,
    header_length: usize,
    preface_length: usize,
    count: u32,
    finished: bool,
    events_kind: Kind,
}

impl FrameWriter {
    /// A writer for a channel, in the publisher's life `epoch`.
    pub fn new(channel: &ChannelId, epoch: u64, limits: Limits) -> Self {
        Self::with(Some(channel.lane), channel.publisher(), channel.shard(), epoch, limits)
    }

    /// A writer for the control channels.
    ///
    /// # Errors
    /// When `publisher` cannot be a name.
    pub fn for_control(publisher: &str, epoch: u64) -> Result<Self, BadName> {
        crate::ids::check("publisher", publisher, "_-")?;
        Ok(Self::with(None, publisher, "", epoch, Limits { events: u32::MAX, bytes: LONGEST_FRAME }))
    }

    fn with(lane: Option<Lane>, publisher: &str, shard: &str, epoch: u64, limits: Limits) -> Self {
        let mut writer = FrameWriter {
            lane,
            publisher: publisher.to_owned(),
            shard: shard.to_owned(),
            epoch,
            limits,
            kind: Kind::Events,
            names: NamesOut::default(),
            buffer: Vec::with_capacity(limits.bytes.min(64 << 10)),
            header_length: 0,
            preface_length: 0,
            count: 0,
            finished: false,
            events_kind: Kind::Events,
        };
        writer.clear();
        writer
    }

    /// Its frames of events say that each is the latest value of what it tells.
    #[must_use]
    pub fn of_latest_values(mut self) -> Self {
        self.events_kind = Kind::Latest;
        self.clear();
        self
    }

    /// Forgets what was not finished, and begins a frame of events.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.names.clear();
        Opening { lane: self.lane, publisher: &self.publisher, shard: &self.shard }.write(&mut self.buffer);
        self.header_length = self.buffer.len();
        (self.kind, self.preface_length, self.count, self.finished) = (self.events_kind, 0, 0, false);
    }

    /// Forgets what was not finished, and begins a frame with this message.
    ///
    /// # Errors
    /// When something in the message is too long; a frame of events is begun then.
    pub fn begin(&mut self, control: &Control) -> Result<(), EncodeError> {
        self.clear();
        if let Err(error) = control.write(&mut self.buffer) {
            self.clear();
            return Err(error);
        }
        let length = self.buffer.len();
        if length > LONGEST_FRAME {
            self.clear();
            return Err(EncodeError::TooLarge(length));
        }
        (self.kind, self.preface_length) = (control.kind(), length - self.header_length);
        Ok(())
    }

    /// Appends an event.
    ///
    /// # Errors
    /// When it cannot be sent at all; the frame is as before.
    #[inline]
    pub fn append(&mut self, event: &Event) -> Result<Append, EncodeError> {
        self.append_as(event, None)
    }

    /// Appends an event with a Python payload that the loop's thread has encoded, in place of the event's own.
    ///
    /// # Errors
    /// As [`FrameWriter::append`].
    pub fn append_encoded(&mut self, event: &Event, tag: &str, bytes: &[u8]) -> Result<Append, EncodeError> {
        self.append_as(event, Some((tag, bytes)))
    }

    #[inline]
    fn append_as(&mut self, event: &Event, encoded: Option<(&str, &[u8])>) -> Result<Append, EncodeError> {
        if self.finished {
            self.clear();
        }
        if self.count >= self.limits.events {
            return Ok(Append::Full);
        }
        let (start, mark) = (self.buffer.len(), self.names.mark());
        let refused = match event::encode(event, encoded, &mut self.buffer, &mut self.names) {
            Ok(()) => {
                let length = self.buffer.len() + self.names.len();
                if length <= self.limits.bytes.min(LONGEST_FRAME) || (self.count == 0 && length <= LONGEST_FRAME) {
                    self.count += 1;
                    return Ok(Append::Written);
                }
                if self.count == 0 { Err(EncodeError::TooLarge(length)) } else { Ok(Append::Full) }
            }
            // The next frame has a table of its own.
            Err(EncodeError::TooManyNames) if self.count > 0 => Ok(Append::Full),
            Err(error) => Err(error),
        };
        self.buffer.truncate(start);
        self.names.take_back(mark);
        refused
    }

    /// Events in the frame that is being written.
    pub fn count(&self) -> u32 {
        if self.finished { 0 } else { self.count }
    }

    /// Bytes of the frame that is being written, were it closed now.
    pub fn len(&self) -> usize {
        if self.finished { self.header_length } else { self.buffer.len() + self.names.len() }
    }

    /// True while a frame of events has none: it cannot be finished.
    pub fn is_empty(&self) -> bool {
        self.finished || (self.count == 0 && self.kind.is_events())
    }

    /// True when no further event is taken.
    pub fn is_full(&self) -> bool {
        !self.finished && (self.count >= self.limits.events || self.len() >= self.limits.bytes)
    }

    /// Closes the frame, whose first event is `first_seq` of the channel, at `sent_ns` on the publisher's clock. The next
    /// [`FrameWriter::append`] begins a new one. `None` when there is nothing in it.
    pub fn finish(&mut self, first_seq: u64, sent_ns: i64) -> Option<&[u8]> {
        if self.is_empty() {
            return None;
        }
        self.buffer.extend_from_slice(self.names.table());
        let closing = Closing {
            kind: self.kind,
            epoch: self.epoch,
            first_seq,
            count: self.count,
            sent_ns,
            // Within `LONGEST_FRAME`, as all of the frame.
            preface_length: self.preface_length as u32,
            names_length: self.names.len() as u32,
            names_count: self.names.count(),
        };
        closing.write(&mut self.buffer);
        self.finished = true;
        Some(&self.buffer)
    }
}
