//! Whose turn it is, and how long one mailbox may go before the others.
//!
//! Every mailbox with something waiting stands on one list, in the order in which it came: that order is everybody's turn,
//! of [`TURN`] events at most. What is urgent overtakes: RISK of all mailboxes comes first, then ORDERS of all, then the
//! list. **But a mailbox overtakes by [`OVERTAKES`] events at most between two of its own turns on the list**; from then on
//! its urgent events wait for that turn with everything else, while those of the others overtake as before. A turn that
//! was overtaken goes on afterwards with what it had left.
//!
//! So, whatever one actor publishes to itself, between the moment at which another mailbox has something and its turn, the
//! one gets at most `2 * OVERTAKES + TURN` events: what it may still overtake by, its turn where that comes first, and what
//! it may overtake by after it. `n` mailboxes that are flooded together get `n` times that. Within a mailbox the lanes are
//! kept from starving each other by the same number: [`PASSES`](crate::mailbox::PASSES).
//!
//! Events are counted and not time, so a simulated run does not depend on how long its handlers take. A live loop also
//! charges what a mailbox's overtaking turns took ([`Router::charge`]), [`EVENT_US`] microseconds as one event, so slow handlers
//! use up the same allowance sooner.

use std::collections::VecDeque;

use super::{MailboxId, Router};
use crate::event::Lane;

/// A mailbox with much waiting gives way to the next after so many events.
pub const TURN: usize = 64;
/// So many events a mailbox is given ahead of the others between two of its own turns. An honest burst, all fills of a
/// fast market or all cancels of a kill switch, is rarely as long; one that is goes on, a turn of each other one later.
pub const OVERTAKES: u32 = 256;
/// In live time, so many microseconds of overtaking count as one event: the whole allowance is about four milliseconds.
pub const EVENT_US: u64 = 16;

/// The turn of a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whose it is.
    pub id: MailboxId,
    /// The least urgent lane to look into.
    pub least: Lane,
    /// It was given ahead of the others on the list.
    overtakes: bool,
    given: usize,
}

impl Turn {
    /// True for a turn ahead of others, whose time is charged in a live loop.
    #[inline]
    pub fn overtakes(&self) -> bool {
        self.overtakes
    }
}

/// Mailboxes that wait for their turn, each once on a list.
#[derive(Default)]
pub(super) struct Lists {
    /// May have something waiting, the longest waiting first.
    ready: VecDeque<MailboxId>,
    /// Got something in RISK since they were last asked for.
    risk: VecDeque<MailboxId>,
    /// Got something in ORDERS since they were last asked for.
    urgent: VecDeque<MailboxId>,
    /// Whose turn was overtaken, and how many events it had been given. It is on the first list, too, for its next turn.
    overtaken: Option<(MailboxId, usize)>,
}

impl Router {
    /// Takes the next mailbox that may have something waiting. Whoever takes it asks by [`Router::may_go_on`] before each
    /// event, tells of it by [`Router::note_given`], and gives way by [`Router::give_way`] when something is left.
    pub fn next_turn(&mut self) -> Option<Turn> {
        while let Some(id) = self.lists.risk.pop_front() {
            let mailbox = &mut self.mailboxes[id];
            mailbox.listed_risk = false;
            if mailbox.overtaken < OVERTAKES && mailbox.has_up_to(Lane::Risk) {
                return Some(Turn { id, least: Lane::Risk, overtakes: true, given: 0 });
            }
        }
        while let Some(id) = self.lists.urgent.pop_front() {
            let mailbox = &mut self.mailboxes[id];
            mailbox.listed_urgent = false;
            if mailbox.overtaken < OVERTAKES && mailbox.has_up_to(Lane::Orders) {
                return Some(Turn { id, least: Lane::Orders, overtakes: true, given: 0 });
            }
        }
        if let Some((id, given)) = self.lists.overtaken.take() {
            return Some(Turn { id, least: Lane::MarketData, overtakes: false, given });
        }
        let id = self.lists.ready.pop_front()?;
        let mailbox = &mut self.mailboxes[id];
        mailbox.listed = false;
        mailbox.overtaken = 0;
        Some(Turn { id, least: Lane::MarketData, overtakes: false, given: 0 })
    }

