//! How long the others have been silent, by the time in which this node ran and read.
//!
//! A silence is held against a peer only where this side would have heard it. *Nobody is called dead, and nobody's acknowledgement late,*
//!
//! 1. *for time in which this thread did not look*: a turn that comes later than [`LATE_NS`] behind the one before counts for
//!    nothing, be it that the process was stopped, the host stood still, or nobody gave it a core;
//! 2. *before all was read that the server had for it*: the server is asked by a PING with a number, over the connection that
//!    listens, and answers behind everything that waits there. It is asked when this side has stood still, and no time counts until the
//!    answer; and it is asked again before anybody is called dead;
//! 3. *within a round of beacons* behind such a stop: the others may have stood still as well;
//! 4. *before it could be there*: behind a connection of its own that is new, or where the server has lost its data, the others may be
//!    connecting still. The silence of a node that was not heard since begins [`REJOIN_NS`] later. Whoever was heard is judged as ever.
//!    It is granted once: of a node that was not heard since the last grant the silence goes on, over the time of which this side knows that it
//!    read all that there was. What a connection held when it ended it does not know, so it asks by a PING meanwhile, too: soon first,
//!    and then ever more seldom. So it knows about half of what a connection held that was cut early.
//!
//! Without a stop or an outage of its own it calls a node dead that has said nothing for [`SILENCE_NS`], one answer of the server later.

use super::super::control::{BEACON_EVERY_NS, REJOIN_NS, SILENCE_NS};

/// So often it looks at least, while it listens.
pub(super) const TICK_NS: i64 = 500_000_000;

/// So long behind its beginning a connection is asked about first, where somebody's silence goes on; each time twice as long, up to
/// [`TICK_NS`].
const FIRST_STEP_NS: i64 = 20_000_000;

/// Two looks that are further apart than this: it stood still between them.
pub(super) const LATE_NS: i64 = 2 * TICK_NS;

/// How long behind a stop the others have for a beacon.
pub(super) const ROUND_NS: i64 = BEACON_EVERY_NS;

/// What the server was asked, and when, by the time that counts.
#[derive(Clone, Copy, Debug)]
struct Question {
    number: u64,
    asked_ns: i64,
    is_answered: bool,
}

/// See the module. It has no clock of its own.
#[derive(Debug, Default)]
pub(super) struct Silence {
    looked_ns: Option<i64>,
    /// It stood still before this turn.
    has_stood: bool,
    /// How long it has looked, in all.
    own_ns: i64,
    /// When the silence of each peer began, in that time: when it was heard last, or could have been. `None`: it is called dead.
    heard: Vec<Option<i64>>,
    /// Which of them were heard since they were given time to connect.
    has_come: Vec<bool>,
    /// Up to when, in the same time, all is read that the server had for it; what came behind is gone with a connection that ends.
    sure_ns: i64,
    /// How far behind that the server is asked again.
    step_ns: i64,
    /// Since when nothing that it listened to counts.
    deaf_ns: Option<i64>,
    listens: bool,
    /// It stood still, and has not read what waits since.
    is_behind: bool,
    /// Nobody is called dead before this.
    round_ns: i64,
    /// It stood still, and the others have not had their round since.
    owes_round: bool,
    question: Option<Question>,
    asked: u64,
}

impl Silence {
    pub fn new(peers: usize) -> Self {
        Silence { heard: vec![Some(0); peers], has_come: vec![true; peers], ..Silence::default() }
    }

    /// A turn begins, and reads next. Gives how much of the time since the last one counts against nobody.
    pub fn turn(&mut self, now_ns: i64) -> i64 {
        let since_ns = self.looked_ns.map_or(0, |looked_ns| now_ns.saturating_sub(looked_ns).max(0));
        self.looked_ns = Some(now_ns);
        let stood = since_ns > LATE_NS;
        self.has_stood = stood;
        self.owes_round |= stood;
        if stood && self.listens {
            // What was asked before says nothing of what came since.
            (self.is_behind, self.question) = (true, None);
        }
        let counts = !stood && !self.is_behind;
        if counts {
            self.own_ns += since_ns;
        }
        if counts && !self.is_round() { 0 } else { since_ns }
    }

    /// Whether it stood still before this turn.
    pub fn has_stood(&self) -> bool {
        self.has_stood
    }

    fn is_round(&self) -> bool {
        self.listens && self.own_ns < self.round_ns
    }

