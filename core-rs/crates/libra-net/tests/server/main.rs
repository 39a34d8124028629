//! The connection against a real Valkey.

mod encrypted;
mod faults;
mod findings;
mod login;
mod messages;
mod pretender;
mod sentinel;
mod seven;
mod valkey;
