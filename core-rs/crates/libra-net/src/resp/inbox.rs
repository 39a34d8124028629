//! What was received and not read yet: one buffer that replies are read in place from.
//!
//! The buffer is filled at its end. When that is near, what is left of a reply is moved to the front, at most one partial
//! reply; only a reply that does not fit makes the buffer grow, by doubling, as its bytes really come. After a rare large
//! one it is given back.

use std::fmt;
use std::io;
use std::ops::Range;

use super::limits::{Limits, ProtocolError};
use super::reply::Reply;
use super::scan::Scanner;

/// The usual size of the buffer. Market data come in bursts of this order; larger ones gain nothing (docs/decisions/0003).
const USUAL: usize = 256 * 1024;

/// A read is offered at least this much room.
const ROOM: usize = 32 * 1024;

/// Bytes in, replies out. Has no socket: what fills it is given.
pub struct Inbox {
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
    scanner: Scanner,
    limits: Limits,
    /// Set once a reply was malformed: nothing after it can be trusted.
    broken: Option<ProtocolError>,
}

impl Inbox {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Inbox { bytes: Vec::new(), begin: 0, end: 0, scanner: Scanner::new(), limits, broken: None }
    }

    /// Lets `read` put bytes into the free room, and gives what it gives.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.make_room();
        let room = &mut self.bytes[self.end..];
        let limit = room.len();
        let count = read(room)?;
        assert!(count <= limit, "a reader that says it has read more than there was room for");
        self.end += count;
        Ok(count)
    }

    /// The next whole reply.
    ///
    /// # Errors
    /// When the server sent what it must not. The connection has to be closed: every later call gives the same error.
    pub fn next_reply(&mut self) -> Result<Option<Reply<'_>>, ProtocolError> {
        Ok(self.advance()?.map(|reply| self.view(reply)))
    }

    /// Where the next whole reply is; the place holds until the next [`Inbox::fill`].
    pub(super) fn advance(&mut self) -> Result<Option<Range<usize>>, ProtocolError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        match self.scanner.scan(&self.bytes[self.begin..self.end], self.limits) {
            Ok(length) => Ok(length.map(|length| {
                let from = self.begin;
                self.begin += length;
                from..self.begin
            })),
            Err(error) => {
                self.broken = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The bytes of a reply that `advance` gave.
    pub(super) fn raw(&self, reply: Range<usize>) -> &[u8] {
        &self.bytes[reply]
    }

    /// A reply that `advance` gave.
    pub(super) fn view(&self, reply: Range<usize>) -> Reply<'_> {
        Reply::view(&self.bytes[reply])
    }

    /// How many bytes wait to be read.
    pub fn len(&self) -> usize {
        self.end - self.begin
    }

    /// Whether every byte was read.
    pub fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// What the buffer takes of memory.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    fn make_room(&mut self) {
        if self.is_empty() {
            (self.begin, self.end) = (0, 0);
            if self.bytes.len() > USUAL {
                self.bytes = Vec::new();
            }
        }
        if self.bytes.len() - self.end >= ROOM {
            return;
        }
        self.bytes.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        if self.bytes.len() - self.end < ROOM {
            let larger = (2 * self.bytes.len()).max(USUAL);
            self.bytes.resize(larger, 0);
        }
    }
}

/// Says how much there is, not what.
impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({} bytes of {} to read)", self.len(), self.capacity())
    }
}

#[cfg(test)]
mod tests;
