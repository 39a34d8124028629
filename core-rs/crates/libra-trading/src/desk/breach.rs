//! Open orders that must not stay, and are cancelled until they are gone: every one of an account whose kill latch is
//! set, or whose own actor was given up; what a passed loss limit takes from the book; what a strategy that is no more
//! left, unless its policy keeps it.
//!
//! A venue may refuse a cancel, a fill may make more of them, and an order may turn up late, so this is looked at again
//! with every fill and every step of the market or of the clock. The same order is not asked for more often than a
//! venue can answer.

use libra_kernel::router::Router;
use libra_kernel::{EventType, Name};

use crate::gate::Gate;
use crate::order::ClientOrderId;

use super::control::Asker;
use super::{Desk, OnVanish};

/// Between two cancels of one order.
pub(super) const ASK_AGAIN_NS: i64 = 5_000_000_000;

impl Desk {
    /// Cancels what must not stay. What a gateway outside has to cancel then stands in [`Desk::cancelling`]; behind a
    /// loss, an event says so.
    #[inline]
    pub(super) fn pursue_unwanted(&mut self, router: &mut Router, now_ns: i64) {
        if self.wants_nothing_gone() {
            // Of what is being cancelled the time stays: a venue may refuse it.
            if !self.unwanted.is_empty() && !self.left(Gate::count_open_of) {
                self.unwanted.clear();
            }
        } else {
            self.cancel_unwanted(router, now_ns);
        }
    }

    /// Asked at each step of the market: whoever is no more and left nothing costs no look at what is open.
    #[inline]
    pub(super) fn wants_nothing_gone(&self) -> bool {
        !self.takes_all() && self.gate.breaches().is_empty() && !self.left(Gate::count_uncancelled_of)
    }

    /// Has a strategy that is no more so many orders that must not stay, above none?
    #[inline]
    fn left(&self, count: impl Fn(&Gate, Name) -> usize) -> bool {
        let gone = self.vanished.iter().filter(|(_, gone)| gone.policy != OnVanish::Keep);
        gone.into_iter().any(|(strategy, _)| count(&self.gate, *strategy) > 0)
    }

    #[inline]
    fn takes_all(&self) -> bool {
        self.gate.is_killed() || self.gate.unattended().is_some()
    }

    #[cold]
    fn cancel_unwanted(&mut self, router: &mut Router, now_ns: i64) {
        let mut count = 0;
        self.gate.begin_together();
        for (id, asker) in self.unwanted_orders() {
            if now_ns < self.asks_for_at(id) {
                continue;
            }
            self.unwanted.insert(id, now_ns);
            self.cancel(router, now_ns, id, asker);
            count += u32::from(matches!(asker, Asker::Breach(_)));
        }
        self.force_together();
        if let Some(breach) = self.gate.breaches().first().copied().filter(|_| count > 0) {
            let orders = if count == 1 { "1 open order is".to_owned() } else { format!("{count} open orders are") };
            let detail = format!("{orders} cancelled: {}", breach.rejection().explanation());
            let code = breach.code.as_str();
            self.notice(router, now_ns, EventType::RiskLimitBreach, code, detail);
        }
        let gate = &self.gate;
        self.unwanted.retain(|id, _| gate.order(*id).is_some_and(|order| !order.status.is_final()));
    }

    /// Open orders that must not stay and have no cancel under way.
    fn unwanted_orders(&self) -> Vec<(ClientOrderId, Asker)> {
        if self.takes_all() {
            return self.gate.uncancelled_orders().map(|order| (order.client_order_id, Asker::Account)).collect();
        }
        let mut unwanted = Vec::new();
        if let Some(breach) = self.gate.breaches().first() {
            unwanted.extend(self.gate.exceeding_orders().into_iter().map(|id| (id, Asker::Breach(*breach))));
        }
        for order in self.gate.uncancelled_orders() {
            let gone = self.vanished.get(&order.request.strategy);
            if gone.is_some_and(|gone| gone.policy != OnVanish::Keep) && !self.is_flattening(&order.request) {
                unwanted.push((order.client_order_id, Asker::Account));
            }
        }
        unwanted
    }

    /// From when on the cancel of an order may be asked for.
    fn asks_for_at(&self, id: ClientOrderId) -> i64 {
        self.unwanted.get(&id).map_or(0, |asked_ns| asked_ns.saturating_add(ASK_AGAIN_NS))
    }

    /// When the next cancel of an order that must not stay is to be asked for.
    pub(super) fn next_unwanted_ns(&self) -> Option<i64> {
        if self.wants_nothing_gone() {
            return None;
        }
        self.unwanted_orders().into_iter().map(|(id, _)| self.asks_for_at(id)).min()
    }

    /// How many orders are being cancelled: the cancel waits for its answer, or was refused and is asked for again; and
    /// those that are over here and work at the venue.
    pub fn cancels_under_way(&self) -> usize {
        let again = self.gate.uncancelled_orders().filter(|order| self.unwanted.contains_key(&order.client_order_id));
        self.gate.cancels_pending() + again.count() + self.gate.strays().count()
    }
}
