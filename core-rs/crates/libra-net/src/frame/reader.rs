//! Frames in: all of a frame's structure is checked before the first of its events is read.

use libra_kernel::{Event, EventType, Name};

use super::control::Control;
use super::error::{FrameError, Skip};
use super::event;
use super::header::Header;
use super::names::{NAME_LIMIT, NamesIn};

/// Reads frames. It remembers names: one for each publisher where one's names must not use up another's.
pub struct FrameReader {
    names: NamesIn,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameReader {
    /// A reader that takes in [`NAME_LIMIT`] names.
    pub fn new() -> Self {
        Self::with_name_limit(NAME_LIMIT)
    }

    /// A reader that takes in so many distinct names.
    pub fn with_name_limit(limit: usize) -> Self {
        FrameReader { names: NamesIn::new(limit) }
    }

    /// Reads a frame: checksum, version, lengths, names.
    ///
    /// # Errors
    /// When anything is wrong with it as a whole: nothing of it may be used then.
    pub fn read<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Frame<'a>, FrameError> {
        let header = Header::parse_checked(bytes)?;
        // The header's parts lie within the frame: `Header` has seen to it.
        let (preface, rest) = bytes[header.header_length..].split_at(header.preface_length);
        let (events, names) = rest.split_at(rest.len() - header.names_length);
        let mut left = events;
        for _ in 0..header.count {
            left = &left[event::length(left).ok_or(FrameError::Events)?..];
        }
        if !left.is_empty() {
            return Err(FrameError::Events);
        }
        let names = self.names.read(names, header.names_count)?;
        Ok(Frame { header, preface, events, names })
    }
}

/// A frame that was checked.
pub struct Frame<'a> {
    /// Its header.
    pub header: Header<'a>,
    preface: &'a [u8],
    events: &'a [u8],
    names: &'a [(&'static str, Name)],
}

impl<'a> Frame<'a> {
    /// Its events in order.
    pub fn events(&self) -> Events<'a> {
        Events { left: self.events, names: self.names, next_seq: self.header.first_seq, minor: self.header.minor }
    }

    /// Its events in order, none of them read yet.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'a>> + use<'a> {
        let mut events = self.events();
        std::iter::from_fn(move || events.next_piece())
    }

    /// Its message; `None` for a frame of events.
    ///
    /// # Errors
    /// When the message's fields are wrong.
    pub fn control(&self) -> Result<Option<Control>, FrameError> {
        Control::read(self.header.kind, self.preface, self.header.minor).map_err(FrameError::Preface)
    }
}

/// The events of a frame, each with its `channel_seq`. One that cannot be read is an [`Skip`] in its place.
#[derive(Clone)]
pub struct Events<'a> {
    left: &'a [u8],
    names: &'a [(&'static str, Name)],
    next_seq: u64,
    minor: u8,
}

impl Iterator for Events<'_> {
    type Item = (u64, Result<Event, Skip>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let seq = self.next_seq;
        let Piece { bytes, names, minor } = self.next_piece()?;
        Some((seq, event::decode(bytes, names, minor)))
    }
}

impl<'a> Events<'a> {
    #[inline(always)]
    fn next_piece(&mut self) -> Option<Piece<'a>> {
        let (bytes, left) = self.left.split_at(event::length(self.left)?);
        self.left = left;
        self.next_seq += 1;
        Some(Piece { bytes, names: self.names, minor: self.minor })
    }
}

/// An event of a frame that is not read yet.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    bytes: &'a [u8],
    names: &'a [(&'static str, Name)],
    minor: u8,
}

impl Piece<'_> {
    /// Its type.
    ///
    /// # Errors
    /// When it is none that travels, or that is known here.
    #[inline(always)]
    pub fn event_type(&self) -> Result<EventType, Skip> {
        event::type_of(self.bytes)
    }

    /// Reads it, and gives it to `then`: see there why not to the caller.
    ///
    /// # Errors
    /// When it cannot be read.
    #[inline(always)]
    pub fn read_to<R>(self, then: impl FnOnce(Event) -> R) -> Result<R, Skip> {
        event::decode_to(self.bytes, self.names, self.minor, then)
    }
}
