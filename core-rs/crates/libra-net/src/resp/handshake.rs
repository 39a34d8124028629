//! From a socket to a [`Connection`]: log in, learn who the server is, refuse what cannot serve.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::endpoint::{Endpoint, Place};
use super::error::{EndpointError, RespError};
use super::library::Library;
use super::limits::Limits;
use super::reply::Reply;
use super::secret::{Secret, without};
use super::socket::Socket;
use super::tls;

/// How long connecting may take, where nothing else is said.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// And how long an answer to it.
pub const CALL_WITHIN: Duration = Duration::from_secs(2);

/// How to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// What `CLIENT LIST` calls us.
    pub name: String,
    /// How long connecting may take, TLS included.
    pub connect_within: Duration,
    /// How long [`Connection::call`] waits for an answer.
    pub answer_within: Duration,
    /// What the server may send.
    pub limits: Limits,
    /// Whether a replica is refused. A node writes, so it needs the master.
    pub needs_master: bool,
    /// Functions that the server must have; they are loaded where missing or older.
    pub library: Option<Library>,
    /// Once it is set nobody needs the connection any more: whoever waits for one, or for an answer, asks nothing further.
    pub ended: Arc<AtomicBool>,
}

impl Options {
    /// The usual ones, for a master, without functions.
    pub fn new(name: &str) -> Self {
        Options {
            name: name.into(),
            connect_within: CONNECT_WITHIN,
            answer_within: CALL_WITHIN,
            limits: Limits::default(),
            needs_master: true,
            library: None,
            ended: Arc::default(),
        }
    }
}

/// What a server is to its replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    #[default]
    Master,
    /// It follows a master.
    Replica,
    /// It watches masters.
    Sentinel,
}

/// What a server said about itself.
#[derive(Clone, Debug, Default)]
pub struct ServerInfo {
    /// `redis` or `valkey`.
    pub software: String,
    /// Its version, like `9.1.0`.
    pub version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    /// Whether it takes writes.
    pub role: Role,
    /// A new one each time the server starts. Missing when the ACL user may not ask (`+info`).
    pub run_id: Option<String>,
    /// Our number there: `CLIENT KILL ID` takes it.
    pub client_id: i64,
}

impl Connection {
    /// Connects, logs in and checks the server. For an endpoint with sentinels see [`Connector`](super::Connector).
    ///
    /// # Errors
    /// When there is no such server, it refuses us, or it is not what is needed.
    pub fn connect(endpoint: &Endpoint, options: &Options) -> Result<Self, RespError> {
        let mut connection = open(endpoint, options)?;
        let password = reveal(&endpoint.password, "password")?;
        hello(&mut connection, endpoint.user.as_deref(), password.as_deref(), &options.name)?;
        check_version(&connection)?;
        if endpoint.database > 0 {
            connection.call(&[b"SELECT", endpoint.database.to_string().as_bytes()])?;
        }
        learn_run(&mut connection)?;
        if options.needs_master {
            check_master(&connection)?;
        }
        if let Some(library) = &options.library {
            library.load(&mut connection)?;
        }
        Ok(connection)
    }

    /// Connects to a sentinel, which has other credentials and few commands.
    pub(super) fn to_sentinel(
        endpoint: &Endpoint,
        options: &Options,
        login: (&Option<String>, &Option<Secret>),
    ) -> Result<Self, RespError> {
        let mut connection = open(endpoint, options)?;
        let password = reveal(login.1, "sentinel's password")?;
        hello(&mut connection, login.0.as_deref(), password.as_deref(), &options.name)?;
        Ok(connection)
    }
}

