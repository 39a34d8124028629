//! Refused requests: what their repetition is answered from, in bounded memory. The log keeps every one.
//!
//! Of a refusal stays, until the later of its request's deadline and [`KEEP_NS`] behind it and among the last
//! [`MAX_KNOWN`], the code and a hash of what was asked: the same request gets the same code. The last [`MAX_RECENT`]
//! stay in full. Refusals are forgotten when another one comes, the oldest first. A request that comes back after its
//! refusal was forgotten is judged by its deadline (`EXPIRED`); one without a deadline is a new request.
//!
//! All of this follows from the records and their times alone, so a restart knows and forgets the same.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use libra_kernel::SharedPayload;
use libra_kernel::digest::Digest;

use crate::order::{ClientOrderId, Order};
use crate::risk::{Rejection, RiskCode};

use super::approval::content_hash;
use super::ids::IdMap;

/// How long a refusal is known at least, unless there are too many.
pub(super) const KEEP_NS: i64 = 3_600 * 1_000_000_000;
/// How many refusals are known at most.
pub(super) const MAX_KNOWN: usize = 100_000;
/// How many of them are kept in full, whatever their age.
pub(super) const MAX_RECENT: usize = 1_000;

/// What stays of a refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub code: RiskCode,
    /// Of the request, for this process only; `None` where the log has but its id.
    pub content_hash: Option<u64>,
    ordinal: u64,
}

/// A refusal in full.
#[derive(Debug)]
pub(super) struct Refusal {
    pub order: Arc<Order>,
    pub rejection: Box<Rejection>,
    /// Its place among all outcomes of the log.
    pub ordinal: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Refusals {
    known: IdMap<Known>,
    /// Ids in the order of the log, each with the time until which it is known.
    ages: VecDeque<(u128, i64)>,
    recent: VecDeque<Refusal>,
    by_code: BTreeMap<&'static str, u64>,
    total: u64,
    /// Over every refusal that ever was.
    digest: Digest,
}

impl Refusals {
    pub fn get(&self, id: ClientOrderId) -> Option<&Known> {
        if self.known.is_empty() {
            return None;
        }
        self.known.get(&id.0)
    }

    fn place(&self, id: ClientOrderId) -> Option<usize> {
        let ordinal = self.get(id)?.ordinal;
        self.recent.binary_search_by_key(&ordinal, |refusal| refusal.ordinal).ok()
    }

    /// The refusal in full, when it is a recent one.
    pub fn full(&self, id: ClientOrderId) -> Option<&Refusal> {
        self.recent.get(self.place(id)?)
    }

    /// Those kept in full, in the order of the log.
    pub fn recent(&self) -> impl DoubleEndedIterator<Item = &Refusal> {
        self.recent.iter()
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn by_code(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_code
    }

    /// Takes in the refusal of a request that had no outcome before, at `now_ns`, and forgets what is too old by then.
    pub fn insert(&mut self, now_ns: i64, refusal: Refusal) {
        let (id, code) = (refusal.order.client_order_id.0, refusal.rejection.code);
        let request = &refusal.order.request;
        let known = Known { code, content_hash: Some(content_hash(request)), ordinal: refusal.ordinal };
        let until_ns = now_ns.saturating_add(KEEP_NS).max(request.deadline_ns);
        refusal.order.digest(&mut self.digest);
        self.digest.blob(refusal.rejection.to_string().as_bytes());
        self.recent.push_back(refusal);
        if self.recent.len() > MAX_RECENT {
            self.recent.pop_front();
        }
        self.know(now_ns, id, known, until_ns);
    }

    /// The same of one that the log has with its id and code alone; it is no recent one.
    pub fn insert_bare(&mut self, now_ns: i64, id: u128, code: RiskCode, ordinal: u64) {
        self.digest.i128(id as i128);
        self.digest.blob(code.as_str().as_bytes());
        self.know(now_ns, id, Known { code, content_hash: None, ordinal }, now_ns.saturating_add(KEEP_NS));
    }

    fn know(&mut self, now_ns: i64, id: u128, known: Known, until_ns: i64) {
        self.known.insert(id, known);
        self.ages.push_back((id, until_ns));
        *self.by_code.entry(known.code.as_str()).or_default() += 1;
        self.total += 1;
        while self.ages.len() > MAX_RECENT
            && let Some(&(id, until_ns)) = self.ages.front()
            && (now_ns > until_ns || self.ages.len() > MAX_KNOWN)
        {
            self.known.remove(&id);
            self.ages.pop_front();
        }
    }

    /// Takes a recent refusal out, because its order turned out to be at the venue after all. It stays counted.
    pub fn take(&mut self, id: ClientOrderId) -> Option<Refusal> {
        let place = self.place(id)?;
        self.known.remove(&id.0);
        self.recent.remove(place)
    }

    pub fn digest(&self, digest: &mut Digest) {
        digest.u64(self.total);
        digest.blob(self.digest.hex().as_bytes());
    }
}
