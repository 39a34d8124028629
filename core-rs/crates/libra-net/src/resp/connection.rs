//! One connection: commands out, replies and pushed messages in.
//!
//! The socket never blocks. A thread that serves several waits for them by [`wait`](super::wait) with
//! [`Connection::watch`], then calls [`Connection::fill`] and [`Connection::next_reply`] until there is nothing more, and
//! [`Connection::flush`] for what it wants to send. [`Connection::call`] waits for one answer, for whoever has the time.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::encode::Commands;
use super::error::RespError;
use super::handshake::ServerInfo;
use super::inbox::Inbox;
use super::limits::Limits;
use super::poll::{Watch, wait};
use super::reply::Reply;
use super::socket::Socket;

/// A connection that has logged in. Whatever fails on it, it is of no use any more: drop it and connect anew.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    commands: Commands,
    inbox: Inbox,
    /// Messages that came while somebody waited for an answer.
    aside: VecDeque<Vec<u8>>,
    aside_bytes: usize,
    /// The one of them that was read last, lent to the reader.
    lent: Vec<u8>,
    limits: Limits,
    /// The last read found less than it had room for.
    is_drained: bool,
    pub(super) place: String,
    pub(super) server: ServerInfo,
    pub(super) answer_within: Duration,
    pub(super) ended: Arc<AtomicBool>,
}

impl Connection {
    pub(super) fn over(socket: Socket, place: String, limits: Limits, answer_within: Duration) -> Self {
        Connection {
            socket,
            commands: Commands::new(),
            inbox: Inbox::new(limits),
            aside: VecDeque::new(),
            aside_bytes: 0,
            lent: Vec::new(),
            limits,
            is_drained: false,
            place,
            server: ServerInfo::default(),
            answer_within,
            ended: Arc::default(),
        }
    }

