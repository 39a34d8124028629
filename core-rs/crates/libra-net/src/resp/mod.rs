//! The connection to Redis or Valkey: RESP3 over TCP, Unix sockets and TLS, without an asynchronous runtime.
//!
//! ```text
//! let endpoint: Endpoint = "rediss://node@host/0?password_env=REDIS_PASSWORD".parse()?;
//! let mut connector = Connector::new(endpoint, Options::new("node-1"));
//! let mut connection = connector.connect()?;              // logged in, version and role checked, functions loaded
//! connection.call(&[b"INCR", b"key"])?.int();             // waits for the answer, where there is time
//!
//! connection.commands().publish(b"channel", &frame);      // the data plane: one thread, several descriptors
//! connection.commands().command(2).bulk(b"SUBSCRIBE").bulk(b"channel");
//! loop {
//!     connection.flush()?;
//!     wait(&mut [connection.watch(), Watch::new(eventfd, false)], Some(timeout))?;
//!     connection.fill()?;
//!     while let Some(reply) = connection.next_reply()? {        // borrowed from the buffer
//!         match reply.message() {
//!             Some((channel, payload)) => ...,            // pushed: may come between any two answers
//!             None => ...,                                // answers in the order of the commands; Reply::Push: none
//!         }
//!     }
//! }
//! ```
//!
//! Rules of use: answers come in the order of commands; SUBSCRIBE has no answer but a [`Reply::Push`]. After an error drop the
//! connection, connect anew after [`Backoff::wait`]. Ask [`Liveness`] what to do when nothing comes, always after `fill`.
//!
//! Data go `Commands` → `Socket` → server → `Socket` → `Inbox` → `Reply`:
//! - [`Commands`] — encoding; [`Inbox`], [`Reply`], [`Limits`] — decoding, incremental and bounded; none of them has a socket;
//! - [`Endpoint`], [`Secret`] — where a server is and how to log in; nothing of them shows a password;
//! - [`Connection`], [`Options`], [`ServerInfo`], [`Library`] — connecting, logging in, checking the server;
//! - [`Connector`] — the same through Sentinel; [`Backoff`], [`Liveness`] — when to connect again and when to give up, on the
//!   caller's clock;
//! - [`health`] — which of the server's settings can cost events;
//! - [`wait`], [`Watch`] — sleeping on several descriptors.

mod backoff;
mod connection;
mod connector;
mod encode;
mod endpoint;
mod error;
mod handshake;
pub mod health;
mod inbox;
mod library;
mod limits;
mod liveness;
mod poll;
mod reply;
mod scan;
mod secret;
mod socket;
mod tls;
mod url;

pub use backoff::{Backoff, BackoffLimits, LONGEST_WAIT};
pub use connection::Connection;
pub use connector::Connector;
pub use encode::{Command, Commands};
pub use endpoint::{Endpoint, Host, Place, TlsFiles};
pub use error::{EndpointError, RespError};
pub use handshake::{CALL_WITHIN, CONNECT_WITHIN, Options, Role, ServerInfo};
pub use inbox::Inbox;
pub use library::{BadLibrary, Library};
pub use limits::{DEEPEST, LARGEST, Limits, ProtocolError};
pub use liveness::{ANSWER_WITHIN, ASK_AFTER, Liveness, Pulse};
pub use poll::{Watch, wait};
pub use reply::{Items, Reply};
pub use secret::Secret;
