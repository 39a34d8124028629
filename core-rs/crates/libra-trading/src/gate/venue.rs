//! What goes to the venue besides new orders, and what comes back.

use libra_kernel::Name;

use crate::order::{ClientOrderId, OrderStatus, VenueOutcome, VenueReport};
use crate::risk::{Rejection, RiskCode};

use super::approve::log_failed;
use super::codec::clip;
use super::record::Record;
use super::report::{NOT_FOUND_AGES_NS, Verdict};
use super::{Gate, GateError, GateEvent};

/// A strategy's cancel of one order goes to the venue so often at most: so long the venue has to answer the one before, and
/// so long one that it refused stays refused.
pub const CANCEL_ANSWER_NS: i64 = 1_000_000_000;

/// Why a strategy's cancel does not go to the venue yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelPause {
    /// The one before may still be answered, and its answer is this one's too.
    Unanswered,
    /// The venue refused the one before.
    Refused,
}

/// A cancel that may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelIntent {
    /// The order.
    pub client_order_id: ClientOrderId,
    /// The venue's id of it, empty when it never answered.
    pub venue_order_id: String,
    /// Its instrument.
    pub instrument: Name,
    /// True when an earlier cancel still waits for its answer.
    pub repeated: bool,
    /// True when its intent stands in the log; otherwise the log gets it as soon as it takes records again.
    pub logged: bool,
}

impl Gate {
    /// The order's bytes left. Returns what is to be published; nothing when it was known or the venue was faster.
    pub fn mark_submitted(&mut self, now_ns: i64, id: ClientOrderId) -> Result<Vec<GateEvent>, GateError> {
        let Some((_, entry)) = self.state.entry(id) else {
            let refused = self.state.refusals.get(id).is_some();
            return if refused { Ok(Vec::new()) } else { Err(GateError::UnknownOrder(id)) };
        };
        if entry.order.status != OrderStatus::New {
            return Ok(Vec::new());
        }
        self.commit(Record::Submitted { now_ns, client_order_id: id })
    }

    /// Why a strategy's cancel of the order would tell the venue nothing now: an earlier one is younger than
    /// [`CANCEL_ANSWER_NS`]. Whoever cancels at every refusal would otherwise do so as fast as the venue can refuse.
    pub fn cancel_pause(&self, now_ns: i64, id: ClientOrderId) -> Option<CancelPause> {
        let (_, entry) = self.state.entry(id)?;
        // A clock that went back holds nothing up.
        let waited_ns = now_ns.saturating_sub(entry.cancel_asked_ns);
        if entry.order.status.is_final() || !(0..CANCEL_ANSWER_NS).contains(&waited_ns) {
            return None;
        }
        Some(if entry.cancel_pending { CancelPause::Unanswered } else { CancelPause::Refused })
    }

    /// Appends the intent to cancel an order, then the cancel may leave: it works with the kill latch set and while stopping
    /// or reconciling, and also when the log takes nothing. A cancel only takes risk away, and one that waited for a disk
    /// would leave the account exposed.
    pub fn cancel(&mut self, now_ns: i64, id: ClientOrderId) -> Result<CancelIntent, Rejection> {
        let Some((index, entry)) = self.state.entry(id) else {
            let refused = self.state.refusals.get(id).is_some() || self.beyond.get(id).is_some();
            return Err(match refused {
                true => Rejection::new(RiskCode::OrderFinal, format!("{id} is {:?}", OrderStatus::Rejected)),
                false => Rejection::new(RiskCode::UnknownOrder, id.to_string()),
            });
        };
        if entry.order.status.is_final() {
            return Err(Rejection::new(RiskCode::OrderFinal, format!("{id} is {:?}", entry.order.status)));
        }
        let mut intent = CancelIntent {
            client_order_id: id,
            venue_order_id: entry.order.venue_order_id.clone(),
            instrument: entry.order.request.instrument,
            repeated: entry.cancel_pending,
            logged: true,
        };
        if !intent.repeated {
            let record = Record::CancelIntent { now_ns, client_order_id: id };
            match self.commit_or_owe(record).1 {
                Err(GateError::Log(_)) => intent.logged = false,
                other => other.map_err(|error| log_failed(&error))?,
            }
            self.stats.cancels += 1;
        }
        self.state.entries.change(index).cancel_asked_ns = now_ns;
        // Also one that is asked for again: the venue hears it again.
        let strategy = self.state.entry(id).map(|(_, entry)| entry.order.request.strategy);
        self.rates.record_message(now_ns, strategy.unwrap_or(Name::NONE));
        Ok(intent)
    }

