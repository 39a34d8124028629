//! What a frame must keep, and what a reader must refuse.
//!
//! - `any` — arbitrary events and messages;
//! - `keeps` — what is written is read, field by field;
//! - `refuses` — each guard, one frame built to hit it;
//! - `fuzz` — arbitrary bytes, and valid frames with damage (`LIBRA_LONG=1` runs it at length).

mod any;
mod fuzz;
mod keeps;
mod refuses;

use libra_kernel::digest::Digest;
use libra_kernel::{Event, EventType, Lane, Name, Payload};

use super::{Append, FrameWriter, LONGEST_FRAME, Limits};
use crate::ids::ChannelId;

const ROOMY: Limits = Limits { events: u32::MAX, bytes: LONGEST_FRAME };

fn channel() -> ChannelId {
    ChannelId::new(Lane::Orders, "all", "node-1").unwrap()
}

fn writer(limits: Limits) -> FrameWriter {
    FrameWriter::new(&channel(), 7, limits)
}

fn event(payload: Payload) -> Event {
    Event::new(EventType::OrderNew, Name::intern("desk"), 5, payload)
}

/// A frame of these events, the first with `channel_seq` 41.
fn frame_of(events: &[Event]) -> Vec<u8> {
    let mut writer = writer(ROOMY);
    for event in events {
        assert_eq!(writer.append(event), Ok(Append::Written));
    }
    writer.finish(41, 1_000).unwrap().to_vec()
}

fn digest(event: &Event) -> String {
    let mut digest = Digest::new();
    event.digest(&mut digest);
    digest.hex()
}

/// Writes the checksum anew, as whoever meant the change would have.
fn seal(frame: &mut [u8]) {
    let checksum = super::header::checksum(frame);
    frame[12..16].copy_from_slice(&checksum.to_le_bytes());
}
