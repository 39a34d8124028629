//! Finds where a reply ends, and that it is well formed, while its bytes come in pieces.
//!
//! The scanner keeps its place: bytes are looked at once, however they were cut. It holds no copy of them and its memory is
//! fixed. What it has passed can be walked by [`Reply`](super::Reply) without any further check, which is why every
//! rule of RESP3 is enforced here: lengths, digits, line ends, nesting.

use super::limits::{DEEPEST, Limits, ProtocolError};

/// The place in a reply up to which it was scanned.
#[derive(Debug)]
pub(super) struct Scanner {
    /// Everything before it is well formed. It is where a header begins, or a body.
    at: usize,
    /// How far the end of the line that begins at `at` was looked for.
    searched: usize,
    /// The length of the bulk string whose body begins at `at`.
    body: Option<usize>,
    /// How many values each open aggregate still lacks, the outermost first: the reply itself is one value.
    open: [u64; DEEPEST + 1],
    depth: usize,
}

impl Scanner {
    pub(super) fn new() -> Self {
        let mut open = [0; DEEPEST + 1];
        open[0] = 1;
        Scanner { at: 0, searched: 0, body: None, open, depth: 0 }
    }

    /// Goes on scanning; `bytes` begin with the reply's first byte. Gives its length when it is whole.
    pub(super) fn scan(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<usize>, ProtocolError> {
        loop {
            if let Some(length) = self.body {
                let end = self.at + length;
                let Some(tail) = bytes.get(end..end + 2) else { return Ok(None) };
                if tail != b"\r\n" {
                    return Err(ProtocolError::Malformed("a string does not end where its length says"));
                }
                self.body = None;
                self.next_from(end + 2);
            }
            while self.open[self.depth] == 0 {
                if self.depth == 0 {
                    let length = self.at;
                    *self = Scanner::new();
                    return Ok(Some(length));
                }
                self.depth -= 1;
            }
            if !self.header(bytes, limits)? {
                return Ok(None);
            }
        }
    }

    fn next_from(&mut self, at: usize) {
        self.at = at;
        self.searched = at;
    }

    /// Reads the line at `at`. False when its end has not come yet.
    fn header(&mut self, bytes: &[u8], limits: Limits) -> Result<bool, ProtocolError> {
        let Some(&kind) = bytes.get(self.at) else { return Ok(false) };
        let longest = self.at.saturating_add(longest_line(kind)?);
        let seen = &bytes[self.searched.max(self.at + 1).min(bytes.len())..];
        let Some(found) = line_end(seen) else {
            // A carriage return at the very end may have its line feed in the next piece.
            self.searched = bytes.len() - usize::from(bytes.last() == Some(&b'\r') && bytes.len() > self.at + 1);
            return match self.searched > longest {
                true => Err(ProtocolError::LongLine),
                false => Ok(false),
            };
        };
        let end = bytes.len() - seen.len() + found;
        if end > longest {
            return Err(ProtocolError::LongLine);
        }
        let line = &bytes[self.at + 1..end];
        self.next_from(end + 2);
        if self.at > limits.largest {
            return Err(ProtocolError::TooLarge { largest: limits.largest, claimed: self.at as u64 });
        }
        self.value(kind, line, limits)?;
        Ok(true)
    }

    /// Takes account of a value (or of attributes before one) whose first line was read.
    fn value(&mut self, kind: u8, line: &[u8], limits: Limits) -> Result<(), ProtocolError> {
        if kind != b'|' {
            self.open[self.depth] -= 1;
        }
        match kind {
            b'+' | b'-' => match line.contains(&b'\r') || line.contains(&b'\n') {
                true => Err(ProtocolError::Malformed("a line end inside a line")),
                false => Ok(()),
            },
            b':' => {
                integer(line).map(drop).ok_or(ProtocolError::Malformed("a number has other characters than digits"))
            }
            b'_' if line.is_empty() => Ok(()),
            b'#' if matches!(line, b"t" | b"f") => Ok(()),
            b',' => double(line).map(drop).ok_or(ProtocolError::Malformed("a double is not a number")),
            b'(' => match digits(line) {
                true => Ok(()),
                false => Err(ProtocolError::Malformed("a big number has other characters than digits")),
            },
            b'$' | b'*' if line == b"-1" => Ok(()),
            b'$' | b'!' | b'=' => {
                let length = length(line)?;
                if self.at as u64 + length > limits.largest as u64 {
                    return Err(ProtocolError::TooLarge { largest: limits.largest, claimed: length });
                }
                if kind == b'=' && length < 4 {
                    return Err(ProtocolError::Malformed("a verbatim string without its format"));
                }
                self.body = Some(length as usize);
                Ok(())
            }
            b'*' | b'~' | b'>' => self.aggregate(length(line)?, limits),
            b'%' | b'|' => self.aggregate(length(line)?.saturating_mul(2), limits),
            _ => Err(ProtocolError::Malformed("a null or boolean is none")),
        }
    }

    fn aggregate(&mut self, values: u64, limits: Limits) -> Result<(), ProtocolError> {
        // The shortest value is three bytes, so a count alone can already be too much.
        if values.saturating_mul(3) > limits.largest as u64 {
            return Err(ProtocolError::TooLarge { largest: limits.largest, claimed: values.saturating_mul(3) });
        }
        if self.depth == DEEPEST {
            return Err(ProtocolError::TooDeep);
        }
        self.depth += 1;
        self.open[self.depth] = values;
        Ok(())
    }
}

/// Where the line ends: the place of its `\r\n`.
pub(super) fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|&byte| byte == b'\r') {
        match bytes.get(from + found + 1) {
            Some(b'\n') => return Some(from + found),
            Some(_) => from += found + 1,
            None => return None,
        }
    }
    None
}

/// How long the first line of this kind of value may be, its kind included.
fn longest_line(kind: u8) -> Result<usize, ProtocolError> {
    match kind {
        b'+' | b'-' | b'(' => Ok(64 * 1024),
        b':' | b',' | b'$' | b'!' | b'=' | b'*' | b'~' | b'>' | b'%' | b'|' => Ok(64),
        b'_' | b'#' => Ok(2),
        other => Err(ProtocolError::Unknown(other)),
    }
}

/// The length that a header claims.
fn length(line: &[u8]) -> Result<u64, ProtocolError> {
    let wrong = ProtocolError::Malformed("a length is not a number");
    match line.first() {
        Some(b'0'..=b'9') => integer(line).map(|number| number as u64).ok_or(wrong),
        _ => Err(wrong),
    }
}

/// A signed number of digits only.
pub(super) fn integer(line: &[u8]) -> Option<i64> {
    let (negative, digits) = match line.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, line),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut number: i64 = 0;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    match negative {
        true => Some(number),
        false => number.checked_neg(),
    }
}

fn digits(line: &[u8]) -> bool {
    let digits = line.strip_prefix(b"-").or_else(|| line.strip_prefix(b"+")).unwrap_or(line);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// A floating-point number as RESP3 writes it.
pub(super) fn double(line: &[u8]) -> Option<f64> {
    std::str::from_utf8(line).ok()?.parse().ok()
}
