//! Whom nobody waits for: an actor that does not get on with what other nodes have sent it.
//!
//! What is acknowledged of a channel is one place, so the oldest event that somebody is not done with holds back what all others have
//! done. An actor may await for as long as it likes; but then its node must not stand as one that applies nothing. So it is
//! excused when it holds the oldest open event of a channel, and
//!
//! - has been done with nothing for the longest time that anybody may hold one, or
//! - that event has been the oldest for so long, whatever else the actor has done meanwhile, or
//! - that event has waited for so long, half of the room is taken, and most of it not by this actor: then the others are
//!   about to wait for it. Who is slow with most of what comes sets its pace instead, and nothing of it is at risk.
//!
//! Excused, it keeps what it has, and holds nothing back by it, nor by what comes until it is done with something: then it has
//! gone on. Time counts as the loop comes round: a loop that stood still is no actor's doing.

use super::applied::{Applied, Ticket};
use super::{MailboxId, Router};
use crate::event::Lane;

/// Open events of a channel with which half of the room is taken: a bridge hands over twice as many.
pub const CROWDED: usize = 32_768;

/// A live loop is asked to come round once a second: what is longer than two of those counts as two.
const ROUND_NS: u64 = 2_000_000_000;

/// A mailbox whose actor is waited for no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excused {
    /// Which.
    pub mailbox: MailboxId,
    /// How many events it has that nothing is held for any more.
    pub events: usize,
}

/// The time that counts: that in which the loop came round.
#[derive(Default)]
pub(super) struct Rounds {
    pub(super) now: u64,
    looked_at: Option<u64>,
    /// How often somebody was excused.
    excusals: u64,
}

impl Rounds {
    /// False where the last look is not long ago.
    fn goes_on(&mut self, now_ns: u64, longest_ns: u64) -> bool {
        let passed = now_ns.saturating_sub(*self.looked_at.get_or_insert(now_ns));
        if passed == 0 || passed < longest_ns / 8 {
            return false;
        }
        self.looked_at = Some(now_ns);
        self.now = self.now.saturating_add(passed.min(ROUND_NS));
        true
    }
}

impl Applied {
    /// Excuses who has held something back for too long.
    fn excuse_held(&mut self, now_ns: u64, longest_ns: u64) -> Vec<Excused> {
        let mut excused = Vec::new();
        if !self.rounds.goes_on(now_ns, longest_ns) {
            return excused;
        }
        let now = self.rounds.now;
        let is_late = |since: u64| now.saturating_sub(since) >= longest_ns;
        for channel in 0..self.channels.len() {
            // Behind an event that is held back no more stands another, which may be, too.
            loop {
                let of = &self.channels[channel];
                let Some(front) = of.open.front().filter(|front| is_late(front.since)) else { break };
                debug_assert!(front.since <= of.front_since);
                let ticket = Ticket { channel: channel as u32, number: of.first };
                let (is_stuck, open) = (is_late(of.front_since), of.open.len());
                let late: Vec<MailboxId> = (self.waiting.iter().enumerate())
                    .filter(|(_, waits)| {
                        let all = || waits.lanes.iter().flatten();
                        let is_few = || all().filter(|waiting| waiting.ticket.is_some()).count() < open / 2;
                        all().any(|waiting| waiting.ticket == Some(ticket))
                            && (is_stuck || is_late(waits.since) || (open >= CROWDED && is_few()))
                    })
                    .map(|(mailbox, _)| mailbox)
                    .collect();
                if late.is_empty() {
                    break;
                }
                excused.extend(late.into_iter().map(|mailbox| self.excuse(mailbox)));
            }
        }
        excused
    }

    fn excuse(&mut self, mailbox: MailboxId) -> Excused {
        let waits = &mut self.waiting[mailbox];
        waits.is_excused = true;
        let held = waits.lanes.iter_mut().flatten().filter_map(|waiting| waiting.ticket.take());
        let tickets: Vec<Ticket> = held.collect();
        waits.unheld += tickets.len();
        let events = waits.unheld;
        self.rounds.excusals += 1;
        tickets.into_iter().for_each(|ticket| self.release(ticket));
        Excused { mailbox, events }
    }
}

impl Router {
    /// Excuses the actors that hold back what others have done for longer than `longest_ns`; gives those that were not excused
    /// before, or had gone on since. For whoever drives the loop, each time that it comes round.
    pub fn excuse_held(&mut self, now_ns: u64, longest_ns: u64) -> Vec<Excused> {
        self.applied.as_mut().map_or_else(Vec::new, |applied| applied.excuse_held(now_ns, longest_ns))
    }

    /// Mailboxes with events that nothing is held for: should the process die, those are lost to their actors.
    pub fn excused(&self) -> impl Iterator<Item = Excused> {
        let waiting = self.applied.iter().flat_map(|applied| applied.waiting.iter().enumerate());
        waiting.filter(|(_, waits)| waits.unheld > 0).map(|(mailbox, waits)| Excused { mailbox, events: waits.unheld })
    }

    /// How often an actor was excused.
    pub fn excusals(&self) -> u64 {
        self.applied.as_ref().map_or(0, |applied| applied.rounds.excusals)
    }

    /// Mailboxes of no account that stand still, and are full of commands: the next one for them holds up its whole lane.
    pub(super) fn blocked(&self) -> impl Iterator<Item = MailboxId> {
        let waiting = self.applied.iter().flat_map(|applied| applied.waiting.iter().enumerate());
        let stands_still = waiting.filter(|(_, waits)| waits.is_excused).map(|(mailbox, _)| mailbox);
        stands_still.filter(|id| {
            let mailbox = &self.mailboxes[*id];
            self.accounts[*id].is_none() && [Lane::Orders, Lane::Signals].iter().any(|lane| mailbox.is_full(*lane))
        })
    }
}
