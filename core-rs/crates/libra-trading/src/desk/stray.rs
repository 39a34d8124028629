//! Orders that are over here and that work at the venue as it says: cancelled there until it says that they are gone.

use crate::order::ClientOrderId;

use super::Desk;
use super::breach::ASK_AGAIN_NS;

impl Desk {
    /// Cancels them, each again once the venue has refused and had time. What a gateway outside has to cancel then stands in
    /// [`Desk::cancelling`].
    #[inline]
    pub(super) fn pursue_strays(&mut self, now_ns: i64) {
        if !self.strays.is_empty() || self.gate.strays().next().is_some() {
            self.cancel_strays(now_ns);
        }
    }

    #[cold]
    fn cancel_strays(&mut self, now_ns: i64) {
        for id in self.gate.strays().collect::<Vec<_>>() {
            if self.cancelling.contains(&id) || now_ns < self.stray_due_ns(id) {
                continue;
            }
            self.strays.insert(id, now_ns);
            self.gate.count_stray_cancel(now_ns, id);
            if !self.link.cancel(now_ns, id) {
                self.cancelling.insert(id);
            }
        }
        let gate = &self.gate;
        self.strays.retain(|id, _| gate.is_stray(*id));
    }

    fn stray_due_ns(&self, id: ClientOrderId) -> i64 {
        self.strays.get(&id).map_or(0, |asked_ns| asked_ns.saturating_add(ASK_AGAIN_NS))
    }

    /// When the next of them is to be cancelled.
    pub(super) fn next_stray_ns(&self) -> Option<i64> {
        let due = self.gate.strays().filter(|id| !self.cancelling.contains(id));
        due.map(|id| self.stray_due_ns(id)).min()
    }
}
