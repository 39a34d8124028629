//! Opens the files of a replay, telling gzip from plain text by their first bytes.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use super::error::{FileError, ReplayError};
use super::gzip::GzipReader;

/// The decompressed bytes of each file, or what is wrong with each that cannot be read.
pub(super) fn open_all(paths: &[PathBuf]) -> Result<Vec<Box<dyn Read + Send>>, ReplayError> {
    if paths.is_empty() {
        return Err(ReplayError::NoFiles);
    }
    let (mut inputs, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        match open(path) {
            Ok(input) => inputs.push(input),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(inputs) } else { Err(ReplayError::Files(errors)) }
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>, FileError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing(path.to_owned()),
        _ => FileError::Unreadable { path: path.to_owned(), source },
    };
    // A directory can be opened on Unix and fails at the first read only, with a message that does not say so.
    if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(FileError::Directory(path.to_owned()));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    // Put back by `chain` and not by seeking: a pipe cannot seek.
    let mut head = Vec::with_capacity(4);
    file.by_ref().take(4).read_to_end(&mut head).map_err(unreadable)?;
    let format = |format| Err(FileError::Format { path: path.to_owned(), format });
    match head.as_slice() {
        [0x1f, 0x8b, ..] => Ok(Box::new(GzipReader::new(Cursor::new(head).chain(file)))),
        b"PK\x03\x04" => format("zip"),
        [0x28, 0xb5, 0x2f, 0xfd] => format("zstd"),
        b"PAR1" => format("Parquet"),
        [b'B', b'Z', b'h', _] => format("bzip2"),
        [0xfd, b'7', b'z', b'X'] => format("xz"),
        _ => Ok(Box::new(Cursor::new(head).chain(file))),
    }
}
