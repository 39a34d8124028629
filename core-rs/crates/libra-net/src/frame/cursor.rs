//! Fields one behind the other, little endian: reading that never passes the end, and writing.

use libra_kernel::Name;

use super::error::{EncodeError, Fault};
use super::header::MINOR;

/// Bytes still to be read.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    names: &'a [(&'static str, Name)],
    minor: u8,
}

macro_rules! numbers {
    ($($name:ident: $type:ty),+) => {
        $(#[inline]
        pub fn $name(&mut self) -> Result<$type, Fault> {
            self.array().map(<$type>::from_le_bytes)
        })+
    };
}

impl<'a> Cursor<'a> {
    /// At the first of `bytes`, with the frame's table of names and the minor version of who wrote it.
    pub fn new(bytes: &'a [u8], names: &'a [(&'static str, Name)], minor: u8) -> Self {
        Cursor { rest: bytes, names, minor }
    }

    /// Whether a field that `minor` added is there.
    pub fn has_fields_of(&self, minor: u8) -> bool {
        self.minor >= minor
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(Fault::Short)?;
        self.rest = rest;
        Ok(*field)
    }

    numbers!(u8: u8, u16: u16, u32: u32, u64: u64, i64: i64, u128: u128, i128: i128);

    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (field, rest) = self.rest.split_at_checked(length).ok_or(Fault::Short)?;
        self.rest = rest;
        Ok(field)
    }

    /// A name by its number in the frame's table.
    #[inline]
    pub fn name(&mut self) -> Result<Name, Fault> {
        let index = usize::from(self.u16()?);
        self.names.get(index).map(|entry| entry.1).ok_or(Fault::Name)
    }

    /// A text with its length as a `u16` before it.
    pub fn text(&mut self) -> Result<&'a str, Fault> {
        let length = usize::from(self.u16()?);
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Fault::Text)
    }

    /// A text with its length as a `u8` before it.
    pub fn word(&mut self) -> Result<&'a str, Fault> {
        let length = usize::from(self.u8()?);
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Fault::Text)
    }

    /// 0 or 1.
    pub fn flag(&mut self) -> Result<bool, Fault> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::Value),
        }
    }

    /// A `u16` of entries, each of at least `least` bytes: so many can be there, and may be allocated for.
    pub fn count(&mut self, least: usize) -> Result<usize, Fault> {
        let count = usize::from(self.u16()?);
        if count * least > self.rest.len() { Err(Fault::Short) } else { Ok(count) }
    }

    /// The last field was read. Later minor versions may add fields behind it.
    pub fn end(self) -> Result<(), Fault> {
        if self.rest.is_empty() || self.minor > MINOR { Ok(()) } else { Err(Fault::Trailing) }
    }
}

/// A text with its length as a `u16` before it.
pub(super) fn put_text(to: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    let length = u16::try_from(text.len()).map_err(|_| EncodeError::TextTooLong(text.len(), u16::MAX.into()))?;
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(text.as_bytes());
    Ok(())
}

/// A text with its length as a `u8` before it.
pub(super) fn put_word(to: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    let length = u8::try_from(text.len()).map_err(|_| EncodeError::TextTooLong(text.len(), u8::MAX.into()))?;
    to.push(length);
    to.extend_from_slice(text.as_bytes());
    Ok(())
}

/// How many entries follow.
pub(super) fn put_count(to: &mut Vec<u8>, count: usize) -> Result<(), EncodeError> {
    let count = u16::try_from(count).map_err(|_| EncodeError::ListTooLong(count))?;
    to.extend_from_slice(&count.to_le_bytes());
    Ok(())
}
