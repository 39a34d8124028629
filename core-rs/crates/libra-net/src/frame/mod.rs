//! The wire format: frames of events.
