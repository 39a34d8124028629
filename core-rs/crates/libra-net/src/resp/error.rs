//! What can go wrong with a server. No message holds a secret: they are not in what the variants are made of, and what the server
//! says back during the handshake is searched for them.

use std::io;
use std::time::Duration;

use super::limits::ProtocolError;
use super::tls;

/// Why there is no connection, or none any more, or no answer.
#[derive(Debug, thiserror::Error)]
pub enum RespError {
    /// Nobody could be reached there.
    #[error("{place}: cannot connect: {reason}")]
    Connect {
        /// The address, as it may be shown.
        place: String,
        /// What the system says.
        reason: String,
    },
    /// The connection has ended.
    #[error("{place}: the connection ended: {reason}")]
    Closed {
        /// The address, as it may be shown.
        place: String,
        /// How.
        reason: String,
    },
    /// What came cannot be read; the connection is to be closed.
    #[error("{place}: {error}")]
    Protocol {
        /// The address, as it may be shown.
        place: String,
        /// What was wrong with it.
        error: ProtocolError,
    },
    /// The server answered a command with an error.
    #[error("{place}: {during}: {message}")]
    Refused {
        /// The address, as it may be shown.
        place: String,
        /// The name of the command.
        during: String,
        /// What the server said, without secrets.
        message: String,
    },
    /// A sentinel answered a command with an error: it has users and passwords of its own.
    #[error("{place}: the sentinel: {during}: {message}")]
    SentinelRefused {
        /// The address, as it may be shown.
        place: String,
        /// The name of the command.
        during: String,
        /// What it said, without secrets.
        message: String,
    },
    /// No answer within the time for it.
    #[error("{place}: {during}: no answer within {after:?}")]
    TimedOut {
        /// The address, as it may be shown.
        place: String,
        /// The name of the command.
        during: String,
        /// How long was waited.
        after: Duration,
    },
    /// An answer of another kind than the command has.
    #[error("{place}: {during}: an answer that the command cannot have")]
    Unexpected {
        /// The address, as it may be shown.
        place: String,
        /// The name of the command.
        during: String,
    },
    /// Certificates, names or ciphers do not fit.
    #[error("{place}: TLS: {reason}")]
    Tls {
        /// The address, as it may be shown.
        place: String,
        /// What rustls says.
        reason: String,
        /// One end does not take what the other one proves itself with: no other try changes that.
        lasting: bool,
    },
    /// The server is older than what is needed.
    #[error(
        "{place}: {server} {version} is too old: functions and RESP3 are needed, which Redis and Valkey have from version 7.0 on"
    )]
    TooOld {
        /// The address, as it may be shown.
        place: String,
        /// `redis` or `valkey`.
        server: String,
        /// What it calls its version.
        version: String,
    },
    /// The server has another role than the one that was asked for.
    #[error("{place}: the server is a {role}, and a master is needed{hint}")]
    NotMaster {
        /// The address, as it may be shown.
        place: String,
        /// What it is.
        role: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// It still reads its data.
    #[error("{place}: the server is still loading its data")]
    Loading {
        /// The address, as it may be shown.
        place: String,
    },
    /// The server has a library of functions that ours must not replace.
    #[error("{place}: {reason}")]
    Library {
        /// The address, as it may be shown.
        place: String,
        /// Which, and what to do.
        reason: String,
    },
    /// Somebody who uses the server as we would is there already.
    #[error("{place}: {reason}")]
    Taken {
        /// The address, as it may be shown.
        place: String,
        /// Who, and what to do.
        reason: String,
    },
    /// No Sentinel names a master that is one.
    #[error("no sentinel knows a master {master:?}: {reasons}")]
    NoMaster {
        /// The name of the master.
        master: String,
        /// What each sentinel said.
        reasons: String,
    },
    /// An address, a password or a certificate cannot be had from where the configuration says.
    #[error(transparent)]
    Config(#[from] EndpointError),
}

/// How refusals begin that nothing but another configuration ends. Others pass: too many clients, a busy script, loading.
const LASTING: [&str; 5] = ["WRONGPASS", "NOAUTH", "NOPERM", "ERR DB index", "ERR AUTH"];

impl RespError {
    /// Whether trying again can help though nobody changes the configuration. Where not, a node should not start.
    pub fn may_pass(&self) -> bool {
        match self {
            RespError::Refused { message, .. } | RespError::SentinelRefused { message, .. } => {
                !LASTING.iter().any(|lasting| message.starts_with(lasting))
            }
            RespError::TooOld { .. } | RespError::Library { .. } | RespError::Taken { .. } | RespError::Config(_) => {
                false
            }
            RespError::Tls { lasting, .. } => !lasting,
            _ => true,
        }
    }

    /// Whether somebody has to change something, as far as can be told. So it is of a server with another role as well: one that
    /// another server follows may be made the master yet, so a node starts, but nobody is to wait for it unknowingly.
    pub fn is_lasting(&self) -> bool {
        !self.may_pass() || matches!(self, RespError::NotMaster { .. })
    }

    pub(super) fn tls(place: &str, error: &io::Error) -> Self {
        RespError::Tls { place: place.into(), reason: tls::reason(error), lasting: tls::is_lasting(error) }
    }

    pub(super) fn closed(place: &str, reason: impl Into<String>) -> Self {
        RespError::Closed { place: place.into(), reason: reason.into() }
    }

    pub(super) fn io(place: &str, error: &io::Error) -> Self {
        match error.kind() {
            // A server that asks who we are says only behind its handshake what it makes of the answer.
            _ if tls::is_lasting(error) => Self::tls(place, error),
            io::ErrorKind::UnexpectedEof => Self::closed(place, "the server closed it"),
            _ => Self::closed(place, error.to_string()),
        }
    }
}

/// What is wrong with the configuration of a server's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The URL cannot be read. What it was is not repeated: it may hold a password.
    #[error("the server's URL: {0}")]
    Url(String),
    /// A secret is not where it should be.
    #[error("the {what}: {reason}")]
    Secret {
        /// `password`, `sentinel's password`.
        what: &'static str,
        /// Where it was looked for, and what was found.
        reason: String,
    },
    /// A certificate or key cannot be read.
    #[error("{what} {path}: {reason}")]
    Certificate {
        /// `the authorities' certificates`, ...
        what: &'static str,
        /// The file.
        path: String,
        /// What was found.
        reason: String,
    },
}
