//! Where each unspent approval stands: a table of numbers that is searched by a client order id's lowest bits.
//!
//! Ids are hashes of what we choose ourselves, so their bits spread by themselves. A number's place is the first free one
//! from where its id belongs. At most half of the places are taken, so a search ends soon; whoever is taken out leaves
//! no gap behind: those that follow move up.

use crate::order::ClientOrderId;

/// See the module.
#[derive(Default)]
pub(super) struct Places {
    /// A number plus one, 0 for a free place. A power of two of them, or none.
    table: Vec<u32>,
    /// By number, whose it is.
    ids: Vec<ClientOrderId>,
    taken: usize,
}

/// The fewest places that are made.
const LEAST: usize = 64;

impl Places {
    pub fn len(&self) -> usize {
        self.taken
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.taken == 0
    }

    #[inline]
    fn mask(&self) -> usize {
        self.table.len().wrapping_sub(1)
    }

    #[inline]
    fn home(&self, id: ClientOrderId) -> usize {
        id.0 as usize & self.mask()
    }

    #[inline]
    fn next(&self, place: usize) -> usize {
        (place + 1) & self.mask()
    }

    #[inline]
    fn find(&self, id: ClientOrderId) -> Option<(usize, u32)> {
        if self.taken == 0 {
            return None;
        }
        let mut place = self.home(id);
        loop {
            let number = self.table[place].checked_sub(1)?;
            if self.ids[number as usize] == id {
                return Some((place, number));
            }
            place = self.next(place);
        }
    }

    /// The number of an id.
    #[inline]
    pub fn get(&self, id: ClientOrderId) -> Option<u32> {
        self.find(id).map(|(_, number)| number)
    }

    /// Gives an id that has none a number that no other has: the smallest that was never given, or one that was taken out.
    #[inline]
    pub fn insert(&mut self, id: ClientOrderId, number: u32) {
        if (self.taken + 1) * 2 > self.table.len() {
            self.grow();
        }
        match self.ids.get_mut(number as usize) {
            Some(of) => *of = id,
            None => self.ids.push(id),
        }
        self.put(id, number);
        self.taken += 1;
    }

    #[inline]
    fn put(&mut self, id: ClientOrderId, number: u32) {
        let mut place = self.home(id);
        while self.table[place] != 0 {
            place = self.next(place);
        }
        self.table[place] = number + 1;
    }

    #[cold]
    fn grow(&mut self) {
        let wider = vec![0; (self.table.len() * 2).max(LEAST)];
        for number in std::mem::replace(&mut self.table, wider).into_iter().filter_map(|taken| taken.checked_sub(1)) {
            self.put(self.ids[number as usize], number);
        }
    }

    /// Takes an id out; the number that it had.
    pub fn remove(&mut self, id: ClientOrderId) -> Option<u32> {
        let (mut gap, removed) = self.find(id)?;
        let (mut place, mask) = (gap, self.mask());
        loop {
            place = self.next(place);
            let Some(number) = self.table[place].checked_sub(1) else { break };
            // It may move up unless it belongs behind the gap; distances go around the table's end.
            let from_home = place.wrapping_sub(self.home(self.ids[number as usize])) & mask;
            if from_home >= place.wrapping_sub(gap) & mask {
                self.table[gap] = number + 1;
                gap = place;
            }
        }
        self.table[gap] = 0;
        self.taken -= 1;
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Half of them belong to three places, for a table of any size that comes to be: its end is among them.
    fn id_of(which: u32) -> ClientOrderId {
        ClientOrderId(match which {
            0..45 => u128::from(which) << 64 | u128::from(which % 3).wrapping_sub(1) & 0xffff,
            _ => u128::from(which) * 0x9e37_79b9_7f4a_7c15,
        })
    }

    proptest! {
        #[test]
        fn every_id_has_its_number(steps in proptest::collection::vec((any::<bool>(), 0u32..90), 0..400)) {
            let (mut places, mut map, mut free) = (Places::default(), BTreeMap::new(), Vec::new());
            for (adds, which) in steps {
                let id = id_of(which);
                if adds && !map.contains_key(&id) {
                    let number = free.pop().unwrap_or(map.len() as u32);
                    places.insert(id, number);
                    map.insert(id, number);
                } else if !adds {
                    let removed = places.remove(id);
                    prop_assert_eq!(removed, map.remove(&id));
                    free.extend(removed);
                }
                prop_assert_eq!((places.len(), places.is_empty()), (map.len(), map.is_empty()));
                for id in (0..90).map(id_of) {
                    prop_assert_eq!(places.get(id), map.get(&id).copied());
                }
            }
        }
    }
}
