//! Gzip as a byte stream that gives out whatever can be read before it tells what is wrong.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// Compressed bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The largest window of the format, 32 KiB.
const WINDOW_BITS: u8 = 15;

/// Decompresses gzip of any number of members. Bytes that were decompressed before a fault are given out first; the fault
/// comes as the error of a later read, and every read after it fails likewise.
pub(super) struct GzipReader<R> {
    input: R,
    compressed: Box<[u8]>,
    /// `compressed[from..to]` is not yet decompressed.
    from: usize,
    to: usize,
    member: Option<Decompress>,
    members: u64,
    fault: Option<Fault>,
}

#[derive(Clone)]
enum Fault {
    Truncated,
    Corrupt(String),
    Trailing,
    Read(io::ErrorKind, String),
}

impl From<&Fault> for io::Error {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Truncated => io::Error::new(io::ErrorKind::UnexpectedEof, "the gzip is truncated"),
            Fault::Corrupt(why) => io::Error::new(io::ErrorKind::InvalidData, format!("the gzip is corrupt: {why}")),
            Fault::Trailing => io::Error::new(io::ErrorKind::InvalidData, "behind the gzip stands something else"),
            Fault::Read(kind, why) => io::Error::new(*kind, why.clone()),
        }
    }
}

impl<R: Read> GzipReader<R> {
    pub(super) fn new(input: R) -> Self {
        let compressed = vec![0; CHUNK_BYTES].into_boxed_slice();
        GzipReader { input, compressed, from: 0, to: 0, member: None, members: 0, fault: None }
    }

    /// Has input at hand; false at its end.
    fn fill(&mut self) -> Result<bool, Fault> {
        while self.from == self.to {
            match self.input.read(&mut self.compressed) {
                Ok(0) => return Ok(false),
                Ok(bytes) => (self.from, self.to) = (0, bytes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Read(error.kind(), error.to_string())),
            }
        }
        Ok(true)
    }

    /// Begins the next member; false when there is none.
    fn begin_member(&mut self) -> Result<bool, Fault> {
        loop {
            if !self.fill()? {
                return Ok(false);
            }
            // Tapes and block devices pad with zeros, which gzip(1) passes over as well.
            if self.members > 0 && self.compressed[self.from] == 0 {
                self.from += 1;
                continue;
            }
            if self.members > 0 && self.compressed[self.from] != 0x1f {
                return Err(Fault::Trailing);
            }
            self.members += 1;
            self.member = Some(Decompress::new_gzip(WINDOW_BITS));
            return Ok(true);
        }
    }

    fn inflate(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        loop {
            if self.member.is_none() && !self.begin_member()? {
                return Ok(0);
            }
            let more = self.fill()?;
            let Some(member) = &mut self.member else { return Ok(0) };
            let (in_before, out_before) = (member.total_in(), member.total_out());
            let status = member.decompress(&self.compressed[self.from..self.to], out, FlushDecompress::None);
            // Both differences are bounded by the slices handed over.
            self.from += (member.total_in() - in_before) as usize;
            let written = (member.total_out() - out_before) as usize;
            match status {
                Ok(Status::StreamEnd) => self.member = None,
                Ok(Status::Ok | Status::BufError) if !more && written == 0 => return Err(Fault::Truncated),
                Ok(Status::Ok | Status::BufError) => {}
                Err(error) => {
                    let fault = Fault::Corrupt(error.message().unwrap_or("bad data").to_owned());
                    if written == 0 {
                        return Err(fault);
                    }
                    self.fault = Some(fault);
                }
            }
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

impl<R: Read> Read for GzipReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(fault) = &self.fault {
            return Err(fault.into());
        }
        if out.is_empty() {
            return Ok(0);
        }
        self.inflate(out).map_err(|fault| {
            let error = io::Error::from(&fault);
            self.fault = Some(fault);
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// What can be read, in reads of `step` bytes, and the error that ended it.
    fn read_all(bytes: &[u8], step: usize) -> (Vec<u8>, Option<io::Error>) {
        let mut reader = GzipReader::new(bytes);
        let (mut got, mut chunk) = (Vec::new(), vec![0; step]);
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return (got, None),
                Ok(bytes) => got.extend_from_slice(&chunk[..bytes]),
                Err(error) => {
                    assert!(reader.read(&mut chunk).is_err(), "a fault stays");
                    return (got, Some(error));
                }
            }
        }
    }

    fn text() -> Vec<u8> {
        (0..20_000u32).flat_map(|i| format!("line {} {}\n", i, i.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    #[test]
    fn members_follow_one_another() {
        let mut bytes = gzip(b"one\n");
        bytes.extend(gzip(b""));
        bytes.extend(gzip(b"two\n"));
        bytes.extend([0; 700]);
        for step in [1, 3, 4096] {
            let (got, error) = read_all(&bytes, step);
            assert_eq!((got.as_slice(), error.is_none()), (&b"one\ntwo\n"[..], true));
        }
        bytes.extend(b"garbage");
        let (got, error) = read_all(&bytes, 100);
        assert_eq!(got, b"one\ntwo\n");
        assert!(error.unwrap().to_string().contains("something else"));
    }

    #[test]
    fn a_truncated_file_gives_all_that_stands_before_the_cut() {
        let (text, whole) = (text(), gzip(&text()));
        for cut in [3, 11, whole.len() / 3, whole.len() / 2, whole.len() - 9, whole.len() - 8, whole.len() - 1] {
            let (got, error) = read_all(&whole[..cut], 64 * 1024);
            assert_eq!(error.unwrap().kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}");
            assert!(text.starts_with(&got));
            // Deflate needs its bits in order, so what a small buffer got, a large one has to get as well.
            assert_eq!(got.len(), read_all(&whole[..cut], 7).0.len(), "cut at {cut}");
        }
        assert_eq!(read_all(&whole[..whole.len() - 8], 4096).0, text);
    }

    #[test]
    fn corruption_costs_nothing_that_stands_before_it() {
        let (text, whole) = (text(), gzip(&text()));
        for at in [whole.len() / 2, whole.len() * 3 / 4] {
            let mut bad = whole.clone();
            bad[at..at + 64].fill(0xff);
            let (got, error) = read_all(&bad, 64 * 1024);
            let error = error.unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            let good = read_all(&whole[..at], 64 * 1024).0;
            assert!(got.len() >= good.len() && got.starts_with(&good), "{} of {}", got.len(), good.len());
            assert!(text.starts_with(&good));
        }
        let mut bad = whole.clone();
        let crc = bad.len() - 5;
        bad[crc] ^= 1;
        let (got, error) = read_all(&bad, 4096);
        assert!(got == text && error.is_some(), "a wrong checksum is told, after the data");
    }

    #[test]
    fn an_error_of_the_disk_is_passed_on() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk on fire"))
            }
        }
        let error = GzipReader::new(gzip(b"x").as_slice().take(4).chain(Broken)).read(&mut [0; 9]).unwrap_err();
        assert!(error.to_string().contains("disk on fire"));
    }
}
