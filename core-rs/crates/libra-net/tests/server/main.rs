//! The connection against a real Valkey.

mod faults;
mod login;
mod messages;
mod valkey;
