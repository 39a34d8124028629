//! Who wants what: what other nodes want of this one, and what this one wants of others.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use libra_kernel::{Event, EventType, Lane, Name, Travel};

/// What other nodes want: a bit for each shard, by type. The threads set it; the loop looks into it for each event that it
/// publishes, which costs one load where nobody wants the type.
#[derive(Debug)]
pub struct Wanted {
    by_type: [AtomicU64; EventType::NUMBERS],
    shards: u8,
}

impl Wanted {
    pub(super) fn new(shards: u8) -> Self {
        Wanted { by_type: std::array::from_fn(|_| AtomicU64::new(0)), shards }
    }

    /// From now on these shards of a type are wanted: bit `n` stands for shard `n`; what has no shards has bit 0. A type that
    /// stays in its process is never wanted. Of durable types the bits say what the topology declares, not who is there.
    pub fn set(&self, event_type: EventType, shards: u64) {
        let shards = if event_type.travel() == Travel::Never { 0 } else { shards };
        self.by_type[event_type as usize].store(shards, Ordering::Relaxed);
    }

    /// The shards of a type that are wanted.
    pub fn shards_of(&self, event_type: EventType) -> u64 {
        self.by_type[event_type as usize].load(Ordering::Relaxed)
    }

    /// The shard of an event: of market data by its instrument, else 0.
    pub fn shard(&self, event_type: EventType, instrument: Name) -> u8 {
        match event_type.lane() {
            Lane::MarketData if !instrument.is_none() => (instrument.hash() % u64::from(self.shards)) as u8,
            _ => 0,
        }
    }

    /// True when some other node wants the event.
    #[inline]
    pub fn wants(&self, event: &Event) -> bool {
        let shards = self.shards_of(event.event_type);
        // Where every shard is wanted, which one it is need not be looked up.
        let all = u64::MAX >> (64 - u32::from(self.shards));
        shards != 0 && (shards & all == all || shards >> self.shard(event.event_type, event.instrument) & 1 == 1)
    }
}

/// The shards of instruments, remembered by one thread: a look at the table of names takes its lock, which all threads share.
#[derive(Debug, Default)]
pub struct Remembered {
    by_name: Vec<u8>,
}

/// No shard has this number.
const UNKNOWN: u8 = u8::MAX;

impl Remembered {
    /// As [`Wanted::shard`], of market data.
    #[inline]
    pub fn shard(&mut self, wanted: &Wanted, instrument: Name) -> u8 {
        match self.by_name.get(instrument.index()) {
            Some(&shard) if shard != UNKNOWN => shard,
            _ => self.look_up(wanted, instrument),
        }
    }

    #[cold]
    fn look_up(&mut self, wanted: &Wanted, instrument: Name) -> u8 {
        let (shard, at) = (wanted.shard(EventType::Trade, instrument), instrument.index());
        if self.by_name.len() <= at {
            self.by_name.resize(at + 1, UNKNOWN);
        }
        self.by_name[at] = shard;
        shard
    }
}

#[cfg(test)]
mod tests {
    use libra_kernel::Payload;

    use super::*;

    #[test]
    fn what_is_remembered_is_the_shard_and_no_instrument_has_the_first() {
        let (wanted, mut remembered) = (Wanted::new(7), Remembered::default());
        let names: Vec<Name> = (0..200).rev().map(|n| Name::intern(&format!("REMEMBERED{n}"))).collect();
        for name in names.iter().rev().chain(&names).copied().chain([Name::NONE]) {
            assert_eq!(remembered.shard(&wanted, name), wanted.shard(EventType::Quote, name));
        }
        assert_eq!(remembered.shard(&wanted, Name::NONE), 0);
    }

    #[test]
    fn an_event_is_wanted_by_its_shard_and_by_all_of_them() {
        let wanted = Wanted::new(8);
        let mut event = Event::new(EventType::Trade, Name::NONE, 1, Payload::Empty);
        event.instrument = Name::intern("WANTED/USDT");
        let own = 1_u64 << wanted.shard(EventType::Trade, event.instrument);
        for (shards, is_wanted) in [(0, false), (own, true), (0xff, true), (u64::MAX, true), (0xff & !own, false)] {
            wanted.set(EventType::Trade, shards);
            assert_eq!(wanted.wants(&event), is_wanted, "{shards:b}");
        }
    }
}

/// What this node wants of others: what its actors subscribed to, as the router says it, and what it needs without any actor.
/// Written by the loop, read by the threads when it changes.
#[derive(Debug)]
pub struct Own {
    version: AtomicU64,
    subscribed: Mutex<BTreeSet<(EventType, Name)>>,
    needed: Mutex<BTreeSet<(EventType, Name)>>,
}

impl Own {
    /// A kill switch is always wanted: accounts are latched natively, whoever listens.
    pub(super) fn new() -> Self {
        let needed = Mutex::new(BTreeSet::from([(EventType::CircuitBreaker, Name::NONE)]));
        Own { version: AtomicU64::new(0), subscribed: Mutex::default(), needed }
    }

    /// From now on this is wanted, whoever subscribes.
    pub fn need(&self, event_type: EventType, instrument: Name) {
        self.needed.lock().unwrap_or_else(PoisonError::into_inner).insert((event_type, instrument));
        self.version.fetch_add(1, Ordering::Release);
    }

    pub(super) fn change(&self, event_type: EventType, instrument: Name, interested: bool) {
        let mut subscribed = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
        if interested {
            subscribed.insert((event_type, instrument));
        } else {
            subscribed.remove(&(event_type, instrument));
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Goes up with each change.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The (type, instrument) that this node wants, `Name::NONE` for all instruments; without those that no event of another
    /// node is of.
    pub fn subscribed(&self) -> Vec<(EventType, Name)> {
        let needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        let subscribed = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
        subscribed.union(&needed).copied().collect()
    }
}
