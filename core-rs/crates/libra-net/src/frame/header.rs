//! The header of a frame: 60 bytes, the publisher's and the shard's names, zeros up to a multiple of 8.

use libra_kernel::Lane;

use super::LONGEST_FRAME;
use super::error::FrameError;
use super::event::EVENT_HEADER;
use crate::ids::{LATEST, LONGEST_NAME, Position, check};

/// What a frame begins with.
pub const MAGIC: [u8; 4] = *b"LBRF";
/// The format: a reader refuses a higher one.
pub const MAJOR: u8 = 1;
/// What was added to the format: a reader takes what it knows of a higher one.
pub const MINOR: u8 = 2;

/// The header without names.
pub(super) const FIXED: usize = 60;
/// Where the checksum stands.
const CHECKSUM: std::ops::Range<usize> = 12..16;
/// The lane of frames that belong to none.
const NO_LANE: u8 = 255;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Events of a channel.
    Events = 1,
    /// Events that are the latest values of what they tell: each replaces the one before.
    Latest = 2,
    /// [`super::Ack`].
    Ack = 3,
    /// [`super::Beacon`].
    Beacon = 4,
    /// [`super::SnapshotRequest`].
    SnapshotRequest = 7,
    /// [`super::Snapshot`], and the state as events.
    Snapshot = 8,
}

impl Kind {
    const fn from_number(number: u8) -> Option<Kind> {
        Some(match number {
            1 => Kind::Events,
            2 => Kind::Latest,
            3 => Kind::Ack,
            4 => Kind::Beacon,
            7 => Kind::SnapshotRequest,
            8 => Kind::Snapshot,
            _ => return None,
        })
    }

    /// True for frames that are nothing but events.
    pub const fn is_events(self) -> bool {
        matches!(self, Kind::Events | Kind::Latest)
    }
}

/// What stands before a frame's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The minor version of who wrote it.
    pub minor: u8,
    /// What the frame is.
    pub kind: Kind,
    /// The lane of its channel; `None` for the control channels.
    pub lane: Option<Lane>,
    /// Reserved, 0; a reader takes no notice of bits that it does not know.
    pub flags: u16,
    /// The publisher's life.
    pub epoch: u64,
    /// `channel_seq` of its first event.
    pub first_seq: u64,
    /// How many events it holds.
    pub count: u32,
    /// When it was first made, on the publisher's clock: nanoseconds since the epoch.
    pub sent_ns: i64,
    /// Who wrote it.
    pub publisher: &'a str,
    /// The part of the lane; empty on the control channels.
    pub shard: &'a str,
    /// The frame's length in bytes.
    pub length: usize,
    pub(super) header_length: usize,
    pub(super) preface_length: usize,
    pub(super) names_length: usize,
    pub(super) names_count: u16,
}

