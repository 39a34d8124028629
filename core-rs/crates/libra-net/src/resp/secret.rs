//! A password: kept where nobody prints it, read where the configuration says.

use std::fmt;
use std::path::PathBuf;

use super::error::EndpointError;

/// Where a password comes from. It is looked up at each connection, so that one that was changed in its file is used.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// It was given.
    Given(String),
    /// An environment variable.
    Environment(String),
    /// A file: its first line.
    File(PathBuf),
}

impl Secret {
    /// The password. `what` says in an error which one is missing.
    ///
    /// # Errors
    /// When the variable or the file is not there, or holds nothing.
    pub fn reveal(&self, what: &'static str) -> Result<String, EndpointError> {
        let (text, place) = match self {
            Secret::Given(text) => return Ok(text.clone()),
            Secret::Environment(name) => {
                let place = format!("environment variable {name}");
                (std::env::var(name).map_err(|error| format!("{place}: {error}")), place)
            }
            Secret::File(path) => {
                let place = format!("file {}", path.display());
                (std::fs::read_to_string(path).map_err(|error| format!("{place}: {error}")), place)
            }
        };
        // The error of a variable that is not Unicode would show what it holds.
        let text = text.map_err(|reason| match reason.contains("not valid unicode") {
            true => EndpointError::Secret { what, reason: format!("{place}: not valid unicode") },
            false => EndpointError::Secret { what, reason },
        })?;
        let text = match self {
            Secret::File(_) => text.split(['\r', '\n']).next().unwrap_or_default(),
            _ => text.trim_end_matches(['\r', '\n']),
        };
        match text.is_empty() {
            true => Err(EndpointError::Secret { what, reason: format!("{place} holds nothing") }),
            false => Ok(text.to_owned()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Given(_) => f.write_str("***"),
            Secret::Environment(name) => write!(f, "environment {name}"),
            Secret::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// Takes secrets out of a text that somebody else made.
pub(super) fn without(text: &str, secrets: &[&str]) -> String {
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}
