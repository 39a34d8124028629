//! Orders of one strategy that are known to have room: a look at the windows tells of more than the next order, since what
//! has left a window by now has left it at any later time as well. These orders pass without another look, and are written
//! into the windows together.
//!
//! How far is looked ahead doubles while all of it is used, so that strategies that take turns pay for no more than what
//! each of them sends.

use libra_kernel::Name;

/// So many at most.
const MOST: usize = 32;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    strategy: Name,
    /// Not before this time: the last one's.
    from_ns: i64,
    /// So many more have room.
    room: usize,
    /// When those went that stand in no window yet.
    times: [i64; MOST],
    count: usize,
    /// How far to look.
    reach: usize,
}

impl Ahead {
    pub fn new() -> Self {
        Ahead { strategy: Name::NONE, from_ns: 0, room: 0, times: [0; MOST], count: 0, reach: 1 }
    }

    /// True for an order that has room for sure.
    #[inline]
    pub fn has_room(&self, now_ns: i64, strategy: Name) -> bool {
        self.room > 0 && strategy == self.strategy && now_ns >= self.from_ns
    }

    /// Counts an order that has room. From then on none before it has, so that they are in the order of their times.
    #[inline]
    pub fn record(&mut self, now_ns: i64) {
        self.from_ns = now_ns;
        self.times[self.count] = now_ns;
        self.count += 1;
        self.room -= 1;
    }

    /// How far to look.
    pub fn reach(&self) -> usize {
        self.reach
    }

    /// From `now_ns` on so many orders of this strategy have room, [`Ahead::reach`] at most. Nothing waits for its window.
    pub fn allow(&mut self, now_ns: i64, strategy: Name, room: usize) {
        (self.strategy, self.from_ns, self.room) = (strategy, now_ns, room.min(self.reach));
    }

    /// Ends what was allowed: whose orders now go into the windows, and when each went.
    pub fn end(&mut self) -> (Name, &[i64]) {
        let used_up = self.room == 0 && self.count > 0;
        self.reach = if used_up { (self.reach * 2).min(MOST) } else { 1 };
        let count = std::mem::take(&mut self.count);
        self.room = 0;
        (self.strategy, &self.times[..count])
    }
}
