//! A library of server-side functions, loaded where it is missing or older.
//!
//! Nodes of two versions may meet on one server. The code names its version in a comment, `-- version: 3`; a higher one
//! replaces a lower one and serves the callers of both, so a node never puts an older library in a newer one's place.

use super::connection::Connection;
use super::error::RespError;
use super::reply::Reply;

/// A library of functions: its name, its version, its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    name: String,
    version: u32,
    code: String,
}

/// A library's code cannot be used: its first line has to be `#!lua name=NAME`, one of the next `-- version: NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a library's code begins with `#!lua name=NAME`, and has a line `-- version: NUMBER`")]
pub struct BadLibrary;

/// What is to be done about what the server has.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Keep,
    Load,
    Replace,
}

impl Library {
    /// A library by its code.
    ///
    /// # Errors
    /// When the code does not say its name and version.
    pub fn new(code: &str) -> Result<Self, BadLibrary> {
        let name = code.lines().next().and_then(|line| line.strip_prefix("#!lua name=")).ok_or(BadLibrary)?.trim();
        let version = version(code).ok_or(BadLibrary)?;
        Ok(Library { name: name.into(), version, code: code.into() })
    }

    /// Sees to it that the server has this version or a later one.
    pub(super) fn load(&self, connection: &mut Connection) -> Result<(), RespError> {
        // Another node may load it between our looking and our loading: then look again.
        for _ in 0..3 {
            let step = self.step(connection)?;
            let code = self.code.as_bytes();
            let loaded = match step {
                Step::Keep => return Ok(()),
                Step::Load => connection.call(&[b"FUNCTION", b"LOAD", code]).map(drop),
                Step::Replace => connection.call(&[b"FUNCTION", b"LOAD", b"REPLACE", code]).map(drop),
            };
            match loaded {
                Err(RespError::Refused { message, .. }) if message.contains("already exists") => {}
                other => return other,
            }
        }
        let reason = format!("library {} is loaded and deleted in turn by somebody else", self.name);
        Err(RespError::Library { place: connection.place().into(), reason })
    }

    fn step(&self, connection: &mut Connection) -> Result<Step, RespError> {
        let place = connection.place().to_owned();
        let list = connection.call(&[b"FUNCTION", b"LIST", b"LIBRARYNAME", self.name.as_bytes(), b"WITHCODE"])?;
        let there = list.items().and_then(|mut items| items.next());
        let code = there.and_then(|library| library.get("library_code")).and_then(Reply::text);
        self.compare(code).map_err(|reason| RespError::Library { place, reason })
    }

    fn compare(&self, there: Option<&str>) -> Result<Step, String> {
        let Some(code) = there else { return Ok(Step::Load) };
        match version(code) {
            _ if code == self.code => Ok(Step::Keep),
            Some(version) if version > self.version => Ok(Step::Keep),
            Some(version) if version == self.version => Err(format!(
                "library {} version {version} is there with other code than ours: two builds disagree; delete it there \
                 (FUNCTION DELETE {}) once only one of them runs",
                self.name, self.name
            )),
            _ => Ok(Step::Replace),
        }
    }
}

fn version(code: &str) -> Option<u32> {
    code.lines().find_map(|line| line.strip_prefix("-- version:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_library_is_never_replaced_by_an_older() {
        let code = |version: u32, more: &str| format!("#!lua name=l\n-- version: {version}\n{more}");
        let ours = Library::new(&code(3, "")).unwrap();
        assert_eq!(ours.compare(None), Ok(Step::Load));
        assert_eq!(ours.compare(Some(&code(3, ""))), Ok(Step::Keep));
        assert_eq!(ours.compare(Some(&code(4, "x"))), Ok(Step::Keep));
        assert_eq!(ours.compare(Some(&code(2, "x"))), Ok(Step::Replace));
        assert_eq!(ours.compare(Some("#!lua name=l\n")), Ok(Step::Replace));
        assert!(ours.compare(Some(&code(3, "x"))).unwrap_err().contains("version 3"));
    }

    #[test]
    fn a_library_says_its_name_and_version() {
        assert_eq!(Library::new("#!lua name=l\n"), Err(BadLibrary));
        assert_eq!(Library::new("-- version: 1\n"), Err(BadLibrary));
    }
}
