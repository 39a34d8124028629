//! Where a server is and how to log in: what a URL in the configuration says.
//!
//! ```text
//! redis://USER@HOST:6379/0?password_env=REDIS_PASSWORD        also valkey://, and rediss:// or valkeys:// for TLS
//! rediss://HOST/?ca_file=/etc/ca.pem&server_name=redis.internal
//! unix:///run/valkey.sock?db=1
//! redis+sentinel://HOST1:26379,HOST2/MASTER/0                 rediss+sentinel:// for TLS to all of them
//! ```
//!
//! Options after `?`: `user`, `password_env`, `password_file`, `db`, `ca_file`, `cert_file`, `key_file`, `server_name`, and
//! for Sentinel `sentinel_user`, `sentinel_password_env`, `sentinel_password_file`. A password in the URL itself is
//! understood too, percent-encoded; profiles should not hold any ([`Endpoint::holds_password`]).

use std::fmt;
use std::path::PathBuf;

use super::secret::Secret;

/// A server's address and how to log in. Never shows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub place: Place,
    /// The ACL user; without one, `default`.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The numbered database.
    pub database: u32,
    /// TLS, if it is spoken.
    pub tls: Option<TlsFiles>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Host and port.
    Tcp(Host),
    /// A socket in the file system.
    Unix(PathBuf),
    /// Whatever the sentinels call the master.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<Host>,
        /// The name of the master.
        master: String,
        /// The sentinels' own ACL user.
        user: Option<String>,
        /// The sentinels' own password.
        password: Option<Secret>,
    },
}

/// A host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// A name, or an address without brackets.
    pub name: String,
    /// The port.
    pub port: u16,
}

/// Files for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that are trusted, PEM; without it those of the system.
    pub authorities: Option<PathBuf>,
    /// Our certificate and its chain, PEM, where the server asks for one.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must have, where it is not the host's.
    pub server_name: Option<String>,
}

impl Endpoint {
    /// A server on a host, without login and TLS.
    pub fn tcp(name: &str, port: u16) -> Self {
        Self::at(Place::Tcp(Host { name: name.into(), port }))
    }

    /// A server behind a Unix socket, without login.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Unix(path.into()))
    }

    pub(super) fn at(place: Place) -> Self {
        Endpoint { place, user: None, password: None, database: 0, tls: None }
    }

    /// Whether a password was written into the URL itself.
    pub fn holds_password(&self) -> bool {
        let given = |secret: &Option<Secret>| matches!(secret, Some(Secret::Given(_)));
        given(&self.password) || matches!(&self.place, Place::Sentinel { password, .. } if given(password))
    }

    /// The same login and TLS at another place: the master that a sentinel named.
    pub(super) fn moved(&self, place: Place) -> Self {
        Endpoint { place, ..self.clone() }
    }
}

/// As a URL without login and options.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls.is_some() { "s" } else { "" };
        match &self.place {
            Place::Tcp(host) => write!(f, "redis{tls}://{host}")?,
            Place::Unix(path) => write!(f, "unix://{}", path.display())?,
            Place::Sentinel { sentinels, master, .. } => {
                write!(f, "redis{tls}+sentinel://")?;
                for (index, host) in sentinels.iter().enumerate() {
                    write!(f, "{}{host}", if index > 0 { "," } else { "" })?;
                }
                write!(f, "/{master}")?;
            }
        }
        match (self.database, &self.place) {
            (0, _) => Ok(()),
            (database, Place::Unix(_)) => write!(f, "?db={database}"),
            (database, _) => write!(f, "/{database}"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}
