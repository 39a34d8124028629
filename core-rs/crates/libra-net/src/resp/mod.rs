//! The connection to Redis or Valkey.
