//! Bytes to lines, in one buffer that is reused and whose size is bounded.

use std::io::{self, Read};

use memchr::memchr;

use crate::binance::parser::FRAME_PADDING;

/// Bytes asked for at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A line of the input, without its end.
#[derive(Debug)]
pub(super) enum Line<'b> {
    /// The line is `padded[..len]`; behind it stand bytes that the parser may read over.
    Text {
        /// The line and the bytes behind it.
        padded: &'b mut [u8],
        /// Length of the line.
        len: usize,
        /// True when the input broke off inside the line or right behind it.
        cut: bool,
    },
    /// A line that is longer than allowed, passed over.
    TooLong,
}

/// Splits a byte stream into lines.
pub(super) struct LineReader<R> {
    input: R,
    /// `buffer[start..end]` is read and not yet given out; the padding is behind.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// No line end stands in `buffer[start..searched]`.
    searched: usize,
    max_line: usize,
    line: u64,
    ended: bool,
    fault: Option<io::Error>,
}

enum Found {
    Line { from: usize, to: usize, cut: bool },
    TooLong,
    End,
}

impl<R: Read> LineReader<R> {
    pub(super) fn new(input: R, max_line: usize) -> Self {
        let buffer = vec![0; CHUNK_BYTES + FRAME_PADDING];
        LineReader { input, buffer, start: 0, end: 0, searched: 0, max_line, line: 0, ended: false, fault: None }
    }

    /// The next line; `None` at the end, also when that came too early ([`take_fault`](Self::take_fault) tells).
    pub(super) fn next_line(&mut self) -> Option<Line<'_>> {
        let found = self.find();
        self.line += 1;
        match found {
            Found::Line { from, to, cut } => {
                let padded = &mut self.buffer[from..to + FRAME_PADDING];
                Some(Line::Text { padded, len: to - from, cut })
            }
            Found::TooLong => Some(Line::TooLong),
            Found::End => None,
        }
    }

    /// The number of the line that was given out last, from 1.
    pub(super) fn line_number(&self) -> u64 {
        self.line
    }

    /// Why the input broke off, once.
    pub(super) fn take_fault(&mut self) -> Option<io::Error> {
        self.fault.take()
    }

    fn find(&mut self) -> Found {
        let mut too_long = false;
        loop {
            if let Some(offset) = memchr(b'\n', &self.buffer[self.searched..self.end]) {
                let (from, to) = (self.start, self.searched + offset);
                (self.start, self.searched) = (to + 1, to + 1);
                if too_long || to - from > self.max_line {
                    return Found::TooLong;
                }
                return Found::Line { from, to, cut: false };
            }
            self.searched = self.end;
            if self.end - self.start > self.max_line {
                // Only that the line is too long has to be remembered, not what stood in it.
                too_long = true;
                (self.start, self.searched, self.end) = (0, 0, 0);
            }
            if self.ended {
                let (from, to) = (self.start, self.end);
                (self.start, self.searched) = (to, to);
                return match (too_long, from == to) {
                    (true, _) => Found::TooLong,
                    (false, true) => Found::End,
                    (false, false) => Found::Line { from, to, cut: self.fault.is_some() },
                };
            }
            self.fill();
        }
    }

    fn fill(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.searched -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        // `find` keeps the unfinished line within `max_line`, so the buffer grows to twice that at most.
        let room = self.buffer.len() - FRAME_PADDING;
        if self.end == room {
            self.buffer.resize(room * 2 + FRAME_PADDING, 0);
        }
        let limit = self.buffer.len() - FRAME_PADDING;
        loop {
            match self.input.read(&mut self.buffer[self.end..limit]) {
                Ok(0) => self.ended = true,
                Ok(bytes) => self.end += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => (self.ended, self.fault) = (true, Some(error)),
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives out its bytes in small pieces, then ends or fails.
    struct Dribble<'a>(&'a [u8], usize, bool);

    impl Read for Dribble<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.len().min(self.1).min(out.len());
            if bytes == 0 && self.2 {
                return Err(io::Error::other("broke off"));
            }
            out[..bytes].copy_from_slice(&self.0[..bytes]);
            self.0 = &self.0[bytes..];
            Ok(bytes)
        }
    }

    fn lines(input: Dribble<'_>, max: usize) -> Vec<Option<Vec<u8>>> {
        let mut reader = LineReader::new(input, max);
        let mut all = Vec::new();
        while let Some(line) = reader.next_line() {
            all.push(match line {
                Line::Text { padded, len, .. } => {
                    assert_eq!(padded.len(), len + FRAME_PADDING);
                    Some(padded[..len].to_vec())
                }
                Line::TooLong => None,
            });
            assert_eq!(reader.line_number(), all.len() as u64);
        }
        all
    }

    #[test]
    fn a_cut_line_is_marked() {
        let mut reader = LineReader::new(Dribble(b"one\ntwo", 2, true), 100);
        assert!(matches!(reader.next_line(), Some(Line::Text { len: 3, cut: false, .. })));
        assert!(matches!(reader.next_line(), Some(Line::Text { len: 3, cut: true, .. })));
        assert!(reader.next_line().is_none());
        assert!(reader.take_fault().is_some() && reader.take_fault().is_none());
    }

    #[test]
    fn a_very_long_line_costs_bounded_memory() {
        let mut reader = LineReader::new(io::repeat(b'x').take(50 << 20).chain(&b"\nnext\n"[..]), 1 << 20);
        assert!(matches!(reader.next_line(), Some(Line::TooLong)));
        assert!(matches!(reader.next_line(), Some(Line::Text { len: 4, .. })));
        assert!(reader.next_line().is_none());
        assert!(reader.buffer.len() <= (2 << 20) + 2 * CHUNK_BYTES, "{}", reader.buffer.len());
    }

    proptest! {
        #[test]
        fn lines_equal_a_plain_split(text in "[ab\n]{0,60}", piece in 1usize..20, max in 1usize..12) {
            let mut want: Vec<&str> = text.split('\n').collect();
            if want.last() == Some(&"") {
                want.pop();
            }
            let want: Vec<_> = want.into_iter().map(|l| (l.len() <= max).then(|| l.as_bytes().to_vec())).collect();
            prop_assert_eq!(lines(Dribble(text.as_bytes(), piece, false), max), want);
        }
    }
}
