//! From a request to an approval, and from an approval, once, to an intent.

use std::sync::Arc;

use crate::instrument::ContractKind;
use crate::order::{CLOCK_IS_OFF_NS, ClientOrderId, Order, OrderRequest};
use crate::risk::check::{Checks, Exposure, Passed, check, refuse};
use crate::risk::{Rejection, RiskCode};

use super::approval::{Approval, Slot, content_hash};
use super::record::Record;
use super::{Gate, GateError, GateEvent, ids};

impl Gate {
    /// Checks a request and sets its worst case aside until the approval is spent, released or out of time. A request
    /// whose id is known gets its recorded outcome: the approval if it is unspent, the same rejection if it was refused
    /// (here, or when its approval was released or lapsed), `DUPLICATE_REQUEST` if its order exists. One that asks for
    /// something else under that id is a `REQUEST_CONFLICT`, and no outcome of that id. A first refusal is appended to the
    /// log; in a storm together with others (`beyond`).
    #[inline]
    pub fn reserve(&mut self, now_ns: i64, request: &OrderRequest) -> Result<Approval, Rejection> {
        self.stats.requests += 1;
        self.record_gathered(now_ns);
        if self.approvals.any_due(now_ns) {
            self.lapse(now_ns);
        }
        let id = ids::derive(self.account_hash, request.request_id);
        let stale = match self.approvals.get(id) {
            Some(slot) if self.still_good(slot) || self.is_void(&slot.approval) => {
                self.stats.repeated_requests += 1;
                if slot.request != *request {
                    return Err(other_content(id));
                }
                let approval = slot.approval.clone();
                if !self.is_void(&approval) {
                    return Ok(approval);
                }
                return Err(self.release(now_ns, &approval, before_the_latch()).unwrap_or_else(before_the_latch));
            }
            slot => slot.is_some(),
        };
        if self.is_recorded(id)
            && let Some(rejection) = self.outcome_again(id, request)
        {
            self.stats.repeated_requests += 1;
            return Err(rejection);
        }
        if let Some(known) = self.beyond.get(id) {
            self.stats.repeated_requests += 1;
            let same = known.content_hash == content_hash(request);
            return Err(if same { Rejection::new(known.code, "refused before") } else { other_content(id) });
        }
        if let Some(known) = self.unlogged.content(id) {
            self.stats.repeated_requests += 1;
            let same = known == content_hash(request);
            return Err(if same { self.refuse_again(now_ns, request) } else { other_content(id) });
        }
        // Approved under limits that are gone: checked anew, without its own reservation in the way.
        if stale && let Some(slot) = self.approvals.remove(id) {
            self.unreserve(&slot);
            self.stats.released += 1;
        }
        let mut passed = Passed::default();
        match self.admit(now_ns, request, &mut passed) {
            Ok((instrument, place)) => {
                let Passed { checked, after } = passed;
                let lapse_ns = now_ns.saturating_add(self.approval_ttl_ns);
                let deadline_ns = match request.deadline_ns {
                    0 => lapse_ns,
                    deadline_ns => lapse_ns.min(deadline_ns),
                };
                let approval = Approval {
                    client_order_id: id,
                    limits_version: self.limits_version,
                    epoch: self.state.epoch,
                    latches: self.latches,
                    deadline_ns,
                    only_reduces: self.only_reduces(instrument, request.side, request.size),
                };
                let (side, size) = (request.side, request.size);
                let reserved = self.state.reserve_checked(instrument, side, size, checked.held, place, &after);
                if reserved.is_none() {
                    return Err(self.refuse(now_ns, request, Rejection::new(RiskCode::Overflow, "reservations")));
                }
                self.rates.record_order(now_ns, request.strategy);
                self.approvals.add(&approval, request, checked, instrument);
                self.stats.approved += 1;
                Ok(approval)
            }
            Err(rejection) => Err(self.refuse(now_ns, request, *rejection)),
        }
    }

    /// An unspent approval outlives a change of limits only as a reservation to be replaced.
    fn still_good(&self, slot: &Slot) -> bool {
        slot.approval.limits_version == self.limits_version && !self.is_void(&slot.approval)
    }

    /// True when the kill latch was set since it was given: whoever took the latch back since did not mean this one.
    #[inline]
    fn is_void(&self, approval: &Approval) -> bool {
        approval.latches != self.latches
    }

