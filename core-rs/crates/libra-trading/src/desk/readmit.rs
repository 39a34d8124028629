//! The way back for a strategy that was taken for gone.
//!
//! It is an operator's word, never a guess: its orders were cancelled and its position maybe closed meanwhile, and it may not know.
//! What was begun has to be over first, so that nothing of the account's own works against what the strategy asks for next.

use libra_kernel::Name;

use super::Desk;
use super::vanish::{Flattening, OnVanish};

impl Desk {
    /// Takes in a strategy again that is no more: what it asks for from now on is judged as anybody's.
    ///
    /// # Errors
    /// In words, when it is not gone, or what its policy says is not done yet. Nothing has changed then.
    pub fn readmit(&mut self, strategy: Name) -> Result<(), String> {
        let gone = self.vanished.get(&strategy).ok_or("it is not gone")?;
        let open = self.gate.open_orders_of(strategy).count();
        if gone.policy != OnVanish::Keep && open > 0 {
            return Err(format!("{open} of its orders are open, and are being cancelled"));
        }
        if gone.policy == OnVanish::Flatten {
            self.keep_ledger();
            self.closes_nothing(strategy)?;
        }
        self.vanished.remove(&strategy);
        Ok(())
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
