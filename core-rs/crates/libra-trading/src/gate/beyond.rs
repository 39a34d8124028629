//! Refusals beyond a strategy's allowance of records: a storm of requests must not become a storm of the log.
//!
//! The first refusals of a strategy within a second have a record each. What is refused beyond them is gathered by strategy
//! and code, and the log gets one record of each such group a second (or for each [`MOST`] of them) with the ids alone: they stay
//! refused after a restart, under their code. Whoever asked was answered at once, in full. A process that is killed within
//! that second forgets what it had gathered: such a request, should it come again, is judged by every check again.

use std::collections::BTreeMap;

use libra_kernel::Name;
use libra_kernel::allowance::Allowance;

use crate::order::ClientOrderId;
use crate::risk::RiskCode;

use super::Gate;
use super::ids::IdMap;
use super::record::Record;

/// How long refusals are gathered.
const EVERY_NS: i64 = 1_000_000_000;
/// How many are gathered at most.
const MOST: usize = 1_000;

/// See the module.
pub(super) struct Beyond {
    per_second: u32,
    allowances: BTreeMap<Name, Allowance>,
    gathered: IdMap<Refused>,
    since_ns: i64,
}

/// A refusal that the log does not have yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub code: RiskCode,
    pub content_hash: u64,
    strategy: Name,
}

impl Beyond {
    /// So many refusals of a strategy have a record of their own within a second; 0 for all.
    pub fn new(per_second: u32) -> Self {
        Beyond { per_second, allowances: BTreeMap::new(), gathered: IdMap::default(), since_ns: 0 }
    }

    #[inline]
    pub fn get(&self, id: ClientOrderId) -> Option<Refused> {
        if self.gathered.is_empty() {
            return None;
        }
        self.gathered.get(&id.0).copied()
    }

    /// True while what a strategy is refused has a record of its own.
    fn has_record(&mut self, now_ns: i64, strategy: Name) -> bool {
        let per_second = self.per_second;
        self.allowances.entry(strategy).or_insert_with(|| Allowance::new(per_second)).take(false, || now_ns)
    }

    #[inline]
    fn is_due(&self, now_ns: i64) -> bool {
        // A clock that went back holds nothing up.
        !self.gathered.is_empty()
            && (self.gathered.len() >= MOST || !(0..EVERY_NS).contains(&now_ns.saturating_sub(self.since_ns)))
    }
}

impl Gate {
    /// True when this refusal is beyond what its strategy has records for: it is gathered, and known from now on.
    #[cold]
    pub(super) fn gathers(&mut self, now_ns: i64, id: ClientOrderId, refused: (Name, RiskCode), content: u64) -> bool {
        let (strategy, code) = refused;
        if self.log_failed || self.beyond.has_record(now_ns, strategy) {
            return false;
        }
        if self.beyond.gathered.is_empty() {
            self.beyond.since_ns = now_ns;
        }
        self.beyond.gathered.insert(id.0, Refused { code, content_hash: content, strategy });
        self.record_gathered(now_ns);
        true
    }

    /// Appends what was gathered, when its time has come.
    #[inline]
    pub(super) fn record_gathered(&mut self, now_ns: i64) {
        if self.beyond.is_due(now_ns) {
            self.record_all_gathered(now_ns);
        }
    }

    /// Appends all that was gathered. What the log does not take stays refused in this process.
    #[cold]
    pub(super) fn record_all_gathered(&mut self, now_ns: i64) {
        let mut groups: BTreeMap<(Name, &'static str), (RiskCode, Vec<u128>)> = BTreeMap::new();
        let gathered = std::mem::take(&mut self.beyond.gathered);
        for (id, refused) in &gathered {
            let group = groups.entry((refused.strategy, refused.code.as_str()));
            group.or_insert_with(|| (refused.code, Vec::new())).1.push(*id);
        }
        for ((strategy, _), (code, mut ids)) in groups {
            // A map's order must decide nothing.
            ids.sort_unstable();
            let record = Record::Refused { now_ns, strategy, code, ids: ids.clone() };
            if self.commit(record).is_err() {
                for id in ids {
                    self.unlogged.keep(ClientOrderId(id), gathered[&id].content_hash);
                }
            }
        }
    }

    /// The same at a moment of which nobody told the time: an orderly end.
    pub(super) fn record_all_gathered_now(&mut self) {
        if !self.beyond.gathered.is_empty() {
            self.record_all_gathered(self.beyond.since_ns);
        }
    }
}
