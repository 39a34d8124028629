//! Simulated time: inputs are pulled, in the order of (time, rank, sequence).
//!
//! Sources rank first, in their order; then the desks' venues, in theirs; timers last. So what happens at one instant
//! happens in one order, and a run done twice is the same run.

use libra_kernel::clock::{self, monotonic_ns};
use libra_kernel::router::Router;
use libra_market::source::Source;

use crate::desk::Desk;

/// Whose turn it is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A source, by its rank.
    Source(usize),
    /// The venue of a desk, by its rank.
    Venue(usize),
    /// Timers.
    Timers,
}

/// The sources of a simulated run.
#[derive(Default)]
pub struct Inputs {
    sources: Vec<Box<dyn Source>>,
}

impl Inputs {
    /// Adds a source; the rank is the order of adding.
    pub fn add(&mut self, source: Box<dyn Source>) {
        self.sources.push(source);
    }

    /// The sources, for their counters and problems.
    pub fn sources(&mut self) -> &mut [Box<dyn Source>] {
        &mut self.sources
    }

    /// Takes the sources out, to hand them to a [`Feed`](super::Feed).
    pub fn take(&mut self) -> Vec<Box<dyn Source>> {
        std::mem::take(&mut self.sources)
    }

    /// When the next input is due and whose it is; `None` when nothing will ever come. Without a source nothing but
    /// timers would be left, which alone keep no run going: the caller decides by [`Inputs::has_market`].
    pub fn next(&mut self, desks: &[Desk], timer_ns: Option<i64>) -> Option<(i64, Turn)> {
        let mut best: Option<(i64, Turn)> = None;
        let mut consider = |ts_ns: Option<i64>, turn: Turn| {
            if let Some(ts_ns) = ts_ns
                && best.is_none_or(|(earliest, _)| ts_ns < earliest)
            {
                best = Some((ts_ns, turn));
            }
        };
        for (rank, source) in self.sources.iter_mut().enumerate() {
            consider(source.peek_ts_ns(), Turn::Source(rank));
        }
        for (rank, desk) in desks.iter().enumerate() {
            consider(desk.next_due_ns(), Turn::Venue(rank));
        }
        consider(timer_ns, Turn::Timers);
        best
    }

    /// True while a source has more, or a venue has something to say.
    pub fn has_market(&mut self, desks: &[Desk]) -> bool {
        self.sources.iter_mut().any(|source| source.peek_ts_ns().is_some())
            || desks.iter().any(|desk| desk.next_due_ns().is_some())
    }

    /// Lets a source or a venue have its turn at `ts_ns`: the clock moves on, desks see the market, the event fans out.
    pub fn take_turn(&mut self, turn: Turn, ts_ns: i64, desks: &mut [Desk], router: &mut Router) {
        clock::set_simulated(ts_ns);
        match turn {
            Turn::Source(rank) => {
                let Some(event) = self.sources[rank].next() else { return };
                let input_ns = monotonic_ns();
                for desk in desks.iter_mut() {
                    desk.set_input(input_ns);
                    desk.on_market(router, ts_ns, &event);
                }
                router.publish(event);
            }
            Turn::Venue(rank) => {
                let desk = &mut desks[rank];
                desk.set_input(monotonic_ns());
                desk.advance(router, ts_ns);
            }
            Turn::Timers => {}
        }
    }
}