    /// What the server said about itself when we logged in.
    pub fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// The address, as it may be shown.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.socket.is_tls()
    }

    /// Commands that go with the next [`Connection::flush`]. It has no limit of its own: who sends keeps count of the answers
    /// that are out, or looks at [`Commands::unsent`].
    pub fn commands(&mut self) -> &mut Commands {
        &mut self.commands
    }

    /// Gives the socket as much as it takes; whether that was everything.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn flush(&mut self) -> Result<bool, RespError> {
        let failed = |place: &str, error: &io::Error| RespError::io(place, error);
        while !self.commands.is_empty() {
            match self.socket.write(self.commands.unsent()) {
                Ok(count) => self.commands.took(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(failed(&self.place, &error)),
            }
        }
        self.socket.flush_tls().map_err(|error| failed(&self.place, &error))?;
        Ok(!self.socket.wants_write())
    }

    /// Whether bytes wait for room in the socket: then it is to be watched for writing and flushed again.
    pub fn wants_write(&self) -> bool {
        !self.commands.is_empty() || self.socket.wants_write()
    }

    /// Reads once from the socket; how many bytes came, 0 when nothing is there now. Then take everything by
    /// [`Connection::next_reply`]: the descriptor tells of what the socket still has, not of what was read.
    ///
    /// # Errors
    /// When the connection has ended. What came before can still be had by [`Connection::next_reply`].
    pub fn fill(&mut self) -> Result<usize, RespError> {
        let (socket, mut room_for) = (&mut self.socket, 0);
        let read = self.inbox.fill(|room| {
            room_for = room.len();
            socket.read(room)
        });
        let mut count = match read {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(RespError::io(&self.place, &error)),
        };
        // A stream gives less than was asked for when it has no more; TLS may hold a part of what it has read.
        self.is_drained = count < room_for && !socket.is_tls();
        // The descriptor does not tell of what TLS has decrypted already. An end or an error comes again with the next call.
        while let Ok(more) = self.inbox.fill(|room| socket.read_decrypted(room)) {
            count += more;
        }
        Ok(count)
    }

    /// Whether the last [`Connection::fill`] took all that the socket had: then the descriptor tells when there is more, an end
    /// or an error included, and another read would bring nothing.
    pub fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// The next reply or message out of what was read; none when more has to come.
    ///
    /// # Errors
    /// When the server sent what it must not.
    pub fn next_reply(&mut self) -> Result<Option<Reply<'_>>, RespError> {
        if let Some(bytes) = self.aside.pop_front() {
            self.aside_bytes -= bytes.len();
            self.lent = bytes;
            return Ok(Some(Reply::view(&self.lent)));
        }
        let place = &self.place;
        self.inbox.next_reply().map_err(|error| RespError::Protocol { place: place.clone(), error })
    }

    /// Changes how long [`Connection::call`] waits: a command that blocks needs longer.
    pub fn set_answer_within(&mut self, time: Duration) {
        self.answer_within = time;
    }

    /// What to wait for before the next call of `fill` or `flush`.
    pub fn watch(&self) -> Watch {
        Watch::new(self.fd(), self.wants_write())
    }

    /// The descriptor.
    pub fn fd(&self) -> RawFd {
        self.socket.fd()
    }

    /// Sends a command and waits for its answer, at most the time that the options allow. No other answer may be out.
    /// Messages that come before it are kept for [`Connection::next_reply`]. The answer to SUBSCRIBE is such a message: use
    /// `commands` and `next_reply` for that.
    ///
    /// # Errors
    /// When the server refuses, does not answer, or the connection ends.
    pub fn call(&mut self, arguments: &[&[u8]]) -> Result<Reply<'_>, RespError> {
        self.commands.push(arguments);
        let name = command_name(arguments);
        self.answer(&name)
    }

    /// Waits for the next answer to what is in `commands` or was sent before. `during` names it in errors.
    ///
    /// # Errors
    /// When the server refuses, does not answer, or the connection ends.
    pub fn answer(&mut self, during: &str) -> Result<Reply<'_>, RespError> {
        let until = Instant::now() + self.answer_within;
        let found = loop {
            if self.ended.load(Ordering::Acquire) {
                return Err(RespError::closed(&self.place, "it is not needed any more"));
            }
            self.flush()?;
            let found = self.inbox.advance();
            let Some(found) = found.map_err(|error| RespError::Protocol { place: self.place.clone(), error })? else {
                self.wait_for_more(during, until)?;
                continue;
            };
            match matches!(self.inbox.view(found.clone()), Reply::Push(_)) {
                true => self.set_aside(found)?,
                false => break found,
            }
        };
        match self.inbox.view(found) {
            Reply::Error(message) => Err(RespError::Refused {
                place: self.place.clone(),
                during: during.into(),
                message: String::from_utf8_lossy(message).into_owned(),
            }),
            reply => Ok(reply),
        }
    }

    fn set_aside(&mut self, found: Range<usize>) -> Result<(), RespError> {
        self.aside_bytes += found.len();
        self.aside.push_back(self.inbox.raw(found).to_vec());
        match self.aside_bytes > self.limits.largest {
            true => Err(RespError::closed(&self.place, "too many messages came before an answer")),
            false => Ok(()),
        }
    }

    fn wait_for_more(&mut self, during: &str, until: Instant) -> Result<(), RespError> {
        let left = until.saturating_duration_since(Instant::now());
        let ready = match left {
            Duration::ZERO => 0,
            _ => wait(&mut [self.watch()], Some(left)).map_err(|error| RespError::io(&self.place, &error))?,
        };
        if ready == 0 {
            let (place, during) = (self.place.clone(), during.to_owned());
            return Err(RespError::TimedOut { place, during, after: self.answer_within });
        }
        self.fill().map(drop)
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.fd()
    }
}

/// How a command is named in errors: its first word, and the second where that is one of a family.
fn command_name(arguments: &[&[u8]]) -> String {
    let family = matches!(arguments.first(), Some(&(b"CLIENT" | b"CONFIG" | b"FUNCTION" | b"SENTINEL" | b"CLUSTER")));
    let shown = arguments.iter().take(if family { 2 } else { 1 });
    shown.map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
}
