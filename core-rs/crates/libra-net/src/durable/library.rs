//! The functions that Redis or Valkey (7 or later) runs for durable channels and latest values, each as one step.
//!
//! Loaded by `FUNCTION LOAD REPLACE` where [`NAME`] is missing. Keys are those of [`crate::ids::Environment`]: `epochs`,
//! `incarnation`, `bounds`, `stream`, `acknowledged`. Positions are text like `12-345`.
//!
//! | function | keys | arguments | answers |
//! | --- | --- | --- | --- |
//! | [`CLAIM`] | epochs | publisher, at least, a token of the process that claims, the epoch that it found | the epoch, as text; `CLAIMED` |
//! | [`RAISE`] | epochs | publisher, epoch | `OK`, `FENCED` |
//! | [`OPEN`] | epochs, bounds, stream, acknowledged | publisher, epoch, confirmed, run id of the server, then each declared group and the position that it is known to have acknowledged, or `0-0` | `[top, floor, [group, position, ...]]`, `FENCED` |
//! | [`APPEND`] | bounds, stream | channel, epoch, then for each frame first, last, frame | who heard of the last one, or a text; `FENCED`, `INCARNATION`, `GAP` |
//! | [`ACK`] | acknowledged | group, position, control channel, what to say there | 1 or 0, or a text |
//! | [`TRIM`] | bounds, stream, acknowledged | epoch, position, then the groups that wait | the floor, `FENCED`, `INCARNATION` |
//! | [`MEND`] | bounds, stream | epoch, position behind which somebody finds a hole, number of the last event that its sender does not hold | the floor, `FENCED`, `INCARNATION` |
//! | [`LATEST`] | state | channel, field, version, frame | who heard of it (nobody where the channel is empty), or a text; -1 when the server has one as new |
//! | [`READ`] | incarnation, bounds, stream, acknowledged | group, epoch, seq, count, bytes, run id of the server | `[incarnation, acknowledged, epoch, top, floor, entries, 1 or 0, 1 or 0]`, only the first two where there is no channel |
//!
//! An entry of [`READ`] is `[id, [field, value, ...]]` as of `XRANGE`: field `f` with a frame whose last event the id names,
//! or, with an id of seq 0 where a life begins, `l` with the end of the life before, and then `t` where that may not be
//! its end. The last word but one is 1 where there may be more entries, the last where the group's place was there and is gone (versions before 7 do not say it), or may be older than its publisher knows, since the channel was not opened on this server process (versions before 8 do not say that). Errors are `FENCED epoch`, `INCARNATION ...`, `GAP top`, `CLAIMED epoch ...`; a code without a word behind it would come as `ERR`.
//! A text where a number is answered says why the server would not publish what it has kept.

use super::Refusal;
use crate::resp::Reply;

/// The name of the library.
pub const NAME: &str = "libra1";
/// Its text.
pub const SOURCE: &str = include_str!("libra.lua");
/// Claims the next epoch of a publisher.
pub const CLAIM: &str = "libra1_claim";
/// Raises the stored epoch of a publisher to its own.
pub const RAISE: &str = "libra1_raise";
/// Opens a channel for its sender: raises, fences, tells what is there.
pub const OPEN: &str = "libra1_open";
/// Appends and publishes.
pub const APPEND: &str = "libra1_append";
/// Raises what a group has applied.
pub const ACK: &str = "libra1_ack";
/// Raises the floor, and trims.
pub const TRIM: &str = "libra1_trim";
/// Raises the floor over a hole that nobody can fill.
pub const MEND: &str = "libra1_mend";
/// Keeps the newest of a latest value, as version, space and frame, and publishes it.
pub const LATEST: &str = "libra1_latest";
/// Reads behind a position, with the bounds of the same moment.
pub const READ: &str = "libra1_read";

/// Of an answer that says who heard of something: why nobody could be told, though it stands.
pub fn untold(reply: Reply<'_>) -> Option<&str> {
    reply.text().filter(|_| reply.int().is_none())
}

/// What the text of an error reply means.
pub fn refusal(error: &str) -> Refusal {
    let mut words = error.trim_start_matches('-').split_ascii_whitespace();
    let (code, number) = (words.next(), words.next().and_then(|word| word.parse().ok()));
    match (code, number) {
        (Some("GAP"), Some(top)) => Refusal::Gap { top },
        (Some("FENCED"), Some(by)) => Refusal::Fenced { by },
        (Some("INCARNATION"), _) => Refusal::Incarnation,
        _ => Refusal::Failed,
    }
}
