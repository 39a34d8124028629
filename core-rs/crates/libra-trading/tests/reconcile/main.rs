//! The account against a venue that does things behind its back: foreign orders and trades by hand, executions that no report
//! tells of or two do, flows, pictures taken between a fill and its report, and lives that end in between, at any byte of what
//! a look has appended, or with their log.
//!
//! - `venue` — the venue: its books are the truth, kept in plain sums that know none of the account's code;
//! - `world` — one account over many lives, and its looks;
//! - `run` — what happens, from a seed, and what has to be true.
//!
//! `LIBRA_SEED=7 cargo test -p libra-trading --test reconcile one_seed -- --nocapture` prints what one seed did;
//! `LIBRA_LONG=1` runs ten thousand.

mod run;
#[path = "../samples/mod.rs"]
mod samples;
mod venue;
mod world;
