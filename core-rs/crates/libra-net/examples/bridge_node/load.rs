//! What a publisher publishes: the command line's keys, and the events.

use libra_kernel::event::{Aggressor, Trade};
use libra_kernel::{Event, EventType, Name, Payload};
use libra_trading::signal::{Signal, SignalType};

const INSTRUMENTS: usize = 32;

/// See the module of the program.
pub struct Load {
    pub seconds: f64,
    pub shards: u8,
    pub market: f64,
    pub orders: f64,
    pub durable: usize,
}

impl Load {
    pub fn parse(keys: &[String]) -> Result<Load, String> {
        let mut load = Load { seconds: 1.0, shards: 8, market: 0.0, orders: 0.0, durable: 0 };
        for key in keys {
            let (name, value) = key.split_once('=').ok_or_else(|| format!("not KEY=VALUE: {key}"))?;
            let number: f64 = value.parse().map_err(|_| format!("not a number: {key}"))?;
            match name {
                "seconds" => load.seconds = number,
                "shards" => load.shards = number as u8,
                "market" => load.market = number,
                "orders" => load.orders = number,
                "durable" => load.durable = number as usize,
                _ => return Err(format!("no such key: {name}")),
            }
        }
        Ok(load)
    }
}

/// Makes events.
pub struct Maker {
    source: Name,
    instruments: Vec<Name>,
    made: i64,
}

impl Maker {
    pub fn new() -> Self {
        let instruments = (0..INSTRUMENTS).map(|n| Name::intern(&format!("I{n:03}/USDT"))).collect();
        Maker { source: Name::intern("bench"), instruments, made: 0 }
    }

    /// The next trade; the instruments take turns.
    pub fn trade(&mut self, ts_ns: i64) -> Event {
        self.made += 1;
        let instrument = self.instruments[self.made as usize % INSTRUMENTS];
        let trade = Trade {
            price: 6_168_599 + self.made,
            size: 17,
            trade_id: self.made,
            ts_venue_ns: ts_ns,
            aggressor: Aggressor::Seller,
        };
        Event::market(EventType::Trade, self.source, instrument, (2, 5), ts_ns, Payload::Trade(trade))
    }

    /// The next signal: durable, and refused where there is no room.
    pub fn signal(&mut self, ts_ns: i64) -> Event {
        self.made += 1;
        let instrument = self.instruments[0];
        let signal = Signal {
            id: self.made as u128,
            strategy: self.source,
            instrument,
            signal_type: SignalType::Long,
            strength: 1.0,
            price: 6_168_599,
            deadline_ns: 0,
            reason: String::new(),
        };
        let mut event = Event::new(EventType::Signal, self.source, ts_ns, Payload::shared(signal));
        event.instrument = instrument;
        event
    }
}
