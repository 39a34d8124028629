//! What a venue says, judged and booked: each fact once, never back.
//!
//! | report | taken in when |
//! | --- | --- |
//! | accepted | the order was not answered yet; of one that was rejected here, or taken for lost: an incident |
//! | rejected | the order was not answered yet; of one that works: an incident |
//! | filled | (order, trade id) is new, whatever the order's status: the venue is the truth |
//! | cancelled, expired | the order is not final |
//! | cancel refused | a cancel waits for its answer |
//! | not found | the order's window is over on the venue's clock; a second one, later but not too much, is final |
//!
//! What is not news, but speaks against a first "not found", is written down for that.

use std::sync::Arc;

use crate::account::Booked;
use crate::order::{ClientOrderId, Fill, OrderRequest, OrderStatus, VenueOutcome, VenueReport};
use crate::risk::RiskCode;

use super::event::{GateEvent, Incident, IncidentCode};
use super::state::State;

/// For how long, on the venue's clock, a first "not found" waits for a second one that agrees: longer than between two
/// queries of one order. An older one is an answer of another time, and says nothing about this one.
pub(super) const NOT_FOUND_AGES_NS: i64 = 300 * 1_000_000_000;

/// The same of logs that do not say what an answer came to; it never changes.
pub(super) const OLD_NOT_FOUND_AGES_NS: i64 = 300 * 1_000_000_000;

/// What becomes of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// New: append and book.
    Apply,
    /// Known already, and still to be written down: it takes a first "not found" back.
    Seen,
    /// Known already.
    Duplicate,
    /// Behind what is known.
    Late,
    /// Says what cannot be after what is known: an incident, and nothing else changes.
    Dispute,
    /// The same again while that incident stands.
    Conflict,
    /// A "not found" that decides nothing yet.
    Undecided,
    /// Of an order that the log does not know; nothing hangs on it.
    Unknown,
    /// No execution: price or size is not above zero.
    Invalid,
}

pub(super) fn fill_key(index: usize, trade_id: u64) -> u128 {
    (index as u128) << 64 | u128::from(trade_id)
}

impl State {
    /// Judges a report without changing anything.
    pub(super) fn judge(&self, report: &VenueReport) -> Verdict {
        let verdict = self.judge_alone(report);
        let doubted = || self.entry(report.client_order_id).is_some_and(|(_, entry)| entry.not_found_ns.is_some());
        let speaks = report.outcome != VenueOutcome::NotFound;
        match verdict {
            Verdict::Duplicate | Verdict::Late if self.ends_stray(report) => Verdict::Seen,
            Verdict::Duplicate | Verdict::Late | Verdict::Conflict if speaks && doubted() => Verdict::Seen,
            other => other,
        }
    }

    /// The same for an order that no query has missed and that does not work behind its end.
    fn judge_alone(&self, report: &VenueReport) -> Verdict {
        use OrderStatus::{Accepted, Rejected};
        if let VenueOutcome::Filled { price, size, .. } = report.outcome
            && (price <= 0 || size <= 0)
        {
            return Verdict::Invalid;
        }
        let Some((index, entry)) = self.entry(report.client_order_id) else {
            if self.refusals.get(report.client_order_id).is_some() {
                return match report.outcome {
                    VenueOutcome::Filled { .. } => self.judge_stranger(report),
                    VenueOutcome::Accepted => self.judge_contradiction(report),
                    VenueOutcome::Rejected { .. } | VenueOutcome::CancelRejected { .. } => Verdict::Duplicate,
                    _ => Verdict::Late,
                };
            }
            return self.judge_stranger(report);
        };
        let status = entry.order.status;
        let ends = |end: OrderStatus| match status {
            _ if status == end => Verdict::Duplicate,
            _ if status.is_final() => Verdict::Late,
            _ => Verdict::Apply,
        };
        match &report.outcome {
            VenueOutcome::Accepted if status < Accepted => Verdict::Apply,
            VenueOutcome::Accepted if status == Accepted => Verdict::Duplicate,
            // Executed as a whole, it cannot work any more: this is heard late.
            VenueOutcome::Accepted if entry.order.filled >= entry.order.request.size => Verdict::Late,
            VenueOutcome::Accepted if status == Rejected || entry.order.reason == RiskCode::NotFound.as_str() => {
                self.judge_contradiction(report)
            }
            VenueOutcome::Accepted => Verdict::Late,
            VenueOutcome::Rejected { .. } if status >= Accepted && !status.is_final() => {
                self.judge_contradiction(report)
            }
            VenueOutcome::Rejected { .. } => ends(Rejected),
            VenueOutcome::Filled { trade_id, .. } => {
                let known = self.fill_keys.contains(&fill_key(index, *trade_id));
                if known { Verdict::Duplicate } else { Verdict::Apply }
            }
            VenueOutcome::Cancelled { .. } => ends(OrderStatus::Cancelled),
            VenueOutcome::Expired => ends(OrderStatus::Expired),
            VenueOutcome::CancelRejected { .. } if entry.cancel_pending => Verdict::Apply,
            VenueOutcome::CancelRejected { .. } => Verdict::Duplicate,
            VenueOutcome::NotFound if status.is_final() => Verdict::Late,
            VenueOutcome::NotFound => {
                let over = report.ts_venue_ns > entry.window_end_ns;
                let agrees = entry.not_found_ns.is_none_or(|first| report.ts_venue_ns > first);
                if over && agrees { Verdict::Apply } else { Verdict::Undecided }
            }
        }
    }

