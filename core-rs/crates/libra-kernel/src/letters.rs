//! Dead letters: what could not be delivered, or was not handled to its end, with the reason.
//!
//! All of them are counted, by reason and actor; the last ones are kept. A letter keeps what its event said about itself
//! and not the payload, so the store holds on to nothing of a user's. Market data and timers that an actor leaves behind
//! are none: market data is best effort and counted by its lane, a timer means nothing to anyone else.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};

use crate::digest::Digest;
use crate::event::{Event, EventType, Lane, SharedPayload};
use crate::ids::TraceId;
use crate::name::Name;

/// So many of the last letters are kept.
pub const KEPT: usize = 1_024;

/// Why an event became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// It was sent to an actor that is no more.
    Gone,
    /// It waited in the mailbox of an actor that ended.
    Left,
    /// Its handler raised.
    Raised,
    /// Its handler was cancelled: the actor had to end, or to be taken down.
    Cancelled,
    /// There was no room for it, and its sender was told.
    Refused,
    /// Its sender published more than it may, and was told.
    Storm,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 6] =
        [Reason::Gone, Reason::Left, Reason::Raised, Reason::Cancelled, Reason::Refused, Reason::Storm];

    /// The name that users see.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Gone => "GONE",
            Reason::Left => "LEFT",
            Reason::Raised => "RAISED",
            Reason::Cancelled => "CANCELLED",
            Reason::Refused => "REFUSED",
            Reason::Storm => "STORM",
        }
    }
}

/// A dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Why.
    pub reason: Reason,
    /// When, on the node's clock.
    pub ts_ns: i64,
    /// Whose it is: the actor that did not get it or failed to handle it; with `Refused` and `Storm` its sender.
    pub actor: Name,
    /// The type of the event; `None` where it was not even made.
    pub event_type: Option<EventType>,
    /// Who published it.
    pub source: Name,
    /// The instrument that it was about.
    pub instrument: Name,
    /// Its place in the process's order, 0 where it was not accepted.
    pub sequence: u64,
    /// The trace it belonged to.
    pub trace_id: TraceId,
    /// Its span.
    pub span_id: u64,
}

impl Letter {
    /// The letter of an event.
    pub fn of(reason: Reason, ts_ns: i64, actor: Name, event: &Event) -> Letter {
        Letter {
            reason,
            ts_ns,
            actor,
            event_type: Some(event.event_type),
            source: event.source,
            instrument: event.instrument,
            sequence: event.sequence,
            trace_id: event.trace_id,
            span_id: event.span_id,
        }
    }
}

impl SharedPayload for Letter {
    fn kind(&self) -> &'static str {
        "dead_letter"
    }

    fn digest(&self, digest: &mut Digest) {
        digest.u64(self.reason as u64);
        digest.i64(self.ts_ns);
        digest.name(self.actor);
        digest.u64(self.event_type.map_or(0, |event_type| event_type as u64));
        digest.name(self.source);
        digest.name(self.instrument);
        digest.u64(self.sequence);
        digest.u64(self.trace_id[0]);
        digest.u64(self.trace_id[1]);
        digest.u64(self.span_id);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// True for an event that an ended actor leaves behind and somebody may miss.
pub fn is_missed(event: &Event) -> bool {
    event.lane() != Lane::MarketData && event.event_type != EventType::Timer
}

/// The dead letters of a node.
#[derive(Default)]
pub struct Letters {
    last: VecDeque<Letter>,
    counts: BTreeMap<(Reason, Name), u64>,
    total: u64,
}

impl Letters {
    /// Counts a letter and keeps it among the last.
    pub fn put(&mut self, letter: Letter) {
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(letter);
        *self.counts.entry((letter.reason, letter.actor)).or_default() += 1;
        self.total += 1;
    }

    /// The last letters, the oldest first.
    pub fn last(&self) -> impl Iterator<Item = &Letter> {
        self.last.iter()
    }

    /// How many there were, by reason and actor.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, Name, u64)> {
        self.counts.iter().map(|(&(reason, actor), &count)| (reason, actor, count))
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Payload;

    #[test]
    fn all_are_counted_and_the_last_are_kept() {
        let mut letters = Letters::default();
        let (a, b) = (Name::intern("letters-a"), Name::intern("letters-b"));
        for n in 0..KEPT as i64 + 10 {
            let mut event = Event::new(EventType::Message, b, n, Payload::Empty);
            event.sequence = n as u64;
            let (reason, actor) = if n % 2 == 0 { (Reason::Gone, a) } else { (Reason::Refused, b) };
            letters.put(Letter::of(reason, n, actor, &event));
        }
        assert_eq!(letters.total(), KEPT as u64 + 10);
        assert_eq!(letters.last().count(), KEPT);
        assert_eq!(letters.last().next().map(|letter| letter.sequence), Some(10));
        let counts: Vec<_> = letters.counts().collect();
        assert_eq!(counts, [(Reason::Gone, a, 517), (Reason::Refused, b, 517)]);
    }

    #[test]
    fn best_effort_is_not_missed() {
        let event = |event_type| Event::new(event_type, Name::NONE, 0, Payload::Empty);
        assert!(!is_missed(&event(EventType::Quote)) && !is_missed(&event(EventType::Timer)));
        assert!(is_missed(&event(EventType::Signal)) && is_missed(&event(EventType::OrderFilled)));
        assert!(is_missed(&event(EventType::CircuitBreaker)) && is_missed(&event(EventType::Message)));
    }

    #[test]
    fn reasons_have_names() {
        let mut names = Reason::ALL.map(Reason::name).to_vec();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
