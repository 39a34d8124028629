//! Notices a peer that is silent: half a second without a byte and it is asked, half a second more and it is dead.
//!
//! Always read from the socket first, tell what came by [`Liveness::heard`], and then ask: so a node that was stopped itself
//! finds the answers that wait, and does not take its own sleep for the server's.

use std::time::Duration;

/// After how much silence the server is asked.
pub const ASK_AFTER: Duration = Duration::from_millis(500);

/// How long it may take to answer.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Nothing; look again at the latest after this time.
    Fine(Duration),
    /// Send PING, and look again at the latest after [`ANSWER_WITHIN`].
    Ask,
    /// Give the connection up.
    Dead,
}

/// The silence of one connection.
#[derive(Debug)]
pub struct Liveness {
    heard_ns: i64,
    asked_ns: Option<i64>,
}

impl Liveness {
    /// Of a connection that stands since now.
    pub fn new(now_ns: i64) -> Self {
        Liveness { heard_ns: now_ns, asked_ns: None }
    }

    /// Bytes came, whatever they say.
    pub fn heard(&mut self, now_ns: i64) {
        self.heard_ns = now_ns;
        self.asked_ns = None;
    }

    /// In how much time [`Liveness::check`] has something to do, if nothing comes.
    pub fn due(&self, now_ns: i64) -> Duration {
        let (then, within) = match self.asked_ns {
            Some(asked) => (asked, ANSWER_WITHIN),
            None => (self.heard_ns, ASK_AFTER),
        };
        within.saturating_sub(Duration::from_nanos(now_ns.saturating_sub(then).max(0) as u64))
    }

    /// What to do, if nothing is left to read from the socket.
    pub fn check(&mut self, now_ns: i64) -> Pulse {
        let since = |then: i64| Duration::from_nanos(now_ns.saturating_sub(then).max(0) as u64);
        match self.asked_ns {
            Some(asked) => match ANSWER_WITHIN.checked_sub(since(asked)) {
                None | Some(Duration::ZERO) => Pulse::Dead,
                Some(left) => Pulse::Fine(left),
            },
            None => match ASK_AFTER.checked_sub(since(self.heard_ns)) {
                None | Some(Duration::ZERO) => {
                    self.asked_ns = Some(now_ns);
                    Pulse::Ask
                }
                Some(left) => Pulse::Fine(left),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn fine(ms: u64) -> Pulse {
        Pulse::Fine(Duration::from_millis(ms))
    }

    /// Looks when it was told to, until it is asked to do something.
    fn runs(liveness: &mut Liveness, mut now: i64) -> (Pulse, i64) {
        loop {
            match liveness.check(now) {
                Pulse::Fine(wait) => {
                    assert!(wait > Duration::ZERO, "it would spin");
                    now += wait.as_nanos() as i64;
                }
                other => return (other, now),
            }
        }
    }

    #[test]
    fn a_silent_peer_is_dead_after_a_second() {
        let mut liveness = Liveness::new(0);
        assert_eq!(liveness.check(0), fine(500));
        assert_eq!(runs(&mut liveness, 0), (Pulse::Ask, 500 * MS));
        assert_eq!(liveness.check(500 * MS), fine(500), "it is asked once");
        assert_eq!(runs(&mut liveness, 500 * MS), (Pulse::Dead, 1000 * MS));
        assert_eq!(liveness.check(1000 * MS), Pulse::Dead);
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let mut liveness = Liveness::new(0);
        liveness.heard(400 * MS);
        assert_eq!(runs(&mut liveness, 400 * MS), (Pulse::Ask, 900 * MS));
        liveness.heard(1399 * MS);
        assert_eq!(liveness.check(1400 * MS), fine(499));
        assert_eq!(runs(&mut liveness, 1400 * MS), (Pulse::Ask, 1899 * MS));
    }

    #[test]
    fn our_own_sleep_is_not_held_against_the_peer() {
        let mut liveness = Liveness::new(0);
        assert_eq!(liveness.check(60_000 * MS), Pulse::Ask, "it is asked first, however late we are");
        assert_eq!(liveness.check(60_000 * MS), fine(500));
        liveness.heard(120_000 * MS);
        assert_eq!(liveness.check(120_000 * MS), fine(500));
    }

    #[test]
    fn a_clock_that_steps_back_kills_nobody() {
        let mut liveness = Liveness::new(1000 * MS);
        assert_eq!(liveness.check(0), fine(500));
    }
}