    /// True when the request of this id has an outcome in the log.
    #[inline]
    fn is_recorded(&self, id: ClientOrderId) -> bool {
        self.state.index.contains_key(&id.0) || self.state.refusals.get(id).is_some()
    }

    /// What became of a request that came before.
    #[cold]
    fn outcome_again(&self, id: ClientOrderId, request: &OrderRequest) -> Option<Rejection> {
        if let Some((_, entry)) = self.state.entry(id) {
            return Some(match &entry.rejection {
                _ if entry.order.request != *request => other_content(id),
                Some(rejection) => (**rejection).clone(),
                None => {
                    let detail = format!("{id} is {:?}", entry.order.status);
                    Rejection::new(RiskCode::DuplicateRequest, detail)
                }
            });
        }
        let known = self.state.refusals.get(id)?;
        Some(match self.state.refusals.full(id) {
            _ if known.content_hash.is_some_and(|hash| hash != content_hash(request)) => other_content(id),
            Some(refusal) => (*refusal.rejection).clone(),
            None => Rejection::new(known.code, "refused before"),
        })
    }

    /// Every check; gives the places of the instrument and of the strategy. The state of the account comes first, so that its
    /// name is what the refusal says.
    #[inline(always)]
    fn admit(&mut self, now_ns: i64, request: &OrderRequest, passed: &mut Passed) -> Checks<(usize, usize)> {
        if let Some(rejection) = self.refuses_all() {
            return refuse(rejection);
        }
        if request.account != self.account {
            return refuse(Rejection::new(RiskCode::WrongAccount, request.account.as_str()));
        }
        if request.deadline_ns != 0 && now_ns > request.deadline_ns {
            return refuse(expired(request.deadline_ns, now_ns));
        }
        let Some(slot) = self.state.account.slot(request.instrument) else {
            return refuse(Rejection::new(RiskCode::UnknownInstrument, request.instrument.as_str()));
        };
        let account = &self.state.account;
        let (desk, instrument) = (&self.state.desks[slot], account.instrument_at(slot));
        // A contract holds no balance.
        let (free_base, free_quote) = match instrument.kind {
            ContractKind::Spot => account.free_at(slot),
            _ => (0, 0),
        };
        let place = self.state.sharers.place(request.strategy);
        let exposure = Exposure {
            scale: desk.scale,
            position: account.position_at(slot).size,
            open_buy: desk.open_buy,
            open_sell: desk.open_sell,
            free_base,
            free_quote,
            orders: Some((&self.state.orders, &desk.orders)),
            place,
            volume: match desk.limits.max_participation_bps {
                Some(_) => desk.volume.as_ref().map(|volume| volume.sums(now_ns)),
                None => None,
            },
            portfolio: self.state.portfolio(slot),
        };
        check(now_ns, request, instrument, desk.market, &exposure, (&self.limits, &desk.limits), passed)?;
        if let Some(rejection) = self
            .refuses_for_loss(slot, request.side, request.size)
            .or_else(|| self.refuses_unmeasured(now_ns, slot, request.side, request.size))
        {
            return refuse(rejection);
        }
        // Last, so that a request that is refused anyhow uses up nothing.
        self.rates.check(now_ns, request.strategy)?;
        Ok((slot, place))
    }

    /// Spends an approval: tests the latch, ownership, limits and deadline again and appends the intent. When this
    /// returns an order, its bytes may leave, and only then; it never returns the same order twice, in no process.
    pub fn spend(&mut self, now_ns: i64, approval: &Approval) -> Result<Arc<Order>, Rejection> {
        let id = approval.client_order_id;
        // All of it is compared: its content, the limits, and the epoch, so that one of an earlier process is none.
        let Some(slot) = self.approvals.take(approval) else {
            self.stats.invalid_approvals += 1;
            let known = self.order(id).map(|order| format!("{id} is {:?}", order.status));
            let detail = known.unwrap_or_else(|| format!("{id} has no such approval in epoch {}", self.state.epoch));
            return Err(Rejection::new(RiskCode::ApprovalInvalid, detail));
        };
        // Whichever way it ends, the intent holds what it needs by itself.
        self.unreserve(&slot);
        if let Some(rejection) = self.last_moment(now_ns, &slot) {
            return Err(self.refuse(now_ns, &slot.request, rejection));
        }
        let intent = Record::Intent {
            now_ns,
            request: slot.request.clone(),
            hold_price: slot.checked.hold_price,
            window_end_ns: now_ns.saturating_add(self.validity_window_ns).saturating_add(self.venue_ahead_ns),
        };
        let order = self.conclude(intent);
        match &order {
            Ok(_) => self.stats.spent += 1,
            Err(_) => self.unlogged.keep(id, content_hash(&slot.request)),
        }
        order
    }

