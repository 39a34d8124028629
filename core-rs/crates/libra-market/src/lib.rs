//! Market data, native: where it comes from and what is made of it. See each module.

pub mod book;
