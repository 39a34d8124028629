//! A Python payload on its way between nodes.

use std::any::Any;

use libra_kernel::SharedPayload;
use libra_kernel::digest::Digest;

use super::super::cursor::{Cursor, put_text};
use super::super::error::{EncodeError, Fault};
use super::{Sink, Wire};

/// A Python payload as `libra.core.codec` made it: which class it is, and its msgpack. The threads of the bridge never
/// look inside; it becomes an object again on the loop's thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The codec's tag.
    pub tag: Box<str>,
    /// msgpack.
    pub bytes: Box<[u8]>,
}

impl SharedPayload for Encoded {
    fn kind(&self) -> &'static str {
        "encoded"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.blob(self.tag.as_bytes());
        digest.blob(&self.bytes);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

pub(super) fn write(tag: &str, bytes: &[u8], to: &mut Vec<u8>) -> Result<(), EncodeError> {
    put_text(to, tag)?;
    let length = u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLarge(bytes.len()))?;
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(bytes);
    Ok(())
}

impl Wire for Encoded {
    fn write(&self, sink: &mut Sink<'_>) -> Result<(), EncodeError> {
        write(&self.tag, &self.bytes, sink.to)
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        let tag = cursor.text()?.into();
        let length = cursor.u32()? as usize;
        Ok(Encoded { tag, bytes: cursor.bytes(length)?.into() })
    }
}
