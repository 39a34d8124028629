//! Whose handler runs now, and for how long: what the loop writes and the guard's thread reads.
//!
//! The loop writes one word when it enters a handler and one when it leaves: the actor's name and a number that goes up
//! with every write. So the reader can tell one long handler from many short ones of the same actor without a clock on the
//! loop's side. The loop's thread is the only writer, so a plain store will do; the word stands for itself, so no ordering
//! with other memory is asked for.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::name::Name;

/// The loop's side: see the module.
#[derive(Default)]
pub struct Turns(AtomicU64);

/// One turn of an actor, told apart from every other one (for four billion turns).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn(u64);

impl Turns {
    /// The code of this actor runs from now on (`Name::NONE`: nobody's).
    #[inline]
    pub fn enter(&self, actor: Name) {
        let number = (self.0.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        self.0.store(number << 32 | actor.index() as u64, Ordering::Relaxed);
    }

    /// Whose turn it is.
    pub fn now(&self) -> Turn {
        Turn(self.0.load(Ordering::Relaxed))
    }
}

impl Turn {
    /// The actor, unless it is nobody's turn.
    pub fn actor(self) -> Option<Name> {
        Name::at((self.0 & u64::from(u32::MAX)) as usize).filter(|actor| !actor.is_none())
    }
}

/// What a [`BlockWatch`] says of a turn that lasts too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// It is over the limit now: so long it has held the loop at least.
    First(Name, i64),
    /// It still goes on, [`AGAIN_AFTER_NS`] later.
    Still(Name, i64),
    /// Its time is over, and it is to be ended. Told again every [`AGAIN_AFTER_NS`] that it goes on.
    TimedOut(Name, i64),
}

/// A turn that is over the limit is told once more after so long.
pub const AGAIN_AFTER_NS: i64 = 1_000_000_000;

/// Notices a turn that lasts too long; each turn once, and once more when it goes on.
pub struct BlockWatch {
    limit_ns: i64,
    timeout_ns: i64,
    next_timeout_ns: i64,
    seen: Turn,
    since_ns: i64,
    told: u8,
}

impl BlockWatch {
    /// A watch for turns of at least `limit_ns`, which are over after `timeout_ns`; 0 for never.
    pub fn new(limit_ns: i64, timeout_ns: i64) -> Self {
        let or_never = |ns: i64| if ns > 0 { ns } else { i64::MAX };
        let (limit_ns, timeout_ns) = (or_never(limit_ns), or_never(timeout_ns));
        BlockWatch { limit_ns, timeout_ns, next_timeout_ns: timeout_ns, seen: Turn::default(), since_ns: 0, told: 0 }
    }

    /// How often it has to look, so that no turn of one and a half times the limit escapes.
    pub fn interval_ns(&self) -> i64 {
        (self.limit_ns.min(self.timeout_ns) / 2).max(1)
    }

    /// Looks at whose turn it is at `now_ns`: says when that lasts too long.
    pub fn look(&mut self, turn: Turn, now_ns: i64) -> Option<Blocked> {
        if turn != self.seen {
            (self.seen, self.since_ns, self.told) = (turn, now_ns, 0);
            self.next_timeout_ns = self.timeout_ns;
            return None;
        }
        let held_ns = now_ns.saturating_sub(self.since_ns);
        let actor = turn.actor()?;
        if held_ns >= self.next_timeout_ns {
            self.next_timeout_ns = held_ns.saturating_add(AGAIN_AFTER_NS);
            return Some(Blocked::TimedOut(actor, held_ns));
        }
        match self.told {
            0 if held_ns >= self.limit_ns => {
                self.told = 1;
                Some(Blocked::First(actor, held_ns))
            }
            1 if held_ns >= self.limit_ns.saturating_add(AGAIN_AFTER_NS) => {
                self.told = 2;
                Some(Blocked::Still(actor, held_ns))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_says_whose_it_is_and_is_no_other() {
        let turns = Turns::default();
        assert_eq!(turns.now().actor(), None);
        let actor = Name::intern("turns-a");
        turns.enter(actor);
        let first = turns.now();
        assert_eq!(first.actor(), Some(actor));
        turns.enter(Name::NONE);
        assert_eq!(turns.now().actor(), None);
        turns.enter(actor);
        assert_ne!(turns.now(), first);
    }

    #[test]
    fn a_long_turn_is_told_once_and_many_short_ones_never() {
        let (turns, mut watch) = (Turns::default(), BlockWatch::new(100, 0));
        let actor = Name::intern("turns-b");
        for now_ns in (0..1_000).step_by(60) {
            turns.enter(actor);
            assert_eq!(watch.look(turns.now(), now_ns), None, "another turn each time");
        }
        turns.enter(actor);
        let told: Vec<_> = (1_000..1_500).step_by(50).map(|now_ns| watch.look(turns.now(), now_ns)).collect();
        assert_eq!(told.iter().flatten().collect::<Vec<_>>(), [&Blocked::First(actor, 100)]);
        let later = 1_000 + 100 + AGAIN_AFTER_NS;
        assert_eq!(watch.look(turns.now(), later - 1), None);
        assert_eq!(watch.look(turns.now(), later), Some(Blocked::Still(actor, 100 + AGAIN_AFTER_NS)));
        assert_eq!(watch.look(turns.now(), 10 * later), None);
        turns.enter(Name::NONE);
        assert!((20_000..90_000).step_by(50).all(|now_ns| watch.look(turns.now(), now_ns).is_none()), "nobody's turn");
        assert_eq!(watch.interval_ns(), 50);
    }

    #[test]
    fn a_turn_that_is_over_is_told_again_and_again() {
        let (turns, mut watch) = (Turns::default(), BlockWatch::new(0, 1_000));
        let actor = Name::intern("turns-c");
        turns.enter(actor);
        let told: Vec<_> = (0..6).filter_map(|n| watch.look(turns.now(), n * 500_000_000)).collect();
        let at = |ns| Blocked::TimedOut(actor, ns);
        assert_eq!(told, [at(500_000_000), at(1_500_000_000), at(2_500_000_000)]);
        turns.enter(actor);
        assert_eq!(watch.look(turns.now(), 3_000_000_000), None, "another turn");
        assert_eq!(watch.look(turns.now(), 3_000_001_000), Some(at(1_000)));
        assert_eq!(watch.interval_ns(), 500);
    }
}
