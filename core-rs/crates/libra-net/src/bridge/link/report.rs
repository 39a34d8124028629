//! What a link tells of itself: a tree that any language can show.

use super::line::LineCounts;

/// A piece of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A count.
    Number(i64),
    /// A yes or no.
    Flag(bool),
    /// A word or a sentence.
    Text(String),
    /// By name.
    Table(Vec<(String, Value)>),
    /// In order.
    List(Vec<Value>),
}

impl Value {
    /// A count.
    pub(super) fn count(number: u64) -> Value {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// A table of counts.
pub(super) fn counts<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<(String, Value)> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), Value::count(count))).collect()
}

/// What became of a connection.
pub(super) fn line(counts_of: &LineCounts, is_up: bool) -> Value {
    let LineCounts { connects, failures, lost, error } = counts_of;
    let mut table = vec![("up".to_owned(), Value::Flag(is_up))];
    let reconnects = connects.saturating_sub(1);
    table.extend(counts([
        ("connects", *connects),
        ("reconnects", reconnects),
        ("failures", *failures),
        ("lost", *lost),
    ]));
    table.push(("error".to_owned(), Value::Text(error.clone())));
    Value::Table(table)
}
