//! One market: an engine with the flow and the users who trade there, and what is told of both.

use libra_market::source::Source;

use super::diff::{Depth, Diff};
use super::flow::Flow;
use super::{ExchangeError, FIRST_USER};
use crate::instrument::Instrument;
use crate::matching::{AccountId, BookLevel, Engine, Event, Limits, MatchError, Output, Trade};
use crate::order::OrderSide;

/// What happened in a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A trade, of whomever.
    Trade {
        /// The market.
        market: usize,
        /// When.
        ts_ns: i64,
        /// The trade.
        trade: Trade,
    },
    /// The best levels are other ones than before. Told once an input, when it is done.
    Best {
        /// The market.
        market: usize,
        /// When.
        ts_ns: i64,
        /// The last change of the book that is in it.
        update_id: u64,
        /// The best bid.
        bid: Option<BookLevel>,
        /// The best ask.
        ask: Option<BookLevel>,
    },
    /// What became of a user's order, but trades: never [`Event::Trade`], never [`Event::Level`].
    Order {
        /// The market.
        market: usize,
        /// When.
        ts_ns: i64,
        /// What.
        event: Event,
    },
}

/// A market.
pub struct Market {
    engine: Engine,
    flow: Option<Flow>,
    diff: Diff,
    best: (Option<BookLevel>, Option<BookLevel>),
    out: Vec<Output>,
}

impl Market {
    pub(super) fn new(
        instrument: &Instrument,
        limits: Limits,
        source: Option<Box<dyn Source>>,
        offset_ns: i64,
        levels: usize,
    ) -> Result<Market, ExchangeError> {
        let engine = Engine::new(instrument, limits)?;
        let flow = source.map(|source| Flow::new(instrument, source, offset_ns, levels));
        Ok(Market { engine, flow, diff: Diff::default(), best: (None, None), out: Vec::new() })
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How many of the flow's orders the engine did not take.
    pub fn refused(&self) -> u64 {
        self.flow.as_ref().map_or(0, Flow::refused)
    }

    pub(super) fn advance(&mut self, number: usize, now_ns: i64, told: &mut Vec<Told>) {
        while let Some(flow) = &mut self.flow
            && let Some(ts_ns) = flow.next_ns().filter(|ts_ns| *ts_ns <= now_ns)
        {
            // An input of a user may have come at a later time than what the flow has waiting.
            let ts_ns = ts_ns.max(self.engine.now_ns());
            flow.act(&mut self.engine, ts_ns, &mut self.out);
            self.tell(number, ts_ns, told);
        }
        // What is over by now ends, also where nobody else does anything.
        if self.engine.now_ns() < now_ns && self.engine.advance(now_ns, &mut self.out).is_ok() {
            self.tell(number, now_ns, told);
        }
    }

    pub(super) fn input(
        &mut self,
        number: usize,
        now_ns: i64,
        told: &mut Vec<Told>,
        act: impl FnOnce(&mut Engine, i64, &mut Vec<Output>) -> Result<(), MatchError>,
    ) -> Result<(), MatchError> {
        let done = act(&mut self.engine, now_ns, &mut self.out);
        // What is refused may have let time pass, which ends orders.
        self.tell(number, now_ns, told);
        done
    }

    pub(super) fn take_depth(&mut self) -> Option<Depth> {
        self.diff.take(self.engine.last_update_id())
    }

    fn tell(&mut self, market: usize, ts_ns: i64, told: &mut Vec<Told>) {
        for output in self.out.drain(..) {
            match output.event {
                Event::Level(level) => self.diff.note(&level),
                Event::Trade(trade) => {
                    if let Some(flow) = &mut self.flow {
                        flow.on_trade(&trade);
                    }
                    told.push(Told::Trade { market, ts_ns, trade });
                }
                event if account_of(&event).is_some_and(|account| account.0 >= FIRST_USER) => {
                    told.push(Told::Order { market, ts_ns, event });
                }
                _ => {}
            }
        }
        let best = (self.engine.best(OrderSide::Buy), self.engine.best(OrderSide::Sell));
        if best != self.best {
            self.best = best;
            let update_id = self.engine.last_update_id();
            told.push(Told::Best { market, ts_ns, update_id, bid: best.0, ask: best.1 });
        }
    }
}

fn account_of(event: &Event) -> Option<AccountId> {
    match event {
        Event::Accepted { account, .. }
        | Event::Rejected { account, .. }
        | Event::Triggered { account, .. }
        | Event::Amended { account, .. }
        | Event::Ended { account, .. } => Some(*account),
        Event::Trade(_) | Event::Level(_) => None,
    }
}
