//! Who is the master now, asked of the sentinels while connections stand.
//!
//! A connection to a server that was replaced may stand for long: one that is back before the sentinels have made it follow
//! its heir calls itself a master, and one that is cut off from them goes on doing so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use super::common::Wakers;
use crate::resp::{Connector, Place};

/// How often they are asked.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// The place of the master as more than half of the sentinels named it last; nothing is named without sentinels.
#[derive(Debug, Default)]
pub(super) struct Named {
    answers: AtomicU64,
    place: Mutex<String>,
}

impl Named {
    /// Takes an answer; whether it is another one than before.
    fn name(&self, place: String) -> bool {
        let mut named = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *named != place;
        *named = place;
        drop(named);
        self.answers.fetch_add(1, Ordering::Release);
        is_news
    }

    /// Where the master is, if an answer since `looked` names another place than that of the connection.
    pub fn elsewhere(&self, place: &str, looked: &mut u64) -> Option<String> {
        let answers = self.answers.load(Ordering::Acquire);
        if std::mem::replace(looked, answers) == answers {
            return None;
        }
        let named = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        (*named != place).then(|| named.clone())
    }
}

/// The thread that asks; it ends when this is dropped, and nobody waits for it: it may be in the middle of a connection.
pub(super) struct Asking(#[expect(dead_code, reason = "dropping it is what ends the thread")] Sender<()>);

/// Goes on asking; nothing where the endpoint has no sentinels.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn ask(mut connector: Connector, named: Arc<Named>, wakers: Wakers) -> io::Result<Option<Asking>> {
    if !matches!(connector.endpoint().place, Place::Sentinel { .. }) {
        return Ok(None);
    }
    let (end, ended) = channel();
    thread::Builder::new().name("libra-sentinels".into()).spawn(move || {
        while ended.recv_timeout(ASK_EVERY) == Err(RecvTimeoutError::Timeout) {
            // Sentinels that do not answer or do not agree say nothing about the connections that stand.
            if let Ok(Some(host)) = connector.master()
                && named.name(connector.place_of(host))
            {
                wakers.wake_all();
            }
        }
    })?;
    Ok(Some(Asking(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_held_against_a_connection_once() {
        let (named, mut looked) = (Named::default(), 0);
        assert_eq!(named.elsewhere("redis://a:1", &mut looked), None, "nothing was named");
        assert!(named.name("redis://a:1".into()));
        assert!(!named.name("redis://a:1".into()));
        assert_eq!(named.elsewhere("redis://a:1", &mut looked), None);
        assert!(named.name("redis://b:1".into()));
        assert_eq!(named.elsewhere("redis://a:1", &mut looked).as_deref(), Some("redis://b:1"));
        assert_eq!(named.elsewhere("redis://a:1", &mut looked), None, "it was told so");
        assert!(!named.name("redis://b:1".into()), "it is no news");
        assert!(named.elsewhere("redis://a:1", &mut looked).is_some(), "a connection that was made late is told too");
    }
}
