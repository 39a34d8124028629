//! The rules of the engine, one by one.
