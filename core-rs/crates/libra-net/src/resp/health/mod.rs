//! Looks at a server when a node starts: what of its settings can cost events, and which setting to change.
//!
//! [`inspect`] asks, [`judge`] thinks: it is a function of [`Facts`] alone. A user without the rights for CONFIG or INFO gets
//! fewer findings and one that says so.

mod facts;
mod judge;
#[cfg(test)]
mod tests;

pub use facts::Facts;
pub use judge::judge;

use super::connection::Connection;
use super::error::RespError;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Events can be late or lost when something else goes wrong too.
    Warning,
    /// Events can be lost, or the server refuses to work, with these settings alone.
    Serious,
}

/// Something about a server that the operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable name for machines, in capitals.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is so, and what it can cost.
    pub sentence: String,
    /// What to change, as it is typed.
    pub change: String,
}

impl Severity {
    /// A stable word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Serious => "serious",
        }
    }
}

/// Asks the server and judges what it says, the worst first.
///
/// # Errors
/// When the connection fails. A command that the user may not use is no error.
pub fn inspect(connection: &mut Connection) -> Result<Vec<Finding>, RespError> {
    Ok(judge(&Facts::gather(connection)?))
}
