//! Interned names: a source, an instrument, a symbol or a currency as four bytes.
//!
//! The table is process-wide, append-only and holds names only, so an event can carry its source and instrument without
//! an allocation. A name's number depends on the order of interning and therefore never leaves the process: logs,
//! digests and frames use the text, or [`Name::hash`], which depends on nothing but the text.

use std::collections::HashMap;
use std::fmt;
use std::sync::{OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use xxhash_rust::xxh3::xxh3_64;

/// An interned name. `Name::NONE` is the empty name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Name(u32);

struct Entry {
    text: &'static str,
    hash: u64,
}

pub(crate) struct Table {
    by_text: HashMap<&'static str, u32>,
    entries: Vec<Entry>,
}

fn table() -> &'static RwLock<Table> {
    static TABLE: OnceLock<RwLock<Table>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut by_text = HashMap::new();
        by_text.insert("", 0);
        RwLock::new(Table { by_text, entries: vec![Entry { text: "", hash: xxh3_64(b"") }] })
    })
}

impl Name {
    /// The empty name: an event without an instrument carries it.
    pub const NONE: Name = Name(0);

    /// The name for `text`, entered into the table on first sight and kept for the life of the process.
    pub fn intern(text: &str) -> Name {
        if let Some(&id) = read().by_text.get(text) {
            return Name(id);
        }
        let mut table = write();
        if let Some(&id) = table.by_text.get(text) {
            return Name(id);
        }
        let id = u32::try_from(table.entries.len()).expect("fewer than four billion distinct names");
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        table.entries.push(Entry { text, hash: xxh3_64(text.as_bytes()) });
        table.by_text.insert(text, id);
        Name(id)
    }

    /// The text of the name.
    pub fn as_str(self) -> &'static str {
        read().entries[self.0 as usize].text
    }

    /// A hash of the text alone: equal in every process and every run.
    pub fn hash(self) -> u64 {
        read().entries[self.0 as usize].hash
    }

    /// The number of the name in this process, dense from 0: an index for tables, never to be stored.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The name with this number, if there is one: the inverse of [`Name::index`].
    pub fn at(index: usize) -> Option<Name> {
        (index < read().entries.len()).then_some(Name(index as u32))
    }

    /// True for the empty name.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

// The table is append-only and each append is complete before the lock is left: a poisoned lock hides no damage.

pub(crate) fn write() -> RwLockWriteGuard<'static, Table> {
    table().write().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn read() -> RwLockReadGuard<'static, Table> {
    table().read().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_text_same_name() {
        let a = Name::intern("BTC/USDT");
        assert_eq!(a, Name::intern("BTC/USDT"));
        assert_ne!(a, Name::intern("ETH/USDT"));
        assert_eq!(a.as_str(), "BTC/USDT");
        assert_eq!(a.hash(), xxh3_64(b"BTC/USDT"));
        assert!(Name::intern("").is_none());
    }

    #[test]
    fn threads_agree() {
        let names: Vec<Vec<Name>> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..200).map(|i| Name::intern(&format!("n{i}"))).collect())).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        assert!(names.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
