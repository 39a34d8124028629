//! What a producer publishes: a random mix of types, with tags that let the oracle see what is missing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use libra_kernel::digest::Digest;
use libra_kernel::edge::EdgeSender;
use libra_kernel::{Event, EventType, Lane, Name, Payload, SharedPayload};

/// One or more of each policy and lane.
pub const TYPES: [EventType; 12] = [
    EventType::Quote,
    EventType::Trade,
    EventType::OrderBook,
    EventType::ActorState,
    EventType::OrderRequest,
    EventType::CancelRequest,
    EventType::OrderFilled,
    EventType::PositionUpdated,
    EventType::CircuitBreaker,
    EventType::DrawdownWarning,
    EventType::Signal,
    EventType::Timer,
];

const INSTRUMENTS: usize = 3;

/// A book: a delta, or the whole of it.
pub struct Book {
    pub whole: bool,
}

impl SharedPayload for Book {
    fn kind(&self) -> &'static str {
        "book"
    }
    fn digest(&self, _: &mut Digest) {}
    fn is_snapshot(&self) -> bool {
        self.whole
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// What a producer knows when it ends.
pub struct Told {
    pub source: Name,
    /// Offered, by type.
    pub offered: HashMap<EventType, u64>,
    /// Refused at the sender, by lane.
    pub refused: [u64; 4],
    /// The last tag of each (type, instrument).
    pub last: HashMap<(EventType, Name), i64>,
}

/// A source of random events. `ts_ns` is the tag: one more for each event of a lane, of a book of an instrument.
pub struct Script {
    rng: Rng,
    source: Name,
    instruments: Vec<Name>,
    tags: HashMap<(Lane, Name), i64>,
    told: Told,
}

impl Script {
    pub fn new(name: &str, seed: u64) -> Self {
        let source = Name::intern(name);
        // An instrument's book has one source; the others share their names.
        let instruments = (0..INSTRUMENTS).map(|n| Name::intern(&format!("instrument {n} of {name}"))).collect();
        let told = Told { source, offered: HashMap::new(), refused: [0; 4], last: HashMap::new() };
        Script { rng: Rng::with_seed(seed), source, instruments, tags: HashMap::new(), told }
    }

    /// An instrument of some script, or none.
    pub fn any_instrument(&self, rng: &mut Rng) -> Name {
        match rng.usize(..3) {
            0 => Name::NONE,
            1 => self.instruments[rng.usize(..INSTRUMENTS)],
            _ => Name::intern(&format!("instrument {} of producer {}", rng.usize(..INSTRUMENTS), rng.usize(..4))),
        }
    }

    pub fn next(&mut self) -> Event {
        // Mostly market data, as in life.
        let event_type = match self.rng.bool() {
            true => TYPES[self.rng.usize(..3)],
            false => TYPES[self.rng.usize(..TYPES.len())],
        };
        self.next_of(event_type)
    }

    pub fn next_of(&mut self, event_type: EventType) -> Event {
        let instrument = self.instruments[self.rng.usize(..INSTRUMENTS)];
        // Books are numbered by themselves, since a gap in one is what matters.
        let book = if event_type == EventType::OrderBook { instrument } else { Name::NONE };
        let tag = self.tags.entry((event_type.lane(), book)).or_default();
        *tag += 1;
        let payload = match event_type {
            EventType::OrderBook => Payload::shared(Book { whole: self.rng.u32(..6) == 0 }),
            _ => Payload::Empty,
        };
        self.told.last.insert((event_type, instrument), *tag);
        *self.told.offered.entry(event_type).or_default() += 1;
        let mut event = Event::new(event_type, self.source, *tag, payload);
        event.instrument = instrument;
        event
    }

    /// Publishes so many events into an edge, one by one or in batches, and ends: sometimes with much left to hand over.
    /// `has_failed` says that nobody will take it any more.
    pub fn play(mut self, mut sender: EdgeSender, count: usize, has_failed: &AtomicBool) -> Told {
        let mut left = count;
        while left != 0 {
            match self.rng.u32(..4) {
                0 => {
                    // No refusable ones: a batch does not say which of its events was refused.
                    let batch = self.rng.usize(1..=left.min(50));
                    let mut events = Vec::new();
                    for _ in 0..batch {
                        let event_type = TYPES[[0, 1, 2, 6, 8][self.rng.usize(..5)]];
                        events.push(self.next_of(event_type));
                    }
                    assert_eq!(sender.send_many(events), batch);
                    left -= batch;
                }
                1 => {
                    sender.flush();
                }
                _ => {
                    let event = self.next();
                    let lane = event.lane();
                    if !sender.send(event) {
                        self.told.refused[lane as usize] += 1;
                    }
                    left -= 1;
                }
            }
            if self.rng.u32(..64) == 0 {
                std::thread::yield_now();
            }
        }
        if self.rng.bool() {
            while !sender.flush() && !has_failed.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        }
        drop(sender);
        self.told
    }
}
