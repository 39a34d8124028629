//! A seeded, made-up market as a source: quotes, trades and books of several symbols, without an end.
//!
//! - this file — [`SyntheticMarket`]: who is due next, and events from what the instruments do;
//! - [`config`] — what can be set, checked before anything runs;
//! - `process` — the model of the price, with its sources;
//! - `ladder` — the levels around it, and what changed since they were last told;
//! - `maker` — one instrument: quotes, trades and book updates that agree with each other.
//!
//! The market is a function of its seed: it uses integers, IEEE additions, multiplications, divisions and square roots,
//! which give the same bits on every machine, and no logarithm or exponential, which do not.
//!
//! What always holds: prices are on the tick and sizes on the lot; the book is never crossed; after every `ORDER_BOOK`
//! event the best levels of the book are those of the instrument's last `QUOTE`; a `TRADE` happens at the best price of
//! the last `QUOTE` and is followed, at the same time, by the `QUOTE` that it left.

pub mod config;
mod ladder;
mod maker;
mod process;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use libra_kernel::{Event, EventType, Name, Payload};

pub use self::config::{FieldError, SyntheticConfig, SyntheticError, SyntheticInstrument};
use self::maker::{Maker, Stream};
use crate::listing::Listing;
use crate::source::{Problem, Source, SourceCounters};

/// A made-up market. It never ends.
pub struct SyntheticMarket {
    source: Name,
    makers: Vec<Maker>,
    /// (time, instrument, stream) of what each stream of each instrument does next.
    due: BinaryHeap<Reverse<(i64, usize, Stream)>>,
    /// What has happened at one time and is not yet given out.
    ready: VecDeque<Happening>,
    counters: SourceCounters,
}

/// An event to be.
struct Happening {
    ts_ns: i64,
    instrument: usize,
    event_type: EventType,
    payload: Payload,
}

impl SyntheticMarket {
    /// A market as configured, or all that is wrong with the configuration.
    pub fn new(config: SyntheticConfig) -> Result<Self, SyntheticError> {
        config.check()?;
        let mut market = SyntheticMarket {
            source: config.source,
            makers: Vec::with_capacity(config.instruments.len()),
            due: BinaryHeap::new(),
            ready: VecDeque::new(),
            counters: SourceCounters::default(),
        };
        for (index, instrument) in config.instruments.into_iter().enumerate() {
            // Each has a generator of its own, from the seed and its name: another instrument beside it changes nothing.
            let seed = config.seed ^ instrument.listing.instrument.hash();
            let mut maker = Maker::new(instrument, seed, config.start_ts_ns);
            for stream in Stream::ALL {
                if let Some(ts_ns) = maker.first_due(stream) {
                    market.due.push(Reverse((ts_ns, index, stream)));
                }
            }
            market.makers.push(maker);
        }
        Ok(market)
    }

    /// The instruments, in the order of the configuration.
    pub fn instruments(&self) -> impl Iterator<Item = &Listing> {
        self.makers.iter().map(Maker::listing)
    }

    /// Lets the next due stream act.
    fn advance(&mut self) {
        let Some(mut top) = self.due.peek_mut() else { return };
        let Reverse((ts_ns, instrument, stream)) = *top;
        let maker = &mut self.makers[instrument];
        let ready = &mut self.ready;
        maker.act(stream, ts_ns, &mut |event_type, payload| {
            ready.push_back(Happening { ts_ns, instrument, event_type, payload });
        });
        *top = Reverse((maker.next_due(stream, ts_ns), instrument, stream));
    }
}

impl Source for SyntheticMarket {
    fn peek_ts_ns(&mut self) -> Option<i64> {
        let ready = self.ready.front().map(|happening| happening.ts_ns);
        ready.or_else(|| self.due.peek().map(|Reverse((ts_ns, ..))| *ts_ns))
    }

    fn next(&mut self) -> Option<Event> {
        if self.ready.is_empty() {
            self.advance();
        }
        let Happening { ts_ns, instrument, event_type, payload } = self.ready.pop_front()?;
        self.counters.frames += 1;
        match event_type {
            EventType::Quote => self.counters.quotes += 1,
            EventType::Trade => self.counters.trades += 1,
            _ => self.counters.books += 1,
        }
        let listing = self.makers[instrument].listing();
        Some(Event::market(event_type, self.source, listing.instrument, listing.decimals(), ts_ns, payload))
    }

    fn request_snapshot(&mut self, instrument: Name) -> bool {
        let maker = self.makers.iter_mut().find(|maker| maker.listing().instrument == instrument);
        maker.map(Maker::retell).is_some()
    }

    fn counters(&self) -> SourceCounters {
        self.counters
    }

    fn take_problems(&mut self) -> Vec<Problem> {
        Vec::new()
    }
}
