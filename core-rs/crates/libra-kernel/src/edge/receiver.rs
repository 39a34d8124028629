//! The consumer's end of an edge.

use std::sync::Arc;

use super::counters::EdgeCounters;
use super::ending::Ending;
use super::ring::Inlet;
use crate::event::{Event, EventType, Lane};

/// Market events taken before the urgent ring is looked at again.
const MARKET_RUN: usize = 32;

/// The consumer's end: owned by the thread that owns the mailboxes.
pub struct EdgeReceiver {
    urgent: Inlet,
    market: Inlet,
    ending: Arc<Ending<Event>>,
    counters: Arc<EdgeCounters>,
}

impl EdgeReceiver {
    pub(super) fn new(urgent: Inlet, market: Inlet, ending: Arc<Ending<Event>>, counters: Arc<EdgeCounters>) -> Self {
        EdgeReceiver { urgent, market, ending, counters }
    }

    /// Takes the next event, urgent ones first.
    #[inline]
    pub fn pop(&mut self) -> Option<Event> {
        let EdgeReceiver { urgent, market, ending, .. } = self;
        ending.next(urgent, market, |event| event.lane() != Lane::MarketData)
    }

    /// Takes up to `most` events and gives each to `take`, urgent ones first; gives how many. Cheaper than as many calls of
    /// [`EdgeReceiver::pop`]: a ring's place is given back to the producer for a run of events at once. An urgent event that
    /// comes meanwhile waits for at most a short run of market data.
    pub fn receive(&mut self, most: usize, mut take: impl FnMut(Event)) -> usize {
        let mut taken = 0;
        while taken < most {
            let urgent = self.urgent.read_run(most - taken, &mut take);
            taken += urgent;
            if urgent != 0 {
                continue;
            }
            // A producer that is gone may have left urgent events, which come before any market data.
            if self.ending.is_closed() {
                let Some(event) = self.pop() else { break };
                taken += 1;
                take(event);
                continue;
            }
            match self.market.read_run(MARKET_RUN.min(most - taken), &mut take) {
                0 => break,
                run => taken += run,
            }
        }
        taken
    }

    /// Events of a lane, but for venue reports, that wait in the edge, at either end.
    pub fn waiting(&self, lane: Lane) -> u64 {
        let types = EventType::ALL.iter().filter(|t| t.lane() == lane && **t != EventType::VenueReport);
        // What was lost is read before what was offered: see `counters`.
        let (dropped, conflated) = self.counters.lost(lane);
        let taken = |t| self.urgent.taken(t) + self.market.taken(t);
        let left: u64 = types.map(|t| self.counters.offered(*t) - taken(*t)).sum();
        left.saturating_sub(dropped + conflated)
    }

    /// True when nothing stands in the rings, nor was left behind them.
    pub fn is_empty(&self) -> bool {
        let closed = self.is_closed();
        self.urgent.is_empty() && self.market.is_empty() && (!closed || self.ending.is_empty())
    }

    /// True when the producer is gone: what it left may still be taken.
    pub fn is_closed(&self) -> bool {
        self.ending.is_closed()
    }

    /// The counters, for whoever reports them.
    pub fn counters(&self) -> &Arc<EdgeCounters> {
        &self.counters
    }
}
