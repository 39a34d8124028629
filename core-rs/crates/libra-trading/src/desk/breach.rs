//! What becomes of open orders while a loss limit is passed: those that must not stay are cancelled, as long as there are
//! any. A fill may make more of them, and a cancel may be refused, so this is looked at again with every fill and every
//! step of the market; the same order is not asked for more often than a venue can answer.

use libra_kernel::EventType;
use libra_kernel::router::Router;

use super::Desk;
use super::control::Asker;

/// Between two cancels of one order.
pub(super) const ASK_AGAIN_NS: i64 = 5_000_000_000;

impl Desk {
    /// Cancels what must not stay. What a gateway outside has to cancel then stands in [`Desk::cancelling`], and an event
    /// says so.
    #[inline]
    pub(super) fn pursue_breach(&mut self, router: &mut Router, now_ns: i64) {
        if !self.gate.breaches().is_empty() {
            self.cancel_exceeding(router, now_ns);
        } else if !self.exceeding.is_empty() {
            self.exceeding.clear();
        }
    }

    #[cold]
    fn cancel_exceeding(&mut self, router: &mut Router, now_ns: i64) {
        let Some(breach) = self.gate.breaches().first().copied() else { return };
        let mut count = 0;
        for id in self.gate.exceeding_orders() {
            if self.exceeding.get(&id).is_some_and(|asked_ns| now_ns < asked_ns.saturating_add(ASK_AGAIN_NS)) {
                continue;
            }
            self.exceeding.insert(id, now_ns);
            self.cancel(router, now_ns, id, Asker::Breach(breach.code));
            count += 1;
        }
        if count > 0 {
            let orders = if count == 1 { "1 open order is".to_owned() } else { format!("{count} open orders are") };
            let detail = format!("{orders} cancelled: {}", breach.rejection().explanation());
            let code = breach.code.as_str();
            self.notice(router, now_ns, EventType::RiskLimitBreach, code, detail);
        }
    }
}