    /// A turn of any urgency for a mailbox that is to go before the list: it counts as overtaking. None when it may not, and
    /// then it is on the list, even if nothing waits in it.
    pub fn turn_before_others(&mut self, id: MailboxId) -> Option<Turn> {
        if self.mailboxes[id].overtaken < OVERTAKES {
            return Some(Turn { id, least: Lane::MarketData, overtakes: true, given: 0 });
        }
        self.list(id, Lane::MarketData);
        None
    }

    /// False when whoever has this turn has to give way: the turn is over, or something more urgent waits for another one.
    #[inline]
    pub fn may_go_on(&self, turn: &Turn) -> bool {
        turn.given < TURN
            && !self.has_more_urgent_than(turn.least)
            && (!turn.overtakes || self.mailboxes[turn.id].overtaken < OVERTAKES)
    }

    /// The mailbox is given an event in this turn.
    #[inline]
    pub fn note_given(&mut self, turn: &mut Turn) {
        turn.given += 1;
        if turn.overtakes {
            self.mailboxes[turn.id].overtaken += 1;
        }
    }

    /// Whoever had this turn gives way, something is left: it goes on after what is more urgent, unless its turn or its
    /// time is over.
    pub fn give_way(&mut self, turn: Turn, is_over: bool) {
        if !turn.overtakes && !is_over && turn.given < TURN {
            self.lists.overtaken = Some((turn.id, turn.given));
        }
        self.list_again(turn.id);
    }

    /// A turn in which a mailbox overtook has taken so many microseconds of the loop's time: told in live time only.
    pub fn charge(&mut self, id: MailboxId, took_us: u64) {
        let events = u32::try_from(took_us / EVENT_US).unwrap_or(u32::MAX);
        let mailbox = &mut self.mailboxes[id];
        mailbox.overtaken = mailbox.overtaken.saturating_add(events);
    }

    /// True when something more urgent than `lane` may wait in some mailbox that may overtake.
    #[inline]
    pub fn has_more_urgent_than(&self, lane: Lane) -> bool {
        match lane {
            Lane::Risk => false,
            Lane::Orders => !self.lists.risk.is_empty(),
            _ => !self.lists.risk.is_empty() || !self.lists.urgent.is_empty(),
        }
    }

    /// Puts a mailbox back on the lists when something is left in it.
    pub fn list_again(&mut self, id: MailboxId) {
        if self.mailboxes[id].has_up_to(Lane::Risk) {
            self.list(id, Lane::Risk);
        }
        if self.mailboxes[id].lane_len(Lane::Orders) != 0 {
            self.list(id, Lane::Orders);
        }
        if !self.mailboxes[id].is_empty() {
            self.list(id, Lane::MarketData);
        }
    }

    /// Notes that a mailbox has something for a turn of this urgency.
    #[inline]
    pub(super) fn list(&mut self, id: MailboxId, lane: Lane) {
        let mailbox = &mut self.mailboxes[id];
        let (listed, list) = match lane {
            // One that has overtaken enough waits for its turn: it is on the other list.
            Lane::Risk | Lane::Orders if mailbox.overtaken >= OVERTAKES => return,
            Lane::Risk => (&mut mailbox.listed_risk, &mut self.lists.risk),
            Lane::Orders => (&mut mailbox.listed_urgent, &mut self.lists.urgent),
            Lane::Signals | Lane::MarketData => (&mut mailbox.listed, &mut self.lists.ready),
        };
        if !*listed {
            *listed = true;
            list.push_back(id);
        }
    }
}
