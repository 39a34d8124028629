//! What somebody has to change where trying again does not help: told behind what the server says.

use crate::resp::RespError;

/// A sentinel has users and passwords of its own.
const OF_SENTINEL: &str = "?sentinel_password_env= the variable, or ?sentinel_password_file= the file, behind bridge.url that has the sentinels' password \
                           (and &sentinel_user=, where they have users)";

/// What to change for a refusal that does not pass by itself.
pub(super) fn of(refusal: &str) -> Option<String> {
    let names = "bridge.password_env the variable, or bridge.password_file the file";
    if refusal.contains("WRONGPASS") {
        let when = "the file is read at each try, the variable is as it was at the start";
        Some(format!("bridge.username names the server's user, and {names}, that has its password; {when}"))
    } else if refusal.contains("NOAUTH") {
        Some(format!("{names} that has the server's password"))
    } else if refusal.contains("NOPERM") || refusal.contains("ACL failure in script") {
        Some(right(refusal))
    } else if refusal.contains("ERR DB index") {
        Some("the number of the database at the end of bridge.url".into())
    } else {
        None
    }
}

/// A refusal, and what to change for it.
pub(super) fn behind(refusal: &str) -> String {
    of(refusal).map_or_else(|| refusal.to_owned(), |change| format!("{refusal}; to change: {change}"))
}

/// An error, and what to change for it where it does not say so itself.
pub(super) fn told(error: RespError) -> RespError {
    match error {
        RespError::Refused { place, during, message } => {
            RespError::Refused { place, during, message: behind(&message) }
        }
        RespError::SentinelRefused { place, during, message } => {
            let message = match ["NOAUTH", "WRONGPASS"].iter().any(|code| message.starts_with(code)) {
                true => format!("{message}; to change: {OF_SENTINEL}"),
                false => message,
            };
            RespError::SentinelRefused { place, during, message }
        }
        RespError::Tls { place, reason, lasting: true } => {
            let change = "a certificate that bridge.ca_file (without it, the system's authorities) vouches for, that is valid now \
                          and for the host that bridge.url names";
            RespError::Tls { place, reason: format!("{reason}; to change: {change}"), lasting: true }
        }
        other => other,
    }
}

/// The right that a user of the server lacks, as it is given.
fn right(refusal: &str) -> String {
    let between = |before: &str, behind: char| {
        let (_, rest) = refusal.split_once(before)?;
        rest.split_once(behind).map(|(word, _)| word)
    };
    let user = between("User ", ' ').unwrap_or("<user>");
    match between("run the '", '\'') {
        Some(command) => format!("ACL SETUSER {user} +{command}"),
        None if refusal.contains("channel") => format!("ACL SETUSER {user} &libra:*"),
        None => format!("ACL SETUSER {user} ~libra:*"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_sentinel_is_not_that_of_the_server() {
        let refused = |message: &str| RespError::SentinelRefused {
            place: "redis://s:26379".into(),
            during: "HELLO".into(),
            message: message.into(),
        };
        for code in ["NOAUTH x", "WRONGPASS x"] {
            let error = told(refused(code));
            let text = error.to_string();
            assert!(text.contains("?sentinel_password_env=") && !text.contains("bridge.password_env"), "{text}");
            assert!(!error.may_pass());
        }
        assert_eq!(told(refused("LOADING x")).to_string(), refused("LOADING x").to_string());
    }

    #[test]
    fn what_does_not_pass_says_what_to_change_and_nothing_else_does() {
        for (refusal, change) in [
            ("NOPERM User t has no permissions to run the 'hscan' command", "ACL SETUSER t +hscan"),
            ("NOPERM User t has no permissions to run the 'function|list' command", "ACL SETUSER t +function|list"),
            ("ERR ACL failure in script: User t has no permissions to run the 'xadd' command", "ACL SETUSER t +xadd"),
            (
                "ERR ACL failure in script: No permissions to access a key script: on @user_function:193.",
                "ACL SETUSER <user> ~libra:*",
            ),
            ("NOPERM No permissions to access a channel", "ACL SETUSER <user> &libra:*"),
            ("NOPERM No permissions to access a key", "ACL SETUSER <user> ~libra:*"),
            ("ERR DB index is out of range", "the number of the database at the end of bridge.url"),
        ] {
            assert_eq!(of(refusal).as_deref(), Some(change));
            assert_eq!(behind(refusal), format!("{refusal}; to change: {change}"));
        }
        for (refusal, setting) in [("WRONGPASS x", "bridge.username"), ("NOAUTH x", "bridge.password_env")] {
            assert!(of(refusal).unwrap().contains(setting) && of(refusal).unwrap().contains("bridge.password_file"));
        }
        for passing in ["LOADING x", "OOM x", "BUSY x", "ERR max number of clients reached", "READONLY x"] {
            assert_eq!((of(passing), behind(passing)), (None, passing.to_owned()));
        }
    }
}
