//! Commands on their way to the server: one buffer that is appended to, written from and used again.
//!
//! A command is an array of bulk strings. Arguments are copied: for a frame of 10 KB one `write` of a buffer of several commands is
//! quicker than gathering pieces by `writev` (docs/decisions/0003). What is made only to be sent can be
//! encoded in its place, without the copy: [`Command::bulk_with`].

use std::fmt;

/// Commands to send. Whole commands only: [`Commands::command`] counts the arguments that were promised.
#[derive(Default)]
pub struct Commands {
    bytes: Vec<u8>,
    /// What of `bytes` the socket has taken already.
    sent: usize,
}

/// A buffer that has grown beyond this is given back once it is empty.
const KEPT: usize = 1 << 20;

impl Commands {
    /// An empty buffer.
    pub fn new() -> Self {
        Commands::default()
    }

    /// Begins a command of exactly `arguments` arguments, its name being the first; they follow on what is returned.
    pub fn command(&mut self, arguments: usize) -> Command<'_> {
        header(&mut self.bytes, b'*', arguments as u64);
        Command { bytes: &mut self.bytes, left: arguments }
    }

    /// Appends a whole command.
    pub fn push(&mut self, arguments: &[&[u8]]) {
        let mut command = self.command(arguments.len());
        for argument in arguments {
            command.bulk(argument);
        }
    }

    /// Appends `PUBLISH channel payload`.
    pub fn publish(&mut self, channel: &[u8], payload: &[u8]) {
        self.bytes.extend_from_slice(b"*3\r\n$7\r\nPUBLISH\r\n");
        bulk(&mut self.bytes, channel);
        bulk(&mut self.bytes, payload);
    }

    /// What the socket has not taken yet.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Whether everything was taken.
    pub fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Notes that the socket has taken `count` more bytes.
    pub(super) fn took(&mut self, count: usize) {
        self.sent += count;
        debug_assert!(self.sent <= self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.sent = 0;
            if self.bytes.capacity() > KEPT {
                self.bytes.shrink_to(KEPT);
            }
        } else if self.sent >= KEPT {
            // A server that reads slowly would otherwise keep what it has read already in our memory.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

/// Says how much there is, never what: it may be a password.
impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commands({} bytes to send)", self.unsent().len())
    }
}

/// A command that still lacks arguments.
#[must_use = "the server waits for the arguments that were promised"]
pub struct Command<'a> {
    bytes: &'a mut Vec<u8>,
    left: usize,
}

impl Command<'_> {
    /// One argument.
    pub fn bulk(&mut self, argument: &[u8]) -> &mut Self {
        self.count();
        bulk(self.bytes, argument);
        self
    }

    /// One argument: a number in decimal digits.
    pub fn int(&mut self, number: u64) -> &mut Self {
        self.count();
        let mut digits = [0; 20];
        bulk(self.bytes, decimal(number, &mut digits));
        self
    }

    /// One argument, appended by `write` where it will be sent from. `guess` is its likely length: a guess with another
    /// number of digits costs a move of what was written, nothing else.
    pub fn bulk_with(&mut self, guess: usize, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.count();
        let at = self.bytes.len();
        header(self.bytes, b'$', guess as u64);
        let begin = self.bytes.len();
        write(self.bytes);
        assert!(self.bytes.len() >= begin, "the writer of an argument may only append");
        let length = self.bytes.len() - begin;
        if length != guess {
            let mut digits = [0; 20];
            let digits = decimal(length as u64, &mut digits);
            self.bytes.splice(at + 1..begin - 2, digits.iter().copied());
        }
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    fn count(&mut self) {
        // A command with too many arguments would be read as the beginning of the next: a mistake of the program.
        assert!(self.left > 0, "more arguments than the command was begun with");
        self.left -= 1;
    }
}

impl Drop for Command<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.left == 0, "{} arguments of a command are missing", self.left);
        }
    }
}

fn header(bytes: &mut Vec<u8>, kind: u8, number: u64) {
    let mut digits = [0; 20];
    bytes.push(kind);
    bytes.extend_from_slice(decimal(number, &mut digits));
    bytes.extend_from_slice(b"\r\n");
}

fn bulk(bytes: &mut Vec<u8>, argument: &[u8]) {
    bytes.reserve(argument.len() + 32);
    header(bytes, b'$', argument.len() as u64);
    bytes.extend_from_slice(argument);
    bytes.extend_from_slice(b"\r\n");
}

/// The decimal digits of a number, at the end of `room`.
pub(super) fn decimal(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &room[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        let mut commands = Commands::new();
        commands.push(&[b"PING"]);
        commands.command(3).bulk(b"XTRIM").int(0).int(u64::MAX);
        assert_eq!(
            commands.unsent(),
            b"*1\r\n$4\r\nPING\r\n*3\r\n$5\r\nXTRIM\r\n$1\r\n0\r\n$20\r\n18446744073709551615\r\n"
        );
        commands.publish(b"a", b"");
        assert!(commands.unsent().ends_with(b"*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$0\r\n\r\n"));
    }

    #[test]
    fn what_is_written_in_place_reads_as_if_it_had_been_copied() {
        for guess in [0, 9, 10, 12, 100, 5000] {
            for length in [0, 5, 9, 10, 99, 1234] {
                let payload = vec![b'x'; length];
                let (mut placed, mut copied) = (Commands::new(), Commands::new());
                placed.command(2).bulk(b"ECHO").bulk_with(guess, |bytes| bytes.extend_from_slice(&payload));
                copied.push(&[b"ECHO", &payload]);
                assert_eq!(placed.unsent(), copied.unsent(), "guess {guess}, length {length}");
            }
        }
    }

    #[test]
    fn what_is_sent_is_not_shown() {
        let mut commands = Commands::new();
        commands.push(&[b"AUTH", b"secret"]);
        assert_eq!(format!("{commands:?}"), "Commands(26 bytes to send)");
    }

    #[test]
    fn what_the_socket_took_is_not_sent_again() {
        let mut commands = Commands::new();
        commands.push(&[b"PING"]);
        commands.took(4);
        assert_eq!(commands.unsent(), b"$4\r\nPING\r\n");
        commands.push(&[b"PING"]);
        commands.took(10);
        assert_eq!(commands.unsent(), b"*1\r\n$4\r\nPING\r\n");
        commands.took(14);
        assert!(commands.is_empty());
    }

    #[test]
    fn a_slow_server_does_not_make_the_sent_part_stay() {
        let mut commands = Commands::new();
        let payload = vec![7; KEPT];
        commands.publish(b"c", &payload);
        commands.publish(b"c", &payload);
        let whole = commands.unsent().to_vec();
        commands.took(KEPT + 5);
        assert_eq!(commands.unsent(), &whole[KEPT + 5..]);
        assert_eq!(commands.bytes.len(), whole.len() - KEPT - 5);
        commands.took(whole.len() - KEPT - 5);
        assert!(commands.is_empty());
        assert!(commands.bytes.capacity() <= KEPT);
    }

    #[test]
    #[should_panic(expected = "1 arguments of a command are missing")]
    fn a_command_cut_short_is_noticed() {
        Commands::new().command(2).bulk(b"GET");
    }
}
