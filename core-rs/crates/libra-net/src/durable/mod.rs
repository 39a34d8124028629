//! The protocols between nodes as state machines, without I/O.
