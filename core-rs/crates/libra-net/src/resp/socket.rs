//! A socket that never blocks: TCP or Unix, plain or with TLS.

use std::io::{self, Read, Write};
use std::net::ToSocketAddrs;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use libra_kernel::forks::Private;
use rustls::ClientConnection;
use socket2::{Domain, SockAddr, Socket as Plain, TcpKeepalive, Type};

use super::endpoint::Host;
use super::poll::{Watch, wait};

/// A connected socket, which children that somebody's code forks do not have.
#[derive(Debug)]
pub(super) struct Socket {
    plain: Private<Plain>,
    tls: Option<Box<ClientConnection>>,
}

impl Socket {
    /// Connects to a host, to each of its addresses in turn.
    ///
    /// The name is looked up by the system, which keeps its own time for that.
    pub(super) fn tcp(host: &Host, until: Instant) -> io::Result<Self> {
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host.name.as_str(), host.port).to_socket_addrs()? {
            let plain = Private::new(Plain::new(Domain::for_address(address), Type::STREAM, None)?);
            match plain.connect_timeout(&address.into(), left(until)?) {
                Ok(()) => {
                    plain.set_tcp_nodelay(true)?;
                    // The pings notice a dead peer sooner; this ends sockets that nobody pings any more.
                    let keepalive =
                        TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
                    plain.set_tcp_keepalive(&keepalive)?;
                    plain.set_nonblocking(true)?;
                    return Ok(Socket { plain, tls: None });
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Connects to a Unix socket.
    pub(super) fn unix(path: &Path, until: Instant) -> io::Result<Self> {
        let plain = Private::new(Plain::new(Domain::UNIX, Type::STREAM, None)?);
        plain.set_nonblocking(true)?;
        let address = SockAddr::unix(path)?;
        loop {
            match plain.connect(&address) {
                Ok(()) => return Ok(Socket { plain, tls: None }),
                // The server's queue of connections is full (it may be stopped), and no event tells when it is not.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(left(until)?.min(Duration::from_millis(2)));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Speaks TLS from here on, and does its handshake.
    pub(super) fn with_tls(mut self, tls: ClientConnection, until: Instant) -> io::Result<Self> {
        self.tls = Some(Box::new(tls));
        while self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            self.flush_tls()?;
            let watch = Watch::new(self.fd(), self.wants_write());
            wait(&mut [watch], Some(left(until)?))?;
            match self.receive_tls() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    // The alert that tells the server why. It is courtesy: the error is what counts.
                    let _ = self.flush_tls();
                    return Err(error);
                }
            }
        }
        self.flush_tls()?;
        Ok(self)
    }

    pub(super) fn fd(&self) -> RawFd {
        self.plain.as_raw_fd()
    }

    /// Whether TLS holds back bytes that the socket had no room for.
    pub(super) fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Whether it encrypts.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads what is there. `UnexpectedEof` is the end; `WouldBlock` that nothing is there now.
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return again(|| (&*self.plain).read(room)).and_then(ended);
        };
        match tls.reader().read(room) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.receive_tls()?,
            other => return other.and_then(ended),
        }
        self.read_decrypted(room)
    }

    /// Reads what TLS has decrypted already. `WouldBlock` when that is nothing, as without TLS.
    pub(super) fn read_decrypted(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.reader().read(room).and_then(ended),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes as much as there is room for. `WouldBlock` says that there is none.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return again(|| (&*self.plain).write(bytes));
        };
        let count = tls.writer().write(bytes)?;
        self.flush_tls()?;
        match count {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(count),
        }
    }

    /// Hands to the socket what TLS still holds, as far as there is room.
    pub(super) fn flush_tls(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            match again(|| tls.write_tls(&mut &*self.plain)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One read of the socket into TLS.
    fn receive_tls(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        let count = again(|| tls.read_tls(&mut &*self.plain))?;
        tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        match count {
            // What was decrypted before the end is still to be read.
            0 if tls.is_handshaking() => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn ended(count: usize) -> io::Result<usize> {
    match count {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(count),
    }
}

/// What is left of the time.
pub(super) fn left(until: Instant) -> io::Result<Duration> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_forked_child_has_no_socket_of_ours() {
        let path = std::env::temp_dir().join(format!("libra-socket-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let unix = UnixListener::bind(&path).unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let host = Host { name: "127.0.0.1".into(), port: tcp.local_addr().unwrap().port() };
        let sockets = [Socket::unix(&path, until).unwrap(), Socket::tcp(&host, until).unwrap()];
        let is_socket = |fd: RawFd| {
            // SAFETY: zero is a valid stat, which fstat fills.
            unsafe {
                let mut stat: libc::stat = std::mem::zeroed();
                libc::fstat(fd, &mut stat) == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFSOCK
            }
        };
        // SAFETY: the child makes system calls and ends without anyone's exit code.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let inherits = is_socket(unix.as_raw_fd()) && !sockets.iter().any(|socket| is_socket(socket.fd()));
                libc::_exit(if inherits { 0 } else { 1 });
            }
            let mut status = 0;
            assert_eq!((libc::waitpid(child, &mut status, 0), status), (child, 0));
        }
        assert!(sockets.iter().all(|socket| is_socket(socket.fd())));
        std::fs::remove_file(path).unwrap();
    }
}
