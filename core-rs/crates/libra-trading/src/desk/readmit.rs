//! The way back for a strategy that was taken for gone.
//!
//! It is an operator's word, never a guess: its orders were cancelled and its position maybe closed meanwhile, and it may not know.
//! What was begun has to be over first, so that nothing of the account's own works against what the strategy asks for next.

use libra_kernel::router::Router;
use libra_kernel::{Event, Name};

use crate::risk::{Rejection, RiskCode};

use super::Desk;
use super::vanish::{Flattening, OnVanish};

/// A strategy that was gone, and is there again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Returned {
    /// How often it came back.
    pub times: u64,
    /// The router's last event when it last did: what it asked for up to it waited, and is refused.
    until: u64,
}

impl Desk {
    /// Takes in a strategy again that is no more: what it asks for from now on is judged as anybody's.
    ///
    /// # Errors
    /// In words, when it is not gone, or what its policy says is not done yet. Nothing has changed then.
    pub fn readmit(&mut self, router: &Router, strategy: Name) -> Result<(), String> {
        let gone = self.vanished.get(&strategy).ok_or("it is not gone")?;
        let open = self.gate.count_open_of(strategy);
        if gone.policy != OnVanish::Keep && open > 0 {
            return Err(format!("{open} of its orders are open, and are being cancelled"));
        }
        if gone.policy == OnVanish::Flatten {
            self.keep_ledger();
            self.closes_nothing(strategy)?;
        }
        self.vanished.remove(&strategy);
        let back = self.returned.entry(strategy).or_default();
        (back.times, back.until) = (back.times + 1, router.sequence());
        Ok(())
    }

    /// How often a strategy came back.
    pub(super) fn returns_of(&self, strategy: Name) -> u64 {
        self.returned.get(&strategy).map_or(0, |back| back.times)
    }

    /// Was an event published while its strategy was gone, or before? What it asks for was meant for another time, however fast
    /// the strategy was let in again.
    #[inline]
    pub(super) fn was_gone(&self, event: &Event, strategy: Name) -> bool {
        // Numbers begin at 1; an event without one was handed over just now.
        let waited = |back: &Returned| event.sequence.wrapping_sub(1) < back.until;
        !self.returned.is_empty() && self.returned.get(&strategy).is_some_and(waited)
    }

    fn closes_nothing(&self, strategy: Name) -> Result<(), String> {
        let gone = &self.vanished[&strategy];
        if let Some(instrument) = gone.asks_for() {
            return Err(format!("its {instrument} is being flattened"));
        }
        let ended: Vec<(Name, Flattening)> = self.flattening(strategy).collect();
        for (_, instrument, _) in self.portfolio.positions().into_iter().filter(|(of, _, _)| *of == strategy) {
            match ended.iter().find(|(closed, _)| *closed == instrument) {
                Some((_, Flattening::GivenUp(..))) => {}
                Some((_, Flattening::Waiting(code, detail))) => {
                    return Err(format!("its {instrument} waits to be flattened: {code}: {detail}"));
                }
                _ => return Err(format!("its {instrument} is being flattened")),
            }
        }
        Ok(())
    }
}

#[cold]
pub(super) fn while_gone() -> Rejection {
    Rejection::new(RiskCode::StrategyStopped, "it was asked for, or approved, before its strategy was let in again")
}
