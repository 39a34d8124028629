//! What a node's loop has no room for: the arrivals of one lane, in order, before they go into its queue.
//!
//! Events that are tracked are bounded: a receiver hands over only so many that are not applied. Latest values are applied as
//! soon as they are here, so they are conflated: of one that waits, a newer one takes the place. Behind a fact that says how the same
//! thing stands it takes a place of its own, or what the fact says would be the last word. So there are never more than there are keys and
//! facts.

use std::collections::{HashMap, VecDeque};

use libra_kernel::Travel;

use crate::bridge::Arrival;
use crate::latest::Key;

/// See the module.
#[derive(Default)]
pub(super) struct Held {
    arrivals: VecDeque<Arrival>,
    /// How many have left: the number of the first that waits.
    first: u64,
    /// By key: the number of the latest value that waits, and may be replaced.
    latest: HashMap<Key, u64>,
    /// Latest values that a newer one replaced.
    pub conflated: u64,
}

impl Held {
    /// Adds what was handed over.
    pub fn put(&mut self, arrival: Arrival) {
        let key = Key::of(&arrival.event);
        // Whatever is about a key but no update of its value ends what may be replaced before it.
        let is_update = arrival.origin.is_none() && arrival.event.event_type.travel() == Travel::Latest;
        if !is_update {
            self.latest.remove(&key);
        } else if let Some(waiting) = self.latest.get(&key).and_then(|number| {
            let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
            self.arrivals.get_mut(place)
        }) {
            *waiting = arrival;
            self.conflated += 1;
            return;
        } else {
            self.latest.insert(key, self.first + self.arrivals.len() as u64);
        }
        self.arrivals.push_back(arrival);
    }

    /// Hands over as much as is taken; what is given back stays the first.
    pub fn hand_to(&mut self, mut take: impl FnMut(Arrival) -> Option<Arrival>) {
        while let Some(arrival) = self.arrivals.pop_front() {
            let update = arrival.origin.is_none().then(|| Key::of(&arrival.event));
            if let Some(back) = take(arrival) {
                return self.arrivals.push_front(back);
            }
            if let Some(key) = update
                && self.latest.get(&key) == Some(&self.first)
            {
                self.latest.remove(&key);
            }
            self.first += 1;
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// Throws all of it away.
    pub fn clear(&mut self) {
        self.first += self.arrivals.len() as u64;
        self.arrivals.clear();
        self.latest.clear();
    }
}

#[cfg(test)]
impl Held {
    /// Takes all of it.
    pub fn drain(&mut self) -> std::vec::IntoIter<Arrival> {
        let mut taken = Vec::new();
        self.hand_to(|arrival| {
            taken.push(arrival);
            None
        });
        taken.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use libra_kernel::router::RemoteOrigin;
    use libra_kernel::{Event, EventType, Name, Payload};

    use super::*;

    fn arrival(event_type: EventType, instrument: &str, sequence: u64) -> Arrival {
        let mut event = Event::new(event_type, Name::intern("paper"), 1, Payload::Empty);
        (event.instrument, event.sequence) = (Name::intern(instrument), sequence);
        let is_tracked = event_type.travel() == Travel::Durable;
        Arrival { event, origin: is_tracked.then_some(RemoteOrigin { channel: 0, epoch: 7, seq: sequence }) }
    }

    fn numbers(held: &mut Held) -> Vec<u64> {
        held.drain().map(|arrival| arrival.event.sequence).collect()
    }

    #[test]
    fn of_a_latest_value_only_the_newest_waits_and_in_the_place_of_the_first() {
        let mut held = Held::default();
        held.put(arrival(EventType::BalanceUpdated, "", 1));
        held.put(arrival(EventType::OrderFilled, "x", 2));
        (3..10_000).for_each(|number| held.put(arrival(EventType::BalanceUpdated, "", number)));
        held.put(arrival(EventType::PositionUpdated, "x", 10_000));
        held.put(arrival(EventType::PositionUpdated, "y", 10_001));
        assert_eq!((held.len(), held.conflated), (4, 9_997));
        assert_eq!(numbers(&mut held), [9_999, 2, 10_000, 10_001]);
        held.put(arrival(EventType::BalanceUpdated, "", 10_002));
        assert_eq!(numbers(&mut held), [10_002], "what has left is replaced no more");
    }

    #[test]
    fn an_update_stays_behind_the_fact_that_it_came_behind() {
        let mut held = Held::default();
        let (updated, closed) = (EventType::PositionUpdated, EventType::PositionClosed);
        for (number, event_type) in [updated, closed, updated, updated].into_iter().enumerate() {
            held.put(arrival(event_type, "x", number as u64));
        }
        assert_eq!(numbers(&mut held), [0, 1, 3]);
    }

    #[test]
    fn what_is_given_back_is_the_first_again_and_may_be_replaced() {
        let mut held = Held::default();
        held.put(arrival(EventType::OrderFilled, "x", 1));
        held.put(arrival(EventType::BalanceUpdated, "", 2));
        held.put(arrival(EventType::OrderFilled, "x", 3));
        let mut room = 1;
        for _ in 0..2 {
            held.hand_to(|arrival| {
                let is_taken = std::mem::take(&mut room) > 0;
                (!is_taken).then_some(arrival)
            });
            held.put(arrival(EventType::BalanceUpdated, "", 4));
        }
        assert_eq!((held.len(), held.conflated), (2, 2));
        assert_eq!(numbers(&mut held), [4, 3]);
    }
}