    /// Appends and books what a request came to.
    fn conclude(&mut self, record: Record) -> Result<Arc<Order>, Rejection> {
        let events = self.commit(record).map_err(|error| log_failed(&error))?;
        let order =
            events.into_iter().find_map(|event| if let GateEvent::Order(order) = event { Some(order) } else { None });
        order.ok_or_else(|| Rejection::new(RiskCode::LogFailed, "the outcome was not booked"))
    }

    fn last_moment(&mut self, now_ns: i64, slot: &Slot) -> Option<Rejection> {
        if let Some(rejection) = self.refuses_all() {
            return Some(rejection);
        }
        let approval = &slot.approval;
        if self.is_void(approval) {
            return Some(before_the_latch());
        }
        if approval.limits_version != self.limits_version {
            let (old, new) = (approval.limits_version, self.limits_version);
            return Some(Rejection::limit(RiskCode::LimitsChanged, format!("version {new}"), format!("version {old}")));
        }
        if now_ns > approval.deadline_ns {
            return Some(expired(approval.deadline_ns, now_ns));
        }
        let (instrument, side, size) = (slot.instrument, slot.request.side, slot.request.size);
        let loss = self.refuses_for_loss(instrument, side, size);
        loss.or_else(|| self.refuses_unmeasured(now_ns, instrument, side, size))
    }

    /// True while `approval` is unspent and holds its reservation.
    pub fn holds(&self, approval: &Approval) -> bool {
        self.approvals.get(approval.client_order_id).is_some_and(|slot| slot.approval == *approval)
    }

    /// True when the request of this id has an outcome, or an approval that may still become one.
    pub fn knows(&self, id: ClientOrderId) -> bool {
        self.is_recorded(id) || self.refused(id) || self.approvals.get(id).is_some()
    }

    /// True when the request of this id was refused, in the log or without it.
    pub fn refused(&self, id: ClientOrderId) -> bool {
        self.state.refusals.get(id).is_some() || self.beyond.get(id).is_some() || self.refused_unlogged(id)
    }

    /// Under which code the request of this id was refused, where the log has it or is to get it, in full or not.
    pub fn refusal_code(&self, id: ClientOrderId) -> Option<RiskCode> {
        let known = self.state.refusals.get(id).map(|known| known.code);
        known.or_else(|| self.beyond.get(id).map(|refused| refused.code))
    }

    /// True when the request of this id was refused and the log did not take it.
    pub fn refused_unlogged(&self, id: ClientOrderId) -> bool {
        self.unlogged.content(id).is_some()
    }

    /// Refuses a request that nobody judged and nobody will, in the log, for good. `None` for one that has its outcome, or an
    /// approval that may be spent: what is said of that is its outcome.
    pub fn refuse_unjudged(&mut self, now_ns: i64, request: &OrderRequest, why: Rejection) -> Option<Rejection> {
        let id = ids::derive(self.account_hash, request.request_id);
        self.stats.requests += 1;
        (!self.knows(id)).then(|| self.refuse(now_ns, request, why))
    }

    /// Gives an unspent approval back, for `why`: its request is refused, in the log, for good. `None` when the approval
    /// was spent, released or lapsed before.
    pub fn release(&mut self, now_ns: i64, approval: &Approval, why: Rejection) -> Option<Rejection> {
        let slot = self.approvals.take(approval)?;
        self.unreserve(&slot);
        self.stats.released += 1;
        Some(self.refuse(now_ns, &slot.request, why))
    }

