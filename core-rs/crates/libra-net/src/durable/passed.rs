//! Events that a receiver passes over, by their numbers: so what it handled and what it was told of add up to what there was.

use crate::ids::Position;

/// Events of one life without a hole between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The publisher's life.
    pub epoch: u64,
    /// `channel_seq` of the first.
    pub first: u64,
    /// And of the last; not below the first.
    pub last: u64,
}

impl Run {
    /// How many there are.
    pub fn events(self) -> u64 {
        self.last - self.first + 1
    }
}

/// Events that a receiver passes over: they will not come, or a snapshot stands for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// What was handed over last.
    pub after: Position,
    /// The last that is passed over.
    pub upto: Position,
    /// The last event that is known of the life that `after` is in.
    pub known: u64,
}

impl Passed {
    /// What is known to have been there, life by life.
    pub fn runs(self) -> impl Iterator<Item = Run> {
        let Passed { after, upto, known } = self;
        let run = |epoch, behind, last| (last > behind).then_some(Run { epoch, first: behind + 1, last });
        let (before, here) = match self.is_exact() {
            true => (None, run(upto.epoch, after.seq, upto.seq)),
            false => (run(after.epoch, after.seq, known), run(upto.epoch, 0, upto.seq)),
        };
        before.into_iter().chain(here)
    }

    /// How many events those are.
    pub fn events(self) -> u64 {
        self.runs().map(Run::events).fold(0, u64::saturating_add)
    }

    /// Nothing else can have been there, since it is all of one life. How an older one ended may never have been heard of.
    pub fn is_exact(self) -> bool {
        self.after.epoch == self.upto.epoch
    }
}