    /// It listens from now on: nothing waits for it.
    pub fn stands(&mut self) {
        (self.listens, self.is_behind, self.question) = (true, false, None);
        self.begin_round();
        // What nobody listened to is no silence.
        let deaf_ns = self.deaf_ns.take().map_or(0, |since_ns| self.own_ns - since_ns);
        self.heard.iter_mut().flatten().for_each(|heard_ns| *heard_ns += deaf_ns);
        (self.sure_ns, self.step_ns) = (self.own_ns, FIRST_STEP_NS);
        self.others_rejoin();
    }

    /// All others may be connecting now: who was heard since that was said last has the time for it.
    pub fn others_rejoin(&mut self) {
        let since_ns = self.own_ns + REJOIN_NS;
        for (heard, has_come) in self.heard.iter_mut().zip(&mut self.has_come) {
            if std::mem::take(has_come)
                && let Some(heard_ns) = heard
            {
                *heard_ns = since_ns;
            }
        }
    }

    /// It does not listen any more.
    pub fn ends(&mut self) {
        if self.listens {
            self.deaf_ns = Some(self.sure_ns);
        }
        (self.listens, self.is_behind, self.question) = (false, false, None);
    }

    /// A peer's beacon was read.
    pub fn heard(&mut self, peer: usize) {
        if let (Some(heard_ns), Some(has_come)) = (self.heard.get_mut(peer), self.has_come.get_mut(peer)) {
            (*heard_ns, *has_come) = (Some(self.own_ns), true);
        }
    }

    /// The number that the server is to be asked with now.
    pub fn question(&mut self) -> Option<u64> {
        let wants = self.is_behind || self.is_over(self.own_ns) || self.wants_to_be_sure();
        if !self.listens || !wants || self.question.is_some() {
            return None;
        }
        self.asked += 1;
        self.step_ns = (2 * self.step_ns).min(TICK_NS);
        self.question = Some(Question { number: self.asked, asked_ns: self.own_ns, is_answered: false });
        Some(self.asked)
    }

    /// Whether the silence of somebody goes on from an earlier connection: should this one end, what it has shown has to be known.
    fn wants_to_be_sure(&self) -> bool {
        self.own_ns - self.sure_ns >= self.step_ns && self.is_awaited()
    }

    fn is_awaited(&self) -> bool {
        let is_awaited = |(heard, has_come): (&Option<i64>, &bool)| heard.is_some() && !has_come;
        self.heard.iter().zip(&self.has_come).any(is_awaited)
    }

    /// Whether somebody's time was over then.
    fn is_over(&self, at_ns: i64) -> bool {
        at_ns >= self.round_ns && self.heard.iter().flatten().any(|heard_ns| at_ns - heard_ns >= SILENCE_NS)
    }

    /// The server has answered: all that it had before the question was read.
    pub fn answered(&mut self, number: u64) {
        let Some(question) = self.question.as_mut().filter(|question| question.number == number) else { return };
        question.is_answered = true;
        self.sure_ns = question.asked_ns;
        if self.is_behind {
            (self.is_behind, self.question) = (false, None);
            self.begin_round();
        }
    }

    /// It has read what waited, or nothing waits for it: behind a stop the others have a round from now on.
    fn begin_round(&mut self) {
        if std::mem::take(&mut self.owes_round) {
            self.round_ns = self.own_ns + ROUND_NS;
        }
    }

    /// Who is called dead from now on, when the turn has read what there was.
    pub fn dead(&mut self) -> Vec<usize> {
        let Some(question) = self.question.take_if(|question| question.is_answered) else { return Vec::new() };
        let mut dead = Vec::new();
        if question.asked_ns < self.round_ns {
            return dead;
        }
        for (peer, heard) in self.heard.iter_mut().enumerate() {
            if heard.is_some_and(|heard_ns| question.asked_ns - heard_ns >= SILENCE_NS) {
                *heard = None;
                dead.push(peer);
            }
        }
        dead
    }

    /// Whether it is called dead.
    pub fn is_dead(&self, peer: usize) -> bool {
        self.heard.get(peer).is_some_and(Option::is_none)
    }

    /// When the next turn is due at the latest.
    pub fn due_ns(&self) -> Option<i64> {
        let looked_ns = self.looked_ns.filter(|_| self.listens)?;
        let over = self.heard.iter().flatten().map(|heard_ns| (heard_ns + SILENCE_NS).max(self.round_ns) - self.own_ns);
        // Whose time is over waits for the server's answer.
        let asks = (self.is_awaited() && self.question.is_none()).then(|| self.sure_ns + self.step_ns - self.own_ns);
        let next = over.chain(asks).filter(|&left_ns| left_ns > 0).min().unwrap_or(TICK_NS);
        Some(looked_ns + next.min(TICK_NS))
    }
}

#[cfg(test)]
mod tests;