    /// Takes in what the venue says, answers to queries among it: appends, books, and returns what is to be published.
    /// What is known, late or of no weight is counted and returns nothing. `Err` means that it was not taken in and has
    /// to be asked for again.
    ///
    /// [`VenueOutcome::NotFound`] is the answer to a query. It ends an order when the order's window was over on the
    /// venue's clock (`ts_venue_ns`) and a second answer agrees, later by five minutes at most; any other report in between
    /// starts the count anew, one that says nothing new too.
    pub fn on_report(&mut self, now_ns: i64, report: &VenueReport) -> Result<Vec<GateEvent>, GateError> {
        let counter = match self.state.judge(report) {
            Verdict::Apply => {
                if self.state.order(report.client_order_id).is_none() {
                    self.stats.unknown_orders += 1;
                }
                let filled = matches!(report.outcome, VenueOutcome::Filled { .. });
                if filled {
                    // The day begins at the equity before it. A log that fails does not take the report either.
                    let _ = self.roll_day(now_ns);
                }
                let said = clipped(report);
                // Among cancels that are forced together: what is held back ends with them.
                let later = self.together > 0
                    && matches!(said.outcome, VenueOutcome::Rejected { .. } | VenueOutcome::Cancelled { .. });
                let record = match said.outcome {
                    VenueOutcome::NotFound => {
                        let ends = self.state.agrees_within(&said, NOT_FOUND_AGES_NS);
                        Record::NotFound { now_ns, report: said, ends }
                    }
                    _ => Record::Report { now_ns, report: said },
                };
                let mut events = self.commit_by(record, later)?;
                self.stats.reports += 1;
                if filled {
                    self.watch_fill(now_ns, report.client_order_id, &mut events);
                }
                return Ok(events);
            }
            Verdict::Invalid => {
                self.stats.invalid_reports += 1;
                return Err(GateError::InvalidReport(report.client_order_id));
            }
            verdict @ (Verdict::Seen | Verdict::Dispute) => {
                let events = self.commit(Record::Report { now_ns, report: clipped(report) })?;
                let dispute = verdict == Verdict::Dispute;
                *(if dispute { &mut self.stats.conflicts } else { &mut self.stats.duplicates }) += 1;
                return Ok(events);
            }
            Verdict::Duplicate => &mut self.stats.duplicates,
            Verdict::Late => &mut self.stats.late,
            Verdict::Conflict => &mut self.stats.conflicts,
            Verdict::Undecided => &mut self.stats.undecided,
            Verdict::Unknown => &mut self.stats.unknown_orders,
        };
        *counter += 1;
        Ok(Vec::new())
    }
}

/// A report whose words fit a record: a venue's page of HTML must not keep an answer out of the log.
fn clipped(report: &VenueReport) -> VenueReport {
    let short = |text: &String| clip(text).to_owned();
    let outcome = match &report.outcome {
        VenueOutcome::Rejected { code, detail } => VenueOutcome::Rejected { code: short(code), detail: short(detail) },
        VenueOutcome::Cancelled { reason } => VenueOutcome::Cancelled { reason: short(reason) },
        VenueOutcome::CancelRejected { detail } => VenueOutcome::CancelRejected { detail: short(detail) },
        other => other.clone(),
    };
    VenueReport { venue_order_id: short(&report.venue_order_id), outcome, ..*report }
}
