//! The wire format: frames, byte by byte as docs/wire.md ("Frames") has them.
//!
//! A frame is a header, a preface (empty in frames of events, a small message in the others), events one behind the other, and
//! the table of the names that they mention. One publisher of one channel writes it; a CRC32C covers it whole.
//!
//! - [`FrameWriter`] — takes events until a limit is reached, and is used again for the next frame:
//!   ```
//!   # use libra_kernel::{Event, EventType, Lane, Name, Payload};
//!   # use libra_net::frame::{Append, FrameReader, FrameWriter, Limits};
//!   # use libra_net::ids::ChannelId;
//!   let channel = ChannelId::new(Lane::Orders, "all", "node-1")?;
//!   let mut writer = FrameWriter::new(&channel, 7, Limits::DURABLE);
//!   let event = Event::new(EventType::OrderNew, Name::intern("desk"), 1, Payload::Empty);
//!   assert_eq!(writer.append(&event)?, Append::Written);        // `Full`: finish, then append it again
//!   let bytes = writer.finish(41, 1_000).expect("holds an event").to_vec();
//!
//!   let mut reader = FrameReader::new();
//!   let frame = reader.read(&bytes)?;                            // all of its structure is checked, or it is refused
//!   assert_eq!((frame.header.first_seq, frame.header.last_seq()), (41, 41));
//!   for (channel_seq, event) in frame.events() {
//!       assert_eq!((channel_seq, event.unwrap().event_type), (41, EventType::OrderNew)); // `Err`: skipped, and why
//!   }
//!   # Ok::<(), Box<dyn std::error::Error>>(())
//!   ```
//! - [`Header::parse`] — the header alone, for who passes frames on without looking inside;
//! - [`Control`] — what is no event: acknowledgements, beacons, questions and answers, snapshots;
//!   [`FrameWriter::begin`] writes one, [`Frame::control`] reads it;
//! - [`Encoded`] — a Python payload on its way: a tag and msgpack, decoded on the loop's thread;
//! - [`FrameError`] (the frame is refused), [`Skip`] (one event of it is) and [`EncodeError`]: each has a stable code to count by.
//!
//! Nothing here does I/O or reads a clock. `payload/` may gain encodings and `control/` messages without a look at the rest.

mod control;
mod cursor;
mod error;
mod event;
mod header;
mod names;
mod payload;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use control::{Ack, Beacon, ChannelPosition, Control, Interest, Snapshot, SnapshotRequest};
pub use error::{EncodeError, Fault, FrameError, Skip};
pub use event::{leaves_process, trace_flags};
pub use header::{Header, Kind, MAGIC, MAJOR, MINOR};
pub use names::NAME_LIMIT;
pub use payload::Encoded;
pub use reader::{Events, Frame, FrameReader, Piece};
pub use writer::{Append, FrameWriter, Limits};

/// No frame is longer: a reader allocates nothing by what a longer one says.
pub const LONGEST_FRAME: usize = 8 << 20;
