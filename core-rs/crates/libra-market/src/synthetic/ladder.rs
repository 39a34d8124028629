//! The levels of one side around the best price, and what changed since they were last told.

use std::collections::VecDeque;

use fastrand::Rng;

use super::config::MAX_SIZE_MULTIPLE;
use crate::book::Level;

/// Which side of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Bid,
    Ask,
}

/// One side: consecutive ticks away from the best price, each with a size above zero.
pub(super) struct Ladder {
    side: Side,
    /// In ticks.
    best: i64,
    /// In lots, the best first.
    lots: VecDeque<i64>,
    median_lots: i64,
    /// (tick, lots) as last told, by ascending tick.
    told: Vec<(i64, i64)>,
}

impl Ladder {
    pub(super) fn new(side: Side, best: i64, levels: usize, median_lots: i64, rng: &mut Rng) -> Self {
        let lots = (0..levels).map(|_| draw_lots(median_lots, rng)).collect();
        Ladder { side, best, lots, median_lots, told: Vec::new() }
    }

    pub(super) fn best(&self) -> i64 {
        self.best
    }

    pub(super) fn best_lots(&self) -> i64 {
        self.lots[0]
    }

    /// Moves the best price; what is uncovered or new gets sizes of its own, what stays keeps them.
    pub(super) fn move_to(&mut self, best: i64, rng: &mut Rng) {
        let levels = self.lots.len();
        let away = match self.side {
            Side::Bid => self.best - best,
            Side::Ask => best - self.best,
        };
        self.best = best;
        let shift = (away.unsigned_abs() as usize).min(levels);
        for _ in 0..shift {
            let lots = draw_lots(self.median_lots, rng);
            if away > 0 {
                self.lots.pop_front();
                self.lots.push_back(lots);
            } else {
                self.lots.pop_back();
                self.lots.push_front(lots);
            }
        }
    }

    /// Gives a level a new size, other than the one it has.
    pub(super) fn redraw(&mut self, level: usize, rng: &mut Rng) {
        let lots = draw_lots(self.median_lots, rng);
        self.lots[level] = if lots == self.lots[level] { lots + 1 } else { lots };
    }

    /// Takes up to `lots` from the best level and gives what was taken. A level that was taken whole is refilled at once,
    /// as by an iceberg order: only a quote moves prices.
    pub(super) fn take(&mut self, lots: i64, rng: &mut Rng) -> i64 {
        let taken = lots.min(self.lots[0]);
        self.lots[0] -= taken;
        if self.lots[0] == 0 {
            self.lots[0] = draw_lots(self.median_lots, rng);
        }
        taken
    }

    /// (tick, lots), by ascending tick.
    fn current(&self) -> Vec<(i64, i64)> {
        let level = |(i, lots): (usize, &i64)| match self.side {
            Side::Bid => (self.best - i as i64, *lots),
            Side::Ask => (self.best + i as i64, *lots),
        };
        match self.side {
            Side::Bid => self.lots.iter().enumerate().rev().map(level).collect(),
            Side::Ask => self.lots.iter().enumerate().map(level).collect(),
        }
    }

    /// Nothing was told so far.
    pub(super) fn forget(&mut self) {
        self.told.clear();
    }

    /// What changed since the last call, removed levels with size 0, as venue levels by ascending price.
    pub(super) fn tell(&mut self, tick_size: i64, lot_size: i64) -> Vec<Level> {
        let now = self.current();
        let mut changes = Vec::new();
        // `SyntheticConfig::check` made sure that these products fit.
        let mut change = |tick: i64, lots: i64| changes.push(Level { price: tick * tick_size, size: lots * lot_size });
        let (mut old, mut new) = (self.told.iter().copied().peekable(), now.iter().copied().peekable());
        loop {
            match (old.peek().copied(), new.peek().copied()) {
                (None, None) => break,
                (Some((tick, _)), Some((new_tick, _))) if tick < new_tick => {
                    change(tick, 0);
                    old.next();
                }
                (Some((tick, _)), None) => {
                    change(tick, 0);
                    old.next();
                }
                (before, Some((tick, lots))) => {
                    if before != Some((tick, lots)) {
                        change(tick, lots);
                    }
                    old.next_if(|(old_tick, _)| *old_tick == tick);
                    new.next();
                }
            }
        }
        self.told = now;
        changes
    }
}

/// A size of at least one lot with a heavy tail: a Pareto distribution with exponent 2 and this median, cut at 64 times the
/// median. (Sizes on exchanges have a tail of exponent 1.5: P. Gopikrishnan and others, Physical Review E 62, 2000.)
pub(super) fn draw_lots(median: i64, rng: &mut Rng) -> i64 {
    // The median of x_min / sqrt(u) is x_min * sqrt(2).
    let lots = median as f64 * std::f64::consts::FRAC_1_SQRT_2 / (1.0 - rng.f64()).sqrt();
    (lots.round() as i64).clamp(1, median * MAX_SIZE_MULTIPLE - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn changes_applied_in_turn_give_the_ladder() {
        for side in [Side::Bid, Side::Ask] {
            let mut rng = Rng::with_seed(3);
            let mut ladder = Ladder::new(side, 1_000, 10, 50, &mut rng);
            let mut book = BTreeMap::new();
            for step in 0..2_000 {
                ladder.move_to(1_000 + rng.i64(-30..30), &mut rng);
                ladder.redraw(rng.usize(0..10), &mut rng);
                if step % 3 == 0 {
                    for Level { price, size } in ladder.tell(5, 7) {
                        if size == 0 {
                            assert!(book.remove(&price).is_some(), "removed what was there");
                        } else {
                            book.insert(price, size);
                        }
                    }
                    let want: BTreeMap<i64, i64> = ladder.current().into_iter().map(|(t, l)| (t * 5, l * 7)).collect();
                    assert_eq!(book, want);
                    assert_eq!(book.len(), 10);
                }
            }
        }
    }

    #[test]
    fn sizes_have_their_median() {
        let mut rng = Rng::with_seed(4);
        let mut lots: Vec<i64> = (0..10_001).map(|_| draw_lots(100, &mut rng)).collect();
        lots.sort_unstable();
        assert!((95..=105).contains(&lots[5_000]), "{}", lots[5_000]);
        assert!(lots[0] >= 1 && lots[10_000] < 6_400);
    }
}
