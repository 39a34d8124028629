//! A Python payload on its way between nodes: a tag and msgpack, which the threads of the bridge never look into.

pub use libra_kernel::Encoded;

use super::super::cursor::{Cursor, put_text};
use super::super::error::{EncodeError, Fault};
use super::{Sink, Wire};

pub(super) fn write(tag: &str, bytes: &[u8], to: &mut Vec<u8>) -> Result<(), EncodeError> {
    put_text(to, tag)?;
    let length = u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLarge(bytes.len()))?;
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(bytes);
    Ok(())
}

impl Wire for Encoded {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        write(self.tag(), self.data(), sink.to)
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let tag = cursor.text()?;
        let length = cursor.u32()? as usize;
        Ok(Encoded::new(tag, cursor.bytes(length)?))
    }
}