fn open(endpoint: &Endpoint, options: &Options) -> Result<Connection, RespError> {
    let until = Instant::now() + options.connect_within;
    let shown = endpoint.to_string();
    let (socket, host) = match &endpoint.place {
        Place::Tcp(host) => (Socket::tcp(host, until), host.name.as_str()),
        Place::Unix(path) => (Socket::unix(path, until), ""),
        Place::Sentinel { .. } => {
            let reason = "sentinels name the server to connect to: use a Connector".into();
            return Err(RespError::Connect { place: shown, reason });
        }
    };
    let socket = socket.map_err(|error| RespError::Connect { place: shown.clone(), reason: error.to_string() })?;
    let socket = match &endpoint.tls {
        None => socket,
        Some(files) => {
            socket.with_tls(tls::client(files, host)?, until).map_err(|error| RespError::tls(&shown, &error))?
        }
    };
    let mut connection = Connection::over(socket, shown, options.limits, options.answer_within);
    connection.ended = options.ended.clone();
    Ok(connection)
}

fn reveal(secret: &Option<Secret>, what: &'static str) -> Result<Option<String>, EndpointError> {
    secret.as_ref().map(|secret| secret.reveal(what)).transpose()
}

fn hello(connection: &mut Connection, user: Option<&str>, password: Option<&str>, name: &str) -> Result<(), RespError> {
    let mut arguments: Vec<&[u8]> = vec![b"HELLO", b"3"];
    if let Some(password) = password {
        arguments.extend([&b"AUTH"[..], user.unwrap_or("default").as_bytes(), password.as_bytes()]);
    }
    if !name.is_empty() {
        arguments.extend([&b"SETNAME"[..], name.as_bytes()]);
    }
    let place = connection.place.clone();
    let text = |reply: Reply<'_>, key: &str| reply.get(key).and_then(Reply::text).unwrap_or_default().to_owned();
    let server = match connection.call(&arguments) {
        Ok(reply) => ServerInfo {
            software: text(reply, "server"),
            version: text(reply, "version"),
            mode: text(reply, "mode"),
            role: match (reply.get("mode").and_then(Reply::text), reply.get("role").and_then(Reply::text)) {
                (Some("sentinel"), _) => Role::Sentinel,
                (_, Some("master")) => Role::Master,
                _ => Role::Replica,
            },
            run_id: None,
            client_id: reply.get("id").and_then(Reply::int).unwrap_or_default(),
        },
        // A server that does not know HELLO repeats its arguments.
        Err(RespError::Refused { message, .. }) if message.to_ascii_lowercase().contains("unknown command") => {
            return Err(RespError::TooOld { place, server: "the server".into(), version: "(without HELLO)".into() });
        }
        Err(RespError::Refused { during, message, .. }) => {
            let message = without(&message, &[password.unwrap_or_default()]);
            return Err(RespError::Refused { place, during, message });
        }
        Err(error) => return Err(error),
    };
    connection.server = server;
    Ok(())
}

/// Functions and RESP3 came with Redis 7, from which Valkey was forked at 7.2.
fn check_version(connection: &Connection) -> Result<(), RespError> {
    let ServerInfo { software, version, .. } = connection.server();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= 7 => Ok(()),
        _ => Err(RespError::TooOld {
            place: connection.place.clone(),
            server: software.clone(),
            version: version.clone(),
        }),
    }
}

fn check_master(connection: &Connection) -> Result<(), RespError> {
    let (role, hint) = match connection.server().role {
        Role::Master => return Ok(()),
        Role::Replica => ("replica", ": name its master in the configuration, or its sentinels"),
        Role::Sentinel => ("sentinel", ": its URL begins with redis+sentinel://"),
    };
    Err(RespError::NotMaster { place: connection.place.clone(), role, hint })
}

fn learn_run(connection: &mut Connection) -> Result<(), RespError> {
    let place = connection.place.clone();
    let info = match connection.call(&[b"INFO", b"server", b"persistence"]) {
        Ok(reply) => reply.text().unwrap_or_default().to_owned(),
        Err(RespError::Refused { message, .. }) if message.starts_with("NOPERM") => return Ok(()),
        Err(error) => return Err(error),
    };
    if info_field(&info, "loading") == Some("1") {
        return Err(RespError::Loading { place });
    }
    connection.server.run_id = info_field(&info, "run_id").map(str::to_owned);
    Ok(())
}

/// A field of what INFO says.
pub(super) fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}
