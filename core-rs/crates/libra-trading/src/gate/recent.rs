//! What was sent and executed of late, as the log has it. Rates and our share of the volume go on from there after a
//! restart: a process that dies and comes back, again and again, gets no fresh allowance each time.
//!
//! A record's time is taken for what it counts: an order by its intent, which is not before its approval, so a window is
//! never open earlier than it was in the process that died. What the log does not hold is not counted: approvals that
//! were never spent, and the second and later cancels of one order.
//!
//! A time ahead of the clock (the clock went back) counts as now: it holds its window for the window's length, and no
//! longer.

use std::collections::VecDeque;

use libra_kernel::Name;

use crate::risk::keys::LimitKey;
use crate::risk::rate::{MINUTE_NS, Rates};

use super::record::Record;
use super::state::State;

/// A message that left, or was about to.
struct Sent {
    at_ns: i64,
    strategy: Name,
    is_order: bool,
}

/// See the module.
pub(super) struct Recent {
    now_ns: i64,
    volume_window_ns: i64,
    sent: VecDeque<Sent>,
    /// When, the instrument's place, how much.
    executed: Vec<(i64, usize, i64)>,
    /// Fills that were looked at.
    fills: usize,
}

impl Recent {
    pub fn new(now_ns: i64, volume_window_ns: i64) -> Self {
        Recent { now_ns, volume_window_ns, sent: VecDeque::new(), executed: Vec::new(), fills: 0 }
    }

    /// True for a time that a window of `span_ns` still reaches.
    fn reaches(&self, at_ns: i64, span_ns: i64) -> bool {
        self.now_ns.saturating_sub(at_ns) < span_ns
    }

    /// Takes in a record that `state` has just applied.
    pub fn note(&mut self, record: &Record, state: &State) {
        match record {
            Record::Intent { now_ns, request, .. } => self.send(*now_ns, request.strategy, true),
            Record::CancelIntent { now_ns, client_order_id } => {
                if let Some((_, entry)) = state.entry(*client_order_id) {
                    self.send(*now_ns, entry.order.request.strategy, false);
                }
            }
            // A report that could not be booked is no execution of ours.
            Record::Report { now_ns, report } if state.booked.len() > self.fills => {
                self.fills = state.booked.len();
                if self.reaches(*now_ns, self.volume_window_ns)
                    && let Some((_, entry)) = state.entry(report.client_order_id)
                    && let (Some(slot), Some(fill)) = (entry.instrument, &entry.order.last_fill)
                {
                    self.executed.push((*now_ns, slot, fill.size));
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, at_ns: i64, strategy: Name, is_order: bool) {
        if !self.reaches(at_ns, MINUTE_NS) {
            return;
        }
        self.sent.push_back(Sent { at_ns, strategy, is_order });
        // No window is larger.
        if self.sent.len() as i128 > LimitKey::MaxOrdersPerMinute.most() {
            self.sent.pop_front();
        }
    }

    /// Counts all of it, in the order of time.
    pub fn count(mut self, rates: &mut Rates, state: &mut State) {
        let now_ns = self.now_ns;
        let sent = self.sent.make_contiguous();
        sent.sort_by_key(|sent| sent.at_ns.min(now_ns));
        for Sent { at_ns, strategy, is_order } in &*sent {
            let at_ns = now_ns.min(*at_ns);
            if *is_order { rates.record_order(at_ns, *strategy) } else { rates.record_message(at_ns, *strategy) }
        }
        self.executed.sort_by_key(|(at_ns, ..)| *at_ns);
        for (at_ns, slot, size) in self.executed {
            state.count_own(slot, now_ns.min(at_ns), size);
        }
    }
}
