//! A payload of tests: it is somebody's, and that is all.

use super::SharedPayload;
use crate::digest::Digest;
use crate::name::Name;

pub(crate) struct Owned(pub(crate) Name);

impl SharedPayload for Owned {
    fn kind(&self) -> &'static str {
        "owned"
    }
    fn digest(&self, _digest: &mut Digest) {}
    fn owner(&self) -> Name {
        self.0
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
