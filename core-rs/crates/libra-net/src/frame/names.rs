//! Names as numbers of two bytes: each frame has a table of those that its events mention.
//!
//! The table comes behind the events, since it is known when they are written: `u8` length and UTF-8 for each, numbered
//! from 1; 0 is the empty name. On both sides a name costs a look into a table of our own: no lock and no hash an event.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use libra_kernel::Name;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::error::{EncodeError, FrameError};

/// So many distinct names one [`super::FrameReader`] takes in: they stay in memory for the life of the process.
pub const NAME_LIMIT: usize = 100_000;

#[derive(Clone, Copy, Default)]
struct Slot {
    text: &'static str,
    frame: u32,
    number: u16,
}

/// The names of the frame that is being written.
#[derive(Default)]
pub(super) struct NamesOut {
    /// By [`Name::index`]: its text, the frame that mentioned it last, and its number there.
    slots: Vec<Slot>,
    frame: u32,
    used: Vec<Name>,
    table: Vec<u8>,
}

/// How far the table was: to take back what came after.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    used: usize,
    table: usize,
}

impl NamesOut {
    /// Begins the table of the next frame.
    pub fn clear(&mut self) {
        self.used.clear();
        self.table.clear();
        self.frame = self.frame.wrapping_add(1);
        if self.frame == 0 {
            // After four billion frames a number could be taken for one of this frame.
            self.slots.iter_mut().for_each(|slot| slot.frame = 0);
            self.frame = 1;
        }
    }

    /// The number of a name in this frame.
    #[inline]
    pub fn number(&mut self, name: Name) -> Result<u16, EncodeError> {
        match self.slots.get(name.index()) {
            Some(slot) if slot.frame == self.frame => Ok(slot.number),
            _ => self.enter(name),
        }
    }

    fn enter(&mut self, name: Name) -> Result<u16, EncodeError> {
        if name.is_none() {
            return Ok(0);
        }
        if name.index() >= self.slots.len() {
            self.slots.resize(name.index() + 1, Slot::default());
        }
        let slot = &mut self.slots[name.index()];
        if slot.text.is_empty() {
            slot.text = name.as_str();
        }
        let length = u8::try_from(slot.text.len()).map_err(|_| EncodeError::NameTooLong(slot.text.len()))?;
        let number = u16::try_from(self.used.len() + 1).map_err(|_| EncodeError::TooManyNames)?;
        self.table.push(length);
        self.table.extend_from_slice(slot.text.as_bytes());
        self.used.push(name);
        (slot.frame, slot.number) = (self.frame, number);
        Ok(number)
    }

    /// The table's length in bytes.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// The number of names in it.
    pub fn count(&self) -> u16 {
        self.used.len() as u16
    }

    /// The table.
    pub fn table(&self) -> &[u8] {
        &self.table
    }

    pub fn mark(&self) -> Mark {
        Mark { used: self.used.len(), table: self.table.len() }
    }

    /// Forgets the names that were entered since.
    pub fn take_back(&mut self, mark: Mark) {
        for name in self.used.drain(mark.used..) {
            self.slots[name.index()].frame = 0;
        }
        self.table.truncate(mark.table);
    }
}

/// XXH3 of the text: names are short, and there are at most [`NAME_LIMIT`] of them.
#[derive(Default)]
struct TextHasher(u64);

impl Hasher for TextHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u8(&mut self, _end_of_text: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The names that frames mentioned, so that the kernel's table is asked once for each.
pub(super) struct NamesIn {
    known: HashMap<&'static str, Name, BuildHasherDefault<TextHasher>>,
    /// The table of the frame that was read last, from the empty name on; a longer one before it may still stand behind.
    /// The next frame's often is the same, and then needs no search.
    last: Vec<(&'static str, Name)>,
    limit: usize,
}

impl NamesIn {
    pub fn new(limit: usize) -> Self {
        NamesIn { known: HashMap::default(), last: vec![("", Name::NONE)], limit }
    }

    /// Reads a table of `count` names, which must fill `bytes`.
    pub fn read(&mut self, mut bytes: &[u8], count: u16) -> Result<&[(&'static str, Name)], FrameError> {
        let count = usize::from(count);
        for number in 1..=count {
            let (&length, rest) = bytes.split_first().ok_or(FrameError::Names("it ends early"))?;
            let (text, rest) =
                rest.split_at_checked(usize::from(length)).ok_or(FrameError::Names("it ends within a name"))?;
            bytes = rest;
            if self.last.get(number).is_some_and(|entry| entry.0.as_bytes() == text) {
                continue;
            }
            let entry = self.look_up(text)?;
            match self.last.get_mut(number) {
                Some(place) => *place = entry,
                None => self.last.push(entry),
            }
        }
        if !bytes.is_empty() {
            return Err(FrameError::Names("bytes are left behind the last name"));
        }
        Ok(&self.last[..=count])
    }

    fn look_up(&mut self, text: &[u8]) -> Result<(&'static str, Name), FrameError> {
        let text = std::str::from_utf8(text).map_err(|_| FrameError::Names("a name is not UTF-8"))?;
        if text.is_empty() {
            return Err(FrameError::Names("a name is empty"));
        }
        if let Some((&text, &name)) = self.known.get_key_value(text) {
            return Ok((text, name));
        }
        if self.known.len() >= self.limit {
            return Err(FrameError::TooManyNames(self.limit));
        }
        let name = Name::intern(text);
        self.known.insert(name.as_str(), name);
        Ok((name.as_str(), name))
    }
}