impl<'a> Header<'a> {
    /// Reads the header of a whole frame, and checks all of it but the checksum: for who passes a frame on that
    /// [`super::FrameReader`] checks elsewhere.
    ///
    /// # Errors
    /// When it is no frame that this version reads.
    pub fn parse(frame: &'a [u8]) -> Result<Header<'a>, FrameError> {
        let sizes = Sizes::of(frame)?;
        Header::fields(frame, sizes)
    }

    /// As [`Header::parse`], with the checksum looked at before anything that it covers is believed.
    pub(crate) fn parse_checked(frame: &'a [u8]) -> Result<Header<'a>, FrameError> {
        let sizes = Sizes::of(frame)?;
        let stated = u32_at(frame, CHECKSUM.start);
        let found = checksum(frame);
        if stated != found {
            return Err(FrameError::Corrupted { stated, found });
        }
        Header::fields(frame, sizes)
    }

    fn fields(frame: &'a [u8], sizes: Sizes) -> Result<Header<'a>, FrameError> {
        let minor = frame[5];
        let kind = Kind::from_number(frame[6]).ok_or(FrameError::UnknownKind(frame[6]))?;
        let lane = match frame[7] {
            NO_LANE => None,
            number => Some(*Lane::ALL.get(usize::from(number)).ok_or(FrameError::Header("unknown lane"))?),
        };
        let (first_seq, count) = (u64_at(frame, 24), u32_at(frame, 32));
        let (preface_length, names_length) = (u32_at(frame, 48) as usize, u32_at(frame, 52) as usize);
        let (publisher_length, shard_length) = (usize::from(frame[58]), usize::from(frame[59]));

        let texts = publisher_length + shard_length;
        let expected = padded(FIXED + texts);
        if publisher_length > LONGEST_NAME || shard_length > LONGEST_NAME || expected > sizes.header {
            return Err(FrameError::Header("names longer than it"));
        }
        let is_newer = minor > MINOR;
        if !is_newer && (expected != sizes.header || frame[FIXED + texts..expected].iter().any(|byte| *byte != 0)) {
            return Err(FrameError::Header("bytes behind its last field"));
        }
        let text = |from: usize, length: usize| {
            std::str::from_utf8(&frame[from..from + length]).map_err(|_| FrameError::Header("a name is not UTF-8"))
        };
        let publisher = text(FIXED, publisher_length)?;
        let shard = text(FIXED + publisher_length, shard_length)?;
        check("publisher", publisher, "_-").map_err(|_| FrameError::Header("the publisher's name"))?;
        if lane.is_some() || !shard.is_empty() {
            check("shard", shard, "_-@.").map_err(|_| FrameError::Header("the shard's name"))?;
        }

        let events = sizes.body.checked_sub(preface_length).and_then(|rest| rest.checked_sub(names_length));
        if events.is_none_or(|events| (count as usize) > events / EVENT_HEADER) {
            return Err(FrameError::Header("its parts are longer than it"));
        }
        if kind.is_events() && (count == 0 || preface_length != 0) {
            return Err(FrameError::Header("not what its kind has"));
        }
        // Names are of events, which of messages a snapshot alone has.
        if !kind.is_events() && kind != Kind::Snapshot && (count != 0 || names_length != 0) {
            return Err(FrameError::Header("not what its kind has"));
        }
        let epoch = u64_at(frame, 16);
        if epoch > LATEST || first_seq > LATEST || first_seq + u64::from(count).saturating_sub(1) > LATEST {
            return Err(FrameError::Header("an epoch or sequences beyond the last"));
        }
        Ok(Header {
            minor,
            kind,
            lane,
            flags: u16_at(frame, 8),
            epoch,
            first_seq,
            count,
            sent_ns: u64_at(frame, 40) as i64,
            publisher,
            shard,
            length: frame.len(),
            header_length: sizes.header,
            preface_length,
            names_length,
            names_count: u16_at(frame, 56),
        })
    }

    /// `channel_seq` of its last event; that before the first where it has none.
    pub const fn last_seq(&self) -> u64 {
        (self.first_seq + self.count as u64).saturating_sub(1)
    }

    /// The position of its last event.
    pub const fn last(&self) -> Position {
        Position::new(self.epoch, self.last_seq())
    }
}

/// How long a frame and its parts are, by itself.
#[derive(Clone, Copy)]
struct Sizes {
    header: usize,
    body: usize,
}

impl Sizes {
    fn of(frame: &[u8]) -> Result<Sizes, FrameError> {
        // Magic and version stay where they are in every version.
        if !frame.starts_with(&MAGIC[..frame.len().min(4)]) {
            return Err(FrameError::Foreign);
        }
        if frame.len() < 6 {
            return Err(FrameError::Truncated { needs: FIXED, has: frame.len() });
        }
        match frame[4] {
            MAJOR => {}
            newer if newer > MAJOR => return Err(FrameError::NewerMajor { theirs: newer, ours: MAJOR }),
            unknown => return Err(FrameError::UnknownMajor(unknown)),
        }
        if frame.len() < FIXED {
            return Err(FrameError::Truncated { needs: FIXED, has: frame.len() });
        }
        let sizes = Sizes { header: usize::from(u16_at(frame, 10)), body: u32_at(frame, 36) as usize };
        let length = sizes.header.saturating_add(sizes.body);
        if sizes.header < FIXED {
            return Err(FrameError::Header("shorter than any"));
        }
        if length > LONGEST_FRAME {
            return Err(FrameError::Oversized { allowed: LONGEST_FRAME, has: length });
        }
        match frame.len() {
            has if has < length => Err(FrameError::Truncated { needs: length, has }),
            has if has > length => Err(FrameError::Oversized { allowed: length, has }),
            _ => Ok(sizes),
        }
    }
}

/// What the writer knows before the first event.
pub(super) struct Opening<'a> {
    pub lane: Option<Lane>,
    pub publisher: &'a str,
    pub shard: &'a str,
}

impl Opening<'_> {
    /// The header with what is known; the rest is filled in by [`Closing`].
    pub fn write(&self, to: &mut Vec<u8>) {
        let length = padded(FIXED + self.publisher.len() + self.shard.len());
        to.extend_from_slice(&MAGIC);
        to.extend_from_slice(&[MAJOR, MINOR, 0, self.lane.map_or(NO_LANE, |lane| lane as u8)]);
        to.resize(FIXED, 0);
        to[10..12].copy_from_slice(&(length as u16).to_le_bytes());
        // Both are checked names, of at most `LONGEST_NAME` bytes.
        (to[58], to[59]) = (self.publisher.len() as u8, self.shard.len() as u8);
        to.extend_from_slice(self.publisher.as_bytes());
        to.extend_from_slice(self.shard.as_bytes());
        to.resize(length, 0);
    }
}

/// What the writer knows behind the last event.
pub(super) struct Closing {
    pub kind: Kind,
    pub epoch: u64,
    pub first_seq: u64,
    pub count: u32,
    pub sent_ns: i64,
    pub preface_length: u32,
    pub names_length: u32,
    pub names_count: u16,
}

impl Closing {
    /// Completes the header of a frame whose other bytes stand.
    pub fn write(&self, frame: &mut [u8]) {
        let header_length = u16_at(frame, 10);
        let body_length = (frame.len() - usize::from(header_length)) as u32;
        frame[6] = self.kind as u8;
        frame[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        frame[24..32].copy_from_slice(&self.first_seq.to_le_bytes());
        frame[32..36].copy_from_slice(&self.count.to_le_bytes());
        frame[36..40].copy_from_slice(&body_length.to_le_bytes());
        frame[40..48].copy_from_slice(&self.sent_ns.to_le_bytes());
        frame[48..52].copy_from_slice(&self.preface_length.to_le_bytes());
        frame[52..56].copy_from_slice(&self.names_length.to_le_bytes());
        frame[56..58].copy_from_slice(&self.names_count.to_le_bytes());
        let checksum = checksum(frame);
        frame[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// CRC32C of a frame but for the four bytes that hold it.
pub(super) fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..CHECKSUM.start]), &frame[CHECKSUM.end..])
}

const fn padded(length: usize) -> usize {
    length.next_multiple_of(8)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}
