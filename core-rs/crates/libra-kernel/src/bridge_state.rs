//! How a node's bridge stands, as far as an account's gate has to know: written by the bridge's thread as soon as it sees it, read
//! where an order is approved and where it leaves. No event carries it, so nothing has to be handled first.
//!
//! A gap, a full outbox and a fence are states, and hold while they last (a fence for good). A loss is counted: what never came
//! stops an account until somebody has looked, which each account remembers for itself.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// New orders stop where so much of an outbox is taken, in percent.
pub const FULL_AT: u64 = 80;

const GAP: u8 = 1;
const FULL: u8 = 2;
const FENCED: u8 = 4;

/// What makes a bridge unsound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Another life of this node publishes; why that is known.
    Fenced(String),
    /// Events of a channel never came: which, and why.
    Lost(String),
    /// Events of a channel are missing: which.
    Gap(String),
    /// An outbox is nearly full: of which channel, and how full, in percent.
    Full(String, u64),
}

/// Losses that were counted, by what can make up for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// On RISK: nobody but an operator knows whether a kill switch was among them.
    pub risk: u64,
    /// On ORDERS: of orders the venue knows the truth.
    pub orders: u64,
}

#[derive(Debug, Default)]
struct Words {
    fenced: String,
    lost: String,
    gap: String,
    full: (String, u64),
}

/// See the module.
#[derive(Debug, Default)]
pub struct BridgeState {
    flags: AtomicU8,
    risk_losses: AtomicU64,
    order_losses: AtomicU64,
    words: Mutex<Words>,
}

impl BridgeState {
    /// True when nothing stops new orders of an account that knows of these losses.
    #[inline]
    pub fn is_sound(&self, known: Losses) -> bool {
        self.flags.load(Ordering::Acquire) == 0 && self.losses() == known
    }

    /// Losses so far.
    #[inline]
    pub fn losses(&self) -> Losses {
        Losses { risk: self.risk_losses.load(Ordering::Acquire), orders: self.order_losses.load(Ordering::Acquire) }
    }

    /// What stops an account that knows of these losses: what lasts longest first.
    #[cold]
    pub fn trouble(&self, known: Losses) -> Option<Trouble> {
        let words = self.words();
        let flags = self.flags.load(Ordering::Acquire);
        match () {
            () if flags & FENCED != 0 => Some(Trouble::Fenced(words.fenced.clone())),
            () if self.losses() != known => Some(Trouble::Lost(words.lost.clone())),
            () if flags & GAP != 0 => Some(Trouble::Gap(words.gap.clone())),
            () if flags & FULL != 0 => Some(Trouble::Full(words.full.0.clone(), words.full.1)),
            () => None,
        }
    }

    /// Another life of this node publishes: no order leaves this one any more.
    pub fn fence(&self, why: &str) {
        self.words().fenced = why.to_owned();
        self.flags.fetch_or(FENCED, Ordering::AcqRel);
    }

    /// Events of a channel never came.
    pub fn lose(&self, on_risk: bool, what: String) {
        self.words().lost = what;
        let losses = if on_risk { &self.risk_losses } else { &self.order_losses };
        losses.fetch_add(1, Ordering::AcqRel);
    }

    /// The channel with a gap, if there is one. Cheap where nothing changes.
    pub fn set_gap(&self, channel: Option<&str>) {
        self.set(GAP, channel, |words, channel| {
            if words.gap != channel {
                words.gap = channel.to_owned();
            }
        });
    }

    /// The fullest outbox where it is [`FULL_AT`] percent full.
    pub fn set_full(&self, fullest: Option<(&str, u64)>) {
        self.set(FULL, fullest, |words, (channel, percent)| {
            if words.full.0 != channel {
                words.full.0 = channel.to_owned();
            }
            words.full.1 = percent;
        });
    }

    fn set<T>(&self, flag: u8, what: Option<T>, write: impl FnOnce(&mut Words, T)) {
        match what {
            Some(what) => {
                // The words first: whoever sees the flag finds them.
                write(&mut self.words(), what);
                self.flags.fetch_or(flag, Ordering::AcqRel);
            }
            None if self.flags.load(Ordering::Relaxed) & flag != 0 => {
                self.flags.fetch_and(!flag, Ordering::AcqRel);
            }
            None => {}
        }
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        // Words are replaced whole: a poisoned lock hides no damage.
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_hold_while_they_last_and_a_fence_for_good() {
        let (state, none) = (BridgeState::default(), Losses::default());
        assert!(state.is_sound(none) && state.trouble(none).is_none());
        state.set_full(Some(("x", 93)));
        state.set_gap(Some("y"));
        assert!(!state.is_sound(none));
        assert_eq!(state.trouble(none), Some(Trouble::Gap("y".into())));
        state.set_gap(None);
        assert_eq!(state.trouble(none), Some(Trouble::Full("x".into(), 93)));
        state.set_full(None);
        assert!(state.is_sound(none));
        state.fence("z");
        state.set_gap(None);
        state.set_full(None);
        assert_eq!(state.trouble(none), Some(Trouble::Fenced("z".into())));
    }

    #[test]
    fn a_loss_stops_whoever_does_not_know_of_it() {
        let state = BridgeState::default();
        let before = state.losses();
        state.lose(true, "kill switches".into());
        assert_eq!(state.trouble(before), Some(Trouble::Lost("kill switches".into())));
        assert!(!state.is_sound(before) && state.is_sound(state.losses()));
        let between = state.losses();
        state.lose(false, "requests".into());
        assert_eq!((state.losses().risk, state.losses().orders), (1, 1));
        assert!(!state.is_sound(between));
    }
}
