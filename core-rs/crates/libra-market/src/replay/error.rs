//! Why recorded files cannot be replayed: all that is wrong with all of them, at once.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// One file that cannot be replayed.
#[derive(Debug, Error)]
pub enum FileError {
    /// It does not exist.
    #[error("{}: no such file", .0.display())]
    Missing(PathBuf),
    /// It is a directory.
    #[error("{}: a directory, not a file", .0.display())]
    Directory(PathBuf),
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It is packed in a way that is not read here.
    #[error("{}: a {format} file; recorded frames are read from gzip or plain text", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        format: &'static str,
    },
}

/// Why a replay cannot begin.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// Nothing to replay.
    #[error("no files to replay")]
    NoFiles,
    /// These files cannot be replayed, each for its reason.
    #[error("{}", AllOf(.0))]
    Files(Vec<FileError>),
}

struct AllOf<'e>(&'e [FileError]);

impl fmt::Display for AllOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
