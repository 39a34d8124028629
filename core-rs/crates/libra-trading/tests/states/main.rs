//! The account over many lives: random orders, cancels, partial fills, late, doubled, lost and false messages of the
//! venue, and the death of the process at any step and at any byte of the log, against a slow truth.
//!
//! - `step` — what a run consists of, made from a seed; `market` — what it trades, within which limits;
//! - `world` — the lives of an account; `drive`, `gateway`, `control` — its steps, as production drives them; `adopt` —
//!   what is taken over after a death;
//! - `venue`, `consumer` — the two that outlive it;
//! - `truth`, `said` — what has to be true, from the documents alone; `compare` — the account held against it;
//! - `back` — the way back of a strategy that was no more, and what closes by a signal;
//! - `accept` — an operator takes the venue's word, and whose the position is from then on;
//! - `day` — from where losses are counted; `flatten` — what closes a position that a strategy left;
//! - `disk` — a log that takes nothing for a while;
//! - `cover` — what the runs came through; `once` — runs that found something.
//!
//! `LIBRA_SEED=7 cargo test -p libra-trading --test states one_seed -- --nocapture` runs one seed and prints its steps;
//! `LIBRA_LONG=1` runs ten thousand, `LIBRA_FIRST_SEED=100000` five hundred from that one on.

mod accept;
mod adopt;
mod back;
mod compare;
mod consumer;
mod control;
mod cover;
mod day;
mod disk;
mod drive;
mod flatten;
mod gateway;
mod market;
mod once;
mod run;
mod said;
#[path = "../samples/mod.rs"]
mod samples;
mod step;
mod truth;
mod venue;
mod world;
