//! A payload on its way between processes: bytes, and the tag that says what they are.

use std::any::Any;

use super::SharedPayload;
use crate::digest::Digest;

/// A payload as the codec of `libra.core` encodes it. Nothing native looks inside; it becomes an object again where a handler
/// asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    tag: Box<str>,
    data: Box<[u8]>,
}

impl Encoded {
    /// `data` of the kind `tag`.
    pub fn new(tag: impl Into<Box<str>>, data: impl Into<Box<[u8]>>) -> Self {
        Encoded { tag: tag.into(), data: data.into() }
    }

    /// What the data are.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

impl SharedPayload for Encoded {
    fn kind(&self) -> &'static str {
        "encoded"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.blob(self.tag.as_bytes());
        digest.blob(&self.data);
    }

    fn carried(&self) -> usize {
        self.tag.len() + self.data.len()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