    /// A report of an order that the log does not know, or of a refused one.
    fn judge_stranger(&self, report: &VenueReport) -> Verdict {
        let id = report.client_order_id;
        if self.refusals.full(id).is_some() {
            return Verdict::Apply;
        }
        let works = matches!(report.outcome, VenueOutcome::Accepted | VenueOutcome::Filled { .. });
        let told = self.disputed.contains(&id.0) && self.incident.is_some();
        if works && !told { Verdict::Apply } else { Verdict::Unknown }
    }

    /// True when a "not found" came before this one, older by so much at most on the venue's clock, and nothing in between.
    pub(super) fn agrees_within(&self, report: &VenueReport, ages_ns: i64) -> bool {
        let first_ns = self.entry(report.client_order_id).and_then(|(_, entry)| entry.not_found_ns);
        first_ns.is_some_and(|first_ns| report.ts_venue_ns.saturating_sub(first_ns) <= ages_ns)
    }

    /// Takes in a report that was judged [`Verdict::Apply`]; a "not found" is the order's end where it `ends` it.
    pub(super) fn apply_report(
        &mut self,
        now_ns: i64,
        report: &VenueReport,
        ends: bool,
        events: &mut Vec<GateEvent>,
    ) -> Result<(), &'static str> {
        let id = report.client_order_id;
        let filled = matches!(report.outcome, VenueOutcome::Filled { .. });
        let verdict = self.judge(report);
        if self.ends_stray(report) {
            self.strays.remove(&id);
        }
        let known = match self.find(id) {
            Err(_) if filled => self.adopt_refused(id)?,
            found => found.ok(),
        };
        let Some(index) = known else {
            match verdict {
                Verdict::Dispute => self.dispute(report, events),
                Verdict::Seen => {}
                _ => self.meet_stranger(id, events),
            }
            return Ok(());
        };
        if !report.venue_order_id.is_empty() && self.entries.get(index).order.venue_order_id != report.venue_order_id {
            Arc::make_mut(&mut self.entries.change(index).order).venue_order_id.clone_from(&report.venue_order_id);
        }
        self.entries.change(index).not_found_ns = None;
        match verdict {
            Verdict::Seen => return Ok(()),
            Verdict::Dispute => {
                self.dispute(report, events);
                return Ok(());
            }
            _ => {}
        }
        match &report.outcome {
            VenueOutcome::Accepted => self.enter(index, now_ns, OrderStatus::Accepted, "", ""),
            VenueOutcome::Rejected { code, detail } => {
                self.enter(index, now_ns, OrderStatus::Rejected, code, detail);
            }
            VenueOutcome::Cancelled { reason } => self.enter(index, now_ns, OrderStatus::Cancelled, reason, ""),
            VenueOutcome::Expired => {
                self.enter(index, now_ns, OrderStatus::Expired, RiskCode::Expired.as_str(), "");
            }
            VenueOutcome::CancelRejected { detail } => {
                self.mark_cancelling(index, false);
                events.push(GateEvent::CancelRejected { client_order_id: id, detail: detail.clone() });
                return Ok(());
            }
            VenueOutcome::NotFound if !ends => {
                self.entries.change(index).not_found_ns = Some(report.ts_venue_ns);
                return Ok(());
            }
            VenueOutcome::NotFound => {
                // An order that the venue had answered is gone from there: cancelled, with what was executed before.
                let answered = self.entries.get(index).order.status >= OrderStatus::Accepted;
                let end = if answered { OrderStatus::Cancelled } else { OrderStatus::Rejected };
                let code = RiskCode::NotFound;
                self.enter(index, now_ns, end, code.as_str(), code.description());
            }
            &VenueOutcome::Filled { trade_id, price, size, fee, fee_currency, liquidity } => {
                let OrderRequest { instrument, strategy, side, .. } = self.entries.get(index).order.request;
                let fill = Fill {
                    client_order_id: id,
                    trade_id,
                    instrument,
                    strategy,
                    side,
                    price,
                    size,
                    fee,
                    fee_currency,
                    liquidity,
                    ts_venue_ns: report.ts_venue_ns,
                };
                return self.apply_fill(index, now_ns, fill, events);
            }
        }
        self.rehold(index)?;
        events.push(GateEvent::Order(self.entries.get(index).order()));
        Ok(())
    }

    fn enter(&mut self, index: usize, now_ns: i64, status: OrderStatus, reason: &str, detail: &str) {
        let order = self.order_mut(index, now_ns);
        order.status = status;
        order.reason = reason.to_owned();
        order.detail = detail.to_owned();
        self.settle(index);
    }

    /// A final order waits for nothing.
    fn settle(&mut self, index: usize) {
        if self.entries.get(index).order.status.is_final() {
            self.mark_cancelling(index, false);
            let strategy = self.entries.get(index).order.request.strategy;
            if self.open.remove(index, strategy) {
                self.entries.ended(index);
            }
        }
    }

    fn apply_fill(
        &mut self,
        index: usize,
        now_ns: i64,
        fill: Fill,
        events: &mut Vec<GateEvent>,
    ) -> Result<(), &'static str> {
        let Fill { client_order_id: id, trade_id, price, size, fee, .. } = fill;
        if !self.fill_keys.insert(fill_key(index, trade_id)) {
            return Err("a fill that was booked before");
        }
        let before = self.entries.get(index).order();
        let sums = (|| {
            let instrument = self.account.instrument(fill.instrument)?;
            let notional = before.filled_notional.checked_add(instrument.notional(price, size)?)?;
            Some((before.filled.checked_add(size)?, notional, before.fees.checked_add(fee)?))
        })();
        // The account was opened with what this one did: only its order has not heard of it.
        let contained = self.is_contained(index, fill.ts_venue_ns);
        let booked = match sums {
            Some(sums) if contained => Ok((sums, Booked { changes: Vec::new(), currencies: Vec::new() })),
            Some(sums) => self.account.book(&fill).map(|booked| (sums, booked)).map_err(|error| error.to_string()),
            None => Err("the order's sums do not fit".to_owned()),
        };
        let ((filled, notional, fees), booked) = match booked {
            Ok(booked) => booked,
            Err(why) => {
                self.raise(IncidentCode::CannotBook, id, &format!("trade {trade_id}: {why}"), events);
                return Ok(());
            }
        };

        let order = self.order_mut(index, now_ns);
        (order.filled, order.filled_notional, order.fees) = (filled, notional, fees);
        order.last_fill = (!contained).then(|| fill.clone());
        if !order.status.is_final() {
            let whole = filled >= order.request.size;
            order.status = if whole { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        }
        self.settle(index);
        self.rehold(index)?;
        if let Some(slot) = self.entries.get(index).instrument.filter(|_| !contained) {
            self.count_own(slot, now_ns, size);
        }
        if !contained {
            self.booked.push(index, &fill);
        }
        events.push(GateEvent::Order(self.entries.get(index).order()));
        for (change, position) in booked.changes {
            events.push(GateEvent::Position { change, position });
        }
        for currency in booked.currencies {
            events.push(GateEvent::Balance(self.account.balances()[currency]));
        }
        // One that was whole before and works on is larger there than here.
        if filled >= before.request.size && before.filled < before.request.size {
            self.strays.remove(&id);
        }
        // One that is known by its executions alone is as large as those behind the opening: what that contains is beside them.
        if filled > before.request.size && !contained {
            let detail = format!("trade {trade_id}: {filled} of {} units", before.request.size);
            self.raise(IncidentCode::Overfill, id, &detail, events);
        }
        if before.status == OrderStatus::Rejected {
            self.raise(IncidentCode::FillAfterRejection, id, &format!("trade {trade_id}"), events);
        }
        Ok(())
    }

    fn meet_stranger(&mut self, id: ClientOrderId, events: &mut Vec<GateEvent>) {
        self.disputed.insert(id.0);
        self.raise(IncidentCode::UnknownOrder, id, "the venue has an order that the log does not know", events);
    }

    pub(super) fn raise(&mut self, code: IncidentCode, id: ClientOrderId, detail: &str, events: &mut Vec<GateEvent>) {
        let incident = Incident { code, client_order_id: id, detail: detail.to_owned() };
        events.push(GateEvent::Incident(incident.clone()));
        self.incident.get_or_insert(incident);
    }
}
