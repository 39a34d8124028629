//! What the venue says, and what has to become of it: each fact once, never back, and a lie is an incident.

use libra_trading::order::{ClientOrderId, OrderStatus, VenueOutcome, VenueReport};

use crate::truth::{Effect, Row, SECOND, Truth, sign};

impl Truth {
    /// Takes a report in.
    pub fn take(&mut self, report: &VenueReport) -> Effect {
        let id = report.client_order_id;
        if let VenueOutcome::Filled { price, size, .. } = report.outcome
            && (price <= 0 || size <= 0)
        {
            return Effect::Impossible;
        }
        let works = matches!(report.outcome, VenueOutcome::Accepted | VenueOutcome::Filled { .. });
        let Some(known) = self.asked.get(&id).and_then(|asked| asked.outcome.clone()) else {
            if !works || (self.incident && self.strangers.contains(&id)) {
                return Effect::None;
            }
            self.strangers.insert(id);
            self.incident = true;
            return Effect::Taken;
        };
        let status = known.status;
        let answered = status >= OrderStatus::Accepted;
        let gone = !matches!(
            report.outcome,
            VenueOutcome::Accepted | VenueOutcome::Filled { .. } | VenueOutcome::CancelRejected { .. }
        );
        if gone && self.strays.remove(&id) {
            self.written_if_known(id, report);
            return Effect::Seen;
        }
        let (next, counts) = match &report.outcome {
            VenueOutcome::Filled { .. } => return self.fill(id, report),
            VenueOutcome::Accepted if (status == OrderStatus::Rejected || known.lost) && !self.is_whole(id) => {
                if self.incident && self.strays.contains(&id) {
                    return Effect::None;
                }
                self.strays.insert(id);
                return self.contradict(id, report);
            }
            _ if known.refused => return Effect::None,
            VenueOutcome::Rejected { .. } if answered && !status.is_final() => {
                if self.incident && self.strangers.contains(&id) {
                    return self.is_there_after_all(id, report);
                }
                self.strangers.insert(id);
                return self.contradict(id, report);
            }
            VenueOutcome::Accepted => (OrderStatus::Accepted, !answered),
            VenueOutcome::Rejected { .. } => (OrderStatus::Rejected, !answered),
            VenueOutcome::Cancelled { .. } => (OrderStatus::Cancelled, !status.is_final()),
            VenueOutcome::Expired => (OrderStatus::Expired, !status.is_final()),
            VenueOutcome::CancelRejected { .. } => (status, known.cancel_pending),
            VenueOutcome::NotFound => {
                let later = known.not_found_ns.is_none_or(|first| report.ts_venue_ns > first);
                if status.is_final() || report.ts_venue_ns <= known.window_end_ns || !later {
                    return Effect::None;
                }
                let end = if answered { OrderStatus::Cancelled } else { OrderStatus::Rejected };
                let agrees = known.not_found_ns.is_some_and(|first| report.ts_venue_ns <= first + 300 * SECOND);
                (if agrees { end } else { status }, true)
            }
        };
        if !counts {
            return self.is_there_after_all(id, report);
        }
        let outcome = self.written(id, report);
        outcome.lost = next == OrderStatus::Cancelled && report.outcome == VenueOutcome::NotFound;
        outcome.status = next;
        let missed = report.outcome == VenueOutcome::NotFound && !next.is_final();
        outcome.not_found_ns = missed.then_some(report.ts_venue_ns);
        outcome.cancel_pending &= !next.is_final() && !matches!(report.outcome, VenueOutcome::CancelRejected { .. });
        Effect::Taken
    }

    /// Nothing of it is left that could work.
    fn is_whole(&self, id: ClientOrderId) -> bool {
        self.asked.get(&id).is_some_and(|asked| self.filled(id) >= asked.request.size)
    }

    /// The venue says what cannot be: it is told, and changes nothing.
    fn contradict(&mut self, id: ClientOrderId, report: &VenueReport) -> Effect {
        self.incident = true;
        self.written_if_known(id, report);
        Effect::Seen
    }

    /// The venue's id of an order that had an intent.
    fn written_if_known(&mut self, id: ClientOrderId, report: &VenueReport) {
        let outcome = self.asked.get(&id).and_then(|asked| asked.outcome.as_ref()).expect("it has an outcome");
        if !outcome.refused || !outcome.trades.is_empty() {
            self.written(id, report).not_found_ns = None;
        }
    }

    /// The venue says again what is known: what it missed before, it knows.
    fn is_there_after_all(&mut self, id: ClientOrderId, report: &VenueReport) -> Effect {
        let outcome = self.asked.get_mut(&id).and_then(|asked| asked.outcome.as_mut()).expect("it has an outcome");
        if report.outcome == VenueOutcome::NotFound || outcome.not_found_ns.is_none() {
            return Effect::None;
        }
        self.written(id, report).not_found_ns = None;
        Effect::Seen
    }

    fn written(&mut self, id: ClientOrderId, report: &VenueReport) -> &mut crate::truth::Outcome {
        let asked = self.asked.get_mut(&id).expect("it is known");
        let outcome = asked.outcome.as_mut().expect("it has an outcome");
        if !report.venue_order_id.is_empty() {
            outcome.venue_id.clone_from(&report.venue_order_id);
        }
        outcome
    }

    fn fill(&mut self, id: ClientOrderId, report: &VenueReport) -> Effect {
        let VenueOutcome::Filled { trade_id, price, size, fee, fee_currency, .. } = report.outcome else {
            return Effect::None;
        };
        let outcome = self.written(id, &VenueReport { venue_order_id: String::new(), ..report.clone() });
        if !outcome.trades.insert(trade_id) {
            return self.is_there_after_all(id, report);
        }
        outcome.not_found_ns = None;
        self.written(id, report);
        let request = self.asked[&id].request.clone();
        if self.instrument(request.instrument).notional(price, size).is_none() {
            self.incident = true;
            return Effect::Taken;
        }
        let (instrument, sign) = (request.instrument, sign(request.side));
        self.rows.push(Row { order: id, trade: trade_id, instrument, sign, price, size, fee, fee_currency });
        let filled = self.filled(id);
        if filled >= request.size {
            self.strays.remove(&id);
        }
        let outcome = self.written(id, report);
        self.incident |= filled > request.size || outcome.status == OrderStatus::Rejected;
        let outcome = self.written(id, report);
        if !outcome.status.is_final() {
            let whole = filled >= request.size;
            outcome.status = if whole { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        }
        outcome.cancel_pending &= !outcome.status.is_final();
        Effect::Taken
    }
}