    /// Ends approvals that are out of time: what they held is free, their requests are refused (`EXPIRED`) in the log.
    /// Returns the refused orders that lapsed since the last call, each once, to be published.
    #[must_use = "whoever asked has to learn that the request was refused"]
    pub fn on_time(&mut self, now_ns: i64) -> Vec<Arc<Order>> {
        if self.approvals.any_due(now_ns) {
            self.lapse(now_ns);
        }
        self.record_gathered(now_ns);
        std::mem::take(&mut self.lapsed)
    }

    #[cold]
    fn lapse(&mut self, now_ns: i64) {
        if self.log_failed {
            return;
        }
        for slot in self.approvals.take_due(now_ns) {
            let why = expired(slot.approval.deadline_ns, now_ns);
            let refused = if self.log_failed { None } else { self.record_refusal(now_ns, &slot.request, why).ok() };
            match refused {
                Some(order) => self.lapsed.push(order),
                // With a log that fails nothing can be spent either: what cannot be recorded waits until it can.
                None if self.log_failed => {
                    self.approvals.insert(&slot);
                    continue;
                }
                // A text that no record holds: the intent would not have been taken either.
                None => self.unlogged.keep(slot.approval.client_order_id, content_hash(&slot.request)),
            }
            self.unreserve(&slot);
            self.stats.rejected += 1;
            self.stats.lapsed += 1;
        }
    }

    fn unreserve(&mut self, slot: &Slot) {
        let (side, size, held) = (slot.request.side, slot.request.size, slot.checked.held);
        // Takes back exactly what was added, so it fits.
        let place = self.state.sharers.place(slot.request.strategy);
        let _fits = self.state.reserve(slot.instrument, side, -size, -held, (place, -1));
        debug_assert!(_fits.is_some());
    }

    /// Records a refusal. Where the log does not take it, the request is refused all the same, as long as this process lives.
    #[cold]
    fn refuse(&mut self, now_ns: i64, request: &OrderRequest, rejection: Rejection) -> Rejection {
        self.stats.rejected += 1;
        let id = ids::derive(self.account_hash, request.request_id);
        if self.gathers(now_ns, id, (request.strategy, rejection.code), content_hash(request)) {
            return rejection;
        }
        self.refuse_in_log(now_ns, request, rejection)
    }

    /// What was refused without the log is refused again, and the log gets it now if it can.
    #[cold]
    fn refuse_again(&mut self, now_ns: i64, request: &OrderRequest) -> Rejection {
        let why = Rejection::new(RiskCode::LogFailed, "refused before, when the log took nothing");
        self.refuse_in_log(now_ns, request, why)
    }

    fn refuse_in_log(&mut self, now_ns: i64, request: &OrderRequest, rejection: Rejection) -> Rejection {
        let id = ids::derive(self.account_hash, request.request_id);
        match self.record_refusal(now_ns, request, rejection.clone()) {
            Ok(_) => {
                self.unlogged.forget(id);
                rejection
            }
            Err(mut failed) => {
                self.unlogged.keep(id, content_hash(request));
                failed.detail = format!("{}; the refusal was {rejection}", failed.detail);
                failed
            }
        }
    }

    fn record_refusal(
        &mut self,
        now_ns: i64,
        request: &OrderRequest,
        rejection: Rejection,
    ) -> Result<Arc<Order>, Rejection> {
        self.conclude(Record::Rejected { now_ns, request: request.clone(), rejection })
    }
}

#[cold]
fn other_content(id: ClientOrderId) -> Rejection {
    Rejection::new(RiskCode::RequestConflict, format!("{id} was requested with other content"))
}

/// Why what comes behind its deadline is refused.
#[cold]
pub(crate) fn expired(deadline_ns: i64, now_ns: i64) -> Rejection {
    if deadline_ns == CLOCK_IS_OFF_NS {
        let why = "no deadline of its node counts: its clock is too far from that of the account's node, or not known";
        return Rejection::new(RiskCode::Expired, why);
    }
    Rejection::limit(RiskCode::Expired, format!("{deadline_ns} ns"), format!("{now_ns} ns"))
}

/// Why what waited while the kill latch was set and taken back is refused.
#[cold]
pub(crate) fn before_the_latch() -> Rejection {
    Rejection::new(RiskCode::KillSwitch, "it waited when the kill switch was set, or was asked for while it was")
}

#[cold]
pub(super) fn log_failed(error: &GateError) -> Rejection {
    Rejection::new(RiskCode::LogFailed, error.to_string())
}
